"""The units of the comparison of one model's runs, and what they found as one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gpuemb.core.arithmetic import arithmetic
from gpuemb.core.arrays import Float64
from gpuemb.stability.compared_tables import LIST_MEASURES
from gpuemb.stability.config import ModelConfig, digest_of
from gpuemb.stability.given.config import TablesConfig
from gpuemb.stability.graph import MAIN, Arrays, Kept, Source, Unit
from gpuemb.stability.measure_table import PAIR_MEASURES, WORD_MEASURES
from gpuemb.stability.statistics import compared_pairs, means_of_known
from gpuemb.stability.store import Store
from gpuemb.stability.units.lists import FindNeighbors, TakeAgreement, TakeChance, TakeHubness
from gpuemb.stability.units.pairs import LISTS, SPECTRUM, ComparePairs, TakeSpread

PERMUTATIONS = 99  # of the words of runs: the smallest p-value of an overlap is 0.01
REVISION = 1  # raised when a measure of the same tables has other bits
SHOWN = ("aligned_cosine", "unaligned_cosine")  # measures of words that every study has, beside the lists'
OF_LISTS = (*LIST_MEASURES, "lowest_overlap", "neighbors_in_all", "joint_reliability")
NEIGHBORS, PAIRS, CHANCE, HUBNESS, AGREEMENT, SPREAD = (
    "neighbors",
    "pairs",
    "chance",
    "hubness",
    "agreement",
    "spread",
)


@dataclass(frozen=True, eq=False)
class ComparisonUnits:
    """The units that compare the runs of one model.

    Attributes:
        model: its runs, and which of them are compared.
        vectors: of each run.
        k: neighbors of a word.
        measures: that are asked for.
        one_width: whether all tables have the same number of dimensions.
    """

    model: ModelConfig | TablesConfig
    vectors: Sequence[Source]
    k: int
    measures: tuple[str, ...]
    one_width: bool = True

    @property
    def keys(self) -> tuple[str, ...]:
        """Of the runs."""
        return tuple(source.kept.digest for source in self.vectors)

    @cached_property
    def neighbors(self) -> list[Unit]:
        """The search of each run. A run starts from the lists of the one before."""
        found: list[Unit] = []
        for run, vectors in zip(self.model.runs, self.vectors, strict=True):
            before = {"before": found[-1].source()} if found else {}
            kept = {MAIN: Kept(NEIGHBORS, digest_of(vectors.kept.digest, self.k))}
            title = f"neighbors of {self.model.name}, {run}"
            found.append(Unit(title, FindNeighbors(self.k), kept, {"vectors": vectors}, before))
        return found

    def units(self) -> list[Unit]:
        """Return everything that compares runs."""
        return [unit for group in self.model.compared for unit in self._of_group(group)] + self.of_all()

    def _of_group(self, group: Sequence[int]) -> Iterator[Unit]:
        yield self.pairs(group)
        yield self.chance(group)
        if self._spread:
            yield self.spread(group)

    @property
    def _spread(self) -> bool:
        return "spread" in self.measures and self.one_width

    def taken(self) -> tuple[str, ...]:
        """Names of what is kept of each run and those before it."""
        asked = [name for name in self.measures if name not in (*OF_LISTS, "spread")]
        return (SPECTRUM, LISTS, *dict.fromkeys([*SHOWN, *asked]))

    def pairs(self, group: Sequence[int]) -> Unit:
        """Return the measures of the pairs of a group of runs, a result each measure and run."""
        keys, runs = [self.keys[run] for run in group], tuple(self.model.runs[run] for run in group)
        results = {
            f"{name}/{place}": Kept(PAIRS, self._digest(name, keys[: place + 1]))
            for name in self.taken()
            for place in range(len(group))
        }
        return Unit(
            f"compare {self.model.name}",
            ComparePairs(self.model.name, runs, self.k),
            results,
            {**self._vectors(group), **self._lists(group)},
            steps=len(group),
        )

    def _digest(self, name: str, keys: Sequence[str]) -> str:
        """Of a measure of the last of some runs with those before it."""
        chosen = keys[-1:] if name == SPECTRUM else keys
        return digest_of(arithmetic(), REVISION, name, list(chosen), self.k if name == LISTS else 0)

    def chance(self, group: Sequence[int]) -> Unit:
        """Return what overlaps are by chance."""
        keys = [self.keys[run] for run in group]
        results = {
            str(place): Kept(CHANCE, digest_of(REVISION, keys[: place + 1], self.k, PERMUTATIONS))
            for place in range(1, len(group))
        }
        task = TakeChance(len(group), PERMUTATIONS)
        return Unit(f"chance of {self.model.name}", task, results, self._lists(group))

    def spread(self, group: Sequence[int]) -> Unit:
        """Return the spread of words around the common mean of a group."""
        keys = [self.keys[run] for run in group]
        kept = {MAIN: Kept(SPREAD, digest_of(arithmetic(), REVISION, keys))}
        task = TakeSpread(self.model.name, tuple(self.model.runs[run] for run in group))
        return Unit(f"spread of {self.model.name}", task, kept, self._vectors(group))

    def of_all(self) -> list[Unit]:
        """Return what depends on the lists of all runs at once."""
        pairs = tuple(compared_pairs(len(self.model.runs), halves=self.model.vary == "halves"))
        lists = self._lists(range(len(self.keys)))
        hubness = Kept(HUBNESS, digest_of(REVISION, list(self.keys), self.k, pairs))
        agreement = Kept(AGREEMENT, digest_of(REVISION, list(self.keys), self.k))
        return [
            Unit(f"hubness of {self.model.name}", TakeHubness(pairs), {MAIN: hubness}, lists),
            Unit(f"agreement of {self.model.name}", TakeAgreement(), {MAIN: agreement}, lists),
        ]

    def _vectors(self, group: Sequence[int]) -> dict[str, Source]:
        return {f"vectors {place}": self.vectors[run] for place, run in enumerate(group)}

    def _lists(self, group: Sequence[int]) -> dict[str, Source]:
        return {f"lists {place}": self.neighbors[run].source() for place, run in enumerate(group)}

    def found(self, store: Store) -> Arrays:
        """Put together what the units found.

        Returns:
            ``pairs`` and ``recomputed``, ``(M, S, S)`` of the measures of pairs that are asked for;
            ``chance`` and ``null`` of overlaps; ``eigenvalues`` and ``shape_numbers`` of the runs; and
            ``(V,)`` arrays of words, those of no column of their own named ``word.…``. A word counts in the
            pairs in which it has a value.
        """
        groups = [
            (group, _opened(self.pairs(group), store), _opened(self.chance(group), store))
            for group in self.model.compared
        ]
        names = [name for name in self.measures if name in PAIR_MEASURES]
        runs = len(self.model.runs)
        values, again = np.full((len(names), runs, runs), np.nan), np.zeros((len(names), runs, runs), bool)
        for group, kept, _ in groups:
            for row, name in enumerate(names):
                _set(values[row], again[row], group, [_values(kept, name, t) for t in range(len(group))])
        spectra = [kept[f"{SPECTRUM}/{t}"] for group, kept, _ in groups for t in range(len(group))]
        chances = [one for group, _, chance in groups for one in chance.values()]
        lists = [kept[f"{LISTS}/{t}"] for group, kept, _ in groups for t in range(1, len(group))]
        hubness, agreement = (store.arrays(str(unit.results[MAIN])) for unit in self.of_all())
        return {
            "pairs": values,
            "recomputed": again,
            "chance": np.concatenate([one["chance"] for one in chances]),
            "null": means_of_known(np.hstack([one["null"] for one in chances]).T),
            "eigenvalues": _beside([one["eigenvalues"] for one in spectra]),
            "shape_numbers": np.stack([one["shape_numbers"] for one in spectra]),
            "overlap": _mean(lists),
            "overlap_low": np.fmin.reduce([one["lowest"] for one in lists]),
            **hubness,
            **agreement,
            **self._of_words([(group, kept) for group, kept, _ in groups], store),
        }

    def _of_words(
        self, groups: Sequence[tuple[Sequence[int], Mapping[str, Arrays]]], store: Store
    ) -> dict[str, Float64]:
        found: dict[str, Float64] = {}
        for name in dict.fromkeys([*SHOWN, *self.measures]):
            if name in WORD_MEASURES and name not in OF_LISTS and name != "spread":
                parts = [kept[f"{name}/{t}"] for group, kept in groups for t in range(1, len(group))]
                found[name if name in SHOWN else f"word.{name}"] = _mean(parts)
        if self._spread:
            spreads = [_opened(self.spread(group), store)[MAIN]["spread"] for group, _ in groups]
            found["word.spread"] = means_of_known(np.stack(spreads))
        return dict(sorted(found.items()))  # columns of equal studies are in one order


def bytes_of_words(measures: Sequence[str], runs: int, groups: int) -> int:
    """Bytes a word that the comparison of the runs of a model leaves on the disk.

    Args:
        measures: that are asked for.
        runs: of the model.
        groups: of runs that are compared.
    """
    known = [name for name in dict.fromkeys([*SHOWN, *measures]) if name in WORD_MEASURES]
    sums = 1 + sum(name not in (*OF_LISTS, "spread") for name in known)  # with the overlap
    of_runs = 9 * sums + 8  # a sum and a count each, and the least overlap
    return (runs - groups) * of_runs + 8 * groups * ("spread" in measures) + 20  # hubness, agreement


def _opened(unit: Unit, store: Store) -> dict[str, Arrays]:
    return {name: store.arrays(str(kept)) for name, kept in unit.results.items()}


def _values(kept: Mapping[str, Arrays], name: str, place: int) -> Float64:
    """``(3, t + 1)`` values of a measure of a run with those before it: forth, back, whether read again."""
    if name in LIST_MEASURES:
        found: Float64 = kept[f"{LISTS}/{place}"]["values"][list(LIST_MEASURES).index(name)]
        return found
    return kept[f"{name}/{place}"]["values"]


def _set(values: Float64, again: np.ndarray, group: Sequence[int], found: Sequence[Float64]) -> None:
    """Write the values of the pairs of a group."""
    for run, (forth, back, recomputed) in zip(group, found, strict=True):
        for place, other in enumerate(group[: len(forth)]):
            values[other, run], values[run, other] = forth[place], back[place]
            again[other, run] = again[run, other] = bool(recomputed[place])


def _mean(parts: Sequence[Arrays]) -> Float64:
    """``(V,)`` means over the pairs of all parts, added in their order; NaN for a word that is in none."""
    total = np.zeros(len(parts[0]["total"]))
    known = np.zeros(len(total), np.int64)
    for part in parts:
        total += part["total"]
        known += part["known"]
    nothing: Float64 = np.full(len(total), np.nan)
    return np.divide(total, known, out=nothing, where=known > 0)


def _beside(spectra: Sequence[Float64]) -> Float64:
    """Stack spectra; a direction that a table does not have has no variance."""
    widest = max(map(len, spectra))
    return np.stack([np.pad(values, (0, widest - len(values))) for values in spectra])
