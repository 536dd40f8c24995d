"""Files that lie, break off or want to harm: each is refused in words, before it costs memory."""

from __future__ import annotations

import base64
import gzip
import io
import json
import pickle
import struct
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from embeddings.tables import FRUIT, archive, entry, npy, npy_claiming, numbers, safetensors, table, word2vec

from gpuemb.core.errors import DroppedWarning, FileFormatError, GpuembError, MemoryBudgetError, StorageError
from gpuemb.core.memory import peak_bytes
from gpuemb.embeddings.files import load, save
from gpuemb.embeddings.files import source as sources

ROW = np.ones(2, np.float32)
TWO = [(b"a", ROW), (b"b", ROW)]
HUGE = 10**15


class Harm:
    """Unpickled, it would write a file."""

    def __reduce__(self) -> Any:
        return (Path("harmed").write_text, ("",))


def refused(path: Path, message: str, **options: Any) -> str:
    with pytest.raises(FileFormatError, match=message) as refusal:
        load(path, **options)
    return str(refusal.value)


BINARIES = {
    "fewer rows": (word2vec("3 2\n", TWO), "declares 3 rows of 2 numbers"),
    "more rows": (word2vec("1 2\n", TWO), "declares 1 rows but more follow"),
    "longer rows": (word2vec("2 4\n", TWO), "declares 2 rows of 4 numbers"),
    "no rows": (word2vec("0 2\n", []), "declares 0 rows"),
    "rows without end": (word2vec(f"{HUGE} 2\n", TWO), "declares 10{15} rows"),
    "cut off": (word2vec("2 2\n", TWO)[:-4] + b"", "ends in the middle of row 1|declares 2 rows"),
    "cut off in a word": (word2vec("2 2\n", TWO)[:-10] + b"bbbbbbbbbb", "ends in the middle of row 1"),
    "no UTF-8": (word2vec("2 2\n", [(b"\xff", ROW), (b"b", ROW)]), "row 0: the word .* is not UTF-8"),
    "a word without end": (b"2 2\n" + b"a" * 200_000, "ends in the middle of row 0"),
}


@pytest.mark.parametrize("case", BINARIES)
def test_word2vec_binary(case: str, tmp_path: Path) -> None:
    data, message = BINARIES[case]
    (tmp_path / "a.bin").write_bytes(data)
    refused(tmp_path / "a.bin", message, format="word2vec-binary")


