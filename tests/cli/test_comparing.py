"""What is typed for ``gpuemb compare``: groups of files, and requirements."""

from __future__ import annotations

import math

import pytest
import typer

from gpuemb.cli.comparing.groups import groups_of, one_file_each
from gpuemb.cli.comparing.numbers import names_of_comparison, names_of_drift
from gpuemb.cli.comparing.requirements import Requirement
from gpuemb.core.errors import ConfigError


@pytest.mark.parametrize(
    ("typed", "spread"),
    [
        ("--group a x y --json", "--group a=x --group a=y --json"),
        ("--group=a x --group b=y z -k 5", "--group a=x --group b=y --group b=z -k 5"),
        ("--group a run=1.npy run=2.npy", "--group a=run=1.npy --group a=run=2.npy"),
        ("x y --measure rsa", "x y --measure rsa"),
        ("-- --group a", "-- --group a"),
    ],
)
def test_every_file_of_a_group_gets_the_group_s_name(typed: str, spread: str) -> None:
    assert one_file_each(typed.split()) == spread.split()


@pytest.mark.parametrize("typed", ["--group", "--group a", "--group a --json", "--group =x", "--group a="])
def test_a_group_without_name_or_files_is_refused(typed: str) -> None:
    with pytest.raises(typer.BadParameter, match="a group is a name and its files"):
        one_file_each(typed.split())


def test_groups_are_two_and_alone() -> None:
    assert groups_of("compare", ["a=x", "b=z", "a=y"], []) == {"a": ["x", "y"], "b": ["z"]}
    for typed, others, said in (
        (["a=x"], [], "1 group: a"),
        (["a=x", "b=y", "c=z"], [], "3 groups: a, b, c"),
        (["a=x", "b=y"], ["z.npy"], "z.npy beside groups"),
    ):
        with pytest.raises(ConfigError, match=said):
            groups_of("compare", typed, others)


@pytest.mark.parametrize(
    ("text", "found", "met"),
    [
        ("overlap_at_10 >= 0.6", 0.6, True),
        ("overlap_at_10>=0.6", 0.5999, False),
        ("overlap_at_10 > 60%", 0.6, False),
        ("overlap_at_10 < 1e-3", 0.0, True),
        ("overlap_at_10 <= -.5", -0.5, True),
        ("overlap_at_10 == 1", 1.0, True),
        ("overlap_at_10 != 1.", 1.0, False),
        ("overlap_at_10 <= 1", math.nan, False),  # what does not exist meets nothing
        ("overlap_at_10 != 1", math.nan, False),
    ],
)
def test_a_requirement_is_compared_as_it_is_written(text: str, found: float, met: bool) -> None:
    outcome = Requirement.parse(text).met_by({"overlap_at_10": found}, {})
    assert outcome.met is met
    assert str(outcome).startswith("Met" if met else "Not met")


def test_a_function_of_a_column_passes_over_what_does_not_exist() -> None:
    columns = {"overlap": [0.2, math.nan, 0.9, 0.4]}
    for of, found in (("min", 0.2), ("max", 0.9), ("median", 0.4)):
        assert Requirement.parse(f"{of}(overlap) > 0").met_by({}, columns).found == found
    assert not Requirement.parse("mean(overlap) >= 0").met_by({}, {"overlap": [math.nan]}).met


@pytest.mark.parametrize(
    "text",
    ["", "overlap", ">= 0.6", "overlap >= x", "overlap => 0.6", "exit()", "a >= 1 or b >= 1", "min(a >= 1"],
)
def test_what_is_no_requirement_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not understood"):
        Requirement.parse(text)


def test_unknown_names_are_told_the_nearest() -> None:
    known = names_of_comparison(["overlap", "rsa"], 10)
    assert known[:2] == ["overlap", "overlap.low"]
    with pytest.raises(ConfigError, match="Did you mean overlap_at_10"):
        Requirement.parse("overlap_at_11 > 0").check_known(known, ["overlap"])
    with pytest.raises(ConfigError, match="Did you mean overlap"):
        Requirement.parse("min(overlaps) > 0").check_known(known, ["overlap"])
    with pytest.raises(ConfigError, match="Did you mean median"):
        Requirement.parse("medain(overlap) > 0")
    assert "overlap_at_7_within" in names_of_drift(["overlap"], 7)
