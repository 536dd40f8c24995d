"""Kernels with a mistake planted: ``mutants/<kernel>.toml`` lists them."""

from __future__ import annotations

import time
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cuda_on_host import stand_in
from cuda_on_host.arguments import KernelError
from cuda_on_host.launch import SCHEDULES, Run

from gpuemb import kernels

HEADERS = ("exact_score.cuh", "collectives.cuh", "counter_numbers.cuh", "fixed_sums.cuh")
FOLDER = Path(__file__).parent / "mutants"
KERNELS = Path(str(kernels.__file__)).parent
Trial = Callable[[], object]


@dataclass(frozen=True)
class Mutant:
    """One mistake.

    Attributes:
        name: what is planted.
        right: a passage of the kernel's text, once.
        wrong: its replacement.
    """

    name: str
    right: str
    wrong: str

    def plant(self, text: str) -> str:
        """Return the text with the mistake.

        Raises:
            ValueError: the right text is not there exactly once; mutants must follow their kernel.
        """
        if text.count(self.right) != 1:
            raise ValueError(f"{self.name}: {self.right!r} stands {text.count(self.right)} times in the text")
        return text.replace(self.right, self.wrong)


UNCHANGED = Mutant("nothing", '#include "common.cuh"\n', '#include "common.cuh"\n\n')


@dataclass
class Record:
    """How a trial has done so far on mistakes in one text: how many it caught, in how many seconds."""

    catches: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Mistakes caught a second."""
        return self.catches / self.seconds if self.catches else 0.0


RECORDS: dict[str, dict[str, Record]] = defaultdict(lambda: defaultdict(Record))


def mutants(kernel: str) -> list[Mutant]:
    """Every mutant of a kernel."""
    listed = tomllib.loads((FOLDER / f"{kernel}.toml").read_text("utf-8"))["mutant"]
    return [Mutant(**one) for one in listed]


def text_of(kernel: str, mutant: Mutant) -> str:
    """Name the file that the mistake is planted into."""
    texts = [*sorted((KERNELS / kernel).glob("*.cu")), *(KERNELS / "include" / name for name in HEADERS)]
    return next((path.name for path in texts if mutant.right in path.read_text("utf-8")), "")


def with_definitions(text: str) -> str:
    """Put shared headers into the kernel's own text, where mistakes can be planted into them too."""
    for name in HEADERS:
        header = (KERNELS / "include" / name).read_text("utf-8")
        text = text.replace(f'#include "{name}"\n', header.replace("#pragma once\n", ""))
    return text


def caught(
    text: str,
    trials: Sequence[tuple[str, Trial]],
    errors: tuple[type[Exception], ...] = (KernelError, AssertionError),
) -> Iterator[str]:
    """Make every trial; yield whatever betrays a mistake.

    Trials come in the order of the mistakes that they have caught a second in the same text, and those
    that have caught none last, as they are given: most mutants are caught at once.

    Args:
        text: where the mistake is, as of :func:`text_of`.
        trials: names and calls.
        errors: what betrays a mistake.
    """
    records = RECORDS[text]
    for name, trial in sorted(trials, key=lambda one: -records[one[0]].rate):
        record, begun, betrayal = records[name], time.perf_counter(), ""
        try:
            trial()
        except errors as error:
            betrayal = f"{name}: {error}"
        record.seconds += time.perf_counter() - begun
        if betrayal:
            record.catches += 1
            yield betrayal


def on_emulator(run: Run, check: Trial) -> Trial:
    """Return the check as it is made on an emulator that runs so."""

    def call() -> None:
        with stand_in.installed(run):
            check()

    return call


def betrayals(
    kernel: str, mutant: Mutant, checks: Mapping[str, Trial], schedules: Sequence[str] = SCHEDULES
) -> Iterator[str]:
    """Run a mutant through all checks under the schedules; yield whatever betrays it."""
    trials = [
        (f"{schedule}, {name}", on_emulator(run, check))
        for schedule in schedules
        for run in [Run(schedule, seed=5, edit=lambda text: mutant.plant(with_definitions(text)))]
        for name, check in checks.items()
    ]
    return caught(text_of(kernel, mutant), trials)
