"""Whose folder a study works in."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gpuemb.core.errors import ConfigError, FileFormatError
from gpuemb.stability.config import ModelConfig, StudyConfig
from gpuemb.stability.folder import (
    CONFIG_FILE,
    WORK_FOLDER,
    claim,
    default_folder,
    sweep_study,
)
from gpuemb.stability.kept.sources import DIGEST, KEPT_INPUT, settle_sources
from gpuemb.stability.toml import load_config
from gpuemb.training.recipes import PPMISVD, GloVe

CONFIG = StudyConfig(("/nowhere/a.txt",), models=(ModelConfig(GloVe(dim=50)),))
OTHER = replace(CONFIG, neighbors=7, models=(ModelConfig(GloVe(dim=100)),))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def begin(folder: Path, config: StudyConfig) -> None:
    """A study of which one run is trained."""
    claim(folder, config)
    (folder / WORK_FOLDER / "vectors-0").mkdir(parents=True)


def test_a_new_folder_keeps_the_configuration(tmp_path: Path) -> None:
    claim(tmp_path / "new" / "study", CONFIG)
    assert load_config(tmp_path / "new" / "study" / CONFIG_FILE) == CONFIG


def test_the_same_study_finds_its_folder_unchanged(tmp_path: Path) -> None:
    claim(tmp_path, CONFIG)
    before = contents(tmp_path)
    claim(tmp_path, CONFIG)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("source", ["texts/a.txt", "linked/a.txt"])
def test_the_same_study_of_a_relative_path_finds_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a b\n")
    (tmp_path / "linked").symlink_to(tmp_path / "texts")
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/a")
    config = StudyConfig((source, "dataset:conversations"))
    begin(folder, settle_sources(config, folder))
    claim(folder, settle_sources(config, folder))
    assert load_config(folder / CONFIG_FILE) == settle_sources(config, folder)
    assert Path(load_config(folder / CONFIG_FILE).corpus[0]).samefile("texts/a.txt")


def test_whole_numbers_in_a_recipe_find_their_folder(tmp_path: Path) -> None:
    config = replace(CONFIG, models=(ModelConfig(GloVe(x_max=10)), ModelConfig(PPMISVD(shift=5))))
    begin(tmp_path, config)
    claim(tmp_path, config)


def test_a_foreign_study_is_refused_and_every_difference_named(tmp_path: Path) -> None:
    begin(tmp_path, CONFIG)
    before = contents(tmp_path)
    with pytest.raises(ConfigError, match="belongs to another configuration") as refusal:
        claim(tmp_path, OTHER)
    for difference in (
        "models[0].recipe.dim (50 there, 100 here)",
        "neighbors (10 there, 7 here)",
        "--extend",
    ):
        assert difference in str(refusal.value)
    assert contents(tmp_path) == before


def test_another_kind_of_model_is_a_difference(tmp_path: Path) -> None:
    alike = [ModelConfig(recipe, name="same") for recipe in (GloVe(dim=5), PPMISVD(dim=5))]
    begin(tmp_path, replace(CONFIG, models=(alike[0],)))
    with pytest.raises(ConfigError, match=r"models\[0\]\.recipe"):
        claim(tmp_path, replace(CONFIG, models=(alike[1],)))


def test_a_study_that_failed_before_it_trained_leaves_its_folder_free(tmp_path: Path) -> None:
    claim(tmp_path, CONFIG)
    claim(tmp_path, OTHER)
    assert load_config(tmp_path / CONFIG_FILE) == OTHER


def test_another_title_is_the_same_study(tmp_path: Path) -> None:
    begin(tmp_path, CONFIG)
    claim(tmp_path, replace(CONFIG, title="Renamed"))
    assert load_config(tmp_path / CONFIG_FILE).title == "Renamed"


def test_extending_lets_the_new_configuration_take_over(tmp_path: Path) -> None:
    begin(tmp_path, CONFIG)
    claim(tmp_path, OTHER, extend=True)
    assert load_config(tmp_path / CONFIG_FILE) == OTHER


def test_a_folder_of_something_else_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    for extend in (False, True):
        with pytest.raises(ConfigError, match="holds files that are not a study's"):
            claim(tmp_path, CONFIG, extend=extend)
    assert contents(tmp_path) == {"thesis.tex": b"precious"}


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ConfigError, match="is a file"):
        claim(tmp_path / "file", CONFIG)
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize("target", ["loop", "nowhere"])
def test_a_link_to_nothing_is_no_folder(tmp_path: Path, target: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / target)
    with pytest.raises(ConfigError, match="is a link that leads nowhere"):
        claim(tmp_path / "loop", CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]


def test_what_killed_processes_left_in_a_study_is_swept(tmp_path: Path) -> None:
    begin(tmp_path, CONFIG)
    places = [tmp_path, tmp_path / WORK_FOLDER, tmp_path / "embeddings", tmp_path / "embeddings" / "glove"]
    for place in places:
        place.mkdir(exist_ok=True)
    kept = set(tmp_path.rglob("*"))
    for place in places:
        (place / ".partial-abc").write_text("half")
        (place / ".partial-unit").mkdir()
        (place / ".partial-unit" / "v.npy").write_text("half")
    sweep_study(tmp_path)
    assert set(tmp_path.rglob("*")) == kept


def test_what_killed_processes_left_elsewhere_stays(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    (tmp_path / ".partial-download").write_text("precious")
    with pytest.raises(ConfigError, match="holds files that are not a study's"):
        claim(tmp_path, CONFIG)
    assert len(contents(tmp_path)) == 2


def test_what_a_killed_claim_left_does_not_stand_in_the_way(tmp_path: Path) -> None:
    (tmp_path / ".partial-abc").write_text("half")
    claim(tmp_path, CONFIG)
    assert load_config(tmp_path / CONFIG_FILE) == CONFIG


def test_a_configuration_that_cannot_be_read_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text("corpus = ")
    with pytest.raises(FileFormatError):
        claim(tmp_path, CONFIG)
    assert contents(tmp_path) == {CONFIG_FILE: b"corpus = "}


def type_in(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


def test_standard_input_is_kept_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(CONFIG, corpus=("-", "/nowhere/b.txt"))
    type_in(monkeypatch, b"a b\n\xff")
    first = settle_sources(config, tmp_path)
    assert first.corpus == (str((tmp_path / KEPT_INPUT).resolve()), "/nowhere/b.txt")
    assert set(contents(tmp_path)) == {KEPT_INPUT, KEPT_INPUT + DIGEST}
    assert contents(tmp_path)[KEPT_INPUT] == b"a b\n\xff"
    begin(tmp_path, first)
    monkeypatch.setattr(sys, "stdin", None)
    assert settle_sources(load_config(tmp_path / CONFIG_FILE), tmp_path) == first


def test_the_same_standard_input_is_the_same_study_and_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(CONFIG, corpus=("-",))
    type_in(monkeypatch, b"a b\n")
    first = settle_sources(config, tmp_path)
    type_in(monkeypatch, b"a b\n")
    assert settle_sources(config, tmp_path) == first
    type_in(monkeypatch, b"a c\n")
    with pytest.raises(ConfigError, match="standard input differs"):
        settle_sources(config, tmp_path)
    assert contents(tmp_path)[KEPT_INPUT] == b"a b\n"


@pytest.mark.parametrize("name", [KEPT_INPUT, KEPT_INPUT + DIGEST])
@pytest.mark.parametrize("how", ["standard input", "the kept file"])
def test_a_kept_text_that_was_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, how: str
) -> None:
    config = replace(CONFIG, corpus=("-",))
    type_in(monkeypatch, b"a b\n")
    first = settle_sources(config, tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[1] ^= 0x81
    (tmp_path / name).write_bytes(content)
    type_in(monkeypatch, b"a b\n")
    with pytest.raises(FileFormatError, match="was changed or damaged"):
        settle_sources(config if how == "standard input" else first, tmp_path)
    (tmp_path / (KEPT_INPUT + DIGEST)).unlink()  # of an earlier version
    assert settle_sources(first, tmp_path) == first


@contextmanager
def piped(text: bytes) -> Iterator[str]:
    """A path as of ``<(command)``, which gives a text once."""
    reader, writer = os.pipe()
    os.write(writer, text)
    os.close(writer)
    yield f"/dev/fd/{reader}"
    os.close(reader)


def test_a_pipe_is_kept_as_standard_input_is(tmp_path: Path) -> None:
    with piped(b"a b\n") as first, piped(b"c d\n") as second:
        settled = settle_sources(replace(CONFIG, corpus=("/nowhere/a", first, second)), tmp_path)
    kept = [tmp_path / f"pipe-{number}.txt" for number in (1, 2)]
    assert settled.corpus == ("/nowhere/a", *(str(path.resolve()) for path in kept))
    assert [path.read_bytes() for path in kept] == [b"a b\n", b"c d\n"]
    begin(tmp_path, settled)
    assert settle_sources(load_config(tmp_path / CONFIG_FILE), tmp_path) == settled
    with piped(b"a b\n") as first, piped(b"c d\n") as second:
        assert settle_sources(replace(CONFIG, corpus=("/nowhere/a", first, second)), tmp_path) == settled
    with piped(b"x y\n") as other, pytest.raises(ConfigError, match=r"/dev/fd/\d+ differs from"):
        settle_sources(replace(CONFIG, corpus=("/nowhere/a", other)), tmp_path)


def test_a_study_without_standard_input_does_not_touch_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert settle_sources(CONFIG, tmp_path) == CONFIG


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/nowhere/a.txt.gz", "a"),
        ("-", "standard-input"),
        ("dataset:conversations", "conversations"),
        ("..", "study"),
    ],
)
def test_a_study_without_a_folder_gets_a_new_one_named_after_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    config = replace(CONFIG, corpus=(source,))
    assert default_folder(config) == Path("runs") / name
    (tmp_path / "runs" / name).mkdir(parents=True)
    assert default_folder(config) == Path("runs") / f"{name}-2"


def test_without_a_name_the_same_study_finds_its_folder_and_another_gets_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = replace(CONFIG, corpus=("a.txt",))
    (tmp_path / "runs" / "a").mkdir(parents=True)  # of something else
    claim(Path("runs/a-2"), settle_sources(config, Path("runs/a-2")))
    assert default_folder(config) == Path("runs/a-2")
    assert default_folder(replace(OTHER, corpus=("a.txt",))) == Path("runs/a-3")
    claim(Path("runs/standard-input"), settle_sources(config, Path()))
    assert default_folder(replace(config, corpus=("-",))) == Path("runs/standard-input-2")
