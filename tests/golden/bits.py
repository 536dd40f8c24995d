"""Digests of what has the same bits on every machine: tokens, counts, neighbors, cosines, shares of lists.

``python tests/golden/bits.py`` prints them, wherever gpuemb can be imported: for machines without pytest.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import numpy as np

import gpuemb as ge

SYLLABLES = ("ba", "né", "ko", "l'u", "rín", "東", "ми", "2x", "so’n")


def numbers(count: int, seed: int) -> Any:
    """Whole numbers below 2**20 of a linear congruence, which no version of a library changes."""
    state = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(1000003 * seed)) * np.uint64(
        6364136223846793005
    )
    return (state ^ (state >> np.uint64(33))) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(44)


def documents() -> list[str]:
    """A hundred lines of words of one to three syllables, frequent ones more often."""
    picks = (numbers(6000, 1) * numbers(6000, 2) >> np.uint64(20)) % np.uint64(300)
    words = [
        "".join(SYLLABLES[(pick * step) % len(SYLLABLES)] for step in range(1, 2 + pick % 3))
        for pick in map(int, picks)
    ]
    return [" ".join(words[i : i + 60]) + "." for i in range(0, len(words), 60)]


def table(words: int, dim: int, seed: int, dtype: Any) -> Any:
    """Rows of fractions that float32 holds exactly, some of them twice and one of them zero."""
    rows = (numbers(words * dim, seed).astype(np.float64) - 2**19) / 2**16
    rows = rows.reshape(words, dim).astype(dtype)
    rows[words // 2] = rows[3]
    rows[words // 3] = 0
    return rows


def digest(*parts: Any) -> str:
    """Of the types, shapes and bytes of arrays, the same for every byte order."""
    held = hashlib.sha256()
    for part in map(np.asarray, parts):
        plain = part.astype(part.dtype.newbyteorder("<"))
        held.update(f"{plain.dtype.str} {plain.shape} ".encode() + plain.tobytes())
    return held.hexdigest()[:16]


def bits() -> dict[str, str]:
    """One digest of each kind of result."""
    tokens = ge.read_corpus(documents(), min_count=2)
    rows = ge.count_cooccurrences(tokens, window=7).rows
    found = {
        "words": digest(np.frombuffer("\n".join(tokens.vocabulary.words).encode(), np.uint8)),
        "tokens": digest(tokens.ids, tokens.starts),
        "counts": digest(rows.indptr, rows.indices, rows.data),
    }
    for kind, dtype, dim in (
        ("float32", np.float32, 50),
        ("float64", np.float64, 37),
        ("float16", np.float16, 20),
    ):
        first, second = (ge.nearest_neighbors(table(400, dim, seed, dtype), k=10) for seed in (3, 4))
        found[f"neighbors, {kind}"] = digest(first.ids, first.scores)
        overlap = ge.neighbor_overlap(first, second)
        found[f"overlap, {kind}"] = digest(overlap.per_word, overlap.jaccard)
        cosines = ge.cosine_matrix(table(150, dim, 5, dtype), table(120, dim, 6, dtype))
        found[f"cosines, {kind}"] = digest(cosines.scores)
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(bits(), indent=0) + "\n")
