from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skipgram_training import (
    RATE,
    Text,
    Training,
    assert_close,
    assert_same_pairs,
    stepping,
)
from strategies import seeds
from tolerances import assert_same_bits, assert_within, skipgram_drift

from gpuemb.core import threads
from gpuemb.core.arrays import fields_to_device
from gpuemb.core.device import CPU, Device
from gpuemb.kernels.skipgram_epoch import (
    HALF,
    LANES,
    RUN,
    Noise,
    Pairs,
    batches,
    skipgram_pairs,
    skipgram_steps,
)
from gpuemb.kernels.skipgram_epoch.noise import noise_of

KERNEL = skipgram_steps
EMULATED_FAST = (  # tests/cuda_on_host/test_skipgram_epoch.py has steps
    "test_pairs_are_those_of_the_reference",
    "test_a_single_word_is_drawn_to_itself_alone",
    "test_repeated_pairs_of_a_batch_add_up",
    "test_no_pairs_change_nothing_and_lose_nothing",
)
texts = st.builds(
    Text,
    words=st.integers(1, 30),
    tokens=st.integers(0, 200),
    documents=st.integers(1, 12),
    blocks=st.integers(1, 5),
    window=st.integers(1, 9),
    seed=seeds,
)


DIMS = st.sampled_from([1, 2, 15, 16, 17, 31, 50, 100, 300])
trainings = st.builds(Training, text=texts, dim=DIMS, negatives=st.integers(1, 7))
LARGER = Training(Text(words=60, tokens=1000, documents=40, blocks=7, window=5, seed=4), dim=50, negatives=5)


@given(text=texts)
def test_pairs_are_those_of_the_reference(device: Device, text: Text) -> None:
    expected = skipgram_pairs.reference(*text.arguments())
    assert_same_pairs(fields_to_device(skipgram_pairs.on(device)(*text.arguments()), CPU), expected)


@given(text=texts, cut=st.floats(0, 1))
def test_a_text_may_be_cut_anywhere(text: Text, cut: float) -> None:
    """No window ends where a piece of the text ends: pieces have the pairs of the whole."""
    ids, starts, _, *rest = text.arguments()
    draw = skipgram_pairs.on(CPU)
    middle = round(cut * len(ids))
    whole = draw(ids, starts, (0, len(ids)), *rest)
    pieces = [draw(ids, starts, span, *rest) for span in ((0, middle), (middle, len(ids)))]
    for round_ in range(text.blocks):
        for block in range(text.blocks):
            both = np.concatenate([bucket(piece, round_, block) for piece in pieces])
            together = bucket(whole, round_, block)
            np.testing.assert_array_equal(both[np.lexsort(both.T)], together[np.lexsort(together.T)])


def bucket(pairs: Pairs, round_: int, block: int) -> Any:
    first, last = pairs.bounds[round_, block]
    return np.stack([pairs.inputs[first:last], pairs.outputs[first:last]], axis=1)


@given(text=texts)
def test_buckets_of_a_round_share_no_word(text: Text) -> None:
    pairs, blocks = skipgram_pairs.on(CPU)(*text.arguments()), text.arguments()[6]
    for round_ in range(text.blocks):
        for block in range(text.blocks):
            inputs, outputs = bucket(pairs, round_, block).T
            assert (blocks[0, inputs] == block).all()
            assert (blocks[1, outputs] == (block + round_) % text.blocks).all()


def test_a_fixed_window_without_sub_sampling_is_all_neighbors_within_it() -> None:
    ids, starts = np.arange(7, dtype=np.int32), np.array([0, 4, 4, 7])
    keep, blocks = np.full(7, HALF, np.uint64), np.zeros((2, 7), np.int32)
    pairs = skipgram_pairs.on(CPU)(ids, starts, (0, 7), keep, 1, 5, blocks, 1)
    found = sorted(zip(pairs.inputs.tolist(), pairs.outputs.tolist(), strict=True))
    assert found == [(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2), (4, 5), (5, 4), (5, 6), (6, 5)]


def test_a_long_document_is_not_cut() -> None:
    """Word2vec's tools cut documents at 10,000 tokens: pairs across the cut are lost in silence."""
    tokens = 30_001
    ids, starts = np.arange(tokens, dtype=np.int32), np.array([0, tokens])
    keep, blocks = np.full(tokens, HALF, np.uint64), np.zeros((2, tokens), np.int32)
    pairs = skipgram_pairs.on(CPU)(ids, starts, (0, tokens), keep, 1, 3, blocks, 1)
    found = np.sort(pairs.inputs.astype(np.int64) * tokens + pairs.outputs)
    left = np.arange(tokens - 1)
    expected = np.sort(np.concatenate([left * tokens + left + 1, (left + 1) * tokens + left]))
    np.testing.assert_array_equal(found, expected)


