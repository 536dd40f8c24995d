"""What a study found, as arrays and tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.arrays import Float64, Int32
from gpuemb.core.checks import check_choice
from gpuemb.core.results import result
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.embeddings.model import EmbeddingStack
from gpuemb.pictures.notebook import html_table
from gpuemb.stability.config import ModelConfig, StudyConfig
from gpuemb.stability.given.config import TablesConfig
from gpuemb.stability.kept.runs import RunHistories
from gpuemb.stability.questions.answer import Answer
from gpuemb.stability.statistics import (
    ENOUGH_RUNS,
    LEAST_OCCURRENCES,
    Estimate,
    compared_pairs,
    mean_of_known,
)

if TYPE_CHECKING:
    import pyarrow


@result
class PairMeasure:
    """One measure for every pair of runs.

    Attributes:
        measure: ``"procrustes_distance"``, ``"overlap"``, …
        title: the same for people, with the unit.
        meaning: one sentence.
        preparation: rows ``raw``, ``unit`` or ``centered``.
        values: ``(S, S)``; the diagonal is the value of a run with itself.
        estimate: the mean over pairs with its jackknife interval over runs.
        chance: what two unrelated runs would score, where it is known in closed form.
        p_value: of the mean: how often permutations of the words reach it; NaN where none were drawn.
        higher_is_closer: whether a higher value means more alike.
        reason: why a value is NaN, and of which two runs first; empty where none is.
        symmetric: whether both directions of a pair have one value.
        recomputed: pairs whose rows were read again, their sums having lost digits.
        halves: whether only runs 0 and 1, 2 and 3, … are compared, the halves of a split of the documents;
            other values are NaN.
    """

    measure: str
    title: str
    meaning: str
    preparation: str
    values: Float64
    estimate: Estimate
    chance: float | None
    higher_is_closer: bool
    reason: str = ""
    symmetric: bool = True
    recomputed: int = 0
    halves: bool = False
    p_value: float = math.nan

    @property
    def compared(self) -> list[tuple[int, int]]:
        """The pairs of runs that are compared, whether or not they have a value."""
        return compared_pairs(len(self.values), halves=self.halves)

    @property
    def cells(self) -> list[tuple[int, int]]:
        """The compared pairs, in both directions where these differ."""
        return sorted(self.compared + [(b, a) for a, b in self.compared if not self.symmetric])

    @property
    def known(self) -> Float64:
        """The values of the compared pairs that have one."""
        values = np.array([self.values[pair] for pair in self.compared])
        return values[np.isfinite(values)]  # type: ignore[no-any-return]

    @property
    def undefined(self) -> str:
        """How many pairs have no value, with the first one's name and the reason; empty where all have."""
        if not self.estimate.undefined:
            return ""
        have = "has" if self.estimate.undefined == 1 else "have"
        return f"{self.estimate.undefined} of {len(self.compared)} pairs {have} no value; {self.reason}"

    def caution(self, runs: Sequence[str]) -> str:
        """Name the run and the pair that agree least, and say what so few runs cannot show.

        Args:
            runs: their names.

        Source: Definitions §5: of one bad run in ten, intervals from fewer than ten runs know little.
        """
        unit, count = ("split", len(self.compared)) if self.halves else ("run", len(runs))
        said = []
        if self.least_alike is not None and len(self.compared) > 1:
            a, b = self.least_alike
            alone = "" if self.halves else f"; {runs[self.least_alike_run or 0]} agrees least with all others"
            said.append(
                f"Least alike by {self.measure}: {runs[a]} and {runs[b]} ({self.values[a, b]:.4g}){alone}."
            )
        if count < ENOUGH_RUNS:
            said.append(f"{count} {unit}{'s' * (count > 1)} cannot show rare bad ones: {ENOUGH_RUNS} would.")
        return " ".join(said)

    @property
    def least_alike(self) -> tuple[int, int] | None:
        """The pair of runs that agrees least; None where no pair has a value."""
        known = [(float(self.values[a, b]), a, b) for a, b in self.compared if np.isfinite(self.values[a, b])]
        if not known:
            return None
        _, a, b = (min if self.higher_is_closer else max)(known)
        return a, b

    @property
    def least_alike_run(self) -> int | None:
        """The run that agrees least with all others; None where no pair has a value."""
        without_itself = np.where(np.eye(len(self.values), dtype=bool), np.nan, self.values)
        means = [mean_of_known(row) for row in (without_itself + without_itself.T) / 2]
        if np.isnan(means).all():
            return None
        return int(np.nanargmin(means) if self.higher_is_closer else np.nanargmax(means))


