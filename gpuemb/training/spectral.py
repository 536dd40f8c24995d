"""PPMI and its truncated singular value decomposition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gpuemb.core.arrays import Float32
from gpuemb.core.errors import NonFiniteError
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.counts.block_lanczos import BLOCK, LEAST_BLOCKS, MOST
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.decomposition import truncated_svd
from gpuemb.counts.pmi import ppmi
from gpuemb.training.checkpoints import Arrays
from gpuemb.training.epochs import FOLLOWED_BY_NOBODY, RunOptions
from gpuemb.training.recipes import PPMISVD
from gpuemb.training.trained import History, Tables, TrainedModel, model_of


def train_ppmi_svd(
    counts: Cooccurrence, recipe: PPMISVD, *, options: RunOptions = FOLLOWED_BY_NOBODY
) -> TrainedModel:
    """Factor PPMI: word vectors ``U_d Σ_d^power``, contexts ``V_d Σ_d^(1 − power)``. Nothing is random.

    Raises:
        ConfigError: fewer words than dimensions.
        NonFiniteError: the power is so large that vectors leave float32.

    Cost: some ``10·d`` products with the sparse matrix, ``2·nonzeros`` flops each, in float32.
    Source: Levy, Goldberg and Dagan (2015).
    """
    shape = len(counts.vocabulary), recipe.dim
    words, contexts = np.empty(shape, np.float32), np.empty(shape, np.float32)
    residual = np.empty(1)
    state: Arrays = {"words": words, "contexts": contexts, "residual": residual}
    checkpoint = options.checkpoint
    if checkpoint is None or not checkpoint.restore(state, ()).found:
        words[:], contexts[:], residual[:] = _factors(counts, recipe)
        if checkpoint is not None:
            checkpoint.keep(state, (), (), last=True)
    if options.task is not None:
        options.task.advance()
    model = model_of(recipe, options.name, counts.vocabulary, Tables(words, words, contexts), History())
    return replace(model, residual=float(residual[0]))


def _factors(counts: Cooccurrence, recipe: PPMISVD) -> tuple[Float32, Float32, float]:
    """Return word and context vectors, and the residual.

    Raises:
        ConfigError, NonFiniteError: as :func:`train_ppmi_svd`.
    """
    matrix = ppmi(counts, shift=recipe.shift, smoothing=recipe.smoothing)
    factors = truncated_svd(matrix, recipe.dim)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # found below
        rows = (factors.left * factors.singular**recipe.power).astype(np.float32)
        opposite = np.where(factors.singular > 0, factors.singular ** (1 - recipe.power), 0)
        contexts = (factors.right * opposite).astype(np.float32)
    if not (np.isfinite(rows).all() and np.isfinite(contexts).all()):
        raise NonFiniteError(
            f"ppmi-svd: power = {recipe.power} of singular values to {factors.singular.max():.3g}",
            needed="The vectors must stay inside float32.",
            remedy="Lower power; 0.5 is the default.",
        )
    rows[np.diff(matrix.indptr) == 0] = 0  # a word without any pair has no vector
    return rows, contexts, factors.residual


def plan_ppmi_svd(words: int, nonzeros: int, recipe: PPMISVD) -> MemoryPlan:
    """State the bytes that training one run holds."""
    columns = BLOCK * max(LEAST_BLOCKS, -(-MOST * recipe.dim // BLOCK))
    return MemoryPlan(
        f"ppmi-svd with {words} words, {nonzeros} nonzeros, {recipe.dim} dimensions",
        {
            "PPMI while it is built": buffer((4, nonzeros), np.float64),
            "matrix and its transpose, float32": buffer((4, nonzeros), np.float32),
            "Lanczos basis": buffer((words, min(words, columns)), np.float32),
            "singular vectors": buffer((6, words, recipe.dim), np.float64),
        },
    )
