"""Bounds of what float32 products do to measures of spaces: true, and near enough to be of use."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from geometry.definitions import random_rotation, random_table
from geometry.rounding import PROMISED
from tolerances import assert_same_bits, assert_within

from gpuemb.core.arrays import Float32, Float64
from gpuemb.geometry.cross_grams import cross_grams
from gpuemb.geometry.eigenspace import instability, overlap
from gpuemb.geometry.grams import float32_bounds
from gpuemb.geometry.grams.build import NARROW
from gpuemb.geometry.grams.float32_bounds import PairErrors, Probed
from gpuemb.geometry.grams.row_blocks import Rows
from gpuemb.geometry.subspaces import float32_bounds as subspace_bounds
from gpuemb.geometry.subspaces.axes import Subspaces, axes_of_gram
from gpuemb.geometry.subspaces.float32_bounds import SubspaceError, instability_error, overlap_error
from gpuemb.kernels.gram import probes

MEASURES: dict[str, tuple[Callable[[Subspaces], float], SubspaceError]] = {
    "overlap": (overlap, overlap_error),
    "instability": (partial(instability, alpha=3.0), instability_error(3.0)),
    "instability, α = 4.5": (partial(instability, alpha=4.5), instability_error(4.5)),
}
WORDS = 20_000
Products = tuple[Float64, Float64, Float64]


def spaces_of(products: Products) -> Subspaces:
    gram_x, gram_y, cross = products
    x, y = axes_of_gram(gram_x), axes_of_gram(gram_y)
    cosines = x.directions.T @ cross @ y.directions / x.singular[:, None] / y.singular
    return Subspaces([x, y], [[np.eye(x.rank), cosines], [cosines.T, np.eye(y.rank)]], False)


def changed(
    truth: Products, kind: str, size: float, seed: int, draws: int = 0
) -> tuple[Products, PairErrors]:
    """Products that are off by ``size`` of what they hold least, and what the probes see of it.

    ``draws`` other than 0 stands for probes that miss nothing: every axis once.
    """
    numbers = np.random.default_rng(seed)
    found, seen = [], []
    least = [float(np.linalg.eigvalsh(gram)[0]) for gram in truth[:2]]
    for place, product in enumerate(truth):
        if kind == "full rank":
            error = numbers.standard_normal(product.shape)
        elif kind == "one direction":
            error = np.outer(*(numbers.standard_normal(d) for d in product.shape))
        else:
            left, _, right = np.linalg.svd(product)
            error = np.outer(left[:, -1], right[-1])
        error = error + error.T if place < 2 else error
        error *= size * (*least, math.sqrt(least[0] * least[1]))[place] / np.linalg.norm(error)
        width = product.shape[1]
        vectors = math.sqrt(width) * np.eye(width) if draws else probes(width).T
        found.append(product + error)
        seen.append(Probed(found[-1], vectors, product @ vectors))
    return (found[0], found[1], found[2]), PairErrors(*seen)


def products(dim: int, other: int, noise: float) -> Products:
    x = random_table(300, dim, 1) * np.logspace(0, -0.7, dim)
    mixed = np.random.default_rng(2).standard_normal((dim, other))
    y = x @ mixed + noise * random_table(300, other, 3)
    return x.T @ x, y.T @ y, x.T @ y


@pytest.mark.parametrize("measure", list(MEASURES))
@pytest.mark.parametrize("kind", ["full rank", "one direction", "last axis"])
@pytest.mark.parametrize("other", [12, 7])
@pytest.mark.parametrize("noise", [3.0, 0.3])
def test_a_change_is_within_its_bound(measure: str, kind: str, other: int, noise: float) -> None:
    value, error = MEASURES[measure]
    truth = products(12, other, noise)
    for size in (1e-7, 1e-4, 1e-2):
        shares = []
        for seed in range(10):
            found, seen = changed(truth, kind, size, seed)
            change = value(spaces_of(found)) - value(spaces_of(truth))
            shares.append(abs(change) / error(spaces_of(found), seen))
        assert max(shares) <= 1
        assert max(shares) > 1e-3 or size > 1e-4  # the larger the change, the more norms have a say


@pytest.mark.parametrize("measure", list(MEASURES))
@pytest.mark.parametrize("other", [12, 7])
def test_the_first_order_is_the_derivative(measure: str, other: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(float32_bounds, "_bound", lambda image, vectors: np.sum(vectors * image) / len(image))
    monkeypatch.setattr(subspace_bounds, "REST", 0.0)
    value, error = MEASURES[measure]
    truth = products(12, other, 1.0)
    for seed in range(10):
        found, seen = changed(truth, "full rank", 1e-6, seed, draws=1)
        change = value(spaces_of(found)) - value(spaces_of(truth))
        assert math.isclose(error(spaces_of(found), seen), change, rel_tol=1e-3, abs_tol=1e-12)


def test_nothing_is_promised_where_errors_are_as_large_as_an_axis() -> None:
    truth = products(12, 7, 1.0)
    found, seen = changed(truth, "full rank", 0.2, 0)
    assert all(error(spaces_of(found), seen) == math.inf for _, error in MEASURES.values())
    found, seen = changed(truth, "full rank", 1e-7, 0)
    assert instability_error(2.9)(spaces_of(found), seen) == math.inf
    nothing = spaces_of((np.zeros((12, 12)), truth[1], np.zeros((12, 7))))
    assert not nothing.exist
    assert all(error(nothing, seen) == math.inf for _, error in MEASURES.values())


def table(noise: float, seed: int) -> Float32:
    """A base that all tables share, turned, and noise of the table's own."""
    base = random_table(WORDS, NARROW, 0) * np.logspace(0, -0.5, NARROW)
    rows = base @ random_rotation(NARROW, seed) + noise * random_table(WORDS, NARROW, 1 + seed)
    return (rows - rows.mean(axis=0)).astype(np.float32)


@pytest.mark.parametrize("name", ["eigenspace_overlap", "eigenspace_instability"])
def test_rows_are_read_again_only_where_float32_is_not_enough(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = [table(2.0, seed) for seed in range(3)]
    short = np.float32(random_table(WORDS, 5, 8) @ random_table(5, NARROW, 9))  # has five axes
    tables += [short, table(2.0, 4)]
    grams = cross_grams(tables)
    read = counted(monkeypatch)
    found = getattr(grams, name)()
    assert grams.precision == "float32"
    assert read == [5]  # every run has a pair with the short one
    exact = getattr(cross_grams(tables, precision="float64"), name)()
    assert_within(found, exact, PROMISED * np.abs(exact))
    assert_same_bits(found[3], exact[3])
    assert (found != exact).any()

    far = cross_grams(tables[:3])
    read.clear()
    found = getattr(far, name)()
    assert read == []
    assert_within(found, exact[:3, :3], PROMISED * np.abs(exact[:3, :3]))


@pytest.mark.parametrize("name", ["cca", "svcca", "pwcca"])
def test_correlations_read_all_rows_again_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = [table(2.0, seed) for seed in range(4)]
    grams = cross_grams(tables, "centered")
    read = counted(monkeypatch)
    found = getattr(grams, name)()
    assert read == [4]
    exact = getattr(cross_grams(tables, "centered", precision="float64"), name)()
    assert_within(found, exact, PROMISED**2 * exact)  # around other means the last bits differ


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tables each pass over rows reads from now on."""
    read: list[int] = []
    summed = Rows.sums

    def sums(rows: Rows, *more: Any) -> Any:
        read.append(len(rows.pieces[0]))
        return summed(rows, *more)

    monkeypatch.setattr(Rows, "sums", sums)
    return read