def test_a_window_wider_than_documents_takes_all_of_each() -> None:
    ids, starts = np.arange(7, dtype=np.int32), np.array([0, 1, 1, 4, 7])
    keep, blocks = np.full(7, HALF, np.uint64), np.zeros((2, 7), np.int32)
    met = set()
    for key in range(40):
        pairs = skipgram_pairs.on(CPU)(ids, starts, (0, 7), keep, 50, key, blocks, 1)
        met |= set(zip(pairs.inputs.tolist(), pairs.outputs.tolist(), strict=True))
    assert met == {(a, b) for group in ((1, 2, 3), (4, 5, 6)) for a in group for b in group if a != b}


@pytest.mark.parametrize("negatives", [1, 2, 3, 5, 6, 9, 10, 11, 12, 17, 101, 150])
def test_more_negatives_than_words_add_up_as_often_as_they_are_drawn(negatives: int) -> None:
    assert_close(CPU, Training(Text(3, 60, 4, 2, 3, 5), 20, negatives))


def test_windows_are_uniform_and_tokens_kept_as_often_as_asked() -> None:
    """One document of distinct words: a word's pairs show whether it was kept and its window."""
    tokens, window, chance = 20_000, 5, 0.7
    ids, starts = np.arange(tokens, dtype=np.int32), np.array([0, tokens])
    keep, blocks = np.full(tokens, int(chance * HALF), np.uint64), np.zeros((2, tokens), np.int32)
    pairs = skipgram_pairs.on(CPU)(ids, starts, (0, tokens), keep, window, 11, blocks, 1)
    sizes = np.bincount(pairs.outputs, minlength=tokens)
    kept = np.flatnonzero(sizes)
    deviations = 5  # of a binomial: one test in two million fails by chance, and the key is fixed
    assert abs(len(kept) - chance * tokens) < deviations * math.sqrt(tokens * chance * (1 - chance))
    reach = sizes[kept[window:-window]] // 2
    for b in range(1, window + 1):
        share = len(reach) / window
        assert abs((reach == b).sum() - share) < deviations * math.sqrt(share)


@given(training=trainings)
def test_steps_are_the_reference_s_within_float32_drift(device: Device, training: Training) -> None:
    assert_close(device, training)


def test_more_steps_are_the_reference_s_within_float32_drift(device: Device) -> None:
    assert_close(device, LARGER)


@given(training=trainings)
def test_padding_columns_stay_zero_and_other_words_as_they_were(device: Device, training: Training) -> None:
    before, after, pairs = training.vectors(), training.vectors(), training.pairs()
    training.run(stepping(device), after)
    assert not after[:, :, training.dim :].any()
    untouched = np.setdiff1d(np.arange(training.text.words), pairs.inputs)
    assert_same_bits(after[0, untouched], before[0, untouched])


@given(training=trainings)
def test_any_number_of_threads_gives_the_same_bits(training: Training) -> None:
    found = []
    for workers in (1, 2, 7):
        with threads.limit(workers):
            vectors = training.vectors()
            pairs = skipgram_pairs.on(CPU)(*training.text.arguments())
            found.append((training.run(skipgram_steps.on(CPU), vectors), vectors, pairs))
    for loss, vectors, pairs in found[1:]:
        np.testing.assert_equal(loss, found[0][0])  # so large steps on so few words may end in NaN
        assert_same_bits(vectors, found[0][1])
        assert_same_pairs(pairs, found[0][2])


def expected_noise(noise: Noise, block: int) -> Any:
    """The chance of each word to be a negative of a block, times the block's weight."""
    first, last = noise.starts[block : block + 2]
    chance = np.zeros(len(noise.words))
    taken = noise.limits[first:last] / HALF
    np.add.at(chance, noise.words[first:last], taken)
    np.add.at(chance, noise.aliases[first:last], 1 - taken)
    return chance * float(noise.weights[block]) / max(1, last - first)


def one_block(words: int) -> Noise:
    return noise_of(np.full(words, 1 / words), np.zeros(words, np.int32), 1)


def pairs_of(inputs: list[int], outputs: list[int]) -> Pairs:
    return Pairs(
        np.array(inputs, np.int32), np.array(outputs, np.int32), np.array([[[0, len(inputs)]]], np.int64)
    )


ONE_ROUND = np.zeros(1, np.int64), np.full(1, RATE, np.float32)


