"""The words of the report's table: all of them, packed for a page."""

from __future__ import annotations

from collections.abc import Sequence
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
        words: what names and measures them; see :func:`packed_words`.
        neighbors: one text a model, of the lists of the words in ``listed``.
        listed: ids of the words whose neighbor lists are in the page, ascending.
    """

    words: str
    neighbors: tuple[str, ...]
    listed: Int64


@dataclass(frozen=True)
class Listing:
    """What the page says around its table of words.

    Attributes:
        size: number of words.
        of: what they are the words of: ``"of the study"``.
        names: of the models.
        columns: what is said of every word.
        run: what is compared, ``"run"`` or ``"table"``.
        counted: whether it is known how often words occur.
    """

    size: int
    of: str
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    run: str = "run"
    counted: bool = True


@dataclass(frozen=True, eq=False)
class Listed:
    """One model or comparison as the table shows it.

    Attributes:
        name: of it.
        runs: names of its ``S`` runs.
        ids: ``(S, V, k)`` of neighbors, −1 where there is none.
        columns: what is said of every word, the first one a share, by which words are filtered.
        overlap: ``(V,)`` by which the ends are chosen whose neighbors the page has in any case.
    """

    name: str
    runs: tuple[str, ...]
    ids: Int32
    columns: list[tuple[Column, NDArray[Any]]]
    overlap: Float64


def word_table(result: StudyResult, *, neighbor_bytes: int = NEIGHBOR_BYTES) -> WordTable:
    """Pack the table of words of a study: see :func:`packed_words`."""
    vocabulary = result.vocabulary
    return packed_words(vocabulary.words, vocabulary.counts, listed_models(result), neighbor_bytes)


def packed_words(
    words: Sequence[str],
    counts: Int64 | None,
    models: Sequence[Listed],
    neighbor_bytes: int = NEIGHBOR_BYTES,
    *,
    run: str = "run",
) -> WordTable:
    """Pack a table of words.

    ``words`` has the header ``words``, ``counted``, ``run``, ``bands`` (first and last rank) and ``models``
    (``name``, ``runs``, ``k``, ``columns``); its arrays are the counts, then every column of the first model,
    of the second, …. A text of ``neighbors`` has the arrays ``(L,)`` ids of the listed words, then
    ``(L, S, k)`` ids
    of neighbors, the largest value of their type meaning none.

    Args:
        words: all, in the order of their ranks.
        counts: ``(V,)`` of each; None where they are not known.
        models: what is said of them.
        neighbor_bytes: bytes of neighbor lists, before compression; words whose lists do not fit have
            none in the page: see :func:`listed_words`.
        run: what is compared, for people.

    Cost: about 0.2 s for 10,000 words and two models of five runs, 6 s for 400,000.
    """
    header = {
        "words": list(words),
        "counted": counts is not None,
        "run": run,
        "bands": frequency_bands(len(words)),
        "models": [
            {
                "name": model.name,
                "runs": list(model.runs),
                "k": int(model.ids.shape[2]),
                "columns": [vars(column) for column, _ in model.columns],
            }
            for model in models
        ],
    }
    known = np.zeros(len(words)) if counts is None else np.asarray(counts).astype(np.float64)
    arrays = [known, *(v for model in models for _, v in model.columns)]
    listed = listed_words(models, len(words), neighbor_bytes)
    width = np.uint16 if len(words) < np.iinfo(np.uint16).max else np.uint32
    lists = tuple(packed({}, (listed.astype(np.uint32), _lists(m.ids, listed, width))) for m in models)
    return WordTable(packed(header, arrays), lists, listed)


def listed_words(models: Sequence[Listed], size: int, neighbor_bytes: int) -> Int64:
    """Ids of the words whose neighbors the page holds, ascending.

    All ``size`` of them where they fit; else the least and the most stable of each model, and of the others
    as many as fit, the most frequent first.
    """
    width = 2 if size < np.iinfo(np.uint16).max else 4
    row = sum(width * model.ids[:, 0].size for model in models)
    room = neighbor_bytes // max(1, row)
    if size <= room:
        return np.arange(size)
    first = np.concatenate([ends for model in models for ends in _ends(model.overlap)])
    order = np.concatenate([first, np.arange(size)])
    _, places = np.unique(order, return_index=True)
    return np.sort(order[np.sort(places)[:room]]).astype(np.int64)


def listed_models(result: StudyResult) -> list[Listed]:
    """Every model of a study as the table shows it."""
    return [
        Listed(m.config.name, m.runs, m.neighbor_ids, _described(m), m.words.overlap) for m in result.models
    ]


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
    return [*made, *(further_column(name, of) for name, of in words.more.items())]


def further_column(name: str, values: NDArray[Any]) -> tuple[Column, NDArray[Any]]:
    """A column of a measure of words, as float32."""
    meaning = WORD_MEASURES[name].meaning if name in WORD_MEASURES else ""
    return Column(name, name.replace("_", " ").capitalize(), meaning, 0), np.asarray(values, np.float32)


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


def _lists(ids: Int32, listed: Int64, width: type[np.unsignedinteger[Any]]) -> NDArray[Any]:
    found = ids[:, listed].transpose(1, 0, 2)
    return np.where(found == NO_NEIGHBOR, np.iinfo(width).max, found).astype(width)
