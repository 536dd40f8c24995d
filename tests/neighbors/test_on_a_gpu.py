"""The front door with arrays of a GPU: answers stay there, with the bits of the CPU; nothing comes home."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_on_host import compiler, stand_in
from cuda_on_host.arguments import DeviceArray
from cuda_on_host.launch import Run
from strategies import FLOATS, awkward_rows
from tolerances import assert_same_bits

from gpuemb.core import arrays
from gpuemb.core.arrays import to_host
from gpuemb.core.device import Device
from gpuemb.core.errors import ConfigError, DeviceError, MemoryBudgetError, ShapeError
from gpuemb.embeddings.model import Embedding
from gpuemb.kernels.cosine_search import cosine_search
from gpuemb.kernels.cosine_search import cuda as search_on_cuda
from gpuemb.neighbors import cosines
from gpuemb.neighbors import index as index_module
from gpuemb.neighbors.cosines import cosine_matrix, cosine_tiles
from gpuemb.neighbors.exact import nearest_neighbors
from gpuemb.neighbors.index import CosineIndex
from gpuemb.neighbors.overlap import neighbor_overlap

pytestmark = pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}")
WORDS = [f"word{i}" for i in range(70)]
TELLING = {(1, 2000), (7, 1), (69, 40), (70, 12)}  # blocks and lengths of lists, each once


def table(dtype: str = "float32", words: int = 70, seed: int = 0) -> Any:
    """Rows of zeros and rows below what CuPy's own float32 arithmetic takes for zero."""
    return np.concatenate(
        [
            awkward_rows("zero rows", dtype, words - 5, 6, seed),
            awkward_rows("tiny", dtype, 5, 6, seed),
        ]
    )


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Install the emulator, and collect what is brought home from it."""
    brought: list[str] = []
    with stand_in.installed(Run()):
        library = arrays.cupy()
        monkeypatch.setattr(library, "asnumpy", lambda x: brought.append(str(x.shape)) or np.array(x))
        yield brought


def gpu(x: Any) -> Any:
    return np.array(x).view(DeviceArray)


def assert_on_the_gpu(found: Any, expected: Any) -> None:
    assert isinstance(found, DeviceArray)
    assert_same_bits(np.array(found), expected)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_matrix_of_cosines_stays_on_the_gpu(dtype: str, moved: list[str]) -> None:
    rows, others = table(dtype), table(dtype, 65, seed=1)
    assert_on_the_gpu(cosine_matrix(gpu(rows), gpu(others)).scores, cosine_matrix(rows, others).scores)
    found, expected = (cosine_matrix(Embedding(x, WORDS), words=WORDS[:7]) for x in (gpu(rows), rows))
    assert_on_the_gpu(found.scores, expected.scores)
    assert found.words == WORDS[:7]
    assert moved == []


@pytest.mark.parametrize("words", [63, 64, 65, 128])
def test_panels_are_the_cpu_s(words: int, moved: list[str]) -> None:
    for dtype in FLOATS:
        found, expected = (cosines.panels_of(x) for x in (gpu(table(dtype, words)), table(dtype, words)))
        assert_on_the_gpu(found, expected)


def test_blocks_of_cosines_stay_on_the_gpu(moved: list[str]) -> None:
    rows = table()
    blocks = list(cosine_tiles(gpu(rows), tile_bytes=9 * 70 * 8))
    assert len(blocks) == 8
    assert_on_the_gpu(np.concatenate([block.scores for block in blocks]), cosine_matrix(rows).scores)
    assert moved == []


def test_a_matrix_of_the_gpu_is_filled(moved: list[str]) -> None:
    rows, out = table(), gpu(np.zeros((70, 70), np.float32))
    assert cosine_matrix(gpu(rows), out=out).scores is out
    assert_on_the_gpu(out, cosine_matrix(rows, out=np.zeros((70, 70), np.float32)).scores)


@pytest.mark.parametrize("dtype", FLOATS)
def test_cosines_of_memory_maps_are_computed_on_the_gpu_and_come_home(
    dtype: str, tmp_path: Path, moved: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, others = table(dtype, 200), table(dtype, 140, seed=1).astype(np.dtype(dtype).newbyteorder())
    maps = []
    for name, x in (("rows", rows), ("others", others)):
        np.save(tmp_path / f"{name}.npy", x)
        maps.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    monkeypatch.setattr("gpuemb.kernels.cosine_scores.rows_per_block", lambda *_: 5)  # a panel at a time
    expected = cosine_matrix(rows, others).scores
    found = cosine_matrix(*maps, device="cuda").scores
    assert type(found) is np.ndarray
    assert_same_bits(found, expected)
    blocks = [block.scores for block in cosine_tiles(*maps, tile_bytes=60 * 140 * 8, device="cuda:0")]
    assert [len(block) for block in blocks] == [60, 60, 60, 20]
    assert_same_bits(np.concatenate(blocks), expected)
    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.float32, (200, 140))
    assert cosine_matrix(*maps, out=out, device="auto").scores is out
    assert_same_bits(
        np.asarray(out), cosine_matrix(rows, others, out=np.empty((200, 140), np.float32)).scores
    )
    assert moved != []  # the scores


def test_cosines_of_the_host_are_planned_on_both_sides(
    monkeypatch: pytest.MonkeyPatch, moved: list[str]
) -> None:
    monkeypatch.setattr(stand_in, "FREE_BYTES", 5000)
    with pytest.raises(MemoryBudgetError, match=r"cosine_matrix: needs .* may use 4\.0 kB"):
        cosine_matrix(table(), device="cuda")
    monkeypatch.setattr(stand_in, "FREE_BYTES", 1 << 30)
    monkeypatch.setattr("gpuemb.core.memory.available_host_bytes", lambda: 1000)
    with pytest.raises(MemoryBudgetError, match=r"cosine_matrix: needs 39\.2 kB but may use 800 B"):
        cosine_matrix(table(), device="cuda")
    assert moved == []


@pytest.mark.usefixtures("moved")
def test_arrays_of_two_devices_are_not_mixed() -> None:
    rows = table()
    with pytest.raises(DeviceError, match="x is on cuda:0 but y is on cpu"):
        cosine_matrix(gpu(rows), rows)
    with pytest.raises(ShapeError, match=r"A cupy array \(70, 70\) on cuda:0"):
        cosine_matrix(gpu(rows), out=np.zeros((70, 70)))
    with pytest.raises(ShapeError, match=r"A numpy array \(70, 70\) on cpu"):
        cosine_matrix(rows, out=gpu(np.zeros((70, 70))))
    with pytest.raises(DeviceError, match="run 0 is on cuda:0 but run 1 is on cpu"):
        neighbor_overlap(gpu(np.zeros((3, 1), np.int32)), np.zeros((3, 1), np.int32))


def test_the_gpu_s_memory_is_what_is_planned_with(monkeypatch: pytest.MonkeyPatch, moved: list[str]) -> None:
    monkeypatch.setattr(arrays.cupy().cuda.runtime, "memGetInfo", lambda: (1000, 1000))
    refused: list[Any] = [cosine_matrix, cosine_tiles]
    for door in refused:
        with pytest.raises(MemoryBudgetError, match=r"may use 800 B"):
            door(gpu(table()))
    with pytest.raises(MemoryBudgetError, match=r"neighbor_overlap .* may use 800 B"):
        neighbor_overlap(gpu(np.zeros((2, 30, 1), np.int32)))
    with pytest.raises(MemoryBudgetError, match=r"CosineIndex: needs 1\.7 kB but may use 800 B"):
        CosineIndex(gpu(table("float16")))
    monkeypatch.setattr("gpuemb.core.memory.available_host_bytes", lambda: 0)
    assert len(CosineIndex(gpu(table()))) == 70  # nothing is copied


@pytest.mark.parametrize("dtype", FLOATS)
def test_an_index_on_the_gpu_answers_as_on_the_cpu(dtype: str, moved: list[str]) -> None:
    rows = table(dtype)
    index = CosineIndex(Embedding(gpu(rows), WORDS))
    for queries in (["word3", "word69"], [5], rows[:9]):
        expected = nearest_neighbors(Embedding(rows, WORDS), 12, queries=queries)
        found = index.search(gpu(queries) if isinstance(queries, np.ndarray) else queries, 12)
        assert_on_the_gpu(found.ids, expected.ids)
        assert_on_the_gpu(found.scores, expected.scores)
        assert found.without_length == expected.without_length
        assert found.words == WORDS
    assert moved == []
    assert found.named(3) == expected.named(3)


@pytest.mark.parametrize("free", [1 << 30, 0])
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_memory_map_is_searched_on_the_gpu_and_answered_on_the_host(
    dtype: str, free: int, tmp_path: Path, moved: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = table(dtype)
    np.save(tmp_path / "rows.npy", rows)
    embedding = Embedding(np.load(tmp_path / "rows.npy", mmap_mode="r"), WORDS)
    monkeypatch.setattr(index_module, "budget", lambda device: free)  # with 0 every search reads the map
    index = CosineIndex(embedding, device="cuda")
    for queries in (["word3", "word69"], [5], rows[:9], Embedding(rows[:3], WORDS[:3]), None):
        expected = nearest_neighbors(Embedding(rows, WORDS), 12, queries=queries)
        for found in (
            nearest_neighbors(embedding, 12, queries=queries, device="cuda"),
            index.search(queries, 12),
        ):
            assert type(found.ids) is type(found.scores) is np.ndarray
            assert_same_bits(found.ids, expected.ids)
            assert_same_bits(found.scores, expected.scores)
            assert found.without_length == expected.without_length
            assert found.words == WORDS
    assert found.certified + found.recomputed == 70 - found.without_length
    assert moved != []  # the answers


def test_lists_of_another_run_may_be_given_with_a_table_of_the_host(moved: list[str]) -> None:
    rows = table()
    expected = nearest_neighbors(rows, 5)
    found = nearest_neighbors(rows, 5, warm_start=nearest_neighbors(table(seed=1), 5), device="cuda:0")
    assert_same_bits(found.ids, expected.ids)
    assert_same_bits(found.scores, expected.scores)


@pytest.mark.parametrize(
    ("step", "k"),
    [
        pytest.param(step, k, marks=() if (step, k) in TELLING else pytest.mark.slow)
        for step in (1, 7, 69, 70)
        for k in (1, 12, 40, 2000)
    ],
)
def test_any_blocks_of_the_host_give_the_same_lists(
    step: int, k: int, moved: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = table()
    itself = np.array([3, -1, 69, 0])
    expected = cosine_search.reference(rows, None, k, rows[itself], itself)
    monkeypatch.setattr(search_on_cuda, "rows_per_block", lambda *_: step)
    found = cosine_search.on(Device("cuda"))(rows, None, k, rows[itself], itself)
    assert_on_the_gpu(found.ids, expected.ids)
    assert_on_the_gpu(found.scores, expected.scores)
    assert found.recomputed == expected.recomputed
    assert moved == []


def test_memory_that_runs_out_halves_the_block_of_a_search(
    moved: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, tried = table(), []
    real = arrays.cupy().empty

    def empty(shape: Any, dtype: Any = float) -> Any:
        if isinstance(shape, tuple) and shape[1:] == (6,) and dtype == np.float32:
            tried.append(shape[0])
            if shape[0] > 20:
                raise stand_in.OutOfMemoryError("out of memory allocating 1 byte")
        return real(shape, dtype)

    monkeypatch.setattr(arrays.cupy(), "empty", empty, raising=False)
    index = CosineIndex(rows, device="cuda")
    found, expected = index.search([3, 9], 4), nearest_neighbors(rows, 4, queries=[3, 9])
    assert_same_bits(found.ids, expected.ids)
    assert_same_bits(found.scores, expected.scores)
    assert sorted(set(tried), reverse=True) == [70, 35, 17]
    assert moved != []


def test_a_table_of_the_gpu_is_computed_on_where_it_is(moved: list[str]) -> None:
    rows = table()
    expected = nearest_neighbors(rows, 3)
    for device in (None, "auto", "cuda", "cuda:0"):
        assert_on_the_gpu(nearest_neighbors(gpu(rows), 3, device=device).ids, expected.ids)
    doors: list[Any] = [nearest_neighbors, CosineIndex, cosine_matrix, cosine_tiles]
    for door in doors:
        with pytest.raises(DeviceError, match="the table is on cuda:0, and device='cpu'"):
            door(gpu(rows), device="cpu")
        with pytest.raises(ConfigError, match="'gpu' is not a device"):
            door(rows, device="gpu")
    with pytest.raises(DeviceError, match="the table is on cpu but queries is on cuda:0"):
        nearest_neighbors(rows, 3, queries=gpu(rows), device="cuda")
    with pytest.raises(DeviceError, match="the table is on cpu but warm_start is on cuda:0"):
        nearest_neighbors(rows, 3, warm_start=gpu(expected.ids), device="cuda")
    assert moved == []


def test_auto_takes_the_gpu_for_a_table_of_the_host(
    moved: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = table()
    assert type(nearest_neighbors(rows, 3, device="cpu").ids) is np.ndarray
    assert moved == []
    nearest_neighbors(rows, 3, device="auto")
    assert moved == ["(70, 3)", "(70, 3)"]


@pytest.mark.usefixtures("moved")
def test_every_row_is_asked_of_the_kernel_that_asks_for_all(moved: list[str]) -> None:
    rows = table()
    found, expected = CosineIndex(gpu(rows)).search(None, 3), nearest_neighbors(rows, 3)
    assert_on_the_gpu(found.ids, expected.ids)
    assert_on_the_gpu(found.scores, expected.scores)
    assert moved == []


def test_overlap_stays_on_the_gpu(moved: list[str]) -> None:
    lists = [nearest_neighbors(awkward_rows("zero rows", "float32", 40, 3, seed), 6).ids for seed in range(4)]
    expected, found = neighbor_overlap(*lists), neighbor_overlap(*map(gpu, lists))
    for field in fields(expected):
        one = getattr(expected, field.name)
        if isinstance(one, np.ndarray):
            assert_on_the_gpu(getattr(found, field.name), one)
        else:
            np.testing.assert_equal(getattr(found, field.name), one)
    assert_on_the_gpu(found.stability, expected.stability)
    assert_on_the_gpu(found.lowest, expected.lowest)
    assert moved == []
    assert float(found) == float(expected)
    assert to_host(found.jaccard).shape == (6, 40)


def test_permutations_on_the_gpu_are_those_of_the_cpu(moved: list[str]) -> None:
    tables = [awkward_rows("zero rows", "float32", 40, 3, seed) for seed in range(3)]
    for queries in (None, [4, 0, 39], table()[:5, :3]):
        of = [
            [
                nearest_neighbors(one, 6, queries=to(queries) if isinstance(queries, np.ndarray) else queries)
                for one in map(to, tables)
            ]
            for to in (np.asarray, gpu)
        ]
        expected, found = (neighbor_overlap(*lists, permutations=9) for lists in of)
        np.testing.assert_equal(found.p_value, expected.p_value)
        np.testing.assert_equal(found.null_mean, expected.null_mean)
        assert_on_the_gpu(found.p_values, expected.p_values)
        assert_on_the_gpu(found.chance_per_word, expected.chance_per_word)
