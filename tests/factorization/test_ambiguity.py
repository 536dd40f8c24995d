"""What families of equally good embeddings do to cosines and neighbors, against loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import assert_within

import gpuemb as ge
from gpuemb.core.arrays import Float64
from gpuemb.factorization.open_choice.families import families_of, grid

seeds = st.integers(0, 2**31)


def table(seed: int, rows: int = 30, dim: int = 6) -> Float64:
    return np.random.default_rng(seed).standard_normal((rows, dim)) @ np.diag(2.0 ** np.arange(dim))


def cosines(rows: Float64) -> Float64:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit @ unit.T


def nearest(rows: Float64, k: int) -> list[set[int]]:
    found = cosines(rows)
    np.fill_diagonal(found, -2)
    return [set(row) for row in np.argsort(-found, axis=1, kind="stable")[:, :k].tolist()]


@settings(max_examples=8)
@given(seed=seeds, penalty=st.sampled_from([1.0, 1e3]))
def test_shares_and_ranges_are_those_of_loops(seed: int, penalty: float) -> None:
    x, k, steps = np.abs(table(seed, 50, 12)), 3, 5
    factors = ge.factorize(x, 5, penalty)
    found = ge.ambiguity(factors, k=k, steps=steps, pairs=[(0, 3)])
    reference, before = nearest(factors.items, k), cosines(factors.items)
    shrink, values = factors.shrinkage, factors.singular_values
    for row, scale in enumerate((lambda t: shrink**t, lambda t: values**t)):
        tables = [factors.rescale(scale(t)).items for t in np.linspace(-1, 1, steps)]
        lists = [nearest(one, k) for one in tables]
        kept = np.array([[len(a & b) / k for a, b in zip(reference, one, strict=True)] for one in lists])
        everywhere = [len(set.intersection(*sets)) / k for sets in zip(reference, *lists, strict=True)]
        summary = found.summary.to_pylist()[row]
        other = [step for step in range(steps) if step != steps // 2]
        assert_within(summary["survive"], kept[other].mean(), 1e-12)
        assert_within(summary["survive_least"], kept.mean(axis=1).min(), 1e-12)
        assert_within(summary["survive_all"], np.mean(everywhere), 1e-12)
        every = np.array([before, *map(cosines, tables)])
        wide = every.max(axis=0) - every.min(axis=0)
        ranges = [wide[i, sorted(near)].mean() for i, near in enumerate(reference)]
        assert_within(summary["range"], np.mean(ranges), 1e-10)
        pair = found.pairs.to_pylist()[row]
        assert_within(
            (pair["lowest"], pair["highest"]), (every[1:, 0, 3].min(), every[1:, 0, 3].max()), 1e-10
        )
        at = list(np.linspace(-1, 1, steps)).index(pair["lowest_at"])
        assert_within(every[1 + at, 0, 3], pair["lowest"], 1e-10)
    assert found.chance == k / 11


@settings(max_examples=10)
@given(seed=seeds, short=st.booleans())
def test_two_factors_have_the_family_of_their_product(seed: int, short: bool) -> None:
    items, users = table(seed), table(seed + 1, 40)
    if short:
        users[:, 3] = 0
    families = families_of("test", items, users, 0.5)
    (family,) = families.every
    _, values, right = np.linalg.svd(users @ items.T, full_matrices=False)
    kept = 5 if short else 6
    assert families.axes.shape[1] == kept
    for t in (-1.0, -0.5, 0.0, 0.3):
        expected = right[:kept].T * values[:kept] ** (0.5 - t)
        assert_within(cosines(families.table(family, t)), cosines(expected), 1e-8)
    assert_within(cosines(families.table(family, -0.5)), cosines((users @ items.T).T), 1e-8)
    turned = np.random.default_rng(seed).standard_normal((6, 6)) + 4 * np.eye(6)
    other = families_of("test", items @ turned, users @ np.linalg.inv(turned).T, 0.5)
    assert_within(cosines(other.table(other.every[0], 0.2)), cosines(families.table(family, 0.2)), 1e-7)


@pytest.mark.parametrize("power", [0.25, 0.5, 1.0])
def test_a_table_alone_is_the_spectral_embedding_of_its_power(power: float) -> None:
    left, sigma = np.linalg.qr(table(3))[0], np.array([9.0, 5, 3, 2, 1, 0.5])
    families = families_of("test", left * sigma**power, None, power)
    (family,) = families.every
    for p in grid(family, 5):
        assert_within(cosines(families.table(family, p)), cosines(left * sigma**p), 1e-9)
    found = ge.ambiguity(left * sigma**power, k=4, power=power, steps=5)
    same = found.along["survive"].to_pylist()[int(4 * power)]
    assert same == 1
    assert 0 < found.value < 1


def test_scores_are_followed_on_tables_with_names() -> None:
    words = [f"w{i}" for i in range(30)]
    judged = [("w1", "w2", 3.0), ("w1", "w3", 1.0), ("w2", "w9", 2.0), ("w4", "w5", 5.0)]
    e = ge.Embedding(table(1), words)
    found = ge.ambiguity(
        e, k=3, steps=3, scores={"judged": lambda one: ge.similarity_correlation(one, judged)}
    )
    at_half = ge.similarity_correlation(e, judged).value
    assert found.along["judged"].to_pylist()[1] == at_half
    assert found.rows["row"].to_pylist() == words
    assert ge.ambiguity(e, k=3, pairs=[("w3", "w0")]).pairs["first"].to_pylist() == ["w3"]


def test_rows_of_zeros_have_nothing_and_equal_axes_move_nothing() -> None:
    x = table(2)
    x[4] = 0
    found = ge.ambiguity(x, k=2, steps=3)
    assert found.summary["rows"].to_pylist() == [29]
    row = found.rows.to_pylist()[4]
    assert all(np.isnan(row[name]) for name in ("survive", "survive_all", "lowest", "highest", "range"))
    assert np.isfinite(found.value)
    flat = ge.ambiguity(np.linalg.qr(table(5))[0], k=2, steps=3)
    assert (flat.value, flat.summary["survive_all"].to_pylist()) == (1, [1])
    assert_within(flat.summary["range"].to_pylist()[0], 0, 1e-12)


def test_extreme_spectra_stay_finite() -> None:
    x = table(6) * 10.0 ** -np.arange(0, 60, 10.0)
    for found in (ge.ambiguity(x, k=2, steps=3), ge.ambiguity(x, table(7), k=2, steps=3)):
        assert np.isfinite(found.summary["range"].to_pylist()).all()
        assert 0 <= found.value <= 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ge.ambiguity(ge.factorize(np.eye(3), 2, 0.1, objective=2)), ge.ConfigError, "unique up to"),
        (lambda: ge.ambiguity(table(0), table(0, 30, 5)), ge.ShapeError, "6 dimensions but other has 5"),
        (lambda: ge.ambiguity(ge.stack([table(0), table(1)])), ge.ShapeError, "stack of 2 runs"),
        (lambda: ge.ambiguity(table(0), power=0.0), ge.ConfigError, "power = 0.0"),
        (lambda: ge.ambiguity(table(0), k=30), ge.ConfigError, "among 29 candidates"),
        (lambda: ge.ambiguity(table(0), steps=1), ge.ConfigError, "steps = 1"),
        (lambda: ge.ambiguity(table(0), steps=100), ge.ConfigError, "At most 99 steps"),
        (lambda: ge.ambiguity(np.zeros((4, 2)), k=2), ge.ConfigError, "no axis"),
        (lambda: ge.ambiguity(table(0), scores=[len]), ge.ConfigError, "mapping"),
        (lambda: ge.ambiguity(table(0), scores={"value": len}), ge.ConfigError, "mapping"),
        (lambda: ge.ambiguity(table(0), pairs=[(0, 1, 2)]), ge.ShapeError, "A pair is two"),
        (lambda: ge.ambiguity(table(0), pairs=[(0, 99)]), ge.ShapeError, "run from 99"),
        (lambda: ge.ambiguity(table(0), pairs=3), ge.ShapeError, "A pair is two"),
        (lambda: ge.ambiguity(np.full((4, 2), np.nan)), ge.NonFiniteError, "row 0"),
    ],
)
def test_what_has_no_ambiguity_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
