"""``device`` of the public functions: a GPU's counts equal the CPU's, at once and within a budget."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from corpus.texts import random_tokens
from counts.test_runs import assert_same, needed
from cuda_on_host import compiler, stand_in
from cuda_on_host.launch import Run

from gpuemb.core.cuda.diagnosis import missing_for_cuda
from gpuemb.core.errors import DeviceError
from gpuemb.counts.counting import bootstrap_repeats, count_cooccurrences
from gpuemb.kernels.window_counts import cuda, window_counts

on_host = pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}")


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "auto"])
@pytest.mark.parametrize("side", ["both", "left"])
@on_host
def test_a_gpu_counts_what_the_cpu_counts(side: str, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = random_tokens(25, 30)
    repeats = bootstrap_repeats(tokens, 3)
    expected = count_cooccurrences(tokens, 5, side=side, repeats=repeats, device="cpu")
    launched = []
    chunk = cuda.count_chunk
    monkeypatch.setattr(cuda, "count_chunk", lambda *given: (launched.append(1), chunk(*given)))
    with stand_in.installed(Run("random")):
        found = count_cooccurrences(tokens, 5, side=side, repeats=repeats, device=device)
    assert launched
    assert type(found.rows.data) is np.ndarray
    assert_same(found, expected)


@on_host
def test_a_gpu_keeps_the_budget_of_the_host(tmp_path: Path) -> None:
    tokens = random_tokens(25, 30)
    expected = count_cooccurrences(tokens, 3, device="cpu")
    memory = needed(tokens, len(tokens) // 3, 3)
    with stand_in.installed(Run()):
        found = count_cooccurrences(tokens, 3, device="cuda", memory=memory, scratch=tmp_path)
    assert isinstance(found.rows.data, np.memmap)
    assert_same(found, expected)


@pytest.mark.skipif(not missing_for_cuda(), reason="this machine has a GPU")
def test_a_gpu_that_is_missing_is_not_replaced() -> None:
    with pytest.raises(DeviceError, match="cuda cannot be used here"):
        count_cooccurrences(random_tokens(5, 4), 2, device="cuda")
    assert window_counts.runs_on("cuda")
