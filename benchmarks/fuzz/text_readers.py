"""Readers of corpora, counts and studies, and what must hold of what they return."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import gpuemb as ge
from benchmarks.fuzz import samples
from benchmarks.fuzz.samples import HERE, WORDS, Files
from benchmarks.fuzz.vector_readers import check_words, of_chance, require
from gpuemb.bench.ceiling import Ceiling
from gpuemb.bench.compare import compare
from gpuemb.bench.records import BenchRecord, Peer, read_records
from gpuemb.bench.workloads.work import Work
from gpuemb.cli.study_flags import StudyFlags, study_config
from gpuemb.kernels.window_counts import Weighting
from gpuemb.stability.toml import config_to

WINDOW = 3
NO_FLAGS = StudyFlags(**{f.name: () if "tuple" in str(f.type) else None for f in fields(StudyFlags)})


def read_text(path: Path, chance: Random) -> None:
    """Read a corpus with options drawn by chance."""
    records = any(part in path.name for part in (".jsonl", ".ndjson", ".parquet"))
    subsample = of_chance((None, 1e-2), chance)
    tokens = ge.read_corpus(
        str(path),
        tokenizer=of_chance(("default", "whitespace", r"regex:\w+", str.split), chance),
        documents=of_chance(("line", "file", "blank line"), chance),
        field=of_chance((None, "text", "id"), chance) if records else None,
        min_count=of_chance((1, 2, 5), chance),
        max_words=of_chance((None, 5), chance),
        vocabulary=of_chance((None, WORDS), chance),
        subsample=subsample,
        encoding_errors=of_chance(("strict", "replace", "ignore"), chance),
    )
    check_tokens(tokens, whole=subsample is None)


def read_with_tokenizer(path: Path, chance: Random) -> None:
    """Read a corpus of memory by a tokenizer's file."""
    tokens = ge.read_corpus(list(samples.documents()), tokenizer=str(path))
    check_tokens(tokens, whole=True)


def read_with_vocabulary(path: Path, chance: Random) -> None:
    """Read a corpus of memory by the vocabulary of a file."""
    tokens = ge.read_corpus(list(samples.documents()), tokenizer="whitespace", vocabulary=path)
    check_tokens(tokens, whole=True)
    require(set(tokens.vocabulary.words) <= set(WORDS), "a word that the corpus does not have")


def check_tokens(tokens: ge.Tokens, *, whole: bool) -> None:
    """Check ids, documents and counts."""
    words, counts = tokens.vocabulary.words, tokens.vocabulary.counts
    check_words(words)
    require(len(words) >= 2, "fewer than two words")
    require((counts > 0).all() and (np.diff(counts) <= 0).all(), "counts do not descend")
    require(
        not whole or np.array_equal(np.bincount(tokens.ids, minlength=len(words)), counts), "other counts"
    )
    require(tokens.vocabulary.dropped_tokens >= 0, "negative number of tokens")


def read_counts(path: Path, chance: Random) -> None:
    """Open a folder of counts and use it."""
    check_counts(ge.Cooccurrence.load(path))


def read_glove_counts(path: Path, chance: Random) -> None:
    """Read GloVe's pairs with its vocabulary."""
    beside = path.with_name("vocab.txt")
    weighting: Weighting = "flat" if chance.random() < 0.1 else "harmonic"
    check_counts(ge.Cooccurrence.from_glove(path, beside, window=WINDOW, weighting=weighting))


def check_counts(counts: ge.Cooccurrence) -> None:
    """Check counts row by row, and that all that is computed of them is finite where it must be."""
    rows, words = counts.rows, counts.vocabulary.words
    starts, columns, data = np.asarray(rows.indptr), np.asarray(rows.indices), np.asarray(rows.data)
    check_words(words)
    require(len(counts.vocabulary.counts) == len(words), "other frequencies than words")
    require(starts[0] == 0 and starts[-1] == len(columns) == len(data), "rows do not end where pairs do")
    require((np.diff(starts) >= 0).all(), "a row ends before it begins")
    require(
        not len(columns) or (columns.min() >= 0 and columns.max() < len(words)), "a column without a word"
    )
    require((data > 0).all(), "a count below one")
    require(counts.unit > 0, f"the unit is {counts.unit}")
    require(counts.total == data.sum(dtype=object), "the total is another")
    if not len(data):
        return
    require(np.isfinite(counts.entropy().value), "the entropy is not finite")
    require(np.isfinite(counts.mutual_information().value), "the mutual information is not finite")
    require(np.isfinite(counts.ppmi().data).all(), "a PPMI is not finite")
    counts.context_entropies()
    counts.pmi()
    str(counts)


