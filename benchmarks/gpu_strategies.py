"""GPU strategies of cosine_topk: each verified, then raced against its goal.

Not run on a GPU yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.bench.ceilings_cuda import finished
from gpuemb.bench.measure import alternate
from gpuemb.bench.records import here, write_json
from gpuemb.bench.workloads import synthetic
from gpuemb.core.arrays import Float32, to_device, to_host
from gpuemb.core.cuda import cupy
from gpuemb.core.cuda.host_streaming import copied
from gpuemb.core.device import Device
from gpuemb.kernels.cosine_topk import TopK, cosine_topk
from gpuemb.kernels.cosine_topk.cuda import STRATEGIES
from gpuemb.kernels.cosine_topk.cuda.memory_plan import buffer_capacity
from gpuemb.kernels.cosine_topk.cuda.rounds import Filter, run
from gpuemb.kernels.cosine_topk.cuda.state import SearchState, initial_state, result_of

WORDS, DIM, K = 400_000, 300, 10
SAMPLE = 8  # queries that the reference answers: it scores every row in Python
ONCE, TWICE = "fused, each pair once", "fused, each pair twice"
HERE, PART = "fused, from the host", "fused, a quarter of the host's rows at once"  # without a goal
GOALS = {"cublas": 0.400, TWICE: 0.250, ONCE: 0.175}  # seconds on an H200 at this size


def race(out: Path) -> str:
    """Verify and time every strategy on one table; write a record and return one line."""
    table = synthetic.embedding_table(WORDS, DIM)
    calls = searches(to_device(table, Device("cuda")), K) | from_the_host(table, K)
    verified = [verify(table, call()) for call in calls.values()]
    timings = alternate({name: finished(call) for name, call in calls.items()})
    seconds = {name: asdict(timing) for name, timing in timings.items()}
    shape = {"words": WORDS, "dim": DIM, "k": K}
    told = {"shape": shape, "seconds": seconds, "goals": GOALS, "verified": verified[0]}
    share = filter_seconds(to_device(table, Device("cuda")), K)
    write_json(out / "cosine_topk-strategies.json", {**told, "filter": share, **here(Device("cuda"))})
    return ", ".join(f"{name} {t.median:.3f} s (goal {GOALS.get(name)})" for name, t in timings.items())


def searches(rows: Any, k: int) -> dict[str, Callable[[], TopK]]:
    """Name every way in which each row finds its ``k`` neighbors."""
    itself = cupy().arange(len(rows))

    def search(strategy: Filter, *asked: Any) -> TopK:
        begun = initial_state(rows, k, *(asked or (None, None)), buffer_capacity(len(rows), k))
        run(begun, strategy)
        return result_of(begun)

    return {
        "cublas": lambda: search(STRATEGIES["cublas"]),
        TWICE: lambda: search(STRATEGIES["fused"], rows, itself),
        ONCE: lambda: search(STRATEGIES["fused"]),
    }


def from_the_host(table: Float32, k: int) -> dict[str, Callable[[], TopK]]:
    """The same of a table of the host: copied whole, or its float16 rows, and single rows to be rescored."""
    capacity = buffer_capacity(len(table), k)

    def search(resident: int) -> TopK:
        rows = table if resident else copied(table, table.dtype)
        begun = initial_state(rows, k, None, None, capacity, resident)
        run(begun, STRATEGIES["fused"])
        return result_of(begun)

    return {HERE: lambda: search(0), PART: lambda: search(max(capacity + 1, len(table) // 4))}


def verify(table: Float32, found: TopK) -> str:
    """Compare a sample with the reference, bit for bit."""
    asked = np.linspace(0, len(table) - 1, SAMPLE).astype(np.int64)
    expected = cosine_topk.reference(table, found.ids.shape[1], table[asked], asked)
    assert np.array_equal(to_host(found.ids)[asked], expected.ids)
    assert np.array_equal(to_host(found.scores)[asked], expected.scores, equal_nan=True)
    return f"the reference on {SAMPLE} queries, bit for bit; {found.recomputed} lists recomputed"


def filter_seconds(rows: Any, k: int) -> dict[str, float]:
    """Seconds of each strategy's filter alone, and of the whole search with the same synchronization."""
    return {part: seconds for name in STRATEGIES for part, seconds in _filter_of(name, rows, k).items()}


def _filter_of(name: str, rows: Any, k: int) -> dict[str, float]:
    stream, spent = cupy().cuda.get_current_stream(), []

    def timed(state: SearchState, first: int, last: int) -> None:
        stream.synchronize()
        started = time.perf_counter()
        STRATEGIES[name](state, first, last)
        stream.synchronize()
        spent.append(time.perf_counter() - started)

    began = time.perf_counter()
    begun = initial_state(rows, k, None, None, buffer_capacity(len(rows), k))
    run(begun, timed)
    result_of(begun)
    return {f"{name}, filter": sum(spent), f"{name}, whole": time.perf_counter() - began}
