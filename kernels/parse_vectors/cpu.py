"""Text vectors on the CPU: eight characters at a time, one thread a call.

Plan      The caller gives each worker its own lines; one pass counts line ends, the next reads. The common
          token, ``[-]d.ffffff``, costs one 8-byte load, one bit count and three multiplications for its
          fraction, without a branch on its sign or length. Every other token is read digit by digit, and a
          line with separators in its word is read again from its end.
Rounding  ``m·10^e`` with m ≤ 2⁵³ and |e| ≤ 22 is one correctly rounded operation on exact float64
          (Clinger 1990). Otherwise the same operation errs below 2⁻⁵¹; where both ends of ±2⁻⁵⁰ round to one
          float32 that is the answer, and a line with a token in between is read by the reference.
Bound by  the chain from one token's length to the next one's place: about 20 cycles a token.
Source    eight digits at once: Lemire (2021), Software: Practice and Experience 51, 1700-1727.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpuemb.core.arrays import Float32, Int64
from gpuemb.core.jit import njit, njit_inline
from gpuemb.kernels.intrinsics import load_eight, trailing_zeros
from gpuemb.kernels.parse_vectors import (
    BLANK,
    GOOD,
    HASH_BEGIN,
    HASH_FACTOR,
    NONFINITE,
    RAGGED,
    Bytes,
    Hashes,
    ParsedLines,
    parse_line,
)

TAB, NEWLINE, RETURN, SPACE, PLUS, MINUS, DOT, ZERO = b"\t\n\r +-.0"
UNDECIDED = 4  # GOOD or NONFINITE: decided by the reference
FINITE, DOUBTFUL, INFINITE, NO_NUMBER = range(4)

EXACT_INTEGER, EXACT_POWER = np.uint64(1 << 53), 22  # integers and powers of ten that are float64 numbers
MOST_DIGITS, LARGEST_POWER = 19, 300  # 10¹⁹ < 2⁶⁴; beyond 10^±300 every float32 is infinite or 0
LARGEST_EXPONENT = 10**9  # bound of an exponent: no line has enough digits to compensate
POWERS = np.array([float(f"1e{e}") for e in range(LARGEST_POWER + 1)])
INTEGER_POWERS = np.array([10**e for e in range(MOST_DIGITS + 1)], np.uint64)
SIGNED_POWERS = np.array([POWERS[:9], -POWERS[:9]])  # dividing by it sets the sign, of 0 too
ABOVE, BELOW = 1 + 2.0**-50, 1 - 2.0**-50

EIGHT_ZEROS = np.uint64(int.from_bytes(b"0" * 8))
PAST_NINE = np.uint64(int.from_bytes(bytes([0x80 - 10] * 8)))  # sets the top bit of bytes above 9
TOP_BITS = np.uint64(int.from_bytes(b"\x80" * 8))
PAIRS = np.uint64(0x000000FF_000000FF)
FIRST_PAIRS = np.uint64(100 + (1_000_000 << 32))
LAST_PAIRS = np.uint64(1 + (10_000 << 32))
B3, B8, B16, B32, B64 = (np.uint64(bits) for bits in (3, 8, 16, 32, 64))
TEN, TEN_TO_EIGHT = np.uint64(10), np.uint64(10**8)
REACH = 32  # bytes read ahead on the fast path


def parse_vectors(text: Bytes, dim: int) -> ParsedLines:
    """See :mod:`gpuemb.kernels.parse_vectors`."""
    text = np.asarray(text).view()
    text.flags.writeable = False  # one compiled kernel for memory maps and for buffers
    ended = bool(text.size) and text[-1] == NEWLINE
    lines = int(np.count_nonzero(text == NEWLINE)) + (text.size > 0 and not ended)
    starts, status = np.empty(lines, np.int64), np.empty(lines, np.uint8)
    most = min(lines, text.size // (2 * dim) + 1)  # a number and its separator take two bytes
    vectors, words = np.empty((most, dim), np.float32), np.empty(text.size + 1, np.uint8)
    hashes = np.empty(most, np.uint64)
    rows, spelled, doubtful = _parse(text, vectors, words, hashes, starts, status)
    found = ParsedLines(vectors[:rows], words[:spelled], hashes[:rows], starts, status)
    return _read_undecided(text, found) if doubtful else found


def _read_undecided(text: Bytes, found: ParsedLines) -> ParsedLines:
    """Read lines again with numbers too close to the middle of two float32."""
    stops = np.append(found.starts, text.size)
    kept = np.ones(len(found.vectors), bool)
    row_of_line = np.cumsum((found.status == GOOD) | (found.status == UNDECIDED)) - 1
    for line in np.flatnonzero(found.status == UNDECIDED).tolist():
        row = row_of_line[line]
        whole = text[stops[line] : stops[line + 1]].tobytes().removesuffix(b"\n")
        found.status[line], _, numbers = parse_line(whole, found.vectors.shape[1])
        kept[row] = found.status[line] == GOOD
        if kept[row]:
            found.vectors[row] = numbers
    if kept.all():
        return found
    words = [word for word, keep in zip(found.words.tobytes().split(b"\n"), kept, strict=False) if keep]
    joined = np.frombuffer(b"\n".join([*words, b""]), np.uint8)
    return ParsedLines(found.vectors[kept], joined, found.hashes[kept], found.starts, found.status)


@njit
def _parse(
    text: Bytes, vectors: Float32, words: Bytes, hashes: Hashes, starts: Int64, status: Bytes
) -> tuple[int, int, int]:
    """Fill the outputs; return the numbers of rows, bytes of the words, and undecided lines."""
    at, rows, spelled, doubtful = 0, 0, 0, 0
    for line in range(starts.size):
        starts[line] = at
        row = vectors[rows]
        word, after = _plain_line(text, at, row)
        outcome = GOOD
        if after < 0:
            stop = at
            while stop < text.size and text[stop] != NEWLINE:
                stop += 1
            after = stop + 1
            outcome, word = _any_line(text, at, stop, row)
        status[line] = outcome
        if outcome in (GOOD, UNDECIDED):
            mixed = HASH_BEGIN
            for place in range(at, word):
                words[spelled] = text[place]
                mixed = (mixed ^ np.uint64(text[place])) * HASH_FACTOR
                spelled += 1
            hashes[rows] = mixed
            words[spelled] = NEWLINE
            spelled += 1
            rows += 1
            doubtful += outcome == UNDECIDED
        at = after
    return rows, spelled, doubtful


@njit
def _plain_line(text: Bytes, at: Any, row: Float32) -> tuple[int, int]:
    """Read a plain line; return the end of its word and the next line's begin, or -1 if it is not plain."""
    last = text.size - REACH
    while at < last and text[at] > SPACE:
        at += 1
    while at < last and text[at] != SPACE and text[at] != TAB and text[at] != NEWLINE:
        at += 1
    word = at
    for column in range(row.size):
        if at > last or (text[at] != SPACE and text[at] != TAB):
            return word, -1
        at += 1
        minus = text[at] == MINUS
        begin = at
        at += np.int64(minus)
        lead = np.uint8(text[at] - ZERO)
        outcome = NO_NUMBER
        if lead < 10 and text[at + 1] == DOT:
            whole = np.uint64(lead)
            digits = load_eight(text, at + 2) ^ EIGHT_ZEROS
            others = ((digits + PAST_NINE) | digits) & TOP_BITS
            count = trailing_zeros(others) >> B3
            fraction = count
            if others == 0:
                whole = whole * TEN_TO_EIGHT + _eight_digits(digits)
                digits = load_eight(text, at + 10) ^ EIGHT_ZEROS
                others = ((digits + PAST_NINE) | digits) & TOP_BITS
                count = trailing_zeros(others) >> B3
                fraction = np.uint64(8) + count
            behind = at + 2 + np.int64(fraction)
            if count != 0 and others != 0 and text[behind] <= SPACE:
                at = behind
                digits <<= B64 - (count << B3)
                whole = whole * INTEGER_POWERS[count] + _eight_digits(digits)
                if fraction <= B8:
                    power = SIGNED_POWERS[np.uint64(minus), fraction]
                    row[column] = np.float32(np.float64(np.int64(whole)) / power)
                    continue
                value, outcome = _rounded(whole, -np.int64(fraction), False)
                row[column] = -value if minus else value
        if outcome == NO_NUMBER:
            at, value, outcome = _number(text, begin, text.size)
            row[column] = value
        if outcome != FINITE:
            return word, -1
    while at < last and (text[at] == SPACE or text[at] == TAB):
        at += 1
    if at < last and text[at] == RETURN:
        at += 1
    if at < last and text[at] == NEWLINE:
        return word, at + 1
    return word, -1


