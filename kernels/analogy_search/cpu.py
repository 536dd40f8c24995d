"""Exact answers of analogies on the CPU: cosines of the questions' few words, bounds, float64 scores.

Plan      A set of questions has few distinct words (Google's 19,544 questions: 905), and the score of every
          method is made of three cosines of a candidate with such words. BLAS multiplies a tile of unit
          candidates with all words in float32; a question then costs an addition (or a product) and a
          comparison a candidate, not d products: questions are sorted by (a, b), whose part is computed
          once a tile.
          A candidate whose upper bound reaches the question's k-th score so far is scored by definition
          and inserted. The first rows, in most tables the frequent words, give thresholds to all workers.
Bound     δ = (d + 8)·2⁻²⁴ of a float32 cosine, as in cosine_search; SLACK and RELATIVE cover the float32
          roundings of what is made of three of them.
Bound by  float32 products of the words, then an addition and a comparison a question and candidate.
Weak case tables whose scores all lie within the bound of each other run at float64 speed.
Rejected  A search of the Q vectors b − a + c: 2·Q·V·d operations, 22 times the products for Google's set.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, FloatMatrix, Int32, Int64, wide
from gpuemb.core.jit import njit, njit_inline
from gpuemb.core.memory import MemoryPlan, buffer, tiles
from gpuemb.kernels.analogy_search import EPSILON, METHODS, SHORTEST, Method
from gpuemb.kernels.cosine_search import unit_rows
from gpuemb.kernels.cosine_topk import TopK
from gpuemb.kernels.intrinsics import borrowed
from gpuemb.kernels.scoring import LANES, defined_dot, measure_lengths

TILE = 1 << 19  # cosines of a worker: 2 MB, of which the questions of a section need a part
NARROWEST, WIDEST = 64, 1024  # candidates of a tile
HEAD = 2048  # candidates that are searched first, for the thresholds of all workers
TASKS_A_WORKER = 4
SLACK = 2.0**-20  # of sums of float32 cosines: four roundings of numbers below 4 are 2⁻²¹
RELATIVE = 1 - 2.0**-20  # of products and quotients: five roundings are 5·2⁻²⁴
ADD, MULTIPLY, DIRECTION = range(len(METHODS))


class Questions(NamedTuple):
    """Questions in the order of their first two words.

    Attributes:
        places: ``(Q, 3)`` places of a, b, c among the words.
        along: ``(Q,)`` cos(c,b) − cos(c,a).
        length: ``(Q,)`` √(2 − 2cos(a,b)), 0 for a question without an answer.
        rows: ``(U, 16·g)`` the words, padded with zeros.
        lengths: ``(U,)`` √κ.
        groups: ``(U,)``.
    """

    places: Int64
    along: Float64
    length: Float64
    rows: FloatMatrix
    lengths: Float64
    groups: Int64


class Candidates(NamedTuple):
    """A tile of candidates, whose first is row ``first`` of the table.

    Attributes:
        cosines: ``(U, t)`` of all words with each, in float32.
        inverse: ``(U, t)`` upper bounds of 1/√(2 − 2cos), or nothing.
        part: ``(t,)`` what the first two words of a question make.
        rows: ``(V, d)`` the whole table.
        groups: ``(V,)``.
        buffer: ``(1, 16·g)`` one row, padded with zeros.
    """

    cosines: Float32
    inverse: Float32
    part: Float32
    rows: FloatMatrix
    groups: Int64
    buffer: FloatMatrix


class Found(NamedTuple):
    """Sorted lists of the best candidates of some rows.

    Attributes:
        ids: ``(Q, k)`` −1 padded.
        scores: ``(Q, k)`` descending, −∞ padded.
        floor: ``(Q,)`` scores below are not wanted.
        filled: ``(Q,)`` entries of each list.
    """

    ids: Int32
    scores: Float64
    floor: Float64
    filled: Int64


def analogy_search(
    rows: FloatMatrix,
    words: FloatMatrix,
    questions: Int64,
    groups: Int64,
    word_groups: Int64,
    k: int,
    method: Method,
) -> TopK:
    """See :mod:`gpuemb.kernels.analogy_search`."""
    code, step = METHODS.index(method), _step(len(words))
    plan(rows.shape, len(words), len(questions), k).require()
    table, order = np.ascontiguousarray(rows, wide(rows)), np.lexsort(questions.T[::-1])
    asked = _prepared(np.ascontiguousarray(words, wide(words)), questions[order], word_groups, code)
    unit, unit_words = unit_rows(table), unit_rows(np.ascontiguousarray(words, wide(words)))

    def search(part: tuple[int, int], floor: Float64) -> Found:
        shape = (len(order), k)
        found = Found(
            np.full(shape, -1, np.int32), np.full(shape, -np.inf), floor, np.zeros(len(order), np.int64)
        )
        buffer, delta = np.zeros((1, asked.rows.shape[1]), table.dtype), (rows.shape[1] + 8) * 2.0**-24
        for first, last in ((part[0] + a, part[0] + b) for a, b in tiles(part[1] - part[0], step)):
            cosines = unit_words @ unit[first:last].T
            inverse = inverse_lengths(cosines, delta) if code == DIRECTION else cosines[:0]
            line = np.empty(last - first, np.float32)
            add_answers(
                asked, Candidates(cosines, inverse, line, table, groups, buffer), found, code, first, delta
            )
        return found

    with threads.single_threaded_blas():
        head = search((0, min(HEAD, len(table))), np.full(len(order), -np.inf))
        rest = threads.ranges(max(len(table) - HEAD, 0), TASKS_A_WORKER * threads.count())
        others = threads.run(lambda part: search((HEAD + part[0], HEAD + part[1]), head.scores[:, -1]), rest)
    ids, scores = _merged([head, *others], k)
    back = np.argsort(order)
    return TopK(ids[back], scores[back], refined=len(order))


def plan(shape: tuple[int, ...], words: int, questions: int, k: int) -> MemoryPlan:
    """Bytes beside the table."""
    workers = threads.count()
    return MemoryPlan(
        f"analogy_search of {questions} questions among {shape[0]} rows, {shape[1]} dimensions",
        {
            "unit rows": buffer((shape[0] + words, shape[1]), np.float32),
            "words": buffer((words, shape[1] + LANES + 2), np.float64),
            "tiles of cosines": workers * buffer((2 * words, _step(words)), np.float32),
            "lists": (TASKS_A_WORKER * workers + 3) * questions * (12 * k + 16),
        },
    )


def _step(words: int) -> int:
    return max(NARROWEST, min(WIDEST, TILE // max(words, 1) // NARROWEST * NARROWEST))


def _prepared(words: FloatMatrix, questions: Int64, groups: Int64, code: int) -> Questions:
    rows = np.zeros((len(words), -(-words.shape[1] // LANES) * LANES), words.dtype)
    rows[:, : words.shape[1]] = words
    lengths = np.empty(len(rows))
    measure_lengths(rows, lengths, 0, len(rows))
    asked = Questions(
        np.ascontiguousarray(questions, np.int64),
        np.zeros(len(questions)),
        np.zeros(len(questions)),
        rows,
        lengths,
        np.ascontiguousarray(groups, np.int64),
    )
    prepare(asked, code)
    return asked


@njit
def prepare(asked: Questions, code: int) -> None:
    """Compute what a question's own words give."""
    for q in range(len(asked.places)):
        a, b, c = asked.places[q]
        if asked.lengths[a] > 0 and asked.lengths[b] > 0 and asked.lengths[c] > 0:
            asked.length[q] = 1.0
            if code == DIRECTION:
                squared = 2 - 2 * _cosine(asked, a, b)
                asked.along[q] = _cosine(asked, c, b) - _cosine(asked, c, a)
                asked.length[q] = np.sqrt(squared) if squared > SHORTEST else 0.0


