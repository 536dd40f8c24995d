"""One process that reads damaged inputs within bounds of memory: the parent sees which one it dies of."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.fuzz.inputs import attempt, check_samples, input_of, write
from benchmarks.fuzz.readers import readers

READY = "ready"


def main() -> int:
    """Read the inputs of the seeds ``first … stop`` by ``step``; tell each outcome as a line of JSON."""
    first, stop, step, memory, channel = map(int, sys.argv[1:6])
    names = set(sys.argv[6:])
    faulthandler.enable()
    with tempfile.TemporaryDirectory(prefix="gpuemb-fuzz-") as scratch, os.fdopen(channel, "w") as told:
        folder = Path(scratch)
        known = readers(folder)
        check_samples(known, folder / "input")
        limit_memory(memory)
        print(READY, file=told, flush=True)
        for seed in range(first, stop, step):
            made = input_of(seed, known)
            if names and made.reader not in names:
                continue
            print(json.dumps(["begins", seed, made.reader, made.damage]), file=told, flush=True)
            write(made.files, folder / "input")
            outcome = attempt(made, known[made.reader], folder / "input")
            print(json.dumps(["ends", asdict(outcome)]), file=told, flush=True)
    return 0


def limit_memory(more: int) -> None:
    """Let this process have so many bytes beside what it has mapped now; only Linux can say how many."""
    status = Path("/proc/self/statm")
    if status.exists():
        mapped = int(status.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + more, mapped + more))


if __name__ == "__main__":
    raise SystemExit(main())
