"""Which parts of an embedding are real, and which would come out differently?

The front door: every public name, loaded on first use. ``import gpuemb as ge`` costs nothing else.

Where a docstring cites "Definitions §4", it means section 4 of the page "Definitions" of the documentation,
``.docs/pages/definitions.md`` in the repository: every quantity with its formula, conventions and source.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpuemb.core.device import Device

    # isort: off
    # it would give every error a line
    from gpuemb.core.errors import ClusterError, CompileError, ConfigError, CorpusWarning, DeviceError
    from gpuemb.core.errors import DroppedWarning, DTypeError, FileFormatError, GpuembError, MemoryBudgetError
    from gpuemb.core.errors import NonFiniteError, ShapeError, ShortDocumentsWarning, SpellingWarning
    from gpuemb.core.errors import StorageError, TrainingWarning, VocabularyError

    # isort: on
    from gpuemb.core.threads import set_threads
    from gpuemb.corpus.tokens import Tokens, read_corpus
    from gpuemb.corpus.vocabulary import Vocabulary
    from gpuemb.counts.cooccurrence import Cooccurrence
    from gpuemb.counts.corpus_statistics import CorpusStatistics, corpus_statistics
    from gpuemb.counts.count_spectrum import CountSpectrum
    from gpuemb.counts.counting import bootstrap_repeats, count_cooccurrences
    from gpuemb.counts.information import ContextEntropies, Information
    from gpuemb.counts.pmi import PairInformation, Ratios, ppmi
    from gpuemb.counts.power_law import PowerLaw
    from gpuemb.counts.table import Provenance
    from gpuemb.embeddings import datasets
    from gpuemb.embeddings.datasets import Analogies, WordPairs
    from gpuemb.embeddings.files import load, save
    from gpuemb.embeddings.files.checkpoints.loading import load_transformer
    from gpuemb.embeddings.files.checkpoints.transformer import Norm, Transformer
    from gpuemb.embeddings.model import Embedding, EmbeddingStack
    from gpuemb.embeddings.stack import stack
    from gpuemb.embeddings.translations import Translations
    from gpuemb.factorization.clusters import ClusterScores, scores_of_clusters
    from gpuemb.factorization.cosines import FactorNeighbors
    from gpuemb.factorization.experiment import CosineExperiment, cosine_experiment
    from gpuemb.factorization.factors import Factors, factorize
    from gpuemb.factorization.interactions import Interactions
    from gpuemb.factorization.interactions.reading import read_interactions
    from gpuemb.factorization.interactions.simulation import SimulatedInteractions, simulate_interactions
    from gpuemb.factorization.open_choice.ambiguity import Ambiguity, ambiguity
    from gpuemb.factorization.panels import CosinePanel
    from gpuemb.factorization.remedy.remedies import Remedies, Remedy, remedies, remedy
    from gpuemb.factorization.spectrum import InteractionSpectrum
    from gpuemb.geometry.cca import cca, pwcca, svcca
    from gpuemb.geometry.cka import cka
    from gpuemb.geometry.consensus import Consensus, consensus
    from gpuemb.geometry.cross_grams import CrossGrams, cross_grams
    from gpuemb.geometry.displacement import Displacement, semantic_displacement
    from gpuemb.geometry.eigenspace import eigenspace_instability, eigenspace_overlap
    from gpuemb.geometry.measure.measured import DirectedSimilarity, Similarity
    from gpuemb.geometry.per_word import pip_per_word, second_order_cosine
    from gpuemb.geometry.pip import pip_loss
    from gpuemb.geometry.procrustes import procrustes
    from gpuemb.geometry.ranks.word_list_rsa import WordListSimilarity
    from gpuemb.geometry.rotations.alignment import Alignment, Alignments
    from gpuemb.geometry.rotations.pair_distances import PairRotations
    from gpuemb.geometry.rsa import rsa
    from gpuemb.geometry.shape_distances import angular, bures
    from gpuemb.geometry.spectrum import Spectrum, spectrum, spectrum_distance
    from gpuemb.neighbors.cosines import Cosines, cosine_matrix, cosine_tiles
    from gpuemb.neighbors.exact import Neighbors, nearest_neighbors
    from gpuemb.neighbors.hubness import Hubness, hubness
    from gpuemb.neighbors.index import CosineIndex
    from gpuemb.neighbors.judgements import SimilarityCorrelation, similarity_correlation
    from gpuemb.neighbors.overlap import NeighborOverlap, neighbor_overlap
    from gpuemb.report import plot
    from gpuemb.report.factorization.picture import write_cosine_picture
    from gpuemb.report.page import write_report
    from gpuemb.stability.compare import Comparison, compare
    from gpuemb.stability.config import CountsConfig, ModelConfig, StudyConfig, TextConfig
    from gpuemb.stability.given.config import TablesConfig
    from gpuemb.stability.info import Implementation, Info, info
    from gpuemb.stability.kept.runs import RunHistories
    from gpuemb.stability.planning import StudyPlan, plan
    from gpuemb.stability.questions.answer import Answer, Finding
    from gpuemb.stability.questions.asking import answer
    from gpuemb.stability.questions.drift.changes import ChangedWord, RowOverlaps
    from gpuemb.stability.questions.drift.corpora import CorpusDrift, corpus_drift
    from gpuemb.stability.questions.drift.question import drift
    from gpuemb.stability.questions.drift.result import Drift, DriftMeasure
    from gpuemb.stability.result import ModelResult, PairMeasure, RunSpectra, StudyResult, WordMeasures
    from gpuemb.stability.statistics import Discoveries, Estimate, benjamini_hochberg
    from gpuemb.stability.study import study
    from gpuemb.stability.toml import load_config
    from gpuemb.training.objective.reconstruction import Reconstruction, ReconstructionFit, reconstruction
    from gpuemb.training.objective.softmax import SoftmaxObjective, softmax_objective
    from gpuemb.training.recipes import PPMISVD, GloVe, SkipGram
    from gpuemb.training.seeds import train
    from gpuemb.training.trained import TrainedModel, TrainedStack
    from gpuemb.uncertainty.draws import Resampling
    from gpuemb.words.accuracy import AnalogySection, AnswerAgreement
    from gpuemb.words.analogies import AnalogyAccuracy, analogies
    from gpuemb.words.maps.agreement import MapAgreement, map_agreement
    from gpuemb.words.maps.faithfulness import Trustworthiness, trustworthiness
    from gpuemb.words.maps.layouts import tsne, umap
    from gpuemb.words.maps.principal import PrincipalComponents, pca
    from gpuemb.words.maps.result import WordMap
    from gpuemb.words.ratio_agreement import PairRatios, RatioAgreement, ratio_agreement
    from gpuemb.words.second_order import second_order
    from gpuemb.words.second_order_results import SecondOrder, SecondOrderPairs
    from gpuemb.words.translation.fitting import translate
    from gpuemb.words.translation.precision import TranslationPrecision
    from gpuemb.words.translation.result import Translation

if sys.platform == "win32":
    raise ImportError(
        "gpuemb: this is Python for Windows\n"
        "  It runs on Linux and macOS: files that are mapped and replaced behave otherwise on Windows.\n"
        "  Install it in WSL, the Windows Subsystem for Linux: wsl --install, then pip install gpuemb there."
    )

_ERRORS = (
    "GpuembError", "ClusterError", "CompileError", "ConfigError", "CorpusWarning", "DeviceError",
    "DroppedWarning", "DTypeError", "FileFormatError", "MemoryBudgetError", "NonFiniteError",
    "ShapeError", "ShortDocumentsWarning", "SpellingWarning", "StorageError", "TrainingWarning",
    "VocabularyError",
)  # fmt: skip
_ROOMS = {
    "core.device": ("Device",),
    "core.errors": _ERRORS,
    "core.threads": ("set_threads",),
    "corpus.tokens": ("Tokens", "read_corpus"),
    "corpus.vocabulary": ("Vocabulary",),
    "counts.cooccurrence": ("Cooccurrence",),
    "counts.corpus_statistics": ("CorpusStatistics", "corpus_statistics"),
    "counts.count_spectrum": ("CountSpectrum",),
    "counts.counting": ("bootstrap_repeats", "count_cooccurrences"),
    "counts.information": ("ContextEntropies", "Information"),
    "counts.pmi": ("PairInformation", "Ratios", "ppmi"),
    "counts.power_law": ("PowerLaw",),
    "counts.table": ("Provenance",),
    "embeddings.datasets": ("Analogies", "WordPairs"),
    "embeddings.files.checkpoints.loading": ("load_transformer",),
    "embeddings.files.checkpoints.transformer": ("Norm", "Transformer"),
    "embeddings.files": ("load", "save"),
    "embeddings.model": ("Embedding", "EmbeddingStack"),
    "embeddings.stack": ("stack",),
    "embeddings.translations": ("Translations",),
    "factorization.open_choice.ambiguity": ("Ambiguity", "ambiguity"),
    "factorization.clusters": ("ClusterScores", "scores_of_clusters"),
    "factorization.cosines": ("FactorNeighbors",),
    "factorization.experiment": ("CosineExperiment", "cosine_experiment"),
    "factorization.factors": ("Factors", "factorize"),
    "factorization.remedy.remedies": ("Remedies", "Remedy", "remedies", "remedy"),
    "factorization.spectrum": ("InteractionSpectrum",),
    "factorization.panels": ("CosinePanel",),
    "factorization.interactions": ("Interactions",),
    "factorization.interactions.reading": ("read_interactions",),
    "factorization.interactions.simulation": ("SimulatedInteractions", "simulate_interactions"),
    "geometry.rotations.alignment": ("Alignment", "Alignments"),
    "geometry.rotations.pair_distances": ("PairRotations",),
    "geometry.cca": ("cca", "pwcca", "svcca"),
    "geometry.cka": ("cka",),
    "geometry.consensus": ("Consensus", "consensus"),
    "geometry.cross_grams": ("CrossGrams", "cross_grams"),
    "geometry.displacement": ("Displacement", "semantic_displacement"),
    "geometry.eigenspace": ("eigenspace_instability", "eigenspace_overlap"),
    "geometry.pip": ("pip_loss",),
    "geometry.procrustes": ("procrustes",),
    "geometry.rsa": ("rsa",),
    "geometry.ranks.word_list_rsa": ("WordListSimilarity",),
    "geometry.shape_distances": ("angular", "bures"),
    "uncertainty.draws": ("Resampling",),
    "geometry.measure.measured": ("DirectedSimilarity", "Similarity"),
    "geometry.spectrum": ("Spectrum", "spectrum", "spectrum_distance"),
    "geometry.per_word": ("pip_per_word", "second_order_cosine"),
    "neighbors.cosines": ("Cosines", "cosine_matrix", "cosine_tiles"),
    "neighbors.exact": ("Neighbors", "nearest_neighbors"),
    "neighbors.hubness": ("Hubness", "hubness"),
    "neighbors.index": ("CosineIndex",),
    "neighbors.judgements": ("SimilarityCorrelation", "similarity_correlation"),
    "neighbors.overlap": ("NeighborOverlap", "neighbor_overlap"),
    "report.factorization.picture": ("write_cosine_picture",),
    "report.page": ("write_report",),
    "stability.compare": ("Comparison", "compare"),
    "stability.config": ("CountsConfig", "ModelConfig", "StudyConfig", "TextConfig"),
    "stability.given.config": ("TablesConfig",),
    "stability.info": ("Implementation", "Info", "info"),
    "stability.kept.runs": ("RunHistories",),
    "stability.planning": ("StudyPlan", "plan"),
    "stability.questions.answer": ("Answer", "Finding"),
    "stability.questions.asking": ("answer",),
    "stability.questions.drift.changes": ("ChangedWord", "RowOverlaps"),
    "stability.questions.drift.corpora": ("CorpusDrift", "corpus_drift"),
    "stability.questions.drift.question": ("drift",),
    "stability.questions.drift.result": ("Drift", "DriftMeasure"),
    "stability.result": ("ModelResult", "PairMeasure", "RunSpectra", "StudyResult", "WordMeasures"),
    "stability.statistics": ("Discoveries", "Estimate", "benjamini_hochberg"),
    "stability.study": ("study",),
    "stability.toml": ("load_config",),
    "training.recipes": ("GloVe", "PPMISVD", "SkipGram"),
    "training.objective.reconstruction": ("Reconstruction", "ReconstructionFit", "reconstruction"),
    "training.seeds": ("train",),
    "training.objective.softmax": ("SoftmaxObjective", "softmax_objective"),
    "training.trained": ("TrainedModel", "TrainedStack"),
    "words.accuracy": ("AnalogySection", "AnswerAgreement"),
    "words.analogies": ("AnalogyAccuracy", "analogies"),
    "words.maps.agreement": ("MapAgreement", "map_agreement"),
    "words.maps.faithfulness": ("Trustworthiness", "trustworthiness"),
    "words.maps.layouts": ("tsne", "umap"),
    "words.maps.principal": ("PrincipalComponents", "pca"),
    "words.maps.result": ("WordMap",),
    "words.ratio_agreement": ("PairRatios", "RatioAgreement", "ratio_agreement"),
    "words.second_order": ("second_order",),
    "words.second_order_results": ("SecondOrder", "SecondOrderPairs"),
    "words.translation.fitting": ("translate",),
    "words.translation.precision": ("TranslationPrecision",),
    "words.translation.result": ("Translation",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}
_MODULES = {"datasets": "embeddings.datasets", "plot": "report.plot"}

__version__ = version("gpuemb")

__all__ = [
    "PPMISVD", "Alignment", "Alignments", "Ambiguity", "Analogies", "AnalogyAccuracy", "AnalogySection",
    "Answer", "AnswerAgreement", "ChangedWord", "ClusterError", "ClusterScores", "Comparison",
    "CompileError", "ConfigError", "Consensus", "ContextEntropies", "Cooccurrence", "CorpusDrift",
    "CorpusStatistics", "CorpusWarning", "CosineExperiment", "CosineIndex", "CosinePanel", "Cosines",
    "CountSpectrum", "CountsConfig", "CrossGrams", "DTypeError", "Device", "DeviceError",
    "DirectedSimilarity", "Discoveries", "Displacement", "Drift", "DriftMeasure", "DroppedWarning",
    "Embedding", "EmbeddingStack", "Estimate", "FactorNeighbors", "Factors", "FileFormatError", "Finding",
    "GloVe", "GpuembError", "Hubness", "Implementation", "Info", "Information", "InteractionSpectrum",
    "Interactions", "MapAgreement", "MemoryBudgetError", "ModelConfig", "ModelResult", "NeighborOverlap",
    "Neighbors", "NonFiniteError", "Norm", "PairInformation", "PairMeasure", "PairRatios", "PairRotations",
    "PowerLaw", "PrincipalComponents", "Provenance", "RatioAgreement", "Ratios", "Reconstruction",
    "ReconstructionFit", "Remedies", "Remedy", "Resampling", "RowOverlaps", "RunHistories", "RunSpectra",
    "SecondOrder", "SecondOrderPairs", "ShapeError", "ShortDocumentsWarning", "Similarity",
    "SimilarityCorrelation", "SimulatedInteractions", "SkipGram", "SoftmaxObjective", "Spectrum",
    "SpellingWarning", "StorageError", "StudyConfig", "StudyPlan", "StudyResult", "TablesConfig",
    "TextConfig", "Tokens", "TrainedModel", "TrainedStack", "TrainingWarning", "Transformer", "Translation",
    "TranslationPrecision", "Translations", "Trustworthiness", "Vocabulary", "VocabularyError",
    "WordListSimilarity", "WordMap", "WordMeasures", "WordPairs", "ambiguity", "analogies", "angular",
    "answer", "benjamini_hochberg", "bootstrap_repeats", "bures", "cca", "cka", "compare", "consensus",
    "corpus_drift", "corpus_statistics", "cosine_experiment", "cosine_matrix", "cosine_tiles",
    "count_cooccurrences", "cross_grams", "datasets", "drift", "eigenspace_instability",
    "eigenspace_overlap", "factorize", "hubness", "info", "load", "load_config", "load_transformer",
    "map_agreement", "nearest_neighbors", "neighbor_overlap", "pca", "pip_loss", "pip_per_word", "plan",
    "plot", "ppmi", "procrustes", "pwcca", "ratio_agreement", "read_corpus", "read_interactions",
    "reconstruction", "remedies", "remedy", "rsa", "save", "scores_of_clusters", "second_order",
    "second_order_cosine", "semantic_displacement", "set_threads", "similarity_correlation",
    "simulate_interactions", "softmax_objective", "spectrum", "spectrum_distance", "stack", "study",
    "svcca", "train", "translate", "trustworthiness", "tsne", "umap", "write_cosine_picture",
    "write_report",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = importlib.import_module(f"gpuemb.{_MODULES[name]}")
    elif name in _ROOM_OF:
        value = getattr(importlib.import_module(f"gpuemb.{_ROOM_OF[name]}"), name)
    else:
        raise AttributeError(f"module 'gpuemb' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
