"""The connection to dask's scheduler, and what is proved over it."""

from __future__ import annotations

import json
import logging
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from distributed import Client

from gpuemb.core.errors import ClusterError
from gpuemb.core.files import writing
from gpuemb.core.files.partial import partial_file
from gpuemb.core.progress import Progress
from gpuemb.stability.running.joining import Invitation, facts
from gpuemb.stability.running.own_workers import STARTING, own_workers

ANSWER, FIRST, CLOSING = 30.0, 300.0, 5.0  # seconds until a scheduler answers, has a worker, says goodbye
WRITTEN, PAUSE = 60.0, 0.5  # seconds until a scheduler has written its file, and between looks


@contextmanager
def connected(workers: int | None, scheduler: str | None, progress: Progress) -> Iterator[Client]:
    """Connect to a scheduler with at least one worker: started here for ``workers``, or that at an address.

    Raises:
        ClusterError: workers do not start, nothing answers at the address, or no worker is there.
    """
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        address = stack.enter_context(own_workers(workers or 1)) if scheduler is None else scheduler
        client = _client(address)
        stack.callback(_close, client)
        least, seconds = workers or 1, FIRST if workers is None else STARTING
        if workers is None and not client.nthreads():
            progress.note(f"Waiting for a worker of {address} …")
        try:
            client.wait_for_workers(least, timeout=seconds)
        except (TimeoutError, OSError) as error:
            raise ClusterError(
                f"study: in {seconds:.0f} s {least} worker{'s' * (least > 1)} of {address} did not come",
                needed="Units of work are done by workers.",
                remedy="Start them (dask worker ADDRESS, or a queue's launcher), then run the command again."
                if scheduler
                else "Use fewer workers; the results are the same.",
            ) from error
        yield client


@contextmanager
def invited(folder: Path, device: str) -> Iterator[Invitation]:
    """Put the proof into the folder of a study's units while workers may come.

    Raises:
        StorageError: it cannot be written.
    """
    nonce = secrets.token_hex(16)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with partial_file(folder) as (_, proof):
            proof.write_text(nonce, "utf-8")
            name = f"gpuemb-{secrets.token_hex(8)}"
            yield Invitation(name, str(folder), proof.name, nonce, facts(), device)


def refused(address: str, parts: Sequence[str]) -> ClusterError:
    """Say why a worker cannot take part."""
    given, needed, remedy = parts
    return ClusterError(
        f"study: the worker {address} cannot take part: {given}", needed=needed, remedy=remedy
    )


def lost(title: str = "") -> ClusterError:
    """Say that the scheduler, or what it held, is gone."""
    return ClusterError(
        f"study: {title} was lost" if title else "study: the connection to the scheduler is lost",
        needed="The scheduler ended, was restarted, or cannot be reached any more.",
        remedy="What is finished stays: run the same command again.",
    )


def _client(given: str) -> Client:
    """Connect, after a look whether anybody listens: a client of dask that fails leaves a trace behind.

    Raises:
        ClusterError: nobody does, or not a scheduler.
    """
    try:
        address = _answering(given)
        return Client(address, timeout=ANSWER, set_as_default=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ClusterError(
            f"study: no scheduler answers at {given}: {error}",
            needed="The address is what a scheduler of dask prints as it starts, such as tcp://10.0.0.7:8786"
            " (or tls://), or the file of its --scheduler-file, which ends in .json.",
            remedy="Start one with dask scheduler, or use --workers on this machine.",
        ) from error


def _answering(given: str) -> str:
    """Return the address where somebody listens; a scheduler that writes a file may be about to start."""
    end = time.monotonic() + (WRITTEN if given.endswith(".json") else 0.0)
    while True:
        try:
            address = _address(given)
            host, port = address.rpartition("//")[2].rsplit(":", 1)
            socket.create_connection((host.strip("[]"), int(port)), ANSWER).close()
            return address
        except (OSError, ValueError, TypeError, KeyError):
            if time.monotonic() >= end:
                raise
            time.sleep(PAUSE)


def _address(given: str) -> str:
    """Return the address that was given, or that a scheduler has written into the file that was given."""
    if given.endswith(".json"):
        given = str(json.loads(Path(given).read_text("utf-8"))["address"])
    scheme, marks, _ = given.partition("://")
    if marks and scheme not in ("tcp", "tls"):
        raise ValueError(f"{scheme}:// is neither tcp:// nor tls://")
    return given if marks else f"tcp://{given}"


def _close(client: Client) -> None:
    with suppress(Exception):  # nothing of it is needed any more
        client.close(CLOSING)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep dask from writing to standard error: what matters is raised or noted."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]
    loud = [logger for logger in map(logging.getLogger, names) if not logger.disabled]
    for logger in loud:
        logger.disabled = True
    try:
        yield
    finally:
        for logger in loud:
            logger.disabled = False
