"""Users × items on a GPU: factors, cosines and neighbors stay there, with the numbers of the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cuda_on_host import compiler, stand_in
from cuda_on_host.arguments import DeviceArray
from cuda_on_host.launch import Run
from tolerances import assert_within

import gpuemb as ge
from gpuemb.core.arrays import Float64

pytestmark = pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}")


@pytest.fixture
def emulated() -> Iterator[None]:
    with stand_in.installed(Run()):
        yield


def gpu(x: Any) -> Any:
    return np.array(x).view(DeviceArray)


def chosen(seed: int = 0) -> Float64:
    numbers = np.random.default_rng(seed)
    x = (numbers.random((60, 14)) < 0.4) * numbers.integers(1, 4, (60, 14)).astype(float)
    x[3], x[:, 5] = 0, 0
    return x


def known(x: Any) -> Float64:
    return np.nan_to_num(np.array(x), nan=9)


@pytest.mark.parametrize("objective", [1, 2])
def test_factors_and_cosines_stay_on_the_gpu(emulated: None, objective: int) -> None:
    found, expected = (ge.factorize(x, 4, 5.0, objective=objective) for x in (gpu(chosen()), chosen()))
    assert found.spectrum.empty_users == expected.spectrum.empty_users > 0
    assert found.spectrum.empty_items == expected.spectrum.empty_items == 1
    for name in ("items", "maps", "users"):
        assert isinstance(getattr(found, name), DeviceArray)
        assert_within(np.array(getattr(found, name)), getattr(expected, name), 1e-9)
    for name in ("item_cosine", "user_cosine", "user_item_cosine"):
        cosines = getattr(found, name)(columns=[0, 5, 7])
        assert isinstance(cosines, DeviceArray)
        assert_within(known(cosines), known(getattr(expected, name)(columns=[0, 5, 7])), 1e-9)
    for of in ("item", "user", "user-item"):
        near, other = (factors.nearest(of, 3, rows=[1, 8]) for factors in (found, expected))  # type: ignore[arg-type]
        assert isinstance(near.ids, DeviceArray)
        np.testing.assert_array_equal(np.array(near.ids), other.ids)


def test_what_is_measured_of_factors_is_that_of_the_cpu(emulated: None) -> None:
    found, expected = (ge.ambiguity(ge.factorize(x, 4, 5.0), k=3, steps=3) for x in (gpu(chosen()), chosen()))
    assert_within(found.value, expected.value, 1e-12)
    square = chosen()[:14]
    two, other = (ge.ambiguity(x, x.T, k=3, steps=3, pairs=[(0, 1)]) for x in (gpu(square), square))
    assert_within(two.summary["range"].to_pylist(), other.summary["range"].to_pylist(), 1e-9)
    assert_within(two.pairs["lowest"].to_pylist(), other.pairs["lowest"].to_pylist(), 1e-9)


@pytest.mark.parametrize("name", ["standardized-columns", "layer-normalization", "negative-sampling"])
def test_remedies_stay_on_the_gpu(emulated: None, name: Any) -> None:
    found, expected = (ge.remedy(x, name, 4, 5.0) for x in (gpu(chosen()), chosen()))
    assert isinstance(found.items, DeviceArray)
    assert_within(known(found.item_cosine()), known(expected.item_cosine()), 1e-9)
