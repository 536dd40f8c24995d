"""Figures are the same bytes twice, hold text, and survive what is degenerate."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from slow import cases

from gpuemb.pictures.style import SETTINGS, Plot
from gpuemb.report.figures.heatmaps import heat_map, heat_maps
from gpuemb.report.figures.study import figures
from gpuemb.stability.config import ModelConfig
from gpuemb.stability.result import PairMeasure, StudyResult, WordMeasures
from gpuemb.stability.statistics import mean_over_pairs
from gpuemb.training.recipes import PPMISVD, GloVe

Build = Callable[..., StudyResult]
GLOVE = ModelConfig(GloVe(dim=12))
CASES = {
    "five runs": ((GLOVE,), {}),
    "two runs": ((replace(GLOVE, seeds=(0, 1)),), {}),
    "identical runs": ((ModelConfig(PPMISVD(dim=12)),), {"noise": 0.0}),
    "words without a vector": ((GLOVE,), {"zero_rows": (0, 7)}),
    "few words": ((GLOVE,), {"words": 12}),
    "many runs": ((replace(GLOVE, seeds=tuple(range(14))),), {"words": 60}),
    "one neighbor": ((GLOVE,), {"k": 1}),
    "three dimensions": ((GLOVE,), {"dim": 3}),
}
SLOW = ("two runs", "few words", "one neighbor", "three dimensions")  # test_page.py has pages of such too


FIVE_RUNS: list[tuple[Plot, ...]] = []  # drawn once


def drawn(result: StudyResult) -> tuple[Plot, ...]:
    model = result.models[0]
    maps = heat_maps(model.pairs, model.runs, model.config.name)
    return tuple(one.on_page() for one in (*figures(model, result.vocabulary), *maps))


@pytest.fixture
def five_runs(build: Build) -> tuple[Plot, ...]:
    """What is drawn of the ordinary study."""
    if not FIVE_RUNS:
        FIVE_RUNS.append(drawn(build(GLOVE)))
    return FIVE_RUNS[0]


@pytest.mark.parametrize("case", cases(*(case for case in CASES if case not in SLOW), slow=SLOW))
def test_every_figure_is_one_svg_element_of_any_width(
    build: Build, case: str, five_runs: tuple[Plot, ...]
) -> None:
    models, options = CASES[case]
    for plot in five_runs if case == "five runs" else drawn(build(*models, **options)):
        root = ElementTree.fromstring(plot.svg)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "viewBox" in root.attrib
        assert "width" not in root.attrib
        assert plot.title
        assert plot.caption
        assert plot.label


def test_figures_are_the_same_bytes_twice_and_leave_no_setting(
    build: Build, five_runs: tuple[Plot, ...]
) -> None:
    import matplotlib

    before = [matplotlib.rcParams[name] for name in SETTINGS]
    assert drawn(build(GLOVE)) == five_runs
    assert [plot.name for plot in five_runs if "<dc:date" in plot.svg or "<metadata" in plot.svg] == []
    assert [matplotlib.rcParams[name] for name in SETTINGS] == before
    assert "matplotlib.pyplot" not in sys.modules


def test_no_identifier_is_used_twice_on_a_page(build: Build, five_runs: tuple[Plot, ...]) -> None:
    seen: set[str] = set()
    for plot in (*five_runs, *drawn(build(replace(GLOVE, name="other")))):
        own = [e.attrib["id"] for e in ElementTree.fromstring(plot.svg).iter() if "id" in e.attrib]
        assert own
        assert not seen & set(own)
        seen |= set(own)


def test_text_is_text_and_dense_parts_are_pictures(build: Build) -> None:
    result = build(GLOVE, words=2_000)
    stability, frequency, *_ = figures(result.models[0], result.vocabulary)
    assert ">words</text>" in stability.on_page().svg
    dense = frequency.on_page().svg
    assert "<image" in dense
    assert len(dense) < 40_000


def test_titles_say_what_is_seen(build: Build) -> None:
    result = build(GLOVE, words=100)
    model = result.models[0]

    def titles(**words: np.ndarray) -> list[str]:
        changed = replace(model, words=replace(model.words, **words))
        return [plot.title for plot in figures(changed, result.vocabulary)]

    assert titles(overlap=np.repeat([0.9, 0.1], 50))[:2] == [
        "50% of the words keep half of their neighbors or more",
        "Frequent words are the more stable ones",
    ]
    assert titles(overlap=np.linspace(0.1, 0.9, 100))[1] == "Rare words are the more stable ones"
    for no_trend in (np.full(100, 0.5), np.random.default_rng(0).random(100)):
        assert titles(overlap=no_trend)[1] == "Stability and frequency"
    cosines = {"aligned_cosine": np.full(100, 0.93), "unaligned_cosine": np.full(100, -0.61)}
    assert titles(**cosines)[3] == "Mean cosine −0.61 before, 0.93 after the best rotation"


def test_heat_maps_write_the_values_where_they_fit(build: Build) -> None:
    result = build(replace(GLOVE, seeds=(0, 1, 2)))
    few = heat_map(result.models[0].pairs[0], result.models[0].runs, "glove").on_page().svg
    crowd = build(*CASES["many runs"][0], words=60).models[0]
    many = heat_map(crowd.pairs[0], crowd.runs, "glove").on_page().svg
    values = result.models[0].pairs[0].values
    assert f"{values[0, 1]:.3f}" in few
    assert few.count("<text") == 9 + 3 + 3 + 1
    assert many.count("<text") < 40


def test_a_map_with_unknown_cells_is_drawn(build: Build) -> None:
    model = build(GLOVE).models[0]
    values = model.pairs[0].values.copy()
    np.fill_diagonal(values, np.nan)
    mean = mean_over_pairs(values)
    unknown = PairMeasure("overlap", "Overlap", "", "unit", values, mean, None, higher_is_closer=True)
    assert "–</text>" in heat_map(unknown, model.runs, "glove").on_page().svg


def test_nothing_to_draw_is_said(build: Build) -> None:
    result = build(GLOVE, words=30)
    nothing = np.full(30, np.nan)
    words = WordMeasures(nothing, nothing, nothing, nothing, np.zeros(30, np.int32), nothing, nothing)
    plots = figures(replace(result.models[0], words=words), result.vocabulary)
    assert [plot.draw is None for plot in plots] == [True, True, False, True, False]
    assert "no word has a vector" in plots[0].caption
