"""Amount of work of a shape: operations executed, bytes moved, memory held."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gpuemb.bench.workloads.synthetic import TOKENS_A_DOCUMENT
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.kernels.glove_epoch import LANES
from gpuemb.kernels.gram import BLOCK_ROWS, Precision

BYTES_A_TOKEN_OF_TEXT = 6  # at most, on average, in the synthetic text: its frequent words are short
NEW_CELLS = 0.5  # upper bound, as a share of the additions: 0.45 at 20 tokens a word, 0.3 at 40, fewer beyond
GLOVE_FLOPS_A_LANE = 16  # dot 2, gradients 2, two roots and two divisions 4, steps 4, squares 4
GLOVE_BYTES_A_LANE = 32  # four float32 vectors, read and written
POLAR_FLOPS = 24  # d³ times: 22 for a full SVD (Golub and Van Loan, §8.6), 2 for U Wᵀ


@dataclass(frozen=True)
class Work:
    """Operations and bytes of one call.

    Attributes:
        flops: arithmetic operations, of the kind the ceiling counts (a fused multiply-add is two).
        bytes: least traffic between the cores and memory.
        items: number and unit of the results: ``(50_000, "words")``.
        ceiling: name of the ceiling that bounds it.
        counts: unit of the ceiling's rate: ``flops`` or ``bytes``.
        said: how the numbers were counted, and what is excluded.
    """

    flops: int
    bytes: int
    items: tuple[int, str]
    ceiling: str
    counts: str
    said: str

    @property
    def amount(self) -> int:
        """The amount that is compared with the ceiling."""
        return self.flops if self.counts == "flops" else self.bytes


def draws(shape: Mapping[str, int]) -> Work:
    """Products of the drawn rows: all in a permutation, a share of 1 − 1/e in a resample."""
    words, dim, number, products = shape["words"], shape["dim"], shape["draws"], shape["products"]
    rows = words if products == 1 else round(words * (1 - math.exp(-1)))
    return Work(
        2 * number * products * rows * dim**2,
        number * rows * dim * 16,
        (number, "draws"),
        "dgemm",
        "flops",
        f"float64 products, {products} of d × d a draw; gathering and weighing rows is not counted",
    )


def streamed_ranks(shape: Mapping[str, int]) -> Work:
    """Cosines of all pairs, twice: once for the cells, once for their ranks."""
    words, dim = shape["words"], shape["dim"]
    return Work(
        4 * words**2 * dim,
        words * dim * 16,
        (words * (words - 1) // 2, "pairs"),
        "dgemm",
        "flops",
        "float64 products of two tables in two passes, half of all pairs; cells and ranks are not counted",
    )


def gram(shape: Mapping[str, int], precision: Precision = "float64") -> Work:
    """``S²·V·d²`` flops in products of the precision, ``2·S²·V·d`` for the weighted sums.

    Shapes with ``products`` of two tables each count ``2·V·d²`` for those alone.
    """
    runs, words, dim = shape["runs"], shape["words"], shape["dim"]
    products = shape.get("products")
    multiplied = words * dim**2 * (runs**2 if products is None else 2 * products)
    counted = "S(S−1)/2 products of 2·V·d² and S symmetric halves" if products is None else "2·V·d² a product"
    return Work(
        multiplied + 2 * runs**2 * words * dim,
        4 * runs * words * dim + 8 * (runs * dim) ** 2,
        (words * runs * (runs + 1) // 2, "pairs of rows"),
        "sgemm" if precision == "float32" else "dgemm",
        "flops",
        f"{precision}: {counted}, and 2·S²·V·d for the weighted sums; widening and probes are not counted",
    )


def plan_gram(shape: Mapping[str, int]) -> MemoryPlan:
    """The tables, one widened block, the products."""
    runs, words, dim = shape["runs"], shape["words"], shape["dim"]
    return MemoryPlan(
        f"gram of {runs} runs, {words} words, {dim} dimensions",
        {
            "tables": buffer((runs, words, dim), np.float32),
            "draws of one table": buffer((4, words, dim), np.float32),
            "one block of rows": buffer((2, BLOCK_ROWS, runs * dim), np.float64),
            "products": buffer((2, runs * dim, runs * dim), np.float64),
        },
    )


def polar(shape: Mapping[str, int]) -> Work:
    """``24·d³`` flops a matrix, as counted in textbooks."""
    pairs, dim = shape["pairs"], shape["dim"]
    return Work(
        POLAR_FLOPS * pairs * dim**3,
        16 * pairs * dim**2,
        (pairs, "pairs"),
        "dgemm",
        "flops",
        "22·d³ for an SVD (Golub and Van Loan) and 2·d³ for U Wᵀ, a matrix",
    )


def plan_polar(shape: Mapping[str, int]) -> MemoryPlan:
    """The products, the rotations, and LAPACK's workspace."""
    pairs, dim = shape["pairs"], shape["dim"]
    return MemoryPlan(
        f"polar of {pairs} matrices of {dim}",
        {
            "products and rotations": buffer((3, pairs, dim, dim), np.float64),
            "workspace": buffer((16, dim, dim), np.float64),
        },
    )


