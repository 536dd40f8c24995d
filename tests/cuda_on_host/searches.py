"""Run cosine_topk's launcher on the emulator, whole or step by step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from strategies import awkward_rows
from tolerances import assert_same_bits

from gpuemb.core.arrays import FloatMatrix, to_device
from gpuemb.core.device import Device
from gpuemb.kernels.cosine_topk import TopK, cosine_topk, cuda
from gpuemb.kernels.cosine_topk.phases import Search, begin

CUDA = Device("cuda")


def device(x: Any, dtype: Any = None) -> Any:
    """Bring an array to the installed emulator; None stays None."""
    return None if x is None else to_device(np.asarray(x, dtype), CUDA)


def search(
    rows: FloatMatrix, k: int, queries: Any = None, itself: Any = None, likely: Any = None, **more: Any
) -> TopK:
    """Search on the installed emulator; the answer's arrays are NumPy's."""
    found = cosine_topk.on(CUDA)(device(rows), k, device(queries), device(itself), device(likely), **more)
    return TopK(np.array(found.ids), np.array(found.scores), found.certified, found.refined, found.recomputed)


def begun(rows: FloatMatrix, k: int, room: int, queries: Any = None, itself: Any = None) -> Search:
    """Prepare a search on the installed emulator."""
    return begin(device(rows), k, device(queries), device(itself), room)


def assert_same(found: TopK, expected: TopK) -> None:
    """Every id and every bit of a score is the same."""
    assert_same_bits(found.ids, expected.ids)
    assert_same_bits(found.scores, expected.scores)


@contextmanager
def cut(road: str, room: int | None = None) -> Iterator[None]:
    """Force a road, and a room if one is given."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda, "ROAD", road)
        if room:
            patch.setattr(cuda, "rooms", lambda words, k: room)
        yield


def separated(words: int, dim: int, seed: int = 0) -> FloatMatrix:
    """Rows whose scores lie further apart than the filter's bound, a few without length among them."""
    rows = awkward_rows("gaussian", "float32", words, dim, seed)
    rows[5::50] = 0
    return rows
