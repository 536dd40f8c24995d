"""Damaged inputs: every reader reads or refuses them, and what fails is told with its seed."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gpuemb.core.errors import FileFormatError

ROOT = Path(__file__).resolve().parents[2]
INPUTS = 250  # of a fast run: two seconds

DYING = """
import json, os, sys, time
first, stop, step, memory, channel = map(int, sys.argv[1:6])
told = os.fdopen(channel, "w")
print("ready", file=told, flush=True)
for seed in range(first, stop, step):
    print(json.dumps(["begins", seed, "reader", ["damage"]]), file=told, flush=True)
    if seed == 3:
        os.abort()
    if seed == 5:
        time.sleep(60)
    if seed == 6:
        print("last words", file=sys.stderr, flush=True)
        sys.exit(7)
    outcome = {"seed": seed, "reader": "reader", "how": "read"}
    print(json.dumps(["ends", outcome]), file=told, flush=True)
"""


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder, below which the samples are written once."""
    return tmp_path_factory.mktemp("fuzz")


def test_some_hundred_damaged_inputs_are_read_or_refused(scratch: Path) -> None:
    from benchmarks.fuzz.inputs import attempt, input_of, write
    from benchmarks.fuzz.readers import readers

    known = readers(scratch)
    found = []
    for seed in range(INPUTS):
        made = input_of(seed, known)
        write(made.files, scratch / "input")
        found.append(attempt(made, known[made.reader], scratch / "input"))
    assert [one for one in found if one.how == "failed"] == []
    assert {one.how for one in found} == {"read", "refused"}
    assert {one.reader for one in found} == {*known}
    again = input_of(7, known)
    assert again.files == input_of(7, known).files
    assert again.damage


@pytest.mark.slow
def test_thousands_of_damaged_inputs_are_read_or_refused(capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.fuzz.__main__ import main

    assert main(["--inputs", "5000", "--seed", "1000000"]) == 0
    assert "5,000" in capsys.readouterr().out


def test_an_intact_sample_of_every_reader_is_read(scratch: Path) -> None:
    from benchmarks.fuzz.inputs import check_samples
    from benchmarks.fuzz.readers import readers

    check_samples(readers(scratch), scratch / "input")


def _raising(error: Exception) -> Any:
    def read(path: Path, chance: Random) -> None:
        raise error

    return read


REFUSAL = FileFormatError("a: b", needed="c", remedy="d")


class Endless(FileFormatError):
    def __str__(self) -> str:
        return "x\n" * 20_000


LONG = Endless("a: b", needed="c", remedy="d")


@pytest.mark.parametrize(
    ("error", "how"),
    [(REFUSAL, "refused"), (LONG, "failed"), (ValueError("x"), "failed"), (MemoryError(), "failed")],
)
def test_only_an_error_of_ours_that_people_can_read_is_a_refusal(
    error: Exception, how: str, tmp_path: Path
) -> None:
    from benchmarks.fuzz.inputs import attempt, input_of
    from benchmarks.fuzz.readers import Reader

    reader = Reader(_raising(error), {"sample": {"file": b"1 2 3"}})
    assert attempt(input_of(1, {"reader": reader}), reader, tmp_path).how == how


def test_a_warning_and_an_invalid_result_are_failures(tmp_path: Path) -> None:
    import numpy as np

    from benchmarks.fuzz.inputs import attempt, input_of
    from benchmarks.fuzz.readers import Reader
    from benchmarks.fuzz.vector_readers import require

    for read in (lambda *_: np.float64(1e300) * 1e300, lambda *_: require(False, "wrong")):
        reader = Reader(read, {"sample": {"file": b"1 2 3"}})
        assert attempt(input_of(1, {"reader": reader}), reader, tmp_path).how == "failed"


def test_inputs_at_which_a_process_dies_or_hangs_are_named_and_the_rest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.fuzz import watch
    from benchmarks.fuzz.watch import Bounds, outcomes

    monkeypatch.setattr(watch, "INPUTS_A_PROCESS", 4)
    (tmp_path / "worker.py").write_text(DYING)
    bounds = Bounds(seconds=1.0, program=(str(tmp_path / "worker.py"),))
    found = {one.seed: one for one in outcomes(0, 12, 2, bounds)}
    assert sorted(found) == [*range(12)]
    assert {seed for seed, one in found.items() if one.how == "failed"} == {3, 5, 6}
    assert signal.SIGABRT.name in found[3].why
    assert "no answer" in found[5].why
    assert "last words" in found[6].trace
    assert "damage" in found[6].trace


def test_the_table_counts_by_reader_and_names_seeds_of_each_kind_of_failure() -> None:
    from benchmarks.fuzz.__main__ import lines_of
    from benchmarks.fuzz.inputs import Outcome

    failures = [Outcome(seed, "b", "failed", f"KeyError x.py:3: {seed}") for seed in (9, 5)]
    lines = lines_of([Outcome(1, "a", "read"), Outcome(2, "a", "refused"), *failures])
    assert [line.split()[1:] for line in lines[1:4]] == [[*"2110"], [*"2002"], [*"4112"]]
    assert lines[4:] == ["2 × b: KeyError x.py:3: 5\n    --replay 5 9"]


def test_a_replay_shows_the_damage_and_leaves_the_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks.fuzz.__main__ import main

    main(["--replay", "1", "--keep", str(tmp_path / "kept")])
    assert [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    said = capsys.readouterr().out
    assert said.splitlines()[0].count(", ") >= 2  # reader, sample, damage
    assert said.splitlines()[1].split(":")[0] in ("read", "refused", "failed")


def test_a_record_has_the_counts_and_every_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.fuzz import __main__ as fuzz
    from benchmarks.fuzz.inputs import Outcome

    found = [Outcome(1, "a", "read"), Outcome(2, "a", "failed", "KeyError: x", "trace")]
    monkeypatch.setattr(fuzz, "outcomes", lambda *_: iter(found))
    assert fuzz.main(["--inputs", "2", "--results", str(tmp_path / "fuzz.json")]) == 1
    kept = json.loads((tmp_path / "fuzz.json").read_text("utf-8"))
    assert kept["readers"] == {"a": {"read": 1, "failed": 1}}
    assert [one["seed"] for one in kept["failures"]] == [2]
