"""Entropy and mutual information of counts."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.core.checks import check_choice
from gpuemb.core.results import result
from gpuemb.counts.pmi import pmi, rows_of
from gpuemb.counts.table import CountTable

InformationUnit: TypeAlias = Literal["nat", "bit"]
NATS = {"nat": 1.0, "bit": math.log(2)}  # in one unit


@result(eq=True)
class Information:
    """An amount of information.

    Attributes:
        value: the amount; NaN without counts.
        unit: ``nat`` or ``bit``.
    """

    value: float
    unit: InformationUnit

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return f"{self.value:.6g} {self.unit}"


@result
class ContextEntropies:
    """Entropy of each word's contexts.

    Attributes:
        values: ``(V,)`` entropy of ``P(· | i)``; NaN for a word without contexts.
        unit: ``nat`` or ``bit``.
    """

    values: Float64
    unit: InformationUnit


def entropy(counts: CountTable, *, unit: InformationUnit = "nat") -> Information:
    """``−Σ P(i) log P(i)`` over the words' marginals ``X_i / X_··``.

    Cost: one logarithm a word. Source: Shannon (1948); Definitions §1.
    """
    check_choice("entropy", "unit", unit, tuple(NATS))
    if not counts.total:
        return Information(math.nan, unit)
    shares = counts.row_sums[counts.row_sums > 0] / counts.total
    return Information(abs(float(-(shares * np.log(shares)).sum())) / NATS[unit], unit)


def context_entropies(counts: CountTable, *, unit: InformationUnit = "nat") -> ContextEntropies:
    """``−Σ_j P(j|i) log P(j|i)`` of every word ``i``.

    Cost: one logarithm a stored pair. Source: Shannon (1948); Definitions §1.
    """
    check_choice("context_entropies", "unit", unit, tuple(NATS))
    rows = rows_of(counts)
    shares = counts.rows.data / counts.row_sums[rows]
    sums = np.bincount(rows, shares * np.log(shares), minlength=len(counts.vocabulary))
    return ContextEntropies(np.where(counts.row_sums > 0, np.abs(sums) / NATS[unit], np.nan), unit)


def mutual_information(counts: CountTable, *, unit: InformationUnit = "nat") -> Information:
    """``Σ_ij P(i,j) log(P(i,j) / (P(i) P(j)))``: the information of a word about its contexts.

    Cost: one logarithm a stored pair. Source: Shannon (1948); Definitions §1.
    """
    check_choice("mutual_information", "unit", unit, tuple(NATS))
    if not counts.total:
        return Information(math.nan, unit)
    terms = counts.rows.data / counts.total * pmi(counts).matrix.data
    return Information(float(terms.sum()) / NATS[unit], unit)
