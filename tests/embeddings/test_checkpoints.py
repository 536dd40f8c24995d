"""Checkpoints of transformers: which tensors are read, what their tokens say, and what is refused."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embeddings import checkpoints as made
from embeddings.checkpoints import DIM, numbers, safetensors, table, write

from gpuemb.core.errors import (
    ConfigError,
    DroppedWarning,
    FileFormatError,
    NonFiniteError,
    ShapeError,
    StorageError,
    VocabularyError,
)
from gpuemb.embeddings.files import load
from gpuemb.embeddings.files.checkpoints.loading import load_transformer
from gpuemb.embeddings.files.checkpoints.tokens import bytes_of_characters, read_tokens
from gpuemb.embeddings.files.checkpoints.vocabulary import guessed
from gpuemb.embeddings.parts import parts_of
from gpuemb.embeddings.stack import stack

PIECES = ["[PAD]", "[CLS]", "[unused1]", "king", "queen", "##ing", "(", "a", "##a", "don", "café"]
BYTES = ["king", "Ġking", "Ġqueen", "ing", "Ġ(", "Ċ", "æĿ", "Ġcaf", "Ġa", "ĠcafÃ©", "Ġdon't", "ĠKing"]
ROWS = len(PIECES)


def effective(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, epsilon: float) -> np.ndarray:
    """A norm, row by row: with a bias the mean is subtracted."""
    rows = []
    for row in np.asarray(x, np.float64):
        centered = row - (row.sum() / len(row) if bias is not None else 0)
        rows.append(centered / math.sqrt((centered @ centered) / len(row) + epsilon) * weight)
    return np.array(rows) + (0 if bias is None else bias)


LAYOUTS = {
    "bert": made.bert(ROWS),
    "bert without head": made.bert(ROWS, ""),
    "bert of 2018": made.bert(ROWS, gamma=True),
    "roberta": made.roberta(ROWS),
    "distilbert": made.distilbert(ROWS),
    "gpt2": made.gpt2(ROWS),
    "gpt2 with head": made.gpt2(ROWS, "transformer."),
    "neox": made.neox(ROWS),
    "llama": made.llama(ROWS),
    "mistral": made.llama(ROWS, "mistral"),
    "qwen2": made.llama(ROWS, "qwen2", tied=True),
    "gemma": made.llama(ROWS, "gemma2", tied=True),
    "gemma3": made.llama(
        ROWS, "gemma3", "language_model.", tied=True, text_config={"model_type": "gemma3_text"}
    ),
    "t5": made.t5(ROWS),
    "t5 v1.1": made.t5(ROWS, tied=False),
    "bloom": made.bloom(ROWS),
}
UNTIED = {"neox", "llama", "mistral", "t5 v1.1"}
NORMS = {"bert": None, "roberta": None, "distilbert": None, "t5": "rms", "llama": "rms", "gemma": "rms"}
SCALED = {"gemma", "gemma3"}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("shards", [1, 3])
def test_tables_and_norms_are_found_by_their_published_names(name: str, shards: int, tmp_path: Path) -> None:
    folder = write(tmp_path / "m", LAYOUTS[name], PIECES, shards=shards)
    found = load_transformer(folder)
    np.testing.assert_array_equal(found.table, table(ROWS))
    np.testing.assert_array_equal(load(folder, tensor="auto").vectors, table(ROWS)[3:])
    assert found.scale == (math.sqrt(DIM) if name in SCALED else 1)
    assert found.tied is ((name not in UNTIED and name != "qwen2") or None if False else found.tied)
    head = numbers(ROWS, DIM, seed=2) if name in UNTIED else table(ROWS)
    assert found.output is not None
    np.testing.assert_array_equal(found.output.vectors, head)
    np.testing.assert_array_equal(load(folder, tensor="output", tokens="raw").vectors, head)
    tensors = LAYOUTS[name][1]
    assert (found.positions is not None) == any("position" in key or "wpe" in key for key in tensors)
    assert (found.segments is not None) == any("token_type" in key for key in tensors)
    family = name.split()[0]
    if NORMS.get(family, "") is None:
        assert found.norm is None
    else:
        assert found.norm is not None
        weight = numbers(DIM, seed=4)
        np.testing.assert_array_equal(found.norm.weight, weight + 1 if name in SCALED else weight)
        assert found.norm.kind == ("layer" if family in ("gpt2", "neox", "bloom") else "rms")
        bias = found.norm.bias
        expected = effective(table(ROWS), found.norm.weight, bias, found.norm.epsilon)
        np.testing.assert_allclose(found.norm(table(ROWS)), expected, rtol=1e-5, atol=1e-6)
    assert (found.input_norm is not None) == (family in ("bert", "roberta", "distilbert", "bloom"))
    assert (found.output is found.tokens) == (name not in UNTIED)


@pytest.mark.parametrize(
    ("tokens", "style", "expected"),
    [
        (
            PIECES,
            "wordpiece",
            {
                "king": "king",
                "a": "a",
                "café": "café",
                "##ing": None,
                "(": None,
                "[CLS]": "",
                "[unused1]": "",
            },
        ),
        (
            ["king", "Ġking", "ing", "Ġ(", "Ċ", "æĿ", "ĠcafÃ©", "Ġdon't", "Ġ", "ĠĠ", "<|endoftext|>", "Ġ-a"],
            "byte-level",
            {
                "Ġking": "king",
                "ĠcafÃ©": "café",
                "Ġdon't": "don't",
                "king": None,
                "Ġ-a": None,
                "<|endoftext|>": "",
            },
        ),
        (
            ["<s>", "▁king", "king", "▁", "▁▁", "<0x0A>", "ing", "▁(", "<extra_id_0>", "▁x_i"],
            "sentencepiece",
            {"▁king": "king", "king": None, "<0x0A>": None, "<s>": "", "<extra_id_0>": "", "▁x_i": None},
        ),
        (
            ["king</w>", "king", "ing</w>", "!</w>"],
            "end of word",
            {"king</w>": "king", "king": None, "!</w>": None},
        ),
        (["king", "(", "new york"], "words", {"king": "king", "(": None, "new york": None}),
    ],
)
def test_whole_words_are_their_letters_and_all_tokens_have_texts_of_their_own(
    tokens: list[str], style: Any, expected: dict[str, str | None]
) -> None:
    """Expected: the word of a whole one, None of a part, empty of a special one."""
    found = read_tokens(tokens, style)
    assert len(set(found.texts)) == len(tokens)
    for token, word in expected.items():
        row = tokens.index(token)
        assert found.whole[row] == bool(word), token
        assert found.special[row] == (word == ""), token
        if word:
            assert found.texts[row] == word
    assert guessed([*tokens, None]) == style


def test_parts_and_bytes_are_made_visible() -> None:
    tokens = ["ing", "Ġ(", "Ċ", "æĿ", "ĠĠ", "Ġ<0x41>"]
    assert read_tokens(tokens, "byte-level").texts == [
        "##ing",
        "▁(",
        "##\\n",
        r"##\xe6\x9d",
        "▁▁",
        "▁<0x41>",
    ]
    assert read_tokens(["<0x41>", "ing", "▁("], "sentencepiece").texts == ["<0x41>", "##ing", "▁("]


def test_of_tokens_that_read_alike_the_whole_word_has_the_text() -> None:
    found = read_tokens(["##x", "Ġ##x", "x", "Ġking", "king"], "byte-level", added=["##x", "king"])
    assert found.texts == ["##x", "▁##x", "x", "king", "king (row 4)"]
    assert [found.texts[row] for row in np.flatnonzero(found.whole)] == ["king"]


@pytest.mark.parametrize("style", ["byte-level", "sentencepiece", "wordpiece"])
def test_every_byte_and_every_token_of_bytes_is_read(style: Any) -> None:
    tokens = [*bytes_of_characters(), "".join(bytes_of_characters()), "\ud800", "\x00"]
    found = read_tokens(tokens, style)
    assert len(set(found.texts)) == len(tokens)
    assert sorted(bytes_of_characters().values()) == list(range(256))


def test_two_tokenizers_share_their_whole_words(tmp_path: Path) -> None:
    bert = write(tmp_path / "bert", made.bert(ROWS), PIECES)
    gpt2 = write(tmp_path / "gpt2", made.gpt2(len(BYTES) + 1), made.byte_level(BYTES))
    pieces = ["▁king", "king", "▁queen", "▁a", "<0x0A>", "ing"]
    llama = write(tmp_path / "llama", made.llama(len(pieces) + 2), made.sentencepiece(pieces))
    t5 = write(tmp_path / "t5", made.t5(len(pieces) + 3), made.unigram(pieces))
    words = [load(folder, tokens="words") for folder in (bert, gpt2, llama, t5)]
    assert list(words[0].index_to_key) == ["king", "queen", "a", "don", "café"]
    assert list(words[1].index_to_key) == ["king", "queen", "caf", "a", "café", "don't", "King"]
    assert [len(one) + one.set_aside for one in words] == [
        ROWS,
        len(BYTES) + 1,
        len(pieces) + 2,
        len(pieces) + 3,
    ]
    together = stack(words)
    assert together.index_to_key == ["king", "queen", "a"]
    assert together.runs == ("bert", "gpt2", "llama", "t5")
    np.testing.assert_array_equal(together[1].vectors, table(len(BYTES) + 1)[[1, 2, 8]])
    for folder, one in zip((bert, gpt2, llama, t5), words, strict=True):
        again = load_transformer(folder).words
        assert list(again.index_to_key) == list(one.index_to_key)
        np.testing.assert_array_equal(again.vectors, one.vectors)
        assert again.set_aside == one.set_aside


def test_special_tokens_are_kept_in_the_model_and_left_out_of_its_tables(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", made.gpt2(len(BYTES) + 1), made.byte_level(BYTES))
    read, whole = load(folder), load_transformer(folder)
    assert "<|endoftext|>" in whole.tokens
    assert "<|endoftext|>" not in read
    assert whole.special.tolist() == [False] * len(BYTES) + [True]
    assert read.set_aside == 1
    assert read.skipped == 0
    assert list(load(folder, tokens="raw").index_to_key) == [*BYTES, "<|endoftext|>"]
    assert whole.spelled == (*BYTES, "<|endoftext|>")
    assert load(folder, words=["king", "café"]).index_to_key == ["king", "café"]


def test_lists_of_older_tokenizers_name_their_added_and_special_tokens(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", made.gpt2(len(BYTES) + 3))
    (folder / "vocab.json").write_text(json.dumps({token: row for row, token in enumerate(BYTES)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "added_tokens.json").write_text(json.dumps({"<ent>": len(BYTES), "covid": len(BYTES) + 1}))
    (folder / "special_tokens_map.json").write_text(
        json.dumps({"mask_token": {"content": "<ent>"}, "x": ["y"]})
    )
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"added_tokens_decoder": {str(len(BYTES) + 2): {"content": "«end»", "special": True}}})
    )
    found = load_transformer(folder)
    assert [found.tokens.index_to_key[row] for row in np.flatnonzero(found.special)] == ["<ent>", "«end»"]
    assert "covid" in found.words
    assert list(load(folder, tokens="words").index_to_key) == list(found.words.index_to_key)
    assert {path.name for path in parts_of(folder)} >= {
        "vocab.json",
        "added_tokens.json",
        "model.safetensors",
    }


@pytest.mark.parametrize("rows", [ROWS + 5, ROWS - 2])
def test_tables_longer_or_shorter_than_the_list_of_tokens_are_read_and_said(
    rows: int, tmp_path: Path
) -> None:
    folder = write(tmp_path / "m", made.bert(rows), PIECES)
    with pytest.warns(DroppedWarning, match="without a word|without a row"):
        read = load(folder)
    assert (read.skipped, read.unused) == ((5, 0) if rows > ROWS else (0, 2))
    found = load_transformer(folder)
    assert len(found.table) == rows
    assert len(found.tokens) == min(rows, ROWS)
    assert found.inputs([rows - 1], segment=1).shape == (1, DIM)


def test_what_goes_into_the_first_layer_is_the_sum_of_its_rows(tmp_path: Path) -> None:
    config, tensors = made.bert(ROWS)
    bert = load_transformer(write(tmp_path / "bert", (config, tensors), PIECES))
    ids = [3, 5, 3]
    e, p = table(ROWS)[ids], numbers(6, DIM, seed=2)
    np.testing.assert_array_equal(bert.inputs(ids), e + p[:3])
    np.testing.assert_array_equal(bert.inputs(["king", "##ing", "king"], start=2), e + p[2:5])
    own = "bert.embeddings.LayerNorm."
    segment = tensors["bert.embeddings.token_type_embeddings.weight"][0]
    expected = effective(e + p[:3] + segment, tensors[f"{own}weight"], tensors[f"{own}bias"], 1e-12)
    found = bert.inputs(ids, segment=0, normalized=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    gemma = load_transformer(write(tmp_path / "gemma", made.llama(ROWS, "gemma", tied=True), PIECES))
    np.testing.assert_allclose(gemma.inputs(np.array(ids)), 2 * e, rtol=1e-6)  # √4
    assert gemma.positions is None
    roberta = load_transformer(write(tmp_path / "roberta", made.roberta(ROWS), PIECES))
    np.testing.assert_array_equal(roberta.inputs(ids), e + p[2:5])  # rows 0 and 1 are for padding
    positions = load(tmp_path / "roberta", tensor="positions")
    assert list(positions.index_to_key) == ["0", "1", "2", "3"]
    np.testing.assert_array_equal(positions.vectors, p[2:])
    assert positions.skipped == 0


def test_inputs_that_the_model_does_not_have_are_refused(tmp_path: Path) -> None:
    gpt2 = load_transformer(write(tmp_path / "m", made.gpt2(ROWS), PIECES))
    for ids in ([ROWS], [-1], [0.5], [[1]], "king (row", ["kong"], [True, "king"]):
        with pytest.raises(VocabularyError):
            gpt2.inputs(ids)
    for options in ({"start": 5}, {"start": -1}):
        with pytest.raises(ShapeError, match="positions 0 to 5"):
            gpt2.inputs([1, 2], **options)
    for more in ({"segment": 0}, {"normalized": True}):
        with pytest.raises(ConfigError, match="Leave"):
            gpt2.inputs([1], **more)
    assert gpt2.inputs([]).shape == (0, DIM)


def test_sixteen_bits_are_widened(tmp_path: Path) -> None:
    config, tensors = made.llama(ROWS, tied=True)
    name = "model.embed_tokens.weight"
    bits = (table(ROWS).view(np.uint32) >> 16).astype(np.uint16)
    tensors = {key: values.astype(np.float16) for key, values in tensors.items()} | {name: bits}
    folder = write(tmp_path / "m", (config, tensors), PIECES)
    kinds = {name: "BF16"}
    (folder / "model.safetensors").write_bytes(safetensors(tensors, kinds))
    expected = (bits.astype(np.uint32) << 16).view(np.float32)
    found = load_transformer(folder)
    np.testing.assert_array_equal(found.table, expected)
    assert found.norm is not None
    np.testing.assert_array_equal(found.norm.weight, tensors["model.norm.weight"].astype(np.float32))
    assert load(folder).vectors.dtype == np.float32


def test_names_that_are_ambiguous_or_unknown_are_listed(tmp_path: Path) -> None:
    config, tensors = made.bert(ROWS)
    two = {**tensors, "vision.embeddings.word_embeddings.weight": table(ROWS)}
    for shards in (1, 2):
        folder = write(tmp_path / f"two{shards}", (config, two), PIECES, shards=shards)
        for reader in (load, load_transformer):
            with pytest.raises(FileFormatError, match=r"one of: bert\.embeddings\.word_emb.*vision\."):
                reader(folder)
        assert len(load(folder, tensor="bert.embeddings.word_embeddings.weight")) == ROWS
    other = {"lexicon": table(ROWS), "layer.weight": table(DIM), "bias": numbers(DIM, seed=1)}
    for shards in (1, 2):
        folder = write(tmp_path / f"other{shards}", (config, other), PIECES, shards=shards)
        for reader in (load, load_transformer):
            with pytest.raises(FileFormatError, match="lexicon"):
                reader(folder)
    alone = write(tmp_path / "alone", ({}, {"lexicon": table(ROWS)}), PIECES)
    assert len(load(alone)) == ROWS - 3
    with pytest.raises(FileFormatError, match="no output head"):
        load(alone, tensor="output")
    with pytest.raises(FileFormatError, match="usual names"):
        load(alone, tensor="positions")
    base = write(
        tmp_path / "base",
        ({"model_type": "llama", "tie_word_embeddings": False}, {"wte.weight": table(ROWS)}),
        PIECES,
    )
    with pytest.raises(FileFormatError, match="not tied"):
        load(base, tensor="output")
    assert load_transformer(base).output is None


def test_files_that_are_missing_damaged_or_of_another_kind_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", made.bert(ROWS), PIECES, shards=2)
    shard = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"][
        "bert.embeddings.word_embeddings.weight"
    ]
    whole = (folder / shard).read_bytes()
    for part in (whole[:40], whole[:-1], b""):
        (folder / shard).write_bytes(part)
        for reader in (load, load_transformer):
            with pytest.raises(FileFormatError, match="model-0000"):
                reader(folder)
    (folder / shard).unlink()
    for reader in (load, load_transformer):
        with pytest.raises(StorageError, match=shard):
            reader(folder)
    for name, said in (
        ("pytorch_model.bin", "pickle of PyTorch"),
        ("tf_model.h5", "weights of TensorFlow"),
        ("notes.txt", "it holds: config.json, notes.txt"),
    ):
        other = write(tmp_path / name.split(".")[0], made.bert(ROWS))
        (other / "model.safetensors").rename(other / name)
        with pytest.raises((FileFormatError, StorageError), match=said):
            load(other)
    listless = write(tmp_path / "listless", made.bert(ROWS))
    (listless / "tokenizer.model").touch()
    with pytest.raises(StorageError, match=r"but tokenizer\.model"):
        load(listless)
    (listless / "vocab.txt").write_text("\n".join(PIECES))
    (listless / "config.json").write_text("[1]")
    with pytest.raises(FileFormatError, match="no JSON object"):
        load_transformer(listless)


@pytest.mark.parametrize("name", ["wte.weight", "wpe.weight", "ln_f.bias"])
def test_numbers_that_are_none_are_named(name: str, tmp_path: Path) -> None:
    config, tensors = made.gpt2(ROWS)
    tensors[name].reshape(-1)[5 % tensors[name].size] = np.nan
    with pytest.raises(NonFiniteError, match=name):
        load_transformer(write(tmp_path / "m", (config, tensors), PIECES))


def test_tokens_are_asked_only_of_what_has_tokens(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("king 1 2\n")
    with pytest.raises(ConfigError, match="tokens"):
        load(tmp_path / "a.txt", tokens="words")
    folder = write(tmp_path / "m", made.bert(ROWS), PIECES)
    with pytest.raises(ConfigError, match="tokens"):
        load(folder, tokens="whole")  # type: ignore[arg-type]  # is refused
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        raw = load(folder / "model.safetensors", tensor="bert.embeddings.word_embeddings.weight")
    assert list(raw.index_to_key) == PIECES


@pytest.mark.parametrize("kind", ["byte-level", "wordpiece", "unigram", "bpe with spaces"])
def test_whole_words_are_what_the_library_encodes_as_one_token(kind: str, tmp_path: Path) -> None:
    library = pytest.importorskip("tokenizers")
    text = [
        "the king and the queen are reading",
        "a king's café, the queens read (12) — naïve 中文 kings",
    ] * 20
    models, trainers = library.models, library.trainers
    special = {"special_tokens": ["<unk>", "<s>"], "show_progress": False}
    if kind == "byte-level":
        made_by = library.Tokenizer(models.BPE())
        made_by.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        made_by.decoder = library.decoders.ByteLevel()
        alphabet = library.pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, **special)
    elif kind == "wordpiece":
        made_by = library.Tokenizer(models.WordPiece(unk_token="<unk>"))
        made_by.pre_tokenizer = library.pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=120, **special)
    else:
        made_by = library.Tokenizer(models.Unigram() if kind == "unigram" else models.BPE())
        made_by.pre_tokenizer = library.pre_tokenizers.Metaspace()
        made_by.decoder = library.decoders.Metaspace()
        trainer = (
            trainers.UnigramTrainer(vocab_size=120, unk_token="<unk>", **special)
            if kind == "unigram"
            else trainers.BpeTrainer(vocab_size=120, **special)
        )
    made_by.train_from_iterator(text, trainer)
    rows = made_by.get_vocab_size()
    folder = write(tmp_path / "m", made.llama(rows, tied=True))
    made_by.save(str(folder / "tokenizer.json"))
    found = load_transformer(folder)
    assert found.spelled == tuple(made_by.id_to_token(row) for row in range(rows))
    assert [found.tokens.index_to_key[row] for row in np.flatnonzero(found.special)] == ["<unk>", "<s>"]
    words = [found.tokens.index_to_key[row] for row in np.flatnonzero(found.whole)]
    assert {"king", "queen"} <= set(words)
    for word in words:
        row = int(found.ids[found.tokens.key_to_index[word]])
        assert made_by.decode([row]).strip() == word
        if kind == "byte-level":  # the others split some of these words elsewhere
            assert row in made_by.encode(f"the {word}").ids
    assert list(load(folder, tokens="words").index_to_key) == words
