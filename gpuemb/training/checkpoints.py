"""Checkpoints: what a run is after an epoch, written whole and read back only when whole."""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arithmetic import arithmetic
from gpuemb.core.arrays import Float32
from gpuemb.core.checks import differences
from gpuemb.core.errors import ConfigError, TrainingWarning
from gpuemb.core.files import check_folder, discard
from gpuemb.core.files.checked import damage_of, open_array, replacing_checked_folder
from gpuemb.core.files.partial import PARTIAL, sweep
from gpuemb.core.files.whole import read_text
from gpuemb.corpus.tokens import Tokens
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.training.recipes import Recipe

Arrays = Mapping[str, NDArray[Any]]
LEAST_SECONDS = 10.0  # between two checkpoints of a run: a shorter run is as soon trained again
SHARE = 20  # and so many times what writing one takes: it costs a twentieth at most
FACTS, FACTS_FILE = "training", "facts.json"
REVISIONS = {"glove": 2, "ppmi-svd": 2, "skip-gram": 4}  # raised when a recipe and seed give other bits
EPOCH, SNAPSHOT = "epoch-", "snapshot-"


@dataclass(frozen=True, eq=False)
class Restored:
    """What a run had done.

    Attributes:
        found: whether it had done anything.
        losses: of every epoch.
        held_out: likewise; empty where nothing is held out.
        snapshots: vectors after chosen epochs.
    """

    found: bool = False
    losses: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    snapshots: dict[int, Float32] = field(default_factory=dict)


