"""What launchers rely on: one compilation of each source, errors that name a line, tiles that shrink."""

from __future__ import annotations

import functools
import importlib
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_cupy
import numpy as np
import pytest
from fake_cupy import FakeCupy, OutOfMemoryError

from gpuemb.core import cuda
from gpuemb.core.cuda import diagnosis
from gpuemb.core.errors import CompileError, DeviceError, MemoryBudgetError

SOURCE = """#include "lists.cuh"
#include <cuda_fp16.h>
template <int W> __global__ void overlap(int* x) {
  undefined_thing(x);
}
"""
# What NVRTC 13.0 wrote about such files.
NVRTC_LOG = """overlap.cu(4): error: identifier "undefined_thing" is undefined
    undefined_thing(x);
    ^

overlap.cu(3): warning #177-D: variable "y" was declared but never referenced
    int y = 3;
        ^

overlap.cu(5): error: expected a declaration
  }
  ^

2 errors detected in the compilation of "/tmp/tmpabc/deadbeef.cubin.cu".
"""
NAMES_LOG = """__nv_name_map(3): error: identifier "overlop" is undefined
  #pragma nv_mangled_name overlop<16>
                          ^

3 errors detected in the compilation of "/tmp/tmpabc/deadbeef.cubin.cu".
"""
MISSING_HEADER_LOG = """overlap.cu(1): catastrophic error: cannot open source file "lists.cuh"
  #include "lists.cuh"
                      ^

1 catastrophic error detected in the compilation of "/tmp/tmpabc/deadbeef.cubin.cu".
Compilation terminated.
"""
HOST_LOG = """overlap.cu: In function 'void overlap(int*)':
overlap.cu:4:3: error: 'undefined_thing' was not declared in this scope
    4 |   undefined_thing(x);
"""


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeCupy:
    return fake_cupy.install(monkeypatch)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A kernel's folder beside the folder of headers."""
    (tmp_path / "overlap").mkdir()
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "lists.cuh").write_text('#include "sorting.cuh"\n')
    (tmp_path / "include" / "sorting.cuh").write_text('#include "lists.cuh"\n// once around\n')
    (tmp_path / "include" / "unused.cuh").write_text("// nobody asks\n")
    file = tmp_path / "overlap" / "overlap.cu"
    file.write_text(SOURCE)
    return file


def test_a_source_is_compiled_by_nvrtc_with_its_names_and_the_shared_headers(
    fake: FakeCupy, source: Path
) -> None:
    module = cuda.load(source, ["overlap<16>"], ["-DLISTS=2"])
    (made,) = fake.compiled
    assert module.code == made["code"]
    assert made["backend"] == "nvrtc"
    assert made["names"] == ("overlap<16>",)
    assert made["options"] == ("-std=c++17", f"-I{source.parents[1] / 'include'}", "-DLISTS=2")
    assert made["code"].endswith('#line 1 "overlap.cu"\n' + SOURCE)


def test_a_source_is_compiled_once(fake: FakeCupy, source: Path) -> None:
    first = cuda.load(source, ["overlap<16>"])
    assert cuda.load(source, ("overlap<16>",)) is first
    assert len(fake.compiled) == 1


def edit(path: Path) -> None:
    path.write_text(path.read_text() + "// edited\n")


@pytest.mark.parametrize(
    "change",
    [
        lambda source: edit(source),
        lambda source: edit(source.parents[1] / "include" / "lists.cuh"),
        lambda source: edit(source.parents[1] / "include" / "sorting.cuh"),
    ],
    ids=["source", "header", "header of a header"],
)
def test_an_edit_of_anything_that_is_included_compiles_again(
    fake: FakeCupy, source: Path, change: Callable[[Path], None]
) -> None:
    cuda.load(source, ["overlap<16>"])
    change(source)
    cuda.load(source, ["overlap<16>"])
    first, second = fake.compiled
    assert first["code"] != second["code"], "CuPy's own cache on disk would take the old binary"


def test_other_names_options_and_devices_compile_again_but_a_header_nobody_includes_does_not(
    fake: FakeCupy, source: Path
) -> None:
    cuda.load(source, ["overlap<16>"])
    cuda.load(source, ["overlap<32>"])
    cuda.load(source, ["overlap<16>"], ["-DLISTS=2"])
    with fake.cuda.Device(1):
        cuda.load(source, ["overlap<16>"])
    assert [made["device"] for made in fake.compiled] == [0, 0, 0, 1]
    edit(source.parents[1] / "include" / "unused.cuh")
    cuda.load(source, ["overlap<16>"])
    assert len(fake.compiled) == 4


@pytest.mark.parametrize(
    ("log", "given", "needed"),
    [
        (
            NVRTC_LOG,
            'overlap.cu:4: identifier "undefined_thing" is undefined',
            "The line: undefined_thing(x);   (1 more after it)",
        ),
        (
            MISSING_HEADER_LOG,
            'overlap.cu:1: cannot open source file "lists.cuh"',
            'The line: #include "lists.cuh"',
        ),
        (
            HOST_LOG,
            "overlap.cu:4: 'undefined_thing' was not declared in this scope",
            "The line: undefined_thing(x);",
        ),
        (
            NAMES_LOG,
            'overlap.cu: identifier "overlop" is undefined (one of the names overlap<16>, overlop<16>)',
            "A name is a kernel of the file, with its template's arguments: overlap<16>.",
        ),
        (
            "nvrtc: error: unrecognized option -nonsense found\n",
            "overlap.cu: nvrtc: error: unrecognized option -nonsense found",
            "It was compiled for overlap<16>, overlop<16>.",
        ),
    ],
    ids=["undefined", "missing header", "host compiler", "unknown name", "option"],
)
def test_what_does_not_compile_is_said_with_file_and_line(
    fake: FakeCupy, source: Path, log: str, given: str, needed: str
) -> None:
    fake.log = log
    with pytest.raises(CompileError) as caught:
        cuda.load(source, ["overlap<16>", "overlop<16>"])
    assert caught.value.given == given
    assert caught.value.needed == needed
    assert str(caught.value.__cause__) == log


