"""The machine of a record, and the folder of its records."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gpuemb.core import record
from gpuemb.core.cuda import cupy
from gpuemb.core.device import CPU, Device

PEERS = (
    "faiss-cpu",
    "scikit-learn",
    "torch",
    "usearch",
    "rsatoolbox",
    "vectorizers",
    "gensim",
    "pandas",
    "polars",
)
TOLD = (
    "avx",
    "avx2",
    "avx512f",
    "avx512bw",
    "avx512vl",
    "avx512bf16",
    "avx512vnni",
    "avxvnni",
    "avxvnniint8",
    "amx-int8",
    "amx-bf16",
    "fma",
    "f16c",
    "neon",
    "dotprod",
    "i8mm",
    "sve",
    "sve2",
    "bf16",
)  # features that decide the speed of vector code
MODEL_KEYS = {  # of /proc/cpuinfo, on x86-64 and on 64-bit ARM
    "family": "cpu family",
    "model": "model",
    "implementer": "CPU implementer",
    "part": "CPU part",
    "variant": "CPU variant",
    "revision": "CPU revision",
}
BLAS_KEYS = ("internal_api", "version", "architecture", "threading_layer")


def describe_machine(device: Device = CPU) -> dict[str, Any]:
    """Processor with its features, cores, threads, memory, BLAS; GPU, driver and clocks where used."""
    return {
        **record.machine(),
        "model": model_of(record.cpuinfo()),
        "features": features(),
        "blas": _blas(),
        "gpu": None if device.kind == "cpu" else _gpu(device),
    }


def machine_name(machine: dict[str, Any]) -> str:
    """Return the folder's name: processor, its model numbers, cores, and the GPU where used."""
    parts = [machine["cpu"], machine["model"], f"{machine['cores']} cores"]
    if machine["gpu"] is not None:
        parts.append(machine["gpu"]["name"])
    plain = re.sub(r"\((r|tm)\)|@.*|\bcpu\b|processor", " ", " ".join(parts[:1]).lower())
    return re.sub(r"[^a-z0-9]+", "-", " ".join([plain, *parts[1:]]).lower()).strip("-")


def versions() -> dict[str, str]:
    """Installed versions of our libraries and of the peers."""
    found = record.versions()
    for name in PEERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def features() -> list[str]:
    """The processor's features that vector code depends on, as the compiler names them."""
    from llvmlite import binding

    present = binding.get_host_cpu_features()
    return [name for name in TOLD if present.get(name, False)]


@cache
def commit() -> str | None:
    """The commit of the checkout of this package, ``+`` if it has changes; None outside of one."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        head = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):  # without a working git there is no commit to name
        return None
    return head[:12] + ("+" if changed else "")


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL).strip()


def model_of(found: Sequence[Mapping[str, str]]) -> str:
    """Family and model numbers, or implementer and part: virtual machines shorten the processor's name."""
    first = found[0] if found else {}
    named = [(short, first[key]) for short, key in MODEL_KEYS.items() if key in first]
    return " ".join(f"{short} {value}" for short, value in named)


def _blas() -> list[dict[str, Any]]:
    import scipy.linalg  # noqa: F401  its BLAS must be loaded before the controller looks
    from threadpoolctl import threadpool_info

    return [
        {key: pool[key] for key in BLAS_KEYS if key in pool}
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]


def _gpu(device: Device) -> dict[str, Any]:
    runtime = cupy().cuda.runtime
    found = runtime.getDeviceProperties(device.index)
    return {
        "name": found["name"].decode(),
        "compute_capability": f"{found['major']}.{found['minor']}",
        "memory_bytes": int(found["totalGlobalMem"]),
        "multiprocessors": int(found["multiProcessorCount"]),
        "driver": runtime.driverGetVersion(),
        "runtime": runtime.runtimeGetVersion(),
        "clocks": _clocks(device),
    }


def _clocks(device: Device) -> str:
    """Clocks and power limit reported by nvidia-smi, or its error."""
    asked = "clocks.sm,clocks.mem,clocks.max.sm,power.limit,driver_version"
    command = ["nvidia-smi", f"--query-gpu={asked}", "--format=csv,noheader", f"--id={device.index}"]
    try:
        return subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL).strip()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"unknown: {error}"
