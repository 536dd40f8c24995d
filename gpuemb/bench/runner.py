"""Run workloads on a device beside its ceilings."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from gpuemb.bench.ceiling import Ceilings
from gpuemb.bench.ceilings import measure_ceilings
from gpuemb.bench.ceilings_cuda import finished
from gpuemb.bench.machine import describe_machine
from gpuemb.bench.measure import COMPILING_SECONDS, alternate, peak_of
from gpuemb.bench.records import BenchRecord, Run, here
from gpuemb.bench.workloads import Size, Workload, require_memory
from gpuemb.core import threads as workers
from gpuemb.core.cuda.diagnosis import missing_for_cuda
from gpuemb.core.device import CPU, Device, budget
from gpuemb.core.errors import DeviceError
from gpuemb.core.progress import SILENT, Progress

BUDGET_SECONDS = 60.0  # for the rounds of one workload; the first round always completes


def bench(
    workloads: Sequence[Workload],
    size: Size,
    *,
    devices: Sequence[Device] = (CPU,),
    threads: int | None = None,
    progress: Progress = SILENT,
) -> Run:
    """Measure the ceilings of each device, then each workload on it.

    Args:
        workloads: what to run, in order.
        size: of all of them.
        devices: where to run.
        threads: cores to use; default all.
        progress: reports every ceiling and workload.

    Raises:
        MemoryBudgetError: a workload does not fit; nothing was run.
    """
    for device in devices:
        here_too = [w for w in workloads if not why_not(w, device)]
        require_memory(here_too, size, budget(device))
    with workers.limit(threads):
        machine = describe_machine(devices[-1])
        ceilings, records, not_run = [], [], {}
        for device in devices:
            needed = sorted({w.work_on(device, w.shapes[size]).ceiling for w in workloads})
            with progress.phase(f"ceilings of {device}") as task:
                found = measure_ceilings(device, needed if device == CPU and len(workloads) == 1 else ())
                task.advance()
            ceilings.append(found)
            with progress.phase(f"workloads on {device}", len(workloads)) as task:
                for workload in workloads:
                    reason = why_not(workload, device)
                    if reason:
                        not_run[f"{workload.name} on {device}"] = reason
                    else:
                        records.append(measure(workload, size, device, found))
                    task.advance()
    return Run(machine, tuple(ceilings), tuple(records), not_run)


def why_not(workload: Workload, device: Device) -> str:
    """Return why a workload cannot run on a device; empty if it can."""
    if device.kind == "cpu":
        return ""
    if workload.kernel is None:
        return "files and text are the host's work"
    package = importlib.import_module(f"gpuemb.kernels.{workload.kernel}")
    try:
        getattr(package, workload.kernel).implementation(device.kind)
    except DeviceError as error:
        return error.given
    return ""


def gpu_line() -> str:
    """Return in one line why there is no GPU part; empty if there is one."""
    missing = missing_for_cuda()
    return f"No GPU part: {missing}." if missing else ""


def measure(workload: Workload, size: Size, device: Device, ceilings: Ceilings) -> BenchRecord:
    """Build a workload's data, time it, and return the record."""
    shape = dict(workload.shapes[size])
    with ExitStack() as stack:
        prepared = workload.prepare(shape, device, stack)
        shape.update(prepared.measured)
        call = _synchronized(prepared.call, device)
        began = time.perf_counter()
        peak = peak_of(call)
        taken = time.perf_counter() - began
        known = {workload.name: taken} if taken > COMPILING_SECONDS else {}
        timings = alternate({workload.name: call}, budget_seconds=BUDGET_SECONDS, known=known)
    done = workload.work_on(device, shape)
    return BenchRecord(
        name=f"{workload.name}-{size}",
        workload=workload.name,
        case=f"{size}, {', '.join(f'{value:,} {name}' for name, value in shape.items())}",
        device=str(device),
        shape=shape,
        work=done,
        seconds=timings[workload.name].runs,
        cpu_seconds=timings[workload.name].cpu,
        peak_bytes=peak,
        ceiling=ceilings.found.get(done.ceiling),
        verified="the kernels' own tests",
        **here(device),
    )


def _synchronized(call: Callable[[], Any], device: Device) -> Callable[[], Any]:
    if device.kind == "cpu":
        return call
    return finished(call)
