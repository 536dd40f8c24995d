"""Tokenizers: a rule over bytes for the kernel, or any Python function of documents."""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Int32
from gpuemb.core.checks import nearest_hint
from gpuemb.core.doors import enter
from gpuemb.core.errors import ConfigError, FileFormatError, StorageError
from gpuemb.core.system.installing import install
from gpuemb.corpus.sources import read_whole
from gpuemb.corpus.tokenizer import BREAKING, INNER, JOINERS
from gpuemb.kernels.tokenize import CODE_POINTS, Bytes, bits_of

Tokenizer: TypeAlias = str | re.Pattern[str] | Callable[[str], Sequence[str]]
REGEX = "regex:"
DEFAULT, WHITESPACE = "default", "whitespace"


@dataclass(frozen=True, eq=False)
class ByteRule:
    """A tokenizer of the compiled kernel.

    Attributes:
        members, marks, inner: arguments of :mod:`gpuemb.kernels.tokenize`.
        dropped: whether each code point is no part of a word's spelling, which is in lower case and composed
            (NFC); None where words are spelled as in the text.
    """

    members: Bytes
    marks: Bytes
    inner: Int32
    dropped: NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class DocumentRule:
    """A Python function from documents to the tokens of each."""

    tokens_of: Callable[[Sequence[str]], Sequence[Sequence[str]]]


def token_pattern(tokenizer: Tokenizer) -> ByteRule | DocumentRule:
    """Turn a tokenizer's name, pattern or function into a rule.

    Args:
        tokenizer: ``default`` (Definitions §1), ``whitespace`` (``str.split``), a compiled pattern or
            ``regex:…`` (tokens are the full matches), a path ending in ``.json`` (a file of Hugging Face's
            ``tokenizers``), or a function from a document to its tokens.

    Raises:
        ConfigError: none of these, or an invalid regular expression.
        StorageError, FileFormatError: the file is unreadable or no tokenizer.
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

    def tokens_of(documents: Sequence[str]) -> list[Sequence[str]]:
        return [enter("corpus", "the tokenizer's result", function(one), Sequence[Any]) for one in documents]

    return DocumentRule(tokens_of)


def name_of(tokenizer: Tokenizer) -> str:
    """Return the name of a tokenizer in records."""
    if isinstance(tokenizer, str):
        return tokenizer
    if isinstance(tokenizer, re.Pattern):
        return f"{REGEX}{tokenizer.pattern}"
    name: str = getattr(tokenizer, "__qualname__", type(tokenizer).__qualname__)
    module = getattr(tokenizer, "__module__", None)
    return f"{module}.{name}" if module else name


def check_tokenizer(name: str) -> None:
    """Check the name of a tokenizer without opening its file.

    Raises:
        ConfigError: an unknown name, or an invalid regular expression.
    """
    if name.startswith(REGEX):
        try:
            re.compile(name.removeprefix(REGEX))
        except (re.error, OverflowError, RecursionError) as error:
            raise _unknown(name, f"It is not a regular expression: {error}.") from error
    elif name not in (DEFAULT, WHITESPACE) and not is_file(name):
        raise _unknown(name, nearest_hint(name, (DEFAULT, WHITESPACE)))


def is_file(name: str) -> bool:
    """Whether a tokenizer's name is the path of a file."""
    return name.endswith(".json") and not name.startswith(REGEX)


@cache
def byte_rule(name: str) -> ByteRule:
    """Return the rule ``default`` or ``whitespace`` as bit sets over all characters; computed once."""
    characters = np.arange(CODE_POINTS, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")
    if name == WHITESPACE:
        members = np.ones(CODE_POINTS, bool)
        members[[match.start() for match in re.finditer(r"\s", characters)]] = False
        return ByteRule(bits_of(members), bits_of(np.zeros(CODE_POINTS, bool)), np.zeros(0, np.int32))
    categories = "".join(map(unicodedata.category, characters)).encode()
    kind, detail = np.frombuffer(categories, np.uint8).reshape(-1, 2).T
    letters_and_digits = (kind == ord("L")) | ((kind == ord("N")) & (detail == ord("d")))
    format_characters = (kind == ord("C")) & (detail == ord("f"))
    format_characters[[ord(character) for character in BREAKING]] = False
    marks = (kind == ord("M")) | format_characters
    format_characters[[ord(character) for character in JOINERS]] = False
    inner = np.array([ord(character) for character in INNER], np.int32)
    return ByteRule(bits_of(letters_and_digits), bits_of(marks), inner, format_characters)


def _matches(pattern: re.Pattern[str]) -> DocumentRule:
    if not isinstance(pattern.pattern, str):
        raise _unknown(pattern, "The pattern must be of str, not of bytes.")
    return DocumentRule(
        lambda documents: [[match.group() for match in pattern.finditer(one)] for one in documents]
    )


def _from_file(path: Path) -> DocumentRule:
    if importlib.util.find_spec("tokenizers") is None:
        raise StorageError(
            f"corpus: {path} needs the library tokenizers",
            needed="It reads the tokenizer files of Hugging Face.",
            remedy=install("tokenizers"),
        )
    import tokenizers

    described = read_whole("tokenizer", path)
    try:
        found = tokenizers.Tokenizer.from_str(described)
    except Exception as error:  # the library raises nothing narrower
        raise FileFormatError(
            f"corpus: {path} is not a tokenizer: {error}",
            needed="A path that ends in .json must be a tokenizer file of Hugging Face's tokenizers.",
            remedy="Save it with tokenizer.save(path).",
        ) from error

    found.no_padding()
    found.no_truncation()
    words = {number: word for word, number in found.get_vocab().items()}

    def tokens_of(documents: Sequence[str]) -> list[list[str]]:
        try:
            encoded = found.encode_batch(list(documents), add_special_tokens=False)
            return [[words[number] for number in one.ids] for one in encoded]
        except Exception as error:
            raise FileFormatError(
                f"corpus: {path} cannot tokenize the text: {error}",
                needed="A tokenizer needs a token for what it does not know.",
                remedy="Name one in its model (unk_token, unk_id), and save it again.",
            ) from error

    return DocumentRule(tokens_of)


def _unknown(given: object, remedy: str) -> ConfigError:
    return ConfigError(
        f"corpus: tokenizer = {given!r}",
        needed="A tokenizer is default, whitespace, regex:…, a pattern, a .json path, or a function.",
        remedy=remedy,
    )
