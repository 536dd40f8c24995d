from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from gpuemb.core import errors
from gpuemb.core.errors import GpuembError

BUILT_IN: dict[str, type[Exception]] = {
    "ShapeError": ValueError,
    "DTypeError": TypeError,
    "NonFiniteError": ValueError,
    "DeviceError": RuntimeError,
    "ClusterError": RuntimeError,
    "CompileError": RuntimeError,
    "MemoryBudgetError": MemoryError,
    "VocabularyError": ValueError,
    "ConfigError": ValueError,
    "FileFormatError": ValueError,
    "StorageError": OSError,
}
FAMILY = sorted(
    (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GpuembError)),
    key=lambda kind: kind.__name__,
)
KINDS = [kind for kind in FAMILY if kind is not GpuembError]


def make(kind: type[GpuembError]) -> GpuembError:
    return kind("there: this was given", needed="This is needed.", remedy="Do this.")


def test_the_family_is_the_one_promised() -> None:
    assert {kind.__name__ for kind in KINDS} == set(BUILT_IN)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_of_the_family_and_a_built_in(kind: type[GpuembError]) -> None:
    with pytest.raises(GpuembError):
        raise make(kind)
    with pytest.raises(BUILT_IN[kind.__name__]):
        raise make(kind)


@pytest.mark.parametrize("kind", FAMILY)
def test_a_message_is_three_lines(kind: type[GpuembError]) -> None:
    error = make(kind)
    assert str(error) == "there: this was given\n  This is needed.\n  Do this."
    assert (error.given, error.needed, error.remedy) == (
        "there: this was given",
        "This is needed.",
        "Do this.",
    )


@pytest.mark.parametrize("kind", FAMILY)
def test_a_message_stays_readable_whatever_a_file_holds(kind: type[GpuembError]) -> None:
    error = kind(f"there: the word {'x' * 70_000!r} is odd", needed="This.", remedy="That.")
    assert len(str(error)) < 2_100
    assert str(error).startswith("there: the word 'xxx")
    assert str(error).endswith("xxx' is odd\n  This.\n  That.")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("kind", FAMILY)
@pytest.mark.parametrize(
    "again",
    [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deep"],
)
def test_an_error_survives_a_journey_to_another_process(kind: type[GpuembError], again: Any) -> None:
    error, arrived = make(kind), again(make(kind))
    assert type(arrived) is kind
    assert str(arrived) == str(error)
    assert repr(arrived) == repr(error)
    assert (arrived.given, arrived.needed, arrived.remedy) == (error.given, error.needed, error.remedy)


@pytest.mark.parametrize("kind", FAMILY)
def test_an_error_cannot_be_made_without_its_three_parts(kind: type[GpuembError]) -> None:
    with pytest.raises(TypeError):
        kind("only this")  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", FAMILY)
def test_every_class_says_in_one_sentence_what_failed(kind: type[GpuembError]) -> None:
    assert kind.__doc__
    assert kind.__doc__.strip().split("\n")[0].endswith(".")
