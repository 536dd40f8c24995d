"""Kernels with a mistake planted: ``mutants/<kernel>.toml`` lists them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "mutants"


@dataclass(frozen=True)
class Mutant:
    """One mistake.

    Attributes:
        name: what is planted.
        right: what stands in the kernel's text, once.
        wrong: what stands there instead.
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


def mutants(kernel: str) -> list[Mutant]:
    """Every mutant of a kernel."""
    listed = tomllib.loads((FOLDER / f"{kernel}.toml").read_text("utf-8"))["mutant"]
    return [Mutant(**one) for one in listed]