@pytest.mark.parametrize("between", [b"", b"\n"])
def test_word2vec_rows_may_end_in_a_line_break(between: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(
        word2vec("5 3\n", list(zip(map(str.encode, FRUIT), numbers(5), strict=True)), between)
    )
    found = load(tmp_path / "a.bin")
    assert list(found.index_to_key) == FRUIT
    np.testing.assert_array_equal(found.vectors, numbers(5))


def test_the_whole_rows_of_a_broken_word2vec_file_can_be_kept(tmp_path: Path) -> None:
    rows = [(b"a", ROW), (b"\xff", ROW), (b"c", ROW), (b"d", ROW)]
    packed = gzip.compress(word2vec("9 2\n", rows)[:-5])
    (tmp_path / "a.bin.gz").write_bytes(packed)
    with pytest.warns(DroppedWarning, match="2 rows that cannot be read"):
        found = load(tmp_path / "a.bin.gz", on_error="skip")
    assert (list(found.index_to_key), found.skipped) == (["a", "c"], 2)


PARTS: list[dict[str, Any]] = [
    {},
    {"limit": 1},
    {"limit": 2},
    {"limit": 3},
    {"limit": 4},
    {"on_error": "skip"},
    {"words": ["w0", "w3"]},
    {"words": ["new", "a"]},
]


@pytest.mark.parametrize("options", PARTS)
@pytest.mark.parametrize("between", [b"", b"\n"])
def test_a_binary_word_with_a_space_gives_no_row_that_nobody_wrote(
    between: bytes, options: dict[str, Any], tmp_path: Path
) -> None:
    for place, phrase in product(range(4), ["new york", "a b", "new ", "x y z"]):
        assert_no_row_that_nobody_wrote(place, phrase, between, options, tmp_path)


def assert_no_row_that_nobody_wrote(
    place: int, phrase: str, between: bytes, options: dict[str, Any], tmp_path: Path
) -> None:
    words = [f"w{row}" for row in range(4)]
    words[place] = phrase
    vectors = numbers(4, 16, seed=place)
    rows = list(zip(map(str.encode, words), vectors, strict=True))
    (tmp_path / "a.bin").write_bytes(word2vec("4 16\n", rows, between))
    read, said = None, "new_york"
    try:
        read = load(tmp_path / "a.bin", **options)
    except GpuembError as error:
        said = str(error)
    assert "new_york" in said or "none of the 2 words" in said
    assert options or read is None  # a file that is read whole is refused
    for word, vector in zip(read.index_to_key, read.vectors, strict=True) if read else ():
        np.testing.assert_array_equal(vector, vectors[words.index(word)])


@pytest.mark.parametrize("between", [b"", b"\n"])
def test_a_table_of_unusual_numbers_is_not_taken_for_words_with_spaces(
    between: bytes, tmp_path: Path
) -> None:
    for scale in (1e-30, 1e-14, 1e14):
        vectors = (numbers(500, 8) * scale).astype(np.float32)
        rows = [(b"w%d" % row, vector) for row, vector in enumerate(vectors)]
        (tmp_path / "a.bin").write_bytes(word2vec("500 8\n", rows, between))
        np.testing.assert_array_equal(load(tmp_path / "a.bin").vectors, vectors)


def test_text_is_not_read_as_binary_numbers(tmp_path: Path) -> None:
    save(table(), tmp_path / "a.vec")
    for options in ({}, {"limit": 1}, {"on_error": "skip"}):
        refused(tmp_path / "a.vec", "but they are text", format="word2vec-binary", **options)


SPARSE = "的 1:0.5 4:0.25\n是 2:0\n在 1:0.5 3:0.75 8:-6e-2\n".encode()


@pytest.mark.parametrize("options", [{}, {"limit": 1}, {"on_error": "skip"}, {"words": ["的"]}])
@pytest.mark.parametrize("format", [None, "glove", "word2vec", "word2vec-binary"])
@pytest.mark.parametrize("packed", [False, True])
def test_sparse_rows_are_said_to_be_sparse(
    packed: bool, format: str | None, options: dict[str, Any], tmp_path: Path
) -> None:
    data = SPARSE if format == "glove" else b"3 9\n" + SPARSE
    (tmp_path / "a.txt").write_bytes(gzip.compress(data) if packed else data)
    refused(
        tmp_path / "a.txt", r"holds sparse rows \(index:value\), such as '[的是] ", format=format, **options
    )


def test_repeated_words_keep_their_first_row(tmp_path: Path) -> None:
    rows = [(b"a", ROW), (b"b", 2 * ROW), (b"a", 3 * ROW)]
    (tmp_path / "a.bin").write_bytes(word2vec("3 2\n", rows))
    with pytest.warns(DroppedWarning, match="1 rows of repeated words"):
        found = load(tmp_path / "a.bin")
    assert (list(found.index_to_key), found["a"].tolist(), found.duplicates) == (["a", "b"], [1, 1], 1)


ARRAYS = {
    "objects": npy(np.array([["a", 1]], object), allow_pickle=True),
    "texts": npy(np.array([["a", "b"], ["c", "d"]])),
    "integers": npy(np.ones((2, 2), np.int64)),
    "long doubles": npy(np.ones((2, 2), np.longdouble)),
    "records": npy(np.ones(2, [("x", "f4"), ("y", "f4")])),
    "one axis": npy(np.ones(2)),
    "three axes": npy(np.ones((2, 2, 2))),
    "no axis": npy(np.float64(1.0)),
    "no rows": npy(np.ones((0, 2))),
    "cut off": npy(np.ones((2, 200)))[:-1],
    "cut off in the header": npy(np.ones((2, 2)))[:40],
    "a huge shape": npy_claiming(f"({HUGE}, {HUGE})"),
    "a negative shape": npy_claiming("(-2, -2)", data=bytes(16)),
    "a shape of floats": npy_claiming("(2.0, 2)", data=bytes(16)),
    "a shape of truth": npy_claiming("(True, 2)", data=bytes(16)),
    "a shape that is a number": npy_claiming("2", data=bytes(16)),
    "no dtype": npy_claiming("(2, 2)", "'x9'", data=bytes(16)),
    "a nested dtype": npy_claiming("(2, 2)", "[" * 90 + "]" * 90, data=bytes(16)),
    "a call": npy_claiming("(2, 2)", "__import__('os').getcwd()", data=bytes(16)),
    "another version": npy(np.ones((2, 2))).replace(b"NUMPY\x01", b"NUMPY\x07"),
    "a header without end": b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + bytes(100),
}


@pytest.mark.parametrize("case", ARRAYS)
@pytest.mark.parametrize("limit", [None, 1])
def test_npy(case: str, limit: int | None, tmp_path: Path) -> None:
    (tmp_path / "a.words.txt").write_text("a\nb\n")
    (tmp_path / "a.npy").write_bytes(ARRAYS[case])
    refused(tmp_path / "a.npy", r"a\.npy", limit=limit)


def test_npy_of_another_number_of_words(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a\nb\n")
    np.save(tmp_path / "a.npy", np.ones((3, 2)))
    refused(tmp_path / "a.npy", "lists 2 words, but there are 3 vectors")


@pytest.mark.parametrize("shape", ["(3L, 2L)", "(3L, 2)", "(3, 2L)"])
@pytest.mark.parametrize("options", [{}, {"limit": 2}, {"memory_map": False}])
def test_npy_of_python_2_is_read_as_numpy_reads_it(
    shape: str, options: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "words.txt").write_text("a\nb\nc\n")
    (tmp_path / "a.npy").write_bytes(npy_claiming(shape, data=numbers(3, 2).tobytes()))
    np.testing.assert_array_equal(
        load(tmp_path / "a.npy", **options).vectors, numbers(3, 2)[: options.get("limit")]
    )


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", ">f8"])
@pytest.mark.parametrize("name", ["a.npy", "a.npy.gz"])
def test_npy_in_any_order_comes_out_in_rows_of_this_machines_numbers(
    order: Any, dtype: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpuemb.embeddings.files.rows.TILE", 64)  # several tiles
    (tmp_path / "words.txt").write_text("\n".join(FRUIT) + "\n")
    stored = np.array(numbers(5).astype(dtype), order=order)
    data = npy(stored)
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    for options in ({}, {"limit": 3}, {"words": ["banana", "date"]}):
        found = load(tmp_path / name, **options)  # type: ignore[arg-type]
        rows = [FRUIT.index(word) for word in found.index_to_key]
        assert found.vectors.flags.c_contiguous
        assert found.vectors.dtype == np.dtype(dtype).newbyteorder("=")
        np.testing.assert_array_equal(found.vectors, stored[rows])


def test_lists_that_are_not_utf8_name_the_byte(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((2, 2)))
    (tmp_path / "a.words.txt").write_bytes(b"ab\n\xff\n")
    refused(tmp_path / "a.npy", "not UTF-8 at byte 3")


VECTORS = npy(np.ones((2, 2), np.float32))
NPZ = {
    "no words": ({"vectors.npy": VECTORS}, "no array 'words'"),
    "no vectors": (
        {"words.npy": npy(np.array(["a", "b"])), "x.npy": VECTORS},
        "no array 'vectors'.* words, x",
    ),
    "objects": (
        {"words.npy": npy(np.array(["a", Harm()], object), allow_pickle=True), "vectors.npy": VECTORS},
        "pickled objects are never read",
    ),
    "too many words": ({"words.npy": npy(np.array(["a"] * 3)), "vectors.npy": VECTORS}, r"shape \(3,\)"),
    "words that lie": (
        {"words.npy": npy_claiming("(2,)", "'<U9'", data=bytes(40)), "vectors.npy": VECTORS},
        "ends after 1 of 2 words",
    ),
    "no text": (
        {"words.npy": npy_claiming("(2,)", "'<U1'", data=b"\xff" * 8), "vectors.npy": VECTORS},
        "holds invalid text",
    ),
    "words without width": (
        {"words.npy": npy_claiming("(2,)", "'<U0'"), "vectors.npy": VECTORS},
        "It must hold one text a row",
    ),
    "vectors that lie": (
        {"words.npy": npy(np.array(["a", "b"])), "vectors.npy": npy_claiming("(2, 9)", data=bytes(40))},
        "declares .2, 9. numbers of 4 bytes but has at most 40 bytes",
    ),
}


@pytest.mark.parametrize("case", NPZ)
def test_npz(case: str, tmp_path: Path) -> None:
    members, message = NPZ[case]
    refused(archive(tmp_path / "a.npz", members), message)
    assert not Path("harmed").exists()


def test_npz_words_may_be_bytes_of_utf8(tmp_path: Path) -> None:
    members = {"words.npy": npy(np.array(["ä".encode(), b"b"])), "vectors.npy": VECTORS}
    assert list(load(archive(tmp_path / "a.npz", members)).index_to_key) == ["ä", "b"]


def test_npz_arrays_may_have_other_names(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a\nb\n")
    np.savez_compressed(tmp_path / "a.npz", emb=2 * np.ones((2, 2)))
    found = load(tmp_path / "a.npz", tensor="emb", vocabulary=tmp_path / "words.txt")
    assert (list(found.index_to_key), found["b"].tolist()) == (["a", "b"], [2, 2])


HEADERS = {
    "gaps": ({"x": entry([1, 2], 4, 12)}, 12),
    "overlaps": ({"x": entry([1, 2], 0, 8), "y": entry([1, 2], 4, 12)}, 12),
    "an end beyond the file": ({"x": entry([1, 2], 0, 8)}, 7),
    "bytes behind": ({"x": entry([1, 2], 0, 8)}, 9),
    "a shape of another size": ({"x": entry([2, 2], 0, 8)}, 8),
    "a negative place": ({"x": entry([1, 2], -8, 0)}, 8),
    "a negative shape": ({"x": entry([-1, -2], 0, 8)}, 8),
    "an overflowing shape": ({"x": entry([2**40, 2**40, 0, 2], 0, 0), "y": entry([2**61, 4], 0, 8)}, 8),
    "a dtype that is no name": ({"x": {"dtype": 4, "shape": [1, 2], "data_offsets": [0, 8]}}, 8),
    "gaps behind an unknown dtype": ({"x": entry([1, 2], 0, 4, "F31"), "y": entry([1, 2], 8, 16)}, 16),
    "no place": ({"x": {"dtype": "F32", "shape": [1, 2]}}, 8),
    "a list": ([1, 2], 0),
    "no JSON": (b"{no", 0),
    "a name twice": (b'{"x":{},"x":{}}', 0),
    "deep": (b'{"x":' + b"[" * 100_000, 0),
    "no UTF-8": (b'{"\xff":1}', 0),
}


@pytest.mark.parametrize("case", HEADERS)
def test_safetensors(case: str, tmp_path: Path) -> None:
    header, data = HEADERS[case]
    (tmp_path / "vocab.txt").write_text("a\n")
    (tmp_path / "a.safetensors").write_bytes(safetensors(header, bytes(data)))
    refused(tmp_path / "a.safetensors", "is not a complete safetensors file", format="safetensors")


@pytest.mark.parametrize("length", [0, 1, 10**8, 2**31, 2**63])
def test_safetensors_with_a_header_of_no_length(length: int, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(length.to_bytes(8, "little") + b"{}")
    refused(tmp_path / "a.safetensors", "its header would have", format="safetensors")


def two_tensors(folder: Path) -> Path:
    rows = numbers(5)
    half = rows.astype("<f2")
    bits = (rows.view(np.uint32) >> 16).astype("<u2")
    header = {
        "__metadata__": {"format": "pt"},
        "half": entry([5, 3], 0, 30, "F16"),
        "brain": entry([5, 3], 30, 60, "BF16"),
        "bias": entry([5], 60, 80),
        "ids": entry([5, 1], 80, 100, "I32"),
    }
    path = folder / "model.safetensors"
    path.write_bytes(safetensors(header, half.tobytes() + bits.tobytes() + bytes(40)))
    (folder / "vocab.txt").write_text("\n".join(FRUIT) + "\n")
    return path


def test_tables_of_a_model_are_named_with_their_shapes(tmp_path: Path) -> None:
    path = two_tensors(tmp_path)
    for asked in (None, "bias", "ids", "nothing"):
        assert "half (5 × 3 F16); brain (5 × 3 BF16)." in refused(path, "table", tensor=asked)


def test_half_and_brain_floats_are_widened_exactly(tmp_path: Path) -> None:
    path = two_tensors(tmp_path)
    half, brain = load(path, tensor="half"), load(path, tensor="brain", words=["date"])
    np.testing.assert_array_equal(half.vectors, numbers(5).astype("<f2").astype(np.float32))
    expected = (numbers(5).view(np.uint32) & 0xFFFF0000).view(np.float32)
    np.testing.assert_array_equal(brain.vectors, expected[3:4])
    assert half.vectors.dtype == brain.vectors.dtype == np.float32


VOCABULARIES = {
    "vocab.json": '{"apple": 0, "cherry": 2, "banana": 1}',
    "tokenizer.json": '{"model": {"type": "BPE", "vocab": {"apple": 0, "banana": 1}}, '
    '"added_tokens": [{"id": 2, "content": "cherry"}, {"id": 0, "content": "apple"}]}',
    "unigram.json": '{"model": {"vocab": [["apple", -1.5], ["banana", -2], ["cherry", -3]]}}',
}


@pytest.mark.parametrize("name", VOCABULARIES)
def test_tokenizers_name_rows_and_rows_without_a_name_are_counted(name: str, tmp_path: Path) -> None:
    path = two_tensors(tmp_path)
    (tmp_path / name).write_text(VOCABULARIES[name])
    with pytest.warns(DroppedWarning, match="2 rows"):
        found = load(path, tensor="brain", vocabulary=tmp_path / name)
    assert (list(found.index_to_key), found.skipped) == (FRUIT[:3], 2)
    assert found.ranks is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"apple": 5}', "gives 'apple' row 5, but there are 5 vectors"),
        ('{"apple": -1}', "row -1"),
        ('{"apple": "0"}', "the number '0'"),
        ('{"apple": true}', "the number True"),
        ('{"apple": 0, "banana": 0}', "names 1 rows, but there are 5 vectors"),
        ('{"apple": 0, "banana": 1, "cherry": 2, "x": 5, "y": 6, "z": 9, "w": 7}', "gives 'z' row 9, but"),
        ('{"model": {"vocab": 3}}', "its model has no vocabulary"),
        ('{"model": {"vocab": {}}, "added_tokens": [3]}', "3 is among its added tokens"),
        ("[1]", "no JSON object"),
        ("[" * 100_000, "is not a vocabulary"),
        ("{", "is not a vocabulary"),
    ],
)
def test_tokenizers_that_are_none(text: str, message: str, tmp_path: Path) -> None:
    path = two_tensors(tmp_path)
    (tmp_path / "vocab.json").write_text(text)
    refused(path, message, tensor="half", vocabulary=tmp_path / "vocab.json")


@pytest.mark.parametrize("dtype", ["F4", "F6_E2M3", "F8_E4M3FNUZ", "C128", "new"])
def test_a_tensor_of_another_kind_does_not_keep_a_table_from_being_read(dtype: str, tmp_path: Path) -> None:
    header = {"e": entry([5, 3], 0, 60), "q": entry([4, 4], 60, 68, dtype), "s": entry([], 68, 72)}
    (tmp_path / "a.safetensors").write_bytes(safetensors(header, numbers(5).tobytes() + bytes(12)))
    (tmp_path / "vocab.txt").write_text("\n".join(FRUIT))
    np.testing.assert_array_equal(load(tmp_path / "a.safetensors", tensor="e").vectors, numbers(5))
    assert list(load(tmp_path / "a.safetensors").index_to_key) == FRUIT  # the only table
    refused(tmp_path / "a.safetensors", f"has 'q' as 4 × 4 {dtype}, which is no table", tensor="q")


def padded(folder: Path, vocabulary: str, name: str = "vocab.txt", rows: int = 6) -> Path:
    """A table with a vocabulary of another size."""
    header = {"e": entry([rows, 3], 0, 12 * rows)}
    (folder / "model.safetensors").write_bytes(safetensors(header, numbers(rows).tobytes()))
    (folder / name).write_text(vocabulary)
    return folder / "model.safetensors"


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize(
    ("lines", "words", "skipped", "unused"),
    [
        ("a b c d", "a b c d", 2, 0),
        ("a b c d e f g h", "a b c d e f", 0, 2),
        ("a b c d     ", "a b c d", 2, 5),
        ("a b c d e f  ", "a b c d e f", 0, 2),
    ],
)
def test_vocabularies_of_another_size_are_read_and_counted(
    lines: str, words: str, skipped: int, unused: int, on_error: Any, tmp_path: Path
) -> None:
    path = padded(tmp_path, "".join(f"{line}\n" for line in lines.split(" ")))
    with pytest.warns(DroppedWarning) as warned:
        found = load(path, on_error=on_error)
    assert list(found.index_to_key) == words.split()
    np.testing.assert_array_equal(found.vectors, numbers(6)[: len(found)])
    assert (found.skipped, found.unused) == (skipped, unused)
    assert ("2 rows without a word" in str(warned[0].message)) == (skipped == 2)
    assert (f"{unused} words of the vocabulary without a row" in str(warned[0].message)) == (unused > 0)


@pytest.mark.parametrize("lines", ["a b", "a b c d e f g h i j k l m", "   "])
def test_vocabularies_that_match_less_than_half_are_those_of_another_table(
    lines: str, tmp_path: Path
) -> None:
    refused(padded(tmp_path, "\n".join([*lines.split(" "), ""])), "lists .* words, but there are 6 vectors")


def test_a_blank_line_behind_the_last_word_is_no_word(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a\n\nc\n\n")
    np.save(tmp_path / "a.npy", numbers(3))
    with pytest.warns(DroppedWarning, match="1 words of the vocabulary without a row"):
        assert list(load(tmp_path / "a.npy").index_to_key) == ["a", "", "c"]


def test_two_names_of_a_row_and_names_of_no_row_are_counted(tmp_path: Path) -> None:
    ids = '{"a": 0, "b": 1, "c": 2, "d": 3, "e": 4, "first": 5, "second": 5}'
    added = '[{"id": 6, "content": "<pad>"}, {"id": 0, "content": "a"}, {"id": 7, "content": "<new>"}]'
    tokenizer = f'{{"model": {{"vocab": {ids}}}, "added_tokens": {added}}}'
    with pytest.warns(DroppedWarning, match="left out 3 words of the vocabulary without a row of their own"):
        found = load(padded(tmp_path, tokenizer, "tokenizer.json"))
    assert list(found.index_to_key) == ["a", "b", "c", "d", "e", "first"]
    assert (found.skipped, found.unused) == (0, 3)


COLUMNS = {
    "counts": "the 1061396\nof 593677\narea 51\n",
    "counts behind tabs": "the\t1061396\nof\t593677\n",
    "scores": "▁the\t-3.5\n▁of\t-4.25e0\n",
    "tags": "the\tDET\nof\tADP\n",
    "ids": "0 the\n1 of\n",
    "counts first": "  1061396 the\n   593677 of\n",
    "three columns": "0 the 1061396\r\n1 of 593677\r\n",
    "blank lines": "\n\nthe 5\n\nof 3\n",
}


@pytest.mark.parametrize("case", COLUMNS)
@pytest.mark.parametrize("options", [{}, {"limit": 1}, {"on_error": "skip"}, {"words": ["the"]}])
def test_a_list_of_words_has_no_second_column(case: str, options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(COLUMNS[case], newline="")
    rows = len(COLUMNS[case].split("\n")) - 1
    for path in (tmp_path / "a.npy", padded(tmp_path, "", "other", rows)):
        np.save(tmp_path / "a.npy", numbers(rows))
        refused(path, "stand in columns: '", vocabulary=tmp_path / "list.txt", **options)


def test_phrases_that_differ_are_no_columns(tmp_path: Path) -> None:
    words = ["area 51", "new york", "catch 22"]
    save(table(words), tmp_path / "a.npy")
    assert list(load(tmp_path / "a.npy").index_to_key) == words
    with pytest.raises(FileFormatError, match="every word is like two columns, such as the word 'area 51'"):
        save(table(["area 51", "catch 22"]), tmp_path / "b.npy")
    assert not (tmp_path / "b.words.txt").exists()


@pytest.mark.parametrize("text", ["a\rb\rc\r", "a\rb\rc", "a\r\nb\rc\n", "a\r\r\n"])
def test_a_list_of_words_has_no_carriage_return_alone(text: str, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text(text, newline="")
    np.save(tmp_path / "a.npy", numbers(len(text.splitlines())))
    refused(tmp_path / "a.npy", "hold a carriage return without a line feed")


def sharded(folder: Path, listed: dict[str, Any]) -> Path:
    for shard, name in ((1, "embed.weight"), (2, "head.weight")):
        header = {name: entry([5, 3], 0, 60), f"norm.{shard}": entry([3], 60, 72)}
        data = safetensors(header, (shard * numbers(5)).tobytes() + bytes(12))
        (folder / f"model-{shard}-of-2.safetensors").write_bytes(data)
    (folder / "vocab.txt").write_text("\n".join(FRUIT))
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 144}, "weight_map": listed}, indent=1))
    return index


SHARDS = {"head.weight": "model-2-of-2.safetensors", "embed.weight": "model-1-of-2.safetensors"}


def test_an_index_of_several_files_is_read_by_the_name_of_a_tensor(tmp_path: Path) -> None:
    index = sharded(tmp_path, SHARDS)
    for shard, name in ((1, "embed.weight"), (2, "head.weight")):
        for options in ({}, {"format": "safetensors"}):
            found = load(index, tensor=name, **options)
            assert list(found.index_to_key) == FRUIT
            np.testing.assert_array_equal(found.vectors, shard * numbers(5))
    assert list(load(index, tensor="embed.weight", words=["date"]).index_to_key) == ["date"]
    refused(index, "lists 2 tensors\n.*\n.*one of: embed.weight, head.weight")
    refused(index, "lists 2 tensors, none of them 'wte'", tensor="wte")
    (tmp_path / SHARDS["head.weight"]).unlink()
    with pytest.raises(StorageError, match=r"model-2-of-2\.safetensors cannot be read"):
        load(index, tensor="head.weight")


@pytest.mark.parametrize("listed", [None, [], {"e": 3}, {"e": "../model-1-of-2.safetensors"}, {"e": "/x"}])
def test_an_index_that_lists_no_files_of_its_folder_is_refused(listed: Any, tmp_path: Path) -> None:
    refused(sharded(tmp_path, listed), "is not a complete safetensors file", tensor="e")


def write_parquet(path: Path, **columns: Any) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


LISTS = pyarrow.list_(pyarrow.float32())
PARQUET: dict[str, tuple[dict[str, Any], str]] = {
    "no vector": ({"word": ["a"]}, "its columns are word"),
    "no word": ({"vector": [[1.0]]}, "its columns are vector"),
    "words that are numbers": ({"word": [1], "vector": [[1.0]]}, "its columns are word .int64"),
    "vectors of integers": ({"word": ["a"], "vector": [[1]]}, "its columns are"),
    "ragged": (
        {"word": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]},
        "not every vector has 1 numbers: 2 have 3",
    ),
    "ragged, of equal sum": ({"word": ["a", "b"], "vector": [[1.0], [1.0] * 3]}, "not every vector has 2"),
    "no number": ({"word": ["a"], "vector": pyarrow.array([[]], LISTS)}, "not every vector has 1"),
    "no row": ({"word": pyarrow.array([], "string"), "vector": pyarrow.array([], LISTS)}, "holds no row"),
    "a missing number": ({"word": ["a"], "vector": [[1.0, None]]}, "a number is missing"),
    "a missing vector": ({"word": ["a", "b"], "vector": [[1.0], None]}, "not every vector has 1"),
    "a missing word": ({"word": ["a", None], "vector": [[1.0], [1.0]]}, "a word is missing"),
}


