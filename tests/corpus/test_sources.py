"""Sources of text: compressed files, patterns, records, tokenizer files."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import io
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from corpus.reference import spelled, write
from pyarrow import parquet

from gpuemb.core.errors import ConfigError, FileFormatError, StorageError
from gpuemb.core.files.whole import is_pipe
from gpuemb.core.progress import Progress
from gpuemb.core.system.installing import install
from gpuemb.corpus import chunks
from gpuemb.corpus.chunks import Reading
from gpuemb.corpus.reader import read_documents
from gpuemb.corpus.sources import expand, fingerprint
from gpuemb.corpus.tokens import Tokens, read_corpus

TEXT = "the first line\nthe second line\n\nthe last line"
RECORDS = [{"id": 1, "text": "Two lines\nof one"}, {"text": "one more, twö", "id": 2}, {"text": None}]
PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": lambda content: pyarrow.Codec("zstd").compress(content, asbytes=True),
}
HAS_TOKENIZERS = importlib.util.find_spec("tokenizers") is not None


def same(one: Tokens, other: Tokens) -> bool:
    return spelled(one) == spelled(other) and one.vocabulary.words == other.vocabulary.words


def json_lines() -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in RECORDS).encode()


@pytest.mark.parametrize("ending", PACK)
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("block", [5, 1 << 20])
def test_a_packed_file_reads_as_what_it_packs_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, named: bool, block: int
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", block)
    half = len(TEXT) // 2
    content = PACK[ending](TEXT[:half].encode()) + PACK[ending](TEXT[half:].encode())
    packed = write(tmp_path / (f"a.txt{ending}" if named else "a"), content)
    assert same(read_corpus(packed), read_corpus(write(tmp_path / "plain.txt", TEXT)))


@pytest.mark.parametrize("ending", PACK)
@pytest.mark.parametrize("damage", [lambda packed: packed[:-6], lambda _: b"not packed at all, but text\n"])
def test_a_packed_file_must_be_whole(tmp_path: Path, ending: str, damage: Callable[[bytes], bytes]) -> None:
    path = write(tmp_path / f"a{ending}", damage(PACK[ending](TEXT.encode() * 100)))
    with pytest.raises(FileFormatError, match=r"is not a whole (gzip|bzip2|zstd) file"):
        read_corpus(path)


def test_text_that_begins_like_an_archive_is_text(tmp_path: Path) -> None:
    assert read_corpus(write(tmp_path / "a.txt", "BZh9 is how bzip2 begins")).vocabulary.words[0] == "begins"


def test_a_pattern_is_its_files_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.txt", "a/b/c.txt", "c.md", ".hidden.txt"):
        write(tmp_path / name, name)
    flat, deep = expand([str(tmp_path / "*.txt")]), expand([str(tmp_path / "**/*.txt")])
    assert flat == (str(tmp_path / "b.txt"),)
    assert deep == tuple(str(tmp_path / name) for name in ("a/b/c.txt", "a/z.txt", "b.txt"))
    with pytest.raises(StorageError, match=r"the pattern .*\*\.tex holds no files"):
        expand([str(tmp_path / "*.tex")])


def test_a_file_whose_name_has_a_star_is_that_file(tmp_path: Path) -> None:
    star = write(tmp_path / "a*.txt", "x")
    write(tmp_path / "ab.txt", "y")
    assert expand([str(star)]) == (str(star),)


@pytest.mark.parametrize("ending", ["", *PACK])
@pytest.mark.parametrize("kind", [".jsonl", ".ndjson"])
@pytest.mark.parametrize("block", [7, 1 << 20])
@pytest.mark.parametrize("tokenizer", ["default", str.split])
def test_a_json_record_is_a_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, kind: str, block: int, tokenizer: str
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", block)
    path = write(tmp_path / f"a{kind}{ending}", PACK.get(ending, bytes)(json_lines()))
    expected = [["two", "lines", "of", "one"], ["one", "more", "twö"]]
    if tokenizer != "default":
        expected = [["Two", "lines", "of", "one"], ["one", "more,", "twö"]]
    assert spelled(read_corpus(path, tokenizer=tokenizer)) == expected
    assert list(read_documents(str(path))) == ["Two lines\nof one", "one more, twö", ""]


@pytest.mark.parametrize("kind", [pyarrow.string(), pyarrow.large_string()])
@pytest.mark.parametrize("dictionary", [True, False])
def test_a_row_of_a_parquet_table_is_a_document(tmp_path: Path, kind: object, dictionary: bool) -> None:
    column = pyarrow.array([record["text"] for record in RECORDS], kind)
    column = column.dictionary_encode() if dictionary else column
    parquet.write_table(pyarrow.table({"id": [1, 2, 3], "body": column}), tmp_path / "a.parquet")
    found = read_corpus(tmp_path / "a.parquet", field="body")
    assert same(found, read_corpus(write(tmp_path / "a.jsonl", json_lines())))


def test_json_lines_come_from_standard_input_where_a_field_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"body": "one two"}\n')))
    assert spelled(read_corpus("-", field="body")) == [["one", "two"]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "three', r"a\.jsonl, line 3 is not JSON"),
        ('["three"]', "line 3 is not an object but list"),
        ('{"body": "three", "id": 3}', r"line 3 has no field 'text'\n  Its fields are body, id\."),
        ('{"text": 3}', "line 3: the field 'text' holds no text but int"),
        (r'{"text": "\ud83d"}', "record 3: half of a surrogate pair"),
        (r'{"text": "a\u0000b"}', "record 3 holds a zero byte"),
        (b'{"text": "\xff"}', "line 3 is not JSON: .*0xff"),
        ("[" * 100_000, "line 3 is not JSON"),
    ],
)
@pytest.mark.parametrize("tokenizer", ["default", str.split])
def test_a_bad_record_is_named_by_its_line(
    tmp_path: Path, line: str | bytes, message: str, tokenizer: str
) -> None:
    line = line.encode() if isinstance(line, str) else line
    path = write(tmp_path / "a.jsonl", b'{"text": "one two"}\n\n' + line + b'\n{"text": "four"}')
    with pytest.raises(FileFormatError, match=message):
        read_corpus(path, tokenizer=tokenizer)


def test_halves_of_surrogate_pairs_are_replaced_or_ignored_if_wished(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "o\\ud83dne two"}\n')
    assert list(read_documents(str(path), Reading(encoding_errors="ignore"))) == ["one two"]
    assert list(read_documents(str(path), Reading(encoding_errors="replace"))) == ["o\ufffdne two"]


def test_a_bad_table_says_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"id": [1, 2], "body": ["a", "b"]}), path)
    with pytest.raises(FileFormatError, match=r"has no field 'text'\n  Its fields are id, body"):
        read_corpus(path)
    with pytest.raises(FileFormatError, match="the field 'id' holds no text but int64"):
        read_corpus(path, field="id")
    write(path, path.read_bytes()[:-9])
    with pytest.raises(FileFormatError, match="is not a Parquet table"):
        read_corpus(path, field="body")


def test_a_table_with_two_columns_of_one_name_is_refused(tmp_path: Path) -> None:
    columns = [pyarrow.array(["one two"]), pyarrow.array(["three four"])]
    parquet.write_table(pyarrow.table(columns, names=["text", "text"]), tmp_path / "a.parquet")
    with pytest.raises(FileFormatError, match=r"a\.parquet has several columns 'text'"):
        read_corpus(tmp_path / "a.parquet")


def test_a_field_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="field = 'body', but no source holds records"):
        read_corpus(write(tmp_path / "a.txt", "one two"), field="body")


class Told(Progress):
    """Records the reports."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.done = 0

    def phase(self, name: str, total: int | None = None) -> Told:  # type: ignore[override]
        self.total = total
        return self

    def note(self, message: str) -> None:
        raise AssertionError(message)

    def __enter__(self) -> Told:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def advance(self, amount: int = 1) -> None:
        self.done += amount


