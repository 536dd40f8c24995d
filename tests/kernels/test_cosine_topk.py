from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from cuda_on_host import stand_in
from hypothesis import given
from hypothesis import strategies as st
from slow import cases
from strategies import FLOATS, KINDS, Table, awkward_rows, tables
from tolerances import assert_same_bits, cosine_error

from gpuemb.core import memory, threads
from gpuemb.core.arrays import Float64, FloatMatrix, Int32, Int64, to_device, to_host
from gpuemb.core.device import CPU, Device
from gpuemb.core.errors import MemoryBudgetError
from gpuemb.kernels import vnni
from gpuemb.kernels.cosine_topk import TopK, cosine_topk
from gpuemb.kernels.cosine_topk import cpu as cpu_kernel
from gpuemb.kernels.cosine_topk import cuda as cuda_kernel
from gpuemb.kernels.cosine_topk.cpu import float32, int8
from gpuemb.kernels.cosine_topk.cpu.row_order import OrderedRows, reorder

KERNEL = cosine_topk
EMULATED = ("random",)  # tests/cuda_on_host/test_cosine_topk.py has the other schedules
EMULATED_FAST = (
    "test_ids_and_scores_are_the_reference_s_bits",
    "test_every_kind_of_table_gives_the_reference_s_bits",
    "test_a_memory_map_and_queries_of_another_are_searched_on_any_device",
)
LARGE = 5000  # rows: more than two column tiles, nearly twenty query tiles
MAPPED = 1500  # rows of a memory map: more than one tile
LARGE_EMULATED = 560  # four of CUDA's blocks and a part: the emulator watches every access


@dataclass(frozen=True)
class Asked:
    """A table and what is asked of it."""

    table: Table
    k: int
    queries: FloatMatrix | None
    itself: Int64 | None


@st.composite
def asked(draw: st.DrawFn, *, max_words: int = 30) -> Asked:
    """Ask for every row, for some rows as words, for some rows as vectors, or for strangers; k may pass V."""
    table = draw(tables(max_words=max_words))
    k = draw(st.integers(1, table.words + 3))
    way = draw(st.sampled_from(["every row", "words", "vectors", "strangers", "words and strangers"]))
    if way == "every row":
        return Asked(table, k, None, None)
    rows = np.array(draw(st.lists(st.integers(0, table.words - 1), min_size=1, max_size=8)), np.int64)
    strangers = table.like(len(rows))
    if way == "words":
        return Asked(table, k, table.rows[rows], rows)
    if way == "vectors":
        return Asked(table, k, table.rows[rows], None)
    if way == "strangers":
        return Asked(table, k, strangers, None)
    both = np.concatenate([table.rows[rows], strangers])
    return Asked(table, k, both, np.concatenate([rows, np.full(len(rows), -1)]))


def search(
    device: Device,
    rows: FloatMatrix,
    k: int,
    queries: FloatMatrix | None = None,
    itself: Int64 | None = None,
    warm_start: Int32 | None = None,
) -> TopK:
    """Run the kernel on the device; bring the answer home."""
    there = [None if x is None else to_device(x, device) for x in (rows, queries, itself, warm_start)]
    found = cosine_topk.on(device)(there[0], k, *there[1:])
    return TopK(to_host(found.ids), to_host(found.scores))


class Recorder:
    """Adds up progress and records the reporting threads; may interrupt."""

    def __init__(self, breaks_at: int | None = None) -> None:
        self.done, self.breaks_at = 0, breaks_at
        self.total: int | None = None
        self.callers: set[int] = set()

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Recorder]:
        self.total = total
        yield self

    def advance(self, amount: int = 1) -> None:
        self.done += amount
        self.callers.add(threading.get_ident())
        if self.breaks_at is not None and self.done >= self.breaks_at:
            raise KeyboardInterrupt

    def note(self, message: str) -> None:
        raise AssertionError(message)


