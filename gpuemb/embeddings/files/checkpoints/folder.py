"""The files of a checkpoint's folder."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path
from typing import Any

from gpuemb.core.errors import FileFormatError, StorageError
from gpuemb.embeddings.files.vocabulary import json_of

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
CONFIG = "config.json"
PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt")
OTHERS = {"*.h5": "TensorFlow", "*.msgpack": "Flax", "*.gguf": "llama.cpp"}  # weights that are not read
TO_SAFETENSORS = (
    'If you trust it: python -c "import sys, torch, safetensors.torch as s; '
    "s.save_file({k: v.clone().contiguous() for k, v in torch.load(sys.argv[1], map_location='cpu', "
    'weights_only=True).items()}, sys.argv[2])"'
)


def is_folder(path: str | Path) -> bool:
    """Whether a path is a folder, in which a checkpoint may stand."""
    return os.path.isdir(path)


def weights_of(folder: Path) -> Path:
    """Return the safetensors file of a checkpoint, or the index of several.

    Raises:
        FileFormatError: its weights have another format; for pickles with the command that converts them.
        StorageError: there are none, or several.
    """
    inside = sorted(entry.name for entry in folder.iterdir())
    found = [name for name in WEIGHTS if name in inside]
    several = [name for name in inside if name.endswith(".safetensors")]
    if found or len(several) == 1:
        return folder / (found or several)[0]
    if several:
        raise StorageError(
            f"load: {folder} holds {len(several)} safetensors files and no {WEIGHTS[1]}",
            needed="One file, or the index of several, is read.",
            remedy=f"Name one of them: {', '.join(several[:8])}.",
        )
    for pattern in (*PICKLES, *OTHERS):
        for other in fnmatch.filter(inside, pattern):
            raise torch_pickle(folder / other) if pattern in PICKLES else _others(folder / other, pattern)
    raise StorageError(
        f"load: {folder} is a folder",
        needed=f"A table is one file, or a folder with the weights of a transformer: {' or '.join(WEIGHTS)}.",
        remedy=f"Name a file in it; it holds: {', '.join(inside[:8]) or 'nothing'}.",
    )


def torch_pickle(path: Path) -> FileFormatError:
    """Return the error for a pickle of PyTorch, with the command that converts it."""
    return FileFormatError(
        f"load: {path} is a pickle of PyTorch",
        needed="Opening a pickle can run any program, so gpuemb never does.",
        remedy=f"{TO_SAFETENSORS} {path} {path.with_name(WEIGHTS[0])}",
    )


def _others(path: Path, pattern: str) -> FileFormatError:
    return FileFormatError(
        f"load: {path} holds weights of {OTHERS[pattern]}",
        needed=f"Weights are read from {' or '.join(WEIGHTS)}.",
        remedy="transformers.AutoModel.from_pretrained(folder).save_pretrained(folder) writes them.",
    )


def config_of(folder: Path) -> dict[str, Any]:
    """Return what ``config.json`` says, that of the text model over that of the whole; empty without one.

    Raises:
        FileFormatError: it is no JSON object.
    """
    path = folder / CONFIG
    if not path.is_file():
        return {}
    said = json_of(path)
    if not isinstance(said, dict):
        raise FileFormatError(
            f"load: {path} is no JSON object",
            needed="A checkpoint's config.json names its kind and sizes.",
            remedy="Fetch it again.",
        )
    text = said.get("text_config")
    return {**said, **text} if isinstance(text, dict) else said


def is_tied(config: dict[str, Any]) -> bool | None:
    """Whether the output head is the token table; None where no configuration says so.

    Models are tied unless their configuration says otherwise, as in the library that writes it.
    """
    return bool(config.get("tie_word_embeddings", True)) if config else None


def first_position(config: dict[str, Any]) -> int:
    """Return the row of position 0: rows before it are for padding."""
    kind = str(config.get("model_type", ""))
    if kind in ("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "longformer", "mpnet", "esm"):
        padding = config.get("pad_token_id")
        return (padding if type(padding) is int and padding >= 0 else 1) + 1
    return 2 if kind in ("opt", "bart", "mbart") else 0
