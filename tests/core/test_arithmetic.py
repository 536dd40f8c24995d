"""Machines whose sums have the same bits are told from those whose sums do not."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

from gpuemb.core.arithmetic import arithmetic

TOLD = "import json; from gpuemb.core.arithmetic import arithmetic; print(json.dumps(arithmetic()))"


def told(**variables: str) -> dict[str, str]:
    """What another process says of its arithmetic."""
    environment = {**os.environ, **variables}
    done = subprocess.run([sys.executable, "-c", TOLD], env=environment, capture_output=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_it_is_the_same_in_every_process_of_a_machine() -> None:
    assert told() == arithmetic()


@pytest.mark.slow
def test_the_processor_numba_compiles_for_makes_a_difference() -> None:
    assert told(NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="")["compiled_for"] == "generic"


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are kinds of another processor")
@pytest.mark.skipif("openblas" not in arithmetic()["blas"], reason="OpenBLAS alone is told by a variable")
def test_the_processor_that_blas_is_told_makes_a_difference() -> None:
    kinds = {told(OPENBLAS_CORETYPE=kind)["blas"] for kind in ("Haswell", "Nehalem")}
    assert len(kinds) == 2
