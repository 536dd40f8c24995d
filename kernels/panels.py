"""Products of packed panels in registers, as LLVM code beyond what Numba generates.

Packed panels, as in BLIS (Van Zee and van de Geijn 2015, ACM TOMS 41): a matrix is copied once into panels of
as many rows as words fill a cache line. A panel stores one step of the inner dimension K after another, each
a cache line: a word of every row, next to each other. A micro-kernel then reads memory in order only,
whatever the matrix's layout was. A word is one float32 or four int8: a panel is ``(K, 16)``; or one float64:
``(K, 8)``. A product keeps one accumulator a row and a panel of columns, with a lane a column; a row's word
is broadcast by the instruction's memory operand. The product of two words is an :class:`Arithmetic`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils

SIDE = 16  # rows of a panel of 32-bit words
WORD_BYTES = 4
LINE = SIDE * WORD_BYTES  # bytes of a step
WORD = ir.IntType(32)
WORDS = ir.VectorType(WORD, SIDE)
FLOATS = ir.VectorType(ir.FloatType(), SIDE)
DOUBLES = ir.VectorType(ir.DoubleType(), SIDE // 2)
WIDE_SUMS, NARROW_SUMS = 16, 6  # accumulators a pass: in 32 registers of 512 bits, in 16 of 256 bits

PIECE = 96  # steps, where K is cut: 64 … 1000 measure alike


class Arithmetic(NamedTuple):
    """Product of a word of a row with sixteen words of columns.

    Attributes:
        lanes: vector type of loads, broadcasts and sums.
        prepare: ``(builder, columns)``: applied once to sixteen words of columns.
        multiply: ``(builder, sums, columns, row)``: the sums with the products added.
    """

    lanes: Any
    prepare: Callable[[Any, Any], Any]
    multiply: Callable[[Any, Any, Any, Any], Any]


@cache
def features() -> frozenset[str]:
    """Features of the processor Numba compiles for, by LLVM's names."""
    from llvmlite import binding
    from numba.core import config

    named: str | None = getattr(config, "CPU_FEATURES", None)
    if named is not None:
        return frozenset(part[1:] for part in named.split(",") if part.startswith("+"))
    return frozenset(name for name, present in binding.get_host_cpu_features().items() if present)


def wide_registers() -> bool:
    """Whether there are 32 registers of 512 bits; else 16 of 256 bits are assumed."""
    return "avx512f" in features()


def address(builder: Any, base: Any, offset: int, kind: Any) -> Any:
    """Pointer to a ``kind``, ``offset`` bytes behind the integer ``base``."""
    return builder.inttoptr(builder.add(base, ir.Constant(base.type, offset)), kind.as_pointer())


def load(builder: Any, base: Any, offset: int, kind: Any) -> Any:
    """Read a ``kind`` there; numbers of four bytes or more lie at multiples of four."""
    return builder.load(address(builder, base, offset, kind), align=4)


def splat(builder: Any, base: Any, offset: int, lanes: Any) -> Any:
    """Read one word to all lanes; LLVM makes it an instruction's memory operand."""
    one = load(builder, base, offset, lanes.element)
    undefined = ir.Constant(lanes, ir.Undefined)
    first = builder.insert_element(undefined, one, ir.Constant(WORD, 0))
    zeros = ir.Constant(ir.VectorType(WORD, lanes.count), [0] * lanes.count)
    return builder.shuffle_vector(first, undefined, zeros)


