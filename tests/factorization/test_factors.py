"""The closed forms of linear factorization, and what the paper proves of their cosines."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.sparse import coo_matrix, csr_matrix
from tolerances import EPS64, SAFETY, assert_same_bits, assert_within

import gpuemb as ge
from gpuemb.core import threads
from gpuemb.core.arrays import Float64
from gpuemb.factorization.rescaling import NAMED

USERS, ITEMS = 30, 7
seeds = st.integers(0, 2**31)
penalties = st.sampled_from([0.0, 0.5, 10.0, 1e3])


def chosen(seed: int, users: int = USERS, items: int = ITEMS, share: float = 0.4) -> Float64:
    """Users × items of counts without an empty row or column."""
    numbers = np.random.default_rng(seed)
    x = (numbers.random((users, items)) < share) * numbers.integers(1, 4, (users, items)).astype(float)
    x[np.arange(users), np.arange(users) % items] += 1
    return x


def cosines(rows: Float64, columns: Float64 | None = None) -> Float64:
    columns = rows if columns is None else columns
    with np.errstate(invalid="ignore"):
        return rows @ columns.T / np.outer(*(np.linalg.norm(side, axis=1) for side in (rows, columns)))


def loss_1(x: Float64, a: Float64, b: Float64, penalty: float) -> float:
    return float(((x - x @ a @ b.T) ** 2).sum() + penalty * ((a @ b.T) ** 2).sum())


def loss_2(x: Float64, a: Float64, b: Float64, penalty: float) -> float:
    return float(((x - x @ a @ b.T) ** 2).sum() + penalty * (((x @ a) ** 2).sum() + (b**2).sum()))


def gradient_1(x: Float64, a: Float64, b: Float64, penalty: float) -> tuple[Float64, Float64]:
    of_product = -2 * x.T @ (x - x @ a @ b.T) + 2 * penalty * a @ b.T
    return of_product @ b, of_product.T @ a


def gradient_2(x: Float64, a: Float64, b: Float64, penalty: float) -> tuple[Float64, Float64]:
    of_product, gram = -2 * x.T @ (x - x @ a @ b.T), x.T @ x
    return of_product @ b + 2 * penalty * gram @ a, of_product.T @ a + 2 * penalty * b


@given(seed=seeds, rank=st.integers(1, ITEMS), penalty=penalties)
def test_the_product_does_not_move_under_any_d_while_cosines_do(seed: int, rank: int, penalty: float) -> None:
    factors = ge.factorize(chosen(seed), rank, penalty)
    product = factors.maps @ factors.items.T
    numbers = np.random.default_rng(seed)
    given_scales = [*NAMED, numbers.uniform(0.2, 5, rank) * numbers.choice([-1, 1], rank), np.log1p]
    moved = 0.0
    for scale in given_scales:
        other = factors.rescale(scale)
        assert_within(other.maps @ other.items.T, product, 1e-12)
        assert_within(other.users @ other.items.T, chosen(seed) @ product, 1e-11)
        moved = max(moved, float(np.nanmax(np.abs(other.item_cosine() - factors.item_cosine()))))
    assert moved > 1e-3 or rank == 1


@given(seed=seeds, penalty=penalties)
def test_at_full_rank_items_may_be_orthogonal_and_users_those_of_x(seed: int, penalty: float) -> None:
    x = chosen(seed)
    factors = ge.factorize(x, ITEMS, penalty)
    apart = factors.rescale("shrinkage")
    assert_within(apart.item_cosine(), np.eye(ITEMS), SAFETY * EPS64 * ITEMS)
    dots = apart.users @ apart.items.T
    ranked = np.argsort(-apart.user_item_cosine(), axis=1, kind="stable")
    assert (np.diff(np.take_along_axis(dots, ranked, axis=1), axis=1) < 1e-10 * np.abs(dots).max()).all()
    raw = factors.rescale("inverse-shrinkage").user_cosine()
    assert_within(raw, cosines(x), SAFETY * EPS64 * ITEMS)


@given(seed=seeds, rank=st.integers(1, ITEMS), penalty=st.sampled_from([0.5, 10.0, 1e3]))
def test_the_original_space_is_one_more_d(seed: int, rank: int, penalty: float) -> None:
    x = chosen(seed)
    factors = ge.factorize(x, rank, penalty)
    predictions = x @ factors.maps @ factors.items.T
    found = factors.rescale("original-space").item_cosine()
    assert_within(found, cosines(predictions.T), 1e-9)


@given(seed=seeds, rank=st.integers(1, ITEMS), penalty=st.sampled_from([0.5, 3.0, 10.0]))
def test_both_closed_forms_are_stationary(seed: int, rank: int, penalty: float) -> None:
    x = chosen(seed)
    for objective, gradient in ((1, gradient_1), (2, gradient_2)):
        factors = ge.factorize(x, rank, penalty, objective=objective)
        scale = float((x**2).sum())
        for part in gradient(x, factors.maps, factors.items, penalty):
            assert_within(part, 0, 1e-10 * scale)


@pytest.mark.parametrize(
    ("objective", "loss", "gradient"), [(1, loss_1, gradient_1), (2, loss_2, gradient_2)]
)
@pytest.mark.parametrize("rank", [1, 3])
def test_a_generic_optimizer_finds_the_same_loss(objective: int, loss: Any, gradient: Any, rank: int) -> None:
    x, penalty = chosen(3, 20, 5), 2.0
    numbers, cut = np.random.default_rng(0), 5 * rank

    def both(flat: Float64) -> tuple[float, Float64]:
        a, b = flat[:cut].reshape(5, rank), flat[cut:].reshape(5, rank)
        return loss(x, a, b, penalty), np.concatenate([part.ravel() for part in gradient(x, a, b, penalty)])

    runs = [minimize(both, numbers.standard_normal(2 * cut), jac=True, tol=1e-12) for _ in range(3)]
    best = min(runs, key=lambda run: float(run.fun))
    factors = ge.factorize(x, rank, penalty, objective=objective)
    closed = loss(x, factors.maps, factors.items, penalty)
    assert closed <= best.fun + 1e-9 * best.fun
    assert_within(closed, best.fun, 1e-6 * best.fun)
    a, b = best.x[:cut].reshape(5, rank), best.x[cut:].reshape(5, rank)
    assert_within(a @ b.T, factors.maps @ factors.items.T, 1e-3)
    if objective == 2:  # unique up to rotation
        assert_within(b @ b.T, factors.items @ factors.items.T, 1e-3 * np.abs(b @ b.T).max())
        assert_within(cosines(b), factors.item_cosine(), 1e-3)


@given(seed=seeds, penalty=st.sampled_from([0.5, 3.0, 8.0]))
def test_objective_two_keeps_the_axes_above_its_penalty_and_has_no_free_d(seed: int, penalty: float) -> None:
    x = chosen(seed)
    factors = ge.factorize(x, ITEMS, penalty, objective=2)
    singular = np.linalg.svd(x, compute_uv=False)
    assert factors.effective_rank == (singular > penalty).sum()
    assert (factors.items[:, factors.effective_rank :] == 0).all()
    assert_within(
        np.linalg.norm(factors.users, axis=0), np.linalg.norm(factors.items, axis=0), 1e-9 * singular[0]
    )
    with pytest.raises(ge.ConfigError, match="objective 2"):
        factors.rescale("shrinkage")
    turned = factors.items @ np.linalg.qr(np.random.default_rng(0).standard_normal((ITEMS, ITEMS)))[0]
    assert_within(cosines(turned), factors.item_cosine(), 1e-7)


@given(seed=seeds)
def test_signs_of_d_change_no_cosine(seed: int) -> None:
    factors = ge.factorize(chosen(seed), 4, 1.0)
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], 4)
    other = factors.rescale(signs)
    assert_same_bits(other.item_cosine(), factors.item_cosine())
    assert_within(other.user_cosine(), factors.user_cosine(), 1e-14)
    assert_within(other.user_item_cosine(), factors.user_item_cosine(), 1e-14)


@given(seed=seeds)
def test_every_form_of_x_gives_the_same(seed: int) -> None:
    x = chosen(seed)
    expected = ge.factorize(x, 3, 2.0)
    twice = coo_matrix(
        (np.repeat(x.ravel() / 2, 2), np.repeat(np.indices(x.shape).reshape(2, -1), 2, axis=1))
    )
    forms = (csr_matrix(x), csr_matrix(x).tocsc(), coo_matrix(x), twice, x.astype(int), np.asfortranarray(x))
    for other in (*forms, x.astype(np.float32), x.astype(">f8"), x.tolist()):
        found = ge.factorize(other, 3, 2.0)
        assert_same_bits(found.items, expected.items)
        assert_within(found.users, expected.users, 1e-13)


def test_bits_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpuemb.factorization.matrix.TILE_BYTES", 16 * 20 * 64)
    x = chosen(1, 900, 20) + 0.3
    found = []
    for number in (1, 2, 7):
        with threads.limit(number):
            factors = ge.factorize(x, 5, 2.0)
            found.append((factors.items, factors.users))
    for items, users in found[1:]:
        assert_same_bits(items, found[0][0])
        assert_same_bits(users, found[0][1])


@given(
    seed=seeds,
    value=st.sampled_from([1.0, 3.5, 0.1, 300.0, 5000.0, -2.0]),
    share=st.sampled_from([0.05, 0.5]),
)
def test_the_gram_matrix_is_that_of_integers_or_of_float64(seed: int, value: float, share: float) -> None:
    from gpuemb.factorization.matrix import user_items

    x = (np.random.default_rng(seed).random((3000, 6)) < share) * value
    x[0] = 1
    for form in (x, csr_matrix(x)):
        found = user_items("test", form).gram()
        if value == 0.1:
            assert_within(found, x.T @ x, SAFETY * EPS64 * np.diag(x.T @ x).max() * np.sqrt(3000))
        else:
            whole = (2 * x).astype(np.int64)
            assert_same_bits(found, (whole.T @ whole) / 4)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "bool", "float16"])
def test_narrow_types_are_not_overflown(dtype: str) -> None:
    x = chosen(0, 1100) * np.array([-128, 1, 2, 3, 1, 1, 1])
    x = x.astype(np.int64).astype(dtype)
    found = ge.factorize(csr_matrix(x) if dtype == "bool" else x, 3, 1.0)
    assert_same_bits(found.items, ge.factorize(x.astype(np.float64), 3, 1.0).items)


def test_penalties_at_the_ends_stay_finite() -> None:
    factors = ge.factorize(chosen(0) * 1e-60, 3, 1e140)
    for name in NAMED:
        other = factors.rescale(name)
        assert np.isfinite(other.item_cosine()).all()
        assert np.isfinite(other.user_cosine()).all()


def test_another_penalty_is_free_and_the_same() -> None:
    x = chosen(2)
    factors = ge.factorize(x, 4, 1.0)
    other = factors.at(penalty=7.0, objective=2, rank=3)
    assert other.spectrum is factors.spectrum
    assert_within(other.items, ge.factorize(x, 3, 7.0, objective=2).items, 1e-12)
    assert factors.rescale("shrinkage").at(penalty=2.0).rescaling == "shrinkage"
    assert factors.rescale(np.log1p).at(penalty=2.0).rescaling == "identity"
    assert factors.rescale([1, 2, 3, 4]).at(penalty=2.0).rescaling == "identity"


def test_rows_of_nobody_have_no_cosine_and_are_counted() -> None:
    x = chosen(4)
    x[5], x[:, 2] = 0, 0
    factors = ge.factorize(x, 4, 1.0)
    assert (factors.spectrum.empty_users, factors.spectrum.empty_items) == (1, 1)
    assert (factors.users_without_cosine, factors.items_without_cosine) == (1, 1)
    assert np.isnan(factors.item_cosine()[2]).all()
    assert np.isnan(factors.user_cosine()[:, 5]).all()
    nearest = factors.nearest("item", 5)
    assert (nearest.ids[2] == -1).all()
    assert 2 not in nearest.ids


def test_an_item_apart_from_the_kept_axes_has_no_cosine() -> None:
    x = np.zeros((40, 12))
    x[:30, :10] = chosen(5, 30, 10)
    x[30:, 10:] = np.eye(10, 2) + 0.1
    for objective, penalty in ((1, 1.0), (2, 5.0)):
        factors = ge.factorize(x, 2, penalty, objective=objective)
        assert factors.items_without_cosine == 2
        assert factors.users_without_cosine == 10
        assert np.isnan(factors.item_cosine()[10:]).all()


def test_at_rank_one_every_cosine_is_one() -> None:
    factors = ge.factorize(np.abs(chosen(6)), 3, 12.0, objective=2)
    assert factors.effective_rank == 1
    assert_within(factors.item_cosine(), 1, SAFETY * EPS64)
    assert ge.scores_of_clusters(factors.item_cosine(), np.arange(ITEMS) % 2).adjusted_rand == 0


def test_beyond_the_gram_the_spectrum_is_that_of_lapack(monkeypatch: pytest.MonkeyPatch) -> None:
    x = chosen(7, 2000, 700, share=0.02) * 1.0
    x[:, 3] = 0
    x += 3 * np.outer(np.arange(2000) % 3 == 0, np.arange(700) % 5 == 0)
    x[:, 3] = 0
    exact = ge.factorize(x, 4, 50.0)
    monkeypatch.setattr("gpuemb.factorization.spectrum.GRAM_ITEMS", 100)
    for form in (x, csr_matrix(x), csr_matrix(x.astype(np.int64)), csr_matrix(x.astype(np.int8))):
        found = ge.factorize(form, 4, 50.0)
        assert found.spectrum.method == "lanczos"
        assert_within(found.singular_values, exact.singular_values, 1e-6 * exact.singular_values[0])
        assert_within(found.maps[:, 0], exact.maps[:, 0], 1e-4)
        assert (found.items[3] == 0).all()
    few, small = ge.factorize(x[:3], 5, 1.0), ge.factorize(x[:3], 3, 1.0)
    assert (few.spectrum.method, few.effective_rank) == ("lanczos", 3)
    assert_within(few.maps @ few.items.T, small.maps @ small.items.T, 1e-9)


def test_names_choose_rows_and_tiles_are_the_matrix() -> None:
    items = list("abcdefg")
    named = SimpleNamespace(matrix=csr_matrix(chosen(8)), users=[f"u{i}" for i in range(USERS)], items=items)
    factors = ge.factorize(named, 3, 1.0)
    assert list(factors.item_names or ()) == items
    whole = factors.user_item_cosine()
    assert_same_bits(factors.user_item_cosine(["u3", "u0"], ["g"]), whole[[3, 0]][:, [6]])
    assert_same_bits(
        np.concatenate([tile for _, tile in factors.cosine_tiles("user-item", tile_bytes=99)]), whole
    )
    nearest = factors.nearest("user-item", 2, rows=["u4"])
    order = np.argsort(-whole[4], kind="stable")[:2]
    assert nearest.named(0) == [(items[i], whole[4, i]) for i in order]
    with pytest.raises(ge.VocabularyError, match="'h' is not among the 7 names"):
        factors.item_cosine(["h"])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"rank": 0}, ge.ConfigError, "rank = 0"),
        ({"rank": ITEMS + 1}, ge.ConfigError, f"rank must be at most {ITEMS}"),
        ({"penalty": -1.0}, ge.ConfigError, "penalty = -1"),
        ({"penalty": float("nan")}, ge.ConfigError, "penalty = nan"),
        ({"objective": 3}, ge.ConfigError, "objective = '3'"),
        ({"rescale": "shrinking"}, ge.ConfigError, "Did you mean shrinkage"),
        ({"rescale": [1.0, 0.0]}, ge.ConfigError, "entry 1 of D is 0.0"),
        ({"rescale": [1.0, np.nan]}, ge.ConfigError, "entry 1 of D is nan"),
        ({"rescale": [1.0]}, ge.ShapeError, r"D is float64 \(1,\) for 2 axes"),
        ({"rescale": lambda values: values - values}, ge.ConfigError, "entry 0 of D is 0.0"),
        ({"X": np.zeros((3, 4))}, ge.ConfigError, "every entry of X"),
        ({"X": csr_matrix((3, 4))}, ge.ConfigError, "every entry of X"),
        ({"X": np.full((3, 4), np.nan)}, ge.NonFiniteError, "row 0"),
        ({"X": csr_matrix(np.diag([1.0, np.inf, 1.0]))}, ge.NonFiniteError, "user 1, item 1"),
        ({"X": np.ones((0, 4))}, ge.ShapeError, r"shape \(0, 4\)"),
        ({"X": np.ones(4)}, ge.ShapeError, r"shape \(4,\)"),
        ({"X": np.full((3, 4), 1e100)}, ge.NonFiniteError, "near 1.0e\\+100"),
        ({"X": np.ones((3, 4), complex)}, ge.DTypeError, "complex128"),
        ({"X": "ratings.csv"}, ge.DTypeError, r"read_interactions\('ratings.csv'\)"),
    ],
)  # fmt: skip
def test_what_cannot_be_factorized_is_refused(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ge.factorize(**{"X": chosen(0), "rank": 2, "penalty": 1.0, **change})


def test_a_matrix_of_all_cosines_must_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    factors = ge.factorize(chosen(0), 2, 1.0)
    monkeypatch.setattr("gpuemb.factorization.cosines.TILE_BYTES", 100)
    with pytest.raises(ge.MemoryBudgetError, match="must be asked for"):
        factors.user_cosine()
    assert factors.user_cosine(rows=range(USERS)).shape == (USERS, USERS)


def test_arrays_of_other_libraries_go_in_and_come_out() -> None:
    strict = pytest.importorskip("array_api_strict")
    x = chosen(9)
    factors, expected = ge.factorize(strict.asarray(x), 3, 1.0), ge.factorize(x, 3, 1.0)
    assert type(factors.items) is type(strict.asarray(x))
    assert_same_bits(np.from_dlpack(factors.items), expected.items)
    assert_same_bits(np.from_dlpack(factors.item_cosine()), expected.item_cosine())


def test_equal_factorizations_are_equal() -> None:
    x = chosen(3)
    for form in (x, csr_matrix(x)):
        assert ge.factorize(form, 3, 1.0) == ge.factorize(form.copy(), 3, 1.0)
        assert ge.factorize(form, 3, 1.0) != ge.factorize(2 * form, 3, 1.0)
        assert hash(ge.factorize(form, 3, 1.0)) == hash(ge.factorize(form.copy(), 3, 1.0))
