"""Amount of work of an epoch that is trained from text: operations executed, bytes moved, memory held."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gpuemb.bench.workloads.work import Work
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.corpus.tokens import Tokens
from gpuemb.kernels.skipgram_epoch import BATCH, HALF, LANES
from gpuemb.training.recipes import SkipGram
from gpuemb.training.skip_gram import count_words, drawn_negatives, keep_limits, plan_skip_gram


def expected_pairs(tokens: Tokens, recipe: SkipGram) -> int:
    """Return the expected pairs of an epoch, were the documents joined: ``window + 1`` a kept token."""
    counts = count_words(tokens.ids, len(tokens.vocabulary))
    kept = counts @ (keep_limits(counts, recipe.sample) / HALF)
    return round(float(kept) * (recipe.window + 1))


def skipgram_epoch(shape: Mapping[str, int]) -> Work:
    """Fused multiply-adds and rows of expected pairs; ``pairs`` is known after sub-sampling."""
    dim, pairs, drawn = shape["dim"], shape.get("pairs", 0), drawn_negatives(SkipGram().negatives)
    runs, width = shape.get("seeds", 1), -(-dim // LANES) * LANES
    return Work(
        6 * width * (1 + drawn) * pairs * runs,
        2 * 4 * width * (2 * BATCH + drawn) * -(-pairs // BATCH) * runs,
        (shape["tokens"] * runs, "tokens"),
        "sgemm",
        "flops",
        f"6 flops a number for an output and {drawn} negatives of each of {pairs:,} expected pairs, "
        f"d = {dim} padded to {width}; {2 * BATCH + drawn} rows read and written for {BATCH} pairs",
    )


def plan_skipgram_epoch(shape: Mapping[str, int]) -> MemoryPlan:
    """The text, and what training holds."""
    tokens, words = shape["tokens"], shape["words"]
    training = plan_skip_gram(words, SkipGram(dim=shape["dim"]), tokens)
    text = {"text and its draws": buffer((8, tokens), np.int64)}
    return MemoryPlan(f"skipgram_epoch of {tokens} tokens, {words} words", {**text, **training.buffers})
