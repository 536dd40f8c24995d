"""Text vectors as in real files: accepted lines, rejected lines, and messages."""

from __future__ import annotations

import io
from collections.abc import Collection
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from slow import cases
from tolerances import assert_same_bits

from gpuemb.core import threads
from gpuemb.core.errors import FileFormatError, GpuembError, NonFiniteError, VocabularyError
from gpuemb.core.progress import SILENT
from gpuemb.embeddings.files import growable_table, lines
from gpuemb.embeddings.files.table import Table
from gpuemb.embeddings.files.text import read_text, write_text
from gpuemb.kernels.parse_vectors import ends_in_a_number

BOM = b"\xef\xbb\xbf"
words_of_any_kind = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=6).filter(
    lambda word: not ends_in_a_number(word.encode()) and not word.startswith("\ufeff")
)


def read(
    text: bytes,
    *,
    block: int | None = None,
    header: bool | None = None,
    dim: int | None = None,
    limit: int | None = None,
    words: Collection[str] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    size: int | None = -1,
) -> Table:
    """Read bytes, given in blocks of a size."""
    data = np.frombuffer(text, np.uint8)
    step = block or max(1, len(text))
    return read_text(
        (data[at : at + step] for at in range(0, len(text), step)),
        name="some.txt",
        size=len(text) if size == -1 else size,
        header=header,
        dim=dim,
        limit=limit,
        words=words,
        on_error=on_error,
        progress=SILENT,
    )


def content(table: Table) -> dict[str, list[float]]:
    return dict(zip(table.words, np.asarray(table.vectors).tolist(), strict=True))


def written(words: list[str], vectors: NDArray[Any], *, header: bool = False) -> bytes:
    file = io.BytesIO()
    write_text(words, vectors, file, header=header)
    return file.getvalue()


PLAIN = {"a": [1.0, 2.0], "b": [3.0, 4.0]}


@pytest.mark.parametrize(
    "text",
    [
        b"a 1 2\nb 3 4\n",
        b"2 2\na 1 2\nb 3 4\n",
        b"2 2 \na 1 2 \nb 3 4 \n",
        b"2\t2\na\t1\t2\nb\t3\t4\n",
        b"a 1 2\nb 3 4",
        b"2 2\na 1 2\nb 3 4",
        b"a 1 2\r\nb 3 4\r\n",
        b"2 2\r\na 1 2 \r\nb 3 4 \r\n",
        BOM + b"a 1 2\nb 3 4\n",
        BOM + b"2 2\r\na 1 2\r\nb 3 4",
        b"a 1 2\n\nb 3 4\n\n\n",
        b"\n\na 1 2\nb 3 4\n",
        b"\n2 2\na 1 2\nb 3 4\n",
        b"a 1.0e0 +2\nb 3. 4\n",
    ],
)
@pytest.mark.parametrize("block", [None, 1, 3])
def test_one_table_in_many_spellings(text: bytes, block: int | None) -> None:
    assert content(read(text, block=block)) == PLAIN


@pytest.mark.parametrize(
    "word",
    ["7", "nan", "inf", "null", '"', "", " ", ". . .", "a b", "1e5", "-", "\u3000", "\r", "NA"],
)
@pytest.mark.parametrize("place", [0, 1])
def test_any_word_may_stand_first_or_later(word: str, place: int) -> None:
    words = ["a", "b"]
    words[place] = word
    text = "".join(f"{w} 0.5 {n}.25\n" for n, w in enumerate(words)).encode()
    assert read(text).words == words
    assert read(b"2 2\n" + text).words == words


@given(
    words=st.lists(words_of_any_kind, min_size=1, max_size=8, unique=True),
    header=st.booleans(),
    dim=st.integers(1, 5),
    seed=st.integers(0, 999),
    block=st.integers(1, 64),
)
def test_what_was_written_is_read_bit_for_bit(
    words: list[str], header: bool, dim: int, seed: int, block: int
) -> None:
    patterns = np.random.default_rng(seed).integers(0, (255 << 23) - 1, (len(words), dim), dtype=np.uint32)
    vectors = patterns.view(np.float32)
    table = read(written(words, vectors, header=header), header=header, dim=dim, block=block)
    assert table.words == words
    assert_same_bits(table.vectors, vectors)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_are_written_as_float32(dtype: Any) -> None:
    vectors = np.random.default_rng(1).standard_normal((5, 3)).astype(dtype)
    assert_same_bits(read(written(list("abcde"), vectors)).vectors, vectors.astype(np.float32))


