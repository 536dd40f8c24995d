"""What is said of chance and of other words: by hand, calibrated, the same bits on any road."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from geometry.definitions import random_table
from scipy.stats import binom, chi2

from gpuemb.core import threads
from gpuemb.core.errors import ConfigError, GpuembError
from gpuemb.core.progress import Task
from gpuemb.geometry.cca import cca, pwcca, svcca
from gpuemb.geometry.cka import cka
from gpuemb.geometry.displacement import semantic_displacement
from gpuemb.geometry.eigenspace import eigenspace_instability, eigenspace_overlap
from gpuemb.geometry.measure.measured import Similarity
from gpuemb.geometry.pip import pip_loss
from gpuemb.geometry.procrustes import procrustes
from gpuemb.geometry.rotations.alignment import Alignment
from gpuemb.geometry.rsa import rsa
from gpuemb.geometry.shape_distances import angular, bures
from gpuemb.geometry.spectrum import spectrum_distance
from gpuemb.uncertainty.draws import Draws, order_of, weights_of
from gpuemb.uncertainty.results import Uncertainty, summarize


def debiased_cka(x: Any, y: Any, **asked: Any) -> Similarity:
    return cka(x, y, debiased=True, **asked)


def scaled_rotation(x: Any, y: Any, **asked: Any) -> Alignment:
    return procrustes(x, y, scale=True, center=True, rotation_only=True, **asked)


MEASURES = [rsa, cka]
DISTANCES = [pip_loss, procrustes, scaled_rotation, angular, bures]
SPANS = [cca, svcca, pwcca, eigenspace_overlap]
CLOSER_WHEN_SMALLER = [*DISTANCES, semantic_displacement, eigenspace_instability]
DRAWN = [*MEASURES, debiased_cka, *SPANS, *CLOSER_WHEN_SMALLER]
COPIED = [*MEASURES, debiased_cka, pip_loss]
NOTHING = np.array([])


def told(observed: float, null: list[float], *, best: float = 1.0, higher: bool = True) -> Uncertainty:
    draws = Draws("test", permutations=len(null))
    return summarize(draws, observed, np.array(null), NOTHING, best=best, higher_is_closer=higher)


def test_a_p_value_counts_the_observed_and_all_that_reach_it() -> None:
    assert told(0.5, [0.1, 0.5, 0.7, 0.2]).p_value == 3 / 5
    assert told(0.9, [0.1] * 99).p_value == 1 / 100
    assert told(0.5, [0.5 - 1e-15]).p_value == 1.0  # rounding is not a difference
    assert told(0.5, [0.5 - 1e-9]).p_value == 0.5


def test_scores_against_chance_by_hand() -> None:
    null = [i / 100 for i in range(19)]  # mean 0.09; with the observed, 20 values: the 19th is 0.18
    found = told(0.59, null)
    assert math.isclose(found.null_mean, 0.09)
    assert math.isclose(found.chance_adjusted, (0.59 - 0.09) / (1 - 0.09))
    assert math.isclose(found.gated, (0.59 - 0.18) / (1 - 0.18))
    assert told(0.17, null).gated == 0.0
    assert told(0.9, null[:18]).gated == 0.0  # 18 permutations cannot tell at 95 %: τ is the observed itself


def test_distances_are_closer_when_they_are_smaller() -> None:
    null = [1 + i / 100 for i in range(19)]
    found = told(0.5, null, best=0.0, higher=False)
    assert found.p_value == 1 / 20
    assert math.isclose(found.null_mean, 1.09)
    assert math.isclose(found.chance_adjusted, 1 - 0.5 / 1.09)
    assert math.isclose(found.gated, 0.5)  # τ = 1.0, the smallest of the null
    assert told(1.5, null, best=0.0, higher=False).gated == 0.0
    assert told(1.5, null, best=0.0, higher=False).p_value == 1.0


def test_where_chance_is_as_good_as_the_best_no_score_exists() -> None:
    found = told(1.0, [1.0] * 30)
    assert math.isnan(found.chance_adjusted)
    assert (found.gated, found.p_value) == (0.0, 1.0)


def test_an_interval_holds_the_middle_of_the_bootstrap_and_counts_what_has_no_value() -> None:
    draws = Draws("test", bootstrap=103, confidence=0.9)
    values = np.append(np.arange(101.0), [math.nan, math.nan])[::-1]
    found = summarize(draws, 50.0, NOTHING, values, best=1.0, higher_is_closer=True)
    assert np.allclose(found.interval, (5, 95), rtol=0, atol=1e-12)
    assert (found.undefined, found.confidence, found.bootstrap) == (2, 0.9, 103)
    assert found.interval_method == "percentile bootstrap over words"
    assert math.isnan(found.p_value)


@pytest.mark.parametrize("measure", DRAWN)
def test_nothing_but_an_interval_is_said_unless_asked(measure: Any) -> None:
    found = measure(random_table(), random_table(seed=1))
    assert (found.permutations, found.bootstrap, found.blocks) == (0, 0, 20)
    assert found.interval_method == "jackknife over blocks of words"
    assert found.interval[0] < found.value < found.interval[1]
    off = measure(random_table(), random_table(seed=1), blocks=0)
    assert (off.value, off.blocks, off.interval_method) == (found.value, 0, "")
    assert np.isnan(off.interval).all()
    for name in ("p_value", "null_mean", "chance_adjusted", "gated"):
        assert math.isnan(getattr(found, name))
        assert math.isnan(getattr(off, name))


@pytest.mark.parametrize("measure", [*(one for one in DRAWN if one not in COPIED), spectrum_distance])
def test_copies_of_words_are_refused_where_they_bias_and_the_jackknife_is_named(measure: Any) -> None:
    with pytest.raises(ConfigError, match=r"bootstrap = 5[^$]*\.interval is a jackknife over blocks"):
        measure(random_table(), random_table(seed=1), bootstrap=5)


@pytest.mark.parametrize("measure", DRAWN)
def test_the_null_is_that_of_rows_permuted_by_hand(measure: Any) -> None:
    x, y = random_table(dim=3), random_table(dim=3, seed=1)
    found = measure(x, y, permutations=20, seed=4)
    null = np.array([measure(x, y[order_of(draw, 40, 4)], blocks=0).value for draw in range(20)])
    assert math.isclose(found.null_mean, null.mean(), rel_tol=1e-9, abs_tol=1e-12)
    reached = null <= found.value if measure in CLOSER_WHEN_SMALLER else null >= found.value
    assert found.p_value == (1 + int(reached.sum())) / 21
    assert found.permutations == 20


@pytest.mark.parametrize("measure", DRAWN)
def test_bits_do_not_depend_on_threads_or_on_how_many_draws_there_are(measure: Any) -> None:
    x, y = random_table(2500, 6), random_table(2500, 6, 1)
    resamples = [{}, {"bootstrap": 12}] if measure in COPIED else [{}]

    def ask(workers: int | None, **options: int) -> Uncertainty:
        with threads.limit(workers):
            found = measure(x, y, permutations=12, seed=3, **options)
            return Uncertainty(**{field.name: getattr(found, field.name) for field in fields(Uncertainty)})

    for options in resamples:
        first = ask(1, **options)
        assert first == ask(2, **options) == ask(5, **options) == ask(None, **options)
        assert measure(x, y, seed=3, **options).interval == first.interval
        assert measure(x, y, seed=4, **options).interval != first.interval


@pytest.mark.parametrize("measure", MEASURES)
def test_tables_that_agree_stand_far_above_chance(measure: Any) -> None:
    x = random_table(60, 5)
    found = measure(x, x + 0.1 * random_table(60, 5, 1), permutations=99, bootstrap=99)
    assert found.p_value == 0.01
    assert 0.8 < found.gated < found.chance_adjusted <= found.value <= 1
    assert found.interval[0] < found.value < 1
    assert found.interval[0] > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("measure", MEASURES)
def test_p_values_of_unrelated_tables_are_uniform(measure: Any) -> None:
    """400 pairs, 39 permutations: p is one of 40 equally likely numbers; χ² over ten bins, fixed seeds."""
    ranks = []
    with threads.limit(1):
        for seed in range(400):
            x, y = random_table(12, 3, 2 * seed), random_table(12, 2, 2 * seed + 1)
            ranks.append(round(40 * measure(x, y, permutations=39, seed=seed).p_value) - 1)
    counts = np.bincount(np.array(ranks) // 4, minlength=10)
    statistic = float(((counts - 40) ** 2 / 40).sum())
    assert statistic < chi2.ppf(0.999, 9), counts


@pytest.mark.slow
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("options", [{}, {"bootstrap": 120}], ids=["jackknife", "percentiles"])
def test_intervals_cover_the_value_of_the_population(measure: Any, options: dict[str, int]) -> None:
    """Words are drawn from a population of 20,000 whose value is known; 100 samples of 150 words.

    Intervals of a nominal 95 % cover somewhat less at this size: what is asked is that they are not below
    85 %, nor so wide that they always cover with room to spare.
    """
    numbers = np.random.default_rng(5)
    shared = numbers.standard_normal((20_000, 4))
    x, y = (np.hstack([shared, numbers.standard_normal((20_000, 2))]) for _ in range(2))
    truth = measure(x, y).value
    covered, widths, values = 0, [], []
    with threads.limit(1):
        for sample in range(100):
            rows = numbers.choice(20_000, 150, replace=False)
            found = measure(x[rows], y[rows], seed=sample, **options)
            low, high = found.interval
            covered += low <= truth <= high
            widths.append(high - low)
            values.append(found.value)
    assert covered >= binom.ppf(0.001, 100, 0.90), covered
    spread = 2 * 1.96 * float(np.std(values))
    assert 0.8 * spread < float(np.mean(widths)) < 1.25 * spread


@pytest.mark.parametrize("measure", [*MEASURES, debiased_cka, angular, cca, svcca, pwcca])
def test_a_measure_without_a_value_has_no_uncertainty_and_keeps_its_reason(measure: Any) -> None:
    found = measure(np.ones((30, 3)), random_table(30), permutations=20)
    assert math.isnan(found.value)
    assert found.reason
    assert math.isnan(found.p_value)
    assert np.isnan(found.interval).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_three_words_have_a_null_of_six(measure: Any) -> None:
    """Every permutation that is the identity reaches the observed, whatever its rounding."""
    x = random_table(3, 2)
    found = measure(x, x, permutations=600, bootstrap=50)
    identities = sum(bool((order_of(draw, 3, 0) == np.arange(3)).all()) for draw in range(600))
    assert found.p_value >= (1 + identities) / 601
    kinds = [np.count_nonzero(weights_of(draw, 3, 0)) for draw in range(50)]
    needed = 3 if measure is rsa else 2  # two words have one cosine, which does not vary
    assert found.undefined == sum(kind < needed for kind in kinds) > 0


@pytest.mark.parametrize("measure", DRAWN)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"permutations": -1}, "permutations = -1"),
        ({"blocks": -1}, "blocks = -1"),
        ({"confidence": 0}, "confidence = 0"),
        ({"bootstrap": -5}, "bootstrap = -5"),
        ({"bootstrap": 5, "confidence": 95}, "confidence = 95"),
        ({"permutations": 5, "confidence": math.nan}, "confidence = nan"),
    ],
)
def test_impossible_draws_are_refused(measure: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        measure(random_table(), random_table(seed=1), **options)


def test_nan_is_named_before_anything_is_drawn() -> None:
    x = random_table()
    x[3, 1] = math.nan
    with pytest.raises(GpuembError, match="row 3"):
        rsa(x, random_table(), permutations=10)


class Heard:
    """A listener that remembers, and may stop the work."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.phases: list[tuple[str, int | None]] = []
        self.done, self.stop_at = 0, stop_at

    def advance(self, amount: int = 1) -> None:
        self.done += amount
        if self.done == self.stop_at:
            raise KeyboardInterrupt

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Task]:
        self.phases.append((name, total))
        yield self

    def note(self, message: str) -> None:
        """Nothing is noted."""


