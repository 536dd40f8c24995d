"""The same command again: its answer is read from the study's folder, before anything large is loaded."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gpuemb.cli.printing import errors, flush, say, say_claims, say_json, shown
from gpuemb.core.errors import GpuembError
from gpuemb.stability.kept.told import Told, request_of, told_before

CONFIG_FILE, WORK_FOLDER, DEFAULT = "study.toml", "work", "runs"  # of stability/folder.py, which loads more
OUT = ("--out", "-o")


@dataclass(frozen=True)
class Answer:
    """What a study's folder holds.

    Attributes:
        folder: of the study.
        told: what the same command has told.
    """

    folder: Path
    told: Told

    def say(self, failing: Callable[[Callable[[], object]], int]) -> int:
        """Print it; return the exit code.

        Args:
            failing: of something that fails, the exit code.
        """
        try:
            for note in self.told.notes:
                errors.print(note, markup=False)
            tell(self.told, self.folder)
            flush()
        except (OSError, GpuembError) as error:
            return failing(partial(_again, error))
        return 0


def answer_of(arguments: Sequence[str]) -> Answer | None:
    """The answer to a command, where nothing has changed since it was given.

    Args:
        arguments: of the process.
    """
    try:
        request = request_of(arguments)
        for folder in _folders(arguments):
            told = told_before(folder, WORK_FOLDER, request)
            if told is not None:
                return Answer(folder, told)
    except (OSError, ValueError):  # said where it is the command's own fault
        return None
    return None


def tell(told: Told, folder: Path) -> None:
    """Print what a study has found.

    Args:
        told: what to print.
        folder: of the study.
    """
    if told.json:
        say_json(json.loads((folder / "summary.json").read_text("utf-8")), indent=2)
        return
    say()
    say_claims(told.claims)
    say()
    for line in told.lines:
        say(line)
    say()
    say(f"Report: {shown(folder / 'report.html')}")
    say(f"Resume: {shlex.join(resume_of(folder))}")


def resume_of(folder: Path) -> list[str]:
    """The command that goes on with a study."""
    return ["gpuemb", "study", "--config", shown(folder / CONFIG_FILE), "--out", shown(folder)]


def typed() -> list[str]:
    """What the running command was given."""
    return sys.argv[1:]


def _folders(arguments: Sequence[str]) -> list[Path]:
    """The folder that is named; else all that were made for commands that name none."""
    for name, value in zip(arguments, [*arguments[1:], ""], strict=True):
        option, sign, glued = name.partition("=")
        if option in OUT:
            return [Path(glued if sign else value)]
    return sorted(Path(DEFAULT).glob("*/"))


def _again(error: Exception) -> None:
    raise error
