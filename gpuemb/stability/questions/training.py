"""The question ``training``: when do neighbors settle while a run is trained, and whose first?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.arrays import Float64, Int32
from gpuemb.neighbors.exact import nearest_neighbors
from gpuemb.neighbors.overlap import neighbor_overlap
from gpuemb.stability.config import digest_of
from gpuemb.stability.questions.answer import Answer, Finding
from gpuemb.stability.questions.evidence import Evidence
from gpuemb.stability.questions.table import QUESTIONS
from gpuemb.stability.questions.words.traits import BANDS
from gpuemb.stability.result import ModelResult, StudyResult
from gpuemb.stability.statistics import LEAST_RUNS, mean_of_known, mean_over_pairs
from gpuemb.stability.store import Arrays
from gpuemb.uncertainty.intervals import SHARE, jackknife_interval

if TYPE_CHECKING:
    import pyarrow

SETTLED = 0.9  # share of the final neighbors: of ten, nine
NAMES = (
    "the most frequent fifth",
    "the second fifth",
    "the third fifth",
    "the fourth fifth",
    "the rarest fifth",
)


@dataclass(frozen=True, eq=False)
class BandHistory:
    """How the neighbors of the words of a band change with the epochs.

    Attributes:
        model: name of the model.
        band: 0 for the most frequent words.
        epochs: ascending, without the last one of training.
        kept: ``(E, S)`` share of a run's final neighbors that it has after an epoch.
        shared: ``(E, S, S)`` share of neighbors that two runs have in common after an epoch.
    """

    model: str
    band: int
    epochs: tuple[int, ...]
    kept: Float64
    shared: Float64

    @property
    def settled(self) -> int | None:
        """The first snapshot from which on every run has nine tenths of its final neighbors; None without."""
        late = [bool((row >= SETTLED).all()) for row in self.kept]
        after = [all(late[place:]) for place in range(len(late))]
        return self.epochs[after.index(True)] if any(after) else None

    def interval(self, place: int) -> tuple[float, float, float]:
        """Return the mean over runs after an epoch, with its interval: Student's t on the logit."""
        values = self.kept[place]
        return (float(np.mean(values)), *_mean_interval(values))


def answer(result: StudyResult) -> Answer:
    """Answer for every model with snapshots.

    Cost: one search of neighbors a run and snapshot, kept in the folder.
    """
    evidence, histories = Evidence(result), []
    for model in result.models:
        if model.histories.snapshots:  # of a model with epochs
            histories += bands_of(evidence, model)
    notes = (
        f"Settled: from that snapshot on every run has at least {SETTLED:.0%} of the neighbors it ends with,"
        " on average over the words of the band. A rate of learning that falls to zero settles everything.",
        "Bands have as many words each, by frequency.",
    )
    findings = tuple(map(_finding, histories))
    return Answer("training", QUESTIONS["training"].asks, findings, {"epochs": _table(histories)}, notes)


def bands_of(evidence: Evidence, model: ModelResult) -> list[BandHistory]:
    """Compare the neighbors after every snapshot with the final ones, and between runs."""
    last = int(getattr(getattr(model.config, "recipe", None), "epochs", 0))
    epochs = tuple(epoch for epoch in model.histories.snapshots if epoch < last)
    final = np.asarray(model.neighbor_ids)
    runs, words, _ = final.shape
    band = np.minimum(np.arange(words) * BANDS // words, BANDS - 1)
    kept: Float64 = np.full((BANDS, len(epochs), runs), np.nan)
    shared: Float64 = np.full((BANDS, len(epochs), runs, runs), np.nan)
    for place, epoch in enumerate(epochs):
        lists = _lists(evidence, model, epoch, final)
        own = [_overlap(np.stack([lists[run], final[run]]))[0] for run in range(runs)]
        between = _overlap(lists)
        for one in range(BANDS):
            rows = band == one
            kept[one, place] = [mean_of_known(values[rows]) for values in own]
            for values, (a, b) in zip(between, zip(*np.triu_indices(runs, 1), strict=True), strict=True):
                shared[one, place, a, b] = shared[one, place, b, a] = mean_of_known(values[rows])
    name = model.config.name
    return [BandHistory(name, one, epochs, kept[one], shared[one]) for one in range(BANDS)]


def _lists(evidence: Evidence, model: ModelResult, epoch: int, final: Int32) -> Int32:
    found = []
    for run, (key, table) in enumerate(
        zip(model.keys, model.histories.snapshots[epoch].tables(), strict=True)
    ):

        def compute(table: Any = table, run: int = run) -> Arrays:
            return {"ids": nearest_neighbors(np.asarray(table), final.shape[2], warm_start=final[run]).ids}

        found.append(evidence.store.unit("neighbors", digest_of(key, epoch, final.shape[2]), compute)["ids"])
    return np.stack(found)


def _overlap(ids: Int32) -> Float64:
    return np.asarray(neighbor_overlap(np.ascontiguousarray(ids)).per_word)


def _mean_interval(values: Float64) -> tuple[float, float]:
    if len(values) < LEAST_RUNS or not np.isfinite(values).all():
        return math.nan, math.nan
    without = (values.sum() - values) / (len(values) - 1)
    return jackknife_interval(float(values.mean()), without, SHARE)


def _finding(one: BandHistory) -> Finding:
    about = f"{one.model}, {NAMES[one.band]}"
    if not one.epochs:
        return Finding(
            about, "settled", math.nan, math.nan, math.nan, False, f"{about}: no snapshot before the end."
        )
    settled = one.settled
    if settled is None:
        value, low, high = one.interval(len(one.epochs) - 1)
        said = (
            f"not settled after epoch {one.epochs[-1]}: {100 * value:.0f}% of the final neighbors are there"
        )
        if not math.isnan(low):
            said += f" (95% interval {100 * low:.0f}% to {100 * high:.0f}%)"
        return Finding(
            about, "kept at the last snapshot", value, low, high, not math.isnan(low), f"{about}: {said}."
        )
    value, low, high = one.interval(one.epochs.index(settled))
    holds = low >= SETTLED
    said = f"settled after epoch {settled}" if holds else f"perhaps settled after epoch {settled}"
    said += f": {100 * value:.0f}% of the final neighbors are there"
    if not math.isnan(low):
        said += f" (95% interval {100 * low:.0f}% to {100 * high:.0f}%)"
    return Finding(about, f"kept after epoch {settled}", value, low, high, holds, f"{about}: {said}.")


def _table(histories: Sequence[BandHistory]) -> pyarrow.Table:
    import pyarrow

    rows = []
    for one in histories:
        for place, epoch in enumerate(one.epochs):
            value, low, high = one.interval(place)
            between = mean_over_pairs(one.shared[place], SHARE)
            rows.append(
                {
                    "model": one.model,
                    "band": one.band + 1,
                    "epoch": epoch,
                    "kept": value,
                    "low": low,
                    "high": high,
                    "shared_by_runs": between.value,
                    "shared_low": between.low,
                    "shared_high": between.high,
                }
            )
    return pyarrow.Table.from_pylist(rows)
