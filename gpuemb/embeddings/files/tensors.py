"""safetensors: a JSON header of names, shapes and offsets, then raw numbers."""

# The format is read here rather than by its library. The header has a dozen rules, all checked below in
# bounded memory; the library needs NumPy arrays of bfloat16, which NumPy lacks, or torch; it maps whole
# files, so a gzip or zip member would have to be decompressed first. Cost: these rules are maintained
# here; the tests read and write with the library where it is installed.

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from gpuemb.core.arrays import FloatMatrix
from gpuemb.core.errors import FileFormatError, StorageError
from gpuemb.core.memory import MemoryPlan
from gpuemb.embeddings.files.checkpoints.folder import config_of, first_position, is_tied
from gpuemb.embeddings.files.checkpoints.names import OUTPUT, POSITIONS, TOKENS, named
from gpuemb.embeddings.files.checkpoints.vocabulary import spelled_tokens, token_list
from gpuemb.embeddings.files.rows import (
    Layout,
    Numbers,
    as_stored,
    from_bfloat16,
    gather,
    skip,
    to_float32,
)
from gpuemb.embeddings.files.source import Source, find
from gpuemb.embeddings.files.table import Request, Table, select
from gpuemb.embeddings.files.vocabulary import JSON_BYTES, RowWords, beside, own_words, read_vocabulary

