"""The record beside every result: machine, versions and seconds."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gpuemb.core import threads
from gpuemb.core.memory import peak_bytes

CUPY = ("cupy", "cupy-cuda12x", "cupy-cuda13x")  # one package under three names, by its CUDA version
# By implementer and part, as in Linux's arch/arm64/include/asm/cputype.h and the makers' manuals.
ARM_PARTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "0x41": (
        "Arm",
        {
            "0xd03": "Cortex-A53",
            "0xd05": "Cortex-A55",
            "0xd07": "Cortex-A57",
            "0xd08": "Cortex-A72",
            "0xd0b": "Cortex-A76",
            "0xd41": "Cortex-A78",
            "0xd0c": "Neoverse-N1",
            "0xd49": "Neoverse-N2",
            "0xd8e": "Neoverse-N3",
            "0xd40": "Neoverse-V1",
            "0xd4f": "Neoverse-V2",
            "0xd84": "Neoverse-V3",
        },
    ),
    "0x43": ("Cavium", {"0x0af": "ThunderX2"}),
    "0x46": ("Fujitsu", {"0x001": "A64FX"}),
    "0x48": ("HiSilicon", {"0xd01": "Kunpeng 920"}),
    "0x61": ("Apple", {}),
    "0x6d": ("Microsoft", {"0xd49": "Azure Cobalt 100"}),
    "0xc0": ("Ampere", {"0xac3": "Ampere-1", "0xac4": "Ampere-1A"}),
}
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
    return processor_name(cpuinfo()) or _name_from_the_system()


@cache
def cpuinfo() -> list[dict[str, str]]:
    """Linux's list of processors; empty elsewhere."""
    path = Path("/proc/cpuinfo")
    return processors(path.read_text("utf-8", "replace")) if path.exists() else []


def processors(text: str) -> list[dict[str, str]]:
    """Read the text of ``/proc/cpuinfo``: a paragraph a processor, a line a fact."""
    found: list[dict[str, str]] = [{}]
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found[-1].setdefault(key.strip(), value.strip())
        elif found[-1]:
            found.append({})
    return [facts for facts in found if "processor" in facts]


def processor_name(found: Sequence[Mapping[str, str]]) -> str:
    """Name the kinds of processors; empty where Linux does not tell, as on other systems.

    64-bit ARM has numbers in place of a name, and may have kinds of different speed.
    """
    kinds = dict.fromkeys(_arm_name(facts) or facts.get("model name", "") for facts in found)
    return " + ".join(kind for kind in kinds if kind)


def _arm_name(facts: Mapping[str, str]) -> str:
    implementer, part = facts.get("CPU implementer", "").lower(), facts.get("CPU part", "").lower()
    if not implementer or not part:
        return ""
    maker, parts = ARM_PARTS.get(implementer, (f"ARM implementer {implementer}", {}))
    return f"{maker} {parts.get(part, f'part {part}')}"


def _name_from_the_system() -> str:
    """What macOS sells the processor as; else what Python knows."""
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        with suppress(OSError, subprocess.CalledProcessError):
            return subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL).strip()
    return platform.processor() or platform.machine()


def _total_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
