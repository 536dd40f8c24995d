"""The bytes of a study before it begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpuemb.core import threads
from gpuemb.core.memory import MemoryPlan, buffer, readable
from gpuemb.geometry.grams.build import plan_cross_grams
from gpuemb.stability.config import StudyConfig
from gpuemb.training.glove import plan_glove
from gpuemb.training.recipes import GloVe
from gpuemb.training.spectral import plan_ppmi_svd


@dataclass(frozen=True)
class StudyPlan:
    """What each phase of a study holds at once.

    Attributes:
        phases: one memory plan a phase.
        disk_bytes: vectors, neighbors and counts that stay in the folder.
    """

    phases: tuple[MemoryPlan, ...]
    disk_bytes: int

    @property
    def bytes(self) -> int:
        """The largest phase."""
        return max(phase.bytes for phase in self.phases)

    def __str__(self) -> str:
        lines = [f"{readable(phase.bytes):>10}  {phase.purpose}" for phase in self.phases]
        return "\n".join([*lines, f"{readable(self.disk_bytes):>10}  on the disk"])


def plan(config: StudyConfig, *, words: int, nonzeros: int) -> StudyPlan:
    """State the bytes of a study over ``words`` words and ``nonzeros`` counted pairs.

    Args:
        config: what would be done.
        words: size of the vocabulary.
        nonzeros: stored pairs of the counts.

    Cost: nothing is read or allocated.
    """
    phases, disk = [], 0
    for model in config.models:
        runs, dim = len(model.seeds), model.recipe.dim
        if isinstance(model.recipe, GloVe):
            phases.append(plan_glove(words, nonzeros, model.recipe))
        else:
            one = plan_ppmi_svd(words, nonzeros, model.recipe)
            at_once = min(threads.count(), runs)
            phases.append(
                MemoryPlan(
                    f"{at_once} runs of {one.purpose}",
                    {name: size * at_once for name, size in one.buffers.items()},
                )
            )
        phases.append(plan_cross_grams(runs * dim, words))
        neighbors = buffer((words, config.neighbors), np.int32) + buffer(
            (words, config.neighbors), np.float64
        )
        counted = runs if model.vary == "bootstrap" else 1
        disk += runs * (buffer((words, dim), np.float32) + neighbors) + counted * nonzeros * 12
    return StudyPlan(tuple(phases), disk)
