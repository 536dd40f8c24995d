"""The page in a real browser: no error, and search, sort, filters, links and details do what they say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

import gpuemb as ge
from gpuemb.report import tables
from gpuemb.report.page import write_report
from gpuemb.stability.config import ModelConfig
from gpuemb.stability.result import StudyResult
from gpuemb.training.recipes import PPMISVD, GloVe

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.usefixtures("drawn_once"),
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs chromium; Debian: apt install chromium"),
]
Build = Callable[..., StudyResult]
WORDS = ("talking", "kings", "king", "<script>alert(1)</script>", "a+b&c=d", "éclair", 'say "so", he')
HARNESS = (Path(__file__).parent / "harness.html").read_text("utf-8")


def ran(result: StudyResult | ge.Comparison, tmp_path: Path, body: str, link: str = "") -> Any:
    """Open the page in a browser, run statements in it, and return what they told."""
    page = (
        write_report(result, tmp_path / "page.html")
        .read_text("utf-8")
        .replace("</body>", HARNESS.replace("BODY", body))
    )
    path = tmp_path / "with harness.html"
    path.write_text(page, "utf-8")
    assert BROWSER is not None
    found = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-logging=stderr",
            "--virtual-time-budget=20000",
            "--dump-dom",
            path.as_uri() + link,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in found.stderr, found.stderr
    text = re.search(r'<pre id="told">(.*?)</pre>', found.stdout, re.DOTALL)
    assert text is not None
    assert text[1], found.stdout[-2000:]
    return json.loads(unescape(text[1]))


def study(build: Build) -> StudyResult:
    glove, svd = ModelConfig(GloVe(dim=12)), ModelConfig(PPMISVD(dim=12), vary="bootstrap")
    return build(glove, svd, words=(*WORDS, *(f"word{i}" for i in range(300))), zero_rows=(200,))


def test_words_are_found_sorted_and_filtered(build: Build, tmp_path: Path) -> None:
    result = study(build)
    told = ran(
        result,
        tmp_path,
        """
  told.first = texts("tr.word bdi");
  set("#search", "king"); told.king = texts("tr.word bdi"); told.count = one("#found-words").textContent;
  set("#search", ""); click("[data-key=stability]"); told.least = cells(3);
  click("[data-key=stability]"); told.most = cells(3); told.sorted = texts("th[aria-sort]");
  click("[data-key=rank]"); set("#band", "9"); told.rare = cells(1); set("#band", "");
  set("#least", "0.2"); set("#most", "0.4"); told.between = cells(3); set("#least", ""); set("#most", "");
  click("[data-key=word]"); told.alphabet = texts("tr.word bdi").slice(0, 6);
  click("#models input", 1); click("[data-key=stability]"); told.second = cells(3);
""",
    )
    assert told["first"] == list(result.vocabulary.words[:50])
    assert told["king"] == ["king", "kings", "talking"]
    assert told["count"] == "3 words"
    for model, name in ((0, "least"), (1, "second")):
        overlap = result.models[model].words.overlap
        assert [float(x) for x in told[name]] == pytest.approx(np.sort(overlap)[:50].tolist(), abs=0.0051)
    most = -np.sort(-result.models[0].words.overlap[np.isfinite(result.models[0].words.overlap)])[:50]
    assert [float(x) for x in told["most"]] == pytest.approx(most.tolist(), abs=0.0051)
    assert told["sorted"] == ["Stability"]
    assert [int(x) for x in told["rare"]] == list(range(277, 308))
    assert told["between"]
    assert all(0.19 <= float(x) <= 0.41 for x in told["between"])
    assert told["alphabet"] == [WORDS[3], "a+b&c=d", "éclair", "king", "kings", 'say "so", he']


def test_a_row_opens_its_neighbors_in_each_run(build: Build, tmp_path: Path) -> None:
    result = study(build)
    told = ran(
        result,
        tmp_path,
        """
  click('[data-row="2"]'); await settled(); told.lists = lists(); told.link = location.hash;
  told.every = texts(".runs .every");
  click('[data-row="2"]'); told.closed = all(".details").length;
  click("#models input", 1); click('[data-row="3"]'); await settled(); told.second = lists();
