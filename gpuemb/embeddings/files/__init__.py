"""Read and write tables of word vectors in all common formats."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast, get_args

import numpy as np

from gpuemb.core.arrays import FloatMatrix, to_host
from gpuemb.core.checks import check_choice
from gpuemb.core.doors import door
from gpuemb.core.errors import (
    ConfigError,
    DTypeError,
    StorageError,
)
from gpuemb.core.files import replacing
from gpuemb.core.progress import SILENT, Progress
from gpuemb.embeddings.files.arrays import read_npy, read_npz, write_npy, write_npz
from gpuemb.embeddings.files.checkpoints.folder import is_folder, weights_of
from gpuemb.embeddings.files.checkpoints.names import OUTPUT, TOKENS
from gpuemb.embeddings.files.detect import format_of
from gpuemb.embeddings.files.parquet import read_parquet, write_parquet
from gpuemb.embeddings.files.source import Source, find, reading
from gpuemb.embeddings.files.table import (
    OnError,
    Repeated,
    Request,
    Table,
    TokenText,
    check_repeated,
    require_rows,
    say_dropped,
    without_bad_rows,
)
from gpuemb.embeddings.files.tensors import read_safetensors, write_safetensors
from gpuemb.embeddings.files.text import read_text, write_text
from gpuemb.embeddings.files.vocabulary import lines_of, own_words
from gpuemb.embeddings.files.word2vec import read_binary, write_binary
from gpuemb.embeddings.model import Embedding, with_words

Reader = Callable[[Source, Request], Table]
Writer = Callable[[Sequence[str], FloatMatrix, IO[bytes]], None]


def _reading_text(header: bool | None) -> Reader:
    def read(source: Source, request: Request) -> Table:
        return read_text(
            source.blocks(),
            name=source.name,
            size=source.size,
            header=header,
            dim=None,
            limit=request.limit,
            words=request.words,
            on_error=request.on_error,
            progress=request.progress,
            averaged=request.repeated == "mean",
        )

    return read


def _writing_text(*, header: bool) -> Writer:
    def write(words: Sequence[str], vectors: FloatMatrix, file: IO[bytes]) -> None:
        write_text(words, vectors, file, header=header)

    return write


@dataclass(frozen=True)
class Format:
    """A file format of tables.

    Attributes:
        read: reads the requested rows.
        write: writes words and vectors; raises if the format cannot hold them.
        ending: of its file names.
        options: of :func:`load`, the ones used by this format alone.
        words_apart: whether the words are in a separate file.
        by_frequency: whether such files list words by frequency, as is usual.
    """

    read: Reader
    write: Writer
    ending: str
    options: tuple[str, ...] = ()
    words_apart: bool = False
    by_frequency: bool = True


FORMATS = {
    "glove": Format(_reading_text(header=False), _writing_text(header=False), ".txt"),
    "word2vec": Format(_reading_text(header=True), _writing_text(header=True), ""),
    "fasttext": Format(_reading_text(header=True), _writing_text(header=True), ".vec"),
    "word2vec-binary": Format(read_binary, write_binary, ".bin"),
    "npy": Format(read_npy, write_npy, ".npy", ("vocabulary",), words_apart=True),
    "npz": Format(read_npz, write_npz, ".npz", ("vocabulary", "tensor")),
    "safetensors": Format(
        read_safetensors,
        write_safetensors,
        ".safetensors",
        ("vocabulary", "tensor", "tokens"),
        words_apart=True,
        by_frequency=False,
    ),
    "parquet": Format(read_parquet, write_parquet, ".parquet"),
}
GZIP_LEVEL = 6  # gzip's default; without a time stamp, so that equal tables give equal files
TEXTS = ("glove", "word2vec", "fasttext")  # may be written as .gz
DETECTED = {**FORMATS, "text": Format(_reading_text(header=None), _writing_text(header=False), "")}


@door
def load(
    path: str | Path,
    *,
    format: str | None = None,
    vocabulary: str | Path | None = None,
    tensor: str | None = None,
    tokens: TokenText | None = None,
    limit: int | None = None,
    words: Collection[str] | None = None,
    on_error: OnError = "raise",
    repeated: Repeated | None = None,
    memory_map: bool = True,
    progress: Progress = SILENT,
) -> Embedding:
    """Open a table of word vectors, in any format; no code in a file is ever run.

    Reads GloVe text, word2vec text and binary, fastText ``.vec``, ``.npy`` beside a list of words,
    ``.npz``, safetensors (or the index of several, or the folder of a transformer) and Parquet, plain, in
    ``.gz``, or in a zip archive. A repeated word keeps its first row. A ``.npy`` in C order with a list of
    words is mapped: opened in milliseconds, checked on first use.

    Args:
        path: a file, ``archive.zip:member``, or a folder with ``model.safetensors``.
        format: ``glove``, ``word2vec``, ``fasttext``, ``word2vec-binary``, ``npy``, ``npz``,
            ``safetensors`` or ``parquet``; default: detected from the contents.
        vocabulary: the words of a ``.npy``, ``.npz`` or safetensors table: one a line, ``vocab.json``,
            ``tokenizer.json`` or a Parquet column; default: the list beside the table.
        tensor: name of the tensor in a safetensors file, or of the array in an ``.npz``. Of a transformer
            also ``"auto"``, the token table as stored (what Gemma multiplies it by is in
            :func:`gpuemb.load_transformer`), ``"positions"``, or ``"output"``, the head, which may be tied.
        tokens: of a transformer: ``raw``, as spelled; ``text``, as people read them, without special ones
            (``Ġking``, ``▁king`` → ``king``; ``##ing`` goes on inside a word); or whole ``words`` alone.
            Default ``text`` for a folder, ``auto`` and ``output``; else ``raw``.
        limit: keep at most this many rows, the first ones.
        words: keep only these words, in the file's order. Words that the file has in another Unicode form
            (NFC, NFD) are counted with a ``SpellingWarning``.
        on_error: ``raise``, or ``skip`` to leave out unreadable and non-finite rows.
        repeated: of a word that stands several times, as in exported contextual vectors, ``first`` keeps its
            first row (the default), ``mean`` the mean of all, ``error`` refuses the table.
        memory_map: False reads a ``.npy`` into memory, checked and without repeated words.
        progress: reports the rows or bytes read.

    Returns:
        Words in the file's order; ``ranks`` where files of the format list words by frequency. Rows left
        out are counted in ``duplicates`` and ``skipped``, with a warning. Text and word2vec give float32;
        the others keep float32 and float64, and widen float16, except NumPy's formats.

    Raises:
        StorageError: the file or its list of words is missing or unreadable.
        FileFormatError: the contents violate the format; position and contents are named.
        NonFiniteError: a vector holds NaN or infinity; its word is named.
        VocabularyError: none of ``words`` is in it, or a word stands twice and that is refused.
        MemoryBudgetError: it does not fit the memory; ``limit`` and ``words`` read a part.
        ConfigError: an option with an invalid value, or one that this format does not use.

    Cost: one pass over the file, the table and one tile in memory.

    Example:
        >>> ge.save(ge.Embedding(x, words), "table.vec.gz")
        >>> table = ge.load("table.vec.gz", limit=10)
        >>> len(table), table.vectors.dtype
        (10, dtype('float32'))
    """
    if format is not None:
        check_choice("load", "format", format, list(FORMATS))
    apart = None if vocabulary is None else Path(vocabulary)
    for name, given, kind in (("tokens", tokens, TokenText), ("repeated", repeated, Repeated)):
        if given is not None:
            check_choice("load", name, given, get_args(kind))
    folder = is_folder(path)
    tensor = tensor or (TOKENS if folder else None)
    read_as = tokens or ("text" if tensor in (TOKENS, OUTPUT) else "raw")
    request = Request(apart, tensor, limit, words, on_error, memory_map, progress, read_as, repeated)
    source = find(weights_of(Path(path)) if folder else path)
    name = format or format_of(source)
    chosen = DETECTED[name]
    _require_use({"vocabulary": vocabulary, "tensor": tensor, "tokens": tokens}, name, source)
    table = chosen.read(source, request)
    if on_error == "skip" and not table.finite:
        table = without_bad_rows(table)
    require_rows(table, source.name, request)
    check_repeated(table, source.name, repeated)
    say_dropped(table, source.name, repeated)
    ranked = chosen.by_frequency and words is None
    ranks = np.arange(1, len(table.words) + 1) if ranked else None
    return Embedding(
        table.vectors,
        table.words,
        None,
        Path(os.path.abspath(path)).name if folder else source.stem,
        ranks,
        table.duplicates,
        table.skipped + table.unnamed,
        table.unused,
        table.set_aside,
        proved=table.finite,
    )


def _require_use(options: Mapping[str, object], format: str, source: Source) -> None:
    """Raise on an option without effect: its user expects another table."""
    for option, value in options.items():
        if value is not None and option not in DETECTED[format].options:
            raise ConfigError(
                f"load: {option} = {str(value)!r}, but {source.name} is {format}",
                needed=f"Only these have a {option}: "
                f"{', '.join(name for name, one in FORMATS.items() if option in one.options)}.",
                remedy=f"Omit {option}: the file holds its words and one table.",
            )


@door
def save(x: Any, path: str | Path, *, words: Sequence[str] | None = None, format: str | None = None) -> None:
    """Write a table atomically.

    Args:
        x: an Embedding, or an array ``(V, d)``.
        path: its ending chooses the format: ``.txt`` (GloVe), ``.vec`` (fastText, word2vec text), ``.bin``
            (word2vec binary), ``.npy``, ``.npz``, ``.safetensors``, ``.parquet``; ``.gz`` may follow a text.
            The words of ``.npy`` and ``.safetensors`` are written to ``<name>.words.txt`` beside it: tables
            of one name and both endings share that list, so it must be the same.
        words: of an array's rows; by default their row numbers.
        format: as for :func:`load`, where the ending does not determine it.

    Raises:
        DTypeError: not a table, or other words than those of an Embedding.
        FileFormatError: a word that the format cannot hold.
        NonFiniteError: a number beyond float32, where the format holds float32.
        ConfigError: an unknown ending.
        StorageError: the folder cannot be written, or another table of that name has other words.

    Example:
        >>> ge.save(ge.Embedding(x, words), "table.npy")
        >>> np.array_equal(ge.load("table.npy").vectors, x)
        True
    """
    if isinstance(x, Embedding) and words is not None:
        raise DTypeError(
            f"save: an Embedding and {len(words)} other words",
            needed="An Embedding is written with its own words.",
            remedy="save(x, path), or save(x.vectors, path, words=words).",
        )
    embedding = x if isinstance(x, Embedding) else with_words("save", x, words)
    file = Path(path)
    name = format_for(file, format)
    chosen = FORMATS[name]
    embedding.check()
    vectors = to_host(embedding.vectors)
    listed = list(embedding.index_to_key)
    with ExitStack() as stack:
        if chosen.words_apart:
            text = lines_of(listed)
            _require_own_list(file, text)
            stack.enter_context(replacing(own_words(file))).write(text)
        part = stack.enter_context(replacing(file))
        if file.suffix == ".gz":
            packed = stack.enter_context(gzip.GzipFile("", "wb", GZIP_LEVEL, part, mtime=0))
            part = cast(IO[bytes], packed)
        chosen.write(listed, vectors, part)


def _require_own_list(file: Path, text: bytes) -> None:
    """Check the word list that tables of one name and two endings share: it must not change."""
    endings = [one.ending for one in FORMATS.values() if one.words_apart]
    others = [file.with_suffix(ending) for ending in endings if ending != file.suffix]
    owner = next((other for other in others if other.exists()), None)
    if owner is None:
        return
    listed = own_words(file)
    with reading(str(listed)):
        same = listed.exists() and listed.stat().st_size == len(text) and listed.read_bytes() == text
    if not same:
        raise StorageError(
            f"save: {listed.name} also belongs to {owner.name}, which has other words",
            needed="Tables of one name share one list of words.",
            remedy="Choose another name, or remove the older table.",
        )


def format_for(file: Path, format: str | None = None) -> str:
    """Return the format of a file's ending.

    Raises:
        ConfigError: an unknown ending or format.
    """
    packed = file.suffix == ".gz"
    ending = file.with_suffix("").suffix if packed else file.suffix
    if format is not None:
        check_choice("save", "format", format, list(FORMATS))
    name = format or next((name for name, one in FORMATS.items() if ending and one.ending == ending), None)
    if name is None or (packed and name not in TEXTS):
        raise ConfigError(
            f"save: {file} ends in {file.suffix or 'nothing'}",
            needed="The ending names the format: "
            f"{', '.join(one.ending for one in FORMATS.values() if one.ending)}, or .gz behind a text.",
            remedy=f"save(embedding, {str(file.with_suffix('.npy'))!r}), or name it with format=….",
        )
    return name
