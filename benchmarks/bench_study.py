"""A whole study, by phase: text to what is stable in it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import data
from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads.work import Work
from gpuemb.stability.config import CountsConfig, ModelConfig, StudyConfig, TextConfig
from gpuemb.stability.result import StudyResult
from gpuemb.stability.study import study
from gpuemb.training.recipes import PPMISVD, GloVe


def test_conversations(benchmark: Any, track: Track, tmp_path: Path) -> None:
    text = data.write_lines(data.conversations(20_000 if track.quick else None), tmp_path / "text.txt")
    seeds = tuple(range(2 if track.quick else 5))
    dim, epochs = (20, 3) if track.quick else (100, 25)
    config = StudyConfig(
        corpus=(str(text),),
        text=TextConfig(min_count=10),
        counts=CountsConfig(),
        models=(
            ModelConfig(GloVe(dim=dim, epochs=epochs, x_max=10.0), seeds=seeds, vary="seed"),
            ModelConfig(PPMISVD(dim=dim), seeds=seeds, vary="bootstrap"),
        ),
    )
    results: list[StudyResult] = []

    def ours() -> StudyResult:
        folder = tmp_path / "study"
        shutil.rmtree(folder, ignore_errors=True)
        results[:] = [study(config, out=folder, device="cpu")]
        return results[0]

    def verify(found: StudyResult) -> str:
        first = _vectors(found.folder)
        again = _vectors(ours().folder)
        assert first.keys() == again.keys()
        assert all(np.array_equal(first[name], again[name]) for name in first)
        return "a second study: every vector, equal"

    tokens = data.conversations().ids.size if not track.quick else 0
    case = Case(
        f"study-conversations-{len(seeds)}x{dim}",
        "study",
        f"conversations, {len(seeds)} seeds of GloVe and of PPMI-SVD, d = {dim}, {epochs} epochs",
        {"tokens": int(tokens), "runs": 2 * len(seeds), "dim": dim, "epochs": epochs},
        Work(0, text.stat().st_size, (2 * len(seeds), "runs"), "none", "bytes", "the text; see the phases"),
        ours,
        verify,
    )
    nobody = "no other program does all of it"
    track.run(benchmark, case, [Rival("peers", "", lambda: ours, absent=nobody)], lambda: _phases(results[0]))


def _vectors(folder: Path) -> dict[str, Any]:
    return {str(path.relative_to(folder)): np.load(path) for path in (folder / "embeddings").rglob("*.npy")}


def _phases(result: StudyResult) -> Mapping[str, float]:
    seconds: Mapping[str, float] = result.record["seconds"]
    return seconds
