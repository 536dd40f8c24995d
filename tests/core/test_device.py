from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace

import pytest

from gpuemb.core import device as devices
from gpuemb.core.device import CPU, Device, choose, describe, free_bytes, missing_for_cuda
from gpuemb.core.errors import ConfigError, DeviceError


class Runs:
    """A kernel that runs on some kinds of devices."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds

    def runs_on(self, kind: str) -> bool:
        return kind in self.kinds


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "missing_for_cuda", lambda: "CuPy is not installed")


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this machine look as if it had two GPUs."""
    cupy = ModuleType("cupy")
    cupy.cuda = SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=lambda: 2))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(devices, "missing_for_cuda", lambda: "")


@pytest.fixture
def ask_again() -> Iterator[None]:
    """What is missing is asked once a process: forget the answer, before and after."""
    missing_for_cuda.cache_clear()
    yield
    missing_for_cuda.cache_clear()


@pytest.mark.parametrize(
    "name",
    ["gpu", "", "CPU", "cuda:", "cuda:-1", "cuda:x", "cuda:0.5", "cpu:0", " cpu", "cuda\n", "cuda:0:1"],
)
def test_what_is_not_a_device_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose(name)
    assert caught.value.given == f"device: {name!r} is not a device"
    assert "'auto', 'cpu', 'cuda' or 'cuda:n'" in caught.value.needed


@pytest.mark.usefixtures("no_cuda")
def test_without_cuda_auto_is_the_cpu() -> None:
    assert choose() == choose("auto") == choose("cpu") == CPU
    assert choose("auto", [Runs("cpu", "cuda")]) == CPU


@pytest.mark.usefixtures("no_cuda")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_without_cuda_asking_for_it_says_what_is_missing_and_what_to_do(name: str) -> None:
    with pytest.raises(DeviceError) as caught:
        choose(name)
    assert caught.value.given == f"device: {name} cannot be used here: CuPy is not installed"
    assert "pip install 'gpuemb[cuda12]'" in caught.value.needed
    assert "device='cpu'" in caught.value.remedy


@pytest.mark.usefixtures("two_gpus")
def test_with_cuda_a_name_is_its_device() -> None:
    assert choose("cpu") == CPU
    assert choose("cuda") == choose("cuda:0") == choose("auto") == Device("cuda", 0)
    assert choose("cuda:1") == Device("cuda", 1)


@pytest.mark.usefixtures("two_gpus")
def test_a_device_beyond_the_last_is_refused_with_how_many_there_are() -> None:
    with pytest.raises(DeviceError, match=r"cuda:2 was asked for, but this machine has 2\n.*below 2"):
        choose("cuda:2")


@pytest.mark.usefixtures("two_gpus")
def test_auto_is_cuda_only_where_every_needed_kernel_runs_on_it() -> None:
    assert choose("auto", [Runs("cpu", "cuda"), Runs("cuda")]) == Device("cuda")
    assert choose("auto", [Runs("cpu", "cuda"), Runs("cpu")]) == CPU
    assert choose("cuda", [Runs("cpu")]) == Device("cuda")  # asked for by name: the kernel itself will refuse


@pytest.mark.usefixtures("ask_again")
def test_cupy_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert missing_for_cuda() == "CuPy is not installed"


@pytest.mark.usefixtures("ask_again")
@pytest.mark.parametrize(("available", "said"), [(False, "no usable NVIDIA driver"), (True, "")])
def test_cupy_without_a_driver_is_not_enough(
    available: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cupy = ModuleType("cupy")
    cupy.is_available = lambda: available  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert said in missing_for_cuda()
    assert bool(missing_for_cuda()) != available


@pytest.mark.usefixtures("ask_again")
def test_cupy_that_cannot_be_imported_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert "CuPy cannot be imported" in missing_for_cuda()


def test_a_device_is_written_as_it_is_asked_for() -> None:
    assert str(CPU) == "cpu"
    assert str(Device("cuda")) == "cuda:0"
    assert str(Device("cuda", 2)) == "cuda:2"


def test_the_cpu_is_described_in_one_line_with_its_free_memory() -> None:
    line = describe()
    assert line.startswith("cpu: ")
    assert line.endswith(" GB free")
    assert "\n" not in line
    assert free_bytes() > 0
