"""Options and the session's track; what was not raced is told at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.race import Track
from gpuemb.bench.ceilings import measure_ceilings
from gpuemb.bench.records import write_ceilings
from gpuemb.bench.table import CEILING_HEADER, PEER_HEADER, ceiling_rows, plain
from gpuemb.core import threads
from gpuemb.core.device import CPU

RESULTS = Path(__file__).parent / "results"
TRACK = pytest.StashKey[Track]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what a person can ask of a race."""
    group = parser.getgroup("gpuemb benchmarks")
    group.addoption("--quick", action="store_true", help="small data, three rounds: three minutes in all")
    group.addoption(
        "--stanford-glove", type=Path, metavar="DIR", help="folder of vocab_count, cooccur, glove"
    )
    group.addoption("--corpus", type=Path, metavar="FILE", help="a larger text, one document a line")
    group.addoption("--vectors", type=Path, metavar="FILE", help="a table of vectors, for exact neighbors")
    group.addoption("--questions", type=Path, metavar="FILE", help="analogies: a, b, c and the answer a line")
    group.addoption("--results", type=Path, default=RESULTS, help="folder of the records")
    group.addoption("--threads", type=int, default=None, help="of ours and of every peer; default all cores")


def pytest_configure(config: pytest.Config) -> None:
    """Let peers warn, and give all of them the same threads before they are imported."""
    config.addinivalue_line("filterwarnings", "default")
    count = str(config.getoption("--threads") or threads.available())
    for name in ("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, count)


@pytest.fixture(scope="session")
def track(request: pytest.FixtureRequest) -> Iterator[Track]:
    """The session's track: threads, ceilings, results."""
    options = request.config
    count = options.getoption("--threads") or threads.available()
    with threads.limit(count):
        ceilings = measure_ceilings(CPU)
        results = options.getoption("--results")
        if not options.getoption("--quick"):
            write_ceilings(ceilings, CPU, results)
        made = Track(options.getoption("--quick"), count, results, ceilings)
        options.stash[TRACK] = made
        yield made


@pytest.fixture
def stanford_glove(request: pytest.FixtureRequest) -> Path | None:
    """Folder of Stanford GloVe's programs, or None."""
    folder: Path | None = request.config.getoption("--stanford-glove")
    return folder


@pytest.fixture
def large_corpus(request: pytest.FixtureRequest) -> Path:
    """The text given with ``--corpus``; without one the case is skipped."""
    corpus: Path | None = request.config.getoption("--corpus")
    if corpus is None:
        pytest.skip("no --corpus FILE was given")
    return corpus


@pytest.fixture
def own_vectors(request: pytest.FixtureRequest) -> Path:
    """The table given with ``--vectors``; without one the case is skipped."""
    vectors: Path | None = request.config.getoption("--vectors")
    if vectors is None:
        pytest.skip("no --vectors FILE was given")
    return vectors


@pytest.fixture
def own_questions(request: pytest.FixtureRequest) -> Path:
    """The analogies given with ``--questions``; without them the case is skipped."""
    questions: Path | None = request.config.getoption("--questions")
    if questions is None:
        pytest.skip("no --questions FILE was given")
    return questions


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the session's table, its ceilings, and each peer that was not raced."""
    track = config.stash.get(TRACK, None)
    if track is None:
        return
    terminalreporter.section("ceilings of this machine")
    for line in plain(CEILING_HEADER, ceiling_rows(track.ceilings)):
        terminalreporter.write_line(line)
    terminalreporter.section("ours and peers, timed in turns")
    for line in plain(PEER_HEADER, track.lines):
        terminalreporter.write_line(line)
    if track.skips:
        terminalreporter.section("peers that were not raced")
        for case, rival, reason in track.skips:
            terminalreporter.write_line(f"SKIPPED {case}: {rival}: {reason}")
