"""What is kept beside a table answers as a full search does, or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import gpuemb as ge
from gpuemb.embeddings.files import arrays
from gpuemb.embeddings.files.vocabulary import own_words
from gpuemb.embeddings.parts import parts_of
from gpuemb.neighbors import kept as module
from gpuemb.neighbors.kept import FOLDER, MOST_WORDS, WORD_LISTS, KeptIndex, lengths_of


def awkward(dtype: type, dim: int, rows: int = 300) -> np.ndarray:
    """Rows with ties, duplicates, zeros and lengths that differ by a factor of 2²⁰."""
    x = np.random.default_rng(dim).standard_normal((rows, dim)).astype(dtype)
    x[::7] *= dtype(2.0**10)
    x[1::7] *= dtype(2.0**-10)
    x[20:40] = x[5] * np.arange(1, 21, dtype=dtype)[:, None]  # one direction: equal or nearly equal cosines
    x[50:60] = x[5]
    x[70] = 0
    x[80] = -x[5]
    return x


def saved(folder: Path, name: str, x: np.ndarray) -> Path:
    words = ["king", "Königin", "naïve", *(f"w{i}" for i in range(3, len(x)))]
    ge.save(ge.Embedding(x, words), folder / name)
    return folder / name


def kept(path: Path) -> KeptIndex:
    found = KeptIndex.of(str(path))
    assert found is not None
    return found


def keep(path: Path) -> bool:
    index = kept(path)
    return index.keep(ge.load(path).check(), "described", parts_of(path))


@pytest.mark.parametrize(
    ("name", "dtype", "dim"),
    [
        ("t.npy", np.float32, 5),
        ("t.npy", np.float64, 33),
        ("t.txt", np.float32, 16),
        ("t.npz", np.float64, 3),
    ],
)
def test_every_word_has_the_bits_of_a_full_search(tmp_path: Path, name: str, dtype: type, dim: int) -> None:
    path = saved(tmp_path, name, awkward(dtype, dim))
    assert kept(path).nearest(["king"], 3) is None
    assert keep(path)
    table, index = ge.load(path), kept(path)
    assert index.fault() == ""
    assert (index.folder / "vectors.npy").exists() == (name != "t.npy")  # which is mapped
    for k in (1, 10, 299):
        expected = ge.nearest_neighbors(table, k)
        for first in range(
            0, len(table) if k == 1 else 4 * MOST_WORDS if k == 10 else MOST_WORDS, MOST_WORDS
        ):
            words = table.index_to_key[first : first + MOST_WORDS]
            found = index.nearest(words, k)
            assert found is not None
            assert found[0] == "described"
            assert found[1] == [expected.named(first + place) for place in range(len(words))]


def test_what_it_cannot_answer_is_left_to_a_full_search(tmp_path: Path) -> None:
    path = saved(tmp_path, "t.npy", awkward(np.float32, 5))
    keep(path)
    index = kept(path)
    for words, k in ((["King"], 3), (["w3\nw4"], 3), (["\ud800"], 3), (["w3"], 300), (["w3"], 0), ([], 3)):
        assert index.nearest(words, k) is None
    assert index.nearest(["w3"] * (MOST_WORDS + 1), 3) is None
    assert KeptIndex.of(str(tmp_path)) is None
    assert KeptIndex.of("dataset:glove-6b-50d") is None
    assert KeptIndex.of("a\0b") is None


def longer(path: Path) -> None:
    words = own_words(path)
    words.write_text(words.read_text().replace("king", "kong"))


CHANGES: dict[str, Callable[[Path], object]] = {
    "other numbers": lambda path: np.lib.format.open_memmap(path, "r+").__setitem__((3, 0), 9),
    "other words": longer,
    "touched": lambda path: os.utime(path),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_table_that_has_changed_is_searched_and_kept_anew(tmp_path: Path, change: str) -> None:
    path = saved(tmp_path, "t.npy", awkward(np.float32, 5))
    keep(path)
    CHANGES[change](path)
    assert "earlier state" in kept(path).fault()
    assert keep(path)
    assert kept(path).fault() == ""
    expected = ge.nearest_neighbors(ge.load(path), 4, queries=["w3"]).named(0)
    assert kept(path).nearest(["w3"], 4) == ("described", [expected])


def test_a_list_of_words_that_goes_before_the_one_that_was_read_is_seen(tmp_path: Path) -> None:
    path = saved(tmp_path, "t.npy", awkward(np.float32, 5))
    own_words(path).rename(tmp_path / "words.txt")
    keep(path)
    assert kept(path).fault() == ""
    own_words(path).write_text("".join(f"v{i}\n" for i in range(300)))
    assert "earlier state" in kept(path).fault()
    assert {*WORD_LISTS} == {*arrays.LISTS, own_words(Path("*")).name}


@pytest.mark.parametrize("file", ["lengths.npy", "words.txt", "facts.json", "vectors.npy"])
def test_a_flipped_bit_or_a_lost_file_is_found(tmp_path: Path, file: str) -> None:
    path = saved(tmp_path, "t.txt", awkward(np.float32, 5, 100))
    keep(path)
    damaged = kept(path).folder / file
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 4
    damaged.write_bytes(content)
    assert "is damaged" in kept(path).fault()
    damaged.unlink()
    assert "is lost" in kept(path).fault()
    keep(path)
    assert kept(path).fault() == ""


@pytest.mark.parametrize("wrong", ["long", "short", "vanishing"])
def test_lengths_beyond_the_bound_are_not_kept(tmp_path: Path, wrong: str) -> None:
    x = awkward(np.float64, 5)
    x[4] = {"long": 2.0**41, "short": 2.0**-43, "vanishing": 1e-200}[wrong]
    assert lengths_of(x) is None
    assert not keep(saved(tmp_path, "t.npy", x))
    assert not (tmp_path / FOLDER).exists()


def test_what_others_own_is_neither_read_nor_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, "t.npy", awkward(np.float32, 5))
    keep(path)
    monkeypatch.setattr(module.os, "geteuid", lambda: os.getuid() + 1)
    assert KeptIndex.of(str(path)) is None
    monkeypatch.undo()
    (tmp_path / FOLDER).rename(tmp_path / "elsewhere")
    (tmp_path / FOLDER).symlink_to(tmp_path / "elsewhere")
    assert KeptIndex.of(str(path)) is None


def test_nothing_is_written_where_that_is_not_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, "t.npy", awkward(np.float32, 5))
    monkeypatch.setattr(module.os, "access", lambda *_: False)
    assert not keep(path)
    monkeypatch.undo()
    half = saved(tmp_path, "half.npy", awkward(np.float16, 5))  # no product of float16 is proved
    assert not keep(half)
    assert not (tmp_path / FOLDER).exists()
