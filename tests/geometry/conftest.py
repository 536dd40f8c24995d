"""Intervals are computed only where a module tests them: each costs twenty evaluations and more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuemb.geometry.measure import measured
from gpuemb.geometry.ranks import matrix_correlation

WITH_INTERVALS = {
    *("test_vocabulary_spearman", "test_word_list_rsa", "test_prepared_pair"),
    *("test_uncertainty", "test_measured", "test_orthonormal_rows", "test_array_api"),
    *("test_displacement", "test_spectrum", "test_bad_input"),
}


@pytest.fixture(autouse=True, scope="module")
def no_intervals(request: pytest.FixtureRequest) -> Iterator[None]:
    """As if every call of the module had ``blocks=0``, but for those that give blocks."""
    with pytest.MonkeyPatch.context() as patch:
        if Path(request.module.__file__).stem not in WITH_INTERVALS:
            for user in (measured, matrix_correlation):
                patch.setattr(user, "block_count", lambda words: 0)
        yield
