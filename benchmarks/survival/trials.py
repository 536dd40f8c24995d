"""What is done to a study, and what must come of it: equal results, or a clear refusal."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.survival import studies
from benchmarks.survival.processes import Ended, run, start
from benchmarks.survival.studies import difference, left_over, results_of, units_of

ROOM = 8  # times the space of the finished study: enough
CLEAN = 1 << 12  # bytes a page of a file system in memory


@dataclass
class Trials:
    """Where trials are made, and what they are compared with.

    Attributes:
        folder: of all trials.
        config: the study.
        truth: results of the study that nobody disturbed.
        seconds: that it took.
        changes: of files that it made.
        draw: random numbers.
        counts: what came of the trials.
        faults: what must not have come of them.
        refusals: first lines of messages, and how often each came.
    """

    folder: Path
    config: Path
    truth: Mapping[str, str]
    seconds: float
    changes: int
    draw: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)

    def refused(self, how: Ended) -> bool:
        """Whether a study refused clearly; its first line is noted, without what is this trial's alone."""
        if how.refused:
            first = how.said.splitlines()[0].replace(str(self.folder), "…")
            self.refusals[re.sub(r"-[0-9a-f]{32}|gpuemb-\w{8}", "-…", first)] += 1
        return how.refused

    def judge(self, what: str, out: Path, how: Ended, *truths: Mapping[str, str]) -> bool:
        """Count a study that ended: equal to a truth, refused, or a fault. Return whether it was equal."""
        differing = [difference(results_of(out), truth) for truth in truths or (self.truth,)]
        if how.code == 0 and "" in differing and not left_over(out):
            self.counts[f"{what}: equal"] += 1
            return True
        if how.code and self.refused(how):
            self.counts[f"{what}: refused"] += 1
            return False
        told = f"left over {left_over(out)}" if left_over(out) else f"differs in {min(differing, key=len)}"
        self.faults.append(f"{what}: code {how.code}, {told}; {how.said[-600:]}")
        self.counts[f"{what}: FAULT"] += 1
        return False

    def kills(self, count: int) -> None:
        """Kill a study ``count`` times: half after a random time, half before a random change of a file.

        A study that ends before its kill is compared, and another one begun.
        """
        killed, life = 0, 0
        while killed < count:
            out = self.folder / f"killed-{life}"
            while killed < count:
                how = self._killed(out, by_time=killed % 2 == 0)
                if how.code >= 0:
                    break
                killed += 1
                self.counts["kills"] += 1
            self.judge("after kills", out, run(self.config, out))
            shutil.rmtree(out, ignore_errors=True)
            life += 1

    def _killed(self, out: Path, *, by_time: bool) -> Ended:
        if by_time:
            return start(self.config, out).ended(self.draw.random() * self.seconds)
        return start(self.config, out, change=self.draw.randint(1, self.changes)).ended()

    def full_disk(self, count: int) -> None:
        """Run on a disk of part of the space, then with enough: nothing finished is done again."""
        bytes_needed = _space(self.folder / "whole")
        for number in range(count):
            room = int(bytes_needed * (0.05 + 0.9 * (number + self.draw.random()) / count))
            with self._disk(room) as (out, more_room, limited):
                first = start(self.config, out, largest_file=limited).ended()
                before = units_of(out)
                if self.refused(first) and "disk" in first.said:
                    self.counts["full disk: refused clearly"] += 1
                elif first.code:
                    self.faults.append(f"full disk of {room}: {first.said[-600:]}")
                more_room()
                self.judge("full disk, then room", out, run(self.config, out))
                lost = [name for name, time in before.items() if units_of(out).get(name) != time]
                self.faults += [f"full disk: {lost} done again"] * bool(lost)

    @contextmanager
    def _disk(self, room: int) -> Iterator[tuple[Path, Callable[[], None], int]]:
        """Yield a folder on a disk of so many bytes, what gives it more, and a limit of files.

        Where nobody may mount a file system in memory, the limit on the size of a file stands in for it.
        """
        place = self.folder / "disk"
        place.mkdir(exist_ok=True)
        size = max(CLEAN, room // CLEAN * CLEAN)
        mounted = _mount(place, f"size={size}")
        self.counts["disks: tmpfs" if mounted else "disks: RLIMIT_FSIZE"] += 1
        try:
            yield (
                place / "study",
                lambda: _remount(place, ROOM) if mounted else None,
                0 if mounted else max(CLEAN, room // 20),
            )
        finally:
            if mounted:
                subprocess.run(["umount", place], check=True)
            shutil.rmtree(place)

    def damage(self, count: int) -> None:
        """Damage one to four files of a finished study, and run it again."""
        whole = self.folder / "whole"
        for _ in range(count):
            out = self.folder / "damaged"
            shutil.copytree(whole, out)
            files = sorted(path for path in out.rglob("*") if path.is_file())
            chosen = self.draw.sample(files, self.draw.randint(1, 4))
            kinds = [_damage(path, self.draw) for path in chosen]
            how = run(self.config, out)
            named = ", ".join(
                f"{path.relative_to(out)} {kind}" for path, kind in zip(chosen, kinds, strict=True)
            )
            if not self.judge("damaged", out, how) and how.code == 0:
                self.faults[-1] += f" ({named})"
            self.counts.update(f"damage: {kind}" for kind in kinds)
            shutil.rmtree(out)

    def company(self, count: int, other: Path, truth_of_other: Mapping[str, str]) -> None:
        """Start two studies in one folder: twice the same; the same, one killed; two different ones."""
        for number in range(count):
            out = self.folder / "company"
            second = other if number % 3 == 2 else self.config
            running = [start(self.config, out), start(second, out)]
            if number % 3 == 1:
                running.pop(self.draw.randrange(2)).ended(self.draw.random() * self.seconds)
            ends = [one.ended() for one in running]
            kind = ("two at once", "two at once, one killed", "two different at once")[number % 3]
            for how in ends:
                self.counts[f"{kind}: ended well"] += how.code == 0
                refused = self.refused(how)
                self.counts[f"{kind}: refused"] += refused
                if how.code and not refused:
                    self.faults.append(f"{kind}: {how.said[-600:]}")
            if all(how.code for how in ends):  # the one that worked was killed
                self.judge(kind, out, run(self.config, out))
            mixed = [difference(results_of(out), truth) for truth in (self.truth, truth_of_other)]
            if "" not in mixed:
                self.faults.append(f"{kind}: a mixture of two studies, {min(mixed, key=len)}")
            shutil.rmtree(out)

    def changed_text(self, count: int, truth_of_other: Mapping[str, str]) -> None:
        """Kill a study, exchange its text, and end it; exchange it again while the study runs."""
        text = self.config.parent / "text.txt"
        for _ in range(count):
            out = self.folder / "changed"
            start(self.config, out).ended(self.draw.random() * self.seconds)
            studies.write_corpus(text, 1)
            self.judge("text changed after a kill", out, run(self.config, out), truth_of_other)
            start(self.config, out).ended(self.draw.random() * self.seconds)
            studies.write_corpus(text, 0)
            self.judge("text changed back after a kill", out, run(self.config, out))
            shutil.rmtree(out)
            running = start(self.config, out)
            time.sleep(self.draw.random() * self.seconds)
            studies.write_corpus(text, 1)
            self.judge("text changed while running", out, running.ended(), self.truth, truth_of_other)
            studies.write_corpus(text, 0)
            shutil.rmtree(out)


def _space(folder: Path) -> int:
    return sum(-(-path.stat().st_size // CLEAN) * CLEAN for path in folder.rglob("*") if path.is_file())


def _mount(place: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place]
    return os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0


def _remount(place: Path, times: int) -> None:
    size = times * os.statvfs(place).f_blocks * os.statvfs(place).f_frsize
    subprocess.run(["mount", "-o", f"remount,size={max(size, 1 << 28)}", place], check=True)


def _damage(path: Path, draw: random.Random) -> str:
    """Damage a file in one of five ways; return which. Half of the flips leave the time as it was."""
    data, state = bytearray(path.read_bytes()), path.stat()
    kind = draw.choice(["bits flipped", "cut", "lost", "longer", "emptied"])
    if kind == "lost":
        path.unlink()
        return kind
    if kind == "bits flipped" and data:
        for _ in range(draw.randint(1, 8)):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        data = data[: draw.randrange(len(data) + 1)]
    elif kind == "longer":
        data += draw.randbytes(draw.randint(1, 100))
    elif kind == "emptied":
        data = bytearray()
    path.write_bytes(data)
    if path.parent.parent.name == "work" and draw.random() < 0.5:  # a disk's own damage changes no time
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    return kind
