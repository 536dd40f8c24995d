"""Small checkpoints of transformers, laid out as the published ones are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIM, LAYERS, PLACES = 4, 2, 6
Tensors = dict[str, NDArray[Any]]


def numbers(*shape: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def table(rows: int) -> NDArray[np.float32]:
    """The token table of every checkpoint of so many rows."""
    return numbers(rows, DIM, seed=1)


def _norm(name: str, seed: int, *, bias: bool = True, gamma: bool = False) -> Tensors:
    weight, shift = ("gamma", "beta") if gamma else ("weight", "bias")
    found: Tensors = {f"{name}.{weight}": numbers(DIM, seed=seed)}
    return found | ({f"{name}.{shift}": numbers(DIM, seed=seed + 1)} if bias else {})


def bert(rows: int, prefix: str = "bert.", *, gamma: bool = False) -> tuple[dict[str, Any], Tensors]:
    own = f"{prefix}embeddings."
    tensors = {
        f"{own}word_embeddings.weight": table(rows),
        f"{own}position_embeddings.weight": numbers(PLACES, DIM, seed=2),
        f"{own}token_type_embeddings.weight": numbers(2, DIM, seed=3),
        **_norm(f"{own}LayerNorm", 4, gamma=gamma),
        "cls.predictions.bias": numbers(rows, seed=6),
        **_norm("cls.predictions.transform.LayerNorm", 7, gamma=gamma),
        "cls.predictions.transform.dense.weight": numbers(DIM, DIM, seed=9),
    }
    for layer in range(LAYERS):
        at = f"{prefix}encoder.layer.{layer}."
        tensors[f"{at}attention.self.query.weight"] = numbers(DIM, DIM, seed=10)
        tensors[f"{at}output.dense.weight"] = numbers(DIM, 4 * DIM, seed=11)
        tensors |= _norm(f"{at}output.LayerNorm", 12, gamma=gamma)
    return {"model_type": "bert", "layer_norm_eps": 1e-12, "pad_token_id": 0}, tensors


def roberta(rows: int) -> tuple[dict[str, Any], Tensors]:
    _, tensors = bert(rows, "roberta.")
    tensors = {name: values for name, values in tensors.items() if not name.startswith("cls.")}
    tensors |= {"lm_head.bias": numbers(rows, seed=6), "lm_head.dense.weight": numbers(DIM, DIM, seed=9)}
    tensors |= _norm("lm_head.layer_norm", 7)
    return {"model_type": "roberta", "layer_norm_eps": 1e-5, "pad_token_id": 1}, tensors


def distilbert(rows: int) -> tuple[dict[str, Any], Tensors]:
    _, tensors = bert(rows, "distilbert.")
    kept = {name: values for name, values in tensors.items() if ".embeddings." in name}
    kept.pop("distilbert.embeddings.token_type_embeddings.weight")
    kept |= {
        "vocab_transform.weight": numbers(DIM, DIM, seed=9),
        "vocab_projector.bias": numbers(rows, seed=6),
    }
    return {"model_type": "distilbert"}, kept | _norm("vocab_layer_norm", 7)


def gpt2(rows: int, prefix: str = "") -> tuple[dict[str, Any], Tensors]:
    tensors = {
        f"{prefix}wte.weight": table(rows),
        f"{prefix}wpe.weight": numbers(PLACES, DIM, seed=2),
        **_norm(f"{prefix}ln_f", 4),
    }
    for layer in range(LAYERS):
        tensors |= _norm(f"{prefix}h.{layer}.ln_1", 6)
        tensors[f"{prefix}h.{layer}.attn.c_attn.weight"] = numbers(DIM, 3 * DIM, seed=8)
    return {"model_type": "gpt2", "layer_norm_epsilon": 1e-5}, tensors


def neox(rows: int) -> tuple[dict[str, Any], Tensors]:
    tensors = {
        "gpt_neox.embed_in.weight": table(rows),
        "embed_out.weight": numbers(rows, DIM, seed=2),
        **_norm("gpt_neox.final_layer_norm", 4),
        **_norm("gpt_neox.layers.0.post_attention_layernorm", 6),
        "gpt_neox.layers.0.attention.dense.weight": numbers(DIM, DIM, seed=8),
    }
    return {"model_type": "gpt_neox", "layer_norm_eps": 1e-5, "tie_word_embeddings": False}, tensors


def llama(
    rows: int, kind: str = "llama", prefix: str = "", *, tied: bool = False, **config: Any
) -> tuple[dict[str, Any], Tensors]:
    """Llama, Mistral, Qwen and Gemma; a tied head is not written."""
    tensors = {
        f"{prefix}model.embed_tokens.weight": table(rows),
        **_norm(f"{prefix}model.norm", 4, bias=False),
        **_norm(f"{prefix}model.layers.0.input_layernorm", 6, bias=False),
        f"{prefix}model.layers.0.self_attn.q_proj.weight": numbers(DIM, DIM, seed=8),
    }
    if not tied:
        tensors["lm_head.weight"] = numbers(rows, DIM, seed=2)
    said = {} if kind.startswith("gemma") else {"tie_word_embeddings": tied}  # Gemma leaves it to its default
    return {"model_type": kind, "rms_norm_eps": 1e-6, **said, **config}, tensors


def t5(rows: int, *, tied: bool = True) -> tuple[dict[str, Any], Tensors]:
    tensors = {
        name: table(rows)
        for name in ("shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
    }
    for side, seed in (("encoder", 3), ("decoder", 4)):
        tensors |= _norm(f"{side}.final_layer_norm", seed, bias=False)
        tensors |= _norm(f"{side}.block.0.layer.0.layer_norm", 6, bias=False)
        name = f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        tensors[name] = numbers(8, 2, seed=8)
    if not tied:
        tensors["lm_head.weight"] = numbers(rows, DIM, seed=2)
    return {"model_type": "t5", "layer_norm_epsilon": 1e-6, "tie_word_embeddings": tied}, tensors


def bloom(rows: int, prefix: str = "transformer.") -> tuple[dict[str, Any], Tensors]:
    tensors = {
        f"{prefix}word_embeddings.weight": table(rows),
        **_norm(f"{prefix}word_embeddings_layernorm", 2),
        **_norm(f"{prefix}ln_f", 4),
        **_norm(f"{prefix}h.0.input_layernorm", 6),
    }
    return {"model_type": "bloom", "layer_norm_epsilon": 1e-5}, tensors


def safetensors(tensors: Mapping[str, NDArray[Any]], kinds: Mapping[str, str] | None = None) -> bytes:
    """Spell tensors as the format has them; ``kinds`` name those that NumPy has under another name."""
    header, begin = {}, 0
    for name, values in tensors.items():
        kind = (kinds or {}).get(name, {2: "F16", 4: "F32", 8: "F64"}[values.dtype.itemsize])
        end = begin + values.nbytes
        header[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(map(np.ndarray.tobytes, tensors.values()))


def write(
    folder: Path,
    model: tuple[dict[str, Any], Tensors],
    tokens: Sequence[str] | Mapping[str, Any] = (),
    *,
    shards: int = 1,
) -> Path:
    """Write a folder as a checkpoint has it: weights in one file or several, configuration, tokens.

    Args:
        folder: a new one.
        model: configuration and tensors.
        tokens: WordPiece tokens by id, or what stands in ``tokenizer.json``.
        shards: files of the weights.
    """
    folder.mkdir(parents=True)
    config, tensors = model
    (folder / "config.json").write_text(json.dumps(config))
    if shards == 1:
        (folder / "model.safetensors").write_bytes(safetensors(tensors))
    else:
        places: dict[str, str] = {}
        for part in range(shards):
            name = f"model-{part + 1:05}-of-{shards:05}.safetensors"
            own = dict(list(tensors.items())[part::shards])
            (folder / name).write_bytes(safetensors(own))
            places |= dict.fromkeys(own, name)
        index = {"metadata": {"total_size": 0}, "weight_map": places}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    if isinstance(tokens, Mapping):
        (folder / "tokenizer.json").write_text(json.dumps(tokens, ensure_ascii=False), "utf-8")
    elif tokens:
        (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), "utf-8")
    return folder


def _added(content: str, row: int, *, special: bool = True) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": row, "content": content, **flags, "special": special}


def byte_level(tokens: Sequence[str], special: Sequence[str] = ("<|endoftext|>",)) -> dict[str, Any]:
    """A ``tokenizer.json`` of GPT-2's kind."""
    part = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "added_tokens": [_added(token, len(tokens) + place) for place, token in enumerate(special)],
        "normalizer": None,
        "pre_tokenizer": part,
        "post_processor": part,
        "decoder": part,
        "model": {
            "type": "BPE",
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "byte_fallback": False,
            "vocab": {token: row for row, token in enumerate(tokens)},
            "merges": [],
        },
    }


def sentencepiece(tokens: Sequence[str], special: Sequence[str] = ("<s>", "</s>")) -> dict[str, Any]:
    """A ``tokenizer.json`` of Llama's kind, special tokens first."""
    listed = [*special, *tokens]
    return {
        "version": "1.0",
        "added_tokens": [_added(token, row) for row, token in enumerate(special)],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "byte_fallback": True,
            "vocab": {token: row for row, token in enumerate(listed)},
            "merges": [],
        },
    }


def unigram(tokens: Sequence[str], special: Sequence[str] = ("<pad>", "</s>", "<unk>")) -> dict[str, Any]:
    """A ``tokenizer.json`` of T5's kind."""
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    return {
        "version": "1.0",
        "added_tokens": [_added(token, row) for row, token in enumerate(special)],
        "normalizer": None,
        "pre_tokenizer": metaspace,
        "post_processor": None,
        "decoder": metaspace,
        "model": {"type": "Unigram", "unk_id": 2, "vocab": [[token, -1.0] for token in [*special, *tokens]]},
    }
