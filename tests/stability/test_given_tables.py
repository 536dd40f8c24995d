"""Finished tables of other models in a study: what they share with the text, and when they are read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from corpus.texts import random_text

from gpuemb.core.errors import ConfigError, StorageError, VocabularyError
from gpuemb.embeddings.files import load, save
from gpuemb.embeddings.model import Embedding
from gpuemb.embeddings.stack import stack
from gpuemb.neighbors.exact import nearest_neighbors
from gpuemb.report.page import render
from gpuemb.stability.compare import compare
from gpuemb.stability.config import ModelConfig, StudyConfig, TextConfig
from gpuemb.stability.folder import summary
from gpuemb.stability.given.config import TablesConfig
from gpuemb.stability.planning import plan
from gpuemb.stability.result import StudyResult
from gpuemb.stability.study import study
from gpuemb.stability.toml import config_from, config_to, load_config
from gpuemb.training.recipes import PPMISVD

K = 3
MEASURES = ("procrustes_distance", "overlap", "rsa")
WORDS = [f"w{i:02d}" for i in range(0, 60, 2)] + ["Other", "words"]  # half of the words of the text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text, and three tables: of other orders, a format each, unequal dimensions."""
    folder = tmp_path_factory.mktemp("given")
    (folder / "text.txt").write_text(random_text())
    random = np.random.default_rng(7)
    shared = random.standard_normal((len(WORDS), 6))
    for name, dim in (("one.npy", 6), ("two.vec", 6), ("three.txt", 4)):
        order = random.permutation(len(WORDS))
        vectors = (shared + 0.4 * random.standard_normal(shared.shape))[order, :dim]
        words = [WORDS[i] for i in order]
        save(Embedding(vectors.astype(np.float32), words), folder / name)
    return folder


def asked(folder: Path) -> StudyConfig:
    trained = ModelConfig(PPMISVD(dim=4), (0, 1), "bootstrap")
    files = tuple(str(folder / name) for name in ("one.npy", "two.vec", "three.txt"))
    text = TextConfig(min_count=1)
    models = (trained, TablesConfig(files, name="others"))
    return StudyConfig((str(folder / "text.txt"),), text, models=models, neighbors=K, measures=MEASURES)


@pytest.fixture(scope="module")
def finished(folder: Path) -> StudyResult:
    return study(asked(folder), out=folder / "study")


def test_tables_are_measured_as_compare_measures_the_words_they_share_with_the_text(
    folder: Path, finished: StudyResult
) -> None:
    model, vocabulary = finished.models[1], finished.vocabulary
    tables = [load(file) for file in asked(folder).models[1].files]  # type: ignore[union-attr]  # the tables
    text = Embedding(np.zeros((len(vocabulary), 1), np.float32), vocabulary.words)
    expected = stack([text, *tables])
    assert len(expected.index_to_key) == 30
    same = [Embedding(expected[run].vectors, expected.index_to_key) for run in (1, 2, 3)]
    found = compare(same, MEASURES, k=K)
    assert model.runs == ("one", "two", "three")
    assert list(model.stack.index_to_key) == list(expected.index_to_key)
    for measure in MEASURES:
        np.testing.assert_array_equal(model.pair(measure).values, found[measure].values)
    rows = [vocabulary.words.index(word) for word in expected.index_to_key]
    absent = np.setdiff1d(np.arange(len(vocabulary)), rows)
    np.testing.assert_array_equal(model.words.overlap[rows], found.words["overlap"].to_numpy())
    assert np.isnan(model.words.overlap[absent]).all()
    assert (model.neighbor_ids[:, absent] == -1).all()
    assert (model.spectra.eigenvalues[2, 4:] == 0).all()
    for run, table in enumerate(same):
        ids = nearest_neighbors(table, K).ids
        np.testing.assert_array_equal(model.neighbor_ids[run, rows], np.array(rows)[ids])


def test_tables_stand_in_every_result_of_the_study_and_how_many_words_is_said(finished: StudyResult) -> None:
    words, trained = len(finished.vocabulary), finished.models[0]
    assert len(trained.stack.index_to_key) == words == 60
    assert [(one["model"], one["words"]) for one in summary(finished)["models"]] == [
        ("ppmi-svd", 60),
        ("others", 30),
    ]
    rows = [row for row in finished.words.to_pylist() if row["model"] == "others"]
    assert [row["count"] for row in rows] == finished.vocabulary.counts.tolist()
    pairs = {(row["run_a"], row["run_b"]) for row in finished.pairs.to_pylist() if row["model"] == "others"}
    assert pairs == {("one", "two"), ("one", "three"), ("two", "three")}
    assert not list((finished.folder / "embeddings").glob("others*"))


