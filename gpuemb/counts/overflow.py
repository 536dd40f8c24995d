"""Whether counts fit 64-bit integers."""

from __future__ import annotations

from gpuemb.core.arrays import Int64
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.corpus.tokens import Tokens
from gpuemb.kernels.window_counts import INT64_MAX


def check_repeats(tokens: Tokens, repeats: Int64 | None) -> None:
    """Check the repeats of documents.

    Raises:
        ShapeError: not one number a document.
        ConfigError: not integers from 0.
    """
    if repeats is None:
        return
    if repeats.shape != (tokens.documents,):
        raise ShapeError(
            f"counts: repeats has shape {repeats.shape}",
            needed=f"repeats has one number for each of the {tokens.documents} documents.",
            remedy="bootstrap_repeats(tokens, seed) draws them.",
        )
    if repeats.dtype.kind not in "iu" or int(repeats.min(initial=0)) < 0:
        raise ConfigError(
            f"counts: repeats holds {repeats.dtype}, the least {repeats.min(initial=0)}",
            needed="A document counts an integer number of times, 0 or more.",
            remedy="bootstrap_repeats(tokens, seed) draws them.",
        )


def check_overflow(tokens: Tokens, weights: Int64, repeats: Int64 | None, window: int) -> None:
    """Check that the sum of *all* counts fits 64 bits: then every sum does.

    Raises:
        ConfigError: it may not fit, or positions may not fit 32 bits.
    """
    most = 1 if repeats is None else int(repeats.max(initial=1))
    if 2 * len(tokens) * int(weights.sum()) * most > INT64_MAX or len(tokens) > 2**31 - 1:
        raise ConfigError(
            f"counts: {len(tokens)} tokens with window {window}",
            needed="All counts together must stay below 2⁶³ units, and tokens below 2³¹.",
            remedy="Use a smaller window, or linear weights.",
        )
