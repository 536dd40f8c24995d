"""Read a transformer's tables and norms out of its checkpoint."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core.arrays import FloatMatrix, Int64
from gpuemb.core.checks import check_finite
from gpuemb.core.doors import door
from gpuemb.core.errors import FileFormatError
from gpuemb.core.progress import SILENT, Progress
from gpuemb.embeddings.files.checkpoints import names
from gpuemb.embeddings.files.checkpoints.folder import (
    config_of,
    first_position,
    is_folder,
    is_tied,
    weights_of,
)
from gpuemb.embeddings.files.checkpoints.tokens import Tokens
from gpuemb.embeddings.files.checkpoints.transformer import Norm, Transformer
from gpuemb.embeddings.files.checkpoints.vocabulary import spelled_tokens, token_list
from gpuemb.embeddings.files.rows import gather, skip
from gpuemb.embeddings.files.source import Source, find
from gpuemb.embeddings.files.tensors import (
    INDEX_HEAD,
    STORED,
    chosen_table,
    files_of,
    is_index,
    read_header,
    shard,
    shard_of,
)
from gpuemb.embeddings.model import Embedding

EPSILONS = ("layer_norm_eps", "layer_norm_epsilon", "rms_norm_eps", "norm_eps", "norm_epsilon")
USUAL_EPSILON = {"bert": 1e-12, "distilbert": 1e-12}  # where the configuration has none
EPSILON = 1e-5  # of all others
WITHOUT_BIAS = ("modernbert", "mpt", "cohere", "cohere2", "dbrx", "olmo")  # layer norms all the same
SCALED = "gemma"  # kinds that begin so scale tokens by √d, and their norms multiply by 1 + weight


@door
def load_transformer(path: str | Path, *, output: bool = True, progress: Progress = SILENT) -> Transformer:
    """Open what stands before the first and behind the last layer of a transformer; no code is ever run.

    Tensors are found by the names that BERT, RoBERTa, DistilBERT, GPT-2, GPT-NeoX, Llama, Mistral, Qwen, T5,
    Gemma, BLOOM, OPT and their relatives are published with, whatever stands in front of them. Of an encoder
    with a decoder, positions and the first norm are the encoder's, the final norm the decoder's.

    Args:
        path: a folder with ``model.safetensors`` or ``model.safetensors.index.json``, ``config.json`` and
            ``tokenizer.json`` (or ``vocab.json``, ``vocab.txt``); or such a safetensors file or index.
        output: False leaves the output head out, which may be as large as the token table.
        progress: reports the rows read.

    Returns:
        Numbers of 16 bits are widened to float32.

    Raises:
        StorageError: a file is missing or unreadable.
        FileFormatError: the weights are not safetensors, no tensor or several have a usual name (the tables
            are listed), or sizes disagree.
        NonFiniteError: a tensor holds NaN or infinity.
        MemoryBudgetError: the tables do not fit the memory.

    Cost: one read of these tensors; layers are not read.

    Example:
        >>> from pathlib import Path
        >>> folder = Path("tiny")
        >>> folder.mkdir()
        >>> ge.save(ge.Embedding(x, words), folder / "model.safetensors")  # one table, and its words
        >>> tiny = ge.load_transformer(folder)
        >>> tiny.words.index_to_key[:2], tiny.positions, tiny.inputs(["w3", "w5"]).shape
        (['w0', 'w1'], None, (2, 8))
    """
    weights = weights_of(Path(path)) if is_folder(path) else Path(path)
    checkpoint = _Checkpoint(weights, progress)
    return checkpoint.transformer(Path(os.path.abspath(path)).name, output=output)


@dataclass(frozen=True)
class _Checkpoint:
    """A safetensors file, or the index of several."""

    weights: Path
    progress: Progress

    @cached_property
    def config(self) -> dict[str, Any]:
        return config_of(self.weights.parent)

    @cached_property
    def kind(self) -> str:
        return str(self.config.get("model_type", ""))

    @cached_property
    def index(self) -> Source | None:
        """The index of several files, if it is one."""
        source = find(self.weights)
        return source if is_index(source.head(INDEX_HEAD)) else None

    @cached_property
    def files(self) -> dict[str, Path]:
        """The file of each tensor."""
        if self.index is not None:
            return files_of(self.index)
        source = find(self.weights)
        with source.open() as file:
            return dict.fromkeys(read_header(file, source), self.weights)

    def transformer(self, name: str, *, output: bool) -> Transformer:
        """Read all that there is."""
        token_table = self._token_table()
        table = self._read(token_table)
        spelled = spelled_tokens(token_list(self.weights), len(table))
        tokens, ids = spelled.read(), np.array(spelled.rows, np.int64)
        embedding = self._by_token(name, table, ids, tokens)
        positions, tied = self._table(names.POSITIONS), is_tied(self.config)
        head = names.named(names.OUTPUT, self.files)
        if head is not None and head != token_table:
            tied = False
        if not output or (head is None and not tied):
            above = None
        else:
            above = embedding if tied or head is None else self._head(name, head, len(table), ids, tokens)
        return Transformer(
            name=name,
            kind=self.kind,
            tokens=embedding,
            ids=ids,
            spelled=tuple(tokens.spelled),
            whole=tokens.whole,
            special=tokens.special,
            table=table,
            positions=None if positions is None else self._by_position(name, positions),
            segments=self._table(names.SEGMENTS),
            input_norm=self._norm(names.INPUT_NORM),
            norm=self._norm(names.FINAL_NORM),
            output=above,
            tied=tied,
            scale=math.sqrt(table.shape[1]) if self._is_scaled else 1.0,
        )

    @property
    def _is_scaled(self) -> bool:
        return self.kind.startswith(SCALED) or self.config.get("scale_embedding") is True

    def _token_table(self) -> str:
        found = names.named(names.TOKENS, self.files)
        if found is not None:
            return found
        if self.index is not None:
            return shard(self.index, names.TOKENS)[1]  # which lists what there is
        source = find(self.weights)
        with source.open() as file:
            return chosen_table(read_header(file, source), names.TOKENS, source)[0]

    def _table(self, role: str) -> FloatMatrix | None:
        found = names.named(role, self.files)
        return None if found is None else self._read(found)

    def _read(self, name: str, axes: int = 2) -> FloatMatrix:
        """Read a whole tensor; one of one axis as a row.

        Raises:
            FileFormatError: it is not there, or has other axes or another dtype.
        """
        file = self.files[name]
        source = find(file) if self.index is None else shard_of(self.index, file)
        with source.open() as opened:
            tensor = read_header(opened, source).get(name)
            if tensor is None or len(tensor.shape) != axes or tensor.kind not in STORED or 0 in tensor.shape:
                raise FileFormatError(
                    f"load: {source.name} has {name} " + (f"as {tensor}" if tensor else "nowhere"),
                    needed=f"It has {axes} axes, of F16, BF16, F32 or F64.",
                    remedy="Quantized checkpoints are not read; fetch the original weights.",
                )
            skip(opened, tensor.begin, source.name)
            shape = (1, *tensor.shape)[-2:]
            label = f"{source.name}, {name}"
            layout = tensor.layout((shape[0], shape[1]))
            table = gather(opened, layout, None, name=label, progress=self.progress)
        check_finite("load_transformer", name, table)
        return table

    def _by_token(self, name: str, table: FloatMatrix, ids: Int64, tokens: Tokens) -> Embedding:
        whole = len(ids) and ids[-1] == len(ids) - 1  # padding stands behind the tokens
        rows = table[: len(ids)] if whole else table[ids]
        return Embedding(rows, tokens.texts, name=name, skipped=len(table) - len(ids))

    def _head(self, name: str, head: str, rows: int, ids: Int64, tokens: Tokens) -> Embedding:
        table = self._read(head)
        if len(table) < rows:
            raise FileFormatError(
                f"load: {head} has {len(table)} rows but the token table {rows}",
                needed="The output head has a row for each token.",
                remedy="output=False leaves it out.",
            )
        return self._by_token(f"{name} output", table[:rows], ids, tokens)

    def _by_position(self, name: str, table: FloatMatrix) -> Embedding:
        rows = table[first_position(self.config) :]
        return Embedding(rows, [str(place) for place in range(len(rows))], name=f"{name} positions")

    def _norm(self, role: str) -> Norm | None:
        found = names.named(role, self.files)
        if found is None:
            return None
        shift = found.removesuffix(".gamma") + ".beta" if found.endswith(".gamma") else ""
        bias = shift or found.removesuffix(".weight") + ".bias"
        weight = self._read(found, 1)[0]
        has_bias = bias in self.files
        said = next((self.config[key] for key in EPSILONS if key in self.config), None)
        usual = USUAL_EPSILON.get(self.kind, EPSILON)
        return Norm(
            kind="layer" if has_bias or not self._is_rms else "rms",
            weight=weight + 1 if self.kind.startswith(SCALED) else weight,
            bias=self._read(bias, 1)[0] if has_bias else None,
            epsilon=float(said) if isinstance(said, (int, float)) else usual,
        )

    @property
    def _is_rms(self) -> bool:
        """Whether a norm without bias subtracts no mean."""
        return self.kind not in WITHOUT_BIAS
