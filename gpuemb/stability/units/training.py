"""Counting and training: what each run of a model sees, and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arithmetic import arithmetic
from gpuemb.core.device import Device
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.information import context_entropies
from gpuemb.kernels.window_counts import CountedRows
from gpuemb.stability.config import CountsConfig, ModelConfig, StudyConfig, digest_of
from gpuemb.stability.graph import MAIN, ON_THE_WAY, Arrays, Context, Kept, Source, Unit
from gpuemb.stability.units.text import tokens_of, vocabulary_of
from gpuemb.training.checkpoints import REVISIONS, RunCheckpoint
from gpuemb.training.epochs import RunOptions
from gpuemb.training.glove_strata import shared_strata
from gpuemb.training.recipes import FIXED, OF_DOCUMENTS, PPMISVD, Recipe, Run, SkipGram, Vary, name_of
from gpuemb.training.runs import steps_of, train_run
from gpuemb.training.sources import count_for_run, held_text, text_for_run

COUNTS, ENTROPIES, VECTORS, SNAPSHOT = "counts", "entropies", "vectors", "snapshot"


@dataclass(frozen=True)
class CountPairs:
    """Counts the pairs of words that a run sees near each other."""

    of: Run
    vary: Vary
    counts: CountsConfig

    def run(
        self, inputs: Mapping[str, Arrays], wanted: frozenset[str], context: Context
    ) -> dict[str, Arrays]:
        """Return the rows of the counts, and their unit."""
        tokens = tokens_of(inputs["text"])
        found = count_for_run(
            tokens, self.of, self.vary, self.counts.window, self.counts.weighting, context.device
        )
        unit = np.array([found.unit.numerator, found.unit.denominator])
        rows = found.rows
        return {MAIN: {"indptr": rows.indptr, "indices": rows.indices, "data": rows.data, "unit": unit}}


@dataclass(frozen=True)
class ContextEntropies:
    """Takes the entropy of each word's contexts in nats; NaN for a word that the sample lacks."""

    def run(
        self, inputs: Mapping[str, Arrays], wanted: frozenset[str], context: Context
    ) -> dict[str, Arrays]:
        """Return ``(V,)`` values."""
        values = context_entropies(counted(inputs)).values
        lacking = np.isnan(values)
        table = _spread(np.column_stack([np.where(lacking, 0.0, values), ~lacking]), inputs["text"])
        return {MAIN: {"values": np.where(table[:, 1] > 0, table[:, 0], np.nan)}}


@dataclass(frozen=True)
class TrainRun:
    """Trains one run; a killed one goes on from its last checkpoint.

    Attributes:
        key: of its vectors, under which checkpoints are kept on the way.
        name: of the run, in messages.
        recipe: what is trained.
        of: its seed, and its half of the documents where these are split.
        vary: what the seed changes.
        snapshots: epochs after which its vectors are kept: results named by the epoch.
        counts: digest of what it sees.
    """

    key: str
    name: str
    recipe: Recipe
    of: Run
    vary: Vary
    snapshots: tuple[int, ...]
    counts: str

    def run(
        self, inputs: Mapping[str, Arrays], wanted: frozenset[str], context: Context
    ) -> dict[str, Arrays]:
        """Return the vectors and losses, and the vectors after each snapshot."""
        text = inputs["text"]
        held, source = None, None
        if isinstance(self.recipe, SkipGram):
            tokens = tokens_of(text)
            held = held_text(tokens, self.recipe.held_out)
            source = text_for_run(tokens, self.of, self.vary, self.recipe.held_out)
        strata = context.shared.setdefault(f"strata {self.counts}", shared_strata(self.recipe, self.vary))
        options = RunOptions(
            self.name, context.steps, held, self.snapshots, self._checkpoint(context), strata=strata
        )
        found = train_run(
            counted(inputs) if source is None else source,
            self.recipe,
            self.of.seed,
            self.vary,
            context.device,
            options,
        )
        results: dict[str, Arrays] = {
            str(epoch): {"vectors": _spread(found.snapshots[epoch], text)} for epoch in self.snapshots
        }
        held_out = np.empty(0) if found.held_out is None else found.held_out
        vectors = _spread(found.vectors, text)
        return results | {MAIN: {"vectors": vectors, "losses": found.losses, "held_out": held_out}}

    def _checkpoint(self, context: Context) -> RunCheckpoint | None:
        """Return where a run is kept on its way; PPMI-SVD has none."""
        if isinstance(self.recipe, PPMISVD) or context.folder is None:
            return None

        def tell(message: str) -> None:
            context.progress.note(message)
            context.damaged.append(message)

        return RunCheckpoint(context.folder / f"{ON_THE_WAY}-{self.key}", tell, keep_last=False)


