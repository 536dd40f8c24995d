"""The tokens of a checkpoint's rows, as its tokenizer spells them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpuemb.core.errors import StorageError
from gpuemb.embeddings.files.checkpoints.tokens import CONTINUES, END, SPACE, Style, Tokens, read_tokens
from gpuemb.embeddings.files.vocabulary import beside, json_of, own_words, read_vocabulary

LISTS = ("tokenizer.json", "vocab.json", "vocab.txt")
ADDED, SPECIAL, SETTINGS = "added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"
MODELS = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")  # of SentencePiece, in no text format
BYTE_SPACE = "Ġ"  # a space in byte-level tokens
LEAST_MARKED = 0.01  # share of the tokens of a list that have the mark of its style


@dataclass(frozen=True, eq=False)
class Spelled:
    """What a tokenizer says of a table's rows.

    Attributes:
        tokens: of each row; None for a row without one (padding).
        style: how words are marked.
        special: tokens that stand for no text.
        added: tokens that were added as they are, without marks.
        unused: tokens without a row.
    """

    tokens: Sequence[str | None]
    style: Style
    special: frozenset[str] = frozenset()
    added: frozenset[str] = frozenset()
    unused: int = 0

    @property
    def rows(self) -> list[int]:
        """The rows that have a token, ascending."""
        return [row for row, token in enumerate(self.tokens) if token is not None]

    def read(self) -> Tokens:
        """Return the tokens of these rows as readable text."""
        spelled = [token for token in self.tokens if token is not None]
        return read_tokens(spelled, self.style, self.special, self.added)


def token_list(weights: Path) -> Path:
    """Find the tokens of a checkpoint beside its weights.

    Raises:
        StorageError: there are none that are text.
    """
    found = beside(weights, LISTS)
    if found is None:
        models = [name for name in MODELS if (weights.parent / name).exists()]
        raise StorageError(
            f"load: {weights.parent} has no list of tokens" + (f" but {models[0]}" if models else ""),
            needed=f"{', '.join(LISTS)} or {own_words(weights).name} is needed beside the weights.",
            remedy="transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder) writes "
            "tokenizer.json; or name a list with vocabulary=….",
        )
    return found


def spelled_tokens(path: Path, rows: int) -> Spelled:
    """Read the token of each row of a table.

    Args:
        path: ``tokenizer.json``, ``vocab.json``, ``vocab.txt``, or any list of words. Beside the last three,
            ``added_tokens.json``, ``special_tokens_map.json`` and ``tokenizer_config.json`` are read too.
        rows: of the table; it may have more than there are tokens (padding), or fewer.

    Raises:
        StorageError, FileFormatError: as :func:`read_vocabulary`.
    """
    listed = read_vocabulary(path, rows, padded=True)
    tokens = list(listed.words)
    said = json_of(path) if path.suffix == ".json" else {}
    settings: dict[str, Any] = said if isinstance(said, dict) else {}
    model = settings.get("model")
    if isinstance(model, dict):
        entries = [one for one in settings.get("added_tokens") or () if isinstance(one, dict)]
        style = _declared(settings, model) or guessed(tokens)
        return _with_entries(tokens, style, entries, listed.unused)
    style = guessed(tokens) if path.suffix == ".json" or path.name == "vocab.txt" else "words"
    return _with_entries(tokens, style, [*_entries_beside(path.parent)], listed.unused)


def _with_entries(
    tokens: list[str | None], style: Style, entries: Sequence[dict[str, Any]], unused: int
) -> Spelled:
    """Add tokens that are listed apart to the rows that have none."""
    special: set[str] = set()
    added: set[str] = set()
    for entry in entries:
        content, row = entry.get("content"), entry.get("id")
        if not isinstance(content, str):
            continue
        (special if entry.get("special") else added).add(content)
        if type(row) is int and 0 <= row < len(tokens) and tokens[row] is None:
            tokens[row] = content
    return Spelled(tokens, style, frozenset(special), frozenset(added - special), unused)


def _entries_beside(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield tokens that older tokenizers list in files of their own."""
    added = _mapping(folder / ADDED)
    yield from ({"content": content, "id": row} for content, row in added.items())
    decoder = _mapping(folder / SETTINGS).get("added_tokens_decoder")
    for row, entry in decoder.items() if isinstance(decoder, dict) else ():
        if isinstance(entry, dict) and str(row).isdecimal():
            yield {**entry, "id": int(row)}
    for said in _mapping(folder / SPECIAL).values():
        for one in said if isinstance(said, list) else [said]:
            yield {"content": one.get("content") if isinstance(one, dict) else one, "special": True}


def _mapping(path: Path) -> dict[str, Any]:
    found = json_of(path) if path.is_file() and path.stat().st_size else {}
    return found if isinstance(found, dict) else {}


def _declared(settings: dict[str, Any], model: dict[str, Any]) -> Style | None:
    """Return how a ``tokenizer.json`` marks words, where it says so."""
    if model.get("end_of_word_suffix") == END:
        return "end of word"
    if model.get("type") == "WordPiece" or model.get("continuing_subword_prefix") == CONTINUES:
        return "wordpiece"
    parts = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
    said = {text for part in parts for text in _texts(settings.get(part))}
    if "ByteLevel" in said:
        return "byte-level"
    if "Metaspace" in said or SPACE in said or model.get("type") == "Unigram":
        return "sentencepiece"
    return "words" if model.get("type") == "WordLevel" else None


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a part of a tokenizer; the reader of JSON has bounded its depth."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, (dict, list)):
            waiting += one.values() if isinstance(one, dict) else one


def guessed(tokens: Sequence[str | None]) -> Style:
    """Return the style whose mark most tokens have; ``words`` where hardly any has one."""
    known = [token for token in tokens if token is not None]
    marked: dict[Style, int] = {
        "byte-level": sum(token.startswith(BYTE_SPACE) for token in known),
        "sentencepiece": sum(token.startswith(SPACE) for token in known),
        "wordpiece": sum(token.startswith(CONTINUES) for token in known),
        "end of word": sum(token.endswith(END) for token in known),
    }
    style = max(marked, key=lambda one: marked[one])
    return style if marked[style] > LEAST_MARKED * len(known) else "words"
