"""Name what got slower beyond the noise: ``python -m benchmarks.compare BEFORE AFTER``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gpuemb.bench.compare import NOISE_FLOOR, compare
from gpuemb.bench.records import read_records
from gpuemb.bench.table import CHANGE_HEADER, change_row, plain
from gpuemb.core.errors import GpuembError


def main(words: Sequence[str] | None = None) -> int:
    """Print every change, the worst first; return 1 when something got slower."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path, help="a record, a run of gpuemb bench, or a machine's folder")
    parser.add_argument("after", type=Path)
    parser.add_argument(
        "--floor", type=float, default=NOISE_FLOOR, help="relative change that is always noise"
    )
    asked = parser.parse_args(words)
    try:
        changes = compare(read_records(asked.before), read_records(asked.after), floor=asked.floor)
    except GpuembError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(plain(CHANGE_HEADER, [change_row(change) for change in changes])))
    slower = [change.name for change in changes if change.verdict == "slower"]
    print(f"Slower beyond the noise: {', '.join(slower) or 'nothing'}.")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
