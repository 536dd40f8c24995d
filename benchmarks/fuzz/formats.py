"""Damage that knows a format: a part is changed and all around it is made to fit again."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import tomllib
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import tomli_w
from pyarrow import parquet

from benchmarks.fuzz.damage import damaged
from benchmarks.fuzz.samples import npy, packed, zipped

DEPTH = 300  # of a nested value
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        1.5,
        -0.0,
        1e308,
        float("nan"),
        float("inf"),
        2**31,
        2**63,
        2**64,
        -(2**63) - 1,
    ),
    *(
        "",
        "a",
        "cat",
        "\0",
        "\n",
        "\ud800",
        "../x",
        "x" * 20_000,
        "1",
        "nan",
        "२",
        [],
        {},
        [[]],
        [0],
        ["a", "b"],
        {"a": 1},
    ),
    *([None, None], [-1, 2**70], [1, 0], [0, 0], 10**30),
)
DTYPES = (
    "<f2",
    "<f4",
    ">f4",
    "<f8",
    ">f8",
    "<i4",
    "<i8",
    ">i8",
    "<u1",
    "<u8",
    "<c8",
    "|b1",
    "<U3",
    "|S4",
    "<M8[s]",
)


def reformatted(name: str, data: bytes, chance: Random) -> bytes | None:
    """Damage a file as its format allows; None where nothing of it is known."""
    edit = next((one for known, one in EDITS if known(name, data)), None)
    if edit is None:
        return None
    try:
        return edit(data, chance)
    except Exception:  # damaged before: its format cannot be read any more
        return None


def _packing(name: str, data: bytes) -> bool:
    return name.endswith((".gz", ".bz2", ".zst"))


def _repack(data: bytes, chance: Random) -> bytes:
    """Damage what is packed; the packing stays whole. Or put two packed parts behind each other."""
    if data[:2] == b"\x1f\x8b":
        how, inside = "gz", gzip.decompress(data)
    elif data[:3] == b"BZh":
        how, inside = "bz2", bz2.decompress(data)
    else:
        how, inside = "zst", pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()
    if chance.random() < 0.1:
        return data + packed(chance.choice((b"", inside, b"tail 1 2 3 4 5\n")), how)
    return packed(damaged(inside, chance)[0], how)


def _zip(data: bytes, chance: Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice([*members])
    how = chance.randrange(6)
    if how == 0:
        members[chance.choice(("other", "a/b/", "../x", "data.pkl", "x" * 300, ""))] = members[name]
    elif how == 1:
        del members[name]
    elif how == 2:
        members[chance.choice([*members])] = members[name]
    else:
        inner = reformatted(name, members[name], chance) if how < 5 else None
        members[name] = damaged(members[name], chance)[0] if inner is None else inner
    return zipped(members, packed=chance.random() < 0.5)


def _array(data: bytes, chance: Random) -> bytes:
    """Another array: numbers, dtype, shape or order."""
    array = np.array(np.load(io.BytesIO(data), allow_pickle=False))
    how = chance.randrange(9)
    with np.errstate(all="ignore"):
        if how <= 1 and array.size:
            array.flat[chance.randrange(array.size)] = _entry(array.dtype, chance)
        elif how == 2:
            array = array.astype(chance.choice(DTYPES))
        elif how == 3:
            array = array.reshape(
                chance.choice(((-1,), (1, -1), (-1, 1), array.shape[::-1], (1, *array.shape)))
            )
        elif how == 4:
            array = array[: chance.randint(0, len(array))] if array.ndim else array
        elif how == 5:
            array = np.asfortranarray(array)
        elif how == 6:
            array = np.concatenate([array, array]) if array.ndim else array[None]
        elif how == 7:
            array = chance.choice(
                (array.sum(), np.empty((0, *array.shape[1:]), array.dtype), array[::-1].copy())
            )
        else:
            array = np.array([*array.ravel().tolist()[:5], None, "x"], object)
    return npy(array)


def _entry(dtype: np.dtype[Any], chance: Random) -> Any:
    if dtype.kind == "f":
        return chance.choice((np.nan, np.inf, -np.inf, 0.0, -1.0, float(np.finfo(dtype).max), 1e-300))
    if dtype.kind in "iu":
        ends = np.iinfo(dtype)
        return chance.choice((0, 1, int(ends.max), int(ends.min), int(ends.max) // 2, 10, 13))
    return 0


def _safetensors(data: bytes, chance: Random) -> bytes:
    length = int.from_bytes(data[:8], "little")
    header = _tree(json.loads(data[8 : 8 + length]), chance)
    spelled = json.dumps(header).encode()
    return len(spelled).to_bytes(8, "little") + spelled + data[8 + length :]


def _json(data: bytes, chance: Random) -> bytes:
    return json.dumps(_tree(json.loads(data), chance)).encode()


def _json_lines(data: bytes, chance: Random) -> bytes:
    lines = data.split(b"\n")
    at = chance.randrange(max(1, len(lines) - 1))
    lines[at] = _json(lines[at], chance)
    return b"\n".join(lines)


def _toml(data: bytes, chance: Random) -> bytes:
    return tomli_w.dumps(_tree(tomllib.loads(data.decode()), chance)).encode("utf-8", "surrogatepass")


def _tree(value: Any, chance: Random) -> Any:
    """Change one place of nested values."""
    inside = [*value] if isinstance(value, dict) else [*range(len(value))] if isinstance(value, list) else []
    if not inside or chance.random() < 0.1:
        return _nested() if chance.random() < 0.03 else chance.choice(VALUES)
    key, how = chance.choice(inside), chance.randrange(8)
    if how == 0:
        del value[key]
    elif how == 1 and isinstance(value, dict):
        value[chance.choice(("", "a", "text", "kind", "dtype", "word", str(key).upper()))] = value.pop(key)
    elif how == 2:
        value[key] = value[chance.choice(inside)]
    elif how == 3 and isinstance(value, list):
        value.append(chance.choice((*VALUES, value[key])))
    else:
        value[key] = _tree(value[key], chance)
    return value


def _nested() -> Any:
    value: Any = []
    for _ in range(DEPTH):
        value = [value]
    return value


def _parquet(data: bytes, chance: Random) -> bytes:
    """Another table: a column gone, of another name or type, with nulls, nested, or in row groups."""
    table = parquet.read_table(io.BytesIO(data))
    name, how = chance.choice(table.column_names), chance.randrange(8)
    column = table.column(name).to_pylist()
    at = table.schema.get_field_index(name)
    if how == 0:
        table = table.drop_columns([name])
    elif how == 1:
        table = table.rename_columns(
            [chance.choice(("", "word", "text", n)) if n == name else n for n in table.column_names]
        )
    elif how == 2:
        column[chance.randrange(len(column))] = None
        table = table.set_column(at, name, pa.array(column, table.schema.field(name).type))
    elif how == 3:
        other = chance.choice(
            ([*range(len(column))], [str(x) for x in column], [[x] for x in column], [b"\xff"] * len(column))
        )
        table = table.set_column(at, name, pa.array(other))
    elif how == 4:
        table = table.slice(0, chance.choice((0, 1, len(column) // 2)))
    elif how == 5:
        table = table.append_column(name, table.column(name))
    elif how == 6 and isinstance(column[0], list):
        row = chance.randrange(len(column))
        column[row] = chance.choice(
            ([], column[row] * 2, [None] * len(column[row]), [float("nan")] * len(column[row]))
        )
        table = table.set_column(
            at, name, pa.array(column, pa.list_(table.schema.field(name).type.value_type))
        )
    else:
        table = table.set_column(
            at, name, table.column(name).cast(_other_type(table.schema.field(name).type, chance))
        )
    file = io.BytesIO()
    parquet.write_table(
        table,
        file,
        row_group_size=chance.choice((1, 7, 1000)),
        compression=chance.choice(("none", "snappy", "zstd")),
    )
    return file.getvalue()


def _other_type(kind: Any, chance: Random) -> Any:
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind):
        inner = chance.choice((pa.float64(), pa.float16(), pa.float32()))
        return chance.choice(
            (pa.list_(inner), pa.large_list(inner), pa.list_(inner, 5), pa.list_(pa.string()))
        )
    return chance.choice(
        (pa.large_string(), pa.binary(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()))
    )


EDITS: tuple[tuple[Callable[[str, bytes], bool], Callable[[bytes, Random], bytes]], ...] = (
    (_packing, _repack),
    (lambda _, data: data[:4] == b"PK\x03\x04", _zip),
    (lambda _, data: data[:6] == b"\x93NUMPY", _array),
    (lambda _, data: data[:4] == b"PAR1", _parquet),
    (lambda name, _: name.endswith(".safetensors"), _safetensors),
    (lambda name, _: name.endswith((".jsonl", ".ndjson")), _json_lines),
    (lambda name, _: name.endswith(".json"), _json),
    (lambda name, _: name.endswith(".toml"), _toml),
)
