"""What holds for every measure: byte orders count as native ones, no value leaves its range."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from geometry.definitions import random_table

import gpuemb as ge
from gpuemb.geometry.measures import MEASURES

WORDS = [f"w{i}" for i in range(60)]
TWO = (
    *(
        "rsa",
        "cka",
        "cca",
        "svcca",
        "pwcca",
        "pip_loss",
        "procrustes",
        "angular",
        "bures",
        "spectrum_distance",
    ),
    *("semantic_displacement", "eigenspace_overlap", "eigenspace_instability"),
    *("pip_per_word", "second_order_cosine"),
)
CALLS: dict[str, Callable[[Any, Any], Any]] = {
    **{name: lambda x, y, name=name: getattr(ge, name)(x, y) for name in TWO},  # type: ignore[misc]
    "debiased": lambda x, y: ge.cka(x, y, debiased=True),
    "spearman": lambda x, y: ge.rsa(x, y, method="spearman"),
    "kendall of a list": lambda x, y: ge.rsa(x, y, list(range(10)), method="kendall"),
    "draws": lambda x, y: ge.rsa(x, y, permutations=9, bootstrap=9),
    "weights": lambda x, y: ge.procrustes(x, y, weights=abs(x[:, 0])),
    "products": lambda x, y: ge.cross_grams([x, y]).products,
    "consensus": lambda x, y: ge.consensus([x, y]),
    "spectrum": lambda x, y: ge.spectrum(x),
    "neighbors": lambda x, y: ge.nearest_neighbors(x, k=5),
    "vectors": lambda x, y: ge.nearest_neighbors(
        random_table(60, 8).astype(x.dtype.name), k=5, queries=y[:7]
    ),
    "rows": lambda x, y: ge.nearest_neighbors(x, k=5, queries=np.arange(5).astype(">i8")),
    "index": lambda x, y: ge.CosineIndex(x).search(y[:5], 5),
    "cosines": lambda x, y: ge.cosine_matrix(x, y),
    "compare": lambda x, y: ge.compare([x, y], k=5).pairs.to_pydict(),
    "most similar": lambda x, y: ge.Embedding(x, WORDS).most_similar("w3"),
    "stack": lambda x, y: ge.stack([ge.Embedding(x, WORDS), ge.Embedding(y, WORDS)]).vectors,
}


def same(a: Any, b: Any) -> bool:
    """Whether two results agree to the last bit, whatever the order of their bytes."""
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, field.name), getattr(b, field.name)) for field in dataclasses.fields(a))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a is b or np.array_equal(np.asarray(a), np.asarray(b), equal_nan=np.asarray(a).dtype.kind == "f")


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_other_byte_orders_give_the_same_digits(call: Callable[[Any, Any], Any], dtype: str) -> None:
    x, y = random_table(60, 8), random_table(60, 8, 1)
    native = call(x.astype(dtype), y.astype(dtype))
    assert same(call(x.astype(f">{dtype}"), y.astype(f">{dtype}")), native)
    assert same(call(x.astype(dtype), y.astype(f">{dtype}")), native)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("dim", [1, 2, 3, 7, 50, 130])
def test_no_value_leaves_its_range(dim: int, dtype: Any) -> None:
    """Nothing but rounding separates tables that are equal up to what a measure does not see."""
    x = random_table(80, dim).astype(dtype)
    x[40:] = x[:40] * 3
    grams = ge.cross_grams([x, 2 * x, x[:, ::-1]])
    for measure in MEASURES:
        values = grams.take(measure).values
        values = values[np.isfinite(values)]
        assert ((values >= measure.possible.low) & (values <= measure.possible.high)).all(), measure.name
    for scores in (
        ge.nearest_neighbors(x, k=3).scores,
        ge.CosineIndex(x).search(x, 3).scores,
        ge.cosine_matrix(x).scores,
        ge.second_order_cosine(x, 2 * x),
        np.array([getattr(ge.rsa(x, 2 * x, list(range(20))), name) for name in ("pearson", "spearman")]),
    ):
        assert np.nanmax(scores) <= 1
        assert np.nanmin(scores) >= -1


def test_few_words_in_many_dimensions_say_why_they_agree() -> None:
    x, y = random_table(5, 8), random_table(5, 8, 1)
    said = "5 words in no fewer dimensions: the columns of any two tables span the same space"
    for found in (ge.cca(x, y), ge.pwcca(x, y), ge.eigenspace_overlap(x, y), ge.eigenspace_instability(x, y)):
        assert found.reason == said
        assert found.value == pytest.approx(float(found.measure != "eigenspace_instability"), abs=1e-9)
    assert ge.cca(random_table(10, 8), random_table(10, 8, 1)).reason == ""
