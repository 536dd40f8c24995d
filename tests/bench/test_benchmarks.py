"""The commands around the races, on invented records."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bench.fabricated import record
from cuda_on_host import compiler, stand_in
from cuda_on_host.launch import Run
from strategies import awkward_rows
from tolerances import assert_same_bits

from gpuemb.bench.ceiling import Ceiling, Ceilings
from gpuemb.bench.records import read_records, write_json, write_record
from gpuemb.bench.workloads.work import Work
from gpuemb.core.arrays import to_device
from gpuemb.core.device import Device
from gpuemb.kernels.cosine_topk import cosine_topk
from gpuemb.kernels.cosine_topk.cuda import STRATEGIES

ROOT = Path(__file__).resolve().parents[2]
MARKED = "# Title\n<!-- benchmarks:begin -->\nold\n<!-- benchmarks:end -->\nend\n"


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture
def readmes(tmp_path: Path) -> list[str]:
    for name in ("long.md", "short.md"):
        (tmp_path / name).write_text(MARKED)
    (tmp_path / "results").mkdir()
    return [f"--{name}={tmp_path / name}.md" for name in ("long", "short")] + [
        f"--results={tmp_path / 'results'}"
    ]


def test_the_tables_come_from_the_records_alone(tmp_path: Path, readmes: list[str]) -> None:
    from benchmarks import table

    path = write_record(record(phases={"count": 0.25}), tmp_path / "results")
    write_record(record("quick-case", case="a quick case"), tmp_path / "results")
    ceilings = {"found": {}, "missing": {"int8": "no such instruction"}, "device": "cpu"}
    write_json(path.with_name("ceilings.json"), {"schema": 1, "ceilings": [ceilings]})
    assert table.main(readmes) == 2
    long, short = ((tmp_path / name).read_text() for name in ("long.md", "short.md"))
    for text in (long, short):
        assert text.startswith("# Title\n<!-- benchmarks:begin -->\n")
        assert text.endswith("<!-- benchmarks:end -->\nend\n")
        assert "old" not in text
        assert "an invented case" in text
        assert "50% of sgemm" in text
        assert "2.00x ±0.00 (2 s, n=5)" in text
        assert "a quick case" not in text
    assert "not run: not installed" in long
    assert "no such instruction" in long
    assert "count 250 ms" in long
    assert table.main(readmes) == 0, "nothing has changed the second time"


def test_a_machine_without_records_says_so(tmp_path: Path, readmes: list[str]) -> None:
    from benchmarks import table

    table.main(readmes)
    assert "No records yet" in (tmp_path / "short.md").read_text()


def test_a_file_without_markers_is_refused(tmp_path: Path) -> None:
    from benchmarks import table

    (tmp_path / "plain.md").write_text("nothing")
    with pytest.raises(SystemExit, match="lacks the lines"):
        table.replace_between_markers(tmp_path / "plain.md", [])


def test_both_files_have_their_markers() -> None:
    from benchmarks import table

    for path in (ROOT / "benchmarks" / "summary.md", ROOT / "benchmarks" / "README.md"):
        text = path.read_text("utf-8")
        assert text.index(table.BEGIN) < text.index(table.END)


def test_compare_names_what_got_slower(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks import compare

    for name, seconds in (("before", 1.0), ("after", 2.0)):
        write_json(tmp_path / f"{name}.json", record(seconds=(seconds,) * 5).as_mapping())
    before, after = str(tmp_path / "before.json"), str(tmp_path / "after.json")
    assert compare.main([before, after]) == 1
    assert "Slower beyond the noise: invented-case." in capsys.readouterr().out
    assert compare.main([before, before]) == 0
    assert compare.main([before, str(tmp_path / "none.json")]) == 2


def test_an_absent_peer_is_a_visible_skip(tmp_path: Path) -> None:
    from benchmarks.conftest import TRACK, pytest_terminal_summary
    from benchmarks.race import Case, Rival, Track

    roof = Ceiling("sgemm", "FLOP/s", 100.0, {"workers": 100.0}, 0.0)
    track = Track(True, 1, tmp_path, Ceilings("cpu", {"sgemm": roof}))
    case = Case(
        "invented", "invented", "invented", {}, Work(1, 1, (1, "x"), "sgemm", "flops", ""), int, _checked
    )
    present = Rival("present", "json", lambda: lambda: 0, lambda result: f"gave {result}")
    absent = Rival("absent", "no_such_module_anywhere", lambda: int)
    track.run(FakeBenchmark(), case, [present, absent])
    (written,) = read_records(next(tmp_path.glob("*/quick-invented.json")))
    assert [(p.name, p.note, len(p.seconds)) for p in written.peers] == [("present", "gave 0", 3)]
    assert "not installed" in written.skipped["absent"]
    assert written.verified == "checked"
    shown = _summary(pytest_terminal_summary, TRACK, track)
    assert "SKIPPED invented: absent: not installed (pip install absent)" in shown
    assert "present (gave 0)" in shown


def test_a_slow_rival_runs_in_the_first_rounds_only() -> None:
    from benchmarks.race import _rounds
    from gpuemb.bench.measure import Timing, ratio

    assert [_rounds(seconds, 30.0, 7) for seconds in (0.0, 1.0, 9.0, 29.0, 31.0)] == [7, 7, 3, 1, 1]
    assert _rounds(61.0, 1e6, 7) == 3
    judged = ratio(Timing((4.0, 9.0)), Timing((2.0, 3.0, 100.0)))
    assert (judged.median, judged.spread) == (2.5, 0.5)


def test_a_wrong_result_is_never_timed(tmp_path: Path) -> None:
    from benchmarks.race import Case, Track

    def wrong(result: Any) -> str:
        raise AssertionError("differs from the reference")

    case = Case("invented", "invented", "", {}, Work(1, 1, (1, "x"), "sgemm", "flops", ""), int, wrong)
    with pytest.raises(AssertionError, match="differs"):
        Track(True, 1, tmp_path, Ceilings("cpu", {})).run(FakeBenchmark(), case, [])
    assert not list(tmp_path.iterdir())


def test_plain_pytest_runs_tests_only_and_a_named_race_is_collected() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    assert options["testpaths"] == ["tests"]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "benchmarks/bench_counts.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "bench_counts.py::test_conversations" in done.stdout, done.stderr


def test_without_a_gpu_one_line_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks import on_gpu
    from gpuemb.core.cuda.diagnosis import missing_for_cuda

    if not missing_for_cuda():
        pytest.skip("this machine has a GPU")
    assert on_gpu.main(["--out", str(tmp_path / "gpu")]) == 1
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("No GPU here: ")


def test_a_failed_check_does_not_stop_the_next(tmp_path: Path) -> None:
    from benchmarks.on_gpu import Check, go_through

    def fails(left: float, out: Path) -> str:
        raise RuntimeError("broken")

    steps = [
        Check("first", lambda: "", fails),
        Check("second", lambda: "its file is missing", fails),
        Check("third", lambda: "", lambda left, out: "fine"),
    ]
    journal = go_through(steps, 60.0, tmp_path)
    assert journal.failed == [("first", "RuntimeError: broken")]
    assert journal.not_run == [("second", "its file is missing")]
    assert journal.passed == [("third", "fine")]
    late = go_through(steps, -1.0, tmp_path)
    assert [reason for _, reason in late.not_run] == ["no time left"] * 3


def test_every_kernel_is_checked_or_says_why_not() -> None:
    from benchmarks import on_gpu

    names = [check.name for check in on_gpu.checks()]
    for kernel in on_gpu.kernels():
        assert f"{kernel} against its reference" in names
    assert any(name.startswith("compute-sanitizer") for name in names)


@pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}")
def test_every_road_of_a_gpu_is_verified_and_has_a_goal() -> None:
    from benchmarks import gpu_strategies

    rows = awkward_rows("gaussian", "float32", 30, 9, seed=1)
    with stand_in.installed(Run("random")):
        there = to_device(rows, Device("cuda"))
        calls = gpu_strategies.searches(there, 3)
        assert set(calls) == set(gpu_strategies.GOALS)
        for call in (calls | gpu_strategies.from_the_host(rows, 3)).values():
            assert gpu_strategies.verify(rows, call()).startswith("the reference on 8 queries, bit for bit")
        seconds = gpu_strategies.filter_seconds(there, 3)
    assert set(seconds) == {f"{strategy}, {part}" for strategy in STRATEGIES for part in ("filter", "whole")}
    assert all(0 < seconds[f"{strategy}, filter"] < seconds[f"{strategy}, whole"] for strategy in STRATEGIES)


@pytest.mark.slow
@pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}")
def test_training_on_a_gpu_is_verified_and_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import gpu_training

    sizes = {"WORDS": 40, "TOKENS": 200, "DIM": 4, "SMALL_WORDS": 40, "SMALL_TOKENS": 200, "SMALL_DIM": 4}
    for name, size in {**sizes, "RUNS": (1, 2), "REPEATS": 1}.items():
        monkeypatch.setattr(gpu_training, name, size)
    monkeypatch.setattr(gpu_training, "here", lambda device: {"device": str(device)})
    monkeypatch.setattr("gpuemb.training.glove_strata.LEAST_BLOCKS", 2)
    with stand_in.installed(Run("random")):
        line = gpu_training.race(tmp_path)
    told = json.loads((tmp_path / "training.json").read_text("utf-8"))
    assert list(told["seconds"]) == [
        f"{model}, {runs} at once" for model in ("glove", "skip-gram") for runs in (1, 2)
    ]
    assert told["shape"]["glove nonzeros"] > 0
    assert told["shape"]["skip-gram pairs"] > 0
    assert told["verified"].startswith("losses of two runs of both models")
    assert line.startswith("glove, 1 at once ")


class FakeBenchmark:
    """What pytest-benchmark gives a race, without its clock."""

    def __init__(self) -> None:
        self.stats = SimpleNamespace(stats=SimpleNamespace(data=[]))

    def pedantic(self, call: Any, *, setup: Any, rounds: int, warmup_rounds: int) -> None:
        for _ in range(rounds):
            setup()
            call()
            self.stats.stats.data.append(1.0)


def _checked(result: Any) -> str:
    assert result == 0
    return "checked"


def _summary(hook: Any, key: Any, track: Any) -> str:
    lines: list[str] = []
    reporter = SimpleNamespace(section=lines.append, write_line=lines.append)
    hook(reporter, SimpleNamespace(stash={key: track}))
    return "\n".join(lines)


@pytest.mark.parametrize("kind", ["gaussian", "tied", "duplicates", "zero rows", "clusters", "huge and tiny"])
@pytest.mark.parametrize("k", [1, 7, 39])
def test_brute_force_finds_the_defined_lists(kind: str, k: int) -> None:
    from benchmarks.brute_force import brute_force

    rows = awkward_rows(kind, "float32", 40, 9, seed=3)
    asked = np.array([0, 5, 39])
    found = brute_force(rows, asked, k)
    expected = cosine_topk.reference(rows, k, rows[asked], asked)
    assert_same_bits(found.ids, expected.ids)
    assert_same_bits(found.scores, expected.scores)


def test_the_cost_of_training_is_fitted_to_nonzeros_and_dimensions(tmp_path: Path) -> None:
    from benchmarks import training_cost

    nonzeros, dims = (each.ravel() for each in np.meshgrid([1e5, 1e6, 3e6], [50.0, 100.0, 300.0]))
    found = training_cost.fit(nonzeros, dims, 0.7e-9 * nonzeros * dims + 20e-9 * nonzeros)
    np.testing.assert_allclose([found.per_cell, found.per_nonzero], [0.7, 20], rtol=1e-9)
    assert found.worst < 1e-9
    words = ["--tokens", "20000", "60000", "--words", "300", "--dims", "8", "64"]
    assert training_cost.main([*words, "--out", str(tmp_path / "cost.json")]) == 0
    kept = json.loads((tmp_path / "cost.json").read_text())
    assert [row[1] for row in kept["rows"]] == [8, 64, 8, 64]
