"""Numbers read as they should, and never as more than they are."""

from __future__ import annotations

import math

import pytest

from gpuemb.report import numbers


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0, "0"),
        (0.3425, "0.343"),
        (0.00025, "0.00025"),
        (41.16, "41.2"),
        (1234.5, "1,234"),
        (2_450_000.0, "2,450,000"),
        (-0.5, "−0.500"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_a_number_has_about_three_digits_and_american_commas(x: float | None, text: str) -> None:
    assert numbers.number(x) == text


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0, "0"),
        (10.0, "10"),
        (9.96, "9.96"),
        (9.9999, ">9.999"),
        (0.01, "0.01"),
        (0.0001, "<0.001"),
        (6.34, "6.3"),
    ],
)
def test_a_part_never_rounds_to_all_or_nothing(x: float, text: str) -> None:
    assert numbers.part(x, 10) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.634, "63%"),
        (0.004, "0.4%"),
        (0.00001, "<0.1%"),
        (0.996, "99.6%"),
        (0.99999, ">99.9%"),
    ],
)
def test_a_share_never_rounds_to_all_or_nothing(share: float, text: str) -> None:
    assert numbers.percent(share) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.96, "1.0 times"), (3.42, "3.4 times"), (634.2, "630 times"), (34_300.0, "34,000 times")],
)
def test_a_ratio_keeps_two_digits(ratio: float, text: str) -> None:
    assert numbers.times(ratio) == text


@pytest.mark.parametrize(
    ("value", "text"), [(2.305, "2.31 s"), (44.32, "44.3 s"), (127.4, "2 min 7 s"), (7_380.0, "2 h 3 min")]
)
def test_seconds_become_minutes_and_hours(value: float, text: str) -> None:
    assert numbers.seconds(value) == text


def test_words_agree_with_their_number() -> None:
    assert numbers.plural(1, "run") == "1 run"
    assert numbers.plural(1_200, "run") == "1,200 runs"
    assert numbers.enumerated(["a"]) == "a"
    assert numbers.enumerated(["a", "b", "c"]) == "a, b and c"
    assert numbers.hundredths(-0.001) == "0.00"
