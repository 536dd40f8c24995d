"""Hypothesis' profiles, and the devices on which every kernel is tested."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cuda_on_host import compiler, stand_in
from cuda_on_host.launch import SCHEDULES, Run
from hypothesis import settings

from gpuemb.core.cuda.diagnosis import missing_for_cuda
from gpuemb.core.device import Device
from gpuemb.core.dispatch import Kernel

# "few" and "house" find the same examples on every machine; "search" looks for new ones:
# pytest --hypothesis-profile=search
settings.register_profile("house", max_examples=80, deadline=None, derandomize=True, database=None)
settings.register_profile("few", settings.get_profile("house"), max_examples=8)
settings.register_profile("search", max_examples=1000, deadline=None)

DEVICES = ("cpu", "cuda")
ON_HOST = "cuda-on-host-"  # the emulator of tests/cuda_on_host, under each of its schedules


def pytest_configure(config: pytest.Config) -> None:
    """Try few examples where the slow tests are left out, else as many as the house does."""
    settings.load_profile("few" if config.option.markexpr == "not slow" else "house")


def pytest_collection() -> None:
    """Do not look for garbage among a million objects that stay: modules and tests."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True, scope="module")
def memory_goes_back() -> Iterator[None]:
    """What a module has freed goes back to the system: two workers and a command fit in 2 GB.

    What is left, libraries and compiled kernels, stays to the end, and is not looked through again.
    """
    yield
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
    if trim is not None:
        trim(0)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what takes a ``device`` on each; on the emulator where the module's ``KERNEL`` has CUDA text.

    A module whose tests are slow there names some of the emulator's schedules in ``EMULATED``, and in
    ``EMULATED_FAST`` the tests that are run there by the fast run too, which else runs all.
    """
    own = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "device" in metafunc.fixturenames and not any("device" in names for names in own):
        kernel: Kernel[..., object] | None = getattr(metafunc.module, "KERNEL", None)
        schedules = getattr(metafunc.module, "EMULATED", SCHEDULES)
        emulated = schedules if kernel is not None and has_cuda_text(kernel) else ()
        name = metafunc.function.__name__
        fast = name in getattr(metafunc.module, "EMULATED_FAST", (name,))
        marks = {one: () if fast and one == "random" else (pytest.mark.slow,) for one in emulated}
        devices = (*DEVICES, *(pytest.param(ON_HOST + one, marks=marks[one]) for one in emulated))
        metafunc.parametrize("device", devices, indirect=True, scope="module")


def has_cuda_text(kernel: Kernel[..., object]) -> bool:
    """Whether a kernel is written in CUDA; one that calls libraries only has nothing to emulate."""
    folder = Path(str(sys.modules[kernel.reference.__module__].__file__)).parent
    return any(folder.glob("*.cu"))


@pytest.fixture(scope="module")
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """Every device; CUDA is skipped where it is missing, or the module's ``KERNEL`` has no file for it."""
    kernel: Kernel[..., object] | None = getattr(request.module, "KERNEL", None)
    if request.param.startswith(ON_HOST):
        if compiler.missing():
            pytest.skip(f"cuda-on-host: {compiler.missing()}")
        with stand_in.installed(Run(request.param.removeprefix(ON_HOST))):
            yield Device("cuda")
        return
    if request.param == "cuda":
        missing = missing_for_cuda()
        if missing:
            pytest.skip(f"cuda: {missing}")
        if kernel is not None and not kernel.runs_on("cuda"):
            pytest.skip(f"cuda: {kernel.name} has no file for it")
    yield Device(request.param)