class RunCheckpoint:
    """The checkpoints of one run: a folder of checked folders, one an epoch and snapshot.

    Only the newest epoch stays; the one before is removed once the newer is whole on the disk.

    Args:
        folder: of the run alone.
        tell: is given what was found damaged.
        keep_last: keep the state after the last epoch too, so that a finished run is not trained again.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None], *, keep_last: bool = True) -> None:
        self.folder, self.tell, self.keep_last = folder, tell, keep_last
        self.due = time.monotonic() + LEAST_SECONDS

    def restore(self, state: Arrays, snapshots: Sequence[int]) -> Restored:
        """Fill the arrays of a new run with those of its newest checkpoint; return what it had done.

        What is damaged is said and removed, and an older checkpoint, or none, is used.

        Raises:
            StorageError: a file may not be read.
        """
        sweep(self.folder, PARTIAL)
        for path in sorted(self.folder.glob(f"{EPOCH}*"), reverse=True):
            epoch = int(path.name.removeprefix(EPOCH))
            kept = {number: self._snapshot(number) for number in snapshots if number <= epoch}
            damage = self._damage(path, kept.values(), state)
            if damage:
                self.tell(f"train: {damage}: what it held is trained again.")
                discard(path)
                continue
            for name, array in state.items():
                array[...] = open_array(path / f"{name}.npy")
            return Restored(
                True,
                open_array(path / "losses.npy").tolist(),
                open_array(path / "held_out.npy").tolist(),
                {number: np.array(open_array(part / "vectors.npy")) for number, part in kept.items()},
            )
        return Restored()

    def _damage(self, path: Path, snapshots: Iterable[Path], state: Arrays) -> str:
        """Say which checkpoint is damaged, and how; empty where none is."""
        for part in (path, *snapshots):
            damage = damage_of(part) or ("" if part is not path else _misfit(part, state))
            if damage:
                return f"the checkpoint {part} is damaged, {damage}"
        return ""

    def keep_snapshot(self, epoch: int, vectors: Float32) -> None:
        """Keep the vectors after an epoch.

        Raises:
            StorageError: they cannot be written; nothing earlier is lost.
        """
        path = self._snapshot(epoch)
        if path.exists():  # left by a run whose checkpoint was damaged
            discard(path)
        with replacing_checked_folder(path) as files:
            files.array("vectors", vectors)

    def keep(self, state: Arrays, losses: Sequence[float], held_out: Sequence[float], *, last: bool) -> None:
        """Keep the state after an epoch, if one is due.

        Raises:
            StorageError: it cannot be written; nothing earlier is lost.
        """
        began = time.monotonic()
        wanted = self.keep_last if last else began >= self.due
        if not wanted:
            return
        path = self.folder / f"{EPOCH}{len(losses):06}"
        with replacing_checked_folder(path) as files:
            for name, array in state.items():
                files.array(name, array)
            files.array("losses", np.array(losses, np.float64))
            files.array("held_out", np.array(held_out, np.float64))
        for older in self.folder.glob(f"{EPOCH}*"):
            if older != path:
                discard(older)
        now = time.monotonic()
        self.due = now + max(LEAST_SECONDS, SHARE * (now - began))

    def remove(self) -> None:
        """Remove all checkpoints of the run."""
        if self.folder.exists():
            discard(self.folder)

    def _snapshot(self, epoch: int) -> Path:
        return self.folder / f"{SNAPSHOT}{epoch:06}"


def _misfit(path: Path, state: Arrays) -> str:
    """Say which array is not as the run needs it; empty where all are."""
    for name, array in state.items():
        file = path / f"{name}.npy"
        if not file.exists():
            return f"{file.name} is lost"
        found = open_array(file)
        if found.shape != array.shape or found.dtype != array.dtype:
            return f"{file.name} is {found.dtype} {found.shape}, not {array.dtype} {array.shape}"
    return ""


def claim(folder: Path, facts: Mapping[str, Any]) -> None:
    """Make a folder that of the checkpoints of one training.

    Args:
        folder: a new one, an empty one, or that of an earlier call.
        facts: everything that the bits of a run depend on beside its seed.

    Raises:
        ConfigError: it holds checkpoints of another training, whose differences are named, or other files.
        StorageError: it cannot be written.
    """
    check_folder(folder)
    path = folder / FACTS
    sweep(folder, PARTIAL)
    damage = damage_of(path) if path.exists() else ""
    if damage:
        tell(f"train: {path} is damaged ({damage}); whatever is in {folder} is trained again.")
        for entry in [entry for entry in folder.iterdir() if not entry.name.startswith(PARTIAL)]:
            discard(entry)
    elif path.exists():
        before = json.loads(read_text(path / FACTS_FILE))
        found = _differences(before, json.loads(json.dumps(facts)))
        if found:
            raise ConfigError(
                f"train: the checkpoints in {folder} are of another training",
                needed=f"It differs in {'; '.join(found)}.",
                remedy="Use another folder for checkpoint, or remove this one to begin again.",
            )
        return
    elif folder.exists() and any(not entry.name.startswith(PARTIAL) for entry in folder.iterdir()):
        raise ConfigError(
            f"train: checkpoint = {folder} holds files that are no checkpoints",
            needed="The folder is new, empty, or that of an earlier call.",
            remedy="Use another folder; nothing was changed.",
        )
    with replacing_checked_folder(path) as files:
        files.text(FACTS_FILE, json.dumps(facts, indent=1))


def _differences(before: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    """Spell what differs; of two kinds of models, the kinds alone."""
    there, here = ({"kind": one.get("kind")} for one in (before, facts))
    return differences(there, here) or differences(before, facts)


def tell(message: str) -> None:
    """Warn the caller of ``train``."""
    warnings.warn(message, TrainingWarning, stacklevel=2)


def facts_of(source: Tokens | Cooccurrence, recipe: Recipe, **more: Any) -> dict[str, Any]:
    """Describe a training: whatever the bits of a run depend on beside its seed.

    Args:
        source: the text, or the counts.
        recipe: what is trained.
        more: further facts that JSON can spell.
    """
    if isinstance(source, Tokens):
        corpus = {"tokens": len(source), "digest": digest_of(source.ids, source.starts)}
    else:
        rows, unit = source.rows, str(source.unit)
        digest = digest_of(rows.indptr, rows.indices, rows.data, unit)
        corpus = {"nonzeros": source.nonzeros, "digest": digest}
    words = source.vocabulary.words
    return {
        "kind": recipe.kind,
        "revision": REVISIONS[recipe.kind],
        "recipe": asdict(recipe),
        "vocabulary": {"words": len(words), "digest": digest_of("\n".join(words))},
        "corpus": corpus,
        **more,
        "gpuemb": version("gpuemb"),
        "processor": arithmetic(),
    }


def digest_of(*parts: NDArray[Any] | str) -> str:
    """Digest of arrays and texts."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, str):
            digest.update(part.encode("utf-8", "surrogatepass"))
        else:
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data if part.size else b"")
    return digest.hexdigest()
