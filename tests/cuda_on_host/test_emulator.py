"""The emulator itself: what CUDA allows gives CUDA's results, what it forbids is reported."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_on_host import compiler, stand_in
from cuda_on_host.arguments import DeviceArray, KernelError
from cuda_on_host.launch import EACH_SCHEDULE, RawModule, Run, running
from numpy.typing import NDArray

from gpuemb.core import cuda

pytestmark = pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}")

SAMPLES = Path(__file__).parent / "samples"
KERNELS = Path(cuda.__file__).parents[2] / "kernels"
OPTIONS = (cuda.STANDARD, f"-I{KERNELS / cuda.HEADERS}")
MISTAKES = {
    "race_without_barrier": "race|nobody in this block has written",
    "race_without_syncwarp": "race|nobody in this block has written",
    "race_across_warps": "race|nobody in this block has written",
    "race_write_after_read": "race",
    "race_between_two_blocks": "race with the (read|write) at .* of another block",
    "race_with_atomic": "race",
    "barrier_in_branch": "barrier without 24 threads",
    "barriers_in_two_branches": "divergent barrier",
    "barrier_after_return": "barrier without 1 threads",
    "mask_without_itself": r"__shfl_sync\(0x0000ffff\): the calling lane \d+ is not in its mask",
    "mask_with_absent_lanes": r"deadlock: thread \d+ waits in .*__ballot_sync\(0xffffffff\)",
    "source_outside_mask": "asks for lane 20, which does not take part",
    "read_beyond": r"read .* at byte 512 of argument 0 \(512 bytes\) is out of bounds",
    "write_before": "write .* at byte -4 of argument 0",
    "far_away": "outside every argument",
    "beyond_dynamic_shared": r"at byte \d+ of shared memory \(200 bytes\) is out of bounds",
    "beyond_a_local_array": "index out of the array's bounds",
    "misaligned": "misaligned",
    "unwritten_shared": "nobody in this block has written",
    "unwritten_in_the_second_of_two_blocks": "nobody in this block has written",
    "signed_overflow": "signed multiplication overflows",
    "other_thread_s_memory": "outside every argument",
    "never_ends": "does not end",
    "waits_for_ever": "does not end",
}


def module(name: str, names: tuple[str, ...]) -> RawModule:
    code = f'#line 1 "{name}"\n' + (SAMPLES / name).read_text("utf-8")
    return RawModule(code=code, options=OPTIONS, name_expressions=names)


def kernels_of(name: str) -> list[str]:
    return re.findall(r"^__global__ void (\w+)\(", (SAMPLES / name).read_text("utf-8"), re.MULTILINE)


def device(values: Any, dtype: Any = np.int32) -> DeviceArray:
    return np.array(values, dtype).view(DeviceArray)


@pytest.fixture(params=EACH_SCHEDULE)
def schedule(request: pytest.FixtureRequest) -> Iterator[str]:
    with stand_in.installed(Run(request.param, seed=7)):
        yield request.param


@pytest.fixture
def right(schedule: str) -> Callable[[str], Any]:
    plain = kernels_of("right.cu")
    return module("right.cu", (*plain, "tree_sum<32>", "tree_sum<128>")).get_function


def test_every_planted_mistake_is_listed() -> None:
    assert sorted(kernels_of("wrong.cu")) == sorted(MISTAKES)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_reported_with_place_and_thread(name: str, schedule: str) -> None:
    kernel = module("wrong.cu", tuple(kernels_of("wrong.cu"))).get_function(name)
    arguments = [device(np.zeros(128)), np.int32(5)][
        : 1 + (name in ("beyond_a_local_array", "signed_overflow"))
    ]
    with pytest.raises(KernelError, match=MISTAKES[name]) as caught:
        kernel((2 if "two_blocks" in name else 1,), (64,), arguments, shared_mem=200)
    assert f"{name}, schedule {schedule}: " in str(caught.value)
    assert re.search(r"\[block \(\d, 0, 0\)(, thread \(\d+, 0, 0\))?\]$", str(caught.value))
    assert re.search(r"wrong\.cu:\d+|at line \d+", str(caught.value))


@pytest.mark.parametrize("threads", [32, 128])
def test_barriers_order_shared_memory(threads: int, right: Callable[[str], Any]) -> None:
    numbers = np.random.default_rng(0).integers(-100, 100, (4, 3, threads))
    out = device(np.zeros((4, 3)))
    right(f"tree_sum<{threads}>")((4,), (threads,), (device(numbers), out, np.int32(3)))
    np.testing.assert_array_equal(np.array(out), numbers.sum(axis=2))


def test_warp_collectives_exchange_as_cuda_s_do(right: Callable[[str], Any]) -> None:
    x = np.random.default_rng(1).integers(0, 900, 32)
    lane, out = np.arange(32), device(np.zeros((12, 32)))
    right("collectives")((1,), (32,), (device(x), out))
    expected = [
        np.full(32, x[5]),
        x[lane // 8 * 8 + 3],
        x[lane ^ 9],
        x[np.where(lane < 3, lane, lane - 3)],
        x[np.where(lane % 16 > 12, lane, (lane + 3) % 32)],
        np.full(32, sum(1 << i for i in range(32) if x[i] & 1)),
        np.full(32, int((x == 7).any()) + 2),
        [sum(1 << j for j in range(32) if x[j] % 5 == x[i] % 5) for i in range(32)],
        np.full(32, x.sum()),
        np.full(32, x.min()),
        np.full(32, x.max()),
        [
            sum(1 << j for j in range(32) if j // 16 == i // 16 and x[j] & (4 if i > 15 else 2))
            for i in range(32)
        ],
    ]
    found = np.array(out).view(np.uint32)
    np.testing.assert_array_equal(found, np.array(expected).astype(np.int64) & 0xFFFFFFFF)


def test_a_warp_orders_its_own_memory(right: Callable[[str], Any]) -> None:
    x = np.random.default_rng(2).integers(-100, 100, (3, 32))
    out = device(np.zeros(3))
    right("warp_tree")((1,), (96,), (device(x), out), shared_mem=96 * 4)
    np.testing.assert_array_equal(np.array(out), x.sum(axis=1))


def test_atomics_lose_nothing(right: Callable[[str], Any]) -> None:
    x = np.random.default_rng(3).integers(0, 2**20, 200).astype(np.uint32)
    cells, wide = device([0, 0, 2**31, 0, 0, 0], np.uint32), device([0], np.uint64)
    right("atomics")((4,), (64,), (cells, wide, device(x, np.uint32), np.int32(len(x))))
    assert cells.tolist() == [x.sum(), x.max(), x.min(), np.bitwise_or.reduce(x), 9, 2 * len(x)]
    assert wide.tolist() == [int(x.sum()) << 32]


@pytest.mark.parametrize("most", [3, 50, 90])
def test_a_block_votes(most: int, right: Callable[[str], Any]) -> None:
    x = np.random.default_rng(4).integers(0, most, 64)
    out = device(np.zeros(64))
    right("votes")((1,), (64,), (device(x), out))
    assert set(out.tolist()) == {
        10000 * int((x == 3).any()) + 1000 * int((x < 50).all()) + int((x % 2).sum())
    }


def words(fragment: NDArray[Any]) -> DeviceArray:
    return np.ascontiguousarray(fragment).view(np.uint32).view(DeviceArray)


def fragments(table: NDArray[Any], pairs: int) -> DeviceArray:
    """Lay ``(rows, depth)`` out as a warp's words, as the PTX manual's tables do."""
    rows, depth = table.shape
    found = np.empty((32, rows // 8 * 2, pairs), table.dtype)
    for lane in range(32):
        for word in range(found.shape[1]):
            row = lane // 4 + 8 * (word % (rows // 8))
            start = lane % 4 * pairs + depth // 2 * (word // (rows // 8))
            found[lane, word] = table[row, start : start + pairs]
    return words(found)


def unfold(c: NDArray[Any]) -> NDArray[Any]:
    """Gather a ``(16, 8)`` table from a warp's sums ``(32, 4)``."""
    lane, i = np.arange(32)[:, None], np.arange(4)
    table = np.empty((16, 8), c.dtype)
    table[lane // 4 + 8 * (i // 2), lane % 4 * 2 + i % 2] = c
    return table


@pytest.mark.parametrize(
    ("kernel", "dtype", "depth"), [("half_product", np.float16, 16), ("byte_product", np.int8, 32)]
)
def test_a_tensor_core_multiplies_matrices(
    kernel: str, dtype: Any, depth: int, right: Callable[[str], Any]
) -> None:
    numbers = np.random.default_rng(5)
    a, b = (numbers.integers(-128, 128, (n, depth)).astype(dtype) for n in (16, 8))  # exact in float16 too
    sums = numbers.integers(-1000, 1000, (32, 4))
    c = device(sums, np.float32 if dtype is np.float16 else np.int32)
    pairs = 4 // a.itemsize
    right(kernel)((1,), (32,), (fragments(a, pairs), fragments(b, pairs), c))
    np.testing.assert_array_equal(unfold(c), unfold(sums) + a.astype(np.int64) @ b.astype(np.int64).T)


def test_bits_are_counted_as_cuda_counts_them(right: Callable[[str], Any]) -> None:
    x = np.array([0, 1, 2**31, 0xFFFFFFFF, 0x3F800000, 12345], np.uint32)
    out = device(np.zeros((len(x), 5)))
    right("bits")((1,), (4,), (device(x, np.uint32), out, np.int32(len(x))))
    numbers = [int(n) for n in x]
    assert out[:, 0].tolist() == [n.bit_count() for n in numbers]
    assert out[:, 1].tolist() == [32 - n.bit_length() for n in numbers]
    assert out[:, 2].tolist() == [(n & -n).bit_length() for n in numbers]
    assert out[:, 3].view(np.uint32).tolist() == [n * n >> 32 for n in numbers]
    assert out[:, 4].tolist() == [n & 0x3FFFFFFF for n in numbers]


def test_numbers_are_converted_as_ieee_754_says(right: Callable[[str], Any]) -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    numbers = every[np.isfinite(every)].astype(np.float32)
    between = (numbers[:-1] + numbers[1:]) / 2  # ties, subnormal ones too
    x = np.concatenate([numbers, between, np.nextafter(between, np.float32(9)), np.float32([1e-45, 1e-39])])
    half, back, exact = device(x, np.uint16), device(x, np.float32), device(x, np.float64)
    right("conversions")((1,), (64,), (device(x, np.float32), half, back, exact, np.int32(len(x))))
    with np.errstate(under="ignore"):
        expected = x.astype(np.float16)
    np.testing.assert_array_equal(np.asarray(half), expected.view(np.uint16))
    np.testing.assert_array_equal(np.asarray(back), expected.astype(np.float32))
    np.testing.assert_array_equal(np.asarray(exact), x.astype(np.float64))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"args": 1}, "1 arguments for 2 parameters"),
        ({0: np.zeros(64, np.int32)}, "argument 0 is a ndarray, but the kernel takes a pointer"),
        ({0: device(np.zeros(64), np.int64)}, "argument 0 is int64, but the kernel points to 32 bits"),
        ({0: device(np.zeros(64), np.float32)}, "argument 0 is float32, but the kernel points to 32"),
        ({0: device(np.zeros((8, 8))).T}, "argument 0 is an array with gaps or in another order"),
        ({1: 5}, "argument 1 is int64, but the kernel takes 32 bits of kind i"),
        ({1: np.uint32(5)}, "argument 1 is uint32, but the kernel takes 32 bits of kind i"),
        ({"block": (1025,)}, "a block of 1025 threads"),
        ({"grid": (0,)}, "the grid"),
        ({"shared": 48 * 1024 + 1}, "max_dynamic_shared_size_bytes is 49152"),
    ],
)
def test_a_launch_that_cuda_would_refuse_or_misread_is_refused(wrong: dict[Any, Any], said: str) -> None:
    kernel = module("wrong.cu", ("signed_overflow",)).get_function("signed_overflow")
    arguments = [wrong.get(0, device(np.zeros(64))), wrong.get(1, np.int32(1))][: wrong.get("args", 2)]
    with pytest.raises(KernelError, match=re.escape(said)):
        kernel(
            wrong.get("grid", (1,)), wrong.get("block", (32,)), arguments, shared_mem=wrong.get("shared", 0)
        )


def test_text_that_does_not_compile_is_refused_with_its_line() -> None:
    code = '#line 1 "short.cu"\n__global__ void broken(int* out) {\n    out[0] = nothing;\n}\n'
    with pytest.raises(compiler.CompileException, match=r"short\.cu:2:\d+: error: .*nothing"):
        RawModule(code=code, name_expressions=("broken",)).compile()


def test_only_the_asked_blocks_run(right: Callable[[str], Any], schedule: str) -> None:
    out = device(np.zeros((4, 1)))
    with running(Run(schedule, blocks=(1, 3))):
        right("tree_sum<32>")((4,), (32,), (device(np.ones((4, 32))), out, np.int32(1)))
    assert out[:, 0].tolist() == [0, 32, 32, 0]
