"""Diagnosis of CUDA: what is missing on this machine, and what provides it."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import cache

from gpuemb.core.system.installing import install

# The CUDA versions that have an extra, and the first NVIDIA driver of each (CUDA's release notes).
EXTRAS, DRIVERS = {12: "cuda12", 13: "cuda13"}, {12: 525, 13: 580}
DRIVER_LIBRARY = "libcuda.so.1"


@dataclass(frozen=True, slots=True)
class Lack:
    """One missing part, or all of them.

    Attributes:
        what: a clause; empty if nothing is missing.
        provided_by: its source, in full sentences.
    """

    what: str
    provided_by: str


FORKED = Lack(
    "this process was forked from one that had used CUDA",
    "CUDA does not survive a fork: start the child by multiprocessing.get_context('spawn').",
)
_lost = False  # by a fork


def missing_for_cuda() -> str:
    """Return what CUDA lacks on this machine; empty if it is usable."""
    return lack_of_cuda().what


@cache
def lack_of_cuda() -> Lack:
    """Look for a driver, CuPy, its libraries and a GPU, once a process; return all that is missing."""
    if _lost:
        return FORKED
    driver = driver_version()
    lacks = [*_driver(driver), *(_cupy(driver) or _libraries(driver))]
    lacks = lacks or _gpu()
    return Lack(" and ".join(lack.what for lack in lacks), " ".join(lack.provided_by for lack in lacks))


def is_lost() -> bool:
    """Whether a fork has made CUDA unusable."""
    return _lost


def _forked() -> None:
    global _lost
    _lost = _lost or (lack_of_cuda.cache_info().currsize > 0 and not missing_for_cuda())
    lack_of_cuda.cache_clear()


os.register_at_fork(after_in_child=_forked)


def driver_version() -> tuple[int, int] | None:
    """Return the CUDA version that the NVIDIA driver supports, ``None`` without a driver."""
    try:
        answer = ctypes.CDLL(DRIVER_LIBRARY).cuDriverGetVersion
    except (OSError, AttributeError):
        return None
    number = ctypes.c_int()
    failed = answer(ctypes.byref(number))
    return None if failed else _version(number.value)


def _driver(driver: tuple[int, int] | None) -> list[Lack]:
    if driver is None:
        what = f"no NVIDIA driver is installed ({DRIVER_LIBRARY} cannot be loaded)"
        return [Lack(what, "A driver comes from NVIDIA or your distribution, not from pip.")]
    if driver[0] < min(EXTRAS):
        what = f"the NVIDIA driver is too old (it supports CUDA {_dotted(driver)})"
        return [Lack(what, f"Driver {DRIVERS[min(EXTRAS)]} or newer comes from NVIDIA or your distribution.")]
    return []


def _cupy(driver: tuple[int, int] | None) -> list[Lack]:
    try:
        import cupy

        built = _version(int(cupy.cuda.runtime.runtimeGetVersion()))
    except Exception as error:  # a broken installation raises anything
        absent = isinstance(error, ModuleNotFoundError) and error.name == "cupy"
        what = "CuPy is not installed" if absent else f"CuPy cannot be imported: {said(error)}"
        return [Lack(what, f"CuPy: {_install(driver)}; the same with -ctk brings the CUDA libraries, too.")]
    if driver is not None and driver[0] < built[0]:
        what = f"CuPy is built for CUDA {built[0]}, but the driver supports {_dotted(driver)}"
        return [Lack(what, f"CuPy: pip uninstall cupy-cuda{built[0]}x, then {_install(driver)}.")]
    return []


def _libraries(driver: tuple[int, int] | None) -> list[Lack]:
    import cupy

    missing = []
    try:
        cupy.cuda.nvrtc.getVersion()
    except Exception as error:
        missing.append(f"NVRTC cannot be loaded ({said(error)})")
    if reason := missing_library():
        missing.append(f"cuBLAS cannot be loaded ({reason})")
    source = f"CUDA's libraries: {_install(driver, '-ctk')}, or NVIDIA's CUDA toolkit."
    return [Lack(" and ".join(missing), source)] if missing else []


def missing_library() -> str:
    """Return why cuBLAS cannot be loaded through CuPy; empty if it can."""
    try:
        from cupy_backends.cuda.libs import cublas  # noqa: F401  loading it is the test
    except Exception as error:
        return said(error)
    return ""


def _gpu() -> list[Lack]:
    import cupy

    try:
        found = int(cupy.cuda.runtime.getDeviceCount())
    except Exception as error:
        found, reason = 0, f" ({said(error)})"
    else:
        reason = ""
    what = f"the driver finds no GPU that it can use{reason}"
    return [] if found else [Lack(what, "nvidia-smi lists the GPUs that the driver sees.")]


def _install(driver: tuple[int, int] | None, suffix: str = "") -> str:
    """Return the command that installs the extra for a driver; both if it is unknown."""
    if driver is None or driver[0] < min(EXTRAS):
        older, newer = (install(f"{extra}{suffix}") for extra in EXTRAS.values())
        return f"{older} or, for drivers from {DRIVERS[max(DRIVERS)]} on, {newer}"
    extra = EXTRAS[min(driver[0], max(EXTRAS))]  # a driver also runs what was built for an older CUDA
    return f"{install(f'{extra}{suffix}')}, which fits this driver's CUDA {_dotted(driver)}"


def _version(number: int) -> tuple[int, int]:
    """CUDA writes 12.4 as 12040."""
    return number // 1000, number % 1000 // 10


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def said(error: Exception) -> str:
    """First line of an error, with its class where that tells more."""
    line, told = str(error).partition("\n")[0], isinstance(error, (ImportError, RuntimeError))
    return line if line and told else f"{type(error).__name__}: {line}".removesuffix(": ")
