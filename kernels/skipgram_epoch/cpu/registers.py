"""What the code of a batch is made of: registers, loops over rows and tiles, sums of registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from gpuemb.kernels.panels import WORD, address, call, counted_loop, load, wide_registers
from gpuemb.kernels.skipgram_epoch import BATCH, INPUTS, RUN

TOGETHER = 3  # negatives of a tile
NAME, ROW = 8, 4 * INPUTS  # bytes of an address, and of a negative's products
NAMED = INPUTS + BATCH  # addresses of a batch before those of its negatives
TO_WRITE_SOON = 1, 3, 1  # for a prefetch: every fetched vector is moved


def lanes() -> int:
    """Return how many float32 a register holds: sums of more would not stay in registers."""
    return 16 if wide_registers() else 8


def register() -> Any:
    """Vectors that a register holds."""
    return ir.VectorType(ir.FloatType(), lanes())


def pieces_of(
    builder: Any, pieces: Any, sums: Sequence[Any], body: Callable[[Sequence[Any], Sequence[Any]], Any]
) -> Sequence[Any]:
    """Emit ``sums = body([offset], sums)`` for the bytes of every register of a row."""
    return counted_loop(builder, pieces, [integer(pieces, 0)], 4 * lanes(), sums, body)


def tiles_of(
    builder: Any, tiles: Any, sums: Sequence[Any], body: Callable[[Sequence[Any], Sequence[Any]], Any]
) -> Sequence[Any]:
    """Emit ``sums = body([places], sums)`` for the bytes of names before every tile."""
    return counted_loop(builder, tiles, [integer(tiles, 0)], TOGETHER * NAME, sums, body)


def unrolled_tiles(
    tiles: Any, count: int, sums: Sequence[Any], body: Callable[[Sequence[Any], Sequence[Any]], Any]
) -> Sequence[Any]:
    """Emit :func:`tiles_of` for a number that is known."""
    for tile in range(count):
        sums = body([integer(tiles, TOGETHER * NAME * tile)], sums)
    return sums


def for_each_size(builder: Any, count: Any, body: Callable[[int], None]) -> None:
    """Emit ``body(count)`` for 1 ≤ count ≤ RUN."""
    after = builder.append_basic_block("done")
    choice = builder.switch(count, after)
    for number in range(1, RUN + 1):
        block = builder.append_basic_block("size")
        choice.add_case(integer(count, number), block)
        builder.position_at_end(block)
        body(number)
        builder.branch(after)
    builder.position_at_end(after)


def integer(like: Any, number: int) -> Any:
    """A constant of the type of another integer."""
    return ir.Constant(like.type, number)


def products_of(builder: Any, products: Any, names: Any) -> Any:
    """Where a tile's products are, so many bytes of names behind the first."""
    return builder.add(products, builder.mul(names, integer(names, ROW // NAME)))


def zero_of(kind: Any) -> Any:
    """Zero in every lane."""
    return constant(kind, 0.0)


def constant(kind: Any, number: float) -> Any:
    """A number in every lane."""
    return ir.Constant(kind, [number] * kind.count)


def everywhere(builder: Any, number: Any, kind: Any) -> Any:
    """A scalar in every lane."""
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), number, ir.Constant(WORD, 0))
    return shuffled(builder, first, [0] * kind.count)


def polynomial(builder: Any, x: Any, coefficients: Sequence[float]) -> Any:
    """``Σ coefficient_k · x^k``, by Horner."""
    value = constant(x.type, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = fused(builder, value, x, constant(x.type, coefficient))
    return value


def named(builder: Any, names: Any, count: int = INPUTS) -> list[Any]:
    """The first addresses of a list."""
    return [load(builder, names, NAME * i, names.type) for i in range(count)]


def load_piece(builder: Any, row: Any, offset: Any, kind: Any) -> Any:
    """Read a register of a row."""
    return load(builder, builder.add(row, offset), 0, kind)


def store_piece(builder: Any, row: Any, offset: Any, value: Any) -> None:
    """Write a register of a row."""
    builder.store(value, address(builder, builder.add(row, offset), 0, value.type), align=4)


def fetch(builder: Any, names: Any, count: int, offset: Any) -> None:
    """Prefetch a cache line of the first vectors of a list of addresses."""
    byte = ir.IntType(8).as_pointer()
    name = "llvm.prefetch.p0i8" if "*" in str(byte) else "llvm.prefetch.p0"  # until LLVM 16, since
    choices = [ir.Constant(WORD, choice) for choice in TO_WRITE_SOON]
    for i in range(count):
        place = builder.add(load(builder, names, NAME * i, names.type), offset)
        call(builder, name, ir.VoidType(), builder.inttoptr(place, byte), *choices)


def fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """``a · b + c``, rounded once."""
    return call(builder, f"llvm.fma.v{a.type.count}f32", a.type, a, b, c)


def sums_of(builder: Any, rows: Sequence[Any]) -> Any:
    """Return the sums of four vectors as one: a transposition that adds while it halves."""
    rows = list(rows)
    for width in (1, 2):
        lanes = range(rows[0].type.count)
        kept = [lane if not lane & width else lane - width + len(lanes) for lane in lanes]
        moved = [lane + width if not lane & width else lane + len(lanes) for lane in lanes]
        rows = [
            builder.fadd(shuffled(builder, a, kept, b), shuffled(builder, a, moved, b))
            for a, b in zip(rows[::2], rows[1::2], strict=True)
        ]
    (sums,) = rows
    while sums.type.count > INPUTS:
        half = sums.type.count // 2
        low, high = (shuffled(builder, sums, [*range(first, first + half)]) for first in (0, half))
        sums = builder.fadd(low, high)
    return sums


def shuffled(builder: Any, a: Any, lanes: Sequence[int], b: Any = None) -> Any:
    """Choose lanes of a, then b."""
    other = ir.Constant(a.type, ir.Undefined) if b is None else b
    return builder.shuffle_vector(a, other, ir.Constant(ir.VectorType(WORD, len(lanes)), list(lanes)))
