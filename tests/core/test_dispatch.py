from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import array_api_strict
import fake_cupy
import numpy as np
import pytest
from strategies import awkward_rows
from tolerances import assert_same_bits

from gpuemb.core.arrays import device_of
from gpuemb.core.device import CPU, Device
from gpuemb.core.dispatch import Kernel, kernel_within
from gpuemb.core.errors import DeviceError, ShapeError
from gpuemb.kernels.cosine_topk import cosine_topk
from gpuemb.kernels.glove_epoch import glove_epoch
from gpuemb.kernels.gram import gram
from gpuemb.kernels.neighbor_overlap import neighbor_overlap
from gpuemb.kernels.polar import polar
from gpuemb.kernels.window_counts import weights_of, window_counts

CUDA = Device("cuda")
KERNELS: list[Kernel[..., Any]] = [cosine_topk, glove_epoch, gram, neighbor_overlap, polar, window_counts]

CONTRACT = '''"""A kernel made up for a test."""
from gpuemb.core.dispatch import kernel

@kernel
def {name}(x, *, more=0):
    """Return the implementation that ran."""
    return "reference", x, more
'''
IMPLEMENTATION = """def {name}(x, *, more=0):
    return "{kind}", x, more
"""


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Kernel[..., Any]]:
    """Return the maker of kernel folders with given files, or folders; CuPy seems to be installed."""
    monkeypatch.syspath_prepend(tmp_path)
    fake_cupy.install(monkeypatch)

    def make(name: str, *kinds: str) -> Kernel[..., Any]:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text(CONTRACT.format(name=name))
        for kind in kinds:
            file = folder / kind / "__init__.py" if kind.endswith("/") else folder / f"{kind}.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text(IMPLEMENTATION.format(name=name, kind=kind.removesuffix("/")))
        made: Kernel[..., Any] = getattr(__import__(name), name)
        return made

    return make


def test_a_kernel_runs_the_file_of_its_device(made_up: Callable[..., Kernel[..., Any]]) -> None:
    kernel = made_up("made_up_for_both", "cpu", "cuda")
    assert kernel.on(CPU)(1) == ("cpu", 1, 0)
    assert kernel.on(CUDA)(1, more=2) == ("cuda", 1, 2)
    assert kernel.on(Device("cuda", 3))(1) == ("cuda", 1, 0)
    assert kernel.reference(1) == ("reference", 1, 0)
    assert kernel.runs_on("cpu")
    assert kernel.runs_on("cuda")


@pytest.mark.parametrize(("kind", "place"), [("cpu", "cpu.py"), ("cpu/", "cpu/")])
def test_an_implementation_is_a_file_or_a_folder(
    made_up: Callable[..., Kernel[..., Any]], kind: str, place: str
) -> None:
    kernel = made_up(f"made_up_{len(kind)}", kind)
    assert kernel.place("cpu") == place
    assert kernel.place("cuda") == ""
    assert kernel.on(CPU)(1) == ("cpu", 1, 0)


def test_a_folder_without_code_is_no_implementation(
    made_up: Callable[..., Kernel[..., Any]], tmp_path: Path
) -> None:
    kernel = made_up("made_up_with_a_stale_cache", "cpu")
    (tmp_path / "made_up_with_a_stale_cache" / "cuda" / "__pycache__").mkdir(parents=True)
    assert not kernel.runs_on("cuda")


def test_what_is_beyond_the_limits_reaches_no_implementation(
    made_up: Callable[..., Kernel[..., Any]],
) -> None:
    plain = made_up("made_up_with_limits", "cpu", "cuda")

    def limits(x: Any, *, more: int = 0) -> None:
        if x + more > 3:
            raise ShapeError("too much", needed="3", remedy="less")

    limited = kernel_within(limits)(plain.reference)
    for run, who in ((limited.reference, "reference"), (limited.on(CPU), "cpu"), (limited.on(CUDA), "cuda")):
        assert run(1, more=2) == (who, 1, 2)
        with pytest.raises(ShapeError, match="too much"):
            run(2, more=2)
        assert run.__name__ == "made_up_with_limits"
        assert inspect.signature(run) == inspect.signature(plain.reference)
    assert limited.__doc__ == plain.__doc__


def test_limits_see_arrays_as_the_implementation_does(made_up: Callable[..., Kernel[..., Any]]) -> None:
    seen = []
    kernel_within(lambda x, *, more=0: seen.append(type(x)))(made_up("made_up_to_look", "cpu").reference).on(
        CPU
    )(array_api_strict.asarray([1.0]))
    assert seen == [np.ndarray]


def test_an_implementation_is_imported_on_first_use(made_up: Callable[..., Kernel[..., Any]]) -> None:
    kernel = made_up("made_up_lazily", "cpu", "cuda")
    assert "made_up_lazily.cpu" not in sys.modules
    kernel.runs_on("cpu")
    assert "made_up_lazily.cpu" not in sys.modules
    kernel.on(CPU)
    assert "made_up_lazily.cpu" in sys.modules
    assert "made_up_lazily.cuda" not in sys.modules


