"""Hubs at the command line: printed for people, for programs, or written for every word."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from end_to_end.command import COMMAND, USAGE, gpuemb

import gpuemb as ge

pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="needs gpuemb installed beside this interpreter")


@pytest.fixture
def runs(tmp_path: Path) -> list[ge.Embedding]:
    """Two tables in files of the folder."""
    numbers, words = np.random.default_rng(0), [f"w{i}" for i in range(50)]
    truth = numbers.standard_normal((50, 5)) + 1
    made = [ge.Embedding(truth + 0.3 * numbers.standard_normal((50, 5)), words) for _ in range(2)]
    for number, one in enumerate(made):
        ge.save(one, tmp_path / f"run{number}.npy")
    return made


def test_hubs_of_one_table_are_printed_beside_chance(runs: list[ge.Embedding], tmp_path: Path) -> None:
    done = gpuemb(tmp_path, "hubness", "run0.npy", "-k", "4")
    assert (done.code, done.err) == (0, "")
    found = ge.hubness(runs[0], 4)
    assert "50 words, 4 neighbors each by cosine" in done.out
    numbers = next(line for line in done.out.splitlines() if line.startswith("skewness"))
    assert numbers.split()[-2:] == [f"{found.skewness[0]:.3f}", f"{found.chance_skewness[0]:.3f}"]
    assert done.out.split()[-20:] == [str(x) for word, n in found.largest(10) for x in (word, int(n))]


def test_programs_get_every_digit_of_several_runs_and_every_word_a_row(
    runs: list[ge.Embedding], tmp_path: Path
) -> None:
    options = ("-k", "4", "--metric", "csls", "--json", "--out", "hubs.parquet")
    done = gpuemb(tmp_path, "hubness", "run0.npy", "run1.npy", *options)
    assert done.code == 0, done.err
    said, found = json.loads(done.out), ge.hubness(runs, 4, metric="csls")
    assert [one["robin_hood"] for one in said["runs"]] == found.robin_hood.tolist()
    assert (said["agreement"], said["hubs_in_common"]) == (found.mean_agreement, found.hubs_in_common)
    assert pyarrow.parquet.read_table(tmp_path / "hubs.parquet").equals(found.table)


def test_what_cannot_be_meant_is_refused_before_a_table_is_read(tmp_path: Path) -> None:
    for options, said in (
        (("--metric", "mutual"), "Known: cosine, csls, mutual_proximity"),
        (("--out", "hubs.csv"), "its name ends in .parquet"),
    ):
        done = gpuemb(tmp_path, "hubness", "nothing.npy", *options)
        assert done.code == USAGE
        assert said in done.err
