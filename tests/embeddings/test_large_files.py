"""Tables larger than the memory: the requested rows are streamed, in an address space of 1 GB."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from embeddings.tables import npy_claiming

WORDS, DIM = 5_000_000, 500  # float32: 10 GB
BUDGET = 1 << 30  # bytes of address space that may be added to what imports take
LAST = 4  # rows at the end that are not zero


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sparse file of 10 GB that takes a few blocks of the disk; the rows at its end hold numbers."""
    folder = tmp_path_factory.mktemp("large")
    head = npy_claiming(f"({WORDS}, {DIM})")
    with (folder / "large.npy").open("wb") as file:
        file.write(head)
        file.truncate(len(head) + 4 * WORDS * DIM)
        file.seek(-4 * LAST * DIM, 2)
        file.write(np.full((LAST, DIM), 0.5, np.float32).tobytes())
    (folder / "large.words.txt").write_text("".join(f"w{row}\n" for row in range(WORDS)))
    return folder / "large.npy"


def run(path: Path, code: str) -> str:
    """Run code in a new process that may not take more than the budget."""
    limited = f"""
        import resource, sys, gpuemb as ge, gpuemb.embeddings.files
        size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + {BUDGET}, size + {BUDGET}))
        path = sys.argv[1]
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(limited) + textwrap.dedent(code), str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: sparse files, and a limit on memory")
@pytest.mark.parametrize(
    ("options", "expected"), [("limit=3", "3 0.0"), (f"words=['w{WORDS - 1}', 'w7']", "2 0.5")]
)
def test_a_part_of_ten_gigabytes_is_read_in_one(large: Path, options: str, expected: str) -> None:
    found = run(large, f"t = ge.load(path, {options}); print(len(t), t.vectors[-1, 0])")
    assert found == expected
