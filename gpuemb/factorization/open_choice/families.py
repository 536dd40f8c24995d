"""Tables of vectors that a product of two factors cannot tell apart, as families along one number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Array, Float64, device_of, library_of, native, to_host
from gpuemb.core.checks import LARGEST_FOURTH_POWER, check_matrix, check_range, check_same_device
from gpuemb.core.device import require
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.embeddings.model import EmbeddingStack, named_table, vectors_of, words_of
from gpuemb.factorization.factors import Factors

Weights: TypeAlias = Callable[[float], Float64]
SPREAD = 1e30  # of the weights of the axes: lighter ones count so, and squares stay inside float64


@dataclass(frozen=True, eq=False)
class Family:
    """One way to multiply the axes of a table.

    Attributes:
        name: what is multiplied, as a formula.
        parameter: name of its number.
        ends: least and largest value of it.
        weights: ``(k,)`` of each axis for a value.
    """

    name: str
    parameter: str
    ends: tuple[float, float]
    weights: Weights


@dataclass(frozen=True, eq=False)
class Families:
    """A table, and the families of tables that are as good as it.

    Attributes:
        given: ``(p, k)`` the table, native float64.
        axes: ``(p, r)`` its axes; a family's table is these times its weights.
        every: the families.
        names: of the rows, where they are known.
    """

    given: Array
    axes: Array
    every: Sequence[Family]
    names: Sequence[str] | None

    def table(self, family: Family, value: float) -> Array:
        """``(p, r)`` the table of a family at a value; rows of zeros stay so."""
        xp = library_of(self.axes)
        weights = family.weights(value)
        return self.axes * xp.asarray(weights / weights.max())


def families_of(where: str, x: Any, other: Any, power: float) -> Families:
    """Return the families of factors, of a table with its counterpart, or of a table alone.

    Raises:
        ConfigError: factors of objective 2, no axis, or a power that is not above 0.
        ShapeError: tables of different widths.
    """
    if isinstance(x, Factors):
        return _of_factors(where, x)
    x = named_table(x)
    table, names = _checked(where, "x", x), words_of(x)
    if other is None:
        return _of_one(where, table, names, power)
    return _of_two(where, table, _checked(where, "other", other), names)


def _checked(where: str, name: str, x: Any) -> Array:
    if isinstance(x, EmbeddingStack):
        raise ShapeError(
            f"{where}: {name} is a stack of {len(x)} runs",
            needed="One table is measured at a time.",
            remedy=f"[{where}(run) for run in stack]",
        )
    table = check_matrix(where, name, vectors_of(x), words_of(x))
    check_range(where, name, table, LARGEST_FOURTH_POWER)
    table = native(table)
    plan = {"float64 copies": 4 * buffer(table.shape, np.float64)}
    require(MemoryPlan(where, plan), device_of(table))
    return table.astype(np.float64)


def _of_factors(where: str, factors: Factors) -> Families:
    if factors.objective != 1:
        raise ConfigError(
            f"{where}: factors of objective {factors.objective}",
            needed="Objective 2 is unique up to rotation: its cosines are not ambiguous.",
            remedy="factors.at(objective=1), or ambiguity(factors.items, factors.users) for two factors.",
        )
    kept = factors.shrinkage > 0
    _check_axes(where, int(kept.sum()))
    shrinkage, values = factors.shrinkage[kept], factors.singular_values[kept]
    items, vectors = native(factors.items), factors.spectrum.vectors[:, : factors.rank]
    xp = library_of(items)
    axes = xp.where((items != 0).any(axis=1, keepdims=True), vectors[:, xp.asarray(kept)], 0.0)
    every = (
        Family("D = s^t", "t", (-1.0, 1.0), lambda t: _powers((shrinkage, 0.5 - t))),
        Family("D = σ^t", "t", (-1.0, 1.0), lambda t: _powers((shrinkage, 0.5), (values, -t))),
    )
    return Families(items, axes, every, factors.item_names)


def _of_one(where: str, table: Array, names: Sequence[str] | None, power: float) -> Families:
    """``W = U Σ^power`` alone: ``U Σ^p`` for p from 0 to 1."""
    if not 0 < power <= 1:
        raise ConfigError(
            f"{where}: power = {power}",
            needed="A table of a spectral embedding is UΣ^power with a power above 0, and at most 1.",
            remedy="power=0.5 is that of PPMISVD; of a power of 0 nothing tells Σ.",
        )
    vectors, values = _left(table)
    _check_axes(where, len(values))
    family = Family("UΣ^p", "p", (0.0, 1.0), lambda p: _powers((values, p / power)))
    return Families(table, vectors, (family,), names)


def _of_two(where: str, table: Array, other: Array, names: Sequence[str] | None) -> Families:
    """The singular vectors of ``table otherᵀ``, which is never made."""
    check_same_device(where, {"x": table, "other": other})
    if table.shape[1] != other.shape[1]:
        raise ShapeError(
            f"{where}: x has {table.shape[1]} dimensions but other has {other.shape[1]}",
            needed="The two factors of a product have the same dimensions.",
            remedy="Pass the vectors of items and of users, or of words and of contexts, of one model.",
        )
    xp = library_of(table)
    with threads.single_threaded_blas():
        first, small = xp.linalg.qr(table)
        second = xp.linalg.qr(other)[1]
        left, values, _ = xp.linalg.svd(small @ second.T)
    values = to_host(values)
    kept = int((values > _least(values, table.shape)).sum())
    _check_axes(where, kept)
    vectors = first @ left[:, :kept]
    vectors[~(table != 0).any(axis=1)] = 0.0
    sigma = values[:kept]
    family = Family("D = σ^t", "t", (-1.0, 1.0), lambda t: _powers((sigma, 0.5 - t)))
    return Families(table, vectors, (family,), names)


def _powers(*factors: tuple[Float64, float]) -> Float64:
    """Product of powers, each axis over the largest: those far below count as the least."""
    logs = sum(power * np.log(values) for values, power in factors)
    assert isinstance(logs, np.ndarray)
    found: Float64 = np.exp(np.maximum(logs - logs.max(), -np.log(SPREAD)))
    return found


def _left(table: Array) -> tuple[Array, Float64]:
    """Left singular vectors and singular values of a thin table, without rounding's axes."""
    xp = library_of(table)
    with threads.single_threaded_blas():
        first, small = xp.linalg.qr(table)
        left, values, _ = xp.linalg.svd(small)
    values = to_host(values)
    kept = int((values > _least(values, table.shape)).sum())
    vectors = first @ left[:, :kept]
    vectors[~(table != 0).any(axis=1)] = 0.0
    return vectors, values[:kept]


def _least(values: Float64, shape: tuple[int, ...]) -> float:
    return max(shape) * float(np.finfo(np.float64).eps) * float(values.max(initial=0.0))


def _check_axes(where: str, axes: int) -> None:
    if axes == 0:
        raise ConfigError(
            f"{where}: no axis is kept",
            needed="A table without a single number but 0 has no cosines.",
            remedy="Check the table, or lower the penalty.",
        )


def grid(family: Family, steps: int) -> Float64:
    """Values of a family's number, both ends included."""
    found: Float64 = np.linspace(*family.ends, steps)
    return found
