"""Studies made up for the report: small, with the structure of real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gpuemb.core.arrays import Float64, Int32
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.embeddings.model import EmbeddingStack
from gpuemb.pictures.drawings import Drawing
from gpuemb.pictures.style import Plot
from gpuemb.report import page
from gpuemb.stability.config import ModelConfig, StudyConfig
from gpuemb.stability.result import ModelResult, PairMeasure, RunSpectra, StudyResult, WordMeasures
from gpuemb.stability.statistics import mean_over_pairs

Build = Callable[..., StudyResult]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Return the maker of studies, each in the test's own folder; equal ones share their models."""

    def made(*models: ModelConfig, **options: Any) -> StudyResult:
        return replace(study(*models, **options), folder=tmp_path / "study")

    return made


def once(draw: Callable[..., tuple[Drawing, ...]]) -> Callable[..., tuple[Any, ...]]:
    """Draw what is the very same objects once."""
    kept: dict[tuple[int, ...], tuple[object, tuple[Any, ...]]] = {}  # with the objects: an id is theirs

    def drawn(*given: object) -> tuple[Any, ...]:
        key = tuple(map(id, given))
        if key not in kept:
            plots = [one.on_page() for one in draw(*given)]
            kept[key] = given, tuple(SimpleNamespace(on_page=lambda plot=plot: plot) for plot in plots)
        return kept[key][1]

    return drawn


DRAWN_ONCE = once(page.figures), once(page.heat_maps)


@pytest.fixture
def drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw a model's figures for the first page that shows it, and take them again for others."""
    monkeypatch.setattr(page, "figures", DRAWN_ONCE[0])
    monkeypatch.setattr(page, "heat_maps", DRAWN_ONCE[1])


