"""Pairwise inner products: distance of the products of all pairs of words."""

from __future__ import annotations

from typing import Any, Unpack

from gpuemb.core.doors import door
from gpuemb.geometry.measure.measured import Similarity, measured
from gpuemb.geometry.rotations.pair_distances import DistanceMeasure, squared_pip
from gpuemb.uncertainty.draws import Draws, Resampling
from gpuemb.uncertainty.intervals import DISTANCE


@door
def pip_loss(x: Any, y: Any, **resampling: Unpack[Resampling]) -> Similarity:
    """Pairwise inner product loss ``‖XXᵀ − YYᵀ‖`` (rows as they are), with no ``V×V`` matrix.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.
        resampling: see :class:`gpuemb.Resampling`.

    Returns:
        The loss in ``.value``, in squared length units; 0 is best. ``.recomputed`` where the tables are so
        nearly equal that it was taken from their difference.

    Raises:
        GpuembError: as :func:`rsa`, of the tables and the resampling.

    Cost: ``V·(d + d')²`` flops, as many again for the interval.
    Source: Yin and Shen (2018); Definitions §4, §5.

    Example:
        >>> round(ge.pip_loss(x, y).value, 1), round(ge.pip_loss(x, x @ q).value, 6)
        (18.7, 0.0)
    """
    return measured(PIP_LOSS, x, y, Draws("pip_loss", **resampling))


PIP_LOSS = DistanceMeasure(
    name="pip_loss",
    title="PIP loss",
    meaning="Length of the difference of all inner products between words; no rotation can change it.",
    preparation="raw",
    possible=DISTANCE,
    higher_is_closer=False,
    growth=1.0,
    of_word_pairs=True,
    kind="pip",
    of_sums=lambda sums, own: squared_pip(sums, own).root,
)
