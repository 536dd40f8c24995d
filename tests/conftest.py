"""Hypothesis' profiles, and the devices on which every kernel is tested."""

from __future__ import annotations

import pytest
from hypothesis import settings

from gpuemb.core import device as devices
from gpuemb.core.device import Device
from gpuemb.core.dispatch import Kernel

# "house" finds the same examples on every machine; "search" looks for new ones:
# pytest --hypothesis-profile=search
settings.register_profile("house", max_examples=80, deadline=None, derandomize=True, database=None)
settings.register_profile("search", max_examples=1000, deadline=None)
settings.load_profile("house")


@pytest.fixture(scope="module", params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> Device:
    """Every device; CUDA is skipped where it is missing, or the module's ``KERNEL`` has no file for it."""
    kernel: Kernel[..., object] | None = getattr(request.module, "KERNEL", None)
    if request.param == "cuda":
        missing = devices.missing_for_cuda()
        if missing:
            pytest.skip(f"cuda: {missing}")
        if kernel is not None and not kernel.runs_on("cuda"):
            pytest.skip(f"cuda: {kernel.name} has no file for it")
    return Device(request.param)