LARGEST_HEADER = 100_000_000  # bytes, the format's own limit
INDEX_HEAD = 1 << 16  # bytes in which an index shows itself
EMBEDDINGS = re.compile("emb|wte", re.IGNORECASE)  # in the names of tables, which are listed first
ALIGNMENT = 8  # bytes; headers are padded with spaces
VOCABULARIES = ("vocab.txt", "vocab.json", "tokenizer.json")
VECTORS = "vectors"
ASKED = (TOKENS, POSITIONS, OUTPUT)  # tensors that are found by their names
ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2}
ITEM_BYTES |= {"U16": 2, "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "C64": 8}
# Dtypes of tables: of the bytes, of the result, and the conversion.
STORED: dict[str, tuple[str, str, Numbers]] = {
    "F64": ("<f8", "f8", as_stored),
    "F32": ("<f4", "f4", as_stored),
    "F16": ("<f2", "f4", to_float32),
    "BF16": ("<u2", "f4", from_bfloat16),
}
WRITTEN = {"float16": "F16", "float32": "F32", "float64": "F64"}


@dataclass(frozen=True)
class Tensor:
    """One entry of the header.

    Attributes:
        kind: dtype in the format's spelling.
        shape: its axes.
        begin: offset of its first byte after the header.
        end: offset after its last byte.
    """

    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def is_table(self) -> bool:
        """Whether it can be an embedding."""
        return len(self.shape) == 2 and self.kind in STORED and 0 not in self.shape

    def layout(self, shape: tuple[int, int]) -> Layout:
        """Return how its numbers are read, as a table."""
        stored, result, widen = STORED[self.kind]
        return Layout(np.dtype(stored), shape, np.dtype(result), widen)

    def __str__(self) -> str:
        return " × ".join(map(str, self.shape)) + f" {self.kind}"


def read_safetensors(source: Source, request: Request) -> Table:
    """Read one table of a ``.safetensors`` file, or of the files that an index lists.

    Float16 and bfloat16 become float32.

    The tensor is ``tensor``, or the only table; ``auto``, ``positions`` and ``output`` are found by their
    names. Its words are in ``vocabulary``, or in the list, ``vocab.txt``, ``vocab.json`` or
    ``tokenizer.json`` beside it. Rows without a word and words without a row are counted.

    Raises:
        FileFormatError: an invalid header; offsets that overlap, leave gaps or do not end with the file; no
            such tensor (the tables are named with their shapes); another number of words.
        StorageError: the vocabulary is missing.
    """
    asked = request.tensor
    if is_index(source.head(INDEX_HEAD)):
        source, asked = shard(source, asked)
    with source.open() as file:
        tensors = read_header(file, source)
        name, tensor = chosen_table(tensors, asked, source)
        height, dim = tensor.shape
        of_rows = _words_of_rows(source, request, height)
        kept = select(of_rows.words, request)
        skip(file, tensor.begin, source.name)
        label = f"{source.name}, {name}"
        layout = tensor.layout((height, dim))
        vectors = gather(file, layout, kept.rows, name=label, progress=request.progress)
    set_aside = of_rows.set_aside if request.is_whole else 0
    return kept.table(vectors, unused=of_rows.unused, set_aside=set_aside)


def is_index(head: bytes) -> bool:
    """Return whether a file begins as ``model.safetensors.index.json`` does."""
    return head.lstrip()[:1] == b"{" and b'"weight_map"' in head


def shard(index: Source, asked: str | None) -> tuple[Source, str]:
    """Find the file that holds a tensor, in the folder of the index, and the tensor's name.

    Raises:
        FileFormatError: an index that lists no files, or not the tensor; some that it lists are named.
    """
    files = files_of(index)
    tensor = tensor_of_role(asked, files, index.path) if asked in ASKED else asked
    if tensor is None or tensor not in files:
        shown = sorted(files, key=lambda name: not EMBEDDINGS.search(name))[:12]
        raise FileFormatError(
            f"load: {index.name} lists {len(files)} tensors"
            + ("" if asked is None else f", none of them {asked!r}"),
            needed="One of them, with two axes, must be named.",
            remedy=f"tensor=… is one of: {', '.join(shown)}.",
        )
    return shard_of(index, files[tensor]), tensor


def shard_of(index: Source, file: Path) -> Source:
    """Find a file that an index lists.

    Raises:
        StorageError: it is missing.
        FileFormatError: it would stand in another folder.
    """
    if file.name != str(file) or index.packing != "plain":
        raise _broken(index.name, f"{file} is not a file in its folder")
    return find(index.path.with_name(file.name))


def files_of(index: Source) -> dict[str, Path]:
    """Return the file of each tensor that an index lists.

    Raises:
        FileFormatError: it lists none.
    """
    try:
        listed = json.loads(index.contents(JSON_BYTES))["weight_map"]
        return {str(name): Path(file) for name, file in listed.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _broken(index.name, f"as an index it is wrong: {error}") from error


def tensor_of_role(role: str, names: Collection[str], weights: Path) -> str | None:
    """Return the tensor of a role; the token table for an output head that is tied to it.

    Raises:
        FileFormatError: several have it, or the output head is neither there nor known to be tied.
    """
    found = named(role, names)
    if role != OUTPUT or found is not None:
        return found
    tied = is_tied(config_of(weights.parent))
    if tied:
        return named(TOKENS, names)
    raise FileFormatError(
        f"load: {weights} has no output head",
        needed="config.json says that it is not tied to the token table, so it must be there."
        if tied is False
        else "Whether it is tied to the token table is said by config.json, which is not there.",
        remedy="tensor='auto' is the token table.",
    )


def read_header(file: IO[bytes], source: Source) -> dict[str, Tensor]:
    """Read and check the header; the file then stands at the first tensor's first byte.

    Raises:
        FileFormatError: any of the format's rules is broken.
    """
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= LARGEST_HEADER or (source.most is not None and 8 + length > source.most):
        raise _broken(source.name, f"its header would have {length} bytes")
    MemoryPlan(f"load: {source.name}", {"its header": JSON_BYTES * length}).require()
    try:
        said = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_once)
        tensors = {name: _tensor(entry) for name, entry in said.items() if name != "__metadata__"}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _broken(source.name, f"its header is wrong: {error}") from error
    end = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if tensor.begin != end:
            raise _broken(source.name, f"{name} begins at byte {tensor.begin}, the one before ends at {end}")
        end = tensor.end
    most = source.most if source.size is None else source.size
    if most is not None and (8 + length + end > most or source.size not in (None, 8 + length + end)):
        raise _broken(source.name, f"its tensors end at byte {8 + length + end} of {most}")
    return tensors


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) < len(pairs):
        raise ValueError("a name stands twice")
    return named


