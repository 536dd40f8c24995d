"""CSLS and mutual proximity: against matrices of all cosines, within a table and from one to another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cuda_on_host import compiler, stand_in
from cuda_on_host.arguments import DeviceArray
from cuda_on_host.launch import Run
from scipy.stats import norm
from tolerances import assert_same_bits

import gpuemb as ge
from gpuemb.core import threads
from gpuemb.core.errors import ConfigError, DeviceError, DTypeError, ShapeError
from gpuemb.neighbors.correction import METRICS, Metric

WORDS = [f"w{i}" for i in range(60)]
CORRECTED: tuple[Metric, ...] = METRICS[1:]
CLOSE = {"rtol": 0, "atol": 1e-12}  # of a few sums of numbers below 4, in another order


def table(seed: int = 0, rows: int = 60, dim: int = 8, shift: float = 0.7) -> Any:
    """Rows that share a direction, so that some are near to many."""
    return (np.random.default_rng(seed).standard_normal((rows, dim)) + shift).astype(np.float32)


def cosines(x: Any, y: Any) -> Any:
    """Every cosine; NaN for a row of zeros."""
    wide = [np.asarray(z, np.float64) for z in (x, y)]
    with np.errstate(invalid="ignore"):
        left, right = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in wide)
    return left @ right.T


def mean_of_nearest(scores: Any, k: int) -> Any:
    ordered = -np.sort(-scores, axis=1)[:, :k]  # NaN comes last
    return np.nanmean(np.where(np.isnan(ordered), np.nan, ordered), axis=1)


def scores_by_hand(metric: Metric, to_rows: Any, to_source: Any, k: int) -> Any:
    """Score of every query and row, from queries' cosines with the rows, and rows' with the source."""
    if metric == "csls":
        return 2 * to_rows - mean_of_nearest(to_rows, k)[:, None] - mean_of_nearest(to_source, k)[None, :]
    of_queries, of_rows = ((np.nanmean(s, axis=1), np.nanstd(s, axis=1)) for s in (to_rows, to_source))
    below = [
        norm.cdf((to_rows - m) / s)
        for m, s in ((of_queries[0][:, None], of_queries[1][:, None]), (of_rows[0], of_rows[1]))
    ]
    return below[0] * below[1]


def without_itself(scores: Any) -> Any:
    np.fill_diagonal(scores, np.nan)
    return scores


def assert_best(found: ge.Neighbors, scores: Any, k: int) -> None:
    """Lists hold the k best scores, in order, each that of its row."""
    np.testing.assert_allclose(found.scores, -np.sort(-scores, axis=1)[:, :k], **CLOSE)
    there = found.ids >= 0
    by_id = np.take_along_axis(scores, np.maximum(found.ids, 0), axis=1)
    np.testing.assert_allclose(found.scores[there], by_id[there], **CLOSE)
    np.testing.assert_array_equal(there, ~np.isnan(found.scores))


@pytest.mark.parametrize("metric", CORRECTED)
def test_neighbors_of_all_words_are_those_of_the_matrix(metric: Metric) -> None:
    rows = table()
    rows[[4, 17]] = 0
    rows[30:33] = rows[2]  # ties
    found = ge.nearest_neighbors(rows, 9, metric=metric, csls_k=5)
    near = without_itself(cosines(rows, rows))
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning, match="empty slice|of freedom"):
        expected = scores_by_hand(metric, near, near, 5)
    assert_best(found, expected, 9)
    assert (found.metric, found.without_length) == (metric, 2)
    assert (found.ids[[4, 17]] == -1).all()


@pytest.mark.parametrize("metric", CORRECTED)
def test_from_one_table_to_another_both_sides_are_corrected(metric: Metric) -> None:
    target, source = table(), table(1, rows=40)
    queries = source[:7]
    found = ge.nearest_neighbors(target, 5, queries=queries, metric=metric, csls_k=4, source=source)
    expected = scores_by_hand(metric, cosines(queries, target), cosines(target, source), 4)
    assert_best(found, expected, 5)
    whole = ge.nearest_neighbors(
        target, 5, queries=source, metric=metric, csls_k=4
    )  # they are their own source
    assert_same_bits(found.ids, whole.ids[:7])
    assert_same_bits(found.scores, whole.scores[:7])


@pytest.mark.parametrize("metric", CORRECTED)
def test_an_index_and_any_number_of_threads_give_the_same_bits(metric: Metric) -> None:
    rows, source = table(), table(1, rows=30)
    index, named = ge.CosineIndex(ge.Embedding(rows, WORDS)), ["w3", "w50", "w3"]
    whole = ge.nearest_neighbors(rows, 6, metric=metric)
    across = ge.nearest_neighbors(rows, 6, queries=source, metric=metric)
    for workers in (1, 2, 7):
        with threads.limit(workers):
            some, every, other = (index.search(asked, 6, metric=metric) for asked in (named, None, source))
        for found, expected in ((some, whole.ids[[3, 50, 3]]), (every, whole.ids), (other, across.ids)):
            assert_same_bits(found.ids, expected)
        assert_same_bits(some.scores, whole.scores[[3, 50, 3]])
        assert_same_bits(other.scores, across.scores)
    assert list(index._corrections) == [(metric, 10 if metric == "csls" else 0)]  # computed once


@pytest.mark.parametrize("dtype", ["float16", ">f4", "float64"])
def test_a_dtype_changes_no_more_than_its_rounding(dtype: str) -> None:
    rows = table().astype(dtype)
    found = ge.nearest_neighbors(rows, 4, metric="csls")
    near = without_itself(cosines(rows, rows))
    assert_best(found, scores_by_hand("csls", near, near, 10), 4)


def test_the_score_is_the_same_from_both_sides() -> None:
    rows = table()
    for metric in CORRECTED:
        found = ge.nearest_neighbors(rows, 59, metric=metric)
        scores = np.zeros((60, 60))
        np.put_along_axis(scores, found.ids.astype(np.int64), found.scores, axis=1)
        assert_same_bits(scores, scores.T.copy())


def test_hubs_are_fewer_than_by_cosine() -> None:
    rows = table(rows=1500, dim=40)
    skewness = [ge.hubness(ge.nearest_neighbors(rows, 10, metric=metric)).value for metric in METRICS]
    assert skewness[1] < 0.6 * skewness[0]
    assert skewness[2] < 0.6 * skewness[0]


def test_two_words_and_rows_that_are_all_equal() -> None:
    for metric in CORRECTED:
        two = ge.nearest_neighbors(table(rows=2), 1, metric=metric, csls_k=1)
        assert two.ids.tolist() == [[1], [0]]
        same = ge.nearest_neighbors(np.ones((5, 3)), 2, metric=metric, csls_k=3)
        assert same.ids.tolist() == [[1, 2], [0, 2], [0, 1], [0, 1], [0, 1]]
        np.testing.assert_allclose(same.scores, 0.0 if metric == "csls" else 0.25, **CLOSE)
        none = ge.nearest_neighbors(np.zeros((4, 3)), 2, metric=metric, csls_k=3)
        assert (none.ids == -1).all()
        lonely = ge.nearest_neighbors(np.eye(3)[:, :1] * np.ones(2), 1, metric=metric, csls_k=1)
        assert (lonely.ids == -1).all()


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (ConfigError, "csls_k = 60, but there are 59 other rows", {"metric": "csls", "csls_k": 60}),
        (ConfigError, "csls_k must be at least 1", {"metric": "csls", "csls_k": 0}),
        (ConfigError, "Give source=", {"metric": "csls", "queries": table(1, 3)}),
        (ConfigError, "csls_k = 10, but there are 3 rows of source",
         {"metric": "csls", "queries": table(1, 20), "source": table(1, 3)}),
        (ConfigError, "source with queries of the table itself", {"metric": "csls", "source": table(1)}),
        (ConfigError, "source with metric=cosine", {"queries": table(1), "source": table(1)}),
        (ConfigError, "warm_start with metric=csls", {"metric": "csls", "warm_start": table()}),
        (ConfigError, "metric = 'CSLS' is not known", {"metric": "CSLS"}),
        (ShapeError, "Both need the same dimensions",
         {"metric": "csls", "queries": table(1), "source": table(1, dim=9)}),
        (DTypeError, "the same dtype",
         {"metric": "csls", "queries": table(1), "source": table(1).astype(float)}),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(
    error: type[Exception], message: str, options: dict[str, Any]
) -> None:
    with pytest.raises(error, match=message):
        ge.nearest_neighbors(table(), 3, **options)


@pytest.mark.slow
@pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}")
def test_csls_on_a_gpu_has_the_bits_of_the_cpu_and_mutual_proximity_is_refused() -> None:
    rows, source = table(), table(1, rows=20)
    rows[9] = 0
    expected = ge.nearest_neighbors(rows, 4, metric="csls")
    across = ge.nearest_neighbors(rows, 4, queries=source, metric="csls")
    with stand_in.installed(Run()):
        on_gpu = rows.view(DeviceArray)
        for found in (
            ge.nearest_neighbors(on_gpu, 4, metric="csls"),
            ge.CosineIndex(on_gpu).search(None, 4, metric="csls"),
        ):
            assert isinstance(found.scores, DeviceArray)
            assert_same_bits(np.array(found.ids), expected.ids)
            assert_same_bits(np.array(found.scores), expected.scores)
        moved = ge.nearest_neighbors(rows, 4, queries=source, metric="csls", device="cuda")
        with pytest.raises(DeviceError, match="mutual_proximity' on cuda"):
            ge.nearest_neighbors(on_gpu, 4, metric="mutual_proximity")
    assert type(moved.ids) is np.ndarray
    assert_same_bits(moved.ids, across.ids)
    assert_same_bits(moved.scores, across.scores)
