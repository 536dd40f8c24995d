"""What the neighbor lists of unrelated tables share: its expectation, and permutations of words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np

from gpuemb.core.arrays import Array, Float64, Int32, Int64, device_of, library_of, to_host
from gpuemb.core.errors import ShapeError, VocabularyError
from gpuemb.core.memory import rows_per_tile, tiles
from gpuemb.core.random import stream
from gpuemb.core.results import result
from gpuemb.kernels.neighbor_overlap import neighbor_overlap as overlap_kernel
from gpuemb.uncertainty.draws import Draws, order_of
from gpuemb.uncertainty.results import summarize

BLOCK_ROWS = 8192  # words whose overlaps are summed at once: part of the definition of a mean
Pairs: TypeAlias = Sequence[tuple[int, int]]


@result
class Candidates:
    """What the lists of a run were chosen from.

    Attributes:
        known: ``(V,)`` whether each row of the table has a length.
        itself: ``(Q,)`` the row of each query, which its list leaves out; None where queries are vectors.
    """

    known: Array
    itself: Array | None

    @property
    def counts(self) -> Array:
        """``(Q,)`` or ``()``: how many candidates each query has, the ``|A|`` of Definitions §3."""
        return self.known.sum() - self._own(self.known)

    def shared_with(self, other: Candidates) -> Array:
        """``(Q,)`` or ``()``: how many are candidates in both runs, ``|A∩A'|``."""
        both = self.known & other.known
        of = self if self.itself is not None else other
        return both.sum() - of._own(both)

    def _own(self, rows: Array) -> Any:
        return 0 if self.itself is None else rows[self.itself].astype(np.int64)


def candidates_of_runs(given: Sequence[Any], ids: Int32) -> list[Candidates | None]:
    """Return the candidates of each run: of its :class:`Neighbors`, or of lists of every row.

    Args:
        given: what the caller passed, a run each, or one array of all runs.
        ids: ``(S, Q, k)`` the lists.

    Raises:
        ShapeError: the tables have different numbers of rows.
        VocabularyError: the lists are of different words.
    """
    found = [getattr(lists, "candidates", None) for lists in given]
    stated = [(run, one) for run, one in enumerate(found) if one is not None]
    for other in stated[1:]:
        check_same_candidates("neighbor_overlap", given, stated[0], other)
    if len(stated) == len(ids):
        return found
    every = library_of(ids).arange(ids.shape[1])  # beside lists of some words, arrays are of some words
    whole = all(
        one.itself is not None and one.known.shape == one.itself.shape and bool((one.itself == every).all())
        for _, one in stated
    )
    inferred = [candidates_of_all(run) if whole else None for run in ids]
    return [one or inferred[run] for run, one in enumerate(found)] if stated else inferred


def check_same_candidates(
    where: str, given: Sequence[Any], first: tuple[int, Candidates], other: tuple[int, Candidates]
) -> None:
    """Check that the lists of two runs are of the same queries and words.

    Args:
        where: name of the calling function.
        given: what the caller passed, a run each.
        first: the number of a run and its candidates.
        other: the same of a run of as many lists.

    Raises:
        ShapeError: the tables have different numbers of rows.
        VocabularyError: their words or the queries differ; the first such row is named.
    """
    (a, one), (b, two) = first, other
    if len(one.known) != len(two.known):
        raise ShapeError(
            f"{where}: the table of run {a} has {len(one.known)} rows but that of run {b} has "
            f"{len(two.known)}",
            needed="Neighbors are rows: row i must be the same word in both tables.",
            remedy="Align two vocabularies with stack([a, b]), which keeps the shared words.",
        )
    words = given[a].words, given[b].words
    if None not in words and words[0] is not words[1]:
        for row, (this, that) in enumerate(zip(*words, strict=True)):
            if this != that:
                raise VocabularyError(
                    f"{where}: row {row} is {this!r} in run {a} but {that!r} in run {b}",
                    needed="Neighbors are rows: row i must be the same word in both tables.",
                    remedy="Align two vocabularies with stack([a, b]), which keeps the shared words.",
                )
    if one.itself is not None and two.itself is not None:
        differ = one.itself != two.itself
        if bool(differ.any()):
            query = int(differ.argmax())
            raise VocabularyError(
                f"{where}: query {query} is row {one.itself[query]} in run {a} but row "
                f"{two.itself[query]} in run {b}",
                needed="Lists of the same queries are compared.",
                remedy="Give both calls of nearest_neighbors the same queries=….",
            )


def candidates_of_all(ids: Array) -> Candidates | None:
    """Return the candidates of ``(V, k)`` lists of every row; None where these name further rows.

    A row without length has no list and is in none.
    """
    words = ids.shape[0]
    named = ids[ids >= 0]
    if named.size and int(named.max()) >= words:
        return None
    known = (ids >= 0).any(axis=1)
    known[named] = True
    return Candidates(known, library_of(ids).arange(words))


def expected_share(first: Candidates, second: Candidates) -> Array:
    """What independent lists share, over the length of the shorter: ``|A∩A'| / (|A| |A'|)``.

    Times the shorter length it is ``k_i k'_i |A∩A'| / (|A| |A'|)`` of the longer list (Definitions §3).
    """
    choices = first.counts * second.counts
    xp = library_of(first.known)
    return xp.where(choices > 0, first.shared_with(second) / xp.maximum(choices, 1), np.nan)


