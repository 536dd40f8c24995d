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
