"""Questions that people ask one table of words: who is similar, what does not match, where a word ranks."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from gpuemb.core.arrays import Array, Float64, FloatMatrix, device_of, empty, native, to_device, to_host, wide
from gpuemb.core.checks import check_at_least, check_choice, check_neighbors
from gpuemb.core.device import require
from gpuemb.core.doors import door, enter
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.core.results import shown
from gpuemb.embeddings.inputs import one_vector
from gpuemb.kernels.analogy_search import METHODS, Method, analogy_search
from gpuemb.kernels.cosine_scores import cosine_scores, panels_of
from gpuemb.kernels.cosine_topk import cosine_topk

FEWEST = 2  # words of which one does not match


class Questions:
    """What an :class:`gpuemb.Embedding` answers of its own words; cosines are those of Definitions §3."""

    if TYPE_CHECKING:
        vectors: FloatMatrix
        index_to_key: Sequence[str]

        def __len__(self) -> int: ...
        def row(self, word: str) -> int: ...  # noqa: D102  # the class's own
        def check(self) -> Self: ...  # noqa: D102  # the class's own

    @door
    def similarity(self, first: Any, second: Any) -> float:
        """Return the cosine of two words, or vectors; NaN where one has length zero.

        Args:
            first: a word of the table, or a ``(d,)`` vector, rounded to the table's dtype.
            second: another one.

        Example:
            >>> round(ge.Embedding(x, words).similarity("w3", "w29"), 3)
            0.819
        """
        query, others = (self._asked("similarity", one)[0] for one in (first, second))
        return float(_scores(query, others)[0])

    @door
    def most_similar(
        self, positive: Any = None, k: int = 10, *, negative: Any = None, restrict_vocab: int | None = None
    ) -> list[tuple[str, float]]:
        """Return the ``k`` words of highest cosine with words or vectors, best first.

        Several are combined as gensim does: the mean of unit rows of words and of vectors as they are, those
        of ``negative`` with weight −1. Words that are asked for are excluded from the result, vectors
        exclude none.

        Args:
            positive: a word; or a ``(d,)`` vector, rounded to the table's dtype, such as
                ``e["king"] - e["man"] + e["woman"]``; or a list of such, each alone or as a pair with its
                weight, ``("king", 0.5)``.
            k: words to return.
            negative: the same; a word or vector without a weight has −1.
            restrict_vocab: search the first rows only; None for all.

        Raises:
            VocabularyError: a word is not in the table; the closest spellings are named.
            ConfigError: nothing was asked for, or ``k`` is more than the words there are.

        Cost: ``2·V·d`` flops. For many words ``gpuemb.nearest_neighbors`` is faster.

        Example:
            >>> found = ge.Embedding(x, words).most_similar(["w3", "w5"], k=2, negative=["w7"])
            >>> [(word, round(cosine, 3)) for word, cosine in found]
            [('w2', 0.604), ('w43', 0.568)]
        """
        query, asked = self._combined(positive, negative)
        return self._nearest("most_similar", query, asked, k, restrict_vocab)

    @door
    def analogy(
        self,
        a: str,
        b: str,
        c: str,
        k: int = 10,
        *,
        method: Method = "3CosAdd",
        restrict_vocab: int | None = None,
    ) -> list[tuple[str, float]]:
        """Return the ``k`` best answers to "a is to b as c is to which word?", with their scores.

        Args:
            a: a word, such as ``man``.
            b: a word, such as ``king``.
            c: a word, such as ``woman``; none of the three is an answer.
            k: words to return.
            method: of :func:`gpuemb.analogies`, which asks whole sets.
            restrict_vocab: search the first rows only; None for all.

        Raises:
            VocabularyError: a word is not in the table; the closest spellings are named.
            ConfigError: ``k`` is more than the words there are, or an unknown method.

        Cost: ``6·V·d`` flops.

        Example:
            >>> table = ge.Embedding(x, words)
            >>> [word for word, _ in table.analogy("w1", "w2", "w3", k=2)]
            ['w6', 'w46']
        """
        check_choice("analogy", "method", method, METHODS)
        asked, places = np.unique([self.row(word) for word in (a, b, c)], return_inverse=True)
        searched = _searched("analogy", len(self), restrict_vocab)
        check_neighbors("analogy", k, searched - int((asked < searched).sum()))
        rows = native(self.check().vectors)
        search = analogy_search.on(device_of(rows))
        found = search(
            rows[:searched], rows[asked], places.reshape(1, 3), np.arange(searched), asked, k, method
        )
        pairs = zip(found.ids[0].tolist(), found.scores[0].tolist(), strict=True)
        return [(self.index_to_key[i], score) for i, score in pairs if i >= 0]

    @door
    def doesnt_match(self, words: Sequence[str]) -> str:
        """Return the word of least cosine with the mean of the unit rows of all; the first of equal ones.

        Raises:
            VocabularyError: a word is not in the table.
            ConfigError: fewer than two words, or one of length zero.

        Example:
            >>> ge.Embedding(x, words).doesnt_match(["w3", "w29", "w38", "w1"])
            'w1'
        """
        if len(words) < FEWEST:
            raise ConfigError(
                f"doesnt_match: {len(words)} words",
                needed="One word stands out from others.",
                remedy="Give three words or more.",
            )
        unit = np.stack([self._unit("doesnt_match", word) for word in words])
        return words[int(np.argmin(unit @ unit.mean(axis=0)))]

    @door
    def closer_than(self, first: Any, second: Any) -> list[str]:
        """Return the words whose cosine with ``first`` is higher than that of ``second``, in their order.

        Args:
            first: a word of the table, not in the result; or a ``(d,)`` vector.
            second: a word of the table, or a vector.

        Cost: ``2·V·d`` flops in float64, and a copy of the table.

        Example:
            >>> ge.Embedding(x, words).closer_than("w3", "w38")
            ['w29']
        """
        query, itself = self._asked("closer_than", first)
        other, _ = self._asked("closer_than", second)
        scores, limit = _scores(query, self.check().vectors), _scores(query, other)[0]
        closer = np.flatnonzero(scores > limit)  # no NaN is
        return [self.index_to_key[row] for row in closer.tolist() if row not in itself]

    @door
    def rank(self, first: Any, second: Any) -> int:
        """Return the rank of ``second`` among the words near ``first``, from 1; equal cosines share one.

        Arguments and cost as :meth:`closer_than`.

        Example:
            >>> ge.Embedding(x, words).rank("w3", "w38")
            2
        """
        return len(self.closer_than(first, second)) + 1

    @door
    def mean_vector(
        self, words: Sequence[Any], weights: Sequence[float] | None = None, *, unit: bool = True
    ) -> Array:
        """Return the weighted mean of words, ``(d,)`` in the table's dtype; ``Σ w_i x_i / Σ |w_i|``.

        Args:
            words: words of the table, or ``(d,)`` vectors, which count as they are.
            weights: of each, 1 by default.
            unit: scale the words' rows to length 1 first.

        Raises:
            VocabularyError: a word is not in the table.
            ShapeError, ConfigError: no words, not as many weights, weights of zero or not finite.

        Example:
            >>> table = ge.Embedding(x, words)
            >>> np.array_equal(table.mean_vector(["w3"], unit=False), table["w3"])
            True
        """
        given = [1.0] * len(words) if weights is None else [_weight("mean_vector", w) for w in weights]
        if not len(words) or len(given) != len(words):
            raise ShapeError(
                f"mean_vector: {len(words)} words and {len(given)} weights",
                needed="A mean is of one word or more, and each has a weight.",
                remedy="Omit weights for a plain mean.",
            )
        if not any(given):
            raise ConfigError(
                "mean_vector: all weights are zero",
                needed="The mean is divided by the sum of the weights' sizes.",
                remedy="Give a weight other than 0.",
            )
        rows = [self._term("mean_vector", word, unit=unit) for word in words]
        total = sum((w * row for w, row in zip(given, rows, strict=True)), np.zeros(self.vectors.shape[1]))
        mean = (total / sum(map(abs, given))).astype(native(self.vectors[:1, :]).dtype.newbyteorder("="))
        return to_device(mean, device_of(self.vectors))

    def _asked(self, where: str, word: Any) -> tuple[FloatMatrix, tuple[int, ...]]:
        """Return a word or vector as a native ``(1, d)`` query, and the word's row."""
        if isinstance(word, str):
            row = self.row(word)
            return native(self.vectors[row : row + 1, :]), (row,)
        return one_vector(where, self.vectors, word), ()

    def _combined(self, positive: Any, negative: Any) -> tuple[FloatMatrix, tuple[int, ...]]:
        """Return the ``(1, d)`` query of words and vectors with signs, and the rows of the words."""
        terms = [*_weighted(positive, 1.0), *_weighted(negative, -1.0)]
        if not terms:
            raise ConfigError(
                "most_similar: nothing was asked for",
                needed="A word, a vector, or a list of them is needed.",
                remedy="most_similar('king'), or most_similar(['king', 'woman'], negative=['man']).",
            )
        if len(terms) == 1 and terms[0][1] == 1:
            return self._asked("most_similar", terms[0][0])
        rows = tuple(self.row(word) for word, _ in terms if isinstance(word, str))
        parts = [(weight, self._term("most_similar", word, unit=True)) for word, weight in terms]
        total = np.sum([weight * part for weight, part in parts], axis=0)
        scale = np.abs(total).max()
        query = (total / scale if scale > 0 else total)[None, :]
        return to_device(query.astype(wide(self.vectors)), device_of(self.vectors)), rows

    def _nearest(
        self, where: str, query: FloatMatrix, asked: tuple[int, ...], k: int, restrict_vocab: int | None
    ) -> list[tuple[str, float]]:
        """Return the nearest rows of a query without those of the words asked for."""
        searched = _searched(where, len(self), restrict_vocab)
        excluded = {row for row in asked if row < searched}
        check_neighbors(where, k, searched - len(excluded))
        rows = native(self.check().vectors)[:searched]
        rows = rows if rows.dtype.itemsize >= query.dtype.itemsize else rows.astype(query.dtype)
        found = cosine_topk.on(device_of(rows))(rows, k + len(excluded), query, None)
        pairs = zip(found.ids[0].tolist(), found.scores[0].tolist(), strict=True)
        return [(self.index_to_key[i], score) for i, score in pairs if i >= 0 and i not in excluded][:k]

    def _term(self, where: str, word: Any, *, unit: bool) -> Float64:
        """Return a word's row, scaled to length 1 if asked, or a vector as it is, as float64."""
        if isinstance(word, str) and unit:
            return self._unit(where, word)
        asked: Float64 = to_host(self._asked(where, word)[0])[0].astype(np.float64)
        return asked

    def _unit(self, where: str, word: str) -> Float64:
        row: Float64 = to_host(self._asked(where, word)[0])[0].astype(np.float64)
        largest = np.abs(row).max()
        if not largest > 0:
            raise ConfigError(
                f"{where}: the vector of {word!r} is zero",
                needed="A word without length has no direction.",
                remedy="Leave the word out.",
            )
        unit: Float64 = row / largest / np.linalg.norm(row / largest)
        return unit


