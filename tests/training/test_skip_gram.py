"""Skip-gram: the bits of a run depend on its seed and the sizes, and on nothing else."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from corpus.texts import TOPICS, random_tokens, tokens_of
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core import threads
from gpuemb.core.device import CPU, Device
from gpuemb.core.errors import ConfigError, DeviceError, MemoryBudgetError, NonFiniteError
from gpuemb.counts.counting import count_cooccurrences
from gpuemb.kernels.skipgram_epoch import HALF, RUN, skipgram_pairs, skipgram_steps
from gpuemb.training import skip_gram as module
from gpuemb.training.recipes import FIXED, SkipGram
from gpuemb.training.seeds import train
from gpuemb.training.skip_gram import (
    BUCKET_PAIRS,
    CHUNK_PAIRS,
    Seeds,
    block_count,
    chunks,
    drawn_negatives,
    initialize,
    keep_limits,
    noise_chances,
    plan_skip_gram,
    spans_of,
    train_skip_gram,
)

TOKENS = random_tokens()
RECIPE = SkipGram(dim=8, window=3, epochs=2, sample=0.01, learning_rate=0.1)
SMALL_TOKENS = random_tokens(40, 12)
SMALL = SkipGram(dim=3, window=2, epochs=2, sample=0.1)


@pytest.fixture(autouse=True)
def several_blocks_and_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small texts are cut as large ones are."""
    monkeypatch.setattr(module, "BLOCK_WORDS", 4)
    monkeypatch.setattr(module, "CHUNK_PAIRS", 4000)
    monkeypatch.setattr(module, "BUCKET_PAIRS", 1)


@dataclass
class Watched:
    """Both kernels, with a note of everything that passes through them."""

    pairs: list[Any] = field(default_factory=list)
    blocks: list[Any] = field(default_factory=list)
    first_vectors: list[Any] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> Watched:
        monkeypatch.setattr(module, "skipgram_pairs", Replaced(self.draw))
        monkeypatch.setattr(module, "skipgram_steps", Replaced(self.step))
        return self

    def draw(self, *arguments: Any) -> Any:
        found = skipgram_pairs.on(CPU)(*arguments)
        self.pairs.append(np.stack([found.inputs, found.outputs]))
        self.blocks.append(arguments[6].copy())
        return found

    def step(self, pairs: Any, noise: Any, vectors: Any, rounds: Any, rates: Any, *rest: Any) -> float:
        self.first_vectors.append(vectors.copy())
        self.rates += rates.tolist()
        self.losses.append(skipgram_steps.on(CPU)(pairs, noise, vectors, rounds, rates, *rest))
        return self.losses[-1]


@dataclass
class Replaced:
    """A kernel of one function."""

    function: Any

    def on(self, device: Device) -> Any:
        return self.function


def watch(monkeypatch: pytest.MonkeyPatch, seed: int, **options: Any) -> Watched:
    watched = Watched().install(monkeypatch)
    train(TOKENS, replace(RECIPE, epochs=1), seeds=[seed], **options)
    return watched


def sorted_pairs(watched: Watched) -> Any:
    """Every pair of an epoch, in an order of its own."""
    both = np.concatenate(watched.pairs, axis=1)
    return both[:, np.lexsort(both)]


@pytest.mark.parametrize("threads_used", [2, 7])
def test_the_number_of_threads_changes_no_bit(threads_used: int) -> None:
    assert block_count(len(TOKENS.vocabulary), RECIPE.dim) > 1
    assert len(spans_of(len(TOKENS), RECIPE.window, 4)) > 1
    with threads.limit(1):
        alone = train(TOKENS, RECIPE, seeds=[7]).vectors
    with threads.limit(threads_used):
        together = train(TOKENS, RECIPE, seeds=[7]).vectors
    np.testing.assert_array_equal(together, alone)


@settings(deadline=None, max_examples=15)
@given(
    seeds=st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True),
    vary=st.sampled_from(SkipGram.varies),
)
def test_a_run_does_not_know_which_other_seeds_are_trained(seeds: list[int], vary: Any) -> None:
    together = train(SMALL_TOKENS, SMALL, seeds=seeds, vary=vary).vectors
    alone = [train(SMALL_TOKENS, SMALL, seeds=[seed], vary=vary).vectors for seed in seeds]
    np.testing.assert_array_equal(together, np.concatenate(alone))


@settings(deadline=None, max_examples=10)
@given(seeds=st.lists(st.integers(0, 2**63), min_size=2, max_size=2, unique=True))
@pytest.mark.parametrize("vary", SkipGram.varies)
def test_different_seeds_train_different_tables(vary: Any, seeds: list[int]) -> None:
    tables = train(SMALL_TOKENS, SMALL, seeds=seeds, vary=vary).vectors
    for first, second in itertools.combinations(tables, 2):
        assert (first != second).any()


