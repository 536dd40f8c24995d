"""Documents from files, folders, standard input and data sets, and their errors."""

from __future__ import annotations

import gzip
import importlib.util
import io
import os
import re
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core.errors import FileFormatError, StorageError, VocabularyError
from gpuemb.core.system.installing import install
from gpuemb.corpus.chunks import Reading
from gpuemb.corpus.reader import read_documents
from gpuemb.corpus.sources import CONVERSATIONS_PACKAGE, expand, fingerprint
from gpuemb.corpus.tokens import read_corpus

TEXT = "the first line\nthe second line\n\nthe last line"
LINES = ["the first line", "the second line", "", "the last line"]
BOM = "\ufeff".encode()


def lines_of(source: str | Path, *, encoding_errors: str = "strict") -> list[str]:
    """The documents of a source without their line ends."""
    reading = Reading(encoding_errors=encoding_errors)
    return [line.rstrip("\r\n") for line in read_documents(str(source), reading)]


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_every_line_of_a_file_is_a_document(tmp_path: Path) -> None:
    assert lines_of(write(tmp_path / "a.txt", TEXT)) == LINES


def test_a_gzip_file_reads_as_what_it_packs(tmp_path: Path) -> None:
    assert lines_of(write(tmp_path / "a.txt.gz", gzip.compress(TEXT.encode()))) == LINES


def test_standard_input_reads_as_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert lines_of("-") == LINES


def test_a_folder_is_its_files_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.txt", "a/b/c.txt", "c.txt", ".hidden"):
        write(tmp_path / "texts" / name, name)
    found = expand([str(tmp_path / "texts")])
    assert [os.path.relpath(path, tmp_path / "texts") for path in found] == [
        "a/b/c.txt",
        "a/z.txt",
        "b.txt",
        "c.txt",
    ]


def test_sources_are_read_in_the_order_given(tmp_path: Path) -> None:
    last, first = write(tmp_path / "z", "z"), write(tmp_path / "a", "a")
    assert expand([str(last), "-", str(first), "dataset:conversations"]) == (
        str(last),
        "-",
        str(first),
        "dataset:conversations",
    )


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="holds no files"):
        expand([str(tmp_path)])


def test_a_missing_path_names_the_files_nearby(tmp_path: Path) -> None:
    write(tmp_path / "novels.txt", TEXT)
    with pytest.raises(StorageError, match=r"novel\.txt does not exist") as refusal:
        read_corpus(tmp_path / "novel.txt")
    assert "novels.txt" in str(refusal.value)


def test_a_path_that_cannot_be_opened_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as unreadable:
        unreadable.bind("door")
        with pytest.raises(StorageError, match="door cannot be read: "):
            read_corpus("door")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "secret.txt", TEXT)
    path.chmod(0)
    with pytest.raises(StorageError, match="Permission denied"):
        read_corpus(path)


def test_a_zero_byte_means_a_binary_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bin", b"text\nmore\n\x89PNG\0\0\n")
    with pytest.raises(FileFormatError, match="not text: line 3 holds a zero byte"):
        read_corpus(path)


@settings(deadline=None)
@given(
    before=st.lists(st.text("aä中\r", max_size=5), max_size=4),
    begun=st.text("bß😀", max_size=4),
    bom=st.booleans(),
)
def test_invalid_utf8_is_named_by_line_and_byte(
    before: list[str], begun: str, bom: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    valid = (BOM if bom else b"") + "".join(f"{line}\n" for line in before).encode() + begun.encode()
    path = write(tmp_path_factory.mktemp("bad") / "bad.txt", valid + b"\xff\xfd rest\n")
    place = rf"line {len(before) + 1}, byte {len(valid)}: ff fd"
    with pytest.raises(FileFormatError, match=place):
        lines_of(path)


def test_a_character_cut_by_the_end_of_the_file_is_invalid(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.txt", "ok\nä".encode()[:-1])
    with pytest.raises(FileFormatError, match="line 2, byte 3: c3 is not UTF-8"):
        lines_of(path)


@pytest.mark.parametrize(("errors", "expected"), [("replace", "a\ufffdb"), ("ignore", "ab")])
def test_invalid_bytes_can_be_replaced_or_ignored(tmp_path: Path, errors: str, expected: str) -> None:
    assert lines_of(write(tmp_path / "bad.txt", b"a\xffb\n"), encoding_errors=errors) == [expected]


def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path: Path) -> None:
    plain, marked = write(tmp_path / "plain", TEXT), write(tmp_path / "marked", BOM + TEXT.encode())
    assert lines_of(marked) == lines_of(plain)


def test_windows_line_ends_change_no_token(tmp_path: Path) -> None:
    unix, windows = write(tmp_path / "unix", TEXT), write(tmp_path / "dos", TEXT.replace("\n", "\r\n"))
    first, second = read_corpus(unix), read_corpus(windows)
    assert first.vocabulary.words == second.vocabulary.words
    assert first.ids.tolist() == second.ids.tolist()
    assert first.starts.tolist() == second.starts.tolist()


def test_a_truncated_gzip_file_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(os.urandom(5000).hex().encode())
    path = write(tmp_path / "cut.gz", packed[: len(packed) // 2])
    with pytest.raises(FileFormatError, match=r"cut\.gz is not a whole gzip file"):
        lines_of(path)


@pytest.mark.parametrize("content", [TEXT.encode(), b"\x1f\x8b\x08\0" + b"\0" * 6 + b"not deflated"])
def test_a_gzip_name_needs_gzip_data(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(FileFormatError, match="gzip"):
        lines_of(write(tmp_path / "a.gz", content))


@pytest.mark.parametrize("content", ["", "\n\n", "... !!! 😀\n"])
def test_a_corpus_without_words_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(VocabularyError, match=r"empty\.txt holds no words"):
        read_corpus(write(tmp_path / "empty.txt", content))


def test_an_unknown_data_set_names_the_known_one() -> None:
    with pytest.raises(StorageError, match="dataset:novels is not known") as refusal:
        read_corpus("dataset:novels")
    assert "dataset:conversations" in str(refusal.value)


def test_a_data_set_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpuemb.corpus.sources.CONVERSATIONS_PACKAGE", "no_such_package")
    with pytest.raises(StorageError, match=re.escape(install("demo"))):
        read_corpus("dataset:conversations")


@pytest.mark.skipif(
    importlib.util.find_spec(CONVERSATIONS_PACKAGE) is None, reason="needs gpuemb[demo]: chitchat-dataset"
)
def test_the_conversations_are_read_message_by_message() -> None:
    tokens = read_corpus("dataset:conversations", min_count=10)
    assert tokens.documents > 100_000
    assert len(tokens) > tokens.documents
    assert {"the", "i'm", "hello"} <= set(tokens.vocabulary.words[:1000])


def test_equal_text_has_an_equal_fingerprint_wherever_it_lies(tmp_path: Path) -> None:
    here, there, other = (
        write(tmp_path / name, text) for name, text in (("a", TEXT), ("b/c", TEXT), ("d", TEXT + "x"))
    )
    assert fingerprint(str(here)) == fingerprint(str(there)) != fingerprint(str(other))
