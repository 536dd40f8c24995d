"""Memory planned before allocation."""

from __future__ import annotations

import math
import os
import re
import resource
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gpuemb.core.errors import ConfigError, MemoryBudgetError
from gpuemb.core.system import containers, macos

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

RESERVE = 0.8  # largest share of the free memory that is used: the rest is left to the system
UNTOLD = 0.5  # share of the memory that counts as free where the system does not tell it
TILE_BYTES = 64 << 20  # of a worker's tile: large enough for BLAS at full rate, small enough for many

_limit: ContextVar[int | None] = ContextVar("gpuemb_memory", default=None)


@contextmanager
def limit(size: int | None) -> Iterator[None]:
    """Let plans inside the block count on no more than ``size`` bytes of this process; ``None``: on all free.

    Beside other processes the free memory of the machine is not this process's own.
    """
    token = _limit.set(size)
    try:
        yield
    finally:
        _limit.reset(token)


@dataclass(frozen=True)
class MemoryPlan:
    """The buffers that an operation holds at once.

    Attributes:
        purpose: what the memory is for.
        buffers: name of each buffer and its bytes.
    """

    purpose: str
    buffers: Mapping[str, int]

    @property
    def bytes(self) -> int:
        """Total bytes."""
        return sum(self.buffers.values())

    def require(self, budget: int | None = None) -> MemoryPlan:
        """Return the plan if it fits ``budget`` bytes (default: the free ones less a reserve).

        Raises:
            MemoryBudgetError: it does not; the largest buffers and the needed bytes are named.
        """
        allowed = int(available_host_bytes() * RESERVE) if budget is None else budget
        if self.bytes > allowed:
            largest = sorted(self.buffers.items(), key=lambda item: -item[1])[:3]
            parts = ", ".join(f"{name} {readable(size)}" for name, size in largest)
            raise MemoryBudgetError(
                f"{self.purpose}: needs {readable(self.bytes)} but may use {readable(allowed)}",
                needed=f"The largest parts are {parts}.",
                remedy=f"Allow {readable(self.bytes)}, or make the work smaller.",
            )
        return self


def largest_tile(
    purpose: str,
    budget: int,
    rows: int,
    *,
    fixed: Mapping[str, int],
    per_row: Mapping[str, int],
    multiple: int = 1,
) -> int:
    """Return the rows of a tile: as many as fit beside the fixed buffers.

    Args:
        purpose: what the memory is for.
        budget: bytes that may be used, such as ``device.budget(device)``.
        rows: upper bound, rounded up to ``multiple``.
        fixed: name and bytes of each buffer that does not grow with the tile.
        per_row: name of each buffer that grows, and its bytes for one row.
        multiple: the tile is a multiple of it.

    Raises:
        MemoryBudgetError: not even ``multiple`` rows fit; the largest buffers are named.
    """
    least = {name: size * multiple for name, size in per_row.items()}
    MemoryPlan(purpose, {**fixed, **least}).require(budget)
    fitting = rows_per_tile(sum(per_row.values()), budget - sum(fixed.values()), multiple=multiple)
    return min(fitting, multiple * max(1, math.ceil(rows / multiple)))


def buffer(shape: tuple[int, ...], dtype: DTypeLike) -> int:
    """Bytes of one array."""
    import numpy as np  # what only finds and reads files does without

    return math.prod(shape) * np.dtype(dtype).itemsize


def rows_per_tile(bytes_per_row: int, tile_bytes: int = TILE_BYTES, *, multiple: int = 1) -> int:
    """Return the rows that fit a tile: a multiple of ``multiple``, at least once that."""
    return max(1, tile_bytes // max(1, bytes_per_row) // multiple) * multiple


def tiles(length: int, step: int) -> list[tuple[int, int]]:
    """Cut ``range(length)`` into pieces of ``step``, the last one shorter."""
    return [(start, min(start + step, length)) for start in range(0, length, step)]


def available_host_bytes(root: Path = containers.ROOT) -> int:
    """Free bytes of this machine, of its container, or of what ``limit`` leaves, the smallest of them.

    macOS tells its free and inactive pages. Where a system tells nothing, half of its memory counts as free.

    Args:
        root: the folder that holds ``proc`` and ``sys``.
    """
    free, allowed = _free_bytes(root), _limit.get()
    return free if allowed is None else max(0, min(free, allowed - own_bytes(root)))


def own_bytes(root: Path = containers.ROOT) -> int:
    """Resident bytes of this process that are in no file: mapped tables go when memory is short.

    0 where the system does not tell, as on macOS.
    """
    told = root / "proc/self/statm"
    if not told.exists():
        return 0
    resident, shared = (int(pages) for pages in told.read_text().split()[1:3])
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def _free_bytes(root: Path) -> int:
    meminfo = root / "proc/meminfo"
    if meminfo.exists():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return min([int(lines["MemAvailable"].split()[0]) * 1024, *containers.free_bytes(root)])
    told = macos.free_bytes() if sys.platform == "darwin" else None
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(whole * UNTOLD) if told is None else told


def peak_bytes() -> int:
    """Largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def bytes_of(size: str | int) -> int:
    """Parse a size: ``"2GB"`` → 2,000,000,000; an integer is in bytes.

    Raises:
        ConfigError: it is not a size.
    """
    found = re.fullmatch(r"(\d{1,20}(?:\.\d{1,20})?) ?([kMGT]?)B?", str(size).strip())
    if found is None:
        raise ConfigError(
            f"memory: {size!r} is not a size",
            needed="A size is a number with kB, MB, GB or TB, or a number of bytes.",
            remedy="Give it as 2GB or 500MB.",
        )
    return int(float(found[1]) * 1000 ** " kMGT".index(found[2] or " "))


def readable(size: float) -> str:
    """``1536`` → ``'1.5 kB'``: decimal units, as disks and memory budgets are stated."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.95 or (unit == "B" and size < 1000):
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
