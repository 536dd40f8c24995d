"""One measurement as one JSON record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gpuemb.bench.ceiling import Ceiling, Ceilings
from gpuemb.bench.machine import commit, describe_machine, machine_name, versions
from gpuemb.bench.measure import Timing, ratio
from gpuemb.bench.workloads.work import Work
from gpuemb.core.device import Device
from gpuemb.core.errors import FileFormatError, StorageError
from gpuemb.core.files import replacing
from gpuemb.core.files.whole import read_text

SCHEMA = 1
CEILINGS_FILE = "ceilings"


@dataclass(frozen=True)
class Peer:
    """Another library's function with the same result, timed in turns with ours.

    Attributes:
        name: with its version where it has one.
        seconds: of each round.
        ratio: its seconds over ours, median of the rounds; above 1, ours is faster.
        ratio_spread: half the distance between the quartiles of that ratio over the rounds.
        note: differences of its operation, if any.
        cpu_seconds: of all cores, of each round; none where they were not taken.
    """

    name: str
    seconds: tuple[float, ...]
    ratio: float
    ratio_spread: float
    note: str = ""
    cpu_seconds: tuple[float, ...] = ()


@dataclass(frozen=True)
class BenchRecord:
    """One measurement: operation, machine, seconds, peers.

    Attributes:
        name: file name of the record: workload and case.
        workload: the operation.
        case: the data and lengths, as text.
        device: where it ran.
        shape: the lengths, as numbers.
        work: operations and bytes executed.
        seconds: of each round.
        peak_bytes: largest resident size of the process while ours ran, data included.
        peers: in the order of the race.
        skipped: name and reason of each peer not raced.
        ceiling: its ceiling, measured in the same process; None without one.
        phases: seconds of each part, where the work has parts.
        verified: the oracle of the result, compared before timing.
        machine: see :func:`gpuemb.bench.machine.describe_machine`.
        versions: of libraries.
        commit: of the checkout.
        cpu_seconds: of all cores, of each round; none where they were not taken.
    """

    name: str
    workload: str
    case: str
    device: str
    shape: Mapping[str, int]
    work: Work
    seconds: tuple[float, ...]
    peak_bytes: int
    peers: tuple[Peer, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    ceiling: Ceiling | None = None
    phases: Mapping[str, float] = field(default_factory=dict)
    verified: str = ""
    machine: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str | None = None
    cpu_seconds: tuple[float, ...] = ()
    schema: int = SCHEMA

    @property
    def timing(self) -> Timing:
        """The seconds with their median and spread."""
        return Timing(self.seconds, self.cpu_seconds)

    @property
    def rate(self) -> float:
        """Flops or bytes per second, as in the ceiling."""
        return self.work.amount / self.timing.median

    @property
    def share(self) -> float | None:
        """Share of the ceiling; None without one."""
        return None if self.ceiling is None or not self.work.amount else self.rate / self.ceiling.rate

    def as_mapping(self) -> dict[str, Any]:
        """Return all fields and their derived values for JSON."""
        timing = self.timing
        derived = {
            "median": timing.median,
            "spread": timing.spread,
            "minimum": timing.minimum,
            "rate": self.rate,
            "items_per_second": self.work.items[0] / timing.median,
            "share_of_ceiling": self.share,
        }
        return {**asdict(self), "derived": derived}


@dataclass(frozen=True)
class Run:
    """One call of ``gpuemb bench``: ceilings, records, and workloads not run.

    Attributes:
        machine: of all records.
        ceilings: of the device.
        records: one a workload.
        not_run: workload and reason.
    """

    machine: Mapping[str, Any]
    ceilings: tuple[Ceilings, ...]
    records: tuple[BenchRecord, ...]
    not_run: Mapping[str, str] = field(default_factory=dict)

    def as_mapping(self) -> dict[str, Any]:
        """Return all fields for JSON."""
        return {
            "schema": SCHEMA,
            "machine": dict(self.machine),
            "machine_name": machine_name(dict(self.machine)),
            "ceilings": [asdict(ceilings) for ceilings in self.ceilings],
            "records": [record.as_mapping() for record in self.records],
            "not_run": dict(self.not_run),
        }


def raced(timings: Mapping[str, Timing], notes: Mapping[str, str]) -> tuple[Peer, ...]:
    """Return a peer for every contestant except the first, which is ours."""
    ours, *others = timings
    peers = []
    for name in others:
        judged, taken = ratio(timings[name], timings[ours]), timings[name]
        note = notes.get(name, "")
        peers.append(Peer(name, taken.runs, judged.median, judged.spread, note, taken.cpu))
    return tuple(peers)


def here(device: Device) -> dict[str, Any]:
    """Machine, versions and commit, as the fields of a record."""
    return {"machine": describe_machine(device), "versions": versions(), "commit": commit()}


def write_json(path: Path, mapping: Mapping[str, Any]) -> Path:
    """Write a record atomically; return its path."""
    with replacing(path, "w") as file:
        file.write(json.dumps(mapping, indent=1, ensure_ascii=False) + "\n")
    return path


def write_record(record: BenchRecord, results: Path) -> Path:
    """Write ``results/<machine>/<name>.json``."""
    return write_json(
        results / machine_name(dict(record.machine)) / f"{record.name}.json", record.as_mapping()
    )


def write_ceilings(ceilings: Ceilings, device: Device, results: Path) -> Path:
    """Write ``results/<machine>/ceilings.json``."""
    facts = here(device)
    mapping = {"schema": SCHEMA, "ceilings": [asdict(ceilings)], **facts}
    return write_json(results / machine_name(facts["machine"]) / f"{CEILINGS_FILE}.json", mapping)


def read_records(path: Path) -> list[BenchRecord]:
    """Read a record, a run of ``gpuemb bench``, or every record of a folder, by name.

    Raises:
        StorageError: there is nothing at the path, or it cannot be read.
        FileFormatError: a file is not a record, or of another schema.
    """
    if path.is_dir():
        files = sorted(file for file in path.glob("*.json") if file.stem != CEILINGS_FILE)
        return [record for file in files for record in read_records(file)]
    mapping = read_json(path)
    entries: Sequence[Any] = mapping.get("records", [mapping])
    with whole(str(path)):
        records = [_record(entry) for entry in entries]
        for record in records:
            record.as_mapping()  # so that what tables derive from its numbers can be derived
    return records


def read_ceilings(path: Path) -> list[Ceilings]:
    """Read the ceilings of a run, or of a machine's ``ceilings.json``.

    Raises:
        StorageError, FileFormatError: see :func:`read_records`.
    """
    mapping = read_json(path)
    with whole(str(path)):
        return [
            Ceilings(c["device"], {n: Ceiling(**v) for n, v in c["found"].items()}, c["missing"])
            for c in mapping["ceilings"]
        ]


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON file of our schema.

    Raises:
        StorageError, FileFormatError: see :func:`read_records`.
    """
    try:
        mapping = json.loads(read_text(path))
    except OSError as error:
        raise StorageError(
            f"bench: {path} cannot be read: {error.strerror}",
            needed="A record is a JSON file that gpuemb bench --out or benchmarks/ wrote.",
            remedy="Check the path.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise FileFormatError(
            f"bench: {path} is not JSON: {error}",
            needed="A record is a JSON file that gpuemb bench --out or benchmarks/ wrote.",
            remedy="Measure it again.",
        ) from error
    schema = mapping.get("schema") if isinstance(mapping, dict) else None
    if schema != SCHEMA:
        raise FileFormatError(
            f"bench: {path} has schema {schema}",
            needed=f"This version reads schema {SCHEMA}.",
            remedy="Measure again with this version, or compare with the one that wrote it.",
        )
    found: dict[str, Any] = mapping
    return found


@contextmanager
def whole(name: str) -> Iterator[None]:
    """Turn errors of a record's fields that are missing, or hold something else, into FileFormatError."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise FileFormatError(
            f"bench: {name} is not a whole record: {type(error).__name__}: {error}",
            needed="A record has the fields that gpuemb bench writes.",
            remedy="Measure it again.",
        ) from error


def _record(entry: Mapping[str, Any]) -> BenchRecord:
    fields = {key: value for key, value in entry.items() if key != "derived"}
    work, ceiling = dict(fields["work"]), fields["ceiling"]
    work["items"] = tuple(work["items"])
    fields["work"] = Work(**work)
    fields |= _rounds(fields)
    fields["peers"] = tuple(Peer(**{**peer, **_rounds(peer)}) for peer in fields["peers"])
    fields["ceiling"] = None if ceiling is None else Ceiling(**ceiling)
    return BenchRecord(**fields)


def _rounds(entry: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(entry[name]) for name in ("seconds", "cpu_seconds") if name in entry}
