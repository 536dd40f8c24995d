"""The fixed workloads: operation, amount of work and memory of each.

A workload never changes; a changed one gets another name, so that old records stay comparable. ``Work``
counts the operations of the present kernel, and the share of the ceiling is of those; two versions are
compared by time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gpuemb.bench.workloads import neighbor_work, prepare, training_work, work
from gpuemb.bench.workloads.prepare import Prepared
from gpuemb.bench.workloads.work import Work
from gpuemb.core.checks import check_choice
from gpuemb.core.device import Device
from gpuemb.core.errors import MemoryBudgetError
from gpuemb.core.memory import RESERVE, MemoryPlan, available_host_bytes, readable

Size: TypeAlias = Literal["small", "medium", "large"]
SIZES: tuple[Size, ...] = ("small", "medium", "large")
Shape: TypeAlias = Mapping[str, int]


@dataclass(frozen=True)
class Workload:
    """One operation at three sizes.

    Attributes:
        name: as on the command line.
        about: one line of text.
        shapes: the lengths (``words``, ``dim``, …) of each size.
        work: operations and bytes of a shape.
        plan: the memory of a shape, data included.
        prepare: builds the data on a device and returns the timed call; resources to clean up
            afterwards are entered into the stack.
        kernel: the timed folder of ``kernels/``; None for files and text, which run on the host.
        cuda_work: as ``work``, where a GPU executes other operations.
    """

    name: str
    about: str
    shapes: Mapping[Size, Shape]
    work: Callable[[Shape], Work]
    plan: Callable[[Shape], MemoryPlan]
    prepare: Callable[[Shape, Device, ExitStack], Prepared]
    kernel: str | None
    cuda_work: Callable[[Shape], Work] | None = None

    def work_on(self, device: Device, shape: Shape) -> Work:
        """Operations and bytes of a shape on a device."""
        if device.kind == "cuda" and self.cuda_work:
            return self.cuda_work(shape)
        return self.work(shape)


def _three(small: Shape, medium: Shape, large: Shape) -> Mapping[Size, Shape]:
    return dict(zip(SIZES, (small, medium, large), strict=True))


WORKLOADS = (
    Workload(
        "cosine_topk",
        "every word's nearest neighbors by cosine, exact",
        _three(
            {"words": 10_000, "dim": 100, "k": 10},
            {"words": 50_000, "dim": 300, "k": 10},
            {"words": 200_000, "dim": 300, "k": 10},
        ),
        neighbor_work.cosine_topk,
        neighbor_work.plan_cosine_topk,
        prepare.cosine_topk,
        kernel="cosine_topk",
        cuda_work=neighbor_work.cosine_topk_cuda,
    ),
    Workload(
        "neighbor_overlap",
        "neighbors that every pair of runs shares",
        _three(
            {"runs": 5, "words": 20_000, "k": 10},
            {"runs": 10, "words": 100_000, "k": 10},
            {"runs": 10, "words": 400_000, "k": 25},
        ),
        neighbor_work.neighbor_overlap,
        neighbor_work.plan_neighbor_overlap,
        prepare.neighbor_overlap,
        kernel="neighbor_overlap",
    ),
    Workload(
        "gram",
        "products of every pair of runs: Procrustes, RSA, CKA, PIP follow",
        _three(
            {"runs": 3, "words": 20_000, "dim": 100},
            {"runs": 10, "words": 100_000, "dim": 100},
            {"runs": 10, "words": 400_000, "dim": 300},
        ),
        work.gram,
        work.plan_gram,
        prepare.gram,
        kernel="gram",
    ),
    Workload(
        "polar",
        "best rotation of every pair of runs, from their products",
        _three({"pairs": 10, "dim": 50}, {"pairs": 45, "dim": 100}, {"pairs": 45, "dim": 300}),
        work.polar,
        work.plan_polar,
        prepare.polar,
        kernel="polar",
    ),
    Workload(
        "window_counts",
        "co-occurrence counts inside a window, exact integers",
        _three(
            {"tokens": 200_000, "words": 5_000, "window": 10},
            {"tokens": 4_000_000, "words": 50_000, "window": 10},
            {"tokens": 40_000_000, "words": 200_000, "window": 10},
        ),
        work.window_counts,
        work.plan_window_counts,
        prepare.window_counts,
        kernel="window_counts",
        cuda_work=work.window_counts_cuda,
    ),
    Workload(
        "glove_epoch",
        "one pass of GloVe's AdaGrad over the counts",
        _three(
            {"tokens": 200_000, "words": 5_000, "dim": 50},
            {"tokens": 2_000_000, "words": 30_000, "dim": 100},
            {"tokens": 10_000_000, "words": 100_000, "dim": 300},
        ),
        work.glove_epoch,
        work.plan_glove_epoch,
        prepare.glove_epoch,
        kernel="glove_epoch",
        cuda_work=work.glove_epoch_cuda,
    ),
    Workload(
        "skipgram_epoch",
        "one pass of skip-gram with negative sampling over a text",
        _three(
            {"tokens": 200_000, "words": 5_000, "dim": 50},
            {"tokens": 2_000_000, "words": 30_000, "dim": 100},
            {"tokens": 10_000_000, "words": 100_000, "dim": 300},
        ),
        training_work.skipgram_epoch,
        training_work.plan_skipgram_epoch,
        prepare.skipgram_epoch,
        kernel="skipgram_epoch",
    ),
    Workload(
        "read_corpus",
        "a text file to vocabulary and token ids",
        _three(
            {"tokens": 200_000, "words": 5_000},
            {"tokens": 2_000_000, "words": 50_000},
            {"tokens": 20_000_000, "words": 200_000},
        ),
        work.read_corpus,
        work.plan_read_corpus,
        prepare.read_corpus,
        kernel=None,
    ),
    Workload(
        "load_table",
        "a table on the disk (in the system's cache) to memory",
        _three(
            {"words": 20_000, "dim": 100},
            {"words": 200_000, "dim": 100},
            {"words": 400_000, "dim": 300},
        ),
        work.load_table,
        work.plan_load_table,
        prepare.load_table,
        kernel=None,
    ),
)
BY_NAME = {workload.name: workload for workload in WORKLOADS}


def selected(names: Sequence[str] = ()) -> tuple[Workload, ...]:
    """Return the workloads of these names, or all.

    Raises:
        ConfigError: an unknown name, with the nearest known one.
    """
    for name in names:
        check_choice("bench", "only", name, tuple(BY_NAME))
    return tuple(BY_NAME[name] for name in dict.fromkeys(names)) if names else WORKLOADS


def size_named(name: str) -> Size:
    """Return the size of this name.

    Raises:
        ConfigError: there is none, with the nearest known one.
    """
    check_choice("bench", "size", name, SIZES)
    return next(size for size in SIZES if size == name)


def require_memory(workloads: Sequence[Workload], size: Size, budget: int | None = None) -> None:
    """Check before anything runs that every workload fits the memory.

    Args:
        workloads: those to run, one after another.
        size: of all of them.
        budget: bytes that may be used; default the free ones less a reserve.

    Raises:
        MemoryBudgetError: the workload, its bytes and a size or selection that fits are named.
    """
    allowed = int(available_host_bytes() * RESERVE) if budget is None else budget
    plans = {w.name: w.plan(w.shapes[size]) for w in workloads}
    too_large = [name for name, plan in plans.items() if plan.bytes > allowed]
    if not too_large:
        return
    worst = max(too_large, key=lambda name: plans[name].bytes)
    largest = max(plans[worst].buffers.items(), key=lambda entry: entry[1])
    raise MemoryBudgetError(
        f"bench: {worst} at --size {size} needs {readable(plans[worst].bytes)} "
        f"but may use {readable(allowed)}",
        needed=f"Its largest part is {largest[0]}, {readable(largest[1])}.",
        remedy=_what_fits(workloads, size, allowed, [n for n in plans if n not in too_large]),
    )


def _what_fits(workloads: Sequence[Workload], size: Size, allowed: int, fitting: Sequence[str]) -> str:
    for smaller in reversed(SIZES[: SIZES.index(size)]):
        most = max(w.plan(w.shapes[smaller]).bytes for w in workloads)
        if most <= allowed:
            return f"--size {smaller} fits with {readable(most)}."
    if fitting:
        return f"At this size {', '.join(fitting)} would fit: name them with --only."
    least = min(w.plan(w.shapes["small"]).bytes for w in workloads)
    return f"Free memory: the least of them needs {readable(least)}."
