"""Every reader with its samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from benchmarks.fuzz import samples, text_readers, vector_readers
from benchmarks.fuzz.samples import Files

Read = Callable[[Path, Random], None]


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        read: reads a path and checks what comes; draws its options by chance.
        samples: valid files, by name.
        path: what is read, below the folder of the files; empty for the first file.
        weight: of a hundred thousand inputs, its share is this over the sum of all.
    """

    read: Read
    samples: dict[str, Files]
    path: str = ""
    weight: int = 6


@cache
def readers(folder: Path) -> dict[str, Reader]:
    """Return every reader; samples that gpuemb writes are written below ``folder``."""

    def made(name: str, dtype: str) -> Files:
        there = folder / f"{name}-{dtype}"
        there.mkdir()
        samples.saved(name, dtype=dtype)(there)
        return samples.read(there)

    table = vector_readers.read_table
    return {
        "vectors: text": Reader(table, vector_readers.text_tables(), weight=10),
        "vectors: word2vec binary": Reader(table, vector_readers.binary_tables(made), weight=8),
        "vectors: npy": Reader(table, vector_readers.npy_tables(made), weight=8),
        "vectors: npz": Reader(table, vector_readers.npz_tables(made), weight=8),
        "vectors: safetensors": Reader(table, vector_readers.tensor_tables(made), weight=9),
        "vectors: Parquet": Reader(table, vector_readers.parquet_tables(made), weight=8),
        "vectors: wheel": Reader(
            vector_readers.read_news, vector_readers.news(made("news.bin", "f4")["news.bin"]), weight=2
        ),
        "words: list": Reader(vector_readers.read_list, vector_readers.lists(), weight=2),
        "words: vocabulary": Reader(text_readers.read_with_vocabulary, text_readers.vocabularies(), weight=3),
        "words: judgements": Reader(vector_readers.read_judgements, vector_readers.judgements(), weight=3),
        "words: analogies": Reader(vector_readers.read_questions, vector_readers.questions(), weight=2),
        "words: dictionary": Reader(vector_readers.read_dictionary, vector_readers.dictionaries(), weight=2),
        "words: tokenizer": Reader(text_readers.read_with_tokenizer, text_readers.tokenizers(), weight=3),
        "corpus: text": Reader(text_readers.read_text, text_readers.text_corpora()),
        "corpus: packed": Reader(text_readers.read_text, text_readers.packed_corpora()),
        "corpus: JSON lines": Reader(text_readers.read_text, text_readers.record_corpora()),
        "corpus: Parquet": Reader(text_readers.read_text, text_readers.table_corpora()),
        "counts: folder": Reader(
            text_readers.read_counts, text_readers.count_folders(_new(folder / "c")), "counts", 9
        ),
        "counts: GloVe": Reader(
            text_readers.read_glove_counts, text_readers.glove_counts(_new(folder / "g")), "pairs.bin"
        ),
        "study: folder": Reader(
            text_readers.read_study, text_readers.study_folders(_new(folder / "s")), "study", 3
        ),
        "study: TOML": Reader(text_readers.read_config, text_readers.configs(), "study.toml", 8),
        "records": Reader(text_readers.read_bench, text_readers.bench_records(), weight=3),
    }


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder
