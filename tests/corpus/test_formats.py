"""What is no plain text is read as what it is, or refused by name: keys, braces and tags are no words."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path

import pytest
from corpus.reference import spelled, write

from gpuemb.core.errors import FileFormatError
from gpuemb.corpus.tokens import read_corpus

RECORDS = [{"label": 1, "text": "the cat sat"}, {"label": 2, "text": "the dog ran"}]
TEXTS = [["the", "cat", "sat"], ["the", "dog", "ran"]]
LINES = "".join(json.dumps(record) + "\n" for record in RECORDS)
OTHERS = {
    "a list of records": json.dumps(RECORDS),
    "a list in lines": json.dumps(RECORDS, indent=1),
    "a list of texts": json.dumps([record["text"] for record in RECORDS]),
    "an object": json.dumps({"texts": RECORDS}, indent=2),
}
TOKENIZERS = pytest.mark.parametrize("tokenizer", ["default", "whitespace", str.split])


@pytest.mark.parametrize("name", ["a.json", "a.JSON", "a.jsonl", "a.json.gz"])
def test_lines_of_json_are_records_whatever_their_ending(tmp_path: Path, name: str) -> None:
    content = LINES.encode()
    path = write(tmp_path / name, gzip.compress(content) if name.endswith("gz") else content)
    assert spelled(read_corpus(path)) == TEXTS


@TOKENIZERS
@pytest.mark.parametrize("what", OTHERS)
def test_other_json_is_refused_with_how_to_make_lines(tmp_path: Path, what: str, tokenizer: object) -> None:
    path = write(tmp_path / "a.json", OTHERS[what])
    with pytest.raises(FileFormatError, match=r"a\.json, line 1 (is|has) no[\s\S]*(\.jsonl|field=)"):
        read_corpus(path, tokenizer=tokenizer)  # type: ignore[arg-type]


@TOKENIZERS
@pytest.mark.parametrize("content", [LINES, *OTHERS.values(), '\n{"a\\"b": ""}'])
def test_json_in_a_text_file_is_refused(tmp_path: Path, content: str, tokenizer: object) -> None:
    for name in ("a.txt", "a"):
        with pytest.raises(FileFormatError, match=r"JSON is no plain text[\s\S]*\.jsonl"):
            read_corpus(write(tmp_path / name, content), tokenizer=tokenizer)  # type: ignore[arg-type]


def test_lines_of_json_in_memory_are_refused() -> None:
    with pytest.raises(FileFormatError, match="documents in memory: JSON is no plain text"):
        read_corpus(LINES.splitlines(keepends=True))


def test_json_in_standard_input_names_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINES.encode())))
    with pytest.raises(FileFormatError, match=r"standard input: JSON is no[\s\S]*--field text"):
        read_corpus("-")


@pytest.mark.parametrize("content", ["{braces} and [brackets] are words", '["quoted', '"a": b', "<unk> a b"])
def test_text_that_begins_as_json_or_markup_might_is_text(tmp_path: Path, content: str) -> None:
    assert len(read_corpus(write(tmp_path / "a.txt", f"{content} one two"))) > 2


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.CSV.gz", "folder/b.csv"])
def test_a_table_in_text_is_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, "label,text\n1,the cat sat\n")
    with pytest.raises(FileFormatError, match=r"is a table in [CT]SV[\s\S]*\.jsonl"):
        read_corpus(path.parent if name.startswith("folder") else path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.html", "<p>one two</p>"),
        ("dump.xml", "<page>one two</page>"),
        ("a.txt", "<!DOCTYPE html>\n<p>one two</p>"),
        ("a.txt", '\n<?xml version="1.0"?><page>one two</page>'),
        ("a", '<mediawiki xmlns="x">one two'),
    ],
)
def test_markup_is_refused(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(FileFormatError, match="is HTML or XML: its tags would count as words"):
        read_corpus(write(tmp_path / name, content))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("errors", ["strict", "replace", "ignore"])
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_text_in_another_encoding_of_unicode_is_named(
    tmp_path: Path, encoding: str, errors: str, name: str
) -> None:
    content = LINES if name.endswith("l") else "the café\nthe dog\n"
    path = write(tmp_path / name, content.encode(encoding))
    named = encoding[:6].upper()
    with pytest.raises(FileFormatError, match=rf"looks like {named}[\s\S]*iconv -f {named}"):
        read_corpus(path, encoding_errors=errors)  # type: ignore[arg-type]


def test_a_vocabulary_in_another_encoding_is_named(tmp_path: Path) -> None:
    words = write(tmp_path / "words.txt", "one\ntwo\n".encode("utf-16"))
    with pytest.raises(FileFormatError, match=r"vocabulary: .*words\.txt looks like UTF-16"):
        read_corpus(["one two three"], vocabulary=words)
