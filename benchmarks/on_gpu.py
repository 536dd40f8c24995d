"""Everything that needs a GPU, in one command: ``python -m benchmarks.on_gpu --minutes 9 --out DIR``.

It goes through what exists, the most telling first, reports each failure without stopping, and ends with
a list of each check it did not run, and why.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gpuemb.bench.workloads import WORKLOADS
from gpuemb.core.cuda.diagnosis import missing_for_cuda
from gpuemb.core.device import Device

ROOT = Path(__file__).resolve().parents[1]
ON_A_GPU = "cuda and not cuda-on-host"  # of the tests' devices
LEAST_SECONDS = 20.0  # less is not enough to import, compile and say anything
SANITIZERS = ("memcheck", "racecheck", "synccheck", "initcheck")
PEERS = {"torch": "torch", "CuPy": "cupy", "FlashLib": "flashlib", "cuVS": "cuvs"}


@dataclass(frozen=True)
class Check:
    """One step.

    Attributes:
        name: for people; also the name of its log.
        why_not: says why it cannot run here; empty when it can.
        run: given the seconds left and the folder, runs it and returns one line; raises on failure.
    """

    name: str
    why_not: Callable[[], str]
    run: Callable[[float, Path], str]


@dataclass
class Journal:
    """What happened.

    Attributes:
        passed: name and line.
        failed: name and line.
        not_run: name and reason.
    """

    passed: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    not_run: list[tuple[str, str]] = field(default_factory=list)

    def told(self) -> str:
        """All of it, as text."""
        parts = (("Passed", self.passed), ("FAILED", self.failed), ("Not run", self.not_run))
        return "\n".join(f"{title}: {name}: {line}" for title, lines in parts for name, line in lines)


class CheckFailed(Exception):
    """A step ran and found something wrong; the message says what, and where its log is."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the checks; return 0 when none failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=9.0, help="stop beginning checks after so long")
    parser.add_argument("--out", type=Path, required=True, help="folder of the records and logs")
    asked = parser.parse_args(words)
    missing = missing_for_cuda()
    if missing:
        print(f"No GPU here: {missing}. Nothing was run.")
        return 1
    asked.out.mkdir(parents=True, exist_ok=True)
    journal = go_through(checks(), asked.minutes * 60, asked.out)
    (asked.out / "journal.txt").write_text(journal.told() + "\n", "utf-8")
    print(journal.told())
    table = asked.out / "table.txt"
    if table.exists():
        print(table.read_text("utf-8"))
    return 1 if journal.failed else 0


def go_through(steps: Sequence[Check], seconds: float, out: Path) -> Journal:
    """Run each check while there is time; a failure never stops the next."""
    journal, deadline = Journal(), time.monotonic() + seconds
    for step in steps:
        left = deadline - time.monotonic()
        reason = "no time left" if left < min(LEAST_SECONDS, seconds) else step.why_not()
        if reason:
            journal.not_run.append((step.name, reason))
            continue
        print(f"{step.name} …", flush=True)
        try:
            journal.passed.append((step.name, step.run(left, out)))
        except Exception as error:  # whatever a check raises is its result; the others still count
            journal.failed.append((step.name, f"{type(error).__name__}: {error}"))
    return journal


def checks() -> list[Check]:
    """Every check, the most telling first."""
    return [
        *(_kernel_tests(name) for name in kernels()),
        Check("ceilings and workloads", lambda: "", _workloads),
        Check("strategies of cosine_topk", lambda: "", _strategies),
        Check("training, one run and ten at once", lambda: "", _training),
        *(_peer(name, module) for name, module in PEERS.items()),
        *(_sanitizer(tool) for tool in SANITIZERS),
    ]


def kernels() -> list[str]:
    """Every kernel folder."""
    return sorted(path.parent.name for path in (ROOT / "kernels").glob("*/__init__.py"))


def has_cuda(name: str) -> bool:
    """Whether a kernel folder has a file or a folder for CUDA."""
    return any((ROOT / "kernels" / name / place).exists() for place in ("cuda.py", "cuda/__init__.py"))


def _kernel_tests(name: str) -> Check:
    test = ROOT / "tests" / "kernels" / f"test_{name}.py"

    def why_not() -> str:
        if not has_cuda(name):
            return "it has no CUDA implementation yet"
        return "" if test.exists() else "it has no test file"

    def run(left: float, out: Path) -> str:
        return _logged(
            [sys.executable, "-m", "pytest", "-q", str(test), "-k", ON_A_GPU], f"test-{name}", left, out
        )

    return Check(f"{name} against its reference", why_not, run)


def _sanitizer(tool: str) -> Check:
    def why_not() -> str:
        if shutil.which("compute-sanitizer") is None:
            return "compute-sanitizer is not on this machine"
        return "" if any(map(has_cuda, kernels())) else "no kernel has a CUDA implementation yet"

    def run(left: float, out: Path) -> str:
        command = [
            "compute-sanitizer",
            "--tool",
            tool,
            "--error-exitcode",
            "9",
            sys.executable,
            "-m",
            "pytest",
        ]
        return _logged([*command, "-q", "tests/kernels", "-k", ON_A_GPU], f"sanitizer-{tool}", left, out)

    return Check(f"compute-sanitizer {tool}", why_not, run)


def _peer(name: str, module: str) -> Check:
    def why_not() -> str:
        import importlib.util

        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed"
        from benchmarks import gpu_peers

        return "" if module in gpu_peers.SEARCHES else "no race is written for it yet"

    def run(left: float, out: Path) -> str:
        from benchmarks import gpu_peers

        return gpu_peers.race(module, out)

    return Check(f"top-k by {name}", why_not, run)


def _workloads(left: float, out: Path) -> str:
    from gpuemb.bench.records import write_json
    from gpuemb.bench.runner import bench
    from gpuemb.bench.table import CEILING_HEADER, HEADER, ceiling_rows, plain, record_row

    run = bench(WORKLOADS, "medium", devices=[Device("cuda")])
    write_json(out / "run.json", run.as_mapping())
    lines = plain(CEILING_HEADER, ceiling_rows(run.ceilings[0]))
    if run.records:
        lines += ["", *plain(HEADER, [record_row(record) for record in run.records])]
    lines += [f"Not run: {name}: {reason}" for name, reason in run.not_run.items()]
    (out / "table.txt").write_text("\n".join(lines) + "\n", "utf-8")
    return f"{len(run.ceilings[0].found)} ceilings, {len(run.records)} workloads, see table.txt"


def _strategies(left: float, out: Path) -> str:
    from benchmarks import gpu_strategies

    return gpu_strategies.race(out)


def _training(left: float, out: Path) -> str:
    from benchmarks import gpu_training

    return gpu_training.race(out)


def _logged(command: Sequence[str], name: str, left: float, out: Path) -> str:
    """Run a command with a time limit; its output goes to a log.

    Raises:
        CheckFailed: it ended with an error, or ran out of time.
    """
    log = out / f"{name}.log"
    with log.open("w", encoding="utf-8") as file:
        try:
            done = subprocess.run(
                command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, timeout=left, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise CheckFailed(f"stopped after {left:.0f} s, see {log.name}") from error
    lines = log.read_text("utf-8").strip().splitlines() or ["no output"]
    if done.returncode:
        raise CheckFailed(f"{lines[-1]}, see {log.name}")
    return lines[-1]


if __name__ == "__main__":
    sys.exit(main())
