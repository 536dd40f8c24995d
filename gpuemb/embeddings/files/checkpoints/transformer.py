"""The first and the last layer of a transformer on the disk: tokens, positions, norms and output head."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float32, FloatMatrix, Int64
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, ShapeError, VocabularyError
from gpuemb.core.results import result, shown
from gpuemb.embeddings.model import Embedding


@result(eq=True)
class Norm:
    """A norm of a transformer: ``norm(x)`` applies it to the last axis.

    Attributes:
        kind: ``layer``, ``(x − mean) / √(variance + epsilon) · weight + bias``; or ``rms``, which subtracts
            no mean and has no bias.
        weight: ``(d,)``; of Gemma the stored one plus 1, as it is used.
        bias: ``(d,)``, or None.
        epsilon: added to the variance.

    Source: Ba, Kiros and Hinton (2016), arXiv 1607.06450; Zhang and Sennrich (2019), arXiv 1910.07467.

    Example:
        >>> norm = ge.Norm("layer", np.ones(8), None, 1e-5)
        >>> bool(np.allclose(norm(x).mean(axis=1), 0, atol=1e-6))
        True
    """

    kind: str
    weight: Float32
    bias: Float32 | None
    epsilon: float

    def __call__(self, x: Any) -> Float32:
        """Return ``x`` normalized: sums in float64, the result in float32."""
        wide = np.asarray(x, np.float64)
        if self.kind == "layer":
            wide = wide - wide.mean(axis=-1, keepdims=True)
        wide = wide / np.sqrt((wide**2).mean(axis=-1, keepdims=True) + self.epsilon) * self.weight
        return np.asarray(wide if self.bias is None else wide + self.bias, np.float32)


@result
class Transformer:
    """What stands before the first and behind the last layer of a transformer.

    Attributes:
        name: of its folder.
        kind: ``model_type`` of its configuration; empty without one.
        tokens: every token by its readable text, special ones too: see :func:`gpuemb.load`.
        ids: of each token.
        spelled: the same tokens as the tokenizer spells them.
        whole: of each token, whether it is a whole word.
        special: of each token, whether it stands for no text.
        table: ``(V, d)`` the token table by ids, with rows that no token has.
        positions: ``(P, d)`` by position from 0; None where positions are not added (rotary, relative).
        segments: of BERT, ``(n, d)`` token types; None without.
        input_norm: applied to what goes into the first layer; None without.
        norm: applied to what comes out of the last layer; None without, as in BERT.
        output: the output head by token, None where it was left out or there is none.
        tied: whether the output head is the token table; None where that is not known.
        scale: what tokens are multiplied by before the first layer: √d of Gemma, else 1.

    Example:
        >>> from pathlib import Path
        >>> Path("small").mkdir()
        >>> ge.save(ge.Embedding(x, words), "small/model.safetensors")
        >>> model = ge.load_transformer("small")
        >>> np.array_equal(model.inputs(["w3"]), model.scale * x[3:4].astype(np.float32))
        True
    """

    name: str
    kind: str
    tokens: Embedding
    ids: Int64
    spelled: tuple[str, ...]
    whole: NDArray[np.bool_]
    special: NDArray[np.bool_]
    table: FloatMatrix
    positions: Embedding | None
    segments: Float32 | None
    input_norm: Norm | None
    norm: Norm | None
    output: Embedding | None
    tied: bool | None
    scale: float

    @property
    def words(self) -> Embedding:
        """The whole words alone, as ``gpuemb.load(path, tokens="words")`` reads them."""
        rows = np.flatnonzero(self.whole)
        listed = [self.tokens.index_to_key[row] for row in rows.tolist()]
        left = len(self.tokens) - len(rows)
        return replace(self.tokens, vectors=self.tokens.vectors[rows], index_to_key=listed, set_aside=left)

    @door
    def inputs(
        self, tokens: Any, *, start: int = 0, segment: int | None = None, normalized: bool = False
    ) -> Float32:
        """Return what goes into the first layer: ``x_i = scale · e_i + p_i``.

        Args:
            tokens: ``T`` ids, or tokens by their readable text.
            start: position of the first.
            segment: token type whose row is added, as BERT does (0 for a single text).
            normalized: apply the norm in front of the first layer.

        Returns:
            ``(T, d)`` float32.

        Raises:
            VocabularyError: an id or a token that the table does not have.
            ShapeError: more tokens than positions.
            ConfigError: a segment or a norm that the model does not have.
        """
        found = self.scale * np.asarray(self.table[self._ids(tokens)], np.float32)
        if self.positions is not None:
            stop = start + len(found)
            if start < 0 or stop > len(self.positions):
                raise ShapeError(
                    f"inputs: positions {start} to {stop - 1}",
                    needed=f"{self.name} has positions 0 to {len(self.positions) - 1}.",
                    remedy="Give fewer tokens, or another start.",
                )
            found = found + self.positions.vectors[start:stop]
        if segment is not None:
            found = found + self._segment(segment)
        if not normalized:
            return np.asarray(found, np.float32)
        if self.input_norm is None:
            raise ConfigError(
                f"inputs: normalized=True, but {self.name} has no norm in front of its first layer",
                needed="BERT, RoBERTa, DistilBERT, BLOOM and BART have one.",
                remedy="Leave normalized out.",
            )
        return self.input_norm(found)

    def _ids(self, tokens: Any) -> NDArray[np.int64]:
        given = list(tokens) if isinstance(tokens, (list, tuple, np.ndarray)) else [tokens]
        if any(isinstance(token, str) for token in given):
            rows = self.tokens.key_to_index
            missing = next((token for token in given if token not in rows), None)
            if missing is not None:
                raise VocabularyError(
                    f"inputs: {shown(missing)} is no token of {self.name}",
                    needed="Tokens are named by their readable text: king, ##ing.",
                    remedy="Give ids, or compare with tokens.index_to_key.",
                )
            return self.ids[[rows[token] for token in given]]
        ids = np.asarray(given) if given else np.zeros(0, np.int64)
        if ids.ndim != 1 or ids.dtype.kind not in "iu" or ids.min(initial=0) < 0:
            raise VocabularyError(
                f"inputs: {shown(tokens)}",
                needed=f"Ids are whole numbers from 0 to {len(self.table) - 1}, in one list.",
                remedy='inputs([464, 5822]), or inputs(["the", "king"])',
            )
        if ids.max(initial=0) >= len(self.table):
            raise VocabularyError(
                f"inputs: the id {ids.max()}",
                needed=f"{self.name} has ids 0 to {len(self.table) - 1}.",
                remedy="Are they of another tokenizer?",
            )
        return ids.astype(np.int64)

    def _segment(self, segment: int) -> Float32:
        count = 0 if self.segments is None else len(self.segments)
        if self.segments is None or not 0 <= segment < count:
            raise ConfigError(
                f"inputs: segment={segment}, but {self.name} has {count} token types",
                needed=f"One of 0 to {count - 1} can be added." if count else "None can be added.",
                remedy="Leave segment out.",
            )
        return self.segments[segment]  # type: ignore[no-any-return]  # a row of NumPy's
