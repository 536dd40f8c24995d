"""The counts of work are what a person would count by hand."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

from gpuemb.bench.workloads import SIZES, WORKLOADS, neighbor_work, require_memory, selected, synthetic, work
from gpuemb.core.device import CPU, Device
from gpuemb.core.errors import ConfigError, MemoryBudgetError


@pytest.mark.parametrize(("strategy", "ceiling"), [("int8", "int8"), ("float32", "sgemm")])
def test_neighbors_of_ten_words_in_four_dimensions(
    strategy: str, ceiling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbor_work, "choose_strategy", lambda dim, queries, k: strategy)
    monkeypatch.setattr(neighbor_work, "BLOCK", 2)
    counted = neighbor_work.cosine_topk({"words": 10, "dim": 4, "k": 2})
    blocks = sum(2 * 2 for i in range(5) for j in range(5) if i <= j)  # the diagonal's and those above it
    assert counted.flops == blocks * 2 * 4
    assert counted.bytes == 10 * 4 * 4 + 10 * 2 * (4 + 8)
    assert counted.ceiling == ceiling
    assert neighbor_work.cosine_topk({"words": 10, "dim": 4, "k": 2, "queries": 3}).flops == 2 * 3 * 10 * 4


@pytest.mark.parametrize(("int8", "row", "ceiling"), [(True, 4 + 8, "int8"), (False, 4 * 4, "sgemm")])
def test_a_few_queries_read_a_table_and_more_multiply_with_it(
    int8: bool, row: int, ceiling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbor_work, "by_int8", lambda dim: int8)
    shape = {"words": 10, "dim": 4, "k": 2}
    one, some = (neighbor_work.cosine_search({**shape, "queries": queries}) for queries in (1, 100))
    assert (one.ceiling, one.amount) == ("copy", 10 * row)
    assert (some.ceiling, some.amount) == (ceiling, 2 * 100 * 10 * 4)
    many = {**shape, "queries": 10_000}
    assert neighbor_work.cosine_search(many) == neighbor_work.cosine_topk(many)


def test_cosines_of_three_rows_have_the_columns_lengths_once() -> None:
    counted = neighbor_work.cosine_scores({"words": 10, "dim": 4, "queries": 3})
    assert counted.flops == 2 * 4 * (3 * 10 + 10)
    assert counted.bytes == 4 * 4 * 13 + 8 * 30


def test_a_gpu_reads_each_window_of_a_corpus() -> None:
    (counts,) = selected(["window_counts"])
    counted = counts.work_on(Device("cuda"), {"tokens": 1000, "words": 9, "window": 3})
    assert (counted.ceiling, counted.amount) == ("copy", 1000 * 7 * 4)
    assert counted.flops == counts.work({"tokens": 1000, "words": 9, "window": 3}).flops


def test_lists_are_read_twice_and_five_numbers_written() -> None:
    assert (
        neighbor_work.list_measures({"runs": 3, "words": 5, "k": 4}).bytes
        == 2 * 3 * 5 * 4 * 4 + 3 * 5 * 5 * 8
    )


@pytest.mark.parametrize(
    ("strategy", "pairs"), [("fused", sum(2 * 2 for i in range(5) for j in range(i, 5))), ("cublas", 100)]
)
def test_a_gpu_multiplies_padded_rows_and_each_pair_once_where_it_stores_none(
    strategy: str, pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbor_work, "STRATEGY", strategy)
    monkeypatch.setattr(neighbor_work, "SIDE", 2)
    (workload,) = selected(["cosine_topk"])
    counted = workload.work_on(Device("cuda"), {"words": 10, "dim": 17, "k": 2})
    assert counted.flops == pairs * 2 * 32
    assert counted.bytes == 10 * 17 * 4 + 10 * 2 * (4 + 8)
    assert counted.ceiling == "fp16"
    on_cpu = workload.work_on(CPU, {"words": 10, "dim": 17, "k": 2})
    assert on_cpu == neighbor_work.cosine_topk({"words": 10, "dim": 17, "k": 2})


@pytest.mark.parametrize(("precision", "ceiling"), [("float32", "sgemm"), ("float64", "dgemm")])
def test_three_runs_have_three_products_of_pairs_and_three_halves(precision: Any, ceiling: str) -> None:
    counted = work.gram({"runs": 3, "words": 7, "dim": 2}, precision)
    assert counted.flops == 3 * (2 * 7 * 2 * 2) + 3 * (7 * 2 * 2) + 9 * (2 * 7 * 2)
    assert counted.bytes == 3 * 7 * 2 * 4 + 6 * 6 * 8
    assert counted.ceiling == ceiling


def test_one_product_of_two_runs_is_counted_alone() -> None:
    counted = work.gram({"runs": 2, "words": 7, "dim": 2, "products": 1})
    assert counted.flops == 2 * 7 * 2 * 2 + 4 * (2 * 7 * 2)


def test_a_resample_takes_three_products_of_the_words_it_holds() -> None:
    shape = {"words": 1_000, "dim": 10, "draws": 7}
    assert work.draws(shape | {"products": 1}).flops == 7 * 2 * 1_000 * 100
    assert work.draws(shape | {"products": 3}).flops == 7 * 3 * 2 * 632 * 100


def test_streamed_ranks_take_the_cosines_of_both_tables_twice() -> None:
    counted = work.streamed_ranks({"words": 10, "dim": 3})
    assert counted.items == (45, "pairs")
    assert counted.flops == 2 * 2 * (10 * 10 // 2) * 2 * 3


def test_three_runs_have_three_pairs_of_lists() -> None:
    counted = neighbor_work.neighbor_overlap({"runs": 3, "words": 5, "k": 4})
    assert counted.flops == 3 * 5 * 2 * 4
    assert counted.bytes == 3 * 5 * 4 * 4 + 2 * 5 * (3 + 1 + 3)


def test_a_polar_factor_costs_an_svd_and_a_product() -> None:
    assert work.polar({"pairs": 2, "dim": 3}).flops == 2 * 24 * 27


@pytest.mark.parametrize(("tokens", "window", "document"), [(12, 2, 4), (9, 5, 3), (5, 1, 5)])
def test_pair_additions_are_those_of_a_loop_over_the_tokens(tokens: int, window: int, document: int) -> None:
    looped = sum(
        abs(i - j) in range(1, window + 1)
        for _ in range(tokens // document)
        for i in range(document)
        for j in range(document)
    )
    assert work.pair_additions(tokens, window, document) == looped


def test_an_epoch_pads_its_dimensions_to_lanes() -> None:
    counted = work.glove_epoch({"dim": 50, "nonzeros": 10})
    assert (counted.flops, counted.bytes) == (16 * 64 * 10, 32 * 64 * 10)


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda w: w.name)
def test_a_plan_holds_at_least_what_the_result_and_data_need(workload) -> None:
    sizes = [workload.plan(workload.shapes[size]).bytes for size in SIZES]
    assert sizes == sorted(sizes)
    moved = [workload.work(workload.shapes[size]).bytes for size in SIZES]
    assert all(plan > 0.25 * bytes_ for plan, bytes_ in zip(sizes, moved, strict=True))


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda w: w.name)
def test_every_workload_runs_on_a_tiny_shape(workload) -> None:
    shape = {name: min(length, 40) for name, length in workload.shapes["small"].items()}
    if "k" in shape:
        shape["k"] = 3
    with ExitStack() as stack:
        prepared = workload.prepare(shape, CPU, stack)
        assert prepared.call() is not None
        counted = workload.work({**shape, **prepared.measured})
    assert counted.amount > 0
    assert counted.ceiling in ("copy", "sgemm", "dgemm", "int8", "adds")


def test_a_size_that_does_not_fit_is_refused_with_one_that_does() -> None:
    workloads = selected(["cosine_topk"])
    budget = workloads[0].plan(workloads[0].shapes["medium"]).bytes
    require_memory(workloads, "medium", budget)
    with pytest.raises(MemoryBudgetError, match="cosine_topk at --size large") as caught:
        require_memory(workloads, "large", budget)
    assert "--size medium fits" in str(caught.value)


def test_a_refusal_names_the_workloads_that_would_fit() -> None:
    with pytest.raises(MemoryBudgetError, match="polar would fit: name them with --only"):
        require_memory(selected(["cosine_topk", "polar"]), "small", 2_000_000)


def test_an_unknown_workload_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="cosine_topk"):
        selected(["cosine_top"])


def test_a_table_is_the_same_bits_again_and_has_a_spectrum() -> None:
    table = synthetic.embedding_table(2000, 40, seed=3)
    assert np.array_equal(table, synthetic.embedding_table(2000, 40, seed=3))
    values = np.linalg.svd(table - table.mean(0), compute_uv=False)
    assert values[0] > 3 * values[-1]


def test_runs_agree_up_to_rotation_and_noise() -> None:
    first, second = synthetic.embedding_runs(2, 1000, 20)
    left, _, right = np.linalg.svd(first.T.astype(float) @ second)
    distance = np.linalg.norm(first @ (left @ right) - second)
    assert distance < 0.6 * np.linalg.norm(second) < np.linalg.norm(first - second)


def test_lists_name_no_word_twice_and_share_some() -> None:
    ids = synthetic.neighbor_lists(2, 500, 10)
    assert all(len(set(row)) == 10 for row in ids.reshape(-1, 10).tolist())
    shared = [len(set(a) & set(b)) for a, b in zip(*ids.tolist(), strict=True)]
    assert 4 < np.mean(shared) < 9


def test_every_word_of_the_stream_occurs_and_ids_are_by_frequency() -> None:
    tokens = synthetic.token_stream(20_000, 300)
    counts = np.bincount(tokens.ids, minlength=300)
    assert counts.min() >= 1
    assert np.array_equal(counts, tokens.vocabulary.counts)
    assert np.all(np.diff(counts) <= 0)
    assert len(set(tokens.vocabulary.words)) == 300


def test_the_written_text_is_read_back_as_the_same_counts(tmp_path) -> None:
    from gpuemb.corpus.tokens import read_corpus

    tokens = synthetic.token_stream(5_000, 100)
    assert synthetic.write_text(tmp_path / "text.txt", tokens) == (tmp_path / "text.txt").stat().st_size
    read = read_corpus(tmp_path / "text.txt")
    assert dict(zip(read.vocabulary.words, read.vocabulary.counts.tolist(), strict=True)) == dict(
        zip(tokens.vocabulary.words, tokens.vocabulary.counts.tolist(), strict=True)
    )
