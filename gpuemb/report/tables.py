"""The words of the report's table: all of them, packed for a page."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64, Int32, Int64
from gpuemb.report.packing import packed
from gpuemb.stability.measure_table import WORD_MEASURES
from gpuemb.stability.result import ModelResult, StudyResult

NEIGHBOR_BYTES = 16_000_000  # of all models' neighbor lists before compression: a page of 25 MB at most
NAMED = 500  # least and most stable words of a model whose neighbors are in the page before all others'
BANDS = 10
NO_NEIGHBOR = -1  # as in ``ModelResult.neighbor_ids``
NO_VALUE = np.iinfo(np.int16).min
THOUSANDTHS = 1_000


@dataclass(frozen=True)
class Column:
    """One column of a model's words.

    Attributes:
        key: its name in the page.
        title: its heading.
        meaning: what it says, in a sentence.
        scale: packed whole numbers are multiples of one part in so many; 0 where values stand as they are.
        first: which end a first click on the heading shows, ``"up"`` the lowest.
    """

    key: str
    title: str
    meaning: str
    scale: int = THOUSANDTHS
    first: str = "up"


@dataclass(frozen=True, eq=False)
class WordTable:
    """All words, packed.

    Attributes:
        words: what names and measures them; see :func:`word_table`.
        neighbors: one text a model, of the lists of the words in ``listed``.
        listed: ids of the words whose neighbor lists are in the page, ascending.
    """

    words: str
    neighbors: tuple[str, ...]
    listed: Int64


def word_table(result: StudyResult, *, neighbor_bytes: int = NEIGHBOR_BYTES) -> WordTable:
    """Pack the table of words.

    ``words`` has the header ``words``, ``bands`` (first and last rank) and ``models`` (``name``, ``runs``,
    ``k``, ``columns``); its arrays are the counts, then every column of the first model, of the second, ….
    A text of ``neighbors`` has the arrays ``(L,)`` ids of the listed words, then ``(L, S, k)`` ids of
    neighbors, the largest value of their type meaning none.

    Args:
        result: the study.
        neighbor_bytes: bytes of neighbor lists, before compression; words whose lists do not fit have
            none in the page: see :func:`listed_words`.

    Cost: about 0.2 s for 10,000 words and two models of five runs, 6 s for 400,000.
    """
    vocabulary = result.vocabulary
    described = [_described(model) for model in result.models]
    header = {
        "words": list(vocabulary.words),
        "bands": frequency_bands(len(vocabulary)),
        "models": [
            {
                "name": model.config.name,
                "runs": list(model.runs),
                "k": int(model.neighbor_ids.shape[2]),
                "columns": [vars(column) for column, _ in columns],
            }
            for model, columns in zip(result.models, described, strict=True)
        ],
    }
    arrays = [vocabulary.counts.astype(np.float64), *(v for columns in described for _, v in columns)]
    listed = listed_words(result, neighbor_bytes)
    width = np.uint16 if len(vocabulary) < np.iinfo(np.uint16).max else np.uint32
    lists = tuple(packed({}, (listed.astype(np.uint32), _lists(m, listed, width))) for m in result.models)
    return WordTable(packed(header, arrays), lists, listed)


def listed_words(result: StudyResult, neighbor_bytes: int) -> Int64:
    """Ids of the words whose neighbors the page holds, ascending.

    All of them where they fit; else the least and the most stable of each model, and of the others as
    many as fit, the most frequent first.
    """
    size = len(result.vocabulary)
    width = 2 if size < np.iinfo(np.uint16).max else 4
    row = sum(width * model.neighbor_ids[:, 0].size for model in result.models)
    room = neighbor_bytes // max(1, row)
    if size <= room:
        return np.arange(size)
    first = np.concatenate([ends for model in result.models for ends in _ends(model.words.overlap)])
    order = np.concatenate([first, np.arange(size)])
    _, places = np.unique(order, return_index=True)
    return np.sort(order[np.sort(places)[:room]]).astype(np.int64)


def frequency_bands(size: int) -> list[tuple[int, int]]:
    """First and last rank of each tenth of the words, most frequent first; none where words are few."""
    ends = [size * n // BANDS for n in range(BANDS + 1)]
    return [(a + 1, b) for a, b in pairwise(ends)] if size >= BANDS else []


def _ends(overlap: Float64) -> tuple[Int64, Int64]:
    """The least and the most stable words; of equal ones the more frequent come first."""
    known = np.flatnonzero(np.isfinite(overlap))
    least = known[np.argsort(overlap[known], kind="stable")[:NAMED]]
    return least, known[np.argsort(-overlap[known], kind="stable")[:NAMED]]


def _described(model: ModelResult) -> list[tuple[Column, NDArray[Any]]]:
    """Every column of a model with its values: whole numbers, or float32 of further measures."""
    words = model.words
    everywhere = np.where(np.isfinite(words.overlap), words.neighbors_in_all_runs, np.nan)
    values = words.overlap, words.overlap_low, words.aligned_cosine, everywhere
    about = columns(model.neighbor_ids.shape[2])
    made: list[tuple[Column, NDArray[Any]]] = [
        (column, whole_numbers(of, column.scale)) for column, of in zip(about, values, strict=True)
    ]
    for name, of in words.more.items():
        meaning = WORD_MEASURES[name].meaning if name in WORD_MEASURES else ""
        made.append((Column(name, name.replace("_", " ").capitalize(), meaning, 0), of.astype(np.float32)))
    return made


def columns(k: int) -> tuple[Column, ...]:
    """What the table says of every word of a model with ``k`` neighbors."""
    return (
        Column(
            "stability",
            "Stability",
            f"Share of its {k} nearest neighbors that two runs have in common, mean over pairs of runs.",
        ),
        Column("lowest", "Lowest pair", "The same for the two runs that agree least on the word."),
        Column(
            "aligned",
            "Aligned cosine",
            "Cosine of the word’s vectors in two runs after the best rotation, mean over pairs of runs.",
        ),
        Column(
            "everywhere", "In all runs", f"How many words are among its {k} nearest in every run.", 1, "down"
        ),
    )


def whole_numbers(values: Float64, scale: int) -> NDArray[np.int16]:
    """Values as multiples of ``1/scale``, ``NO_VALUE`` where there is none."""
    known = np.isfinite(values)
    return np.where(known, np.rint(np.where(known, values, 0.0) * scale), NO_VALUE).astype(np.int16)


def _lists(model: ModelResult, listed: Int64, width: type[np.unsignedinteger[Any]]) -> NDArray[Any]:
    ids: Int32 = model.neighbor_ids[:, listed].transpose(1, 0, 2)
    return np.where(ids == NO_NEIGHBOR, np.iinfo(width).max, ids).astype(width)
