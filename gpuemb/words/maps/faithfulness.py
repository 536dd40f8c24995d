"""Whether near on a map is near in its table: trustworthiness, and the neighbors that are kept."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix, Int32, Int64, as_array, device_of, native
from gpuemb.core.checks import check_at_least, check_at_most, check_floats, check_same_rows
from gpuemb.core.doors import door
from gpuemb.core.errors import NonFiniteError
from gpuemb.core.memory import TILE_BYTES, MemoryPlan, buffer, rows_per_tile, tiles
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.random import stream
from gpuemb.core.results import result
from gpuemb.embeddings.model import named_table
from gpuemb.kernels.cosine_scores import cosine_scores, panels_of
from gpuemb.neighbors.exact import with_length
from gpuemb.neighbors.queries import checked_rows
from gpuemb.words.maps.inputs import check_host
from gpuemb.words.maps.plane import AXES, nearest_on_map

WHERE = "trustworthiness"
NEIGHBORS = 10  # of a word, as in measures of stability
JUDGED = 10_000  # words: the mean of so many shares is known to 0.005 or better
FEW = "a list of one neighbor needs three words"


@result
class Trustworthiness:
    """How far neighbors on a map are neighbors in the table, by cosine.

    Attributes:
        value: trustworthiness: 1 where all neighbors on the map are among the nearest of the table; one that
            is not costs the more, the farther it is in the table.
        kept: share of a word's nearest neighbors in the table that are among its nearest on the map.
        kept_per_word: ``(V,)`` the same of each word; NaN of words that were not judged.
        chance: what ``value`` is where the map has nothing to do with the table.
        chance_kept: what ``kept`` is there.
        neighbors: how many of a word; 0 where there are too few words.
        judged: how many words were judged, each against all.
        reason: why there is no value; empty where there is one.
    """

    value: float
    kept: float
    kept_per_word: Float64
    chance: float
    chance_kept: float
    neighbors: int
    judged: int
    reason: str = ""

    def __float__(self) -> float:
        return self.value


@door
def trustworthiness(
    table: Any,
    coordinates: Any,
    *,
    neighbors: int | None = None,
    judged: int = JUDGED,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Trustworthiness:
    """Judge any map of a table: are words that are near on it near in the table?

    Near in the table is by cosine, exactly; near on the map by Euclidean distance of its first two
    coordinates. Of equal distances the first rows are nearer. Rows of zeros have no cosine, and rows whose
    coordinates are NaN no place: neither counts.

    Args:
        table: an Embedding or a float array ``(V, d)`` of the host.
        coordinates: ``(V, 1)`` or more coordinates, of any program.
        neighbors: of a word; 10 by default, or as many as few words allow.
        judged: how many words are judged; where the table has more, a named stream chooses. 0 for all.
        seed: of that stream.
        progress: told of the blocks that are judged.

    Returns:
        ``1 − 2/(N k (2V − 3k − 1)) Σ_i Σ_j max(0, r(i, j) − k)`` over the N judged words i and their k
        nearest j on the map, r their rank in the table; of all words what scikit-learn's ``trustworthiness``
        with ``metric="cosine"`` gives, but for ties.

    Raises:
        ConfigError: ``neighbors`` is below 1 or not below half of the words.
        ShapeError, DTypeError, NonFiniteError: no finite table, infinite coordinates, or unequal rows.
        DeviceError: a table that lies on a GPU.
        MemoryBudgetError: a copy of the table and a block of its cosines do not fit.

    Cost: ``2·N·V·d`` flops and ``2·N·V·k`` comparisons.
    Source: Venna and Kaski (2001), ICANN; Definitions §3.

    Example:
        >>> found = ge.trustworthiness(x, x[:, :2])  # two of its eight columns as a map
        >>> round(found.value, 2), round(found.kept, 2), round(found.chance_kept, 2)
        (0.64, 0.31, 0.2)
    """
    rows = checked_rows(WHERE, named_table(table))
    check_host(WHERE, rows)
    points = as_array(coordinates, WHERE)
    check_host(WHERE, points)
    points = np.asarray(native(check_floats(WHERE, "coordinates", points)), np.float64)
    check_same_rows(WHERE, rows, points, ("the table", "coordinates"))
    beyond = np.isinf(points).any(axis=1)
    if beyond.any():
        raise NonFiniteError(
            f"{WHERE}: coordinates hold infinity; row {int(beyond.argmax())} is the first",
            needed="A word is at finite coordinates, or at NaN where it is not on the map.",
            remedy="Drop or repair these rows: numpy.isinf(x).any(axis=1) finds them.",
        )
    check_at_least(WHERE, "judged", judged, 0)
    check_at_least(WHERE, "seed", seed, 0)
    return judged_map(WHERE, native(rows), points, neighbors, judged, seed, progress)


def judged_map(
    where: str,
    table: FloatMatrix,
    points: Float64,
    neighbors: int | None,
    judged: int,
    seed: int,
    progress: Progress,
) -> Trustworthiness:
    """Return :func:`trustworthiness` of checked arrays of the host."""
    known = np.flatnonzero(with_length(table) & np.isfinite(points).all(axis=1))
    k = neighbors_of_map(where, len(known), neighbors)
    per_word = np.full(len(table), np.nan)
    if not k:
        return Trustworthiness(math.nan, math.nan, per_word, math.nan, math.nan, 0, 0, FEW)
    asked = np.arange(len(known))
    if 0 < judged < len(known):
        asked = np.sort(stream(seed, "map", "judged").permutation(len(known))[:judged])
    some = len(known) < len(table)
    require_memory(where, len(known), table.shape[1], k, copied=some)
    ids = nearest_on_map(points[known, :AXES], k, asked)
    ranks = _ranks(table[known] if some else table, asked, ids, progress)
    per_word[known[asked]] = np.mean(ranks <= k, axis=1)
    return _summary(ranks, per_word, len(known), k)


def neighbors_of_map(where: str, words: int, neighbors: int | None) -> int:
    """Return how many neighbors of a word are judged; 0 where the words are too few for one.

    Raises:
        ConfigError: a number that is below 1, or not below half of the words.
    """
    most = max(0, (words - 1) // 2)
    if neighbors is None:
        return min(NEIGHBORS, most)
    check_at_least(where, "neighbors", neighbors, 1)
    check_at_most(where, "neighbors", neighbors, max(most, 1))
    return min(neighbors, most)


def require_memory(where: str, words: int, dim: int, k: int, *, copied: bool) -> None:
    """Make sure of what judging so many words takes."""
    MemoryPlan(
        f"{where}: judging a map of {words} words",
        {
            "copy of the table": (1 + copied) * buffer((words, dim), np.float64),
            "cosines of a block": 2 * max(TILE_BYTES, buffer((1, words), np.float64)),
            "neighbors on the map": buffer((words, k), np.int64) + buffer((words, 4), np.float64),
        },
    ).require()


def _ranks(table: FloatMatrix, asked: Int64, ids: Int32, progress: Progress) -> Int64:
    """``(Q, k)`` how near each neighbor on the map is in the table: 1 is the nearest row."""
    panels, score = panels_of(table), cosine_scores.on(device_of(table))
    ranks = np.empty(ids.shape, np.int64)
    step = rows_per_tile(buffer((1, len(table)), np.float64))
    with progress.phase("trustworthiness", len(asked)) as task:
        for start, stop in tiles(len(asked), step):
            rows = asked[start:stop]
            cosines = score(table[rows], panels, np.empty((len(rows), len(table))))

            def rank(place: int, cosines: Float64 = cosines, start: int = start) -> None:
                ranks[start + place] = _ranks_of(
                    cosines[place], int(asked[start + place]), ids[start + place]
                )

            threads.run(rank, range(len(rows)))
            task.advance(stop - start)
    return ranks


def _ranks_of(cosines: Float64, itself: int, ids: Int32) -> Int64:
    """Ranks of some rows by their cosine with one; of equal cosines the first rows are nearer."""
    cosines[itself] = -np.inf
    own = cosines[ids]
    nearer = np.array([np.count_nonzero(cosines > one) for one in own], np.int64)
    equal = np.array([np.count_nonzero(cosines[:j] == one) for j, one in zip(ids.tolist(), own, strict=True)])
    found: Int64 = 1 + nearer + equal
    return found


def _summary(ranks: Int64, per_word: Float64, words: int, k: int) -> Trustworthiness:
    scale = 2.0 / (k * (2 * words - 3 * k - 1))  # the worst map has 0
    lost = np.maximum(ranks - k, 0).sum(axis=1)
    by_chance = k * (words - 1 - k) * (words - k) / (2 * (words - 1))
    return Trustworthiness(
        1.0 - scale * float(lost.sum()) / len(ranks),
        float(np.mean(ranks <= k)),
        per_word,
        1.0 - scale * by_chance,
        k / (words - 1),
        k,
        len(ranks),
    )
