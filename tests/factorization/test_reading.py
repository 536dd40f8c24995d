"""Interactions out of files: every way to write them, and every fault named."""

from __future__ import annotations

import bz2
import gzip
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

import gpuemb as ge

ROWS = "who,what,stars\nann,tea,5\nbob,tea,3\nann,jam,4\nann,tea,1\n"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "ratings.csv", encoding: str = "utf-8") -> str:
    Path(name).write_text(text, encoding)
    return name


def cells(data: ge.Interactions) -> dict[tuple[str, str], float]:
    matrix = data.matrix.tocoo()
    return {
        (data.users[u], data.items[i]): float(w)
        for u, i, w in zip(matrix.row, matrix.col, matrix.data, strict=True)
    }


SUMMED = {("ann", "tea"): 6.0, ("ann", "jam"): 4.0, ("bob", "tea"): 3.0}


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::", " "])
@pytest.mark.parametrize("by_name", [True, False])
def test_any_separator_with_a_header_or_without(separator: str, by_name: bool) -> None:
    text = ROWS.replace(",", separator)
    if by_name:
        data = ge.read_interactions(write(text), "who", "what", "stars")
    else:
        data = ge.read_interactions(write(text.partition("\n")[2]), 0, 1, 2)
    assert cells(data) == SUMMED
    assert (data.rows, data.repeated) == (4, 1)
    assert data.users == ("ann", "bob")
    assert data.items == ("tea", "jam")
    assert data.values.dtype == np.float32


def test_packed_files_and_members_of_archives() -> None:
    packed = {
        "a.gz": gzip.compress(ROWS.encode()),
        "a.bz2": bz2.compress(ROWS.encode()),
        "a.zst": pyarrow.compress(ROWS.encode(), "zstd", asbytes=True),
    }
    for name, content in packed.items():
        Path(name).write_bytes(content)
    with zipfile.ZipFile("a.zip", "w") as archive:
        archive.writestr("in/ratings.csv", ROWS)
        archive.writestr("in/other.csv", "x")
    for name in (*packed, "a.zip:in/ratings.csv"):
        assert cells(ge.read_interactions(name, "who", "what", "stars")) == SUMMED
    for name in ("a.gz", "a.bz2"):
        Path(f"cut.{name}").write_bytes(packed[name][:-20])
        with pytest.raises(ge.FileFormatError, match="read_interactions: cut"):
            ge.read_interactions(f"cut.{name}", "who", "what")
    Path("bomb").write_bytes(pyarrow.compress(b"a,b\n" + b"c,d\n" * 17_000_000, "zstd", asbytes=True))
    with pytest.raises(ge.FileFormatError, match="unpacks"):
        ge.read_interactions("bomb", "a", "b")


def test_quotes_marks_newlines_and_blank_lines() -> None:
    text = '\ufeffu,i\n"a, b","say ""x"""\n\n"two\nlines",é\n'
    data = ge.read_interactions(write(text), "u", "i")
    assert cells(data) == {("a, b", 'say "x"'): 1.0, ("two\nlines", "é"): 1.0}


def test_another_encoding() -> None:
    write("u;i\na;é\n", encoding="latin-1")
    with pytest.raises(ge.FileFormatError, match="not text in utf-8"):
        ge.read_interactions("ratings.csv", "u", "i")
    assert ge.read_interactions("ratings.csv", "u", "i", encoding="latin-1").items == ("é",)


def test_what_repeats_is_summed_or_the_last_or_refused() -> None:
    path = write(ROWS)
    last = ge.read_interactions(path, "who", "what", "stars", repeats="last")
    assert cells(last) == {**SUMMED, ("ann", "tea"): 1.0}
    assert last.repeated == 1
    with pytest.raises(ge.FileFormatError, match=r"of 4 rows 1 repeat .*'ann' with 'tea'"):
        ge.read_interactions(path, "who", "what", repeats="raise")
    assert cells(ge.read_interactions(path, "who", "what"))["ann", "tea"] == 2.0


