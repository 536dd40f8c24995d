"""Figures of depth, drift and training: their numbers, their claims, and files for a paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pytest

import gpuemb as ge
from gpuemb.report.figures.answers import answer_figures
from gpuemb.report.figures.depth import depth
from gpuemb.report.figures.drift import volcano
from gpuemb.report.figures.training import losses
from gpuemb.stability.config import ModelConfig
from gpuemb.stability.kept.runs import RunHistories
from gpuemb.stability.questions.answer import Answer
from gpuemb.stability.questions.depths import overlap_by_depth
from gpuemb.stability.result import StudyResult
from gpuemb.stability.statistics import mean_of_known
from gpuemb.training.recipes import GloVe

Build = Callable[..., StudyResult]
GLOVE = ModelConfig(GloVe(dim=12))


def test_overlap_by_depth_is_the_overlap_of_lists_that_are_cut() -> None:
    random = np.random.default_rng(0)
    ids = np.stack([random.permuted(np.tile(np.arange(12), (40, 1)), axis=1)[:, :6] for _ in range(3)])
    ids = ids.astype(np.int32)
    ids[0, 3] = -1  # a word without neighbors
    ids[1, 5, 4:] = ids[2, 5, 3:] = -1  # shorter lists
    found = overlap_by_depth(ids)
    for k in range(1, 7):
        cut = ge.neighbor_overlap(np.ascontiguousarray(ids[:, :, :k])).per_word
        assert found[k - 1].value == pytest.approx(np.mean([mean_of_known(pair) for pair in cut]))
    assert found[5].low < found[5].value < found[5].high


def test_depth_says_both_ends_and_draws_chance(build: Build) -> None:
    model = build(GLOVE, words=100).models[0]
    axes = depth(model).on_axes()
    value = next(line for line in axes.lines if line.get_label() == "mean of pairs of runs").get_ydata()
    chance = next(line for line in axes.lines if line.get_label() == "chance").get_ydata()
    overlap = next(one for one in model.pairs if one.measure == "overlap_at_10")
    assert value[-1] == pytest.approx(overlap.estimate.value)
    assert chance[[0, -1]] == pytest.approx([1 / 99, 10 / 99])
    assert depth(model).title.endswith(f"on {100 * overlap.estimate.value:.0f}% of the first 10")


def two_groups(moved: int) -> ge.Drift:
    """Four runs against four over 200 words, of which some moved."""
    random = np.random.default_rng(1)
    shared = random.standard_normal((200, 8))
    other = shared.copy()
    other[:moved] = random.standard_normal((moved, 8))
    groups = {
        name: [
            ge.Embedding(x + 0.1 * random.standard_normal(x.shape), [f"w{i}" for i in range(200)])
            for _ in range(4)
        ]
        for name, x in (("old", shared), ("new", other))
    }
    return ge.drift(groups, ["overlap"])


def test_a_volcano_marks_what_drifted_and_its_line_parts_them() -> None:
    found = two_groups(moved=20)
    one = found["overlap"]
    assert one.discoveries.count >= 10
    drawn = volcano(found, one)
    axes = ge.plot.volcano(found)
    assert drawn.title.startswith(f"{one.title}: {one.discoveries.count} of 200 words drifted beyond noise")
    (line,) = [x for x in axes.lines if str(x.get_label()).startswith("false discoveries 5%")]
    height = line.get_ydata()[0]
    up = -np.log10(one.p_value)
    assert (up[one.drifted] >= height).all()
    assert (up[~one.drifted] <= height).all()
    named = {text.get_text() for text in axes.texts}
    assert named
    assert named <= {found.vocabulary[row] for row in np.flatnonzero(one.drifted)}


def test_a_volcano_without_a_discovery_claims_none() -> None:
    found = two_groups(moved=0)
    drawn = volcano(found, found["overlap"])
    assert "no word drifted beyond the noise" in drawn.title
    assert "No line of 5% false discoveries" in drawn.caption
    assert "false discoveries" not in drawn.on_page().svg


def test_a_map_is_colored_by_stability_and_says_what_it_is_worth(build: Build) -> None:
    result = build(GLOVE, words=80, zero_rows=(5,))
    axes = ge.plot.word_map(result)
    (dots,) = [one for one in axes.collections if one.get_array() is not None]
    overlap = result.models[0].words.overlap
    assert sorted(dots.get_array().tolist()) == pytest.approx(sorted(overlap[np.isfinite(overlap)].tolist()))
    assert "Trustworthiness" in axes.get_xlabel()


def test_losses_are_a_line_a_run(build: Build) -> None:
    model = build(GLOVE, words=30).models[0]
    assert losses(model) is None
    runs = tuple(np.array([0.4, 0.2, 0.1 + 0.01 * run]) for run in range(3))
    drawn = losses(replace(model, histories=RunHistories(runs, (np.array([0.5, 0.3, 0.31]),) * 3)))
    assert drawn is not None
    assert drawn.title == "The loss went from 0.400 to 0.110; the last epoch lowered it by 45%"
    lines = drawn.on_axes().lines
    assert [float(line.get_ydata()[-1]) for line in lines] == pytest.approx([0.1, 0.11, 0.12, *[0.31] * 3])


def test_settling_is_a_figure_a_model() -> None:
    rows = [
        {
            "model": model,
            "band": band,
            "epoch": epoch,
            "kept": epoch / 10 - band / 50,
            "low": np.nan,
            "high": np.nan,
        }
        for model in ("a", "b")
        for band in (1, 2, 3, 4, 5)
        for epoch in (5, 9)
    ]
    drawn = answer_figures(Answer("training", "?", (), {"epochs": pyarrow.Table.from_pylist(rows)}))
    assert [one.name for one in drawn] == ["settling-a", "settling-b"]
    assert drawn[0].title == "After epoch 9, 80% to 88% of the final neighbors are there"
    assert len(drawn[0].on_axes().containers) == 5


def test_figures_are_written_for_a_paper_the_same_bytes_twice(build: Build, tmp_path: Path) -> None:
    result = build(replace(GLOVE, seeds=(0, 1)), words=30)
    once, again = (ge.plot.save(result, tmp_path / name, kinds=["svg", "pdf"]) for name in "ab")
    assert [path.name for path in once[:4]] == [
        f"glove-{n}.{k}" for n in ("stability", "frequency") for k in ("svg", "pdf")
    ]
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]
    assert "**glove-stability**: " in (tmp_path / "a" / "captions.md").read_text("utf-8")
    with pytest.raises(ge.ConfigError, match="svg, pdf, png"):
        ge.plot.save(result, tmp_path, kinds=["docx"])


def test_axes_of_ones_own_are_drawn_on_and_others_refused(build: Build) -> None:
    from matplotlib.figure import Figure

    result = build(replace(GLOVE, seeds=(0, 1)), words=60)
    one, two = Figure().subplots(1, 2)
    assert ge.plot.stability(result, axes=one) is one
    assert ge.plot.heat_map(result, axes=two) is two
    assert one.get_legend() is not None
    with pytest.raises(ge.ConfigError, match="drawn on axes of matplotlib"):
        ge.plot.spectra(result, axes=3)
    with pytest.raises(ge.ConfigError, match="glove has no losses"):
        ge.plot.losses(result)
    with pytest.raises(ge.ConfigError, match="glove"):
        ge.plot.stability(result, "glvoe")
