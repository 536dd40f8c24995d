"""The ordinary lines know no library: arrays of a strict one give the same numbers as NumPy's."""

from __future__ import annotations

from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from geometry.definitions import random_rotation, random_table
from slow import cases

from gpuemb.core.arrays import namespace_of, to_host
from gpuemb.embeddings.model import Embedding
from gpuemb.embeddings.stack import stack
from gpuemb.geometry.cca import cca, pwcca, svcca
from gpuemb.geometry.cka import cka
from gpuemb.geometry.consensus import consensus
from gpuemb.geometry.cross_grams import cross_grams
from gpuemb.geometry.displacement import semantic_displacement
from gpuemb.geometry.eigenspace import eigenspace_instability, eigenspace_overlap
from gpuemb.geometry.per_word import aligned_cosines, pip_per_word, second_order_cosine
from gpuemb.geometry.pip import pip_loss
from gpuemb.geometry.procrustes import procrustes
from gpuemb.geometry.rsa import rsa
from gpuemb.geometry.shape_distances import angular, bures
from gpuemb.geometry.spectrum import spectrum
from gpuemb.neighbors.exact import nearest_neighbors

WORDS = [f"w{i}" for i in range(40)]


def with_zero_rows(x: Any) -> Any:
    return np.where(np.arange(len(x))[:, None] % 7 == 3, 0, x).astype(x.dtype)


def near(x: Any, y: Any) -> Any:
    """``y`` moved next to ``x``, by the arrays' own arithmetic."""
    return x + y * 1e-7


def twice(x: Any) -> Any:
    """``x`` beside itself: of short rank."""
    xp = namespace_of(x)
    return xp.concat([x, x], axis=1)


def correlation_of(x: Any) -> Any:
    return spectrum(x).correlation


