"""What a machine is said to have, and why it would be used or not."""

from __future__ import annotations

import json

import fake_cupy
import pytest

from gpuemb.core import device
from gpuemb.core.cuda import diagnosis
from gpuemb.core.cuda.diagnosis import Lack
from gpuemb.core.device import CPU
from gpuemb.stability import info as information
from gpuemb.stability.info import info
from gpuemb.stability.running.warmup import STUDY_KERNELS

NAMES = [kernel.name for kernel in STUDY_KERNELS]


class Known:
    """A kernel with files for some kinds of devices."""

    def __init__(self, name: str, *kinds: str) -> None:
        self.name, self.kinds = name, kinds

    def runs_on(self, kind: str) -> bool:
        return self.place(kind) != ""

    def place(self, kind: str) -> str:
        return f"{kind}.py" if kind in self.kinds else ""


def pretend(monkeypatch: pytest.MonkeyPatch, lack: Lack, *kernels: Known) -> None:
    monkeypatch.setattr(information, "STUDY_KERNELS", kernels)
    monkeypatch.setattr(information, "lack_of_cuda", lambda: lack)
    monkeypatch.setattr(device, "missing_for_cuda", lambda: lack.what)
    monkeypatch.setattr(device, "describe", lambda which=CPU: f"{which}: described")


NO_DRIVER = Lack("no driver is installed", "A driver comes from afar.")
BOTH, ONE = Known("gram", "cpu", "cuda"), Known("polar_factors", "cpu")


def test_a_machine_with_a_gpu_and_every_file_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, Lack("", ""), BOTH)
    found = info()
    assert (found.chosen, found.why) == ("cuda:0", "every kernel of a study runs there")
    assert found.cuda == "cuda:0: described"
    assert {kind: (x.file, x.reason) for kind, x in found.kernels["gram"].items()} == {
        "cpu": ("cpu.py", ""),
        "cuda": ("cuda.py", ""),
    }


def test_one_missing_file_is_the_reason_for_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, Lack("", ""), BOTH, ONE)
    found = info()
    assert (found.chosen, found.why) == ("cpu", "1 of a study's 2 kernels have no CUDA file")
    assert found.kernels["polar_factors"]["cuda"].reason == "polar_factors has no cuda.py or cuda/"


def test_without_cuda_it_is_said_what_is_missing_and_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend(monkeypatch, NO_DRIVER, BOTH)
    found = info()
    assert (found.chosen, found.why) == ("cpu", "CUDA cannot be used")
    assert found.cuda == "not used: no driver is installed. A driver comes from afar."
    cuda = found.kernels["gram"]["cuda"]
    assert (cuda.file, cuda.reason) == ("cuda.py", "no driver is installed")


def test_the_table_shows_each_kernel_s_file_and_marks_what_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend(monkeypatch, NO_DRIVER, BOTH, ONE)
    assert str(info()).splitlines()[-3:] == [
        "kernel         cpu     cuda",
        "gram           cpu.py  (cuda.py)",
        "polar_factors  cpu.py  none",
    ]
    pretend(monkeypatch, Lack("", ""), BOTH)
    assert str(info()).endswith("gram    cpu.py  cuda.py")


def test_programs_get_all_of_it() -> None:
    found = json.loads(json.dumps(info().as_mapping()))
    assert list(found["kernels"]) == NAMES
    for kernel in found["kernels"].values():
        assert kernel["cpu"] in ({"file": "cpu.py", "reason": ""}, {"file": "cpu/", "reason": ""})
        assert set(kernel["cuda"]) == {"file", "reason"}
    assert found["chosen"] == info().chosen
    assert set(found["versions"]) >= {"gpuemb", "numpy"}


def test_cupy_alone_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cupy.install(monkeypatch)
    diagnosis.lack_of_cuda.cache_clear()
    monkeypatch.setattr(diagnosis, "driver_version", lambda: None)
    assert info().chosen == "cpu"
    diagnosis.lack_of_cuda.cache_clear()
