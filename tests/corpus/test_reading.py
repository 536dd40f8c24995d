"""What a corpus holds: equal to the definitions in plain Python, wherever chunks end, for any threads."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from corpus.reference import Split, documents_of, spelled, words_of_documents, write
from hypothesis import example, given
from hypothesis import strategies as st
from slow import many_examples

from gpuemb.core import threads
from gpuemb.core.errors import (
    ConfigError,
    FileFormatError,
    ShortDocumentsWarning,
    StorageError,
    VocabularyError,
)
from gpuemb.corpus import chunks
from gpuemb.corpus.token_patterns import Tokenizer
from gpuemb.corpus.tokenizer import tokenize
from gpuemb.corpus.tokens import Tokens, read_corpus
from gpuemb.kernels.tokenize import LONGEST

PATTERN = re.compile(r"\w(\w|-)*")
TOKENIZERS: dict[str, tuple[Tokenizer, Split]] = {
    "default": ("default", tokenize),
    "whitespace": ("whitespace", str.split),
    "pattern": (PATTERN, lambda text: [match.group() for match in PATTERN.finditer(text)]),
    "regex": (r"regex:\w(\w|-)*", lambda text: [match.group() for match in PATTERN.finditer(text)]),
    "function": (str.split, str.split),
}
AWKWARD = st.text(
    st.sampled_from("abAΣσİßé中\u0301'’-. \n\n\n\r\t\v\x1c\x85\u00a0\u2003\ufeff😀"), max_size=80
)
TEXTS = st.lists(
    st.one_of(AWKWARD, st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)),
    max_size=3,
)


def read(
    folder: Path, texts: Sequence[bytes], block: int, workers: int, **options: object
) -> Tokens | VocabularyError:
    """Read files in chunks of so many bytes."""
    paths = [write(folder / f"{number}.txt", text) for number, text in enumerate(texts)]
    with pytest.MonkeyPatch.context() as patch, threads.limit(workers):
        patch.setattr(chunks, "CHUNK_BYTES", block)
        patch.setattr(chunks, "TAIL", 3)
        try:
            return read_corpus(paths, **options)  # type: ignore[arg-type]
        except VocabularyError as error:
            return error


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@many_examples(100)
@given(
    texts=TEXTS.filter(bool),
    block=st.integers(1, 40),
    workers=st.integers(1, 3),
    documents=st.sampled_from(get_args(chunks.Documents)),
    min_count=st.integers(1, 2),
)
@example(
    texts=["a b\n \n c\n\t \r\nd", "\ufeffe\n\nf"], block=2, workers=2, documents="blank line", min_count=1
)
@example(texts=["a  \n b\n\n\nc", "\n", "d"], block=1, workers=2, documents="blank line", min_count=1)
@example(texts=["ΟΔΟΣ Σ Σa aΣ. ΟΣ\u0301 İ\r\nΣ"], block=1, workers=1, documents="file", min_count=1)
def test_a_corpus_is_what_plain_python_reads(
    tokenizer: str,
    texts: list[str],
    block: int,
    workers: int,
    documents: str,
    min_count: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    given_tokenizer, split = TOKENIZERS[tokenizer]
    contents = [text.encode() for text in texts]
    found = read(
        tmp_path_factory.mktemp("texts"),
        contents,
        block,
        workers,
        tokenizer=given_tokenizer,
        documents=documents,
        min_count=min_count,
    )
    cut = [one for content in contents for one in documents_of(content, documents, "strict")]
    try:
        expected = words_of_documents(cut, split, min_count)
    except VocabularyError:
        assert isinstance(found, VocabularyError)
        return
    assert isinstance(found, Tokens)
    assert spelled(found) == expected
    assert np.bincount(found.ids).tolist() == found.vocabulary.counts.tolist()


@pytest.mark.parametrize("tokenizer", ["default", "whitespace", "function"])
@pytest.mark.parametrize("errors", ["replace", "ignore"])
@many_examples(60)
@given(
    pieces=st.lists(
        st.sampled_from(
            [b"a", b"bc", b" ", b"\n", "é".encode(), b"\xc3", b"\xe4\xb8", b"\xff", b"\x80", b"'"]
        ),
        max_size=40,
    ),
    block=st.integers(1, 12),
)
def test_bytes_that_are_no_text_are_replaced_or_ignored_as_python_does(
    tokenizer: str,
    errors: str,
    pieces: list[bytes],
    block: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    given_tokenizer, split = TOKENIZERS[tokenizer]
    content = b"one two " + b"".join(pieces)
    folder = tmp_path_factory.mktemp("texts")
    found = read(folder, [content], block, 2, tokenizer=given_tokenizer, encoding_errors=errors)
    assert isinstance(found, Tokens)
    assert spelled(found) == words_of_documents(documents_of(content, "line", errors), split, 1)


@pytest.mark.slow
def test_lower_case_of_all_words_at_once_is_that_of_each() -> None:
    characters = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000]
    words = [word for c in characters if c != "\n" for word in (c, f"{c}Σ", f"aΣ{c}")]
    lowered = "".join(f"{word}\n" for word in words).lower().split("\n")[:-1]
    assert len(lowered) == len(words)
    assert [(word, found) for word, found in zip(words, lowered, strict=True) if found != word.lower()] == []


@pytest.mark.parametrize("tokenizer", ["default", "whitespace", "function"])
@pytest.mark.parametrize("block", [3, 1 << 20])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"one\ntwo \xff\xfe three\nfour", r"line 2, byte 8: ff fe.* is not UTF-8"),
        (b"\xef\xbb\xbfone\ntwo\n\xc3", "line 3, byte 11: c3 is not UTF-8"),
        (b"one two\nthree\nfo\0ur", "not text: line 3 holds a zero byte"),
    ],
)
def test_what_is_no_text_is_named_by_line_and_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokenizer: str, block: int, content: bytes, message: str
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", block)
    path = write(tmp_path / "bad.txt", content)
    with pytest.raises(FileFormatError, match=message):
        read_corpus(path, tokenizer=TOKENIZERS[tokenizer][0])


@pytest.mark.parametrize("errors", ["replace", "ignore"])
@pytest.mark.parametrize("tokenizer", ["default", "function"])
def test_a_zero_byte_is_refused_even_where_others_are_ignored(
    tmp_path: Path, errors: str, tokenizer: str
) -> None:
    path = write(tmp_path / "bad.txt", b"one \xff\ntwo \0 three")
    with pytest.raises(FileFormatError, match="line 2 holds a zero byte"):
        read_corpus(path, tokenizer=TOKENIZERS[tokenizer][0], encoding_errors=errors)


@pytest.mark.parametrize("tokenizer", ["default", "whitespace"])
@pytest.mark.parametrize("block", [100, 1 << 20])
def test_a_token_longer_than_a_page_is_named_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokenizer: str, block: int
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", block)
    path = write(tmp_path / "long.txt", "one two\n" * 40 + "three " + "x" * (LONGEST + 1))
    with pytest.raises(FileFormatError, match=r"long\.txt, line 41: 'xxx.*more than 4096 bytes"):
        read_corpus(path, tokenizer=tokenizer)
    assert len(read_corpus(path, tokenizer=str.split).vocabulary) == 4


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "log.txt", "one two\nthree four\n")

    def split(document: str) -> list[str]:
        with path.open("a") as file:
            file.write("more\n")
        return document.split()

    with pytest.raises(StorageError, match=r"log\.txt changed while it was read"):
        read_corpus(path, tokenizer=split)


def test_a_file_that_is_written_again_in_place_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 8)
    path = write(tmp_path / "log.txt", "one two\nthree four\n")

    def split(document: str) -> list[str]:
        os.utime(path, ns=(0, 1))
        return document.split()

    with pytest.raises(StorageError, match="changed while it was read"):
        read_corpus(path, tokenizer=split)


@pytest.mark.parametrize(
    "given_tokenizer",
    ["defalt", "regex:(", f"regex:a{{{10**20}}}", f"regex:{'(' * 5000}", 3, re.compile(b"a")],
)
def test_what_is_no_tokenizer_is_refused(tmp_path: Path, given_tokenizer: object) -> None:
    path = write(tmp_path / "a.txt", "one two")
    with pytest.raises(ConfigError, match="tokenizer = "):
        read_corpus(path, tokenizer=given_tokenizer)  # type: ignore[arg-type]


@pytest.mark.parametrize("token", ["", "two\nlines", "ze\0ro", 3])
def test_a_function_must_give_words(tmp_path: Path, token: object) -> None:
    path = write(tmp_path / "a.txt", "one two")
    with pytest.raises(ConfigError, match="the tokenizer returned"):
        read_corpus(path, tokenizer=lambda _: ["one", token])  # type: ignore[list-item]


@pytest.mark.parametrize("tokenizer", ["default", "whitespace", "function"])
def test_a_min_count_that_leaves_no_vocabulary_is_refused_with_the_largest_count(
    tmp_path: Path, tokenizer: str
) -> None:
    path = write(tmp_path / "a.txt", "one two one\ntwo one three")
    with pytest.raises(VocabularyError, match="0 of 3 distinct words occur at least 4 times") as refusal:
        read_corpus(path, tokenizer=TOKENIZERS[tokenizer][0], min_count=4)
    assert "The most frequent word occurs 3 times: lower min_count" in str(refusal.value)


@pytest.mark.parametrize("tokenizer", ["default", "whitespace", "function"])
@pytest.mark.parametrize("documents", ["line", "file", "blank line"])
@pytest.mark.parametrize("block", [3, 1 << 20])
def test_one_document_begins_with_the_first_token_and_ends_with_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokenizer: str, documents: chunks.Documents, block: int
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", block)
    path = write(tmp_path / "a.txt", "one two one two three one")
    found = read_corpus(path, tokenizer=TOKENIZERS[tokenizer][0], documents=documents, min_count=2)
    assert (found.documents, found.starts.tolist()) == (1, [0, 5])
    assert found.ids.tolist() == [0, 1, 0, 1, 0]
    assert found.vocabulary.dropped_tokens == 1


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_spellings_of_all_workers_are_one_vocabulary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1 << 12)
    words = [f"w{number * number % 7919}-{'x' * (number % 30)}" for number in range(20_000)]
    path = write(tmp_path / "a.txt", "".join(f"{word}\n" for word in words))
    with threads.limit(workers):
        found = read_corpus(path, tokenizer="whitespace", documents="file")
    counts = Counter(words)
    expected = sorted(counts, key=lambda word: (-counts[word], word))
    assert list(found.vocabulary.words) == expected
    assert found.vocabulary.counts.tolist() == [counts[word] for word in expected]
    assert [expected[one] for one in found.ids.tolist()] == words


@pytest.mark.parametrize(
    "option", [{"documents": "page"}, {"encoding_errors": "loose"}, {"subsample": 0.0}, {"subsample": 1.5}]
)
def test_impossible_options_are_refused(tmp_path: Path, option: dict[str, object]) -> None:
    path = write(tmp_path / "a.txt", "one two")
    with pytest.raises(ConfigError, match=next(iter(option))):
        read_corpus(path, **option)  # type: ignore[arg-type]


def test_a_corpus_says_what_found_its_words(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "one two")
    names = [read_corpus(path, tokenizer=one).tokenizer for one in ("default", "regex:[a-z]+", PATTERN)]
    assert names == ["default", "regex:[a-z]+", rf"regex:{PATTERN.pattern}"]
    assert read_corpus(path, tokenizer=tokenize).tokenizer == "gpuemb.corpus.tokenizer.tokenize"


def test_most_lines_being_short_is_told_once_lines_are_many(tmp_path: Path) -> None:
    short, long = "one two three\n", "one two " * 10 + "\n"
    few, many = write(tmp_path / "few", short * 999), write(tmp_path / "many", short * 1000 + "\n" * 5)
    with pytest.warns(ShortDocumentsWarning, match="half of them have 3 tokens or fewer"):
        read_corpus(many)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_corpus(few)
        read_corpus(write(tmp_path / "long", short * 499 + long * 501))
        read_corpus(many, documents="file")
        read_corpus(write(tmp_path / "a.jsonl", '{"text": "one two"}\n' * 1000))


@pytest.mark.parametrize("block", [64, 1 << 20])
def test_subsampling_drops_frequent_words_by_their_frequency(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", block)
    text = ("the " * 16 + "of " * 3 + "rare\n") * 1000
    path = write(tmp_path / "a.txt", text)
    whole = read_corpus(path, documents="file", min_count=2)
    drawn = read_corpus(path, documents="file", min_count=2, subsample=0.05)
    kept = np.bincount(drawn.ids, minlength=3)
    chance = np.minimum(1, np.sqrt(0.05 / (whole.vocabulary.counts / len(whole))))
    expected = whole.vocabulary.counts * chance
    spread = np.sqrt(expected * (1 - chance))
    assert np.all(np.abs(kept - expected) <= 5 * spread)  # binomial: beyond in 1 of 1.7 million
    assert kept[2] == 1000
    assert drawn.vocabulary.counts.tolist() == whole.vocabulary.counts.tolist()
    assert drawn.starts.tolist() == [0, len(drawn)]
    again, other = (read_corpus(path, documents="file", subsample=0.05, seed=seed) for seed in (0, 1))
    assert again.ids.tolist() == drawn.ids.tolist()
    assert other.ids.tolist() != drawn.ids.tolist()


def test_subsampling_does_not_depend_on_blocks_or_threads(tmp_path: Path) -> None:
    content = b"".join(b"the word%d of the %d\n" % (i % 7, i % 11) for i in range(300))
    first, *others = (
        read(tmp_path, [content], block, workers, subsample=0.01, min_count=2)
        for block, workers in ((1 << 20, 1), (17, 2), (100, 3))
    )
    assert isinstance(first, Tokens)
    for other in others:
        assert isinstance(other, Tokens)
        assert other.ids.tolist() == first.ids.tolist()
        assert other.starts.tolist() == first.starts.tolist()
    assert 0 < len(first) < 1200
