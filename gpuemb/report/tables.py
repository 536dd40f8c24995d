"""The words of the report's table, packed for a page."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64, Int32, Int64
from gpuemb.stability.result import ModelResult, StudyResult

MOST_FREQUENT = 5_000
LEAST_STABLE = 1_000
NO_NEIGHBOR = -1  # as in ``ModelResult.neighbor_ids``


@dataclass(frozen=True, eq=False)
class WordTable:
    """Chosen words and whatever names them.

    Attributes:
        rows: ids of the words that have a row, ascending: most frequent first.
        data: what the page reads; see :func:`word_table`.
    """

    rows: Int64
    data: dict[str, Any]


def chosen_words(
    result: StudyResult, *, most_frequent: int = MOST_FREQUENT, least_stable: int = LEAST_STABLE
) -> Int64:
    """Ids of the most frequent words and of each model's least stable ones, ascending.

    Words without a stability are never among the least stable; equal stability is decided by
    word order, the more frequent first.
    """
    chosen = [np.arange(min(most_frequent, len(result.vocabulary)))]
    for model in result.models:
        order = np.argsort(model.words.overlap, kind="stable")  # NaN comes last
        chosen.append(order[np.isfinite(model.words.overlap[order])][:least_stable])
    return np.unique(np.concatenate(chosen)).astype(np.int64)


def word_table(
    result: StudyResult, *, most_frequent: int = MOST_FREQUENT, least_stable: int = LEAST_STABLE
) -> WordTable:
    """Pack the table of words.

    ``data`` holds ``words``, every word that has a row or is somebody's neighbor, once; ``rows``,
    ``ranks`` and ``counts`` of the words with a row (``rows`` are positions in ``words``); and for each
    model the measures of these rows (``null`` where there is none) and ``neighbors``: base64 of
    ``(rows, S, k)`` little-endian positions in ``words``, ``bytes`` wide, the largest value meaning none.

    Cost: about ``2·S·k`` bytes a row and model, before base64.
    """
    rows = chosen_words(result, most_frequent=most_frequent, least_stable=least_stable)
    lists = [np.ascontiguousarray(model.neighbor_ids[:, rows].transpose(1, 0, 2)) for model in result.models]
    used = np.unique(np.concatenate([rows, *(ids[ids >= 0].ravel() for ids in lists)])).astype(np.int64)
    packed: dict[str, Any] = {
        "words": [result.vocabulary.words[i] for i in used],
        "rows": np.searchsorted(used, rows).tolist(),
        "ranks": (rows + 1).tolist(),
        "counts": result.vocabulary.counts[rows].tolist(),
        "models": [_model(m, rows, used, ids) for m, ids in zip(result.models, lists, strict=True)],
    }
    return WordTable(rows, packed)


def _model(model: ModelResult, rows: Int64, used: Int64, ids: Int32) -> dict[str, Any]:
    width = 2 if len(used) < np.iinfo(np.uint16).max else 4
    none = int(np.iinfo(f"<u{width}").max)
    places = np.where(ids == NO_NEIGHBOR, none, np.searchsorted(used, ids))
    words = model.words
    known = np.isfinite(words.overlap[rows])
    return {
        "name": model.config.name,
        "runs": list(model.runs),
        "k": int(model.neighbor_ids.shape[2]),
        "stability": _rounded(words.overlap[rows]),
        "lowest": _rounded(words.overlap_low[rows]),
        "aligned": _rounded(words.aligned_cosine[rows]),
        "everywhere": [
            int(n) if ok else None for n, ok in zip(words.neighbors_in_all_runs[rows], known, strict=True)
        ],
        "bytes": width,
        "neighbors": base64.b64encode(places.astype(f"<u{width}").tobytes()).decode("ascii"),
    }


def _rounded(values: Float64, decimals: int = 3) -> list[float | None]:
    return [round(float(x), decimals) if np.isfinite(x) else None for x in values]
