"""The public names: all there, all documented, and loaded only when they are used."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest

import gpuemb

HEAVY = ("numpy", "numba", "scipy", "pyarrow", "matplotlib", "cupy", "distributed", "jinja2", "rich", "typer")
INTERNAL = {  # passed on, not read
    *("Candidates", "CountTable", "CountedRows", "MemoryPlan", "Progress", "Run"),
    *(
        "Grams",
        "Measure",
        "MissingWord",
        "Nodes",
        "PairErrors",
        "PairSums",
        "PairTable",
        "Probed",
        "Rows",
        "UserItems",
    ),
}
FUNCTIONS = [name for name in gpuemb.__all__ if inspect.isfunction(getattr(gpuemb, name))]
CLASSES = [name for name in gpuemb.__all__ if inspect.isclass(getattr(gpuemb, name))]


def run(code: str) -> str:
    """Run code in a new interpreter; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_listed_names_are_those_of_the_rooms() -> None:
    names = [name for names in gpuemb._ROOMS.values() for name in names] + [*gpuemb._MODULES]
    assert sorted(gpuemb.__all__) == sorted(names)
    assert len(set(gpuemb.__all__)) == len(gpuemb.__all__)
    assert set(gpuemb.__all__) <= set(dir(gpuemb))


@pytest.mark.parametrize("name", sorted(gpuemb._ROOM_OF))
def test_every_name_loads_from_its_room(name: str) -> None:
    value = getattr(gpuemb, name)
    assert value.__name__ == name
    assert value.__module__ == f"gpuemb.{gpuemb._ROOM_OF[name]}"


@pytest.mark.parametrize("name", sorted(gpuemb._MODULES))
def test_every_module_of_the_front_door_is_one_and_documents_its_functions(name: str) -> None:
    module = getattr(gpuemb, name)
    assert module.__name__ == f"gpuemb.{gpuemb._MODULES[name]}"
    own = [f for _, f in inspect.getmembers(module, inspect.isfunction) if f.__module__ == module.__name__]
    assert own
    assert [f.__name__ for f in own if not f.__name__.startswith("_") and not f.__doc__] == []


def test_every_name_is_known_to_type_checkers() -> None:
    source = inspect.getsource(gpuemb).partition("if TYPE_CHECKING:")[2].partition("\n_ERRORS")[0]
    missing = [name for name in gpuemb.__all__ if name not in source]
    assert missing == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'procrustean'"):
        _ = gpuemb.procrustean


def test_the_version_is_that_of_the_installation() -> None:
    assert gpuemb.__version__ == version("gpuemb")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_names_all_its_arguments(name: str) -> None:
    function = getattr(gpuemb, name)
    said = inspect.getdoc(function) or ""
    assert said.splitlines()[0].endswith((".", "?"))
    for argument in inspect.signature(function).parameters:
        assert argument in said, f"{name} does not say what {argument} is"


@pytest.mark.parametrize("name", CLASSES)
def test_every_public_class_and_method_has_a_docstring(name: str) -> None:
    kind = getattr(gpuemb, name)
    assert kind.__doc__
    bases = [base for base in kind.__mro__ if base.__module__.startswith("gpuemb.")]
    own = {k: v for base in bases for k, v in vars(base).items() if not k.startswith("_")}
    silent = [
        k for k, v in own.items() if (inspect.isfunction(v) or isinstance(v, property)) and not v.__doc__
    ]
    assert silent == []


def annotated(kind: Any) -> Iterator[tuple[Any, str]]:
    """What a function returns, or a class's methods, properties and fields: annotations, and where."""
    if inspect.isfunction(kind):
        yield kind, str(kind.__annotations__.get("return"))
        return
    for base in (base for base in kind.__mro__ if base.__module__.startswith("gpuemb")):
        yield from ((base, str(annotation)) for annotation in inspect.get_annotations(base).values())
        for value in (value for name, value in vars(base).items() if not name.startswith("_")):
            function = getattr(value, "fget", getattr(value, "func", getattr(value, "__func__", value)))
            if inspect.isfunction(function):
                yield function, str(function.__annotations__.get("return"))


@pytest.mark.parametrize("name", [*FUNCTIONS, *CLASSES])
def test_every_type_that_comes_out_of_the_front_door_is_public(name: str) -> None:
    missing = {
        word
        for home, annotation in annotated(getattr(gpuemb, name))
        for word in re.findall(r"\w+", annotation)
        if inspect.isclass(kind := getattr(sys.modules[home.__module__], word, None))
        and kind.__module__.startswith("gpuemb")
    }
    assert missing - set(gpuemb.__all__) - INTERNAL == set()


def test_importing_gpuemb_imports_nothing_heavy() -> None:
    found = run(f"import sys, gpuemb; print([m for m in {HEAVY} if m in sys.modules])")
    assert found == "[]"


def test_windows_is_refused_with_what_runs_there() -> None:
    code = """
import sys
sys.platform = "win32"
try:
    import gpuemb
except ImportError as error:
    print(error)
"""
    said = run(code)
    assert said.startswith("gpuemb: this is Python for Windows\n")
    assert "WSL" in said


def test_help_answers_before_any_science_is_loaded() -> None:
    heavy = ("numpy", "numba", "scipy", "pyarrow", "matplotlib", "cupy", "jinja2")
    code = f"import sys, gpuemb.cli.app; print([m for m in {heavy} if m in sys.modules])"
    assert run(code) == "[]"


def test_configuring_a_study_compiles_and_plots_nothing() -> None:
    heavy = ("numba", "pyarrow", "matplotlib", "cupy", "scipy")
    code = (
        f"import sys, gpuemb as ge; ge.StudyConfig(('a',)); print([m for m in {heavy} if m in sys.modules])"
    )
    assert run(code) == "[]"


@pytest.mark.slow
def test_everything_but_cuda_works_without_cupy() -> None:
    code = """
import sys
sys.modules["cupy"] = None
import numpy as np
import gpuemb as ge
x = np.random.default_rng(0).standard_normal((20, 3))
alignment = ge.procrustes(x, x[:, ::-1])
assert alignment.distance < 1e-9, alignment
neighbors = ge.nearest_neighbors(ge.Embedding(x, [str(i) for i in range(20)]), 4)
assert float(ge.neighbor_overlap(neighbors, neighbors)) == 1
assert ge.info().chosen == "cpu"
try:
    ge.train(ge.read_corpus([["a", "b"]]), ge.GloVe(), device="cuda")
except ge.DeviceError as error:
    print(error)
"""
    said = run(code)
    assert "CuPy is not installed" in said
    assert "[cuda12]" in said
    assert "device='cpu'" in said
