r"""Words and float32 rows to lines of text, in the shortest digits that read back to the same numbers.

    vectors (V, d) float32   finite
    words   (B,)   uint8     the V words, a ``\n`` after each
    →       text   (n,) uint8  a line a word: ``word number … number\n``, one space between

A number has NumPy's digits: of the decimals with the fewest digits inside x's rounding interval the nearest
to x. It is positional where 10⁻⁴ ≤ |x| < 10¹⁶ and for 0 (``0.418``, ``1.0``), else it has an
exponent (``3.5e-05``). The text reads back to the same bits, by parse_vectors as by NumPy; for that one
number has a digit more than NumPy's: 7.038531e-26, read through float64, is the next float32.

Rejected: pyarrow.csv. It refuses words with a quotation mark, writes 0.0001 for 1e-04 and 1.5e+15 for
1500000000000000.0, and takes three times the CPU time (100,000 × 50: 0.54 s against 0.17 s).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float32
from gpuemb.core.dispatch import kernel

Bytes = NDArray[np.uint8]
LEAST_POSITIONAL, LEAST_LARGE = 1e-4, 1e16  # the bounds of the positional notation


@kernel
def format_vectors(vectors: Float32, words: Bytes) -> Bytes:
    """Write every row after its word.

    Cost: reads ``4·V·d`` bytes, writes about 9 bytes a number.
    """
    lines = []
    for word, row in zip(words.tobytes().split(b"\n"), vectors, strict=False):
        lines.append(b" ".join([word, *map(shortest, row)]) + b"\n")
    return np.frombuffer(b"".join(lines), np.uint8)


def shortest(number: np.float32) -> bytes:
    """Return the text of one finite number."""
    if number == 0 or LEAST_POSITIONAL <= abs(float(number)) < LEAST_LARGE:
        return np.format_float_positional(number, unique=True, trim="0").encode()
    text = np.format_float_scientific(number, unique=True, trim="-", exp_digits=2)
    return (text if np.float32(text) == number else f"{number:.7e}").encode()