def test_files_look_as_other_tools_write_them() -> None:
    vectors = np.array([[0.418, -1], [1e-5, 100]], np.float32)
    assert written(["the", "é"], vectors) == "the 0.418 -1.0\né 1e-05 100.0\n".encode()
    assert written(["the", "é"], vectors, header=True).startswith(b"2 2\nthe ")


# Header or row.


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (b"7 3\n8 1\n", {"7": [3.0], "8": [1.0]}),  # d = 1 and words that are numbers
        (b"7 1\n8 2\n9 3\n", {"7": [1.0], "8": [2.0], "9": [3.0]}),
        (b"2 1\n8 2\n9 3\n", {"8": [2.0], "9": [3.0]}),  # as many rows as promised
        (b"7 3\n", {"7": [3.0]}),
        (b"2 2\n1 2 3\n4 5 6\n", {"1": [2.0, 3.0], "4": [5.0, 6.0]}),
        (b"2 2.0\n1 2\n", {"2": [2.0], "1": [2.0]}),
    ],
)
def test_a_header_is_told_from_a_row(text: bytes, rows: dict[str, list[float]]) -> None:
    assert content(read(text)) == rows


def test_the_header_can_be_settled_by_the_caller() -> None:
    assert content(read(b"2 1\n8 2\n9 3\n", header=False)) == {"2": [1.0], "8": [2.0], "9": [3.0]}
    assert content(read(b"1 1\n8 2\n", header=True)) == {"8": [2.0]}
    with pytest.raises(FileFormatError, match="has no header: it begins with 'a 1 2'"):
        read(b"a 1 2\n", header=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"3 2\na 1 2\nb 3 4\n", "says 3 words, but 2 rows follow"),
        (b"1 2\na 1 2\nb 3 4\n", "says 1 words, but 2 rows follow"),
        (b"99999999999999 2\na 1 2\nb 3 4\n", "says 99999999999999 words, but 2 rows"),
        (b"2 5\na 1 2\nb 3 4\n", "says 5 dimensions, but rows have 2 numbers"),
        (b"2 99999999999999\na 1 2\nb 3 4\n", "says 99999999999999 dimensions"),
    ],
)
def test_a_header_that_lies_is_told_with_both_numbers(text: bytes, said: str) -> None:
    with pytest.raises(FileFormatError, match=said) as refusal:
        read(text)
    assert str(refusal.value).startswith("load: some.txt")
    assert len(str(refusal.value).splitlines()) == 3


def test_a_limit_does_not_ask_for_the_rest_of_the_file() -> None:
    assert content(read(b"9 2\na 1 2\nb 3 4\n", limit=2)) == PLAIN


def test_dim_settles_what_a_row_is() -> None:
    assert content(read(b"x 5 a 1 2\nb 3 4\n", dim=2)) == {"x 5 a": [1.0, 2.0], "b": [3.0, 4.0]}
    with pytest.raises(FileFormatError, match="2 numbers where 3 are expected"):
        read(b"a 1 2\n", dim=3)


# Lines that cannot be read.


def test_a_first_line_unlike_the_others_is_the_one_that_is_named() -> None:
    text = b"area 51 1 2\nb 3 4\nc 5 6\n"
    with pytest.raises(FileFormatError, match="line 1: 3 numbers where 2 are expected") as refusal:
        read(text)
    assert "may be the end of a word with spaces" in str(refusal.value)
    with pytest.raises(FileFormatError, match="line 2: 3 numbers where 2 are expected"):
        read(b"3 2\n" + text)


