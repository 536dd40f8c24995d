"""macOS, as far as another system can tell: the memory that counts as free, the variable of its BLAS."""

from __future__ import annotations

import ctypes
import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from gpuemb.core import memory, threads
from gpuemb.core.system import macos
from gpuemb.core.system.macos import VARIABLE, Accelerate

PAGES = {"free": 1000, "active": 50_000, "inactive": 2000, "wired": 7000}
PAGE = os.sysconf("SC_PAGE_SIZE")


def mach(status: int) -> Any:
    """The two functions of the system, with these statistics."""

    def host_statistics64(host: int, flavor: int, pages: Any, length: Any) -> int:
        assert (host, flavor, length._obj.value) == (17, 4, 64)
        pages._obj[:4] = list(PAGES.values())
        return status

    return SimpleNamespace(mach_host_self=lambda: 17, host_statistics64=host_statistics64)


@pytest.fixture
def on_macos(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """A system without ``/proc``; its folder, and what sets the answer of Mach."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delenv(VARIABLE, raising=False)
    return tmp_path


def test_free_and_inactive_pages_are_what_can_be_had(on_macos: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: mach(0))
    assert memory.available_host_bytes(on_macos) == 3000 * PAGE


def test_half_the_memory_counts_as_free_where_none_is_told(
    on_macos: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = os.sysconf("SC_PHYS_PAGES") * PAGE // 2
    monkeypatch.setattr(ctypes, "CDLL", lambda _: mach(5))
    assert memory.available_host_bytes(on_macos) == half
    monkeypatch.setattr(sys, "platform", "freebsd14")
    assert memory.available_host_bytes(on_macos) == half


def test_accelerate_is_held_at_one_thread_where_another_blas_is(
    on_macos: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads._blas_libraries.cache_clear()
    try:
        with threads.limit(2):
            assert threads.run(lambda _: os.environ[VARIABLE], range(3)) == ["1"] * 3
            assert VARIABLE not in os.environ
            monkeypatch.setenv(VARIABLE, "6")
            assert threads.run(lambda _: os.environ[VARIABLE], range(3)) == ["1"] * 3
        assert os.environ[VARIABLE] == "6"
    finally:
        threads._blas_libraries.cache_clear()


@pytest.mark.parametrize("said", ["", "many", "-3"])
def test_a_variable_that_is_no_number_sets_no_limit(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, said)
    assert Accelerate().get_num_threads() == 0
    Accelerate().set_num_threads(0)
    assert VARIABLE not in os.environ


def test_the_statistics_are_those_of_the_header() -> None:
    assert (macos.HOST_VM_INFO64, macos.NUMBERS * 4 >= 152) == (4, True)  # sizeof(vm_statistics64)
