"""Translation of words across two tables by a linear map that is fitted on pairs of words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpuemb.core.arrays import FloatMatrix, Int64, device_of, namespace_of, native, wide
from gpuemb.core.checks import check_at_least, check_at_most, check_choice, check_neighbors, check_same_device
from gpuemb.core.device import require
from gpuemb.core.doors import door, enter
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.core.progress import SILENT, Progress
from gpuemb.embeddings.model import Embedding, named_table
from gpuemb.neighbors.correction import CSLS_K, METRICS, Metric
from gpuemb.neighbors.queries import checked_rows
from gpuemb.words.translation.maps import METHODS, STEPS, Maps, Method, Preparation, fit, mapped
from gpuemb.words.translation.pairs import identical_words, rows_of_pairs, translations_of
from gpuemb.words.translation.result import Translation
from gpuemb.words.translation.search import mutual_nearest

WHERE = "translate"
NORMALIZE = ("unit", "center", "unit")  # as vecmap's supervised setting
MOST_REFINEMENTS = 1000  # pairs that have not settled by then go round in circles
REFINE_WORDS = 15_000  # as MUSE's dico_max_rank


@door
def translate(
    source: Any,
    target: Any,
    pairs: Any = None,
    *,
    k: int = CSLS_K,
    metric: Metric = "csls",
    refine: int = 0,
    method: Method = "orthogonal",
    normalize: Sequence[str] = NORMALIZE,
    refine_words: int = REFINE_WORDS,
    progress: Progress = SILENT,
) -> Translation:
    """Fit a map of one table onto another on pairs of words, to translate all other words by it.

    Args:
        source: an Embedding.
        target: another, of any dimensions: where the source has more, the map drops those that no pair needs,
            where it has fewer, it keeps all lengths.
        pairs: words and their translations: the path of a dictionary of two columns, as MUSE has; a list of
            pairs; a mapping of words to a word or a list of words; or words that are their own translations.
            None for the words that both tables spell alike. A pair counts as often as it is listed.
        k: neighbors whose mean cosine CSLS subtracts.
        metric: ``csls``, 2cos(x, y) − r_Y(x) − r_X(y), by which words near to everything rank lower;
            ``cosine``; or ``mutual_proximity``: see :func:`nearest_neighbors`.
        refine: how often to take the mutual nearest words of the mapped tables as new pairs, and fit again;
            it ends sooner where they are the same as before.
        method: ``orthogonal``: the Procrustes map, as in MUSE; ``whitened``: also whitened, scaled along the
            axes of correlation by its root, and dewhitened, as in vecmap; of tables of the same dimensions.
        normalize: steps before the map, over each whole table: ``unit`` scales rows to length 1, ``center``
            subtracts their mean. By default as vecmap; MUSE's default is ``[]``.
        refine_words: first rows of both tables among which new pairs are looked for.
        progress: told of the searches of each refinement.

    Returns:
        :class:`Translation`, with both tables in one space. The same bits for any number of threads.

    Raises:
        VocabularyError: no pair has its words in both tables; one that is missing is named, with the
            closest spellings.
        ConfigError: ``k`` is more than the words there are, an unknown metric, method or step, no pairs, or
            too few for ``whitened``.
        StorageError, FileFormatError: a path that is no dictionary.
        DTypeError, ShapeError, NonFiniteError, DeviceError: the tables are not finite Embeddings of one
            device, or of other dimensions than ``whitened`` needs.
        MemoryBudgetError: the mapped tables do not fit.

    Cost: ``2·V·d·e`` flops a table and ``2·P·d·e`` of the pairs; a refinement is two searches among
    ``refine_words``. Source: Conneau et al. (2018), ICLR; Artetxe, Labaka and Agirre (2018), AAAI;
    Definitions §2, §3.

    Example:
        >>> known, tested = words[:40], words[40:]
        >>> found = ge.translate(ge.Embedding(x, words), ge.Embedding(y, words), known)
        >>> found.precision(tested).precisions
        (1.0, 1.0, 1.0)
        >>> [word for word, _ in found.nearest(["w41"], k=2).named(0)]
        ['w41', 'w38']
    """
    tables = [
        enter(WHERE, name, named_table(x), Embedding) for name, x in (("source", source), ("target", target))
    ]
    steps = _checked(tables, k, metric, method, normalize, refine, refine_words)
    given = identical_words(WHERE, *tables) if pairs is None else translations_of(WHERE, pairs)
    looked = rows_of_pairs(WHERE, given, *tables)
    ready = [Preparation.of(table.vectors, steps) for table in tables]
    maps, refined = _refined(tables, ready, looked.rows, method, metric, k, refine, refine_words, progress)
    dtype = _dtype(tables)
    moved = [
        _moved(table, mapped(table.vectors, how, way, dtype))
        for table, how, way in zip(tables, ready, (maps.source, maps.target), strict=True)
    ]
    return Translation(
        map=maps.source,
        target_map=maps.target,
        source=moved[0],
        target=moved[1],
        means=ready[0].means,
        pairs=looked.known,
        given=len(given),
        unknown_source=looked.unknown_source,
        unknown_target=looked.unknown_target,
        refined=refined,
        k=k,
        metric=metric,
        method=method,
        normalize=steps,
        reason=maps.reason,
    )


def _checked(
    tables: list[Embedding],
    k: int,
    metric: Metric,
    method: Method,
    normalize: Sequence[str],
    refine: int,
    refine_words: int,
) -> Any:
    """Check what was given; return the steps of preparation."""
    for name, choice, choices in (("metric", metric, METRICS), ("method", method, METHODS)):
        check_choice(WHERE, name, choice, choices)
    for step in normalize:
        check_choice(WHERE, "normalize", step, STEPS)
    check_at_least(WHERE, "refine", refine, 0)
    check_at_most(WHERE, "refine", refine, MOST_REFINEMENTS)
    check_at_least(WHERE, "refine_words", refine_words, 1)
    for name, table in zip(("source", "target"), tables, strict=True):
        checked_rows(f"{WHERE}: {name}", table)
    check_same_device(WHERE, {"source": tables[0].vectors, "target": tables[1].vectors})
    if metric == "csls":
        check_neighbors(WHERE, k, min(map(len, tables)))
        if refine and k > refine_words:
            raise ConfigError(
                f"{WHERE}: k = {k} of refine_words = {refine_words}",
                needed="CSLS takes its k neighbors from the words among which new pairs are looked for.",
                remedy=f"Give refine_words={k} or more.",
            )
    width, dtype = max(table.dim for table in tables), _dtype(tables)
    plan = {
        f"the mapped {name}, and its parts": 2 * buffer((len(table), width), dtype)
        for name, table in zip(("source", "target"), tables, strict=True)
    }
    require(MemoryPlan(WHERE, plan), device_of(tables[0].vectors))
    return tuple(normalize)


def _dtype(tables: list[Embedding]) -> Any:
    """Return the dtype of both mapped tables: float64 where one of them is."""
    return np.result_type(*(np.dtype(wide(native(table.vectors[:1, :]))) for table in tables))


def _moved(table: Embedding, vectors: FloatMatrix) -> Embedding:
    return Embedding(vectors, table.index_to_key, table.counts, table.name, table.ranks)


def _refined(
    tables: list[Embedding],
    ready: list[Preparation],
    rows: Int64,
    method: Method,
    metric: Metric,
    k: int,
    refine: int,
    refine_words: int,
    progress: Progress,
) -> tuple[Maps, tuple[int, ...]]:
    """Fit the maps, and again on mutual nearest words; return them and how many pairs each refinement had."""
    maps, refined = _fitted(tables, ready, rows, method), list[int]()
    first = [native(table.vectors)[:refine_words] for table in tables]
    for _ in range(refine):
        ways, dtype = (maps.source, maps.target), _dtype(tables)
        source, target = (
            mapped(one, how, way, dtype) for one, how, way in zip(first, ready, ways, strict=True)
        )
        mutual = mutual_nearest(source, target, metric, k, progress)
        if not len(mutual) or np.array_equal(mutual, rows):  # the same pairs have the same map
            break
        refined.append(len(mutual))
        rows = mutual
        maps = _fitted(tables, ready, rows, method)
    return maps, tuple(refined)


def _fitted(tables: list[Embedding], ready: list[Preparation], rows: Int64, method: Method) -> Maps:
    sides = []
    for table, how, mine in zip(tables, ready, rows.T, strict=True):
        vectors = native(table.vectors)
        xp = namespace_of(vectors)
        sides.append(how.applied(xp.take(vectors, xp.asarray(mine), axis=0)))
    return fit(WHERE, method, *sides)
