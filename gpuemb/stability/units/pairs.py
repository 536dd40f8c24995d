"""Measures of each run against those before it, and of each run by itself.

What is kept of run ``t`` and a measure is its values with runs ``0 … t − 1``, and for a measure of words
their sum over these pairs: one number a word, not one a word and pair. A further run adds its own results and
leaves those before it as they are; so does a further measure. On the disk: ``9·V·(S − 1)`` bytes a measure of
words, and ``8·V·(S − 1)`` for the least overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int32, to_host
from gpuemb.embeddings.named_tables import NamedTables
from gpuemb.geometry.cross_grams import CrossGrams
from gpuemb.geometry.measure import Measure, PairTable
from gpuemb.geometry.shared import Pair, SharedGrams
from gpuemb.geometry.spectrum import spectrum_of_gram
from gpuemb.kernels.gram import RowScaling
from gpuemb.stability.compared_tables import LIST_MEASURES, ComparedTables
from gpuemb.stability.graph import MAIN, Arrays, Context
from gpuemb.stability.measure_table import PAIR_MEASURES, WORD_MEASURES

LISTS, SPECTRUM = "lists", "spectrum"  # results: every measure of lists; the spectrum of a run
UNIT_ROWS = ("aligned_cosine", "second_order_cosine")
RAW_ROWS = ("pip_per_word",)


class TwoTables(ComparedTables):
    """Two of many tables, with the products that they share with others."""

    def __init__(
        self, given: NamedTables, k: int, ids: Int32 | None, shared: SharedGrams, pair: Pair
    ) -> None:
        super().__init__(given, k, ids)
        self.shared, self.pair = shared, pair

    @property
    def grams(self) -> CrossGrams:
        """The products of the two tables."""
        if "grams" not in self.__dict__:
            self.__dict__["grams"] = self.shared.of_pair(self.pair)
        found: CrossGrams = self.__dict__["grams"]
        return found


@dataclass(eq=False)
class _Against:
    """What a measure finds of one run with those before it.

    Attributes:
        values: of each pair: forth, back, and whether its rows were read again; last the run with itself.
        total: ``(V,)`` sum over the pairs in which a word has a value; None where it is no measure of words.
        known: ``(V,)`` how many these are.
        lowest: ``(V,)`` the least of them.
    """

    values: list[tuple[float, float, float]] = field(default_factory=list)
    total: Float64 | None = None
    known: Float64 = field(default_factory=lambda: np.zeros(0))
    lowest: Float64 = field(default_factory=lambda: np.zeros(0))

    def add(self, values: tuple[float, float, float], words: Float64 | None) -> None:
        """Add what was found of one more pair."""
        self.values.append(values)
        if words is None:
            return
        exists = np.isfinite(words)
        if self.total is None:
            self.total, self.known = np.zeros(len(words)), np.zeros(len(words))
            self.lowest = np.full(len(words), np.nan)
        self.total += np.where(exists, words, 0.0)
        self.known += exists
        self.lowest = np.fmin(self.lowest, words)


@dataclass(frozen=True)
class ComparePairs:
    """Takes measures of the runs of a group.

    Attributes:
        name: of the model, in messages.
        runs: names of the runs.
        k: neighbors that are compared.
    """

    name: str
    runs: tuple[str, ...]
    k: int

    def run(
        self, inputs: Mapping[str, Arrays], wanted: frozenset[str], context: Context
    ) -> dict[str, Arrays]:
        """Return results named ``measure/t``, the run's number last.

        Raises:
            NonFiniteError: a table holds NaN or infinity.
            MemoryBudgetError: the products would not fit.
        """
        names: dict[int, list[str]] = {run: [] for run in range(len(self.runs))}
        for result in sorted(wanted):
            measure, place = result.split("/")
            names[int(place)].append(measure)
        tables = [inputs[f"vectors {run}"]["vectors"] for run in range(len(self.runs))]
        given = NamedTables(f"study: {self.name}", self.runs, tables, None)
        needs_pairs = {run for run, asked in names.items() if set(asked) - {SPECTRUM}}
        shared = SharedGrams(given, [(one, run) for run in needs_pairs for one in range(run)])
        shared.sum(_preparations({one for asked in names.values() for one in asked}))
        found: dict[str, Arrays] = {}
        for run, asked in names.items():
            if SPECTRUM in asked:
                found[f"{SPECTRUM}/{run}"] = spectrum_arrays(shared.of_run(run))
            measures = [one for one in asked if one != SPECTRUM]
            for measure, kept in self._against(run, measures, shared, inputs):
                found[f"{measure}/{run}"] = kept
            context.advance()
        return found

    def _against(
        self, run: int, asked: Sequence[str], shared: SharedGrams, inputs: Mapping[str, Arrays]
    ) -> Iterator[tuple[str, Arrays]]:
        """Yield what is kept of each measure of a run with those before it."""
        measures = [name for one in asked for name in (LIST_MEASURES if one == LISTS else [one])]
        found = {name: _Against() for name in measures}

        def take(other: int) -> dict[str, tuple[PairTable | None, Float64 | None]]:
            pair = self._pair((other, run), shared, inputs, lists=LISTS in asked)
            return {name: _taken(pair, name) for name in measures}

        each = threads.stream if run >= threads.count() else map  # one pair has the workers to itself
        for one in each(take, range(run)):
            for name, (table, words) in one.items():
                found[name].add(_cells(table), words)
        for name in measures:
            found[name].values.append((_itself(name, shared, run),) * 2 + (0.0,))
        if LISTS in asked:
            yield LISTS, _lists_kept([found.pop(name) for name in LIST_MEASURES])
        for name, against in found.items():
            yield name, _kept(against)

    def _pair(
        self, pair: Pair, shared: SharedGrams, inputs: Mapping[str, Arrays], *, lists: bool
    ) -> TwoTables:
        names, tables = [self.runs[run] for run in pair], [shared.tables[run] for run in pair]
        ids = np.stack([inputs[f"lists {run}"]["ids"] for run in pair]) if lists else None
        return TwoTables(NamedTables(shared.given.where, names, tables, None), self.k, ids, shared, pair)


def spectrum_arrays(grams: CrossGrams) -> Arrays:
    """Return eigenvalues and the numbers of the shape of one run, from its raw products."""
    found = spectrum_of_gram(grams.centered().block(0, 0))
    numbers = [found.participation_ratio, found.effective_rank, found.iso_score]
    return {"eigenvalues": np.asarray(found.eigenvalues), "shape_numbers": np.array(numbers)}


def _preparations(names: set[str]) -> list[RowScaling]:
    """The rows whose products some measures need."""
    needed = {about.preparation for name in names if isinstance(about := _about(name), Measure)}
    chosen: dict[RowScaling, bool] = {
        "raw": bool(needed - {"unit"} or names.intersection(RAW_ROWS)),
        "unit": bool("unit" in needed or names.intersection(UNIT_ROWS)),
    }
    return [scaling for scaling, wanted in chosen.items() if wanted]


def _about(name: str) -> object:
    return PAIR_MEASURES[name].about if name in PAIR_MEASURES else None


def _taken(pair: TwoTables, name: str) -> tuple[PairTable | None, Float64 | None]:
    """A measure of two tables, of the pair and of every word, where it has either."""
    table = None
    if name in LIST_MEASURES:
        table = PairTable.of(pair.lists.pairs[name])
    elif name in PAIR_MEASURES:
        table = PAIR_MEASURES[name].take(pair)
    words = WORD_MEASURES[name].take(pair) if name in WORD_MEASURES else None
    return table, None if words is None else np.asarray(to_host(words), np.float64)


def _cells(table: PairTable | None) -> tuple[float, float, float]:
    if table is None:
        return (np.nan, np.nan, 0.0)
    return float(table.values[0, 1]), float(table.values[1, 0]), float(table.recomputed[0, 1])


def _itself(name: str, shared: SharedGrams, run: int) -> float:
    """A measure of a run with itself."""
    about = _about(name)
    if not isinstance(about, Measure):
        return 1.0
    grams = shared.of_run(run, "unit" if about.preparation == "unit" else "raw")
    return float(grams.take(about).values[0, 0])


def _kept(found: _Against) -> Arrays:
    values = {"values": np.array(found.values).T}
    if found.total is None:
        return values
    known = found.known.astype(np.uint8)  # a model has at most LARGEST_RUNS = 100 runs
    return values | {"total": found.total, "known": known}


def _lists_kept(found: Sequence[_Against]) -> Arrays:
    """All measures of lists, ``(M, 3, t + 1)``; of words the overlap, and its least."""
    overlap = found[0]
    kept = {"values": np.array([np.array(one.values).T for one in found])}
    if overlap.total is None:
        return kept
    return {**_kept(overlap), **kept, "lowest": overlap.lowest}


@dataclass(frozen=True)
class TakeSpread:
    """How far each word's vectors are from their common mean, all runs of a group rotated onto it."""

    name: str
    runs: tuple[str, ...]

    def run(
        self, inputs: Mapping[str, Arrays], wanted: frozenset[str], context: Context
    ) -> dict[str, Arrays]:
        """Return ``(V,)`` root mean square distances."""
        tables = [inputs[f"vectors {run}"]["vectors"] for run in range(len(self.runs))]
        given = NamedTables(f"study: {self.name}", self.runs, tables, None)
        spread = WORD_MEASURES["spread"].take(ComparedTables(given, 1))
        context.advance()
        return {MAIN: {"spread": np.asarray(spread)}}
