"""Generalized Procrustes: every run onto the common mean, whatever rotation it came in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from geometry import definitions, rounding
from geometry.definitions import random_rotation, random_table
from hypothesis import given
from hypothesis import strategies as st
from tolerances import EPS64, SAFETY, assert_same_bits, assert_within, orthogonality_error

from gpuemb.core import threads
from gpuemb.core.errors import (
    ConfigError,
    DTypeError,
    GpuembError,
    MemoryBudgetError,
    NonFiniteError,
    ShapeError,
)
from gpuemb.embeddings.model import Embedding, EmbeddingStack
from gpuemb.geometry.consensus import Consensus, consensus
from gpuemb.geometry.procrustes import procrustes
from gpuemb.kernels.gram import BLOCK_ROWS

RUNS = {
    "runs": st.integers(2, 6),
    "words": st.integers(12, 60),
    "dim": st.integers(1, 6),
    "seed": st.integers(0, 999),
}


def related_runs(
    runs: int, words: int, dim: int, seed: int, size: float = 0.3, *, offset: float = 0.5
) -> Any:
    """One table in several orientations, each with its own noise."""
    base = random_table(words, dim, seed, offset=offset)
    numbers = np.random.default_rng(seed)
    noise = size * numbers.standard_normal((runs, words, dim))
    return np.stack([(base + noise[s]) @ random_rotation(dim, seed + s) for s in range(runs)])


def spread_error(tables: Any, found: Consensus) -> float:
    """A rotation errs by ``rotation_error`` a sweep and run, a word's distance by its length times that."""
    mean = np.float64(found.mean)
    turning = max(
        rounding.rotation_error(np.linalg.svd(table.T @ mean, compute_uv=False), table, mean)
        for table in np.float64(tables)
    )
    longest = max(float(np.linalg.norm(table, axis=1).max()) for table in tables)
    return (found.sweeps + 1) * len(tables) * turning * longest


@given(**RUNS)
def test_mean_and_spread_are_those_of_gowers_alternation(runs: int, words: int, dim: int, seed: int) -> None:
    tables = related_runs(runs, words, dim, seed)
    found = consensus(tables, tolerance=1e-13)
    mean, spread = definitions.consensus(tables, 300)
    assert found.converged
    assert_within(found.spread, spread, 1e-5 * spread.max() + spread_error(tables, found))
    distance = procrustes(mean, found.mean).distance
    assert distance <= 1e-5 * float(np.linalg.norm(mean))
    assert found.loss <= runs * float(np.sum(spread**2)) * (1 + 1e-12)


@given(**RUNS, dtype=st.sampled_from([np.float16, np.float32, np.float64]))
def test_what_is_returned_agrees_with_itself(runs: int, words: int, dim: int, seed: int, dtype: Any) -> None:
    tables = related_runs(runs, words, dim, seed).astype(dtype)
    found = consensus(tables)
    for rotation in found.rotation:
        assert_within(rotation.T @ rotation, np.eye(dim), 2 * orthogonality_error(dim))
    assert_same_bits(found.rotation[0], np.eye(dim))
    rotated = np.stack([np.float64(t) @ q for t, q in zip(tables, found.rotation, strict=True)])
    mean = rotated.mean(axis=0)
    size = float(np.abs(rotated).max())
    assert found.mean.dtype == dtype
    assert_within(found.mean, mean, (np.finfo(dtype).eps + SAFETY * dim * EPS64) * size)
    spread = np.sqrt(np.mean(np.sum((rotated - mean) ** 2, axis=2), axis=0))
    assert_within(found.spread, spread, SAFETY * dim * EPS64 * size)
    assert abs(found.loss - runs * np.sum(found.spread**2)) <= words * runs * EPS64 * found.loss
    assert abs(found.value - np.sqrt(np.mean(spread**2))) <= words * runs * EPS64 * size
    assert (float(found), found.unique, found.reason) == (found.value, True, "")


@given(**RUNS, size=st.sampled_from([0.3, 3.0, 1e-3, 1e-7]))
def test_the_loss_never_rises(runs: int, words: int, dim: int, seed: int, size: float) -> None:
    tables = related_runs(runs, words, dim, seed, size)
    full = consensus(tables)
    assert np.all(np.diff(full.losses) <= 0)
    assert len(full.losses) == full.sweeps + 1
    left = rounding.vanished_distance(tables.reshape(-1, dim)) ** 2
    for sweeps in range(1, full.sweeps + 1):
        part = consensus(tables, most_sweeps=sweeps)
        loss = definitions.loss_around_mean(tables, part.rotation)
        assert abs(part.loss - loss) <= rounding.PROMISED * loss + left
        assert abs(part.loss - full.losses[sweeps]) <= rounding.PROMISED * loss + left
        assert part.converged is (sweeps == full.sweeps)


