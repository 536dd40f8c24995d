"""The page opens anywhere: whole, safe for any word, small, and asking nothing of a network."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpuemb.core.errors import StorageError
from gpuemb.report.numbers import number
from gpuemb.report.packing import unpacked
from gpuemb.report.page import render, write_report
from gpuemb.stability.config import ModelConfig
from gpuemb.stability.result import StudyResult, WordMeasures
from gpuemb.stability.statistics import mean_over_pairs
from gpuemb.training.recipes import PPMISVD, GloVe

pytestmark = pytest.mark.usefixtures("not_drawn")  # except where drawn_once is: test_figures.py draws

Build = Callable[..., StudyResult]
GLOVE = ModelConfig(GloVe(dim=12))
SVD = ModelConfig(PPMISVD(dim=12), vary="bootstrap")
HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!--",
    "]]>",
    "&amp;",
    "\"quoted\" 'twice'",
    "back\\slash",
    "{{ 7 * 7 }}",
    "${boom}",
    "👩\u200d🚀",
    "שלום",
    "مرحبا\u202e",
    "e\u0301\u0323",
    "\u2028\u2029",
    "__proto__",
    "\u0000nul",
    "nul",
)
MEGABYTE = 1_000_000


class Reader(HTMLParser):
    """Collects the tags of a page, and what stands inside its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        if tag not in {"meta", "link", "input", "br", "path", "image", "use", "rect"}:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.stack:
            while self.stack.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] == "script":
            self.scripts[-1] += data

    @property
    def data(self) -> Any:
        return unpacked(self.scripts[0])[0]


def test_the_page_is_written_where_it_belongs(build: Build) -> None:
    result = build(GLOVE)
    assert write_report(result) == result.report
    page = result.report.read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.rstrip().endswith("</html>")
    assert [p.name for p in result.folder.iterdir()] == ["report.html"]