def _tensor(entry: dict[str, Any]) -> Tensor:
    kind, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    if not isinstance(kind, str):
        raise ValueError(f"the dtype {kind!r} is no name")
    for number in (*shape, begin, end):
        if type(number) is not int or not 0 <= number < 2**62:
            raise ValueError(f"{number!r} is no size")
    size = math.prod(shape) * ITEM_BYTES.get(kind, 0)
    if kind in ITEM_BYTES and end - begin != size:  # of other dtypes only the place is known
        raise ValueError(f"shape {shape} of {kind} takes {size} bytes, not {end - begin}")
    return Tensor(kind, shape, begin, end)


def chosen_table(tensors: dict[str, Tensor], said: str | None, source: Source) -> tuple[str, Tensor]:
    """Return the table that is asked for by its name or its role, or the only one.

    Raises:
        FileFormatError: there is none, or several; all are listed with their sizes.
    """
    tables, name = {key: tensor for key, tensor in tensors.items() if tensor.is_table}, source.name
    asked = tensor_of_role(said, tables, source.path) if said in ASKED else said
    if asked is None and len(tables) == 1 and said in (None, TOKENS):
        return next(iter(tables.items()))
    if asked is None or asked not in tables:
        listed = "; ".join(f"{key} ({tensor})" for key, tensor in list(tables.items())[:12])
        what = f"holds {len(tables)} tables" if said is None else f"has no table {said!r}"
        if said in ASKED:
            what += " by any of the usual names"
        if asked is not None and asked in tensors:
            what = f"has {asked!r} as {tensors[asked]}, which is no table"
        raise FileFormatError(
            f"load: {name} {what}",
            needed="One tensor with two axes, of F16, BF16, F32 or F64, must be named.",
            remedy=f"tensor=… is one of: {listed}." if listed else "It holds no such tensor.",
        )
    return asked, tables[asked]


def _words_of_rows(source: Source, request: Request, rows: int) -> RowWords:
    """Return the word of each row: a token as it is spelled or read, or the number of a position."""
    if request.tensor == POSITIONS:
        first = first_position(config_of(source.path.parent))
        numbers = [None] * min(first, rows) + [str(place) for place in range(rows - first)]
        return RowWords(numbers, set_aside=min(first, rows))
    if request.tokens == "raw":
        return read_vocabulary(_vocabulary(source, request), rows, padded=True)
    spelled = spelled_tokens(request.vocabulary or token_list(source.path), rows)
    found = spelled.read()
    wanted = found.whole if request.tokens == "words" else ~found.special
    words: list[str | None] = [None] * rows
    for row, text, is_wanted in zip(spelled.rows, found.texts, wanted, strict=True):
        words[row] = text if is_wanted else None
    return RowWords(words, spelled.unused, int(np.count_nonzero(~wanted)))


def _vocabulary(source: Source, request: Request) -> Any:
    found = request.vocabulary or beside(source.path, VOCABULARIES)
    if found is None:
        raise StorageError(
            f"load: {source.path} has no vocabulary beside it",
            needed=f"{own_words(source.path).name}, {', '.join(VOCABULARIES[:-1])} or {VOCABULARIES[-1]}.",
            remedy="Name it with vocabulary=….",
        )
    return found


def _broken(name: str, why: str) -> FileFormatError:
    return FileFormatError(
        f"load: {name} is not a complete safetensors file: {why}",
        needed="Its header must give each tensor's dtype, shape and offsets, contiguous up to the end.",
        remedy="Fetch it again, and compare its size and checksum with the published ones.",
    )


def write_safetensors(words: Sequence[str], vectors: FloatMatrix, file: IO[bytes]) -> None:
    """Write one tensor ``vectors``; its words are written to a separate file."""
    entry = {
        "dtype": WRITTEN[vectors.dtype.name],
        "shape": list(vectors.shape),
        "data_offsets": [0, vectors.nbytes],
    }
    header = json.dumps({VECTORS: entry}).encode()
    header += b" " * (-len(header) % ALIGNMENT)
    file.write(len(header).to_bytes(8, "little") + header)
    np.ascontiguousarray(vectors, vectors.dtype.newbyteorder("<")).tofile(file)