def caution_of(measures: Sequence[PairMeasure], runs: Sequence[str]) -> str:
    """Say what :meth:`PairMeasure.caution` says of the overlap, else of the first measure with a value."""
    ordered = sorted(measures, key=lambda one: (math.isnan(one.estimate.value), one.measure != "overlap"))
    return ordered[0].caution(runs) if ordered else ""


SHOWN = 3  # measures of a model in a notebook
COLUMNS = ("measure", "rows", "mean", "low", "high", "chance")  # of a measure in a notebook


def row_of(one: PairMeasure) -> tuple[str | float, ...]:
    """Spell a measure for a notebook: the mean over pairs, its interval, chance."""
    chance = math.nan if one.chance is None else one.chance
    return one.title, one.preparation, one.estimate.value, one.estimate.low, one.estimate.high, chance


@result
class WordMeasures:
    """One number a word, each ``(V,)``: means over all pairs of runs.

    A word counts in the pairs of runs in which it has the measure.

    Attributes:
        overlap: share of the k nearest neighbors that two runs have in common: the word's *stability*.
        overlap_low: the same for the pair of runs in which it is least.
        aligned_cosine: cosine of the word's two vectors after the best rotation.
        unaligned_cosine: the same before any rotation.
        neighbors_in_all_runs: how many words are among the k nearest in every run.
        joint_reliability: the same as a share of the words that are among them in any run.
        k_occurrence: in how many words' lists of k nearest the word is, mean over runs.
        more: further measures of words that were asked for, by their names.
    """

    overlap: Float64
    overlap_low: Float64
    aligned_cosine: Float64
    unaligned_cosine: Float64
    neighbors_in_all_runs: Int32
    joint_reliability: Float64
    k_occurrence: Float64
    more: dict[str, Float64] = field(default_factory=dict)


@result
class RunSpectra:
    """How the variance of each run is spread over its directions.

    Attributes:
        eigenvalues: ``(S, d)`` of the centered Gram, descending; 0 behind those of a table with fewer
            dimensions than the widest.
        participation_ratio: ``(S,)``.
        effective_rank: ``(S,)``.
        iso_score: ``(S,)``.
    """

    eigenvalues: Float64
    participation_ratio: Float64
    effective_rank: Float64
    iso_score: Float64


