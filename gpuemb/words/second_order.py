"""Second-order similarity: words compared by their similarities to their neighbors, in one table or two."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, overload

import numpy as np

from gpuemb.core.arrays import library_of, native
from gpuemb.core.checks import check_neighbors
from gpuemb.core.device import DeviceName
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, DTypeError, ShapeError
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import shown
from gpuemb.embeddings.model import Embedding, EmbeddingStack, named_table
from gpuemb.embeddings.stack import stack
from gpuemb.neighbors.chance import Shuffle
from gpuemb.neighbors.exact import Neighbors, nearest_neighbors
from gpuemb.neighbors.queries import checked_rows
from gpuemb.uncertainty.draws import Draws
from gpuemb.uncertainty.results import summarize
from gpuemb.words.profiles import Compared, Profiles, compare_profiles
from gpuemb.words.second_order_results import SecondOrder, SecondOrderPairs, mean_of_profiles

WHERE = "second_order"
K = 25  # neighbors of each word in each table (Hamilton 2016, EMNLP)
LEAST_WORDS = 2  # that make a pair
PAIR_BYTES = 160  # of a pair of words and two row numbers, as objects of Python


@overload
def second_order(
    a: Any,
    b: None = ...,
    words: Any = ...,
    k: int = ...,
    *,
    permutations: int = ...,
    seed: int = ...,
    device: DeviceName = ...,
    progress: Progress = ...,
) -> SecondOrderPairs: ...
@overload
def second_order(
    a: Any,
    b: Any,
    words: Any = ...,
    k: int = ...,
    *,
    permutations: int = ...,
    seed: int = ...,
    device: DeviceName = ...,
    progress: Progress = ...,
) -> SecondOrder: ...
@door
def second_order(
    a: Any,
    b: Any = None,
    words: Any = None,
    k: int = K,
    *,
    permutations: int = 0,
    seed: int = 0,
    device: DeviceName = None,
    progress: Progress = SILENT,
) -> SecondOrder | SecondOrderPairs:
    """Compare words by their similarities to their neighbors: across two tables, or within one.

    Across tables, ``s`` and ``s'`` hold the cosines of a word with the words of ``N ∪ N'`` in each table,
    where ``N`` and ``N'`` are its ``k`` nearest neighbors in each, among the words that both share; its
    second-order cosine is ``cos(s, s')``. No rotation is needed, and no common dimension.
    Within one table the same of two words: both profiles over the union of both words' neighbors.

    Cosines of neighbors are mostly positive, so that unrelated tables have a high second-order cosine too:
    permutations say how high.

    Args:
        a: an Embedding, or a float array ``(V, d)``.
        b: another; of arrays, row ``i`` is the same word. Without it, words of ``a`` are compared.
        words: across tables, the words to compare, None for all that both share. Within a table, a list of
            words, of which all pairs are compared, or a list of pairs of words.
        k: neighbors of a list.
        permutations: of the words of ``b``, for ``p_value``, ``null_mean`` and ``chance_adjusted``.
        seed: of the named streams of permutations.
        device: where to search for neighbors: see :class:`gpuemb.Device`.
        progress: told of the searches, and of each permutation.

    Returns:
        :class:`SecondOrder` across tables, :class:`SecondOrderPairs` within one. The same bits for any number
        of threads.

    Raises:
        VocabularyError: no shared word, or an unknown word, with the closest spellings.
        ConfigError: ``k`` is below 1 or there are not so many candidates; one table without words to
            compare, or with permutations.
        ShapeError, DTypeError, NonFiniteError, DeviceError: as :func:`nearest_neighbors` and :func:`stack`.
        MemoryBudgetError: the shared rows or the lists do not fit.

    Cost: two searches, ``2·V²·d`` flops each; then ``8·V·k·d``, and as many a permutation; a copy of the
        shared rows.
    Source: Hamilton, Leskovec and Jurafsky (2016), EMNLP; Definitions §3.

    Example:
        >>> moved = y.copy()
        >>> moved[7] = -y[7]  # one word goes elsewhere
        >>> found = ge.second_order(ge.Embedding(x, words), ge.Embedding(moved, words), k=5)
        >>> found.most_changed(1)[0][0], round(found.value, 2)
        ('w7', 0.9)
        >>> ge.second_order(ge.Embedding(x, words), words=["w3", "w29", "w1"], k=5).values.round(2).tolist()
        [0.95, 0.53, 0.6]
    """
    draws = Draws(WHERE, permutations, seed=seed, progress=progress)
    if b is None:
        if draws:
            raise ConfigError(
                f"{WHERE}: permutations = {permutations} of one table",
                needed="A permutation pairs the words of a second table with others.",
                remedy="Omit permutations, or give a second table.",
            )
        return _within(named_table(a), words, k, device, progress)
    return _across(a, b, words, k, device, draws)


def _across(a: Any, b: Any, words: Any, k: int, device: DeviceName, draws: Draws) -> SecondOrder:
    _check_no_stack(a, b)
    both = stack([a, b])
    first, second = both
    asked = first.index_to_key if words is None else _listed(first, words)
    check_neighbors(WHERE, k, len(first) - 1)
    _plan(len(asked), k)
    queries = None if words is None else asked
    one = nearest_neighbors(first, k, queries=queries, device=device, progress=draws.progress)
    other = nearest_neighbors(
        second, k, queries=queries, warm_start=one, device=device, progress=draws.progress
    )
    profiles = Profiles.of(first.vectors), Profiles.of(second.vectors)
    found = _compared(profiles, (one, other), native(other.ids), None, draws.progress)
    value = mean_of_profiles(found.cosines)
    shuffle, null = Shuffle(native(other.ids), other.candidates, 1), np.empty(draws.permutations)
    with draws.progress.phase("permutations of second-order similarity", draws.permutations) as task:
        for draw in range(draws.permutations):
            order = shuffle.moved_from(draw, draws.seed)
            drawn = _compared(profiles, (one, other), shuffle.lists(draw, draws.seed), order, SILENT)
            null[draw] = mean_of_profiles(drawn.cosines)
            task.advance()
    told = summarize(draws, value, null, np.empty(0), best=1.0, higher_is_closer=True)
    dropped = tuple(map(len, both.dropped))
    names = (both.runs[0], both.runs[1])
    whole = SecondOrder(value, found.cosines, list(asked), found.words, k, names, (dropped[0], dropped[1]))
    return told.onto(whole)


def _within(table: Any, words: Any, k: int, device: DeviceName, progress: Progress) -> SecondOrderPairs:
    _check_no_stack(table)
    checked_rows(WHERE, table)
    if not isinstance(table, Embedding):
        raise DTypeError(
            f"{WHERE}: words of {shown(table)}",
            needed="Within one table words are compared, and an array has none.",
            remedy="Embedding(array, words), or give a second table: second_order(a, b).",
        )
    pairs = _pairs_of(table, words, k)
    asked = list(dict.fromkeys(word for pair in pairs for word in pair))
    check_neighbors(WHERE, k, len(table) - 1)
    lists = nearest_neighbors(table, k, queries=asked, device=device, progress=progress)
    place = {word: number for number, word in enumerate(asked)}
    xp = library_of(native(lists.ids))
    numbers = xp.asarray([[place[word] for word in pair] for pair in pairs], xp.int64)
    rows = xp.asarray(table.rows(asked), xp.int64)[numbers]
    ids, profiles = native(lists.ids), Profiles.of(table.vectors)
    each = compare_profiles(
        profiles, profiles, (rows[:, 0], rows[:, 1]), (ids[numbers[:, 0]], ids[numbers[:, 1]])
    )
    found = _joined(each, len(pairs), progress)
    cosines = profiles.cosines_of_pairs(rows[:, 0], rows[:, 1])
    return SecondOrderPairs(found.cosines, tuple(pairs), found.words, cosines, k)


def _compared(
    profiles: tuple[Profiles, Profiles],
    lists: tuple[Neighbors, Neighbors],
    ids: Any,
    order: Any,
    progress: Progress,
) -> Compared:
    """Compare each asked word's profiles; ``ids`` are the lists of the second table, in ``order``."""
    asked = native(lists[0].candidates.itself)
    each = compare_profiles(*profiles, (asked, asked), (native(lists[0].ids), ids), order)
    return _joined(each, len(asked), progress)


def _joined(parts: Iterable[Compared], pairs: int, progress: Progress) -> Compared:
    found = []
    with progress.phase("second-order similarity", pairs) as task:
        for part in parts:
            found.append(part)
            task.advance(len(part.cosines))
    cosines, counts = zip(*found, strict=True)
    return Compared(np.concatenate(cosines), np.concatenate(counts))


def _plan(pairs: int, k: int, names: int = 0) -> None:
    lists = 2 * buffer((pairs, k), np.int32)
    MemoryPlan(
        f"{WHERE} of {pairs:,} profiles",
        {
            "lists of neighbors": 2 * lists,
            "numbers of each": 4 * buffer((pairs,), np.float64),
            "names of pairs": pairs * names,
        },
    ).require()


def _check_no_stack(*tables: Any) -> None:
    for table in tables:
        if isinstance(table, EmbeddingStack):
            raise ShapeError(
                f"{WHERE}: a stack of {len(table)} runs was given",
                needed="Two tables are compared, or words of one.",
                remedy="second_order(stack[0], stack[1]) compares two runs.",
            )


def _listed(table: Embedding, words: Any) -> list[str]:
    """Return the words that were asked for, once each.

    Raises:
        VocabularyError: one is not known.
        ConfigError: no list of words.
    """
    listed = isinstance(words, Sequence) and not isinstance(words, (str, bytes))
    if not listed or not len(words) or not all(isinstance(word, str) for word in words):
        raise _no_words(words)
    asked = list(dict.fromkeys(words))
    table.rows(asked)
    return asked


def _pairs_of(table: Embedding, words: Any, k: int) -> list[tuple[str, str]]:
    """Return the pairs that were asked for: those given, or all of a list of words.

    Raises:
        VocabularyError: one of the words is not known.
        ConfigError: neither words nor pairs.
        MemoryBudgetError: so many pairs do not fit.
    """
    listed = isinstance(words, Sequence) and not isinstance(words, (str, bytes))
    if not listed or not len(words):
        raise _no_words(words)
    if all(isinstance(word, str) for word in words):
        asked = _listed(table, words)
        if len(asked) < LEAST_WORDS:
            raise _no_words(words)
        _plan(math.comb(len(asked), 2), k, PAIR_BYTES)
        return list(combinations(asked, 2))
    pairs = []
    for pair in words:
        if not (
            isinstance(pair, (list, tuple))
            and len(pair) == LEAST_WORDS
            and all(isinstance(word, str) for word in pair)
        ):
            raise _no_words(words)
        pairs.append((pair[0], pair[1]))
    _plan(len(pairs), k)
    table.rows([word for pair in pairs for word in pair])
    return pairs


def _no_words(words: Any) -> ConfigError:
    return ConfigError(
        f"{WHERE}: words = {shown(words)}",
        needed="A list of words is needed, or, within one table, a list of two words or more or of pairs.",
        remedy="words=['king', 'queen'], or words=[('king', 'queen'), ('cat', 'dog')].",
    )
