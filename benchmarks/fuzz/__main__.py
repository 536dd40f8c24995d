"""Read a hundred thousand damaged inputs: ``python -m benchmarks.fuzz --inputs 100000 --seed 0``.

Small valid files of every kind that is read are damaged: bits, numbers, lines, headers, members of archives,
columns of tables, files of folders. Each must be read to something valid or refused with a GpuembError; no
other exception or warning, no crash, no hang, no more memory than the bounds. Input N is the same on every
machine with the same versions: ``--replay N`` shows what happens to it, ``--keep FOLDER`` leaves its files.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.fuzz.inputs import Outcome, attempt, input_of, write
from benchmarks.fuzz.readers import readers
from benchmarks.fuzz.watch import Bounds, outcomes

RESULTS = Path(__file__).parents[1] / "results" / "fuzz.json"
SHOWN = 3  # seeds of one kind of failure that are named
EVERY = 20.0  # seconds, progress


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, count and tell; return 1 where an input failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first input")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--seconds", type=float, default=Bounds.seconds, help="that one input may take")
    parser.add_argument("--memory", type=int, default=Bounds.memory, help="bytes that one input may take")
    parser.add_argument("--reader", action="append", default=[], help="name of a reader; default: all")
    parser.add_argument("--replay", type=int, metavar="SEED", help="show one input, in this process")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the files of --replay are left")
    parser.add_argument("--results", type=Path, help=f"a file for the counts, such as {RESULTS}")
    asked = parser.parse_args(arguments)
    if asked.replay is not None:
        return replay(asked.replay, asked.keep)
    bounds = Bounds(asked.seconds, asked.memory, tuple(asked.reader))
    found = list[Outcome]()
    try:
        for outcome in _told(outcomes(asked.seed, asked.inputs, asked.workers, bounds)):
            found.append(outcome)
    finally:  # after Ctrl-C too
        print(*lines_of(found), sep="\n")
    if asked.results is not None:
        _record(asked.results, asked.seed, found)
    return int(any(one.how == "failed" for one in found))


def _told(found: Iterator[Outcome]) -> Iterator[Outcome]:
    """Pass outcomes on; print how many there were, from time to time."""
    began = told = time.monotonic()
    failed = 0
    for number, outcome in enumerate(found, 1):
        if outcome.how == "failed":
            failed += 1
            print(f"--replay {outcome.seed}: {outcome.reader}: {outcome.why}", flush=True)
        yield outcome
        if time.monotonic() - told > EVERY:
            told = time.monotonic()
            print(f"{number:,} inputs, {number / (told - began):.0f} a second, {failed} failed", flush=True)


def lines_of(found: Sequence[Outcome]) -> list[str]:
    """Return the table of counts by reader, and every kind of failure with seeds that show it."""
    counts = Counter((one.reader, one.how) for one in found)
    lines = [f"{'':28} {'inputs':>8} {'read':>8} {'refused':>8} {'failed':>8}"]
    for name in [*sorted({one.reader for one in found}), "all"]:
        row = [sum(n for (r, h), n in counts.items() if name in (r, "all") and h == how) for how in HOW]
        lines.append(f"{name:28} {sum(row):8,} " + " ".join(f"{n:8,}" for n in row))
    failures = dict[tuple[str, str], list[Outcome]]()
    for one in sorted(found, key=lambda one: one.seed):
        if one.how == "failed":
            failures.setdefault((one.reader, one.why.split(": ")[0]), []).append(one)
    for (reader, _), alike in sorted(failures.items()):
        seeds = " ".join(str(one.seed) for one in alike[:SHOWN])
        lines.append(f"{len(alike)} × {reader}: {alike[0].why}\n    --replay {seeds}")
    return lines


HOW = "read", "refused", "failed"


def replay(seed: int, keep: Path | None) -> int:
    """Read one input in this process, and show all of it."""
    with tempfile.TemporaryDirectory(prefix="gpuemb-fuzz-") as scratch:
        known = readers(Path(scratch))
        made = input_of(seed, known)
        folder = Path(scratch) / "input" if keep is None else keep
        write(made.files, folder)
        print(f"{made.reader}, {made.sample}, {'; '.join(made.damage)}")
        outcome = attempt(made, known[made.reader], folder)
    print(f"{outcome.how}: {outcome.why}\n{outcome.trace}")
    return int(outcome.how == "failed")


def _record(path: Path, seed: int, found: Sequence[Outcome]) -> None:
    from gpuemb.bench.records import here, write_json
    from gpuemb.core.device import CPU

    names = sorted({one.reader for one in found})
    counts = {name: dict(Counter(one.how for one in found if one.reader == name)) for name in names}
    failed = [one for one in found if one.how == "failed"]
    failures = [{"seed": one.seed, "reader": one.reader, "why": one.why} for one in failed]
    kept = {"seed": seed, "inputs": len(found), "readers": counts, "failures": failures, **here(CPU)}
    write_json(path, kept)


if __name__ == "__main__":
    sys.exit(main())