def read_config(path: Path, chance: Random) -> None:
    """Read a study as the command line does; what it says in TOML must be the same study."""
    config = ge.load_config(path)
    require(isinstance(config, ge.StudyConfig), "no study")
    if chance.random() < 0.5:
        require(study_config(NO_FLAGS, path) == config, "the command reads another study")
    again = path.with_name("again.toml")
    again.write_text(config_to(config), "utf-8")
    require(ge.load_config(again) == config, "written and read again, it is another study")
    tomllib.loads(config_to(replace(config, title="x")))


def read_study(path: Path, chance: Random) -> None:
    """Go on with a study whose folder was damaged."""
    result = ge.study(study_of(path.parent / "corpus.txt"), out=path, extend=chance.random() < 0.3)
    require(result.pairs.num_rows >= 2 * len(result.config.measures), f"{result.pairs.num_rows} pairs")
    require(result.words.num_rows == 2 * len(result.vocabulary), "other rows than words")
    check_words(result.vocabulary.words)
    for model in result.models:
        ids = np.asarray(model.neighbor_ids)
        require(ids.min() >= -1 and ids.max() < len(result.vocabulary), "a neighbor without a word")
        require(
            all(np.isfinite(np.asarray(run.vectors)).all() for run in model.stack), "a vector is not finite"
        )
        overlap = np.asarray(model.words.overlap)
        require(
            ((overlap >= 0) & (overlap <= 1) | np.isnan(overlap)).all(), "an overlap outside of its range"
        )


def read_bench(path: Path, chance: Random) -> None:
    """Read a record, or a folder of them, and derive from it what tables print."""
    found = read_records(path if chance.random() < 0.7 else path.parent)
    require(all(isinstance(record, BenchRecord) for record in found), "no record")
    compare(found, found)


def study_of(corpus: Path) -> ge.StudyConfig:
    """Return the study whose folder is damaged."""
    models = (
        ge.ModelConfig(ge.GloVe(dim=2, epochs=1), seeds=(0, 1)),
        ge.ModelConfig(ge.PPMISVD(dim=2), seeds=(0, 1), vary="bootstrap"),
    )
    text = ge.TextConfig(min_count=1)
    return ge.StudyConfig((str(corpus),), text, ge.CountsConfig(window=2), models, neighbors=3)


def text_corpora() -> dict[str, Files]:
    """Return plain text."""
    return {"lines": {"corpus.txt": samples.text()}, "line ends": {"corpus.txt": samples.text("\r\n")}}


def packed_corpora() -> dict[str, Files]:
    """Return packed text."""
    packings = ("gz", "bz2", "zst")
    return {how: {f"corpus.txt.{how}": samples.packed(samples.text(), how)} for how in packings}


def record_corpora() -> dict[str, Files]:
    """Return JSON lines."""
    lines = samples.records()
    return {"plain": {"corpus.jsonl": lines}, "gzip": {"corpus.ndjson.gz": samples.packed(lines, "gz")}}


def table_corpora() -> dict[str, Files]:
    """Return Parquet tables with a text in every row."""
    columns = {"id": [*range(40)], "text": list(samples.documents())}
    plain = samples.table(columns, use_dictionary=False, compression="none", row_group_size=9)
    return {"ours": {"corpus.parquet": samples.table(columns)}, "plain": {"corpus.parquet": plain}}


def tokenizers() -> dict[str, Files]:
    """Return files of the library tokenizers, of each kind of model."""
    ids = {word: row for row, word in enumerate(("[UNK]", *WORDS))}
    letters = {letter: row for row, letter in enumerate(["[UNK]", *sorted(set("".join(WORDS))), "th"])}
    models: tuple[dict[str, Any], ...] = (
        {"type": "WordLevel", "vocab": ids, "unk_token": "[UNK]"},
        {
            **{"type": "WordPiece", "vocab": ids, "unk_token": "[UNK]"},
            **{"continuing_subword_prefix": "##", "max_input_chars_per_word": 100},
        },
        {"type": "BPE", "vocab": letters, "merges": ["t h"], "unk_token": "[UNK]"},
        {"type": "Unigram", "unk_id": 0, "vocab": [["[UNK]", 0.0], *([word, -1.5] for word in WORDS)]},
    )
    split: dict[str, Any] = {"normalizer": {"type": "NFC"}, "pre_tokenizer": {"type": "WhitespaceSplit"}}
    rest: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        **split,
    }
    files = (
        json.dumps({**rest, "post_processor": None, "decoder": None, "model": model}) for model in models
    )
    return {
        str(model["type"]): {"tokenizer.json": file.encode()}
        for model, file in zip(models, files, strict=True)
    }


