"""What a finished study left behind, so that the same study again finds it at once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gpuemb.core.files import replacing

NOTE = "finished.json"


def finished_before(folder: Path, work: str, stamp: str) -> dict[str, Any] | None:
    """The record of the same study if all that it made is still there; None where anything is missing.

    Files that people open are compared by size and time, units of work by their names: whoever reads a
    unit compares its checksums.

    Args:
        folder: of the study.
        work: name of the folder of its units.
        stamp: digest of its configuration and of the versions it runs with.
    """
    try:
        note = json.loads((folder / work / NOTE).read_text("utf-8"))
        record = json.loads((folder / "record.json").read_text("utf-8"))
        same = note["stamp"] == stamp and all((folder / work / unit).is_dir() for unit in note["units"])
        same = same and note["files"] == _files(folder, work)
    except (OSError, ValueError, KeyError, TypeError):  # none, or of another version: everything is checked
        return None
    return record if same and isinstance(record, dict) else None


def note_finished(folder: Path, work: str, stamp: str, units: Iterable[str]) -> None:
    """Remember what a study has made, after all of it was written."""
    note = {"stamp": stamp, "units": sorted(units), "files": _files(folder, work)}
    with replacing(folder / work / NOTE, "w") as file:
        json.dump(note, file)


def _files(folder: Path, work: str) -> dict[str, list[int]]:
    """Size and time of everything but the units of work and the page."""
    found = {}
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.is_file() and place.parts[0] != work and place.name != "report.html":
            state = path.stat()
            found[place.as_posix()] = [state.st_size, state.st_mtime_ns]
    return found
