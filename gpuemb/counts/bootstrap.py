"""Counts of bootstrap samples of a corpus's documents, several at once."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from gpuemb.core.checks import check_choice
from gpuemb.core.device import choose
from gpuemb.core.errors import ConfigError
from gpuemb.corpus.tokens import Tokens
from gpuemb.counts.cooccurrence import Cooccurrence, Provenance, bootstrap_repeats
from gpuemb.counts.limits import check_overflow
from gpuemb.kernels.resampled_counts import resampled_counts
from gpuemb.kernels.window_counts import Side, Weighting, check_window, weights_of


def count_bootstraps(
    tokens: Tokens,
    seeds: Sequence[int],
    window: int = 10,
    weighting: Weighting = "harmonic",
    *,
    side: Side = "both",
    device: str = "auto",
) -> tuple[Cooccurrence, ...]:
    """Count the corpus as each seed resamples its documents, without writing a sample down.

    Args:
        tokens: the corpus.
        seeds: ``S`` names of samples, drawn by :func:`gpuemb.bootstrap_repeats`.
        window: largest distance, to 25 (harmonic) or 50.
        weighting: ``harmonic``, ``linear`` or ``flat``.
        side: contexts on ``both`` sides, or only to the ``left`` or ``right`` of a word.
        device: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        ``S`` counts, each with the bits of ``count_cooccurrences(tokens, repeats=bootstrap_repeats(…))``.

    Raises:
        ConfigError: no seeds, a window out of range, or counts that could overflow 64 bits.

    Cost: one walk over the tokens for seven samples, in about the time of counting them one by one; all
    ``S`` results are held at once.
    Source: Antoniak and Mimno (2018).
    """
    check_window(window, weighting)
    check_choice("counts", "side", side, ("both", "left", "right"))
    if not seeds:
        raise ConfigError(
            "counts: no seeds",
            needed="A bootstrap sample is named by a seed.",
            remedy="count_bootstraps(tokens, seeds=range(5))",
        )
    weights, denominator = weights_of(window, weighting)
    repeats = np.stack([bootstrap_repeats(tokens, seed) for seed in seeds])
    check_overflow(tokens, weights, repeats, window)
    kernel = resampled_counts.on(choose(device, [resampled_counts]))
    made = Provenance(window, weighting, side, len(tokens), tokens.documents, resampled=True)
    found = kernel(tokens.ids, tokens.starts, repeats, len(tokens.vocabulary), weights, side)
    return tuple(Cooccurrence(rows, Fraction(1, denominator), tokens.vocabulary, made) for rows in found)
