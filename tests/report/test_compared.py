"""The pages of comparisons: what they say, hold and refuse."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpuemb as ge
from gpuemb.report.compared.claims import claims_of_comparison, claims_of_drift
from gpuemb.report.compared.page import render
from gpuemb.report.packing import unpacked
from gpuemb.report.tables import whole_numbers

WORDS = ("king", "<script>alert(1)</script>", "a&b", *(f"w{i}" for i in range(117)))


def tables(count: int, noise: float = 0.3, seed: int = 0) -> list[ge.Embedding]:
    random = np.random.default_rng(seed)
    shared = random.standard_normal((len(WORDS), 6))
    names = "abcdefgh"
    return [
        ge.Embedding(shared + noise * random.standard_normal(shared.shape), WORDS, name=names[run])
        for run in range(count)
    ]


def hidden(page: str, name: str) -> tuple[dict[str, Any], list[Any]]:
    (text,) = re.findall(rf'<script type="text/plain" id="{name}">([^<]*)</script>', page)
    return unpacked(text)


def test_a_page_of_three_tables_has_its_claims_maps_and_words() -> None:
    found = ge.compare(tables(3), ["overlap", "rsa", "cka"], k=5)
    page = render(found)
    claims = claims_of_comparison(found)
    value = found["overlap"].estimate
    assert claims[0].headline == f"{5 * value.value:.1f} of 5"
    assert f"95% interval {5 * value.low:.2f} to {5 * value.high:.2f}" in claims[0].sentence
    overlap = found.words["overlap"].to_numpy()
    least = {WORDS.index(word) for word in claims[1].words}
    assert np.sort(overlap[list(least)]).tolist() == np.sort(overlap)[:6].tolist()
    assert page.count('role="img"') == 3
    assert page.count("<option") == 3 + 1  # of measures, and all frequencies
    assert "<script>alert" not in page
    header, (_, packed, *_) = hidden(page, "words-data")
    assert header["words"] == list(WORDS)
    assert (header["counted"], header["run"]) == (False, "table")
    assert packed.tolist() == whole_numbers(overlap, 1000).tolist()
    _, (listed, ids) = hidden(page, "neighbors-0")
    assert listed.tolist() == list(range(len(WORDS)))
    assert found.neighbor_ids is not None
    assert ids.reshape(-1, 3, 5).transpose(1, 0, 2).tolist() == found.neighbor_ids.tolist()


def test_two_tables_have_no_map_and_no_interval_and_say_what_is_kept() -> None:
    found = ge.compare(tables(2), ["overlap", "rsa"], k=5)
    page = render(found, "Mine & yours")
    assert "<h1>Mine &amp; yours</h1>" in page
    assert 'role="img"' not in page
    claims = claims_of_comparison(found)
    assert "interval" not in claims[0].sentence
    assert found.rows is not None
    assert claims[1].headline == f"{100 * found.rows.kept_half:.0f}%"


def test_a_comparison_without_neighbors_has_no_table_of_words() -> None:
    page = render(ge.compare(tables(2), ["cka"]))
    assert 'id="words"' not in page
    assert "Linear CKA" in page


def test_a_drift_names_words_only_where_some_drifted() -> None:
    groups = {"old": tables(4, seed=0), "new": tables(4, seed=1)}
    found = ge.drift(groups, ["overlap"], k=5)
    claims = claims_of_drift(found)
    assert found["overlap"].discoveries.count > 0
    assert claims[1].words[0] == found.changed(1)[0].word
    header, arrays = hidden(render(found), "words-data")
    keys = [column["key"] for column in header["models"][0]["columns"]]
    assert keys == ["stability", "overlap_effect", "overlap_q_value"]
    assert arrays[3].tolist() == found["overlap"].q_value.astype(np.float32).tolist()
    none = ge.drift({"old": tables(4), "new": tables(8)[4:]}, ["overlap"], k=5)
    assert [claim.headline for claim in claims_of_drift(none)] == ["0"]
    assert "no word drifted beyond the noise" in claims_of_drift(none)[0].sentence


def test_write_report_takes_a_comparison_and_needs_its_path(tmp_path: Path) -> None:
    found = ge.compare(tables(2), ["cka"])
    page = ge.write_report(found, tmp_path / "page.html")
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    with pytest.raises(ge.ConfigError, match="needs a file"):
        ge.write_report(found)


def test_no_page_repeats_an_identifier_or_links_nowhere() -> None:
    for found in (
        ge.compare(tables(3), ["overlap", "cka"], k=5),
        ge.drift({"a": tables(4), "b": tables(4, seed=1)}, k=5),
    ):
        page = render(found)
        identifiers = re.findall(r' id="([^"]+)"', page)
        assert len(identifiers) == len(set(identifiers))
        links = set(re.findall(r'href="#([^"=]+)"', page))
        assert links - set(identifiers) == set()
