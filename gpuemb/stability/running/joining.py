"""How a worker of dask joins a study: it proves that what it makes belongs beside what others make.

Loaded only where ``distributed`` is.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from distributed import Worker, WorkerPlugin
from distributed.core import Status

from gpuemb.core.arithmetic import arithmetic
from gpuemb.core.checks import differences
from gpuemb.core.device import choose
from gpuemb.core.errors import DeviceError, StorageError
from gpuemb.core.files import writing
from gpuemb.core.files.partial import partial_file
from gpuemb.core.record import versions
from gpuemb.stability.store import Store

PACKAGE = Path(__file__).parents[2]
SHIPPED = (".py", ".cu", ".cuh")  # what computes
SHARED_LOCKS = "Use a disk whose locks hold between machines, such as NFS 4, or Lustre mounted with flock."


class Refusal(NamedTuple):
    """Why a worker cannot take part: the three parts of an error."""

    given: str
    needed: str
    remedy: str


@dataclass(frozen=True)
class Invitation:
    """What a worker must see and be to take part.

    Attributes:
        name: of this call of a study, unlike any other.
        folder: of the units of work, absolute.
        proof: name of a file in it, which the caller holds locked.
        nonce: what it holds.
        facts: of the caller, as :func:`facts` gives them.
        device: where units are computed.
    """

    name: str
    folder: str
    proof: str
    nonce: str
    facts: dict[str, str]
    device: str

    def refusal(self) -> Refusal | None:
        """Return why this process cannot take part; None where it can."""
        return self._of_folder() or self._of_facts() or self._of_device()

    def _of_folder(self) -> Refusal | None:
        folder, proof = Path(self.folder), Path(self.folder, self.proof)
        with suppress(OSError):
            os.listdir(folder)  # network disks look again
        try:
            seen = proof.read_text("utf-8")
        except OSError as error:
            seen = f"{error.strerror}"
        if seen != self.nonce:
            return Refusal(
                f"it does not see {proof}",
                "Every worker reads and writes the study's folder, under the path that the caller sees.",
                "Name an --out on a disk that all machines share (and start the workers as the same user).",
            )
        if _can_lock(proof):
            return Refusal(
                f"it can lock {proof}, which the caller holds locked",
                "Locks tell unfinished files that are being written from those that may be removed.",
                SHARED_LOCKS,
            )
        try:
            with writing(folder), partial_file(folder):
                return None
        except StorageError as error:
            return Refusal(error.given, error.needed, error.remedy)

    def _of_facts(self) -> Refusal | None:
        found = "; ".join(differences(facts(), self.facts))
        if not found:
            return None
        return Refusal(
            f"it differs in {found}",
            "Sums of floating numbers have other bits with other code and on another kind of processor.",
            "Use workers with the caller's environment and kind of processor, or call from one of them.",
        )

    def _of_device(self) -> Refusal | None:
        try:
            choose(self.device)
        except DeviceError as error:
            return Refusal(error.given, error.needed, "Use workers that have the device, or --device cpu.")
        return None


def facts() -> dict[str, str]:
    """What the bits of a result depend on beside its inputs: code, libraries, processor."""
    python = platform.python_version_tuple()
    return {
        "Python": f"{python[0]}.{python[1]}",
        **versions(),
        "code of gpuemb": code_digest(),
        **arithmetic(),
    }


@cache
def code_digest() -> str:
    """Digest of every file of the package that computes: two clones of one version may differ."""
    found = hashlib.blake2b(digest_size=8)
    kernels = (PACKAGE / "kernels").resolve()
    for root in (PACKAGE, kernels):
        for path in sorted(path for path in root.rglob("*") if path.suffix in SHIPPED):
            inside = path.relative_to(root)
            if root is kernels or inside.parts[0] != "kernels":
                found.update(f"{inside.as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()


class Joining(WorkerPlugin):
    """Lets a worker that proves itself have units of one study, one at a time; also one that comes later.

    The units ask for a resource that only such a worker has.

    Attributes:
        invitation: what it proves.
        store: the study's units of work.
        stopped: whether the study has ended, so that what still runs may stop.
    """

    def __init__(self, invitation: Invitation) -> None:
        self.invitation, self.name = invitation, invitation.name
        self.store = Store(Path(invitation.folder))
        self._shared: tuple[int, dict[str, Any]] = (0, {})
        self.stopped = False
        self.say: Callable[[dict[str, Any]], None] = lambda event: None

    async def setup(self, worker: Worker) -> None:
        """Prove it, off the loop that answers the scheduler; then ask for units, or say why not."""
        self.say = lambda event: worker.log_event(self.name, event)
        refused = await asyncio.to_thread(self.invitation.refusal)
        if refused is not None:
            self.say({"refused": list(refused)})
            return
        await worker.set_resources(**{self.name: 1})
        if worker.status == Status.running:
            # The scheduler looks at units that no worker could have only when a worker begins to run.
            worker.status = Status.paused
            worker.status = Status.running
        self.say({"joined": platform.node()})

    def shared_in(self, batch: int) -> dict[str, Any]:
        """What units of one batch need not make twice in this process; that of others is forgotten."""
        if self._shared[0] != batch:
            self._shared = (batch, {})
        return self._shared[1]

    async def teardown(self, worker: Worker) -> None:
        """Take no more units, and stop what runs where it next reports a step."""
        self.stopped = True
        await worker.set_resources(**{self.name: 0})


def _can_lock(path: Path) -> bool:
    """Whether a file that another process holds locked can be locked; a disk without locks refuses both."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        finally:
            os.close(handle)
    return False
