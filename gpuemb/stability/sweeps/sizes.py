"""The sizes of a study's text, which its plan needs: read, and counted or estimated from a part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gpuemb.core.errors import ConfigError
from gpuemb.core.files.whole import is_pipe
from gpuemb.core.progress import SILENT, Progress
from gpuemb.corpus.sources import STANDARD_INPUT, expand
from gpuemb.corpus.tokens import Tokens, read_corpus
from gpuemb.counts.counting import count_cooccurrences
from gpuemb.stability.config import CountsConfig, StudyConfig
from gpuemb.stability.kept.samples import sample_of

COUNTED = 2_000_000  # tokens that are counted exactly: seconds
LEAST_DOCUMENTS = 8  # of a part that is halved


@dataclass(frozen=True)
class TextSizes:
    """Sizes of what a model is trained on.

    Attributes:
        tokens: of its vocabulary.
        words: in its vocabulary.
        nonzeros: stored pairs of its counts.
    """

    tokens: int
    words: int
    nonzeros: int


@dataclass(frozen=True)
class StudySizes:
    """Sizes of a study.

    Attributes:
        tokens: of the whole text; 0 where they are not known.
        words: in the vocabulary of the study.
        of: sizes by fraction and window of counts.
    """

    tokens: int
    words: int
    of: dict[tuple[float, int], TextSizes]

    def at(self, fraction: float, window: int) -> TextSizes:
        """Return the sizes of a model."""
        return self.of[fraction, window]


def stated_sizes(config: StudyConfig, words: int, nonzeros: int, tokens: int) -> StudySizes:
    """Return the sizes that are stated of a study, the same for every fraction and window."""
    one = TextSizes(tokens, words, nonzeros)
    return StudySizes(tokens, words, dict.fromkeys(_asked(config), one))


def read_sizes(config: StudyConfig, progress: Progress = SILENT) -> StudySizes:
    """Read the text of a study and count its words; pairs are counted in a part where the text is long.

    Raises:
        ConfigError: the text can be read only once.
        StorageError, FileFormatError, VocabularyError: as in reading it for the study.

    Cost: one reading of the text; counting two million tokens a fraction and window.
    """
    for source in config.corpus:
        if source == STANDARD_INPUT or is_pipe(source):
            raise ConfigError(
                f"plan: {source} can be read only once",
                needed="The sizes of the text must be known.",
                remedy="Write it to a file first, or state words and nonzeros.",
            )
    text = config.text
    tokens = read_corpus(
        expand(config.corpus),
        tokenizer=text.tokenizer,
        documents=text.documents,
        field=text.field or None,
        min_count=text.min_count,
        max_words=text.max_words or None,
        encoding_errors=text.encoding_errors,
        progress=progress,
    )
    found = {}
    for fraction, window in _asked(config):
        part = sample_of(tokens, fraction, text.min_count).tokens
        counts = replace(config.counts, window=window)
        found[fraction, window] = TextSizes(len(part), len(part.vocabulary), nonzeros_of(part, counts))
    return StudySizes(len(tokens), len(tokens.vocabulary), found)


def nonzeros_of(tokens: Tokens, counts: CountsConfig, most: int = COUNTED) -> int:
    """Return how many pairs of words the counts of a text store.

    Exact up to ``most`` tokens. Of a longer text a random part of the documents of that size, a half and a
    quarter of it are counted: pairs grow with a power of the text (Herdan's law) that falls as frequent words
    have met; it is taken to fall by the same factor at each doubling.

    Args:
        tokens: the text.
        counts: window and weighting; only the window matters.
        most: tokens that are counted.
    """
    share = most / max(1, len(tokens))
    if share >= 1 or tokens.documents * share < LEAST_DOCUMENTS:
        return count_cooccurrences(tokens, counts.window, counts.weighting, device="cpu").nonzeros
    logs = []
    for part in (share / 4, share / 2, share):
        chosen = sample_of(tokens, part, 1).tokens
        pairs = count_cooccurrences(chosen, counts.window, counts.weighting, device="cpu").nonzeros
        logs.append(math.log(max(1, pairs)))
    before, last = logs[1] - logs[0], logs[2] - logs[1]
    ratio = min(1.0, max(0.5, last / before)) if before > 0 else 1.0
    doublings = -math.log2(share)
    grown = doublings if ratio == 1 else ratio * (1 - ratio**doublings) / (1 - ratio)
    return int(min(math.exp(logs[2] + last * grown), float(len(tokens.vocabulary)) ** 2))


def window_of(config: StudyConfig, window: int) -> int:
    """Return the window of a model's counts: its own, or that of the study."""
    return window or config.counts.window


def _asked(config: StudyConfig) -> Sequence[tuple[float, int]]:
    return sorted({(model.fraction, window_of(config, model.window)) for model in config.trained})
