"""The command ``gpuemb bench``: how fast this machine is at what gpuemb does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpuemb.cli import options
from gpuemb.cli.printing import say, say_json, shown
from gpuemb.cli.terminal import TerminalProgress, failing_clearly

if TYPE_CHECKING:
    from gpuemb.bench.records import Run
    from gpuemb.core.device import Device

SizeOption = Annotated[str, typer.Option(help="small (seconds), medium (minutes) or large.", metavar="SIZE")]
Only = Annotated[
    list[str] | None,
    typer.Option(help="One workload; may be repeated. Default: all.", metavar="NAME", show_default=False),
]
OutFile = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Write the records as JSON to this file.", show_default=False),
]
Pair = Annotated[
    tuple[Path, Path] | None,
    typer.Option(
        "--compare",
        metavar="BEFORE AFTER",
        help="Two files of records: says what got slower beyond the noise, and measures nothing.",
        show_default=False,
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(help="Draw a roofline to this file (.png, .svg, .pdf).", show_default=False),
]
JsonRecords = Annotated[bool, typer.Option("--json", help="Print the records instead of a table.")]


def bench(
    size: SizeOption = "small",
    only: Only = None,
    device: options.DeviceOption = "auto",
    threads: options.Threads = None,
    json: JsonRecords = False,
    out: OutFile = None,
    compare: Pair = None,
    plot: Plot = None,
) -> None:
    """Measure this machine: throughput of the workloads, as a share of what it can do.

    Examples:
    `gpuemb bench`

    `gpuemb bench --size medium --only cosine_topk --only gram --out mine.json`

    `gpuemb bench --compare before.json after.json`

    Memory is planned first: a size that does not fit is refused with one that does.
    """
    with failing_clearly():
        if compare is not None:
            _compare(*compare)
            return
        done = _measure(size, only or (), device, threads)
        written = _write(done, out, plot)
        if json:
            say_json(done.as_mapping())
            return
        _say_tables(done, told_of_gpu=device == "auto")
        for path in written:
            say(f"Written: {shown(path)}")


def _measure(size: str, only: Sequence[str], device: str, threads: int | None) -> Run:
    from gpuemb.bench.runner import bench as run
    from gpuemb.bench.workloads import selected, size_named

    return run(
        selected(only),
        size_named(size),
        devices=_devices(device),
        threads=threads,
        progress=TerminalProgress(),
    )


def _write(done: Run, out: Path | None, plot: Path | None) -> list[Path]:
    """Write what was asked for; return the paths."""
    if out is not None:
        from gpuemb.bench.records import write_json

        write_json(out, done.as_mapping())
    if plot is not None:
        from gpuemb.bench.roofline import plot_roofline

        plot_roofline(done.records, done.ceilings[-1], plot)
    return [path for path in (out, plot) if path is not None]


def _devices(name: str) -> list[Device]:
    """``auto`` is the CPU, and the GPU beside it where there is one."""
    from gpuemb.core.device import CPU, choose

    chosen = choose(name)
    return [CPU, chosen] if name == "auto" and chosen != CPU else [chosen]


def _say_tables(done: Run, *, told_of_gpu: bool) -> None:
    from gpuemb.bench import table
    from gpuemb.bench.runner import gpu_line

    machine = done.machine
    memory = f"{machine['memory_bytes'] / 1e9:.0f} GB"
    say(f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, {memory}")
    if told_of_gpu and gpu_line():
        say(gpu_line())
    for ceilings in done.ceilings:
        say()
        _say_lines(table.plain(table.CEILING_HEADER, table.ceiling_rows(ceilings)))
    say()
    _say_lines(table.plain(table.HEADER, [table.record_row(record) for record in done.records]))
    for name, reason in done.not_run.items():
        say(f"Not run: {name}: {reason}")


def _compare(before: Path, after: Path) -> None:
    from gpuemb.bench import table
    from gpuemb.bench.compare import compare
    from gpuemb.bench.records import read_records

    changes = compare(read_records(before), read_records(after))
    _say_lines(table.plain(table.CHANGE_HEADER, [table.change_row(change) for change in changes]))
    slower = [change.name for change in changes if change.verdict == "slower"]
    say(f"Slower beyond the noise: {', '.join(slower) or 'nothing'}.")


def _say_lines(lines: list[str]) -> None:
    for line in lines:
        say(line)
