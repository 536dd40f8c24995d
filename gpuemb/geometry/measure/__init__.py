"""What a measure of two tables is: its description, its table of all pairs, its value from sums."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64
from gpuemb.core.doors import enter_call
from gpuemb.embeddings.named_tables import NamedTables
from gpuemb.geometry.grams.build import Accumulation
from gpuemb.geometry.grams.float32_bounds import PairErrors
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.pair_sums import PairSums, Preparation
from gpuemb.geometry.grams.row_blocks import Rows
from gpuemb.geometry.resampling.own_terms import OwnTerms, ValueOfSums
from gpuemb.geometry.resampling.prepared_pair import PreparedPair, prepare_pair
from gpuemb.uncertainty.intervals import Range


@dataclass(frozen=True, eq=False)
class PairTable:
    """A measure of every pair of runs.

    Attributes:
        values: ``(S, S)``; NaN where the measure does not exist.
        recomputed: ``(S, S)`` whether the rows of the pair were read again, their sums having lost digits.
        chance: what two unrelated runs would score, where it is known in closed form.
    """

    values: Float64
    recomputed: NDArray[np.bool_]
    chance: float | None = None

    @classmethod
    def of(cls, values: Float64, recomputed: bool = False, chance: float | None = None) -> PairTable:
        """Return a table whose pairs were all, or none, read again."""
        return cls(values, np.full(values.shape, recomputed), chance)


@dataclass(frozen=True, kw_only=True, eq=False)
class Description:
    """What people and programs need to know of a measure.

    Attributes:
        name: in Python, on the command line and in tables.
        title: in reports.
        meaning: one sentence.
        preparation: of the rows, ``raw``, ``unit`` or ``centered``.
        possible: the range of its values; intervals stay inside.
        missing: why a pair may have no value; empty where every pair has one.
        higher_is_closer: whether larger values mean more alike.
        symmetric: whether ``(x, y)`` and ``(y, x)`` have the same value.
    """

    name: str
    title: str
    meaning: str
    preparation: Preparation
    possible: Range
    missing: str = ""
    higher_is_closer: bool = True
    symmetric: bool = True

    @property
    def best(self) -> float:
        """The value of two tables that agree."""
        return self.possible.high if self.higher_is_closer else self.possible.low


@dataclass(frozen=True, kw_only=True, eq=False)
class Measure(Description, ABC):
    """A measure of two tables that follows from the products of their rows.

    Attributes:
        growth: the power of the number of words with which it grows: 0, 1/2 for a distance, 1 for PIP.
        precision: of the products that it is taken from.
        of_word_pairs: whether it is a sum over pairs of words, so that a resample with copies is unbiased.
        permutable: whether it changes when the words of one table are permuted.
        options: makes the measure with other options; None where it has none.
    """

    growth: float = 0.0
    precision: Accumulation = "auto"
    of_word_pairs: bool = False
    permutable: bool = True
    options: Callable[..., Measure] | None = None

    def with_options(self, **options: Any) -> Measure:
        """Return the same measure with other options.

        Raises:
            ConfigError: the measure has no such option.
        """
        make = self.options or (lambda: self)
        return make(**enter_call(self.name, make, options)) if options else self

    def table(self, grams: Grams) -> PairTable:
        """Return the measure of every pair of runs, inside its range: rounding may carry it past an end.

        Args:
            grams: products prepared as ``preparation`` says; rows are read again where they have lost digits.
        """
        found = self.pair_table(grams)
        return replace(found, values=np.clip(found.values, self.possible.low, self.possible.high))

    def reason(self, grams: Grams, value: float) -> str:
        """Return why a value is missing, or says nothing; empty otherwise."""
        return self.missing if math.isnan(value) else ""

    @abstractmethod
    def pair_table(self, grams: Grams) -> PairTable:
        """Return the measure of every pair of runs, with rounding; see :meth:`table`."""

    @abstractmethod
    def of_products(self, grams: Grams) -> float:
        """Return the measure of the first two tables from products alone; NaN where these have lost it.

        Args:
            grams: raw products where the measure needs centered ones; they may have no rows.
        """

    def settled(self, given: NamedTables, grams: Grams) -> tuple[Measure, NamedTables, Rows]:
        """Return the measure, tables and rows from which intervals and nulls are taken.

        Args:
            given: the tables.
            grams: their products, prepared as ``preparation`` says.
        """
        return self, given, grams.source_rows()

    @abstractmethod
    def resampled(self, given: NamedTables, grams: Grams | None) -> tuple[PreparedPair, ValueOfSums]:
        """Return the rows that permutations and resamples sum, and the measure of such sums.

        Args:
            given: the tables.
            grams: their products, prepared as ``preparation`` says; None where there were none.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasureOfSums(Measure):
    """A measure of two tables that is a function of their sums where these keep enough digits."""

    @abstractmethod
    def value(self, sums: PairSums, own: OwnTerms | None = None) -> float:
        """Return the measure from sums; NaN where these have lost it.

        Args:
            sums: of the two tables.
            own: what copies of a word add to the sums of a resample; None where no word has a copy.
        """

    def of_products(self, grams: Grams) -> float:
        """Return the measure from products alone; see :meth:`Measure.of_products`."""
        return self.value((grams.centered() if self.preparation == "centered" else grams).pair(0, 1))

    def resampled(self, given: NamedTables, grams: Grams | None) -> tuple[PreparedPair, ValueOfSums]:
        """Return the prepared rows, and the measure of their sums."""
        return prepare_pair(given.where, given.tables[0], given.tables[1], self.preparation), self.value


@dataclass(frozen=True, kw_only=True, eq=False)
class SumsMeasure(MeasureOfSums):
    """A measure that never needs the rows again: a function of the sums of two tables.

    Attributes:
        of_sums: the function.
        error: bound of its error where the products are float32; None: they must be float64.
    """

    of_sums: Callable[[PairSums, OwnTerms | None], float]
    error: Callable[[PairSums, PairErrors], float] | None = None

    def pair_table(self, grams: Grams) -> PairTable:
        """Return the measure of every pair of runs; see :meth:`Measure.table`."""
        return PairTable.of(grams.table(self.value, self.error), grams.moved)

    def value(self, sums: PairSums, own: OwnTerms | None = None) -> float:
        """Return the measure of two tables; see :meth:`MeasureOfSums.value`."""
        return self.of_sums(sums, own)
