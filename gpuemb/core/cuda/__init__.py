"""CuPy for launchers: its import, compilation of ``.cu`` files, retries with less memory.

A launcher, ``kernels/<name>/cuda.py`` or ``kernels/<name>/cuda/``, reads like this::

    module = cuda.load(Path(__file__).with_name("overlap.cu"), ["overlap<16>"])
    module.get_function("overlap<16>")((blocks,), (threads,), (ids, shared), shared_mem=bytes)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from gpuemb.core.cuda.diagnosis import FORKED, is_lost, lack_of_cuda, said
from gpuemb.core.errors import CompileError, DeviceError, MemoryBudgetError

R = TypeVar("R")

STANDARD = "-std=c++17"
HEADERS = "include"  # the folder of shared headers, beside the kernels' own
ATTEMPTS = 6  # down to 1/32 of the planned tile: beyond, the plan was made for other memory

_INCLUDED = re.compile(r'^[ \t]*#[ \t]*include[ \t]*["<]([^">\n]+)[">]', re.MULTILINE)
# NVRTC writes "file.cu(31): error: …", host compilers "file.cu:31:5: error: …".
_ERROR = re.compile(
    r"^(?P<file>[^\n]+?)[(:](?P<line>\d+)\)?(?::\d+)?: (?:catastrophic |fatal )?error: (?P<said>[^\n]*)$",
    re.MULTILINE,
)
_NAMES = "__nv_name_map"  # NVRTC's name for the list of name expressions


def cupy() -> Any:
    """Return CuPy, imported on first use.

    Raises:
        DeviceError: it cannot be imported, or a fork has lost CUDA; the missing parts are named.
    """
    try:
        import cupy as module
    except Exception as error:  # a broken installation raises anything
        lack = lack_of_cuda()
        raise DeviceError(
            f"cuda: arrays of a GPU need CuPy: {lack.what or said(error)}",
            needed=lack.provided_by,
            remedy="Or copy the arrays to the CPU first.",
        ) from error
    if is_lost():
        raise DeviceError(
            f"cuda: {FORKED.what}", needed=FORKED.provided_by, remedy="Or give the child arrays of the CPU."
        )
    return module


def load(source: Path, names: Sequence[str], options: Sequence[str] = ()) -> Any:
    """Compile a ``.cu`` file for the current device and return CuPy's module of it.

    Compiled once for each device, source (with every header of ``kernels/include`` that it reaches),
    names and options; CuPy keeps the binary on disk. CuPy adds ``-ftz=true``: float32 numbers below
    1.2e-38 are zero in a kernel.

    Args:
        source: ``kernels/<name>/<name>.cu``; its headers are in ``kernels/include``.
        names: every kernel that will be called, in C++ spelling: ``overlap<16>``.
        options: for NVRTC, such as ``-DLISTS=32``.

    Returns:
        A ``cupy.RawModule``; ``module.get_function(name)(grid, block, args, shared_mem=bytes)``.

    Raises:
        CompileError: file, line and the compiler's message.
    """
    module = cupy()
    include = source.parent.parent / HEADERS
    flags = (STANDARD, f"-I{include}", *options)
    text = source.read_text("utf-8")
    # The digest is part of the text because CuPy's cache on disk ignores changes of headers.
    code = f'// headers: {_digest(_headers(text, include))}\n#line 1 "{source.name}"\n{text}'
    return _compiled(module, int(module.cuda.Device().id), source, code, tuple(names), flags)


@cache
def _compiled(
    module: Any, device: int, source: Path, code: str, names: tuple[str, ...], options: tuple[str, ...]
) -> Any:
    """Compile; the arguments are the key of the cache, ``device`` nothing else."""
    compiled = module.RawModule(code=code, options=options, name_expressions=names, backend="nvrtc")
    try:
        compiled.compile()
    except module.cuda.compiler.CompileException as error:
        raise _readable(source, names, str(error)) from error
    return compiled


def _headers(text: str, include: Path) -> dict[Path, str]:
    """Return every header in ``include`` that ``text`` includes, also indirectly."""
    found: dict[Path, str] = {}
    waiting = [(text, include)]
    while waiting:
        including, folder = waiting.pop()
        for name in _INCLUDED.findall(including):
            path = next((p.resolve() for p in (folder / name, include / name) if p.is_file()), None)
            if path is not None and path not in found:
                found[path] = path.read_text("utf-8")
                waiting.append((found[path], path.parent))
    return found


def _digest(headers: dict[Path, str]) -> str:
    whole = "\0".join(f"{path.name}\0{text}" for path, text in sorted(headers.items()))
    return hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()


def _readable(source: Path, names: tuple[str, ...], log: str) -> CompileError:
    """Return the compiler's first error with its source line; its log is the error's cause."""
    first = _ERROR.search(log)
    more = len(_ERROR.findall(log)) - 1
    remedy = "Where the file is as it came, use device='cpu', and report this with the output of gpuemb info."
    if first is None:
        return CompileError(
            f"{source.name}: {log.strip().partition(chr(10))[0]}",
            needed=f"It was compiled for {', '.join(names)}.",
            remedy=remedy,
        )
    if first["file"] == _NAMES:
        return CompileError(
            f"{source.name}: {first['said']} (one of the names {', '.join(names)})",
            needed="A name is a kernel of the file, with its template's arguments: overlap<16>.",
            remedy="Use the spelling in the file.",
        )
    file = source if first["file"] == source.name else Path(first["file"])
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    number = int(first["line"])
    line = lines[number - 1].strip() if number <= len(lines) else "(no source at hand)"
    return CompileError(
        f"{file.name}:{number}: {first['said']}",
        needed=f"The line: {line}" + (f"   ({more} more after it)" if more else ""),
        remedy=remedy,
    )


def retry_smaller(
    purpose: str, work: Callable[[int], R], tile: int, *, multiple: int = 1, attempts: int = ATTEMPTS
) -> R:
    """Return ``work(tile)``; whenever the GPU's memory runs out, try again with half the tile.

    Another process, or another library's cache, may have taken memory that the plan assumed free. The
    result must not depend on the tile, and each attempt must overwrite the output of a failed one.

    Args:
        purpose: what the memory is for, for the message.
        work: computes with tiles of that many rows.
        tile: the planned rows.
        multiple: a tile is a multiple of it, at least once that.
        attempts: largest number of attempts.

    Raises:
        MemoryBudgetError: no attempt fitted; the tiles are named.
    """
    module = cupy()
    tried, said = [], ""
    for _ in range(attempts):
        tried.append(tile)
        try:
            return work(tile)
        except module.cuda.memory.OutOfMemoryError as error:
            said = str(error)
        # Only here are the attempt's arrays free: before, the error's traceback references their frames.
        module.get_default_memory_pool().free_all_blocks()
        if tile <= multiple:
            break
        tile = max(multiple, tile // 2 // multiple * multiple)
    raise MemoryBudgetError(
        f"{purpose}: the GPU's memory ran out with tiles of {', '.join(map(str, tried))} rows",
        needed=f"CuPy said: {said}",
        remedy="Free what other processes hold on the GPU (nvidia-smi lists them), or use device='cpu'.",
    )
