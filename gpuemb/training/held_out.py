"""What is set aside from training, and the loss of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, Int32, Int64
from gpuemb.core.device import CPU
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import buffer, tiles
from gpuemb.core.random import stream
from gpuemb.corpus.tokens import Tokens
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.kernels.skipgram_epoch import UInt64, numbers_of, skipgram_pairs
from gpuemb.kernels.window_counts import CountedRows
from gpuemb.training.recipes import FIXED, GloVe, SkipGram

MOST_PAIRS = 1 << 20  # of a skip-gram's held-out text, as expected: the loss then is known to a thousandth
TILE = 1 << 11  # pairs at once: with their negatives a few megabytes
PAIR_TILE = 1 << 16


def documents_held_out(documents: int, share: float) -> tuple[Int64, Int64]:
    """Split documents at random: those that are trained on, ascending, and those that are not.

    The split depends on the number of documents and the share alone: every run has the same.

    Raises:
        ConfigError: fewer than two documents.
    """
    if documents < 2:
        raise ConfigError(
            f"skip-gram: held_out = {share} with a corpus of {documents} document",
            needed="Some documents are trained on, others are held out: there must be two at least.",
            remedy="A line of a text is a document by default: read_corpus(documents=…).",
        )
    order = stream(FIXED, "held-out", "documents").permutation(documents)
    count = min(max(1, round(share * documents)), documents - 1)
    return np.sort(order[count:]), order[:count]


@dataclass(frozen=True, eq=False)
class HeldOutPairs:
    """Pairs of a held-out text with their negatives, drawn once.

    Attributes:
        inputs: ``(N,)``.
        targets: ``(N, 1 + negatives)`` the output of each pair, then words from the exact noise.
        counted: ``(N, 1 + negatives)`` False where a negative is the pair's own output.
    """

    inputs: Int32
    targets: Int32
    counted: NDArray[np.bool_]

    def loss(self, vectors: Float32) -> float:
        """Return the mean of ``−log σ(v·c) − Σ log σ(−v·c_n)`` over the pairs, in float64.

        Args:
            vectors: ``(2, V, width)`` input and output vectors.

        Cost: ``2·width·(1 + negatives)`` flops a pair.
        """

        def of(part: tuple[int, int]) -> float:
            places = slice(*part)
            inputs = vectors[0, self.inputs[places]].astype(np.float64)
            targets = vectors[1, self.targets[places]].astype(np.float64)
            scores = np.einsum("nd,nkd->nk", inputs, targets)
            scores[:, 0] *= -1
            return float((np.logaddexp(0, scores) * self.counted[places]).sum())

        return math.fsum(threads.run(of, tiles(len(self.inputs), TILE))) / len(self.inputs)


def pairs_held_out(
    held: Tokens, recipe: SkipGram, counts: Int64, keep: UInt64, chances: Float64
) -> HeldOutPairs:
    """Draw the pairs of a held-out text, and negatives of them.

    Args:
        held: documents in random order; of a long text the first are taken.
        recipe: its window and negatives.
        counts: ``(V,)`` of the training text; pairs with a word that does not occur there are left out.
        keep: limits of sub-sampling.
        chances: ``(V,)`` the noise.

    Raises:
        ConfigError: there is no pair.
    """
    numbers = stream(FIXED, "held-out", "pairs")
    words, span = len(counts), min(len(held), 2 * MOST_PAIRS // (recipe.window + 1))
    key = int(numbers.integers(0, 2**64, dtype=np.uint64))
    blocks = np.zeros((2, words), np.int32)
    draw = skipgram_pairs.on(CPU)
    pairs = draw(held.ids, held.starts, (0, span), keep, recipe.window, key, blocks, 1)
    known = (counts[pairs.inputs] > 0) & (counts[pairs.outputs] > 0)
    inputs, outputs = pairs.inputs[known], pairs.outputs[known]
    if not len(inputs):
        raise ConfigError(
            f"skip-gram: held_out = {recipe.held_out} holds out no pair of words that are trained",
            needed="Documents that are held out need words that stand near each other.",
            remedy="A larger held_out, sample=0, or more text.",
        )
    drawn = numbers.random((len(inputs), recipe.negatives))
    noise = np.searchsorted(np.cumsum(chances), drawn, side="right").astype(np.int32)
    noise = np.minimum(noise, np.flatnonzero(chances)[-1]).astype(np.int32)  # the sum may end below 1
    targets = np.concatenate([outputs[:, None], noise], axis=1)
    counted = np.concatenate([np.ones((len(inputs), 1), bool), noise != outputs[:, None]], axis=1)
    return HeldOutPairs(inputs, targets, counted)


def plan_held_out(recipe: SkipGram) -> int:
    """Bytes of the pairs of a long held-out text with their negatives."""
    drawn = buffer((2 * MOST_PAIRS, recipe.negatives), np.float64)
    kept = buffer((2 * MOST_PAIRS, 3 + recipe.negatives), np.int32)
    return 2 * drawn + kept if recipe.held_out else 0


@dataclass(frozen=True, eq=False)
class HeldOutCounts:
    """Nonzero counts that are not trained on: ``(N,)`` words, contexts, logarithms and weights."""

    rows: Int32
    columns: Int32
    logs: Float64
    weights: Float64

    def loss(self, vectors: Float32, biases: Float32) -> float:
        """Return the mean of ``f(X)·error²``, in float64.

        Args:
            vectors: ``(2, V, width)`` of words and contexts.
            biases: ``(2, V)`` likewise.
        """

        def of(part: tuple[int, int]) -> float:
            rows, columns = self.rows[slice(*part)], self.columns[slice(*part)]
            words, contexts = (
                vectors[side, ids].astype(np.float64) for side, ids in enumerate((rows, columns))
            )
            fitted = np.einsum("nd,nd->n", words, contexts) + biases[0, rows] + biases[1, columns]
            return float((self.weights[slice(*part)] * (fitted - self.logs[slice(*part)]) ** 2).sum())

        return math.fsum(threads.run(of, tiles(len(self.rows), TILE))) / len(self.rows)


def counts_held_out(counts: Cooccurrence, recipe: GloVe) -> tuple[Cooccurrence, HeldOutCounts]:
    """Take a share of the pairs of words out of the counts, both cells of each.

    Whether a pair is held out depends on its two rows alone: all runs hold out the same ones. Those of a word
    that is left without any pair are not measured.

    Raises:
        ConfigError: nothing is left to train on, or nothing to measure.
    """
    rows = np.repeat(np.arange(len(counts.vocabulary), dtype=np.int32), np.diff(counts.rows.indptr))
    columns = counts.rows.indices
    held = np.empty(len(rows), bool)
    key = int(stream(FIXED, "held-out", "counts").integers(0, 2**64, dtype=np.uint64))
    limit = np.uint64(int(recipe.held_out * 2**53))
    for first, last in tiles(len(rows), PAIR_TILE):
        a, b = rows[first:last].astype(np.uint64), columns[first:last].astype(np.uint64)
        pair = (np.minimum(a, b) << np.uint64(32)) | np.maximum(a, b)
        held[first:last] = numbers_of(key, pair) >> np.uint64(11) < limit
    ends = np.concatenate([[0], np.cumsum(~held)])[counts.rows.indptr]
    left = CountedRows(ends, columns[~held], np.asarray(counts.rows.data)[~held])
    trained = np.diff(ends) > 0
    measured = np.flatnonzero(held & trained[rows] & trained[columns])
    if not len(measured) or held.all():
        raise ConfigError(
            f"glove: held_out = {recipe.held_out} of {len(rows)} counts holds out {held.sum()}",
            needed="Some pairs are trained on, others are held out, of the same words.",
            remedy="Another share, such as held_out=0.05, or more text.",
        )
    values = np.asarray(counts.rows.data)[measured] * float(counts.unit)
    weights = np.minimum(1.0, (values / recipe.x_max) ** recipe.alpha)
    measured_on = HeldOutCounts(rows[measured], columns[measured], np.log(values), weights)
    return replace(counts, rows=left), measured_on
