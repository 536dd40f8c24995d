"""The epochs of one run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gpuemb.core.errors import NonFiniteError
from gpuemb.core.progress import Task
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.training.recipes import GloVe, SkipGram
from gpuemb.training.trained import Tables, TrainedModel, model_of


class Training(Protocol):
    """A run that is being trained."""

    def visit(self, epoch: int) -> float:
        """Visit everything once, in the order of this epoch from 0; return the mean loss along the way."""

    def tables(self) -> Tables:
        """Return what is learned so far, as a copy."""

    def is_finite(self) -> bool:
        """Whether every vector is finite."""


@dataclass(frozen=True)
class RunOptions:
    """How a run is followed while it is trained; no bit of it depends on them.

    Attributes:
        name: of the run.
        task: told after every epoch.
    """

    name: str = "run"
    task: Task | None = None


FOLLOWED_BY_NOBODY = RunOptions()


def train_epochs(
    training: Training, recipe: GloVe | SkipGram, vocabulary: Vocabulary, options: RunOptions
) -> TrainedModel:
    """Train every epoch of a run.

    Raises:
        NonFiniteError: the loss diverged; run, epoch and rate are named.
    """
    losses: list[float] = []
    for epoch in range(recipe.epochs):
        with np.errstate(over="ignore", invalid="ignore"):  # found below
            loss = training.visit(epoch)
        if not (math.isfinite(loss) and training.is_finite()):
            raise _diverged(recipe, options.name, epoch, loss)
        losses.append(loss)
        if options.task is not None:
            options.task.advance()
    return model_of(recipe, options.name, vocabulary, training.tables(), losses)


def _diverged(recipe: GloVe | SkipGram, name: str, epoch: int, loss: float) -> NonFiniteError:
    return NonFiniteError(
        f"{recipe.kind}, {name}: the loss is {loss} after epoch {epoch + 1} at rate {recipe.learning_rate}",
        needed="Vectors and loss must stay finite.",
        remedy=f"Lower learning_rate below {recipe.learning_rate}.",
    )