def pair_additions(tokens: int, window: int, document: int = TOKENS_A_DOCUMENT) -> int:
    """Number of additions for counting documents of equal length on both sides."""
    documents = max(1, tokens // document)
    return documents * sum(2 * max(0, document - distance) for distance in range(1, window + 1))


def window_counts(shape: Mapping[str, int]) -> Work:
    """Integer additions of the definition: two for every pair of tokens inside a window."""
    tokens, window = shape["tokens"], shape["window"]
    return Work(
        pair_additions(tokens, window),
        4 * tokens * (1 + 1 + 2),
        (tokens, "tokens"),
        "adds",
        "flops",
        "operations: two additions a pair, as defined; bytes: the ids and positions, without the result",
    )


def window_counts_cuda(shape: Mapping[str, int]) -> Work:
    """Reads of the windows' ids: on a GPU each position reads its own window."""
    tokens, window = shape["tokens"], shape["window"]
    return Work(
        pair_additions(tokens, window),
        4 * tokens * (1 + 2 * window),
        (tokens, "tokens"),
        "copy",
        "bytes",
        "bytes: each token and the ids of its window; sorting, cells and the result are left out",
    )


def plan_window_counts(shape: Mapping[str, int]) -> MemoryPlan:
    """Tokens, positions, and a result of at most ``NEW_CELLS`` of the additions."""
    tokens, words, window = shape["tokens"], shape["words"], shape["window"]
    cells = min(words**2, int(NEW_CELLS * pair_additions(tokens, window)))
    return MemoryPlan(
        f"window_counts of {tokens} tokens, {words} words",
        {
            "tokens and their draws": buffer((8, tokens), np.int64),
            "cells, at most, and their parts": 2 * 12 * cells,
        },
    )


def glove_epoch(shape: Mapping[str, int]) -> Work:
    """Floating operations a nonzero and lane; ``nonzeros`` is known after counting."""
    dim, nonzeros = shape["dim"], shape.get("nonzeros", 0)
    width = -(-dim // LANES) * LANES
    return Work(
        GLOVE_FLOPS_A_LANE * width * nonzeros,
        GLOVE_BYTES_A_LANE * width * nonzeros,
        (nonzeros, "nonzeros"),
        "sgemm",
        "flops",
        f"{GLOVE_FLOPS_A_LANE} flops and {GLOVE_BYTES_A_LANE} bytes a nonzero and lane, "
        f"d = {dim} padded to {width} lanes; most of the bytes stay in a core's cache",
    )


def glove_epoch_cuda(shape: Mapping[str, int]) -> Work:
    """Bytes of the rows of a nonzero: on a GPU the blocks of a round are together more than a cache holds."""
    width, nonzeros = -(-shape["dim"] // LANES) * LANES, shape.get("nonzeros", 0)
    return Work(
        GLOVE_FLOPS_A_LANE * width * nonzeros,
        GLOVE_BYTES_A_LANE * width * nonzeros,
        (nonzeros, "nonzeros"),
        "copy",
        "bytes",
        f"bytes: {GLOVE_BYTES_A_LANE} a nonzero and lane, d padded to {width} lanes; one run, whose blocks "
        "alone may not fill the device",
    )


def plan_glove_epoch(shape: Mapping[str, int]) -> MemoryPlan:
    """The counts, the ordered nonzeros, the parameters."""
    tokens, words, dim = shape["tokens"], shape["words"], shape["dim"]
    cells = min(words**2, int(NEW_CELLS * pair_additions(tokens, 10)))
    return MemoryPlan(
        f"glove_epoch of {tokens} counted tokens, {words} words, {dim} dimensions",
        {
            "counts, at most": 2 * 12 * cells,
            "ordered nonzeros and their draws": 48 * cells,
            "vectors and their AdaGrad sums": buffer((6, words, dim + LANES), np.float32),
        },
    )


def read_corpus(shape: Mapping[str, int]) -> Work:
    """The bytes of the text are read, four bytes a token written; ``text_bytes`` is known later."""
    tokens, text = shape["tokens"], shape.get("text_bytes", 0)
    return Work(
        text,
        text + 4 * tokens,
        (tokens, "tokens"),
        "copy",
        "bytes",
        "bytes: the text read and 4 bytes a token written; operations: one a byte of text",
    )


def plan_read_corpus(shape: Mapping[str, int]) -> MemoryPlan:
    """Ids at several stages, the draws, and the words as Python strings."""
    tokens, words = shape["tokens"], shape["words"]
    return MemoryPlan(
        f"read_corpus of {tokens} tokens",
        {
            "tokens and their draws": buffer((8, tokens), np.int64),
            "text in the system's cache": BYTES_A_TOKEN_OF_TEXT * tokens,
            "words": 512 * words,
        },
    )


def load_table(shape: Mapping[str, int]) -> Work:
    """Every byte is read from the system's cache and written to memory."""
    size = buffer((shape["words"], shape["dim"]), np.float32)
    return Work(0, 2 * size, (shape["words"], "words"), "copy", "bytes", "V·d·4 bytes read and written")


def text_vectors(shape: Mapping[str, int]) -> Work:
    """Reading or writing a table as text: every byte of either moves once."""
    words, numbers, text = shape["words"], shape["words"] * shape["dim"], shape["text_bytes"]
    return Work(
        numbers,
        text + 4 * numbers,
        (words, "words"),
        "copy",
        "bytes",
        "bytes: the text, and 4 a number; operations: one a number, about 30 cycles of a core to read it "
        "and 80 to write it, which is what bounds them",
    )


def plan_load_table(shape: Mapping[str, int]) -> MemoryPlan:
    """The table as drawn, as cached and as loaded."""
    size = buffer((shape["words"], shape["dim"]), np.float32)
    return MemoryPlan(
        f"load_table of {shape['words']} words",
        {"the table and its draws": 4 * size, "the file in the system's cache": size, "loaded": size},
    )