@pytest.mark.parametrize("case", PARQUET)
def test_parquet(case: str, tmp_path: Path) -> None:
    columns, message = PARQUET[case]
    refused(write_parquet(tmp_path / "a.parquet", **columns), message)


def test_lists_of_a_schema_that_lies_are_refused_before_memory_is_reserved(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(numbers(2).ravel()), 3)
    write_parquet(path, word=["a", "b"], vector=vectors)
    stored = pyarrow.parquet.read_metadata(path).metadata[b"ARROW:schema"]
    schema, three, lies = base64.b64decode(stored), (3).to_bytes(4, "little"), 0
    for at in range(len(schema) - 3):
        if schema[at : at + 4] == three:
            claim = base64.b64encode(schema[:at] + (10**9).to_bytes(4, "little") + schema[at + 4 :])
            (tmp_path / "b.parquet").write_bytes(path.read_bytes().replace(stored, claim))
            for options in ({}, {"limit": 1}, {"words": ["a"]}, {"on_error": "skip"}):
                said = refused(tmp_path / "b.parquet", "Parquet|not every vector", **options)
            lies += "not every vector has 1000000000 numbers: 2 have 6" in said
    assert lies == 1


def test_columns_that_unpack_to_much_more_than_their_size_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "UNSUSPECTED", 1 << 20)
    long = [np.zeros(1 << 22, np.float32)]  # one list of 16 MB in some hundred bytes
    path = write_parquet(tmp_path / "a.parquet", word=["a"], vector=pyarrow.array(long, LISTS))
    assert path.stat().st_size < 5_000
    refused(path, "column vector unpacks .* to more than 16.8 MB")
    once = pyarrow.DictionaryArray.from_arrays(
        np.arange(5000, dtype=np.int32) % 2, ["x" * 50_000, "y" * 50_000]
    )
    vectors = pyarrow.array(list(numbers(5000, 1)), LISTS)
    path = write_parquet(tmp_path / "b.parquet", word=once, vector=vectors)
    refused(path, "column word unpacks 100.0 kB to more than 250.0 MB")
    np.save(tmp_path / "b.npy", numbers(5000, 1))
    refused(tmp_path / "b.npy", "column word unpacks", vocabulary=path)


