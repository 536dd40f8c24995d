"""Every block of the table arrives, whatever the order in which the machine does what it may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fake_cupy
import numpy as np
import pytest

from gpuemb.core.cuda.host_streaming import plan_upload, rows_per_block, uploaded
from gpuemb.core.errors import MemoryBudgetError

SCHEDULES = [
    ("", 0),
    ("compute", 0),
    ("copy", 0),
    ("compute copy", 0),
    *(("random", seed) for seed in range(8)),
]


@pytest.fixture(params=SCHEDULES, ids=lambda case: f"{case[0] or 'late'}-{case[1]}")
def fake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> fake_cupy.FakeCupy:
    return fake_cupy.install(monkeypatch, fake_cupy.Machine(*request.param))


def read_back(
    fake: fake_cupy.FakeCupy, table: Any, rows: int | None, numbers: Any = None
) -> list[tuple[int, Any]]:
    """Launch a reader of each block, and look at what they saw when all is done."""
    seen: list[tuple[int, Any]] = []
    for start, block in uploaded(table, rows, numbers):
        fake.stream.launch(lambda start=start, block=block: seen.append((start, block.memory.copy())))
    fake.stream.synchronize()
    return seen


@pytest.mark.parametrize(("length", "rows"), [(1, 1), (5, 5), (5, 9), (6, 3), (7, 3), (40, 4), (9, 1)])
def test_what_is_launched_on_a_block_sees_that_block(
    fake: fake_cupy.FakeCupy, length: int, rows: int
) -> None:
    table = np.arange(length * 3, dtype=np.float32).reshape(length, 3)
    seen = read_back(fake, table, rows)
    assert [start for start, _ in seen] == list(range(0, length, rows))
    assert np.array_equal(np.concatenate([block for _, block in seen]), table)


def test_a_memory_map_of_another_byte_order_arrives_in_the_machine_s(
    fake: fake_cupy.FakeCupy, tmp_path: Path
) -> None:
    expected = np.arange(24, dtype=">f8").reshape(8, 3)
    expected.tofile(tmp_path / "table")
    table = np.memmap(tmp_path / "table", ">f8", "r", shape=(8, 3))
    seen = read_back(fake, table, 3)
    assert np.array_equal(np.concatenate([block for _, block in seen]), expected)


@pytest.mark.parametrize("rows", [1, 2, 5, 9])
def test_some_rows_arrive_in_the_order_that_is_asked_for(fake: fake_cupy.FakeCupy, rows: int) -> None:
    table, numbers = np.arange(36.0).reshape(12, 3), np.array([7, 0, 11, 11, 3])
    seen = read_back(fake, table, rows, numbers)
    assert [start for start, _ in seen] == list(range(0, 5, rows))
    assert np.array_equal(np.concatenate([block for _, block in seen]), table[numbers])
    assert list(uploaded(table, numbers=numbers[:0])) == []


def test_memory_that_earlier_launches_still_write_to_is_not_used_before_they_are_done(
    fake: fake_cupy.FakeCupy,
) -> None:
    spare = [np.zeros((2, 3), np.float32) for _ in range(2)]
    for memory in spare:
        fake.stream.launch(lambda memory=memory: memory.fill(-1))  # type: ignore[misc]
    fake.spare += spare  # as CuPy's pool does: free for later launches on the same stream
    table = np.arange(12, dtype=np.float32).reshape(4, 3)
    seen = read_back(fake, table, 2)
    assert fake.spare == []
    assert np.array_equal(np.concatenate([block for _, block in seen]), table)


def test_who_leaves_early_leaves_no_copy_under_way(fake: fake_cupy.FakeCupy) -> None:
    blocks = uploaded(np.ones((9, 2)), 3)
    next(blocks)
    blocks.close()  # type: ignore[attr-defined]
    copying = [stream for stream in fake.machine.streams if stream.name == "copy"]
    assert len(copying) == 1
    assert not copying[0].queue


def test_a_table_without_numbers_has_no_blocks(fake: fake_cupy.FakeCupy) -> None:
    assert list(uploaded(np.ones((0, 3)))) == []
    assert list(uploaded(np.ones((3, 0)))) == []


def test_the_next_block_is_copied_while_one_is_computed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fake_cupy.install(monkeypatch, fake_cupy.Machine("copy"))
    blocks = uploaded(np.arange(4.0).reshape(4, 1), 1)
    next(blocks)
    fake.stream.synchronize()
    reading: list[int] = []
    fake.stream.launch(lambda: reading.append(0))
    _, second = next(blocks)
    assert reading == [], "the first block is still being computed on"
    assert second.memory[0, 0] == 1


def test_a_plan_counts_two_blocks_on_each_side_and_how_cupy_rounds() -> None:
    host, device = plan_upload((1000, 300), np.float32, 100)
    assert device.bytes == 2 * 100 * 300 * 4
    assert host.bytes == 2 * 131_072  # the power of two above 120 000
    assert plan_upload((10, 1), np.int8, 100)[0].bytes == 2 * 512
    assert plan_upload((1024, 1), np.int8, 512)[0].bytes == 2 * 512
    assert plan_upload((1024, 1), np.int8, 513)[0].bytes == 2 * 1024


def test_a_block_is_64_mib_unless_the_table_is_smaller() -> None:
    assert rows_per_block((10**6, 256), np.float32) == 65_536
    assert rows_per_block((10, 256), np.float32) == 10


def test_more_pinned_memory_than_the_host_has_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = fake_cupy.install(monkeypatch)
    table = np.broadcast_to(np.float64(0), (10**9, 10**6))
    with pytest.raises(MemoryBudgetError, match="pinned"):
        uploaded(table, 10**9)
    assert len(fake.machine.streams) == 1
