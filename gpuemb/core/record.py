"""The record beside every result: machine, versions and seconds."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gpuemb.core import threads
from gpuemb.core.memory import peak_bytes

CUPY = ("cupy", "cupy-cuda12x", "cupy-cuda13x")  # one package under three names, by its CUDA version
LIBRARIES = ("gpuemb", "numpy", "scipy", "numba", "llvmlite", "pyarrow", "array-api-compat", *CUPY)


@dataclass
class Record:
    """Facts of one run; they may differ between equal results.

    Attributes:
        seconds: wall time of each phase, in the order the phases began.
        facts: anything else worth keeping (seeds, digest of the configuration, …).
    """

    seconds: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the block's wall time to ``name``."""
        began = time.perf_counter()
        self.seconds.setdefault(name, 0.0)
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - began

    def as_mapping(self) -> dict[str, Any]:
        """Return all fields for JSON; the memory peak is that of the process."""
        return {
            "seconds": {name: round(value, 4) for name, value in self.seconds.items()},
            "peak_bytes": peak_bytes(),
            "machine": machine(),
            "versions": versions(),
            **self.facts,
        }


def machine() -> dict[str, Any]:
    """The processor, its cores and memory, the operating system."""
    return {
        "cpu": cpu_name(),
        "cores": threads.available(),
        "threads": threads.count(),
        "memory_bytes": _total_bytes(),
        "system": platform.platform(),
        "python": sys.version.split()[0],
    }


def versions() -> dict[str, str]:
    """Installed versions of the libraries that results depend on."""
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


@cache
def cpu_name() -> str:
    """The processor's model name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _total_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
