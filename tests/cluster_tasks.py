"""Tasks that workers of dask run in tests: they import this module by its name."""

from __future__ import annotations

import os
import signal
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpuemb.core import memory, threads
from gpuemb.core.errors import ConfigError, CorpusWarning
from gpuemb.core.memory import MemoryPlan
from gpuemb.stability.graph import Arrays, Context, Kept, Unit


@dataclass(frozen=True)
class Add:
    """Adds its inputs to a number; may first do what workers do in the real world, once.

    Attributes:
        number: to add.
        marker: a file; what it does first is done only where it is not there.
        first: "" or "die", "freeze", "fail", "warn", "note", "wait", "grow".
    """

    number: int
    marker: str = ""
    first: str = ""

    def run(
        self, inputs: Mapping[str, Arrays], wanted: frozenset[str], context: Context
    ) -> Mapping[str, Arrays]:
        if self.first and not Path(self.marker).exists():
            Path(self.marker).write_text(str(os.getpid()))
            getattr(self, f"_{self.first}")(context)
        for _ in range(3):
            context.advance()
        total = self.number + sum(int(arrays["v"][0]) for arrays in inputs.values())
        mapped = all(isinstance(arrays["v"], np.memmap) for arrays in inputs.values())
        limits = [threads.count(), memory.available_host_bytes(), int(mapped)]
        return {name: {"v": np.array([total]), "limits": np.array(limits)} for name in wanted}

    def _die(self, context: Context) -> None:
        context.advance(2)
        os.kill(os.getpid(), signal.SIGKILL)

    def _freeze(self, context: Context) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    def _fail(self, context: Context) -> None:
        raise ConfigError("add: this failed", needed="Another.", remedy="Try it.")

    def _warn(self, context: Context) -> None:
        warnings.warn(CorpusWarning("a warning of a worker"), stacklevel=1)
        context.damaged.append("a damaged checkpoint")
        context.progress.note("a note of a worker")

    def _wait(self, context: Context) -> None:
        while True:  # until whoever waits for it is gone
            time.sleep(0.05)
            context.advance(0)

    def _grow(self, context: Context) -> None:
        MemoryPlan("add: an array of a terabyte", {"array": 10**12}).require()


def unit(name: str, task: Add, **inputs: Unit) -> Unit:
    """A unit with one result."""
    sources = {key: one.source() for key, one in inputs.items()}
    return Unit(name, task, {"": Kept("sum", name)}, sources, steps=3)
