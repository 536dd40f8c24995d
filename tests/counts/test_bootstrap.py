"""Bootstrap samples counted together are those counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
from corpus.texts import random_tokens

from gpuemb.core.errors import ConfigError
from gpuemb.counts.bootstrap import count_bootstraps
from gpuemb.counts.cooccurrence import bootstrap_repeats, count_cooccurrences


def test_samples_counted_together_are_those_counted_alone() -> None:
    tokens, seeds = random_tokens(), [4, 0, 7, 4, 2, 9, 11, 12, 13]
    together = count_bootstraps(tokens, seeds, 6, "linear", side="left")
    for seed, counts in zip(seeds, together, strict=True):
        repeats = bootstrap_repeats(tokens, seed)
        alone = count_cooccurrences(tokens, 6, "linear", side="left", repeats=repeats)
        for name in ("indptr", "indices", "data"):
            np.testing.assert_array_equal(getattr(counts.rows, name), getattr(alone.rows, name))
        assert (counts.unit, counts.provenance) == (alone.unit, alone.provenance)
    assert together[0].total != together[1].total


def test_no_seeds_are_refused() -> None:
    with pytest.raises(ConfigError, match="no seeds"):
        count_bootstraps(random_tokens(), [])
