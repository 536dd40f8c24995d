"""Records and ceilings as tables of text."""

from __future__ import annotations

import statistics
import unicodedata
from collections.abc import Iterable, Sequence

from gpuemb.bench.ceiling import Ceilings
from gpuemb.bench.compare import Change
from gpuemb.bench.records import BenchRecord, Peer

Row = Sequence[str]
HEADER = ("workload", "on", "median", "throughput", "executed", "of its ceiling", "peak")
PEER_HEADER = ("case", "ours", "executed", "of its ceiling", "peak", "peer", "peer / ours")
CEILING_HEADER = ("ceiling", "best", "median of each road")
CHANGE_HEADER = ("record", "verdict", "factor", "noise", "judged")


def plain(header: Row, rows: Iterable[Row]) -> list[str]:
    """Lines of a table for a terminal: columns padded, the header first."""
    every = [list(header), *map(list, rows)]
    widths = [max(_width(cell) for cell in column) for column in zip(*every, strict=True)]
    return ["  ".join(map(_padded, row, widths)).rstrip() for row in every]


def markdown(header: Row, rows: Iterable[Row]) -> list[str]:
    """Lines of a Markdown table."""
    every = [list(header), ["---"] * len(header), *map(list, rows)]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in every]


def record_row(record: BenchRecord) -> Row:
    """One workload as a row below ``HEADER``."""
    count, item = record.work.items
    return (
        record.name,
        record.device,
        median_and_spread(record),
        f"{metric(count / record.timing.median)} {item}/s",
        executed(record),
        share(record),
        f"{record.peak_bytes / 1e9:.2f} GB",
    )


def peer_rows(record: BenchRecord) -> list[Row]:
    """One case as rows below ``PEER_HEADER``: one row a peer, skipped ones last."""
    ours = (record.case, median_and_spread(record), executed(record), share(record))
    start = (*ours, f"{record.peak_bytes / 1e9:.2f} GB")
    rows = [(peer_name(record, peer), peer_ratio(peer)) for peer in record.peers]
    rows += [(name, f"not run: {reason}") for name, reason in record.skipped.items()]
    blank = ("",) * len(start)
    return [(*(blank if number else start), *row) for number, row in enumerate(rows or [("none", "")])]


def ceiling_rows(ceilings: Ceilings) -> list[Row]:
    """Ceilings as rows below ``CEILING_HEADER``, missing ones with their reason."""
    rows = [
        (
            found.name,
            f"{metric(found.rate)}{found.unit}",
            ", ".join(f"{road} {metric(rate)}{found.unit}" for road, rate in found.roads.items()),
        )
        for found in ceilings.found.values()
    ]
    return [*rows, *((name, "none", reason) for name, reason in ceilings.missing.items())]


def change_row(change: Change) -> Row:
    """One change as a row below ``CHANGE_HEADER``."""
    if change.verdict == "not comparable":
        return (change.name, change.verdict, "", "", change.reason)
    return (change.name, change.verdict, f"{change.factor:.2f}x", f"±{change.noise:.0%}", change.reason)


def median_and_spread(record: BenchRecord) -> str:
    """``1.234 s ±2% (n=7)``."""
    timing = record.timing
    spread = f" ±{100 * timing.spread / timing.median:.0f}%" if len(timing.runs) > 1 else ""
    return f"{seconds(timing.median)}{spread} (n={len(timing.runs)})"


def executed(record: BenchRecord) -> str:
    """The rate that is held against the ceiling, in its unit."""
    return f"{metric(record.rate)}{'OP/s' if record.work.counts == 'flops' else 'B/s'}"


def share(record: BenchRecord) -> str:
    """``84% of sgemm``, or a dash where there is no ceiling."""
    if record.share is None or record.ceiling is None:
        return "–"
    percent = 100 * record.share
    return f"{percent:.{0 if percent >= 10 else 2}{'f' if percent >= 10 else 'g'}}% of {record.ceiling.name}"


def peer_name(record: BenchRecord, peer: Peer) -> str:
    """The peer, its version where known, and its differences."""
    return peer.name + (f" ({peer.note})" if peer.note else "")


def peer_ratio(peer: Peer) -> str:
    """``5.12x ±0.10 (3.2 s, n=7)``; of one round alone there is no spread."""
    spread = f" ±{peer.ratio_spread:.2f}" if len(peer.seconds) > 1 else ""
    return f"{peer.ratio:.2f}x{spread} ({seconds(statistics.median(peer.seconds))}, n={len(peer.seconds)})"


def seconds(value: float) -> str:
    """Three digits and a unit of time."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}" if value / scale < 1000 else f"{value / scale:.0f} {unit}"
    return f"{value / 1e-6:.3g} µs"


def metric(value: float) -> str:
    """Three digits and a prefix: ``1.23 M``."""
    for prefix, scale in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= scale:
            return (
                f"{value / scale:.3g} {prefix}" if value / scale < 1000 else f"{value / scale:.0f} {prefix}"
            )
    return f"{value:.3g} "


def _width(cell: str) -> int:
    return sum(0 if unicodedata.combining(letter) else 1 for letter in cell)


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - _width(cell))
