"""Random sub-sampling of frequent words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64, Int32, Int64
from gpuemb.core.checks import check_at_most
from gpuemb.core.errors import ConfigError
from gpuemb.core.random import stream


class Subsampling:
    """Keeps a token of a word of frequency ``f`` with probability ``min(1, √(threshold / f))``.

    One number is drawn for every token of the vocabulary in the order of the text, from the seed's stream,
    so the result does not depend on the chunks.

    Source: Mikolov et al. (2013), NIPS, equation 5.
    """

    def __init__(self, counts: Int64, threshold: float, seed: int) -> None:
        self._chance: Float64 = np.sqrt(threshold * counts.sum() / counts)
        self._draws = stream(seed, "corpus", "subsample")

    def keep(self, ids: Int32) -> NDArray[np.bool_]:
        """Return whether each token is kept; call it with the tokens in order."""
        kept: NDArray[np.bool_] = self._draws.random(len(ids)) < self._chance[ids]
        return kept


def check_threshold(threshold: float) -> None:
    """Check the frequency of sub-sampling.

    Raises:
        ConfigError: it is not above 0 and at most 1.
    """
    if not threshold > 0:
        raise ConfigError(
            f"corpus: subsample = {threshold}",
            needed="subsample is a frequency above 0.",
            remedy="Give subsample=1e-5, or leave it out to keep every token.",
        )
    check_at_most("corpus", "subsample", threshold, 1)
