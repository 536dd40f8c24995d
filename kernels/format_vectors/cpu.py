"""Shortest decimals on the CPU: three short products a number, its digits stored eight at a time.

Plan      The caller gives each worker its own rows. A float32's rounding interval, scaled by a power of ten
          from a table (64 bits, by exponent), is an interval of integers; the one or two candidates inside
          are compared without division by a variable or a loop. All nine digits are then spread over bytes
          at once; how many are zeros at the end is one bit count.
Bound by  integer multiplications: about 16 a number.
Limits    none: every finite float32; all 2³¹ − 2²³ without sign were written and read back.
Source    Giulietti (2021), The Schubfach way to render doubles.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float32, Int64
from gpuemb.core.jit import njit, njit_inline
from gpuemb.kernels.format_vectors import LEAST_LARGE, LEAST_POSITIONAL, Bytes
from gpuemb.kernels.intrinsics import leading_zeros, store_eight

LONGEST = 20  # bytes of a number and its space: "-1234567800000000.0 "
SLACK = 16  # bytes written behind the text by a store of eight

SPACE, MINUS, PLUS, DOT, ZERO, NEWLINE, EXPONENT = b" -+.0\ne"
ZEROS = np.uint64(int.from_bytes(b"0" * 8))
ZERO_POINT = np.uint64(int.from_bytes(b"0.000000", "little"))
FRACTION_BITS, FRACTION = np.uint64(23), np.uint64((1 << 23) - 1)
IRREGULAR = 256  # first index in the tables of powers of two, whose lower neighbor is nearer
U0, U1, U2, U3, U4, U8, U16, U32 = (np.uint64(n) for n in (0, 1, 2, 3, 4, 8, 16, 32))
LOW_HALF = np.uint64((1 << 32) - 1)
TEN, FORTY, HUNDRED = np.uint64(10), np.uint64(40), np.uint64(100)
TEN_TO_FOUR, TEN_TO_EIGHT = np.uint64(10**4), np.uint64(10**8)
HUNDREDTHS, TENTHS = np.uint64(5243), np.uint64(103)  # over 2¹⁹ and 2¹⁰: exact below 10⁴ and below 100
HUNDREDTHS_SHIFT, TENTHS_SHIFT = np.uint64(19), np.uint64(10)
LANES_32, LANES_16 = np.uint64(0x0000007F_0000007F), np.uint64(0x000F_000F_000F_000F)
# The one float32 whose shortest decimal, 7.038531e-26, is read through float64 as its neighbor.
BETWEEN, BETWEEN_DIGITS, BETWEEN_EXPONENT = np.uint64(0x15AE43FD), np.uint64(70385307), -33
POWERS = np.array([10**e for e in range(11)], np.uint64)


def format_vectors(vectors: Float32, words: Bytes) -> Bytes:
    """See :mod:`gpuemb.kernels.format_vectors`."""
    vectors = np.ascontiguousarray(vectors)
    names = np.asarray(words).view()
    names.flags.writeable = False  # one compiled kernel for buffers of bytes and for arrays
    text = np.empty(words.size + vectors.size * LONGEST + len(vectors) + SLACK, np.uint8)
    powers, shifts, exponents = scales()
    return text[: _format(vectors, vectors.view(np.uint32), names, powers, shifts, exponents, text)]


@cache
def scales() -> tuple[NDArray[np.uint64], NDArray[np.uint64], Int64]:
    """``10^-k`` in 64 bits rounded up, the shift that aligns it, and ``k``, for every exponent.

    ``k`` is the largest power of ten that is not longer than the rounding interval; behind ``IRREGULAR`` that
    of powers of two, which is three quarters as long.
    """
    powers, shifts = np.zeros(2 * IRREGULAR, np.uint64), np.zeros(2 * IRREGULAR, np.uint64)
    exponents = np.zeros(2 * IRREGULAR, np.int64)
    for biased in range(255):
        binary = max(biased, 1) - 150
        for place, part in ((biased, Fraction(1)), (biased + IRREGULAR, Fraction(3, 4))):
            length = part * Fraction(2) ** binary
            k = _floor_log(length, 10)
            scale = Fraction(10) ** -k
            log = _floor_log(scale, 2)
            exponents[place], shifts[place] = k, binary + log + 1
            powers[place] = -(-(scale * Fraction(2) ** (63 - log)) // 1)
    return powers, shifts, exponents


def _floor_log(number: Fraction, base: int) -> int:
    """The largest ``e`` with ``base^e ≤ number``."""
    e = 0
    while Fraction(base) ** e > number:
        e -= 1
    while Fraction(base) ** (e + 1) <= number:
        e += 1
    return e


@njit
def _format(
    vectors: Float32,
    patterns: NDArray[np.uint32],
    words: Bytes,
    powers: NDArray[np.uint64],
    shifts: NDArray[np.uint64],
    exponents: Int64,
    text: Bytes,
) -> Any:
    at: Any = 0
    place = 0
    for row in range(patterns.shape[0]):
        while words[place] != NEWLINE:
            text[at] = words[place]
            at += 1
            place += 1
        place += 1
        for column in range(patterns.shape[1]):
            text[at] = SPACE
            pattern = patterns[row, column]
            text[at + 1] = MINUS
            at += 1 + np.int64(pattern >> np.uint32(31))
            digits, exponent = _shortest(
                np.uint64(pattern & np.uint32(0x7FFFFFFF)), powers, shifts, exponents
            )
            at = _write(text, at, digits, exponent, abs(np.float64(vectors[row, column])))
        text[at] = NEWLINE
        at += 1
    return at


@njit_inline
def _shortest(pattern: Any, powers: Any, shifts: Any, exponents: Any) -> tuple[Any, Any]:
    """Return ``(m, k)``: ``m·10^k`` is the shortest decimal of a positive float32; ``m`` may end in zeros."""
    if pattern == BETWEEN:
        return BETWEEN_DIGITS, BETWEEN_EXPONENT
    fraction = pattern & FRACTION
    biased = np.int64(pattern >> FRACTION_BITS)
    irregular = fraction == U0 and biased > 1
    integer = fraction | (np.uint64(biased > 0) << FRACTION_BITS)
    place = biased + (IRREGULAR if irregular else 0)
    power, shift, k = powers[place], shifts[place], exponents[place]
    odd = integer & U1
    four = integer << U2
    middle = _scaled(power, four << shift)
    lower = _scaled(power, (four - (U1 if irregular else U2)) << shift) + odd
    upper = _scaled(power, (four + U2) << shift) - odd
    quarter = middle >> U2
    tens = quarter // TEN
    below, above = lower <= FORTY * tens, FORTY * tens + FORTY <= upper
    if quarter >= TEN and below != above:
        return tens + np.uint64(above), k + 1
    under, over = lower <= U4 * quarter, U4 * quarter + U4 <= upper
    half = U4 * quarter + U2
    up = over if under != over else middle > half or (middle == half and (quarter & U1) == U1)
    return quarter + np.uint64(up), k


@njit_inline
def _scaled(power: Any, integer: Any) -> Any:
    """``power·integer / 2⁶⁴`` rounded to odd: the last bit is set if anything was cut off."""
    high = (power >> U32) * integer + (((power & LOW_HALF) * integer) >> U32)
    return (high >> U32) | np.uint64((high & LOW_HALF) > U1)


@njit_inline
def _eight_digits(number: Any) -> Any:
    """The digits of a number below 10⁸ as eight bytes 0…9, the first in the lowest."""
    high = number // TEN_TO_FOUR
    fours = high | ((number - high * TEN_TO_FOUR) << U32)
    hundreds = ((fours * HUNDREDTHS) >> HUNDREDTHS_SHIFT) & LANES_32
    pairs = hundreds | ((fours - HUNDRED * hundreds) << U16)
    tens = ((pairs * TENTHS) >> TENTHS_SHIFT) & LANES_16
    return tens | ((pairs - TEN * tens) << U8)


@njit
def _write(text: Bytes, at: int, digits: Any, exponent: Any, size: float) -> Any:
    """Write ``digits·10^exponent``, a number of that ``size``; return its end."""
    bits: Any = np.int64(64) - np.int64(leading_zeros(digits))
    length = (bits * 1233) >> 12  # log₁₀ 2 = 1233 / 4096: the number of digits, or one less
    length += digits >= POWERS[length]
    digits *= POWERS[9 - length]
    lead = digits // TEN_TO_EIGHT
    rest = _eight_digits(digits - lead * TEN_TO_EIGHT)
    kept: Any = 8 - np.int64(leading_zeros(rest) >> U3)  # digits behind the first, without zeros at the end
    rest |= ZEROS
    point = length + exponent  # the number is 0.d₁d₂… · 10^point
    if point <= 0 and size >= LEAST_POSITIONAL:
        store_eight(text, at, ZERO_POINT)
        at += 2 - point
        text[at] = np.uint8(lead) + ZERO
        store_eight(text, at + 1, rest)
        return at + 1 + kept
    text[at] = np.uint8(lead) + ZERO
    text[at + 1] = DOT
    store_eight(text, at + 2, rest)
    if point == 1 or digits == U0:
        return at + 2 + max(kept, 1)
    if point > 1 and size < LEAST_LARGE:
        return _shift_point(text, at + 1, point - 1, kept)
    return _write_exponent(text, at + 2 + kept if kept else at + 1, point - 1)


@njit
def _shift_point(text: Bytes, at: int, places: int, kept: int) -> Any:
    """Move the point at ``at`` to the right, over ``kept`` digits and the missing zeros."""
    for step in range(places):
        text[at] = text[at + 1] if step < kept else ZERO
        at += 1
    text[at] = DOT
    if kept <= places:
        text[at + 1] = ZERO
    return at + 1 + max(kept - places, 1)


@njit
def _write_exponent(text: Bytes, at: int, exponent: int) -> int:
    text[at] = EXPONENT
    text[at + 1] = MINUS if exponent < 0 else PLUS
    text[at + 2] = abs(exponent) // 10 + ZERO
    text[at + 3] = abs(exponent) % 10 + ZERO
    return at + 4
