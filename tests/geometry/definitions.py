"""Definitions §2 and §4 as they are written down: dense, V×V where the formula says so, float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import orthogonal_procrustes

from gpuemb.core.arrays import Float64


def random_table(
    words: int = 40, dim: int = 5, seed: int = 0, *, offset: float = 0.5, dtype: Any = np.float64
) -> Any:
    """Rows with a common direction, as trained tables have one."""
    numbers = np.random.default_rng([seed, words, dim])
    return (numbers.standard_normal((words, dim)) + offset * numbers.standard_normal(dim)).astype(dtype)


def random_rotation(dim: int, seed: int = 0) -> Float64:
    """An orthogonal matrix."""
    return np.linalg.qr(np.random.default_rng([seed, dim]).standard_normal((dim, dim)))[0]


def cosines(x: Any) -> Float64:
    """The ``V×V`` cosines."""
    unit = np.float64(x) / np.linalg.norm(np.float64(x), axis=1, keepdims=True)
    return unit @ unit.T


def rsa(x: Any, y: Any) -> float:
    """Correlation of the cosines above the diagonals."""
    upper = np.triu_indices(len(x), 1)
    return float(np.corrcoef(cosines(x)[upper], cosines(y)[upper])[0, 1])


def centered_kernel(x: Any) -> Float64:
    """``H X Xᵀ H``."""
    words = len(x)
    center = np.eye(words) - np.full((words, words), 1 / words)
    return center @ (np.float64(x) @ np.float64(x).T) @ center


def cka(x: Any, y: Any) -> float:
    """``tr(KHLH)`` over the norms of the centered kernels."""
    kernel, other = centered_kernel(x), centered_kernel(y)
    return float(np.sum(kernel * other) / (np.linalg.norm(kernel) * np.linalg.norm(other)))


def pip(x: Any, y: Any) -> float:
    """``‖XXᵀ − YYᵀ‖``."""
    return float(np.linalg.norm(np.float64(x) @ np.float64(x).T - np.float64(y) @ np.float64(y).T))


def pip_of_difference(x: Float64, difference: Float64) -> float:
    """The same for ``Y = X + D``, without subtracting nearly equal products."""
    return float(np.linalg.norm(x @ difference.T + difference @ x.T + difference @ difference.T))


@dataclass(frozen=True)
class Procrustes:
    rotation: Float64
    distance: float
    singular: Float64


def procrustes(x: Any, y: Any) -> Procrustes:
    """SciPy's rotation and the distance that is left."""
    x, y = np.float64(x), np.float64(y)
    rotation, _ = orthogonal_procrustes(x, y)
    return Procrustes(
        rotation, float(np.linalg.norm(x @ rotation - y)), np.linalg.svd(x.T @ y, compute_uv=False)
    )


@dataclass(frozen=True)
class Map:
    """``x ↦ s (x − x̄) Q + ȳ``, the distance that is left and the length of Y, in long double."""

    rotation: Any
    scale: Any
    means: tuple[Any, Any]
    distance: Any
    length: Any


def best_map(
    x: Any,
    y: Any,
    *,
    scale: bool = False,
    center: bool = False,
    rotation_only: bool = False,
    weights: Any = None,
) -> Map:
    """Procrustes with its options; of unequal dimensions, of tables padded with zeros.

    The rotation is LAPACK's, made orthogonal to long double; its error changes the distance by its square.
    """
    counts = np.ones(len(x), np.longdouble) if weights is None else np.asarray(weights, np.longdouble)
    dim = max(x.shape[1], y.shape[1])
    x, y = (np.pad(np.longdouble(t), [(0, 0), (0, dim - t.shape[1])]) for t in (x, y))
    means = tuple(counts @ t / counts.sum() if center else np.zeros(dim, np.longdouble) for t in (x, y))
    a, b = (np.sqrt(counts)[:, None] * (t - mean) for t, mean in zip((x, y), means, strict=True))
    left, _, right = np.linalg.svd(np.float64(a.T @ b))
    if rotation_only and np.linalg.det(left @ right) < 0:
        right[-1] *= -1
    rotation = np.longdouble(left @ right)
    for _ in range(2):
        rotation = rotation @ (3 * np.eye(dim, dtype=np.longdouble) - rotation.T @ rotation) / 2
    factor = max(np.sum((a @ rotation) * b), 0) / np.sum(a**2) if scale else np.longdouble(1)
    distance = np.sqrt(np.sum((factor * a @ rotation - b) ** 2))
    return Map(rotation, factor, (means[0], means[1]), distance, np.sqrt(np.sum(b**2)))


