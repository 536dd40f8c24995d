"""Compare a million neighbor lists with float64: ``python -m benchmarks.lists --lists 1000000 --seed 0``.

Every seed makes a table, awkward in one of a hundred ways, and asks for lists of it; each must have the
defined ids, and scores equal to the last bit. ``--seed N`` goes on where an earlier run stopped, and
``--replay N`` shows one case. ``--processor haswell`` (or ``alderlake``) compiles for 256-bit registers.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results" / "lists.json"
NARROW = "+avx,+avx2,+fma,+bmi,+bmi2,+popcnt"
FEATURES = {"native": None, "haswell": NARROW, "alderlake": f"{NARROW},+avxvnni"}


def compiled_for(processor: str) -> dict[str, str]:
    """Return the environment in which Numba compiles for a processor."""
    features = FEATURES[processor]
    if features is None:
        return {}
    return {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": features}


def compare(first: int, lists: int) -> tuple[int, Counter[str], list[str]]:
    """Compare cases from a seed on until so many lists were compared; return the next seed and what was."""
    from benchmarks.lists.cases import case_of, differences

    seed, counted, failures = first, Counter[str](), list[str]()
    began = told = time.monotonic()
    while counted["lists"] < lists:
        case = case_of(seed)
        compared, wrong = differences(case)
        failures += [f"{case}: {one}" for one in wrong]
        kinds = (
            "lists",
            case.rows.dtype.str,
            case.kind,
            case.size,
            case.asked,
            case.way,
            f"{case.workers} threads",
        )
        for name in dict.fromkeys(kinds):
            counted[name] += compared
        counted["tables"] += 1
        seed += 1
        if time.monotonic() - told > 20:
            told = time.monotonic()
            rate = counted["lists"] / (told - began)
            print(f"{counted['lists']:,} lists, {rate:,.0f} a second, {len(failures)} differ", flush=True)
    return seed, counted, failures


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print and record; return 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--lists", type=int, default=1_000_000, help="to compare")
    parser.add_argument("--seed", type=int, default=0, help="of the first table")
    parser.add_argument("--replay", type=int, metavar="SEED", help="show one case")
    parser.add_argument("--processor", choices=[*FEATURES], default="native")
    parser.add_argument("--results", type=Path, help=f"add the counts to a file, such as {RESULTS}")
    asked = parser.parse_args(arguments)
    environment = compiled_for(asked.processor)
    if any(os.environ.get(name) != value for name, value in environment.items()):
        given = sys.argv[1:] if arguments is None else arguments
        again = [sys.executable, "-m", "benchmarks.lists", *given]
        return subprocess.run(again, env=os.environ | environment).returncode
    if asked.replay is not None:
        return _replay(asked.replay)
    following, counted, failures = compare(asked.seed, asked.lists)
    print("\n".join(failures[:20]))
    print(", ".join(f"{name}: {count:,}" for name, count in sorted(counted.items())))
    print(
        f"{asked.processor}: {counted['lists']:,} lists of {counted['tables']:,} tables compared "
        f"(seeds {asked.seed} … {following - 1}), {len(failures)} differences"
    )
    if asked.results is not None:
        _record(asked.results, asked.processor, [asked.seed, following - 1], counted, len(failures))
    return int(bool(failures))


def _replay(seed: int) -> int:
    from benchmarks.lists.cases import case_of, differences

    case = case_of(seed)
    compared, wrong = differences(case)
    print(f"{case}\n{compared:,} lists compared", *wrong, sep="\n")
    return int(bool(wrong))


def _record(path: Path, processor: str, seeds: list[int], counted: Counter[str], failures: int) -> None:
    from gpuemb.bench.records import here, write_json
    from gpuemb.core.device import CPU

    kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
    kept[processor] = {
        "seeds": seeds,
        "differences": failures,
        "compared": dict(sorted(counted.items())),
        **here(CPU),
    }
    write_json(path, kept)


if __name__ == "__main__":
    raise SystemExit(main())
