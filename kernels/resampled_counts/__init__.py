"""Co-occurrence counts of several samples of one corpus's documents, one walk over its tokens.

    ids      (T,)   int32  word ids of the corpus, documents one after another
    starts   (D+1,) int64  document m is ids[starts[m]:starts[m+1]]; windows never cross
    repeats  (S, D) int64  how often each document counts in each sample, 0 or more
    →        S CSRs of (V, V) int64 in units of 1/unit, each as ``window_counts`` of its own repeats

Source: Definitions §1; Antoniak and Mimno (2018).
"""

from __future__ import annotations

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.dispatch import kernel
from gpuemb.kernels.window_counts import CountedRows, Side
from gpuemb.kernels.window_counts import window_counts as counts_of_one


@kernel
def resampled_counts(
    ids: Int32,
    starts: Int64,
    repeats: Int64,
    words: int,
    weights: Int64,
    side: Side = "both",
) -> tuple[CountedRows, ...]:
    """Count pairs in every sample.

    Args:
        ids: as in the module's contract; every id is below ``words``.
        starts: document borders.
        repeats: weight of each document in each sample.
        words: ``V``.
        weights: integer weight of each distance, ``weights[0] == 0``.
        side: contexts on ``both`` sides of ``i`` (symmetric), or only to its ``left`` or ``right``.

    Cost: ``S·T·window`` additions a side.
    """
    return tuple(counts_of_one.reference(ids, starts, times, words, weights, side) for times in repeats)
