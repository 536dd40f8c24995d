"""GloVe: the bits of a run depend on its seed, and on nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from corpus.texts import random_tokens
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core import threads
from gpuemb.core.device import CPU, Device
from gpuemb.core.errors import MemoryBudgetError, NonFiniteError
from gpuemb.counts.counting import count_cooccurrences
from gpuemb.kernels.glove_epoch import glove_epoch
from gpuemb.training import glove as glove_module
from gpuemb.training.glove import initialize, plan_glove, train_glove
from gpuemb.training.glove_strata import stratify
from gpuemb.training.recipes import FIXED, GloVe
from gpuemb.training.seeds import train

COUNTS = count_cooccurrences(random_tokens(), 5)
RECIPE = GloVe(dim=8, epochs=3)
SMALL_COUNTS = count_cooccurrences(random_tokens(40, 12), 4)
SMALL = GloVe(dim=3, epochs=2)


@dataclass
class Watched:
    """The kernel, with a note of everything that passes through it."""

    losses: list[float] = field(default_factory=list)
    first_vectors: list[Any] = field(default_factory=list)
    rows: list[Any] = field(default_factory=list)
    bounds: list[Any] = field(default_factory=list)

    def on(self, device: Device) -> Any:
        step = glove_epoch.on(device)

        def watched(strata: Any, parameters: Any, learning_rate: float) -> float:
            self.first_vectors.append(parameters.vectors.copy())
            self.rows.append(strata.rows.copy())
            self.bounds.append(strata.bounds.copy())
            self.losses.append(step(strata, parameters, learning_rate))
            return self.losses[-1]

        return watched


def watch(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Watched:
    """Train two seeds and return what the kernel saw."""
    watched = Watched()
    monkeypatch.setattr(glove_module, "glove_epoch", watched)
    train(SMALL_COUNTS, GloVe(dim=3, epochs=1), seeds=[1, 2], **options)
    return watched


@pytest.mark.parametrize("threads_used", [2, 7])
def test_the_number_of_threads_changes_no_bit(threads_used: int) -> None:
    with threads.limit(1):
        alone = train(COUNTS, RECIPE, seeds=[7]).vectors
    with threads.limit(threads_used):
        together = train(COUNTS, RECIPE, seeds=[7]).vectors
    np.testing.assert_array_equal(together, alone)


@settings(deadline=None, max_examples=15)
@given(
    seeds=st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True),
    vary=st.sampled_from(["seed", "init", "order"]),
)
def test_a_run_does_not_know_which_other_seeds_are_trained(seeds: list[int], vary: Any) -> None:
    together = train(SMALL_COUNTS, SMALL, seeds=seeds, vary=vary)
    for run, seed in enumerate(seeds):
        alone = train(SMALL_COUNTS, SMALL, seeds=[seed], vary=vary)
        np.testing.assert_array_equal(together.vectors[run], alone.vectors[0])


@settings(deadline=None, max_examples=10)
@given(seeds=st.lists(st.integers(0, 2**63), min_size=2, max_size=2, unique=True))
@pytest.mark.parametrize("vary", ["seed", "init", "order"])
def test_different_seeds_train_different_tables(vary: Any, seeds: list[int]) -> None:
    first, second = train(SMALL_COUNTS, SMALL, seeds=seeds, vary=vary).vectors
    assert (first != second).any()


@pytest.mark.parametrize("seed", [3, 4])
def test_what_does_not_vary_has_the_fixed_seed(seed: int) -> None:
    for vary, init_seed, order_seed in [("seed", seed, seed), ("init", seed, FIXED), ("order", FIXED, seed)]:
        run = train(SMALL_COUNTS, SMALL, seeds=[seed], vary=vary).vectors[0]  # type: ignore[arg-type]
        named = train_glove(SMALL_COUNTS, SMALL, init_seed=init_seed, order_seed=order_seed, device=CPU)
        np.testing.assert_array_equal(run, named.vectors)


def test_varying_the_initialization_keeps_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watch(monkeypatch, vary="init")
    assert (seen.first_vectors[0] != seen.first_vectors[1]).any()
    np.testing.assert_array_equal(seen.rows[0], seen.rows[1])
    np.testing.assert_array_equal(seen.bounds[0], seen.bounds[1])


def test_varying_the_order_keeps_the_initialization(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watch(monkeypatch, vary="order")
    np.testing.assert_array_equal(seen.first_vectors[0], seen.first_vectors[1])
    assert (seen.rows[0] != seen.rows[1]).any()


def test_every_epoch_visits_every_nonzero_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watch(monkeypatch)
    for rows, bounds in zip(seen.rows, seen.bounds, strict=True):
        assert len(rows) == SMALL_COUNTS.nonzeros
        visited = np.concatenate([np.arange(first, last) for first, last in bounds.reshape(-1, 2)])
        np.testing.assert_array_equal(np.sort(visited), np.arange(len(rows)))


def test_the_loss_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched()
    monkeypatch.setattr(glove_module, "glove_epoch", watched)
    train(COUNTS, GloVe(dim=8, epochs=8), seeds=[0])
    assert max(watched.losses) == watched.losses[0]  # later ones are taken along the way, and differ by less
    assert watched.losses[-1] < 0.6 * watched.losses[0]


def test_sums_start_so_that_biases_move_by_their_gradient_alone() -> None:
    first = initialize(5, GloVe(dim=3, learning_rate=0.25), 0)
    assert (first.vector_squares == 1).all()
    assert (first.bias_squares == np.float32(0.25**2)).all()


def test_vectors_start_within_half_a_dimensions_share(monkeypatch: pytest.MonkeyPatch) -> None:
    start = watch(monkeypatch).first_vectors[0]
    assert np.abs(start).max() <= 1 / (2 * 3)
    assert not start[:, :, 3:].any()  # the padding of the lanes


def test_a_step_that_diverges_is_an_error_that_says_so() -> None:
    with pytest.raises(NonFiniteError, match=r"the loss is (nan|inf) after epoch 1") as refusal:
        train(SMALL_COUNTS, GloVe(dim=3, epochs=2, learning_rate=1e30), seeds=[0])
    assert "Lower learning_rate" in str(refusal.value)


def test_a_training_that_does_not_fit_is_refused_with_its_bytes() -> None:
    with pytest.raises(MemoryBudgetError, match="glove with 1000000000 words"):
        plan_glove(10**9, 10**12, GloVe()).require()
    held = plan_glove(10, 0, GloVe(dim=16)).buffers
    assert held["vectors and their AdaGrad sums"] == 4 * 10 * 16 * 4
    shared = plan_glove(10, 50, GloVe(dim=16), dealt=True)
    assert plan_glove(10, 50, GloVe(dim=16)).bytes - shared.bytes >= 4 * 4 * 50


@pytest.mark.parametrize(("vary", "dealt"), [("init", 1), ("order", 3), ("seed", 3)])
def test_strata_are_dealt_once_where_the_runs_share_their_order(
    monkeypatch: pytest.MonkeyPatch, vary: Any, dealt: int
) -> None:
    calls = []

    def counted(*arguments: Any) -> Any:
        calls.append(arguments)
        return stratify(*arguments)

    monkeypatch.setattr(glove_module, "stratify", counted)
    train(SMALL_COUNTS, SMALL, seeds=3, vary=vary)
    assert len(calls) == dealt
