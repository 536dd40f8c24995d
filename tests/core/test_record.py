from __future__ import annotations

import json
import platform
import sys

import numpy as np
import pytest

from gpuemb.core import record, threads
from gpuemb.core.progress import SILENT
from gpuemb.core.record import Record, cpu_name, cpuinfo, machine, processor_name, processors, versions


def arm(*parts: tuple[str, str]) -> str:
    """What Linux says of 64-bit ARM processors of these implementers and parts."""
    return "\n".join(
        f"processor\t: {number}\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd crc32 asimddp\n"
        f"CPU implementer\t: {implementer}\nCPU architecture: 8\nCPU variant\t: 0x3\n"
        f"CPU part\t: {part}\nCPU revision\t: 1\n"
        for number, (implementer, part) in enumerate(parts)
    )


X86 = "processor\t: 0\nvendor_id\t: Any\ncpu family\t: 6\nmodel\t\t: 9\nmodel name\t: Any(R) CPU @ 9 GHz\n"
CPUINFO = {
    "x86": X86 + "power management:\n\n" + X86.replace(": 0", ": 1", 1) + "\n",
    "server": arm(*[("0x41", "0xd4f")] * 4),
    "two kinds": arm(("0x41", "0xd05"), ("0x41", "0xd05"), ("0x41", "0xD0B")),
    "new part": arm(("0x41", "0xfff")),
    "new maker": arm(("0xab", "0x001")),
    "own name": arm(("0x41", "0xd08")).replace(
        "BogoMIPS", "model name\t: ARMv8 Processor rev 3 (v8l)\nBogoMIPS"
    ),
    "board": arm(("0x41", "0xd08")) + "\nHardware\t: Invented\nModel\t\t: Invented Board 4\n",
    "other": "processor\t: 0\nhart\t: 0\nisa\t: rv64imafdc\n",
    "empty": "",
}
NAMES = {
    "x86": "Any(R) CPU @ 9 GHz",
    "server": "Arm Neoverse-V2",
    "two kinds": "Arm Cortex-A55 + Arm Cortex-A76",
    "new part": "Arm part 0xfff",
    "new maker": "ARM implementer 0xab part 0x001",
    "own name": "Arm Cortex-A72",
    "board": "Arm Cortex-A72",
    "other": "",
    "empty": "",
}


def test_a_record_goes_through_json_and_comes_back() -> None:
    journal = Record(facts={"seeds": [1, 2], "digest": "abc", "device": "cpu"})
    with journal.phase("count"), journal.phase("train"):
        pass
    written = journal.as_mapping()
    assert json.loads(json.dumps(written, allow_nan=False)) == written
    assert list(written["seconds"]) == ["count", "train"]
    assert written["seeds"] == [1, 2]
    assert {"seconds", "peak_bytes", "machine", "versions", "digest", "device"} <= set(written)


def test_a_phase_is_timed_each_time_and_also_when_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.5, 10.0, 12.0])
    monkeypatch.setattr(record.time, "perf_counter", lambda: next(clock))
    journal = Record()
    with journal.phase("train"):
        pass
    with pytest.raises(ValueError, match="inside"), journal.phase("train"):
        raise ValueError("inside")
    assert journal.seconds == {"train": 3.5}


def test_phases_stand_in_the_order_they_began() -> None:
    journal = Record()
    with journal.phase("outer"), journal.phase("inner"):
        pass
    with journal.phase("last"), journal.phase("inner"):
        pass
    assert list(journal.seconds) == ["outer", "inner", "last"]


def test_records_share_nothing() -> None:
    Record().facts["seed"] = 1
    assert Record().facts == {}
    assert Record().seconds == {}


def test_the_machine_is_this_one() -> None:
    facts = machine()
    assert facts["cpu"] == cpu_name() != ""
    assert facts["cores"] == threads.available() >= 1
    assert facts["python"] == sys.version.split()[0]
    assert facts["memory_bytes"] > 0
    with threads.limit(3):
        assert machine()["threads"] == 3


def test_the_list_of_processors_is_the_system_s() -> None:
    if platform.system() != "Linux":
        assert cpuinfo() == []
    else:
        assert len(cpuinfo()) >= threads.available()


@pytest.mark.parametrize("text", CPUINFO)
def test_a_processor_has_a_name_on_every_architecture(text: str) -> None:
    assert processor_name(processors(CPUINFO[text])) == NAMES[text]


@pytest.mark.parametrize(
    ("system", "told", "name"),
    [("Darwin", "Invented M9\n", "Invented M9"), ("Darwin", None, "arm"), ("Linux", "never", "arm")],
)
def test_a_processor_has_a_name_where_linux_does_not_tell(
    monkeypatch: pytest.MonkeyPatch, system: str, told: str | None, name: str
) -> None:
    def sysctl(command: list[str], **_: object) -> str:
        if told is None:
            raise FileNotFoundError(command[0])
        return told

    monkeypatch.setattr(record.platform, "system", lambda: system)
    monkeypatch.setattr(record.platform, "processor", lambda: "arm")
    monkeypatch.setattr(record.subprocess, "check_output", sysctl)
    monkeypatch.setattr(record, "cpuinfo", list)
    cpu_name.cache_clear()
    try:
        assert cpu_name() == name
    finally:
        cpu_name.cache_clear()


def test_versions_name_what_is_installed_and_nothing_else() -> None:
    found = versions()
    assert found["numpy"] == np.__version__
    assert {"gpuemb", "numpy", "scipy", "numba"} <= set(found) <= set(record.LIBRARIES)
    assert all(found.values())


def test_nobody_listens_to_silence() -> None:
    with SILENT.phase("train", total=3) as task:
        task.advance()
        task.advance(2)
    SILENT.note("done")
