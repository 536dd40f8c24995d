"""The ordinary lines know no library: arrays of a strict one give the same numbers as NumPy's."""

from __future__ import annotations

from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from geometry.definitions import random_rotation, random_table

from gpuemb.core.arrays import to_host
from gpuemb.embeddings.model import Embedding
from gpuemb.embeddings.stack import stack
from gpuemb.geometry.cka import cka
from gpuemb.geometry.crossgrams import cross_grams
from gpuemb.geometry.distances import pip_loss
from gpuemb.geometry.procrustes import aligned_cosines, procrustes
from gpuemb.geometry.rsa import rsa
from gpuemb.geometry.spectrum import spectrum
from gpuemb.neighbors.exact import nearest_neighbors

WORDS = [f"w{i}" for i in range(40)]


def with_zero_rows(x: Any) -> Any:
    return np.where(np.arange(len(x))[:, None] % 7 == 3, 0, x).astype(x.dtype)


def near(x: Any, y: Any) -> Any:
    """``y`` moved next to ``x``, by the arrays' own arithmetic."""
    return x + y * 1e-7


LINES: dict[str, Any] = {
    "procrustes distance": lambda x, y: procrustes(x, y).distance,
    "procrustes rotation": lambda x, y: procrustes(x, y).rotation,
    "procrustes singular values": lambda x, y: procrustes(x, y).singular_values,
    "relative distance": lambda x, y: procrustes(x, y).relative_distance,
    "transform": lambda x, y: procrustes(x, y).transform(x),
    "nearly equal tables": lambda x, y: procrustes(x, near(x, y)).distance,
    "nearly equal pip": lambda x, y: pip_loss(x, near(x, y)),
    "rsa": lambda x, y: rsa(x, y).value,
    "rsa by streamed ranks": lambda x, y: rsa(x, y, method="spearman", matrix_bytes=0).value,
    "rsa by sorted ranks": lambda x, y: rsa(x, y, method="spearman").value,
    "rsa of a list": lambda x, y: rsa(x, y, [7, 1, 8, 20, 4], method="kendall").value,
    "cosines of a list": lambda x, y: rsa(x, y, [7, 1, 8, 20, 4]).difference,
    "chance": lambda x, y: rsa(x, y, permutations=5).null_mean,
    "other words": lambda x, y: cka(x, y, bootstrap=5).interval[0],
    "cka": lambda x, y: cka(x, y).value,
    "pip": pip_loss,
    "pip of unequal dimensions": lambda x, y: pip_loss(x, y[:, :3]),
    "eigenvalues": lambda x, y: spectrum(x).eigenvalues,
    "effective rank": lambda x, y: spectrum(x).effective_rank,
    "raw products": lambda x, y: cross_grams([x, y, x[:, :2]]).products,
    "unit products": lambda x, y: cross_grams([x, y], "unit").products,
    "centered products": lambda x, y: cross_grams([x, y], "centered").products,
    "all pairs": lambda x, y: cross_grams([x, y, x], "unit").rsa(),
    "cosines": lambda x, y: aligned_cosines(x, y),
    "aligned cosines": lambda x, y: aligned_cosines(x, y, procrustes(x, y).rotation),
    "neighbor ids": lambda x, y: nearest_neighbors(x, 5).ids,
    "neighbor scores": lambda x, y: nearest_neighbors(x, 5).scores,
    "neighbors of rows": lambda x, y: nearest_neighbors(x, 5, queries=[3, 1]).ids,
    "neighbors of vectors": lambda x, y: nearest_neighbors(x, 5, queries=y[:4, :]).scores,
    "zero rows": lambda x, y: nearest_neighbors(x, 5).without_length,
    "embedding": lambda x, y: Embedding(x, WORDS)["w7"],
    "truncated": lambda x, y: Embedding(x, WORDS).truncate(2).vectors,
    "neighbors of words": lambda x, y: nearest_neighbors(Embedding(x, WORDS), 5, queries=["w2"]).ids,
    "stacked": lambda x, y: stack([Embedding(x, WORDS), Embedding(y, WORDS[::-1])]).vectors,
    "stack of products": lambda x, y: cross_grams(stack([Embedding(x, WORDS), Embedding(y, WORDS)])).products,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("prepare", [np.asarray, with_zero_rows], ids=["full", "with zero rows"])
@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_a_strict_array_gives_what_numpys_gives(line: Any, prepare: Any, dtype: Any) -> None:
    x, y = (prepare(random_table(seed=seed, dtype=dtype)) for seed in (0, 1))
    expected = line(x, y)
    found = line(strict.asarray(x), strict.asarray(y))
    np.testing.assert_array_equal(to_host(found) if hasattr(found, "shape") else found, expected)


ARRAYS = [name for name in LINES if name not in {"eigenvalues", "all pairs"}]  # small statistics come home


@pytest.mark.parametrize("name", ARRAYS)
def test_what_comes_out_is_in_the_library_of_what_went_in(name: str) -> None:
    x, y = (strict.asarray(random_table(seed=seed)) for seed in (0, 1))
    found = LINES[name](x, y)
    if hasattr(found, "shape"):
        assert type(found) is type(x)


def test_most_similar_words_are_those_of_numpy() -> None:
    x = random_table(dtype=np.float32)
    assert Embedding(strict.asarray(x), WORDS).most_similar("w3") == Embedding(x, WORDS).most_similar("w3")


def test_a_strict_array_may_lie_in_any_order_in_memory() -> None:
    x, rotation = random_table(), random_rotation(5)
    turned = strict.asarray(np.asfortranarray(x @ rotation))
    assert procrustes(strict.asarray(x), turned).recomputed
