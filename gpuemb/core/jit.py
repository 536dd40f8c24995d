"""Typed decorators of Numba.

Kernels are compiled without Numba's thread pool: they release the interpreter lock and are called by
the workers of :mod:`gpuemb.core.threads`. With one pool BLAS and Numba never compete for cores, and a
serial function compiles several times faster than a parallel one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar, cast

from gpuemb.core.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])

# Kernels are never called from C: its wrapper would take 5 % of the compilation.
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}


def njit(function: F) -> F:
    """Compile on first call, keep the result on disk, release the interpreter lock, divide like NumPy."""
    return cast(F, _kept(_numba().njit(**OPTIONS)(function)))


def njit_inner(function: F) -> F:
    """As :func:`njit`, for compiled callers alone: without the code that takes arguments from Python."""
    return cast(F, _kept(_numba().njit(no_cpython_wrapper=True, **OPTIONS)(function)))


def njit_reassociated(function: F) -> F:
    """As :func:`njit`, but sums may be regrouped into vector lanes and products fused.

    Regrouping is fixed when the function is compiled: the same machine gives the same bits on every
    call. Only for sums whose error is tested; never where a score is defined bit for bit.
    """
    flags = {"reassoc", "contract", "nsz", "arcp"}
    return cast(F, _kept(_numba().njit(fastmath=flags, **OPTIONS)(function)))


def njit_inline(function: F) -> F:
    """As :func:`njit`, pasted into its callers."""
    return cast(F, _numba().njit(inline="always", **OPTIONS)(function))


@cache
def _numba() -> Any:
    """Return Numba; a fork waits until other threads have compiled, so that a child can compile."""
    import numba
    from numba.core import config
    from numba.core.compiler_lock import global_compiler_lock as lock

    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        raise ConfigError(
            "numba: NUMBA_DISABLE_JIT is set, so that no kernel is compiled",
            needed="The kernels use instructions that Python does not have.",
            remedy="Unset the environment variable NUMBA_DISABLE_JIT.",
        )
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return numba


def _kept(dispatcher: Any) -> Any:
    """Keep what is compiled on disk, where there is a folder for it."""
    from gpuemb.core.system.compiled_files import CompiledFiles

    with suppress(RuntimeError):
        dispatcher._cache = CompiledFiles(dispatcher.py_func)
    return dispatcher