@pytest.mark.parametrize("seed", [3, 4])
def test_what_does_not_vary_has_the_fixed_seed(seed: int) -> None:
    for vary, decided in [
        ("seed", Seeds(seed, seed, seed)),
        ("init", Seeds(seed, FIXED, FIXED)),
        ("order", Seeds(FIXED, seed, FIXED)),
        ("sampling", Seeds(FIXED, FIXED, seed)),
    ]:
        run = train(SMALL_TOKENS, SMALL, seeds=[seed], vary=vary).vectors[0]  # type: ignore[arg-type]
        alone = train_skip_gram(SMALL_TOKENS, SMALL, decided, device=CPU).vectors
        np.testing.assert_array_equal(run, alone)


def test_varying_the_initialization_keeps_every_pair_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (watch(monkeypatch, seed, vary="init") for seed in (1, 2))
    assert (one.first_vectors[0] != other.first_vectors[0]).any()
    for mine, theirs in zip(one.pairs + one.blocks, other.pairs + other.blocks, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_varying_the_order_keeps_the_initialization_and_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (watch(monkeypatch, seed, vary="order") for seed in (1, 2))
    np.testing.assert_array_equal(one.first_vectors[0], other.first_vectors[0])
    np.testing.assert_array_equal(sorted_pairs(one), sorted_pairs(other))
    assert (one.blocks[0] != other.blocks[0]).any()


def test_varying_the_sampling_keeps_the_initialization_and_the_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = (watch(monkeypatch, seed, vary="sampling") for seed in (1, 2))
    np.testing.assert_array_equal(one.first_vectors[0], other.first_vectors[0])
    for mine, theirs in zip(one.blocks, other.blocks, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert not np.array_equal(sorted_pairs(one), sorted_pairs(other))


def test_chunks_hold_the_pairs_of_the_whole_text(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = watch(monkeypatch, 1)
    monkeypatch.setattr(module, "CHUNK_PAIRS", 10**9)
    whole = watch(monkeypatch, 1)
    assert len(cut.pairs) > len(whole.pairs) == 1
    np.testing.assert_array_equal(sorted_pairs(cut), sorted_pairs(whole))


def test_epochs_draw_other_pairs_and_deal_other_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched().install(monkeypatch)
    train(TOKENS, RECIPE, seeds=[1])
    half = len(watched.pairs) // 2
    assert not np.array_equal(watched.blocks[0], watched.blocks[1])  # anew for each chunk
    first, second = (np.concatenate(part, axis=1) for part in (watched.pairs[:half], watched.pairs[half:]))
    assert first.shape != second.shape or (first != second).any()


def test_the_learning_rate_falls_linearly_to_almost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched().install(monkeypatch)
    train(TOKENS, RECIPE, seeds=[1])
    expected = RECIPE.learning_rate * (1 - np.arange(len(watched.rates)) / len(watched.rates))
    np.testing.assert_allclose(watched.rates, expected, rtol=1e-6)


def test_pairs_stay_within_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents of the words of one parity: a pair of both would come from two documents."""
    numbers = np.random.default_rng(0)
    documents = [(2 * numbers.integers(0, 10, 6) + parity).tolist() for parity in (0, 1) * 200]
    watched = Watched().install(monkeypatch)
    train(tokens_of(documents, 20), replace(RECIPE, window=9), seeds=[0])
    for inputs, outputs in watched.pairs:
        np.testing.assert_array_equal(inputs % 2, outputs % 2)


def test_the_loss_falls_and_words_of_a_topic_are_near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_WORDS", 20)
    watched = Watched().install(monkeypatch)
    tokens = random_tokens(2000)
    recipe = SkipGram(dim=8, epochs=5, sample=0, learning_rate=0.05)
    vectors = train(tokens, recipe, seeds=[0]).vectors[0]
    chunk = len(watched.losses) // recipe.epochs
    sizes = np.array([pairs.shape[1] for pairs in watched.pairs])
    losses = np.add.reduceat(watched.losses, range(0, len(sizes), chunk))
    means = losses / np.add.reduceat(sizes, range(0, len(sizes), chunk))
    assert means.argmax() == 0  # later ones differ by less than the noise of their negatives
    assert means[-1] < means[0] - 0.02
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines, topic = unit @ unit.T, np.arange(len(unit)) % TOPICS
    same = (topic[:, None] == topic) & ~np.eye(len(unit), dtype=bool)
    assert cosines[same].mean() > cosines[topic[:, None] != topic].mean() + 0.2


def test_inputs_start_within_half_a_dimensions_share_and_outputs_at_zero() -> None:
    start = initialize(9, SkipGram(dim=20), 3)
    assert 0 < np.abs(start[0, :, :20]).max() <= 1 / (2 * 20)
    assert not start[0, :, 20:].any()
    assert not start[1].any()
    assert start.ctypes.data % 64 == 0  # a load of sixteen numbers touches one cache line


def test_tokens_are_kept_as_word2vec_keeps_them() -> None:
    counts = np.array([90, 9, 1, 0])
    shares = counts[:3] / 100
    expected = np.minimum(1, np.sqrt(0.01 / shares) + 0.01 / shares)
    np.testing.assert_allclose(keep_limits(counts, 0.01)[:3] / HALF, expected, rtol=1e-9)
    assert (keep_limits(counts, 0.0) == HALF).all()


@pytest.mark.parametrize("exponent", [0.75, 0.0, -0.5])
def test_noise_is_a_power_of_the_counts_and_absent_words_are_never_drawn(exponent: float) -> None:
    chances = noise_chances(np.array([16, 1, 0]), exponent)
    np.testing.assert_allclose(chances, np.array([16.0**exponent, 1, 0]) / (16.0**exponent + 1), rtol=1e-12)


def test_every_round_and_chunk_is_visited_once() -> None:
    found = list(chunks(5000, 100, RECIPE, Seeds(0, 1, 2), 0))
    assert len({chunk.keys for chunk in found}) == len(found) > 1
    assert len({chunk.keys[0] for chunk in found}) == 1  # a token has one number, whichever chunk looks at it
    assert sorted(itertools.chain(*(range(*chunk.span) for chunk in found))) == list(range(5000))
    for chunk in found:
        assert sorted(chunk.rounds.tolist()) == list(range(block_count(100, RECIPE.dim)))


@pytest.mark.parametrize("negatives", [1, 5, 20])
def test_negatives_that_are_shared_weigh_together_as_much_as_those_of_a_pair(
    monkeypatch: pytest.MonkeyPatch, negatives: int
) -> None:
    """With zero vectors every σ is ½: the loss of a pair is ``log 2``, and ``negatives`` times that."""
    monkeypatch.setattr(
        module, "initialize", lambda words, recipe, seed: np.zeros((2, words, 16), np.float32)
    )
    monkeypatch.setattr(module, "BLOCK_WORDS", 60)
    watched = Watched().install(monkeypatch)
    numbers = np.random.default_rng(0)
    tokens = tokens_of(numbers.permuted(np.tile(np.arange(60), (50, 1)), axis=1).tolist(), 60)
    train(tokens, replace(RECIPE, epochs=1, sample=0, negatives=negatives), seeds=[0])
    pairs = sum(found.shape[1] for found in watched.pairs)
    expected = (1 + negatives * (1 - 1 / 60)) * math.log(2)  # a word in sixty is the pair's own output
    deviation = negatives * math.sqrt(1 / 60 / (pairs / RUN * drawn_negatives(negatives)))
    assert abs(sum(watched.losses) / pairs - expected) < 5 * deviation


@pytest.mark.parametrize("learning_rate", [1e300, 1e30, 3e4])
def test_a_step_that_diverges_names_run_epoch_and_rate(learning_rate: float) -> None:
    recipe = replace(SMALL, learning_rate=learning_rate, epochs=50)
    named = r"skip-gram, seed 3: the loss is \S+ after epoch \d+ at rate " + re.escape(str(learning_rate))
    with pytest.raises(NonFiniteError, match=named) as refusal:
        train(SMALL_TOKENS, recipe, seeds=[3])
    assert "Lower learning_rate" in str(refusal.value)


def test_counts_are_not_a_text() -> None:
    with pytest.raises(ConfigError, match="skip-gram with counts as the source") as refusal:
        train(count_cooccurrences(SMALL_TOKENS), SMALL)
    assert "read_corpus" in str(refusal.value)


def test_a_window_of_counts_is_refused_not_ignored() -> None:
    with pytest.raises(ConfigError, match=r"window = 3, weighting = 'harmonic' for skip-gram") as refusal:
        train(SMALL_TOKENS, SMALL, window=3)
    assert "SkipGram(window=3)" in str(refusal.value)


def test_a_text_that_sub_sampling_empties_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"sample = 1e-14 leaves no pair"):
        train(SMALL_TOKENS, replace(SMALL, sample=1e-14), seeds=[0])


def test_documents_of_one_word_among_others_leave_it_zero() -> None:
    tokens = tokens_of([[0, 1, 2], [3], [2, 1], [], [3]], 4)
    vectors = train(tokens, replace(SMALL, sample=0, window=50, negatives=100), seeds=[0]).vectors[0]
    assert np.isfinite(vectors).all()
    assert vectors[:3].any(axis=1).all()
    assert not vectors[3].any()


def test_it_does_not_train_on_a_gpu() -> None:
    with pytest.raises(DeviceError):
        train(SMALL_TOKENS, SMALL, device="cuda")


def test_a_training_that_does_not_fit_is_refused_with_its_bytes() -> None:
    with pytest.raises(MemoryBudgetError, match="skip-gram with 1000000000 words"):
        plan_skip_gram(10**9, SkipGram()).require()


@pytest.mark.parametrize("window", [1, 5, 50])
def test_memory_does_not_grow_with_the_text(monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    monkeypatch.setattr(module, "CHUNK_PAIRS", CHUNK_PAIRS)
    monkeypatch.setattr(module, "BUCKET_PAIRS", BUCKET_PAIRS)
    recipe = SkipGram(window=window)
    large = plan_skip_gram(100_000, recipe, 10**8).bytes
    assert large == plan_skip_gram(100_000, recipe, 10**7).bytes < 10**9
    assert plan_skip_gram(100, recipe, 1000).bytes < large / 10
