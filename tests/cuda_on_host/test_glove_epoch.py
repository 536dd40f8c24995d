"""glove_epoch.cu at its borders: groups of columns, blocks of 32 nonzeros, empty blocks, 64-bit addresses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from cuda_on_host import compiler, epochs, stand_in
from cuda_on_host.epochs import CUDA, FAR, GLOVE
from cuda_on_host.launch import EACH_SCHEDULE, SCHEDULES, Run
from glove_training import FIELDS, RATE
from slow import cases
from tolerances import assert_same_bits

from gpuemb.core.arrays import fields_to_device
from gpuemb.core.device import CPU
from gpuemb.kernels.glove_epoch import GloVeParameters, Strata, cuda, glove_epoch

pytestmark = pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}")


@pytest.fixture(params=EACH_SCHEDULE)
def schedule(request: pytest.FixtureRequest) -> Iterator[str]:
    with stand_in.installed(Run(request.param, seed=3)):
        yield request.param


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize("case", GLOVE)
def test_an_epoch_is_the_reference_s_within_float32_drift(case: str) -> None:
    epochs.check_glove(case)


def test_every_schedule_gives_the_same_bits() -> None:
    found = []
    for schedule in SCHEDULES:
        with stand_in.installed(Run(schedule, seed=7)):
            training = GLOVE["blocks of 32 and more"]
            state = fields_to_device(training.parameters(), CUDA)
            loss = glove_epoch.on(CUDA)(fields_to_device(training.strata(), CUDA), state, RATE)
            found.append((loss, fields_to_device(state, CPU)))
    for loss, state in found[1:]:
        assert loss == found[0][0]
        for field in FIELDS:
            assert_same_bits(getattr(state, field), getattr(found[0][1], field))


@pytest.mark.parametrize("blocks", cases(1, 3, slow=(8,)))
def test_the_warps_of_a_thread_block_do_not_matter(monkeypatch: pytest.MonkeyPatch, blocks: int) -> None:
    """A round of any number of blocks, in thread blocks that are full or not."""
    training = GLOVE["mostly empty blocks"]
    training = type(training)(training.words, training.dim, blocks, training.nonzeros, training.seed)
    with stand_in.installed(Run("random")):
        state = fields_to_device(training.parameters(), CUDA)
        loss = glove_epoch.on(CUDA)(fields_to_device(training.strata(), CUDA), state, RATE)
    single = training.parameters()
    expected = glove_epoch.on(CPU)(training.strata(), single, RATE)
    assert abs(loss - expected) < 1e-4 * expected


def test_a_part_of_the_rounds_may_be_visited() -> None:
    training = GLOVE["two groups"]
    strata = training.strata()
    part = Strata(strata.rows, strata.columns, strata.logs, strata.weights, strata.bounds[:2])
    state = training.parameters()
    expected = glove_epoch.on(CPU)(part, state, RATE)
    with stand_in.installed(Run()):
        there = fields_to_device(training.parameters(), CUDA)
        loss = glove_epoch.on(CUDA)(fields_to_device(part, CUDA), there, RATE)
        found = fields_to_device(there, CPU)
    assert abs(loss - expected) < 1e-4 * expected
    np.testing.assert_allclose(found.vectors, state.vectors, atol=1e-5)


def test_a_loss_that_is_no_number_comes_home() -> None:
    training = GLOVE["one nonzero"]
    parameters = training.parameters()
    vectors = parameters.vectors.copy()
    vectors[0, 0, 0] = np.nan
    bad = GloVeParameters(vectors, parameters.biases, parameters.vector_squares, parameters.bias_squares)
    with stand_in.installed(Run()):
        given = fields_to_device(training.strata(), CUDA), fields_to_device(bad, CUDA)
        assert np.isnan(glove_epoch.on(CUDA)(*given, RATE))


@pytest.mark.parametrize("check", ["far words", *cases(slow=["far nonzeros"])])
def test_addresses_beyond_31_bits_are_reached(check: str) -> None:
    try:
        epochs.far(FAR[check], Run())
    except MemoryError:
        pytest.skip("needs 40 GB of address space")


def test_every_width_has_a_kernel() -> None:
    for width in range(16, 2000, 16):
        held = cuda.held_groups(width)
        assert f"visit_round<{held}>" in cuda.INSTANCES, width
        assert held == 4 or 128 * held >= width, width
