"""Names of the tables and norms in published checkpoints of transformers."""

from __future__ import annotations

import re
from collections.abc import Collection

from gpuemb.core.errors import FileFormatError

TOKENS, POSITIONS, OUTPUT = "auto", "positions", "output"  # what tensor=… may ask for
SEGMENTS, INPUT_NORM, FINAL_NORM = "segments", "input norm", "final norm"
LISTED = 12  # tensors named in an error
_ANYWHERE = r"(?:.+\.)?"
_OUTSIDE_LAYERS = r"(?:(?!\d+\.|embeddings\.)[^.]+\.)*"  # no number of a layer in front
ROLES = {
    # BERT, RoBERTa, DistilBERT, BLOOM, Falcon | GPT-2, GPT-J | Llama, Mistral, Qwen, Gemma, OPT | GPT-NeoX |
    # T5, BART | ModernBERT, Meta's own Llama files | CLIP
    TOKENS: _ANYWHERE
    + r"(?:word_embeddings|wte|embed_tokens|embed_in|shared|tok_embeddings|token_embedding)\.weight",
    # BERT, RoBERTa, DistilBERT | GPT-2 | OPT, BART | CLIP
    POSITIONS: _ANYWHERE + r"(?:position_embeddings|wpe|embed_positions|position_embedding)\.weight",
    SEGMENTS: _ANYWHERE + r"token_type_embeddings\.weight",
    # Llama, T5 v1.1, GPT-J | RoBERTa | GPT-NeoX | BERT | DistilBERT | Meta's own Llama files | ModernBERT
    OUTPUT: rf"{_ANYWHERE}(?:lm_head|lm_head\.decoder|embed_out|predictions\.decoder|vocab_projector)\.weight"
    r"|output\.weight|decoder\.weight",
    # BERT (the oldest call it gamma), RoBERTa, DistilBERT | ModernBERT | BLOOM | BART
    INPUT_NORM: _ANYWHERE
    + r"(?:embeddings\.LayerNorm|embeddings\.norm|word_embeddings_layernorm|layernorm_embedding)"
    r"\.(?:weight|gamma)",
    # GPT-2, BLOOM | GPT-NeoX, T5, OPT | Llama, Mistral, Qwen, Gemma | MPT | Phi | ModernBERT
    FINAL_NORM: _OUTSIDE_LAYERS + r"(?:ln_f|final_layer_norm|norm|norm_f|final_layernorm|final_norm)\.weight",
}


def named(role: str, names: Collection[str]) -> str | None:
    """Return the tensor of a role; None if there is none.

    Of an encoder and a decoder the shared table is that of the tokens, the encoder's that of the positions
    and of the first norm; the decoder's norm is the final one.

    Args:
        role: a key of :data:`ROLES`.
        names: of the tensors that could have it.

    Raises:
        FileFormatError: several have it; they are named.
    """
    pattern = re.compile(ROLES[role])
    found = [name for name in names if pattern.fullmatch(name)]
    shared = [name for name in found if name.split(".")[-2] == "shared"]
    preferred = shared if role == TOKENS else _of_side(found, "decoder" if role == FINAL_NORM else "encoder")
    chosen = preferred if len(preferred) == 1 else found
    if len(chosen) > 1:
        raise FileFormatError(
            f"load: {len(chosen)} tensors may be the {role if role != TOKENS else 'token table'}",
            needed="One of them must be named.",
            remedy=f"tensor=… is one of: {', '.join(sorted(chosen)[:LISTED])}.",
        )
    return chosen[0] if chosen else None


def _of_side(names: Collection[str], side: str) -> list[str]:
    return [name for name in names if side in name.split(".")]
