"""Run a study: from text to what is stable in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core import threads as workers
from gpuemb.core.arithmetic import arithmetic
from gpuemb.core.arrays import Float64, FloatMatrix, Int32
from gpuemb.core.checks import check_neighbors
from gpuemb.core.device import Device, DeviceName, choose
from gpuemb.core.doors import door
from gpuemb.core.files.alone import alone_in
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.record import Record, versions
from gpuemb.corpus.sources import changed, expand, fingerprint
from gpuemb.corpus.token_patterns import is_file
from gpuemb.corpus.tokenizer import UNICODE_VERSION
from gpuemb.corpus.tokens import Tokens, read_corpus
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.embeddings.model import EmbeddingStack
from gpuemb.embeddings.named_tables import NamedTables
from gpuemb.neighbors.exact import nearest_neighbors
from gpuemb.stability.compared_tables import ComparedTables
from gpuemb.stability.config import CountsConfig, ModelConfig, StudyConfig, digest_of
from gpuemb.stability.folder import WORK_FOLDER, claim, default_folder, sweep_study, write_results
from gpuemb.stability.given.config import TablesConfig
from gpuemb.stability.given.tables import given_tables, spread
from gpuemb.stability.kept.finished import finished_before, note_finished
from gpuemb.stability.kept.runs import ModelTraining
from gpuemb.stability.kept.samples import Sample, samples_of
from gpuemb.stability.kept.sources import settle_sources, state_of
from gpuemb.stability.measure_table import take
from gpuemb.stability.model_measures import arrays_of, chance_arrays, hubness_arrays, merged, model_result
from gpuemb.stability.questions.answer import Answer
from gpuemb.stability.questions.sentence.lookup import words_of_text
from gpuemb.stability.questions.table import QUESTIONS
from gpuemb.stability.questions.words.traits import ENTROPY
from gpuemb.stability.result import ModelResult, StudyResult
from gpuemb.stability.running.warmup import STUDY_KERNELS, compile_kernels
from gpuemb.stability.statistics import compared_pairs
from gpuemb.stability.store import Arrays, Store
from gpuemb.stability.sweeps.enough import next_seeds, width_said
from gpuemb.stability.toml import config_of
from gpuemb.training.recipes import PPMISVD, SkipGram
from gpuemb.uncertainty.draws import Draws

PERMUTATIONS = 99  # of the words of runs: the smallest p-value of an overlap is 0.01
MEASURED = "comparison"  # units of work called "measures" hold the arrays of an earlier version


@door
def study(
    config: Any,
    *,
    out: str | Path | None = None,
    device: DeviceName = "auto",
    threads: int | None = None,
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
        extend: let a changed configuration take over the folder; unchanged work is reused.
        progress: told about every phase.

    Returns:
        The result; ``words.parquet``, ``pairs.parquet``, ``summary.json``, ``record.json`` and the
        embeddings are in its folder. ``gpuemb.write_report(result)`` adds the page.

    Raises:
        ConfigError: the folder belongs to another configuration, or the configuration does not fit the text.
        StorageError, FileFormatError, VocabularyError: the corpus cannot be used, or the folder is in use.
        MemoryBudgetError: the work does not fit.

    Example:
        >>> model = ge.ModelConfig(ge.GloVe(dim=2, epochs=5), seeds=(0, 1, 2))
        >>> config = ge.StudyConfig(("pets.txt",), ge.TextConfig(min_count=1), models=(model,), neighbors=2)
        >>> result = ge.study(config, out="pets")
        >>> result.vocabulary.words[:3], result.pairs.num_rows > 0
        (('the', 'a', 'cat'), True)
    """
    config = config_of("study", config)
    folder = default_folder(config) if out is None else Path(out)
    with workers.limit(threads), alone_in("study", folder):
        config = settle_sources(config, folder)
        claim(folder, config, extend=extend)
        sweep_study(folder)
        store = Store(folder / WORK_FOLDER, progress)
        work = _Study(config, store, choose(device, STUDY_KERNELS), Record(), progress)
        return work.run(folder)