def consensus(tables: Any, sweeps: int) -> tuple[Float64, Float64]:
    """Gower's own alternation from the rows: the mean, and each word's spread around it."""
    rotated = [np.float64(table) for table in tables]
    rotated = [rows @ orthogonal_procrustes(rows, rotated[0])[0] for rows in rotated]
    for _ in range(sweeps):
        mean = np.mean(rotated, axis=0)
        rotated = [rows @ orthogonal_procrustes(rows, mean)[0] for rows in rotated]
    mean = np.mean(rotated, axis=0)
    return mean, np.sqrt(np.mean([np.sum((rows - mean) ** 2, axis=1) for rows in rotated], axis=0))


def loss_around_mean(tables: Any, rotations: Any) -> float:
    """``Σ_s ‖X_s Q_s − M‖²``."""
    rotated = np.stack(
        [np.float64(table) @ rotation for table, rotation in zip(tables, rotations, strict=True)]
    )
    return float(np.sum((rotated - rotated.mean(axis=0)) ** 2))


def eigenvalues(x: Any) -> Float64:
    """Squared singular values of the table without its column means, descending."""
    centered = np.float64(x) - np.float64(x).mean(axis=0)
    return np.linalg.eigvalsh(centered.T @ centered)[::-1]


def aligned_cosines(x: Any, y: Any, rotation: Float64) -> Float64:
    """``cos(x_i Q, y_i)``."""
    turned, other = np.float64(x) @ rotation, np.float64(y)
    return np.sum(turned * other, axis=1) / (np.linalg.norm(turned, axis=1) * np.linalg.norm(other, axis=1))


def double_centered(kernel: Float64) -> Float64:
    """A kernel whose rows sum to 0 without its diagonal (Székely and Rizzo, 2014)."""
    words = len(kernel)
    hollow = kernel - np.diag(np.diag(kernel))
    rows = hollow.sum(axis=1) / (words - 2)
    centered = hollow - rows[:, None] - rows[None, :] + hollow.sum() / ((words - 1) * (words - 2))
    return centered - np.diag(np.diag(centered))


def debiased_cka(x: Any, y: Any) -> float:
    """The cosine between the two double-centered kernels."""
    kernel, other = (double_centered(np.float64(table) @ np.float64(table).T) for table in (x, y))
    return float(np.sum(kernel * other) / (np.linalg.norm(kernel) * np.linalg.norm(other)))


@dataclass(frozen=True)
class Span:
    """``U`` and the singular values of a table, over its numerical rank."""

    left: Float64
    singular: Float64


def centered(x: Any) -> Float64:
    """The rows without their mean, taken twice: what the rounding of the first left goes too."""
    rows = np.float64(x) - np.float64(x).mean(axis=0)
    return rows - rows.mean(axis=0)


def span(x: Float64) -> Span:
    """By the SVD of the rows."""
    left, singular, _ = np.linalg.svd(x, full_matrices=False)
    rank = int(np.sum(singular > max(x.shape) * np.finfo(np.float64).eps * singular[0]))
    return Span(left[:, :rank], singular[:rank])


