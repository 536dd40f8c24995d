"""How far apart each word is in every pair of runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, device_of, library_of, to_host
from gpuemb.core.device import CPU
from gpuemb.core.memory import MemoryPlan, buffer, rows_per_tile, tiles
from gpuemb.neighbors.overlap import neighbor_overlap
from gpuemb.stability.compared_tables import ComparedTables
from gpuemb.words.profiles import Profiles, compare_profiles

LOCAL_NEIGHBORS = 25  # of Hamilton (2016, EMNLP); Definitions §3


@dataclass(frozen=True, eq=False)
class DriftKind:
    """A distance of a word's two vectors or neighborhoods.

    Attributes:
        name: what it is asked for by.
        title: the same for people.
        meaning: one sentence.
        largest: distance that none exceeds.
        neighbors: how many neighbors it needs beside those that are compared.
        take: ``(V, P)`` distances of all pairs, from the tables and ``(S, V, k)`` neighbors.
        needs_lists: whether it is taken of neighbors.
    """

    name: str
    title: str
    meaning: str
    largest: float
    take: Callable[[ComparedTables], Float64]
    neighbors: int = 0
    needs_lists: bool = True


def overlap_distances(tables: ComparedTables) -> Float64:
    """Return ``(V, P)`` one minus the overlap of the k nearest neighbors."""
    ids = tables.ids[:, :, : tables.k]
    words, pairs = ids.shape[1], len(tables.pairs)
    found = np.empty((words, pairs))
    for start, stop in tiles(words, rows_per_tile(6 * 8 * pairs)):
        found[start:stop] = 1 - to_host(neighbor_overlap(ids[:, start:stop]).per_word).T
    return found


def aligned_distances(tables: ComparedTables) -> Float64:
    """Return ``(V, P)`` one minus the cosine after the best rotation of unit rows."""
    words = tables.tables[0].shape[0]
    tables.rotations  # noqa: B018  # once, before many threads ask
    found = np.empty((words, len(tables.pairs)))
    on_cpu = device_of(tables.tables[0]) == CPU
    values = (threads.stream if on_cpu else map)(
        lambda pair: to_host(tables.aligned_cosines_of(*pair)), tables.pairs
    )
    for place, cosines in enumerate(values):
        found[:, place] = 1 - cosines
    return found


def local_distances(tables: ComparedTables) -> Float64:
    """Return ``(V, P)`` one minus the local second-order cosine, as :func:`gpuemb.second_order`."""
    ids = tables.ids[:, :, : min(LOCAL_NEIGHBORS, tables.ids.shape[2])]
    profiles = [Profiles.of(table) for table in tables.tables]
    xp = library_of(tables.tables[0])
    lists, rows = xp.asarray(ids), xp.arange(ids.shape[1])
    found = np.empty((ids.shape[1], len(tables.pairs)))
    for place, (a, b) in enumerate(tables.pairs):
        parts = compare_profiles(profiles[a], profiles[b], (rows, rows), (lists[a], lists[b]))
        found[:, place] = 1 - np.concatenate([part.cosines for part in parts])
    return found


KINDS = {
    kind.name: kind
    for kind in (
        DriftKind(
            "overlap",
            "Nearest neighbors lost",
            "One minus the share of the nearest neighbors that two runs have in common.",
            1.0,
            overlap_distances,
        ),
        DriftKind(
            "second_order",
            "Local neighborhood distance",
            "One minus the cosine of a word’s similarities to the neighbors that either of two runs lists.",
            2.0,
            local_distances,
            LOCAL_NEIGHBORS,
        ),
        DriftKind(
            "aligned_cosine",
            "Cosine distance after the best rotation",
            "One minus the cosine of a word’s two vectors after the best rotation or reflection.",
            2.0,
            aligned_distances,
            needs_lists=False,
        ),
    )
}


def plan_distances(words: int, runs: int, labelings: int, neighbors: int, band: int) -> MemoryPlan:
    """State the bytes that one measure of drift holds at once."""
    pairs = runs * (runs - 1) // 2
    return MemoryPlan(
        f"drift of {runs} runs, {words} words",
        {
            "neighbors": buffer((runs, words, neighbors), np.int32),
            "distances of pairs": buffer((words, pairs), np.float64),
            "statistics of a band": 4 * buffer((min(words, 2 * band), labelings), np.float64),
        },
    )
