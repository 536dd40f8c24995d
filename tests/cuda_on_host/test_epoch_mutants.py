"""Mutants of the training kernels are caught: by the checks of the emulator, or by a wrong state or loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from cuda_on_host import compiler, epochs, stand_in
from cuda_on_host.arguments import KernelError
from cuda_on_host.epochs import FAR, GLOVE, SKIP_GRAM, TEXTS
from cuda_on_host.launch import SCHEDULES, Run
from cuda_on_host.planting import HEADERS, Mutant, mutants, with_definitions

from gpuemb import kernels

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}"),
]

KERNELS = Path(str(kernels.__file__)).parent
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

    trials = [(schedule, *check) for schedule in SCHEDULES for check in CHECKS[kernel].items()]
    trials += [("forward", name, FAR[name]) for name in FAR_CHECKS[kernel]]
    for schedule, name, check in trials:
        try:
            with stand_in.installed(Run(schedule, seed=5, edit=edit)):
                check()
        except (KernelError, AssertionError, IndexError, ValueError) as error:
            yield f"{schedule}, {name}: {error}"


@pytest.mark.parametrize(("kernel", "mutant"), ALL)
def test_a_planted_mistake_is_caught(kernel: str, mutant: Mutant) -> None:
    texts = [path.read_text("utf-8") for path in sorted((KERNELS / kernel).glob("*.cu"))]
    headers = [(KERNELS / "include" / name).read_text("utf-8") for name in HEADERS]
    mutant.plant("\n".join([*texts, *headers]))  # it fits one of the texts, once
    assert next(attempts(kernel, mutant), ""), f"{mutant.name}: nothing was reported"


@pytest.mark.parametrize("kernel", CHECKS)
def test_without_a_mistake_nothing_is_caught(kernel: str) -> None:
    assert list(attempts(kernel, Mutant("nothing", "no text has this", ""))) == []
