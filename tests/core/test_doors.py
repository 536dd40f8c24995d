from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import GenericAlias
from typing import Any, Literal, TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.doors import LateWords, door, enter, enter_fields
from gpuemb.core.doors.kinds import kinds_of
from gpuemb.core.errors import ConfigError, DTypeError
from gpuemb.core.progress import SILENT, Progress


@door
def measured(
    x: Any,
    k: int = 10,
    *,
    share: float = 0.5,
    words: Sequence[str] | None = None,
    progress: Progress = SILENT,
) -> tuple[Any, ...]:
    """Return the arguments as they entered."""
    return x, k, share, words, progress


def test_arguments_enter_as_their_annotations_say() -> None:
    x = object()
    assert measured(x, np.int16(3), share=1, words=np.array(["a", "b"])) == (x, 3, 1.0, ["a", "b"], SILENT)
    entered = measured(x, np.uint64(3), share=np.float32(0.25))
    assert [type(value) for value in entered[1:3]] == [int, float]


def test_a_missing_or_unknown_argument_is_told_by_python_itself() -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        measured()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'kk'"):
        measured(1, kk=3)  # type: ignore[call-arg]


@pytest.mark.parametrize("k", [True, np.True_, 2.0, 2.5, "3", None, [3], np.array([3]), np.array([1, 2]), 3j])
def test_a_count_is_an_integer(k: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"^measured: k = .*\n  k is an integer\.\n  Omit it for the default 10\."
    ):
        measured(None, k)


@pytest.mark.parametrize("share", [True, "0.5", None, [0.5], np.array([0.5]), 2j, 10**400])
def test_a_number_is_no_text_truth_or_list(share: Any) -> None:
    with pytest.raises(ConfigError, match=r"^measured: share = "):
        measured(None, share=share)


@pytest.mark.parametrize(
    "words", ["the", b"the", {"the": 1}, 3, [3], ["the", None], np.array([["the"]]), range(3)]
)
def test_words_are_a_list_of_text(words: Any) -> None:
    with pytest.raises(ConfigError, match=r"^measured: words = .*\n  words is a list of words or None\."):
        measured(None, words=words)


@given(words=st.lists(st.text(), unique=True), make=st.sampled_from([list, tuple, dict.fromkeys, iter]))
def test_words_of_any_sequence_enter(words: list[str], make: Any) -> None:
    given = make(words)
    given = given.keys() if isinstance(given, dict) else given
    assert list(measured(None, words=given)[3]) == words


def test_one_word_is_told_how_to_become_a_list() -> None:
    with pytest.raises(ConfigError, match=r"One word is words=\['the'\]\."):
        measured(None, words="the")


def test_words_of_a_mapped_file_are_not_looked_at() -> None:
    class Unread(LateWords):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: Any) -> Any:
            raise AssertionError("it was read")

    words = Unread()
    assert measured(None, words=words)[3] is words


@dataclass(frozen=True)
class Settings:
    """Fields of many kinds."""

    ids: Int32
    path: str | Path = "a"
    rule: Literal["line", "file"] = "line"
    counts: Int64 | None = None
    seeds: int | Iterable[int] = 3
    exact: bool = True

    def __post_init__(self) -> None:
        enter_fields(self)


def test_the_fields_of_a_class_enter_alike() -> None:
    made = Settings([1, 2], Path("b"), counts=np.array([1.0, 2.0]), exact=np.False_)  # type: ignore[arg-type]
    assert (made.ids.dtype, made.ids.tolist()) == (np.int32, [1, 2])
    assert made.counts is not None
    assert (made.counts.dtype, made.exact, made.path) == (np.int64, False, Path("b"))


def test_an_alias_of_an_annotation_is_what_it_stands_for() -> None:
    scalar = TypeVar("scalar", bound=np.generic)

    class Numbers:  # type Numbers[scalar] = ndarray[…]
        __value__ = np.ndarray[Any, np.dtype[scalar]]

    (kind,) = kinds_of(GenericAlias(Numbers, (np.int32,)))
    assert kind.noun == "an array of integers"
    assert kind.enter([1, 2]).dtype == np.int32

    class Whole:
        __value__ = int

    (kind,) = kinds_of(Whole)
    assert kind.noun == "an integer"


def test_an_array_of_the_right_kind_enters_as_it_is() -> None:
    ids = np.array([1, 2], np.int32)
    assert Settings(ids).ids is ids


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"ids": [1.5]}, DTypeError),
        ({"ids": [2**40]}, DTypeError),
        ({"ids": [np.nan]}, DTypeError),
        ({"ids": 3}, DTypeError),
        ({"ids": ["a"]}, DTypeError),
        ({"path": ""}, ConfigError),
        ({"path": "a\0b"}, ConfigError),
        ({"path": b"a"}, ConfigError),
        ({"rule": "lines"}, ConfigError),
        ({"rule": np.zeros(3)}, ConfigError),
        ({"seeds": "3"}, ConfigError),
        ({"exact": 1}, ConfigError),
    ],
)
def test_a_field_of_another_kind_is_refused(wrong: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind, match=rf"^Settings: {next(iter(wrong))} = "):
        Settings(**{"ids": [1], **wrong})


def test_the_maker_of_an_object_is_named() -> None:
    class Tokens:
        """Stands for the corpus."""

    with pytest.raises(DTypeError, match=r"tokens is a Tokens\.\n  read_corpus\(source\) reads a text\."):
        enter("count", "tokens", [1], Tokens)