def test_parquet_that_is_damaged_or_packed(tmp_path: Path) -> None:
    save(table(), tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(data[:-5])
    refused(tmp_path / "b.parquet", "not a complete Parquet file")
    (tmp_path / "c.parquet.gz").write_bytes(gzip.compress(data))
    refused(tmp_path / "c.parquet.gz", "Parquet inside a gzip file")


def test_pickles_and_fasttext_models_are_refused_with_the_line_that_converts_them(tmp_path: Path) -> None:
    for protocol in (2, 4, 5):
        (tmp_path / "a.kv").write_bytes(pickle.dumps(Harm(), protocol))
        said = refused(tmp_path / "a.kv", "is a pickle")
        assert "save_word2vec_format" in said
        assert said.endswith(f"{tmp_path / 'a.kv'} a.bin")
    archive(tmp_path / "torch.pt", {"archive/data.pkl": pickle.dumps(Harm()), "archive/data/0": bytes(8)})
    refused(tmp_path / "torch.pt", "is a pickle")
    (tmp_path / "cc.en.300.bin").write_bytes(struct.pack("<ii", 793712314, 12) + bytes(100))
    assert "load_facebook_vectors" in refused(tmp_path / "cc.en.300.bin", "is a fastText model")
    assert not Path("harmed").exists()


def test_what_is_no_format_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(50))
    refused(tmp_path / "a.h5", "which is not a supported format")