@given(**RUNS, size=st.sampled_from([0.3, 1e-4, 1e-7]))
def test_rotating_the_runs_leaves_the_spread(runs: int, words: int, dim: int, seed: int, size: float) -> None:
    tables = related_runs(runs, words, dim, seed, size)
    turned = np.stack([table @ random_rotation(dim, seed + 50 + s) for s, table in enumerate(tables)])
    found, other = consensus(tables), consensus(turned)
    bound = spread_error(tables, found)
    assert_within(other.spread, found.spread, bound)
    assert_within(other.mean, found.mean @ random_rotation(dim, seed + 50), bound)


@given(
    runs=st.integers(2, 6),
    words=st.integers(12, 60),
    dim=st.integers(1, 6),
    seed=st.integers(0, 999),
    exponent=st.floats(-7, -1),
)
def test_spread_and_loss_hold_six_digits_however_near_the_runs_are(
    runs: int, words: int, dim: int, seed: int, exponent: float
) -> None:
    tables = related_runs(runs, words, dim, seed, 10**exponent)
    found = consensus(tables)
    _, spread = definitions.consensus(tables, 50)
    loss = runs * float(np.sum(spread**2))
    assert abs(found.loss - loss) <= rounding.PROMISED * loss
    assert found.recomputed or exponent > -5
    assert not found.recomputed or exponent < -3


@given(runs=st.integers(2, 5), words=RUNS["words"], dim=RUNS["dim"], seed=RUNS["seed"])
def test_runs_that_differ_by_rotations_alone_have_no_spread(
    runs: int, words: int, dim: int, seed: int
) -> None:
    tables = related_runs(runs, words, dim, seed, 0.0)
    found = consensus(tables)
    assert found.converged
    assert found.spread.max() <= rounding.vanished_distance(tables[0])
    assert_within(found.mean, tables[0], rounding.vanished_distance(tables[0]))


@given(words=RUNS["words"], dim=RUNS["dim"], seed=RUNS["seed"])
def test_two_runs_meet_half_way(words: int, dim: int, seed: int) -> None:
    x, y = random_table(words, dim, seed), random_table(words, dim, seed + 1)
    found, pair = consensus([x, y]), procrustes(y, x)
    assert abs(found.loss - pair.distance**2 / 2) <= rounding.squared_error(x, y)
    bound = 2 * rounding.rotation_error(pair.singular_values, x, y)
    assert_within(found.rotation[1], pair.rotation, bound)


def test_the_order_of_related_runs_does_not_matter() -> None:
    tables = related_runs(4, 50, 5, 0)
    expected = consensus(tables, tolerance=1e-13)
    for order in permutations(range(4)):
        found = consensus(tables[list(order)], tolerance=1e-13)
        assert abs(found.loss - expected.loss) <= 1e-12 * expected.loss + rounding.squared_error(
            tables[0], tables[1]
        )
        assert_within(found.spread, expected.spread, 1e-5 * expected.spread.max())


def test_unrelated_runs_converge_too() -> None:
    tables = [random_table(40, 5, seed, offset=0.0) for seed in range(6)]
    found = consensus(tables)
    assert found.converged
    assert found.losses[-2] - found.losses[-1] <= 1e-6 * found.losses[-1]
    numbers = np.random.default_rng(0)
    for _ in range(200):  # no small turn of any run is better: an optimum, if only a local one
        rotation = found.rotation.copy()
        turn = np.linalg.qr(np.eye(5) + 0.05 * numbers.standard_normal((5, 5)))[0]
        run = numbers.integers(6)
        rotation[run] = rotation[run] @ (turn * np.sign(np.diag(turn)))
        assert definitions.loss_around_mean(tables, rotation) >= found.loss * (1 - 1e-5)


def test_too_few_sweeps_are_said() -> None:
    tables = [random_table(40, 5, seed, offset=0.0) for seed in range(6)]
    found = consensus(tables, most_sweeps=2)
    assert (found.converged, found.sweeps, len(found.losses)) == (False, 2, 3)


