"""Run the training kernels' launchers on the emulator, on sizes that they can stumble over."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from cuda_on_host import stand_in
from cuda_on_host.arguments import DeviceArray
from cuda_on_host.launch import Run
from glove_training import FIELDS, RATE, assert_close_state
from glove_training import Training as GloVeTraining
from skipgram_training import Text, assert_close, assert_same_pairs
from skipgram_training import Training as SkipGramTraining
from tolerances import assert_same_bits

from gpuemb.core.arrays import fields_to_device
from gpuemb.core.device import CPU, Device
from gpuemb.kernels.glove_epoch import GloVeParameters, Strata, glove_epoch
from gpuemb.kernels.skipgram_epoch import Pairs, numbers_of, skipgram_pairs, skipgram_steps

CUDA = Device("cuda")
BEYOND = 2**31 // 16 + 3  # rows of 16 numbers, of which the last begin behind 2³¹

# words, dimensions, blocks, nonzeros, seed
GLOVE = {
    "one nonzero": GloVeTraining(1, 1, 1, 1, 2),
    "no nonzero": GloVeTraining(4, 3, 2, 0, 1),
    "one word of many blocks": GloVeTraining(1, 20, 7, 1, 3),
    "fewer words than blocks": GloVeTraining(3, 33, 7, 9, 4),
    "mostly empty blocks": GloVeTraining(40, 5, 11, 30, 5),
    "blocks of 32 and more": GloVeTraining(11, 50, 2, 121, 6),
    "a whole group of columns": GloVeTraining(9, 128, 2, 60, 7),
    "two groups": GloVeTraining(9, 129, 3, 60, 8),
    "three groups": GloVeTraining(8, 300, 3, 50, 9),
    "four groups": GloVeTraining(6, 512, 2, 30, 10),
    "columns read again": GloVeTraining(6, 700, 2, 30, 11),
}

# words, tokens, documents, blocks, window, seed
TEXTS = {
    "no token": Text(3, 0, 1, 2, 3, 1),
    "one token": Text(1, 1, 1, 1, 1, 2),
    "one word": Text(1, 90, 3, 1, 9, 3),
    "short documents": Text(9, 120, 100, 3, 4, 4),
    "one document": Text(20, 600, 1, 4, 50, 5),
    "fewer words than blocks": Text(3, 200, 9, 5, 5, 6),
    "many blocks": Text(40, 300, 12, 31, 5, 7),
    "more buckets than 16 bits number": Text(300, 200, 5, 257, 3, 8),
}

SKIP_GRAM = {
    "no pair": SkipGramTraining(TEXTS["one token"], 3, 5),
    "one word": SkipGramTraining(TEXTS["one word"], 20, 3),
    "fewer words than blocks": SkipGramTraining(TEXTS["fewer words than blocks"], 50, 5),
    "mostly empty buckets": SkipGramTraining(TEXTS["many blocks"], 17, 11),
    "equal words in a batch": SkipGramTraining(Text(4, 100, 3, 1, 5, 9), 16, 11),
    "two tiles of negatives": SkipGramTraining(Text(30, 60, 4, 2, 5, 10), 33, 15),
    "many negatives": SkipGramTraining(Text(5, 30, 2, 1, 3, 11), 64, 60),
    "one negative": SkipGramTraining(Text(12, 60, 4, 2, 5, 12), 65, 1),
    "all columns of a block": SkipGramTraining(Text(12, 40, 4, 2, 3, 13), 320, 5),
    "columns read again": SkipGramTraining(Text(12, 40, 4, 2, 3, 14), 330, 5),
    "columns and negatives read again": SkipGramTraining(Text(12, 40, 4, 2, 3, 15), 400, 13),
}


def large(training: GloVeTraining) -> GloVeTraining:
    """Begin with coordinates up to 1, so that a step is far longer than rounding."""
    return replace(training, scale=2.0 * training.dim)


@cache
def precise_glove(case: str) -> tuple[GloVeParameters, float]:
    """The state after an epoch in float64, and its loss."""
    training = large(GLOVE[case])
    state = training.parameters(np.float64)
    return state, glove_epoch.reference(training.strata(), state, RATE)


def check_glove(case: str) -> None:
    """Train an epoch on the installed emulator; it is the reference's within float32's drift."""
    training = large(GLOVE[case])
    strata, state = fields_to_device(training.strata(), CUDA), fields_to_device(training.parameters(), CUDA)
    loss = glove_epoch.on(CUDA)(strata, state, RATE)
    precise, precise_loss = precise_glove(case)
    found = fields_to_device(state, CPU)
    assert_close_state(found, loss, training, precise, precise_loss)
    assert not found.vectors[:, :, training.dim :].any()


@cache
def expected_pairs(case: str) -> Pairs:
    """Pairs of a piece of the text, of the reference."""
    return skipgram_pairs.reference(*TEXTS[case].arguments())


def check_pairs(case: str) -> None:
    """Draw pairs on the installed emulator: they are the reference's, bit for bit."""
    found = fields_to_device(skipgram_pairs.on(CUDA)(*TEXTS[case].arguments()), CPU)
    assert_same_pairs(found, expected_pairs(case))


