"""A small real study that is asked every question: what it leaves, and that asking again computes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from corpus.texts import random_text

from gpuemb.core.errors import ConfigError
from gpuemb.core.results import equal
from gpuemb.geometry.per_word import aligned_cosines
from gpuemb.geometry.procrustes import procrustes
from gpuemb.geometry.rsa import rsa
from gpuemb.neighbors.exact import nearest_neighbors
from gpuemb.neighbors.overlap import neighbor_overlap
from gpuemb.stability.questions import evidence as evidence_module
from gpuemb.stability.questions.asking import answer
from gpuemb.stability.questions.evidence import LOST, VARIANCE, Evidence
from gpuemb.stability.questions.table import QUESTIONS
from gpuemb.stability.questions.words.traits import ENTROPY, traits_of
from gpuemb.stability.result import StudyResult
from gpuemb.stability.study import study
from gpuemb.training.runs import train_run

QUESTION = ("dimension", "data", "causes", "words", "sentence", "training")
SENTENCE = "W00 w01, w02 w05 and W02."
K = 4


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    path.write_text(random_text(500, 120))
    return path


def config(corpus: Path, **more: object) -> dict[str, object]:
    model = {"kind": "glove", "epochs": 2, "seeds": 3}
    sweep = {"dim": [3, 5], "fraction": [0.4, 1], "vary": ["seed", "init", "order"]}
    return {"corpus": [str(corpus)], "models": [model], "sweep": sweep, "neighbors": K, **more}


@pytest.fixture(scope="module")
def finished(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    return study(
        config(corpus, question=QUESTION, sentence=SENTENCE, snapshots=[1]),
        out=tmp_path_factory.mktemp("asked") / "study",
    )


def test_every_question_is_answered_in_the_folder(finished: StudyResult) -> None:
    assert tuple(one.question for one in finished.answers) == QUESTION
    summary = json.loads((finished.folder / "summary.json").read_text())
    assert [one["question"] for one in summary["answers"]] == list(QUESTION)
    for one in finished.answers:
        assert one.findings
        assert all(finding.sentence in str(one) for finding in one.findings)
        for name, table in one.tables.items():
            kept = pyarrow.parquet.read_table(finished.folder / "answers" / f"{one.question}-{name}.parquet")
            assert equal(kept, table)
        for finding in one.findings:
            assert not finding.holds or not np.isnan(finding.low)


def test_evidence_is_that_of_the_public_functions(finished: StudyResult) -> None:
    evidence = Evidence(finished)
    small, whole = (
        next(m for m in finished.models if m.config.name == f"glove-seed-d5-{s}") for s in ("40pct", "100pct")
    )
    rows = evidence.common_rows([small, whole])
    assert 10 < len(rows) < len(finished.vocabulary)
    x, y = (np.asarray(whole.stack[run].vectors)[rows] for run in (0, 2))
    unit = [table / np.linalg.norm(np.float64(table), axis=1, keepdims=True) for table in (x, y)]
    expected = 1 - np.asarray(aligned_cosines(x, y, procrustes(*unit).rotation))
    np.testing.assert_allclose(evidence.of(VARIANCE, whole, rows).values[1], expected, rtol=0, atol=1e-6)
    lists = [nearest_neighbors(table, K) for table in (x, y)]
    overlap = np.asarray(neighbor_overlap(*lists).per_word[0])
    np.testing.assert_allclose(evidence.of(LOST, whole, rows).values[1], 1 - overlap, rtol=0, atol=1e-6)


def test_words_that_a_fraction_lacks_have_no_measure(finished: StudyResult) -> None:
    for model in finished.models:
        has = np.asarray(model.stack[0].vectors).any(axis=1)
        assert has.all() == (model.config.fraction == 1)
        np.testing.assert_array_equal(np.isfinite(model.words.overlap), has)
        np.testing.assert_array_equal(np.isfinite(model.words.more[ENTROPY]), has)


def test_traits_are_what_they_are_called(finished: StudyResult) -> None:
    model = finished.models[-1]
    columns, places = traits_of(finished, model, model.words.more[ENTROPY])
    word, spreads, lists = 7, [], []
    for table, ids in zip(model.stack.tables(), model.neighbor_ids, strict=True):
        near = np.float64(table)[ids[word]]
        near /= np.linalg.norm(near, axis=1, keepdims=True)
        spreads.append(1 - (near @ near.T)[np.triu_indices(K, 1)].mean())
        lists.append(np.log1p((np.asarray(ids) == word).sum()))
    np.testing.assert_allclose(columns[word, places["spread"][0]], np.mean(spreads), rtol=0, atol=1e-9)
    np.testing.assert_allclose(columns[word, places["hubness"][0]], np.mean(lists), rtol=0, atol=1e-12)


def test_the_lists_of_words_are_sorted_by_stability(finished: StudyResult) -> None:
    tables = finished.answers[QUESTION.index("words")].tables
    name = finished.models[0].config.name
    most, least = (
        [row for row in tables[one].to_pylist() if row["model"] == name]
        for one in ("most_stable", "least_stable")
    )
    stability = finished.models[0].words.overlap
    assert most[0]["stability"] == np.nanmax(stability)
    assert least[0]["stability"] == np.nanmin(stability)
    assert [row["stability"] for row in most] == sorted((row["stability"] for row in most), reverse=True)
    assert all(row["low"] <= row["stability"] <= row["high"] for row in most + least)


def test_another_question_trains_nothing(
    corpus: Path, finished: StudyResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpuemb.stability.units.training.train_run", None)
    monkeypatch.setattr(evidence_module, "variances", None)
    again = study(config(corpus, question="dimension", snapshots=[1]), out=finished.folder)
    assert [one.question for one in again.answers] == ["dimension"]
    assert again.answers[0] == finished.answers[0]
    assert {path.name.split("-")[0] for path in (finished.folder / "answers").iterdir()} == {"dimension"}
    assert answer(again, "data") == finished.answers[1]
    with pytest.raises(ConfigError, match="no model has context entropies"):
        answer(again, "words")
    assert train_run is not None
    other = answer(again, "sentence", sentence="w03 w04 w07 w09")
    assert other.tables["words"]["compared_as"].to_pylist() == ["w03", "w04", "w07", "w09"]


def test_the_words_of_the_sentence_have_the_correlations_of_rsa(finished: StudyResult) -> None:
    found = finished.answers[QUESTION.index("sentence")]
    assert found.tables["words"].to_pylist()[-1] == {
        "written": "and", "times": 1, "compared_as": None, "closest": ""
    }  # fmt: skip
    model, words = finished.models[1], ["w00", "w01", "w02", "w05"]
    each = [rsa(model.stack[a], model.stack[b], words) for a, b in ((0, 1), (0, 2), (1, 2))]
    for which in ("pearson", "spearman", "kendall"):
        value = next(
            one.value
            for one in found.findings
            if one.about == model.config.name and one.measure.startswith(which)
        )
        assert abs(value - np.mean([getattr(one, which) for one in each])) < 1e-12


def test_the_history_of_neighbors_ends_at_the_final_ones(finished: StudyResult) -> None:
    table = finished.answers[QUESTION.index("training")].tables["epochs"].to_pylist()
    assert {row["epoch"] for row in table} == {1}
    assert {row["band"] for row in table} == {1, 2, 3, 4, 5}
    model = finished.models[0]
    lists = [
        nearest_neighbors(np.asarray(model.histories.snapshots[1].tables()[run]), K).ids for run in range(3)
    ]
    words = len(finished.vocabulary)
    band = np.arange(words) * 5 // words == 0
    own = [
        float(
            np.nanmean(
                np.asarray(neighbor_overlap(np.stack([lists[run], model.neighbor_ids[run]])).per_word[0])[
                    band
                ]
            )
        )
        for run in range(3)
    ]
    first = next(row for row in table if row["model"] == model.config.name and row["band"] == 1)
    assert abs(first["kept"] - np.mean(own)) < 1e-12


def test_a_study_of_one_model_is_asked_what_it_can_answer(finished: StudyResult) -> None:
    assert set(QUESTION) <= set(QUESTIONS)
    with pytest.raises(ConfigError, match="question"):
        answer(finished, "dimensions")
