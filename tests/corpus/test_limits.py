"""What has no end, or unpacks to more than any text, is refused while memory is left."""

from __future__ import annotations

import bz2
import gzip
import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from corpus.reference import write
from pyarrow import parquet

from gpuemb.core import memory, threads
from gpuemb.core.errors import FileFormatError, MemoryBudgetError, StorageError
from gpuemb.corpus import chunks, encode, in_memory, sources
from gpuemb.corpus.tokens import read_corpus
from gpuemb.counts.cooccurrence import Cooccurrence

PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": lambda data: pyarrow.compress(data, "zstd", asbytes=True),
}
HALF_MEGABYTE = 1 << 19


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a test reaches in a moment."""
    monkeypatch.setattr(sources, "UNSUSPECTED", HALF_MEGABYTE)
    monkeypatch.setattr(sources, "LARGEST_RATIO", 100)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1 << 16)
    monkeypatch.setattr(chunks, "LONGEST_RUN", HALF_MEGABYTE)
    monkeypatch.setattr(encode, "UNCHECKED", 0)


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize("ending", PACK)
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
@pytest.mark.parametrize("content", [b"a b\n", b"a", b"\n"])
def test_what_unpacks_to_more_than_any_text_is_refused(
    tmp_path: Path, ending: str, name: str, content: bytes
) -> None:
    line = b'{"text": "a b"}\n' if name.endswith("l") and b"b" in content else content
    path = write(tmp_path / f"{name}{ending}", PACK[ending](line * ((2 << 20) // len(line))))
    with pytest.raises(FileFormatError, match=r"unpack to more than|without white space"):
        read_corpus(path)


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize("ending", PACK)
def test_packed_text_is_no_bomb(tmp_path: Path, ending: str) -> None:
    text = "".join(f"word{number * number % 9973} " for number in range(100_000)).encode()
    assert len(text) > HALF_MEGABYTE
    assert len(read_corpus(write(tmp_path / f"a.txt{ending}", PACK[ending](text)))) == 100_000


@pytest.mark.usefixtures("little")
def test_a_table_that_repeats_one_long_text_is_refused(tmp_path: Path) -> None:
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 2000), ["one two " * 1000])
    parquet.write_table(pyarrow.table({"text": column}), tmp_path / "a.parquet")
    with pytest.raises(FileFormatError, match="unpack to more than"):
        read_corpus(tmp_path / "a.parquet")


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize("tokenizer", ["default", "whitespace"])
@pytest.mark.parametrize("character", [".", "。", "a"])
def test_a_text_without_white_space_is_refused(tmp_path: Path, tokenizer: str, character: str) -> None:
    path = write(tmp_path / "a.txt", "one two " + character * (1 << 20))
    with pytest.raises(FileFormatError, match=r"a\.txt has 0 MiB without white space"):
        read_corpus(path, tokenizer=tokenizer)


@pytest.mark.parametrize("documents", ["line", "file", "blank line"])
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_a_document_that_does_not_fit_is_refused_before_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, documents: chunks.Documents, name: str
) -> None:
    path = write(tmp_path / name, "one two " * 100_000)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1 << 12)
    monkeypatch.setattr(memory, "available_host_bytes", lambda: 1 << 20)
    with pytest.raises(MemoryBudgetError, match="a document: needs 8"):
        read_corpus(path, tokenizer=str.split, documents=documents)


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize("tokenizer", ["default", str.split])
def test_texts_without_an_end_are_refused_while_memory_is_left(
    monkeypatch: pytest.MonkeyPatch, tokenizer: object
) -> None:
    monkeypatch.setattr(memory, "available_host_bytes", lambda: 6 << 20)
    monkeypatch.setattr(in_memory, "CHUNK_BYTES", 1 << 12)
    endless = ("one two three four" for _ in itertools.count())
    with threads.limit(1), pytest.raises(MemoryBudgetError, match="read_corpus: needs"):
        read_corpus(endless, tokenizer=tokenizer)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null", "pipe"])
def test_devices_and_named_pipes_are_refused_wherever_a_file_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "pipe":
        os.mkfifo(path)
    with pytest.raises(StorageError, match=f"corpus: .*{name} is a (device|named pipe)"):
        read_corpus(path)
    with pytest.raises(StorageError, match=f"vocabulary: .*{name} is a"):
        read_corpus(["one two"], vocabulary=path)
    with pytest.raises(StorageError, match=f"counts: .*{name} is a"):
        Cooccurrence.from_glove(path, read_corpus(["one two"]).vocabulary, 2)
    with pytest.raises(StorageError, match=f"counts: .*{name} is a"):
        Cooccurrence.from_glove(write(tmp_path / "pairs", b""), path, 2)


def test_a_pipe_that_is_open_is_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"one two\n")
    os.close(writing)
    try:
        assert len(read_corpus(f"/dev/fd/{reading}")) == 2
    finally:
        os.close(reading)


def test_an_endless_pipe_of_zeros_is_refused_at_once() -> None:
    code = "import gpuemb as ge\ntry: ge.read_corpus('-')\nexcept ge.GpuembError as error: print(error)"
    with subprocess.Popen(["cat", "/dev/zero"], stdout=subprocess.PIPE) as zeros:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, stdin=zeros.stdout, capture_output=True, text=True)
        zeros.kill()
    assert "standard input is not text: line 1 holds a zero byte" in done.stdout, done.stderr