def assert_same_answer(found: TopK, expected: TopK) -> None:
    assert_same_bits(found.ids, expected.ids)
    assert_same_bits(found.scores, expected.scores)


@given(case=asked())
def test_ids_and_scores_are_the_reference_s_bits(device: Device, case: Asked) -> None:
    arguments = case.table.rows, case.k, case.queries, case.itself
    assert_same_answer(search(device, *arguments), cosine_topk.reference(*arguments))


@pytest.mark.parametrize("dtype", cases("float32", slow=("float16", "float64")))
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_gives_the_reference_s_bits(device: Device, kind: str, dtype: str) -> None:
    sizes = ((1, 5), (2, 1), (37, 16), (50, 70))
    for words, dim in sizes[:3] if stand_in.is_installed() else sizes:
        rows = awkward_rows(kind, dtype, words, dim, seed=words)
        for k in (1, 5, words + 2):
            assert_same_answer(search(device, rows, k), cosine_topk.reference(rows, k))


@pytest.mark.parametrize("dtype", FLOATS)
def test_rows_in_any_memory_layout_and_byte_order_give_the_same_bits(device: Device, dtype: str) -> None:
    rows = awkward_rows("gaussian", dtype, 40, 21, seed=1)
    expected = cosine_topk.reference(rows, 4)
    wide = np.zeros((80, 42), dtype)
    wide[::2, ::2] = rows
    assert_same_answer(search(device, np.asfortranarray(rows), 4), expected)
    assert_same_answer(search(device, wide[::2, ::2], 4), expected)
    assert_same_answer(search(device, rows[::-1][::-1], 4), expected)
    if device.kind == "cpu":  # CUDA libraries know one byte order
        assert_same_answer(search(device, rows.astype(rows.dtype.newbyteorder()), 4), expected)


@given(table=tables(max_words=6), pair=st.tuples(st.integers(0, 5), st.integers(0, 5)))
def test_every_score_is_within_its_proved_bound_of_the_true_cosine(
    device: Device, table: Table, pair: tuple[int, int]
) -> None:
    query = pair[0] % table.words
    found = search(device, table.rows, table.words, table.rows[[query]])
    bound = Decimal(cosine_error(table.dim))
    for row, score in zip(found.ids[0].tolist(), found.scores[0].tolist(), strict=True):
        if row >= 0:
            assert abs(Decimal(score) - true_cosine(table.rows[query], table.rows[row])) <= bound


def true_cosine(x: FloatMatrix, y: FloatMatrix) -> Decimal:
    """The cosine of two rows to fifty digits: exact fractions, one root and one quotient."""
    exact = Context(prec=50, Emin=MIN_EMIN, Emax=MAX_EMAX)
    a, b = ([Fraction(float(value)) for value in row] for row in (x, y))
    dot, first, second = (
        sum((p * q for p, q in zip(*pair, strict=True)), Fraction()) for pair in ((a, b), (a, a), (b, b))
    )
    squared = first * second
    length = exact.sqrt(exact.divide(Decimal(squared.numerator), Decimal(squared.denominator)))
    return exact.divide(exact.divide(Decimal(dot.numerator), Decimal(dot.denominator)), length)


@given(case=asked())
def test_the_order_is_by_score_and_then_by_row(device: Device, case: Asked) -> None:
    found = search(device, case.table.rows, case.k, case.queries, case.itself)
    for ids, scores in zip(found.ids.tolist(), found.scores.tolist(), strict=True):
        order = [(-score, row) for row, score in zip(ids, scores, strict=True) if row >= 0]
        assert order == sorted(order)
        assert len(order) == len(set(order))


