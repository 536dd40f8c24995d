"""Write the tables of README.md and summary.md here from the records: ``python -m benchmarks.table``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from gpuemb.bench.machine import machine_name
from gpuemb.bench.records import CEILINGS_FILE, BenchRecord, read_ceilings, read_records
from gpuemb.bench.table import (
    CEILING_HEADER,
    PEER_HEADER,
    ceiling_rows,
    executed,
    markdown,
    median_and_spread,
    peer_ratio,
    peer_rows,
    seconds,
    share,
)

HERE = Path(__file__).parent
BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"
SHORT_HEADER = ("what", "ours", "executed", "of its ceiling", "peer / ours")
NOTHING = "No records yet: `python -m pytest benchmarks` writes them."


def main(words: Sequence[str] | None = None) -> int:
    """Rewrite both files between their markers; return how many were changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--long", type=Path, default=HERE / "README.md", help="file with the whole table")
    parser.add_argument("--short", type=Path, default=HERE / "summary.md", help="file with the summary")
    asked = parser.parse_args(words)
    machines = machines_of(asked.results)
    changed = 0
    for path, lines in ((asked.long, long_table(machines)), (asked.short, short_table(machines))):
        changed += replace_between_markers(path, lines)
    print(f"{len(machines)} machines; {changed} files changed")
    return changed


def machines_of(results: Path) -> dict[Path, list[BenchRecord]]:
    """The records of each machine's folder, quick ones left out."""
    folders = sorted(path for path in results.iterdir() if path.is_dir()) if results.is_dir() else []
    found = {f: [r for r in read_records(f) if not r.name.startswith("quick-")] for f in folders}
    return {folder: records for folder, records in found.items() if records}


def long_table(machines: dict[Path, list[BenchRecord]]) -> list[str]:
    """Per machine: what it is, its ceilings, every case beside every peer."""
    lines: list[str] = []
    for folder, records in machines.items():
        lines += ["", f"### {machine_name(dict(records[0].machine))}", "", *_facts(records), ""]
        ceilings = folder / f"{CEILINGS_FILE}.json"
        if ceilings.exists():
            for found in read_ceilings(ceilings):
                lines += [*markdown(CEILING_HEADER, ceiling_rows(found)), ""]
        lines += markdown(PEER_HEADER, [row for record in records for row in peer_rows(record)])
        lines += _phases(records)
    return [*lines, ""] if lines else ["", NOTHING, ""]


def short_table(machines: dict[Path, list[BenchRecord]]) -> list[str]:
    """Per machine and workload one row, its largest case: ours, its share of the ceiling, the best peer."""
    lines: list[str] = []
    for records in machines.values():
        machine = records[0].machine
        lines += [
            "",
            f"{machine['cpu']}, {machine['threads']} threads, the largest case of each workload:",
            "",
        ]
        lines += markdown(SHORT_HEADER, [_short_row(record) for record in _largest(records)])
    return [*lines, ""] if lines else ["", NOTHING, ""]


def _largest(records: Sequence[BenchRecord]) -> list[BenchRecord]:
    """The case of each workload that executes most, in the order of the workloads' names."""
    found: dict[str, BenchRecord] = {}
    for record in sorted(records, key=lambda record: (record.workload, record.work.amount)):
        found[record.workload] = record
    return list(found.values())


def replace_between_markers(path: Path, lines: Sequence[str]) -> bool:
    """Put the lines between the markers of a file; return whether it changed.

    Raises:
        SystemExit: the file has no markers.
    """
    text = path.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path} lacks the lines {BEGIN} and {END}, between which the table goes")
    made = "\n".join([before + begin, *lines, end + after])
    path.write_text(made, "utf-8")
    return made != text


def _short_row(record: BenchRecord) -> Sequence[str]:
    best = min(record.peers, key=lambda peer: peer.ratio, default=None)
    told = f"{best.name} {peer_ratio(best)}" if best else "–"
    return (
        f"{record.workload}: {record.case}",
        median_and_spread(record),
        executed(record),
        share(record),
        told,
    )


def _facts(records: Sequence[BenchRecord]) -> list[str]:
    machine = records[0].machine
    commits = sorted({record.commit or "no checkout" for record in records})
    features = ", ".join(machine["features"])
    return [
        f"{machine['cpu']} ({machine['model']}), {machine['cores']} cores, {machine['threads']} threads, "
        f"{machine['memory_bytes'] / 1e9:.0f} GB, {features}; commit {', '.join(commits)}."
    ]


def _phases(records: Sequence[BenchRecord]) -> list[str]:
    """The phases of whatever has phases, as one sentence each."""
    return [
        line
        for record in records
        if record.phases
        for line in (
            "",
            f"{record.case}, seconds by phase: "
            + ", ".join(f"{name} {seconds(value)}" for name, value in record.phases.items())
            + ".",
        )
    ]


if __name__ == "__main__":
    main()