@njit_inline
def _eight_digits(digits: Any) -> Any:
    """Number of eight digits 0…9, the first in the lowest byte."""
    digits = digits * TEN + (digits >> B8)
    return (((digits & PAIRS) * FIRST_PAIRS) + (((digits >> B16) & PAIRS) * LAST_PAIRS)) >> B32


@njit
def _any_line(text: Bytes, begin: int, stop: int, row: Float32) -> tuple[int, int]:
    """Read any line ``text[begin:stop]``; return its status and the end of its word."""
    if stop > begin and text[stop - 1] == RETURN:
        stop -= 1
    stop = _before(text, begin, stop, True)
    if stop == begin:
        return BLANK, begin
    first = stop
    for column in range(row.size):
        if column:
            first = _before(text, begin, first, True)
        behind = first
        first = _before(text, begin, first, False)
        if first in (behind, begin):
            return RAGGED, begin
    at, outcome = first, GOOD
    for column in range(row.size):
        while text[at] == SPACE or text[at] == TAB:
            at += 1
        at, row[column], kind = _number(text, at, stop)
        if kind == NO_NUMBER:
            return RAGGED, begin
        if kind == INFINITE:
            outcome = NONFINITE
        elif kind == DOUBTFUL and outcome == GOOD:
            outcome = UNDECIDED
    if _ends_in_a_number(text, begin, first - 1):
        return RAGGED, begin
    return outcome, first - 1


