"""The axes of largest variance of one table, and how they are turned to those of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix, Int64, to_host
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.geometry.grams.build import pair_grams, pair_sums
from gpuemb.geometry.grams.thin_qr import column_means, over_tiles
from gpuemb.kernels.gram import BLOCK_ROWS

EPS = 2.0**-52


@dataclass(frozen=True, eq=False)
class Axes:
    """All axes of a table, by variance.

    Attributes:
        values: ``(d,)`` eigenvalues of the centered Gram, descending, none negative.
        loadings: ``(d, d)`` unit vectors in rows; the largest entry of each, of equal ones the first, is
            positive.
        mean: ``(d,)`` of the rows.
    """

    values: Float64
    loadings: Float64
    mean: Float64

    @classmethod
    def of(cls, where: str, table: FloatMatrix, name: str = "the table") -> Axes:
        """Find the axes of a table of the host.

        Raises:
            ShapeError: its rows are all equal.
        """
        gram = to_host(pair_grams(where, [table], "centered", "float64", (name,)).block(0, 0))
        with threads.single_threaded_blas():
            values, vectors = np.linalg.eigh(gram)
        values, loadings = np.maximum(values[::-1], 0.0), vectors.T[::-1]
        if values[0] == 0:
            raise ShapeError(
                f"{where}: the rows of {name} are all equal",
                needed="A map shows how words differ.",
                remedy="Check that the right table was given.",
            )
        largest = np.abs(loadings).argmax(axis=1)
        signs = np.where(loadings[np.arange(len(loadings)), largest] < 0, -1.0, 1.0)
        return cls(values, loadings * signs[:, None], np.asarray(column_means(table)))

    @property
    def rank(self) -> int:
        """How many axes have a variance that stands out of rounding."""
        return int(np.sum(self.values > len(self.values) * EPS * self.values[0]))

    def check(self, where: str, k: int, name: str = "the table") -> Axes:
        """Return the axes, if at least ``k`` have a variance.

        Raises:
            ConfigError: they have not.
        """
        if k > self.rank:
            raise ConfigError(
                f"{where}: k = {k} axes, but {name} varies in {self.rank} directions",
                needed="An axis without variance could point anywhere.",
                remedy=f"Give k={self.rank}.",
            )
        return self

    def scores(self, table: FloatMatrix, k: int) -> Float64:
        """Return ``(V, k)`` places of the rows on the first axes."""
        turn = np.ascontiguousarray(self.loadings[:k].T)

        def some(cut: tuple[int, int]) -> Float64:
            rows: Float64 = (np.asarray(table[cut[0] : cut[1]], np.float64) - self.mean) @ turn
            return rows

        return np.concatenate(list(over_tiles(some, table, BLOCK_ROWS)))

    def groups(self, k: int, near: float) -> tuple[Int64, bool]:
        """Number the groups of nearly equal variances among the first axes; whether the last one goes on.

        Args:
            k: how many axes.
            near: neighbors whose variances differ by less than this share of the larger one are one group.
        """
        gaps = self.values[:k] - np.append(self.values, 0.0)[1 : k + 1]
        apart = gaps >= near * self.values[:k]
        numbers = np.concatenate([[0], np.cumsum(apart[:-1])]).astype(np.int64)
        return numbers, k < self.rank and not bool(apart[-1])


@dataclass(frozen=True, eq=False)
class TurnedAxes:
    """The first axes of a run, turned to those of the map.

    Attributes:
        explained: ``(k,)`` share of the run's variance, by its own axes.
        scores: ``(V, k)`` of its words.
        loadings: ``(k, d)``.
        agreement: ``(k,)`` cosine between the scores of the run and of the map.
    """

    explained: Float64
    scores: Float64
    loadings: Float64
    agreement: Float64


def turned(where: str, name: str, table: FloatMatrix, onto: Float64, groups: Int64) -> TurnedAxes:
    """Turn the axes of a run to the scores of a map: by signs, within groups by the best rotation.

    Args:
        where: the function that was called.
        name: of the run.
        table: ``(V, d)``.
        onto: ``(V, k)`` scores of the map.
        groups: ``(k,)`` of its axes.

    Source: Schönemann (1966), of the axes of each group.
    """
    k = onto.shape[1]
    own = Axes.of(where, table, name).check(where, k, name)
    scores = own.scores(table, k)
    cross = to_host(pair_sums(where, scores, onto, "raw").cross)
    turn = np.zeros((k, k))
    with threads.single_threaded_blas():
        for group in np.unique(groups):
            (axes,) = np.nonzero(groups == group)
            left, _, right = np.linalg.svd(cross[np.ix_(axes, axes)])
            turn[np.ix_(axes, axes)] = left @ right
        scores = scores @ turn
        loadings = turn.T @ own.loadings[:k]
        common = np.sum(turn * cross, axis=0)  # diagonal of turnᵀ cross
    lengths = np.sqrt(np.sum(scores**2, axis=0) * np.sum(onto**2, axis=0))
    return TurnedAxes(own.values[:k] / own.values.sum(), scores, loadings, np.clip(common / lengths, -1, 1))
