"""The kernels that are compiled before a study, in several processes at once."""

from __future__ import annotations

import sys
from itertools import combinations
from typing import Any

import pytest
from numba.core.dispatcher import Dispatcher

from gpuemb.core.compilation import Step
from gpuemb.core.dispatch import Kernel
from gpuemb.stability.config import ModelConfig, StudyConfig
from gpuemb.stability.running import warmup
from gpuemb.stability.running.warmup import STEPS, STUDY_KERNELS
from gpuemb.training.recipes import PPMISVD, GloVe, SkipGram

KERNELS = "gpuemb.kernels."


def kernels_of(step: Step) -> list[Kernel[..., Any]]:
    named = (vars(warmup).get(name) for name in step.__code__.co_names)
    return [found for found in named if isinstance(found, Kernel)]


def compiled_by(kernel: Kernel[..., Any]) -> set[str]:
    """Functions of the kernel's folder with files of their own, and those they call."""
    kernel.implementation("cpu")
    folder = kernel.reference.__module__
    found: dict[str, Dispatcher] = {}

    def add(dispatcher: Dispatcher) -> None:
        function = dispatcher.py_func
        name = f"{function.__module__}.{function.__qualname__}"
        if name not in found and name.startswith(KERNELS):
            found[name] = dispatcher
            for called in function.__code__.co_names:
                if isinstance(function.__globals__.get(called), Dispatcher):
                    add(function.__globals__[called])

    for name, module in list(sys.modules.items()):
        if name == folder or name.startswith(f"{folder}."):
            for value in vars(module).values():
                if isinstance(value, Dispatcher):
                    add(value)
    return {name for name, dispatcher in found.items() if dispatcher.targetoptions.get("inline") != "always"}


@pytest.mark.parametrize(("one", "other"), list(combinations(STEPS, 2)))
def test_two_steps_enter_no_function_in_common(one: Step, other: Step) -> None:
    mine, theirs = (set().union(*map(compiled_by, kernels_of(step))) for step in (one, other))
    assert mine
    assert theirs
    assert not mine & theirs


def names_of(*models: ModelConfig, neighbors: int = 10) -> set[str]:
    config = StudyConfig(("a.txt",), models=models, neighbors=neighbors)
    steps = warmup.steps_of(config)
    assert [step for step in steps if step in STEPS] == [step for step in STEPS if step in steps]
    return {step.__name__ for step in steps}


def test_a_study_compiles_what_it_runs() -> None:
    always = {"_tokenize", "_cosine_topk", "_gram"}
    glove, svd = ModelConfig(GloVe()), ModelConfig(PPMISVD(), vary="bootstrap")
    assert names_of(glove, svd) == {*always, "_lists", "_window_counts", "_glove_epoch"}
    assert names_of(svd) == {*always, "_lists", "_window_counts"}
    assert names_of(ModelConfig(SkipGram())) == {*always, "_lists", "_skipgram_epoch"}
    assert names_of(svd, ModelConfig(SkipGram())) == {*always, "_lists", "_window_counts", "_skipgram_epoch"}
    assert names_of(ModelConfig(GloVe(), seeds=tuple(range(40)))) >= {*always, "_long_lists"}
    assert names_of(svd, neighbors=65) >= {*always, "_long_lists"}
    assert names_of(svd, neighbors=64) >= {*always, "_lists"}


def test_every_kernel_of_a_study_that_compiles_has_a_step() -> None:
    of_steps = {kernel.name for step in STEPS for kernel in kernels_of(step)}
    assert {kernel.name for kernel in STUDY_KERNELS if compiled_by(kernel)} <= of_steps
