"""What most commands import, and what Numba registers before its first kernel: half a second of each.

The process they are forked from finds this file by PYTHONPATH, which commands have as their caller does.
"""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import import_module

from numba.core.registry import cpu_target

before = os.environ.pop("PYTHONPATH").partition(os.pathsep)[2]
if before:
    os.environ["PYTHONPATH"] = before
for name in ("array_api_compat.numpy", "matplotlib.backends.backend_svg", "scipy.linalg", "typer._adapters"):
    with suppress(ImportError):  # typer's is its own: another release may have another
        import_module(name)
cpu_target.typing_context.refresh()
cpu_target.target_context.refresh()
