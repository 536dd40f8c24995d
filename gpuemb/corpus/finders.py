"""What cuts a document into tokens: a rule for bytes, or any function of Python."""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np

from gpuemb.core.arrays import Int32
from gpuemb.core.checks import nearest_hint
from gpuemb.core.errors import ConfigError, FileFormatError, StorageError
from gpuemb.corpus.tokenizer import APOSTROPHES
from gpuemb.kernels.tokenize import CODE_POINTS, Bytes, bits_of

Tokenizer: TypeAlias = str | re.Pattern[str] | Callable[[str], Sequence[str]]
REGEX = "regex:"
DEFAULT, WHITESPACE = "default", "whitespace"


@dataclass(frozen=True, eq=False)
class ByteRule:
    """A tokenizer that the kernel knows.

    Attributes:
        members, inner: as :mod:`gpuemb.kernels.tokenize` takes them.
        lower: whether tokens are put in lower case.
    """

    members: Bytes
    inner: Int32
    lower: bool


@dataclass(frozen=True, eq=False)
class DocumentRule:
    """A tokenizer that takes documents and gives the tokens of each."""

    tokens_of: Callable[[Sequence[str]], Sequence[Sequence[str]]]


def finder_of(tokenizer: Tokenizer) -> ByteRule | DocumentRule:
    """Return what a tokenizer's name, pattern or function stands for.

    Args:
        tokenizer: ``default`` (Definitions §1), ``whitespace`` (``str.split``), a compiled pattern or
            ``regex:…`` (tokens are its whole matches), a path ending in ``.json`` (a file of Hugging Face's
            ``tokenizers``), or a function from a document to its tokens.

    Raises:
        ConfigError: none of these, or no regular expression.
        StorageError, FileFormatError: the file cannot be used.
    """
    if isinstance(tokenizer, str):
        check_tokenizer(tokenizer)
        if tokenizer in (DEFAULT, WHITESPACE):
            return byte_rule(tokenizer)
        if tokenizer.startswith(REGEX):
            return _matches(re.compile(tokenizer.removeprefix(REGEX)))
        return _from_file(Path(tokenizer))
    if isinstance(tokenizer, re.Pattern):
        return _matches(tokenizer)
    if not callable(tokenizer):
        raise _unknown(tokenizer, "A function is called with each document and returns its tokens.")
    function = tokenizer
    return DocumentRule(lambda documents: [function(document) for document in documents])


def name_of(tokenizer: Tokenizer) -> str:
    """What records call a tokenizer."""
    if isinstance(tokenizer, str):
        return tokenizer
    if isinstance(tokenizer, re.Pattern):
        return f"{REGEX}{tokenizer.pattern}"
    name: str = getattr(tokenizer, "__qualname__", type(tokenizer).__qualname__)
    module = getattr(tokenizer, "__module__", None)
    return f"{module}.{name}" if module else name


def check_tokenizer(name: str) -> None:
    """Refuse a name that no tokenizer has; a file is not opened.

    Raises:
        ConfigError: an unknown name, or no regular expression.
    """
    if name.startswith(REGEX):
        try:
            re.compile(name.removeprefix(REGEX))
        except re.error as error:
            raise _unknown(name, f"It is no regular expression: {error}.") from error
    elif name not in (DEFAULT, WHITESPACE) and not is_file(name):
        raise _unknown(name, nearest_hint(name, (DEFAULT, WHITESPACE)))


def is_file(name: str) -> bool:
    """Whether a tokenizer's name is the path of a file."""
    return name.endswith(".json") and not name.startswith(REGEX)


@cache
def byte_rule(name: str) -> ByteRule:
    """The rule ``default`` or ``whitespace``, as truth values of all characters; made once a process."""
    characters = np.arange(CODE_POINTS, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")
    if name == WHITESPACE:
        members = np.ones(CODE_POINTS, bool)
        members[[match.start() for match in re.finditer(r"\s", characters)]] = False
        return ByteRule(bits_of(members), np.zeros(0, np.int32), lower=False)
    categories = "".join(map(unicodedata.category, characters)).encode()
    kind, detail = np.frombuffer(categories, np.uint8).reshape(-1, 2).T
    letters_and_marks = (kind == ord("L")) | (kind == ord("M"))
    digits = (kind == ord("N")) & (detail == ord("d"))
    inner = np.array([ord(apostrophe) for apostrophe in APOSTROPHES], np.int32)
    return ByteRule(bits_of(letters_and_marks | digits), inner, lower=True)


def _matches(pattern: re.Pattern[str]) -> DocumentRule:
    if not isinstance(pattern.pattern, str):
        raise _unknown(pattern, "A pattern of str is needed, not of bytes.")
    return DocumentRule(
        lambda documents: [[match.group() for match in pattern.finditer(one)] for one in documents]
    )


def _from_file(path: Path) -> DocumentRule:
    if importlib.util.find_spec("tokenizers") is None:
        raise StorageError(
            f"corpus: {path} needs the library tokenizers",
            needed="It reads the tokenizer files of Hugging Face.",
            remedy="pip install 'gpuemb[tokenizers]'",
        )
    import tokenizers

    try:
        described = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(
            f"corpus: the tokenizer {path} cannot be read: {getattr(error, 'strerror', None) or error}",
            needed="A tokenizer.json that you may read is needed.",
            remedy="Check the path.",
        ) from error
    try:
        found = tokenizers.Tokenizer.from_str(described)
    except Exception as error:  # the library raises nothing narrower
        raise FileFormatError(
            f"corpus: {path} is no tokenizer: {error}",
            needed="A path that ends in .json must be a tokenizer file of Hugging Face's tokenizers.",
            remedy="Save it with tokenizer.save(path).",
        ) from error

    found.no_padding()
    found.no_truncation()
    words = {number: word for word, number in found.get_vocab().items()}

    def tokens_of(documents: Sequence[str]) -> list[list[str]]:
        encoded = found.encode_batch(list(documents), add_special_tokens=False)
        return [[words[number] for number in one.ids] for one in encoded]

    return DocumentRule(tokens_of)


def _unknown(given: object, remedy: str) -> ConfigError:
    return ConfigError(
        f"corpus: tokenizer = {given!r}",
        needed="A tokenizer is default, whitespace, regex:…, a pattern, a .json path, or a function.",
        remedy=remedy,
    )
