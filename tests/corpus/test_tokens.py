"""A corpus as word ids: ids, document borders and vocabulary are consistent."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from corpus.texts import vocabulary_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gpuemb.corpus import chunks
from gpuemb.corpus.tokenizer import tokenize
from gpuemb.corpus.tokens import read_corpus

LINES = st.lists(st.text("aAbBcé '.\r", max_size=12), min_size=1, max_size=12)


@settings(deadline=None)
@given(lines=LINES, min_count=st.integers(1, 2))
def test_ids_spell_the_frequent_words_and_empty_documents_vanish(
    lines: list[str], min_count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    counts = Counter(token for line in lines for token in tokenize(line))
    assume(sum(count >= min_count for count in counts.values()) >= 2)
    path = tmp_path_factory.mktemp("corpus") / "lines.txt"
    path.write_bytes("\n".join(lines).encode())

    tokens = read_corpus(path, min_count=min_count)

    vocabulary = vocabulary_of(counts, min_count=min_count)
    assert tokens.vocabulary.words == vocabulary.words
    assert tokens.vocabulary.counts.tolist() == vocabulary.counts.tolist()
    kept = [[word for word in tokenize(line) if word in vocabulary.ids] for line in lines]
    spelled = [[tokens.vocabulary.words[i] for i in tokens.ids[a:b]] for a, b in pairwise(tokens.starts)]
    assert spelled == [document for document in kept if document]


def test_starts_begin_at_zero_rise_and_end_with_the_tokens(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n\none two\n\nrare\none two one\n\n")
    tokens = read_corpus(tmp_path / "a.txt", min_count=2)
    assert tokens.starts.tolist() == [0, 2, 5]
    assert tokens.documents == 2
    assert len(tokens) == len(tokens.ids) == 5
    assert tokens.vocabulary.dropped_tokens == 1
    assert (tokens.ids.dtype, tokens.starts.dtype) == (np.int32, np.int64)
    assert np.bincount(tokens.ids).tolist() == tokens.vocabulary.counts.tolist()


def test_reading_in_pieces_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("".join(f"word{i % 7} and word{i % 3}\n" for i in range(20)))
    whole = read_corpus(tmp_path / "a.txt")
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 7)
    pieces = read_corpus(tmp_path / "a.txt")
    assert pieces.ids.tolist() == whole.ids.tolist()
    assert pieces.starts.tolist() == whole.starts.tolist()


def test_several_files_are_one_corpus_but_no_document_spans_two(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two")
    (tmp_path / "b.txt").write_text("two three")
    tokens = read_corpus([tmp_path / "a.txt", str(tmp_path / "b.txt")])
    assert tokens.documents == 2
    assert tokens.vocabulary.words == ("two", "one", "three")
