"""Synthetic data, reproducible to the bit from a seed."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np

from gpuemb.core.arrays import Float32, Float64, Int32
from gpuemb.core.device import CPU
from gpuemb.core.random import stream
from gpuemb.corpus.tokens import Tokens
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.kernels.window_counts import weights_of, window_counts

SPECTRUM_EXPONENT = 0.5  # of the singular values: λ_r ∝ 1/r, between GloVe's 0.6 and word2vec's 0.4
WORDS_A_CLUSTER = 200
ZIPF_EXPONENT = 1.05  # of word frequencies in running text
TOKENS_A_DOCUMENT = 100
WORDS_A_TOPIC, TOPIC_SHARE = 400, 0.5  # half of a document's words come from its own topic


def embedding_table(words: int, dim: int, *, seed: int = 0, noise: float = 0.0) -> Float32:
    """Draw a ``(words, dim)`` table shaped like trained vectors; never independent Gaussians.

    Clusters of about 200 words (few large, many small), a power-law spectrum, row lengths that vary,
    a common mean, isotropic noise of a tenth, and one random rotation.

    Args:
        words: rows.
        dim: columns.
        seed: names the table.
        noise: above 0, another run of the table of ``seed``: a random rotation, and noise of this size
            relative to a row's length.
    """
    numbers = stream(seed, "bench", "table")
    singular = (1.0 + np.arange(dim)) ** -SPECTRUM_EXPONENT
    clusters = max(8, words // WORDS_A_CLUSTER)
    centers = numbers.standard_normal((clusters, dim), np.float32) * singular.astype(np.float32)
    table = centers[_zipf(numbers, words, clusters)]
    table *= numbers.gamma(2.0, 0.5, (words, 1)).astype(np.float32)
    table += 0.7 * numbers.standard_normal((words, dim), np.float32) * singular.astype(np.float32)
    table += 0.03 * numbers.standard_normal((words, dim), np.float32)
    table += 0.25 * (numbers.standard_normal(dim) * singular).astype(np.float32)
    if noise > 0:
        numbers = stream(seed, "bench", "table seen again", str(noise))
        lengths = np.linalg.norm(table, axis=1, keepdims=True) / math.sqrt(dim)
        table += noise * lengths * numbers.standard_normal((words, dim), np.float32)
    rotation = np.linalg.qr(numbers.standard_normal((dim, dim)))[0].astype(np.float32)
    rotated: Float32 = np.ascontiguousarray(table @ rotation)
    return rotated


def embedding_runs(runs: int, words: int, dim: int, *, seed: int = 0, noise: float = 0.3) -> list[Float32]:
    """Draw ``runs`` tables of the same words that agree up to rotation and noise."""
    return [embedding_table(words, dim, seed=seed, noise=noise * (1 + run / 64)) for run in range(runs)]


def neighbor_lists(runs: int, words: int, k: int, *, seed: int = 0) -> Int32:
    """Draw ``(runs, words, k)`` lists of different ids of which two runs share about two in three."""
    numbers = stream(seed, "bench", "lists")
    offsets = numbers.permuted(np.tile(np.arange(1, 2 * k + 1, dtype=np.int32), (words, 1)), axis=1)
    kept = np.empty((runs, words, k), np.int32)
    for run in range(runs):
        chosen = np.argsort(numbers.random((words, 2 * k)) + np.arange(2 * k) / k, axis=1)[:, :k]
        steps = np.take_along_axis(offsets, chosen, axis=1).astype(np.int64)
        kept[run] = (np.arange(words)[:, None] + steps * 37) % words
    return kept


def token_stream(tokens: int, words: int, *, seed: int = 0) -> Tokens:
    """Draw documents of 100 tokens with Zipf frequencies, half of each document from one topic.

    Every word occurs at least once when there are more than ``words`` tokens; ids are by frequency.
    """
    numbers = stream(seed, "bench", "tokens")
    documents = max(1, tokens // TOKENS_A_DOCUMENT)
    total = documents * TOKENS_A_DOCUMENT
    ids = _zipf(numbers, total, words)
    topics = np.repeat(numbers.integers(0, max(1, words // WORDS_A_TOPIC), documents), TOKENS_A_DOCUMENT)
    local = _zipf(numbers, total, WORDS_A_TOPIC) * max(1, words // WORDS_A_TOPIC) + topics
    ids = np.where(numbers.random(total) < TOPIC_SHARE, np.minimum(local, words - 1), ids)
    every = min(words, total)
    ids[numbers.permutation(total)[:every]] = np.arange(every)
    counts = np.bincount(ids, minlength=words)
    order = np.argsort(-counts, kind="stable")
    rank = np.empty(words, np.int32)
    rank[order] = np.arange(words, dtype=np.int32)
    starts = np.arange(documents + 1, dtype=np.int64) * TOKENS_A_DOCUMENT
    vocabulary = Vocabulary(tuple(_spelling(i) for i in range(words)), counts[order].astype(np.int64))
    return Tokens(rank[ids], starts, vocabulary)


def counted_stream(tokens: int, words: int, *, window: int = 10, seed: int = 0) -> Cooccurrence:
    """Count :func:`token_stream` with harmonic weights."""
    drawn = token_stream(tokens, words, seed=seed)
    weights, unit = weights_of(window, "harmonic")
    rows = window_counts.on(CPU)(drawn.ids, drawn.starts, None, words, weights, "both")
    return Cooccurrence(rows, Fraction(1, unit), drawn.vocabulary)


def write_text(path: Path, tokens: Tokens) -> int:
    """Write the tokens as text, one document a line, every tenth word capitalized; return its bytes."""
    words = np.array([w.capitalize() if i % 10 == 0 else w for i, w in enumerate(tokens.vocabulary.words)])
    with path.open("w", encoding="utf-8") as file:
        for start, stop in zip(tokens.starts[:-1], tokens.starts[1:], strict=True):
            file.write(" ".join(words[tokens.ids[start:stop]].tolist()) + ".\n")
    return path.stat().st_size


def _zipf(numbers: np.random.Generator, size: int, ranks: int) -> Int32:
    """Draw ranks ``0 … ranks − 1`` with probability ``∝ (rank + 1)^−ZIPF_EXPONENT``."""
    mass: Float64 = np.cumsum((1.0 + np.arange(ranks)) ** -ZIPF_EXPONENT)
    drawn: Int32 = np.searchsorted(mass, numbers.random(size) * mass[-1]).astype(np.int32)
    return np.minimum(drawn, ranks - 1)


def _spelling(number: int) -> str:
    """A pronounceable word for a number: short for frequent words, as in language."""
    consonants, vowels = "bdfgklmnprstvz", "aeiou"
    word = ""
    while True:
        number, syllable = divmod(number, len(consonants) * len(vowels))
        word += consonants[syllable // len(vowels)] + vowels[syllable % len(vowels)]
        if number == 0:
            return word
        number -= 1
