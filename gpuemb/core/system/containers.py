"""Limits of a container: control groups, version 1 and 2, this process's own and all that hold it."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path("/")
CACHE = (  # counted as used, but given back on demand: the file cache, and the kernel's own caches
    *("inactive_file", "active_file", "slab_reclaimable"),
    *("total_inactive_file", "total_active_file"),  # version 1: with the groups below
)
LIMITS, USED = (
    ("memory.max", "memory.high", "memory.limit_in_bytes"),
    ("memory.current", "memory.usage_in_bytes"),
)


def free_bytes(root: Path = ROOT) -> list[int]:
    """Bytes that each limit leaves; files that the kernel merely caches are not used memory.

    Args:
        root: the folder that holds ``proc`` and ``sys``.
    """
    found = []
    for group in groups("memory", root):
        limits = [int(text) for text in map(_read, (group / name for name in LIMITS)) if text.isdecimal()]
        used = [int(text) for text in map(_read, (group / name for name in USED)) if text.isdecimal()]
        if limits and used:
            found.append(max(0, min(limits) - max(0, used[0] - _cached(group))))
    return found


def cpu_quotas(root: Path = ROOT) -> list[int]:
    """Cores that each quota is worth, rounded up: ``docker run --cpus 1.5`` is 2."""
    found = []
    for group in groups("cpu", root):
        quota, period = (_read(group / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        quota, _, period = (_read(group / "cpu.max") or f"{quota} {period}").partition(" ")
        if quota.isdecimal() and period.isdecimal():  # "max", -1 and nothing are no quota
            found.append(max(1, math.ceil(int(quota) / int(period))))
    return found


@cache
def groups(controller: str, root: Path = ROOT) -> tuple[Path, ...]:
    """Folders of this process's group and of every group that holds it, the innermost first.

    Args:
        controller: ``"memory"`` or ``"cpu"``.
        root: as for :func:`free_bytes`.
    """
    own = {}
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        own.update(dict.fromkeys(names.split(","), path))  # version 2 has no names: ""
    found: list[Path] = []
    for line in _read(root / "proc/self/mountinfo").splitlines():
        mount, _, system = line.partition(" - ")
        shown, place = (re.sub(r"\\(\d{3})", _character, field) for field in mount.split(" ")[3:5])
        kind, _, options = system.split(" ", 2)
        name = {"cgroup": controller, "cgroup2": ""}.get(kind)
        if name in own and (name == "" or name in options.split(",")):
            found += _chain(root / place.lstrip("/"), PurePosixPath(own[name]), PurePosixPath(shown))
    return tuple(found)


def _chain(mount: Path, own: PurePosixPath, shown: PurePosixPath) -> Iterator[Path]:
    """Folders from a group up to the mount, which shows the hierarchy from the group ``shown`` on."""
    inside = own.is_relative_to(shown) and ".." not in own.parts
    below = own.relative_to(shown) if inside else PurePosixPath()
    for part in (below, *below.parents):
        yield mount / part


def _character(octal: re.Match[str]) -> str:
    return chr(int(octal[1], 8))


def _cached(group: Path) -> int:
    rows = (line.split() for line in _read(group / "memory.stat").splitlines())
    amounts = {name: int(amount) for name, amount in rows}
    return sum(amounts.get(name, 0) for name in CACHE if f"total_{name}" not in amounts)


def _read(path: Path) -> str:
    """Return a file of the kernel; nothing where it has no such file."""
    try:
        return os.fsdecode(path.read_bytes()).strip()
    except OSError:
        return ""
