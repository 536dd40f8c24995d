"""What a study is asked: frozen, and checked whole before any work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from gpuemb.core.checks import check_at_least, check_at_most
from gpuemb.core.doors import enter, enter_fields
from gpuemb.core.errors import ConfigError
from gpuemb.corpus.chunks import Documents, EncodingErrors
from gpuemb.corpus.token_patterns import DEFAULT, check_tokenizer
from gpuemb.kernels.neighbor_overlap import LARGEST_K, LARGEST_RUNS
from gpuemb.kernels.window_counts import Weighting, check_window
from gpuemb.stability.given.config import TablesConfig, check_name, groups_of, paths_of
from gpuemb.stability.measure_table import STUDY, check_measures
from gpuemb.stability.questions.table import check_questions, named_questions
from gpuemb.training.recipes import (
    PPMISVD,
    GloVe,
    Recipe,
    Run,
    SkipGram,
    Vary,
    check_vary,
    epochs_of,
    name_of,
    runs_of,
    seeds_of,
)

UNMEASURED = ("title", "question", "sentence", "groups", "depths")  # what changes no measure of a study


@dataclass(frozen=True)
class TextConfig:
    """How text becomes tokens.

    Attributes:
        min_count: words seen less often are left out.
        max_words: keep at most this many words, the most frequent; 0 keeps all.
        encoding_errors: what to do with bytes that are not UTF-8.
        tokenizer: ``default``, ``whitespace``, ``regex:…``, or a path ending in ``.json``.
        documents: what a document is in a text file.
        field: of JSON lines and Parquet, that holds the text; empty means ``text``.

    Example:
        >>> ge.StudyConfig(("pets.txt",), text=ge.TextConfig(min_count=2)).text.tokenizer
        'default'
    """

    min_count: int = 10
    max_words: int = 0
    encoding_errors: EncodingErrors = "strict"
    tokenizer: str = DEFAULT
    documents: Documents = "line"
    field: str = ""

    def __post_init__(self) -> None:
        enter_fields(self)
        check_at_least("text", "min_count", self.min_count, 1)
        check_at_least("text", "max_words", self.max_words, 0)
        check_tokenizer(self.tokenizer)


@dataclass(frozen=True)
class CountsConfig:
    """How tokens become co-occurrence counts (Definitions §1).

    Example:
        >>> ge.StudyConfig(("pets.txt",), counts=ge.CountsConfig(window=5)).counts.weighting
        'harmonic'
    """

    window: int = 10
    weighting: Weighting = "harmonic"

    def __post_init__(self) -> None:
        enter_fields(self)
        check_window(self.window, self.weighting)


@dataclass(frozen=True)
class ModelConfig:
    """One model of the study and the runs it is trained for.

    Attributes:
        recipe: what is trained.
        seeds: one run each, from two to 100; or how many, from seed 0. With ``halves``, one split of the
            documents each, from one to 50, and two runs a split.
        vary: what a seed changes: everything random (``seed``), only the ``init`` or the ``order``,
            or which documents are in the corpus (``bootstrap``, resampled with replacement; ``halves``,
            split at random, where the two halves of one split are compared, which share no document).
        name: what tables and figures call it; default the recipe's kind.
        window: largest distance of counted words; 0 for that of the study. A skip-gram has its own.
        fraction: share of the documents that is trained on, above 0, at most 1; those of a smaller fraction
            are among those of a larger one. A word that is rare there has no vector.

    Example:
        >>> model = ge.ModelConfig(ge.PPMISVD(dim=2), seeds=(0, 1, 2), vary="bootstrap")
        >>> model.name, model.runs
        ('ppmi-svd', ('bootstrap 0', 'bootstrap 1', 'bootstrap 2'))
    """

    recipe: Recipe
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    vary: Vary = "seed"
    name: str = ""
    window: int = 0
    fraction: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "seeds", seeds_of("model", self.seeds))
        enter_fields(self)
        if not self.name:
            object.__setattr__(self, "name", self.recipe.kind)
        check_name(self.name)
        check_vary(self.recipe, self.vary)
        self._check_sample()
        if len(self.samples) < 2 or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(
                f"model {self.name}: seeds = {list(self.seeds)}",
                needed="Stability compares runs: at least two different seeds are needed.",
                remedy="For example seeds = 5, or seeds = [0, 1, 2].",
            )
        if len(self.samples) > LARGEST_RUNS:
            raise ConfigError(
                f"model {self.name}: {len(self.seeds)} seeds",
                needed=f"At most {LARGEST_RUNS} runs of one model are compared.",
                remedy="Leave seeds out, or make two models of it: two names, half of the seeds each.",
            )

    def _check_sample(self) -> None:
        """Check the window and the fraction.

        Raises:
            ConfigError: an impossible fraction, or a window of counts for a recipe that counts nothing.
        """
        if not 0 < self.fraction <= 1:
            raise ConfigError(
                f"model {self.name}: fraction = {self.fraction}",
                needed="A fraction is a share of the documents, above 0 and at most 1.",
                remedy="fraction = 0.1 is a tenth of them.",
            )
        check_at_least(f"model {self.name}", "window", self.window, 0)
        if self.window and isinstance(self.recipe, SkipGram):
            raise ConfigError(
                f"model {self.name}: window = {self.window} of counts",
                needed="A skip-gram counts nothing; its window is one of the recipe.",
                remedy=f"SkipGram(window={self.window}).",
            )

    @property
    def kind(self) -> str:
        """Of the recipe."""
        return self.recipe.kind

    @property
    def samples(self) -> tuple[Run, ...]:
        """Each run: its seed, and its half of the documents where these are split."""
        return runs_of(self.seeds, self.vary)

    @property
    def runs(self) -> tuple[str, ...]:
        """Name of each run."""
        return tuple(name_of(run, self.vary) for run in self.samples)

    @property
    def compared(self) -> tuple[tuple[int, ...], ...]:
        """Runs that are compared with each other: all, or the two halves of each split."""
        runs = tuple(range(len(self.samples)))
        return tuple(zip(runs[::2], runs[1::2], strict=True)) if self.vary == "halves" else (runs,)


@dataclass(frozen=True)
class StudyConfig:
    """One study.

    Attributes:
        corpus: files, folders, patterns, ``-`` for standard input, or ``dataset:conversations``; or one.
        text: how text becomes tokens.
        counts: how tokens become counts.
        models: what is trained, and finished tables that are measured beside it.
        neighbors: how many nearest neighbors are compared, at most 256.
        depths: smaller numbers of them whose overlaps are given too, from the same lists; in TOML and as a
            flag, ``neighbors`` lists all.
        title: headline of the report.
        measures: names of the measures of pairs and words that are taken.
        snapshots: epochs, counted from 1, after which the vectors of every run are kept too; a model without
            epochs has none.
        question: names of the questions that are answered; or one.
        sentence: the text of the question ``sentence``, which is asked where there is one.
        groups: two corpora, by name, that the question ``drift`` compares, each in as many parts as a model
            has seeds: files, folders or patterns. Where no corpus is named, both together are.
        until_width: seeds are added to every model until the 95 % interval of its mean overlap is at most so
            wide, at most 100 runs; 0 adds none.

    Example:
        >>> config = ge.StudyConfig(("pets.txt",), neighbors=5)
        >>> config.models[0].name, config.models[0].seeds
        ('glove', (0, 1, 2, 3, 4))
    """

    corpus: tuple[str, ...]
    text: TextConfig = field(default_factory=TextConfig)
    counts: CountsConfig = field(default_factory=CountsConfig)
    models: tuple[ModelConfig | TablesConfig, ...] = (ModelConfig(GloVe()),)
    neighbors: int = 10
    title: str = "Stability study"
    measures: tuple[str, ...] = STUDY
    snapshots: tuple[int, ...] = ()
    question: tuple[str, ...] = ()
    sentence: str = ""
    until_width: float = 0.0
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    depths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", groups_of(self.groups))
        object.__setattr__(self, "corpus", paths_of("StudyConfig", "corpus", self.corpus))
        if not self.corpus:
            object.__setattr__(self, "corpus", tuple(path for _, files in self.groups for path in files))
        object.__setattr__(self, "question", named_questions(self.question, self.sentence, self.groups))
        models = enter("StudyConfig", "models", self.models, Sequence[ModelConfig])
        models = tuple(enter("StudyConfig", "a model", one, ModelConfig | TablesConfig) for one in models)
        object.__setattr__(self, "models", models)
        enter_fields(self)
        object.__setattr__(self, "measures", check_measures("study", self.measures, STUDY))
        check_at_least("study", "neighbors", self.neighbors, 1)
        check_at_most("study", "neighbors", self.neighbors, LARGEST_K)
        depths = {enter("StudyConfig", "a depth", one, int) for one in self.depths}
        object.__setattr__(self, "depths", tuple(sorted(depths - {self.neighbors})))
        for depth in self.depths:
            check_at_least("study", "neighbors", depth, 1)
            check_at_most("study", "depths", depth, self.neighbors)
        for name, given in (("corpus", self.corpus), ("models", self.models)):
            if not given:
                raise ConfigError(
                    f"study: no {name}",
                    needed=f"At least one entry in {name} is needed.",
                    remedy="gpuemb study my.txt --model glove; gpuemb compare takes tables without a text.",
                )
        object.__setattr__(self, "snapshots", self._snapshots())
        for model in self.trained:
            check_window(model.window or self.counts.window, self.counts.weighting)
        names = [model.name for model in self.models]
        if len(set(names)) != len(names):
            raise ConfigError(
                f"study: models are named {', '.join(names)}",
                needed="Two models need two names.",
                remedy="Give one of them another name = '…'.",
            )
        check_questions(self)
        self._check_width()

    def _check_width(self) -> None:
        """Check the width of intervals that seeds are added for.

        Raises:
            ConfigError: it is no width of an overlap, or the overlap is not taken.
        """
        if not 0 <= self.until_width < 1:
            raise ConfigError(
                f"study: until_width = {self.until_width}",
                needed="It is the width of an interval of the mean overlap, below 1; 0 adds no seeds.",
                remedy="until_width = 0.05",
            )
        if self.until_width and "overlap" not in self.measures:
            raise ConfigError(
                "study: until_width without the measure overlap",
                needed="Seeds are added until the interval of the mean overlap is narrow enough.",
                remedy="Add overlap to the measures, or leave them out.",
            )

    def _snapshots(self) -> tuple[int, ...]:
        """Return the epochs of snapshots, ascending.

        Raises:
            ConfigError: an epoch that a model has not, or no model with epochs.
        """
        recipes: list[Recipe] = [model.recipe for model in self.trained]
        chosen = [one for one in recipes if not isinstance(one, PPMISVD)] or recipes
        if not chosen and self.snapshots:
            raise ConfigError(
                f"study: snapshots = {list(self.snapshots)}, but no model is trained",
                needed="Finished tables have no epochs.",
                remedy="Leave snapshots out.",
            )
        if not chosen:
            return ()
        return min(epochs_of("study", self.snapshots, recipe) for recipe in chosen)

    @property
    def trained(self) -> tuple[ModelConfig, ...]:
        """The models that are not finished tables."""
        return tuple(model for model in self.models if isinstance(model, ModelConfig))

    def digest(self) -> str:
        """Hexadecimal digest of everything that can change a measure: all but the title and the questions."""
        asked = {name: value for name, value in asdict(self).items() if name not in UNMEASURED}
        return digest_of(asked, [model.kind for model in self.models])


def digest_of(*parts: object) -> str:
    """Digest of values that JSON can spell; equal values give equal digests."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