class Shuffle:
    """Permutations of the words of one table, as permutations of its neighbor lists.

    Words of a table that have a length change places: its lists become those of other words, and name other
    words. Rows of queries change places with rows of queries, all other rows among themselves, so that no
    list is needed that was not asked for.

    Args:
        ids: ``(Q, k)`` the lists.
        candidates: of the lists.
        run: the number of the table, which names its permutations; table 1 has those of other measures.
    """

    def __init__(self, ids: Int32, candidates: Candidates, run: int) -> None:
        self.ids, self.run, self.known = ids, run, to_host(candidates.known)
        queried = np.zeros(len(self.known), bool)
        self.places: Int64 | None = None
        if candidates.itself is not None:
            self.itself = to_host(candidates.itself)
            queried[self.itself] = True
            self.places = np.full(len(queried), -1)
            self.places[self.itself[::-1]] = np.arange(len(self.itself))[::-1]
        self.groups = [np.flatnonzero(self.known & queried), np.flatnonzero(self.known & ~queried)]

    def moved_from(self, draw: int, seed: int) -> Int64:
        """Return ``(V,)`` the row that stands at each place once the words are permuted."""
        moved_from = np.arange(len(self.known))
        for name, rows in zip(("words", "candidates"), self.groups, strict=True):
            moved_from[rows] = rows[self._order(draw, seed, name, len(rows))]
        return moved_from

    def lists(self, draw: int, seed: int) -> Int32:
        """Return the lists ``(Q, k)`` of the table with its words permuted."""
        moved_from = self.moved_from(draw, seed)
        now = np.full(len(moved_from) + 1, -1, np.int32)  # its last entry pads
        now[moved_from] = np.arange(len(moved_from))
        xp = library_of(self.ids)
        lists = self.ids
        if self.places is not None:
            lists = lists[xp.asarray(self.places[moved_from[self.itself]])]
        return xp.asarray(now)[lists]  # type: ignore[no-any-return]

    def _order(self, draw: int, seed: int, name: str, count: int) -> Int64:
        if self.run == 1 and name == "words":
            return order_of(draw, count, seed)
        return stream(seed, "permutation", name, draw, self.run).permutation(count)


def null_overlaps(ids: Int32, candidates: Sequence[Candidates], pairs: Pairs | None, draws: Draws) -> Float64:
    """Return ``(permutations, P)``: mean overlap of each pair, words of all runs but the first permuted.

    Every pair has the words of one table in random order against the other's. A mean over pairs of one draw
    is of tables that have nothing to do with each other.

    Args:
        ids: ``(S, Q, k)`` lists.
        candidates: of each run.
        pairs: of runs; None for all, in the order of ``itertools.combinations``.
        draws: how many permutations, and their seed.

    Cost: a permutation is a pass over the lists and one count of shared neighbors.
    """
    chosen = None if pairs is None or len(pairs) == len(ids) * (len(ids) - 1) // 2 else pairs
    named = range(len(ids)) if chosen is None else sorted({run for pair in chosen for run in pair})
    shuffles = {run: Shuffle(ids[run], candidates[run], run) for run in named if run > 0}
    count = len(ids) * (len(ids) - 1) // 2 if chosen is None else len(chosen)
    null = np.empty((draws.permutations, count))
    stacked = library_of(ids).stack
    with draws.progress.phase("permutations of neighbor overlap", draws.permutations) as task:
        for draw in range(draws.permutations):
            moved = {run: shuffle.lists(draw, draws.seed) for run, shuffle in shuffles.items()}
            lists = {run: moved.get(run, ids[run]) for run in named}
            if chosen is None:
                null[draw] = mean_overlaps(stacked([lists[run] for run in named]))
            else:
                null[draw] = [mean_overlaps(stacked([lists[a], lists[b]]))[0] for a, b in chosen]
            task.advance()
    return null


def mean_overlaps(ids: Int32) -> Float64:
    """Return ``(P,)`` mean overlap over the words of each pair of runs; NaN where no word has one.

    Pairs are in the order of ``itertools.combinations``; the words of each are summed in blocks of 8,192,
    whatever other runs there are.
    """
    xp, kernel = library_of(ids), overlap_kernel.on(device_of(ids))
    pairs = np.array(list(combinations(range(len(ids)), 2)))
    total, known = np.zeros(len(pairs)), np.zeros(len(pairs), np.int64)
    for start, stop in tiles(ids.shape[1], BLOCK_ROWS):
        counts = kernel(xp.ascontiguousarray(ids[:, start:stop]))
        lengths = counts.filled.astype(np.float64)
        for a, b in tiles(len(pairs), rows_per_tile(3 * 8 * BLOCK_ROWS)):
            one, other = (xp.asarray(runs) for runs in pairs[a:b].T)
            first, second = lengths[one], lengths[other]
            shared = counts.shared[a:b] / xp.maximum(xp.maximum(first, second), 1)
            total[a:b] += to_host(shared.sum(axis=1))
            known[a:b] += to_host(((first > 0) & (second > 0)).sum(axis=1))
    nothing: Float64 = np.full(len(pairs), np.nan)
    return np.divide(total, known, out=nothing, where=known > 0)


def p_value_of_overlap(observed: float, null: Float64) -> float:
    """``(1 + #{null ≥ observed})/(1 + #null)`` of a mean overlap; NaN without a value or permutations."""
    draws = Draws("neighbor_overlap", permutations=len(null))
    return summarize(draws, observed, null, np.empty(0), best=1.0, higher_is_closer=True).p_value
