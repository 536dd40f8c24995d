"""Products of rows: the right arguments for cuBLAS, the same arithmetic without it, or an error."""

from __future__ import annotations

import re
from typing import Any

import fake_cupy
import numpy as np
import pytest
from emulated_cublas import EmulatedCublas, table
from fake_cupy import FakeCupy

from gpuemb.core.cuda.cublas import PRODUCTS, missing_gemm_ex, row_products
from gpuemb.core.cuda.diagnosis import missing_library
from gpuemb.core.errors import DeviceError, DTypeError, ShapeError

# All numbers are small integers: every sum is exact in every arithmetic, TF32 and float16 included.
CASES = [(kind, result) for kind, product in PRODUCTS.items() for result in product.results]
SHAPES = [(3, 5, 8), (5, 3, 4), (1, 7, 4), (7, 1, 4), (1, 1, 4), (4, 4, 16)]


@pytest.fixture
def cublas(monkeypatch: pytest.MonkeyPatch) -> EmulatedCublas:
    fake_cupy.install(monkeypatch)
    emulated = EmulatedCublas()
    fake_cupy.install_cublas(monkeypatch, emulated)
    return emulated


@pytest.fixture
def without_gemm_ex(monkeypatch: pytest.MonkeyPatch) -> FakeCupy:
    """A CuPy version whose cuBLAS signatures are unchecked."""
    fake = fake_cupy.install(monkeypatch)
    fake.__version__ = "99.1.0"
    monkeypatch.delenv("CUPY_TF32", raising=False)
    return fake


def rows_of(kind: str, m: int, n: int, d: int) -> tuple[Any, Any]:
    numbers = np.random.default_rng(m * n * d)
    return tuple(table(numbers.integers(-9, 10, (r, d)), PRODUCTS[kind].factors) for r in (m, n))  # type: ignore[return-value]


def exact(left: Any, right: Any) -> Any:
    return np.asarray(left, np.float64) @ np.asarray(right, np.float64).T


@pytest.mark.parametrize(("m", "n", "d"), SHAPES)
@pytest.mark.parametrize(("kind", "result"), CASES)
def test_every_row_meets_every_row(
    cublas: EmulatedCublas, kind: str, result: str, m: int, n: int, d: int
) -> None:
    left, right = rows_of(kind, m, n, d)
    out = table(np.full((m, n), 99), result)
    assert row_products(kind, left, right, out) == "gemmEx"
    assert np.array_equal(out, exact(left, right))
    assert len(cublas.computed) == 1


def test_each_kind_names_its_own_arithmetic(cublas: EmulatedCublas) -> None:
    for kind, product in PRODUCTS.items():
        left, right = rows_of(kind, 2, 3, 4)
        row_products(kind, left, right, table(np.zeros((2, 3)), product.results[0]))
    assert cublas.computed == [68, 77, 68, 70, 72]


@pytest.mark.parametrize("kind", list(PRODUCTS))
def test_rows_may_be_parts_of_wider_rows(cublas: EmulatedCublas, kind: str) -> None:
    left, right = rows_of(kind, 6, 10, 16)
    whole = table(np.full((9, 20), 99), PRODUCTS[kind].results[-1])
    row_products(kind, left[::2, 4:12], right[1:6, 8:], whole[1:4, 2:7])
    assert np.array_equal(whole[1:4, 2:7], exact(left[::2, 4:12], right[1:6, 8:]))
    whole[1:4, 2:7] = 99
    assert np.all(whole == 99), "what lies around the result is untouched"


@pytest.mark.parametrize(("kind", "result"), [case for case in CASES if case[0] != "tf32"])
def test_without_gemm_ex_cupy_gives_the_same_and_it_is_said(
    without_gemm_ex: FakeCupy, kind: str, result: str
) -> None:
    left, right = rows_of(kind, 3, 5, 400)
    left[0], right[0] = 9, 9  # 32 400: beyond int8, and beyond what float16 can count to
    out = table(np.zeros((3, 5)), result)
    assert row_products(kind, left, right, out) == "cupy.matmul"
    assert np.array_equal(out, exact(left, right).astype(result))


