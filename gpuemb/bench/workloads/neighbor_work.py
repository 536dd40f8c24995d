"""Amount of work of finding and comparing neighbors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gpuemb.bench.workloads.work import Work
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.kernels.cosine_search import FEW_QUERIES, by_int8
from gpuemb.kernels.cosine_topk.cpu import BLOCK, choose_strategy, plan
from gpuemb.kernels.cosine_topk.cuda import STRATEGY
from gpuemb.kernels.cosine_topk.cuda.float16_rows import COLUMNS
from gpuemb.kernels.cosine_topk.cuda.state import SIDE

MEMORY_BOUND_QUERIES = 4  # up to this many, reading a table takes longer than multiplying with it


def cosine_topk(shape: Mapping[str, int]) -> Work:
    """Products of the filter on the CPU: each pair of words once, diagonal blocks in full.

    Given ``queries``, each is multiplied with every word.
    """
    words, dim, k = shape["words"], shape["dim"], shape["k"]
    queries = shape.get("queries", words)
    int8 = choose_strategy(dim, queries, k) == "int8"
    pairs = queries * words if "queries" in shape else words * (words + min(BLOCK, words)) // 2
    return Work(
        2 * pairs * dim,
        4 * words * dim + 12 * queries * k,
        (queries, "words"),
        "int8" if int8 else "sgemm",
        "flops",
        f"{'int8' if int8 else 'float32'} products executed, 2·d a pair: "
        + ("Q·V pairs" if "queries" in shape else f"V(V + {BLOCK})/2 pairs, the symmetric half")
        + "; rescoring the candidates in float64 is not counted",
    )


def cosine_search(shape: Mapping[str, int]) -> Work:
    """Queries in a prepared table: each is multiplied with every word; many are searched as all words."""
    words, dim, queries = shape["words"], shape["dim"], shape["queries"]
    if queries > FEW_QUERIES:
        return cosine_topk(shape)
    few, int8 = queries <= MEMORY_BOUND_QUERIES, by_int8(dim)
    return Work(
        2 * queries * words * dim,
        words * (dim + 8) if int8 else 4 * words * dim,
        (queries, "queries"),
        "copy" if few else "int8" if int8 else "sgemm",
        "bytes" if few else "flops",
        f"bytes: {'V·(d + 8)' if int8 else 'V·d·4'} read once; operations: 2·Q·V·d "
        f"{'int8' if int8 else 'float32'}; scoring in float64 is not counted",
    )


def analogy_search(shape: Mapping[str, int]) -> Work:
    """Each word that is asked is multiplied with every word, once; then two sums a question and word."""
    words, dim, questions, asked = shape["words"], shape["dim"], shape["questions"], shape["asked_words"]
    return Work(
        2 * asked * words * dim + 2 * questions * words,
        4 * words * dim + 4 * asked * words,
        (questions, "questions"),
        "sgemm",
        "flops",
        "2·U·V·d float32 for the U words that are asked, 2·Q·V sums; rescoring in float64 is not counted",
    )


def cosine_scores(shape: Mapping[str, int]) -> Work:
    """Every pair's product, and the length of every column once, in float64."""
    words, dim, queries = shape["words"], shape["dim"], shape["queries"]
    return Work(
        2 * (queries + 1) * words * dim,
        4 * (words + queries) * dim + 8 * queries * words,
        (queries * words, "pairs"),
        "dgemm",
        "flops",
        "2·(Q + 1)·V·d float64, lengths of the columns included",
    )


def list_measures(shape: Mapping[str, int]) -> Work:
    """Two kernels read every list once each; five numbers a pair and word are written."""
    runs, words, k = shape["runs"], shape["words"], shape["k"]
    pairs = runs * (runs - 1) // 2
    return Work(
        4 * pairs * words * k,
        8 * runs * words * k + 40 * words * pairs,
        (words, "words"),
        "copy",
        "bytes",
        "bytes: S·V·k·4 read twice, 40·P·V written; operations: two walks of P·V·2k steps",
    )


def cosine_topk_cuda(shape: Mapping[str, int]) -> Work:
    """Products of the filter on a GPU: each pair of words once unless they are stored."""
    words, dim, k = shape["words"], shape["dim"], shape["k"]
    padded = -(-dim // COLUMNS) * COLUMNS
    once = STRATEGY == "fused"
    return Work(
        2 * padded * (words * (words + SIDE) // 2 if once else words**2),
        4 * words * dim + 12 * words * k,
        (words, "words"),
        "fp16",
        "flops",
        f"float16 products executed, 2·{padded} a pair: "
        + (f"V(V + {SIDE})/2 pairs, the symmetric half" if once else "V² pairs")
        + "; rescoring the candidates in float64 is not counted",
    )


def plan_cosine_topk(shape: Mapping[str, int]) -> MemoryPlan:
    """The memory of building the table, and the kernel's own plan."""
    words, dim, k = shape["words"], shape["dim"], shape["k"]
    planned = plan(words, dim, k, words)
    draws = {"the table and its draws": buffer((4, words, dim), np.float32)}
    return MemoryPlan(planned.purpose, {**draws, **planned.buffers})


def neighbor_overlap(shape: Mapping[str, int]) -> Work:
    """Every list is read once, every count written once; operations are those of merging sorted lists."""
    runs, words, k = shape["runs"], shape["words"], shape["k"]
    pairs = runs * (runs - 1) // 2
    return Work(
        2 * pairs * words * k,
        4 * runs * words * k + 2 * words * (pairs + 1 + runs),
        (words, "words"),
        "copy",
        "bytes",
        "bytes: S·V·k·4 read, 2·V·(P+1+S) written; operations: P·V·2k, a merge's comparisons",
    )


def plan_neighbor_overlap(shape: Mapping[str, int]) -> MemoryPlan:
    """The lists and the random numbers for drawing them."""
    runs, words, k = shape["runs"], shape["words"], shape["k"]
    return MemoryPlan(
        f"neighbor_overlap of {runs} runs, {words} words",
        {
            "lists": buffer((runs, words, k), np.int32),
            "draws": buffer((4, words, 2 * k), np.float64),
            "counts": 2 * words * (runs * (runs - 1) // 2 + 1 + runs),
        },
    )
