"""The folder of ``gpuemb train``: what was asked, and of each finished run its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core.checks import differences
from gpuemb.core.errors import ConfigError
from gpuemb.core.files import check_folder, discard, replacing
from gpuemb.core.files.whole import read_text
from gpuemb.core.record import versions
from gpuemb.embeddings.files import FORMATS, save
from gpuemb.embeddings.model import Embedding
from gpuemb.training.checkpoints import FACTS
from gpuemb.training.trained import TrainedModel

ASKED, CHECKPOINTS = "train.json", "checkpoints"
MOST_SAID = 4  # differences
LINES = ".vec"  # of word2vec text, which shares it with fastText


@dataclass(frozen=True)
class RunFolder:
    """A folder of runs.

    Attributes:
        path: of the folder.
        format: of the vectors.
    """

    path: Path
    format: str

    @property
    def checkpoints(self) -> Path:
        """Folder of the run that is being trained."""
        return self.path / CHECKPOINTS

    def claim(self, asked: Mapping[str, Any]) -> None:
        """Write what was asked into a new folder, or check that it is what the folder holds.

        Raises:
            ConfigError: its runs were asked otherwise, and how; or it holds something else.
            StorageError: it cannot be written.
        """
        check_folder(self.path)
        file, held = self.path / ASKED, self._held()
        if held and not file.exists():
            raise ConfigError(
                f"train: {self.path} is not empty, and no training was begun in it",
                needed="Runs are written into a new folder, or into the one of the same command.",
                remedy="Name another folder with --out.",
            )
        other = differences(_read(file).get("asked"), json.loads(json.dumps(asked))) if held else []
        if other:
            raise ConfigError(
                f"train: {self.path} holds runs of another training: {'; '.join(other[:MOST_SAID])}",
                needed="A folder holds the runs of one training; only their seeds may differ.",
                remedy="Name another folder with --out, or give the flags of the first call.",
            )
        if not held:
            self.path.mkdir(parents=True, exist_ok=True)
            discard(self.checkpoints)
            _write(file, {"asked": asked, "versions": versions()})

    def _held(self) -> list[str]:
        """Files of runs, or of others; not what a call leaves that failed before its first epoch."""
        found = _names(self.path) - {ASKED, CHECKPOINTS}
        return sorted(found | _names(self.checkpoints) - {FACTS})

    def finished(self, run: str) -> dict[str, Any] | None:
        """Return what is known of a finished run; None where it is not, or a file of it is gone."""
        record = self.path / f"{_stem(run)}.json"
        if not record.exists():
            return None
        known = _read(record)
        files = known.get("files", {})
        whole = all(
            (self.path / name).is_file() and (self.path / name).stat().st_size == size
            for name, size in files.items()
        )
        return known if files and whole else None

    def write(self, model: TrainedModel, counts: Any) -> dict[str, Any]:
        """Write a run: its vectors, contexts, biases and snapshots, then what is known of it."""
        stem, ending = _stem(model.run), FORMATS[self.format].ending or LINES
        tables = {"": model.vectors, ".contexts": model.contexts}
        if model.words is not model.vectors and not np.array_equal(model.words, model.vectors):
            tables[".inputs"] = model.words
        tables |= {f".epoch-{epoch}": table for epoch, table in model.snapshots.items()}
        names = [f"{stem}{part}{ending}" for part in tables]
        for name, table in zip(names, tables.values(), strict=True):
            save(Embedding(table, model.index_to_key, counts), self.path / name, format=self.format)
        if model.word_biases is not None and model.context_biases is not None:
            names.append(f"{stem}.biases.npy")
            with replacing(self.path / names[-1]) as file:
                np.save(file, np.stack([model.word_biases, model.context_biases]))
        known = {
            "run": model.run,
            "epochs": model.epochs,
            "losses": model.losses.tolist(),
            "held_out": None if model.held_out is None else model.held_out.tolist(),
            "residual": model.residual,
            "files": {name: (self.path / name).stat().st_size for name in names},
        }
        _write(self.path / f"{stem}.json", known)
        return known


def _names(folder: Path) -> set[str]:
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return {name for name in names if not name.startswith(".")}


def _stem(run: str) -> str:
    return run.replace(" ", "-")


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_text(file))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ConfigError(
            f"train: {file} is not what gpuemb train wrote",
            needed="It says what the folder's runs were asked for.",
            remedy="Name another folder with --out, or remove this one.",
        )
    return found


def _write(file: Path, record: Mapping[str, Any]) -> None:
    with replacing(file, "w") as text:
        text.write(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