IDS: list[tuple[Any, list[str]]] = [
    (pyarrow.array([1, 2**62]), ["1", str(2**62)]),
    (pyarrow.array([1.0, 2.5]), ["1", "2.5"]),
    (pyarrow.array([True, False]), ["true", "false"]),
    (pyarrow.array(["1", "01"]), ["1", "01"]),
    (pyarrow.array([b"x", b"y"]), ["x", "y"]),
    (pyarrow.array(["x", "y"]).dictionary_encode(), ["x", "y"]),
    (pyarrow.array(["x", "y"], pyarrow.large_string()), ["x", "y"]),
    (pyarrow.array([0, 1], pyarrow.date32()), ["1970-01-01", "1970-01-02"]),
]


@pytest.mark.parametrize(("column", "names"), IDS, ids=lambda x: str(getattr(x, "type", "")))
def test_ids_of_any_type_are_kept_as_texts(column: Any, names: list[str]) -> None:
    table = pyarrow.table({"w": [2, 3], "u": column, "i": pyarrow.array(["a", "b"])})
    parquet.write_table(table, "ratings.parquet")
    expected = {(names[0], "a"): 2.0, (names[1], "b"): 3.0}
    assert cells(ge.read_interactions("ratings.parquet", "u", "i", "w")) == expected
    assert cells(ge.read_interactions("ratings.parquet", 1, 2, 0)) == expected
    assert cells(ge.read_interactions(table, "u", "i", "w")) == expected


def test_missing_ids_and_weights_are_refused_or_left_out() -> None:
    table = pyarrow.table(
        {"u": pyarrow.array([1.0, None, 2.0, 3.0]), "i": ["a", "b", "", "d"], "w": [1.0, 2.0, 3.0, np.nan]}
    )
    with pytest.raises(ge.FileFormatError, match="3 of 4 rows lack something, first row 2: 'u'"):
        ge.read_interactions(table, "u", "i", "w")
    data = ge.read_interactions(table, "u", "i", "w", missing="drop")
    assert (cells(data), data.missing) == ({("1", "a"): 1.0}, 3)
    write("u,i,w\n1,2,NaN\n3,,1\n1,3,1\n")
    assert ge.read_interactions("ratings.csv", "u", "i", "w", missing="drop").missing == 2


def test_weights_of_zero_are_left_out_and_counted() -> None:
    data = ge.read_interactions(write("u,i,w\na,x,0\na,y,0.1\nb,x,16777217\n"), "u", "i", "w")
    assert cells(data) == {("a", "y"): 0.1, ("b", "x"): 16777217.0}
    assert (data.weightless, data.values.dtype) == (1, np.float64)


def test_rare_users_and_items_are_left_out_until_none_is_left() -> None:
    path = write("u,i\na,x\na,y\nb,x\nc,x\nc,y\nd,z\n")
    data = ge.read_interactions(path, "u", "i", min_users=2, min_items=2)
    assert (data.users, data.items) == (("a", "c"), ("x", "y"))
    assert (data.dropped_users, data.dropped_items) == (2, 1)
    with pytest.raises(ge.FileFormatError, match="nothing is left of the 6 rows"):
        ge.read_interactions(path, "u", "i", min_users=9)