def test_every_draw_is_told() -> None:
    heard = Heard()
    cka(random_table(), random_table(seed=1), permutations=20, bootstrap=30, progress=heard)
    assert heard.phases == [("permutations of Linear CKA", 20), ("bootstrap of Linear CKA", 30)]
    assert heard.done == 50
    heard = Heard()
    cka(random_table(), random_table(seed=1), progress=heard)
    assert heard.phases == [("jackknife over words", 20)]
    assert heard.done == 20


def test_an_interrupted_bootstrap_stops_and_leaves_the_workers_usable() -> None:
    x, y = random_table(), random_table(seed=1)
    with pytest.raises(KeyboardInterrupt):
        rsa(x, y, bootstrap=1000, progress=Heard(stop_at=3))
    assert rsa(x, y, bootstrap=20, seed=1) == rsa(x, y, bootstrap=20, seed=1)


@pytest.mark.parametrize("measure", DISTANCES)
def test_a_distance_lost_in_its_sums_is_still_held_against_chance(measure: Any) -> None:
    x = random_table()
    found = measure(x, x + 1e-7 * random_table(seed=1), permutations=99)
    assert found.recomputed
    assert found.p_value == 0.01
    assert 0.99 < found.gated <= found.chance_adjusted <= 1
    assert (found.undefined, found.blocks) == (20, 20)
    assert np.isnan(found.interval).all()


def test_a_permutation_lost_in_its_sums_counts_as_good() -> None:
    found = told(1e-9, [math.nan, 1.0, 1.0], best=0.0, higher=False)
    assert found.p_value == 2 / 4
    assert math.isclose(found.null_mean, (1e-9 + 2) / 3)


def test_every_pair_of_a_stack_has_the_uncertainty_of_the_pair_alone() -> None:
    x, y, z = (random_table(seed=seed) for seed in range(3))
    both = procrustes([x, y], [y, z], permutations=20, center=True)
    for found, pair in zip(both, [(x, y), (y, z)], strict=True):
        alone = procrustes(*pair, permutations=20, center=True)
        assert (found.p_value, found.interval) == (alone.p_value, alone.interval)


def test_weights_and_draws_are_refused_together() -> None:
    with pytest.raises(ConfigError, match="weighted words"):
        procrustes(random_table(), random_table(seed=1), weights=np.ones(40), permutations=5)
    with pytest.raises(ConfigError, match="weighted words"):
        procrustes(random_table(), random_table(seed=1), weights=np.ones(40), bootstrap=5)
