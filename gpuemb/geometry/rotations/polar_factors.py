"""Polar factors of products of tables, whatever their shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Array, device_of, like, namespace_of, to_host
from gpuemb.geometry.grams.pair_sums import PairSums, Square
from gpuemb.kernels.polar import polar

BATCH_BYTES = 1 << 26  # of products that are decomposed at once


@dataclass(frozen=True, eq=False)
class PolarFactor:
    """The orthogonal matrix of largest ``tr(QᵀC)``.

    Attributes:
        rotation: ``(d, e)`` Q, in the library of C.
        singular: ``(min(d, e),)`` singular values of C, descending, in its library.
        rank: how many of them are above rounding.
        reflected: whether the last pair of singular vectors was flipped, so that Q has no reflection.
    """

    rotation: Array
    singular: Array
    rank: int
    reflected: bool = False

    @property
    def nuclear(self) -> float:
        """``tr(QᵀC)``: ``Σσ``, or ``Σσ − 2σ_min`` where a reflection was undone."""
        total = float(namespace_of(self.singular).sum(self.singular))
        return total - 2 * float(self.singular[-1]) if self.reflected else total


def polar_factors(crosses: Sequence[Array]) -> list[PolarFactor]:
    """Return the polar factor of every ``(d, e)`` matrix; those of one shape are decomposed together.

    Cost: one SVD of ``d × e`` a matrix.
    """
    by_shape: dict[tuple[int, int], list[int]] = {}
    for place, cross in enumerate(crosses):
        by_shape.setdefault((int(cross.shape[0]), int(cross.shape[1])), []).append(place)
    found: dict[int, PolarFactor] = {}
    for (rows, columns), places in by_shape.items():
        step = max(1, BATCH_BYTES // (8 * rows * columns))
        for start in range(0, len(places), step):
            batch = places[start : start + step]
            stacked = namespace_of(crosses[batch[0]]).stack([crosses[place] for place in batch])
            factors = polar.on(device_of(stacked))(stacked)
            rotations, singular = like(factors.rotation, stacked), like(factors.singular, stacked)
            for number, (place, rank) in enumerate(zip(batch, to_host(factors.rank).tolist(), strict=True)):
                found[place] = PolarFactor(rotations[number, ...], singular[number, ...], rank)
    return [found[place] for place in range(len(crosses))]


@threads.single_threaded_blas()
def without_reflection(cross: Array, found: PolarFactor) -> PolarFactor:
    """Where Q reflects, mirror it along the left singular vector ``u`` of the smallest value: ``Q − 2uuᵀQ``.

    With Q's own partner of ``u`` the result is orthogonal even where ``u`` is one of many.
    """
    xp = namespace_of(cross)
    if float(xp.linalg.det(found.rotation)) > 0:
        return found
    last = xp.linalg.svd(cross)[0][:, -1:]
    mirrored = found.rotation - 2 * last @ (xp.matrix_transpose(last) @ found.rotation)
    return replace(found, rotation=mirrored, reflected=True)


def nuclear_norm(sums: PairSums, *, rotation_only: bool = False) -> float:
    """Return ``‖C‖_*``; less twice the smallest singular value where the best map reflects and may not."""
    cross = to_host(sums.cross)
    singular = np.linalg.svd(cross, compute_uv=False)
    reflects = rotation_only and np.linalg.slogdet(cross)[0] < 0
    return float(singular.sum()) - (2 * float(singular[-1]) if reflects else 0.0)


def squared_procrustes(squared_x: float, squared_y: float, nuclear: float, *, scale: bool = False) -> Square:
    """Return the squared Procrustes distance from ``‖X‖²``, ``‖Y‖²`` and ``‖C‖_*``."""
    if not scale:
        return Square(squared_x + squared_y - 2 * nuclear, squared_x + squared_y)
    return Square(squared_y - max(0.0, nuclear) * best_scale(squared_x, nuclear), squared_y)


def best_scale(squared_x: float, nuclear: float) -> float:
    """Return ``‖C‖_*/‖X‖²``; 0 where to scale would be to reflect (in one dimension only), or without X."""
    return max(0.0, nuclear) / squared_x if squared_x > 0 else 0.0