@njit
def _ends_in_a_number(text: Bytes, begin: int, stop: int) -> bool:
    """As in the reference, for each part of a word that a carriage return ends."""
    for place in range(begin, stop + 1):
        if place == stop or text[place] == RETURN:
            last = _before(text, begin, place, True)
            token = _before(text, begin, last, False)
            if last - token not in (0, place - begin) and _number(text, token, last)[2] != NO_NUMBER:
                return True
            begin = place + 1
    return False


@njit
def _before(text: Bytes, begin: int, stop: int, separators: bool) -> int:
    while stop > begin and (text[stop - 1] == SPACE or text[stop - 1] == TAB) == separators:
        stop -= 1
    return stop


@njit
def _number(text: Bytes, at: int, stop: int) -> tuple[int, float, int]:
    """Read one token that ends at ``stop``, a separator or line end; return its end, value and kind."""
    minus = at < stop and text[at] == MINUS
    if at < stop and (minus or text[at] == PLUS):
        at += 1
    whole: Any = np.uint64(0)
    exponent, seen, kept, cut, point = 0, 0, 0, False, False
    while at < stop:
        digit = np.uint8(text[at] - ZERO)
        if digit < 10:
            seen += 1
            if kept == MOST_DIGITS:
                cut |= bool(digit != 0)
                exponent += not point
            else:
                whole = whole * TEN + np.uint64(digit)
                kept += bool(kept > 0 or digit > 0)
                exponent -= point
        elif text[at] == DOT and not point:
            point = True
        else:
            break
        at += 1
    if seen == 0:
        at = _name(text, at, stop) if not point else -1
        return at, np.inf, NO_NUMBER if at < 0 else INFINITE
    if at < stop and text[at] | 32 == 101:  # e, E
        at, power = _exponent(text, at + 1, stop)
        exponent += power
    if at < 0 or not _ends_token(text, at, stop):
        return at, 0.0, NO_NUMBER
    value, kind = _rounded(whole, exponent, cut)
    return at, -value if minus else value, kind


@njit
def _exponent(text: Bytes, at: int, stop: int) -> tuple[int, int]:
    """Read ``[+-]digits``; the place is -1 without a digit."""
    minus = at < stop and text[at] == MINUS
    if at < stop and (minus or text[at] == PLUS):
        at += 1
    power: Any = 0
    first = at
    while at < stop and np.uint8(text[at] - ZERO) < 10:
        power = min(power * 10 + np.int64(text[at] - ZERO), LARGEST_EXPONENT)
        at += 1
    return -1 if at == first else at, -power if minus else power


@njit
def _name(text: Bytes, at: int, stop: int) -> int:
    """End of ``inf``, ``infinity`` or ``nan`` at ``at``, -1 for anything else."""
    length = 0
    while not _ends_token(text, at + length, stop):
        length += 1
    for name in (b"inf", b"nan", b"infinity"):
        if length == len(name):
            same = True
            for place in range(length):
                same &= (text[at + place] | 32) == name[place]
            if same:
                return at + length
    return -1


@njit
def _ends_token(text: Bytes, at: int, stop: int) -> bool:
    if at >= stop or text[at] == SPACE or text[at] == TAB or text[at] == NEWLINE:
        return True
    return text[at] == RETURN and at + 1 < stop and text[at + 1] == NEWLINE


@njit
def _rounded(whole: Any, exponent: Any, cut: bool) -> tuple[Any, int]:
    """``whole·10^exponent`` through float64 to float32; ``cut``: nonzero digits follow."""
    if whole == 0 or exponent < -LARGEST_POWER:
        return np.float32(0.0), FINITE
    if exponent > LARGEST_POWER:
        return np.float32(np.inf), INFINITE
    if whole < EXACT_INTEGER and abs(exponent) <= EXACT_POWER and not cut:
        number = np.float64(np.int64(whole))
        value = np.float32(number / POWERS[-exponent] if exponent < 0 else number * POWERS[exponent])
        return value, INFINITE if np.isinf(value) else FINITE
    about = np.float64(whole)
    about = about / POWERS[-exponent] if exponent < 0 else about * POWERS[exponent]
    low, high = np.float32(about * BELOW), np.float32(about * ABOVE)
    if low != high:
        return high, DOUBTFUL
    return low, INFINITE if np.isinf(low) else FINITE
