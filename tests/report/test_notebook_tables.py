"""Tables in a notebook: few rows, and whatever words are, text."""

from __future__ import annotations

import numpy as np

import gpuemb as ge
from gpuemb.pictures.notebook import html_table


def test_words_are_text_and_rows_are_few() -> None:
    words = ["<script>alert(1)</script>", "a&b", "\ud83d", *(f"w{i}" for i in range(97))]
    table = ge.Embedding(np.arange(2000.0).reshape(100, 20), words, name="<b>")
    shown = table._repr_html_()
    assert "<script>" not in shown
    assert "<b>" not in shown
    assert "&lt;script&gt;" in shown
    assert "a&amp;b" in shown
    assert shown.encode("utf-8")
    assert shown.count("<tr>") == 11
    assert "90 more rows" in shown


def test_numbers_are_short_and_what_is_missing_is_a_dash() -> None:
    shown = html_table("t", ("a", "b", "c"), [(1234567, float("nan"), 0.123456), ("x" * 80, True, -2.0)])
    assert ">1,234,567<" in shown
    assert ">–<" in shown
    assert ">0.1235<" in shown
    assert f">{'x' * 59}…<" in shown
    assert ">-2<" in shown


def test_neighbors_of_asked_words_are_named_by_them() -> None:
    table = ge.Embedding(np.random.default_rng(0).standard_normal((30, 4)), [f"w{i}" for i in range(30)])
    shown = ge.nearest_neighbors(table, 3, queries=["w7", "w2"])._repr_html_()
    assert shown.index(">w7<") < shown.index(">w2<")
    best = ge.nearest_neighbors(table, 3).named(7)[0]
    assert f"{best[0]} {best[1]:.3f}" in shown


def test_comparisons_and_drifts_show_their_measures() -> None:
    random = np.random.default_rng(0)
    runs = [ge.Embedding(random.standard_normal((30, 4)), [f"w{i}" for i in range(30)]) for _ in range(4)]
    found = ge.compare(runs[:2], ["cka"])
    assert f"{found['cka'].estimate.value:.4g}" in found._repr_html_()
    drift = ge.drift({"a": runs[:2], "b": runs[2:]}, ["overlap"], k=3)
    assert drift["overlap"].title in drift._repr_html_()
    assert "from a to b" in drift._repr_html_()
    assert "2 runs over 30 words" in ge.stack(runs[:2])._repr_html_()
