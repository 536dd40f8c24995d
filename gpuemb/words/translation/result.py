"""A fitted translation: its map, nearest words across the tables, precision on a dictionary, other rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from gpuemb.core.arrays import Array, Int64, namespace_of, native, to_host
from gpuemb.core.checks import check_matrix, check_neighbors
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import result, shown
from gpuemb.embeddings.model import Embedding, named_table, vectors_of, words_of
from gpuemb.kernels.cosine_topk import TopK
from gpuemb.neighbors.chance import Candidates
from gpuemb.neighbors.correction import Metric
from gpuemb.neighbors.exact import Neighbors, neighbors_of, with_length
from gpuemb.words.translation.maps import Method, Preparation, Step, mapped
from gpuemb.words.translation.pairs import rows_of_pairs, translations_of
from gpuemb.words.translation.precision import TranslationPrecision, check_at, judged, tested_words
from gpuemb.words.translation.search import corrected, search_across

AT = (1, 5, 10)  # as MUSE reports


@result(eq=False)
class Translation:
    """A source table mapped onto a target.

    Attributes:
        map: ``(d, m)`` float64: prepared rows of the source times it are in the common space. Orthogonal, or
            semi-orthogonal where dimensions differ, of ``method="orthogonal"``.
        target_map: ``(e, m)`` the same of the target; None where it stays where it is.
        source: the source's words with their mapped vectors.
        target: the target's words with vectors of the same space.
        means: ``(d,)`` each, that preparing rows of the source subtracts.
        pairs: those of the given pairs that both tables have: the map was first fitted on them.
        given: how many pairs were given.
        unknown_source: words of pairs that the source has not, once each.
        unknown_target: words of pairs that the target has not.
        refined: how many mutual nearest words each refinement fitted the map on.
        k: neighbors whose mean cosine CSLS subtracts.
        metric: of searches: ``csls``, ``cosine`` or ``mutual_proximity``.
        method: ``orthogonal`` or ``whitened``.
        normalize: steps that prepare rows.
        reason: why the map is one of many; empty where it is unique.
    """

    map: Array
    target_map: Array | None
    source: Embedding
    target: Embedding
    means: tuple[Array, ...]
    pairs: tuple[tuple[str, str], ...]
    given: int
    unknown_source: tuple[str, ...]
    unknown_target: tuple[str, ...]
    refined: tuple[int, ...]
    k: int
    metric: Metric
    method: Method
    normalize: tuple[Step, ...]
    reason: str

    @property
    def coverage(self) -> float:
        """Share of the given pairs whose words both tables have."""
        return len(self.pairs) / self.given

    @door
    def nearest(self, words: Sequence[str], k: int = 10, *, progress: Progress = SILENT) -> Neighbors:
        """Find the words of the target nearest to words of the source, exactly.

        Equal scores stand in the order of the target; a word whose vector is zero has none.

        Args:
            words: of the source.
            k: words of the target for each.
            progress: told of the search.

        Raises:
            VocabularyError: a word that the source has not, with the closest spellings.
            ConfigError: no words, or ``k`` is more than the target has.

        Cost: ``2·Q·V·m`` flops; ``csls`` also takes the neighbors of every word of the target among those of
        the source.

        Example:
            >>> found = ge.translate(ge.Embedding(x, words), ge.Embedding(y, words), words[:40])
            >>> [word for word, _ in found.nearest(["w41", "w45"], k=1).named(1)]
            ['w45']
        """
        if not len(words):
            raise ConfigError(
                "Translation.nearest: no words",
                needed="One word of the source or more is needed.",
                remedy=f"nearest([{self.source.index_to_key[0]!r}])",
            )
        rows = self.source.rows(words)
        check_neighbors("Translation.nearest", k, len(self.target))
        found = self._found(np.array(rows, np.int64), k, progress)
        target = native(self.target.vectors)
        return neighbors_of(found, self.target, target, Candidates(with_length(target), None), self.metric)

    @door
    def precision(
        self,
        pairs: Any,
        at: Sequence[int] = AT,
        *,
        confidence: float = 0.95,
        progress: Progress = SILENT,
    ) -> TranslationPrecision:
        """Return the share of words of a dictionary with a right translation among the nearest.

        As in MUSE, a word with several translations is right if any is among the nearest, and pairs with a
        word that is not known do not count.

        Args:
            pairs: as those of :func:`translate`; not those the map was fitted on.
            at: numbers of nearest words.
            confidence: of the intervals.
            progress: told of the search.

        Raises:
            VocabularyError: no pair has its words in both tables.
            ConfigError: no pairs, or ``at`` is more than the words of the target.
            StorageError, FileFormatError: a path that is no dictionary.

        Cost: as :meth:`nearest` of its words.

        Example:
            >>> found = ge.translate(ge.Embedding(x, words), ge.Embedding(y, words), words[:40])
            >>> print(found.precision(words[40:] + ["w99"]))
            nearest  precision  95% interval
                  1      1.000  [0.722, 1.000]
                  5      1.000  [0.722, 1.000]
                 10      1.000  [0.722, 1.000]
            csls; 10 of 11 words count (90.9%)
        """
        where = "Translation.precision"
        if not 0 < confidence < 1:
            raise ConfigError(
                f"{where}: confidence = {confidence}",
                needed="A share between 0 and 1, both left out, is needed.",
                remedy="confidence=0.95 is 95 %.",
            )
        numbers = check_at(where, at, len(self.target))
        looked = rows_of_pairs(where, translations_of(where, pairs), self.source, self.target)
        rows = np.array([row for _, row, _ in tested_words(looked)], np.int64)
        found = self._found(rows, numbers[-1], progress)
        return judged(
            looked, to_host(found.ids), numbers, self.pairs, self.target.index_to_key, self.metric, confidence
        )

    @door
    def apply(self, table: Any) -> Any:
        """Bring rows of the source's own space, as they were before the map, into the space of ``target``.

        Args:
            table: an Embedding, or a float array ``(n, d)``: rows of the source, or of words that it has not.

        Returns:
            An Embedding of an Embedding, else an array ``(n, m)``; in the dtype of ``target``.

        Raises:
            ShapeError: rows of other dimensions than the source had.
            DTypeError, NonFiniteError: as a table requires.

        Cost: ``2·n·d·m`` flops.

        Example:
            >>> found = ge.translate(ge.Embedding(x, words), ge.Embedding(y, words))
            >>> moved = found.apply(x[:3])  # arrays in, arrays out
            >>> ge.nearest_neighbors(found.target, 1, queries=moved.astype(np.float64)).ids[:, 0].tolist()
            [0, 1, 2]
        """
        table = named_table(table)
        rows = check_matrix("Translation.apply", "the table", vectors_of(table), words_of(table))
        if rows.shape[1] != self.map.shape[0]:
            raise ShapeError(
                f"Translation.apply: {shown(rows)}, but the map was found for {self.map.shape[0]} dimensions",
                needed="Rows of the source's own space are needed, as it was before the map.",
                remedy="Pass the table that was given as the source, or one trained with it.",
            )
        dtype = native(self.target.vectors[:1, :]).dtype
        moved = mapped(rows, Preparation(self.normalize, self.means), self.map, dtype)
        if not isinstance(table, Embedding):
            return moved
        return Embedding(moved, table.index_to_key, table.counts, table.name, table.ranks)

    def _found(self, rows: Int64, k: int, progress: Progress) -> TopK:
        source, target = native(self.source.vectors), native(self.target.vectors)
        xp = namespace_of(source)
        asked = xp.take(source, xp.asarray(rows), axis=0)
        of_asked = corrected(self.metric, self.k, asked, target, progress)
        if "of_target" not in self._kept:
            self._kept["of_target"] = corrected(self.metric, self.k, target, source, progress)
        corrections = self._kept["of_target"], of_asked
        return search_across(target, asked, k, self.metric, corrections, progress)

    @cached_property
    def _kept(self) -> dict[str, Any]:
        """What is computed at the first search: it needs the whole source."""
        return {}
