"""Planted histories of neighbors settle when they were planted to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpuemb.stability.questions.training import BandHistory, _finding


def history(kept: list[list[float]], epochs: tuple[int, ...] = (1, 5, 10)) -> BandHistory:
    runs = len(kept[0])
    shared = np.full((len(kept), runs, runs), 0.5)
    return BandHistory("glove", 0, epochs, np.array(kept), shared)


@pytest.mark.parametrize(
    ("kept", "settled"),
    [
        ([[0.2, 0.3, 0.2], [0.91, 0.92, 0.93], [0.97, 0.98, 0.97]], 5),
        ([[0.95, 0.95, 0.95], [0.91, 0.89, 0.93], [0.97, 0.98, 0.97]], 10),  # it left them once more
        ([[0.2, 0.3, 0.2], [0.5, 0.5, 0.5], [0.8, 0.8, 0.95]], None),
    ],
)
def test_neighbors_are_settled_when_no_later_snapshot_of_any_run_lacks_them(
    kept: list[list[float]], settled: int | None
) -> None:
    one = history(kept)
    assert one.settled == settled
    assert ("not settled" in _finding(one).sentence) == (settled is None)


def test_a_claim_needs_the_interval_above_the_bound() -> None:
    sure = _finding(history([[0.95, 0.96, 0.95], [0.97, 0.97, 0.97], [0.98, 0.98, 0.99]]))
    doubt = _finding(history([[0.9, 0.99, 0.91], [0.97, 0.97, 0.97], [0.98, 0.98, 0.99]]))
    assert (sure.holds, doubt.holds) == (True, False)
    assert "perhaps" in doubt.sentence


def test_a_model_without_earlier_snapshots_says_so() -> None:
    none = replace(history([[0.5, 0.5, 0.5]]), epochs=(), kept=np.empty((0, 3)), shared=np.empty((0, 3, 3)))
    assert "no snapshot before the end" in _finding(none).sentence
