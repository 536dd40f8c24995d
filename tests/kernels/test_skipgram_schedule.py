"""Buckets of rounds on several workers: each once, and after those that moved its words."""

from __future__ import annotations

from threading import Event, Lock
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core import threads
from gpuemb.kernels.skipgram_epoch.cpu.schedule import visit_rounds

SECONDS = 20  # a worker that waits so long waits for ever


@settings(deadline=None, max_examples=60)
@given(data=st.data(), count=st.integers(1, 20), workers=st.sampled_from([1, 2, 3, 7]))
def test_a_bucket_is_visited_once_and_after_what_moved_its_words(
    data: st.DataObject, count: int, workers: int
) -> None:
    rounds = data.draw(st.lists(st.integers(0, count - 1), max_size=20))
    lock, busy = Lock(), set[tuple[str, int]]()
    visited = {("input", block): 0 for block in range(count)} | {
        ("output", block): 0 for block in range(count)
    }

    def visit(blocks: Any, place: int) -> None:
        for block in blocks.tolist():
            words = {("input", block), ("output", (block + rounds[place]) % count)}
            with lock:
                assert not words & busy
                assert [visited[word] for word in words] == [place, place]  # in every round before, once
                busy.update(words)
            with lock:
                busy.difference_update(words)
                for word in words:
                    visited[word] += 1

    with threads.limit(workers):
        visit_rounds(visit, np.array(rounds, np.int64), count)
    assert set(visited.values()) == {len(rounds)}


def test_workers_do_not_wait_for_a_round() -> None:
    """While one bucket is visited, others go on to the next round as far as they need none of its words."""
    count, gone_on = 8, Event()

    def visit(blocks: Any, place: int) -> None:
        if place == 0 and blocks[-1] == count - 1:
            assert gone_on.wait(SECONDS)
        elif place == 1:
            gone_on.set()

    with threads.limit(2):
        visit_rounds(visit, np.arange(count), count)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_failure_ends_all_workers_and_is_told(workers: int) -> None:
    def visit(blocks: Any, place: int) -> None:
        if 3 in blocks.tolist():
            raise ArithmeticError("bucket 3")

    with threads.limit(workers), pytest.raises(ArithmeticError, match="bucket 3"):
        visit_rounds(visit, np.arange(12), 12)
