"""Compare two sets of records: which changed beyond the noise?"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gpuemb.bench.machine import machine_name
from gpuemb.bench.measure import half_spread
from gpuemb.bench.records import BenchRecord, whole

NOISE_FLOOR = 0.10  # processes of one machine differ by 5-15 % without a cause
SPREADS = 3.0  # a change beyond this many spreads of both records is not noise

Verdict: TypeAlias = Literal["slower", "faster", "same", "not comparable"]


@dataclass(frozen=True)
class Change:
    """One record before and after.

    Attributes:
        name: of the record.
        verdict: ``slower`` and ``faster`` are beyond the noise.
        factor: seconds after over seconds before, corrected for the machine's speed where it is known.
        noise: the largest relative change within the noise.
        reason: why two records cannot be compared, or the basis of the correction.
    """

    name: str
    verdict: Verdict
    factor: float
    noise: float
    reason: str = ""


def compare(
    before: Sequence[BenchRecord], after: Sequence[BenchRecord], *, floor: float = NOISE_FLOOR
) -> list[Change]:
    """Compare records of the same names, the worst first.

    The speed of one machine differs between processes. It is estimated by peers of the same version in
    both records, or else by the ceiling measured beside them: the change is divided by theirs.

    Args:
        before: records of one state.
        after: records of another.
        floor: relative change that is always noise.

    Raises:
        FileFormatError: a record does not tell its machine, or has seconds of 0.
    """
    with whole("one of those compared"):
        earlier = {record.name: record for record in before}
        later = {record.name: record for record in after}
        changes = [_absent(name, "after") for name in earlier if name not in later]
        changes += [_absent(name, "before") for name in later if name not in earlier]
        changes += [_change(earlier[name], later[name], floor) for name in earlier if name in later]
        order = {"slower": 0, "not comparable": 1, "faster": 2, "same": 3}
        return sorted(changes, key=lambda change: (order[change.verdict], -change.factor, change.name))


def _absent(name: str, where: str) -> Change:
    return Change(name, "not comparable", 1.0, 0.0, f"it has no record {where}")


def _change(before: BenchRecord, after: BenchRecord, floor: float) -> Change:
    different = _difference(before, after)
    if different:
        return Change(before.name, "not comparable", 1.0, 0.0, different)
    slowdown, speed_noise, reason = _slowdown(before, after)
    factor = after.timing.median / before.timing.median / slowdown
    spreads = sum(r.timing.spread / r.timing.median for r in (before, after)) + speed_noise
    noise = max(floor, SPREADS * spreads)
    verdict: Verdict = "slower" if factor > 1 + noise else "faster" if factor < 1 / (1 + noise) else "same"
    return Change(before.name, verdict, factor, noise, reason)


def _difference(before: BenchRecord, after: BenchRecord) -> str:
    """Return why two records are different experiments; empty if they are the same."""
    names = [machine_name(dict(r.machine)) for r in (before, after)]
    if names[0] != names[1]:
        return f"the machines differ: {names[0]}, {names[1]}"
    if before.device != after.device:
        return f"the devices differ: {before.device}, {after.device}"
    threads = [r.machine["threads"] for r in (before, after)]
    if threads[0] != threads[1]:
        return f"the threads differ: {threads[0]}, {threads[1]}"
    if dict(before.shape) != dict(after.shape):
        return f"the data differ: {before.case}, {after.case}"
    return ""


def _slowdown(before: BenchRecord, after: BenchRecord) -> tuple[float, float, str]:
    """Estimate by how much the machine was slower: the factor, its noise, and its basis."""
    earlier = {peer.name: peer for peer in before.peers}
    factors, noises, names = [], [], []
    for peer in after.peers:
        if peer.name in earlier:
            pair = (earlier[peer.name].seconds, peer.seconds)
            medians = [statistics.median(seconds) for seconds in pair]
            factors.append(medians[1] / medians[0])
            noises.append(sum(half_spread(s) / m for s, m in zip(pair, medians, strict=True)))
            names.append(peer.name)
    if factors:
        return statistics.median(factors), min(noises), f"against {', '.join(names)} in both"
    if before.ceiling is not None and after.ceiling is not None:
        factor = before.ceiling.rate / after.ceiling.rate
        noise = before.ceiling.spread + after.ceiling.spread
        return factor, noise, f"against the ceiling {after.ceiling.name} in both"
    return 1.0, 0.0, ""