def test_without_gemm_ex_what_only_it_can_do_is_refused(without_gemm_ex: FakeCupy) -> None:
    left, right = rows_of("tf32", 3, 5, 4)
    with pytest.raises(DeviceError, match=r"tf32 products are not possible here: .* this is CuPy 99"):
        row_products("tf32", left, right, table(np.zeros((3, 5)), np.float32))


@pytest.mark.parametrize(
    ("kind", "refused"), [("fp32", True), ("fp16", True), ("fp64", False), ("int8", False)]
)
def test_without_gemm_ex_nothing_is_rounded_to_tf32_unasked(
    without_gemm_ex: FakeCupy, monkeypatch: pytest.MonkeyPatch, kind: str, refused: bool
) -> None:
    monkeypatch.setenv("CUPY_TF32", "1")
    left, right = rows_of(kind, 3, 5, 4)
    out = table(np.zeros((3, 5)), PRODUCTS[kind].results[0])
    if refused:
        with pytest.raises(DeviceError, match="CUPY_TF32"):
            row_products(kind, left, right, out)
    else:
        assert row_products(kind, left, right, out) == "cupy.matmul"


def test_why_gemm_ex_is_not_called_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fake_cupy.install(monkeypatch)
    fake_cupy.install_cublas(monkeypatch, EmulatedCublas())
    assert missing_gemm_ex() == missing_library() == ""
    fake.__version__ = "13.6.0"
    assert missing_gemm_ex() == "gemmEx was checked in CuPy 14, and this is CuPy 13.6.0"
    fake.__version__ = "14.0.1rc1"
    fake_cupy.install_cublas(monkeypatch, None)
    assert missing_gemm_ex().startswith("cuBLAS cannot be loaded: ")


@pytest.mark.parametrize("kind", list(PRODUCTS))
def test_other_dtypes_are_refused_and_the_right_ones_named(cublas: EmulatedCublas, kind: str) -> None:
    product = PRODUCTS[kind]
    left, right = rows_of(kind, 2, 3, 4)
    out = table(np.zeros((2, 3)), product.results[0])
    wrong = table(np.zeros((2, 4)), "int16")
    message = re.escape(f"It multiplies {product.factors} into {' or '.join(product.results)}.")
    for arguments in [(wrong, right, out), (left, wrong, out), (left, right, out.astype("int16"))]:
        with pytest.raises(DTypeError, match=message):
            row_products(kind, *arguments)


@pytest.mark.parametrize(
    ("left", "right", "out"),
    [((2, 4), (3, 5), (2, 3)), ((2, 4), (3, 4), (3, 2)), ((0, 4), (3, 4), (0, 3)), ((2, 0), (3, 0), (2, 3))],
)
def test_shapes_that_do_not_fit_are_refused(cublas: EmulatedCublas, left: Any, right: Any, out: Any) -> None:
    with pytest.raises(ShapeError, match="not transposed"):
        row_products("fp32", *(table(np.zeros(shape), np.float32) for shape in (left, right, out)))


@pytest.mark.parametrize(
    "spoil", [lambda x: x[:, ::2], lambda x: x[::-1], lambda x: table(np.asarray(x).T.copy()).T]
)
@pytest.mark.parametrize("which", [0, 1, 2])
def test_layouts_that_cublas_would_misread_are_refused(
    cublas: EmulatedCublas, spoil: Any, which: int
) -> None:
    arguments = [table(np.zeros((4, 4)), np.float32) for _ in range(3)]
    arguments[which] = spoil(table(np.zeros((4, 8)), np.float32))
    if arguments[which].shape != (4, 4):
        arguments[which] = arguments[which][:, :4]
    with pytest.raises(ShapeError, match="contiguous"):
        row_products("fp32", *arguments)


@pytest.mark.parametrize(("columns", "first"), [(6, 0), (4, 1)])
def test_int8_rows_off_the_alignment_of_cublas_are_refused(
    cublas: EmulatedCublas, columns: int, first: int
) -> None:
    wide = table(np.zeros((2, columns + 4 * first)), np.int8)
    rows = wide[:, first : first + columns]
    out = table(np.zeros((2, 2)), np.int32)
    with pytest.raises(ShapeError, match="padded with zeros to a multiple of 4"):
        row_products("int8", rows, rows, out)