LINES: dict[str, Any] = {
    "procrustes distance": lambda x, y: procrustes(x, y).distance,
    "procrustes rotation": lambda x, y: procrustes(x, y).rotation,
    "procrustes singular values": lambda x, y: procrustes(x, y).singular_values,
    "relative distance": lambda x, y: procrustes(x, y).relative_distance,
    "transform": lambda x, y: procrustes(x, y).transform(x),
    "nearly equal tables": lambda x, y: procrustes(x, near(x, y)).distance,
    "nearly equal with options": lambda x, y: (
        procrustes(x, near(x, y), center=True, scale=True, weights=range(40)).distance
    ),
    "rotation only": lambda x, y: procrustes(x, y, rotation_only=True).rotation,
    "weighted rotation": lambda x, y: procrustes(x, y, weights=x[:, 0] ** 2, center=True).rotation,
    "means": lambda x, y: procrustes(x, y, center=True).means[1],
    "semi-orthogonal": lambda x, y: procrustes(x, y[:, :3]).rotation,
    "transform with means": lambda x, y: procrustes(x, y, center=True, scale=True).transform(x),
    "several rotations": lambda x, y: procrustes([x, y], [y, x]).rotation,
    "consensus": lambda x, y: consensus([x, y, x + y]).mean,
    "consensus rotations": lambda x, y: consensus([x, y, x + y]).rotation,
    "consensus spread": lambda x, y: consensus([x, y, near(x, y)]).spread,
    "consensus of nearly equal tables": lambda x, y: consensus([x, near(x, y)]).spread,
    "consensus losses": lambda x, y: consensus([x, y, x + y]).losses,
    "displacements": lambda x, y: semantic_displacement(x, y).per_word,
    "mean displacement": lambda x, y: semantic_displacement(x, y[:, :3]).value,
    "several distances": lambda x, y: procrustes([x, y], [y, x]).distance,
    "nearly equal pip": lambda x, y: pip_loss(x, near(x, y)).value,
    "rsa": lambda x, y: rsa(x, y).value,
    "rsa by streamed ranks": lambda x, y: rsa(x, y, method="spearman", matrix_bytes=0).value,
    "rsa by sorted ranks": lambda x, y: rsa(x, y, method="spearman").value,
    "rsa of a list": lambda x, y: rsa(x, y, [7, 1, 8, 20, 4], method="kendall").value,
    "cosines of a list": lambda x, y: rsa(x, y, [7, 1, 8, 20, 4]).difference,
    "chance": lambda x, y: rsa(x, y, permutations=5).null_mean,
    "other words": lambda x, y: cka(x, y, bootstrap=5).interval[0],
    "cka": lambda x, y: cka(x, y).value,
    "debiased cka": lambda x, y: cka(x, y, debiased=True).value,
    "cka far from zero": lambda x, y: cka(x + 1e6, y).value,
    "cca": lambda x, y: cca(x, y[:, :3]).value,
    "cca of duplicate columns": lambda x, y: cca(twice(x), y).value,
    "svcca": lambda x, y: svcca(x, y).value,
    "pwcca": lambda x, y: pwcca(x, y).reverse,
    "eigenspace overlap": lambda x, y: eigenspace_overlap(x, y).value,
    "eigenspace instability": lambda x, y: eigenspace_instability(x, y).value,
    "instability by anchors": lambda x, y: eigenspace_instability(x, y, anchors=(twice(x), y)).value,
    "instability of nearly equal tables": lambda x, y: eigenspace_instability(x, near(x, y)).value,
    "angular": lambda x, y: angular(x, y[:, :3]).value,
    "bures": lambda x, y: bures(x, y).value,
    "nearly equal shapes": lambda x, y: bures(x, near(x, y)).value,
    "pip per word": pip_per_word,
    "pip per word of nearly equal tables": lambda x, y: pip_per_word(x, near(x, y)),
    "second-order cosine": second_order_cosine,
    "pip": pip_loss,
    "pip of unequal dimensions": lambda x, y: pip_loss(x, y[:, :3]).value,
    "eigenvalues": lambda x, y: spectrum(x).eigenvalues,
    "correlation eigenvalues": lambda x, y: correlation_of(x).eigenvalues,
    "exponent": lambda x, y: correlation_of(x).zipf.exponent,
    "effective rank": lambda x, y: spectrum(x).effective_rank,
    "raw products": lambda x, y: cross_grams([x, y, x[:, :2]]).products,
    "unit products": lambda x, y: cross_grams([x, y], "unit").products,
    "centered products": lambda x, y: cross_grams([x, y], "centered").products,
    "all pairs": lambda x, y: cross_grams([x, y, x], "unit").rsa(),
    "all pairs of spaces": lambda x, y: cross_grams([x, y, twice(x)]).eigenspace_overlap(),
    "all pairs of shapes": lambda x, y: cross_grams([x, y, near(x, y)], "centered").angular(),
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


AT_HOME = {  # small statistics come home
    "eigenvalues",
    "correlation eigenvalues",
    "several distances",
    "consensus losses",
    *(name for name in LINES if name.startswith("all pairs")),
}

TABLES = {
    "full float64": (np.asarray, np.float64),
    "float32 with zero rows": (with_zero_rows, np.float32),
    "full float32": (np.asarray, np.float32),
    "float64 with zero rows": (with_zero_rows, np.float64),
}


@pytest.mark.parametrize("table", cases(*[*TABLES][:2], slow=[*TABLES][2:]))
@pytest.mark.parametrize("name", LINES)
def test_a_strict_array_gives_what_numpys_gives_in_its_own_library(name: str, table: str) -> None:
    line, (prepare, dtype) = LINES[name], TABLES[table]
    x, y = (prepare(random_table(seed=seed, dtype=dtype)) for seed in (0, 1))
    expected = line(x, y)
    found = line(strict.asarray(x), strict.asarray(y))
    np.testing.assert_array_equal(to_host(found) if hasattr(found, "shape") else found, expected)
    if name not in AT_HOME and hasattr(found, "shape"):
        assert type(found) is type(strict.asarray(x))


def test_most_similar_words_are_those_of_numpy() -> None:
    x = random_table(dtype=np.float32)
    assert Embedding(strict.asarray(x), WORDS).most_similar("w3") == Embedding(x, WORDS).most_similar("w3")


def test_a_strict_array_may_lie_in_any_order_in_memory() -> None:
    x, rotation = random_table(), random_rotation(5)
    turned = strict.asarray(np.asfortranarray(x @ rotation))
    assert procrustes(strict.asarray(x), turned).recomputed
