"""Try to ruin a study: ``python -m benchmarks.survival``.

A small study of three models runs as a process of its own, without the page, which takes five times as
long. It is killed at random times and before random changes of files, runs out of disk, finds its files
damaged, shares its folder with another study, and its text is exchanged. What must come of it is the same
bits as of a study that nobody disturbed, or a clear refusal; it ends with 1 where anything else came of it.
``--seed`` repeats a run but for the moments of kills, which depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import gpuemb as ge
from benchmarks.survival.processes import count_changes, run
from benchmarks.survival.studies import results_of, write_corpus, write_study
from benchmarks.survival.trials import Trials
from gpuemb.bench.machine import commit, describe_machine, machine_name
from gpuemb.core.device import CPU

RESULTS = Path(__file__).parents[1] / "results" / "survival.json"
NAMES = ("kills", "full_disk", "damage", "company", "changed_text")


def main(given: Sequence[str] | None = None) -> int:
    """Make all trials, print and record their counts; return 1 where there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    for name, count in zip(NAMES, (50, 10, 20, 9, 5), strict=True):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=count, metavar="N")
    parser.add_argument("--results", type=Path, help=f"a file for the counts, such as {RESULTS}")
    asked = parser.parse_args(given)
    with tempfile.TemporaryDirectory() as name:
        trials = made(Path(name), asked)
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = {
        "seed": asked.seed,
        "undisturbed_seconds": round(trials.seconds, 1),
        "changes_of_files": trials.changes,
        "counts": dict(sorted(trials.counts.items())),
        "refusals": dict(sorted(trials.refusals.items())),
        "faults": trials.faults,
        "cpu_seconds": round(cpu.ru_utime + cpu.ru_stime),
        "machine": machine_name(describe_machine(CPU)),
        "commit": commit(),
    }
    print(json.dumps(told, indent=1, ensure_ascii=False))
    if asked.results is not None:
        asked.results.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return int(bool(trials.faults))


def made(folder: Path, asked: argparse.Namespace) -> Trials:
    """Run the study undisturbed, with another text and with other seeds; then make the trials."""
    config, other = write_study(folder, "study"), write_study(folder, "other", seeds=2)
    ge.study(config, out=folder / "first")  # loads everything; others are forked from this process
    whole = run(config, folder / "whole")
    changes = count_changes(config, folder / "counted")
    run(other, folder / "with-other-seeds")
    write_corpus(folder / "text.txt", 1)
    run(config, folder / "of-other-text")
    write_corpus(folder / "text.txt", 0)
    truths = {name: results_of(folder / name) for name in ("whole", "with-other-seeds", "of-other-text")}
    if whole.code or len({str(truth) for truth in truths.values()}) < len(truths):
        raise RuntimeError(f"The undisturbed studies are no ground to stand on: {whole.said}")
    trials = Trials(folder, config, truths["whole"], whole.seconds, changes, random.Random(asked.seed))
    for what, work in (
        ("kills", lambda: trials.kills(asked.kills)),
        ("full disk", lambda: trials.full_disk(asked.full_disk)),
        ("damage", lambda: trials.damage(asked.damage)),
        ("company", lambda: trials.company(asked.company, other, truths["with-other-seeds"])),
        ("changed text", lambda: trials.changed_text(asked.changed_text, truths["of-other-text"])),
    ):
        work()
        print(f"{what}: {len(trials.faults)} faults so far", file=sys.stderr, flush=True)
    return trials


if __name__ == "__main__":
    raise SystemExit(main())
