"""How often a call walks over its tables, and through how many files: no more than it must."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from geometry.definitions import random_table

import gpuemb as ge
from gpuemb.core import checks, threads
from gpuemb.geometry.grams.row_blocks import Rows

WORDS = 600
X, Y = random_table(WORDS, 8), random_table(WORDS, 8, 1)
# Files in which some function runs: of geometry (the measure, how it is taken, the sums), and of all gpuemb,
# with doors, checks, memory, threads, the kernel, draws and the interval: 30 where BLAS multiplies, 29 with
# the kernel's own products. What needs fewer lowers them.
FILES_OF_RSA = {"geometry/": 8, "": 30}


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows that each Gram pass reads from now on."""
    read: list[int] = []
    summed = Rows.sums

    def sums(rows: Rows, *more: Any) -> Any:
        read.append(rows.count)
        return summed(rows, *more)

    monkeypatch.setattr(Rows, "sums", sums)
    return read


def calls_of(monkeypatch: pytest.MonkeyPatch, name: str) -> list[str]:
    """The names of the tables that a function of core.checks is called for from now on, in any module."""
    called: list[str] = []
    original = getattr(checks, name)

    def noted(where: str, table: str, *more: Any) -> Any:
        called.append(table)
        return original(where, table, *more)

    for module in [m for key, m in sys.modules.items() if key.startswith("gpuemb")]:
        if getattr(module, name, None) is original:
            monkeypatch.setattr(module, name, noted)
    return called


@pytest.mark.parametrize("measure", [ge.rsa, ge.cka, ge.cca, ge.pwcca, ge.bures, ge.eigenspace_overlap])
@pytest.mark.parametrize("permutations", [0, 3])
def test_a_measure_reads_its_rows_once_for_its_value_and_once_for_its_interval(
    monkeypatch: pytest.MonkeyPatch, measure: Any, permutations: int
) -> None:
    read = counted(monkeypatch)
    measure(X, Y, permutations=permutations)
    assert read[0] == WORDS
    assert len(read) == 1 + 50
    assert sum(read[1:]) == WORDS
    read.clear()
    measure(X, Y, permutations=permutations, blocks=0)
    assert read == [WORDS]


@pytest.mark.parametrize("gone", [[], [7]], ids=["full", "with a zero row"])
def test_all_measures_of_two_tables_are_two_passes_and_one_check_a_table(
    monkeypatch: pytest.MonkeyPatch, gone: list[int]
) -> None:
    x = X.copy()
    x[gone] = 0
    read = counted(monkeypatch)
    finite, size = (calls_of(monkeypatch, name) for name in ("check_finite", "check_range"))
    found = ge.compare([x, Y], k=5)
    assert len(found.measures) == 21
    assert read == [WORDS, WORDS]
    assert finite == ["run 0", "run 1"]
    assert size == ["run 0", "run 1"]


def test_few_measures_of_tables_are_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    read = counted(monkeypatch)
    ge.compare([X, Y], ["cka", "cca", "pip_loss", "procrustes_distance", "spread", "spectrum_distance"])
    assert read == [WORDS]
    read.clear()
    ge.compare([X, Y], ["overlap", "unaligned_cosine"], k=5)
    assert read == []


def files_of(call: Callable[[], Any]) -> set[str]:
    """The files of gpuemb whose functions run in a call."""
    seen: set[str] = set()

    def profile(frame: Any, event: str, _: Any) -> None:
        _, found, name = frame.f_code.co_filename.rpartition("/gpuemb/")
        if event == "call" and found:
            seen.add(name)

    with threads.limit(1):
        threading.setprofile(profile)
        sys.setprofile(profile)
        try:
            call()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]
    return seen


def test_a_correlation_goes_through_few_files() -> None:
    ge.rsa(X, Y)  # what is loaded or compiled once is no part of it
    through = files_of(lambda: ge.rsa(X, Y))
    for room, most in FILES_OF_RSA.items():
        assert len([file for file in through if file.startswith(room)]) <= most, sorted(through)
    assert "geometry/rsa.py" in through
    assert np.isfinite(ge.rsa(X, Y).value)
