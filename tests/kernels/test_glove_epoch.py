from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from glove_training import FIELDS, RATE, Training, assert_close_state
from hypothesis import given
from hypothesis import strategies as st
from strategies import dims, seeds
from tolerances import EPS32, SAFETY, assert_same_bits, assert_within

from gpuemb.core import threads
from gpuemb.core.arrays import fields_to_device
from gpuemb.core.device import CPU, Device
from gpuemb.kernels.glove_epoch import ROOT, GloVeParameters, Strata, cpu, glove_epoch
from gpuemb.kernels.glove_epoch.cpu.vectors import approximate_roots

KERNEL = glove_epoch

trainings = st.builds(
    Training,
    words=st.integers(1, 30),
    dim=dims,
    blocks=st.integers(1, 5),
    nonzeros=st.integers(0, 200),
    seed=seeds,
)
LARGER = Training(words=60, dim=50, blocks=7, nonzeros=2500, seed=4)


def epochs(
    device: Device, training: Training, count: int = 1, order: np.random.Generator | None = None
) -> tuple[GloVeParameters, list[float]]:
    """Train on the device; return the state after the last epoch, and every epoch's loss."""
    strata, parameters = training.strata(order), training.parameters()
    if device.kind == "cuda":
        strata, parameters = fields_to_device(strata, device), fields_to_device(parameters, device)
    step = glove_epoch.on(device)
    losses = [float(step(strata, parameters, RATE)) for _ in range(count)]
    return fields_to_device(parameters, CPU), losses


def assert_same_state(found: GloVeParameters, expected: GloVeParameters) -> None:
    for field in FIELDS:
        assert_same_bits(getattr(found, field), getattr(expected, field))


@given(training=trainings)
def test_an_epoch_is_the_reference_s_within_float32_drift(device: Device, training: Training) -> None:
    precise = training.parameters(np.float64)
    precise_loss = glove_epoch.reference(training.strata(), precise, RATE)
    found, (loss,) = epochs(device, training)
    assert_close_state(found, loss, training, precise, precise_loss)


def test_a_larger_epoch_is_the_reference_s_within_float32_drift(device: Device) -> None:
    precise = LARGER.parameters(np.float64)
    precise_loss = glove_epoch.reference(LARGER.strata(), precise, RATE)
    found, (loss,) = epochs(device, LARGER)
    assert_close_state(found, loss, LARGER, precise, precise_loss)


@given(training=trainings)
def test_the_reference_in_float32_stays_within_the_same_drift(training: Training) -> None:
    precise, single = training.parameters(np.float64), training.parameters()
    precise_loss = glove_epoch.reference(training.strata(), precise, RATE)
    loss = glove_epoch.reference(training.strata(), single, RATE)
    assert_close_state(single, loss, training, precise, precise_loss)


@given(training=trainings)
def test_padding_columns_stay_zero(device: Device, training: Training) -> None:
    found, _ = epochs(device, training, 2)
    assert not found.vectors[:, :, training.dim :].any()
    assert (found.vector_squares[:, :, training.dim :] == 1).all()


@given(training=trainings, seed=seeds)
def test_the_order_of_blocks_in_a_round_does_not_matter_to_the_bits(
    device: Device, training: Training, seed: int
) -> None:
    found, losses = epochs(device, training)
    moved, moved_losses = epochs(device, training, order=np.random.default_rng(seed))
    assert_same_state(moved, found)
    assert moved_losses == losses


@given(training=trainings)
def test_adagrad_s_sums_never_fall(device: Device, training: Training) -> None:
    before, (after, _) = training.parameters(), epochs(device, training)
    assert (after.vector_squares >= before.vector_squares).all()
    assert (after.bias_squares >= before.bias_squares).all()


@given(training=trainings)
def test_words_that_no_nonzero_names_stay_as_they_were(device: Device, training: Training) -> None:
    strata, before = training.strata(), training.parameters()
    after, _ = epochs(device, training)
    for side, named in enumerate((strata.rows, strata.columns)):
        untouched = np.setdiff1d(np.arange(training.words), named)
        for field in FIELDS:
            kept, first = getattr(after, field)[side, untouched], getattr(before, field)[side, untouched]
            assert_same_bits(kept, first)


def test_losses_are_finite_and_fall(device: Device) -> None:
    _, losses = epochs(device, LARGER, 8)
    assert all(map(math.isfinite, losses))
    assert losses == sorted(losses, reverse=True)


def test_no_nonzeros_change_nothing_and_lose_nothing(device: Device) -> None:
    empty = Training(words=5, dim=3, blocks=2, nonzeros=0, seed=1)
    after, losses = epochs(device, empty)
    assert losses == [0.0]
    assert_same_state(after, empty.parameters())