def canonical(x: Any, y: Any) -> Float64:
    """Canonical correlations, descending."""
    return np.linalg.svd(span(centered(x)).left.T @ span(centered(y)).left, compute_uv=False)


def svcca(x: Any, y: Any, share: float = 0.99) -> float:
    """Mean correlation of the axes that hold the share of the variance."""
    kept = []
    for table in (x, y):
        found = span(centered(table))
        held = np.cumsum(found.singular**2) / np.sum(found.singular**2)
        kept.append(found.left[:, : int(np.searchsorted(held, share - 1e-13)) + 1])
    return float(np.linalg.svd(kept[0].T @ kept[1], compute_uv=False).mean())


def pwcca(x: Any, y: Any) -> float:
    """Directions of length V, and their products with every column of X."""
    first, second = span(centered(x)).left, span(centered(y)).left
    turn, correlations, _ = np.linalg.svd(first.T @ second, full_matrices=False)
    weights = np.abs((first @ turn).T @ centered(x)).sum(axis=1)
    return float(np.average(correlations, weights=weights))


def projector(x: Any) -> Float64:
    """The ``V×V`` projector on what the columns span."""
    left = span(np.float64(x)).left
    return left @ left.T


def eigenspace_overlap(x: Any, y: Any) -> float:
    """``tr(P P̃)`` over the larger rank."""
    first, second = projector(x), projector(y)
    return float(np.trace(first @ second) / max(np.trace(first), np.trace(second)))


def eigenspace_instability(x: Any, y: Any, anchors: Any = None, alpha: int = 3) -> float:
    """The formula as it is printed, with ``V×V`` matrices."""
    first, second = projector(x), projector(y)
    anchor, other = (np.float64(e) / np.linalg.norm(anchors[0] if anchors else x) for e in anchors or (x, y))
    sigma = np.linalg.matrix_power(anchor @ anchor.T, alpha) + np.linalg.matrix_power(other @ other.T, alpha)
    return float(np.trace((first + second - 2 * second @ first) @ sigma) / np.trace(sigma))


def fidelity(x: Any, y: Any) -> float:
    """``‖K^½ L^½‖_*`` of the centered ``V×V`` kernels."""
    roots = [(s.left * s.singular) @ s.left.T for s in (span(centered(x)), span(centered(y)))]
    return float(np.linalg.svd(roots[0] @ roots[1], compute_uv=False).sum())


def angular(x: Any, y: Any) -> float:
    """The angle whose cosine is the normalized fidelity."""
    lengths = np.linalg.norm(centered(x)) * np.linalg.norm(centered(y))
    return float(np.arccos(min(1.0, fidelity(x, y) / lengths)))


def bures(x: Any, y: Any) -> float:
    """``√(tr K + tr L − 2 fidelity)``."""
    traces = np.sum(centered(x) ** 2) + np.sum(centered(y) ** 2)
    return float(np.sqrt(traces - 2 * fidelity(x, y)))


def pip_per_word(x: Any, y: Any) -> Float64:
    """Lengths of the rows of ``XXᵀ − YYᵀ``."""
    return np.linalg.norm(np.float64(x) @ np.float64(x).T - np.float64(y) @ np.float64(y).T, axis=1)


def second_order_cosine(x: Any, y: Any) -> Float64:
    """Cosines of the rows of the two ``V×V`` cosine matrices."""
    first, second = cosines(x), cosines(y)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.sum(first * second, axis=1) / lengths


def iso_score(values: Float64) -> float:
    """IsoScore by the steps of Rudman (2022): a defect from the identity, then two rescalings."""
    dim = len(values)
    scaled = np.sqrt(dim) * values / np.linalg.norm(values)
    defect = np.linalg.norm(scaled - 1) / np.sqrt(2 * (dim - np.sqrt(dim)))
    used = (dim - defect**2 * (dim - np.sqrt(dim))) ** 2 / dim**2
    return float((dim * used - 1) / (dim - 1))