@dataclass(frozen=True)
class _Study:
    """One call: the configuration and whatever the units of work need."""

    config: StudyConfig
    store: Store
    device: Device
    record: Record
    progress: Progress

    def run(self, folder: Path) -> StudyResult:
        stamp = digest_of(versions(), asdict(self.config), str(self.device))
        before = finished_before(folder, WORK_FOLDER, stamp)
        if before is None:
            with self.record.phase("compile kernels"):
                compile_kernels(self.config, self.device, self.progress)
        with self.record.phase("read corpus"):
            tokens, key = self._tokens()
        self._warn_of_identical_runs()
        if self.config.sentence:
            words_of_text(self.config.sentence, tokens.vocabulary.words, self.config.text.tokenizer)
        samples = samples_of(tokens, key, self.config)
        models = tuple(
            self._given(model, tokens.vocabulary, key)
            if isinstance(model, TablesConfig)
            else self._until_sure(model, samples[model.fraction])
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
        write_results(result)
        note_finished(folder, WORK_FOLDER, stamp, self.store.asked)
        return result

    def _answers(self, result: StudyResult) -> tuple[Answer, ...]:
        found = []
        for name in self.config.question:
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

    def _tokens(self) -> tuple[Tokens, str]:
        text = self.config.text
        sources = expand(self.config.corpus)
        files = [*sources, text.tokenizer] if is_file(text.tokenizer) else sources
        states = {file: state_of(file) for file in files}
        key = digest_of(versions(), UNICODE_VERSION, asdict(text), [fingerprint(file) for file in files])

        def compute() -> Arrays:
            tokens = read_corpus(
                sources,
                tokenizer=text.tokenizer,
                documents=text.documents,
                field=text.field or None,
                min_count=text.min_count,
                max_words=text.max_words or None,
                encoding_errors=text.encoding_errors,
                progress=self.progress,
            )
            for file, state in states.items():  # else these tokens would be kept as those of another text
                if state_of(file) != state:
                    raise changed(file)
            words = np.frombuffer("\n".join(tokens.vocabulary.words).encode(), np.uint8)
            dropped = np.array([tokens.vocabulary.dropped_tokens])
            return {
                "ids": tokens.ids,
                "starts": tokens.starts,
                "words": words,
                "counts": tokens.vocabulary.counts,
                "dropped": dropped,
            }

        kept = self.store.unit("tokens", key, compute)
        words = tuple(kept["words"].tobytes().decode().split("\n"))
        vocabulary = Vocabulary(words, np.asarray(kept["counts"]), int(kept["dropped"][0]))
        return Tokens(kept["ids"], kept["starts"], vocabulary, tokenizer=text.tokenizer), key

    def _until_sure(self, model: ModelConfig, sample: Sample) -> ModelResult:
        """Train a model, and more seeds of it until the interval of its stability is as narrow as asked."""
        found = self._model(model, sample)
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
            found = self._model(model, sample)
        return found

    def _model(self, model: ModelConfig, sample: Sample) -> ModelResult:
        with self.record.phase(f"train {model.name}"):
            training = self._training(model, sample)
            trained = training.units()
        vocabulary = sample.vocabulary
        stack = EmbeddingStack(tuple(trained.tables), vocabulary.words, vocabulary.counts, model.runs)
        more = {f"word.{ENTROPY}": training.context_entropy()} if "words" in self.config.question else {}
        found = self._compared(model, trained.keys, stack, training.occurrences(), more)
        return replace(found, histories=trained.histories)

    def _given(self, model: TablesConfig, vocabulary: Vocabulary, words_key: str) -> ModelResult:
        """Measure finished tables over the words that they share with the text."""
        with self.record.phase(f"read {model.name}"):
            given = given_tables(model, vocabulary, words_key, self.store, self.progress)
        check_neighbors(f"study: {model.name}", self.config.neighbors, len(given.rows) - 1)
        return spread(self._compared(model, given.keys, given.stack), given.rows, len(vocabulary))

    def _compared(
        self,
        model: ModelConfig | TablesConfig,
        keys: Sequence[str],
        stack: EmbeddingStack,
        occurrences: float = math.nan,
        more: Arrays | None = None,
    ) -> ModelResult:
        tables = stack.tables()
        with self.record.phase(f"neighbors {model.name}"):
            ids, scores = self._neighbors(model.name, keys, tables)
        with self.record.phase(f"compare {model.name}"):
            kept = {
                **self._measure(model, keys, tables, ids, stack.index_to_key),
                **self._chance(model, keys, ids),
                **self._hubness(model, keys, ids),
            }
            kept |= more or {}
        found = model_result(model, stack, ids, scores, kept, self.config, occurrences)
        return replace(found, keys=tuple(keys))

    def _training(self, model: ModelConfig, sample: Sample) -> ModelTraining:
        recipe, counts, snapshots = model.recipe, self.config.counts, self.config.snapshots
        if model.window:
            counts = replace(counts, window=model.window)
        if isinstance(recipe, SkipGram):
            counts = CountsConfig(recipe.window, "flat")
        if isinstance(recipe, PPMISVD):  # it has no epochs
            snapshots = ()
        return ModelTraining(model, sample, counts, snapshots, self.store, self.device, self.progress)

    def _neighbors(
        self, name: str, keys: Sequence[str], tables: Sequence[FloatMatrix]
    ) -> tuple[Int32, Float64]:
        """Lists of every run. A run starts from those of the run before: that changes no bit."""
        k = self.config.neighbors
        lists: list[Arrays] = []
        with self.progress.phase(f"neighbors of {name}", len(keys)) as task:
            for key, table in zip(keys, tables, strict=True):

                def compute(table: FloatMatrix = table) -> Arrays:
                    found = nearest_neighbors(table, k, warm_start=lists[-1]["ids"] if lists else None)
                    return {"ids": found.ids, "scores": found.scores}

                lists.append(self.store.unit("neighbors", digest_of(key, k), compute))
                task.advance()
        return np.stack([entry["ids"] for entry in lists]), np.stack([entry["scores"] for entry in lists])

    def _measure(
        self,
        model: ModelConfig | TablesConfig,
        keys: Sequence[str],
        tables: list[FloatMatrix],
        ids: Int32,
        words: Sequence[str],
    ) -> Arrays:
        """Measures of every compared pair and of every word, as arrays that are kept."""
        asked, steps = self.config.measures, len(self.config.measures) * len(model.compared)
        with self.progress.phase(f"comparing runs of {model.name}", steps) as task:

            def of(runs: Sequence[int]) -> Arrays:
                names, chosen = [model.runs[run] for run in runs], [tables[run] for run in runs]
                given = NamedTables(f"study: {model.name}", names, chosen, words)
                compared = ComparedTables(given, self.config.neighbors, np.asarray(ids[list(runs)]))
                return arrays_of(compared, take(compared, asked, task))

            digest = digest_of(list(keys), self.config.neighbors, list(asked))
            if self.store.has(MEASURED, digest):
                task.advance(steps)
            return self.store.unit(
                MEASURED, digest, lambda: merged([of(runs) for runs in model.compared], ids)
            )

    def _chance(self, model: ModelConfig | TablesConfig, keys: Sequence[str], ids: Int32) -> Arrays:
        """What overlaps are by chance, as arrays that are kept."""
        draws = Draws("study", PERMUTATIONS, progress=self.progress)
        digest = digest_of(list(keys), self.config.neighbors, PERMUTATIONS)
        return self.store.unit("chance", digest, lambda: chance_arrays(ids, model.compared, draws))

    def _hubness(self, model: ModelConfig | TablesConfig, keys: Sequence[str], ids: Int32) -> Arrays:
        """How many lists each word is in, and how that goes with stability, as arrays that are kept."""
        pairs = compared_pairs(len(model.runs), halves=model.vary == "halves")
        digest = digest_of(list(keys), self.config.neighbors, pairs)
        return self.store.unit("hubness", digest, lambda: hubness_arrays(ids, pairs))
