"""Compare the plan of a study with what its process really holds: ``python -m benchmarks.planned``.

Studies, some of which the plan was fitted on (``fitted``), run as processes of their own, as ``gpuemb.study``
without the page; the largest resident size of each is compared with what ``gpuemb.plan`` said before. Epochs
are few: they change no size.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gpuemb as ge
from gpuemb.bench.machine import commit, describe_machine, machine_name
from gpuemb.bench.workloads import synthetic
from gpuemb.core import threads
from gpuemb.core.device import CPU

RESULTS = Path(__file__).parent / "results" / "planned.json"
BOUND = 0.15
STUDY = "import sys, gpuemb as ge; ge.study(sys.argv[1], out=sys.argv[2])"
Shape = tuple[int, int, dict[str, Any]]
# Tokens, words, the rest of the study. What many runs and earlier models hold was fitted on those of FITTED.
FITTED = (
    "glove 40 x 12, k = 25",
    "glove and skip-gram 200 x 2, window 4",
    "ppmi-svd 30 x 8 and glove 30 x 8",
    "three skip-grams 80 x 2",
)
SHAPES: dict[str, Shape] = {
    "glove 64 x 4": (1_500_000, 20_000, {"models": [{"kind": "glove", "dim": 64, "epochs": 1, "seeds": 4}]}),
    "skip-gram 150 x 3": (
        1_000_000,
        30_000,
        {"models": [{"kind": "skip-gram", "dim": 150, "epochs": 1, "seeds": 3}]},
    ),
    "ppmi-svd 80 x 5, bootstrap": (
        800_000,
        8_000,
        {"models": [{"kind": "ppmi-svd", "dim": 80, "seeds": 5, "vary": "bootstrap"}]},
    ),
    "glove 40 x 12, k = 25": (
        300_000,
        5_000,
        {"neighbors": 25, "models": [{"kind": "glove", "dim": 40, "epochs": 1, "seeds": 12}]},
    ),
    "glove and skip-gram 200 x 2, window 4": (
        600_000,
        50_000,
        {
            "counts": {"window": 4},
            "models": [
                {"kind": "glove", "dim": 200, "epochs": 1, "seeds": 2},
                {"kind": "skip-gram", "dim": 200, "epochs": 1, "seeds": 2, "window": 4},
            ],
        },
    ),
    "ppmi-svd 30 x 8 and glove 30 x 8": (
        200_000,
        10_000,
        {
            "models": [
                {"kind": "ppmi-svd", "dim": 30, "seeds": 8, "vary": "bootstrap"},
                {"kind": "glove", "dim": 30, "epochs": 1, "seeds": 8},
            ],
        },
    ),
    "three skip-grams 80 x 2": (
        400_000,
        15_000,
        {
            "models": [
                {"kind": "skip-gram", "name": f"m{n}", "dim": 80, "epochs": n, "seeds": 2} for n in (1, 2, 3)
            ],
        },
    ),
    "glove 120 x 6": (700_000, 25_000, {"models": [{"kind": "glove", "dim": 120, "epochs": 1, "seeds": 6}]}),
    "skip-gram 50 x 10, k = 5": (
        500_000,
        12_000,
        {"neighbors": 5, "models": [{"kind": "skip-gram", "dim": 50, "epochs": 1, "seeds": 10}]},
    ),
    "ppmi-svd 100 x 3 and skip-gram 100 x 3": (
        900_000,
        16_000,
        {
            "models": [
                {"kind": "ppmi-svd", "dim": 100, "seeds": 3, "vary": "bootstrap"},
                {"kind": "skip-gram", "dim": 100, "epochs": 1, "seeds": 3},
            ],
        },
    ),
}


def compared(name: str, folder: Path) -> dict[str, Any]:
    """Plan one study, run it, and return both sizes."""
    tokens, words, rest = SHAPES[name]
    text, config = folder / "text.txt", folder / "study.toml"
    synthetic.write_text(text, synthetic.token_stream(tokens, words, seed=1))
    mapping = {"corpus": str(text), "text": {"min_count": 2}, **rest}
    plan = ge.plan(mapping)
    write(config, mapping)
    peak = peak_of([sys.executable, "-c", STUDY, str(config), str(folder / "out")])
    largest = max(plan.phases, key=lambda phase: phase.bytes)
    return {
        "fitted": name in FITTED,
        "words": plan.words,
        "tokens": plan.tokens,
        "planned_bytes": plan.bytes,
        "phase": largest.purpose,
        "peak_bytes": peak,
        "planned_over_peak": round(plan.bytes / peak, 3),
        "disk_planned_over_found": round(plan.disk_bytes / disk_of(folder / "out"), 3),
    }


def write(path: Path, mapping: dict[str, Any]) -> None:
    """Write a study as TOML."""
    import tomli_w

    path.write_text(tomli_w.dumps(mapping), "utf-8")


def peak_of(command: Sequence[str]) -> int:
    """Return the largest resident size of a process.

    Raises:
        RuntimeError: it failed.
    """
    running = subprocess.Popen(command)
    _, status, used = os.wait4(running.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} failed with {os.waitstatus_to_exitcode(status)}")
    return used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def disk_of(folder: Path) -> int:
    """Return the bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main(given: Sequence[str] | None = None) -> int:
    """Compare, print and record; return 1 where a plan is off by more than 15 %."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="", help="shapes whose name contains this")
    asked = parser.parse_args(given)
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    off = 0
    for name in SHAPES:
        if asked.only in name:
            with tempfile.TemporaryDirectory() as folder:
                found = compared(name, Path(folder))
            found |= {
                "threads": threads.count(),
                "machine": machine_name(describe_machine(CPU)),
                "commit": commit(),
            }
            kept[name] = found
            off += abs(found["planned_over_peak"] - 1) > BOUND
            print(
                f"{name}: planned {found['planned_bytes'] / 1e6:.0f} MB ({found['phase']}),"
                f" process {found['peak_bytes'] / 1e6:.0f} MB, {found['planned_over_peak']:.2f};"
                f" disk {found['disk_planned_over_found']:.2f}",
                flush=True,
            )
            RESULTS.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    return int(off > 0)


if __name__ == "__main__":
    raise SystemExit(main())
