"""Buckets of several rounds on all workers, none of which waits for a whole round.

Bucket (b, i) has input block b and, in the i-th round r, output block b + r. It needs (b, i − 1), which moved
its inputs, and the bucket of round i − 1 that moved its outputs: every order that keeps to this gives the
same bits. Neighboring input blocks are a group, and task (g, i) visits the buckets of group g in round i. A
worker goes on with groups that it has had, since their inputs are in its caches; it takes another only if
none of these is ready.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Int64

GROUPS = 4  # a worker, so that one is ready while others are visited

Visit = Callable[[Int64, int], None]


def visit_rounds(visit: Visit, rounds: Int64, count: int) -> None:
    """Visit the buckets of all blocks in all rounds.

    Args:
        visit: visits the buckets of some input blocks in one round: blocks, and the round's place.
        rounds: ``(L,)``, in their order.
        count: B.
    """
    workers = min(count, threads.count())
    groups = threads.ranges(count, workers * GROUPS if workers > 1 else 1)
    tasks = _Tasks(groups, rounds, count, workers)

    def work(worker: int) -> None:
        while (task := tasks.begin(worker)) is not None:
            group, place = task
            done = False
            try:
                visit(np.arange(*groups[group]), place)
                done = True
            finally:  # whatever happens: others may wait for it
                tasks.end(group, done)

    threads.run(work, range(workers))


class _Tasks:
    """Tasks (g, i), each handed out once it is ready."""

    def __init__(self, groups: list[tuple[int, int]], rounds: Int64, count: int, workers: int) -> None:
        self._rounds = len(rounds)
        self._needs = _needs(groups, np.diff(rounds) % count, count)
        self._done = [0] * len(groups)  # rounds of each
        self._running = [False] * len(groups)
        self._owner = [group * workers // len(groups) for group in range(len(groups))]
        self._failed = False
        self._changed = Condition()

    def begin(self, worker: int) -> tuple[int, int] | None:
        """Wait for a task that is ready, and hand it out; ``None``: all are done, or one has failed."""
        with self._changed:
            while not (ready := [group for group in range(len(self._done)) if self._ready(group)]):
                if not any(self._running):  # what is left would be ready
                    return None
                self._changed.wait()
            group = min(ready, key=lambda g: (self._owner[g] != worker, self._done[g]))
            self._running[group], self._owner[group] = True, worker
            return group, self._done[group]

    def end(self, group: int, done: bool) -> None:
        """Take note that a group's task is done, or has failed."""
        with self._changed:
            self._running[group] = False
            self._done[group] += 1
            self._failed |= not done
            self._changed.notify_all()

    def _ready(self, group: int) -> bool:
        place = self._done[group]
        if self._failed or self._running[group] or place == self._rounds:
            return False
        return place == 0 or all(self._done[other] >= place for other in self._needs[place - 1][group])


def _needs(groups: list[tuple[int, int]], steps: Int64, count: int) -> list[list[list[int]]]:
    """Return the groups that had a group's output blocks in the round before, for each but the first."""
    of_block = np.repeat(np.arange(len(groups)), [last - first for first, last in groups])
    of_step = {
        step: [
            np.unique(of_block[np.arange(first + step, last + step) % count]).tolist()
            for first, last in groups
        ]
        for step in set(steps.tolist())
    }
    return [of_step[step] for step in steps.tolist()]