@pytest.mark.parametrize("tokenizer", ["default", str.split])
def test_progress_counts_the_bytes_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokenizer: str
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 16)
    contents = {
        "a.txt": TEXT.encode(),
        "b.gz": gzip.compress(TEXT.encode()),
        "c.jsonl": json_lines(),
        "d": b"",
    }
    paths = [write(tmp_path / name, content) for name, content in contents.items()]
    told = Told()
    read_corpus(paths, tokenizer=tokenizer, progress=told)
    assert told.total == told.done == sum(map(len, contents.values()))


def test_a_tokenizer_file_needs_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(StorageError, match=re.escape(install("tokenizers"))):
        read_corpus(write(tmp_path / "a.txt", "one two"), tokenizer=str(tmp_path / "tokenizer.json"))


@pytest.mark.skipif(not HAS_TOKENIZERS, reason="needs gpuemb[tokenizers]")
def test_the_words_of_a_tokenizer_file_are_its_tokens(tmp_path: Path) -> None:
    import tokenizers

    lines = ["low lower lowest", "new newer newest", "wide widest"] * 5
    trained = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="[UNK]"))
    trained.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=30, special_tokens=["[UNK]"])
    trained.train_from_iterator(lines, trainer)
    trained.enable_truncation(2)
    trained.enable_padding()
    trained.save(str(tmp_path / "tokenizer.json"))
    trained.no_truncation()
    trained.no_padding()
    path = write(tmp_path / "a.txt", "\n".join([*lines, "new ? wide"]))
    found = read_corpus(path, tokenizer=str(tmp_path / "tokenizer.json"))
    assert spelled(found) == [trained.encode(line).tokens for line in [*lines, "new ? wide"]]
    assert "[UNK]" in found.vocabulary.words


@pytest.mark.skipif(not HAS_TOKENIZERS, reason="needs gpuemb[tokenizers]")
def test_a_tokenizer_without_a_token_for_the_unknown_is_refused(tmp_path: Path) -> None:
    import tokenizers

    model = tokenizers.models.Unigram([("one", -1.0), ("tw", -2.0)], None, False)
    tokenizers.Tokenizer(model).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(FileFormatError, match=r"tokenizer\.json cannot tokenize the text: .*unknown token"):
        read_corpus(write(tmp_path / "a.txt", "one two"), tokenizer=str(tmp_path / "tokenizer.json"))


@pytest.mark.skipif(not HAS_TOKENIZERS, reason="needs gpuemb[tokenizers]")
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    text = write(tmp_path / "a.txt", "one two")
    with pytest.raises(FileFormatError, match="is not a tokenizer"):
        read_corpus(text, tokenizer=str(write(tmp_path / "bad.json", "{}")))
    with pytest.raises(StorageError, match=r"none\.json cannot be read"):
        read_corpus(text, tokenizer=str(tmp_path / "none.json"))


@pytest.mark.parametrize("source", ["pipe", "/dev/zero", "/dev/random"])
@pytest.mark.parametrize("function", [read_corpus, fingerprint])
def test_what_may_never_end_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, function: Callable[[str], object]
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")  # nobody will write to it
    with pytest.raises(StorageError, match="corpus: "):
        function(source)


def test_an_open_pipe_is_read() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"one two\none\n")
    os.close(writer)
    path = f"/dev/fd/{reader}"
    assert is_pipe(path)
    assert read_corpus(path).vocabulary.words == ("one", "two")
    os.close(reader)
    assert not is_pipe(path)
