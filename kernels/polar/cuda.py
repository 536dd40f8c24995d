"""Polar factors on a GPU: batched float64 matrix products alone, no decomposition.

    X ← X (a I − b XᵀX)      2 products, 4·n·m² flops of an n × m matrix (n ≥ m) a step

Plan      Every singular value σ goes to β s(ασ), s(x) = (3x − x³)/2: of all odd cubics the one that takes
          [low, high] closest to 1. ``high`` is proved by the Frobenius norm of XᵀX. ``low`` is proved too as
          soon as XᵀX is within 1 of a multiple of I; before, it is a guess, ``WIDEST`` of ``high``,
          which the same norm refutes where it is wrong, and which is then renewed. A σ below ``low`` still
          grows, by 2.5 a step at first. A matrix leaves the batch when it has converged; no number
          depends on another matrix. Singular values: the eigenvalues of QᵀC.
Bound by  the products. Counted with NumPy at d = 300 for geometric σ (d = 50 differs by 4 at most):
              condition   1   1e1   1e2   1e4   1e6   1e8  1e10  1e12
              products    2    20    24    34    48    56    70    78
          At 34 products that is 68·d³ flops. What cuSOLVER's eigenvalues (syevjBatched) add, and every
          second of this file, is not measured on a GPU yet.
Error     in units of eps·σ₁/(σ_min + σ_next), NumPy, conditions 1 to 1e12: at most that of LAPACK's SVD
          where several σ are small; where one is, 50 against 16 (d = 300), 27 against 10 (d = 50),
          11 against 2 (d = 2). A wider interval would take fewer steps and lose digits: its cubic
          takes the largest σ down to the smallest.
Fallback  SVDs, one by one: matrices of short rank, and those not converged after ``LIMIT`` steps (condition
          above 1e13). ``taken`` is 0 there.
Limits    A matrix has the same bits in any batch as far as ``matmul`` keeps them: NumPy does, cuBLAS may
          choose another kernel for another number of matrices.
Rejected  CuPy's SVD of a stack: a loop above 32 × 32. Newton's and Halley's iterations: they need inverses
          or QR. Degree 5: 3 products a step, no more gain a product. A table of guesses for the
          condition: not fewer products than guessing ``WIDEST`` each time.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.kernels.polar import PolarFactors, numerical_rank

WIDEST = 0.1  # low / high of the widest interval a cubic is made for: see Error
LIMIT = 50  # steps; condition 1e13 takes up to 45
NEARLY = math.sqrt(np.finfo(np.float64).eps)  # ‖XᵀX − I‖ that one more step squares to eps
BYTES_AT_ONCE = 1 << 27  # of one array; the iteration holds six


def polar(products: Float64) -> PolarFactors:
    """See :mod:`gpuemb.kernels.polar`."""
    import cupy

    return factors_by_products(products, cupy)


def factors_by_products(products: Float64, xp: Any) -> PolarFactors:
    """Return the factors of the batch, computed with the functions of ``xp``."""
    count, rows, columns = products.shape
    rotation = xp.empty((count, rows, columns))
    singular = xp.empty((count, min(rows, columns)))
    taken = xp.empty(count, np.int64)
    step = max(1, BYTES_AT_ONCE // (8 * rows * columns))
    for start in range(0, count, step):
        part = slice(start, start + step)
        tall = products[part] if rows >= columns else xp.swapaxes(products[part], 1, 2)
        found, singular[part], taken[part] = _factors(tall, xp)
        rotation[part] = found if rows >= columns else xp.swapaxes(found, 1, 2)
    return PolarFactors(rotation, singular, numerical_rank(singular, (rows, columns)), taken)


def _factors(tall: Float64, xp: Any) -> tuple[Float64, Float64, Int64]:
    """Rotation, singular values and products taken; an SVD where the iteration did not converge."""
    exponent = xp.frexp(xp.max(xp.abs(tall), axis=(1, 2)))[1]
    scaled = xp.ldexp(tall, -exponent[:, None, None])
    rotation, taken = orthogonalize(scaled, xp)
    singular = _singular(rotation, scaled, xp)
    for index in xp.flatnonzero(~_trusted(singular, taken, scaled, xp)).tolist():
        left, values, right = xp.linalg.svd(scaled[index], full_matrices=False)
        rotation[index], singular[index], taken[index] = left @ right, values, 0
    return rotation, xp.ldexp(singular, exponent[:, None]), taken


def _singular(rotation: Float64, scaled: Float64, xp: Any) -> Float64:
    """Eigenvalues of the symmetric factor, descending: within ``eps·σ₁`` those of the SVD."""
    factor = xp.swapaxes(rotation, 1, 2) @ scaled
    eigenvalues = xp.linalg.eigvalsh((factor + xp.swapaxes(factor, 1, 2)) / 2)
    return xp.maximum(xp.sort(eigenvalues, axis=1)[:, ::-1], 0.0)  # type: ignore[no-any-return]


def _trusted(singular: Float64, taken: Int64, scaled: Float64, xp: Any) -> Any:
    """Converged, of full rank, and the eigenvalues have the norm of the matrix.

    CuPy does not check cuSOLVER's status; the norm does.
    """
    full = numerical_rank(singular, scaled.shape[1:]) == singular.shape[1]
    squared = xp.sum(scaled**2, axis=(1, 2))
    return (taken > 0) & full & (xp.abs(xp.sum(singular**2, axis=1) - squared) <= NEARLY * squared)


def orthogonalize(scaled: Float64, xp: Any) -> tuple[Float64, Int64]:
    """Iterate every matrix to its orthogonal factor.

    Args:
        scaled: ``(P, n, m)``, ``n ≥ m``, largest entries near 1 (or all zero).
        xp: NumPy or CuPy.

    Returns:
        the factors, and how many products each took; zeros and 0 where ``LIMIT`` steps do not converge.
    """
    rotation = xp.zeros(scaled.shape)
    taken = xp.zeros(len(scaled), np.int64)
    working = xp.flatnonzero(xp.max(xp.abs(scaled), axis=(1, 2)))
    x = scaled[working]
    low, high = xp.zeros(len(x)), xp.full(len(x), math.inf)
    identity = xp.eye(x.shape[2])
    for step in range(1, LIMIT + 1):
        if len(working) == 0:
            break
        squared = xp.swapaxes(x, 1, 2) @ x
        low, high, nearly = _interval(squared, low, high, identity, xp)
        linear, cubic, low, high = _best_cubic(low, high, xp)
        x = x @ (linear[:, None, None] * identity - cubic[:, None, None] * squared)
        if bool(nearly.any()):
            rotation[working[nearly]] = x[nearly]
            taken[working[nearly]] = 2 * step
            working, x, low, high = (values[~nearly] for values in (working, x, low, high))
    return rotation, taken


def _interval(
    squared: Float64, low: Float64, high: Float64, identity: Float64, xp: Any
) -> tuple[Float64, Float64, Any]:
    """Bound the singular values from ``squared = XᵀX`` and the steps so far.

    With ``m`` eigenvalues λ, mean square over mean ``g`` and ``r = ‖XᵀX/g − I‖``: every λ is within
    ``g·r`` of g, and below ``‖XᵀX‖``. If all σ are in ``[low, high]``, r is at most
    ``√m·max|λ/g − 1|``: where it is more, the guess of ``low`` was too large.

    Returns:
        low, high, and whether the next step converges.
    """
    total = xp.sum(squared**2, axis=(1, 2))
    center = total / xp.trace(squared, axis1=1, axis2=2)
    distance = squared - center[:, None, None] * identity
    r = xp.sqrt(xp.sum(distance**2, axis=(1, 2))) / center
    high = xp.minimum(high, xp.minimum(total**0.25, xp.sqrt(center * (1 + r))))
    least = xp.maximum(WIDEST * high, xp.sqrt(center * xp.maximum(1 - r, 0.0)))
    low = xp.maximum(low, least)
    widest = xp.maximum(1 - low**2 / center, high**2 / center - 1)
    low = xp.where(r > math.sqrt(len(identity)) * widest, least, low)
    return xp.minimum(low, high), high, r <= NEARLY


def _best_cubic(low: Float64, high: Float64, xp: Any) -> tuple[Float64, Float64, Float64, Float64]:
    """Coefficients of ``p(x) = linear·x − cubic·x³``, and the image of ``[low, high]`` under p.

    ``p = β s(αx)`` with ``s(α·low) = s(α·high)`` and its range centered at 1 (Chen and Chow 2014).
    """
    alpha = xp.sqrt(3 / (low**2 + low * high + high**2))
    beta = 2 / (1 + _cubic(alpha * low))
    return 1.5 * alpha * beta, 0.5 * alpha**3 * beta, beta * _cubic(alpha * low), beta


def _cubic(x: Float64) -> Float64:
    return (3 * x - x**3) / 2
