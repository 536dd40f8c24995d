"""Tokens, counts, neighbors, scores and shares have the bits they had, on every machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from golden.bits import bits

BITS = Path(__file__).with_name("bits.json")


@pytest.fixture(scope="module")
def found() -> dict[str, str]:
    return bits()


def test_everything_that_is_kept_is_computed(found: dict[str, str]) -> None:
    assert list(found) == list(json.loads(BITS.read_text("utf-8")))


@pytest.mark.parametrize("name", json.loads(BITS.read_text("utf-8")))
def test_the_bits_are_those_of_every_machine(found: dict[str, str], name: str) -> None:
    assert found[name] == json.loads(BITS.read_text("utf-8"))[name]
