"""Reading a text, and taking a fraction of its documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from gpuemb.core.record import versions
from gpuemb.corpus.sources import changed, expand, fingerprint
from gpuemb.corpus.token_patterns import DEFAULT, is_file
from gpuemb.corpus.tokenizer import UNICODE_VERSION
from gpuemb.corpus.tokens import Tokens, read_corpus
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.stability.config import TextConfig, digest_of
from gpuemb.stability.graph import MAIN, Arrays, Context, Kept, Source, Unit
from gpuemb.stability.kept.samples import sample_of
from gpuemb.stability.kept.sources import state_of

TOKENS, SAMPLE = "tokens", "sample"


@dataclass(frozen=True)
class ReadText:
    """Reads a text into tokens.

    Attributes:
        sources: files, or data sets.
        text: how they become tokens.
        states: of each file as its digest was taken.
    """

    sources: tuple[str, ...]
    text: TextConfig
    states: tuple[tuple[str, tuple[int, int] | None], ...]

    def run(
        self, inputs: Mapping[str, Arrays], wanted: frozenset[str], context: Context
    ) -> dict[str, Arrays]:
        """Return the tokens.

        Raises:
            StorageError: a file changed while it was read.
        """
        tokens = read_corpus(
            list(self.sources),
            tokenizer=self.text.tokenizer,
            documents=self.text.documents,
            field=self.text.field or None,
            min_count=self.text.min_count,
            max_words=self.text.max_words or None,
            encoding_errors=self.text.encoding_errors,
            progress=context.progress,
        )
        for file, state in self.states:  # else these tokens would be kept as those of another text
            if state_of(file) != state:
                raise changed(file)
        return {MAIN: arrays_of(tokens)}


@dataclass(frozen=True)
class TakeSample:
    """Takes a fraction of the documents as a corpus of its own."""

    fraction: float
    min_count: int

    def run(
        self, inputs: Mapping[str, Arrays], wanted: frozenset[str], context: Context
    ) -> dict[str, Arrays]:
        """Return the tokens of the sample, and the rows of its words in the vocabulary of the text."""
        tokens = tokens_of(inputs["text"])
        found = sample_of(tokens, self.fraction, self.min_count)
        size = np.array([len(tokens.vocabulary)])
        rows = np.arange(size[0]) if found.rows is None else found.rows
        return {MAIN: {**arrays_of(found.tokens), "rows": rows, "size": size}}


def text_unit(corpus: tuple[str, ...], text: TextConfig) -> Unit:
    """Return the unit of a text's tokens.

    Raises:
        StorageError: a source cannot be read.
    """
    sources = expand(corpus)
    files = [*sources, text.tokenizer] if is_file(text.tokenizer) else sources
    states = tuple((file, state_of(file)) for file in files)
    key = digest_of(versions(), UNICODE_VERSION, asdict(text), [fingerprint(file) for file in files])
    return Unit("read the text", ReadText(tuple(sources), text, states), {MAIN: Kept(TOKENS, key)})


def sample_source(text: Unit, fraction: float, min_count: int) -> Source:
    """Return what a model of a fraction of the documents is trained on; the whole text for 1."""
    whole = text.source()
    if fraction == 1:
        return whole
    key = digest_of(whole.kept.digest, "fraction", fraction, min_count)
    task, title = TakeSample(fraction, min_count), f"sample of {fraction:g}"
    return Unit(title, task, {MAIN: Kept(SAMPLE, key)}, {"text": whole}).source()


def arrays_of(tokens: Tokens) -> Arrays:
    """Return tokens as arrays that are kept."""
    vocabulary = tokens.vocabulary
    return {
        "ids": tokens.ids,
        "starts": tokens.starts,
        "words": np.frombuffer("\n".join(vocabulary.words).encode(), np.uint8),
        "counts": vocabulary.counts,
        "dropped": np.array([vocabulary.dropped_tokens]),
    }


def tokens_of(kept: Arrays, tokenizer: str = DEFAULT) -> Tokens:
    """Return the tokens of :func:`arrays_of`."""
    return Tokens(kept["ids"], kept["starts"], vocabulary_of(kept), tokenizer=tokenizer)


def vocabulary_of(kept: Arrays) -> Vocabulary:
    """Return the words of :func:`arrays_of`."""
    words = tuple(kept["words"].tobytes().decode().split("\n"))
    return Vocabulary(words, np.asarray(kept["counts"]), int(kept["dropped"][0]))
