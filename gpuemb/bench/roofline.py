"""Roofline plot: rate of each workload against the bound of its arithmetic intensity."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gpuemb.bench.ceiling import Ceilings
from gpuemb.bench.records import BenchRecord
from gpuemb.core.errors import ConfigError

INK, ROOF, POINT = "#1d2733", "#9db4c9", "#c2410c"
FLAT = ("int8", "fp16", "tf32", "sgemm", "fp32", "dgemm", "fp64", "adds")


def plot_roofline(records: Sequence[BenchRecord], ceilings: Ceilings, path: Path) -> Path:
    """Draw operations per second over operations per byte, both logarithmic; return the path.

    A sloping roof is the copy bandwidth, a flat one each rate of operations. Workloads without
    operations (copies) are left out.

    Raises:
        ConfigError: nothing to draw: no workload with operations, or no copy bandwidth.
    """
    from matplotlib.figure import Figure

    points = [
        (r.work.flops / r.work.bytes, r.work.flops / r.timing.median, r.workload)
        for r in records
        if r.work.flops and r.work.bytes and r.device == ceilings.device
    ]
    if not points or "copy" not in ceilings.found:
        raise ConfigError(
            f"bench: a roofline of {len(points)} workloads, ceilings {', '.join(ceilings.found) or 'none'}",
            needed="It needs the copy bandwidth and a workload that computes.",
            remedy="Omit --only, or name two workloads or more.",
        )
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot(xscale="log", yscale="log")
    span = np.geomspace(min(p[0] for p in points) / 8, max(p[0] for p in points) * 8, 256)
    slope = ceilings.found["copy"].rate * span
    for name in FLAT:
        if name in ceilings.found:
            rate = ceilings.found[name].rate
            axes.plot(span, np.minimum(slope, rate), color=ROOF, lw=1.2, zorder=1)
            axes.annotate(
                name,
                (span[-1], rate),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                color=INK,
                fontsize=8,
            )
    for intensity, rate, name in points:
        axes.plot([intensity], [rate], "o", color=POINT, zorder=2)
        axes.annotate(
            name, (intensity, rate), xytext=(6, -10), textcoords="offset points", color=INK, fontsize=8
        )
    axes.margins(x=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("operations per byte that must move")
    axes.set_ylabel("operations per second")
    axes.set_title(f"{records[0].machine['cpu']}, {records[0].machine['threads']} threads", color=INK)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    return path
