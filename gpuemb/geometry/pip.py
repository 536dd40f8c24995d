"""Pairwise inner products: distance of the products of all pairs of words."""

from __future__ import annotations

from typing import Any, Unpack

from gpuemb.geometry.grams.build import pair_grams
from gpuemb.geometry.grams.pair_sums import PairSums, root_or_nan, squared_norm
from gpuemb.geometry.resampling.draws import uncertainty
from gpuemb.geometry.resampling.measure import Measure, OwnTerms
from gpuemb.geometry.resampling.uncertainty import Draws, Resampling, resampled
from gpuemb.geometry.results import Similarity
from gpuemb.geometry.rotations.pair_distances import distances_of


@resampled
def pip_loss(x: Any, y: Any, **resampling: Unpack[Resampling]) -> Similarity:
    """Pairwise inner product loss ``‖XXᵀ − YYᵀ‖`` (rows as they are), with no ``V×V`` matrix.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.
        resampling: permutations, bootstrap, seed, confidence and progress, as ``Resampling`` says; copies of
            a word make no pair.

    Returns:
        The loss in ``.value``, in squared length units; 0 is best. ``.recomputed`` where the tables are so
        nearly equal that it was taken from their difference.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        VocabularyError: the tables list other words; the first is named.
        ConfigError: a negative number of draws, or a confidence that is no share.

    Cost: ``V·(d + d')²`` flops; ``2·V·d·d'`` a permutation, ``1.3·V·(d² + dd' + d'²)`` a resample.
    Source: Yin and Shen (2018); Definitions §4, §5.
    """
    draws = Draws.of("pip_loss", resampling)
    grams = pair_grams("pip_loss", [x, y])
    table, recomputed = distances_of(grams, "pip")
    found = Similarity(float(table[0, 1]), "pip_loss", "raw", grams.zeros, recomputed=recomputed > 0)
    return uncertainty(x, y, PIP_LOSS, draws, known=found.value).onto(found) if draws else found


def pip_of_sums(sums: PairSums, own: OwnTerms) -> float:
    """Return the PIP loss from the sums of raw rows; NaN within their rounding."""
    copies = own.copies
    scale = squared_norm(sums.gram_x) + squared_norm(sums.gram_y) - float(copies[0, 0] + copies[1, 1])
    return root_or_nan(scale - 2 * (squared_norm(sums.cross) - float(copies[0, 1])), scale)


PIP_LOSS = Measure("PIP loss", "raw", pip_of_sums, best=0.0, higher_is_closer=False)
