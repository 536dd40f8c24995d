"""A killed training goes on to the same bits; what does not fit is refused, what is damaged is said."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus.texts import random_tokens

from gpuemb.core.errors import ConfigError, StorageError, TrainingWarning
from gpuemb.counts.counting import count_cooccurrences
from gpuemb.training import checkpoints
from gpuemb.training.glove import GloVeTraining
from gpuemb.training.recipes import PPMISVD, GloVe, Recipe, SkipGram
from gpuemb.training.seeds import train
from gpuemb.training.skip_gram import SkipGramTraining

TOKENS = random_tokens(60, 12)
GLOVE = GloVe(dim=4, epochs=6, held_out=0.1)
SKIP_GRAM = SkipGram(dim=4, epochs=6, sample=0, held_out=0.1)
BOTH = pytest.mark.parametrize("recipe", [GLOVE, SKIP_GRAM], ids=["glove", "skip-gram"])
ALL = pytest.mark.parametrize(
    "recipe", [GLOVE, SKIP_GRAM, PPMISVD(dim=4)], ids=["glove", "skip-gram", "ppmi-svd"]
)


class Killed(BaseException):
    """As if the process had gone."""


class Kills:
    """A progress that ends the training at one of its steps."""

    def __init__(self, step: int) -> None:
        self.left = step

    def advance(self, amount: int = 1) -> None:
        self.left -= amount
        if self.left <= 0:
            raise Killed

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Kills]:
        yield self

    def note(self, message: str) -> None:
        pass


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a checkpoint of every epoch, however short."""
    monkeypatch.setattr(checkpoints, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(checkpoints, "SHARE", 0)


def killed(step: int, folder: Path, recipe: Recipe, **options: Any) -> None:
    with pytest.raises(Killed):
        train(TOKENS, recipe, seeds=2, checkpoint=folder, progress=Kills(step), **options)


def watch_visits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which every trained epoch is added."""
    visits: list[int] = []
    for kind in (GloVeTraining, SkipGramTraining):

        def visit(self: Any, epoch: int, before: Any = kind.visit) -> float:
            visits.append(epoch)
            return float(before(self, epoch))

        monkeypatch.setattr(kind, "visit", visit)
    return visits


@BOTH
@pytest.mark.parametrize("vary", ["seed", "order", "bootstrap", "halves"])
def test_a_killed_training_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe, vary: Any
) -> None:
    whole = train(TOKENS, recipe, seeds=2, vary=vary, snapshots=[1, 4])
    for step in (1, 3, 4, 2):  # of which each call does so many again
        killed(step, tmp_path / "kept", recipe, vary=vary, snapshots=[4, 1])
    found = train(TOKENS, recipe, seeds=2, vary=vary, snapshots=[1, 4], checkpoint=tmp_path / "kept")
    assert list(found.models) == list(whole.models)
    visits = watch_visits(monkeypatch)
    again = train(TOKENS, recipe, seeds=2, vary=vary, snapshots=[1, 4], checkpoint=tmp_path / "kept")
    assert list(again.models) == list(whole.models)
    assert visits == []


@ALL
def test_finished_runs_serve_a_call_of_more_and_of_fewer_seeds(tmp_path: Path, recipe: Recipe) -> None:
    train(TOKENS, recipe, seeds=[3], checkpoint=tmp_path / "kept")
    both = train(TOKENS, recipe, seeds=[1, 3], checkpoint=tmp_path / "kept")
    assert list(both.models) == list(train(TOKENS, recipe, seeds=[1, 3]).models)


@BOTH
def test_only_what_is_missing_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe
) -> None:
    killed(9, tmp_path, recipe)
    visits = watch_visits(monkeypatch)
    progress: Any = Kills(10**9)
    train(TOKENS, recipe, seeds=2, checkpoint=tmp_path, progress=progress)
    assert visits == [3, 4, 5]
    assert progress.left == 10**9 - 12  # what was done is told too


def test_a_short_run_writes_nothing_on_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "LEAST_SECONDS", 60.0)
    killed(5, tmp_path, GLOVE)
    assert [path.name for path in tmp_path.iterdir()] == ["training"]
    train(TOKENS, GLOVE, seeds=1, checkpoint=tmp_path)
    assert [path.name for path in (tmp_path / "seed-0").iterdir()] == ["epoch-000006"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe": replace(GLOVE, dim=5)}, r"recipe\.dim \(4 there, 5 here\)"),
        ({"recipe": replace(GLOVE, epochs=7, x_max=9.0)}, r"epochs \(6 there, 7 here\); recipe\.x_max"),
        ({"recipe": SKIP_GRAM}, r"in kind \('glove' there, 'skip-gram' here\)\."),
        ({"source": random_tokens(60, 12, seed=1)}, r"corpus\.digest"),
        ({"source": random_tokens(60, 11)}, r"vocabulary\.words \(12 there, 11 here\)"),
        ({"window": 3}, r"counting\.window \(10 there, 3 here\)"),
        ({"vary": "init"}, r"vary \('seed' there, 'init' here\)"),
        ({"snapshots": [2]}, r"snapshots \(\[\] there, \[2\] here\)"),
        ({"source": count_cooccurrences(TOKENS)}, r"corpus\.nonzeros \(None there, \d+ here\)"),
    ],
    ids=["dim", "two fields", "kind", "text", "words", "window", "vary", "snapshots", "counts"],
)
def test_checkpoints_of_another_training_are_refused_by_what_differs(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    call = {"source": TOKENS, "recipe": GLOVE, "seeds": 1, "checkpoint": tmp_path / "kept"}
    train(**call)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match=said) as refusal:
        train(**call | change)
    assert "are of another training" in refusal.value.given
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_of_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds files that are no checkpoints"):
        train(TOKENS, GLOVE, seeds=1, checkpoint=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    with pytest.raises(StorageError, match="is not a folder"):
        train(TOKENS, GLOVE, seeds=1, checkpoint=tmp_path / "letter.txt")


def damaged(file: Path, how: str) -> None:
    content = bytearray(file.read_bytes())
    if how == "lost":
        file.unlink()
    elif how == "cut":
        file.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        file.write_bytes(content)


FILES, DAMAGES = ("vectors.npy", "losses.npy", "checksums.json", "snapshot"), ("lost", "cut", "one bit")


@pytest.mark.parametrize(
    ("recipe", "name", "how"),
    [
        pytest.param(
            *(recipe, name, how),
            id=f"{recipe.kind}-{name}-{how}",
            marks=pytest.mark.slow if (n + d + r) % 2 else (),  # fast: every damage of every file once
        )
        for r, recipe in enumerate((GLOVE, SKIP_GRAM))
        for n, name in enumerate(FILES)
        for d, how in enumerate(DAMAGES)
    ],
)
def test_a_damaged_checkpoint_is_said_and_its_run_begun_again(
    tmp_path: Path, recipe: Recipe, name: str, how: str
) -> None:
    killed(4, tmp_path, recipe, snapshots=[2])
    (epoch,) = tmp_path.glob("seed-0/epoch-*")
    file = tmp_path / "seed-0/snapshot-000002/vectors.npy" if name == "snapshot" else epoch / name
    damaged(file, how)
    with pytest.warns(TrainingWarning, match=r"the checkpoint .*seed-0.* is damaged, .*trained again"):
        found = train(TOKENS, recipe, seeds=2, snapshots=[2], checkpoint=tmp_path)
    assert list(found.models) == list(train(TOKENS, recipe, seeds=2, snapshots=[2]).models)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(TOKENS, recipe, seeds=2, snapshots=[2], checkpoint=tmp_path)


def test_an_older_checkpoint_serves_where_the_newest_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "discard", lambda path: None)  # killed before the older one was removed
        killed(4, tmp_path, GLOVE)
    assert len([*tmp_path.glob("seed-0/epoch-*")]) == 4
    damaged(tmp_path / "seed-0/epoch-000004/biases.npy", "one bit")
    visits = watch_visits(monkeypatch)
    with pytest.warns(TrainingWarning, match="epoch-000004"):
        found = train(TOKENS, GLOVE, seeds=1, checkpoint=tmp_path)
    assert visits == [3, 4, 5]
    assert found.models[0] == train(TOKENS, GLOVE, seeds=1).models[0]


def test_damaged_facts_of_a_training_are_said_and_all_is_begun_again(tmp_path: Path) -> None:
    killed(4, tmp_path, GLOVE)
    damaged(tmp_path / "training/facts.json", "one bit")
    with pytest.warns(TrainingWarning, match="training is damaged .*facts.json"):
        found = train(TOKENS, GLOVE, seeds=1, checkpoint=tmp_path)
    assert found.models[0] == train(TOKENS, GLOVE, seeds=1).models[0]


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_full_disk_is_said_and_what_was_kept_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    killed(3, tmp_path, GLOVE)
    before = json.loads((tmp_path / "seed-0/epoch-000003/checksums.json").read_text())

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(f"os.{call}", full)
        with pytest.raises(StorageError, match="The disk is full"):
            train(TOKENS, GLOVE, seeds=1, checkpoint=tmp_path)
    assert [path.name for path in (tmp_path / "seed-0").iterdir()] == ["epoch-000003"]
    assert json.loads((tmp_path / "seed-0/epoch-000003/checksums.json").read_text()) == before
    visits = watch_visits(monkeypatch)
    found = train(TOKENS, GLOVE, seeds=1, checkpoint=tmp_path)
    assert visits == [3, 4, 5]
    assert found.models[0] == train(TOKENS, GLOVE, seeds=1).models[0]


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import numpy as np
from corpus.texts import random_tokens
from gpuemb.training import checkpoints
from gpuemb.training.recipes import GloVe, SkipGram
from gpuemb.training.seeds import train
checkpoints.LEAST_SECONDS, checkpoints.SHARE = 0.0, 0
runs = train(random_tokens(600, 60), {recipe!r}, seeds=2, snapshots=[5], checkpoint={folder!r})
arrays = [(m.words, m.contexts, m.losses, m.held_out, m.snapshots[5]) for m in runs.models]
np.savez({out!r}, *[array for run in arrays for array in run])
"""


def begin(recipe: Recipe, folder: Path) -> subprocess.Popen[bytes]:
    tests = str(Path(__file__).parents[1])
    code = SCRIPT.format(tests=tests, recipe=recipe, folder=str(folder), out=str(folder) + ".npz")
    return subprocess.Popen([sys.executable, "-c", code])


def progressed(folder: Path) -> list[str]:
    return sorted(f"{path.parent.name}/{path.name}" for path in folder.glob("*/epoch-*"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
@pytest.mark.parametrize(
    "recipe",
    [GloVe(dim=20, epochs=30, held_out=0.1), SkipGram(dim=20, epochs=20, sample=0, held_out=0.1)],
    ids=["glove", "skip-gram"],
)
def test_a_process_that_is_killed_at_random_goes_on_to_the_same_bits(
    tmp_path: Path, recipe: Recipe, seed: int
) -> None:
    assert begin(recipe, tmp_path / "whole").wait() == 0
    numbers, folder, seen = random.Random(seed), tmp_path / "killed", []
    for _ in range(5):
        process, before = begin(recipe, folder), progressed(folder)
        while process.poll() is None and progressed(folder) == before:
            time.sleep(0.002)
        time.sleep(numbers.random() / 10)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        seen.append((process.wait(), progressed(folder)))
    assert sum(code == -signal.SIGKILL for code, _ in seen) >= 2
    assert any(done for code, done in seen if code)  # it was killed in the midst
    assert begin(recipe, folder).wait() == 0
    whole, found = (np.load(str(tmp_path / name) + ".npz") for name in ("whole", "killed"))
    assert whole.files == found.files
    for name in whole.files:
        np.testing.assert_array_equal(found[name], whole[name])
    for file in (whole, found):
        file.close()
