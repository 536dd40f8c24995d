"""A small real study, and what it leaves behind."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from gpuemb.bench.workloads import synthetic

TOKENS, WORDS = 12_000, 250
RECORD = "record.json"  # holds seconds
STUDY = """
corpus = ["{text}"]
neighbors = 5
snapshots = [1, 2]
question = ["words", "training"]
text = {{min_count = 5}}
counts = {{window = 5}}
models = [
  {{kind = "glove", dim = 8, epochs = 4, seeds = {seeds}}},
  {{kind = "skip-gram", dim = 8, epochs = 3, seeds = {seeds}}},
  {{kind = "ppmi-svd", dim = 8, seeds = {seeds}, vary = "bootstrap"}},
]
"""


def write_study(folder: Path, name: str, *, seed: int = 0, seeds: int = 3) -> Path:
    """Write a text and the configuration of its study; return the path of the latter."""
    write_corpus(folder / "text.txt", seed)
    path = folder / f"{name}.toml"
    path.write_text(STUDY.format(text=folder / "text.txt", seeds=seeds))
    return path


def write_corpus(path: Path, seed: int) -> None:
    """Write the text of a number; the file never holds half of one."""
    beside = path.with_suffix(".new")
    synthetic.write_text(beside, synthetic.token_stream(TOKENS, WORDS, seed=seed))
    beside.replace(path)


def results_of(folder: Path) -> dict[str, str]:
    """Digests of everything that a study leaves for people, but what holds seconds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.is_file() and place.parts[0] != "work" and place.name != RECORD:
            found[place.as_posix()] = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    return found


def difference(found: Mapping[str, str], truth: Mapping[str, str]) -> str:
    """Name the files in which two sets of results differ; empty where they are equal."""
    names = sorted(name for name in {*found, *truth} if found.get(name) != truth.get(name))
    return ", ".join(names)


def left_over(folder: Path) -> list[str]:
    """Unfinished files that nobody writes any more."""
    return [str(path.relative_to(folder)) for path in folder.rglob(".partial-*")]


def units_of(folder: Path) -> dict[str, int]:
    """Finished units of work, and when each was renamed to its name."""
    work = [path for path in folder.glob("work/*-*") if not path.name.startswith((".", "training-"))]
    return {path.name: path.stat().st_ctime_ns for path in work}
