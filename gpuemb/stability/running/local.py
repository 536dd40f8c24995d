"""Units of work, one after the other in this process; small ones side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from gpuemb.core import threads
from gpuemb.stability.graph import Context, Unit, inputs_of, load, measured, tidy
from gpuemb.stability.store import Store


def run_local(units: Sequence[Unit], store: Store, context: Context) -> None:
    """Have every unit done, in order of need: what is in the store is neither done again nor read.

    Args:
        units: wanted; what they need comes with them.
        store: holds their results afterwards.
        context: of this process; ``steps`` are those of ``units``, not of what they need.

    Raises:
        StorageError: a result cannot be read or written; what was finished stays.
        GpuembError: as the tasks; what was finished stays.
    """
    once = list({tuple(map(str, unit.results.values())): unit for unit in units}.values())
    missing = dict(zip(once, threads.run(lambda unit: unit.missing(store), once), strict=True))
    left = [unit for unit in once if missing[unit]]
    for unit in once:
        if not missing[unit]:
            tidy(unit, store)  # a process killed between keeping and this has left it
    context.advance(sum(unit.steps for unit in units) - sum(unit.steps for unit in left))
    need = replace(context, steps=None)
    if left and all(unit.one_worker for unit in left):
        run_local(inputs_of(left), store, need)
        threads.run(partial(_do, store, context), left)
        return
    for unit in left:
        run_local(inputs_of([unit]), store, need)
        _do(store, context, unit)


def _do(store: Store, context: Context, unit: Unit) -> None:
    wanted = unit.missing(store)  # a unit before this one may have left some of it
    if wanted:
        hints = {name: hint for name, hint in unit.hints.items() if store.has(*hint.kept)}
        measured(unit, load({**unit.inputs, **hints}, store), wanted, context).keep(unit, store)
