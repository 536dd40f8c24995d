"""How far the maps of several runs agree: neighbors on one that are neighbors on the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64, as_array, native
from gpuemb.core.checks import check_floats, check_same_rows
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.core.results import result, shown
from gpuemb.neighbors.overlap import neighbor_overlap
from gpuemb.uncertainty.intervals import SHARE, jackknife_interval
from gpuemb.words.maps.faithfulness import FEW, neighbors_of_map
from gpuemb.words.maps.inputs import check_host
from gpuemb.words.maps.plane import AXES, nearest_on_map

WHERE = "map_agreement"
LEAST_RUNS = 3  # with an interval (Definitions §5)


@result
class MapAgreement:
    """How many of a word's neighbors on one map are its neighbors on another, for every pair of maps.

    Attributes:
        value: mean share over words and pairs.
        interval: of ``value``: what as many other runs would give on average; NaN below three maps.
        confidence: of the interval.
        chance: what maps that have nothing to do with each other share: ``k/(V − 1)``.
        pairs: ``(P,)`` the share of each pair, in the order of ``itertools.combinations``.
        per_word: ``(V,)`` mean over pairs; NaN of words that are not on all maps.
        runs: names of the maps.
        neighbors: ``k``; 0 where there are too few words.
        reason: why there is no value or no interval; empty where both are.
    """

    value: float
    interval: tuple[float, float]
    confidence: float
    chance: float
    pairs: Float64
    per_word: Float64
    runs: tuple[str, ...]
    neighbors: int
    reason: str = ""

    def __float__(self) -> float:
        return self.value


@door
def map_agreement(maps: Any, *, neighbors: int | None = None, confidence: float = 0.95) -> MapAgreement:
    """Compare maps of the same words: which neighbors on one are neighbors on the others?

    Maps need not be turned or scaled alike: only distances on each map count.

    Args:
        maps: two or more of :class:`WordMap`, or of arrays ``(V, 2)`` whose row ``i`` is the same word; or an
            ``(S, V, 2)`` array. Rows of NaN are not on a map; such words are left out of all.
        neighbors: of a word; 10 by default, or as many as few words allow.
        confidence: of the interval, which leaves out one map at a time.

    Raises:
        ShapeError: fewer than two maps, or unequal numbers of words.
        ConfigError: ``neighbors`` is below 1 or not below half of the words; a confidence that is no share.
        DTypeError: no floating numbers.

    Cost: a k-d tree a map. Source: Definitions §3, §5.

    Example:
        >>> seeds = [ge.tsne(ge.Embedding(x, words), perplexity=5, seed=seed) for seed in (0, 1, 2)]
        >>> found = ge.map_agreement(seeds)
        >>> found.value > 2 * found.chance
        True
    """
    if not 0 < confidence < 1:
        raise ConfigError(
            f"{WHERE}: confidence = {confidence}",
            needed="A share between 0 and 1, both left out, is needed.",
            remedy="confidence=0.95 is 95 %.",
        )
    several = isinstance(maps, list | tuple) or getattr(maps, "ndim", 0) == 3
    given = list(maps) if several else [maps]
    points = [_points(one, number) for number, one in enumerate(given)]
    if len(points) < 2:
        raise ShapeError(
            f"{WHERE}: {shown(maps)} was given",
            needed="At least two maps of the same words are needed.",
            remedy="map_agreement([tsne(table, seed=0), tsne(table, seed=1)])",
        )
    names = tuple(f"map {number}" for number in range(len(points)))
    for name, one in zip(names, points, strict=True):
        check_same_rows(WHERE, points[0], one, (names[0], name))
    return agreement_of(WHERE, points, names, neighbors, confidence)


def _points(one: Any, number: int) -> Float64:
    found = getattr(one, "coordinates", one)
    found = check_floats(WHERE, f"map {number}", as_array(found, WHERE))
    check_host(WHERE, found)
    return np.asarray(native(found), np.float64)


def agreement_of(
    where: str,
    points: Sequence[Float64],
    runs: tuple[str, ...],
    neighbors: int | None,
    confidence: float = 0.95,
) -> MapAgreement:
    """Return :func:`map_agreement` of checked maps."""
    known = np.flatnonzero(np.isfinite(np.concatenate([one[:, :AXES] for one in points], axis=1)).all(axis=1))
    k = neighbors_of_map(where, len(known), neighbors)
    per_word = np.full(len(points[0]), np.nan)
    pairs = list(combinations(range(len(points)), 2))
    nowhere = (math.nan, math.nan)
    if not k:
        none = np.full(len(pairs), np.nan)
        return MapAgreement(math.nan, nowhere, confidence, math.nan, none, per_word, runs, 0, FEW)
    lists = np.stack([nearest_on_map(one[known, :AXES], k) for one in points])
    shared = neighbor_overlap(lists)
    per_word[known] = shared.stability
    each = shared.per_word.mean(axis=1)
    value, interval, reason = float(each.mean()), nowhere, "an interval over runs needs three of them"
    if len(points) >= LEAST_RUNS:
        without = [[pair for pair, of in enumerate(pairs) if run not in of] for run in range(len(points))]
        left_out = np.array([each[kept].mean() for kept in without])
        interval, reason = jackknife_interval(value, left_out, SHARE, confidence), ""
    chance = k / (len(known) - 1)
    return MapAgreement(value, interval, confidence, chance, each, per_word, runs, k, reason)