def counted(inputs: Mapping[str, Arrays]) -> Cooccurrence:
    """Return the counts of a sample from the arrays of both."""
    kept = inputs["counts"]
    rows = CountedRows(kept["indptr"], kept["indices"], kept["data"])
    numerator, denominator = kept["unit"].tolist()
    return Cooccurrence(rows, Fraction(numerator, denominator), vocabulary_of(inputs["text"]))


def _spread(table: NDArray[Any], text: Arrays) -> NDArray[Any]:
    """Return ``(V, d)`` rows of the study's words; words that a sample lacks have a row of zeros."""
    if "rows" not in text:
        return table
    whole = np.zeros((int(text["size"][0]), table.shape[1]), table.dtype)
    whole[text["rows"]] = table
    return whole


@dataclass(frozen=True, eq=False)
class TrainingUnits:
    """The units of the training of one model.

    Attributes:
        model: recipe and runs.
        text: the documents that are trained on.
        counts: how pairs are counted; those of a skip-gram only to say how often they occur.
        snapshots: epochs after which vectors are kept; none for a model without epochs.
        device: where runs are trained.
    """

    model: ModelConfig
    text: Source
    counts: CountsConfig
    snapshots: tuple[int, ...]
    device: Device

    @classmethod
    def of(cls, model: ModelConfig, text: Source, config: StudyConfig, device: Device) -> TrainingUnits:
        """Return the training of a model of a study."""
        counts, snapshots = config.counts, config.snapshots
        if model.window:
            counts = replace(counts, window=model.window)
        if isinstance(model.recipe, SkipGram):
            counts = CountsConfig(model.recipe.window, "flat")
        if isinstance(model.recipe, PPMISVD):  # it has no epochs
            snapshots = ()
        return cls(model, text, counts, snapshots, device)

    def runs(self) -> list[Unit]:
        """Return a unit a run; equal runs have equal results."""
        return list(map(self._run, self.model.samples, self.model.runs))

    def _run(self, run: Run, name: str) -> Unit:
        counts, recipe = self.counted(run), self.model.recipe
        key = self._key(run, counts.results[MAIN].digest)
        snapshots = {str(epoch): Kept(SNAPSHOT, digest_of(key, epoch)) for epoch in self.snapshots}
        sources = {"text": self.text}
        return Unit(
            f"train {self.model.name}, {name}",
            TrainRun(key, name, recipe, run, self.model.vary, self.snapshots, counts.results[MAIN].digest),
            snapshots | {MAIN: Kept(VECTORS, key)},
            sources if isinstance(recipe, SkipGram) else sources | {"counts": counts.source()},
            steps=steps_of(recipe),
            one_worker=isinstance(recipe, PPMISVD),  # a run of the others uses every worker itself
        )

    def _key(self, run: Run, counts_key: str) -> str:
        """Equal for two runs where the seed changes nothing: PPMI-SVD of the same documents is trained once.

        Sums of floating numbers have other bits on another kind of processor or device: so have vectors.
        """
        model, recipe = self.model, self.model.recipe
        varies = not isinstance(recipe, PPMISVD) and model.vary not in OF_DOCUMENTS
        return digest_of(
            arithmetic(),
            self.device.kind,
            counts_key,
            recipe.kind,
            REVISIONS[recipe.kind],
            asdict(recipe),
            model.vary if varies else "",
            run.seed if varies else FIXED,
        )

    def counted(self, run: Run) -> Unit:
        """Return the unit of the counts of what a run sees."""
        vary, counts = self.model.vary, self.counts
        resampled = run.seed if vary == "bootstrap" else None
        halves = () if run.half is None else (run.seed, run.half)
        key = digest_of(self.text.kept.digest, asdict(counts), resampled, *halves)
        task = CountPairs(run if vary in OF_DOCUMENTS else Run(FIXED), vary, counts)
        title = f"count {self.model.name}" + (f", {name_of(run, vary)}" if vary in OF_DOCUMENTS else "")
        return Unit(title, task, {MAIN: Kept(COUNTS, key)}, {"text": self.text})

    def entropies(self) -> Unit:
        """Return the unit of the entropy of each word's contexts, in all documents of the sample."""
        whole = replace(self, model=replace(self.model, vary="seed")).counted(Run(FIXED))
        kept = Kept(ENTROPIES, whole.results[MAIN].digest)
        sources = {"text": self.text, "counts": whole.source()}
        return Unit(f"contexts of {self.model.name}", ContextEntropies(), {MAIN: kept}, sources)
