"""Where a run begins from: vectors of an earlier training, matched by word."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float32, Int64, to_host
from gpuemb.core.checks import check_finite
from gpuemb.core.errors import ConfigError, DTypeError, ShapeError, TrainingWarning, VocabularyError
from gpuemb.core.results import shown
from gpuemb.embeddings.model import Embedding, EmbeddingStack, named_table
from gpuemb.training.recipes import PPMISVD, GloVe, Recipe
from gpuemb.training.trained import TrainedModel, TrainedStack

SHOWN = 10  # words that are named


@dataclass(frozen=True, eq=False)
class Start:
    """Rows of an earlier training, for the words of a new one that it has.

    Attributes:
        rows: ``(N,)`` words of the new vocabulary.
        words: ``(N, d)`` their word vectors.
        contexts: ``(N, d)`` their context vectors; None where they are not known.
        biases: ``(2, N)`` of words and contexts, of GloVe; None where they are not known.
        new: words of the vocabulary that it lacks; they begin as every word does without a start.
        gone: its words that the vocabulary lacks.
    """

    rows: Int64
    words: Float32
    contexts: Float32 | None
    biases: Float32 | None
    new: tuple[str, ...]
    gone: tuple[str, ...]

    def begin(self, vectors: Float32, biases: Float32 | None = None) -> None:
        """Write its rows into the tables that a run begins with.

        Args:
            vectors: ``(2, V, d)`` of words and contexts.
            biases: ``(2, V)`` likewise.
        """
        vectors[0, self.rows] = self.words
        if self.contexts is not None:
            vectors[1, self.rows] = self.contexts
        if biases is not None and self.biases is not None:
            biases[:, self.rows] = self.biases

    def parts(self) -> list[NDArray[Any] | str]:
        """Return what the bits of a run depend on."""
        known = [one for one in (self.rows, self.words, self.contexts, self.biases) if one is not None]
        return [*known, f"{self.contexts is None} {self.biases is None}"]


def start_of(given: Any, recipe: Recipe, vocabulary: Sequence[str]) -> Start | None:
    """Match the rows of an earlier training with the words of a new one; say which do not match.

    A trained model of the same kind gives all that it learned. Of every other table the vectors alone are
    known: skip-gram takes them for its word vectors; GloVe, whose vectors are ``w + w̃``, takes half of them
    for each of the two. A word whose vector is zero was never trained, and counts as missing.

    Args:
        given: an Embedding or a data frame, a :class:`TrainedModel`, a stack of one run, or None.
        recipe: what is trained from it.
        vocabulary: words of the new training.

    Raises:
        DTypeError: an array without words, or something else.
        ConfigError: several runs, or PPMI-SVD, which begins from nothing.
        ShapeError: another number of dimensions.
        NonFiniteError: a vector holds NaN or infinity; its word is named.
        VocabularyError: no word in common.
        TrainingWarning: some words of either are not among those of the other.
    """
    if given is None:
        return None
    if isinstance(recipe, PPMISVD):
        raise ConfigError(
            "train: start was given for ppmi-svd",
            needed="PPMI-SVD is computed from the counts alone: it begins from nothing.",
            remedy="Leave start out, or train GloVe or SkipGram.",
        )
    table = _table(given)
    if table.vectors.shape[1] != recipe.dim:
        raise ShapeError(
            f"train: start has {table.vectors.shape[1]} dimensions but {recipe.kind} has {recipe.dim}",
            needed="A run goes on with vectors of its own size.",
            remedy=f"Train with dim={table.vectors.shape[1]}, or give start.truncate({recipe.dim})."
            if table.vectors.shape[1] > recipe.dim
            else f"Train with dim={table.vectors.shape[1]}.",
        )
    return _matched(table, recipe, vocabulary)


def _table(given: Any) -> Embedding | TrainedModel:
    """Return the one table that is meant.

    Raises:
        DTypeError, ConfigError: as :func:`start_of`.
    """
    if isinstance(given, EmbeddingStack):
        if len(given) != 1:
            raise ConfigError(
                f"train: start has {len(given)} runs",
                needed="Every run begins with the same vectors, those of one run.",
                remedy="Give one of them: start=stack.models[0], or start=stack[0].",
            )
        given = given.models[0] if isinstance(given, TrainedStack) and given.models else given[0]
    table = given if isinstance(given, TrainedModel) else named_table(given)
    if not isinstance(table, (Embedding, TrainedModel)):
        raise DTypeError(
            f"train: start = {shown(given)}",
            needed="Rows are matched by word: a start is an Embedding, or what train returned.",
            remedy="Give an array its words: start=Embedding(array, words).",
        )
    return table.check() if isinstance(table, Embedding) else table


def _matched(table: Embedding | TrainedModel, recipe: Recipe, vocabulary: Sequence[str]) -> Start:
    vectors = _checked(table, "vectors")
    trained = (
        (vectors != 0).any(axis=1).tolist()
    )  # two zero vectors of a word would stay zero: it was never trained
    places = {word: row for row, word in enumerate(table.index_to_key) if trained[row]}
    rows = np.array([i for i, word in enumerate(vocabulary) if word in places], np.int64)
    taken = np.array([places[vocabulary[i]] for i in rows], np.int64)
    known = set(vocabulary)
    new = tuple(word for word in vocabulary if word not in places)
    gone = tuple(word for word in table.index_to_key if word not in known)
    if not len(rows):
        raise VocabularyError(
            f"train: start has {len(places)} words, and none of them is in the corpus",
            needed="Words are matched letter by letter, capitals included.",
            remedy=f"It begins with {', '.join(gone[:3])}; the corpus with {', '.join(vocabulary[:3])}.",
        )
    _say(len(places), new, gone)
    contexts = biases = None
    if isinstance(table, TrainedModel) and table.recipe.kind == recipe.kind:
        words, contexts = _checked(table, "words")[taken], _checked(table, "contexts")[taken]
        if table.word_biases is not None and table.context_biases is not None:
            biases = np.stack([table.word_biases[taken], table.context_biases[taken]])
    else:
        words = vectors[taken]
        if isinstance(recipe, GloVe):
            words = contexts = words * np.float32(0.5)
    return Start(rows, words, contexts, biases, new, gone)


def _checked(table: Embedding | TrainedModel, name: str) -> Float32:
    """Return one of its tables in float32.

    Raises:
        NonFiniteError: it holds NaN or infinity, in float32 at the latest; the word is named.
    """
    with np.errstate(over="ignore"):  # found below
        rows: Float32 = to_host(getattr(table, name)).astype(np.float32)
    check_finite("train: start", name, rows, table.index_to_key)
    return rows


def _say(words: int, new: Sequence[str], gone: Sequence[str]) -> None:
    """Warn of words that do not match."""
    said = []
    if gone:
        verb = "is" if len(gone) == 1 else "are"
        said.append(f"of the start's {words} words {len(gone)} {verb} not in the corpus: {_listed(gone)}")
    if new:
        verb = "word of the corpus is" if len(new) == 1 else "words of the corpus are"
        said.append(f"{len(new)} {verb} new: {_listed(new)}")
    if said:
        warnings.warn(f"train: {'; '.join(said)}", TrainingWarning, stacklevel=6)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:SHOWN]) + (", …" if len(words) > SHOWN else "")
