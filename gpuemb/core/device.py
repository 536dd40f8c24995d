"""Devices: the CPU and CUDA GPUs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from gpuemb.core.cuda import cupy
from gpuemb.core.cuda.diagnosis import lack_of_cuda, missing_for_cuda
from gpuemb.core.errors import ConfigError, DeviceError
from gpuemb.core.memory import RESERVE, MemoryPlan, available_host_bytes
from gpuemb.core.record import cpu_name
from gpuemb.core.threads import available

CPU_ONLY_REMEDY = "Use device='cpu' (or 'auto'), which runs everything on this machine's cores."


@dataclass(frozen=True, slots=True)
class Device:
    """A processor with its own memory, and what ``device=`` means in every function.

    ``device=None`` follows the arrays: work is done where the tables lie, and on the CPU where text or
    counts are given. ``"auto"`` is the first CUDA device where one answers and all kernels of the work run
    there, else the CPU. ``"cpu"``, ``"cuda"`` (the first) and ``"cuda:1"``, or such a Device, name one:
    tables of the host stream to it; an array that lies on a GPU is not moved, and another device refused.

    Attributes:
        kind: ``"cpu"`` or ``"cuda"``; also the file name of a kernel's implementation.
        index: number of the device among its kind.

    Raises:
        ConfigError: a kind that is no name, or an index that is no integer from 0.

    Example:
        >>> print(ge.Device("cpu"), ge.Device("cuda", 1))
        cpu cuda:1
    """

    kind: str
    index: int = 0

    def __post_init__(self) -> None:
        whole = isinstance(self.index, int) and not isinstance(self.index, bool) and self.index >= 0
        if not whole or not isinstance(self.kind, str) or not self.kind.isidentifier():
            raise ConfigError(
                f"Device: kind = {self.kind!r}, index = {self.index!r}",
                needed="The kind is 'cpu' or 'cuda', the index an integer from 0.",
                remedy="Device('cuda', 1) is what device='cuda:1' means.",
            )

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"{self.kind}:{self.index}"


CPU = Device("cpu")
DeviceName: TypeAlias = str | Device | None  # what ``device=`` takes


class RunsOn(Protocol):
    """An operation with implementations for some kinds of devices: a kernel."""

    def runs_on(self, kind: str) -> bool:
        """Whether it has an implementation for this kind."""


def choose(given: DeviceName = "auto", needs: Iterable[RunsOn] = ()) -> Device:
    """Resolve what was given for ``device=``, where nothing lies on a GPU: None is the CPU.

    Args:
        given: see :class:`Device`.
        needs: kernels that ``auto`` needs.

    Raises:
        ConfigError: no device's name.
        DeviceError: the device cannot be used; the missing parts are named.
    """
    name = "cpu" if given is None else str(given)
    if not isinstance(given, DeviceName) or not re.fullmatch(r"auto|cpu|cuda(:\d{1,6})?", name):
        raise ConfigError(
            f"device: {given!r} is not a device",
            needed="A device is 'auto', 'cpu', 'cuda' or 'cuda:n' with a number n.",
            remedy="gpuemb info shows what this machine has.",
        )
    if name == "cpu":
        return CPU
    if name == "auto":
        usable = all(kernel.runs_on("cuda") for kernel in needs) and not missing_for_cuda()
        return Device("cuda") if usable else CPU
    missing = missing_for_cuda()
    if missing:
        raise DeviceError(
            f"device: {name} cannot be used here: {missing}",
            needed=lack_of_cuda().provided_by,
            remedy=CPU_ONLY_REMEDY,
        )
    return _existing_cuda(int(name.partition(":")[2] or 0))


def _existing_cuda(index: int) -> Device:
    present = int(cupy().cuda.runtime.getDeviceCount())
    if index >= present:
        raise DeviceError(
            f"device: cuda:{index} was asked for, but this machine has {present}",
            needed=f"The number must be below {present}.",
            remedy=CPU_ONLY_REMEDY,
        )
    return Device("cuda", index)


def free_bytes(device: Device = CPU) -> int:
    """Bytes that can be allocated now without swapping; on a GPU with the free blocks of CuPy's pool."""
    if device.kind == "cpu":
        return available_host_bytes()
    with cupy().cuda.Device(device.index):
        unused = int(cupy().get_default_memory_pool().free_bytes())
        return int(cupy().cuda.runtime.memGetInfo()[0]) + unused


def budget(device: Device = CPU) -> int:
    """Bytes that plans may use: the free ones less a reserve."""
    return int(free_bytes(device) * RESERVE)


def require(plan: MemoryPlan, device: Device = CPU) -> MemoryPlan:
    """Return the plan if it fits the free memory of ``device`` less a reserve.

    Raises:
        MemoryBudgetError: as :meth:`MemoryPlan.require`.
    """
    return plan.require(None if device.kind == "cpu" else budget(device))


def describe(device: Device = CPU) -> str:
    """Describe a device in one line: the processor's name and its memory."""
    gigabytes = f"{free_bytes(device) / 1e9:.1f} GB free"
    if device.kind == "cuda":
        name = cupy().cuda.runtime.getDeviceProperties(device.index)["name"].decode()
        return f"{device}: {name}, {gigabytes}"
    return f"{device}: {cpu_name()}, {available()} cores usable, {gigabytes}"