def test_a_lost_direction_is_said_with_its_runs() -> None:
    tables = related_runs(3, 40, 5, 0)
    tables[1] = tables[1] @ np.diag([1, 1, 1, 1, 0])
    found = consensus(tables)
    assert found.rank.tolist() == [5, 4, 5]
    assert (found.unique, found.reason) == (False, "the rank is below 5: 4 in run 1")


def test_zeros_and_few_words_are_reported() -> None:
    nothing = consensus(np.zeros((3, 6, 2)))
    assert (nothing.loss, nothing.converged, nothing.rank.tolist()) == (0.0, True, [0, 0, 0])
    assert not nothing.unique
    assert consensus([random_table(2, 5, seed) for seed in range(3)]).rank.tolist() == [2, 2, 2]
    one = consensus([random_table(1, 3, seed) for seed in range(3)])
    lengths = [float(np.linalg.norm(random_table(1, 3, seed))) for seed in range(3)]
    assert abs(one.spread[0] - np.std(lengths)) <= rounding.PROMISED * np.std(lengths)


def test_words_come_along_and_a_mapped_stack_is_read_from_its_file(tmp_path: Any) -> None:
    tables, names = related_runs(3, 40, 4, 0), [f"w{i}" for i in range(40)]
    np.save(tmp_path / "runs.npy", tables)
    mapped = np.load(tmp_path / "runs.npy", mmap_mode="r")
    expected = consensus(tables)
    for given_as in (EmbeddingStack(tables, names), [Embedding(table, names) for table in tables], mapped):
        found = consensus(given_as)
        assert_same_bits(np.asarray(found.mean), expected.mean)
    assert consensus(EmbeddingStack(tables, names)).words == names
    assert expected.words is None


@pytest.mark.parametrize("size", [0.3, 1e-9])
def test_the_same_bits_for_any_threads(size: float) -> None:
    tables = related_runs(3, 3 * BLOCK_ROWS + 7, 40, 0, size)
    expected = consensus(tables)
    for count in (1, 2, 5):
        with threads.limit(count):
            found = consensus(tables)
        for name in ("rotation", "mean", "spread", "losses", "rank"):
            assert_same_bits(getattr(found, name), getattr(expected, name))


def test_the_bytes_are_stated_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpuemb.core.memory.available_host_bytes", lambda: 10_000)
    with pytest.raises(
        MemoryBudgetError, match=r"the consensus of 2 runs: needs 9\.1 kB but may use 8\.0 kB"
    ):
        consensus([random_table()] * 2)


class Sweeps:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def advance(self, amount: int = 1) -> None:
        self.told += ["sweep"] * amount

    def note(self, message: str) -> None:
        self.told.append(message)

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Sweeps]:
        self.told.append(name)
        yield self


def test_progress_is_told_once_a_sweep() -> None:
    progress = Sweeps()
    found = consensus(related_runs(4, 30, 3, 0), progress=progress)
    assert progress.told == ["consensus"] + ["sweep"] * found.sweeps


BAD: list[tuple[type[GpuembError], str, Any, dict[str, Any]]] = [
    (ShapeError, "consensus: 1 run\n", [random_table()], {}),
    (ShapeError, "consensus: no table was given\n", [], {}),
    (ShapeError, "run 0 has 40 rows but run 1 has 30", [random_table(), random_table(30)], {}),
    (
        ShapeError,
        r"run 0 has 5 dimensions but run 2 has 3[\s\S]*truncate\(3\)",
        [random_table()] * 2 + [random_table(dim=3)],
        {},
    ),
    (NonFiniteError, "run 1 holds NaN or infinity; row 0", [random_table(), random_table() * np.nan], {}),
    (DTypeError, "run 0 holds int64", np.ones((2, 3, 2), np.int64), {}),
    (ConfigError, "tolerance = -1", [random_table()] * 2, {"tolerance": -1}),
    (ConfigError, "most_sweeps = 0", [random_table()] * 2, {"most_sweeps": 0}),
]


@pytest.mark.parametrize(("kind", "said", "tables", "options"), BAD, ids=[said for _, said, _, _ in BAD])
def test_what_has_no_consensus_is_told(kind: Any, said: str, tables: Any, options: dict[str, Any]) -> None:
    with pytest.raises(kind, match=said):
        consensus(tables, **options)
