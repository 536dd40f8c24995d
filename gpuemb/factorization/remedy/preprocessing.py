"""Changes of users × items before they are factorized, as the Gram matrices of what comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from gpuemb.core.arrays import Array, library_of
from gpuemb.core.errors import ConfigError
from gpuemb.factorization.matrix import UserItems

SMOOTHING = 0.75  # of counts, to what power negative samples are drawn (Mikolov 2013)
PROPENSITY = 0.5  # of counts, to what power an item is seen (Saito 2020)
Preparation: TypeAlias = Callable[[UserItems], Array]


def gram_of_columns(data: UserItems) -> Array:
    """``XᵀX``."""
    return data.gram()


def standardized_columns(data: UserItems) -> Array:
    """``XᵀX`` of columns less their mean, over their standard deviation: ``n`` times their correlations.

    A column of equal numbers counts as zero.
    """
    gram, sums = data.gram(), _sums(data, axis=0)
    xp = library_of(gram)
    users = data.shape[0]
    centered = gram - xp.outer(sums, sums) / users
    variances = xp.diagonal(centered) / users
    varies = variances > np.finfo(np.float64).eps * users * xp.diagonal(gram) / users
    scale = xp.where(varies, 1 / xp.sqrt(xp.where(varies, variances, 1.0)), 0.0)
    return centered * xp.outer(scale, scale)


def layer_normalized(data: UserItems) -> Array:
    """``XᵀX`` of rows less their mean over all items, over their standard deviation.

    A user with equal numbers for all items counts as zero.
    """
    items = data.shape[1]
    means = _sums(data, axis=1) / items
    squares = _sums(data, axis=1, power=2) / items
    xp = library_of(means)
    variances = squares - means**2
    varies = variances > np.finfo(np.float64).eps * items * squares
    weights = xp.where(varies, 1 / xp.where(varies, variances, 1.0), 0.0)
    gram = _rows_times(data, xp.sqrt(weights)).gram()
    across = data.transposed_times((weights * means)[:, None])[:, 0]
    return gram - across[:, None] - across[None, :] + float((weights * means**2).sum())


def inverse_propensity(data: UserItems) -> Array:
    """``XᵀX`` of entries over how likely their item is seen, ``(count / largest count)^½``."""
    gram, counts = data.gram(), _sums(data, axis=0, power=0)
    xp = library_of(gram)
    known = counts > 0
    inverse = xp.where(known, (counts.max() / xp.where(known, counts, 1.0)) ** PROPENSITY, 0.0)
    return gram * xp.outer(inverse, inverse)


def negative_sampling(data: UserItems) -> Array:
    """``XᵀX`` of what negative sampling of items in proportion to ``count^¾`` factorizes.

    With one negative that is the mutual information of user and item; its positive part is taken, so that
    what a user did not choose stays 0: ``max(0, log(x_ui Σ_j c_j^¾ / (r_u c_i^¾)))``.

    Raises:
        ConfigError: an entry is below 0.
    """
    values = data.values
    if bool((values < 0).any()):
        raise ConfigError(
            "remedy: negative-sampling of entries below 0",
            needed="Counts are needed: how often a user chose an item.",
            remedy="Pass the choices without their ratings, X > 0 for example.",
        )
    xp = library_of(values)
    rows, columns = _sums(data, axis=1), _sums(data, axis=0)
    smooth = columns**SMOOTHING
    total = smooth.sum()
    if not data.sparse:
        expected = xp.outer(rows, smooth) / total
        present = (data.matrix > 0) & (expected > 0)
        ratio = xp.where(present, data.matrix / xp.where(expected > 0, expected, 1.0), 1.0)
        return data.with_values(xp.maximum(xp.log(ratio), 0.0)).gram()
    expected = np.repeat(rows, np.diff(data.starts)) * smooth[data.columns] / total
    present = data.values > 0
    ratio = np.where(present, data.values / np.where(present, expected, 1.0), 1.0)
    return data.with_values(np.maximum(np.log(ratio), 0.0)).gram()


PREPARED: Mapping[str, Preparation] = MappingProxyType(
    {
        "none": gram_of_columns,
        "standardized-columns": standardized_columns,
        "layer-normalization": layer_normalized,
        "negative-sampling": negative_sampling,
        "inverse-propensity": inverse_propensity,
    }
)


def _sums(data: UserItems, axis: int, power: int = 1) -> Array:
    """Sums of powers of the entries; of power 0, how many are not zero."""
    if data.sparse:
        values = data.matrix.data.astype(np.float64)
        powered = data.matrix.copy()
        powered.data = (values != 0).astype(np.float64) if power == 0 else values**power
        return np.asarray(powered.sum(axis=axis), np.float64).ravel()
    xp = library_of(data.matrix)
    if power == 0:
        return (data.matrix != 0).sum(axis=axis, dtype=np.float64)
    return xp.sum(data.matrix.astype(np.float64) ** power, axis=axis)


def _rows_times(data: UserItems, weights: Any) -> UserItems:
    if not data.sparse:
        return data.with_values(data.values * weights[:, None])
    return data.with_values(data.values * np.repeat(weights, np.diff(data.starts)))
