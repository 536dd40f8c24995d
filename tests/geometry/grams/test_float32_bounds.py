"""Six digits by the cheapest road: what float32 products give, and what is taken again."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from geometry import definitions
from geometry.definitions import random_rotation, random_table
from geometry.rounding import PROMISED
from slow import cases
from tolerances import assert_same_bits, assert_within, sum_error

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64
from gpuemb.geometry.cka import linear_cka
from gpuemb.geometry.cross_grams import cross_grams
from gpuemb.geometry.grams.build import NARROW
from gpuemb.geometry.grams.float32_bounds import SPREAD, Probed
from gpuemb.geometry.grams.row_blocks import Rows
from gpuemb.geometry.rsa import RSA
from gpuemb.kernels.gram import PROBES, probes

WORDS = 1200


def made(kind: str, dim: int, seed: int = 0) -> Float32:
    """A float32 table of one awkward kind."""
    numbers = np.random.default_rng([seed, dim])
    rows = numbers.standard_normal((WORDS, dim))
    if kind == "one direction":
        rows += 30 * np.outer(numbers.standard_normal(WORDS), numbers.standard_normal(dim))
    if kind == "common mean":
        rows += 20
    if kind == "low rank":
        rows = numbers.standard_normal((WORDS, 5)) @ numbers.standard_normal((5, dim))
    scale = {"huge": 1e15, "tiny": 1e-15}.get(kind, 1.0)
    return (scale * rows).astype(np.float32)


@threads.single_threaded_blas()
def truth(x: Any, y: Any) -> dict[str, float]:
    """Squares in float64, from differences; XQ and Y − XQ of few columns stand for all rows by QR."""
    x, y = np.float64(x), np.float64(y)
    aligned = x @ definitions.procrustes(x, y).rotation
    corner = np.linalg.qr(np.hstack([aligned, y - aligned]), mode="r")
    a, d = corner[:, : x.shape[1]], corner[:, x.shape[1] :]
    return {
        "direct": float(np.linalg.norm(x - y)) ** 2,
        "procrustes": float(np.linalg.norm(d)) ** 2,
        "pip": float(np.linalg.norm(a @ d.T + d @ a.T + d @ d.T)) ** 2,
    }


def distances(x: Any, y: Any) -> dict[str, float]:
    """All three of a pair, from one pass."""
    grams = cross_grams([x, y])
    found = {"direct": grams.direct(), "procrustes": grams.procrustes().distance, "pip": grams.pip_loss()}
    return {name: float(values[0, 1]) for name, values in found.items()}


@pytest.mark.parametrize("dim", cases(NARROW + 22, slow=(50,)))
@pytest.mark.parametrize("kind", ["plain", "one direction", "common mean", "low rank", "huge", "tiny"])
@pytest.mark.parametrize("turned", cases(True, slow=(False,)))
def test_squared_distances_hold_six_digits_at_any_noise(kind: str, dim: int, turned: bool) -> None:
    x = made(kind, dim)
    base = x @ random_rotation(dim).astype(np.float32) if turned else x
    for size in (1.0, 1e-1, 1e-2, 1e-4):
        noise = size * np.abs(x).mean() * np.random.default_rng(1).standard_normal(x.shape)
        y = (base + noise).astype(np.float32)
        found = distances(x, y)
        for name, expected in truth(x, y).items():
            assert abs(found[name] ** 2 - expected) <= PROMISED * expected, (name, size)


@pytest.mark.parametrize("size", [1e-5, 1e-6, 1e-7])
def test_squared_distances_hold_six_digits_down_to_the_last_bits(size: float) -> None:
    x = made("plain", 50)
    y = (x + size * np.random.default_rng(1).standard_normal(x.shape)).astype(np.float32)
    assert cross_grams([x, y]).procrustes().recomputed == 1
    found = distances(x, y)
    for name, expected in truth(x, y).items():
        assert abs(found[name] ** 2 - expected) <= PROMISED * expected, name


def runs(noise: float, count: int = 3, dim: int = NARROW) -> list[Float32]:
    """Rotated copies with their own noise."""
    base = made("plain", dim)
    return [
        (base @ random_rotation(dim, s) + noise * made("plain", dim, 1 + s)).astype(np.float32)
        for s in range(count)
    ]


def test_far_tables_stay_in_float32_and_nearer_ones_are_taken_again() -> None:
    tables = [*runs(2.0), runs(0.03)[0]]
    tables.append((tables[3] + np.float32(0.03) * made("plain", NARROW, 9)).astype(np.float32))
    found = cross_grams(tables).procrustes()
    assert cross_grams(tables).precision == "float32"
    assert (found.widened, found.recomputed) == (1, 0)
    exact = cross_grams(tables, precision="float64").procrustes()
    assert_within(found.distance, exact.distance, PROMISED * exact.distance)
    assert (found.distance[3, 4], exact.widened) == (exact.distance[3, 4], 0)


def test_many_pairs_that_need_float64_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = runs(0.03, count=6)
    read: list[int] = []
    summed = Rows.sums
    monkeypatch.setattr(
        Rows, "sums", lambda rows, *more: (read.append(len(rows.pieces[0])), summed(rows, *more))[1]
    )
    found = cross_grams(tables).procrustes()
    assert found.widened == 15
    assert read == [6, 2, 2, 2, 6]
    exact = cross_grams(tables, precision="float64").procrustes()
    assert_same_bits(found.distance, exact.distance)


def test_rotations_are_off_by_less_than_they_say() -> None:
    tables = runs(1.0)
    found, exact = (cross_grams(tables, precision=p).procrustes() for p in ("float32", "float64"))
    change = np.linalg.norm(found.rotation - exact.rotation, axis=(1, 2))
    assert (change <= found.rotation_error + exact.rotation_error).all()
    assert (exact.rotation_error < found.rotation_error / 1000).all()
    for p, (s, t) in enumerate(combinations(range(3), 2)):
        expected = definitions.procrustes(tables[s], tables[t])
        assert found.pairs[p].tolist() == [s, t]
        assert math.isclose(exact.conditioning[p], expected.singular[-1] / expected.singular[0], rel_tol=1e-9)
        assert np.linalg.norm(exact.rotation[p] - expected.rotation) <= exact.rotation_error[p]
    assert (found.rank == NARROW).all()


@pytest.mark.parametrize(
    ("preparation", "measure", "name"), [("unit", RSA.value, "rsa"), ("centered", linear_cka, "cka")]
)
@pytest.mark.parametrize("noise", cases(1e-3, slow=(2.0,)))
def test_similarities_hold_six_digits(preparation: Any, measure: Any, name: str, noise: float) -> None:
    tables = [*runs(noise), made("common mean", NARROW, 5), made("one direction", NARROW, 6)]
    found = getattr(cross_grams(tables, preparation), name)()
    exact = cross_grams(tables, preparation, precision="float64").table(measure)
    assert_within(found, exact, PROMISED * np.abs(exact))


def test_blocks_and_pairs_have_float64_digits_whatever_the_pass_had() -> None:
    tables = runs(1.0)
    for preparation in ("raw", "unit", "centered"):
        rough = cross_grams(tables, preparation)  # type: ignore[arg-type]
        exact = cross_grams(tables, preparation, precision="float64")  # type: ignore[arg-type]
        assert rough.precision == "float32"
        largest = float(np.abs(exact.products).max())  # around other means, the last bits may differ
        bound = 0.0 if preparation != "centered" else sum_error(WORDS, largest)
        assert_within(rough.block(2, 0), exact.block(2, 0), bound)
        assert_within(rough.pair(0, 2).gram_y, exact.pair(0, 2).gram_y, bound)
        assert_within(rough.table(linear_cka), exact.table(linear_cka), bound)
        assert not np.array_equal(rough.found(0, 1), exact.found(0, 1))


def test_rows_left_out_stay_left_out_when_a_pair_is_taken_again() -> None:
    tables = runs(1.0)
    tables[2][5] = 0
    rough, exact = (cross_grams(tables, "unit", precision=p) for p in ("auto", "float64"))
    assert rough.zeros == 1
    assert_same_bits(rough.pair(0, 1).cross, exact.pair(0, 1).cross)


def test_what_was_asked_for_in_float32_is_left_in_float32() -> None:
    tables = runs(1e-3)
    forced = cross_grams(tables, precision="float32")
    assert forced.procrustes().widened == 0
    assert_same_bits(forced.block(0, 1), forced.found(0, 1))


def test_the_number_of_threads_changes_no_bit_of_any_road() -> None:
    tables = [*runs(2.0), runs(0.03)[0], runs(0.03)[0] + np.float32(1e-4)]
    found = []
    for workers in (1, 3):
        with threads.limit(workers):
            grams = cross_grams(tables)
            found.append((grams.products, grams.images, grams.procrustes().distance, grams.pip_loss()))
    for other in found[1:]:
        for mine, theirs in zip(found[0], other, strict=True):
            assert_same_bits(mine, theirs)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("dim", [5, NARROW])
def test_a_mean_that_dominates_costs_no_digits(dtype: Any, dim: int) -> None:
    tables = [(random_table(1500, dim, seed, offset=0.0) + 1e4).astype(dtype) for seed in (0, 1)]
    moved = [np.float64(table) - np.float64(table).mean(axis=0) for table in tables]
    expected = [[a.T @ b for b in moved] for a in moved]
    distance = definitions.procrustes(*moved).distance
    for grams in (cross_grams(tables, "centered"), cross_grams(tables).centered()):
        for s in range(2):
            scale = np.sqrt(np.outer(*(expected[t][t].diagonal() for t in (s, 1))))
            assert_within(grams.block(s, 1), expected[s][1], PROMISED * scale)
            assert abs(grams.bures()[0, 1] / distance - 1) < PROMISED


def test_a_column_that_never_changes_has_no_variance() -> None:
    tables = runs(1.0, 2)
    for table in tables:
        table[:, 3] = 0.1
    grams = cross_grams(tables, "centered")
    assert not grams.block(0, 0)[3].any()
    assert not grams.block(0, 1)[3].any()
    assert np.isfinite(grams.cka()).all()


def errors(kind: str, dim: int) -> Float64:
    """An error as awkward as can be: of full rank, of rank one, one entry, the probes' own direction."""
    numbers = np.random.default_rng(3)
    if kind == "full rank":
        return numbers.standard_normal((dim, dim))
    left, right = numbers.standard_normal((2, dim))
    if kind == "one entry":
        left, right = np.eye(dim)[[2, 4]]
    return np.outer(left, right)


@pytest.mark.parametrize("kind", ["full rank", "rank one", "one entry"])
def test_probes_bound_an_error_they_have_not_seen(kind: str) -> None:
    dim = 30
    error, turn = errors(kind, dim), random_rotation(dim)
    probed = Probed(error, probes(dim).T, np.zeros((dim, PROBES)))
    assert np.linalg.norm(error) <= probed.norm() <= SPREAD**2 * np.linalg.norm(error)
    assert abs(np.sum(turn * error)) <= probed.trace(turn)
    assert probed.nuclear(turn, 1.0) >= probed.trace(turn)


def test_a_bound_fails_in_one_draw_of_a_thousand_at_worst() -> None:
    draws = np.random.default_rng(0).standard_normal((200_000, PROBES))
    seen = SPREAD * np.sqrt(np.mean(draws**2, axis=1))  # of an error of rank one and norm 1
    mean = np.mean(draws**2, axis=1)  # T of the same error, whose trace is 1
    assert np.mean(seen < 1) < 1.2e-3
    assert np.mean(mean + seen < 1) < 1e-3