@pytest.mark.parametrize(("present", "absent"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_a_device_without_a_file_is_refused_and_what_exists_is_named(
    made_up: Callable[..., Kernel[..., Any]], present: str, absent: str
) -> None:
    kernel = made_up(f"made_up_for_{present}", present)
    assert not kernel.runs_on(absent)
    with pytest.raises(DeviceError) as caught:
        kernel.on(Device(absent))
    assert caught.value.given == f"made_up_for_{present}: no implementation for {absent}"
    assert caught.value.needed == f"It runs on {present}."


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_every_kernel_runs_on_the_cpu_and_says_so_where_it_does_not_run(
    kernel: Kernel[..., Any],
) -> None:
    assert kernel.runs_on("cpu")
    with pytest.raises(DeviceError, match=f"^{kernel.name}: no implementation for abacus\n  It runs on cpu"):
        kernel.on(Device("abacus"))


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_a_kernel_is_documented_as_its_reference(kernel: Kernel[..., Any]) -> None:
    assert kernel.__doc__ == kernel.reference.__doc__
    assert kernel.on(CPU).__doc__ == kernel.reference.__doc__
    assert kernel.on(CPU).__name__ == kernel.name


def test_arrays_of_any_library_enter_as_numpy_and_the_rest_as_it_is(
    made_up: Callable[..., Kernel[..., Any]],
) -> None:
    call = made_up("made_up_to_enter", "cpu").on(CPU)
    foreign = array_api_strict.asarray([1.0, 2.0])
    _, array, more = call(foreign, more=foreign)
    assert type(array) is type(more) is np.ndarray
    _, several, more = call([foreign, foreign], more=(foreign,))
    assert [type(x) for x in (*several, *more)] == [np.ndarray] * 3
    for other in (None, "both", 3, 2.5, [], [1, 2], ("a",)):
        assert call(other) == ("cpu", other, 0)


class OnGpu:
    """An array of another library in the memory of the second GPU; reading it on the host is an error."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 1

    def __dlpack__(self, **_: Any) -> Any:
        raise AssertionError("a CUDA array was taken to the host")


def test_arrays_on_a_gpu_go_to_its_file_as_cupy_s_and_never_to_the_host(
    made_up: Callable[..., Kernel[..., Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel, x = made_up("made_up_for_a_gpu", "cpu", "cuda"), OnGpu()
    fake: Any = sys.modules["cupy"]
    monkeypatch.setattr(fake, "from_dlpack", lambda x: (f"CuPy's, on {fake.current}", x), raising=False)
    assert device_of(x) == Device("cuda", 1)
    entered = ("CuPy's, on 1", x)
    assert kernel.on(device_of(x))(x, more=[x]) == ("cuda", entered, [entered])
    assert fake.current == 0


def strict(x: Any) -> Any:
    return array_api_strict.asarray(x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tables_of_another_library_give_numpy_s_bits(dtype: str) -> None:
    rows, other = awkward_rows("zero rows", dtype, 30, 9, 1), awkward_rows("gaussian", dtype, 30, 4, 2)

    found = cosine_topk.on(CPU)(strict(rows), 3, strict(rows[:5]), strict(np.arange(5)))
    expected = cosine_topk.on(CPU)(rows, 3, rows[:5], np.arange(5))
    assert_same_bits(found.ids, expected.ids)
    assert_same_bits(found.scores, expected.scores)

    sums, expected_sums = gram.on(CPU)([strict(rows), strict(other)]), gram.on(CPU)([rows, other])
    assert_same_bits(sums.products, expected_sums.products)
    assert_same_bits(sums.weighted, expected_sums.weighted)


def test_a_stack_of_another_library_gives_numpy_s_bits() -> None:
    stack = np.stack([awkward_rows("gaussian", "float32", 20, 5, seed) for seed in range(3)])
    assert_same_bits(gram.on(CPU)(strict(stack), "unit").products, gram.on(CPU)(list(stack), "unit").products)

    products = np.random.default_rng(0).standard_normal((3, 4, 4))
    assert_same_bits(polar.on(CPU)(strict(products)).rotation, polar.on(CPU)(products).rotation)


def test_integers_of_another_library_give_numpy_s_bits() -> None:
    ids = np.random.default_rng(0).integers(-1, 40, (2, 7, 3)).astype(np.int32)
    assert_same_bits(neighbor_overlap.on(CPU)(strict(ids)).shared, neighbor_overlap.on(CPU)(ids).shared)

    tokens, starts = np.array([0, 1, 2, 1], np.int32), np.array([0, 3, 4])
    repeats, weights = np.array([1, 2]), weights_of(2, "flat")[0]
    found = window_counts.on(CPU)(strict(tokens), strict(starts), strict(repeats), 3, strict(weights), "left")
    expected = window_counts.on(CPU)(tokens, starts, repeats, 3, weights, "left")
    assert_same_bits(found.indices, expected.indices)
    assert_same_bits(found.data, expected.data)
