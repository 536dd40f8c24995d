"""Measure what large comparisons and studies cost: ``python -m benchmarks.scale --minutes 60``.

Every measure of pairs and words is taken of synthetic runs: 400,000 words x 10 runs, 40 runs, a million
words, and a grid from which the growth with words, runs, dimensions and neighbors is fitted. With
``--corpus FILE`` a study of ten seeds of GloVe and of skip-gram is run end to end. Each case is a process
of its own and leaves a record as soon as it is done; what has one is not measured again, so that the same
command goes on. A case that is stopped by the time is lost, a study goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scale.cases import Case, grid, large
from benchmarks.scale.fitted import as_table, powers
from gpuemb.bench.machine import commit, describe_machine, machine_name, versions
from gpuemb.bench.workloads import synthetic
from gpuemb.core.device import CPU

RESULTS = Path(__file__).parents[1] / "results"
STUDY = """
corpus = ["{corpus}"]
title = "Scale"
models = [
  {{kind = "glove", dim = {dim}, epochs = {epochs}, seeds = {seeds}}},
  {{kind = "skip-gram", dim = {dim}, epochs = {passes}, seeds = {seeds}}},
]
"""
GRACE = 60.0  # seconds in which an interrupted study ends


class Budget:
    """The time that is left.

    Args:
        minutes: in all.
    """

    def __init__(self, minutes: float) -> None:
        self.end = time.monotonic() + 60 * minutes

    @property
    def left(self) -> float:
        """Seconds; at least 0."""
        return max(0.0, self.end - time.monotonic())


def main(given: Sequence[str] | None = None) -> int:
    """Measure what has no record yet; print the numbers and the fit; return 1 where time ran out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--corpus", type=Path, help="a large text for a study of ten seeds of two models")
    parser.add_argument("--work", type=Path, help="a folder that keeps the study between two calls")
    parser.add_argument(
        "--only", default="", help="cases whose name contains this: grid, words-, runs-, corpus"
    )
    parser.add_argument("--tiny", action="store_true", help="a thousandth of the words, to try the script")
    machine = machine_name(describe_machine(CPU))
    parser.add_argument("--results", type=Path, default=RESULTS / machine / "scale", help="folder of records")
    asked = parser.parse_args(given)
    budget, shrunk, unfinished = Budget(asked.minutes), 100 if asked.tiny else 1, 0
    cases = [case for case in (*large(shrunk), *grid(shrunk)) if asked.only in case.name]
    for case in cases:
        record = asked.results / f"{case.name}.json"
        if record.exists():
            continue
        unfinished += not (budget.left and measured(case, record, budget))
    if asked.corpus is not None and asked.only in "corpus" and not (asked.results / "corpus.json").exists():
        unfinished += not study(
            asked.corpus, asked.work, asked.results / "corpus.json", budget, tiny=asked.tiny
        )
    fit(asked.results)
    print(
        f"{unfinished} cases are left: the same command goes on." if unfinished else "All cases have records."
    )
    return int(unfinished > 0)


def measured(case: Case, record: Path, budget: Budget) -> bool:
    """Write the tables of a case, compare them in a process, keep its record; say whether it was in time."""
    print(f"{case.name} …", end=" ", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder, found = Path(name) / "tables", Path(name) / "record.json"
        folder.mkdir()
        for run in range(case.runs):
            noise = 0.3 * (1 + run / 64)
            np.save(folder / f"{run:03}.npy", synthetic.embedding_table(case.words, case.dim, noise=noise))
        command = [sys.executable, "-m", "benchmarks.scale.measured", str(folder), str(case.k), str(found)]
        try:
            done = subprocess.run(command, check=False, timeout=max(1.0, budget.left))
        except subprocess.TimeoutExpired:
            print("the time is over")
            return False
        if done.returncode:
            raise RuntimeError(f"{case.name} failed with {done.returncode}")
        told = {**asdict(case), **json.loads(found.read_text()), **_here()}
    _kept(record, told)
    for goal, reached in (("goal_seconds", "wall_seconds"), ("goal_bytes", "peak_bytes")):
        if told[goal]:
            told[f"{goal}_met"] = told[reached] <= told[goal]
    _kept(record, told)
    print(
        f"{told['wall_seconds']:.1f} s, {told['cpu_seconds']:.1f} s of all cores,"
        f" {told['peak_bytes'] / 1e9:.2f} GB",
        flush=True,
    )
    return True


def study(corpus: Path, work: Path | None, record: Path, budget: Budget, *, tiny: bool) -> bool:
    """Run a study of ten seeds of two models; keep its phases, its peak and what it found."""
    folder = (work or Path(tempfile.gettempdir()) / "gpuemb-scale-study").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    config, spent = folder / "study.toml", folder / "spent.json"
    shape = {"dim": 10, "epochs": 2, "passes": 1, "seeds": 3} if tiny else {}
    shape = {"dim": 100, "epochs": 25, "passes": 5, "seeds": 10} | shape
    config.write_text(STUDY.format(corpus=corpus.absolute(), **shape))
    command = [
        Path(sys.executable).with_name("gpuemb"),
        "study",
        "--config",
        config,
        "--out",
        folder / "out",
        "--json",
    ]
    began = time.monotonic()
    with (folder / "log.txt").open("ab") as log:
        running = subprocess.Popen([*map(str, command)], stdout=log, stderr=log)
        try:
            code = running.wait(max(1.0, budget.left))
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGINT)
            code = running.wait(GRACE)
    parts = json.loads(spent.read_text()) if spent.exists() else []
    parts.append({"seconds": round(time.monotonic() - began, 1), "code": code})
    spent.write_text(json.dumps(parts))
    if code:
        print(
            f"corpus: stopped with code {code} after {parts[-1]['seconds']:.0f} s; see {folder / 'log.txt'}"
        )
        return False
    out = folder / "out"
    summary, kept = (json.loads((out / f"{name}.json").read_text()) for name in ("summary", "record"))
    told: dict[str, Any] = {"corpus_bytes": corpus.stat().st_size, **shape, "calls": parts, **_here()}
    told |= {name: summary[name] for name in ("words", "tokens", "documents", "models")}
    told["record"] = {name: kept[name] for name in ("seconds", "peak_bytes") if name in kept}
    _kept(record, told)
    print(f"corpus: {sum(part['seconds'] for part in parts):.0f} s in {len(parts)} calls", flush=True)
    return True


def fit(results: Path) -> None:
    """Fit the growth on the records of the grid, where there are enough."""
    records = [json.loads(path.read_text()) for path in sorted(results.glob("grid-*.json"))]
    if len(records) < 2:
        return
    found = powers(records)
    _kept(
        results / "fit.json", {"power of each size that CPU seconds grow with": found, "cases": len(records)}
    )
    print(*as_table(found), sep="\n")


def _kept(path: Path, told: dict[str, Any]) -> None:
    """Write a record at once: a killed process leaves a whole one or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    os.replace(beside, path)


def _here() -> dict[str, Any]:
    return {"machine": describe_machine(CPU), "versions": versions(), "commit": commit()}


if __name__ == "__main__":
    raise SystemExit(main())
