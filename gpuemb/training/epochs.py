"""The epochs of one run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gpuemb.core.arrays import Float32
from gpuemb.core.errors import NonFiniteError
from gpuemb.core.progress import Task
from gpuemb.corpus.tokens import Tokens
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.training.checkpoints import Arrays, Restored, RunCheckpoint
from gpuemb.training.glove_strata import SharedStrata
from gpuemb.training.recipes import GloVe, SkipGram
from gpuemb.training.start import Start
from gpuemb.training.trained import History, Tables, TrainedModel, model_of


class Training(Protocol):
    """A run that is being trained."""

    def visit(self, epoch: int) -> float:
        """Visit everything once, in the order of this epoch from 0; return the mean loss along the way."""

    def held_out(self) -> float | None:
        """Return the mean loss of what is not trained on; None where nothing is held out."""

    def state(self) -> Arrays:
        """Return the arrays that the next epoch depends on, on the host."""

    def set_state(self, state: Arrays) -> None:
        """Go on from the arrays of :meth:`state`."""

    def tables(self) -> Tables:
        """Return what is learned so far, as a copy."""

    def is_finite(self) -> bool:
        """Whether every vector is finite."""


@dataclass(frozen=True)
class RunOptions:
    """What a run has beside its source, recipe and seeds.

    Attributes:
        name: of the run.
        task: told after every epoch.
        held: documents that a skip-gram is measured on, not trained on.
        snapshots: epochs, counted from 1, after which its vectors are kept.
        checkpoint: where its state is kept on the way.
        start: vectors that it begins with.
        strata: order of GloVe's nonzeros, where its runs share it; None where each has its own.
    """

    name: str = "run"
    task: Task | None = None
    held: Tokens | None = None
    snapshots: Sequence[int] = ()
    checkpoint: RunCheckpoint | None = None
    start: Start | None = None
    strata: SharedStrata | None = None


FOLLOWED_BY_NOBODY = RunOptions()


def train_epochs(
    training: Training, recipe: GloVe | SkipGram, vocabulary: Vocabulary, options: RunOptions
) -> TrainedModel:
    """Train the epochs of a run that its checkpoint does not have, until the recipe's last or an early stop.

    Raises:
        NonFiniteError: the loss diverged; run, epoch and rate are named.
        StorageError: a checkpoint cannot be written; nothing earlier is lost.
    """
    checkpoint = options.checkpoint
    done = Restored()
    if checkpoint is not None:
        state = training.state()
        done = checkpoint.restore(state, options.snapshots)
        training.set_state(state)
    losses, held_out, snapshots = done.losses, done.held_out, done.snapshots
    _advance(options.task, len(losses))
    while len(losses) < recipe.epochs and not stops(held_out or losses, recipe):
        losses.append(_visited(training, recipe, options.name, len(losses)))
        held = training.held_out()
        if held is not None:
            held_out.append(held)
        epoch = len(losses)
        if epoch in options.snapshots:
            snapshots[epoch] = training.tables().vectors
            if checkpoint is not None:
                checkpoint.keep_snapshot(epoch, snapshots[epoch])
        if checkpoint is not None:
            last = epoch == recipe.epochs or stops(held_out or losses, recipe)
            checkpoint.keep(training.state(), losses, held_out, last=last)
        _advance(options.task, 1)
    _advance(options.task, recipe.epochs - len(losses))
    history = History(losses, held_out, _after_the_last(snapshots, options.snapshots, training))
    return model_of(recipe, options.name, vocabulary, training.tables(), history)


def _visited(training: Training, recipe: GloVe | SkipGram, name: str, epoch: int) -> float:
    """Train one epoch; return its loss.

    Raises:
        NonFiniteError: as :func:`train_epochs`.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # found below
        loss = training.visit(epoch)
    if math.isfinite(loss) and training.is_finite():
        return loss
    raise NonFiniteError(
        f"{recipe.kind}, {name}: the loss is {loss} after epoch {epoch + 1} at rate {recipe.learning_rate}",
        needed="Vectors and loss must stay finite.",
        remedy=f"Lower learning_rate below {recipe.learning_rate}.",
    )


def stops(losses: Sequence[float], recipe: GloVe | SkipGram) -> bool:
    """Whether a run stops: so many epochs in a row have not brought the loss below the best by the tolerance.

    Args:
        losses: of every epoch so far; held-out ones where there are any.
        recipe: its patience and tolerance.
    """
    if not recipe.patience:
        return False
    best, waited = math.inf, 0
    for loss in losses:
        if loss < best * (1 - recipe.tolerance):
            best, waited = loss, 0
        else:
            waited += 1
    return waited >= recipe.patience


def _after_the_last(
    snapshots: dict[int, Float32], asked: Sequence[int], training: Training
) -> dict[int, Float32]:
    """Add the vectors of a run that stopped early to the snapshots of epochs that it did not need."""
    missing = [epoch for epoch in asked if epoch not in snapshots]
    last = training.tables().vectors if missing else None
    return snapshots | {epoch: last for epoch in missing if last is not None}


def _advance(task: Task | None, epochs: int) -> None:
    if task is not None and epochs:
        task.advance(epochs)
