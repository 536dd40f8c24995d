"""The diagonal D that a factorization leaves free."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from gpuemb.core.arrays import Float64, as_array, to_host
from gpuemb.core.checks import check_choice
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.core.results import shown

Scale: TypeAlias = Callable[[Float64, Float64], Float64]

NAMED: Mapping[str, Scale] = MappingProxyType(
    {  # of singular values σ and shrinkage s, both positive; items are V √s / D
        "identity": lambda values, shrinkage: np.ones(len(values)),
        "shrinkage": lambda values, shrinkage: np.sqrt(shrinkage),
        "inverse-shrinkage": lambda values, shrinkage: 1 / np.sqrt(shrinkage),
        "root-sigma": lambda values, shrinkage: 1 / np.sqrt(values),
        "original-space": lambda values, shrinkage: 1 / (values * np.sqrt(shrinkage)),
    }
)
LARGEST = 1e70  # of an entry of D, and the inverse of its least


def scale_of(where: str, rescale: Any, values: Float64, shrinkage: Float64) -> tuple[str, Float64]:
    """Return the name and the diagonal of D; 1 on axes that the factorization does not keep.

    Args:
        where: the function that was called.
        rescale: a name of ``NAMED``, a function of the kept singular values, or ``(k,)`` numbers.
        values: ``(k,)`` singular values.
        shrinkage: ``(k,)``, 0 for axes that are not kept.

    Raises:
        ConfigError: an unknown name, or a D with zeros or numbers that are not finite.
        ShapeError: D has another number of entries than there are axes.
    """
    kept = shrinkage > 0
    diagonal = np.ones(len(values))
    if isinstance(rescale, str):
        check_choice(where, "rescale", rescale, tuple(NAMED))
        diagonal[kept] = NAMED[rescale](values[kept], shrinkage[kept])
        return rescale, diagonal
    if callable(rescale) and not isinstance(rescale, type) and not hasattr(rescale, "__dlpack__"):
        given = to_host(as_array(rescale(values[kept].copy()), where))
        _check_diagonal(where, given, int(kept.sum()), "axes that are kept")
        diagonal[kept] = given
        return getattr(rescale, "__name__", "function"), diagonal
    given = to_host(as_array(rescale, where))
    _check_diagonal(where, given, len(values), "axes")
    return "given", given.astype(np.float64)


def _check_diagonal(where: str, given: Any, axes: int, noun: str) -> None:
    if given.shape != (axes,):
        raise ShapeError(
            f"{where}: D is {shown(given)} for {axes} {noun}",
            needed=f"D is diagonal: its {axes} entries are given.",
            remedy="Of a diagonal matrix, pass numpy.diagonal(D).",
        )
    sizes = np.abs(given.astype(np.float64))
    wrong = ~((sizes >= 1 / LARGEST) & (sizes <= LARGEST))
    if wrong.any():
        axis = int(wrong.argmax())
        raise ConfigError(
            f"{where}: entry {axis} of D is {given[axis]}",
            needed="D must be invertible: every entry is finite and not 0. Signs change no cosine.",
            remedy=f"Give sizes from {1 / LARGEST:.0e} to {LARGEST:.0e}; a lower rank drops axes.",
        )
