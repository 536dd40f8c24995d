"""The bytes of a study before it begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gpuemb.core import threads
from gpuemb.core.checks import check_at_least
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import MemoryPlan, buffer, readable
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import result
from gpuemb.geometry.grams.build import plan_cross_grams
from gpuemb.stability.config import ModelConfig, StudyConfig
from gpuemb.stability.questions.drift.answered import design_of, recipes_of
from gpuemb.stability.sweeps.sizes import StudySizes, TextSizes, read_sizes, stated_sizes, window_of
from gpuemb.stability.toml import config_of
from gpuemb.stability.units.models import bytes_of_words
from gpuemb.training.glove import plan_glove
from gpuemb.training.glove_strata import DRAWN_AT_ONCE
from gpuemb.training.recipes import OF_DOCUMENTS, PPMISVD, GloVe, SkipGram
from gpuemb.training.skip_gram import plan_skip_gram
from gpuemb.training.spectral import plan_ppmi_svd
from gpuemb.training.trained import with_snapshots

# Resident bytes of a process that holds no data, CPython 3.11 with NumPy 2, SciPy, Numba and Arrow on x86-64
# with two threads, as /proc/self/status says: 16 MB where gpuemb is imported, 110 with everything a study
# imports, 194 when its kernels are compiled or loaded, 222 when Arrow has written a table.
PROCESS = 222_000_000
READING = 63_000_000  # chunks, spellings and numbers of two workers that read text: 285 MB in all
COMPARING, A_WORD = 110_000_000, 9_000  # tiles of lists and permutations, BLAS: at most, and a word
BUILT, MATRICES = "PPMI while it is built", "matrix and its transpose, float32"  # of a plan of PPMI-SVD
PAIR_VALUES = 8  # numbers of a word and pair of runs: overlaps of all kinds and what they are by chance
FREED_A_NUMBER = 16  # bytes: what a second model found still held, 43,354 words x 200 and 15,000 x 80
RESULTS, FREED = "results of earlier models", "freed, and not given back"
ID, PAIR = 4, 12  # bytes of a token, and of a stored pair of words: its column and its count


@result(eq=True)
class StudyPlan:
    """What each phase of a study holds at once, and what it does and leaves.

    Attributes:
        phases: one memory plan a phase; what a phase reads from the disk counts, since it is mapped.
        disk_bytes: what stays in the folder: text, vectors (as work and as embeddings), snapshots, neighbors,
            counts, and sums over pairs of runs of measures of words.
        units: pieces of work by kind.
        words: in the vocabulary.
        tokens: of the text; 0 where they are not known.
    """

    phases: tuple[MemoryPlan, ...]
    disk_bytes: int
    units: dict[str, int]
    words: int
    tokens: int

    @property
    def bytes(self) -> int:
        """The largest phase: the peak of the process."""
        return max(phase.bytes for phase in self.phases)

    def as_mapping(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "words": self.words,
            "tokens": self.tokens,
            "peak_bytes": self.bytes,
            "disk_bytes": self.disk_bytes,
            "units": self.units,
            "phases": [
                {"phase": phase.purpose, "bytes": phase.bytes, "buffers": dict(phase.buffers)}
                for phase in self.phases
            ],
        }

    def __str__(self) -> str:
        lines = [f"{readable(phase.bytes):>10}  {phase.purpose}" for phase in self.phases]
        units = ", ".join(f"{count:,} {kind}" for kind, count in self.units.items())
        return "\n".join([*lines, f"{readable(self.disk_bytes):>10}  on the disk", f"Units of work: {units}"])


@door
def plan(
    config: Any,
    *,
    words: int | None = None,
    nonzeros: int | None = None,
    tokens: int = 0,
    progress: Progress = SILENT,
) -> StudyPlan:
    """State the bytes of a study: the peak of its process in each phase, and the disk.

    The peak is that of a process that runs this study alone, with its libraries and compiled code, without
    the page. Its constants were fitted on studies of up to 5.1 M tokens (GloVe d = 8 to 300, skip-gram,
    PPMI-SVD; two threads, x86-64); ``python -m benchmarks.planned`` compares it with processes, of which the
    plan of eight in ten was within 15 %, of bootstraps of PPMI-SVD between 0.80 and 1.16 of their peak.

    Args:
        config: what would be done, as for :func:`gpuemb.study`.
        words: size of the vocabulary; by default the text is read.
        nonzeros: stored pairs of the counts; by default they are counted, in a part of a long text.
        tokens: of the text, where words and pairs are stated.
        progress: reports the reading.

    Raises:
        ConfigError: an impossible configuration, fewer than two words, a negative number of pairs, or only
            one of words and nonzeros.
        StorageError, FileFormatError, VocabularyError: the text cannot be read.

    Cost: nothing where words and nonzeros are stated; else one reading of the text. Finished tables are not
    counted, since their files say their sizes.

    Example:
        >>> found = ge.plan(ge.StudyConfig(("pets.txt",)), words=50_000, nonzeros=20_000_000)
        >>> found.units["runs trained"], found.disk_bytes
        (5, 478000000)
    """
    config = config_of("plan", config)
    if (words is None) != (nonzeros is None):
        raise ConfigError(
            f"plan: words = {words}, nonzeros = {nonzeros}",
            needed="Both are stated, or none: then the text is read.",
            remedy="Leave out both.",
        )
    check_at_least("plan", "tokens", tokens, 0)
    if words is None or nonzeros is None:
        sizes = read_sizes(config, progress)
    else:
        check_at_least("plan", "words", words, 2)
        check_at_least("plan", "nonzeros", nonzeros, 0)
        sizes = stated_sizes(config, words, nonzeros, tokens)
    phases, disk = [_reading(sizes)], ID * sizes.tokens
    earlier: dict[str, int] = {}
    for model in config.trained:
        size = sizes.at(model.fraction, window_of(config, model.window))
        phases += _phases(config, model, size, sizes.words, earlier)
        earlier = _left(config, model, sizes.words, earlier)
        disk += _disk(config, model, size, sizes.words)
    units = dict(_units(config))
    return StudyPlan(tuple(phases), disk, units, sizes.words, sizes.tokens)


def _reading(sizes: StudySizes) -> MemoryPlan:
    buffers = {"process": PROCESS, "chunks and spellings": READING, "tokens": 2 * ID * sizes.tokens}
    return MemoryPlan("reading the text", buffers)


def _phases(
    config: StudyConfig, model: ModelConfig, size: TextSizes, words: int, before: Mapping[str, int]
) -> Iterator[MemoryPlan]:
    """Yield what training and comparing a model holds, beside what models before it left."""
    recipe, runs = model.recipe, len(model.samples)
    counted = 0 if isinstance(recipe, SkipGram) else PAIR * size.nonzeros
    held = {"process": PROCESS, **before, "text": ID * size.tokens}
    vectors, pairs = buffer((words, recipe.dim), np.float32), _pairs(model)
    if isinstance(recipe, GloVe):
        one = plan_glove(size.words, size.nonzeros, recipe)
        at_once = min(DRAWN_AT_ONCE, threads.count())  # the plan of a run is that of any number of threads
        drawn = {"order while it is drawn": one.buffers["order while it is drawn"] * at_once // DRAWN_AT_ONCE}
        one = MemoryPlan(one.purpose, {**one.buffers, **drawn})
    elif isinstance(recipe, SkipGram):
        one = plan_skip_gram(size.words, recipe, size.tokens or None)
    else:
        single, at_once = plan_ppmi_svd(size.words, size.nonzeros, recipe), min(threads.count(), runs)
        buffers = {name: each * at_once for name, each in _largest_stage(single).items()}
        one, counted = MemoryPlan(f"{at_once} runs of {single.purpose}", buffers), counted * at_once
    if not isinstance(recipe, PPMISVD):
        one = with_snapshots(one, recipe, size.words, len(config.snapshots))
    earlier = {"vectors of earlier runs": (runs - 1) * vectors}
    yield MemoryPlan(one.purpose, {**held, "counts": counted, **earlier, **one.buffers})
    tables = {
        "vectors": runs * buffer((words, recipe.dim), np.float32),
        "lists, mapped and together": 2 * runs * _lists(config, words),
        "values of pairs and words": pairs * buffer((PAIR_VALUES, words), np.float64),
    }
    grams = plan_cross_grams(len(model.compared[0]) * recipe.dim, words)
    work = {"buffers of comparing": min(COMPARING, A_WORD * words)}
    yield MemoryPlan(f"comparing {runs} runs, {grams.purpose}", {**held, **tables, **work, **grams.buffers})


def _left(config: StudyConfig, model: ModelConfig, words: int, before: Mapping[str, int]) -> dict[str, int]:
    """Return what the process still holds after a model: its results, and freed memory of the largest."""
    freed = max(before.get(FREED, 0), FREED_A_NUMBER * words * model.recipe.dim)
    vectors = buffer((words, model.recipe.dim), np.float32) + _lists(config, words)
    return {RESULTS: before.get(RESULTS, 0) + len(model.samples) * vectors, FREED: freed}


def _pairs(model: ModelConfig) -> int:
    return sum(len(group) * (len(group) - 1) // 2 for group in model.compared)


def _largest_stage(one: MemoryPlan) -> dict[str, int]:
    """Return what PPMI-SVD holds at once: the PPMI and half of the matrices, or these and factors."""
    factors = dict(one.buffers)
    ppmi, matrices = factors.pop(BUILT), factors.pop(MATRICES)
    if ppmi + matrices // 2 > matrices + sum(factors.values()):
        return {BUILT: ppmi, "matrix, float32": matrices // 2}
    return {MATRICES: matrices, **factors}


def _lists(config: StudyConfig, words: int) -> int:
    return buffer((words, config.neighbors), np.int32) + buffer((words, config.neighbors), np.float64)


def _disk(config: StudyConfig, model: ModelConfig, size: TextSizes, words: int) -> int:
    snapshots = 0 if isinstance(model.recipe, PPMISVD) else len(config.snapshots)
    tables = (2 + snapshots) * buffer((words, model.recipe.dim), np.float32)
    runs, sample = len(model.samples), 0 if model.fraction == 1 else ID * size.tokens
    compared = words * bytes_of_words(config.measures, runs, len(model.compared))
    counted = _counted(model) * size.nonzeros * PAIR
    return runs * (tables + _lists(config, words)) + counted + compared + sample


def _counted(model: ModelConfig) -> int:
    """How many counts a model keeps; bootstrap samples of a skip-gram: one, to say how often pairs occur."""
    if isinstance(model.recipe, SkipGram):
        return int(model.vary == "bootstrap")
    return len(model.samples) if model.vary in OF_DOCUMENTS else 1


def _units(config: StudyConfig) -> Iterator[tuple[str, int]]:
    runs = sum(len(model.samples) for model in config.trained)
    shared = {
        (model.fraction, window_of(config, model.window))
        for model in config.trained
        if _counted(model) and model.vary not in OF_DOCUMENTS
    }
    yield "readings of the text", 1
    yield "counts", len(shared) + sum(_counted(one) for one in config.trained if one.vary in OF_DOCUMENTS)
    yield "runs trained", runs
    yield "neighbor searches", runs
    yield (
        "pairs of runs compared",
        sum(map(_pairs, config.trained)),
    )
    if config.groups:
        parts = [design_of(config, model).parts for model in recipes_of(config)]
        yield "parts of corpora trained", 2 * sum(parts)
