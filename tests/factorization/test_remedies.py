"""Changes of X before it is factorized, against X changed cell by cell."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from tolerances import assert_within

import gpuemb as ge
from gpuemb.core.arrays import Float64
from gpuemb.factorization.matrix import user_items
from gpuemb.factorization.remedy.preprocessing import PREPARED

seeds = st.integers(0, 2**31)


def chosen(seed: int, users: int = 40, items: int = 9) -> Float64:
    """Counts with an empty row, an empty column, a column of ones and a row of ones."""
    numbers = np.random.default_rng(seed)
    x = (numbers.random((users, items)) < 0.4) * numbers.integers(1, 4, (users, items)).astype(float)
    x[:, 2] = 1
    x[4] = 1
    x[:, 5] = 0
    x[7] = 0
    return x


def changed(name: str, x: Float64) -> Float64:
    """The same cell by cell."""
    users, items = x.shape
    found = np.zeros(x.shape)
    counts = (x != 0).sum(axis=0)
    smooth = x.sum(axis=0) ** 0.75
    for u in range(users):
        for i in range(items):
            column, row = x[:, i], x[u]
            if name == "none":
                found[u, i] = x[u, i]
            elif name == "standardized-columns" and column.std() > 0:
                found[u, i] = (x[u, i] - column.mean()) / column.std()
            elif name == "layer-normalization" and row.std() > 0:
                found[u, i] = (x[u, i] - row.mean()) / row.std()
            elif name == "inverse-propensity" and counts[i]:
                found[u, i] = x[u, i] / math.sqrt(counts[i] / counts.max())
            elif name == "negative-sampling" and x[u, i]:
                found[u, i] = max(0.0, math.log(x[u, i] * smooth.sum() / (row.sum() * smooth[i])))
    return found


@settings(max_examples=8)
@given(seed=seeds)
@pytest.mark.parametrize("name", sorted(PREPARED))
def test_the_gram_matrix_is_that_of_x_changed_cell_by_cell(name: str, seed: int) -> None:
    x = chosen(seed)
    expected = changed(name, x)
    for form in (x, csr_matrix(x), x.astype(np.float32), csr_matrix(x.astype(np.int64))):
        found = PREPARED[name](user_items("test", form))
        assert_within(found, expected.T @ expected, 1e-11 * np.trace(expected.T @ expected))


@settings(max_examples=5)
@given(seed=seeds)
@pytest.mark.parametrize("name", sorted(PREPARED))
def test_a_remedy_is_the_factorization_of_x_changed(name: str, seed: int) -> None:
    x = chosen(seed)
    made = changed(name, x)
    growth = (made**2).sum() / (x**2).sum()
    for objective, penalty in ((1, 6.0 * growth), (2, 2.0 * math.sqrt(growth))):
        found = ge.remedy(x, name, 3, 6.0 if objective == 1 else 2.0, objective=objective)  # type: ignore[arg-type]
        expected = ge.factorize(made, 3, penalty, objective=objective)
        assert_within(found.penalty, penalty, 1e-12 * penalty)
        assert found.effective_rank == expected.effective_rank
        cosines = [np.nan_to_num(one.item_cosine(), nan=9) for one in (found, expected)]
        assert_within(*cosines, 1e-6)


def test_the_original_space_is_that_of_the_predictions() -> None:
    x = chosen(1)
    found = ge.remedy(x, "layer-normalization", 4, 3.0, rescale="original-space")
    factors = ge.factorize(changed("layer-normalization", x), 4, found.penalty)
    predictions = changed("layer-normalization", x) @ factors.maps @ factors.items.T
    lengths = np.linalg.norm(predictions, axis=0)
    assert_within(found.item_cosine(), predictions.T @ predictions / np.outer(lengths, lengths), 1e-8)


def test_all_remedies_stand_in_one_table() -> None:
    numbers = np.random.default_rng(0)
    labels = np.arange(15) % 3
    own = labels == numbers.integers(0, 3, 300)[:, None]
    x = (numbers.random((300, 15)) < np.where(own, 0.6, 0.08)).astype(np.float32)
    x[:, 14] = 0
    table = ge.remedies(csr_matrix(x), labels, 6, 100.0).table
    rows = table.to_pylist()
    assert len(rows) == len({(r["preprocessing"], r["rescaling"], r["objective"]) for r in rows}) == 14
    counted = {row["preprocessing"]: row["undefined"] for row in rows}
    assert counted == {
        **dict.fromkeys(PREPARED, 1.0),
        "layer-normalization": 0.0,
    }  # 0 becomes −mean/deviation
    for row in rows:
        found = ge.remedy(x, row["preprocessing"], 6, 100.0 if row["objective"] == 1 else 10.0,
                          objective=row["objective"], rescale=row["rescaling"])  # fmt: skip
        scores = ge.scores_of_clusters(found.item_cosine(), labels)
        assert (row["adjusted_rand"], row["nearest_in_own"]) == (scores.adjusted_rand, scores.nearest_in_own)
        assert row["reason"] == ""
    best = [row["adjusted_rand"] for row in rows if row["rescaling"] == "original-space"]
    assert min(best) > 0.7


def test_a_remedy_without_vectors_says_why() -> None:
    x = chosen(2)
    x[0, 0] = -1
    rows = ge.remedies(x, np.arange(9) % 3, 4, 2.0, second_penalty=1e6).table.to_pylist()
    reasons = {(row["preprocessing"], row["objective"]): row["reason"] for row in rows}
    assert "entries below 0" in reasons["negative-sampling", 1]
    assert reasons["none", 2] == "no axis is kept"
    assert all(math.isnan(row["within"]) == bool(row["reason"]) for row in rows)
    with pytest.raises(ge.ConfigError, match="entries below 0"):
        ge.remedy(x, "negative-sampling", 2, 1.0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"rank": 10}, ge.ConfigError, "rank must be at most 9"),
        ({"penalty": -1.0}, ge.ConfigError, "penalty = -1"),
        ({"preprocessing": "layernorm"}, ge.ConfigError, "layer-normalization"),
        ({"objective": 2, "rescale": "shrinkage"}, ge.ConfigError, "unique up to"),
        ({"X": np.zeros((3, 3))}, ge.ConfigError, "every entry"),
    ],
)
def test_what_has_no_remedy_is_refused(
    arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ge.remedy(**{"X": chosen(0), "preprocessing": "none", "rank": 2, "penalty": 1.0, **arguments})  # type: ignore[arg-type]