@pytest.fixture
def not_drawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the drawings of figures out, whose claims stand on the page, where a test asks for none."""

    def blank(one: Drawing) -> Plot:
        svg = '<svg viewBox="0 0 1 1"></svg>' if one.draw else ""
        return Plot(one.name, one.title, one.caption, one.label, svg, one.table)

    if "drawn_once" not in request.fixturenames:
        monkeypatch.setattr(Drawing, "on_page", blank)


@cache
def study(
    *models: ModelConfig,
    words: int | Sequence[str] = 300,
    dim: int = 12,
    k: int = 10,
    noise: float = 0.6,
    zero_rows: Sequence[int] = (),
    title: str = "Stability study",
) -> StudyResult:
    """Make up a study whose words are the less stable the rarer they are.

    Args:
        models: what was trained.
        words: how many, or which.
        dim: dimensions.
        k: neighbors.
        noise: length of each run's own part of the rarest word's vector; 0 makes identical runs.
        zero_rows: words without a vector in the first run.
        title: headline.
    """
    names = tuple(f"word{i}" for i in range(words)) if isinstance(words, int) else tuple(words)
    counts = np.maximum(5, (2_000_000 / (np.arange(len(names)) + 5.0) ** 1.05)).astype(np.int64)
    vocabulary = Vocabulary(names, counts, dropped_tokens=1_234)
    config = StudyConfig(corpus=("corpus.txt",), models=models, neighbors=k, title=title)
    results = tuple(
        model_result(m, vectors(m, len(names), dim, noise, zero_rows), vocabulary, k) for m in models
    )
    record = {
        "seconds": {"count": 3.21, "train": 127.4},
        "peak_bytes": 1_500_000_000,
        "machine": {"cpu": "a processor", "cores": 8, "memory_bytes": 16_000_000_000},
        "versions": {"gpuemb": "0.1", "numpy": np.__version__},
    }
    return StudyResult(Path(), config, vocabulary, int(counts.sum()), 38_692, results, record)


def vectors(config: ModelConfig, words: int, dim: int, noise: float, zero_rows: Sequence[int]) -> Float64:
    """Clustered directions with a falling spectrum, a part of each run's own, and a rotation a run."""
    random = np.random.default_rng(3)
    scale = np.arange(1, dim + 1) ** -0.5
    shared = random.standard_normal((words // 8 + 1, dim))[random.integers(0, words // 8 + 1, words)]
    shared = (shared + 0.6 * random.standard_normal((words, dim))) * scale
    rarity = np.linspace(0.15, 1.0, words)[:, None]
    runs = []
    for run in config.samples:
        own = np.random.default_rng(100 + run.seed + 1000 * (run.half or 0))
        rotation = np.linalg.qr(own.standard_normal((dim, dim)))[0] if noise else np.eye(dim)
        runs.append((shared + noise * rarity * own.standard_normal((words, dim)) * scale) @ rotation)
    runs[0][list(zero_rows)] = 0.0
    return np.stack(runs)


def model_result(config: ModelConfig, tables: Float64, vocabulary: Vocabulary, k: int) -> ModelResult:
    """Measure one made-up model with plain NumPy."""
    lengths = np.linalg.norm(tables, axis=2, keepdims=True)
    unit = np.divide(tables, lengths, out=np.zeros_like(tables), where=lengths > 0)
    found = [nearest(run, k) for run in unit]
    ids, scores = np.stack([f[0] for f in found]), np.stack([f[1] for f in found])
    words, pairs = measured(unit, tables, ids, config.vary == "halves")
    eigenvalues = np.stack([np.linalg.eigvalsh(np.cov(run.T))[::-1] for run in tables])
    shares = eigenvalues / eigenvalues.sum(axis=1, keepdims=True)
    ratio = 1 / (shares**2).sum(axis=1)
    rank = np.exp(-(shares * np.log(np.maximum(shares, 1e-300))).sum(axis=1))
    spectra = RunSpectra(eigenvalues, ratio, rank, (ratio - 1) / (tables.shape[2] - 1))
    stack = EmbeddingStack(tables, vocabulary.words, vocabulary.counts, config.runs)
    return ModelResult(config, config.runs, stack, ids, scores, pairs, words, spectra, 0)


def nearest(unit: Float64, k: int) -> tuple[Int32, Float64]:
    """Exact neighbors by cosine; a zero row has none and is nobody's."""
    zero = ~unit.any(axis=1)
    ids = np.full((len(unit), k), -1, np.int32)
    scores = np.full((len(unit), k), np.nan)
    for start in range(0, len(unit), 2_000):
        cosines = unit[start : start + 2_000] @ unit.T
        cosines[:, zero] = -2
        cosines[np.arange(len(cosines)), np.arange(start, start + len(cosines))] = -2
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :k] if len(unit) < 2_000 else _best(cosines, k)
        ids[start : start + 2_000] = best
        scores[start : start + 2_000] = np.take_along_axis(cosines, best, 1)
    ids[zero], scores[zero] = -1, np.nan
    return ids, scores


def _best(cosines: Float64, k: int) -> Int32:
    part = np.argpartition(-cosines, k, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(cosines, part, 1), axis=1)
    return np.take_along_axis(part, order, 1).astype(np.int32)


def measured(
    unit: Float64, tables: Float64, ids: Int32, halves: bool
) -> tuple[WordMeasures, tuple[PairMeasure, ...]]:
    """Measure every word and every pair of runs."""
    runs, size, k = ids.shape
    zero = ~unit.any(axis=2)
    per_pair: dict[tuple[int, int], dict[str, Float64]] = {}
    for a, b in [*combinations(range(runs), 2), *((s, s) for s in range(runs))]:
        lost = zero[a] | zero[b]
        cross = unit[a].T @ unit[b]
        left, _, right = np.linalg.svd(cross)
        shared = (ids[a][:, :, None] == ids[b][:, None, :]) & (ids[a][:, :, None] >= 0)
        per_pair[a, b] = {
            "overlap": np.where(lost, np.nan, shared.sum(axis=(1, 2)) / k),
            "aligned": np.where(lost, np.nan, ((unit[a] @ (left @ right)) * unit[b]).sum(axis=1)),
            "unaligned": np.where(lost, np.nan, (unit[a] * unit[b]).sum(axis=1)),
            "distance": np.array(_procrustes(tables[a], tables[b])),
            "cka": np.array(_cka(tables[a], tables[b])),
        }

    def mean_of(name: str) -> Float64:
        return np.mean([per_pair[pair][name] for pair in combinations(range(runs), 2)], axis=0)

    low = np.min([per_pair[pair]["overlap"] for pair in combinations(range(runs), 2)], axis=0)
    everywhere = np.array(
        [len(set.intersection(*map(set, ids[:, i].tolist())) - {-1}) for i in range(size)], np.int32
    )
    anywhere = np.array([len(set(ids[:, i].ravel().tolist()) - {-1}) for i in range(size)])
    joint = np.where(np.isfinite(low), everywhere / np.maximum(anywhere, 1), np.nan)
    counts = np.mean([np.bincount(run[run >= 0], minlength=size) for run in ids], axis=0)
    cosines = mean_of("aligned"), mean_of("unaligned")
    words = WordMeasures(mean_of("overlap"), low, *cosines, everywhere, joint, counts)
    rows = (
        ("overlap", f"overlap_at_{k}", f"Overlap of the {k} nearest neighbors", "unit", k / (size - 1), True),
        ("aligned", "aligned_cosine", "Mean aligned cosine", "unit", None, True),
        ("distance", "procrustes_distance", "Procrustes distance", "raw", None, False),
        ("cka", "cka", "Linear CKA", "centered", None, True),
    )
    pairs = []
    for source, measure, title, preparation, chance, closer in rows:
        values = np.full((runs, runs), np.nan)
        for (a, b), found in per_pair.items():
            if halves and a // 2 != b // 2:
                continue
            known = found[source][np.isfinite(found[source])]
            values[a, b] = values[b, a] = known.mean() if known.size else np.nan
        pairs.append(
            PairMeasure(
                measure,
                title,
                f"{title}, in one sentence.",
                preparation,
                values,
                mean_over_pairs(values, halves=halves),
                chance=chance,
                higher_is_closer=closer,
                halves=halves,
            )
        )
    return words, tuple(pairs)


def _procrustes(x: Float64, y: Float64) -> float:
    squared = (x**2).sum() + (y**2).sum() - 2 * np.linalg.svd(x.T @ y, compute_uv=False).sum()
    return float(np.sqrt(max(0.0, squared)))


def _cka(x: Float64, y: Float64) -> float:
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return float(np.linalg.norm(x.T @ y) ** 2 / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y))
