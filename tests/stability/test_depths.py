"""Several numbers of neighbors from one search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from corpus.texts import random_text

import gpuemb as ge


@pytest.mark.slow
@pytest.mark.parametrize("vary", ["bootstrap", "halves"])
def test_overlaps_of_fewer_neighbors_are_those_of_a_study_of_fewer(tmp_path: Path, vary: str) -> None:
    text = tmp_path / "text.txt"
    text.write_text(random_text(600, 60))
    asked: dict[str, Any] = {
        "corpus": str(text),
        "text": {"min_count": 2},
        "models": [{"kind": "ppmi-svd", "dim": 4, "vary": vary, "seeds": 3}],
    }
    several = ge.study(asked | {"neighbors": [2, 7, 4]}, out=tmp_path / "several")
    assert (several.config.neighbors, several.config.depths) == (7, (2, 4))
    assert ge.load_config(tmp_path / "several" / "study.toml") == several.config
    words = pq.read_table(tmp_path / "several" / "words.parquet").to_pydict()
    table = pq.read_table(tmp_path / "several" / "neighbors.parquet").to_pylist()
    assert [row["neighbors"] for row in table] == [2, 4, 7]
    for row in table:
        k = row["neighbors"]
        alone = ge.study(asked | {"neighbors": k}, out=tmp_path / f"alone-{k}")
        pair = alone.models[0].pair("overlap")
        for name, value in (
            ("overlap", pair.estimate.value),
            ("low", pair.estimate.low),
            ("chance", pair.chance),
        ):
            assert row[name] == pytest.approx(value, rel=1e-12, nan_ok=True), (k, name)
        found = pq.read_table(tmp_path / f"alone-{k}" / "words.parquet").to_pydict()
        for name in (f"overlap_at_{k}", f"lowest_overlap_at_{k}"):
            np.testing.assert_array_equal(words[name], found[name])


@pytest.mark.parametrize("neighbors", [[0, 5], [5, 300], ["5"], []])
def test_impossible_numbers_of_neighbors_are_refused(neighbors: list[Any]) -> None:
    with pytest.raises(ge.GpuembError, match="neighbors"):
        ge.plan({"corpus": "a", "neighbors": neighbors}, words=10, nonzeros=10)


@pytest.mark.parametrize("given", [[{"k": 5}], [2.5], ["five"], [[5]]])
def test_depths_that_are_no_whole_numbers_are_refused(given: list[Any]) -> None:
    with pytest.raises(ge.ConfigError, match="a depth"):
        ge.StudyConfig(("a.txt",), depths=given)  # type: ignore[arg-type]
