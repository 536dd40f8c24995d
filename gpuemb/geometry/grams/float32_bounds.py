"""Bounds of the error of float32 products, from a few Gaussian probes.

A pass in float32 also takes ``E_sᵀE_t W`` in float64, W of k Gaussian columns. With the product ``C`` that
was found, ``R = CW − E_sᵀE_tW`` is ``ΔC W``: the error of ``C`` itself, times W. For any fixed B

    tr(BᵀΔC) = T ± SPREAD·‖BᵀR‖/√k,   T = tr((BW)ᵀR)/k,   and   ‖ΔC‖ ≤ SPREAD·‖R‖/√k.

Both are means over the k draws: ``E T = tr(BᵀΔC)``, ``E‖R‖²/k = ‖ΔC‖²``. They fail where W happens to miss
``ΔC``, at worst when it has rank one: then ``k‖BᵀR‖²/(k‖BᵀΔC‖²)`` is χ² with k = 4 degrees of freedom, below
``4/SPREAD²`` in one draw of 1,000. W is one fixed draw from a stream of its own, for all tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from gpuemb.core.arrays import Array, namespace_of

SPREAD = 6.64  # 1 − e^(−x)(1 + x) = 0.001 at x = 2/SPREAD²: χ² with 4 degrees of freedom


@dataclass(frozen=True, eq=False)
class Probed:
    """One float32 product and the probes of its error.

    Attributes:
        product: ``(d, e)`` as it was found.
        probes: ``(e, k)`` W.
        image: ``(d, k)`` the true product times W.
    """

    product: Array
    probes: Array
    image: Array

    @cached_property
    def residual(self) -> Array:
        """``ΔC W``."""
        found: Array = self.product @ self.probes - self.image
        return found

    def norm(self) -> float:
        """Bound of ``‖ΔC‖``."""
        return float(SPREAD * _norm(self.residual) / math.sqrt(self.probes.shape[1]))

    def trace(self, other: Array) -> float:
        """Bound of ``|tr(otherᵀΔC)|``."""
        return _bound(other.T @ self.residual, self.probes)

    def square(self) -> float:
        """Bound of the error of ``‖C‖²``."""
        return 2 * self.trace(self.product) + self.norm() ** 2

    def nuclear(self, rotation: Array, smallest: float) -> float:
        """Bound of the error of ``‖C‖_*``, ``rotation`` its polar factor, ``smallest`` its last σ.

        The norm is convex: its change lies between ``tr(QᵀΔC)`` of both rotations Q, which differ by
        ``2‖ΔC‖/2σ`` or less (Higham, Functions of Matrices, §8.2), and by ``2√d`` at most.
        """
        change = self.norm()
        rotation_change = min(change / smallest if smallest > 0 else math.inf, 2 * math.sqrt(len(rotation)))
        return self.trace(rotation) + rotation_change * change

    def rotation(self, smallest: float) -> float:
        """Bound of ``‖δQ‖``, of the polar factor: ``2‖ΔC‖/(σ + σ)`` of the smallest σ."""
        return self.norm() / smallest if smallest > 0 else math.inf


@dataclass(frozen=True, eq=False)
class PairErrors:
    """The float32 products of one pair: XᵀX, YᵀY, XᵀY."""

    x: Probed
    y: Probed
    cross: Probed

    def traces(self, x: Array, y: Array, cross: Array) -> float:
        """Bound of ``|tr(B_XᵀΔG_X) + tr(B_YᵀΔG_Y) + tr(BᵀΔC)|``.

        Tables of one width have the same probes: then one bound holds for the sum of all three.

        Args:
            x: ``(d, k)`` ``B_XᵀR`` with the residual of ``x``.
            y: ``(e, k)`` the same of ``y``.
            cross: ``(e, k)`` the same of ``cross``.
        """
        if x.shape[0] == y.shape[0]:
            return _bound(x + y + cross, self.y.probes)
        return _bound(x, self.x.probes) + _bound(y + cross, self.y.probes)

    def pip(self) -> float:
        """Bound of the error of ``‖XXᵀ − YYᵀ‖² = ‖G_X‖² + ‖G_Y‖² − 2‖C‖²``."""
        x, y, cross = self.x, self.y, self.cross
        first = self.traces(
            x.product @ x.residual, y.product @ y.residual, -2 * (cross.product.T @ cross.residual)
        )
        return 2 * first + x.norm() ** 2 + y.norm() ** 2 + 2 * cross.norm() ** 2

    def squares(self) -> tuple[float, float, float]:
        """Bounds of the errors of ``‖G_X‖²``, ``‖G_Y‖²`` and ``‖C‖²``."""
        return self.x.square(), self.y.square(), self.cross.square()


def _bound(image: Array, vectors: Array) -> float:
    """Bound of ``|tr M|``, from its product with the probes, ``MW``, and W."""
    draws = int(vectors.shape[1])
    mean = float(namespace_of(image).sum(vectors * image)) / draws
    return abs(mean) + SPREAD * _norm(image) / math.sqrt(draws)


def _norm(x: Array) -> float:
    squares: float = float(namespace_of(x).sum(x**2))
    return math.sqrt(squares)
