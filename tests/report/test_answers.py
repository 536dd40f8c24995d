"""Answers on the page: a figure and a title that says what the finding says."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pyarrow
import pytest

from gpuemb.report.answers import answer_section
from gpuemb.report.figures.answers import answer_figures
from gpuemb.stability.questions.answer import Answer, Finding
from gpuemb.stability.questions.evidence import LOST, VARIANCE


def trend(directions: dict[tuple[str, str], int], levels: tuple[float, ...] = (10.0, 25.0, 100.0)) -> Answer:
    rows = [
        {"models": group, "dim": level, "model": f"{group}-d{level:g}", "measure": measure}
        | {"value": 0.1 * n + 0.1, "low": 0.1 * n, "high": math.nan if n else 0.3, "runs": 3, "words": 12_345}
        for group, measure in directions
        for n, level in enumerate(levels)
    ]
    trends = [
        {"models": group, "measure": measure, "direction": way}
        for (group, measure), way in directions.items()
    ]
    tables = {"levels": pyarrow.Table.from_pylist(rows), "trends": pyarrow.Table.from_pylist(trends)}
    return Answer("dimension", "Does it grow?", (), tables)


@pytest.mark.parametrize(
    ("ways", "title"),
    [
        ((1,), "The variance between runs grows with dimensions"),
        ((-1, -1), "The variance between runs falls with dimensions"),
        ((0,), "The variance between runs shows no sure trend with dimensions"),
        ((1, -1), "The variance between runs goes its own way in each model with dimensions"),
        ((1,) * 6, "The variance between runs grows with dimensions"),
    ],
)
def test_a_trend_is_called_what_its_test_supports(ways: tuple[int, ...], title: str) -> None:
    plots = answer_figures(trend({(f"model {n}", VARIANCE): way for n, way in enumerate(ways)}))
    assert [plot.title for plot in plots] == [title]
    assert ElementTree.fromstring(plots[0].on_page().svg).tag.endswith("svg")
    assert ("2 further groups" in plots[0].caption) == (len(ways) == 6)
    assert "0.100 at 10, 0.200 at 25, 0.300 at 100" in plots[0].label


def test_every_measure_has_its_figure_and_numbers_read_well() -> None:
    section = answer_section(trend({("glove", VARIANCE): 1, ("glove", LOST): -1}))
    assert [plot.name for plot in section.plots] == ["variance", "neighbors-lost"]
    assert section.plots[1].title == "The share of neighbors lost falls with dimensions"
    first = section.tables[0].rows[0]
    assert first[1] == "10"


@pytest.mark.parametrize("holds", [True, False])
def test_causes_are_shares_and_the_largest_is_named_where_it_is_sure(holds: bool) -> None:
    shares = (("bootstrap", 0.7, 0.6, 0.8), ("init", 0.3, 0.2, 0.4), ("seed", math.nan, math.nan, math.nan))
    rows = [
        {"models": "glove", "cause": cause, "model": cause, "variance": 0.1, "low": 0.0, "high": 0.2}
        | {"share": share, "share_low": low, "share_high": high, "runs": 4}
        for cause, share, low, high in shares
    ]
    finding = Finding("glove", "largest cause", 2.3, 1.5, 3.5, holds, "…")
    answer = Answer("causes", "Due to what?", (finding,), {"components": pyarrow.Table.from_pylist(rows)})
    (plot,) = answer_figures(answer)
    assert plot.label.endswith("documents 70%, initialization 30%.")
    wanted = "The largest cause of variance in glove: documents"
    assert plot.title == (wanted if holds else "Which cause is the largest in glove these runs do not tell")


def test_a_question_without_a_figure_has_none() -> None:
    assert answer_figures(Answer("another", "?", ())) == ()