@pytest.mark.parametrize(
    ("text", "columns", "kind", "said"),
    [
        ("", ("u", "i"), ge.FileFormatError, "is empty"),
        ("\n\n", ("u", "i"), ge.FileFormatError, "is empty"),
        ("u,i\n", ("u", "i"), ge.FileFormatError, "no rows"),
        ("user,item\na,b\n", ("usr", "item"), ge.ConfigError, "no column 'usr' for user(.|\n)*mean user"),
        ("u,i\na,b\n", (0, 2), ge.ConfigError, "no column 2 for item(.|\n)*2 columns"),
        ("u,i\na,b\n", (0, -1), ge.ConfigError, "item = -1"),
        ("u,i\na,b\n", ("u", "u"), ge.ConfigError, "different columns"),
        ("u,i\na,b\nc\n", ("u", "i"), ge.FileFormatError, "Expected 2 columns, got 1"),
        ("u\na\n", ("u", "i"), ge.FileFormatError, "one column"),
        ("u,i,w\na,b,x\n", ("u", "i", "w"), ge.FileFormatError, "invalid value 'x'"),
        ("u,i,w\na,b,-4\n", ("u", "i", "w"), ge.FileFormatError, "holds -4 .user 'a', item 'b'"),
        ("u,i,w\na,b,inf\n", ("u", "i", "w"), ge.FileFormatError, "holds inf"),
        ("u,i,w\na,b,\n", ("u", "i", "w"), ge.FileFormatError, "'w' of ratings.csv is empty"),
        ("u,i,w\n,b,1\n,c,1\n", ("u", "i", "w"), ge.FileFormatError, "'u' of ratings.csv is empty"),
        ("u,i,w\na,b,0\n", ("u", "i", "w"), ge.FileFormatError, "nothing is left"),
        ("u,i,w\na,b,1\n", (0, 1), ge.ConfigError, "may be a header: 'w' above numbers"),
        ("\0\1,\2\n", (0, 1), ge.FileFormatError, "neither text nor Parquet"),
    ],
)
def test_every_fault_of_a_file_is_named(
    text: str, columns: tuple[Any, ...], kind: type[ge.GpuembError], said: str
) -> None:
    with pytest.raises(kind, match=said) as refusal:
        ge.read_interactions(write(text), *columns)
    assert str(refusal.value).startswith("read_interactions: ")


def test_other_paths_and_damaged_or_nested_parquet_are_refused() -> None:
    parquet.write_table(pyarrow.table({"u": [[1], [2]], "i": ["a", "b"], "w": ["x", "y"]}), "nested.parquet")
    Path("cut.parquet").write_bytes(Path("nested.parquet").read_bytes()[:-9])
    Path("noise").write_bytes(os.urandom(999))
    os.mkfifo("pipe")
    for source, columns, kind in (
        ("nested.parquet", ("u", "i"), ge.FileFormatError),
        ("nested.parquet", ("i", "w", "u"), ge.FileFormatError),
        ("cut.parquet", ("u", "i"), ge.FileFormatError),
        ("noise", ("u", "i"), ge.FileFormatError),
        ("nowhere.csv", ("u", "i"), ge.StorageError),
        (".", ("u", "i"), ge.StorageError),
        ("pipe", ("u", "i"), ge.StorageError),
        (7, ("u", "i"), ge.DTypeError),
    ):
        with pytest.raises(kind, match="read_interactions: "):
            ge.read_interactions(source, *columns)


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from([0.0, 0.5, 1.0, 3.0])), min_size=1
    ),
    repeats=st.sampled_from(["sum", "last"]),
)
def test_files_say_what_a_dictionary_says(rows: list[tuple[int, int, float]], repeats: str) -> None:
    expected: dict[tuple[str, str], float] = {}
    kept = [row for row in rows if row[2]]
    for user, item, weight in kept:
        before = expected.get((str(user), str(item)), 0.0) if repeats == "sum" else 0.0
        expected[str(user), str(item)] = before + weight
    write("u,i,w\n" + "".join(f"{u},{i},{w}\n" for u, i, w in rows))
    table = pyarrow.table({name: [row[at] for row in rows] for at, name in enumerate("uiw")})
    parquet.write_table(table, "ratings.parquet", row_group_size=3)
    for source in ("ratings.csv", "ratings.parquet"):
        if not kept:
            with pytest.raises(ge.FileFormatError, match="nothing is left"):
                ge.read_interactions(source, "u", "i", "w")
            continue
        data = ge.read_interactions(source, "u", "i", "w", repeats=repeats)  # type: ignore[arg-type]
        assert cells(data) == expected
        assert (data.repeated, data.weightless) == (len(kept) - len(expected), len(rows) - len(kept))
        counts = np.diff(data.starts)
        assert sorted(data.users, key=lambda u: (-counts[data.users.index(u)], u)) == list(data.users)
