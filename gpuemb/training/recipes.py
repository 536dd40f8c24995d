"""What to train: frozen recipes, the same in Python and in TOML."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Literal, TypeAlias

from gpuemb.core.checks import check_at_least, check_at_most, check_choice
from gpuemb.core.doors import enter, enter_fields
from gpuemb.core.errors import ConfigError
from gpuemb.core.results import shown

Vary: TypeAlias = Literal["seed", "init", "order", "sampling", "bootstrap", "halves"]
VARY: tuple[Vary, ...] = ("seed", "init", "order", "sampling", "bootstrap", "halves")
OF_DOCUMENTS: tuple[Vary, ...] = ("bootstrap", "halves")  # what varies is the documents that are counted
HALVES = "ab"
FIXED = 0  # the seed of whatever does not vary
WIDEST, MOST_NEGATIVES = 50, 100  # the largest window, as of counts, and negatives of a skip-gram
LARGEST_EXPONENT = 4  # of its noise: beyond it one word would be all of it


@dataclass(frozen=True)
class Run:
    """One training of a model.

    Attributes:
        seed: of whatever varies.
        half: 0 or 1, the half of the documents that is counted; None where they are not split.
    """

    seed: int
    half: int | None = None


def runs_of(seeds: Iterable[int], vary: Vary) -> tuple[Run, ...]:
    """Return the runs of a model: one a seed, or two where a seed splits the documents."""
    if vary == "halves":
        return tuple(Run(seed, half) for seed in seeds for half in range(len(HALVES)))
    return tuple(map(Run, seeds))


def name_of(run: Run, vary: Vary) -> str:
    """Return what tables, figures and files call a run: ``"seed 3"``, ``"bootstrap 3"``, ``"half 3a"``."""
    if run.half is not None:
        return f"half {run.seed}{HALVES[run.half]}"
    return f"{'bootstrap' if vary == 'bootstrap' else 'seed'} {run.seed}"


@dataclass(frozen=True)
class GloVe:
    """Global vectors by AdaGrad over the nonzero counts.

    Minimizes ``Σ f(X_ij)(w_i·w̃_j + b_i + b̃_j − log X_ij)²``, ``f(x) = min(1, (x/x_max)^alpha)``.
    The result is ``w + w̃``.

    Attributes:
        dim: dimensions of a vector.
        epochs: passes over the counts.
        x_max: count from which a pair has full weight.
        alpha: exponent of the weight below it.
        learning_rate: AdaGrad's step.
        patience: stop early when so many epochs in a row have not brought the loss below the best one by
            ``tolerance``; 0 trains every epoch.
        tolerance: share of the best loss.
        held_out: share of the pairs of words, of every run the same ones, that are not trained on: their
            loss is taken after every epoch, and it decides the early stop.

    Source: Pennington, Socher and Manning (2014); Definitions §1.

    Example:
        >>> ge.GloVe(dim=100, x_max=10).epochs
        25
        >>> counts = ge.count_cooccurrences(ge.read_corpus("pets.txt"))
        >>> ge.train(counts, ge.GloVe(dim=2, epochs=5), seeds=[0]).vectors.shape
        (1, 10, 2)
    """

    kind: ClassVar[str] = "glove"
    varies: ClassVar[tuple[Vary, ...]] = ("seed", "init", "order", *OF_DOCUMENTS)

    dim: int = 100
    epochs: int = 25
    x_max: float = 100.0
    alpha: float = 0.75
    learning_rate: float = 0.05
    patience: int = 0
    tolerance: float = 0.0
    held_out: float = 0.0

    def __post_init__(self) -> None:
        enter_fields(self)
        for name in ("dim", "epochs"):
            check_at_least("GloVe", name, getattr(self, name), 1)
        for name in ("x_max", "learning_rate"):
            _check_positive("GloVe", name, getattr(self, name))
        check_at_least("GloVe", "alpha", self.alpha, 0)
        _check_finite("GloVe", self, ("x_max", "alpha", "learning_rate"))
        _check_stop("GloVe", self)


@dataclass(frozen=True)
class PPMISVD:
    """Positive pointwise mutual information, factored: ``W = U_d Σ_d^power``.

    The factors are exact to 3e-4 of the largest singular value: the ten nearest words of a table agree with
    those of the exact decomposition to about 0.999; ``runs.models[0].residual`` is what was reached. There is
    no randomness: with the same counts every seed gives the same bits. Only other documents make its runs
    differ: ``vary="bootstrap"``, ``vary="halves"``.

    Attributes:
        dim: dimensions of a vector.
        power: exponent of the singular values.
        shift: PMI is lowered by ``log shift`` before negative values are dropped.
        smoothing: exponent of the context distribution.

    Source: Levy, Goldberg and Dagan (2015); Definitions §1.

    Example:
        >>> tokens = ge.read_corpus("pets.txt")
        >>> runs = ge.train(tokens, ge.PPMISVD(dim=2), seeds=[0, 1])
        >>> np.array_equal(runs[0].vectors, runs[1].vectors)  # nothing in it is random
        True
    """

    kind: ClassVar[str] = "ppmi-svd"
    varies: ClassVar[tuple[Vary, ...]] = OF_DOCUMENTS

    dim: int = 100
    power: float = 0.5
    shift: float = 1.0
    smoothing: float = 0.75

    def __post_init__(self) -> None:
        enter_fields(self)
        check_at_least("PPMISVD", "dim", self.dim, 1)
        check_at_least("PPMISVD", "power", self.power, 0)
        check_at_least("PPMISVD", "shift", self.shift, 1)
        _check_positive("PPMISVD", "smoothing", self.smoothing)
        _check_finite("PPMISVD", self, ("power", "shift", "smoothing"))


@dataclass(frozen=True)
class SkipGram:
    """Skip-gram with negative sampling, trained from the text.

    Maximizes ``Σ [log σ(v·c) + Σ_{n=1..negatives} E log σ(−v·c_n)]`` over pairs of near words, with noise
    ``∝ count^ns_exponent``, as word2vec does. The result is ``v``.

    Attributes:
        dim: dimensions of a vector.
        window: largest distance; each token draws its own, uniform in 1 … window.
        negatives: words drawn from the noise for a pair. Four inputs share more than twice as many.
        sample: share of the text from which a word's tokens are dropped at random; 0 keeps all. A token is
            kept with probability ``√(sample/f) + sample/f``, and windows reach over dropped ones.
        epochs: passes over the text.
        learning_rate: at the start; falls to zero linearly.
        ns_exponent: exponent of the noise.
        patience: stop early when so many epochs in a row have not brought the loss below the best one by
            ``tolerance``; 0 trains every epoch. The rate falls as if all epochs were trained.
        tolerance: share of the best loss.
        held_out: share of the documents, of every run the same ones, that are not trained on: their loss is
            taken after every epoch with negatives of the exact noise, and it decides the early stop.

    Source: Mikolov et al. (2013), NIPS; Definitions §1.

    Example:
        >>> tokens = ge.read_corpus("pets.txt")
        >>> runs = ge.train(tokens, ge.SkipGram(dim=2, sample=0), seeds=[0, 1])
        >>> runs.vectors.shape
        (2, 10, 2)
    """

    kind: ClassVar[str] = "skip-gram"
    varies: ClassVar[tuple[Vary, ...]] = VARY

    dim: int = 100
    window: int = 5
    negatives: int = 5
    sample: float = 1e-3
    epochs: int = 5
    learning_rate: float = 0.025
    ns_exponent: float = 0.75
    patience: int = 0
    tolerance: float = 0.0
    held_out: float = 0.0

    def __post_init__(self) -> None:
        enter_fields(self)
        for name, largest in (
            ("dim", None),
            ("window", WIDEST),
            ("negatives", MOST_NEGATIVES),
            ("epochs", None),
        ):
            check_at_least("SkipGram", name, getattr(self, name), 1)
            if largest is not None:
                check_at_most("SkipGram", name, getattr(self, name), largest)
        check_at_least("SkipGram", "sample", self.sample, 0)
        check_at_most("SkipGram", "sample", self.sample, 1)
        _check_positive("SkipGram", "learning_rate", self.learning_rate)
        _check_finite("SkipGram", self, ("learning_rate",))
        _check_stop("SkipGram", self)
        if not abs(self.ns_exponent) <= LARGEST_EXPONENT:
            raise ConfigError(
                f"SkipGram: ns_exponent = {self.ns_exponent}",
                needed=f"ns_exponent is from -{LARGEST_EXPONENT} to {LARGEST_EXPONENT}.",
                remedy="Leave ns_exponent out to use the default.",
            )


LARGEST_SEEDS = 10_000  # of a single call; more is a mistake, such as a corpus given for them


def seeds_of(where: str, seeds: int | Iterable[int]) -> tuple[int, ...]:
    """Return the seeds of the runs: those given, or so many from 0.

    Args:
        where: the function that was called.
        seeds: whole numbers from 0, or how many runs there are.

    Raises:
        ConfigError: none, more than 10,000, or no whole numbers from 0.
    """
    given = enter(where, "seeds", seeds, int | Iterable[int])
    many = given if isinstance(given, int) else getattr(given, "__len__", lambda: 0)()
    listed = range(given) if isinstance(given, int) else given
    found = () if many > LARGEST_SEEDS else tuple(islice(listed, LARGEST_SEEDS + 1))
    if not 0 < len(found) <= LARGEST_SEEDS:
        raise ConfigError(
            f"{where}: seeds = {shown(seeds)}",
            needed=f"From one to {LARGEST_SEEDS:,} runs are trained, one a seed.",
            remedy="For example seeds=5, or seeds=[0, 1, 2].",
        )
    whole = tuple(enter(where, "a seed", seed, int) for seed in found)
    for seed in whole:
        check_at_least(where, "a seed", seed, 0)
    return whole


Recipe: TypeAlias = GloVe | PPMISVD | SkipGram
RECIPES: dict[str, type[GloVe] | type[PPMISVD] | type[SkipGram]] = {
    r.kind: r for r in (GloVe, PPMISVD, SkipGram)
}


def epochs_of(where: str, snapshots: Iterable[int], recipe: Recipe) -> tuple[int, ...]:
    """Return the epochs after which vectors are kept, ascending, each once.

    Args:
        where: the function that was called.
        snapshots: whole numbers from 1.
        recipe: what is trained.

    Raises:
        ConfigError: an epoch that the recipe has not.
    """
    given = tuple(enter(where, "a snapshot", epoch, int) for epoch in snapshots)
    last = getattr(recipe, "epochs", 0)
    for epoch in given:
        if not 1 <= epoch <= last:
            has = f"{recipe.kind} has epochs 1 to {last}" if last else f"{recipe.kind} has no epochs"
            raise ConfigError(
                f"{where}: a snapshot after epoch {epoch}",
                needed=f"{has}; snapshots are the vectors after some of them.",
                remedy=f"snapshots=[1, {last}], for example." if last else "Leave snapshots out.",
            )
    return tuple(sorted(set(given)))


def check_vary(recipe: Recipe, vary: str) -> None:
    """Refuse a source of variation that the recipe does not have.

    ``seed`` is allowed for every recipe: where nothing is random, the runs come out identical.

    Raises:
        ConfigError: says what the recipe can vary.
    """
    check_choice(recipe.kind, "vary", vary, VARY)
    if vary != "seed" and vary not in recipe.varies:
        raise ConfigError(
            f"{recipe.kind}: vary = {vary!r}, which it has not",
            needed=f"{recipe.kind} can vary {', '.join(recipe.varies)}.",
            remedy=f"Use vary={recipe.varies[0]!r}.",
        )


def _check_stop(where: str, recipe: GloVe | SkipGram) -> None:
    """Check what ends training early, and the share that is held out.

    Raises:
        ConfigError: an impossible number, or a tolerance that nothing uses.
    """
    check_at_least(where, "patience", recipe.patience, 0)
    for name in ("tolerance", "held_out"):
        value = getattr(recipe, name)
        if not 0 <= value < 1:
            raise ConfigError(
                f"{where}: {name} = {value}",
                needed=f"{name} is a share, from 0 to below 1.",
                remedy=f"Leave {name} out to use 0.",
            )
    if recipe.tolerance and not recipe.patience:
        raise ConfigError(
            f"{where}: tolerance = {recipe.tolerance} without patience",
            needed="patience is how many epochs may pass without such a fall of the loss; 0 never stops.",
            remedy=f"For example patience=2, tolerance={recipe.tolerance}.",
        )


def _check_positive(where: str, name: str, value: float) -> None:
    if not value > 0:
        raise ConfigError(
            f"{where}: {name} = {value}",
            needed=f"{name} must be above 0.",
            remedy=f"Leave {name} out to use the default.",
        )


def _check_finite(where: str, recipe: object, names: Iterable[str]) -> None:
    for name in names:
        if math.isinf(getattr(recipe, name)):
            raise ConfigError(
                f"{where}: {name} = {getattr(recipe, name)}",
                needed=f"{name} must be finite.",
                remedy=f"Leave {name} out to use the default.",
            )
