"""A regression over words: the fit of every word, held-out R², and intervals that hold the planted truth."""

from __future__ import annotations

import math

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.uncertainty.regression import Regression

TRUTH = np.array([0.3, 0.0, -0.2])
EVERY = [0, 1, 2]


def planted(numbers: np.random.Generator, words: int = 300, noise: float = 0.5) -> tuple[Float64, Float64]:
    """Columns that go together, of variance 1, and a ``y`` with the planted effects."""
    common = numbers.standard_normal((words, 1))
    columns = math.sqrt(0.3) * common + math.sqrt(0.7) * numbers.standard_normal((words, 3))
    return columns, columns @ TRUTH + noise * numbers.standard_normal(words)


def test_a_fit_is_least_squares_and_is_taken_without_each_block() -> None:
    columns, y = planted(np.random.default_rng(0))
    fit = Regression.of(5 * columns + 3, y)
    values, left_out = fit.coefficients([0, 2])
    for found, rows in ((values, np.arange(300)), (left_out[4], np.delete(np.arange(300), fit.blocks[4]))):
        design = np.column_stack([np.ones(len(rows)), fit.x[rows][:, [0, 2]]])
        np.testing.assert_allclose(found, np.linalg.lstsq(design, y[rows])[0], rtol=0, atol=1e-12)
    predicted = fit.predicted([0, 2])
    row = fit.blocks[4][0]
    assert math.isclose(predicted[row], left_out[4, 0] + fit.x[row, [0, 2]] @ left_out[4, 1:])


def test_intervals_of_effects_and_of_r_squared_hold_the_planted_ones() -> None:
    numbers = np.random.default_rng(1)
    effects, squared, false = [], [], []
    truth = (TRUTH @ (0.7 * np.eye(3) + 0.3) @ TRUTH) / (TRUTH @ (0.7 * np.eye(3) + 0.3) @ TRUTH + 0.25)
    for _ in range(250):
        columns, y = planted(numbers)
        fit = Regression.of(columns, y)
        found = fit.effects(EVERY)
        spread = columns.std(axis=0)
        effects.append(
            [one.low <= t * s <= one.high for (one, _), t, s in zip(found, TRUTH, spread, strict=True)]
        )
        false.append(found[1][1] <= 0.05)
        held = fit.held_out(EVERY)
        half = 2.09 * math.sqrt(held.variance)
        squared.append(abs(held.value - truth) <= half)
    assert all(0.92 <= share <= 0.98 for share in np.mean(effects, axis=0)), np.mean(effects, axis=0)
    assert 0.02 <= np.mean(false) <= 0.08
    assert 0.9 <= np.mean(squared) <= 0.98  # R² of a fit to 300 words lies a little below that of the truth


def test_noise_is_not_predicted() -> None:
    numbers = np.random.default_rng(2)
    values = [Regression.of(*planted(numbers, noise=1e6)).held_out(EVERY).value for _ in range(20)]
    assert np.mean(values) < 0


def test_columns_that_repeat_each_other_or_are_constant_are_fitted() -> None:
    columns, y = planted(np.random.default_rng(3))
    fit = Regression.of(np.column_stack([columns, columns[:, 0], np.ones(300)]), y)
    once = Regression.of(columns, y)
    np.testing.assert_allclose(fit.predicted([0, 1, 2, 3, 4]), once.predicted(EVERY), rtol=0, atol=1e-9)
    assert math.isnan(Regression.of(columns, np.ones(300)).held_out(EVERY).value)
