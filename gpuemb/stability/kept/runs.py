"""Trained runs of a study as its units of work: vectors, losses, and snapshots on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from functools import partial

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arithmetic import arithmetic
from gpuemb.core.arrays import Float32, Float64
from gpuemb.core.device import Device
from gpuemb.core.progress import Progress, Task
from gpuemb.core.results import result
from gpuemb.corpus.tokens import Tokens
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.counting import bootstrap_repeats
from gpuemb.counts.information import context_entropies
from gpuemb.embeddings.model import EmbeddingStack
from gpuemb.kernels.window_counts import CountedRows
from gpuemb.stability.config import CountsConfig, ModelConfig, digest_of
from gpuemb.stability.kept.samples import Sample
from gpuemb.stability.statistics import pairs_near
from gpuemb.stability.store import Arrays, Store
from gpuemb.training.checkpoints import REVISIONS, RunCheckpoint
from gpuemb.training.epochs import RunOptions
from gpuemb.training.glove_strata import shared_strata
from gpuemb.training.recipes import FIXED, OF_DOCUMENTS, PPMISVD, Run, SkipGram
from gpuemb.training.runs import steps_of, train_run
from gpuemb.training.sources import count_for_run, held_text, text_for_run

VECTORS, SNAPSHOT, ON_THE_WAY = "vectors", "snapshot", "training"


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


@dataclass(frozen=True, eq=False)
class TrainedUnits:
    """Keys and tables of every run, memory-mapped, with what was noted of them."""

    keys: list[str]
    tables: list[Float32]
    histories: RunHistories


@dataclass(frozen=True)
class ModelTraining:
    """The training of one model: what its runs see, and where they are kept.

    Attributes:
        model: recipe and runs.
        sample: the documents that are trained on.
        counts: how pairs are counted; those of a skip-gram only to say how often they occur.
        snapshots: epochs after which vectors are kept; none for a model without epochs.
        store: holds the units.
        device: where to train.
        progress: told after every epoch.
    """

    model: ModelConfig
    sample: Sample
    counts: CountsConfig
    snapshots: tuple[int, ...]
    store: Store
    device: Device
    progress: Progress

    @property
    def tokens(self) -> Tokens:
        """The text of the sample."""
        return self.sample.tokens

    def units(self) -> TrainedUnits:
        """Return every run, trained where it is not kept; a killed one goes on from its last checkpoint."""
        recipe, samples = self.model.recipe, self.model.samples
        kind = self.device.kind
        keys = [_training_key(self.model, self._counts_key(run), run, kind) for run in samples]
        threads.run(partial(self.store.has, VECTORS), dict.fromkeys(keys))  # their checksums, in parallel
        held = held_text(self.tokens, recipe.held_out) if isinstance(recipe, SkipGram) else None
        strata = shared_strata(recipe, self.model.vary)
        with self.progress.phase(f"training {self.model.name}", steps_of(recipe) * len(keys)) as task:

            def obtain(place: int) -> Arrays:
                run, key = samples[place], keys[place]
                name, checkpoint = self.model.runs[place], self._checkpoint(key)
                options = RunOptions(name, task, held, self.snapshots, checkpoint, strata=strata)
                return self._obtain(run, key, options, task)

            together = isinstance(recipe, PPMISVD)  # a run of the others uses every worker itself
            found = list((threads.run if together else map)(obtain, range(len(keys))))
        histories = RunHistories(
            tuple(unit["losses"] for unit in found),
            tuple(unit["held_out"] for unit in found),
            {epoch: self._snapshot(keys, epoch) for epoch in self.snapshots},
        )
        return TrainedUnits(keys, [unit["vectors"] for unit in found], histories)

    def _obtain(self, run: Run, key: str, options: RunOptions, task: Task) -> Arrays:
        """Return the unit of one run; train it if it or one of its snapshots is missing."""
        kept: Arrays = {}
        snapshots = {epoch: digest_of(key, epoch) for epoch in self.snapshots}
        wanted = [(VECTORS, key)] + [(SNAPSHOT, digest) for digest in snapshots.values()]
        if all(self.store.has(*unit) for unit in wanted):
            task.advance(steps_of(self.model.recipe))
        else:
            found = train_run(
                self._seen(run), self.model.recipe, run.seed, self.model.vary, self.device, options
            )
            for epoch, digest in snapshots.items():
                self.store.unit(SNAPSHOT, digest, partial(self._table, found.snapshots[epoch]))
            held_out = np.empty(0) if found.held_out is None else found.held_out
            kept = {
                "vectors": self.sample.spread(found.vectors),
                "losses": found.losses,
                "held_out": held_out,
            }
        unit = self.store.unit(VECTORS, key, lambda: kept)
        if options.checkpoint is not None:
            options.checkpoint.remove()
        return unit

    def _checkpoint(self, key: str) -> RunCheckpoint | None:
        """Return where a run is kept on its way; PPMI-SVD has none."""
        if isinstance(self.model.recipe, PPMISVD):
            return None

        def tell(message: str) -> None:
            self.progress.note(message)
            self.store.damaged.append(message)

        return RunCheckpoint(self.store.path(ON_THE_WAY, key), tell, keep_last=False)

    def _table(self, vectors: Float32) -> Arrays:
        return {"vectors": self.sample.spread(vectors)}

    def _snapshot(self, keys: list[str], epoch: int) -> EmbeddingStack:
        tables = [self.store.unit(SNAPSHOT, digest_of(key, epoch), dict)["vectors"] for key in keys]
        vocabulary = self.sample.vocabulary
        return EmbeddingStack(tuple(tables), vocabulary.words, vocabulary.counts, self.model.runs)

    def _seen(self, run: Run) -> Tokens | Cooccurrence:
        recipe = self.model.recipe
        if isinstance(recipe, SkipGram):
            return text_for_run(self.tokens, run, self.model.vary, recipe.held_out)
        return self.counted(run)

    def _counts_key(self, run: Run) -> str:
        resampled = run.seed if self.model.vary == "bootstrap" else None
        halves = () if run.half is None else (run.seed, run.half)
        return digest_of(self.sample.key, asdict(self.counts), resampled, *halves)

    def occurrences(self) -> float:
        """How often a pair of words that the first bootstrap sample counts occurs there, on average."""
        if self.model.vary != "bootstrap":
            return math.nan
        run = self.model.samples[0]
        repeats = bootstrap_repeats(self.tokens, run.seed)
        return pairs_near(self.tokens.starts, self.counts.window, repeats) / self.counted(run).nonzeros

    def context_entropy(self) -> Float64:
        """Return ``(V,)`` the entropy of each word's contexts in nats, in all documents of the sample; kept.

        NaN for a word that the sample lacks.
        """
        whole, run = replace(self, model=replace(self.model, vary="seed")), Run(FIXED)

        def compute() -> Arrays:
            values = context_entropies(whole.counted(run)).values
            lacking = np.isnan(values)
            table = self.sample.spread(np.column_stack([np.where(lacking, 0.0, values), ~lacking]))
            return {"values": np.where(table[:, 1] > 0, table[:, 0], np.nan)}

        return self.store.unit("entropies", whole._counts_key(run), compute)["values"]

    def counted(self, run: Run) -> Cooccurrence:
        """Return the counts of what a run sees, kept as a unit."""
        counts, vary = self.counts, self.model.vary

        def compute() -> Arrays:
            found = count_for_run(self.tokens, run, vary, counts.window, counts.weighting, self.device)
            unit = np.array([found.unit.numerator, found.unit.denominator])
            return {
                "indptr": found.rows.indptr,
                "indices": found.rows.indices,
                "data": found.rows.data,
                "unit": unit,
            }

        kept = self.store.unit("counts", self._counts_key(run), compute)
        rows = CountedRows(kept["indptr"], kept["indices"], kept["data"])
        numerator, denominator = kept["unit"].tolist()
        return Cooccurrence(rows, Fraction(numerator, denominator), self.tokens.vocabulary)


def _training_key(model: ModelConfig, counts_key: str, run: Run, device: str) -> str:
    """Equal for two runs where the seed changes nothing: PPMI-SVD of the same documents is trained once.

    Sums of floating numbers have other bits on another kind of processor or device: so have vectors.
    """
    varies = not isinstance(model.recipe, PPMISVD) and model.vary not in OF_DOCUMENTS
    return digest_of(
        arithmetic(),
        device,
        counts_key,
        model.recipe.kind,
        REVISIONS[model.recipe.kind],
        asdict(model.recipe),
        model.vary if varies else "",
        run.seed if varies else FIXED,
    )
