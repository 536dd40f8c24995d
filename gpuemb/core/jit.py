"""Typed decorators of Numba.

Kernels are compiled without Numba's thread pool: they release the interpreter lock and are called by
the workers of :mod:`gpuemb.core.threads`. With one pool BLAS and Numba never compete for cores, and a
serial function compiles several times faster than a parallel one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

# Kernels are never called from C: its wrapper would take 5 % of the compilation.
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}


def njit(function: F) -> F:
    """Compile on first call, keep the result on disk, release the interpreter lock, divide like NumPy."""
    import numba

    return cast(F, numba.njit(cache=True, **OPTIONS)(function))


def njit_reassociated(function: F) -> F:
    """As :func:`njit`, but sums may be regrouped into vector lanes and products fused.

    Regrouping is fixed when the function is compiled: the same machine gives the same bits on every
    call. Only for sums whose error is tested; never where a score is defined bit for bit.
    """
    import numba

    flags = {"reassoc", "contract", "nsz", "arcp"}
    return cast(F, numba.njit(cache=True, fastmath=flags, **OPTIONS)(function))


def njit_inline(function: F) -> F:
    """As :func:`njit`, pasted into its callers."""
    import numba

    return cast(F, numba.njit(inline="always", **OPTIONS)(function))