@njit_inline
def _cosine(asked: Questions, first: int, second: int) -> float:
    at, width = asked.rows.ctypes.data, asked.rows.strides[0]
    groups = asked.rows.shape[1] // LANES
    dot = defined_dot(asked.rows, at + first * width, at + second * width, groups)
    cosine: float = dot / (asked.lengths[first] * asked.lengths[second])
    return cosine


@njit
def add_answers(
    asked: Questions, tile: Candidates, found: Found, code: int, first: int, delta: float
) -> None:
    """Add the answers among a tile of candidates, whose cosines with all words are right within ``delta``."""
    asked, tile, found = borrowed(asked), borrowed(tile), borrowed(found)
    previous_a, previous_b = -1, -1
    for q in range(len(asked.places)):
        if asked.length[q] == 0:
            continue
        a, b, c = asked.places[q, 0], asked.places[q, 1], asked.places[q, 2]
        if a != previous_a or b != previous_b:
            _set_part(tile.part, tile.cosines[a], tile.cosines[b], code, delta)
            previous_a, previous_b = a, b
        line = tile.inverse[c] if code == DIRECTION else tile.cosines[c]
        shift = _shift(asked, q, code, delta)
        if _passing(tile.part, line, code, shift, _threshold(asked, found, q, code, delta)) == 0:
            continue
        for place in range(line.size):
            needed = _threshold(asked, found, q, code, delta)
            if _bound(tile.part[place], line[place], code, shift) >= needed:
                _add(q, first + place, code, asked, tile, found)


@njit
def inverse_lengths(cosines: Float32, delta: float) -> Float32:
    """Upper bounds of 1/√(2 − 2cos)."""
    inverse = np.empty_like(cosines)
    least, most = np.float32(SHORTEST), np.float32(2 - 2 * delta - SLACK)
    for word in range(cosines.shape[0]):
        for place in range(cosines.shape[1]):
            squared = max(most - np.float32(2) * cosines[word, place], least)
            inverse[word, place] = np.float32(1) / np.sqrt(squared)
    return inverse