def test_one_step_is_adagrad_s(device: Device) -> None:
    one = Training(words=1, dim=1, blocks=1, nonzeros=1, seed=2)
    strata, before = one.strata(), one.parameters(np.float64)
    after, (loss,) = epochs(device, one)
    word, context = before.vectors[:, 0, 0]
    error = word * context + before.biases.sum() - float(strata.logs[0])
    step = RATE * float(strata.weights[0]) * error
    tolerance = SAFETY * EPS32 * max(1.0, abs(error)) + ROOT * abs(step)
    assert_within(after.vectors[:, 0, 0], [word - step * context, context - step * word], tolerance)
    assert_within(after.biases[:, 0], before.biases[:, 0] - step, tolerance)
    assert_within(
        after.vector_squares[:, 0, 0], [1 + (step * context) ** 2, 1 + (step * word) ** 2], tolerance
    )
    assert_within(after.bias_squares[:, 0], [1 + step**2] * 2, tolerance)
    assert_within(loss, float(strata.weights[0]) * error**2, tolerance * max(1.0, abs(error)))


@given(training=trainings)
def test_both_loops_are_the_reference_s_within_the_same_drift(training: Training) -> None:
    """The one written out for registers of 512 or 256 bits, and the one for any."""
    precise = training.parameters(np.float64)
    precise_loss = glove_epoch.reference(training.strata(), precise, RATE)
    for written_out in {False, approximate_roots()}:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cpu, "approximate_roots", lambda written_out=written_out: written_out)
            found, (loss,) = epochs(CPU, training)
        assert_close_state(found, loss, training, precise, precise_loss)


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_any_number_of_threads_gives_the_same_bits(workers: int) -> None:
    with threads.limit(1):
        expected, expected_losses = epochs(CPU, LARGER, 3)
    with threads.limit(workers):
        found, losses = epochs(CPU, LARGER, 3)
    assert_same_state(found, expected)
    assert losses == expected_losses


@given(training=trainings)
def test_a_block_is_its_nonzeros_one_after_another(training: Training) -> None:
    """The product of the nonzero to come is computed early only where it is the same."""
    whole, parameters = training.strata(), training.parameters()
    pieces = np.concatenate([np.arange(first, last) for first, last in whole.bounds.reshape(-1, 2)])
    bounds = np.stack([pieces, pieces + 1], axis=1).astype(np.int64)[:, None]
    glove_epoch.on(CPU)(whole, parameters, RATE)
    one_by_one = training.parameters()
    apart = Strata(whole.rows, whole.columns, whole.logs, whole.weights, bounds)
    glove_epoch.on(CPU)(apart, one_by_one, RATE)
    assert_same_state(parameters, one_by_one)


def test_where_the_arrays_begin_does_not_matter_to_the_bits() -> None:
    strata, expected, moved = LARGER.strata(), LARGER.parameters(), LARGER.parameters()
    for shift in (1, 4):
        states = []
        for array in vars(LARGER.parameters()).values():
            raw = np.empty(array.size + shift, np.float32)
            states.append(raw[shift:].reshape(array.shape))
            states[-1][...] = array
        moved = GloVeParameters(*states)
        expected = LARGER.parameters()
        assert glove_epoch.on(CPU)(strata, moved, RATE) == glove_epoch.on(CPU)(strata, expected, RATE)
        assert_same_state(moved, expected)


COMPILE = """
from numba import float32, float64, int32, int64, njit, void
from gpuemb.core.jit import OPTIONS
from gpuemb.kernels.glove_epoch.cpu.vectors import approximate_roots, visit_lines
assert approximate_roots()
kinds = int32[::1], int32[::1], float32[::1], float32[::1], int64[:, ::1], float64[::1]
kinds += float32[:, :, ::1], float32[:, ::1], float32[:, :, ::1], float32[:, ::1], float32
compiled = njit(**OPTIONS)(visit_lines.py_func)
compiled.compile(void(*kinds))
print(next(iter(compiled.inspect_asm().values())))
"""
AVX2 = "+avx,+avx2,+fma,+sse4.1,+sse4.2,+ssse3,+sse3"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processor", "features", "root", "register"),
    [
        ("haswell", AVX2, "vrsqrtps", "ymm"),
        ("skylake-avx512", f"{AVX2},+avx512f,+avx512vl,+avx512bw,+avx512dq,+evex512", "vrsqrt14ps", "zmm"),
    ],
)
def test_each_kind_of_register_has_its_root(processor: str, features: str, root: str, register: str) -> None:
    """Compiled, not run: a processor without AVX-512 can say as much about it."""
    compiled_for = {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": features}
    command = [sys.executable, "-c", COMPILE]
    done = subprocess.run(command, env=os.environ | compiled_for, check=True, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    roots = [line for line in lines if root in line]
    assert roots
    assert all(register in line for line in roots)
    assert any("vfnmadd" in line and register in line for line in lines)
    assert any("vfmadd" in line and register in line for line in lines)
