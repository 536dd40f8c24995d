"""What the bar of a phase shows."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from gpuemb.cli.terminal import TerminalProgress, rate_of


@pytest.mark.parametrize(
    ("speed", "said"), [(3.21, "3.21/s"), (1.0, "1/s"), (1234.5, "1,234/s"), (0.08, "12.5 s each")]
)
def test_a_rate_is_said_by_the_second_or_by_the_unit(speed: float, said: str) -> None:
    assert rate_of(speed) == said


def test_a_bar_shows_steps_rate_and_time_left() -> None:
    progress, shown = TerminalProgress(), io.StringIO()
    progress._console = Console(file=shown, force_terminal=True, width=160)
    with progress.phase("training glove", 4) as task:
        for _ in range(3):
            time.sleep(0.12)
            task.advance()
        time.sleep(0.12)
    text = shown.getvalue()
    assert "3/4" in text
    assert "/s" in text
    assert "0:00:0" in text