""",
    )
    words = result.vocabulary.words
    for model, word, name in ((0, 2, "lists"), (1, 3, "second")):
        ids = result.models[model].neighbor_ids
        assert told[name] == [[words[n] for n in run[word] if n >= 0] for run in ids]
    shared = set.intersection(*(set(run.tolist()) for run in result.models[0].neighbor_ids[:, 2]))
    assert set(told["every"]) == {words[n] for n in shared}
    assert told["closed"] == 0
    assert told["link"] == "#word=king&model=glove"


def test_a_link_opens_its_word(build: Build, tmp_path: Path) -> None:
    result = study(build)
    asked = ("king", "a+b&c=d", "<script>alert(1)</script>", "éclair", "word250")
    links = [f"#word={quote(word)}&model=ppmi-svd" for word in asked]
    body = """
  told.open = []; told.lists = [];
  for (const link of LINKS) {
    if (link !== location.hash) location.hash = link;
    await settled(); await settled();
    told.open.push(texts(".open[aria-expanded=true] bdi")); told.lists.push(lists()[0]);
    click(".open[aria-expanded=true]");
  }
""".replace("LINKS", json.dumps(links))
    told = ran(result, tmp_path, body, links[0])
    assert told["open"] == [[word] for word in asked]
    for word, found in zip(asked, told["lists"], strict=True):
        first = result.models[1].neighbor_ids[0, result.vocabulary.ids[word]]
        assert found == [result.vocabulary.words[n] for n in first]


def test_links_lead_somewhere_and_words_without_lists_say_so(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "NAMED", 0)
    monkeypatch.setattr(
        "gpuemb.report.page.word_table", lambda r: tables.word_table(r, neighbor_bytes=20_000)
    )
    body = """
  const to = all('a[href^="#"]').map((link) => decodeURIComponent(link.getAttribute("href").slice(1)));
  told.links = to.filter((name) => !name.startsWith("word=") && !document.getElementById(name));
  told.words = to.filter((name) => name.startsWith("word=")).length;
  click('a[href^="#word="]'); await settled(); told.open = all(".details").length;
  told.maps = visible().length;
  set(".chooser select", 1); told.map = visible()[0].querySelector("h4").textContent;
  set("#search", "word250"); click("tr.word button"); await settled(); told.said = texts(".inside").at(-1);
"""
    told = ran(study(build), tmp_path, body)
    assert told["links"] == []
    assert told["words"] == 24
    assert told["open"] == 1
    assert told["maps"] == 2
    assert told["map"] == "Mean aligned cosine"
    assert "gpuemb neighbors" in told["said"]


def test_the_page_of_a_comparison_works_as_that_of_a_study(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    names = (*WORDS, *(f"word{i}" for i in range(100)))
    shared = random.standard_normal((len(names), 5))
    tables = [ge.Embedding(shared + 0.3 * random.standard_normal(shared.shape), names) for _ in range(3)]
    found = ge.compare(tables, ["overlap", "cka"], k=4)
    body = """
  told.heads = texts("#table thead button"); click('[data-row="2"]'); await settled(); told.lists = lists();
  told.legend = texts(".legend .chip"); click("[data-key=stability]"); told.least = cells(2);
  set(".chooser select", 1); told.map = visible()[0].querySelector("h3").textContent;
"""
    told = ran(found, tmp_path, body)
    assert told["heads"] == ["Word", "Rank", "Overlap", "K occurrence"]
    assert found.neighbor_ids is not None
    assert told["lists"] == [[names[n] for n in run[2]] for run in found.neighbor_ids]
    assert told["legend"] == ["1 table", "2", "all 3"]
    least = np.sort(found.words["overlap"].to_numpy())[:50]
    assert [float(x) for x in told["least"]] == pytest.approx(least.tolist(), abs=0.0051)
    assert told["map"] == "Linear CKA"
