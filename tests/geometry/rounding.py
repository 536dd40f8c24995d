"""How far a measure of geometry may be from its definition, from the sums it is made of.

Both sides are sums of ``V`` or ``d`` products in float64. A sum of n terms errs by at most
``n·eps/2·Σ|terms|``; ``SAFETY`` covers the handful of such sums (and the definition's own) in a measure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry.definitions import centered, cosines, double_centered, span
from tolerances import EPS64, SAFETY

PROMISED = 1e-6  # relative, for distances of tables however near each other they are (Definitions §2)


def _terms(x: Any, y: Any) -> int:
    return len(x) + x.shape[1] + y.shape[1]


def rsa_error(x: Any, y: Any) -> float:
    """``r`` divides means of squares (at most m) by variances (at least v): ``eps·terms·m/v``."""
    upper = np.triu_indices(len(x), 1)
    entries = [cosines(table)[upper] for table in (x, y)]
    mean_square = max(float(np.mean(e**2)) for e in entries) + 1 / (len(x) - 1)  # the diagonal is subtracted
    return SAFETY * EPS64 * _terms(x, y) * mean_square / min(float(e.var()) for e in entries)


def cka_error(x: Any, y: Any) -> float:
    """A centered Gram errs by ``eps·V·‖X‖²`` of the raw rows; relative to its own norm."""

    def relative(table: Any) -> float:
        raw = np.float64(table)
        centered = raw - raw.mean(axis=0)
        return float(np.linalg.norm(raw) ** 2 / np.linalg.norm(centered.T @ centered))

    return SAFETY * EPS64 * _terms(x, y) * max(relative(x), relative(y))


def squared_error(x: Any, y: Any) -> float:
    """Absolute error of a squared distance that is subtracted from squared lengths."""
    return SAFETY * EPS64 * _terms(x, y) * float(np.linalg.norm(x) ** 2 + np.linalg.norm(y) ** 2)


def squared_pip_error(x: Any, y: Any) -> float:
    """The same for the squared PIP loss, subtracted from squared Gram norms."""
    return SAFETY * EPS64 * _terms(x, y) * float(np.linalg.norm(x) ** 4 + np.linalg.norm(y) ** 4)


def vanished_distance(x: Any) -> float:
    """What is left of a distance of 0: every entry of ``XQ`` is rounded, Q is orthogonal to ``d·eps``."""
    return SAFETY * EPS64 * x.shape[1] * float(np.linalg.norm(x))


def vanished_pip(x: Any) -> float:
    """What is left of a PIP loss that is 0, by the same reasons."""
    return SAFETY * EPS64 * x.shape[1] * float(np.linalg.norm(x)) ** 2


def rotation_error(singular: Any, x: Any, y: Any) -> float:
    """A polar factor turns by (error of ``XᵀY``) / (smallest singular value)."""
    return SAFETY * EPS64 * _terms(x, y) * float(np.linalg.norm(x) * np.linalg.norm(y) / singular[-1])


def eigenvalue_error(x: Any) -> float:
    """Eigenvalues move by at most the error of the centered Gram: ``eps·V·‖X‖²``."""
    return SAFETY * EPS64 * (len(x) + x.shape[1]) * float(np.linalg.norm(x)) ** 2


def debiased_error(x: Any, y: Any) -> float:
    """HSIC₁ is what cancellation leaves of squared Gram norms; relative to its own size."""

    def relative(table: Any) -> float:
        kernel = np.float64(table) @ np.float64(table).T
        return float(np.linalg.norm(kernel) / np.linalg.norm(double_centered(kernel))) ** 2

    return SAFETY * EPS64 * _terms(x, y) * (relative(x) + relative(y))


def span_error(x: Any, y: Any, *, recomputed: bool, mean: bool) -> float:
    """Orthonormal axes from a Gram err by ``c·eps·condition²``, from the thin QR by ``c·eps·condition``.

    A Gram that was centered has the length of its mean to err by. The definition's SVD errs as the QR.
    """

    def condition(table: Any) -> float:
        rows = centered(table) if mean else np.float64(table)
        last = float(span(rows).singular[-1])
        return float(np.linalg.norm(np.float64(table)) if not recomputed else np.linalg.norm(rows)) / last

    power = 1 if recomputed else 2
    return SAFETY * EPS64 * _terms(x, y) * (condition(x) ** power + condition(y) ** power)


def fidelity_error(x: Any, y: Any) -> float:
    """A nuclear norm sums ``min(d, d')`` singular values of a product of the raw lengths."""
    return SAFETY * EPS64 * _terms(x, y) * float(np.linalg.norm(x) ** 2 + np.linalg.norm(y) ** 2)


def word_error(x: Any, y: Any) -> Any:
    """Squared PIP of a word is subtracted from ``x_iᵀ G x_i``, at most ``‖x_i‖²‖X‖²``."""
    sizes = [np.sum(np.float64(t) ** 2, axis=1) * np.linalg.norm(np.float64(t)) ** 2 for t in (x, y)]
    return SAFETY * EPS64 * _terms(x, y) * (sizes[0] + sizes[1])


def triangle_word_error(x: Any, y: Any) -> Any:
    """The triangle's own road subtracts lengths, not squares."""
    return np.sqrt(word_error(x, y) * SAFETY * EPS64 * _terms(x, y))
