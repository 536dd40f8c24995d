"""How far a floating result may be from its oracle: every bound with its derivation.

``u = eps/2`` is the rounding of one operation. A sum of n terms errs by at most ``n·u·Σ|terms|``; independent
roundings add like a random walk, so an honest sum errs by about ``√n·u·Σ|terms|``. ``SAFETY`` is the walk's
sixteen standard deviations (``8·eps = 16·u``): a correct program stays far below, a lost digit does not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

EPS32, EPS64 = float(np.finfo(np.float32).eps), float(np.finfo(np.float64).eps)
SAFETY = 8.0
LANES = 16


def assert_same_bits(found: NDArray[Any], expected: NDArray[Any]) -> None:
    """No tolerance at all: dtype, shape and every bit, NaN and the sign of zero included."""
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)  # tells where
    assert found.tobytes() == expected.tobytes()


def assert_within(found: Any, expected: Any, bound: Any) -> None:
    """Every ``|found − expected| ≤ bound``, entry by entry."""
    excess = np.abs(np.asarray(found) - np.asarray(expected)) - np.asarray(bound)
    assert np.all(excess <= 0), f"the bound {np.max(bound)} is passed by {np.max(excess)}"


def sum_error(terms: int, magnitude: Any, eps: float = EPS64) -> Any:
    """``c·eps·√terms`` of the sum of the terms' absolute values."""
    return SAFETY * eps * math.sqrt(terms) * np.asarray(magnitude)


def cosine_error(dim: int) -> float:
    """Proved bound of the score of Definitions §3 against the true cosine.

    A lane adds ``⌈d/16⌉`` products and the tree four times: n roundings, so the dot product errs by at most
    ``n·u·‖x‖‖y‖`` and each length by ``(n/2 + 1)·u`` of itself; one product and one quotient follow:
    ``(2n + 4)·u``, and one more for the terms of second order.
    """
    roundings = -(-dim // LANES) + int(math.log2(LANES))
    return (2 * roundings + 5) * EPS64 / 2


def orthogonality_error(dim: int) -> float:
    """``max|QᵀQ − I|`` of a product of two LAPACK factors: each entry sums d products."""
    return SAFETY * dim * EPS64


def singular_error(dim: int, largest: float) -> float:
    """Singular values are backward stable: ``|δσ| ≤ p(d)·eps·σ₁``, p linear."""
    return SAFETY * dim * EPS64 * largest


def polar_error(dim: int, largest: float, smallest: float) -> float:
    """``‖δQ‖ ≤ 2‖δC‖/(σ_min + σ_min)`` (Higham, Functions of Matrices, §8.2) with ``‖δC‖ ≤ p(d)·eps·σ₁``."""
    return SAFETY * dim * EPS64 * largest / smallest


def rotation_error(shape: tuple[int, ...], singular: Any) -> float:
    """``‖δQ‖₂ ≤ 2‖δC‖/(σ_min + σ_next)`` of a real polar factor (Higham, Functions of Matrices, §8.2).

    ``σ_next`` is the second smallest; where the sides differ it counts as ``σ_min``. Every product adds
    √d roundings to C, and the walk over the steps is the safety: ``‖δC‖ ≤ 8·√d·eps·σ₁``.
    """
    smallest = singular[-1]
    following = singular[-2] if shape[0] == shape[1] and len(singular) > 1 else smallest
    change = SAFETY * math.sqrt(max(shape)) * EPS64 * singular[0]
    return float(2 * change / (smallest + following))


def small_rotation_error(singular: Any, largest: float) -> float:
    """‖δQ‖ of a polar factor in the directions of small singular values, from two products alone.

    The block ``UᵀCW`` errs by a walk of ``e = eps·σ₁/d`` an entry, and the factor turns by the skew part
    over ``σ_i + σ_j``: ``‖δQ‖² = Σ 2e²/(σ_i + σ_j)²``. Summed over all pairs little is left to chance: half
    of ``SAFETY`` do.
    """
    entry = EPS64 * largest / len(singular)
    return float(SAFETY / 2 * entry * np.sqrt(np.sum(2 / np.add.outer(singular, singular) ** 2)))


def glove_error(dim: int, visits: int, magnitude: float) -> float:
    """Float32 drift of one coordinate in an epoch.

    Every visit computes an error from ``d + 4`` terms (``√(d+4)·eps`` of the largest) and moves the
    coordinate by a multiple of it; the busiest word is visited ``visits`` times, and the walks add.
    """
    return SAFETY * EPS32 * math.sqrt((dim + 4) * visits) * magnitude


def skipgram_drift(dim: int, visits: int, magnitude: float) -> float:
    """Float32 drift of one coordinate of skip-gram.

    Every visit adds steps from dot products of ``d`` terms (``√d·eps`` of the squared largest coordinate)
    times a coordinate, at a rate below 1; the busiest word is visited ``visits`` times, and the walks add.
    """
    scale = max(1.0, magnitude)
    return SAFETY * EPS32 * math.sqrt((dim + 4) * visits) * scale**3