def test_a_single_word_is_drawn_to_itself_alone(device: Device) -> None:
    """Its negatives are its own output: they are skipped."""
    vectors = np.zeros((2, 1, LANES), np.float32)
    vectors[:, 0, 0] = 0.5, 0.25
    loss = stepping(device)(pairs_of([0], [0]), one_block(1), vectors, *ONE_ROUND, 5, 1)
    step = RATE / (1 + math.exp(0.125))
    bound = skipgram_drift(1, 1, 1.0)
    assert_within(vectors[:, 0, 0], [0.5 + step * 0.25, 0.25 + step * 0.5], bound)
    assert_within(loss, math.log1p(math.exp(-0.125)), bound)


def test_repeated_pairs_of_a_batch_add_up(device: Device) -> None:
    once, often = np.zeros((2, 1, LANES), np.float32), np.zeros((2, 1, LANES), np.float32)
    once[:, 0, 0] = often[:, 0, 0] = 0.5, 0.25
    before = once.copy()
    stepping(device)(pairs_of([0], [0]), one_block(1), once, *ONE_ROUND, 3, 1)
    stepping(device)(pairs_of([0] * RUN, [0] * RUN), one_block(1), often, *ONE_ROUND, 3, 1)
    assert_within(often - before, RUN * (once - before), skipgram_drift(1, RUN, 1.0))


def test_a_batch_is_runs_of_ascending_inputs(device: Device) -> None:
    """Only its cut decides a result: every batch alone, one after another, gives the same vectors."""
    inputs = np.array([0] * RUN + [0] * (RUN + 1) + [1, 2, 2, 5, 6, 7, 7, 7, 3, 8, 9, 0], np.int32)
    found = [(cut.start, cut.stop) for cut in batches(inputs, 0, len(inputs))]
    assert found == [(0, 4), (4, 8), (8, 13), (13, 17), (17, 20), (20, 21)]
    outputs = np.arange(len(inputs), dtype=np.int32)[::-1] % 10
    start = Training(Text(10, 0, 1, 1, 1, 3), 20, 0, 0.5)
    whole, cut = start.vectors(), start.vectors()
    stepping(device)(pairs_of(inputs.tolist(), outputs.tolist()), one_block(10), whole, *ONE_ROUND, 0, 1)
    for first, last in found:
        part = pairs_of(inputs[first:last].tolist(), outputs[first:last].tolist())
        stepping(device)(part, one_block(10), cut, *ONE_ROUND, 0, 1)
    assert_same_bits(whole, cut)


def test_no_pairs_change_nothing_and_lose_nothing(device: Device) -> None:
    vectors = LARGER.vectors()
    empty = Pairs(np.empty(0, np.int32), np.empty(0, np.int32), np.zeros((7, 7, 2), np.int64))
    rates = np.full(7, RATE, np.float32)
    loss = stepping(device)(empty, LARGER.text.noise(), vectors, np.arange(7), rates, 5, 1)
    assert loss == 0
    assert_same_bits(vectors, LARGER.vectors())


@given(words=st.integers(2, 40), blocks=st.integers(1, 6), seed=seeds)
def test_a_block_s_noise_is_the_distribution_cut_to_its_words(words: int, blocks: int, seed: int) -> None:
    numbers = np.random.default_rng(seed)
    chances = numbers.pareto(1.0, words) * (numbers.random(words) < 0.8) + 1e-12
    chances /= chances.sum()
    of_word = (numbers.permutation(words) % blocks).astype(np.int32)
    noise = noise_of(chances, of_word, blocks)
    sizes = np.bincount(of_word, minlength=blocks)
    together = (sizes * (sizes - 1)).sum() / (words * (words - 1)) or 1.0
    eps32 = float(np.finfo(np.float32).eps)
    for block in range(blocks):
        expected = np.where(of_word == block, chances, 0) / together
        # limits have 32 bits a place, weights are float32
        bound = eps32 * expected + words / HALF * float(noise.weights[block]) + 1e-12
        assert_within(expected_noise(noise, block), expected, bound)


def test_the_expected_step_against_a_word_does_not_depend_on_the_blocks() -> None:
    """Over random deals, what a pair meets of each other word is its chance in the noise: word2vec's."""
    words, blocks, deals = 12, 3, 4000
    numbers = np.random.default_rng(0)
    chances = 1 / np.arange(1, words + 1)
    chances /= chances.sum()
    met = np.zeros((words, words))
    for _ in range(deals):
        of_word = (numbers.permutation(words) % blocks).astype(np.int32)
        noise = noise_of(chances, of_word, blocks)
        met += np.stack([expected_noise(noise, block) for block in range(blocks)])[of_word]
    other = ~np.eye(words, dtype=bool)
    expected = np.broadcast_to(chances, met.shape)
    deviation = expected * math.sqrt(3.0 / deals)  # chance 3/11 to share a block, else nothing
    assert_within((met / deals)[other], expected[other], 5 * deviation[other])
