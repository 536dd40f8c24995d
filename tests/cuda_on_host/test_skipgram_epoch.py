"""skipgram_epoch's two texts at their borders: tiles, passes, equal words of a batch, 64-bit addresses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from cuda_on_host import compiler, epochs, stand_in
from cuda_on_host.epochs import CUDA, FAR, SKIP_GRAM, TEXTS
from cuda_on_host.launch import EACH_SCHEDULE, MOST_SHARED_BYTES, SCHEDULES, Run
from skipgram_training import Training, stepping
from slow import cases
from tolerances import assert_same_bits

from gpuemb.core.errors import ConfigError
from gpuemb.kernels.skipgram_epoch import cuda

pytestmark = pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}")


@pytest.fixture(params=EACH_SCHEDULE)
def schedule(request: pytest.FixtureRequest) -> Iterator[str]:
    with stand_in.installed(Run(request.param, seed=3)):
        yield request.param


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize("case", TEXTS)
def test_pairs_are_the_reference_s_bits(case: str) -> None:
    epochs.check_pairs(case)


@pytest.mark.usefixtures("schedule")
def test_a_token_at_its_word_s_limit_is_dropped() -> None:
    epochs.check_limits()


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize("case", SKIP_GRAM)
def test_steps_are_the_reference_s_within_float32_drift(case: str) -> None:
    epochs.check_steps(case)


def stepped(training: Training, schedule: str) -> tuple[float, np.ndarray]:
    vectors = training.vectors()
    with stand_in.installed(Run(schedule, seed=7)):
        return training.run(stepping(CUDA), vectors), vectors


def test_every_schedule_gives_the_same_bits() -> None:
    training = SKIP_GRAM["equal words in a batch"]
    loss, expected = stepped(training, SCHEDULES[0])
    for schedule in SCHEDULES[1:]:
        found, vectors = stepped(training, schedule)
        assert found == loss
        assert_same_bits(vectors, expected)


@pytest.mark.parametrize("check", [*cases(slow=["far vectors", "far text"])])
def test_addresses_beyond_31_bits_are_reached(check: str) -> None:
    try:
        epochs.far(FAR[check], Run())
    except MemoryError:
        pytest.skip("needs 20 GB of address space")


@pytest.mark.parametrize("negatives", [1, 5, 8, 17, 32, 152])
@pytest.mark.parametrize("threads", [32, cuda.MOST_THREADS])
def test_the_negatives_of_every_recipe_fit_the_least_shared_memory(threads: int, negatives: int) -> None:
    for tile in cuda.TILES:
        assert cuda.shared_bytes(threads, negatives, tile) + cuda.STATIC_BYTES <= MOST_SHARED_BYTES


def test_more_negatives_than_fit_are_refused_with_the_number_that_does() -> None:
    with pytest.raises(ConfigError, match="9999 negatives of a batch need") as refusal:
        cuda.shared_bytes(cuda.MOST_THREADS, 9999, 8)
    most = int(str(refusal.value).partition("at most ")[2].partition(",")[0])
    cuda.shared_bytes(cuda.MOST_THREADS, most, 8)
    with pytest.raises(ConfigError):
        cuda.shared_bytes(cuda.MOST_THREADS, most + 1, 8)
