"""Measures of one model's runs as a result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gpuemb.core.arrays import Float64, Int32
from gpuemb.embeddings.model import EmbeddingStack
from gpuemb.geometry.measure import Description, PairTable
from gpuemb.neighbors.chance import p_value_of_overlap
from gpuemb.stability.config import ModelConfig, StudyConfig
from gpuemb.stability.given.config import TablesConfig
from gpuemb.stability.measure_table import PAIR_MEASURES, Taken
from gpuemb.stability.questions.hubs import NO_CORRELATION
from gpuemb.stability.result import ModelResult, PairMeasure, RunSpectra, WordMeasures
from gpuemb.stability.statistics import (
    Estimate,
    compared_pairs,
    mean_of_known,
    mean_over_pairs,
)
from gpuemb.stability.store import Arrays


def pair_measures(
    taken: Taken, runs: Sequence[str], *, halves: bool = False, overlap_null: Float64 | None = None
) -> tuple[PairMeasure, ...]:
    """Describe what was taken of every compared pair of runs, with the mean and its interval.

    Args:
        taken: the tables of pairs.
        runs: their names.
        halves: whether only the two halves of each split are compared.
        overlap_null: ``(N,)`` the mean overlap of runs whose words were permuted, for its p-value.
    """
    found = [
        _pair_measure(PAIR_MEASURES[name].about, table, runs, halves) for name, table in taken.pairs.items()
    ]
    return tuple(
        replace(one, p_value=p_value_of_overlap(one.estimate.value, overlap_null))
        if overlap_null is not None and one.measure == "overlap"
        else one
        for one in found
    )


def _pair_measure(about: Description, table: PairTable, runs: Sequence[str], halves: bool) -> PairMeasure:
    values = np.array(table.values)
    missing = [(a, b) for a, b in compared_pairs(len(runs), halves=halves) if np.isnan(values[a, b])]
    reason = f"{runs[missing[0][0]]} and {runs[missing[0][1]]}: {about.missing}" if missing else ""
    return PairMeasure(
        about.name,
        about.title,
        about.meaning,
        about.preparation,
        values,
        mean_over_pairs((values + values.T) / 2, about.possible, halves=halves),
        chance=table.chance,
        higher_is_closer=about.higher_is_closer,
        reason=reason,
        symmetric=about.symmetric,
        recomputed=int(np.triu(table.recomputed, 1).sum()),
        halves=halves,
    )


def hubness_of(kept: Arrays) -> Estimate:
    """Return the correlation of stability and hubness."""
    value, low, high = map(float, kept["against_hubness"])
    return Estimate(value, low, high, NO_CORRELATION if math.isnan(low) else "")


def model_result(
    model: ModelConfig | TablesConfig,
    stack: EmbeddingStack,
    ids: Int32,
    scores: Float64,
    kept: Arrays,
    config: StudyConfig,
    occurrences: float,
) -> ModelResult:
    """Return a model's result from its tables, and the arrays of :meth:`ComparisonUnits.found`."""
    names = [name for name in config.measures if name in PAIR_MEASURES]
    tables = {
        name: PairTable(values, recomputed, mean_of_known(kept["chance"]) if name == "overlap" else None)
        for name, values, recomputed in zip(names, kept["pairs"], kept["recomputed"], strict=True)
    }
    halves = model.vary == "halves"
    pairs = pair_measures(Taken(tables, {}), model.runs, halves=halves, overlap_null=kept["null"])
    numbers, again = kept["shape_numbers"], np.triu(kept["recomputed"].any(axis=0), 1)
    return ModelResult(
        config=model,
        runs=model.runs,
        stack=stack,
        neighbor_ids=ids,
        neighbor_scores=scores,
        pairs=pairs,
        words=WordMeasures(
            kept["overlap"],
            kept["overlap_low"],
            kept["aligned_cosine"],
            kept["unaligned_cosine"],
            kept["in_all_runs"],
            kept["joint_reliability"],
            kept["k_occurrence"],
            {name.removeprefix("word."): kept[name] for name in kept if name.startswith("word.")},
        ),
        spectra=RunSpectra(kept["eigenvalues"], numbers[:, 0], numbers[:, 1], numbers[:, 2]),
        recomputed_pairs=int(again.sum()),
        occurrences=occurrences,
        stability_against_hubness=hubness_of(kept),
    )
