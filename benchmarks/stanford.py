"""Stanford GloVe's programs, built by the person who names their folder; never shipped."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

WINDOW = ("-window-size", "10", "-symmetric", "1", "-distance-weighting", "1")
CELL_BYTES = 16  # of its counts: two int32 and a float64
MEMORY = ("-memory", "4.0")
PROGRAMS = ("vocab_count", "cooccur", "shuffle", "glove")


def absent(folder: Path | None) -> str:
    """Say why the programs cannot be raced; empty when they can."""
    if folder is None:
        return "its folder was not given (--stanford-glove DIR)"
    missing = [name for name in PROGRAMS if not (folder / name).exists()]
    return f"{folder} lacks {', '.join(missing)}" if missing else ""


def program(
    folder: Path, name: str, words: tuple[str, ...], source: Path, target: Path
) -> Callable[[], Path]:
    """Return the call that runs one program from a file to a file."""

    def call() -> Path:
        with source.open("rb") as given, target.open("wb") as got:
            command = [str(folder / name), "-verbose", "0", *words]
            subprocess.run(command, stdin=given, stdout=got, stderr=subprocess.DEVNULL, check=True)
        return target

    return call


def vocab_count(folder: Path, text: Path, target: Path, min_count: int = 1) -> Callable[[], Path]:
    """Text to a list of words with their counts."""
    return program(folder, "vocab_count", ("-min-count", str(min_count)), text, target)


def cooccur(folder: Path, text: Path, vocabulary: Path, target: Path) -> Callable[[], Path]:
    """Text and vocabulary to counts, window 10, harmonic weights, both sides."""
    overflow = target.with_name("overflow")
    words = (*WINDOW, *MEMORY, "-vocab-file", str(vocabulary), "-overflow-file", str(overflow))
    return program(folder, "cooccur", words, text, target)


def glove(
    folder: Path, counts: Path, vocabulary: Path, dim: int, threads: int, epochs: int, x_max: float
) -> Callable[[], Path]:
    """Shuffled counts to vectors; nothing is written before the last epoch but the vectors themselves."""
    target = counts.with_name("vectors")
    words = ["-input-file", str(counts), "-vocab-file", str(vocabulary), "-save-file", str(target)]
    words += ["-vector-size", str(dim), "-threads", str(threads), "-iter", str(epochs), "-binary", "1"]
    words += ["-x-max", str(x_max)]

    def call() -> Path:
        command = [str(folder / "glove"), "-verbose", "0", *words]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        return target

    return call
