"""A small real study: what it leaves, that it is never done twice, and that its bits are its own."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from corpus.texts import random_documents, random_text
from slow import cases
from tolerances import EPS64

from gpuemb.core.errors import ConfigError, StorageError
from gpuemb.core.files.checked import is_copy
from gpuemb.corpus.tokens import read_corpus
from gpuemb.counts.counting import bootstrap_repeats, count_cooccurrences
from gpuemb.embeddings.files import load
from gpuemb.geometry.cka import cka
from gpuemb.geometry.per_word import aligned_cosines
from gpuemb.geometry.pip import pip_loss
from gpuemb.geometry.procrustes import procrustes
from gpuemb.geometry.rsa import rsa
from gpuemb.geometry.spectrum import spectrum_distance
from gpuemb.neighbors.exact import nearest_neighbors
from gpuemb.neighbors.overlap import NeighborOverlap, neighbor_overlap
from gpuemb.stability import study as study_module
from gpuemb.stability.compare import compare
from gpuemb.stability.compared_tables import LIST_MEASURES
from gpuemb.stability.config import CountsConfig, ModelConfig, StudyConfig, TextConfig
from gpuemb.stability.measure_table import PAIR_MEASURES, STUDY
from gpuemb.stability.planning import plan
from gpuemb.stability.questions.hubs import stability_against_hubness
from gpuemb.stability.result import StudyResult
from gpuemb.stability.statistics import LEAST_OCCURRENCES
from gpuemb.stability.study import study
from gpuemb.stability.units import lists as lists_module
from gpuemb.stability.units import models as models_module
from gpuemb.stability.units import pairs as pairs_module
from gpuemb.stability.units import text as text_module
from gpuemb.stability.units import training as training_module
from gpuemb.stability.units.models import PERMUTATIONS
from gpuemb.training import checkpoints as checkpoints_module
from gpuemb.training.glove import GloVeTraining
from gpuemb.training.recipes import PPMISVD, GloVe, Recipe, SkipGram
from gpuemb.training.runs import train_run
from gpuemb.training.seeds import train

K = 5
MODELS = (
    ModelConfig(GloVe(dim=8, epochs=3), (0, 1, 2)),
    ModelConfig(PPMISVD(dim=8), (0, 1, 2), "bootstrap"),
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    path.write_text(random_text())
    return path


@pytest.fixture(scope="module")
def config(corpus: Path) -> StudyConfig:
    return StudyConfig((str(corpus),), models=MODELS, neighbors=K)


@pytest.fixture(scope="module")
def finished(config: StudyConfig, tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    """The study, done once without interruption."""
    return study(config, out=tmp_path_factory.mktemp("finished") / "study", threads=1)


class Training:
    """train_run with a count, and a bad day at one of the calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, breaks_at: int | None = None) -> None:
        self.calls = 0
        self.breaks_at = breaks_at
        monkeypatch.setattr(training_module, "train_run", self)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        if self.calls == self.breaks_at:
            raise KeyboardInterrupt
        return train_run(*arguments, **options)


