"""Invented records with round numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gpuemb.bench.ceiling import Ceiling
from gpuemb.bench.records import BenchRecord, Peer
from gpuemb.bench.workloads.work import Work

MACHINE: dict[str, Any] = {
    "cpu": "Invented CPU @ 9 GHz",
    "model": "family 1 model 2",
    "features": ["avx2"],
    "blas": [],
    "gpu": None,
    "cores": 4,
    "threads": 4,
    "memory_bytes": 10**9,
    "system": "none",
    "python": "0",
}


def record(name: str = "invented-case", **changed: Any) -> BenchRecord:
    """One second of 50 operations beside a peer of two seconds and a ceiling of 100 a second."""
    whole = BenchRecord(
        name=name,
        workload="invented",
        case="an invented case",
        device="cpu",
        shape={"words": 5},
        work=Work(50, 40, (5, "words"), "sgemm", "flops", "invented"),
        seconds=(1.0, 1.0, 1.0, 1.0, 1.0),
        peak_bytes=10**9,
        peers=(Peer("rival 1.0", (2.0, 2.0, 2.0, 2.0, 2.0), 2.0, 0.0, "", (4.0,) * 5),),
        skipped={"absent": "not installed"},
        ceiling=Ceiling("sgemm", "FLOP/s", 100.0, {"workers": 100.0}, 0.01),
        verified="nothing",
        machine=MACHINE,
        versions={"gpuemb": "0"},
        commit="0123456789ab",
        cpu_seconds=(1.5, 1.5, 1.5, 1.5, 1.5),
    )
    return replace(whole, **changed)
