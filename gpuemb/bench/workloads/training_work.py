"""Amount of work of an epoch that is trained from text: operations executed, bytes moved, memory held."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gpuemb.bench.workloads.work import Work
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.corpus.tokens import Tokens
from gpuemb.kernels.skipgram_epoch import HALF, INPUTS, LANES
from gpuemb.training.recipes import SkipGram
from gpuemb.training.skip_gram import count_words, drawn_negatives, keep_limits, plan_skip_gram

PAIRS_OF_A_RUN = (
    3  # measured: 2.9 … 3.6 of the conversations, in chunks of half a million to two million pairs
)


def expected_pairs(tokens: Tokens, recipe: SkipGram) -> int:
    """Return the expected pairs of an epoch, were the documents joined: ``window + 1`` a kept token."""
    counts = count_words(tokens.ids, len(tokens.vocabulary))
    kept = counts @ (keep_limits(counts, recipe.sample) / HALF)
    return round(float(kept) * (recipe.window + 1))


def skipgram_epoch(shape: Mapping[str, int]) -> Work:
    """Fused multiply-adds and rows of expected pairs; ``pairs`` is known after sub-sampling."""
    dim, pairs, drawn = shape["dim"], shape.get("pairs", 0), drawn_negatives(SkipGram().negatives)
    runs, width = shape.get("seeds", 1), -(-dim // LANES) * LANES
    batches = -(-pairs // (PAIRS_OF_A_RUN * INPUTS))
    return Work(
        6 * width * (pairs + batches * INPUTS * drawn) * runs,
        2 * 4 * width * (pairs + batches * (INPUTS + drawn)) * runs,
        (shape["tokens"] * runs, "tokens"),
        "sgemm",
        "flops",
        f"6 flops a number for an output of each of {pairs:,} expected pairs, and {drawn} negatives of "
        f"every {PAIRS_OF_A_RUN}, d = {dim} padded to {width}; an output of each pair, {INPUTS} inputs and "
        f"{drawn} negatives of each batch, read and written",
    )


def plan_skipgram_epoch(shape: Mapping[str, int]) -> MemoryPlan:
    """The text, and what training holds."""
    tokens, words = shape["tokens"], shape["words"]
    training = plan_skip_gram(words, SkipGram(dim=shape["dim"]), tokens)
    text = {"text and its draws": buffer((8, tokens), np.int64)}
    return MemoryPlan(f"skipgram_epoch of {tokens} tokens, {words} words", {**text, **training.buffers})
