"""Nearest neighbors by other people's GPU code: product, then selection.

Waits for a GPU: nothing in this file has run on one yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.bench.measure import alternate
from gpuemb.bench.records import here, write_json
from gpuemb.bench.workloads import synthetic
from gpuemb.core.device import Device

WORDS, DIM, K, TILE = 100_000, 300, 10, 8192


def race(module: str, out: Path) -> str:
    """Time every search of one library on one table; write a record and return one line."""
    table = synthetic.embedding_table(WORDS, DIM)
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    timings = alternate(SEARCHES[module](unit))
    seconds = {name: asdict(timing) for name, timing in timings.items()}
    shape = {"words": WORDS, "dim": DIM, "k": K}
    write_json(out / f"peer-{module}.json", {"shape": shape, "seconds": seconds, **here(Device("cuda"))})
    return ", ".join(f"{name} {timing.median:.3f} s" for name, timing in timings.items())


def _torch(unit: Any) -> dict[str, Callable[[], Any]]:
    import torch

    rows = torch.from_numpy(unit).cuda()

    def search(table: Any, *, tf32: bool) -> None:
        torch.backends.cuda.matmul.allow_tf32 = tf32
        for start in range(0, WORDS, TILE):
            torch.topk(table[start : start + TILE] @ table.T, K + 1)
        torch.cuda.synchronize()

    half = rows.half()
    return {
        "torch fp16": lambda: search(half, tf32=False),
        "torch tf32": lambda: search(rows, tf32=True),
        "torch fp32": lambda: search(rows, tf32=False),
    }


def _cupy(unit: Any) -> dict[str, Callable[[], Any]]:
    import cupy

    rows = cupy.asarray(unit)

    def search() -> None:
        for start in range(0, WORDS, TILE):
            cupy.argpartition(rows[start : start + TILE] @ rows.T, WORDS - K - 1, axis=1)[:, -K - 1 :]
        cupy.cuda.get_current_stream().synchronize()

    return {"cupy fp32": search}


def _cuvs(unit: Any) -> dict[str, Callable[[], Any]]:
    import cupy
    from cuvs.neighbors import brute_force

    rows = cupy.asarray(unit)
    index = brute_force.build(rows, metric="inner_product")

    def search() -> None:
        brute_force.search(index, rows, K + 1)
        cupy.cuda.get_current_stream().synchronize()

    return {"cuvs": search}


def _flashlib(unit: Any) -> dict[str, Callable[[], Any]]:
    import torch
    from flashlib import flash_knn

    rows = torch.from_numpy(unit).cuda()
    half = rows.half()

    def search(table: Any) -> None:
        flash_knn(table, table, K + 1, return_distances=False)  # by squared distance: one order, unit rows
        torch.cuda.synchronize()

    return {"flashlib fp16": lambda: search(half), "flashlib fp32": lambda: search(rows)}


SEARCHES: dict[str, Callable[[Any], dict[str, Callable[[], Any]]]] = {
    "torch": _torch,
    "cupy": _cupy,
    "cuvs": _cuvs,
    "flashlib": _flashlib,
}
