"""Public callables, given what they do not expect, work or say what was given, is needed and helps."""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from public_calls import WRONG, Call, calls, write_files
from slow import cases

import gpuemb as ge
from gpuemb.core.errors import GpuembError
from gpuemb.core.results import is_result
from gpuemb.pictures.drawings import Drawing
from gpuemb.pictures.style import Plot

PARTS_OF_RESULTS = {"Estimate", "Implementation", "Provenance", "Resampling"}
TELLING = (
    "None",
    "text",
    "dict",
    "list of words",
    "array",
    "frame",
    "object",
    "negative",
    "fraction",
    "huge",
)
THEIR_OWN = {("read_corpus", "tokenizer", "class")}  # what a caller's function raises is the caller's
AGAIN = {"Cooccurrence.save": {"path": "another"}}  # folders are not overwritten


class Layout:
    """As the classes of umap-learn and openTSNE, which take seconds; lays nothing out."""

    def __init__(self, *graph: Any, init: Any = None, **options: Any) -> None:
        self.start = init

    def fit_transform(self, rows: Any) -> Any:
        return self.start

    def fit(self, affinities: Any, initialization: Any) -> Any:
        return initialization


NAMES = ("UMAP", "TSNE", "PerplexityBasedNN", "PrecomputedNeighbors")
LAYOUTS = SimpleNamespace(**dict.fromkeys(NAMES, Layout))


def undrawn(one: Drawing) -> Plot:
    """What a page says of a figure: the drawing takes a second, and no argument of a page changes it."""
    return Plot(one.name, one.title, one.caption, one.label, "")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Call]]:
    """The valid calls, in a folder with what they read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("doors"))
        for name in ("umap", "openTSNE", "openTSNE.affinity", "openTSNE.nearest_neighbors"):
            patch.setitem(sys.modules, name, LAYOUTS)
        patch.setattr(Drawing, "on_page", undrawn)
        write_files(Path())
        yield calls()
        ge.set_threads()  # which one of the calls sets


def outcome(function: Callable[..., Any], arguments: dict[str, Any]) -> str:
    """Nothing where a call works or is refused as promised; else what came out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            found = function(**arguments)
            if isinstance(found, Iterator):
                list(found)
    except GpuembError as error:
        parts = (error.given, error.needed, error.remedy)
        return "" if all(part.strip() for part in parts) else f"a message with an empty part: {parts}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize("labels", cases(TELLING, slow=(tuple(sorted({*WRONG} - {*TELLING})),)), ids=len)
def test_what_is_not_expected_works_or_is_refused_in_three_parts(
    given: dict[str, Call], labels: tuple[str, ...]
) -> None:
    found = {
        f"{name}({argument} = {label})": outcome(function, {**valid, argument: make()})
        for name, (function, valid) in given.items()
        for argument in valid
        for label, make in WRONG.items()
        if label in labels and (name, argument, label) not in THEIR_OWN
    }
    assert {call: what for call, what in found.items() if what} == {}


def test_the_calls_that_wrong_ones_begin_from_are_whole_and_valid(given: dict[str, Call]) -> None:
    for name, (function, valid) in given.items():
        if inspect.isfunction(function) and "<lambda>" not in function.__qualname__:
            assert list(inspect.signature(function).parameters) == list(valid), name
        if not name.startswith("datasets.") or "path" in valid:  # the others need packages
            function(**{**valid, **AGAIN.get(name, {})})


def test_everything_public_is_called(given: dict[str, Call]) -> None:
    kinds = {name: getattr(ge, name) for name in ge.__all__}
    classes = {name: kind for name, kind in kinds.items() if inspect.isclass(kind)}
    not_made = {name for name, kind in classes.items() if is_result(kind) or issubclass(kind, Exception)}
    called = {name.partition(".")[0] for name in given}
    assert set(ge.__all__) - not_made - PARTS_OF_RESULTS == called - not_made
