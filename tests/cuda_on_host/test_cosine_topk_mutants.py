"""Mutants of cosine_topk's CUDA texts are caught: by the emulator's checks, or by a wrong answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_on_host import compiler
from cuda_on_host.arguments import KernelError
from cuda_on_host.launch import SCHEDULES, Run
from cuda_on_host.planting import Mutant, caught, mutants, on_emulator, text_of
from cuda_on_host.searches import (
    assert_far,
    assert_measured,
    assert_passing,
    assert_same,
    begun,
    crowded,
    cut,
    resident,
    search,
    search_from_the_host,
    separated,
)
from strategies import awkward_rows

from gpuemb.core.arrays import FloatMatrix
from gpuemb.kernels.cosine_topk import TopK, cosine_topk, cuda
from gpuemb.kernels.cosine_topk.cuda.state import SIDE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}"),
]

TEXTS = [path.read_text("utf-8") for path in sorted(Path(cuda.__file__).parents[1].glob("*.cu"))]


def tied(words: int = 40) -> FloatMatrix:
    """Many equal scores, and a row without length."""
    rows = awkward_rows("tied", "float32", words, 21, seed=3)
    rows[3] = 0
    return rows


@cache
def expected(name: str, words: int, k: int) -> TopK:
    rows = tied(words)
    asked = {"every row": (None, None), "words": (rows[::7], np.arange(0, len(rows), 7))}[name]
    return cosine_topk.reference(rows, k, *asked)


def every_row() -> None:
    assert_same(search(tied(), 5), expected("every row", 40, 5))


def words(strategy: str) -> None:
    rows = tied(2 * SIDE + 9)
    with cut(strategy):
        found = search(rows, 4, rows[::7], np.arange(0, len(rows), 7))
    assert_same(found, expected("words", len(rows), 4))


def few_more_than_a_block() -> None:
    rows = tied(SIDE + 9)
    assert_same(search(rows, 4), expected("every row", len(rows), 4))


def warm_start() -> None:
    rows = tied()
    ids = np.concatenate([expected("every row", 40, 5).ids, np.full((40, 4), 3), np.full((40, 2), 8)], axis=1)
    assert_same(search(rows, 5, warm_start=ids.astype(np.int32)), expected("every row", 40, 5))


def deep() -> None:
    """Several stages of columns, and rows whose neighbors are in their own block, the last one."""
    rows = awkward_rows("gaussian", "float32", SIDE + 40, 100, seed=6)
    asked = np.arange(0, len(rows), 5)
    found, right = search(rows, 3), cosine_topk.reference(rows, 3, rows[asked], asked)
    np.testing.assert_array_equal(found.ids[asked], right.ids)


def full(strategy: str) -> None:
    rows, asked = crowded()
    with cut(strategy, capacity=SIDE):
        found = search(rows, 3, rows[asked], asked)
    assert_same(found, cosine_topk.reference(rows, 3, rows[asked], asked))


def from_the_host() -> None:
    rows = tied(SIDE + 9)
    with resident(SIDE + 20):
        found = search_from_the_host(rows, 4, rows[::7], np.arange(0, len(rows), 7))
    assert_same(found, expected("words", len(rows), 4))


def full_from_the_host() -> None:
    rows, asked = crowded()
    rows, asked = rows[::-1], len(rows) - 1 - asked  # the equal rows come last: they are in no first block
    with resident(SIDE + 20, block_bytes=15 * 32):
        found = search_from_the_host(rows, 3, rows[asked], asked)
    assert_same(found, cosine_topk.reference(rows, 3, rows[asked], asked))


def proved() -> None:
    rows = separated(3 * SIDE, 10)
    found = search(rows, 4, rows[:4])
    assert (found.certified, found.recomputed) == (4, 0)


def passing(strategy: str) -> None:
    assert_passing(begun(tied(2 * SIDE + 9), 2, 3 * SIDE), strategy)


TRIALS: Mapping[str, Callable[[], Any]] = {
    "measured": lambda: assert_measured(awkward_rows("gaussian", "float32", 21, 50, seed=4)),
    "every row": every_row,
    "words, cublas": lambda: words("cublas"),
    "words, fused": lambda: words("fused"),
    "warm_start": warm_start,
    "from the host": from_the_host,
    "full, from the host": full_from_the_host,
    "deep": deep,
    "few more than a block": few_more_than_a_block,
    "passing, fused": lambda: passing("fused"),
    "passing, cublas": lambda: passing("cublas"),
    "proved": proved,
    "full, fused": lambda: full("fused"),
    "full, cublas": lambda: full("cublas"),
}


def attempts(mutant: Mutant) -> Iterator[str]:
    """Run a mutant through all trials under all schedules; yield whatever betrays it."""

    def edit(text: str) -> str:
        return mutant.plant(text) if mutant.right in text else text

    trials = [
        (f"{schedule}, {name}", on_emulator(Run(schedule, seed=5, edit=edit), trial))
        for schedule in SCHEDULES
        for name, trial in TRIALS.items()
    ]
    trials.append(("far", lambda: assert_far(Run(seed=5, edit=edit))))
    return caught(text_of("cosine_topk", mutant), trials, (KernelError, AssertionError, IndexError))


@pytest.mark.parametrize("mutant", mutants("cosine_topk"), ids=lambda mutant: mutant.name)
def test_a_planted_mistake_is_caught(mutant: Mutant) -> None:
    mutant.plant("\n".join(TEXTS))  # it fits one of the texts, once
    assert next(attempts(mutant), ""), f"{mutant.name}: every answer is right, and nothing was reported"


def test_without_a_mistake_nothing_is_caught() -> None:
    assert list(attempts(Mutant("nothing", "int found;", "int found;"))) == []
