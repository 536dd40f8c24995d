"""The bytes of a study before it begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from corpus.texts import random_documents, random_text

from gpuemb.core import threads
from gpuemb.core.errors import ConfigError, MemoryBudgetError
from gpuemb.corpus.tokens import read_corpus
from gpuemb.counts.counting import count_cooccurrences
from gpuemb.stability.config import CountsConfig, ModelConfig, StudyConfig
from gpuemb.stability.planning import PROCESS, plan
from gpuemb.stability.sweeps.sizes import nonzeros_of
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
    compared = words * (4 * (3 * (8 + 1) + 8) + 20)  # three sums and counts a run, and the least overlap
    assert found.disk_bytes == 5 * (2 * one_run + lists) + compared  # as work and as embeddings


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
    hubness = 10 * 20  # and agreement, of all runs at once
    assert halves.disk_bytes - hubness == 2 * (both.disk_bytes - hubness)
    assert halves.phases[1].buffers["ordered nonzeros"] == both.phases[1].buffers["ordered nonzeros"]
    compared = [one.phases[2].buffers for one in (halves, both)]
    assert compared[0]["products"] == compared[1]["products"]
    assert compared[0]["vectors"] == 2 * compared[1]["vectors"]


def test_runs_trained_at_once_are_planned_at_once() -> None:
    one = StudyConfig(("a",), models=(ModelConfig(PPMISVD()),))
    with threads.limit(1):
        single = plan(one, words=100, nonzeros=1000).phases[1]
    with threads.limit(3):
        three = plan(one, words=100, nonzeros=1000).phases[1]
    shared = PROCESS + single.buffers["vectors of earlier runs"]
    assert three.bytes - shared == 3 * (single.bytes - shared)


def test_skip_gram_counts_nothing() -> None:
    recipe = SkipGram(dim=20)
    model = ModelConfig(recipe, (0, 1))
    found = plan(StudyConfig(("a",), models=(model,), neighbors=1), words=100, nonzeros=10**12)
    compared = 100 * (3 * (8 + 1) + 8 + 20)
    assert found.disk_bytes == 2 * 100 * (2 * 20 * 4 + 4 + 8) + compared
    assert plan_skip_gram(100, recipe).buffers.items() <= found.phases[1].buffers.items()
    assert found.phases[1].buffers["counts"] == 0


def test_a_plan_is_readable() -> None:
    lines = str(plan(CONFIG, words=1000, nonzeros=50_000)).splitlines()
    assert any("glove with 1000 words" in line for line in lines)
    assert lines[-2].endswith("on the disk")
    assert lines[-1].startswith("Units of work: 1 readings of the text, 6 counts, 10 runs trained,")


def test_snapshots_are_counted_for_the_models_that_have_epochs() -> None:
    asked = (CONFIG, replace(CONFIG, snapshots=(1, 2, 25)))
    plain, three = (plan(one, words=1000, nonzeros=50_000) for one in asked)
    table = 1000 * 100 * np.dtype(np.float32).itemsize
    assert three.disk_bytes - plain.disk_bytes == 5 * 3 * table
    more = [b.bytes - a.bytes for a, b in zip(plain.phases, three.phases, strict=True)]
    assert more == [0, 3 * table, 0, 0, 0]


def test_a_text_is_read_where_its_sizes_are_not_stated(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text(random_text(400, 60))
    models = (ModelConfig(GloVe(dim=4)), ModelConfig(GloVe(dim=4), name="half", fraction=0.5, window=3))
    found = plan(StudyConfig((str(text),), models=models))
    tokens = read_corpus(text, min_count=10)
    assert (found.words, found.tokens) == (len(tokens.vocabulary), len(tokens))
    stated = plan(
        StudyConfig((str(text),), models=models[:1]),
        words=len(tokens.vocabulary),
        nonzeros=count_cooccurrences(tokens, 10).nonzeros,
        tokens=len(tokens),
    )
    assert found.phases[:3] == stated.phases
    half, whole = found.phases[3].buffers, stated.phases[1].buffers
    assert half["ordered nonzeros"] < whole["ordered nonzeros"]
    assert found.units["counts"] == 2


def test_pairs_of_a_long_text_are_estimated_from_a_part() -> None:
    tokens = read_corpus(random_documents(4000, 400, seed=1, longest=30))
    exact = count_cooccurrences(tokens, 5).nonzeros
    assert nonzeros_of(tokens, CountsConfig(5)) == exact
    assert abs(nonzeros_of(tokens, CountsConfig(5), most=len(tokens) // 4) / exact - 1) < 0.1


@pytest.mark.parametrize(
    ("corpus", "sizes", "message"), [("-", {}, "read only once"), ("a", {"words": 5}, "nonzeros = None")]
)
def test_sizes_that_nobody_knows_are_refused(corpus: str, sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(StudyConfig((corpus,)), **sizes)


def test_what_a_model_leaves_is_counted_for_those_after_it() -> None:
    models = tuple(ModelConfig(SkipGram(dim=20), (0, 1, 2), name=f"m{number}") for number in range(3))
    found = plan(StudyConfig(("a",), models=models, neighbors=1), words=1000, nonzeros=0)
    alone = plan(StudyConfig(("a",), models=models[:1], neighbors=1), words=1000, nonzeros=0)
    results = 3 * 1000 * (20 * 4 + 4 + 8)
    freed = 16 * 1000 * 20
    assert [one.bytes for one in found.phases[1:3]] == [one.bytes for one in alone.phases[1:]]
    more = [
        one.bytes - first.bytes for one, first in zip(found.phases[3:], 2 * alone.phases[1:], strict=True)
    ]
    assert more == [results + freed] * 2 + [2 * results + freed] * 2


def test_parts_of_corpora_are_units_of_work() -> None:
    models = (ModelConfig(GloVe(), (0, 1, 2, 3)), ModelConfig(GloVe(), (0, 1), name="again"))
    config = StudyConfig((), models=models, groups={"old": "a", "new": "b"})  # type: ignore[arg-type]
    assert config.corpus == ("a", "b")
    assert plan(config, words=10, nonzeros=10).units["parts of corpora trained"] == 8  # of one recipe
