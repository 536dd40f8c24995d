"""Ceilings that are measured at once."""

from __future__ import annotations

import pytest

from gpuemb.bench import ceilings


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure ceilings on tables so small that the rates say nothing."""
    for name, value in {
        "COPY_BYTES": 1 << 20,
        "SIDE": 64,
        "INT8_ROWS": 64,
        "ADDS": 1 << 10,
        "REPEATS": 2,
    }.items():
        monkeypatch.setattr(ceilings, name, value)