def vocabularies() -> dict[str, Files]:
    """Return vocabularies: words alone, and with their counts."""
    counted = "".join(f"{word} {len(WORDS) - n}\n" for n, word in enumerate(WORDS))
    return {"words": {"vocab.txt": "\n".join(WORDS).encode()}, "counts": {"vocab.txt": counted.encode()}}


def counts() -> ge.Cooccurrence:
    """Return the counts of the documents."""
    tokens = ge.read_corpus(list(samples.documents()), tokenizer="whitespace")
    return ge.count_cooccurrences(tokens, window=WINDOW)


def count_folders(folder: Path) -> dict[str, Files]:
    """Return folders of counts: of both weightings, and one without any pair."""
    alone = ge.read_corpus([["cat"], ["dog"]])
    tokens = ge.read_corpus(list(samples.documents()), tokenizer="whitespace")
    made = {
        "harmonic": counts(),
        "flat": ge.count_cooccurrences(tokens, window=2, weighting="flat", side="left"),
        "empty": ge.count_cooccurrences(alone, window=WINDOW),
    }
    found = dict[str, Files]()
    for name, table in made.items():
        table.save(folder / name)
        found[name] = {f"counts/{file}": data for file, data in samples.read(folder / name).items()}
        found[f"{name}, without checksums"] = samples.without_checksums(found[name])
    return found


def glove_counts(folder: Path) -> dict[str, Files]:
    """Return GloVe's pairs beside its vocabulary."""
    made = counts()
    made.save_glove(folder / "pairs.bin")
    lines = zip(made.vocabulary.words, made.vocabulary.counts.tolist(), strict=True)
    vocabulary = "".join(f"{word} {count}\n" for word, count in lines).encode()
    return {"pairs": {"pairs.bin": (folder / "pairs.bin").read_bytes(), "vocab.txt": vocabulary}}


def study_folders(folder: Path) -> dict[str, Files]:
    """Return the folder of a study; its paths are written where it is read."""
    corpus = folder / "corpus.txt"
    corpus.write_bytes(samples.text())
    ge.study(study_of(corpus), out=folder / "study")
    here = str(folder.resolve()).encode()
    kept = {name: data.replace(here, HERE.encode()) for name, data in samples.read(folder / "study").items()}
    work = {f"study/{name}": data for name, data in kept.items() if name.startswith(("work", "study.toml"))}
    whole = {**work, "corpus.txt": samples.text()}
    return {"study": whole, "without checksums": samples.without_checksums(whole)}


def configs() -> dict[str, Files]:
    """Return studies in TOML: as gpuemb writes them, and as people do."""
    written = config_to(study_of(Path("/corpus.txt")))
    typed = 'corpus = "my.txt"\nneighbors = 5\nmeasures = ["all"]\n[text]\nmin_count = 2\n' + (
        '[[models]]\nkind = "glove"\nseeds = 3\ndim = 8\n[[models]]\nkind = "ppmi-svd"\nvary = "bootstrap"\n'
    )
    return {"written": {"study.toml": written.encode()}, "typed": {"study.toml": typed.encode()}}


def bench_records() -> dict[str, Files]:
    """Return records of benchmarks."""
    machine: Mapping[str, Any] = {
        **{"cpu": "a CPU", "model": "family 1 model 2", "cores": 2, "threads": 2, "features": ["avx2"]},
        **{"gpu": None, "memory_bytes": 10**9},
    }
    record = BenchRecord(
        name="case",
        workload="work",
        case="a case",
        device="cpu",
        shape={"words": 5},
        work=Work(50, 40, (5, "words"), "sgemm", "flops", "invented"),
        seconds=(1.0, 1.5, 1.25),
        peak_bytes=10**9,
        peers=(Peer("rival 1.0", (2.0, 2.0), 2.0, 0.0),),
        ceiling=Ceiling("sgemm", "FLOP/s", 100.0, {"workers": 100.0}, 0.01),
        machine=machine,
    )
    one = json.dumps(record.as_mapping(), indent=1).encode()
    run = json.dumps({"schema": 1, "records": [record.as_mapping()] * 2, "machine": machine}).encode()
    return {"record": {"case.json": one}, "run": {"run.json": run}}
