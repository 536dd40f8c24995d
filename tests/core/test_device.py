from __future__ import annotations

import fake_cupy
import pytest

from gpuemb.core import device as devices
from gpuemb.core.cuda.diagnosis import Lack
from gpuemb.core.device import CPU, Device, budget, choose, describe, free_bytes
from gpuemb.core.errors import ConfigError, DeviceError


class Runs:
    """A kernel that runs on some kinds of devices."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds

    def runs_on(self, kind: str) -> bool:
        return kind in self.kinds


def lacking(monkeypatch: pytest.MonkeyPatch, lack: Lack) -> None:
    monkeypatch.setattr(devices, "lack_of_cuda", lambda: lack)
    monkeypatch.setattr(devices, "missing_for_cuda", lambda: lack.what)


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch, Lack("CuPy is not installed", "CuPy comes from pip."))


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this machine look as if it had two GPUs."""
    fake_cupy.install(monkeypatch).cuda.runtime.getDeviceCount = lambda: 2
    lacking(monkeypatch, Lack("", ""))


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
    assert caught.value.needed == "CuPy comes from pip."
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
    assert choose("cuda", [Runs("cpu")]) == Device("cuda")  # chosen by name: the kernel itself raises


def test_auto_looks_for_no_driver_where_a_needed_kernel_could_not_use_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "missing_for_cuda", lambda: pytest.fail("looked for CUDA"))
    assert choose("auto", [Runs("cpu", "cuda"), Runs("cpu")]) == CPU


@pytest.mark.usefixtures("two_gpus")
def test_free_on_a_gpu_is_also_what_the_pool_keeps_unused() -> None:
    assert free_bytes(Device("cuda")) == 1000 + 24
    assert budget(Device("cuda")) == 819


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
    assert 0 < budget() < free_bytes()
