"""Compile a kernel's CUDA text with g++ into a library that runs it on the CPU."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HOST = Path(__file__).parent / "host"
RUNTIME = ("scheduler", "warp", "watch")
COMMON = ("-std=c++17", "-g1", "-fPIC", "-U_FORTIFY_SOURCE", "-Wall", "-Wextra", "-Werror")
WATCHED = ("thread", "signed-integer-overflow", "shift", "integer-divide-by-zero", "bounds", "alignment")
KERNEL = (
    *COMMON,
    "-O1",
    "-fno-strict-aliasing",
    "-ffp-contract=off",
    "-fno-gnu-unique",  # else the shared memory of one template is that of the library loaded first
    "-Wno-unknown-pragmas",
    "-Wno-sign-compare",  # threadIdx.x is unsigned
    *(f"-fsanitize={kind}" for kind in WATCHED),
)
ENTRY = """
extern "C" void kernel_{i}(void** arguments) {{ on_host::call(&{name}, arguments); }}
extern "C" int parameters_{i}(on_host::Parameter* out) {{ return on_host::parameters_of(&{name}, out); }}
"""


class CompileException(Exception):
    """The text does not compile; the message is the compiler's. (CuPy's name for it.)"""


def missing() -> str:
    """Say what this machine lacks to run kernels on the CPU; empty when it lacks nothing."""
    if sys.platform != "linux":
        return "the emulator is written for Linux"
    return "" if shutil.which("g++") else "g++ is not installed (Debian: apt-get install g++)"


def build(code: str, names: Sequence[str], options: Sequence[str]) -> Path:
    """Compile to a library that has ``kernel_i`` and ``parameters_i`` for the i-th name; kept by its digest.

    Cost: about one second the first time.

    Raises:
        CompileException: the compiler refuses the text.
    """
    entries = "".join(ENTRY.format(i=i, name=name) for i, name in enumerate(names))
    text = f'#include "cuda_on_host.hpp"\n{code}\n#line 1 "entries"\n{entries}'
    passed = [option for option in options if option.startswith(("-I", "-D"))]
    folders = [Path(option.removeprefix("-I")) for option in passed if option.startswith("-I")]
    digest = hashlib.sha256(_environment())
    digest.update(repr((text, passed)).encode())
    for header in sorted(path for folder in folders for path in folder.glob("*.cuh")):
        digest.update(header.read_bytes())
    library = _cache() / f"{digest.hexdigest()[:32]}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=_cache()) as folder:
            source, made, linked = (Path(folder) / name for name in ("kernel.cpp", "kernel.o", "kernel.so"))
            source.write_text(text, "utf-8")
            precompiled = ("-include", str(_precompiled()))
            _run(["g++", *KERNEL, *precompiled, f"-I{HOST}", *passed, "-c", str(source), "-o", str(made)])
            _run(["g++", "-shared", "-Wl,-z,defs", "-o", str(linked), str(made), *map(str, _runtime())])
            linked.replace(library)
    return library


def with_lines(library: Path, message: str) -> str:
    """Put file and line in the place of each ``@OFFSET`` of the library."""

    def line_of(found: re.Match[str]) -> str:
        offset = int(found[1], 16) - 1  # the instrumentation knows where it returns to: one past the call
        told = subprocess.run(
            ["addr2line", "-e", str(library), hex(offset)], capture_output=True, text=True, check=False
        ).stdout.split()
        return f"at {Path(told[0]).name}" if told else f"at offset {found[1]}"

    return re.sub(r"@([0-9a-f]+)", line_of, message)


@functools.cache
def _runtime() -> list[Path]:
    """The emulator's own object files."""
    name = hashlib.sha256(_environment()).hexdigest()[:32]
    made = []
    for part in RUNTIME:
        target = _cache() / f"{name}-{part}.o"
        if not target.exists():
            fresh = target.with_suffix(f".{os.getpid()}.o")
            _run(["g++", *COMMON, "-O2", "-c", str(HOST / f"{part}.cpp"), "-o", str(fresh)])
            fresh.replace(target)
        made.append(target)
    return made


@functools.cache
def _precompiled() -> Path:
    """A header that includes the emulator's; beside it is what g++ made of it, which saves parsing it."""
    header = _cache() / f"{hashlib.sha256(_environment()).hexdigest()[:32]}.hpp"
    target = header.with_suffix(".hpp.gch")
    if not target.exists():
        fresh = header.with_suffix(f".{os.getpid()}.gch")
        header.write_text('#include "cuda_on_host.hpp"\n', "utf-8")
        _run(["g++", *KERNEL, f"-I{HOST}", "-x", "c++-header", str(header), "-o", str(fresh)])
        fresh.replace(target)
    return header


@functools.cache
def _environment() -> bytes:
    """Everything but the kernel that a library depends on."""
    version = subprocess.run(["g++", "--version"], capture_output=True, check=True).stdout
    files = [path.read_bytes() for path in sorted(HOST.iterdir())]
    return b"".join([version, repr((COMMON, KERNEL, ENTRY)).encode(), *files])


def _cache() -> Path:
    folder = Path(tempfile.gettempdir()) / f"gpuemb-cuda-on-host-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompileException(done.stderr)