def _scores(query: FloatMatrix, rows: Array) -> Float64:
    """Return the defined cosine of a query with every row."""
    rows, device = native(rows), device_of(rows)
    copy = buffer((len(rows) + 64, rows.shape[1]), wide(rows))
    require(
        MemoryPlan("cosines with every word", {"a copy of the table": copy, "scores": 8 * len(rows)}), device
    )
    out = cosine_scores.on(device)(query, panels_of(rows), empty((1, len(rows)), np.float64, device))
    scores: Float64 = np.clip(to_host(out)[0], -1.0, 1.0)  # rounding may carry a cosine past an end
    return scores


def _searched(where: str, words: int, restrict_vocab: int | None) -> int:
    """Return how many of the first rows are searched."""
    if restrict_vocab is None:
        return words
    check_at_least(where, "restrict_vocab", restrict_vocab, 1)
    return min(words, restrict_vocab)


def _weighted(given: Any, sign: float) -> list[tuple[Any, float]]:
    """Return words and vectors with their weights."""
    if given is None:
        return []
    if isinstance(given, str) or not isinstance(given, (list, tuple)) or _is_vector(given):
        return [(given, sign)]
    return [(one[0], _weight("most_similar", one[1])) if _is_pair(one) else (one, sign) for one in given]


def _is_vector(given: Sequence[Any]) -> bool:
    return bool(given) and all(isinstance(one, numbers.Real) for one in given)


def _is_pair(one: Any) -> bool:
    """Whether it is a word or a vector with its weight."""
    return (
        isinstance(one, tuple)
        and len(one) == len(("word", "weight"))
        and not isinstance(one[0], numbers.Real)
    )


def _weight(where: str, given: Any) -> float:
    weight: float = enter(where, "a weight", given, float)
    if not np.isfinite(weight):
        raise ConfigError(
            f"{where}: a weight is {shown(weight)}",
            needed="A weight is a finite number.",
            remedy="('king', 0.5), for example.",
        )
    return weight
