"""LLVM operations missing in Numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

T = TypeVar("T")


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


def _load_eight(typing_context: Any, text: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _eight_bytes(context, builder, signature, arguments)
        return builder.load(place, align=1)

    return types.uint64(text, types.int64), generate


def _store_eight(typing_context: Any, text: Any, at: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _eight_bytes(context, builder, signature, arguments)
        builder.store(arguments[2], place, align=1)
        return context.get_dummy_value()

    return types.void(text, types.int64, types.uint64), generate


def _eight_bytes(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Where eight bytes of an array begin, wherever that is: no alignment, no check of bounds."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(64).as_pointer())


def _bytes_between(typing_context: Any, text: Any, at: Any, first: Any, last: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, lanes = ir.IntType(8), ir.VectorType(ir.IntType(8), 64)
        place = builder.bitcast(_eight_bytes(context, builder, signature, arguments), lanes.as_pointer())

        def everywhere(number: Any) -> Any:
            one = builder.insert_element(
                ir.Constant(lanes, ir.Undefined), builder.trunc(number, byte), ir.Constant(ir.IntType(32), 0)
            )
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64)
            return builder.shuffle_vector(one, ir.Constant(lanes, ir.Undefined), zeros)

        above = builder.sub(builder.load(place, align=1), everywhere(arguments[2]))
        most = everywhere(builder.sub(arguments[3], arguments[2]))
        return builder.bitcast(builder.icmp_unsigned("<=", above, most), ir.IntType(64))

    return types.uint64(text, types.int64, types.int64, types.int64), generate


def _trailing_zeros(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


def _leading_zeros(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


# ``load_eight(text, at)`` is ``text[at:at + 8]`` of a uint8 array as one uint64, the first byte lowest;
# ``store_eight(text, at, word)`` writes it back. The caller guarantees that the eight bytes exist.
load_eight = cast(Callable[[Any, Any], Any], intrinsic(_load_eight))
store_eight = cast(Callable[[Any, Any, Any], None], intrinsic(_store_eight))
# ``bytes_between(text, at, first, last)`` has a bit for each of the sixty-four bytes from ``at``, the first
# lowest: whether ``first <= byte <= last``. The caller guarantees that they exist.
bytes_between = cast(Callable[[Any, Any, Any, Any], Any], intrinsic(_bytes_between))
# Zero bits below the lowest and above the highest one of a uint64; 64 for 0.
trailing_zeros = cast(Callable[[Any], Any], intrinsic(_trailing_zeros))
leading_zeros = cast(Callable[[Any], Any], intrinsic(_leading_zeros))


def _prefetch(typing_context: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, word, word, word])
        name = "llvm.prefetch.p0i8" if "*" in str(place.type) else "llvm.prefetch.p0"  # until LLVM 16, since
        function = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
        builder.call(function, [place, *(ir.Constant(word, choice) for choice in READ_SOON)])
        return context.get_dummy_value()

    return types.void(types.intp), generate


READ_SOON = 0, 3, 1  # to read, into every cache, data
# ``prefetch(address)`` prefetches a cache line.
prefetch = cast(Callable[[int], None], intrinsic(_prefetch))


def _borrowed(typing_context: Any, arrays: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        members = cgutils.unpack_tuple(builder, arguments[0])  # type: ignore[no-untyped-call]
        unowned = []
        for kind, member in zip(arrays, members, strict=True):
            array = context.make_array(kind)(context, builder, member)
            array.meminfo = cgutils.get_null_value(array.meminfo.type)  # type: ignore[no-untyped-call]
            unowned.append(array._getvalue())
        return context.make_tuple(builder, arrays, unowned)

    return arrays(arrays), generate


# ``borrowed(arrays)`` is a named tuple of borrowed references to the same arrays: the caller owns them.
# Counting references is atomic, and two workers that count the same array contend at every use.
borrowed = cast(Callable[[T], T], intrinsic(_borrowed))
