"""Finished pieces of work, kept under the digest of everything they depend on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gpuemb.core.files import discard
from gpuemb.core.files.checked import damage_of, open_array, replacing_checked_folder
from gpuemb.core.progress import SILENT, Progress

Arrays = Mapping[str, NDArray[Any]]
NOTE = "record.json"  # beside the arrays: seconds, bytes, machine and versions


@dataclass(frozen=True)
class Store:
    """A folder of results, one folder a unit of work, one ``.npy`` file an array.

    A unit appears under its name only when it is whole (it is written beside and renamed), so what
    exists is never done again and a half-written file is never read. Its checksums are compared when it is
    first asked for; what was damaged since is done again.

    Attributes:
        folder: holds the units.
        progress: told of damaged units.
        damaged: files that were found damaged.
        whole: units that need not be read again.
        asked: names of the units that were asked for.
        missing: names of those that were not there.
    """

    folder: Path
    progress: Progress = SILENT
    damaged: list[str] = field(default_factory=list)
    whole: set[Path] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)

    def has(self, kind: str, digest: str) -> bool:
        """Whether the unit is finished and whole; a damaged one is removed.

        Raises:
            StorageError: it may not be read, or not be removed.
        """
        path = self.path(kind, digest)
        self.asked.add(path.name)
        if not path.is_dir():
            self.missing.add(path.name)
            return False
        damage = "" if path in self.whole else damage_of(path)
        if damage:
            self.missing.add(path.name)
            self.progress.note(f"{path} is damaged, and is done again: {damage}")
            self.damaged.append(f"{path.name}: {damage}")
            discard(path)
            return False
        self.whole.add(path)
        return True

    def path(self, kind: str, digest: str) -> Path:
        """Folder of the unit."""
        return self.folder / f"{kind}-{digest}"

    def unit(self, kind: str, digest: str, compute: Callable[[], Arrays]) -> Arrays:
        """Return the unit's arrays, memory-mapped; compute and keep them first if they are missing.

        Raises:
            StorageError: they cannot be written; nothing half-written stays.
        """
        name = self.path(kind, digest).name
        if not self.has(kind, digest):
            self.keep(name, compute())
        return self.arrays(name)

    def keep(self, name: str, arrays: Arrays, note: str = "") -> None:
        """Write the arrays of a unit, and a note of what they cost.

        Raises:
            StorageError: they cannot be written; nothing half-written stays.
        """
        path = self.folder / name
        with replacing_checked_folder(path) as files:
            for array, values in arrays.items():
                files.array(array, values)
            if note:
                files.journal(NOTE, note)
        self.whole.add(path)

    def arrays(self, name: str) -> Arrays:
        """Map the arrays of a unit that is there."""
        return {file.stem: open_array(file) for file in sorted((self.folder / name).glob("*.npy"))}

    def note(self, name: str) -> dict[str, Any]:
        """What a unit cost; empty where no note was kept, or a whole one is no longer there."""
        try:
            note = json.loads((self.folder / name / NOTE).read_text("utf-8"))
        except (OSError, ValueError):  # a journal: nothing depends on it
            return {}
        return note if isinstance(note, dict) else {}

    def notes(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Return what units have cost, whenever they were done; in that order."""
        found: dict[str, dict[str, Any]] = {}
        for name in names:
            note = self.note(name)
            if note:  # results that were made together have one note
                found.setdefault(json.dumps(note), note)
        return sorted(found.values(), key=lambda note: str(note.get("began", "")))