@given(case=asked())
def test_lists_hold_all_candidates_before_they_are_padded(device: Device, case: Asked) -> None:
    rows, queries = case.table.rows, case.table.rows if case.queries is None else case.queries
    found = search(device, rows, case.k, case.queries, case.itself)
    itself = np.arange(len(rows)) if case.queries is None else case.itself
    with_length = np.any(rows != 0, axis=1)
    for q, query in enumerate(queries):
        own = -1 if itself is None else int(itself[q])
        candidates = int(with_length.sum()) - (own >= 0 and bool(with_length[own]))
        filled = min(case.k, candidates) if query.any() else 0
        assert (found.ids[q, :filled] >= 0).all()
        assert (found.ids[q, filled:] == -1).all()
        np.testing.assert_array_equal(np.isnan(found.scores[q]), np.arange(case.k) >= filled)


@given(case=asked())
def test_a_row_of_zeros_is_nowhere_and_has_no_list(device: Device, case: Asked) -> None:
    rows, queries = case.table.rows, case.table.rows if case.queries is None else case.queries
    found = search(device, rows, case.k, case.queries, case.itself)
    assert not np.isin(found.ids, np.flatnonzero(~rows.any(axis=1))).any()
    assert (found.ids[~queries.any(axis=1)] == -1).all()


@given(table=tables(max_words=20))
def test_a_row_is_left_out_of_its_own_list_by_number_and_its_copies_stay(
    device: Device, table: Table
) -> None:
    twice = np.concatenate([table.rows, table.rows])
    found = search(device, twice, 2 * table.words)
    for row in range(2 * table.words):
        copy = (row + table.words) % (2 * table.words)
        assert row not in found.ids[row]
        assert (copy in found.ids[row]) == bool(twice[row].any())


def test_a_row_asked_as_a_vector_finds_itself(device: Device) -> None:
    rows = awkward_rows("gaussian", "float32", 30, 8, seed=2)
    assert search(device, rows, 1, rows).ids[:, 0].tolist() == list(range(30))


@given(table=tables(max_words=25), seed=st.integers(0, 99))
def test_a_power_of_two_times_a_row_changes_no_bit(device: Device, table: Table, seed: int) -> None:
    rows = table.rows.astype(np.float64) / float(np.abs(table.rows.astype(np.float64)).max(initial=0) or 1)
    factors = 2.0 ** np.random.default_rng(seed).integers(-40, 40, (len(rows), 1))
    assert_same_answer(search(device, rows * factors, 5), search(device, rows, 5))


