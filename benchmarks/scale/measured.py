"""One case in a process of its own: ``python -m benchmarks.scale.measured TABLES K RECORD``.

The tables were written before, so that the peak is that of comparing them. The record holds seconds of the
wall and of all cores by phase and by measure.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import gpuemb as ge
from gpuemb.core import threads
from gpuemb.core.memory import peak_bytes
from gpuemb.stability.measure_table import MEASURES

COMPARING = "comparing"


class Clock:
    """Notes how long each phase took; of measures, each one."""

    def __init__(self) -> None:
        self.phases: dict[str, list[float]] = {}
        self.measures: dict[str, list[float]] = {}
        self._measured = iter(MEASURES)
        self._inside: list[str] = []
        self._last = _now()

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Clock]:
        """Time a phase."""
        began = self._last = _now()
        self._inside.append(name)
        try:
            yield self
        finally:
            self._inside.pop()
            self.phases[name] = _since(began, self.phases.get(name))

    def advance(self, amount: int = 1) -> None:
        """Note a measure; other phases are timed whole."""
        if self._inside[-1:] == [COMPARING]:
            self.measures[next(self._measured)] = _since(self._last)
            self._last = _now()

    def note(self, message: str) -> None:
        """Show nothing."""


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(began: tuple[float, float], before: list[float] | None = None) -> list[float]:
    """Seconds of the wall and of all cores, added to those before."""
    spent = [now - then for now, then in zip(_now(), began, strict=True)]
    return [round(a + b, 4) for a, b in zip(spent, before or [0.0, 0.0], strict=True)]


def compared(folder: Path, k: int) -> dict[str, Any]:
    """Compare the tables of a folder by every measure of pairs and words; return what it took."""
    tables = [np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))]
    warm = np.random.default_rng(0).standard_normal((3, 200, tables[0].shape[1])).astype(np.float32)
    ge.compare(warm, k=k)  # kernels are compiled or loaded before the clock runs
    clock, began, peak_before = Clock(), _now(), peak_bytes()
    found = ge.compare(tables, k=k, progress=clock)
    wall, cores = _since(began)
    return {
        "wall_seconds": wall,
        "cpu_seconds": cores,
        "peak_bytes": peak_bytes(),
        "peak_bytes_before": peak_before,
        "phases": clock.phases,
        "measures": clock.measures,
        "means": {one.measure: one.estimate.value for one in found.measures},
        "load_average": os.getloadavg()[0],
        "threads": threads.count(),
    }


def main() -> None:
    """Measure one case and write its record."""
    folder, k, record = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    record.write_text(json.dumps(compared(folder, k)), "utf-8")


if __name__ == "__main__":
    main()
