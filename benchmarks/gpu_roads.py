"""The GPU's roads to every word's neighbors: each verified, then raced, its goal beside it.

Waits for a GPU: nothing in this file has run on one yet.
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
from gpuemb.kernels.cosine_topk.cuda import ROADS
from gpuemb.kernels.cosine_topk.phases import Road, run
from gpuemb.kernels.cosine_topk.planning import rooms
from gpuemb.kernels.cosine_topk.search import Search, answer, begin

WORDS, DIM, K = 400_000, 300, 10
SAMPLE = 8  # queries that the reference answers: it scores every row in Python
ONCE, TWICE = "fused, each pair once", "fused, each pair twice"
HERE, PART = "fused, from the host", "fused, a quarter of the host's rows at once"  # without a goal
GOALS = {"cublas": 0.400, TWICE: 0.250, ONCE: 0.175}  # seconds on an H200 at this size


def race(out: Path) -> str:
    """Verify and time every road on one table; write a record and return one line."""
    table = synthetic.embedding_table(WORDS, DIM)
    calls = searches(to_device(table, Device("cuda")), K) | from_the_host(table, K)
    verified = [verify(table, call()) for call in calls.values()]
    timings = alternate({name: finished(call) for name, call in calls.items()})
    seconds = {name: asdict(timing) for name, timing in timings.items()}
    shape = {"words": WORDS, "dim": DIM, "k": K}
    told = {"shape": shape, "seconds": seconds, "goals": GOALS, "verified": verified[0]}
    share = filter_seconds(to_device(table, Device("cuda")), K)
    write_json(out / "cosine_topk-roads.json", {**told, "filter": share, **here(Device("cuda"))})
    return ", ".join(f"{name} {t.median:.3f} s (goal {GOALS.get(name)})" for name, t in timings.items())


def searches(rows: Any, k: int) -> dict[str, Callable[[], TopK]]:
    """Name every way in which each row finds its ``k`` neighbors."""
    itself = cupy().arange(len(rows))

    def search(road: Road, *asked: Any) -> TopK:
        begun = begin(rows, k, *(asked or (None, None)), rooms(len(rows), k))
        run(begun, road)
        return answer(begun)

    return {
        "cublas": lambda: search(ROADS["cublas"]),
        TWICE: lambda: search(ROADS["fused"], rows, itself),
        ONCE: lambda: search(ROADS["fused"]),
    }


def from_the_host(table: Float32, k: int) -> dict[str, Callable[[], TopK]]:
    """The same of a table of the host: brought whole, or its halves, and its rows as they are scored."""
    room = rooms(len(table), k)

    def search(held: int) -> TopK:
        begun = begin(table if held else copied(table, table.dtype), k, None, None, room, held)
        run(begun, ROADS["fused"])
        return answer(begun)

    return {HERE: lambda: search(0), PART: lambda: search(max(room + 1, len(table) // 4))}


def verify(table: Float32, found: TopK) -> str:
    """Compare a sample with the reference, bit for bit."""
    asked = np.linspace(0, len(table) - 1, SAMPLE).astype(np.int64)
    expected = cosine_topk.reference(table, found.ids.shape[1], table[asked], asked)
    assert np.array_equal(to_host(found.ids)[asked], expected.ids)
    assert np.array_equal(to_host(found.scores)[asked], expected.scores, equal_nan=True)
    return f"the reference on {SAMPLE} queries, bit for bit; {found.recomputed} lists recomputed"


def filter_seconds(rows: Any, k: int) -> dict[str, float]:
    """Seconds of each road's filter alone, beside those of the whole search with the same waiting."""
    return {part: seconds for name in ROADS for part, seconds in _filter_of(name, rows, k).items()}


def _filter_of(name: str, rows: Any, k: int) -> dict[str, float]:
    stream, spent = cupy().cuda.get_current_stream(), []

    def timed(search: Search, first: int, last: int) -> None:
        stream.synchronize()
        started = time.perf_counter()
        ROADS[name](search, first, last)
        stream.synchronize()
        spent.append(time.perf_counter() - started)

    began = time.perf_counter()
    begun = begin(rows, k, None, None, rooms(len(rows), k))
    run(begun, timed)
    answer(begun)
    return {f"{name}, filter": sum(spent), f"{name}, whole": time.perf_counter() - began}
