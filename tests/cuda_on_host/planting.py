"""Kernels with a mistake planted: ``mutants/<kernel>.toml`` lists them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cuda_on_host import stand_in
from cuda_on_host.arguments import KernelError
from cuda_on_host.launch import SCHEDULES, Run

from gpuemb import kernels

HEADERS = ("exact_score.cuh", "collectives.cuh", "counter_numbers.cuh", "fixed_sums.cuh")
FOLDER = Path(__file__).parent / "mutants"


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


def mutants(kernel: str) -> list[Mutant]:
    """Every mutant of a kernel."""
    listed = tomllib.loads((FOLDER / f"{kernel}.toml").read_text("utf-8"))["mutant"]
    return [Mutant(**one) for one in listed]


def with_definitions(text: str) -> str:
    """Put shared headers into the kernel's own text, where mistakes can be planted into them too."""
    for name in HEADERS:
        header = (Path(str(kernels.__file__)).parent / "include" / name).read_text("utf-8")
        text = text.replace(f'#include "{name}"\n', header.replace("#pragma once\n", ""))
    return text


def betrayals(
    mutant: Mutant, checks: Mapping[str, Callable[[], None]], schedules: Sequence[str] = SCHEDULES
) -> Iterator[str]:
    """Run a mutant through all checks under the schedules; yield whatever betrays it."""
    for schedule in schedules:
        run = Run(schedule, seed=5, edit=lambda text: mutant.plant(with_definitions(text)))
        for name, check in checks.items():
            try:
                with stand_in.installed(run):
                    check()
            except (KernelError, AssertionError) as error:
                yield f"{schedule}, {name}: {error}"