@njit
def _set_part(part: Float32, a: Float32, b: Float32, code: int, delta: float) -> None:
    """The part of a score, or its upper bound, that the first two words make."""
    one, more, less = np.float32(1), np.float32(delta + SLACK), np.float32(2 * EPSILON)
    for place in range(part.size):
        if code == MULTIPLY:
            part[place] = (one + b[place] + more) / (max(one + a[place] - more, np.float32(0)) + less)
        else:
            part[place] = b[place] - a[place]


@njit_inline
def _shift(asked: Questions, q: int, code: int, delta: float) -> np.float32:
    """What is added to a factor: to 1 + cos(w,c), or to cos(w,b) − cos(w,a)."""
    if code == MULTIPLY:
        return np.float32(1 + delta + SLACK)
    return np.float32(2 * delta + SLACK - asked.along[q])


@njit_inline
def _threshold(asked: Questions, found: Found, q: int, code: int, delta: float) -> np.float32:
    """What the bound of :func:`_bound` must reach."""
    least = max(found.floor[q], found.scores[q, found.scores.shape[1] - 1])
    if code == ADD:
        return np.float32(least - 3 * delta - SLACK)
    if least <= 0:
        return np.float32(-np.inf)  # bounds are of positive scores
    return np.float32(least * RELATIVE * (2.0 if code == MULTIPLY else asked.length[q]))


@njit_inline
def _bound(part: np.float32, line: np.float32, code: int, shift: np.float32) -> np.float32:
    if code == ADD:
        return part + line
    if code == MULTIPLY:
        return part * (line + shift)
    return (part + shift) * line


@njit
def _passing(part: Float32, line: Float32, code: int, shift: np.float32, needed: np.float32) -> np.int32:
    """How many candidates reach the threshold."""
    passing = np.int32(0)
    if code == ADD:
        for place in range(part.size):
            passing += np.int32(part[place] + line[place] >= needed)
    elif code == MULTIPLY:
        for place in range(part.size):
            passing += np.int32(part[place] * (line[place] + shift) >= needed)
    else:
        for place in range(part.size):
            passing += np.int32((part[place] + shift) * line[place] >= needed)
    return passing


@njit
def _add(q: int, row: int, code: int, asked: Questions, tile: Candidates, found: Found) -> None:
    """Score a candidate by definition; insert it behind all scores that are not smaller."""
    asked, tile, found = borrowed(asked), borrowed(tile), borrowed(found)
    a, b, c = asked.places[q, 0], asked.places[q, 1], asked.places[q, 2]
    group = tile.groups[row]
    if group == asked.groups[a] or group == asked.groups[b] or group == asked.groups[c]:
        return
    for column in range(tile.rows.shape[1]):
        tile.buffer[0, column] = tile.rows[row, column]
    at, many, start = tile.buffer.ctypes.data, tile.buffer.shape[1] // LANES, asked.rows.ctypes.data
    own, width = np.sqrt(defined_dot(tile.buffer, at, at, many)), asked.rows.strides[0]
    if own == 0:
        return
    to_a = defined_dot(tile.buffer, start + a * width, at, many) / (asked.lengths[a] * own)
    to_b = defined_dot(tile.buffer, start + b * width, at, many) / (asked.lengths[b] * own)
    to_c = defined_dot(tile.buffer, start + c * width, at, many) / (asked.lengths[c] * own)
    if code == ADD:
        score = (to_b - to_a) + to_c
    elif code == MULTIPLY:
        score = ((1 + to_b) / 2 * ((1 + to_c) / 2)) / ((1 + to_a) / 2 + EPSILON)
    else:
        squared = 2 - 2 * to_c
        if squared <= SHORTEST:
            return
        score = ((to_b - to_a) - asked.along[q]) / (np.sqrt(squared) * asked.length[q])
    scores, ids, count = found.scores[q], found.ids[q], found.filled[q]
    if count == scores.size and score <= scores[count - 1]:
        return
    place = min(count, scores.size - 1)
    while place > 0 and scores[place - 1] < score:
        scores[place], ids[place] = scores[place - 1], ids[place - 1]
        place -= 1
    scores[place], ids[place] = score, row
    found.filled[q] = min(count + 1, scores.size)


def _merged(parts: list[Found], k: int) -> tuple[Int32, Float64]:
    """Merge the parts' lists: higher scores first, equal ones by row."""
    ids = np.concatenate([part.ids for part in parts], axis=1)
    scores = np.concatenate([part.scores for part in parts], axis=1)
    order = np.lexsort((ids, -scores), axis=1)[:, :k]
    best, found = np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
    return best, np.where(best >= 0, found, np.nan)