class Bars:
    """A progress that remembers how full each bar is."""

    def __init__(self) -> None:
        self.totals: dict[str, int | None] = {}
        self.done: dict[str, int] = defaultdict(int)
        self.notes: list[str] = []

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Any]:
        self.totals[name] = total
        self.done[name] = 0
        bars = self

        class Bar:
            def advance(self, amount: int = 1) -> None:
                bars.done[name] += amount

        yield Bar()

    def note(self, message: str) -> None:
        self.notes.append(message)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that equal studies must have in common: all but the journal of the call."""
    journals = ("record.json", "finished.json")
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in journals)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def assert_same_study(folder: Path, other: Path) -> None:
    found, expected = contents(folder), contents(other)
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


def forbid(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("finished work was done again")

    for name in names:
        monkeypatch.setattr(HOME.get(name, study_module), name, forbidden)


HOME: dict[str, Any] = {  # where the work of units is done
    "train_run": training_module,
    "count_for_run": training_module,
    "read_corpus": text_module,
    "nearest_neighbors": lists_module,
    "SharedGrams": pairs_module,
    "null_of_pairs": lists_module,
    "agreement_of_all": lists_module,
    "stability_against_hubness": lists_module,
}
WORK = tuple(HOME)


def test_every_promised_file_is_there(finished: StudyResult) -> None:
    runs = [f"embeddings/glove/seed-{seed}.npy" for seed in range(3)]
    runs += [f"embeddings/ppmi-svd/bootstrap-{seed}.npy" for seed in range(3)]
    promised = {"study.toml", "words.parquet", "pairs.parquet", "summary.json", "embeddings/words.txt", *runs}
    assert promised <= set(contents(finished.folder))
    assert (finished.folder / "record.json").exists()
    assert not [name for name in contents(finished.folder) if ".partial-" in name]


def test_the_stored_tables_are_loaded_and_are_what_train_trains(finished: StudyResult, corpus: Path) -> None:
    tokens = read_corpus(corpus, min_count=TextConfig().min_count)
    for model in finished.models:
        trained = train(tokens, model.config.recipe, seeds=model.config.seeds, vary=model.config.vary)
        for run, name in enumerate(model.runs):
            path = finished.folder / "embeddings" / model.config.name / f"{name.replace(' ', '-')}.npy"
            loaded = load(path)
            np.testing.assert_array_equal(loaded.vectors, trained.vectors[run])
            assert tuple(loaded.index_to_key) == tokens.vocabulary.words


def test_every_pair_has_the_value_of_the_public_function(finished: StudyResult) -> None:
    def lists(x: Any, y: Any) -> NeighborOverlap:
        return neighbor_overlap(nearest_neighbors(x, K), nearest_neighbors(y, K))

    functions: dict[str, Callable[[Any, Any], float]] = {
        "direct_distance": lambda x, y: float(np.linalg.norm(np.float64(x) - np.float64(y))),
        "procrustes_distance": lambda x, y: procrustes(x, y).distance,
        "unaligned_cosine": lambda x, y: float(np.nanmean(aligned_cosines(x, y))),
        **{
            name: lambda x, y, of=of: float(np.nanmean(getattr(lists(x, y), of)))
            for name, of in LIST_MEASURES.items()
        },
        "rsa": lambda x, y: rsa(x, y).value,
        "cka": lambda x, y: cka(x, y).value,
        "pip_loss": lambda x, y: pip_loss(x, y).value,
        "spectrum_distance": lambda x, y: spectrum_distance(x, y).value,
    }
    rounding = 1024 * EPS64  # sums of at most 60 words, in another order than here
    for model in finished.models:
        for name, function in functions.items():
            values = model.pair(name).values
            for a, b in combinations(range(3), 2):
                expected = function(*(model.stack[run].vectors for run in (a, b)))
                assert abs(values[a, b] - expected) <= rounding * max(1.0, abs(expected)), name
                assert values[a, b] == values[b, a]


def test_aligned_cosines_use_the_rotation_of_unit_rows(finished: StudyResult) -> None:
    model = finished.models[0]
    x, y = (model.stack[run].vectors for run in (0, 1))
    unit = [table / np.linalg.norm(np.float64(table), axis=1, keepdims=True) for table in (x, y)]
    expected = float(np.mean(aligned_cosines(x, y, procrustes(*unit).rotation)))
    assert abs(model.pair("aligned_cosine").values[0, 1] - expected) <= 1024 * EPS64
    assert model.pair("aligned_cosine").values[0, 1] >= model.pair("unaligned_cosine").values[0, 1]


def test_a_run_agrees_with_itself(finished: StudyResult) -> None:
    alike = {"unaligned_cosine", "aligned_cosine", "rsa", "cka", *LIST_MEASURES}
    for model in finished.models:
        for name in STUDY:
            diagonal = model.pair(name).values.diagonal()
            np.testing.assert_allclose(diagonal, 1.0 if name in alike else 0.0, rtol=0, atol=1024 * EPS64)


def test_words_have_a_row_a_model_with_rank_and_count(finished: StudyResult) -> None:
    table = finished.words.to_pydict()
    vocabulary = finished.vocabulary
    assert table["model"] == ["glove"] * len(vocabulary) + ["ppmi-svd"] * len(vocabulary)
    assert table["word"] == [*vocabulary.words, *vocabulary.words]
    assert table["rank"] == [*range(1, len(vocabulary) + 1)] * 2
    assert table["count"] == vocabulary.counts.tolist() * 2
    for model, start in zip(finished.models, (0, len(vocabulary)), strict=True):
        overlap = neighbor_overlap(model.neighbor_ids)
        part = slice(start, start + len(vocabulary))
        np.testing.assert_array_equal(table[f"overlap_at_{K}"][part], overlap.stability)
        np.testing.assert_array_equal(table[f"lowest_overlap_at_{K}"][part], overlap.lowest)
        np.testing.assert_array_equal(table["neighbors_in_all_runs"][part], overlap.in_all_runs)
        np.testing.assert_array_equal(table["joint_reliability"][part], overlap.joint_reliability)
        lists = [np.bincount(run[run >= 0], minlength=len(vocabulary)) for run in model.neighbor_ids]
        np.testing.assert_array_equal(table["k_occurrence"][part], np.mean(lists, axis=0))


def test_pairs_have_a_row_a_model_a_pair_and_a_measure(finished: StudyResult) -> None:
    rows = finished.pairs.to_pylist()
    assert len(rows) == 2 * 3 * len(STUDY)
    for row in rows:
        model = finished.models[["glove", "ppmi-svd"].index(row["model"])]
        a, b = (model.runs.index(row[run]) for run in ("run_a", "run_b"))
        assert row["value"] == model.pair(row["measure"]).values[a, b]
        assert row["preparation"] == PAIR_MEASURES[row["measure"]].about.preparation
    assert pyarrow.parquet.read_table(finished.folder / "pairs.parquet").equals(finished.pairs)


def test_the_summary_is_strict_json_with_every_measure(finished: StudyResult) -> None:
    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is not JSON")

    text = (finished.folder / "summary.json").read_text("utf-8")
    summary = json.loads(text, parse_constant=refuse)
    assert summary["words"] == len(finished.vocabulary)
    assert summary["tokens"] == finished.tokens
    assert summary["documents"] == finished.documents
    for entry, model in zip(summary["models"], finished.models, strict=True):
        assert list(entry["measures"]) == list(STUDY)
        assert entry["runs"] == list(model.runs)
        for name, values in entry["measures"].items():
            estimate = model.pair(name).estimate
            assert (values["mean"], values["low"], values["high"]) == (
                estimate.value,
                estimate.low,
                estimate.high,
            )
        assert entry["measures"]["overlap"]["chance"] == K / (len(finished.vocabulary) - 1)
        assert entry["joint_reliability"] == np.nanmean(model.words.joint_reliability)
        assert entry["wendlandt_stability_percent"] is None  # it has ten neighbors
        found = stability_against_hubness(model.neighbor_ids, [(0, 1), (0, 2), (1, 2)])
        assert model.stability_against_hubness == found
        numbers = [None if np.isnan(x) else x for x in (found.value, found.low, found.high)]
        against = entry["stability_against_hubness"]
        assert [against[name] for name in ("correlation", "low", "high")] == numbers
        assert against["reason"] == found.reason


def test_ten_neighbors_have_wendlandt_s_stability(config: StudyConfig, tmp_path: Path) -> None:
    found = study(replace(config, models=MODELS[:1], neighbors=10), out=tmp_path / "ten", threads=1)
    entry = json.loads((found.folder / "summary.json").read_text("utf-8"))["models"][0]
    expected = neighbor_overlap(found.models[0].neighbor_ids).wendlandt
    assert abs(entry["wendlandt_stability_percent"] - expected) <= 100 * 1024 * EPS64


def test_the_record_says_what_ran_where_and_for_how_long(finished: StudyResult) -> None:
    record = json.loads((finished.folder / "record.json").read_text("utf-8"))
    assert record["seeds"] == {"glove": [0, 1, 2], "ppmi-svd": [0, 1, 2]}
    assert record["configuration"] == finished.config.digest()
    assert {"numpy", "numba", "gpuemb"} <= set(record["versions"])
    assert all(seconds >= 0 for seconds in record["seconds"].values())
    assert record["machine"]["threads"] == 1
    assert record["device"] == "cpu"


def test_a_second_run_finds_everything_done(
    finished: StudyResult, config: StudyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, record = contents(finished.folder), (finished.folder / "record.json").read_bytes()
    forbid(monkeypatch, *WORK, "compile_kernels", "write_results")
    again = study(config, out=finished.folder, threads=1)
    assert contents(finished.folder) == before
    assert (finished.folder / "record.json").read_bytes() == record  # that of the run that did the work
    assert again.record == json.loads(record)
    assert [model.pair("rsa").estimate for model in again.models] == [
        model.pair("rsa").estimate for model in finished.models
    ]


def test_a_record_says_what_every_unit_cost_whenever_it_was_done(
    finished: StudyResult, config: StudyConfig, tmp_path: Path
) -> None:
    shutil.copytree(finished.folder, tmp_path / "study")
    (tmp_path / "study" / "summary.json").unlink()
    shutil.rmtree(next((tmp_path / "study" / "work").glob("hubness-*")))
    again = study(config, out=tmp_path / "study", threads=1).record["units"]
    first = finished.record["units"]
    titles = [unit["unit"] for unit in first]
    assert titles[0] == "read the text"
    assert {f"train glove, seed {seed}" for seed in range(3)} <= set(titles)
    assert len(titles) == len(set(titles)) == len(again)
    assert sum(unit in first for unit in again) == len(first) - 1  # but the one that was done again
    assert all(unit["seconds"] >= 0 and unit["peak_bytes"] > 0 and unit["versions"] for unit in again)


@pytest.mark.parametrize("name", ["words.parquet", "summary.json", "record.json", "work/finished.json"])
@pytest.mark.parametrize("gone", [True, False])
def test_a_finished_study_writes_again_what_was_lost_or_changed(
    finished: StudyResult,
    config: StudyConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    gone: bool,
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(finished.folder, folder)  # with the times of the original
    if gone:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(b"[1")
    forbid(monkeypatch, *WORK)
    study(config, out=folder, threads=1)
    assert_same_study(folder, finished.folder)
    assert set(json.loads((folder / "record.json").read_text("utf-8"))) >= {"seconds", "machine"}


@pytest.mark.parametrize("threads", [1, 2, None])
def test_another_folder_and_any_number_of_threads_give_the_same_bits(
    finished: StudyResult, config: StudyConfig, tmp_path: Path, threads: int | None
) -> None:
    study(config, out=tmp_path / "again", threads=threads)
    assert_same_study(tmp_path / "again", finished.folder)


@pytest.mark.parametrize("breaks_at", [3, 5])
def test_an_interrupted_study_keeps_what_is_finished_and_resumes_to_the_same_bits(
    finished: StudyResult,
    config: StudyConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    breaks_at: int,
) -> None:
    folder = tmp_path / "killed"
    Training(monkeypatch, breaks_at=breaks_at)
    with pytest.raises(KeyboardInterrupt):
        study(config, out=folder, threads=1)
    kept = {path.name for path in (folder / "work").glob("vectors-*")}
    assert len(kept) == breaks_at - 1

    resumed = Training(monkeypatch)
    study(config, out=folder, threads=1)
    assert resumed.calls == 6 - len(kept)
    assert_same_study(folder, finished.folder)


def flip(file: Path) -> None:
    """Flip one bit of the last number: that of small ids, of counts, of mantissas."""
    content = bytearray(file.read_bytes())
    content[-4 if file.stem in ("ids", "indices", "vectors") else -8] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    "damaged",
    cases(
        "tokens/ids",
        "vectors/vectors",
        slow=["tokens/starts", "counts/indices", "neighbors/ids", "pairs/values"],
    ),
)
def test_a_flipped_bit_in_finished_work_changes_no_result(
    finished: StudyResult, config: StudyConfig, tmp_path: Path, damaged: str
) -> None:
    unit, array = damaged.split("/")
    folder, bars = tmp_path / "study", Bars()
    shutil.copytree(finished.folder, folder)
    for path in folder.glob(f"work/{unit}-*/{array}.npy"):  # pairs hold one measure each, under its own names
        flip(path)
    if unit == "counts":  # are read only to train
        for path in folder.glob("work/vectors-*"):
            shutil.rmtree(path)
    study(config, out=folder, threads=1, progress=bars)  # type: ignore[arg-type]
    assert_same_study(folder, finished.folder)
    said = [note for note in bars.notes if f"{unit}-" in note]
    assert said
    assert all(f"{array}.npy holds other bytes" in note for note in said)
    assert len(json.loads((folder / "record.json").read_text("utf-8"))["done_again"]) == len(said)
    counted = {name: total for name, total in bars.totals.items() if total is not None}
    assert {name: bars.done[name] for name in counted} == counted


def test_another_kind_of_processor_trains_again_and_reads_and_counts_nothing_again(
    finished: StudyResult, config: StudyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(finished.folder, folder)
    for module in (study_module, training_module, models_module):
        monkeypatch.setattr(module, "arithmetic", lambda: {"compiled_for": "another"})
    forbid(monkeypatch, "read_corpus", "count_for_run")
    training = Training(monkeypatch)
    study(config, out=folder, threads=1)
    assert training.calls == 6
    assert json.loads((folder / "record.json").read_text("utf-8"))["arithmetic"]["compiled_for"] == "another"
    monkeypatch.undo()
    forbid(monkeypatch, *WORK)  # back on the first machine
    study(config, out=folder, threads=1)


def exported(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder / "embeddings")) for path in folder.rglob("embeddings/*/*"))


def test_an_exported_table_that_somebody_changes_changes_no_result(
    finished: StudyResult, config: StudyConfig, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(finished.folder, folder)
    table = folder / "embeddings" / "glove" / "seed-0.npy"
    rows = np.load(table, mmap_mode="r+")
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows.flush()
    linked = folder / "embeddings" / "glove" / "seed-1.npy"  # as an earlier version wrote it
    source = next(path for path in folder.glob("work/vectors-*/*.npy") if is_copy(linked, path))
    linked.unlink()
    os.link(source, linked)
    study(config, out=folder, threads=1)
    assert_same_study(folder, finished.folder)
    assert [path for path in folder.rglob("*") if path.is_file() and path.stat().st_nlink > 1] == []


def test_no_old_table_stands_beside_new_words(
    finished: StudyResult, config: StudyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(finished.folder, folder)
    (folder / "embeddings" / "glove" / "mine.npy").write_text("precious")
    fewer = (replace(MODELS[0], seeds=(0, 7)), replace(MODELS[1], name="small"))
    other = replace(config, text=TextConfig(min_count=20), models=fewer)

    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfileobj", fail)
        with pytest.raises(KeyboardInterrupt):
            study(other, out=folder, extend=True, threads=1)
    assert exported(folder) == ["glove/mine.npy"]
    result = study(other, out=folder, extend=True, threads=1)
    assert len(result.vocabulary) < len(finished.vocabulary)
    tables = ["glove/seed-0.npy", "glove/seed-7.npy", *(f"small/bootstrap-{seed}.npy" for seed in range(3))]
    assert exported(folder) == ["glove/mine.npy", *tables]
    for table in tables:
        assert len(np.load(folder / "embeddings" / table)) == len(result.vocabulary)


@pytest.mark.parametrize("lost", [(0,), (1,), (0, 1, 2)])
def test_lists_have_the_same_bits_whether_or_not_the_run_before_has_its_own(
    finished: StudyResult,
    config: StudyConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lost: tuple[int, ...],
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(finished.folder, folder)
    ids = finished.models[0].neighbor_ids
    units = {np.load(path / "ids.npy").tobytes(): path for path in folder.glob("work/neighbors-*")}
    for run in lost:
        shutil.rmtree(units[ids[run].tobytes()])
    starts: list[Any] = []

    def noted(table: Any, k: int, *, warm_start: Any = None) -> Any:
        starts.append(warm_start)
        return nearest_neighbors(table, k, warm_start=warm_start)

    monkeypatch.setattr(lists_module, "nearest_neighbors", noted)
    study(config, out=folder, threads=1)
    assert len(starts) == len(lost)
    for run, start in zip(lost, starts, strict=True):
        assert start is None if run == 0 else np.array_equal(start, ids[run - 1])
    assert_same_study(folder, finished.folder)


def test_adding_to_a_study_reuses_every_run_that_is_trained(
    finished: StudyResult, config: StudyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "extended"
    study(config, out=folder)
    more_seeds = replace(config, models=(replace(MODELS[0], seeds=(0, 1, 2, 7)), MODELS[1]))
    with pytest.raises(ConfigError, match=r"models\[0\]\.seeds"):
        study(more_seeds, out=folder)
    for changed, new_runs in (
        (more_seeds, 1),
        (replace(more_seeds, neighbors=K + 1), 0),
        (
            replace(
                more_seeds, models=(*more_seeds.models, ModelConfig(PPMISVD(dim=4), (0, 1), name="small"))
            ),
            1,
        ),
    ):
        training = Training(monkeypatch)
        result = study(changed, out=folder, extend=True, threads=1)
        assert training.calls == new_runs
    monkeypatch.undo()
    for model, old in zip(result.models[:2], finished.models, strict=True):
        for run in range(3):
            np.testing.assert_array_equal(model.stack[run].vectors, old.stack[run].vectors)


def test_seeds_that_change_nothing_are_trained_once_and_said_to_be_identical(
    config: StudyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, bars = Training(monkeypatch), Bars()
    identical = replace(config, models=(ModelConfig(PPMISVD(dim=8), (0, 1, 2)),))
    result = study(identical, out=tmp_path / "study", threads=1, progress=bars)  # type: ignore[arg-type]
    assert training.calls == 1
    assert result.models[0].pair("overlap").estimate.value == 1
    assert any("ppmi-svd: nothing in it is random" in note for note in bars.notes)


@pytest.mark.parametrize("done", [False, True], ids=["first run", "second run"])
def test_every_bar_ends_full(config: StudyConfig, finished: StudyResult, tmp_path: Path, done: bool) -> None:
    bars = Bars()
    study(config, out=finished.folder if done else tmp_path / "new", threads=1, progress=bars)  # type: ignore[arg-type]
    counted = {name: total for name, total in bars.totals.items() if total is not None}
    assert {name: bars.done[name] for name in counted} == counted


def test_halves_are_compared_within_their_split_alone(corpus: Path, tmp_path: Path) -> None:
    model = ModelConfig(PPMISVD(dim=6), (0, 1, 4), "halves")
    asked = StudyConfig((str(corpus),), models=(model,), neighbors=K, measures=("overlap", "pwcca", "spread"))
    (found,) = study(asked, out=tmp_path / "halves", threads=1).models
    splits = [compare([found.stack[s], found.stack[s + 1]], asked.measures, k=K) for s in (0, 2, 4)]
    for name in ("overlap", "pwcca"):
        values, within = found.pair(name).values, np.kron(np.eye(3), np.ones((2, 2))) > 0
        np.testing.assert_array_equal(np.isfinite(values), within)
        np.testing.assert_array_equal(
            values[within], np.concatenate([one[name].values.ravel() for one in splits])
        )
        assert found.pair(name).reason == found.pair(name).undefined == ""
    for name, values in (("overlap", found.words.overlap), ("spread", found.words.more["spread"])):
        each = [one.words[name].to_numpy() for one in splits]
        np.testing.assert_allclose(values, np.mean(each, axis=0), rtol=16 * EPS64)
    np.testing.assert_array_equal(
        found.words.overlap_low, np.min([one.words["overlap"].to_numpy() for one in splits], axis=0)
    )
    np.testing.assert_array_equal(
        found.words.neighbors_in_all_runs, neighbor_overlap(found.neighbor_ids).in_all_runs
    )
    rows = pyarrow.parquet.read_table(tmp_path / "halves" / "pairs.parquet").to_pylist()
    ends = [(row["run_a"], row["run_b"]) for row in rows if row["measure"] == "overlap"]
    assert ends == [(f"half {seed}a", f"half {seed}b") for seed in (0, 1, 4)]
    assert sum(row["measure"] == "pwcca" for row in rows) == 6  # both directions


def test_the_overlap_of_a_study_has_its_chance_and_p_value(finished: StudyResult) -> None:
    summary = json.loads((finished.folder / "summary.json").read_text("utf-8"))
    for model, entry in zip(finished.models, summary["models"], strict=True):
        lists = [nearest_neighbors(table, K) for table in model.stack]
        expected = neighbor_overlap(*lists, permutations=PERMUTATIONS)
        overlap = model.pair("overlap")
        assert overlap.p_value == expected.p_value == entry["measures"]["overlap"]["p_value"]
        assert overlap.chance is not None
        assert abs(overlap.chance - expected.chance) <= 64 * EPS64
        assert np.isnan(model.pair("rsa").p_value)
        assert entry["measures"]["rsa"]["p_value"] is None
        assert entry["caution"] == model.caution
        assert "3 runs cannot show rare bad ones" in model.caution
        known = model.config.vary == "bootstrap"
        assert entry["occurrences_of_a_counted_pair"] == (model.occurrences if known else None)
        a, b = entry["measures"]["rsa"]["least_alike"]
        values = model.pair("rsa").values
        assert values[model.runs.index(a), model.runs.index(b)] == values.min()


def test_thin_counts_of_a_bootstrap_are_found(config: StudyConfig, corpus: Path, tmp_path: Path) -> None:
    def found(text: Path, vary: str) -> Any:
        models = (ModelConfig(PPMISVD(dim=4), (0, 1), vary),)  # type: ignore[arg-type]
        read = TextConfig(min_count=2)
        asked = replace(config, corpus=(str(text),), text=read, models=models, measures=("overlap",))
        return study(asked, out=tmp_path / f"{text.stem}-{vary}", threads=1).models[0]

    def occurrences(text: Path) -> float:
        tokens = read_corpus(text, min_count=2)
        counts = count_cooccurrences(tokens, weighting="flat", repeats=bootstrap_repeats(tokens, 0))
        return float(counts.matrix.data.mean())

    few = tmp_path / "few.txt"
    few.write_text(random_text(15, 60))
    for text in (corpus, few):
        model = found(text, "bootstrap")
        assert model.occurrences == pytest.approx(occurrences(text), rel=1e-12)
        assert bool(model.optimistic) == (model.occurrences < LEAST_OCCURRENCES) == (text == few)
    assert np.isnan(found(few, "halves").occurrences)
    assert found(few, "halves").optimistic == ""


@pytest.mark.parametrize("vary", ["sampling", "bootstrap", "halves"])
def test_a_skip_gram_is_trained_from_the_text_and_goes_on_where_it_was_stopped(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vary: Any
) -> None:
    recipe = SkipGram(dim=6, window=3, epochs=2, sample=0.01)
    asked = StudyConfig((str(corpus),), models=(ModelConfig(recipe, (0, 4, 5), vary),), neighbors=K)
    with monkeypatch.context() as patch:
        Training(patch, breaks_at=2)
        with pytest.raises(KeyboardInterrupt):
            study(asked, out=tmp_path / "s", threads=2)
    with monkeypatch.context() as patch:
        if vary != "bootstrap":  # of which a sample is counted, to say how often its pairs occur
            forbid(patch, "count_for_run")
        went_on = Training(patch)
        result = study(asked, out=tmp_path / "s", threads=1)
    assert went_on.calls == (5 if vary == "halves" else 2)
    again = replace(asked, counts=CountsConfig(window=3))
    with monkeypatch.context() as patch:
        forbid(patch, "train_run", "count_for_run")  # how counts are taken is nothing to it
        study(again, out=tmp_path / "s", extend=True)
    tokens = read_corpus(corpus, min_count=TextConfig().min_count)
    trained = train(tokens, recipe, seeds=(0, 4, 5), vary=vary)
    if vary == "bootstrap":
        counts = count_cooccurrences(tokens, 3, "flat", repeats=bootstrap_repeats(tokens, 0))
        assert result.models[0].occurrences == pytest.approx(float(counts.matrix.data.mean()), rel=1e-12)
    for run in range(len(trained.runs)):
        np.testing.assert_array_equal(result.models[0].stack[run].vectors, trained.vectors[run])


@pytest.mark.parametrize(
    "recipe",
    [GloVe(dim=4, epochs=2), PPMISVD(dim=4), SkipGram(dim=4, epochs=2, sample=0)],
    ids=["glove", "ppmi-svd", "skip-gram"],
)
def test_a_word_that_vanished_from_every_sample_has_no_numbers(tmp_path: Path, recipe: Recipe) -> None:
    documents = random_documents(60, 12)
    text = [*documents, ["rare", *documents[0]]]
    path = tmp_path / "text.txt"
    path.write_text("".join(" ".join(document) + "\n" for document in text))
    tokens = read_corpus(path)
    samples = {seed: bootstrap_repeats(tokens, seed)[-1] for seed in range(40)}
    absent = [seed for seed, times in samples.items() if times == 0]
    present = [seed for seed, times in samples.items() if times > 0]

    def row_of_rare(seeds: list[int]) -> tuple[dict[str, Any], StudyResult]:
        model = ModelConfig(recipe, tuple(seeds), "bootstrap")
        asked = StudyConfig((str(path),), TextConfig(min_count=1), models=(model,), neighbors=3)
        result = study(asked, out=tmp_path / "-".join(map(str, seeds)))
        return next(row for row in result.words.to_pylist() if row["word"] == "rare"), result

    never, result = row_of_rare(absent[:3])
    for name in ("overlap_at_3", "lowest_overlap_at_3", "aligned_cosine", "unaligned_cosine"):
        assert np.isnan(never[name]), name
    assert never["neighbors_in_all_runs"] == 0
    summary = json.loads((result.folder / "summary.json").read_text("utf-8"))
    assert summary["models"][0]["words_without_neighbors"] == 1
    assert np.isfinite(result.models[0].pair("overlap").estimate.value)

    sometimes, result = row_of_rare([absent[0], *present[:2]])
    kept = [np.float64(result.models[0].stack[run].vectors) for run in (1, 2)]  # the one pair that knows it
    lengths = [np.linalg.norm(table, axis=1, keepdims=True) for table in kept]
    both = (np.hstack(lengths) > 0).all(axis=1)
    unit = [
        (table / np.where(length > 0, length, 1))[both] for table, length in zip(kept, lengths, strict=True)
    ]
    expected = aligned_cosines(*kept, procrustes(*unit).rotation)[result.vocabulary.words.index("rare")]
    assert abs(sometimes["aligned_cosine"] - expected) <= 1024 * EPS64
    assert 0 <= sometimes["overlap_at_3"] <= 1
    assert sometimes["neighbors_in_all_runs"] == 0


def test_standard_input_is_kept_for_the_next_time(
    finished: StudyResult, config: StudyConfig, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = replace(config, corpus=("-",))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(corpus.read_bytes())))
    study(piped, out=tmp_path / "study")
    kept = tmp_path / "study" / "standard-input.txt"
    assert kept.read_bytes() == corpus.read_bytes()
    assert (tmp_path / "study" / "words.parquet").read_bytes() == (
        finished.folder / "words.parquet"
    ).read_bytes()
    monkeypatch.setattr(sys, "stdin", None)
    forbid(monkeypatch, *WORK)
    study(replace(piped, corpus=(str(kept),)), out=tmp_path / "study")


def test_changed_text_is_read_and_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "text.txt"
    path.write_text(random_text(60, 12))
    asked = StudyConfig((str(path),), models=(ModelConfig(PPMISVD(dim=3), (0, 1)),), neighbors=2)
    first = study(asked, out=tmp_path / "study", threads=1)
    path.write_text(random_text(60, 12, seed=1))
    training = Training(monkeypatch)
    second = study(asked, out=tmp_path / "study", threads=1)
    assert training.calls == 1
    assert second.tokens != first.tokens
    written = np.load(tmp_path / "study" / "embeddings" / "ppmi-svd" / "seed-0.npy")
    np.testing.assert_array_equal(written, second.models[0].stack[0].vectors)


def test_text_that_changes_before_it_is_read_is_not_kept_as_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "text.txt"
    path.write_text(random_text(60, 12))
    asked = StudyConfig((str(path),), models=(ModelConfig(PPMISVD(dim=3), (0, 1)),), neighbors=2)

    def read_later(*given: Any, **options: Any) -> Any:
        path.write_text(random_text(60, 12, seed=1) * 2)
        return read_corpus(*given, **options)

    monkeypatch.setattr(text_module, "read_corpus", read_later)
    with pytest.raises(StorageError, match="changed while it was read"):
        study(asked, out=tmp_path / "study", threads=1)
    assert [*(tmp_path / "study").glob("work/tokens-*")] == []


def test_the_plan_knows_the_bytes_that_stay(finished: StudyResult, corpus: Path, tmp_path: Path) -> None:
    asked = StudyConfig((str(corpus),), models=MODELS[:1], neighbors=K)
    folder = study(asked, out=tmp_path / "study").folder
    sizes = {path: np.load(path).nbytes for path in folder.glob("*/*/*.npy")}
    stay = {
        ("vectors", "vectors"),
        ("neighbors", "ids"),
        ("neighbors", "scores"),
        ("counts", "indices"),
        ("counts", "data"),
        ("hubness", "k_occurrence"),
        ("agreement", "in_all_runs"),
        ("agreement", "joint_reliability"),
        ("pairs", "total"),
        ("pairs", "known"),
        ("pairs", "lowest"),
    }
    kept = sum(
        size
        for path, size in sizes.items()
        if "embeddings" in path.parts or (path.parent.name.partition("-")[0], path.stem) in stay
    )
    nonzeros = next(np.load(path).size for path in sizes if path.stem == "indices")
    words = len(finished.vocabulary)
    assert plan(asked, words=words, nonzeros=nonzeros).disk_bytes == kept


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"neighbors": 250}, r"k = 250 neighbors were asked for among \d\d candidates"),
        ({"models": (ModelConfig(GloVe(dim=999)),)}, r"dim = 999 but the vocabulary has \d\d words"),
        ({"models": (ModelConfig(PPMISVD(dim=999)),)}, r"dim = 999 but the vocabulary has \d\d words"),
    ],
)
def test_a_configuration_that_does_not_fit_the_text_is_refused(
    config: StudyConfig, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        study(replace(config, **changes), out=tmp_path / "study")


def test_a_missing_text_is_refused_before_anything_is_done(
    config: StudyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        forbid(patch, *WORK, "compile_kernels")
        with pytest.raises(StorageError, match="does not exist"):
            study(replace(config, corpus=(str(tmp_path / "none.txt"),)), out=tmp_path / "study")
    assert not (tmp_path / "study").exists()
    assert study(config, out=tmp_path / "study").documents == 300


def test_a_relative_path_is_the_same_study_the_next_time(
    config: StudyConfig, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(corpus.parent)
    relative = replace(config, corpus=(corpus.name,))
    study(relative, out=tmp_path / "study")
    forbid(monkeypatch, *WORK)
    study(relative, out=tmp_path / "study")
    monkeypatch.chdir(tmp_path)
    study(config, out=tmp_path / "study")


def test_a_study_without_hubness_is_completed_from_its_lists(
    config: StudyConfig, finished: StudyResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "study"
    shutil.copytree(finished.folder, out)
    units = list((out / "work").glob("hubness-*"))
    assert len(units) == len(finished.models)
    for unit in units:
        shutil.rmtree(unit)
    forbid(monkeypatch, *(name for name in WORK if name != "stability_against_hubness"))
    study(config, out=out)
    assert_same_study(out, finished.folder)


def test_measures_of_an_earlier_version_are_taken_again(
    config: StudyConfig, finished: StudyResult, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    shutil.copytree(finished.folder, out)
    for unit in (out / "work").glob("pairs-*"):
        earlier = unit.with_name(unit.name.replace("pairs", "measures"))
        shutil.move(unit, earlier)
        for array in earlier.glob("values.npy"):
            array.rename(earlier / "tables.npy")
    found = study(config, out=out, threads=1)
    assert contents(out / "embeddings") == contents(finished.folder / "embeddings")
    for model, expected in zip(found.models, finished.models, strict=True):
        for one, other in zip(model.pairs, expected.pairs, strict=True):
            np.testing.assert_array_equal(one.values, other.values)


# Training on its way: checkpoints inside a run, losses, snapshots.

SLOWLY = ModelConfig(GloVe(dim=6, epochs=4), seeds=(0, 1))
FROM_TEXT = ModelConfig(SkipGram(dim=6, epochs=3, sample=0, held_out=0.1), seeds=(0, 1))


class StopsAt(Bars):
    """A progress that ends the study at a step of its training."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.left = step

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Any]:
        with super().phase(name, total) as bar:
            if not name.startswith("training"):
                yield bar
                return
            bars = self

            class Ending:
                def advance(self, amount: int = 1) -> None:
                    bar.advance(amount)
                    bars.left -= amount
                    if bars.left <= 0:
                        raise KeyboardInterrupt

            yield Ending()