def test_members_of_zip_archives(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(table([f"{name}1", f"{name}2"]), tmp_path / f"{name}.bin")
    data = {name: (tmp_path / name).read_bytes() for name in ("a.bin", "b.bin")}
    path = archive(tmp_path / "both.zip", data)
    found = load(f"{path}:b.bin")
    assert (list(found.index_to_key), found.name) == (["b1", "b2"], "b")
    assert "both.zip:NAME; it holds: a.bin, b.bin" in refused(path, "archive of 2 files")
    refused(Path(f"{path}:c.bin"), "none of them c.bin")
    alone = archive(tmp_path / "one.zip", {"a.bin": data["a.bin"]})
    assert list(load(alone).index_to_key) == ["a1", "a2"]
    with pytest.raises(StorageError, match="cannot be read"):
        load(tmp_path / "none.zip:a.bin")
    colon = tmp_path / "a:b.bin"
    colon.write_bytes(data["a.bin"])
    assert len(load(colon)) == 2


def test_what_macos_adds_to_archives_is_not_there(tmp_path: Path) -> None:
    save(table(), tmp_path / "a.bin")
    save(table(), tmp_path / "a.npz")
    added = {"__MACOSX/._a.bin": b"\0\5\x16\7", "folder/._a.bin": b"\0", "._a": b"", "x/.DS_Store": b"\0"}
    path = archive(tmp_path / "a.zip", {**added, "folder/a.bin": (tmp_path / "a.bin").read_bytes()})
    assert list(load(path).index_to_key) == FRUIT
    assert "it holds: folder/a.bin." in refused(Path(f"{path}:__MACOSX/._a.bin"), "archive of 1 files")
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as file:
        file.writestr("__MACOSX/._words.npy", b"\0")
    assert list(load(tmp_path / "a.npz").index_to_key) == FRUIT


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_that_unpack_to_any_size_at_once_are_refused(
    packing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "UNSUSPECTED", 1 << 20)
    path = archive(tmp_path / "a.zip", {"a.vec": b"1 1\na " + b"0" * (24 << 20)}, packing)
    assert path.stat().st_size < 20_000
    claiming = bytearray(path.read_bytes())  # and that deny their size
    for magic, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        begin = claiming.index(magic) + offset
        claiming[begin : begin + 4] = (1000).to_bytes(4, "little")
    (tmp_path / "b.zip").write_bytes(claiming)
    before = peak_bytes()
    refused(path, "unpacks .* to more than 25.2 MB")
    refused(tmp_path / "b.zip", f"is packed by method {packing} of zip")
    small = archive(
        tmp_path / "c.npz", {"words.npy": npy(np.array(["a", "b"])), "vectors.npy": VECTORS}, packing
    )
    refused(small, f"is packed by method {packing} of zip")
    assert peak_bytes() - before < 12 << 20


def test_packed_files_that_are_damaged(tmp_path: Path) -> None:
    data = gzip.compress(word2vec("2 2\n", TWO))
    for name, broken in (("cut", data[:-9]), ("checksum", data[:-8] + bytes(8)), ("head", data[:5])):
        (tmp_path / name).write_bytes(broken)
        refused(tmp_path / name, "is damaged")
    path = archive(tmp_path / "a.zip", {"a.bin": word2vec("2 2\n", TWO)}, zipfile.ZIP_STORED)
    spoiled = path.read_bytes().replace(ROW.tobytes() + b"\n" + b"b", ROW.tobytes() + b"\n" + b"c")
    path.write_bytes(spoiled)
    refused(path, "is damaged")
    encrypted = bytearray(archive(tmp_path / "b.zip", {"a.bin": b"1"}).read_bytes())
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(encrypted)
    refused(tmp_path / "b.zip", "is encrypted")


def bomb(size: int) -> bytes:
    """A header that promises as much as follows, and zeros."""
    rows, block = size // 401, b" " + bytes(400)
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb") as packed:
        packed.write(b"%d 100\n" % rows)
        for _ in range(rows // 1000):
            packed.write(block * 1000)
        packed.write(block * (rows % 1000))
    return file.getvalue()


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "UNSUSPECTED", 1 << 20)
    data = bomb(9 << 20)
    assert len(data) < (9 << 20) / sources.LARGEST_RATIO
    (tmp_path / "a.bin.gz").write_bytes(data)
    refused(tmp_path / "a.bin.gz", "unpacks .* to more than .* MB")
    path = archive(tmp_path / "a.zip", {"a.bin": gzip.decompress(data)})
    refused(path, "unpacks .* to more than .* MB")


@pytest.mark.parametrize("name", ["a.bin.gz", "a.npz", "a.npy.gz"])
def test_a_promise_beyond_the_memory_is_refused_before_anything_is_unpacked(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "vocab.json").write_text("{}")
    claims = npy_claiming(f"({10**7}, {10**7})", data=bytes(100))
    if name == "a.npz":
        archive(tmp_path / name, {"words.npy": npy(np.array(["a"])), "vectors.npy": claims})
    else:
        packed = word2vec(f"{10**15} 100\n", []) if name == "a.bin.gz" else claims
        (tmp_path / name).write_bytes(gzip.compress(packed + bytes(1000)))
    before = peak_bytes()
    with pytest.raises(GpuembError) as refusal:
        load(tmp_path / name, format="word2vec-binary" if name == "a.bin.gz" else None)
    assert isinstance(refusal.value, (MemoryBudgetError, StorageError, FileFormatError))
    assert peak_bytes() - before < 64 << 20


def test_what_unpacks_to_nothing_is_empty(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b""))
    for options in ({}, {"format": "glove"}):
        refused(tmp_path / "a.txt.gz", "a.txt.gz is empty", **options)


def test_an_archive_that_is_not_unpacked_here_is_said_to_be_one(tmp_path: Path) -> None:
    for name, magic in (
        ("a.xz", b"\xfd7zXZ\0"),
        ("a.bz2", b"BZh91AY&SY\x01"),
        ("a.tar", b"././@PaxHeader\0"),
    ):
        (tmp_path / name).write_bytes(magic)
        assert "Unpack other archives first" in refused(tmp_path / name, "which is not a supported format")