@pytest.mark.slow  # draws every figure
def test_the_report_says_which_tables_there_were_and_how_many_words_they_lack(finished: StudyResult) -> None:
    page = render(finished)
    assert "30 words of the text are not in all its tables" in page
    assert "finished tables one.npy, two.vec and three.txt; words compared letter by letter" in page
    assert "3 runs of <b>others</b>, each with its own file" in page


def test_tables_are_read_again_where_a_file_changed_and_only_then(
    folder: Path, finished: StudyResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (finished.folder / "work").glob("*/*.npy")}

    before = kept()
    with monkeypatch.context() as patch:
        patch.setattr("gpuemb.stability.given.tables.load", None)
        again = study(asked(folder), out=finished.folder)
    assert kept() == before
    assert np.array_equal(again.models[1].words.overlap, finished.models[1].words.overlap, equal_nan=True)
    old = (folder / "three.txt").read_bytes()
    (folder / "three.txt").write_bytes((folder / "two.vec").read_bytes())
    try:
        changed = study(asked(folder), out=finished.folder)
    finally:
        (folder / "three.txt").write_bytes(old)
    assert {**kept(), **before} == kept()  # what was there is untouched
    assert changed.models[1].pair("overlap").values[1, 2] == 1
    assert changed.models[1].pair("overlap").values[0, 1] == finished.models[1].pair("overlap").values[0, 1]
    assert not np.array_equal(changed.models[1].pair("rsa").values, finished.models[1].pair("rsa").values)
    again = study(asked(folder), out=finished.folder)
    assert np.array_equal(again.models[1].pair("rsa").values, finished.models[1].pair("rsa").values)


def test_words_are_matched_in_lower_case_where_that_is_asked(folder: Path, tmp_path: Path) -> None:
    for name in ("a.npy", "b.npy"):
        table = load(folder / "one.npy", memory_map=False)
        save(Embedding(table.vectors, [word.upper() for word in table.index_to_key]), tmp_path / name)
    tables = TablesConfig((str(tmp_path / "a.npy"), str(tmp_path / "b.npy")), case="lower")
    config = replace(asked(folder), models=(tables,), measures=("overlap",))
    found = study(config, out=tmp_path / "study").models[0]
    assert len(found.stack.index_to_key) == 30
    assert found.pair("overlap").estimate.value == 1
    with pytest.raises(VocabularyError, match="none of the 60 words"):
        study(replace(config, models=(replace(tables, case="exact"),)), out=tmp_path / "exact")


def test_a_study_of_tables_is_written_and_read_back(folder: Path, tmp_path: Path) -> None:
    mapping = {
        "corpus": "text.txt",
        "models": [{"kind": "tables", "files": ["t*.vec", "one.npy"], "name": "mine", "case": "lower"}],
    }
    config = config_from(mapping, folder)
    assert config.models[0].runs == ("two", "one")
    (tmp_path / "study.toml").write_text(config_to(config))
    assert load_config(tmp_path / "study.toml") == config
    assert config.digest() != replace(config, models=(replace(config.models[0], case="exact"),)).digest()
    phases = plan(config, words=100, nonzeros=1000).phases
    assert [phase.purpose for phase in phases] == ["reading the text"]  # nothing is trained


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"files": ["one.npy", "two.vec"], "vary": "seed"}, "nothing in them varies but the files"),
        ({"files": ["one.npy", "two.vec"], "seeds": 3}, "nothing in them varies but the files"),
        ({"files": ["one.npy"]}, "gpuemb compare"),
        ({"files": ["one.np?"]}, "gpuemb compare"),
        ({"files": ["one.npy", "one.npy"]}, "List each file once"),
        ({}, "files is missing"),
        ({"files": ["one.npy", "two.vec"], "cases": "lower"}, "case"),
        ({"files": ["one.npy", "two.vec"], "name": "a/b"}, "it names a folder"),
    ],
)
def test_what_makes_no_runs_is_refused_with_the_reason(
    folder: Path, entry: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        config_from({"corpus": ["text.txt"], "models": [{"kind": "tables", **entry}]}, folder)


def test_files_that_are_not_there_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"the pattern x\*\.vec matches no file"):
        TablesConfig(("x*.vec", "two.vec")).settled(folder)
    config = replace(
        asked(folder), models=(TablesConfig((str(folder / "one.npy"), str(folder / "gone.vec"))),)
    )
    with pytest.raises(StorageError, match=r"gone\.vec"):
        study(config, out=tmp_path / "study")
    with pytest.raises(ConfigError, match="no model is trained"):
        replace(config, snapshots=(1,))


def test_files_of_one_name_are_told_apart() -> None:
    assert TablesConfig(("a/run.npy", "b/run.npy")).runs == ("a/run", "b/run")
    assert TablesConfig(("a/run.npy", "a/run.vec")).runs == ("run 0", "run 1")
