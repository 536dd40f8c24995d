"""What compilation costs, by function: ``pytest -p compile_times``, with an empty ``NUMBA_CACHE_DIR``.

In the processes of pytest-xdist nothing is said: leave ``-n`` out.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import pytest
from numba.core import event

SHOWN = 40


class Seconds(event.Listener):
    """Adds up each function's own CPU seconds: those of what it calls are theirs."""

    def __init__(self) -> None:
        self.begun: list[list[float]] = []
        self.spent: dict[str, list[float]] = defaultdict(list)

    def on_start(self, happened: Any) -> None:
        self.begun.append([time.thread_time(), 0.0])

    def on_end(self, happened: Any) -> None:
        start, of_others = self.begun.pop()
        took = time.thread_time() - start
        if self.begun:
            self.begun[-1][1] += took
        if not happened.data:  # a test's own event
            return
        function = happened.data["dispatcher"].py_func
        self.spent[f"{function.__module__}.{function.__qualname__}"].append(took - of_others)


SECONDS = Seconds()
event.register("numba:compile", SECONDS)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the functions that took longest."""
    order = sorted(SECONDS.spent.items(), key=lambda item: -sum(item[1]))
    terminalreporter.section(f"{sum(map(sum, SECONDS.spent.values())):.1f} s of CPU to compile")
    for name, took in order[:SHOWN]:
        terminalreporter.write_line(f"{sum(took):6.2f} s  {len(took):3} times  {name}")
