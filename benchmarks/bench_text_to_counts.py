"""A text file to co-occurrence counts: reading, vocabulary, window of 10, harmonic weights, both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import data, stanford
from benchmarks.bench_counts import WEIGHTS, WINDOW, additions
from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads.work import Work
from gpuemb.corpus.tokens import read_corpus
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.counting import count_cooccurrences

MIN_COUNT = 5
pytestmark = pytest.mark.filterwarnings("ignore::gpuemb.core.errors.ShortDocumentsWarning")


def test_conversations(benchmark: Any, track: Track, stanford_glove: Any, tmp_path: Path) -> None:
    tokens = data.conversations(20_000 if track.quick else None)
    text = data.write_lines(tokens, tmp_path / "text.txt")
    _race(benchmark, track, "conversations", text, stanford_glove, tmp_path)


def test_large_corpus(
    benchmark: Any, track: Track, large_corpus: Path, stanford_glove: Any, tmp_path: Path
) -> None:
    _race(benchmark, track, large_corpus.stem, large_corpus, stanford_glove, tmp_path)


def _race(benchmark: Any, track: Track, source: str, text: Path, folder: Path | None, tmp_path: Path) -> None:
    tokens = read_corpus(text, tokenizer="whitespace", min_count=MIN_COUNT)
    count, words, size = len(tokens), len(tokens.vocabulary), text.stat().st_size
    found: list[Cooccurrence] = []

    def ours() -> Cooccurrence:
        return count_cooccurrences(read_corpus(text, tokenizer="whitespace", min_count=MIN_COUNT), WINDOW)

    def verify(result: Cooccurrence) -> str:
        found.append(result)
        vocabulary, total = _python(text)
        kept = result.vocabulary
        assert dict(zip(kept.words, kept.counts.tolist(), strict=True)) == vocabulary
        assert int(result.matrix.sum()) == total
        return "every word's count and the sum of all pairs' counts, from Python's own"

    def cells(path: Path) -> str:
        theirs, mine = path.stat().st_size // stanford.CELL_BYTES, found[0].matrix.nnz
        return "one thread" if theirs == mine else f"one thread; {theirs:,} cells, ours {mine:,}"

    case = Case(
        f"text_to_counts-{source}",
        "text to counts",
        f"{source}, {size / 1e6:.1f} MB, {count:,} tokens, {words:,} words",
        {"text_bytes": size, "tokens": count, "words": words, "window": WINDOW},
        Work(additions(tokens), size, (count, "tokens"), "adds", "flops", "integer additions into cells"),
        ours,
        verify,
    )
    peer = Rival(
        "Stanford vocab_count and cooccur",
        "",
        lambda: _stanford(text, folder, tmp_path),
        cells,
        stanford.absent(folder),
    )
    track.run(benchmark, case, [peer])


def _python(text: Path) -> tuple[dict[str, int], int]:
    """The counts of the words that stay, and the sum of all pairs' counts in units."""
    with text.open(encoding="utf-8") as file:
        documents = [line.split() for line in file]
    counted = Counter(word for document in documents for word in document)
    kept = {word: times for word, times in counted.items() if times >= MIN_COUNT}
    lengths = np.array([sum(word in kept for word in document) for document in documents])
    pairs = [int(np.maximum(0, lengths - distance).sum()) for distance in range(1, WINDOW + 1)]
    return kept, sum(2 * pairs[d - 1] * int(WEIGHTS[d]) for d in range(1, WINDOW + 1))


def _stanford(text: Path, folder: Path | None, tmp_path: Path) -> Callable[[], Path]:
    assert folder is not None
    vocabulary = tmp_path / "vocabulary"
    list_words = stanford.vocab_count(folder, text, vocabulary, MIN_COUNT)
    count = stanford.cooccur(folder, text, vocabulary, tmp_path / "counts")

    def both() -> Path:
        list_words()
        return count()

    return both
