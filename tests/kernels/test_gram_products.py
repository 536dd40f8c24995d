"""The GPU's cross-Grams, executed with NumPy: the launcher itself, and its arrays on the device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_on_host import stand_in
from cuda_on_host.arguments import DeviceArray
from cuda_on_host.launch import Run
from gram_sums import FIELDS, assert_close_sums, assert_same_sums
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import FLOATS, TINY, awkward_rows, table_sets
from tolerances import assert_same_bits

from gpuemb.core.arrays import FloatMatrix, to_device
from gpuemb.core.device import Device
from gpuemb.core.memory import tiles
from gpuemb.geometry.cross_grams import cross_grams
from gpuemb.kernels.gram import GramSums, RowScaling, gram
from gpuemb.kernels.gram import cuda as launcher

CUDA = Device("cuda")
PREPARATIONS: tuple[RowScaling, ...] = ("raw", "unit")
preparations = st.sampled_from(PREPARATIONS)


class Flushing(DeviceArray):
    """Converts as CuPy does: float32 below the smallest normal number is zero."""

    def astype(self, dtype: Any, *more: Any, **named: Any) -> Any:
        small = np.abs(self.view(np.ndarray)) < np.finfo(np.float32).tiny
        flushed = np.where(small, 0, self) if self.dtype == np.float32 else self
        return np.array(flushed).astype(dtype, *more, **named).view(DeviceArray)


def by_products(tables: Sequence[FloatMatrix], preparation: RowScaling = "raw") -> GramSums:
    """Run the launcher itself; what it makes must be on the device."""
    with stand_in.installed(Run()):
        found = gram.on(CUDA)([to_device(table, CUDA) for table in tables], preparation)
        assert all(isinstance(getattr(found, field), DeviceArray) for field in FIELDS)
        return GramSums(*map(np.array, found.fields))


@pytest.fixture(scope="module")
def tall() -> list[FloatMatrix]:
    words = 2 * launcher.BLOCK_ROWS + 123
    made = zip(("gaussian", "zero rows", "clusters"), FLOATS, (9, 5, 14), strict=True)
    return [awkward_rows(kind, dtype, words, dim, seed=dim) for kind, dtype, dim in made]


@given(tables=table_sets(), preparation=preparations)
def test_sums_are_the_reference_s_within_rounding(tables: list[FloatMatrix], preparation: RowScaling) -> None:
    found = by_products(tables, preparation)
    assert_close_sums(found, tables, preparation)
    assert_same_bits(found.products, np.ascontiguousarray(found.products.T))
    assert_same_bits(found.norms, np.ascontiguousarray(found.norms.T))


@given(tables=table_sets(max_tables=3), preparation=preparations)
def test_a_pair_of_tables_gets_the_same_bits_alone_and_among_others(
    tables: list[FloatMatrix], preparation: RowScaling
) -> None:
    assume(len(tables) > 1)
    assume(
        preparation == "raw" or all(np.any(t != 0, axis=1).all() for t in tables[2:])
    )  # they leave rows out
    among, alone = by_products(tables, preparation), by_products(tables[:2], preparation)
    width = len(alone.products)
    assert_same_bits(np.ascontiguousarray(among.products[:width, :width]), alone.products)
    assert_same_bits(among.sums[:width], alone.sums)
    assert_same_bits(np.ascontiguousarray(among.norms[:2, :2]), alone.norms)


@pytest.mark.parametrize("preparation", PREPARATIONS)
def test_sums_of_blocks_computed_apart_add_up_to_the_same_bits(
    tall: list[FloatMatrix], preparation: RowScaling
) -> None:
    whole = by_products(tall, preparation)
    assert_close_sums(whole, tall, preparation)
    parts = [
        by_products([table[a:b] for table in tall], preparation)
        for a, b in tiles(len(tall[0]), launcher.BLOCK_ROWS)
    ]
    assert len(parts) == 3
    assert_same_sums((parts[0] + parts[1]) + parts[2], whole)


def test_origins_come_off_first(tall: list[FloatMatrix]) -> None:
    origins = [np.linspace(-1, 1, table.shape[1]) for table in tall]
    moved = [table.astype(np.float64) - origin for table, origin in zip(tall, origins, strict=True)]
    with stand_in.installed(Run()):
        tables = [to_device(table, CUDA) for table in tall]
        found = GramSums(*map(np.array, gram.on(CUDA)(tables, "unit", "float64", None, origins).fields))
    assert_same_sums(found, by_products(moved, "unit"))


@given(seed=st.integers(0, 99), kind=st.sampled_from(["tiny", "huge and tiny", "gaussian", "zero rows"]))
def test_small_float32_numbers_are_widened_without_loss(seed: int, kind: str) -> None:
    rows = awkward_rows(kind, "float32", 20, 5, seed)
    rows[0, :3] = -0.0, TINY["float32"], -1e-45
    flushing = rows.view(Flushing)
    assert flushing.astype(np.float64)[0, 1] == 0
    with stand_in.installed(Run()):
        assert_same_bits(np.array(launcher.widened(flushing, launcher.cuda.cupy())), rows.astype(np.float64))


@pytest.mark.parametrize("preparation", PREPARATIONS)
def test_tables_of_the_host_stream_through_the_device(
    preparation: RowScaling, tall: list[FloatMatrix], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[tuple[type, int]] = []

    def uploaded(table: Any, rows: int) -> Iterator[tuple[int, Any]]:
        slot = np.empty((rows, table.shape[1]), table.dtype)
        for start, stop in tiles(len(table), rows):
            taken.append((type(table), start))
            slot[: stop - start] = table[start:stop]  # the block before is gone
            yield start, slot[: stop - start].view(DeviceArray)

    monkeypatch.setattr(launcher, "uploaded", uploaded)
    maps = []
    for number, table in enumerate(tall):
        table.tofile(tmp_path / str(number))
        maps.append(np.memmap(tmp_path / str(number), table.dtype, "r", shape=table.shape))
    with stand_in.installed(Run()):
        found = gram.on(CUDA)(maps, preparation)
    expected = by_products(tall, preparation)
    assert_same_sums(GramSums(*map(np.array, found.fields)), expected)
    assert taken == [
        (np.memmap, start) for start, _ in tiles(len(tall[0]), launcher.BLOCK_ROWS) for _ in tall
    ]


def test_cross_grams_of_a_gpu_stay_there() -> None:
    tables = [awkward_rows("zero rows", "float32", 50, dim, dim) for dim in (4, 6)]
    for preparation in ("raw", "unit", "centered"):
        expected = cross_grams(tables, preparation)
        with stand_in.installed(Run()):
            found = cross_grams([to_device(table, CUDA) for table in tables], preparation)
        assert isinstance(found.products, DeviceArray)
        assert found.zeros == expected.zeros
        np.testing.assert_allclose(np.array(found.products), expected.products, rtol=1e-12, atol=1e-12)
