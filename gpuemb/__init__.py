"""Which parts of an embedding are real, and which would come out differently?

The front door: every public name, loaded on first use. ``import gpuemb as ge`` costs nothing else.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpuemb.core.device import Device
    from gpuemb.core.errors import (
        CompileError,
        ConfigError,
        DeviceError,
        DroppedWarning,
        DTypeError,
        FileFormatError,
        GpuembError,
        MemoryBudgetError,
        NonFiniteError,
        ShapeError,
        ShortDocumentsWarning,
        StorageError,
        VocabularyError,
    )
    from gpuemb.corpus.tokens import Tokens, read_corpus
    from gpuemb.corpus.vocabulary import Vocabulary
    from gpuemb.counts.association import ppmi
    from gpuemb.counts.cooccurrence import Cooccurrence, bootstrap_repeats, count_cooccurrences
    from gpuemb.embeddings import datasets
    from gpuemb.embeddings.files import load, save
    from gpuemb.embeddings.model import Embedding, EmbeddingStack
    from gpuemb.embeddings.stack import stack
    from gpuemb.geometry.cca import cca, pwcca, svcca
    from gpuemb.geometry.cka import cka
    from gpuemb.geometry.consensus import consensus
    from gpuemb.geometry.cross_grams import cross_grams
    from gpuemb.geometry.displacement import semantic_displacement
    from gpuemb.geometry.eigenspace import eigenspace_instability, eigenspace_overlap
    from gpuemb.geometry.per_word import pip_per_word, second_order_cosine
    from gpuemb.geometry.pip import pip_loss
    from gpuemb.geometry.procrustes import procrustes
    from gpuemb.geometry.rsa import rsa
    from gpuemb.geometry.shape_distances import angular, bures
    from gpuemb.geometry.spectrum import spectrum, spectrum_distance
    from gpuemb.neighbors.cosines import cosine_matrix, cosine_tiles
    from gpuemb.neighbors.exact import nearest_neighbors
    from gpuemb.neighbors.index import CosineIndex
    from gpuemb.neighbors.judgements import similarity_correlation
    from gpuemb.neighbors.overlap import neighbor_overlap
    from gpuemb.report.page import write_report
    from gpuemb.stability.compare import compare
    from gpuemb.stability.comparisons import benjamini_hochberg
    from gpuemb.stability.config import CountsConfig, ModelConfig, StudyConfig, TextConfig
    from gpuemb.stability.info import info
    from gpuemb.stability.planning import plan
    from gpuemb.stability.result import StudyResult
    from gpuemb.stability.study import study
    from gpuemb.stability.toml import load_config
    from gpuemb.training.recipes import PPMISVD, GloVe
    from gpuemb.training.seeds import train

_ERRORS = (
    "GpuembError",
    "CompileError",
    "ConfigError",
    "DeviceError",
    "DroppedWarning",
    "DTypeError",
    "FileFormatError",
    "MemoryBudgetError",
    "NonFiniteError",
    "ShapeError",
    "ShortDocumentsWarning",
    "StorageError",
    "VocabularyError",
)
_ROOMS = {
    "core.device": ("Device",),
    "core.errors": _ERRORS,
    "corpus.tokens": ("Tokens", "read_corpus"),
    "corpus.vocabulary": ("Vocabulary",),
    "counts.association": ("ppmi",),
    "counts.cooccurrence": ("Cooccurrence", "bootstrap_repeats", "count_cooccurrences"),
    "embeddings.files": ("load", "save"),
    "embeddings.model": ("Embedding", "EmbeddingStack"),
    "embeddings.stack": ("stack",),
    "geometry.cca": ("cca", "pwcca", "svcca"),
    "geometry.cka": ("cka",),
    "geometry.consensus": ("consensus",),
    "geometry.cross_grams": ("cross_grams",),
    "geometry.displacement": ("semantic_displacement",),
    "geometry.eigenspace": ("eigenspace_instability", "eigenspace_overlap"),
    "geometry.pip": ("pip_loss",),
    "geometry.procrustes": ("procrustes",),
    "geometry.rsa": ("rsa",),
    "geometry.shape_distances": ("angular", "bures"),
    "geometry.spectrum": ("spectrum", "spectrum_distance"),
    "geometry.per_word": ("pip_per_word", "second_order_cosine"),
    "neighbors.cosines": ("cosine_matrix", "cosine_tiles"),
    "neighbors.exact": ("nearest_neighbors",),
    "neighbors.index": ("CosineIndex",),
    "neighbors.judgements": ("similarity_correlation",),
    "neighbors.overlap": ("neighbor_overlap",),
    "report.page": ("write_report",),
    "stability.comparisons": ("benjamini_hochberg",),
    "stability.compare": ("compare",),
    "stability.config": ("CountsConfig", "ModelConfig", "StudyConfig", "TextConfig"),
    "stability.info": ("info",),
    "stability.planning": ("plan",),
    "stability.result": ("StudyResult",),
    "stability.study": ("study",),
    "stability.toml": ("load_config",),
    "training.recipes": ("GloVe", "PPMISVD"),
    "training.seeds": ("train",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}
_MODULES = {"datasets": "embeddings.datasets"}

__version__ = version("gpuemb")

__all__ = [
    "PPMISVD",
    "CompileError",
    "ConfigError",
    "Cooccurrence",
    "CosineIndex",
    "CountsConfig",
    "DTypeError",
    "Device",
    "DeviceError",
    "DroppedWarning",
    "Embedding",
    "EmbeddingStack",
    "FileFormatError",
    "GloVe",
    "GpuembError",
    "MemoryBudgetError",
    "ModelConfig",
    "NonFiniteError",
    "ShapeError",
    "ShortDocumentsWarning",
    "StorageError",
    "StudyConfig",
    "StudyResult",
    "TextConfig",
    "Tokens",
    "Vocabulary",
    "VocabularyError",
    "angular",
    "benjamini_hochberg",
    "bootstrap_repeats",
    "bures",
    "cca",
    "cka",
    "compare",
    "consensus",
    "cosine_matrix",
    "cosine_tiles",
    "count_cooccurrences",
    "cross_grams",
    "datasets",
    "eigenspace_instability",
    "eigenspace_overlap",
    "info",
    "load",
    "load_config",
    "nearest_neighbors",
    "neighbor_overlap",
    "pip_loss",
    "pip_per_word",
    "plan",
    "ppmi",
    "procrustes",
    "pwcca",
    "read_corpus",
    "rsa",
    "save",
    "second_order_cosine",
    "semantic_displacement",
    "similarity_correlation",
    "spectrum",
    "spectrum_distance",
    "stack",
    "study",
    "svcca",
    "train",
    "write_report",
]


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
