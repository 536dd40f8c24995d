"""Tokens of a tokenizer as readable text, and which of them are whole words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Style = Literal["wordpiece", "byte-level", "sentencepiece", "end of word", "words"]
CONTINUES, SPACE, END = "##", "▁", "</w>"  # marks of WordPiece, SentencePiece and of the oldest BPE
INNER = "'’-"  # may stand inside a word
SPECIAL = re.compile(
    r"\[(?:CLS|SEP|PAD|UNK|MASK|BOS|EOS|unused\d+)\]"
    r"|<(?:s|/s|pad|unk|mask|bos|eos|unused\d+|extra_id_\d+|reserved_\d+)>"
    r"|<\|.*\|>"
)
BYTE = re.compile(r"<0x[0-9A-F]{2}>")  # of SentencePiece, for what it has no token for


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of a table's rows.

    Attributes:
        spelled: as the tokenizer spells them.
        texts: as people read them, each once.
        whole: ``(V,)`` whether a row is a whole word.
        special: ``(V,)`` whether a row is a special token, such as ``[CLS]``.
    """

    spelled: Sequence[str]
    texts: Sequence[str]
    whole: NDArray[np.bool_]
    special: NDArray[np.bool_]


def read_tokens(
    spelled: Sequence[str], style: Style, special: Collection[str] = (), added: Collection[str] = ()
) -> Tokens:
    """Return tokens as readable text.

    A whole word is its letters alone (``Ġking``, ``▁king``, ``king`` of WordPiece → ``king``). What goes on
    inside a word begins with ``##``, spaces are ``▁``, and bytes that are no text of their own are escaped.
    Where two tokens would read alike the whole word has the text, then the first row; the other
    stays as it is spelled, and is no whole word.

    Args:
        spelled: the ``V`` tokens, each once.
        style: how the tokenizer marks words.
        special: tokens that stand for no text; those of usual names are known.
        added: tokens that were added to the tokenizer as they are, without marks.
    """
    texts, whole = [], np.zeros(len(spelled), bool)
    set_aside = np.zeros(len(spelled), bool)
    for row, token in enumerate(spelled):
        set_aside[row] = token in special or SPECIAL.fullmatch(token) is not None
        if set_aside[row]:
            texts.append(token)
            continue
        text, begins = (token, True) if token in added else READ[style](token)
        whole[row] = begins and is_word(text)
        mark = "" if whole[row] or token in added else _mark(token, begins, style)
        texts.append(mark + _visible(text))
    seen: dict[str, int] = {}
    for row in [*np.flatnonzero(whole), *np.flatnonzero(~whole)]:
        if texts[row] in seen:
            whole[row] = False
            texts[row] = spelled[row] if spelled[row] not in seen else f"{spelled[row]} (row {row})"
        seen[texts[row]] = row
    return Tokens(spelled, texts, whole, set_aside)


def is_word(text: str) -> bool:
    """Whether a text is letters, marks and digits, with apostrophes and hyphens only inside."""
    inside = [character for character in text if character not in INNER]
    outer = bool(text) and text[0] not in INNER and text[-1] not in INNER
    return outer and all(unicodedata.category(character)[0] in "LMN" for character in inside)


def _mark(token: str, begins: bool, style: Style) -> str:
    """Return what stands before a token that is no whole word, where its style writes nothing there."""
    if style not in ("byte-level", "sentencepiece") or (style == "sentencepiece" and BYTE.fullmatch(token)):
        return ""
    return SPACE if begins else CONTINUES


def _visible(text: str) -> str:
    """Spell spaces and control characters so that they are seen."""
    return "".join(
        SPACE if character == " " else character if character.isprintable() else _escaped(character)
        for character in text
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _of_wordpiece(token: str) -> tuple[str, bool]:
    return token, not token.startswith(CONTINUES) or token == CONTINUES


def _of_bytes(token: str) -> tuple[str, bool]:
    known = bytes_of_characters()
    if any(character not in known for character in token):  # an added token is spelled as it is
        return token, False
    text = bytes(known[character] for character in token).decode("utf-8", "backslashreplace")
    return text.removeprefix(" "), text.startswith(" ")


def _of_sentencepiece(token: str) -> tuple[str, bool]:
    return token.removeprefix(SPACE), token.startswith(SPACE)


def _of_ends(token: str) -> tuple[str, bool]:
    return (token.removesuffix(END), True) if token.endswith(END) else (token, False)


READ: dict[Style, Callable[[str], tuple[str, bool]]] = {
    "wordpiece": _of_wordpiece,
    "byte-level": _of_bytes,
    "sentencepiece": _of_sentencepiece,
    "end of word": _of_ends,
    "words": lambda token: (token, True),
}


@cache
def bytes_of_characters() -> dict[str, int]:
    """Return the byte of each character of byte-level tokens.

    Source: Radford et al. (2019), encoder.py of GPT-2.
    """
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(others)}