def check_limits() -> None:
    """The limit of each word is the number of one of its tokens, which is dropped: it is not below."""
    ids, starts, _, keep, window, key, *rest = TEXTS["short documents"].arguments()
    words, places = np.unique(ids, return_index=True)
    keep[words] = numbers_of(key, places) >> np.uint64(32)
    given = ids, starts, (0, len(ids)), keep, window, key, *rest
    found = fields_to_device(skipgram_pairs.on(CUDA)(*given), CPU)
    assert len(found.inputs)
    assert_same_pairs(found, skipgram_pairs.reference(*given))


def check_steps(case: str) -> None:
    """Visit the pairs of a text on the installed emulator: the reference's steps within float32's drift.

    It begins with coordinates near 1/4, so that a step is far longer than rounding.
    """
    assert_close(CUDA, replace(SKIP_GRAM[case], scale=0.25))


def check_far_glove() -> None:
    """The last words of tables with more numbers than 31 bits count."""
    shape = 2, BEYOND, 16
    vectors, squares = (np.zeros(shape, np.float32) for _ in range(2))
    biases = np.zeros(shape[:2], np.float32), np.zeros(shape[:2], np.float32)
    near = GLOVE["blocks of 32 and more"]
    strata, state = near.strata(), replace(near, dim=16).parameters()
    first, count = BEYOND - near.words, near.words
    parameters = GloVeParameters(vectors, biases[0], squares, biases[1])
    for field in FIELDS:
        getattr(parameters, field)[:, first:] = getattr(state, field)
    far = Strata(
        strata.rows + np.int32(first),
        strata.columns + np.int32(first),
        strata.logs,
        strata.weights,
        strata.bounds,
    )
    there = GloVeParameters(*(getattr(parameters, field).view(DeviceArray) for field in FIELDS))
    loss = glove_epoch.on(CUDA)(fields_to_device(far, CUDA), there, RATE)
    here = fields_to_device(state, CUDA)
    assert loss == glove_epoch.on(CUDA)(fields_to_device(strata, CUDA), here, RATE)
    for field in FIELDS:
        assert_same_bits(getattr(parameters, field)[:, first:], np.asarray(getattr(here, field)))
    assert not vectors[:, :count].any()


def check_far_nonzeros() -> None:
    """Nonzeros behind more of them than 31 bits count."""
    near = GLOVE["one nonzero"]
    strata, length = near.strata(), 2**31 + 7
    parts: list[Any] = []
    for name in ("rows", "columns", "logs", "weights"):
        whole = np.zeros(length, getattr(strata, name).dtype)
        whole[-1:] = getattr(strata, name)
        parts.append(whole.view(DeviceArray))
    bounds = np.array([[[length - 1, length]]], np.int64)
    far = Strata(*parts, fields_to_device(strata, CUDA).bounds * 0 + bounds.view(DeviceArray))
    here, there = (fields_to_device(near.parameters(), CUDA) for _ in range(2))
    step = glove_epoch.on(CUDA)
    assert step(far, there, RATE) == step(fields_to_device(strata, CUDA), here, RATE)
    for field in FIELDS:
        assert_same_bits(np.asarray(getattr(there, field)), np.asarray(getattr(here, field)))


def check_far_steps() -> None:
    """The last words of vectors with more numbers than 31 bits count."""
    training = SkipGramTraining(Text(6, 40, 2, 1, 3, 9), 16, 5)
    vectors = np.zeros((2, BEYOND, 16), np.float32)
    first = BEYOND - training.text.words
    vectors[:, first:] = training.vectors()
    pairs, noise = training.pairs(), training.text.noise()
    far_pairs = Pairs(pairs.inputs + np.int32(first), pairs.outputs + np.int32(first), pairs.bounds)
    far_noise = replace(noise, words=noise.words + np.int32(first), aliases=noise.aliases + np.int32(first))
    rates = np.full(1, 0.05, np.float32)

    def step(pairs: Pairs, noise: Any, there: Any) -> float:
        given = fields_to_device(pairs, CUDA), noise, there
        return skipgram_steps.on(CUDA)(*given, np.zeros(1, np.int64), rates, 5, 9)

    here = training.vectors().view(DeviceArray)
    assert step(far_pairs, far_noise, vectors.view(DeviceArray)) == step(pairs, noise, here)
    assert_same_bits(vectors[:, first:], np.asarray(here))


def check_far_text() -> None:
    """A piece of the text behind more tokens than 31 bits count."""
    text = TEXTS["short documents"]
    ids, starts, _, keep, *rest = text.arguments()
    before = 2**31 + 11
    far = np.zeros(before + len(ids), np.int32)
    far[before:] = ids
    span = before, len(far)
    far_starts = np.concatenate([[0], starts + before]).astype(np.int64)
    expected = skipgram_pairs.on(CPU)(far, far_starts, span, keep, *rest)
    found = skipgram_pairs.on(CUDA)(far.view(DeviceArray), far_starts, span, keep, *rest)
    assert_same_pairs(fields_to_device(found, CPU), expected)


def far(check: Any, run: Run) -> None:
    """Check on the emulator.

    Raises:
        MemoryError: the machine does not lend that much address space; almost no page of it is touched.
    """
    with stand_in.installed(run):
        check()


FAR = {
    "far words": check_far_glove,
    "far nonzeros": check_far_nonzeros,
    "far vectors": check_far_steps,
    "far text": check_far_text,
}
