"""Words that stand several times in a file: the first row, the mean of all, or an error; and it is said."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from embeddings.checkpoints import safetensors

from gpuemb.core.errors import ConfigError, DroppedWarning, VocabularyError
from gpuemb.embeddings.files import load

WORDS = ["bank", "river", "bank", "money", "river", "bank", "loan", "sea"]
ROWS = np.random.default_rng(3).standard_normal((len(WORDS), 5)).astype(np.float32)
FORMATS = ("npy", "npz", "safetensors", "parquet", "txt", "vec", "bin")


def written(folder: Path, ending: str, words: list[str], rows: Any) -> Path:
    path = folder / f"table.{ending}"
    lines = "".join(
        f"{word} {' '.join(map(repr, row.tolist()))}\n" for word, row in zip(words, rows, strict=True)
    )
    header = f"{len(words)} {rows.shape[1]}\n"
    if ending == "npz":
        np.savez(path, words=np.array(words), vectors=rows)
    elif ending == "parquet":
        kind = pyarrow.list_(pyarrow.float32())
        columns = {"word": words, "vector": pyarrow.array(rows.tolist(), kind)}
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
    elif ending in ("txt", "vec"):
        path.write_text((header if ending == "vec" else "") + lines)
    elif ending == "bin":
        cells = (f"{word} ".encode() + row.tobytes() for word, row in zip(words, rows, strict=True))
        path.write_bytes(header.encode() + b"".join(cells))
    else:
        if ending == "npy":
            np.save(path, rows)
        else:
            path.write_bytes(safetensors({"vectors": rows}))
        (folder / "table.words.txt").write_text("".join(f"{word}\n" for word in words))
    return path


def expected(asked: str, limit: int | None, words: set[str] | None) -> dict[str, Any]:
    kept = [word for word in dict.fromkeys(WORDS) if words is None or word in words][:limit]
    rows = {word: [row for row, one in zip(ROWS, WORDS, strict=True) if one == word] for word in kept}
    return {
        word: own[0] if asked == "first" else np.mean(own, axis=0, dtype=np.float64).astype(np.float32)
        for word, own in rows.items()
    }


@pytest.mark.filterwarnings("ignore::gpuemb.core.errors.DroppedWarning")
@pytest.mark.parametrize("ending", FORMATS)
def test_a_repeated_word_has_its_first_row_or_the_mean_of_all(ending: str, tmp_path: Path) -> None:
    path = written(tmp_path, ending, WORDS, ROWS)
    for asked, limit, words in itertools.product(
        ("first", "mean"), (None, 2, 3), (None, {"bank", "sea"}, {"river", "sea", "none"})
    ):
        found = load(path, repeated=asked, limit=limit, words=words)  # type: ignore[arg-type]  # of the two
        wanted = expected(asked, limit, words)
        assert list(found.index_to_key) == list(wanted)
        np.testing.assert_array_equal(found.vectors, np.array(list(wanted.values())))


@pytest.mark.parametrize("ending", FORMATS)
def test_how_many_rows_were_repeated_is_said(ending: str, tmp_path: Path) -> None:
    path = written(tmp_path, ending, WORDS, ROWS)
    with pytest.warns(
        DroppedWarning, match=r"averaged 3 rows of repeated words, such as 'bank', into the first"
    ):
        assert load(path, repeated="mean").duplicates == 3
    with pytest.warns(DroppedWarning, match="left out 3 rows of repeated words"):
        assert load(path, repeated="first").duplicates == 3
    with pytest.raises(VocabularyError, match=r"repeats words in 3 rows, first 'bank'"):
        load(path, repeated="error")
    once = written(tmp_path, ending, ["a", "b"], ROWS[:2])
    for asked in ("first", "mean", "error"):
        found = load(once, repeated=asked)  # type: ignore[arg-type]  # of the three
        np.testing.assert_array_equal(found.vectors, ROWS[:2])
    with pytest.raises(ConfigError, match="repeated"):
        load(once, repeated="last")  # type: ignore[arg-type]  # is refused


def test_many_contexts_of_one_word_are_averaged_in_double_precision(tmp_path: Path) -> None:
    rows = np.full((4001, 3), 0.1, np.float32)
    rows[0], rows[-1] = 1e8, -1e8
    np.save(tmp_path / "contexts.npy", rows)
    (tmp_path / "contexts.words.txt").write_text("bank\n" * 4001)
    with pytest.warns(DroppedWarning, match="averaged 4000 rows"):
        found = load(tmp_path / "contexts.npy", repeated="mean")
    assert len(found) == 1
    exact = 3999 * float(np.float32(0.1)) / 4001
    np.testing.assert_allclose(found["bank"], exact, rtol=1e-6)
    with pytest.raises(VocabularyError, match="repeated='first'"):
        load(tmp_path / "contexts.npy").check()


def test_a_tokenizer_names_the_rows_of_a_table_once(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(safetensors({"wte.weight": ROWS}))
    (tmp_path / "vocab.json").write_text(json.dumps({f"w{row}": row for row in range(len(ROWS))}))
    assert len(load(tmp_path, repeated="error")) == len(ROWS)
