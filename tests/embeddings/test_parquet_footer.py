"""Sizes in the footer of a Parquet file, as Arrow reads them where the footer is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from embeddings.tables import FRUIT, numbers

from gpuemb.embeddings.parquet_footer import TAIL, Sizes, sizes_of


def write(path: Path, **options: Any) -> Path:
    table = pyarrow.table(
        {
            "word": [f"{word} {row}" for row in range(50) for word in FRUIT],
            "flag": [True, False] * 125,
            "vector": list(map(list, numbers(250))),
        }
    )
    pyarrow.parquet.write_table(table, path, **options)
    return path


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"row_group_size": 7},
        {"compression": "zstd", "use_dictionary": False},
        {"version": "1.0", "data_page_version": "2.0", "write_statistics": False},
        {"write_page_index": True, "write_page_checksum": True, "store_schema": False},
    ],
)
def test_sizes_are_those_that_arrow_reads(options: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", **options)
    metadata = pyarrow.parquet.read_metadata(path)
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    for place, column in enumerate(("word", "flag", "vector")):
        parts = [group.column(place) for group in groups]
        assert sizes_of(path, column) == Sizes(
            sum(part.num_values for part in parts),
            sum(part.total_uncompressed_size for part in parts),
            sum(part.total_compressed_size for part in parts),
        )
    assert sizes_of(path, "vector").values == 750
    assert sizes_of(path, "none") == Sizes(0, 0, 0)


def test_a_damaged_footer_gives_sizes_or_a_value_error(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.parquet", store_schema=False).read_bytes()
    begin = len(whole) - TAIL - int.from_bytes(whole[-TAIL : -TAIL + 4], "little")
    spoiled, outcomes = tmp_path / "b.parquet", set()
    random = np.random.default_rng(0)
    for at in range(begin, len(whole), 4):
        for byte in (0xFF, int(random.integers(256))):
            spoiled.write_bytes(whole[begin - 8 : at] + bytes([byte]) + whole[at + 1 :])
            try:
                found = sizes_of(spoiled, "vector")
            except (ValueError, OSError) as error:
                outcomes.add(type(error))
            else:
                outcomes.add(type(found))
                assert min(found.values, found.unpacked, found.packed) >= 0
    assert {Sizes, ValueError} <= outcomes


@pytest.mark.parametrize(
    "footer", [b"\x1c" * 10_000, b"\x19\xf5\xff\xff\xff\xff\x0f", b"\x16" + b"\x80" * 99, b""]
)
def test_a_footer_that_is_none_is_a_value_error(footer: bytes, tmp_path: Path) -> None:
    data = b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(ValueError, match="its footer is damaged"):
        sizes_of(tmp_path / "a.parquet", "word")
    (tmp_path / "b.parquet").write_bytes(b"PAR1" + (1 << 30).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(ValueError, match="its footer has 1073741824 bytes"):
        sizes_of(tmp_path / "b.parquet", "word")
