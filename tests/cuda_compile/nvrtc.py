"""Compile kernels for real architectures with NVRTC; no GPU or driver is needed.

``.venv/bin/python tests/cuda_compile/nvrtc.py`` prints what each kernel takes now, in the form of
``kernels/limits.toml``.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gpuemb import kernels
from gpuemb.core import cuda

KERNELS = Path(str(kernels.__file__)).parent
ARCHITECTURES = ("sm_80", "sm_90", "sm_100", "sm_120")
PACKAGE = "nvidia-cuda-nvrtc"
INSTALL = "pip install 'gpuemb[compile-cuda]'"
AS_CUPY = ("-ftz=true",)  # CuPy's own option for every kernel

_ENTRY = re.compile(r"Compiling entry function '(\w+)'")
_SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")


@dataclass(frozen=True)
class Resources:
    """What one kernel takes on one architecture.

    Attributes:
        registers: of a thread.
        spills: bytes a thread stores and loads because its registers do not suffice.
        shared: bytes of a block's static shared memory.
    """

    registers: int
    spills: int
    shared: int


class NvrtcError(Exception):
    """A text does not compile; the message is NVRTC's."""


def installed() -> str:
    """Version of the NVRTC package; empty without one."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return ""


def missing() -> str:
    """Say what compiling lacks here; empty when it lacks nothing."""
    present = installed() and importlib.util.find_spec("cuda") and importlib.util.find_spec("cuda.bindings")
    return "" if present else f"NVRTC is not installed: {INSTALL}"


def sources() -> list[Path]:
    """Every kernel's text."""
    return sorted(KERNELS.glob("**/*.cu"))


def instances(source: Path) -> tuple[str, ...]:
    """Every kernel of a text used by its launcher; a launcher of several texts lists them by text."""
    launcher = importlib.import_module(f"gpuemb.kernels.{source.parent.name}.cuda")
    found: tuple[str, ...] | dict[str, tuple[str, ...]] = launcher.INSTANCES
    return found[source.stem] if isinstance(found, dict) else found


def resources(source: Path, names: Sequence[str], architecture: str) -> dict[str, Resources]:
    """Compile a ``.cu`` file as :func:`gpuemb.core.cuda.load` does, and read what each kernel takes.

    Raises:
        NvrtcError: it does not compile, or NVRTC's log lacks a kernel's resources.
    """
    log, lowered, _ = _compile(source, tuple(names), architecture)
    found = _read(log)
    absent = [name for name in names if lowered[name] not in found]
    if absent:
        raise NvrtcError(f"{source.name}: no resources of {absent} in NVRTC's log:\n{log}")
    return {name: found[lowered[name]] for name in names}


def ptx(source: Path, names: Sequence[str]) -> str:
    """Return what NVRTC makes of a ``.cu`` file before a device's own assembler sees it."""
    return _compile(source, tuple(names), ARCHITECTURES[0])[2]


def _read(log: str) -> dict[str, Resources]:
    """Resources by mangled name."""
    found = {}
    for entry, part in zip(_ENTRY.findall(log), _ENTRY.split(log)[2::2], strict=True):
        spills, used, shared = _SPILLS.search(part), _USED.search(part), _SHARED.search(part)
        if spills and used:
            bytes_spilled = int(spills[2]) + int(spills[3])
            found[entry] = Resources(int(used[1]), bytes_spilled, int(shared[1]) if shared else 0)
    return found


@cache
def _compile(source: Path, names: tuple[str, ...], architecture: str) -> tuple[str, dict[str, str], str]:
    """Return the log, each name as the compiler spells it, and the PTX."""
    from cuda.bindings import nvrtc

    options = (
        cuda.STANDARD,
        f"-I{KERNELS / cuda.HEADERS}",
        *AS_CUPY,
        f"--gpu-architecture={architecture}",
        "--ptxas-options=-v",
    )
    program = _done(nvrtc.nvrtcCreateProgram(source.read_bytes(), source.name.encode(), 0, [], []))
    try:
        for name in names:
            _done(nvrtc.nvrtcAddNameExpression(program, name.encode()))
        status = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])[0]
        log = bytearray(_done(nvrtc.nvrtcGetProgramLogSize(program)))
        _done(nvrtc.nvrtcGetProgramLog(program, log))
        text = log.decode(errors="replace").rstrip("\0")
        if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise NvrtcError(text)
        assembly = bytearray(_done(nvrtc.nvrtcGetPTXSize(program)))
        _done(nvrtc.nvrtcGetPTX(program, assembly))
        lowered = {name: _done(nvrtc.nvrtcGetLoweredName(program, name.encode())).decode() for name in names}
        return text, lowered, assembly.decode().rstrip("\0")
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def _done(answer: tuple[Any, ...]) -> Any:
    """Take the value out of an answer of the bindings."""
    status, *value = answer
    if status:
        raise NvrtcError(str(status))
    return value[0] if value else None


def as_limits() -> str:
    """What every kernel takes at most on any architecture, as TOML."""
    lines = [f'nvrtc = "{installed()}"']
    for source in sources():
        taken = [resources(source, instances(source), architecture) for architecture in ARCHITECTURES]
        for name in instances(source):
            lines += ["", f'["{source.stem}"."{name}"]']
            lines += [
                f"{key} = {max(asdict(one[name])[key] for one in taken)}" for key in asdict(taken[0][name])
            ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_limits())