@pytest.mark.parametrize(
    ("line", "kind", "said"),
    [
        (b"c 5", FileFormatError, r"line 3: 1 numbers where 2 are expected; the line is 'c 5'"),
        (b"c 5 6 7", FileFormatError, r"line 3: 3 numbers where 2 are expected"),
        (b"c 5 x", FileFormatError, r"line 3: 0 numbers where 2 are expected; the line is 'c 5 x'"),
        (b"c", FileFormatError, "line 3"),
        (b"c 1_0 5", FileFormatError, "line 3: 1 numbers"),
        (b"c 0x1p3 5", FileFormatError, "line 3: 1 numbers"),
        (b"c nan 5", NonFiniteError, "line 3: the row of 'c' holds NaN"),
        (b"c 5 -inf", NonFiniteError, "line 3: the row of 'c'"),
        (b"c 5 1e39", NonFiniteError, "line 3: the row of 'c' holds NaN or a number beyond float32"),
        (b"c\xff 5 6", FileFormatError, "line 3, byte 13: ff is not UTF-8"),
        (b"\xc3\xa9\xe9t\xe9 5 6", FileFormatError, "line 3, byte 14: e9 74 e9 is not UTF-8"),
        (b"\xed\xa0\x80 5 6", FileFormatError, "line 3, byte 12: ed a0 80 is not UTF-8"),
    ],
)
@pytest.mark.parametrize("block", [None, 1, 5])
def test_a_bad_line_is_named_or_counted(
    line: bytes, kind: type[GpuembError], said: str, block: int | None
) -> None:
    text = b"a 1 2\nb 3 4\n" + line + b"\nd 5 6\n"
    with pytest.raises(kind, match=said) as refusal:
        read(text, block=block)
    assert str(refusal.value).startswith("load: some.txt, line 3")
    assert len(str(refusal.value).splitlines()) == 3
    table = read(text, on_error="skip", block=block)
    assert content(table) == PLAIN | {"d": [5.0, 6.0]}
    assert (table.skipped, table.duplicates) == (1, 0)


def test_the_first_bad_line_is_named_whatever_its_kind() -> None:
    with pytest.raises(FileFormatError, match="line 2, byte"):
        read(b"a 1\n\xff 2\nc nan\nd\n")
    with pytest.raises(NonFiniteError, match="line 3"):
        read(b"1 1\na 1\nc nan\n\xff 2\nd\n", header=True)


@pytest.mark.parametrize("begin", [b"", b"2 2\r", b"2 2\n", BOM])
@pytest.mark.parametrize("ends", [b"\r", b" \r"])
@pytest.mark.parametrize("options", [{}, {"limit": 1}, {"words": ["a"]}])
def test_rows_that_end_in_a_carriage_return_alone_are_refused(
    options: dict[str, Any], ends: bytes, begin: bytes
) -> None:
    text = begin + ends.join([b"a 1 2", b"b 3 4", b""])
    with pytest.raises(FileFormatError, match="end in a carriage return alone") as refusal:
        read(text, **options)
    assert "tr '\\r' '\\n'" in str(refusal.value)
    with pytest.raises(FileFormatError):
        read(text, **options, on_error="skip")


def test_a_file_of_carriage_returns_alone_is_refused_whatever_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "PIECE", 32)
    monkeypatch.setattr(lines, "LONGEST_LINE", 100)
    with pytest.raises(FileFormatError, match="end in a carriage return alone"):
        read(b"a 1 2\r" * 500)


def test_lines_are_counted_over_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "PIECE", 64)
    text = BOM + b"1000 1\r\n" + b"".join(b"w%d 1\r\n" % n for n in range(700)) + b"bad\n"
    with pytest.raises(FileFormatError, match="line 702: 0 numbers"):
        read(text)
    text = text.replace(b"bad", b"\xff 1")
    with pytest.raises(FileFormatError, match=rf"line 702, byte {text.index(0xFF)}:"):
        read(text)


@pytest.mark.parametrize("block", [None, 7, 150])
@pytest.mark.parametrize("place", ["first", "middle", "last", "unended"])
def test_a_very_long_line_is_bounded(monkeypatch: pytest.MonkeyPatch, block: int | None, place: str) -> None:
    monkeypatch.setattr(lines, "PIECE", 32)
    monkeypatch.setattr(lines, "LONGEST_LINE", 100)
    long = b"w " + b"1 " * 500
    before, after = (
        (b"" if place == "first" else b"a 1 2\nb 3 4\n"),
        (b"" if place in ("last", "unended") else b"c 5 6\n"),
    )
    text = before + long + (b"" if place == "unended" else b"\n") + after
    with pytest.raises(
        FileFormatError, match=rf"line {1 + before.count(10)} has 100[23] bytes.*'w 1 1"
    ) as refusal:
        read(text, block=block)
    assert len(str(refusal.value)) < 400
    table = read(text, block=block, on_error="skip")
    assert table.words == (["a", "b"] if before else []) + (["c"] if after else [])
    assert table.skipped == 1


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"\r\n \n", BOM, b"abc", b"abc\ndef\n", b"1 2", b"a b c\n", b"\x00" * 50]
)
def test_what_holds_no_row_is_refused(text: bytes) -> None:
    if text == b"1 2":
        assert content(read(text)) == {"1": [2.0]}
        return
    for on_error in ("raise", "skip"):
        with pytest.raises(FileFormatError, match=r"some\.txt"):
            read(text, on_error=on_error)


