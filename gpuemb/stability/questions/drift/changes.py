"""Which neighbors a word lost and gained between two groups of lists."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gpuemb.core.arrays import Float64, Int32, Int64
from gpuemb.core.results import result
from gpuemb.neighbors.chance import candidates_of_all, expected_share
from gpuemb.stability.statistics import Discoveries, benjamini_hochberg

HALF = 0.5
SHOWN = 10  # neighbors that are named, of each kind


@result
class ChangedWord:
    """A word, and the neighbors that it lost and gained.

    Attributes:
        word: its name.
        row: its row.
        overlap: mean share of neighbors in common, over pairs of runs of the two groups.
        chance: what lists of unrelated tables would share.
        within: mean overlap of runs of one group; NaN where there is one run of each.
        q_value: adjusted p-value of its drift; NaN where there is none.
        lost: neighbors of the first group: name, share of its runs that list it, share of the second's.
        gained: the same of the second group: name, share of its runs, share of the first's.
    """

    word: str
    row: int
    overlap: float
    chance: float
    within: float
    q_value: float
    lost: tuple[tuple[str, float, float], ...]
    gained: tuple[tuple[str, float, float], ...]


@result
class RowOverlaps:
    """How far two tables agree about the neighbors of each row.

    Attributes:
        overlap: ``(V,)`` share of neighbors in common; NaN for a row without any in one table.
        chance: ``(V,)`` what lists of unrelated tables would share.
        p_value: ``(V,)`` how likely such lists share as many.
        kept: Benjamini-Hochberg over all rows, of ``p_value``: rows that keep more than chance would.
    """

    overlap: Float64
    chance: Float64
    p_value: Float64
    kept: Discoveries

    @property
    def compared(self) -> int:
        """Rows that have neighbors in both tables."""
        return self.kept.tests

    @property
    def kept_half(self) -> float:
        """Share of the compared rows that keep at least half of their neighbors."""
        return self._share(int((self.overlap >= HALF).sum()))

    @property
    def beyond_chance(self) -> float:
        """Share of the compared rows that keep more than chance would."""
        return self._share(self.kept.count)

    def _share(self, count: int) -> float:
        return count / self.compared if self.compared else math.nan


def row_overlaps(first: Int32, second: Int32) -> RowOverlaps:
    """Compare ``(V, k)`` lists of every row in two tables."""
    lengths = [(ids >= 0).sum(axis=1) for ids in (first, second)]
    known = (lengths[0] > 0) & (lengths[1] > 0)
    longer = np.maximum(np.maximum(*lengths), 1)
    overlap = np.where(known, shared_neighbors(first, second) / longer, np.nan)
    candidates = [candidates_of_all(ids) for ids in (first, second)]
    share = expected_share(candidates[0], candidates[1])  # type: ignore[arg-type]  # lists of every row
    chance = np.where(known, np.minimum(*lengths) * share, np.nan)
    p_value = chance_of_rows(first, second)
    return RowOverlaps(
        overlap, chance, p_value, benjamini_hochberg(p_value, f"neighbors of {len(first)} rows")
    )


def lost_and_gained(
    first: Int32, second: Int32, names: Sequence[str], most: int = SHOWN
) -> tuple[tuple[tuple[str, float, float], ...], tuple[tuple[str, float, float], ...]]:
    """Return what more runs of the first group list than of the second, and the other way round.

    Args:
        first: ``(S, k)`` lists of one word in the runs of a group, −1 padded.
        second: ``(S', k)`` those of the other.
        names: of the rows.
        most: how many of each are returned, those of the largest difference first, then by their ranks.
    """
    ranked = list(dict.fromkeys(row for lists in (first, second) for row in lists.T.ravel().tolist()))
    shares = {
        row: (float((first == row).any(axis=1).mean()), float((second == row).any(axis=1).mean()))
        for row in ranked
        if row >= 0
    }
    differ = sorted(shares, key=lambda row: -abs(shares[row][0] - shares[row][1]))  # stable: ranks stay
    lost = [(names[row], *shares[row]) for row in differ if shares[row][0] > shares[row][1]]
    gained = [(names[row], *shares[row][::-1]) for row in differ if shares[row][1] > shares[row][0]]
    return tuple(lost[:most]), tuple(gained[:most])


def chance_of_rows(first: Int32, second: Int32) -> Float64:
    """Return ``(V,)`` how likely unrelated tables share as many neighbors of each word as these two do.

    The list of the second table is taken as drawn at random from its candidates: hypergeometric. NaN for a
    word without neighbors in one of them.

    Args:
        first: ``(V, k)`` lists of every word.
        second: those of the other table.
    """
    known = [candidates_of_all(ids) for ids in (first, second)]
    candidates = known[1].known  # type: ignore[union-attr]  # lists of every word
    own = candidates.astype(np.int64)
    choices = int(own.sum()) - own
    lengths = (first >= 0).sum(axis=1), (second >= 0).sum(axis=1)
    possible = (candidates[np.maximum(first, 0)] & (first >= 0)).sum(axis=1)
    shared = shared_neighbors(first, second)
    chance = _at_least(shared, choices, possible, lengths[1])
    chance[(lengths[0] == 0) | (lengths[1] == 0)] = np.nan
    return chance


def shared_neighbors(first: Int32, second: Int32) -> Int64:
    """Return ``(V,)`` how many entries two ``(V, k)`` lists of each word share."""
    found = np.zeros(len(first), np.int64)
    for column in second.T:
        found += ((first == column[:, None]) & (column[:, None] >= 0)).sum(axis=1)
    return found


def _at_least(shared: Int64, choices: Int64, possible: Int64, drawn: Int64) -> Float64:
    """Return how likely ``drawn`` of ``choices`` hold ``shared`` or more of the ``possible`` marked ones."""
    from scipy.special import gammaln

    def ways(of: Int64, some: Int64) -> Float64:
        known = (some >= 0) & (some <= of)
        count = (
            gammaln(of + 1.0) - gammaln(np.maximum(some, 0) + 1.0) - gammaln(np.maximum(of - some, 0) + 1.0)
        )
        return np.where(known, count, -np.inf)

    total = np.zeros(len(shared))
    for marked in range(int(drawn.max(initial=0)) + 1):
        each = np.full_like(shared, marked)
        log = ways(possible, each) + ways(choices - possible, drawn - each) - ways(choices, drawn)
        total += np.where(each >= shared, np.exp(log), 0.0)
    return np.minimum(total, 1.0)
