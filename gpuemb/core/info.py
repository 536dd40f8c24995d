"""What this machine is and what gpuemb would use of it."""

from __future__ import annotations

from dataclasses import dataclass

from gpuemb.core import device, record, threads


@dataclass(frozen=True)
class Info:
    """What ``gpuemb info`` shows.

    Attributes:
        chosen: the device that ``auto`` means here.
        cpu: one line about the processor.
        cuda: one line about the GPU, or why there is none to use.
        threads: cores that would work.
        versions: of the libraries results depend on.
    """

    chosen: str
    cpu: str
    cuda: str
    threads: int
    versions: dict[str, str]

    def __str__(self) -> str:
        libraries = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        lines = [
            f"auto means    {self.chosen}",
            f"CPU           {self.cpu}",
            f"CUDA          {self.cuda}",
            f"threads       {self.threads}",
            f"libraries     {libraries}",
        ]
        return "\n".join(lines)


def info() -> Info:
    """Describe the devices, what ``auto`` would choose and why."""
    missing = device.missing_for_cuda()
    cuda = f"not used: {missing}" if missing else device.describe(device.Device("cuda"))
    return Info(str(device.choose()), device.describe(), cuda, threads.count(), record.versions())
