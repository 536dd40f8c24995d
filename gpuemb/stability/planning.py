"""The bytes of a study before it begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpuemb.core import threads
from gpuemb.core.checks import check_at_least
from gpuemb.core.doors import door
from gpuemb.core.memory import MemoryPlan, buffer, readable
from gpuemb.core.results import result
from gpuemb.geometry.grams.build import plan_cross_grams
from gpuemb.stability.toml import config_of
from gpuemb.training.glove import plan_glove
from gpuemb.training.recipes import OF_DOCUMENTS, PPMISVD, GloVe, SkipGram
from gpuemb.training.skip_gram import plan_skip_gram
from gpuemb.training.spectral import plan_ppmi_svd
from gpuemb.training.trained import with_snapshots


@result(eq=True)
class StudyPlan:
    """What each phase of a study holds at once.

    Attributes:
        phases: one memory plan a phase.
        disk_bytes: what stays in the folder: vectors (as work and as embeddings), snapshots, neighbors and
            counts.
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


@door
def plan(config: Any, *, words: int, nonzeros: int) -> StudyPlan:
    """State the bytes of a study over ``words`` words and ``nonzeros`` counted pairs.

    Args:
        config: what would be done, as for :func:`gpuemb.study`.
        words: size of the vocabulary.
        nonzeros: stored pairs of the counts.

    Raises:
        ConfigError: an impossible configuration, fewer than two words, or a negative number of pairs.

    Cost: nothing is read or allocated; finished tables are not counted, since their files say their sizes.

    Example:
        >>> print(ge.plan(ge.StudyConfig(("pets.txt",)), words=50_000, nonzeros=20_000_000))
           845.8 MB  glove with 50000 words, 20000000 nonzeros, 100 dimensions
            38.8 MB  cross-Grams of 500 columns
           470.0 MB  on the disk
    """
    config = config_of("plan", config)
    check_at_least("plan", "words", words, 2)
    check_at_least("plan", "nonzeros", nonzeros, 0)
    phases, disk = [], 0
    for model in config.trained:
        runs, dim = len(model.samples), model.recipe.dim
        snapshots = 0 if isinstance(model.recipe, PPMISVD) else len(config.snapshots)
        if isinstance(model.recipe, GloVe):
            one = plan_glove(words, nonzeros, model.recipe)
            phases.append(with_snapshots(one, model.recipe, words, snapshots))
        elif isinstance(model.recipe, SkipGram):
            one = plan_skip_gram(words, model.recipe)
            phases.append(with_snapshots(one, model.recipe, words, snapshots))
        else:
            one = plan_ppmi_svd(words, nonzeros, model.recipe)
            at_once = min(threads.count(), runs)
            phases.append(
                MemoryPlan(
                    f"{at_once} runs of {one.purpose}",
                    {name: size * at_once for name, size in one.buffers.items()},
                )
            )
        phases.append(plan_cross_grams(len(model.compared[0]) * dim, words))
        neighbors = buffer((words, config.neighbors), np.int32) + buffer(
            (words, config.neighbors), np.float64
        )
        counted = runs if model.vary in OF_DOCUMENTS else 1
        if isinstance(model.recipe, SkipGram):
            counted = int(model.vary == "bootstrap")  # one sample, to say how often its pairs occur
        tables = (2 + snapshots) * buffer((words, dim), np.float32)
        disk += runs * (tables + neighbors) + counted * nonzeros * 12
    return StudyPlan(tuple(phases), disk)
