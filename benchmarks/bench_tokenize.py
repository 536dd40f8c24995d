"""Text to vocabulary and token ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import data, stanford
from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads.work import Work
from gpuemb.corpus.tokenizer import tokenize
from gpuemb.corpus.tokens import Tokens, read_corpus

SPLITS: dict[str, Callable[[str], list[str]]] = {"default": tokenize, "whitespace": str.split}
pytestmark = [
    pytest.mark.parametrize("tokenizer", SPLITS),
    pytest.mark.filterwarnings("ignore::gpuemb.core.errors.ShortDocumentsWarning"),
]


def test_conversations(
    benchmark: Any, track: Track, stanford_glove: Any, tmp_path: Path, tokenizer: str
) -> None:
    tokens = data.conversations(20_000 if track.quick else None)
    text = data.write_lines(tokens, tmp_path / "text.txt")
    _race(benchmark, track, "conversations", text, stanford_glove, tokenizer)


def test_large_corpus(
    benchmark: Any, track: Track, large_corpus: Path, stanford_glove: Any, tokenizer: str
) -> None:
    _race(benchmark, track, large_corpus.stem, large_corpus, stanford_glove, tokenizer)


def _race(benchmark: Any, track: Track, source: str, text: Path, folder: Path | None, tokenizer: str) -> None:
    size, split = text.stat().st_size, SPLITS[tokenizer]
    with text.open(encoding="utf-8") as file:
        expected = Counter(token for line in file for token in split(line))
    count = sum(expected.values())

    def verify(found: Tokens) -> str:
        words, counts = found.vocabulary.words, found.vocabulary.counts.tolist()
        assert dict(zip(words, counts, strict=True)) == expected
        assert np.array_equal(np.bincount(found.ids, minlength=len(words)), found.vocabulary.counts)
        return "every count, from Python's own; the ids' counts, equal"

    said = "bytes: the text read and 4 bytes a token written; operations: one a byte of text"
    case = Case(
        f"read_corpus-{tokenizer}-{source}",
        "read_corpus",
        f"{tokenizer}, {source}, {size / 1e6:.1f} MB, {count:,} tokens, {len(expected):,} words",
        {"text_bytes": size, "tokens": count, "words": len(expected)},
        Work(size, size + 4 * count, (count, "tokens"), "copy", "bytes", said),
        lambda: read_corpus(text, tokenizer=tokenizer),
        verify,
    )
    track.run(benchmark, case, _rivals(text, folder))


def _rivals(text: Path, folder: Path | None) -> list[Rival]:
    def with_python() -> Callable[[], Any]:
        def call() -> Any:
            ids: dict[str, int] = {}
            found: list[int] = []
            with text.open(encoding="utf-8") as file:
                for line in file:
                    found += [ids.setdefault(word, len(ids)) for word in line.lower().split()]
            return np.array(found, np.int32), Counter(found)

        return call

    def with_polars() -> Callable[[], Any]:
        import polars

        def call() -> Any:
            lines = polars.Series(text.read_text("utf-8").lower().split("\n"))
            return lines.str.split(" ").explode().value_counts()

        return call

    def with_stanford() -> Callable[[], Any]:
        assert folder is not None
        return stanford.vocab_count(folder, text, text.with_suffix(".vocabulary"))

    return [
        Rival("Python", "", with_python, lambda _: "splits at spaces, with ids"),
        Rival("polars", "polars", with_polars, lambda _: "splits at spaces, no ids"),
        Rival(
            "Stanford vocab_count",
            "",
            with_stanford,
            lambda _: "splits at spaces, no ids",
            stanford.absent(folder),
        ),
    ]
