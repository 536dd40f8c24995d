"""What CUDA lacks is named, all of it, and so is what provides it for this driver."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fake_cupy
import pytest

from gpuemb.core.cuda import cupy, diagnosis
from gpuemb.core.cuda.diagnosis import DRIVER_LIBRARY, EXTRAS, driver_version, lack_of_cuda, missing_for_cuda
from gpuemb.core.device import CPU, choose
from gpuemb.core.errors import DeviceError
from gpuemb.core.system.installing import install

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.fixture(autouse=True)
def ask_again() -> Iterator[None]:
    """Clear the cached diagnosis before and after."""
    lack_of_cuda.cache_clear()
    yield
    lack_of_cuda.cache_clear()


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Fake a driver that supports a CUDA version; ``None``: no driver."""

    def install(version: int | None, status: int = 0) -> None:
        def answer(number: Any) -> int:
            number._obj.value = version
            return status

        def load(name: str) -> Any:
            assert name == DRIVER_LIBRARY
            if version is None:
                raise OSError(f"{name}: cannot open shared object file")
            return SimpleNamespace(cuDriverGetVersion=answer)

        monkeypatch.setattr(ctypes, "CDLL", load)

    return install


Driver = Callable[..., None]


def test_where_all_is_there_nothing_is_missing(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(13000)
    fake_cupy.install(monkeypatch)
    assert missing_for_cuda() == ""
    assert lack_of_cuda().provided_by == ""


def test_without_driver_and_cupy_both_are_named_and_only_one_comes_from_pip(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(None)
    monkeypatch.setitem(sys.modules, "cupy", None)
    lack = lack_of_cuda()
    expected = f"no NVIDIA driver is installed ({DRIVER_LIBRARY} cannot be loaded) and CuPy is not installed"
    assert lack.what == expected
    assert lack.provided_by.startswith(
        f"A driver comes from NVIDIA or your distribution, not from pip. CuPy: {install('cuda12')} "
        f"or, for drivers from 580 on, {install('cuda13')};"
    )


def test_with_cupy_but_no_driver_nothing_of_pip_is_advised(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(None)
    fake_cupy.install(monkeypatch)
    assert "driver" in missing_for_cuda()
    assert "CuPy" not in missing_for_cuda()
    assert "pip install" not in lack_of_cuda().provided_by


@pytest.mark.parametrize(
    ("version", "extra", "cuda"),
    [
        (12000, "cuda12", "12.0"),
        (12090, "cuda12", "12.9"),
        (13000, "cuda13", "13.0"),
        (13020, "cuda13", "13.2"),
        (14010, "cuda13", "14.1"),
    ],
)
def test_the_extra_is_the_driver_s(
    version: int, extra: str, cuda: str, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(version)
    monkeypatch.setitem(sys.modules, "cupy", None)
    lack = lack_of_cuda()
    assert lack.what == "CuPy is not installed"
    assert lack.provided_by.startswith(f"CuPy: {install(extra)}, which fits this driver's CUDA {cuda};")
    assert not [other for other in EXTRAS.values() if other != extra and other in lack.provided_by]


def test_a_driver_too_old_for_every_extra_is_named(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(11080)
    fake_cupy.install(monkeypatch).cuda.runtime.runtimeGetVersion = lambda: 11020
    lack = lack_of_cuda()
    assert lack.what == "the NVIDIA driver is too old (it supports CUDA 11.8)"
    assert lack.provided_by == "Driver 525 or newer comes from NVIDIA or your distribution."


def test_cupy_for_a_newer_cuda_than_the_driver_s_is_to_be_exchanged(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(12040)
    fake_cupy.install(monkeypatch)
    lack = lack_of_cuda()
    assert lack.what == "CuPy is built for CUDA 13, but the driver supports 12.4"
    assert f"pip uninstall cupy-cuda13x, then {install('cuda12')}" in lack.provided_by


def test_a_newer_driver_runs_an_older_cupy(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(13000)
    fake_cupy.install(monkeypatch).cuda.runtime.runtimeGetVersion = lambda: 12090
    assert missing_for_cuda() == ""


def test_libraries_that_cannot_be_loaded_come_with_the_extra_of_the_toolkit(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(13000)
    fake = fake_cupy.install(monkeypatch)

    def absent() -> None:
        raise RuntimeError('Failure finding "libnvrtc.so.13"\nand a page of where it was looked for')

    fake.cuda.nvrtc.getVersion = absent
    fake_cupy.install_cublas(monkeypatch, None)
    lack = lack_of_cuda()
    assert lack.what.startswith('NVRTC cannot be loaded (Failure finding "libnvrtc.so.13") and cuBLAS cannot')
    assert "\n" not in lack.what
    assert install("cuda13-ctk") in lack.provided_by
    fake.cuda.nvrtc.getVersion = lambda: (13, 0)
    lack_of_cuda.cache_clear()
    assert missing_for_cuda().startswith("cuBLAS cannot be loaded")


def no_gpu() -> int:
    raise RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")


@pytest.mark.parametrize(("count", "said"), [(no_gpu, "cudaErrorNoDevice"), (lambda: 0, "no GPU")])
def test_a_driver_without_a_gpu_is_not_enough(
    count: Callable[[], int], said: str, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(13000)
    fake_cupy.install(monkeypatch).cuda.runtime.getDeviceCount = count
    assert missing_for_cuda().startswith("the driver finds no GPU that it can use")
    assert said in missing_for_cuda()


def test_a_driver_that_does_not_answer_counts_as_none(driver: Driver) -> None:
    driver(0, status=3)
    assert driver_version() is None


def test_cupy_that_is_broken_is_not_called_absent(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    driver(13000)
    (tmp_path / "cupy.py").write_text("raise ImportError('libcudart is broken')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    assert missing_for_cuda() == "CuPy cannot be imported: libcudart is broken"


def test_what_cupy_itself_lacks_is_not_called_cupy(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    driver(13000)
    (tmp_path / "cupy.py").write_text("import a_module_that_nobody_has")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    assert "a_module_that_nobody_has" in missing_for_cuda()


def test_the_answer_is_found_once(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(None)
    monkeypatch.setitem(sys.modules, "cupy", None)
    said = missing_for_cuda()
    monkeypatch.setattr(diagnosis, "driver_version", lambda: pytest.fail("asked again"))
    assert missing_for_cuda() == said


def test_every_extra_that_is_advised_exists() -> None:
    extras = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    for major, extra in EXTRAS.items():
        assert [line.partition(">")[0] for line in extras[extra]] == [f"cupy-cuda{major}x"]
        assert [line.partition(">")[0] for line in extras[f"{extra}-ctk"]] == [f"cupy-cuda{major}x[ctk]"]


BROKEN = [
    (
        "raise AttributeError(\"module 'numpy' has no attribute 'bool8'\")",
        "AttributeError: module 'numpy' has",
    ),
    ("raise OSError('libcudart.so.13: file too short')", "OSError: libcudart.so.13: file too short"),
    ("raise RuntimeError('built for another NumPy')", "built for another NumPy"),
    ("raise ValueError", "ValueError"),
    ("def def", "SyntaxError: invalid syntax"),
    ("", "AttributeError: module 'cupy' has no attribute 'cuda'"),
]


@pytest.mark.parametrize(("source", "told"), BROKEN, ids=[told.split(":")[0] for _, told in BROKEN])
def test_whatever_breaks_cupy_auto_is_the_cpu_and_a_gpu_is_refused_with_it(
    source: str, told: str, driver: Driver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    driver(13000)
    (tmp_path / "cupy.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "cupy", None)
    del sys.modules["cupy"]
    assert choose("auto") == CPU
    with pytest.raises(DeviceError, match=re.escape(f"CuPy cannot be imported: {told}")):
        choose("cuda")
    if source:
        with pytest.raises(DeviceError, match=re.escape(f"CuPy cannot be imported: {told}")):
            cupy()


def test_a_library_that_is_no_driver_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    assert driver_version() is None


FORKED = """
import ctypes, os
from types import SimpleNamespace
import fake_cupy, pytest
from gpuemb.core.cuda import cupy, diagnosis
from gpuemb.core.device import choose
from gpuemb.core.errors import DeviceError

def answer(number):
    number._obj.value = 13000
    return 0

ctypes.CDLL = lambda name: SimpleNamespace(cuDriverGetVersion=answer)
fake_cupy.install(pytest.MonkeyPatch())
if {used}:
    assert choose("cuda").kind == "cuda"
child = os.fork()
if not child:
    print(choose("auto"))
    for use in (cupy, lambda: choose("cuda")):
        try:
            use()
            print("works")
        except DeviceError as error:
            print(error.given)
    grandchild = os.fork()
    os.waitpid(grandchild, 0) if grandchild else print(choose("auto"))
else:
    os.waitpid(child, 0)
    assert choose("cuda").kind == "cuda"
"""


@pytest.mark.parametrize("used", [True, False])
def test_a_child_of_a_process_that_used_cuda_has_the_cpu_alone(used: bool) -> None:
    lost = "this process was forked from one that had used CUDA"
    expected = ["cpu", f"cuda: {lost}", f"device: cuda cannot be used here: {lost}", "cpu"]
    done = subprocess.run(
        [sys.executable, "-u", "-c", FORKED.format(used=used)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == (expected if used else ["cuda:0", "works", "works", "cpu"])
