"""Mutants of the training kernels are caught: by the checks of the emulator, or by a wrong state or loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import pytest
from cuda_on_host import compiler, epochs
from cuda_on_host.arguments import KernelError
from cuda_on_host.epochs import FAR, GLOVE, SKIP_GRAM, TEXTS
from cuda_on_host.launch import SCHEDULES, Run
from cuda_on_host.planting import (
    HEADERS,
    KERNELS,
    Mutant,
    caught,
    mutants,
    on_emulator,
    text_of,
    with_definitions,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}"),
]

CHECKS: Mapping[str, Mapping[str, Callable[[], None]]] = {
    "glove_epoch": {case: partial(epochs.check_glove, case) for case in GLOVE},
    "skipgram_epoch": {
        **{f"pairs, {case}": partial(epochs.check_pairs, case) for case in TEXTS},
        "pairs, limits met": epochs.check_limits,
        **{f"steps, {case}": partial(epochs.check_steps, case) for case in SKIP_GRAM},
    },
}
FAR_CHECKS = {
    "glove_epoch": ("far words", "far nonzeros"),
    "skipgram_epoch": ("far vectors", "far text"),
}
ALL = [pytest.param(kernel, mutant, id=mutant.name) for kernel in CHECKS for mutant in mutants(kernel)]


def attempts(kernel: str, mutant: Mutant) -> Iterator[str]:
    """Run a mutant through all checks under all schedules; yield whatever betrays it."""

    def edit(text: str) -> str:
        whole = with_definitions(text)
        return mutant.plant(whole) if mutant.right in whole else whole

    checks = [(schedule, *check) for schedule in SCHEDULES for check in CHECKS[kernel].items()]
    checks += [("forward", name, FAR[name]) for name in FAR_CHECKS[kernel]]
    trials = [
        (f"{schedule}, {name}", on_emulator(Run(schedule, seed=5, edit=edit), check))
        for schedule, name, check in checks
    ]
    return caught(text_of(kernel, mutant), trials, (KernelError, AssertionError, IndexError, ValueError))


@pytest.mark.parametrize(("kernel", "mutant"), ALL)
def test_a_planted_mistake_is_caught(kernel: str, mutant: Mutant) -> None:
    texts = [path.read_text("utf-8") for path in sorted((KERNELS / kernel).glob("*.cu"))]
    headers = [(KERNELS / "include" / name).read_text("utf-8") for name in HEADERS]
    mutant.plant("\n".join([*texts, *headers]))  # it fits one of the texts, once
    assert next(attempts(kernel, mutant), ""), f"{mutant.name}: nothing was reported"


@pytest.mark.parametrize("kernel", CHECKS)
def test_without_a_mistake_nothing_is_caught(kernel: str) -> None:
    assert list(attempts(kernel, Mutant("nothing", "no text has this", ""))) == []