def call(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    """Call one of LLVM's own functions."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    function = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
    return builder.call(function, arguments)


def counted_loop(
    builder: Any,
    times: Any,
    pointers: Sequence[Any],
    step: int,
    sums: Sequence[Any],
    body: Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]],
) -> Sequence[Any]:
    """Emit ``times`` ≥ 1 passes of ``sums = body(pointers, sums)``; pointers advance by ``step`` bytes.

    All are SSA values with phi nodes: accumulators stay in registers without luck.
    """
    before, loop = builder.block, builder.append_basic_block("steps")
    after = builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    left = builder.phi(times.type)
    here = [builder.phi(pointer.type) for pointer in pointers]
    old = [builder.phi(value.type) for value in sums]
    new = body(here, old)
    end = builder.block  # the body may hold loops
    fewer = builder.sub(left, ir.Constant(times.type, 1))
    there = [builder.add(pointer, ir.Constant(pointer.type, step)) for pointer in here]
    for phi, start, following in zip(
        [left, *here, *old], [times, *pointers, *sums], [fewer, *there, *new], strict=True
    ):
        phi.add_incoming(start, before)
        phi.add_incoming(following, end)
    builder.cbranch(builder.icmp_signed("!=", fewer, ir.Constant(times.type, 0)), loop, after)
    builder.position_at_end(after)
    return new


def products(
    builder: Any, rows: Any, panels: Sequence[Any], steps: Any, starts: Sequence[Any], arithmetic: Arithmetic
) -> list[list[Any]]:
    """Emit the products of some rows of a panel with panels of columns, as many rows a pass as fit.

    Args:
        builder: of the function that is generated.
        rows: address of the rows' words of the first step.
        panels: addresses of the panels whose columns are the lanes.
        steps: K, at least 1.
        starts: initial accumulators of each row.
        arithmetic: of the words.

    Returns:
        for each row, a vector for each panel.
    """
    if not wide_registers():
        return _cut_products(builder, rows, panels, steps, starts, arithmetic)
    across = len(panels)
    height = WIDE_SUMS // across
    found: list[list[Any]] = [[] for _ in starts]
    for first in range(0, len(starts), height):
        begin = [start for start in starts[first : first + height] for _ in panels]
        step = _step(builder, across, first, arithmetic)
        ended = counted_loop(builder, steps, [rows, *panels], LINE, begin, step)
        for place, total in enumerate(ended):
            found[first + place // across].append(total)
    return found


def _cut_products(
    builder: Any, rows: Any, panels: Sequence[Any], steps: Any, starts: Sequence[Any], arithmetic: Arithmetic
) -> list[list[Any]]:
    """As :func:`products` for few registers: K in pieces, with the sums in memory in between.

    Without pieces LLVM keeps the sums of finished passes in registers needed by the following ones:
    75 instead of 110 GFLOP/s a thread with AVX2 on Zen 5.
    """
    place_of_sums: Callable[..., Any] = cgutils.alloca_once
    sums = [[place_of_sums(builder, arithmetic.lanes) for _ in panels] for _ in starts]
    for start, row in zip(starts, sums, strict=True):
        for place in row:
            builder.store(start, place)
    cut = ir.Constant(steps.type, PIECE)
    pieces = builder.sdiv(builder.add(steps, ir.Constant(steps.type, PIECE - 1)), cut)

    def piece(pointers: Sequence[Any], left: Sequence[Any]) -> Sequence[Any]:
        times = builder.select(builder.icmp_signed("<", left[0], cut), left[0], cut)
        for panel, columns in enumerate(pointers[1:]):
            for first in range(0, len(starts), NARROW_SUMS):
                places = [row[panel] for row in sums[first : first + NARROW_SUMS]]
                step = _step(builder, 1, first, arithmetic)
                begin = [builder.load(place) for place in places]
                ended = counted_loop(builder, times, [pointers[0], columns], LINE, begin, step)
                for place, total in zip(places, ended, strict=True):
                    builder.store(total, place)
        return [builder.sub(left[0], cut)]

    counted_loop(builder, pieces, [rows, *panels], PIECE * LINE, [steps], piece)
    return [[builder.load(place) for place in row] for row in sums]


def _step(builder: Any, panels: int, first: int, arithmetic: Arithmetic) -> Callable[..., Sequence[Any]]:
    """Emit one step of the rows from ``first``, with some panels of columns."""

    def step(pointers: Sequence[Any], sums: Sequence[Any]) -> Sequence[Any]:
        columns = [
            arithmetic.prepare(builder, load(builder, panel, 0, arithmetic.lanes)) for panel in pointers[1:]
        ]
        new = []
        for row in range(len(sums) // panels):
            offset = LINE // arithmetic.lanes.count * (first + row)
            word = splat(builder, pointers[0], offset, arithmetic.lanes)
            for place, column in enumerate(columns):
                new.append(arithmetic.multiply(builder, sums[row * panels + place], column, word))
        return new

    return step
