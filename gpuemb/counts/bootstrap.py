"""Counts of bootstrap samples of a corpus's documents."""

from __future__ import annotations

from collections.abc import Sequence

from gpuemb.core.errors import ConfigError
from gpuemb.corpus.tokens import Tokens
from gpuemb.counts.cooccurrence import Cooccurrence, bootstrap_repeats, count_cooccurrences
from gpuemb.kernels.window_counts import Side, Weighting


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

    Cost: ``S`` times that of ``count_cooccurrences``; all ``S`` results are held at once.
    Source: Antoniak and Mimno (2018).
    """
    if not seeds:
        raise ConfigError(
            "counts: no seeds",
            needed="A bootstrap sample is named by a seed.",
            remedy="count_bootstraps(tokens, seeds=range(5))",
        )
    resampled = (bootstrap_repeats(tokens, seed) for seed in seeds)
    return tuple(
        count_cooccurrences(tokens, window, weighting, side=side, repeats=repeats, device=device)
        for repeats in resampled
    )