# Which rows.


@pytest.mark.parametrize("block", [None, 4])
def test_the_first_of_a_word_is_kept_and_the_others_counted(block: int | None) -> None:
    text = b"a 1\nb 2\na 3\nc 4\nb 5\na 6\n"
    table = read(text, block=block)
    assert (content(table), table.duplicates) == ({"a": [1.0], "b": [2.0], "c": [4.0]}, 3)
    assert table.vectors.flags.owndata
    limited = read(text, block=block, limit=3)
    assert (content(limited), limited.duplicates) == (content(table), 1)
    chosen = read(text, block=block, words=["c", "a", "missing"])
    assert (content(chosen), chosen.duplicates) == ({"a": [1.0], "c": [4.0]}, 2)


def test_words_that_share_a_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpuemb.embeddings.files import text

    same = [np.zeros(4, np.uint64)]
    assert text._duplicates(["a", "b", "a", "b"], same) == [2, 3]
    assert text._duplicates(["a", "b", "c", "d"], same) == []


def test_words_that_are_not_there_are_told() -> None:
    with pytest.raises(VocabularyError, match=r"none of the 2 words is in some\.txt"):
        read(b"a 1\nb 2\n", words={"x", "y"})


@pytest.mark.parametrize("choice", [{"limit": 5}, {"words": ["w3"]}])
def test_reading_stops_when_all_is_there(choice: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "PIECE", 64)
    text = b"".join(b"w%d 1\n" % n for n in range(10_000))
    given_blocks = []

    def blocks() -> Any:
        for at in range(0, len(text), 128):
            given_blocks.append(at)
            yield np.frombuffer(text[at : at + 128], np.uint8)

    options = {"limit": None, "words": None} | choice
    with threads.limit(2):
        table = read_text(
            blocks(), name="x", size=None, header=None, dim=None, on_error="raise", progress=SILENT, **options
        )
    assert len(table.words) == (5 if "limit" in choice else 1)
    assert len(given_blocks) < 20


# Memory and pieces.


@pytest.mark.parametrize("size", [None, 1, 10**7])
@pytest.mark.parametrize("block", [10, 1000, 1 << 20])
def test_a_table_grows_and_shrinks_to_what_the_file_holds(
    size: int | None, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "PIECE", 256)
    vectors = np.arange(6000, dtype=np.float32).reshape(2000, 3)
    names = [f"w{n}" for n in range(2000)]
    table = read(written(names, vectors), size=size, block=block)
    assert table.words == names
    assert_same_bits(table.vectors, vectors)
    assert table.vectors.base is None


def test_a_table_never_grows_beyond_what_is_asked() -> None:
    table = growable_table.GrowableTable("x", 4, 100)
    for _ in range(5):
        table.append(np.ones((20, 4), np.float32), 10**9)
        assert len(table._table) <= 100
    assert table.take().shape == (100, 4)


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 60), st.integers(8, 200))
def test_pieces_are_the_blocks_cut_behind_line_ends(blocks: list[bytes], piece: int, longest: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "PIECE", piece)
        patch.setattr(lines, "LONGEST_LINE", longest)
        found = list(lines.pieces_of(np.frombuffer(block, np.uint8) for block in blocks))
    whole = b"".join(blocks)
    assert sum(part.size for part in found) == len(whole)
    at = 0
    for part in found:
        taken = whole[at : at + part.size]
        assert taken.startswith(part.text.tobytes())
        assert part.too_long or taken == part.text.tobytes()
        at += part.size
        assert taken.endswith(b"\n") or at == len(whole)
        assert not part.too_long or (taken.count(b"\n") <= 1 and len(taken) > longest)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_any_number_of_workers_reads_the_same(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "PIECE", 512)
    vectors = np.random.default_rng(2).standard_normal((3000, 7)).astype(np.float32)
    names = [f"é{n}" for n in range(3000)]
    with threads.limit(workers):
        table = read(written(names, vectors, header=True))
    assert table.words == names
    assert_same_bits(table.vectors, vectors)