def watched_visits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    visits: list[int] = []
    before = GloVeTraining.visit

    def visit(self: GloVeTraining, epoch: int) -> float:
        visits.append(epoch)
        return before(self, epoch)

    monkeypatch.setattr(GloVeTraining, "visit", visit)
    return visits


def test_a_killed_study_goes_on_inside_a_run_and_its_checkpoints_go(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints_module, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(checkpoints_module, "SHARE", 0)
    asked = StudyConfig((str(corpus),), models=(SLOWLY,), neighbors=K, snapshots=(1, 4))
    whole = study(asked, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        study(asked, out=tmp_path / "killed", progress=StopsAt(6))
    assert len([*(tmp_path / "killed/work").glob("training-*/epoch-000002")]) == 1
    visits = watched_visits(monkeypatch)
    found = study(asked, out=tmp_path / "killed")
    assert visits == [2, 3]
    assert not [*(tmp_path / "killed/work").glob("training-*")]
    assert_same_study(tmp_path / "killed", tmp_path / "whole")
    assert found.models[0].histories.losses[1].tolist() == whole.models[0].histories.losses[1].tolist()


def test_a_damaged_checkpoint_is_noted_and_its_run_begun_again(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints_module, "LEAST_SECONDS", 0.0)
    asked = StudyConfig((str(corpus),), models=(SLOWLY,), neighbors=K)
    with pytest.raises(KeyboardInterrupt):
        study(asked, out=tmp_path / "study", progress=StopsAt(6))
    (file,) = (tmp_path / "study/work").glob("training-*/epoch-*/vectors.npy")
    file.write_bytes(file.read_bytes()[:-1])
    bars, visits = Bars(), watched_visits(monkeypatch)
    found = study(asked, out=tmp_path / "study", progress=bars)
    assert visits == [0, 1, 2, 3]
    assert [note for note in bars.notes if "is damaged" in note and "trained again" in note]
    assert len(found.record["done_again"]) == 1


def test_losses_and_snapshots_of_every_run_are_kept_with_the_study(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    svd = ModelConfig(PPMISVD(dim=6), seeds=(0, 1), vary="bootstrap")
    asked = StudyConfig((str(corpus),), models=(SLOWLY, FROM_TEXT, svd), neighbors=K, snapshots=(2, 1))
    found = study(asked, out=tmp_path / "study")
    tokens = read_corpus(corpus, min_count=10)
    for model, config in zip(found.models[:2], (SLOWLY, FROM_TEXT), strict=True):
        alone = train(tokens, config.recipe, seeds=[0, 1], snapshots=[1, 2])
        assert list(model.histories.snapshots) == [1, 2]
        for place, run in enumerate(alone.models):
            np.testing.assert_array_equal(model.histories.losses[place], run.losses)
            held = np.empty(0) if run.held_out is None else run.held_out
            np.testing.assert_array_equal(model.histories.held_out[place], held)
            for epoch, vectors in run.snapshots.items():
                np.testing.assert_array_equal(model.histories.snapshots[epoch][place].vectors, vectors)
            np.testing.assert_array_equal(model.stack[place].vectors, run.vectors)
    assert found.models[2].histories.snapshots == {}
    rows = found.training.to_pylist()
    assert len(rows) == 2 * 4 + 2 * 3
    assert rows[0]["loss"] == found.models[0].histories.losses[0][0]
    assert {row["held_out"] is None for row in rows if row["model"] == "glove"} == {True}
    assert {row["held_out"] is None for row in rows if row["model"] == "skip-gram"} == {False}
    assert [row["epoch"] for row in rows[:4]] == [1, 2, 3, 4]
    forbid(monkeypatch, *WORK)
    study(asked, out=tmp_path / "study")


def test_snapshots_that_are_asked_for_later_train_again_to_the_same_tables(
    corpus: Path, tmp_path: Path
) -> None:
    asked = StudyConfig((str(corpus),), models=(SLOWLY,), neighbors=K)
    first = study(asked, out=tmp_path / "study")
    before = [np.array(table) for table in first.models[0].stack.tables()]
    later = study(replace(asked, snapshots=(3,)), out=tmp_path / "study", extend=True)
    for table, other in zip(later.models[0].stack.tables(), before, strict=True):
        np.testing.assert_array_equal(table, other)
    assert list(later.models[0].histories.snapshots) == [3]


def test_snapshots_that_no_model_has_are_refused_at_once(corpus: Path) -> None:
    with pytest.raises(ConfigError, match="a snapshot after epoch 5"):
        StudyConfig((str(corpus),), models=(SLOWLY,), snapshots=(5,))
    with pytest.raises(ConfigError, match="ppmi-svd has no epochs"):
        StudyConfig((str(corpus),), models=(ModelConfig(PPMISVD(dim=2), vary="bootstrap"),), snapshots=(1,))
