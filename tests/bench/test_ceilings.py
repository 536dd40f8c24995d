"""The ceilings are rates, and the int8 one computes what it claims to."""

from __future__ import annotations

import numpy as np
import pytest

from gpuemb.bench import ceilings, vnni
from gpuemb.core import threads
from gpuemb.core.device import CPU
from gpuemb.core.errors import ConfigError


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "COPY_BYTES": 1 << 20,
        "SIDE": 64,
        "INT8_ROWS": 64,
        "ADDS": 1 << 10,
        "REPEATS": 2,
    }.items():
        monkeypatch.setattr(ceilings, name, value)


@pytest.mark.usefixtures("quick")
def test_every_ceiling_is_a_positive_rate_or_says_why_it_is_missing() -> None:
    measured = ceilings.measure_ceilings(CPU)
    assert set(measured.found) | set(measured.missing) == {"copy", "sgemm", "dgemm", "int8", "adds"}
    for found in measured.found.values():
        assert found.rate > 0
        assert all(rate > 0 for rate in found.roads.values())
        assert found.spread >= 0
    assert all(measured.missing.values())
    assert set(measured.found["sgemm"].roads) == {"workers", "BLAS threads"}


def test_an_unknown_ceiling_is_refused() -> None:
    with pytest.raises(ConfigError, match="ceiling"):
        ceilings.measure_ceilings(CPU, ["hgemm"])


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
