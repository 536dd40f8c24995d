"""Every public name has an example in its docstring, and it runs."""

from __future__ import annotations

import doctest
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from slow import cases

import gpuemb
from gpuemb.core.results import is_result

PAGE = Path(__file__).parents[2] / ".docs" / "pages" / "reference" / "index.md"
SLOW = {"umap"}  # which compiles itself for half a minute
RETURNED = {  # nobody makes them: the functions that return or take them have the examples
    *(name for name in gpuemb.__all__ if is_result(getattr(gpuemb, name))),
    *("CrossGrams", "Estimate", "Implementation", "Provenance", "Resampling"),
}


def documented(name: str) -> Iterator[tuple[str, str]]:
    """A public name and its docstring; of a class or module, those of its functions too, inherited or not."""
    value = getattr(gpuemb, name)
    yield name, inspect.getdoc(value) or ""
    if inspect.isclass(value) or isinstance(value, ModuleType):
        kinds = value.__mro__ if inspect.isclass(value) else (value,)
        ours = [kind for kind in kinds if getattr(kind, "__module__", kind.__name__).startswith("gpuemb")]
        for own, member in {k: v for kind in reversed(ours) for k, v in vars(kind).items()}.items():
            function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            function = function.fget if isinstance(function, property) else function
            local = not isinstance(value, ModuleType) or getattr(function, "__module__", "") == value.__name__
            if not own.startswith("_") and callable(function) and local:
                yield f"{name}.{own}", inspect.getdoc(function) or ""


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the reference's first page defines, in a folder of its own."""
    (beginning,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {}
    exec(beginning, space)
    return space


@pytest.mark.parametrize(
    "name", cases(*(name for name in gpuemb.__all__ if name not in SLOW), slow=sorted(SLOW))
)
def test_the_examples_of_a_name_run_and_print_what_they_show(name: str, tables: dict[str, Any]) -> None:
    parser = doctest.DocTestParser()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    for place, text in documented(name):
        runner.run(parser.get_doctest(text, dict(tables), place, None, 0), out=said.append)
    assert runner.failures == 0, "".join(said)


@pytest.mark.parametrize("name", sorted({*gpuemb.__all__} - {*gpuemb._MODULES} - RETURNED))
def test_every_public_name_has_an_example(name: str) -> None:
    text = inspect.getdoc(getattr(gpuemb, name)) or ""
    assert re.search(r"^Example:\n+    >>> ", text, re.MULTILINE), text
