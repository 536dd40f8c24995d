"""Tables of subspace measures come from float64 products, read once where the sums were float32."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from geometry.definitions import random_rotation, random_table
from geometry.rounding import PROMISED
from tolerances import assert_within

from gpuemb.core.arrays import Float32
from gpuemb.geometry.cross_grams import CrossGrams, cross_grams
from gpuemb.geometry.grams.build import NARROW
from gpuemb.geometry.grams.row_blocks import Rows

WORDS = 20_000
PREPARATIONS = {
    "cca": "centered",
    "svcca": "centered",
    "pwcca": "centered",
    "eigenspace_overlap": "raw",
    "eigenspace_instability": "raw",
}


def table(noise: float, seed: int) -> Float32:
    """A base that all tables share, rotated, and noise of the table's own."""
    base = random_table(WORDS, NARROW, 0) * np.logspace(0, -0.5, NARROW)
    rows = base @ random_rotation(NARROW, seed) + noise * random_table(WORDS, NARROW, 1 + seed)
    return (rows - rows.mean(axis=0)).astype(np.float32)


@cache
def tables() -> list[Float32]:
    return [table(2.0, seed) for seed in range(4)]


@cache
def exact(preparation: Any) -> CrossGrams:
    """The sums in float64, of which several measures are made."""
    return cross_grams(tables(), preparation, precision="float64")


@pytest.mark.parametrize("name", list(PREPARATIONS))
def test_all_rows_are_read_again_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    preparation: Any = PREPARATIONS[name]
    grams = cross_grams(tables(), preparation)
    assert grams.precision == "float32"
    read = counted(monkeypatch)
    found = getattr(grams, name)()
    assert read == [4]
    expected = getattr(exact(preparation), name)()
    assert_within(found, expected, PROMISED**2 * expected)  # around other means the last bits differ


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tables each pass over rows reads from now on."""
    read: list[int] = []
    summed = Rows.sums

    def sums(rows: Rows, *more: Any) -> Any:
        read.append(len(rows.pieces[0]))
        return summed(rows, *more)

    monkeypatch.setattr(Rows, "sums", sums)
    return read
