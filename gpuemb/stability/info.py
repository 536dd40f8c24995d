"""What this machine is and what gpuemb would use of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gpuemb.core import device, record, threads
from gpuemb.core.cuda.diagnosis import lack_of_cuda
from gpuemb.core.dispatch import Kernel
from gpuemb.core.results import result
from gpuemb.stability.running.warmup import STUDY_KERNELS

KINDS = ("cpu", "cuda")
NONE = "none"


@dataclass(frozen=True)
class Implementation:
    """What a kernel has for a kind of device.

    Attributes:
        file: in the kernel's folder, or a folder there; empty when there is none.
        reason: why this device would not run it; empty when it would.
    """

    file: str
    reason: str


@result(eq=True)
class Info:
    """What ``gpuemb info`` shows.

    Attributes:
        chosen: the device that ``auto`` means for a study here.
        why: for what reason.
        cpu: one line about the processor.
        cuda: one line about the GPU, or why there is none to use and what provides it.
        kernels: of each kernel of a study, what it has for ``cpu`` and for ``cuda``.
        threads: cores that would work.
        versions: of the libraries results depend on.
    """

    chosen: str
    why: str
    cpu: str
    cuda: str
    kernels: Mapping[str, Mapping[str, Implementation]]
    threads: int
    versions: Mapping[str, str]

    def __str__(self) -> str:
        libraries = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        lines = [
            f"auto means  {self.chosen}: {self.why}",
            f"CPU         {self.cpu}",
            f"CUDA        {self.cuda}",
            f"threads     {self.threads}",
            f"libraries   {libraries}",
            "",
            *_table(self.kernels),
        ]
        return "\n".join(lines)

    def as_mapping(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return asdict(self)


def info() -> Info:
    """Describe the devices, what ``auto`` would choose for a study, and why.

    Example:
        >>> ge.info().chosen in ("cpu", "cuda")
        True
    """
    lack = lack_of_cuda()
    if lack.what:
        cuda = f"not used: {lack.what}. {lack.provided_by}"
    else:
        cuda = device.describe(device.Device("cuda"))
    kernels = {
        kernel.name: {kind: _implementation(kernel, kind, lack.what) for kind in KINDS}
        for kernel in STUDY_KERNELS
    }
    chosen = device.choose("auto", STUDY_KERNELS)
    why = _why(chosen, kernels, lack.what)
    return Info(str(chosen), why, device.describe(), cuda, kernels, threads.count(), record.versions())


def _implementation(kernel: Kernel[..., Any], kind: str, cuda_lacks: str) -> Implementation:
    place = kernel.place(kind)
    if not place:
        return Implementation("", f"{kernel.name} has no {kind}.py or {kind}/")
    return Implementation(place, cuda_lacks if kind == "cuda" else "")


def _why(chosen: device.Device, kernels: Mapping[str, Mapping[str, Implementation]], cuda_lacks: str) -> str:
    if chosen.kind == "cuda":
        return "every kernel of a study runs there"
    without = [name for name, kinds in kernels.items() if not kinds["cuda"].file]
    reasons = ["CUDA cannot be used"] if cuda_lacks else []
    if without:
        reasons.append(f"{len(without)} of a study's {len(kernels)} kernels have no CUDA file")
    return " and ".join(reasons)


def _table(kernels: Mapping[str, Mapping[str, Implementation]]) -> list[str]:
    """One line a kernel; what a device cannot use now stands in parentheses."""
    rows = [["kernel", *KINDS]]
    for name, kinds in kernels.items():
        rows.append([name, *(_cell(kinds[kind]) for kind in KINDS)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _cell(found: Implementation) -> str:
    if not found.file:
        return NONE
    return f"({found.file})" if found.reason else found.file
