"""The bytes of a study before it begins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpuemb.core import threads
from gpuemb.core.errors import MemoryBudgetError
from gpuemb.stability.config import ModelConfig, StudyConfig
from gpuemb.stability.planning import plan
from gpuemb.training.recipes import PPMISVD, GloVe, SkipGram
from gpuemb.training.skip_gram import plan_skip_gram

CONFIG = StudyConfig(
    ("a",), models=(ModelConfig(GloVe(dim=100)), ModelConfig(PPMISVD(dim=50), vary="bootstrap"))
)


def test_a_plan_is_as_large_as_its_largest_phase() -> None:
    found = plan(CONFIG, words=1000, nonzeros=50_000)
    assert found.bytes == max(phase.bytes for phase in found.phases)
    for phase in found.phases:
        assert phase.bytes == sum(phase.buffers.values()) > 0


def test_impossible_sizes_are_planned_without_being_tried() -> None:
    found = plan(CONFIG, words=10**12, nonzeros=10**15)
    with pytest.raises(MemoryBudgetError, match="1000000000000 words"):
        max(found.phases, key=lambda phase: phase.bytes).require()


def test_the_vectors_of_every_run_are_counted() -> None:
    words = 1000
    found = plan(replace(CONFIG, models=CONFIG.models[:1], neighbors=10), words=words, nonzeros=0)
    one_run = words * 100 * np.dtype(np.float32).itemsize
    lists = words * 10 * (np.dtype(np.int32).itemsize + np.dtype(np.float64).itemsize)
    assert found.disk_bytes == 5 * (2 * one_run + lists)  # as work and as embeddings


def test_bootstrap_counts_are_kept_for_every_run() -> None:
    alone, five = (
        plan(StudyConfig(("a",), models=(ModelConfig(PPMISVD(), vary=vary),)), words=10, nonzeros=1000)  # type: ignore[arg-type]
        for vary in ("seed", "bootstrap")
    )
    cell = np.dtype(np.int32).itemsize + np.dtype(np.int64).itemsize
    assert five.disk_bytes - alone.disk_bytes == 4 * 1000 * cell


def test_halves_are_two_runs_a_seed_and_compared_two_at_a_time() -> None:
    one = ModelConfig(GloVe(), seeds=(0, 1))
    both, halves = (
        plan(StudyConfig(("a",), models=(replace(one, vary=vary),)), words=10, nonzeros=1000)  # type: ignore[arg-type]
        for vary in ("bootstrap", "halves")
    )
    assert halves.disk_bytes == 2 * both.disk_bytes
    assert [phase.bytes for phase in halves.phases] == [phase.bytes for phase in both.phases]


def test_runs_trained_at_once_are_planned_at_once() -> None:
    one = StudyConfig(("a",), models=(ModelConfig(PPMISVD()),))
    with threads.limit(1):
        single = plan(one, words=100, nonzeros=1000).phases[0].bytes
    with threads.limit(3):
        assert plan(one, words=100, nonzeros=1000).phases[0].bytes == 3 * single


def test_skip_gram_counts_nothing() -> None:
    recipe = SkipGram(dim=20)
    model = ModelConfig(recipe, (0, 1))
    found = plan(StudyConfig(("a",), models=(model,), neighbors=1), words=100, nonzeros=10**12)
    assert found.disk_bytes == 2 * 100 * (2 * 20 * 4 + 4 + 8)
    assert found.phases[0] == plan_skip_gram(100, recipe)


def test_a_plan_is_readable() -> None:
    lines = str(plan(CONFIG, words=1000, nonzeros=50_000)).splitlines()
    assert any("glove with 1000 words" in line for line in lines)
    assert lines[-1].endswith("on the disk")


def test_snapshots_are_counted_for_the_models_that_have_epochs() -> None:
    asked = (CONFIG, replace(CONFIG, snapshots=(1, 2, 25)))
    plain, three = (plan(one, words=1000, nonzeros=50_000) for one in asked)
    table = 1000 * 100 * np.dtype(np.float32).itemsize
    assert three.disk_bytes - plain.disk_bytes == 5 * 3 * table
    more = [b.bytes - a.bytes for a, b in zip(plain.phases, three.phases, strict=True)]
    assert more == [3 * table, 0, 0, 0]
