"""What the last bits of sums of floating numbers depend on, beside the versions of libraries."""

from __future__ import annotations

import hashlib
from functools import cache

# NumPy has no public list of the instructions that it uses; numpy.show_runtime prints this one.
from numpy._core._multiarray_umath import __cpu_features__  # type: ignore[import-not-found]


@cache
def arithmetic() -> dict[str, str]:
    """Describe the processor's instructions, and what Numba and every BLAS make of them.

    Machines that agree in it, and in the versions of libraries, give the same bits.
    """
    import scipy.linalg  # noqa: F401  its BLAS is described with NumPy's
    from llvmlite.binding import get_host_cpu_features, get_host_cpu_name
    from numba import config
    from threadpoolctl import threadpool_info

    instructions = [getattr(config, "CPU_FEATURES", None) or get_host_cpu_features().flatten()]
    instructions += [name for name, used in __cpu_features__.items() if used]
    blas = {
        f"{one['internal_api']} for {one.get('architecture', 'any')}"
        for one in threadpool_info()
        if one["user_api"] == "blas"
    }
    return {
        "compiled_for": getattr(config, "CPU_NAME", None) or get_host_cpu_name(),
        "instructions": hashlib.blake2b(" ".join(instructions).encode(), digest_size=8).hexdigest(),
        "blas": ", ".join(sorted(blas)),
    }
