"""The GPU's iteration to a polar factor, executed with NumPy: the lines of cuda.py."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds
from tolerances import assert_same_bits, assert_within, rotation_error, singular_error

from gpuemb.core.arrays import Float64
from gpuemb.kernels.polar import PolarFactors, polar
from gpuemb.kernels.polar import cuda as launcher

CONDITIONS = [1.0, 1e1, 1e2, 1e4, 1e6, 1e8, 1e10, 1e12]
PRODUCTS = [2, 20, 24, 34, 48, 56, 70, 78]  # of the docstring, geometric σ at d = 300
SPECTRA: dict[str, Callable[[int, float], Float64]] = {
    "geometric": lambda size, condition: np.geomspace(1.0, 1 / condition, size),
    "one small": lambda size, condition: np.append(np.ones(size - 1), 1 / condition),
    "one large": lambda size, condition: np.append(1.0, np.full(size - 1, 1 / condition))[:size],
    "two levels": lambda size, condition: np.where(np.arange(size) < size / 2, 1.0, 1 / condition),
    "tied pairs": lambda size, condition: np.geomspace(1.0, 1 / condition, size)[np.arange(size) // 2 * 2],
    "clusters": lambda size, condition: (
        SPECTRA["two levels"](size, condition) * (1 - 1e-9 * np.arange(size) / size)
    ),
}
sides = st.integers(1, 40)
shapes = st.one_of(st.tuples(sides, sides), sides.map(lambda side: (side, side)))
batches = st.lists(
    st.tuples(st.sampled_from(sorted(SPECTRA)), st.sampled_from(CONDITIONS)), min_size=1, max_size=3
)


def made(shape: tuple[int, int], singular: Float64, seed: int) -> Float64:
    """A matrix of the given singular values."""
    numbers = np.random.default_rng(seed)
    left, right = (np.linalg.qr(numbers.standard_normal((n, len(singular))))[0] for n in shape)
    product: Float64 = left * singular @ right.T
    return product


def by_products(products: Float64, xp: Any = np) -> PolarFactors:
    return launcher.factors_by_products(products, xp)


def assert_as_good_as_an_svd(found: PolarFactors, products: Float64) -> None:
    """Within the conditioning of each matrix; the rank, where it is not on the border, is the same."""
    shape = products.shape[1:]
    expected = polar.reference(products)
    for index, values in enumerate(expected.singular):
        distance = np.linalg.norm(found.rotation[index] - expected.rotation[index], ord=2)
        assert_within(distance, 0.0, rotation_error(shape, values))
        assert_within(found.singular[index], values, singular_error(max(shape), values[0]))
    assert_same_bits(found.rank, expected.rank)
    assert (np.diff(found.singular, axis=1) <= 0).all()


@given(shape=shapes, batch=batches, seed=seeds)
def test_products_lead_where_an_svd_leads_whatever_the_condition(
    shape: tuple[int, int], batch: list[tuple[str, float]], seed: int
) -> None:
    spectra = [SPECTRA[kind](min(shape), condition) for kind, condition in batch]
    products = np.stack([made(shape, spectrum, seed + i) for i, spectrum in enumerate(spectra)])
    found = by_products(products)
    assert_as_good_as_an_svd(found, products)
    assert (found.taken > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(SPECTRA))
def test_products_lead_where_an_svd_leads_at_full_size(kind: str) -> None:
    products = np.stack([made((300, 300), SPECTRA[kind](300, condition), 7) for condition in CONDITIONS])
    found = by_products(products)
    assert_as_good_as_an_svd(found, products)
    assert (found.taken > 0).all()
    assert (found.taken <= 2 * launcher.LIMIT).all()


def test_the_number_of_products_is_the_documented_one() -> None:
    products = np.stack([made((300, 300), SPECTRA["geometric"](300, c), 0) for c in CONDITIONS])
    _, taken = launcher.orthogonalize(products, np)
    assert (np.abs(taken - PRODUCTS) <= 2).all()  # rounding may cost or save a step


@given(shape=shapes, seed=seeds, exponent=st.sampled_from([-300, -150, -1, 1, 150, 300]))
def test_a_scale_does_not_change_the_rotation(shape: tuple[int, int], seed: int, exponent: int) -> None:
    product = made(shape, SPECTRA["geometric"](min(shape), 1e3), seed)[None]
    assert_as_good_as_an_svd(by_products(product * 10.0**exponent), product * 10.0**exponent)
    doubled = by_products(np.ldexp(product, 3 * exponent))
    assert_same_bits(doubled.rotation, by_products(product).rotation)
    assert_same_bits(doubled.singular, np.ldexp(by_products(product).singular, 3 * exponent))


@given(shape=shapes, seed=seeds, bytes_at_once=st.sampled_from([1, 8 * 1600, 1 << 27]))
def test_batch_mates_do_not_touch_each_other(shape: tuple[int, int], seed: int, bytes_at_once: int) -> None:
    spectra = [SPECTRA["geometric"](min(shape), condition) for condition in (1e12, 1.0, 1e3, 1e3)]
    products = np.stack([*(made(shape, s, seed + i) for i, s in enumerate(spectra)), np.zeros(shape)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launcher, "BYTES_AT_ONCE", bytes_at_once)
        together = by_products(products)
    for index in range(len(products)):
        alone = by_products(products[[index]])
        for field in ("rotation", "singular", "rank", "taken"):
            assert_same_bits(getattr(alone, field)[0], getattr(together, field)[index])


@given(shape=shapes, seed=seeds, data=st.data())
def test_short_rank_is_reported_and_goes_through_an_svd(
    shape: tuple[int, int], seed: int, data: st.DataObject
) -> None:
    rank = data.draw(st.integers(0, min(shape) - 1))
    short = made(shape, SPECTRA["geometric"](rank, 10.0), seed) if rank else np.zeros(shape)
    whole = made(shape, SPECTRA["geometric"](min(shape), 10.0), seed)
    found = by_products(np.stack([whole, short, whole]))
    assert found.rank.tolist() == [min(shape), rank, min(shape)]
    assert (found.taken > 0).tolist() == [True, False, True]
    assert_same_bits(found.rotation[0], found.rotation[2])
    narrow = found.rotation[1] if shape[0] >= shape[1] else found.rotation[1].T
    assert_within(narrow.T @ narrow, np.eye(min(shape)), rotation_error(shape, np.ones(min(shape))))


def test_what_does_not_converge_in_time_goes_through_an_svd(monkeypatch: pytest.MonkeyPatch) -> None:
    products = np.stack([made((9, 6), SPECTRA["geometric"](6, condition), 0) for condition in (1.0, 1e6)])
    monkeypatch.setattr(launcher, "LIMIT", 5)
    found = by_products(products)
    assert found.taken.tolist() == [2, 0]
    assert_as_good_as_an_svd(found, products)


@pytest.mark.parametrize("wrong", [0.0, 1e3, float("nan")])
def test_eigenvalues_of_another_norm_are_not_believed(wrong: float) -> None:
    products = made((8, 5), SPECTRA["geometric"](5, 10.0), 0)[None]
    functions = {name: getattr(np, name) for name in dir(np) if not name.startswith("__")}
    linalg = SimpleNamespace(svd=np.linalg.svd, eigvalsh=lambda x: np.linalg.eigvalsh(x) + wrong)
    found = by_products(products, SimpleNamespace(**functions | {"linalg": linalg}))
    assert (found.taken > 0).all() == (wrong == 0.0)
    assert_as_good_as_an_svd(found, products)


@pytest.mark.parametrize("shape", [(0, 4, 3), (0, 1, 1), (2, 1, 1), (2, 5, 1), (2, 1, 5)])
def test_small_batches_have_the_shapes_of_the_contract(shape: tuple[int, int, int]) -> None:
    products = np.random.default_rng(0).standard_normal(shape)
    found, expected = by_products(products), polar.reference(products)
    for field in ("rotation", "singular", "rank", "taken"):
        assert getattr(found, field).shape == getattr(expected, field).shape
        assert getattr(found, field).dtype == getattr(expected, field).dtype
    assert_as_good_as_an_svd(found, products)
