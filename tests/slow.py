"""Cases and examples of a test of which some are left to the slow run."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import settings


def cases(*always: object, slow: Iterable[object] = ()) -> list[object]:
    """List the values of a parameter; those of ``slow`` only ``pytest -m ''`` tries."""
    return [*always, *(pytest.param(one, marks=pytest.mark.slow) for one in slow)]


def many_examples(count: int) -> settings:
    """Try ``count`` examples in the slow run, and a tenth of them in the fast one."""
    few = settings().max_examples < settings.get_profile("house").max_examples
    return settings(deadline=None, max_examples=count // 10 if few else count)
