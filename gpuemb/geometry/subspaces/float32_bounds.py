"""How far measures of spaces are off where the products are float32.

A measure of two spaces is a smooth function of ``G_X``, ``G_Y`` and C. Its first-order change is a sum of
traces, which the probes see (:mod:`gpuemb.geometry.grams.float32_bounds`); the rest is bounded by norms.
In the bases in which the tables are orthonormal the products change by no more than

    a = ‖ΔG_X‖/σ_min²(X),   b = ‖ΔG_Y‖/σ_min²(Y),   c = ‖ΔC‖/(σ_min(X) σ_min(Y)).

Nothing is promised unless all three are ``SMALL``. Then, between the products found and the true ones,
inverses stay below 1/0.9 and cosines below 1/0.9 + 0.2, and half the second derivative of a trace of inverses
and cosines is below ``REST`` times the square of the changes that it has.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from gpuemb.core.arrays import Array, namespace_of
from gpuemb.geometry.grams.float32_bounds import PairErrors
from gpuemb.geometry.subspaces.axes import Axes, Subspaces

SubspaceError: TypeAlias = Callable[[Subspaces, PairErrors], float]
SMALL = 0.1
REST = 4.0  # above (1/0.9)⁴·(1/0.9 + 0.2)² = 2.7
STEEP = 3.0  # from here on λ^(α − 1) and its first two derivatives are largest at the largest λ
EQUAL = 1e-6  # relative difference below which a slope is taken from the derivative


class _Pair:
    """Two tables in the bases of their axes, and what the probes see there.

    Attributes:
        x, y: the axes.
        cosines: ``(r, r')`` N.
        seen_x, seen_y, seen_cross: ``(r, k)`` ``VᵀR`` of both Grams' residuals and of the cross-Gram's.
        changes: a, b and c.
    """

    def __init__(self, spaces: Subspaces, errors: PairErrors) -> None:
        self.x, self.y = spaces.axes
        self.cosines, self._errors = spaces.cosines[0][1], errors
        self._turn = namespace_of(self.cosines).matrix_transpose
        self.seen_x = self._turn(self.x.directions) @ errors.x.residual
        self.seen_y = self._turn(self.y.directions) @ errors.y.residual
        self.seen_cross = self._turn(self.x.directions) @ errors.cross.residual
        last_x, last_y = (float(axes.singular[-1]) for axes in (self.x, self.y))
        norms = [errors.x.norm(), errors.y.norm(), errors.cross.norm()]
        parts = [last_x**2, last_y**2, last_x * last_y]
        self.changes = [n / part if part > 0 else math.inf for n, part in zip(norms, parts, strict=True)]

    @property
    def known(self) -> bool:
        """Whether changes are small enough for anything to be promised."""
        return all(change <= SMALL for change in self.changes)

    @property
    def back(self) -> Array:
        """``(r', r)`` Nᵀ."""
        return self._turn(self.cosines)

    def traces(self, x: Array, y: Array, cross: Array) -> float:
        """Bound of three traces, of gradients ``V_X B_X V_Xᵀ``, ``V_Y B_Y V_Yᵀ`` and ``V_X B V_Yᵀ``.

        Args:
            x: ``(r, k)`` ``B_Xᵀ`` times ``seen_x``.
            y: ``(r', k)`` ``B_Yᵀ`` times ``seen_y``.
            cross: ``(r', k)`` ``Bᵀ`` times ``seen_cross``.
        """
        left, right = self.x.directions, self.y.directions
        return self._errors.traces(left @ x, right @ y, right @ cross)


def overlap_error(spaces: Subspaces, errors: PairErrors) -> float:
    """Bound of the error of the eigenspace overlap ``‖N‖²/max(r, r')``; infinite where none is known."""
    if not spaces.exist:
        return math.inf
    pair = _Pair(spaces, errors)
    if not pair.known:
        return math.inf
    forth, back = pair.cosines, pair.back
    x, y = pair.x.singular[:, None], pair.y.singular[:, None]
    first = pair.traces(
        -(forth @ (back @ (pair.seen_x / x))) / x,
        -(back @ (forth @ (pair.seen_y / y))) / y,
        2 * (back @ (pair.seen_cross / x)) / y,
    )
    return (first + REST * sum(pair.changes) ** 2) / max(pair.x.rank, pair.y.rank)


def instability_error(alpha: float) -> SubspaceError:
    """Return the bound of the error of an instability whose anchors are the tables themselves.

    The value is ``1 − t/s`` with ``s = Σw``, ``t = Σw‖n‖²`` over the axes of both, ``w = (λ/λ_max)^α`` and n
    the cosines of an axis; infinite below α = 3, where small axes may count most.
    """

    def error(spaces: Subspaces, errors: PairErrors) -> float:
        if not spaces.exist or alpha < STEEP:
            return math.inf
        pair = _Pair(spaces, errors)
        return _instability_error(pair, alpha) if pair.known else math.inf

    return error


def _instability_error(pair: _Pair, alpha: float) -> float:
    xp = namespace_of(pair.cosines)
    largest = max(float(axes.singular[0]) for axes in (pair.x, pair.y))
    w_x, w_y = ((axes.singular[:, None] / largest) ** (2 * alpha) for axes in (pair.x, pair.y))
    forth, back = pair.cosines, pair.back
    whole = float(xp.sum(w_x)) + float(xp.sum(w_y))
    stays = (float(xp.sum(w_x * forth**2)) + float(xp.sum(w_y * back**2))) / whole  # t/s
    x, y = pair.x.singular[:, None], pair.y.singular[:, None]
    first = pair.traces(
        _own(pair.x, w_x, forth, w_y, alpha, stays) @ pair.seen_x,
        _own(pair.y, w_y, back, w_x, alpha, stays) @ pair.seen_y,
        -2 * (back @ (w_x / x * pair.seen_cross)) / y - 2 * (w_y / y * (back @ (pair.seen_cross / x))),
    )
    a, b, c = pair.changes
    rest = turned = 0.0
    for axes, weights, own, others in ((pair.x, w_x, a, b + c), (pair.y, w_y, b, a + c)):
        moved = own * float(axes.singular[-1] / axes.singular[0]) ** 2  # ‖ΔG‖/λ_1
        top, root = float(weights[0, 0]) * (1 + moved) ** alpha, math.sqrt(axes.rank)
        bent = (root * (alpha - 2) + alpha) * (alpha - 1) * moved**2
        rest += top * REST * ((others + (alpha - 1) * moved) ** 2 + bent)
        turned += top * alpha * root * moved
    lost = (turned + rest) / whole  # of s, at most
    return (first + rest) / whole / (1 - lost) if lost < 1 else math.inf


def _own(axes: Axes, weights: Array, cosines: Array, others: Array, alpha: float, stays: float) -> Array:
    """What an error of a table's own Gram does to ``t·ds/s − dt``, in the basis of its axes.

    Args:
        axes: of the table.
        weights: ``(r, 1)`` w of its axes.
        cosines: ``(r, r')`` of its axes and the other's.
        others: ``(r', 1)`` w of the other's.
        alpha: the power.
        stays: t/s.
    """
    xp = namespace_of(cosines)
    sigma = axes.singular[:, None]
    power = weights / sigma**2  # λ^(α − 1)
    length, slope = sigma * cosines, _slopes(sigma**2, power, alpha - 1)
    away = cosines / sigma
    grown = stays * alpha * power * xp.eye(axes.rank, dtype=cosines.dtype)
    turned: Array = away @ (others * xp.matrix_transpose(away))
    return grown + turned - slope * (length @ xp.matrix_transpose(length))


def _slopes(values: Array, powers: Array, exponent: float) -> Array:
    """Divided differences ``(r, r)`` of a power of λ, its derivative on the diagonal and beside it."""
    xp = namespace_of(values)
    gap = values - xp.matrix_transpose(values)
    derivative = exponent * powers / values
    near = xp.abs(gap) <= EQUAL * values
    rise = powers - xp.matrix_transpose(powers)
    middle = (derivative + xp.matrix_transpose(derivative)) / 2
    return xp.where(near, middle, rise / xp.where(near, xp.ones_like(gap), gap))