@result
class ModelResult:
    """Everything found for one model of the study.

    Attributes:
        config: the recipe, its seeds and what varied; or the files of finished tables.
        runs: ``S`` names of runs, ``"seed 0"``, ``"bootstrap 0"``, or ``"half 0a"`` and ``"half 0b"``; of
            finished tables those of the files.
        stack: the tables, memory-mapped; finished ones over the words that they share with the text.
        neighbor_ids: ``(S, V, k)`` rows of the nearest words, nearest first, −1 where there is none.
        neighbor_scores: ``(S, V, k)`` their cosines.
        pairs: the measures over pairs of runs.
        words: the measures of every word.
        spectra: the spectrum of every run.
        recomputed_pairs: pairs so nearly equal that some measure was taken from their difference.
        occurrences: how often two words that stand near each other do so, mean over the pairs of words that
            a bootstrap sample counts; NaN where documents are not resampled.
        histories: losses of every run, and tables after chosen epochs.
        keys: of the runs, among the units of work of the study's folder.
        stability_against_hubness: rank correlation of the words' overlap and k-occurrence, with its interval
            over words.
    """

    config: ModelConfig | TablesConfig
    runs: tuple[str, ...]
    stack: EmbeddingStack
    neighbor_ids: Int32
    neighbor_scores: Float64
    pairs: tuple[PairMeasure, ...]
    words: WordMeasures
    spectra: RunSpectra
    recomputed_pairs: int
    occurrences: float = math.nan
    histories: RunHistories = field(default_factory=RunHistories)
    keys: tuple[str, ...] = ()
    stability_against_hubness: Estimate = Estimate(math.nan, math.nan, math.nan, "it was not measured")

    @property
    def caution(self) -> str:
        """The run and the pair that agree least, and what so few runs cannot show."""
        return caution_of(self.pairs, self.runs)

    @property
    def optimistic(self) -> str:
        """Why fresh text may agree less than bootstrap samples do; empty where counts are not thin."""
        if not self.occurrences < LEAST_OCCURRENCES:
            return ""
        return (
            f"Counts are thin: a counted pair of words occurs {self.occurrences:.1f} times in a bootstrap"
            f" sample on average, fewer than {LEAST_OCCURRENCES}. Samples share documents, so fresh text may"
            " agree less; vary = 'halves' compares runs that share none."
        )

    def pair(self, measure: str) -> PairMeasure:
        """Return one measure by name.

        Raises:
            ConfigError: the study did not take it; those that it took are named.
        """
        taken = tuple(one.measure for one in self.pairs)
        check_choice(f"model {self.config.name}", "measure", measure, taken)
        return self.pairs[taken.index(measure)]


@result
class StudyResult:
    """A finished study.

    Attributes:
        folder: where it is kept.
        config: what was asked.
        vocabulary: the words and their counts.
        tokens: tokens of the corpus that are in the vocabulary.
        documents: documents of the corpus.
        models: one result a model, in the order of the configuration.
        record: seconds, versions and machine of this call.
        answers: to the questions of the configuration.

    Example:
        >>> model = ge.ModelConfig(ge.PPMISVD(dim=2), seeds=(0, 1), vary="bootstrap")
        >>> config = ge.StudyConfig(("pets.txt",), ge.TextConfig(min_count=1), models=(model,), neighbors=2)
        >>> result = ge.study(config, out="pets")
        >>> result.pairs.column_names
        ['model', 'run_a', 'run_b', 'measure', 'preparation', 'value']
        >>> result.words.num_rows
        10
    """

    folder: Path
    config: StudyConfig
    vocabulary: Vocabulary
    tokens: int
    documents: int
    models: tuple[ModelResult, ...]
    record: dict[str, Any]
    answers: tuple[Answer, ...] = ()

    def _repr_html_(self) -> str:
        rows = [
            (model.config.name, *row_of(one))
            for model in self.models
            for one in sorted(model.pairs, key=lambda one: not one.measure.startswith("overlap"))[:SHOWN]
        ]
        caption = f"{self.config.title}: {len(self.vocabulary):,} words, {self.tokens:,} tokens"
        total = sum(len(model.pairs) for model in self.models)
        note = f"In {self.folder}: report.html, words.parquet, pairs.parquet."
        return html_table(caption, ("model", *COLUMNS), rows, total, note)

    @property
    def words(self) -> pyarrow.Table:
        """One row a model and word; also in ``words.parquet``."""
        import pyarrow.parquet

        return pyarrow.parquet.read_table(self.folder / "words.parquet")

    @property
    def pairs(self) -> pyarrow.Table:
        """One row a model, pair of runs and measure; also in ``pairs.parquet``."""
        import pyarrow.parquet

        return pyarrow.parquet.read_table(self.folder / "pairs.parquet")

    @property
    def training(self) -> pyarrow.Table:
        """One row a model, run and epoch: its losses; also in ``training.parquet``."""
        import pyarrow.parquet

        return pyarrow.parquet.read_table(self.folder / "training.parquet")

    @property
    def report(self) -> Path:
        """The page to open."""
        return self.folder / "report.html"