def test_an_error_in_a_header_names_the_header_and_its_line(fake: FakeCupy, source: Path) -> None:
    header = source.parents[1] / "include" / "sorting.cuh"
    fake.log = f'{header}(2): error: expected a ";"\n  // once around\n  ^\n'
    with pytest.raises(CompileError) as caught:
        cuda.load(source, ["overlap<16>"])
    assert caught.value.given == 'sorting.cuh:2: expected a ";"'
    assert caught.value.needed == "The line: // once around"


def test_a_failure_is_not_remembered(fake: FakeCupy, source: Path) -> None:
    fake.log = NVRTC_LOG
    with pytest.raises(CompileError):
        cuda.load(source, ["overlap<16>"])
    fake.log = ""
    cuda.load(source, ["overlap<16>"])


def sums_by(tile: int) -> Any:
    """Column sums, so many rows at a time: the same for every tile."""
    table = np.arange(120).reshape(40, 3)
    return sum(table[start : start + tile].sum(axis=0) for start in range(0, 40, tile))


@pytest.mark.parametrize("failures", [0, 1, 2, 3])
def test_when_memory_runs_out_a_smaller_tile_gives_the_same_result(fake: FakeCupy, failures: int) -> None:
    tried: list[int] = []
    freed: list[int] = []
    fake.on_free = lambda: freed.append(len(tried))

    def work(tile: int) -> Any:
        tried.append(tile)
        if len(tried) <= failures:
            raise OutOfMemoryError("Out of memory allocating 1,000 bytes")
        return sums_by(tile)

    found = cuda.retry_smaller("sums", work, 32, multiple=4)
    assert np.array_equal(found, sums_by(40))
    assert tried == [32, 16, 8, 4][: failures + 1]
    assert freed == list(range(1, failures + 1))


def test_what_a_failed_attempt_held_is_free_before_the_next(fake: FakeCupy) -> None:
    held: list[weakref.ref[Any]] = []

    class Workspace:
        """Something on the device."""

    def work(tile: int) -> int:
        workspace = Workspace()
        held.append(weakref.ref(workspace))
        if len(held) == 1:
            raise OutOfMemoryError("Out of memory")
        return tile

    alive: list[Any] = []
    fake.on_free = lambda: alive.append(held[0]())
    assert cuda.retry_smaller("sums", work, 8) == 4
    assert alive == [None]


@pytest.mark.parametrize(
    ("tile", "multiple", "attempts", "tried"),
    [(100, 16, 9, "100, 48, 16"), (4, 1, 9, "4, 2, 1"), (64, 1, 2, "64, 32"), (3, 8, 9, "3")],
)
def test_when_nothing_fits_the_tiles_are_named(
    fake: FakeCupy, tile: int, multiple: int, attempts: int, tried: str
) -> None:
    def work(tile: int) -> None:
        raise OutOfMemoryError("Out of memory allocating 5 bytes")

    with pytest.raises(MemoryBudgetError) as caught:
        cuda.retry_smaller("lists", work, tile, multiple=multiple, attempts=attempts)
    assert caught.value.given == f"lists: the GPU's memory ran out with tiles of {tried} rows"
    assert "allocating 5 bytes" in caught.value.needed


def test_another_error_is_not_retried(fake: FakeCupy) -> None:
    def work(tile: int) -> None:
        raise ValueError(tile)

    with pytest.raises(ValueError, match=r"^8$"):
        cuda.retry_smaller("sums", work, 8)


def test_without_cupy_arrays_of_a_gpu_are_refused_with_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    diagnosis.lack_of_cuda.cache_clear()
    with pytest.raises(DeviceError, match="CuPy is not installed"):
        cuda.cupy()
    diagnosis.lack_of_cuda.cache_clear()


@pytest.mark.parametrize(
    "name",
    [
        "RawModule",
        "asarray",
        "asnumpy",
        "copyto",
        "empty",
        "empty_like",
        "from_dlpack",
        "get_default_memory_pool",
        "matmul",
        "cuda.Device",
        "cuda.Event",
        "cuda.Stream",
        "cuda.alloc_pinned_memory",
        "cuda.compiler.CompileException",
        "cuda.device.get_cublas_handle",
        "cuda.get_current_stream",
        "cuda.memory.OutOfMemoryError",
        "cuda.nvrtc.getVersion",
        "cuda.runtime.getDeviceCount",
        "cuda.runtime.getDeviceProperties",
        "cuda.runtime.memGetInfo",
        "cuda.runtime.runtimeGetVersion",
    ],
)
def test_what_is_used_of_cupy_is_in_cupy(name: str) -> None:
    pytest.importorskip("cupy", reason="CuPy is not installed")
    functools.reduce(getattr, name.split("."), importlib.import_module("cupy"))
