"""What the counts of a pair say beyond the counts of its words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gpuemb.core.checks import check_at_least
from gpuemb.counts.cooccurrence import Cooccurrence

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TINY = float(np.finfo(np.float64).tiny)  # divides a sum of no counts


def ppmi(counts: Cooccurrence, *, shift: float = 1.0, smoothing: float = 1.0) -> csr_matrix:
    """Positive pointwise mutual information ``max(0, log(P(i,j) / (P(i) P(j))) − log shift)``.

    Args:
        counts: symmetric or one-sided counts.
        shift: 1 is plain PPMI; word2vec with ``m`` negative samples corresponds to ``m``.
        smoothing: the context's probability is ``∝ X_·j^smoothing``; 1 changes nothing.

    Returns:
        ``(V, V)`` float64 CSR in nats; pairs that never met have PMI −∞ and are absent, like all
        that are not positive.

    Cost: one logarithm a stored pair. Source: Levy, Goldberg and Dagan (2015); Definitions §1.
    """
    from scipy.sparse import csr_matrix

    check_at_least("ppmi", "shift", shift, 1)
    matrix = counts.matrix
    words = np.asarray(matrix.sum(axis=1)).ravel().astype(np.float64)
    contexts = np.asarray(matrix.sum(axis=0)).ravel().astype(np.float64) ** smoothing
    contexts /= max(contexts.sum(), TINY)
    row = np.repeat(np.arange(len(words)), np.diff(matrix.indptr))
    pmi = np.log(matrix.data / (words[row] * contexts[matrix.indices])) - np.log(shift)
    positive = pmi > 0
    kept = np.concatenate([[0], np.cumsum(positive)])[matrix.indptr]
    return csr_matrix((pmi[positive], matrix.indices[positive], kept), shape=matrix.shape)
