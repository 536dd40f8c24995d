"""Measures of one model's runs: as the arrays of a stored unit of work, and as a result."""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Float64, Int32
from gpuemb.embeddings.model import EmbeddingStack
from gpuemb.geometry.measure import PairTable
from gpuemb.stability.compared_tables import ComparedTables
from gpuemb.stability.config import ModelConfig, StudyConfig
from gpuemb.stability.measure_table import PAIR_MEASURES, Taken
from gpuemb.stability.result import ModelResult, RunSpectra, WordMeasures, pair_measures
from gpuemb.stability.store import Arrays

SHOWN = (  # measures of words that every study has
    "overlap",
    "lowest_overlap",
    "neighbors_in_all",
    "joint_reliability",
    "aligned_cosine",
    "unaligned_cosine",
)


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
        "eigenvalues": np.stack([one.eigenvalues for one in spectra]),
        "shape_numbers": np.array(shapes),
    }
    return kept | {f"word.{name}": values for name, values in taken.words.items() if name not in SHOWN}


def model_result(
    model: ModelConfig,
    stack: EmbeddingStack,
    ids: Int32,
    scores: Float64,
    kept: Arrays,
    config: StudyConfig,
) -> ModelResult:
    """Return a model's result from what was trained and the arrays of :func:`arrays_of`."""
    names = [name for name in config.measures if name in PAIR_MEASURES]
    chance = config.neighbors / (len(stack.index_to_key) - 1)
    tables = {
        name: PairTable(values, recomputed, chance if name == "overlap" else None)
        for name, values, recomputed in zip(names, kept["pairs"], kept["recomputed"], strict=True)
    }
    numbers, again = kept["shape_numbers"], np.triu(kept["recomputed"].any(axis=0), 1)
    return ModelResult(
        config=model,
        runs=model.runs,
        stack=stack,
        neighbor_ids=ids,
        neighbor_scores=scores,
        pairs=pair_measures(Taken(tables, {}), model.runs),
        words=WordMeasures(
            kept["overlap"],
            kept["overlap_low"],
            kept["aligned_cosine"],
            kept["unaligned_cosine"],
            kept["in_all_runs"],
            kept["joint_reliability"],
            {name.removeprefix("word."): kept[name] for name in kept if name.startswith("word.")},
        ),
        spectra=RunSpectra(kept["eigenvalues"], numbers[:, 0], numbers[:, 1], numbers[:, 2]),
        recomputed_pairs=int(again.sum()),
    )