def test_another_path_may_be_given_and_an_old_page_is_replaced(build: Build, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "page.html"
    path.parent.mkdir()
    path.write_text("old")
    assert write_report(build(GLOVE), path) == path
    assert "old" not in path.read_text("utf-8")[:20]


def test_a_page_that_cannot_be_written_leaves_nothing_behind(build: Build, tmp_path: Path) -> None:
    path = tmp_path / "taken"
    path.mkdir()
    (path / "something").touch()
    with pytest.raises(StorageError):
        write_report(build(GLOVE, words=30), path)
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def with_one_map(result: StudyResult) -> StudyResult:
    """The study with one measure: words stand in figures, and not in maps."""
    model = result.models[0]
    return replace(result, models=(replace(model, pairs=model.pairs[:1]),))


@pytest.mark.usefixtures("drawn_once")
def test_hostile_words_stay_words(build: Build) -> None:
    words = (*HOSTILE, *(f"word{i}" for i in range(100)))
    read = Reader(render(with_one_map(build(GLOVE, words=words, title="<b>Mine & yours</b> \"'"))))
    assert len(read.scripts) == 3
    assert read.data["words"] == list(words)
    assert all("alert(1)" not in script for script in read.scripts)


def test_a_hostile_title_and_corpus_are_only_text(build: Build) -> None:
    result = build(GLOVE, words=30, title="<script>alert(1)</script>")
    result = replace(result, config=replace(result.config, corpus=("<img src=x onerror=alert(1)>.txt",)))
    page = render(result)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.usefixtures("drawn_once")
def test_half_a_surrogate_pair_does_not_keep_the_page_from_being_written(build: Build) -> None:
    words = ("\ud83d", *(f"word{i}" for i in range(50)))
    assert write_report(with_one_map(build(GLOVE, words=words))).read_text("utf-8")


@pytest.mark.usefixtures("drawn_once")
def test_the_page_asks_nothing_of_a_network(build: Build) -> None:
    page = render(build(GLOVE, SVD))
    addresses = set(re.findall(r"https?://[^\"'\s<)]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    for tag, attributes in Reader(page).tags:
        for name in ("src", "href", "xlink:href", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
    assert not re.search(r"@import|url\((?!#)|fetch\(|XMLHttpRequest", page)


@pytest.mark.usefixtures("drawn_once")
def test_everything_that_is_drawn_can_be_read_aloud(build: Build) -> None:
    read = Reader(render(build(GLOVE, SVD)))
    pictures = [attributes for _, attributes in read.tags if attributes.get("role") == "img"]
    assert len(pictures) == 2 * (5 + 4)
    assert all(attributes["aria-label"] for attributes in pictures)
    tags = [tag for tag, _ in read.tags]
    assert tags.count("table") == tags.count("caption") == 3
    assert tags.count("h1") == 1
    identifiers = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))


def test_the_page_says_how_it_was_measured(build: Build) -> None:
    page = render(build(GLOVE, SVD))
    said = (
        "2 min 7 s",
        "16.0 GB",
        "1.5 GB",
        "38,692 documents",
        "learning rate 0.05",
        "seeds 0, 1, 2, 3 and 4",
        "Jackknife over runs",
        "Linear CKA, in one sentence.",
    )
    assert [text for text in said if text not in page] == []


def test_a_record_that_lacks_everything_is_no_obstacle(build: Build) -> None:
    result = build(GLOVE, words=30)
    for record in ({}, {"seconds": None, "machine": "?"}, {"seconds": {}, "versions": {}}):
        page = render(replace(result, record=record))
        assert "<h3>Time</h3>" not in page
        assert "<h3>Machine</h3>" not in page
    assert "<dt>Bootstrap, halves</dt>" not in page  # nothing of the kind was asked


def test_the_summary_has_every_measure_with_its_interval(build: Build) -> None:
    result = build(GLOVE)
    page = render(result)
    for measure in result.models[0].pairs:
        assert f'<th scope="row">{measure.title}</th><td>{measure.preparation}</td>' in page
    few = render(build(replace(GLOVE, seeds=(0, 1))))
    assert "none; 2 runs: an interval needs 3" in few
    assert ">nan<" not in few


@pytest.mark.parametrize(
    ("models", "options"),
    [
        ((replace(GLOVE, seeds=(0, 1)),), {}),
        ((ModelConfig(PPMISVD(dim=12)),), {"noise": 0.0}),
        ((GLOVE, SVD), {"zero_rows": (0, 7)}),
        ((GLOVE,), {"k": 1, "words": 12}),
    ],
)
def test_unusual_studies_have_a_page(
    build: Build, models: tuple[ModelConfig, ...], options: dict[str, Any]
) -> None:
    read = Reader(render(build(*models, **options)))
    assert [model["name"] for model in read.data["models"]] == [model.name for model in models]


def test_the_page_warns_of_few_runs_lost_pairs_and_thin_counts(build: Build) -> None:
    result = build(SVD, words=30)
    first, *others = result.models[0].pairs
    values = first.values.copy()
    values[0, 3] = values[3, 0] = np.nan
    reason = "bootstrap 0 and bootstrap 3: no word has neighbors in both tables"
    lost = replace(first, values=values, estimate=mean_over_pairs(values), reason=reason, p_value=0.01)
    model = replace(result.models[0], pairs=(lost, *others), occurrences=9.9)
    page = render(replace(result, models=(model,)))
    assert "agrees least with all others. 5 runs cannot show rare bad ones: 10 would." in page
    assert page.count(f"1 of 10 pairs has no value; {reason}") == 2  # below its map, and in the table
    assert f"mean {number(mean_over_pairs(values).value)}" in page  # of the nine others
    assert f"{number(lost.chance)} (p = 0.01)" in page
    assert "Counts are thin: a counted pair of words occurs 9.9 times" in page
    assert "<dt>Bootstrap, halves</dt>" in page
    assert replace(model, occurrences=10.0).optimistic == result.models[0].optimistic == ""


def test_halves_have_a_page(build: Build) -> None:
    result = build(ModelConfig(PPMISVD(dim=12), (0, 1), "halves"), words=30)
    page = render(result)
    assert "4 runs, each with its own half of the documents" in page
    assert "over the two halves of each split" in page
    assert "2 splits cannot show rare bad ones" in page
    assert "pairs have no value" not in page  # those that are not compared


def test_words_without_neighbors_are_counted(build: Build) -> None:
    assert "2 words without neighbors are left out" in render(build(GLOVE, zero_rows=(0, 7)))
    assert "1 word without neighbors is left out" in render(build(GLOVE, zero_rows=(0,)))
    assert "without neighbors" not in render(build(GLOVE))


def test_a_study_without_any_vector_has_a_page(build: Build) -> None:
    result = build(GLOVE, words=30)
    nothing = np.full(30, np.nan)
    words = WordMeasures(nothing, nothing, nothing, nothing, np.zeros(30, np.int32), nothing, nothing)
    assert "nothing to draw" in render(
        replace(result, models=(replace(result.models[0], words=words, pairs=()),))
    )


@pytest.mark.slow
@pytest.mark.usefixtures("drawn_once")
def test_two_models_of_five_runs_over_ten_thousand_words_stay_below_four_megabytes(build: Build) -> None:
    result = build(GLOVE, SVD, words=600)
    large = replace(
        result,
        vocabulary=replace(
            result.vocabulary,
            words=tuple(f"vocabulary-{i}" for i in range(10_000)),
            counts=np.arange(20_000, 10_000, -1),
        ),
        models=tuple(_resized(model, 10_000) for model in result.models),
    )
    path = write_report(large)
    assert len(Reader(path.read_text("utf-8")).data["words"]) == 10_000
    assert path.stat().st_size < 4 * MEGABYTE


def _resized(model: Any, size: int) -> Any:
    random = np.random.default_rng(len(model.config.name))
    runs, _, k = model.neighbor_ids.shape
    fields = {
        name: np.resize(getattr(model.words, name), size)
        for name in model.words.__dataclass_fields__
        if name != "more"
    }
    fields["overlap"] = random.random(size)
    ids = random.integers(0, size, (runs, size, k)).astype(np.int32)
    return replace(model, neighbor_ids=ids, words=replace(model.words, **fields))


def test_importing_the_page_loads_nothing_heavy() -> None:
    heavy = "matplotlib", "jinja2", "scipy.stats"
    code = f"import sys, gpuemb.report.page; print([m for m in {heavy} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
