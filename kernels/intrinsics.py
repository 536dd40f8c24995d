"""LLVM operations that Numba does not spell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic


def _popcount(typing_context: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


def _fused_multiply_add(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        double = ir.DoubleType()
        kind = ir.FunctionType(double, [double] * 3)
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.fma.f64")  # type: ignore[no-untyped-call]
        return builder.call(function, arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


# ``fused_multiply_add(a, b, c)`` is ``a·b + c`` of three float64, rounded once.
fused_multiply_add = cast(Callable[[Any, Any, Any], float], intrinsic(_fused_multiply_add))

# ``popcount(bits)`` is how many bits of a uint64 are set.
popcount = cast(Callable[[Any], Any], intrinsic(_popcount))
