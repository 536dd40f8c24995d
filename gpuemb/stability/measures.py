"""Everything that is measured between the runs of one model."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix, Int32
from gpuemb.core.memory import rows_per_tile, tiles
from gpuemb.core.progress import Task
from gpuemb.geometry.cross_grams import CrossGrams, cross_grams
from gpuemb.geometry.per_word import aligned_cosines
from gpuemb.geometry.rotations.pair_distances import pair_distances
from gpuemb.geometry.rotations.polar_factors import polar_factors
from gpuemb.geometry.spectrum import Spectrum, distance_of_spectra, spectrum_of_gram
from gpuemb.neighbors.overlap import neighbor_overlap
from gpuemb.stability.statistics import mean_of_known


@dataclass(frozen=True)
class MeasureKind:
    """What a measure of pairs of runs is called and how to read it."""

    title: str
    preparation: str
    higher_is_closer: bool


LIST_MEASURES = {  # measure of this study: attribute of NeighborOverlap, one number a pair and word
    "overlap": "per_word",
    "jaccard": "jaccard",
    "rank_biased_overlap": "rank_biased",
    "average_overlap": "average_overlap",
    "rank_similarity": "rank_similarity",
}
MEASURES: dict[str, MeasureKind] = {
    "direct_distance": MeasureKind("Distance as trained", "raw", False),
    "procrustes_distance": MeasureKind("Distance after the best rotation", "raw", False),
    "unaligned_cosine": MeasureKind("Mean cosine as trained", "unit", True),
    "aligned_cosine": MeasureKind("Mean cosine after the best rotation", "unit", True),
    "overlap": MeasureKind("Overlap of the nearest neighbors", "unit", True),
    "jaccard": MeasureKind("Jaccard of the nearest neighbors", "unit", True),
    "rank_biased_overlap": MeasureKind("Rank-biased overlap of the neighbors", "unit", True),
    "average_overlap": MeasureKind("Average overlap of the neighbors", "unit", True),
    "rank_similarity": MeasureKind("Rank similarity of the neighbors", "unit", True),
    "rsa": MeasureKind("RSA (Pearson, all word pairs)", "unit", True),
    "cka": MeasureKind("Linear CKA", "centered", True),
    "pip_loss": MeasureKind("PIP loss", "raw", False),
    "spectrum_distance": MeasureKind("Distance of the spectra", "centered", False),
}


@dataclass(frozen=True, eq=False)
class ModelMeasures:
    """The arrays behind a model's result, as they are stored.

    Attributes:
        tables: ``(M, S, S)`` the measures of ``MEASURES``, in their order.
        overlap, overlap_low, aligned_cosine, unaligned_cosine: ``(V,)`` float64.
        in_all_runs: ``(V,)`` int32.
        joint_reliability: ``(V,)`` float64.
        eigenvalues: ``(S, d)``; shape_numbers: ``(S, 3)`` participation ratio, effective rank, IsoScore.
        recomputed: ``(1,)`` pairs taken from their difference.
    """

    tables: Float64
    overlap: Float64
    overlap_low: Float64
    aligned_cosine: Float64
    unaligned_cosine: Float64
    in_all_runs: Int32
    joint_reliability: Float64
    eigenvalues: Float64
    shape_numbers: Float64
    recomputed: Int32


def measure_model(tables: list[FloatMatrix], neighbor_ids: Int32, task: Task) -> ModelMeasures:
    """Take every measure of every pair of runs.

    Args:
        tables: ``S`` tables ``(V, d)``.
        neighbor_ids: ``(S, V, k)``.
        task: told once a pair.

    Cost: two Gram passes ``V·(S·d)²`` and one pass a pair for the per-word cosines.
    """
    raw, unit = cross_grams(tables), cross_grams(tables, "unit")
    centered = raw.centered()
    distances = pair_distances(tables, raw)
    overlap = _overlaps(neighbor_ids)
    spectra = [spectrum_of_gram(centered.block(s, s)) for s in range(raw.runs)]
    before, after = _cosines(tables, unit, task)
    found = {
        "direct_distance": distances.direct,
        "procrustes_distance": distances.procrustes,
        "unaligned_cosine": before.table,
        "aligned_cosine": after.table,
        **overlap.tables,
        "rsa": unit.rsa(),
        "cka": centered.cka(),
        "pip_loss": distances.pip,
        "spectrum_distance": _spectrum_table(spectra),
    }
    numbers = [[s.participation_ratio, s.effective_rank, s.iso_score] for s in spectra]
    return ModelMeasures(
        tables=np.stack([found[name] for name in MEASURES]),
        overlap=overlap.mean,
        overlap_low=overlap.lowest,
        aligned_cosine=after.mean,
        unaligned_cosine=before.mean,
        in_all_runs=overlap.in_all_runs,
        joint_reliability=overlap.joint_reliability,
        eigenvalues=np.stack([s.eigenvalues for s in spectra]),
        shape_numbers=np.array(numbers),
        recomputed=np.array([distances.recomputed], np.int32),
    )


@dataclass(frozen=True, eq=False)
class _Overlaps:
    tables: dict[str, Float64]
    mean: Float64
    lowest: Float64
    in_all_runs: Int32
    joint_reliability: Float64


def _overlaps(ids: Int32) -> _Overlaps:
    """Overlap of every word and pair, a tile of words at a time: P × V numbers never stand at once."""
    runs, words, _ = ids.shape
    pairs = runs * (runs - 1) // 2
    sums, known = np.zeros((len(LIST_MEASURES), pairs)), np.zeros(pairs)
    parts = []
    for start, stop in tiles(words, rows_per_tile(len(LIST_MEASURES) * 8 * pairs)):
        part = neighbor_overlap(ids[:, start:stop])
        per_word = ("stability", "lowest", "in_all_runs", "joint_reliability")
        parts.append([getattr(part, name) for name in per_word])
        sums += [np.nansum(getattr(part, name), axis=1) for name in LIST_MEASURES.values()]
        known += np.isfinite(part.per_word).sum(axis=1)
    means = np.divide(sums, known, out=np.full_like(sums, np.nan), where=known > 0)
    tables = {name: square(mean, runs) for name, mean in zip(LIST_MEASURES, means, strict=True)}
    for table in tables.values():
        np.fill_diagonal(table, 1.0)
    return _Overlaps(tables, *(np.concatenate(column) for column in zip(*parts, strict=True)))


@dataclass(frozen=True, eq=False)
class _Cosines:
    table: Float64
    mean: Float64


def _cosines(tables: list[FloatMatrix], unit: CrossGrams, task: Task) -> tuple[_Cosines, _Cosines]:
    """Cosines of every word between two runs, as trained and after the best rotation.

    A word that has no length in some run has no mean.
    """
    runs, words = len(tables), tables[0].shape[0]
    pairs = list(combinations(range(runs), 2))
    factors = polar_factors([unit.block(s, t) for s, t in pairs])

    def compare(pair: int) -> tuple[Float64, Float64]:
        first, second = (tables[run] for run in pairs[pair])
        return aligned_cosines(first, second), aligned_cosines(first, second, factors[pair].rotation)

    sums = np.zeros((2, words))
    values = np.empty((2, len(pairs)))
    for pair, both in enumerate(threads.stream(compare, range(len(pairs)))):
        for which, cosines in enumerate(both):
            sums[which] += cosines
            values[which, pair] = mean_of_known(cosines)
        task.advance()
    before, after = (
        _Cosines(square(values[which], runs) + np.eye(runs), sums[which] / len(pairs)) for which in (0, 1)
    )
    return before, after


def square(values: Float64, runs: int) -> Float64:
    """Spread the values of pairs over a symmetric ``(S, S)`` table with a zero diagonal."""
    table = np.zeros((runs, runs))
    for value, (s, t) in zip(values, combinations(range(runs), 2), strict=True):
        table[s, t] = table[t, s] = value
    return table


def _spectrum_table(spectra: list[Spectrum]) -> Float64:
    return np.array([[distance_of_spectra(a, b) for b in spectra] for a in spectra])
