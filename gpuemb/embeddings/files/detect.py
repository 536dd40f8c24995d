"""Detect the format of a file from its first bytes."""

from __future__ import annotations

import codecs
from pathlib import Path

from gpuemb.core.errors import FileFormatError
from gpuemb.embeddings.files.arrays import MAGIC as NPY
from gpuemb.embeddings.files.checkpoints.folder import torch_pickle
from gpuemb.embeddings.files.header import check_dense, is_text
from gpuemb.embeddings.files.source import ZIP, Source, empty_file, members
from gpuemb.embeddings.files.tensors import is_index
from gpuemb.embeddings.files.word2vec import HEADER
from gpuemb.kernels.parse_vectors import SEPARATORS

HEAD = 1 << 16  # bytes examined: a row of some thousand numbers
PARQUET, PICKLE, FASTTEXT = b"PAR1", b"\x80", (793712314).to_bytes(4, "little")
PICKLE_PROTOCOLS = range(2, 6)


def format_of(source: Source) -> str:
    """Return the format of a file from its contents.

    Raises:
        FileFormatError: an unsupported format; for pickles and fastText models with the command that
            converts them.
    """
    head = source.head(HEAD)
    if not head:
        raise empty_file(source.name)
    if head.startswith(ZIP):
        return _of_archive(source)
    if head.startswith(NPY):
        return "npy"
    if head.startswith(PARQUET) and head[len(PARQUET) :][:1] not in SEPARATORS:
        return "parquet"
    if head[:1] == PICKLE and len(head) > 1 and head[1] in PICKLE_PROTOCOLS:
        raise _pickle(source)
    if head.startswith(FASTTEXT):
        raise _fasttext(source)
    if is_index(head) or (head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32):
        return "safetensors"
    body = head.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")
    header = HEADER.match(body)
    rows, dim = (body[header.end() :], int(header[2])) if header else (body, 1)
    if is_text(rows, dim):
        return "text"
    check_dense(source.name, rows)
    if header:
        return "word2vec-binary"
    raise FileFormatError(
        f"load: {source.name} begins with {head[:24]!r}, which is not a supported format",
        needed="GloVe or word2vec text, word2vec binary, .npy, .npz, safetensors or Parquet.",
        remedy="Unpack other archives first (.xz, .bz2, .tar); format=… overrides the detection.",
    )


def _of_archive(source: Source) -> str:
    inside = members(source.path)
    if any(Path(name).name == "data.pkl" for name in inside):
        raise torch_pickle(source.path)
    return "npz"


def _pickle(source: Source) -> FileFormatError:
    return FileFormatError(
        f"load: {source.name} is a pickle (gensim .kv or .model)",
        needed="Opening a pickle can run any program, so gpuemb never does.",
        remedy='If you trust it: python -c "import sys, gensim; '
        "v = gensim.models.KeyedVectors.load(sys.argv[1]); "
        "getattr(v, 'wv', v).save_word2vec_format(sys.argv[2], binary=True)\" "
        f"{source.path} {source.stem}.bin",
    )


def _fasttext(source: Source) -> FileFormatError:
    return FileFormatError(
        f"load: {source.name} is a fastText model",
        needed="Its words and vectors are needed; a model also holds pieces of words.",
        remedy='python -c "import sys, gensim; gensim.models.fasttext.load_facebook_vectors(sys.argv[1])'
        f'.save_word2vec_format(sys.argv[2], binary=True)" {source.path} {source.stem}.vectors.bin',
    )
