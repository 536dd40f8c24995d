"""What this machine is and what gpuemb would use of it."""

from __future__ import annotations

from dataclasses import dataclass

from gpuemb.core import device, record, threads
from gpuemb.stability.warmup import STUDY_KERNELS


@dataclass(frozen=True)
class Info:
    """What ``gpuemb info`` shows.

    Attributes:
        chosen: the device that ``auto`` means for a study here.
        cpu: one line about the processor.
        cuda: one line about the GPU, or why there is none to use.
        kernels: devices each kernel of a study has an implementation for.
        threads: cores that would work.
        versions: of the libraries results depend on.
    """

    chosen: str
    cpu: str
    cuda: str
    kernels: dict[str, tuple[str, ...]]
    threads: int
    versions: dict[str, str]

    def __str__(self) -> str:
        kernels = ", ".join(f"{name} ({' and '.join(kinds)})" for name, kinds in self.kernels.items())
        libraries = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        lines = [
            f"auto means  {self.chosen}",
            f"CPU         {self.cpu}",
            f"CUDA        {self.cuda}",
            f"kernels     {kernels}",
            f"threads     {self.threads}",
            f"libraries   {libraries}",
        ]
        return "\n".join(lines)


def info() -> Info:
    """Describe the devices, what ``auto`` would choose for a study, and why."""
    missing = device.missing_for_cuda()
    cuda = f"not used: {missing}" if missing else device.describe(device.Device("cuda"))
    kernels = {
        kernel.name: tuple(kind for kind in ("cpu", "cuda") if kernel.runs_on(kind))
        for kernel in STUDY_KERNELS
    }
    chosen = str(device.choose("auto", STUDY_KERNELS))
    return Info(chosen, device.describe(), cuda, kernels, threads.count(), record.versions())