# What cannot be written.


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("two\nlines", "holds a line break"),
        ("half \ud800", "half of a surrogate pair"),
        ("area 51", "ends in a number"),
        ("5 ", "ends in a number"),
        ("\ufeffmark", "byte order mark"),
    ],
)
def test_a_word_that_would_not_be_read_back_is_refused_by_name(word: str, said: str) -> None:
    with pytest.raises(FileFormatError, match=said) as refusal:
        written([word, "b"], np.ones((2, 1)))
    assert repr(word) in str(refusal.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_a_number_that_would_not_be_read_back_is_refused_by_its_word(value: float) -> None:
    with pytest.raises(NonFiniteError, match="the vector of 'b'"):
        written(["a", "b"], np.array([[1.0], [value]]))


# Broken files.

SEEDS = [
    b"the 0.418 0.24968 -0.41242\n, 0.013441 0.23682 -0.16899\n. 0.15164 0.30177 -0.16763\n",
    b"3 2\nking 1e-05 2\nqueen -0.5 1.25\n\xc3\xa9t\xc3\xa9 3.5 4\n",
    b"2 1\n8 2\n9 3\n",
    BOM + b"2 3\r\na\t1\t2\t3\r\n. . 1 2 3 \r\n",
    b"x " + b"0.12345678901234567 " * 20 + b"\ny " + b"1.000000059604644775390625 " * 20,
]
PARTS = [
    *(b"\n", b" ", b"\t", b"\r\n", b"\x00", b"\xff", b"nan", b"1e400", b"-", b"1_0"),
    *(b"99999999999 ", b"2 2\n", BOM, b"0" * 60),
]


def broken(numbers: np.random.Generator) -> bytes:
    """A small file with some of its bytes changed, cut, doubled, or mixed with another's."""
    text = bytearray(SEEDS[numbers.integers(len(SEEDS))])
    for _ in range(numbers.integers(0, 5)):
        at, other = (int(n) for n in numbers.integers(0, len(text) + 1, 2))
        match numbers.integers(5):
            case 0:
                text[at : at + 1] = bytes([numbers.integers(256)])
            case 1:
                text[at:at] = PARTS[numbers.integers(len(PARTS))]
            case 2:
                del text[at:other]
            case 3:
                text[at:at] = SEEDS[numbers.integers(len(SEEDS))][other % 40 :]
            case 4:
                text[at:] = text[min(at, other) : other]
    return bytes(text)


@pytest.mark.parametrize("texts", cases(600, slow=(30_000,)))
def test_broken_files_give_a_table_or_an_error_of_the_house(
    texts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "PIECE", 48)
    monkeypatch.setattr(lines, "LONGEST_LINE", 400)
    numbers = np.random.default_rng(20)
    tables, said = 0, []
    with threads.limit(1):  # one by one: what is tested is what is read
        for number in range(texts):
            text = broken(numbers)
            try:
                table = read(
                    text,
                    block=(None, 1 + number % 50)[number % 2],
                    on_error=("raise", "skip")[number // 2 % 2],
                    header=(None, None, True, False)[number // 4 % 4],
                    limit=(None, None, 2)[number % 3],
                    words=(None, None, None, ["king", "x"])[number // 16 % 4],
                    size=(-1, None)[number // 8 % 2],
                )
            except GpuembError as error:
                said.append(str(error))
                continue
            tables += 1
            assert table.vectors.shape[0] == len(table.words) == len(set(table.words))
            assert table.vectors.dtype == np.float32
            assert np.isfinite(table.vectors).all()
            assert table.vectors.nbytes <= 2 * len(text) + 64
    assert texts / 6 < tables < texts * 5 / 6
    assert all(text.startswith("load: ") and len(text) < 700 for text in said)
