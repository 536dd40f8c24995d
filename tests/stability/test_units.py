"""What is kept of a run and those before it: the same bits whatever comes after, and only the new is done."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from geometry.definitions import random_table

from gpuemb.core import threads
from gpuemb.core.arrays import FloatMatrix
from gpuemb.embeddings.named_tables import NamedTables
from gpuemb.geometry.cross_grams import cross_grams
from gpuemb.geometry.measures import MEASURES as GEOMETRY
from gpuemb.geometry.shared import SharedGrams
from gpuemb.kernels.neighbor_overlap import LARGEST_RUNS
from gpuemb.stability.config import ModelConfig
from gpuemb.stability.graph import MAIN, Arrays, Context, Kept, Unit
from gpuemb.stability.measure_table import MEASURES
from gpuemb.stability.running.local import run_local
from gpuemb.stability.store import Store
from gpuemb.stability.units.models import ComparisonUnits
from gpuemb.stability.units.pairs import _Against, _kept
from gpuemb.training.recipes import PPMISVD

V, D, K = 8300, 4, 3  # more than one block of rows
FEW = ("rsa", "cka", "procrustes_distance", "aligned_cosine", "overlap")


def table(number: int) -> FloatMatrix:
    """Awkward in turn: far from its mean, nearly equal to another, without some words, and wider."""
    base = random_table(V, D, number)
    if number == 2:
        return base + np.float32(5e4)
    if number == 3:
        return table(1) + np.float32(1e-6) * base
    if number == 4:
        base[:40] = 0
    if number == 5:
        base[20:60] = 0
    return base


TABLES = [table(number) for number in range(6)]


@pytest.fixture(scope="module", autouse=True)
def few_permutations() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gpuemb.stability.units.models.PERMUTATIONS", 2)
        yield


@dataclass(frozen=True)
class Give:
    """Stands for the training of a run."""

    number: int

    def run(
        self, inputs: Mapping[str, Arrays], wanted: frozenset[str], context: Context
    ) -> dict[str, Arrays]:
        return {MAIN: {"vectors": TABLES[self.number]}}


def units_of(runs: Sequence[int], measures: Sequence[str] = MEASURES, vary: str = "seed") -> ComparisonUnits:
    seeds = tuple(runs) if vary == "seed" else tuple(range(len(runs) // 2))
    model = ModelConfig(PPMISVD(dim=D), seeds if len(seeds) > 1 else (0, 1), "bootstrap", "given")
    if vary == "halves":
        model = replace(model, seeds=seeds, vary="halves")
    vectors = [Unit(f"{run}", Give(run), {MAIN: Kept("vectors", f"run{run}")}).source() for run in runs]
    return ComparisonUnits(model, vectors, K, tuple(measures))


def kept(folder: Path, units: ComparisonUnits, workers: int = 1) -> tuple[dict[str, Arrays], set[str]]:
    """Do all; return the arrays of every result by its unit and name, and the names of what was missing."""
    store = Store(folder)
    with threads.limit(workers):
        run_local(units.units(), store, Context())
    found = {
        f"{unit.title}: {name}": {key: np.array(value) for key, value in store.arrays(str(at)).items()}
        for unit in units.units()
        for name, at in unit.results.items()
    }
    return found | {"put together": units.found(store)}, store.missing


def assert_same(found: Mapping[str, Arrays], expected: Mapping[str, Arrays], names: Sequence[str]) -> None:
    for name in names:
        assert found[name].keys() == expected[name].keys(), name
        for key, values in expected[name].items():
            np.testing.assert_array_equal(found[name][key], values, err_msg=f"{name} {key}", strict=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Arrays]:
    """All measures of all tables at once."""
    return kept(tmp_path_factory.mktemp("whole"), units_of(range(6)))[0]


def test_a_run_changes_nothing_of_those_before_it(whole: dict[str, Arrays], tmp_path: Path) -> None:
    few, _ = kept(tmp_path, units_of([0, 1, 2]))
    before = [name for name in few if name.endswith(("/0", "/1", "/2", ": 1", ": 2"))]
    assert len(before) > 3 * len(GEOMETRY)
    assert_same(few, whole, before)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 7])
def test_added_runs_and_measures_give_the_bits_of_a_fresh_study_and_do_only_the_new(
    whole: dict[str, Arrays], tmp_path: Path, workers: int
) -> None:
    kept(tmp_path, units_of(range(3), FEW), workers)
    added, missing = kept(tmp_path, units_of(range(4), FEW), workers)
    assert sum(name.startswith("pairs-") for name in missing) == len(FEW) + 2  # spectrum, unaligned cosine
    assert sum(name.startswith(("vectors-", "neighbors-", "chance-")) for name in missing) == 3
    added, missing = kept(tmp_path, units_of(range(6)), workers)
    assert not [name for name in missing if name in ("vectors-run0", "vectors-run3")]
    assert_same(added, whole, list(whole))


def test_pairs_have_the_grams_of_their_two_tables() -> None:
    given = NamedTables.of("test", TABLES)
    shared = SharedGrams(given, [(0, 1), (2, 4), (4, 5)])
    shared.sum(["raw", "unit"])
    for pair in [(0, 1), (2, 4), (4, 5), (1, 3)]:  # the last is summed alone
        alone = cross_grams([TABLES[run] for run in pair], precision="float64")
        for measure in GEOMETRY:
            found, expected = shared.of_pair(pair).take(measure), alone.take(measure)
            np.testing.assert_allclose(found.values, expected.values, rtol=1e-9, atol=1e-12)
            np.testing.assert_array_equal(found.recomputed, expected.recomputed)


def test_halves_are_compared_with_each_other_alone(tmp_path: Path) -> None:
    units = units_of([0, 1, 4, 5], FEW, "halves")
    run_local(units.units(), Store(tmp_path), Context())
    values = units.found(Store(tmp_path))["pairs"]
    assert np.isnan(values[:, 0, 2:]).all()
    assert np.isfinite(values[:, [0, 2], [1, 3]]).all()


def test_every_unit_of_a_model_can_be_pickled() -> None:
    units = units_of(range(3)).units()
    assert [one.results for one in pickle.loads(pickle.dumps(units))] == [one.results for one in units]


def test_a_byte_holds_in_how_many_pairs_a_word_of_the_last_run_counts() -> None:
    found = _Against()
    for _ in range(LARGEST_RUNS - 1):
        found.add((0.5, 0.5, 0.0), np.array([0.5, np.nan]))
    assert _kept(found)["known"].tolist() == [LARGEST_RUNS - 1, 0]
