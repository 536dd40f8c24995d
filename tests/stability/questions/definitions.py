"""Slow, right twins of what the drift of words is."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np


def planted(
    words: int, drifted: int, sizes: tuple[int, int], seed: int, *, size: float = 2.5, common: float = 0.0
) -> np.ndarray:
    """``(V, P)`` distances of runs; the first words differ between groups, all share ``common`` noise."""
    draw = np.random.default_rng(seed)
    runs, dim = sum(sizes), 8
    vectors = draw.standard_normal((words, runs, dim)) + common * draw.standard_normal((1, runs, dim))
    vectors *= np.exp(0.3 * draw.standard_normal((words, 1, 1)))
    away = draw.standard_normal((words, 1, dim))
    vectors[:drifted, sizes[0] :] += size * away[:drifted]
    first, second = np.transpose(list(combinations(range(runs), 2)))
    distances: np.ndarray = 1 - np.exp(-((vectors[:, first] - vectors[:, second]) ** 2).mean(axis=2) / 4)
    return distances


def effect(square: Any, first: list[int], second: list[int]) -> tuple[float, float]:
    """Mean distance between two groups of runs, and the mean of their own means, pair by pair."""
    between = np.mean([square[min(a, b)][max(a, b)] for a in first for b in second])
    own = [np.mean([square[a][b] for a, b in combinations(g, 2)]) for g in (first, second) if len(g) > 1]
    return float(between), float(np.mean(own))


def statistics_of_all_labelings(distances: np.ndarray, sizes: tuple[int, int]) -> np.ndarray:
    """``(V, L)`` statistics under every labeling, the observed one first, by loops."""
    runs = sum(sizes)
    offset = float(np.median(distances.mean(axis=1)))
    chosen = [list(c) for c in combinations(range(runs), sizes[0]) if sizes[0] != sizes[1] or 0 in c]
    table = []
    for row in distances:
        square = np.zeros((runs, runs))
        for pair, value in zip(combinations(range(runs), 2), row, strict=True):
            square[pair] = value
        found = [effect(square, c, [r for r in range(runs) if r not in c]) for c in chosen]
        table.append([(b - w) / (w + offset) for b, w in found])
    return np.array(table)


def corpus(documents: int, seed: int, *, moved: bool = False) -> list[list[str]]:
    """Documents of six topics of ten words, and words of all; ``moved`` swaps first words of two topics."""
    draw = np.random.default_rng(seed)
    members = [[f"t{topic}w{word}" for word in range(10)] for topic in range(6)]
    if moved:
        members[0][0], members[1][0] = members[1][0], members[0][0]
    found = []
    for topic in draw.integers(0, 6, documents):
        own, ids = draw.random(12) < 0.7, draw.integers(0, 10, 12)
        found.append([members[topic][i] if mine else f"c{i}" for i, mine in zip(ids, own, strict=True)])
    return found
