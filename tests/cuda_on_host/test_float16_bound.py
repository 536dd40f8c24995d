"""How far the float16 scores of cosine_topk may be from the defined ones: rounded rows, sums cut off."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from cuda_on_host import compiler, stand_in
from cuda_on_host.launch import Run
from cuda_on_host.searches import all_products, assert_measured, begun, device
from strategies import FLOATS, KINDS, awkward_rows

from gpuemb.core.arrays import Float64
from gpuemb.kernels.cosine_topk import cosine_topk
from gpuemb.kernels.cosine_topk.cuda.float16_rows import exact_kernels, sum_error, to_float16
from gpuemb.kernels.cosine_topk.cuda.state import SIDE

pytestmark = [
    pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}"),
    pytest.mark.usefixtures("emulator"),
]


@pytest.fixture
def emulator() -> Iterator[None]:
    with stand_in.installed(Run("random", seed=4)):
        yield


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_score_is_farther_from_its_float16_product_than_stated(kind: str, dtype: str) -> None:
    rows = awkward_rows(kind, dtype, 25, 37, seed=3)
    one = begun(rows, 1, SIDE)
    numbers = np.asarray(one.queries.numbers)
    found = cosine_topk.reference(rows, len(rows), rows, np.full(len(rows), -1))
    scores = np.full((len(rows), len(rows)), np.nan)
    for row, (ids, values) in enumerate(zip(found.ids, found.scores, strict=True)):
        scores[row, ids[ids >= 0]] = values[ids >= 0]
    apart = np.abs(all_products(one) - scores[np.ix_(numbers, numbers)])
    assert (apart <= np.asarray(one.error)[:, None]).all()
    assert sorted(numbers.tolist()) == np.flatnonzero(rows.any(axis=1)).tolist()


def test_what_rounding_takes_is_measured() -> None:
    assert_measured(awkward_rows("gaussian", "float64", 30, 50, seed=4))


def tensor_core_sums(products: Float64, at_once: int) -> Float64:
    """Add as hardware may at worst: align to the largest of sum and products, cut each, add, cut the sum."""
    total = np.zeros(products.shape[:-1])
    for start in range(0, products.shape[-1], at_once):
        terms = np.concatenate([total[..., None], products[..., start : start + at_once]], axis=-1)
        total = _cut(_cut(terms, np.abs(terms).max(axis=-1, keepdims=True)).sum(axis=-1))
    return total


def _cut(x: Float64, largest: Float64 | None = None) -> Float64:
    """Cut to 24 bits, counted from the highest of ``largest``, or of the number itself."""
    ulp = np.ldexp(1.0, np.frexp(x if largest is None else largest)[1] - 24)
    cut: Float64 = np.trunc(x / ulp) * ulp
    return cut


@pytest.mark.parametrize("at_once", [1, 4, 8, 16])
@pytest.mark.parametrize("kind", ["gaussian", "positive", "one large"])
def test_sums_that_cut_off_stay_within_their_bound(kind: str, at_once: int) -> None:
    rows = awkward_rows("gaussian", "float32", 12, 304, seed=at_once)
    if kind == "positive":
        rows = np.abs(rows)  # no two cuts of opposite sign
    elif kind == "one large":
        rows[:, 0] = 40  # the sum is near 1 from the first product on
    side = to_float16(device(rows), exact_kernels())
    half = np.asarray(side.half).view(np.float16).astype(np.float64)
    products = half[:, None, :] * half[None, :, :]
    lost = np.abs(tensor_core_sums(products, at_once) - products.sum(axis=-1)).max()
    bound = sum_error(304, side.largest)
    assert lost <= bound
    if kind == "positive":  # half an ulp a product on average, of sums that grow from 0 to 1
        assert lost > bound / 20
