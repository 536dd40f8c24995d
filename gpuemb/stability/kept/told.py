"""What commands have told of a finished study, so that the same command is answered without a calculation."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gpuemb.core.cuda.diagnosis import driver_version
from gpuemb.core.errors import GpuembError
from gpuemb.core.files import replacing
from gpuemb.core.record import cpuinfo, versions
from gpuemb.corpus.sources import DATASET, conversations_path, expand

SETTINGS = ".toml"
NOTE = "told.json"  # in the folder of the units of work
MOST = 16  # commands that are remembered
INSTRUCTIONS = ("vendor_id", "model name", "flags", "CPU implementer", "CPU part", "Features")
CHOICES = (  # of the environment, on which the bits of sums may depend
    "CUDA_VISIBLE_DEVICES",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    "NUMBA_CPU_FEATURES",
    "NUMBA_CPU_NAME",
    "OPENBLAS_CORETYPE",
)

States = dict[str, list[int]]


@dataclass(frozen=True)
class Told:
    """What a command has printed.

    Attributes:
        claims: short numbers, each with what it means.
        lines: printed after them.
        notes: warnings.
        json: whether the summary was printed instead of them.
    """

    claims: tuple[tuple[str, str], ...]
    lines: tuple[str, ...]
    notes: tuple[str, ...]
    json: bool


def request_of(arguments: Sequence[str]) -> str:
    """Digest of a command and of all that its answer depends on, beside the text and the files of the folder.

    Args:
        arguments: as typed. One that is a path counts with where its links lead, a file of settings with its
            contents too.

    Raises:
        OSError: a file of settings cannot be read.
    """
    values = [part for one in arguments for part in (one, one.partition("=")[2]) if part]
    paths = [part for part in values if "\0" not in part and os.path.lexists(part)]
    settings = [Path(path).read_bytes().hex() for path in paths if path.endswith(SETTINGS)]
    parts = [list(arguments), os.getcwd(), [os.path.realpath(path) for path in paths], settings, _machine()]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Inputs:
    """What a study reads.

    Attributes:
        sources: of its text: files, folders, patterns, data sets.
        others: further files, such as one of a tokenizer.
        states: size and time of the last write of every file of them.
    """

    sources: tuple[str, ...]
    others: tuple[str, ...]
    states: States

    @classmethod
    def found(cls, sources: Sequence[str], others: Sequence[str]) -> Inputs:
        """As they are now.

        Raises:
            StorageError: one is missing.
            OSError: another is.
        """
        files = [str(conversations_path(one)) if one.startswith(DATASET) else one for one in expand(sources)]
        return cls(tuple(sources), tuple(others), {file: _state(file) for file in [*files, *others]})


def told_before(folder: Path, work: str, request: str) -> Told | None:
    """What the same command has told; None where the text, or any file of the folder, is not as it was.

    Files are compared by size and time of the last write; whoever reads a unit compares its checksums.

    Args:
        folder: of the study.
        work: name of the folder of its units.
        request: of :func:`request_of`.
    """
    try:
        note = json.loads((folder / work / NOTE).read_text("utf-8"))
        found = note["told"].get(request)
        read = note["inputs"]
        if found is None or note["files"] != _files(folder, work):
            return None
        if Inputs.found(read["sources"], read["others"]).states != read["states"]:
            return None
        claims = tuple((str(number), str(meaning)) for number, meaning in found["claims"])
        return Told(claims, tuple(found["lines"]), tuple(found["notes"]), bool(found["json"]))
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        GpuembError,
    ):  # said by the study itself
        return None


def note_told(folder: Path, work: str, request: str, told: Told, inputs: Inputs) -> None:
    """Remember what was told, after all was written.

    Args:
        folder: of the study.
        work: name of the folder of its units.
        request: of :func:`request_of`.
        told: what was printed.
        inputs: found before the study began.
    """
    path = folder / work / NOTE
    note = json.loads(json.dumps({"files": _files(folder, work), "inputs": asdict(inputs)}))
    before: dict[str, Any] = {}
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        known = json.loads(path.read_text("utf-8"))
        if all(known[name] == value for name, value in note.items()):
            before = {name: one for name, one in known["told"].items() if name != request}
    kept = dict(list(before.items())[-(MOST - 1) :])
    with replacing(path, "w") as file:
        json.dump({**note, "told": {**kept, request: asdict(told)}}, file)


def _machine() -> list[Any]:
    """What the bits of vectors depend on, and which device ``auto`` is: told without a library."""
    processor = cpuinfo()[0] if cpuinfo() else {}
    return [
        platform.system(),
        platform.machine(),
        [processor.get(name, "") for name in INSTRUCTIONS] if processor else platform.processor(),
        driver_version(),
        sorted(str(path) for path in Path("/dev").glob("nvidia[0-9]*")),
        [os.environ.get(name, "") for name in CHOICES],
        versions(),
    ]


def _files(folder: Path, work: str) -> States:
    """State of every file in the folder but this note."""
    paths = sorted(Path(place) / name for place, _, names in os.walk(folder) for name in names)
    return {str(path.relative_to(folder)): _state(path) for path in paths if path != folder / work / NOTE}


def _state(path: str | Path) -> list[int]:
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns]
