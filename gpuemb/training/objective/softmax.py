"""The softmax objective of a model on a sample of the observed pairs."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.checks import check_at_least, check_at_most
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import MemoryPlan, buffer, rows_per_tile, tiles
from gpuemb.core.random import stream
from gpuemb.core.results import result
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.training.objective.pair_sums import widened
from gpuemb.training.objective.reconstruction import rows_of_words
from gpuemb.training.trained import TrainedModel

TILE_BYTES = 32 << 20  # of the scores of some words with all contexts
MOST_PAIRS = 10**7
MOST_TRIES = 64  # of drawing what is missing again: pairs of words that the model lacks are passed over


@result
class SoftmaxObjective:
    """The softmax objective of a model.

    Attributes:
        value: mean of ``−log softmax`` over the sampled pairs, in nats: what a context costs.
        standard_error: of that mean.
        uniform: what it would be if all contexts were as likely, ``log V``.
        least: what no model can go below, the entropy of the contexts given the word, of the counts.
        pairs: how many were sampled.
        seed: of the sample.
    """

    value: float
    standard_error: float
    uniform: float
    least: float
    pairs: int
    seed: int

    def __float__(self) -> float:
        return self.value


@door
def softmax_objective(
    model: TrainedModel, counts: Cooccurrence, *, pairs: int = 10_000, seed: int = 0
) -> SoftmaxObjective:
    """Mean of ``−log(exp(s_ij) / Σ_k exp(s_ik))`` over observed pairs, the sum over all contexts.

    ``s_ij = w_i·w̃_j + b̃_j``, without bias where the model has none. Pairs are drawn as often as they were
    counted, with replacement. Turning both tables by one rotation changes nothing.

    Args:
        model: of :func:`gpuemb.train`, ``runs.models[0]``.
        counts: of its words.
        pairs: size of the sample.
        seed: of the sample.

    Raises:
        VocabularyError: the model has none of the counted words.
        ConfigError: fewer than two pairs, or no counts to draw from.

    Cost: ``2·d·V`` flops a word of the sample, in float64; each worker holds 64 MB.
    Source: Mikolov et al. (2013), NIPS, equation 2.

    Example:
        >>> counts = ge.count_cooccurrences(ge.read_corpus("pets.txt"))
        >>> model = ge.train(counts, ge.GloVe(dim=8, epochs=200, x_max=1), seeds=[0]).models[0]
        >>> found = ge.softmax_objective(model, counts, pairs=500)
        >>> found.least < found.value < found.uniform
        True
    """
    check_at_least("softmax_objective", "pairs", pairs, 2)
    check_at_most("softmax_objective", "pairs", pairs, MOST_PAIRS)
    check_at_least("softmax_objective", "seed", seed, 0)
    rows = rows_of_words(model, counts)
    known = rows >= 0
    sample = _drawn(counts, known, pairs, seed)
    contexts = widened(model.contexts, rows)[known]
    biases = 0.0 if model.context_biases is None else widened(model.context_biases, rows)[known]
    place = np.cumsum(known) - 1
    losses = _losses(widened(model.words, rows), contexts, biases, sample, place)
    entropy = float(counts.row_sums @ np.nan_to_num(counts.context_entropies().values)) / counts.total
    return SoftmaxObjective(
        float(losses.mean()),
        float(losses.std(ddof=1)) / math.sqrt(pairs),
        math.log(len(contexts)),
        entropy,
        pairs,
        seed,
    )


def _drawn(counts: Cooccurrence, known: Any, pairs: int, seed: int) -> Int64:
    """Return ``(pairs, 2)`` words and contexts, the words ascending, each pair as likely as its count."""
    numbers, ends = stream(seed, "softmax", "pairs"), np.cumsum(counts.row_sums)
    taken: list[Int64] = []
    missing, tries = pairs, 0
    while missing and counts.total and tries < MOST_TRIES:
        drawn = np.sort(numbers.integers(0, counts.total, missing))
        words = np.searchsorted(ends, drawn, side="right")
        contexts = np.empty_like(words)
        firsts = np.append(np.flatnonzero(np.diff(words, prepend=-1)), len(words))
        for first, last in pairwise(firsts):
            word = int(words[first])
            start, stop = counts.rows.indptr[word : word + 2]
            inside = np.cumsum(counts.rows.data[start:stop])
            at = np.searchsorted(inside, drawn[first:last] - (ends[word] - inside[-1]), side="right")
            contexts[first:last] = counts.rows.indices[start:stop][at]
        kept = known[words] & known[contexts]
        taken.append(np.stack([words, contexts], axis=1)[kept])
        missing, tries = missing - int(kept.sum()), tries + 1
    if missing:
        raise ConfigError(
            f"softmax_objective: {pairs} pairs of {counts.nonzeros:,} that were counted",
            needed="Pairs of words that the model has are needed.",
            remedy="Use the counts that the model was trained on.",
        )
    sample = np.concatenate(taken)
    return sample[np.argsort(sample[:, 0], kind="stable")]


def _losses(
    words: Float64, contexts: Float64, biases: Float64 | float, sample: Int64, place: Int64
) -> Float64:
    """``−log softmax`` of each pair; words of a tile are scored with all contexts at once."""
    asked, which = np.unique(sample[:, 0], return_inverse=True)
    step = rows_per_tile(len(contexts) * contexts.itemsize, TILE_BYTES)
    MemoryPlan(
        f"softmax of {len(contexts)} contexts",
        {
            "vectors in float64": buffer((3, *contexts.shape), np.float64),
            "scores": 2 * threads.count() * buffer((min(step, len(asked)), len(contexts)), np.float64),
        },
    ).require()
    edges = np.searchsorted(which, np.arange(len(asked) + 1))

    def part(cut: tuple[int, int]) -> Float64:
        scores = words[asked[cut[0] : cut[1]]] @ contexts.T
        scores += biases
        pairs = slice(edges[cut[0]], edges[cut[1]])
        row = which[pairs] - cut[0]
        found = scores[row, place[sample[pairs, 1]]]
        largest = scores.max(axis=1)
        scores -= largest[:, None]
        np.exp(scores, out=scores)
        losses: Float64 = (largest + np.log(scores.sum(axis=1)))[row] - found
        return losses

    return np.concatenate(threads.run(part, tiles(len(asked), step)))
