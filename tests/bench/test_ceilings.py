"""The ceilings are rates, and the int8 one computes what it claims to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import fake_cupy
import numpy as np
import pytest
from emulated_cublas import EmulatedCublas, table

from gpuemb.bench import ceilings, ceilings_cuda, vnni
from gpuemb.core import threads
from gpuemb.core.device import CPU, Device
from gpuemb.core.errors import ConfigError
from gpuemb.kernels import vnni as instructions
from gpuemb.kernels.panels import wide_registers


@pytest.mark.usefixtures("quick")
def test_every_ceiling_is_a_positive_rate_or_says_why_it_is_missing() -> None:
    measured = ceilings.measure_ceilings(CPU)
    assert set(measured.found) | set(measured.missing) == {"copy", "sgemm", "dgemm", "int8", "adds"}
    for found in measured.found.values():
        assert found.rate > 0
        assert all(rate > 0 for rate in found.roads.values())
        assert found.spread >= 0
    assert all(measured.missing.values())
    own = {"registers"} if wide_registers() else set()
    assert set(measured.found["sgemm"].roads) == {"workers", "BLAS threads"} | own


def test_an_unknown_ceiling_is_refused() -> None:
    with pytest.raises(ConfigError, match="ceiling"):
        ceilings.measure_ceilings(CPU, ["hgemm"])


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ({"neon", "dotprod", "i8mm"}, "on 64-bit ARM tables are filtered in float32"),
        ({"avx2"}, "neither avx512vnni nor avxvnni"),
        (set(), "neither avx512vnni nor avxvnni"),
    ],
)
def test_a_processor_without_an_int8_ceiling_says_so(
    monkeypatch: pytest.MonkeyPatch, features: set[str], said: str
) -> None:
    monkeypatch.setattr(instructions, "features", lambda: frozenset(features))
    instructions.missing.cache_clear()
    try:
        measured = ceilings.measure_ceilings(CPU, ["int8"])
    finally:
        instructions.missing.cache_clear()
    assert said in measured.missing["int8"]
    assert measured.found == {}


@pytest.mark.skipif(bool(vnni.missing()), reason=vnni.missing() or "present")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("rows", "columns", "dim"), [(16, 16, 4), (48, 32, 320), (160, 16, 8)])
def test_the_int8_product_is_numpys_exactly(rows: int, columns: int, dim: int, workers: int) -> None:
    numbers = np.random.default_rng(rows)
    left = numbers.integers(-128, 128, (rows, dim)).astype(np.int8)
    right = numbers.integers(0, 256, (columns, dim)).astype(np.uint8)
    left[0], right[0] = -128, 255  # the largest products there are
    packed = vnni.pack(left), vnni.pack(right)
    out = np.empty((rows // 16, columns // 16, 16, 16), np.int32)
    with threads.limit(workers):
        vnni.product(*packed, out)
    found = out.transpose(0, 2, 1, 3).reshape(rows, columns)
    assert np.array_equal(found, left.astype(np.int32) @ right.astype(np.int32).T)


@pytest.mark.parametrize("name", ["fp16", "tf32", "fp32", "fp64", "int8"])
def test_the_products_of_a_gpu_go_through_cublas_or_are_missing_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fake = fake_cupy.install(monkeypatch)
    cublas = EmulatedCublas()
    fake_cupy.install_cublas(monkeypatch, cublas)
    monkeypatch.setattr(fake, "random", SimpleNamespace(default_rng=Integers), raising=False)
    monkeypatch.setattr(fake, "empty", lambda shape, dtype: table(np.empty(shape, dtype)))
    small = {"COPY_BYTES": 1 << 20, "TRANSFER_BYTES": 1 << 20, "SIDE": 16, "REPEATS": 2}
    for size, value in small.items():
        monkeypatch.setattr(ceilings_cuda, size, value)
    found = ceilings_cuda.measure_cuda(Device("cuda")).found[name]
    assert found.rate > 0
    assert found.unit == ("OP/s" if name == "int8" else "FLOP/s")
    assert len(cublas.computed) >= 5 * 2 * ceilings_cuda.PRODUCTS_A_ROUND
    fake.__version__ = "99.0"
    assert "this is CuPy 99.0" in ceilings_cuda.measure_cuda(Device("cuda")).missing[name]


class Integers:
    """A generator of CuPy's."""

    def __init__(self, seed: int) -> None:
        self.numbers = np.random.default_rng(seed)

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> Any:
        return table(self.numbers.integers(low, high, shape))