@given(table=tables(max_words=30, dtypes=("float32", "float64")), seed=st.integers(0, 99))
def test_rows_in_another_order_get_the_same_neighbors(device: Device, table: Table, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(table.words)
    found, moved = (search(device, rows, table.words) for rows in (table.rows, table.rows[order]))
    assert_same_bits(moved.scores, found.scores[order])
    for new, old in enumerate(order):
        scores = found.scores[old][found.ids[old] >= 0]
        if len(set(scores.tolist())) == len(scores):  # ties come out in row order, which has changed
            named = np.where(moved.ids[new] >= 0, order[moved.ids[new]], -1)
            assert named.tolist() == found.ids[old].tolist()


@given(case=asked(max_words=30), dimensions=st.integers(1, 20))
def test_columns_of_zeros_change_no_bit(device: Device, case: Asked, dimensions: int) -> None:
    def wider(x: FloatMatrix | None) -> FloatMatrix | None:
        return None if x is None else np.pad(x, ((0, 0), (0, dimensions)))

    found = search(device, case.table.rows, case.k, case.queries, case.itself)
    padded = search(device, wider(case.table.rows), case.k, wider(case.queries), case.itself)
    assert_same_answer(padded, found)


# A warm start may save time and never changes a bit.

GUESSES = ("right", "some of them", "the farthest", "any", "one row again and again", "itself", "nothing")


def warm_start_rows(guess: str, case: Asked, expected: TopK, seed: int) -> Int32:
    """Guess ``(Q, m)`` rows that may be near: rightly, or in every way wrongly."""
    numbers, words = np.random.default_rng(seed), case.table.words
    queries, shape = len(expected.ids), (len(expected.ids), case.k + 2)
    own = np.arange(queries) if case.queries is None else case.itself
    if guess == "right":
        return expected.ids[:, ::-1]
    if guess == "some of them":
        return np.where(numbers.random(expected.ids.shape) < 0.5, expected.ids, -1).astype(np.int32)
    if guess == "the farthest":
        everyone = cosine_topk.reference(case.table.rows, words, case.queries, own).ids
        return np.ascontiguousarray(everyone[:, ::-1])
    if guess == "any":
        return numbers.integers(-1, words, shape).astype(np.int32)
    if guess == "one row again and again":
        return np.repeat(numbers.integers(0, words, (queries, 1)), shape[1], axis=1).astype(np.int32)
    if guess == "itself":
        itself = np.full(queries, -1) if own is None else own
        return np.concatenate([itself[:, None], expected.ids, itself[:, None]], axis=1).astype(np.int32)
    return np.full(shape, -1, np.int32)


@pytest.mark.parametrize("guess", GUESSES)
@given(case=asked(), seed=st.integers(0, 99))
def test_warm_start_rows_change_no_bit(device: Device, guess: str, case: Asked, seed: int) -> None:
    arguments = case.table.rows, case.k, case.queries, case.itself
    expected = cosine_topk.reference(*arguments)
    warm_start = warm_start_rows(guess, case, expected, seed)
    assert_same_answer(search(device, *arguments, warm_start), expected)


# The large table: more rows than a tile, so that lists are filled from several.


@pytest.fixture(scope="module")
def large() -> FloatMatrix:
    parts = [
        awkward_rows(kind, "float32", LARGE // 5, 24, seed=5)
        for kind in ("gaussian", "clusters", "tied", "zero rows", "huge and tiny")
    ]
    return np.concatenate(parts)[np.random.default_rng(6).permutation(LARGE)]


def fitting(device: Device, rows: FloatMatrix) -> FloatMatrix:
    """As many rows as the device takes in a second."""
    return rows[:LARGE_EMULATED] if device.kind == "cuda" and stand_in.is_installed() else rows


def test_a_table_larger_than_the_tiles_gives_the_reference_s_bits(device: Device, large: FloatMatrix) -> None:
    rows = fitting(device, large)
    found = search(device, rows, 10)
    sample = np.sort(np.random.default_rng(7).choice(len(rows), 48, replace=False))
    expected = cosine_topk.reference(rows, 10, rows[sample], sample)
    assert_same_answer(TopK(found.ids[sample], found.scores[sample]), expected)


def test_words_asked_alone_get_the_lists_they_get_among_all(device: Device, large: FloatMatrix) -> None:
    rows = fitting(device, large)
    sample = np.arange(0, len(rows), 37)
    found, alone = search(device, rows, 10), search(device, rows, 10, rows[sample], sample)
    assert_same_answer(alone, TopK(found.ids[sample], found.scores[sample]))


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_memory_map_and_queries_of_another_are_searched_on_any_device(
    device: Device, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the GPU holds all rows, or 300 at once."""
    rows = fitting(device, awkward_rows("scaled copies", dtype, MAPPED, 24, seed=9))
    strangers = awkward_rows("zero rows", dtype, 40, 24, seed=10)
    maps = []
    for name, table in (("rows", rows), ("strangers", strangers)):
        np.save(tmp_path / f"{name}.npy", table)
        maps.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    expected = cosine_topk.reference(rows, 10, strangers)
    for held in (None,) if device.kind == "cpu" else (None, 300):
        if held is not None:
            monkeypatch.setattr(cuda_kernel, "fitting_host", lambda *_, held=held: (128, held))
        found = cosine_topk.on(device)(maps[0], 10, maps[1])
        assert_same_answer(TopK(to_host(found.ids), to_host(found.scores)), expected)


def test_scores_that_only_ascend_give_the_reference_s_bits(device: Device) -> None:
    rows = fitting(device, awkward_rows("ascending", "float32", LARGE, 18, seed=8))
    sample = np.array([0, 1, len(rows) // 2 - 1, len(rows) // 2, len(rows) - 1])
    arguments = rows, 300, rows[sample], sample
    assert_same_answer(search(device, *arguments), cosine_topk.reference(*arguments))


# How the CPU cuts the work, and its two strategies: both are exact, so both give the reference's bits.

STRATEGIES = [
    pytest.param("int8", marks=pytest.mark.skipif(bool(vnni.missing()), reason=vnni.missing() or "present")),
    "float32",
]


@contextmanager
def strategy(name: str, block: int = cpu_kernel.BLOCK) -> Iterator[None]:
    """Force one of the strategies, with blocks of at most ``block`` rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_kernel, "choose_strategy", lambda dim, queries, k: name)
        patch.setattr(cpu_kernel, "BLOCK", block)
        yield


@pytest.mark.parametrize("name", STRATEGIES)
@given(case=asked(max_words=60), blocks=st.sampled_from([32, 64, 1024]), workers=st.integers(1, 3))
def test_each_strategy_gives_the_reference_s_bits_for_any_block_and_workers(
    name: str, case: Asked, blocks: int, workers: int
) -> None:
    arguments = case.table.rows, case.k, case.queries, case.itself
    with strategy(name, blocks), threads.limit(workers):
        assert_same_answer(search(CPU, *arguments), cosine_topk.reference(*arguments))


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("block", [256, 1024])
def test_each_strategy_agrees_on_a_table_of_many_blocks(
    name: str, workers: int, block: int, large: FloatMatrix
) -> None:
    expected = search(CPU, large, 10)
    with strategy(name, block), threads.limit(workers):
        assert_same_answer(search(CPU, large, 10), expected)
        strangers = large[::-1][:999] + np.float32(0.125)
        assert_same_answer(search(CPU, large, 40, strangers), _searched_alone(large, 40, strangers))


def _searched_alone(rows: FloatMatrix, k: int, queries: FloatMatrix) -> TopK:
    """The same queries in parts too small for int8."""
    parts = [search(CPU, rows, k, queries[first : first + 50]) for first in range(0, len(queries), 50)]
    return TopK(np.concatenate([p.ids for p in parts]), np.concatenate([p.scores for p in parts]))


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("dim", cases(1, 17, 65, 300, slow=(3, 15, 50, 63, 127, 1000, 1024)))
@pytest.mark.parametrize("dtype", FLOATS)
def test_each_strategy_takes_any_number_of_dimensions(name: str, dim: int, dtype: str) -> None:
    rows = awkward_rows("gaussian", dtype, 90, dim, seed=dim)
    with strategy(name):
        assert_same_answer(search(CPU, rows, 7), cosine_topk.reference(rows, 7))


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_strategy_finds_a_sample_of_a_large_awkward_table(name: str, kind: str) -> None:
    rows = awkward_rows(kind, "float32", 700, 33, seed=11)
    sample = np.arange(0, 700, 41)
    with strategy(name, 64):
        found = search(CPU, rows, 20)
    expected = cosine_topk.reference(rows, 20, rows[sample], sample)
    assert_same_answer(TopK(found.ids[sample], found.scores[sample]), expected)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_table_of_equal_rows_is_all_ties(name: str) -> None:
    rows = np.tile(awkward_rows("gaussian", "float32", 1, 30, seed=3), (500, 1))
    with strategy(name, 64):
        found = cosine_topk.on(CPU)(rows, 3)
    assert found.ids[0].tolist() == [1, 2, 3]
    assert (found.ids[3:] == [0, 1, 2]).all()
    assert found.recomputed > 0  # nothing separates them: no bound can


@given(blocks=st.integers(0, 40))
def test_every_pair_of_blocks_comes_once_and_no_two_of_a_round_share_a_block(blocks: int) -> None:
    rounds = [pairs.tolist() for pairs in cpu_kernel._rounds(blocks)]
    met = sorted(tuple(pair) for pairs in rounds for pair in pairs)
    assert met == [(i, j) for i in range(blocks) for j in range(i + 1, blocks)]
    for pairs in rounds:
        taking_part = [block for pair in pairs for block in pair]
        assert len(taking_part) == len(set(taking_part))


NARROW = "+avx,+avx2,+fma,+bmi,+bmi2,+popcnt"
ASK = """
import sys
import numpy as np
from gpuemb.kernels.cosine_topk import cosine_topk, cpu
assert cpu.choose_strategy(37, 700, 9) == sys.argv[1], cpu.choose_strategy(37, 700, 9)
rows = np.random.default_rng(0).standard_normal((700, 37)).astype(np.float32)
rows[::7] = rows[3]
sample = np.arange(0, 700, 23)
found, expected = cpu.cosine_topk(rows, 9), cosine_topk.reference(rows, 9, rows[sample], sample)
assert np.array_equal(found.ids[sample], expected.ids)
assert found.scores[sample].tobytes() == expected.scores.tobytes()
"""


@pytest.mark.parametrize(
    ("processor", "features", "name"),
    [("haswell", NARROW, "float32"), ("alderlake", f"{NARROW},+avxvnni", "int8")],
)
@pytest.mark.slow
def test_registers_of_256_bits_give_the_reference_s_bits(processor: str, features: str, name: str) -> None:
    from llvmlite import binding

    here = binding.get_host_cpu_features()
    lacking = [part for part in features.split(",") if not here.get(part[1:], False)]
    if lacking:
        pytest.skip(f"this processor lacks {' '.join(lacking)}")
    compiled_for = {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": features}
    subprocess.run([sys.executable, "-c", ASK, name], env=os.environ | compiled_for, check=True)


def test_every_list_says_how_it_was_proved(large: FloatMatrix) -> None:
    asking = int(np.any(large != 0, axis=1).sum())
    for name in ("certified", "refined"):
        if name == "certified" and vnni.missing():
            continue
        with strategy("int8" if name == "certified" else "float32"):
            found = cosine_topk.on(CPU)(large, 5)
        assert getattr(found, name) + found.recomputed == asking
        assert getattr(found, name) > asking // 2
    few = cosine_topk.reference(large[:30], 5)
    assert few.recomputed == int(np.any(large[:30] != 0, axis=1).sum())


def test_few_queries_do_not_pay_for_reordering_the_table() -> None:
    many = "float32" if vnni.missing() else "int8"
    assert cpu_kernel.choose_strategy(50, 1, 10) == "search"
    assert cpu_kernel.choose_strategy(50, 100_000, 10) == many
    assert cpu_kernel.choose_strategy(50, 1, 100_000) == many  # long lists are not grown one by one
    assert cpu_kernel.choose_strategy(2**17, 100_000, 10) == "float32"  # sums of products leave int32


@pytest.mark.parametrize("queries", [1, 300])
@pytest.mark.parametrize("dtype", FLOATS)
def test_few_and_many_queries_get_the_same_bits(large: FloatMatrix, queries: int, dtype: str) -> None:
    rows = np.clip(large, -6e4, 6e4).astype(dtype)
    itself = np.linspace(0, LARGE - 1, queries).astype(np.int64)
    itself[queries // 2] = -1
    few = search(CPU, rows, 20, rows[itself], itself)
    with strategy("float32"):
        assert_same_answer(few, search(CPU, rows, 20, rows[itself], itself))


def test_a_search_that_does_not_fit_is_refused_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_host_bytes", lambda: 10_000)
    with pytest.raises(MemoryBudgetError, match="cosine_topk of 40 among 40 rows"):
        search(CPU, np.ones((40, 30), np.float32), 3)


def test_the_plan_stays_within_a_gigabyte_beside_the_table() -> None:
    table = 400_000 * 300 * 4
    assert cpu_kernel.plan(400_000, 300, 10, 400_000).bytes < table + 1e9


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("workers", [1, 3])
def test_lists_of_another_run_change_no_bit_and_save_scores(
    name: str, workers: int, large: FloatMatrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = large * (
        1 + np.float32(0.01) * np.random.default_rng(12).standard_normal(large.shape, np.float32)
    )
    scored: list[int] = []

    def noted(search: cpu_kernel.Search, strategy: str) -> TopK:
        scored.append(int(search.lists.scored.sum()))
        return answer(search, strategy)

    answer = cpu_kernel._result
    with strategy(name, 256), threads.limit(workers):
        warm_start = search(CPU, earlier, 10).ids
        monkeypatch.setattr(cpu_kernel, "_result", noted)
        cold, warm = search(CPU, large, 10), search(CPU, large, 10, warm_start=warm_start)
        asked = search(CPU, large, 10, large[::3], np.arange(0, LARGE, 3), warm_start[::3])
    assert_same_answer(warm, cold)
    assert_same_answer(asked, TopK(cold.ids[::3], cold.scores[::3]))
    assert scored[1] < scored[0]


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("queries", [None, 3, 700])
def test_progress_counts_every_pair_of_blocks_from_the_caller(
    name: str, queries: int | None, large: FloatMatrix
) -> None:
    recorder = Recorder()
    with strategy(name, 256), threads.limit(3):
        cosine_topk.on(CPU)(large, 2, None if queries is None else large[:queries], progress=recorder)
    assert recorder.total is not None
    assert recorder.done == recorder.total > 1
    assert recorder.callers == {threading.get_ident()}


def test_an_interrupted_search_ends_and_leaves_the_workers_free(large: FloatMatrix) -> None:
    with strategy("float32", 256), pytest.raises(KeyboardInterrupt):
        cosine_topk.on(CPU)(large, 2, progress=Recorder(breaks_at=30))
    assert_same_answer(search(CPU, large[:300], 2), cosine_topk.reference(large[:300], 2))


# The proofs behind the filters.


def ordered(rows: FloatMatrix) -> OrderedRows:
    table = np.ascontiguousarray(rows, np.float64 if rows.dtype.itemsize == 8 else np.float32)
    return reorder(table, np.flatnonzero(rows.any(axis=1)), None)


@given(table=tables())
def test_no_score_is_farther_from_its_float32_filter_than_stated(table: Table) -> None:
    side = ordered(table.rows)
    packed = float32.unit_rows(side, table.dim)
    unit = packed.panels.transpose(0, 2, 1, 3).reshape(-1, table.dim)[: len(side.rows)]
    margin = float32.rounding(table.dim)
    scores = all_scores(table.rows)[np.ix_(side.numbers, side.numbers)]
    assert (np.abs(unit @ unit.T - scores) <= margin).all()


@given(table=tables())
def test_no_score_is_farther_from_its_int8_filter_than_stated(table: Table) -> None:
    side = ordered(table.rows)
    numbers = int8.quantize(side, table.dim)
    rows = len(side.rows)
    integers = numbers.panels.transpose(0, 2, 1, 3).reshape(-1, numbers.panels.shape[1] * 4)[:rows]
    near = integers.astype(np.float64) * numbers.scale[:rows, None].astype(np.float64)
    residual, length = numbers.residual[:rows], numbers.length[:rows]
    assert np.array_equal(numbers.start[:rows], -128 * integers.sum(axis=1, dtype=np.int64))
    bound = residual[:, None] * length + residual + int8.SLACK
    scores = all_scores(table.rows)[np.ix_(side.numbers, side.numbers)]
    assert (np.abs(near @ near.T - scores) <= np.minimum(bound, bound.T)).all()


def all_scores(rows: FloatMatrix) -> Float64:
    """The defined score of every pair, a row with itself included."""
    found = cosine_topk.reference(rows, len(rows), rows, np.full(len(rows), -1))
    scores = np.full((len(rows), len(rows)), np.nan)
    for row, (ids, values) in enumerate(zip(found.ids, found.scores, strict=True)):
        scores[row, ids[ids >= 0]] = values[ids >= 0]
    return scores
