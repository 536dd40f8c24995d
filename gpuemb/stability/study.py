"""Run a study: from text to what is stable in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core.arithmetic import arithmetic
from gpuemb.core.checks import check_neighbors
from gpuemb.core.device import Device, DeviceName, choose
from gpuemb.core.doors import door
from gpuemb.core.files.alone import alone_in
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.record import Record, versions
from gpuemb.core.threads import limit
from gpuemb.corpus.sources import expand
from gpuemb.corpus.tokenizer import UNICODE_VERSION
from gpuemb.corpus.tokens import Tokens
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.counts.counting import bootstrap_repeats
from gpuemb.embeddings.model import EmbeddingStack
from gpuemb.stability.config import ModelConfig, StudyConfig, digest_of
from gpuemb.stability.folder import WORK_FOLDER, claim, default_folder, sweep_study, write_results
from gpuemb.stability.given.config import TablesConfig
from gpuemb.stability.given.tables import note_shared, spread, tables_unit
from gpuemb.stability.graph import Arrays, Context, Source, Unit, results_of
from gpuemb.stability.kept.finished import finished_before, note_finished
from gpuemb.stability.kept.runs import RunHistories
from gpuemb.stability.kept.sources import settle_sources
from gpuemb.stability.model_measures import model_result
from gpuemb.stability.questions.answer import Answer
from gpuemb.stability.questions.sentence.lookup import words_of_text
from gpuemb.stability.questions.table import QUESTIONS
from gpuemb.stability.questions.words.traits import ENTROPY
from gpuemb.stability.result import ModelResult, StudyResult
from gpuemb.stability.running.local import run_local
from gpuemb.stability.running.runner import Run, check_workers, runner
from gpuemb.stability.running.warmup import STUDY_KERNELS, compile_kernels
from gpuemb.stability.statistics import pairs_near
from gpuemb.stability.store import Store
from gpuemb.stability.sweeps.enough import next_seeds, width_said
from gpuemb.stability.toml import config_of
from gpuemb.stability.units.models import ComparisonUnits
from gpuemb.stability.units.text import sample_source, text_unit, tokens_of
from gpuemb.stability.units.training import TrainingUnits


@door
def study(
    config: Any,
    *,
    out: str | Path | None = None,
    device: DeviceName = "auto",
    threads: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    extend: bool = False,
    progress: Progress = SILENT,
) -> StudyResult:
    """Train several runs of each model and measure what they agree on.

    Every piece of work is kept under the digest of what it depends on, vectors under the kind of processor
    too: a second call in one folder finds all done, one after a kill goes on. What was damaged is done again.

    Args:
        config: a :class:`StudyConfig`; or a TOML file, a mapping with the keys of one, or the text to read,
            all else as by default: ``study("my.txt")``, ``study(["a.txt", "b.txt"])``.
        out: folder of the results; default that of the same study below ``runs/``, or a new one.
        device: see :class:`gpuemb.Device`.
        threads: cores to use; the results do not depend on it.
        workers: processes of this machine that share its cores and its memory and do the units of work, of
            which as many are done at once; needs the extra ``cluster``. The results do not depend on it.
        scheduler: address of a scheduler of dask, or its file, whose workers do them; all see the folder.
        extend: let a changed configuration take over the folder; unchanged work is reused.
        progress: told about every phase.

    Returns:
        The result; ``words.parquet``, ``pairs.parquet``, ``summary.json``, ``record.json`` and the
        embeddings are in its folder. ``gpuemb.write_report(result)`` adds the page.

    Raises:
        ConfigError: the folder belongs to another configuration, or the configuration does not fit the text.
        StorageError, FileFormatError, VocabularyError: the corpus cannot be used, or the folder is in use.
        MemoryBudgetError: the work does not fit.
        ClusterError: workers or their scheduler are lost, or cannot take part.

    Example:
        >>> model = ge.ModelConfig(ge.GloVe(dim=2, epochs=5), seeds=(0, 1, 2))
        >>> config = ge.StudyConfig(("pets.txt",), ge.TextConfig(min_count=1), models=(model,), neighbors=2)
        >>> result = ge.study(config, out="pets")
        >>> result.vocabulary.words[:3], result.pairs.num_rows > 0
        (('the', 'a', 'cat'), True)
    """
    config = config_of("study", config)
    check_workers("study", workers, scheduler)
    expand(config.corpus)  # a file that is missing is said before a folder is made and kernels are compiled
    folder = default_folder(config) if out is None else Path(out)
    with limit(threads), alone_in("study", folder), runner(workers, scheduler) as run:
        config = settle_sources(config, folder)
        claim(folder, config, extend=extend)
        sweep_study(folder)
        store = Store(folder / WORK_FOLDER, progress)
        work = _Study(config, store, choose(device, STUDY_KERNELS), Record(), progress, run)
        return work.run(folder)


@dataclass(frozen=True)
class _Study:
    """One call: the configuration and whatever the units of work need."""

    config: StudyConfig
    store: Store
    device: Device
    record: Record
    progress: Progress
    run_units: Run
    units: list[Unit] = field(default_factory=list)  # that were asked for

    def run(self, folder: Path) -> StudyResult:
        stamp = digest_of(versions(), asdict(self.config), str(self.device))
        before = finished_before(folder, WORK_FOLDER, stamp)
        if before is None:
            with self.record.phase("compile kernels"):
                compile_kernels(self.config, self.device, self.progress)
        with self.record.phase("read corpus"):
            text, tokens = self._text()
        self._warn_of_identical_runs()
        if self.config.sentence:
            words_of_text(self.config.sentence, tokens.vocabulary.words, self.config.text.tokenizer)
        samples = self._samples(text)
        models = tuple(
            self._given(model, text, tokens.vocabulary)
            if isinstance(model, TablesConfig)
            else self._until_sure(model, samples[model.fraction], tokens.vocabulary)
            for model in self.config.models
        )
        config = replace(self.config, models=tuple(model.config for model in models))
        self.record.facts.update(
            configuration=self.config.digest(),
            device=str(self.device),
            seeds={model.name: list(model.seeds) for model in config.trained},
            unicode=UNICODE_VERSION,
            tokenizer=self.config.text.tokenizer,
            arithmetic=arithmetic(),
            done_again=self.store.damaged,
        )
        result = StudyResult(
            folder,
            config,
            tokens.vocabulary,
            len(tokens),
            tokens.documents,
            models,
            self.record.as_mapping(),
        )
        result = replace(result, answers=self._answers(result), record=self.record.as_mapping())
        if before is not None and not self.store.missing:
            return replace(result, record=before)
        result = replace(result, record={**result.record, "units": self.store.notes(results_of(self.units))})
        write_results(result)
        note_finished(folder, WORK_FOLDER, stamp, self.store.asked)
        return result

    def _answers(self, result: StudyResult) -> tuple[Answer, ...]:
        found = []
        for name in self.config.question:
            if name == "drift" and self.run_units is not run_local:
                self.progress.note("The parts of the two corpora of drift are trained by this process alone.")
            with self.record.phase(f"answer {name}"):
                found.append(QUESTIONS[name].answer(result))
        return tuple(found)

    def _warn_of_identical_runs(self) -> None:
        for model in self.config.trained:
            if model.vary not in model.recipe.varies:
                self.progress.note(
                    f"{model.name}: nothing in it is random, so its runs will be identical; "
                    f"use vary = {model.recipe.varies[0]!r} to resample the documents."
                )

    def _until_sure(self, model: ModelConfig, sample: Source, vocabulary: Vocabulary) -> ModelResult:
        """Train a model, and more seeds of it until the interval of its stability is as narrow as asked."""
        found = self._model(model, sample, vocabulary)
        goal = self.config.until_width
        while goal:
            estimate = found.pair("overlap").estimate
            seeds = next_seeds(model, estimate, goal)
            if seeds == model.seeds:
                break
            self.progress.note(
                f"{model.name}: {width_said(estimate, len(model.seeds))}; {len(seeds)} seeds are trained"
            )
            model = replace(model, seeds=seeds)
            found = self._model(model, sample, vocabulary)
        return found

    def _model(self, model: ModelConfig, sample: Source, vocabulary: Vocabulary) -> ModelResult:
        training = TrainingUnits.of(model, sample, self.config, self.device)
        runs = training.runs()
        with self.record.phase(f"train {model.name}"):
            self._done(f"training {model.name}", runs)
        tables, more = [self._opened(run.source()) for run in runs], {}
        if "words" in self.config.question:
            entropies = training.entropies()
            self._done("", [entropies])
            more = {f"word.{ENTROPY}": self._opened(entropies.source())["values"]}
        stack = self._stack(model, vocabulary, [one["vectors"] for one in tables])
        found = self._compared(
            model, [run.source() for run in runs], stack, self._occurrences(training), more
        )
        snapshots = {
            epoch: [self._opened(run.source(str(epoch)))["vectors"] for run in runs]
            for epoch in training.snapshots
        }
        histories = RunHistories(
            tuple(one["losses"] for one in tables),
            tuple(one["held_out"] for one in tables),
            {epoch: self._stack(model, vocabulary, kept) for epoch, kept in snapshots.items()},
        )
        return replace(found, histories=histories)

    def _given(self, model: TablesConfig, text: Unit, vocabulary: Vocabulary) -> ModelResult:
        """Measure finished tables over the words that they share with the text."""
        with self.record.phase(f"read {model.name}"):
            unit = tables_unit(model, text.source())
            self._read(unit)
        sources = [unit.source(name) for name in unit.results]
        tables = [self._opened(source) for source in sources]
        rows, keys = np.asarray(tables[0]["rows"]), [source.kept.digest for source in sources]
        note_shared(model, keys, rows, len(vocabulary), self.progress)
        check_neighbors(f"study: {model.name}", self.config.neighbors, len(rows) - 1)
        words = [vocabulary.words[row] for row in rows]
        vectors = tuple(one["vectors"] for one in tables)
        stack = EmbeddingStack(vectors, words, vocabulary.counts[rows], model.runs)
        return spread(self._compared(model, sources, stack), rows, len(vocabulary))

    def _compared(
        self,
        model: ModelConfig | TablesConfig,
        vectors: Sequence[Source],
        stack: EmbeddingStack,
        occurrences: float = math.nan,
        more: Arrays | None = None,
    ) -> ModelResult:
        one_width = len({table.shape[1] for table in stack.tables()}) == 1
        units = ComparisonUnits(model, vectors, self.config.neighbors, self.config.measures, one_width)
        with self.record.phase(f"neighbors {model.name}"):
            self._done(f"neighbors of {model.name}", units.neighbors)
            lists = [self._opened(unit.source()) for unit in units.neighbors]
            ids, scores = (np.stack([one[name] for one in lists]) for name in ("ids", "scores"))
        with self.record.phase(f"compare {model.name}"):
            self._done(f"comparing runs of {model.name}", units.units())
            kept = {**units.found(self.store), **(more or {})}
        found = model_result(model, stack, ids, scores, kept, self.config, occurrences)
        return replace(found, keys=units.keys)

    def _text(self) -> tuple[Unit, Tokens]:
        unit = text_unit(self.config.corpus, self.config.text)
        self._read(unit)
        return unit, tokens_of(self._opened(unit.source()), self.config.text.tokenizer)

    def _samples(self, text: Unit) -> dict[float, Source]:
        """Return the text of every fraction, checked before any work is done on one."""
        fractions = sorted({model.fraction for model in self.config.trained})
        found = {one: sample_source(text, one, self.config.text.min_count) for one in fractions}
        for source in found.values():
            self._done("", [source.unit])
            check_neighbors("study", self.config.neighbors, len(self._opened(source)["counts"]) - 1)
        return found

    def _occurrences(self, training: TrainingUnits) -> float:
        """How often a pair of words that the first bootstrap sample counts occurs there, on average."""
        if training.model.vary != "bootstrap":
            return math.nan
        run = training.model.samples[0]
        counts = training.counted(run)
        self._done("", [counts])
        tokens = tokens_of(self._opened(training.text))
        repeats, pairs = bootstrap_repeats(tokens, run.seed), len(self._opened(counts.source())["indices"])
        return pairs_near(tokens.starts, training.counts.window, repeats) / pairs

    def _stack(self, model: ModelConfig, vocabulary: Vocabulary, tables: Sequence[Any]) -> EmbeddingStack:
        return EmbeddingStack(tuple(tables), vocabulary.words, vocabulary.counts, model.runs)

    def _done(self, phase: str, units: Sequence[Unit]) -> None:
        """Have units done, as a phase of progress where it has a name."""
        self.units.extend(units)
        context = Context(self.device, self.progress, None, self.store.folder, self.store.damaged)
        if not phase:
            self.run_units(units, self.store, context)
            return
        with self.progress.phase(phase, sum(unit.steps for unit in units)) as task:
            self.run_units(units, self.store, replace(context, steps=task))

    def _read(self, unit: Unit) -> None:
        """Have files read by this process: others need not see them."""
        self.units.append(unit)
        run_local([unit], self.store, Context(self.device, self.progress, None, None, self.store.damaged))

    def _opened(self, source: Source) -> Arrays:
        return self.store.arrays(str(source.kept))
