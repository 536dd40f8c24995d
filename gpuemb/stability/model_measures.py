"""Measures of one model's runs: as the arrays of a stored unit of work, and as a result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64, Int32
from gpuemb.embeddings.model import EmbeddingStack
from gpuemb.geometry.measure import Description, PairTable
from gpuemb.neighbors.chance import p_value_of_overlap
from gpuemb.stability.compared_tables import ComparedTables, agreement_of_all, chance_of_pairs, null_of_pairs
from gpuemb.stability.config import ModelConfig, StudyConfig
from gpuemb.stability.given.config import TablesConfig
from gpuemb.stability.measure_table import PAIR_MEASURES, Taken
from gpuemb.stability.questions.hubs import NO_CORRELATION, mean_k_occurrence, stability_against_hubness
from gpuemb.stability.result import ModelResult, PairMeasure, RunSpectra, WordMeasures
from gpuemb.stability.statistics import (
    Estimate,
    compared_pairs,
    mean_of_known,
    mean_over_pairs,
    means_of_known,
)
from gpuemb.stability.store import Arrays
from gpuemb.uncertainty.draws import Draws

SHOWN = (  # measures of words that every study has
    "overlap",
    "lowest_overlap",
    "neighbors_in_all",
    "joint_reliability",
    "aligned_cosine",
    "unaligned_cosine",
)
OF_RUNS = ("pairs", "recomputed", "eigenvalues", "shape_numbers")  # arrays of pairs of runs, and of runs


def arrays_of(compared: ComparedTables, taken: Taken) -> Arrays:
    """Name the arrays of what was taken, with what every study shows of words and spectra."""
    lists = compared.lists
    spectra = compared.grams.spectra()
    shapes = [[one.participation_ratio, one.effective_rank, one.iso_score] for one in spectra]
    names = list(taken.pairs)
    none = np.zeros((0, len(compared.tables), len(compared.tables)))
    kept = {
        "pairs": np.stack([taken.pairs[name].values for name in names]) if names else none,
        "recomputed": np.stack([taken.pairs[name].recomputed for name in names]) if names else none,
        "overlap": lists.stability,
        "overlap_low": lists.lowest,
        "in_all_runs": lists.in_all_runs,
        "joint_reliability": lists.joint_reliability,
        "aligned_cosine": compared.aligned_cosines.words,
        "unaligned_cosine": compared.unaligned_cosines.words,
        "eigenvalues": _beside([one.eigenvalues for one in spectra]),
        "shape_numbers": np.array(shapes),
    }
    return kept | {f"word.{name}": values for name, values in taken.words.items() if name not in SHOWN}


def merged(parts: Sequence[Arrays], ids: Int32) -> Arrays:
    """Join the arrays of runs that are compared among themselves, such as the halves of each split.

    Args:
        parts: of each group of runs, in their order.
        ids: ``(S, V, k)`` neighbors of all runs: a list that all have in common is one of all ``S``.

    Returns:
        Pairs of runs of two groups are NaN; a word has the mean over the groups in which it has a value.
    """
    if len(parts) == 1:
        return parts[0]
    of_words = {name: np.stack([part[name] for part in parts]) for name in parts[0] if name not in OF_RUNS}
    in_all_runs, joint_reliability = agreement_of_all(ids)
    return {name: means_of_known(values) for name, values in of_words.items()} | {
        "pairs": _block_diagonal([part["pairs"] for part in parts], np.nan),
        "recomputed": _block_diagonal([part["recomputed"] for part in parts], False),
        "eigenvalues": np.concatenate([part["eigenvalues"] for part in parts]),
        "shape_numbers": np.concatenate([part["shape_numbers"] for part in parts]),
        "overlap_low": np.fmin.reduce(of_words["overlap_low"]),
        "in_all_runs": in_all_runs,
        "joint_reliability": joint_reliability,
    }


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


def _beside(spectra: Sequence[Float64]) -> Float64:
    """Stack spectra; a direction that a table does not have has no variance."""
    widest = max(map(len, spectra))
    return np.stack([np.pad(values, (0, widest - len(values))) for values in spectra])


def _block_diagonal(tables: Sequence[NDArray[Any]], between: float | bool) -> NDArray[Any]:
    """Set ``(M, S, S)`` tables of groups of runs along the diagonal of one."""
    ends = np.cumsum([table.shape[1] for table in tables])
    whole = np.full((len(tables[0]), ends[-1], ends[-1]), between, tables[0].dtype)
    for table, end in zip(tables, ends, strict=True):
        start = end - table.shape[1]
        whole[:, start:end, start:end] = table
    return whole


def chance_arrays(ids: Int32, groups: Sequence[Sequence[int]], draws: Draws) -> Arrays:
    """What the overlap of each compared pair of runs is by chance: its expectation, and that of permutations.

    Args:
        ids: ``(S, V, k)`` neighbors of all runs.
        groups: runs that are compared with each other.
        draws: of the words.

    Returns:
        ``chance``, ``(P,)`` of the compared pairs, and ``null``, ``(permutations,)`` of their mean.
    """
    lists = [np.asarray(ids[list(group)]) for group in groups]
    null = np.hstack([null_of_pairs(group, draws) for group in lists])
    return {
        "chance": np.concatenate([chance_of_pairs(group) for group in lists]),
        "null": means_of_known(null.T),
    }


def hubness_arrays(ids: Int32, pairs: Sequence[tuple[int, int]]) -> Arrays:
    """How many lists each word is in, and how that goes with stability.

    Args:
        ids: ``(S, V, k)`` neighbors of all runs.
        pairs: the compared runs.

    Returns:
        ``k_occurrence``, ``(V,)``; ``against_hubness``, the correlation and the ends of its interval.
    """
    found = stability_against_hubness(ids, pairs)
    return {
        "k_occurrence": mean_k_occurrence(ids),
        "against_hubness": np.array([found.value, found.low, found.high]),
    }


def hubness_of(kept: Arrays) -> Estimate:
    """Return the correlation of :func:`hubness_arrays`."""
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
    """Return a model's result from its tables, and the arrays of the functions above."""
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
