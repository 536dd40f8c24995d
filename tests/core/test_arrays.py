from __future__ import annotations

from typing import Any

import array_api_strict
import numpy as np
import pytest
from tolerances import assert_same_bits

from gpuemb.core.arrays import as_numbers, device_of, like, namespace_of, native, to_device, to_host
from gpuemb.core.device import CPU, Device
from gpuemb.core.errors import DeviceError, DTypeError, ShapeError


class Elsewhere:
    """An array with a device and nothing else."""

    def __init__(self, kind: int, index: int) -> None:
        self.place = kind, index

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.place


@pytest.mark.parametrize(
    ("place", "device"),
    [
        ((1, 0), CPU),
        ((3, 0), CPU),
        ((2, 0), Device("cuda", 0)),
        ((2, 3), Device("cuda", 3)),
        ((13, 1), Device("cuda", 1)),
    ],
    ids=["CPU", "pinned host", "CUDA", "fourth CUDA", "managed CUDA"],
)
def test_dlpack_says_where_an_array_is(place: tuple[int, int], device: Device) -> None:
    assert device_of(Elsewhere(*place)) == device
    assert device_of([Elsewhere(*place), object()]) == device


@pytest.mark.parametrize("kind", [4, 7, 8, 10])
def test_an_array_on_a_device_without_kernels_is_refused(kind: int) -> None:
    with pytest.raises(DeviceError, match=f"Elsewhere is on DLPack device type {kind}\n"):
        device_of(Elsewhere(kind, 0))


@pytest.mark.parametrize("x", [np.zeros(2), [[1.0]], [], (), 3.0, "word"])
def test_what_cannot_say_where_it_is_is_on_the_cpu(x: Any) -> None:
    assert device_of(x) == CPU


def test_numpy_arrays_pass_through_as_they_are() -> None:
    x = np.zeros((3, 2))
    assert native(x) is x
    assert to_host(x) is x
    assert to_device(x, CPU) is x
    assert like(x, x) is x


def test_an_array_of_another_library_enters_without_a_copy() -> None:
    x = np.arange(6.0).reshape(2, 3)
    foreign = array_api_strict.asarray(x)
    entered = native(foreign)
    assert isinstance(entered, np.ndarray)
    assert np.shares_memory(entered, np.from_dlpack(foreign))
    assert_same_bits(np.ascontiguousarray(entered), x)
    assert_same_bits(np.ascontiguousarray(to_host(foreign)), x)


def test_a_result_goes_out_in_the_library_of_the_input() -> None:
    foreign = array_api_strict.asarray([1.0, 2.0])
    out = like(np.array([3.0, 4.0]), foreign)
    assert namespace_of(out) is namespace_of(foreign)
    assert out[1] == 4.0


@pytest.mark.parametrize("x", [[[1, 2], [3, 4]], [[True]], 2.5, [[1.0, float("nan")]]])
def test_nested_numbers_become_an_array(x: Any) -> None:
    np.testing.assert_array_equal(as_numbers(x), np.array(x))


@pytest.mark.parametrize("x", ["king", ["king", "queen"], [[None]], [1j], [b"king"]])
def test_what_is_not_numbers_is_refused(x: Any) -> None:
    with pytest.raises(DTypeError, match=r"^there: expected numbers, but got"):
        as_numbers(x, "there")


def test_rows_of_different_lengths_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"^there: the rows of the list differ in length"):
        as_numbers([[1.0, 2.0], [3.0]], "there")
