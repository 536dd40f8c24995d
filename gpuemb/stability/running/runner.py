"""Who runs the units of a study: this process, workers of this machine, or those of a scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from gpuemb.core.checks import check_at_least
from gpuemb.core.errors import ConfigError
from gpuemb.core.system.installing import install
from gpuemb.stability.graph import Context, Unit
from gpuemb.stability.running.local import run_local
from gpuemb.stability.store import Store

Run: TypeAlias = Callable[[Sequence[Unit], Store, Context], None]  # as run_local
MOST = 1024  # processes that one machine is asked for


def check_workers(where: str, workers: int | None, scheduler: str | None) -> None:
    """Check what is asked for before any work is done.

    Raises:
        ConfigError: an impossible number, both at once, or dask's ``distributed`` cannot be imported.
    """
    if workers is None and scheduler is None:
        return
    if workers is not None and scheduler is not None:
        raise ConfigError(
            f"{where}: workers = {workers}, scheduler = {scheduler!r}",
            needed="Workers are started on this machine, or those of a running scheduler are used.",
            remedy="Use one of them.",
        )
    if workers is not None:
        check_at_least(where, "workers", workers, 1)
        if workers > MOST:
            raise ConfigError(
                f"{where}: workers = {workers:,}",
                needed=f"A worker is a process; at most {MOST:,} are started on one machine.",
                remedy="Use one worker for a few cores, or a scheduler with workers on many machines.",
            )
    try:
        import distributed  # noqa: F401  whether it can be imported
    except ImportError as error:
        raise ConfigError(
            f"{where}: dask's distributed cannot be imported: {error}",
            needed="Units of work go to worker processes through it; the extra `cluster` brings it.",
            remedy=f"{install('cluster')}, or pip install distributed",
        ) from error


@contextmanager
def runner(workers: int | None, scheduler: str | None) -> Iterator[Run]:
    """Yield what has units done; processes and connections that it needs end with the block.

    Args:
        workers: processes to start on this machine once a unit is missing.
        scheduler: address or file of a scheduler; with neither, this process does all.
    """
    if workers is None and scheduler is None:
        yield run_local
        return
    from gpuemb.stability.running.cluster import Cluster

    with Cluster(workers, scheduler) as cluster:
        yield cluster.run
