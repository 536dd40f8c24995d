"""Cases of a test of which some are left to the slow run."""

from __future__ import annotations

from collections.abc import Iterable

import pytest


def cases(*always: object, slow: Iterable[object] = ()) -> list[object]:
    """List the values of a parameter; those of ``slow`` only ``pytest -m ''`` tries."""
    return [*always, *(pytest.param(one, marks=pytest.mark.slow) for one in slow)]
