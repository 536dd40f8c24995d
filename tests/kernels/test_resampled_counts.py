"""Several samples in one walk: each has the bits of counting it alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Corpus, corpora
from tolerances import assert_same_bits

from gpuemb.core import threads
from gpuemb.core.arrays import to_device, to_host
from gpuemb.core.device import CPU, Device
from gpuemb.kernels.resampled_counts import cpu as cpu_kernel
from gpuemb.kernels.resampled_counts import resampled_counts
from gpuemb.kernels.window_counts import CountedRows, Side, Weighting, weights_of, window_counts

KERNEL = resampled_counts
SIDES: tuple[Side, ...] = ("both", "left", "right")
WEIGHTINGS: tuple[Weighting, ...] = ("harmonic", "linear", "flat")


def assert_same_counts(found: CountedRows, expected: CountedRows) -> None:
    for field in ("indptr", "indices", "data"):
        assert_same_bits(getattr(found, field), getattr(expected, field))


@given(
    corpus=corpora(),
    window=st.tuples(st.integers(1, 12), st.sampled_from(WEIGHTINGS)),
    side=st.sampled_from(SIDES),
    samples=st.integers(0, 16),
    data=st.data(),
)
def test_each_sample_has_the_bits_of_being_counted_alone(
    device: Device,
    corpus: Corpus,
    window: tuple[int, Weighting],
    side: Side,
    samples: int,
    data: st.DataObject,
) -> None:
    weights, _ = weights_of(*window)
    cell = st.integers(0, 3)
    shape = samples, len(corpus.documents)
    numbers = data.draw(st.lists(cell, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    repeats = np.array(numbers, np.int64).reshape(shape)
    given_ = (to_device(x, device) for x in (corpus.ids, corpus.starts, repeats))
    found = resampled_counts.on(device)(*given_, corpus.words, to_device(weights, device), side)
    assert len(found) == samples
    for rows, times in zip(found, repeats, strict=True):
        home = CountedRows(to_host(rows.indptr), to_host(rows.indices), to_host(rows.data))
        alone = window_counts.reference(corpus.ids, corpus.starts, times, corpus.words, weights, side)
        assert_same_counts(home, alone)


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("cells", [1, 3000, 1 << 22])
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_any_ranges_and_threads_give_the_same_bits(
    weighting: Weighting, cells: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = np.random.default_rng(3)
    sizes = numbers.integers(0, 200, 40)
    corpus = Corpus([numbers.geometric(0.02, size).clip(max=300).tolist() for size in sizes], 310)
    repeats = numbers.poisson(1, (9, 40))
    weights, _ = weights_of(10, weighting)
    monkeypatch.setattr(cpu_kernel, "RANGE_CELLS", cells)
    with threads.limit(workers):
        found = resampled_counts.on(CPU)(corpus.ids, corpus.starts, repeats, corpus.words, weights)
    for rows, times in zip(found, repeats, strict=True):
        alone = window_counts.reference(corpus.ids, corpus.starts, times, corpus.words, weights)
        assert_same_counts(rows, alone)
