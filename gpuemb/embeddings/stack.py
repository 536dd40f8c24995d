"""Align tables of different vocabularies over their shared words."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

from gpuemb.core.arrays import Array, Int64, device_of, namespace_of
from gpuemb.core.checks import check_choice, check_floats, check_same_rows, dtype_name
from gpuemb.core.doors import door
from gpuemb.core.errors import DTypeError, SpellingWarning, VocabularyError
from gpuemb.core.memory import MemoryPlan
from gpuemb.embeddings.model import Embedding, EmbeddingStack, named_table, with_words
from gpuemb.embeddings.spelling import NEEDED, REMEDY, form_of, respelled

Case = Literal["exact", "lower"]
CASES = ("exact", "lower")
Rows = dict[str, int]
LARGEST_ITEM = 8  # bytes of a float64, for dtypes without an item size


@door
def stack(
    tables: Sequence[Any], *, words: Sequence[str] | None = None, case: Case = "exact"
) -> EmbeddingStack:
    """Align several tables by word: the words shared by all, in the order of the first.

    If all tables have one ``d`` and one dtype, ``vectors`` is ``(S, V, d)``; else it is a tuple of ``S``
    matrices. Lost words are listed in ``dropped`` and counted in ``folded``; each table's frequency ranks
    are kept.

    Args:
        tables: one or more Embeddings; or arrays of equally many rows, where row ``i`` is the same word in
            all.
        words: of the rows of arrays; by default the row numbers.
        case: ``exact`` compares words letter by letter; ``lower`` lowercases them, and of several rows of
            one table with the same word keeps the first (in pretrained files the most frequent).

    Raises:
        VocabularyError: no table, or no shared word.
        SpellingWarning: words that the tables share but for their Unicode form are dropped; they are counted.
        ShapeError: arrays of unequal numbers of rows, or not as many words.
        DTypeError: arrays mixed with Embeddings, or something else.
        ConfigError: an unknown case rule.
        MemoryBudgetError: the shared rows do not fit the memory.

    Cost: one copy of the shared rows.

    Example:
        >>> first = ge.Embedding(x, words, name="first")
        >>> second = ge.Embedding(y[::-1], words[::-1], name="second")
        >>> both = ge.stack([first, second])  # row i is the same word in both
        >>> both.runs, np.array_equal(both[1].vectors, y)
        (('first', 'second'), True)
    """
    embeddings = _embeddings(tables, words)
    spelled = [_rows(embedding, case) for embedding in embeddings]
    shared = _shared(spelled)
    if not shared:
        raise _nothing_shared(embeddings, case, respelled_words(embeddings, case=case))
    lost = _dropped(spelled, shared)
    _say_respelled(respelled(lost))
    kept = [[rows[word] for word in shared] for rows in spelled]
    first = embeddings[0]
    return EmbeddingStack(
        _taken(embeddings, kept),
        shared,
        _at(first, first.counts, kept[0]),
        _names(embeddings),
        tuple(_at(e, e.ranks, rows) for e, rows in zip(embeddings, kept, strict=True)),
        lost,
        tuple(len(e) - len(rows) for e, rows in zip(embeddings, spelled, strict=True)),
    )


def _embeddings(tables: Sequence[Any], words: Sequence[str] | None) -> list[Embedding]:
    """Every table with its words; arrays, which have none, must have one number of rows.

    Raises:
        VocabularyError, ShapeError, DTypeError: as :func:`stack`.
    """
    given = [named_table(one) for one in tables]
    if not given:
        raise VocabularyError(
            "stack: no table was given", needed="At least one embedding is needed.", remedy="stack([a, b, c])"
        )
    named = [isinstance(one, Embedding) for one in given]
    if any(named) and (words is not None or not all(named)):
        raise DTypeError(
            f"stack: {sum(named)} of {len(given)} tables have words of their own",
            needed="Tables are matched by their words, or arrays by their rows: all of one kind.",
            remedy="Give arrays their words: stack([embedding, Embedding(array, words)]).",
        )
    if all(named):
        return given
    arrays = [check_floats("stack", f"table {s}", one) for s, one in enumerate(given)]
    for s, array in enumerate(arrays):
        check_same_rows("stack", arrays[0], array, ("table 0", f"table {s}"))
    return [with_words("stack", array, words, f"run {s}") for s, array in enumerate(arrays)]


def shared_words(embeddings: Sequence[Embedding], *, case: Case = "exact") -> list[str]:
    """Return the words that :func:`stack` would keep, possibly none, without reading vectors.

    Raises:
        ConfigError: an unknown case rule.
    """
    check_choice("stack", "case", case, CASES)
    return _shared([_rows(embedding, case) for embedding in embeddings])


def respelled_words(embeddings: Sequence[Embedding], *, case: Case = "exact") -> list[str]:
    """Return the words that :func:`stack` drops for their Unicode form alone, as the first table has them."""
    spelled = [_rows(embedding, case) for embedding in embeddings]
    return respelled(_dropped(spelled, _shared(spelled)))


def _say_respelled(words: Sequence[str]) -> None:
    if words:
        warnings.warn(
            f"stack: {len(words)} words are in every table but in different Unicode forms, such as "
            f"{words[0]!r} ({form_of(words[0])}). They are dropped. {REMEDY}",
            SpellingWarning,
            stacklevel=4,
        )


def _shared(spelled: Sequence[Rows]) -> list[str]:
    return [word for word in spelled[0] if all(word in rows for rows in spelled[1:])]


def _rows(embedding: Embedding, case: Case) -> Rows:
    """Return the row of each spelling, the first of those that differ only in case."""
    if case == "exact":
        return embedding.key_to_index
    rows: Rows = {}
    for row, word in enumerate(embedding.index_to_key):
        rows.setdefault(word.lower(), row)
    return rows


def _dropped(spelled: Sequence[Rows], shared: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    known = frozenset(shared)
    return tuple(tuple(word for word in rows if word not in known) for rows in spelled)


def _taken(embeddings: Sequence[Embedding], kept: Sequence[Sequence[int]]) -> Any:
    """Copy the shared rows: into one array if shapes and dtypes are equal, else into one a table."""
    tables = [e.vectors for e in embeddings]
    sizes = {
        f"table {s}": len(rows) * table.shape[1] * getattr(table.dtype, "itemsize", LARGEST_ITEM)
        for s, (table, rows) in enumerate(zip(tables, kept, strict=True))
        if device_of(table).kind == "cpu"
    }
    MemoryPlan("stack", sizes).require()
    alike = len({(t.shape[1], dtype_name(t), type(t).__module__) for t in tables}) == 1
    if not alike:
        return tuple(_take(table, rows) for table, rows in zip(tables, kept, strict=True))
    xp = namespace_of(*tables)
    together = xp.empty((len(tables), len(kept[0]), tables[0].shape[1]), dtype=tables[0].dtype)
    for s, (table, rows) in enumerate(zip(tables, kept, strict=True)):
        together[s, ...] = _take(table, rows)
    return together


def _take(table: Array, rows: Sequence[int]) -> Array:
    xp = namespace_of(table)
    return xp.take(table, xp.asarray(rows, dtype=xp.int64), axis=0)


def _at(embedding: Embedding, numbers: Int64 | None, rows: Sequence[int]) -> Int64 | None:
    return None if numbers is None else numbers[rows]


def _names(embeddings: Sequence[Embedding]) -> tuple[str, ...]:
    names = [e.name for e in embeddings]
    return tuple(name if names.count(name) == 1 else f"{name} {s}" for s, name in enumerate(names))


def _nothing_shared(embeddings: Sequence[Embedding], case: Case, respelled: Sequence[str]) -> VocabularyError:
    sizes = ", ".join(str(len(e)) for e in embeddings)
    alike = "letter by letter, capitals included" if case == "exact" else "in lower case"
    if respelled:
        return VocabularyError(
            f"stack: tables of {sizes} words share none in the same Unicode form, but {len(respelled)} in "
            f"different ones, such as {respelled[0]!r} ({form_of(respelled[0])})",
            needed=NEEDED,
            remedy=REMEDY,
        )
    return VocabularyError(
        f"stack: tables of {sizes} words share none",
        needed=f"Words are matched {alike}.",
        remedy="Compare the first words of each: embedding.index_to_key[:10].",
    )
