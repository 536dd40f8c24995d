"""Records are read as written, with their derived values."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench.fabricated import MACHINE, record

from gpuemb.bench.compare import compare
from gpuemb.bench.machine import describe_machine, machine_name, model_of
from gpuemb.bench.measure import Clock, Timing, alternate, half_spread, peak_of, ratio
from gpuemb.bench.records import Peer, Run, raced, read_ceilings, read_records, write_json, write_record
from gpuemb.core.errors import FileFormatError, StorageError


def test_a_record_comes_back_as_it_went(tmp_path: Path) -> None:
    written = record()
    path = write_record(written, tmp_path)
    assert path == tmp_path / "invented-family-1-model-2-4-cores" / "invented-case.json"
    assert read_records(path) == [written]
    assert read_records(path.parent) == [written]


def test_a_record_has_every_field_of_the_schema(tmp_path: Path) -> None:
    mapping = json.loads(write_record(record(), tmp_path).read_text("utf-8"))
    assert mapping["schema"] == 1
    assert mapping["derived"] == {
        "median": 1.0,
        "spread": 0.0,
        "minimum": 1.0,
        "rate": 50.0,
        "items_per_second": 5.0,
        "share_of_ceiling": 0.5,
    }
    for name in (
        "machine",
        "versions",
        "commit",
        "work",
        "seconds",
        "peak_bytes",
        "peers",
        "skipped",
        "ceiling",
    ):
        assert name in mapping


def test_a_run_is_read_as_its_records(tmp_path: Path) -> None:
    run = Run(MACHINE, (), (record("a"), record("b")), {"c on cuda:0": "no implementation"})
    path = write_json(tmp_path / "run.json", run.as_mapping())
    assert [r.name for r in read_records(path)] == ["a", "b"]


@pytest.mark.parametrize("text", ["{", '{"schema": 99}', "[]", '{"schema": 1}', "[" * 99_999])
def test_what_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=r"bad\.json"):
        read_records(path)


@pytest.mark.parametrize(
    "changed",
    [
        {"seconds": []},
        {"seconds": "fast"},
        {"seconds": [0.0]},
        {"work": 5},
        {"peers": ["x"]},
        {"ceiling": [1]},
    ],
)
def test_a_record_whose_numbers_give_nothing_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    path = write_json(tmp_path / "bad.json", {**record().as_mapping(), **changed})
    with pytest.raises(FileFormatError, match=r"bad\.json is not a whole record"):
        read_records(path)


@pytest.mark.parametrize(
    "changed", [{"machine": {}}, {"name": ["a"]}, {"name": 5}, {"peers": [Peer("p", (0.0,), 1.0, 0.0)]}]
)
def test_records_that_lack_what_a_comparison_needs_are_refused(changed: dict[str, Any]) -> None:
    odd = record(**changed)
    with pytest.raises(FileFormatError, match="one of those compared is not a whole record"):
        compare([odd, record("other")], [odd, record("other")])


@pytest.mark.parametrize("ceilings", [None, 5, ["x"], [{"device": "cpu"}]])
def test_what_are_no_ceilings_are_refused(tmp_path: Path, ceilings: Any) -> None:
    path = write_json(tmp_path / "ceilings.json", {"schema": 1, "ceilings": ceilings})
    with pytest.raises(FileFormatError, match="not a whole record"):
        read_ceilings(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none\.json"):
        read_records(tmp_path / "none.json")


def test_this_machine_has_a_name_and_its_facts() -> None:
    machine = describe_machine()
    assert machine["cores"] >= 1
    assert machine["memory_bytes"] > 0
    assert machine["gpu"] is None
    assert machine["blas"]
    name = machine_name(machine)
    assert name == machine_name(describe_machine())
    assert name.endswith(f"{machine['cores']}-cores")
    assert name.replace("-", "").isalnum()


@pytest.mark.parametrize(
    ("facts", "model"),
    [
        ({"cpu family": "26", "model": "2", "model name": "Any"}, "family 26 model 2"),
        (
            {"CPU implementer": "0x41", "CPU part": "0xd0c", "CPU variant": "0x3", "CPU revision": "1"},
            "implementer 0x41 part 0xd0c variant 0x3 revision 1",
        ),
        ({"hart": "0"}, ""),
    ],
)
def test_processors_of_one_name_are_told_apart_by_their_numbers(facts: dict[str, str], model: str) -> None:
    assert model_of([facts, {"model": "another"}]) == model
    assert model_of([]) == ""


def test_an_arm_machine_has_a_name() -> None:
    numbers = model_of([{"CPU implementer": "0x41", "CPU part": "0xd0c"}])
    machine = {**MACHINE, "cpu": "Arm Neoverse-N1", "model": numbers}
    assert machine_name(machine) == "arm-neoverse-n1-implementer-0x41-part-0xd0c-4-cores"


def test_a_gpu_is_part_of_the_name() -> None:
    assert machine_name({**MACHINE, "gpu": {"name": "Invented G1"}}).endswith("4-cores-invented-g1")


def test_the_contestants_take_turns() -> None:
    heard: list[str] = []

    def says(name: str):
        import time

        def call() -> None:
            heard.append(name)
            time.sleep(0.03)  # long enough not to be looped

        return call

    timings = alternate({"ours": says("a"), "peer": says("b")}, repeats=3)
    assert "".join(heard) == "abababab"
    assert [len(t.runs) for t in timings.values()] == [3, 3]


def test_a_budget_ends_the_rounds_but_not_before_the_first() -> None:
    assert len(alternate({"ours": lambda: time.sleep(0.03)}, budget_seconds=0.0)["ours"].runs) == 1


def test_a_call_has_its_seconds_of_cpu_those_of_its_programs_too() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    one = Clock.of(lambda: subprocess.run([sys.executable, "-c", burn], check=True))
    assert one.cpu >= 0.3
    assert one.wall >= 0.3
    assert Clock.of(lambda: time.sleep(0.2)).cpu < 0.1
    assert len(alternate({"a": lambda: None}, repeats=2)["a"].cpu) == 2


def test_a_record_of_before_has_no_seconds_of_cpu(tmp_path: Path) -> None:
    mapping = json.loads(write_record(record(), tmp_path).read_text("utf-8"))
    del mapping["cpu_seconds"], mapping["peers"][0]["cpu_seconds"]
    (found,) = read_records(write_json(tmp_path / "before.json", mapping))
    assert (found.cpu_seconds, found.peers[0].cpu_seconds) == ((), ())


def test_a_ratio_is_judged_round_by_round() -> None:
    ours, peer = Timing((1.0, 2.0, 4.0, 8.0)), Timing((3.0, 6.0, 12.0, 24.0))
    assert (ratio(peer, ours).median, ratio(peer, ours).spread) == (3.0, 0.0)
    (found,) = raced({"ours": ours, "peer": peer}, {"peer": "float32"})
    assert (found.ratio, found.ratio_spread, found.note) == (3.0, 0.0, "float32")


def test_a_spread_is_half_the_distance_between_the_quartiles() -> None:
    assert half_spread([5.0]) == 0.0
    assert half_spread([1.0, 3.0]) == 1.0
    assert half_spread([0.0, 1.0, 2.0, 3.0, 100.0]) == 1.0


def test_the_peak_counts_what_a_call_holds() -> None:
    import numpy as np

    size = 64 << 20
    assert peak_of(lambda: np.ones(size, np.uint8)) > size


def test_a_slow_down_beyond_the_noise_is_named_first() -> None:
    before = [record("steady"), record("slow"), record("fast")]
    after = [
        record("steady", seconds=(1.05,) * 5),
        record("slow", seconds=(1.5,) * 5),
        record("fast", seconds=(0.5,) * 5),
    ]
    changes = compare(before, after)
    assert [(c.name, c.verdict) for c in changes] == [
        ("slow", "slower"),
        ("fast", "faster"),
        ("steady", "same"),
    ]
    assert changes[0].factor == pytest.approx(1.5)


def test_a_noisy_record_needs_a_larger_change() -> None:
    noisy = (1.0, 1.2, 1.4, 1.6, 1.8)
    (change,) = compare([record(seconds=noisy)], [record(seconds=tuple(1.3 * s for s in noisy))])
    assert change.verdict == "same"
    assert change.noise > 0.3


def test_a_slower_machine_is_not_a_slower_workload() -> None:
    slowed = record(seconds=(1.5,) * 5, peers=(replace(record().peers[0], seconds=(3.0,) * 5),))
    (change,) = compare([record()], [slowed])
    assert (change.verdict, change.factor) == ("same", pytest.approx(1.0))
    assert "rival 1.0" in change.reason


def test_the_ceiling_corrects_for_the_machine_without_a_peer() -> None:
    before = record(peers=())
    after = record(peers=(), seconds=(2.0,) * 5, ceiling=replace(before.ceiling, rate=50.0))
    (change,) = compare([before], [after])
    assert change.verdict == "same"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"machine": {**MACHINE, "cpu": "Other"}}, "machines differ"),
        ({"machine": {**MACHINE, "threads": 1}}, "threads differ"),
        ({"device": "cuda:0"}, "devices differ"),
        ({"shape": {"words": 6}}, "data differ"),
        ({"name": "renamed"}, "no record"),
    ],
)
def test_different_experiments_are_not_compared(changed: dict, said: str) -> None:
    changes = compare([record()], [record(**changed)])
    assert all(change.verdict == "not comparable" for change in changes)
    assert said in changes[0].reason
