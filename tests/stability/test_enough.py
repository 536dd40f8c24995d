"""Seeds are added until an interval is narrow enough, and then no more."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from corpus.texts import random_text
from slow import cases

from gpuemb.core.errors import ConfigError
from gpuemb.stability.config import ModelConfig, StudyConfig, TextConfig
from gpuemb.stability.statistics import Estimate, mean_over_pairs
from gpuemb.stability.study import study
from gpuemb.stability.sweeps.enough import PILOT, next_seeds, projected_width, runs_for_width
from gpuemb.training.recipes import PPMISVD, GloVe
from gpuemb.uncertainty.intervals import SHARE


def estimate(width: float) -> Estimate:
    return Estimate(0.5, 0.5 - width / 2, 0.5 + width / 2)


def model(seeds: tuple[int, ...]) -> ModelConfig:
    return ModelConfig(GloVe(), seeds)


def test_a_projection_is_the_width_of_a_mean() -> None:
    assert math.isclose(projected_width(0.2, 5, 5), 0.2)
    assert math.isclose(projected_width(0.2, 100, 25), 0.2 * 2 * 2.0639 / 1.9842, rel_tol=1e-4)  # t tables
    needed = runs_for_width(0.2, 5, 0.1)
    assert needed is not None
    assert projected_width(0.2, 5, needed) <= 0.1 < projected_width(0.2, 5, needed - 1)
    assert runs_for_width(0.2, 5, 1e-6) is None
    assert runs_for_width(math.nan, 5, 0.1) is None


def test_seeds_are_added_as_projected_and_at_most_doubled() -> None:
    assert next_seeds(model((7, 0)), estimate(math.nan), 0.1) == (7, 0, 1, 2, 3)
    assert next_seeds(model((0, 1, 2, 3, 4)), estimate(0.09), 0.1) == (0, 1, 2, 3, 4)
    assert len(next_seeds(model((0, 1, 2, 3, 4)), estimate(0.11), 0.1)) == 6
    assert len(next_seeds(model((0, 1, 2, 3, 4)), estimate(1.0), 0.01)) == 10
    hundred = tuple(range(100))
    assert next_seeds(model(hundred), estimate(1.0), 0.01) == hundred
    halves = ModelConfig(PPMISVD(), tuple(range(50)), "halves")
    assert next_seeds(halves, estimate(1.0), 0.01) == halves.seeds


@pytest.mark.parametrize("goal", cases(0.1, slow=(0.07, 0.05)))
def test_the_interval_where_adding_stops_still_holds_the_mean(goal: float) -> None:
    """Runs agree better or worse, as planted on the logit; the mean over pairs is that of many runs."""
    numbers = np.random.default_rng(0)

    def of(bad: np.ndarray, noise: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(0.2 + (bad[:, None] + bad) / 2 + noise)))

    pairs = numbers.normal(0, 0.25, (2, 10**6)).mean(axis=0) + numbers.normal(0, 0.05, 10**6)
    truth, hits = float((1 / (1 + np.exp(-(0.2 + pairs)))).mean()), []
    for _ in range(250):
        noise = np.triu(numbers.normal(0, 0.05, (100, 100)), 1)
        values, seeds = of(numbers.normal(0, 0.25, 100), noise + noise.T), tuple(range(PILOT))
        while True:
            found = mean_over_pairs(values[: len(seeds), : len(seeds)], SHARE)
            more = next_seeds(model(seeds), found, goal)
            if more == seeds:
                break
            seeds = more
        assert found.high - found.low <= goal
        hits.append(found.low <= truth <= found.high)
    assert 0.90 <= np.mean(hits) <= 0.98  # stopping at a narrow interval costs a little: 0.93-0.95 of 300


def test_a_study_adds_seeds_and_says_what_it_trained(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text(random_text(300, 40))
    models = (ModelConfig(PPMISVD(dim=4), (0, 1, 2), "bootstrap"),)
    config = StudyConfig((str(text),), TextConfig(), models=models, neighbors=4, until_width=0.2)
    found = study(config, out=tmp_path / "study", threads=1)
    seeds = found.models[0].config.seeds
    assert seeds == tuple(range(len(seeds)))
    assert len(seeds) >= PILOT
    overlap = found.models[0].pair("overlap").estimate
    assert overlap.high - overlap.low <= 0.2 or len(seeds) == 100
    assert found.record["seeds"] == {"ppmi-svd": list(seeds)}
    fixed = StudyConfig(
        (str(text),), TextConfig(), models=(ModelConfig(PPMISVD(dim=4), seeds, "bootstrap"),), neighbors=4
    )
    again = study(fixed, out=tmp_path / "fixed", threads=1)
    assert again.pairs.equals(found.pairs)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"until_width": 1.0}, "until_width = 1.0"),
        ({"until_width": -0.1}, "until"),
        ({"until_width": 0.1, "measures": ("cka",)}, "without the measure overlap"),
    ],
)
def test_impossible_widths_are_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StudyConfig(("a.txt",), **keys)  # type: ignore[arg-type]
