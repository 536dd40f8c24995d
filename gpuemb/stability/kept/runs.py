"""What was noted of the runs of a study while they were trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from gpuemb.core.arrays import Float64
from gpuemb.core.results import result
from gpuemb.embeddings.model import EmbeddingStack


@result
class RunHistories:
    """What was noted of every run of a model while it was trained.

    Attributes:
        losses: of each run, ``(E,)`` mean loss of every epoch; empty for PPMI-SVD.
        held_out: of each run, ``(E,)`` loss of what was not trained on; empty where all was.
        snapshots: by epoch, the tables of all runs after it, memory-mapped.
    """

    losses: tuple[Float64, ...] = ()
    held_out: tuple[Float64, ...] = ()
    snapshots: Mapping[int, EmbeddingStack] = field(default_factory=dict)
