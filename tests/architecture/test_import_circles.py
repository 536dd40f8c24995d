"""No circle of imports, no import hidden in a function without a reason, no crowded folder."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = {".py", ".cu", ".cuh", ".j2", ".css", ".js"}
MOST_FILES = 15  # in a folder
UNDER_WORK = ()  # packages that do not keep these rules yet
LOADED_LATE = {
    "array_api_compat": "the namespace of an array is needed only for arrays of other libraries",
    "cupy": "an optional extra that takes seconds to load",
    "cupy_backends": "part of CuPy",
    "dask": "comes with distributed",
    "distributed": "an optional extra that takes seconds to load",
    "jinja2": "only reports need templates",
    "llvmlite": "comes with Numba, and is as slow to load",
    "markupsafe": "comes with Jinja2",
    "matplotlib": "only figures need it",
    "numba": "loading it takes a second, and configuration and help need no compiler",
    "numpy": "it takes longer to load than what only finds and reads files does",
    "pyarrow": "only Parquet, zstd and tables of results need it",
    "scipy": "its submodules take up to a second to load",
    "threadpoolctl": "it looks for the BLAS libraries that are loaded at that moment",
    "tokenizers": "an optional extra",
    "tomli_w": "only writing a configuration needs it",
}
LATE_WITHIN = {
    "gpuemb.cli": ("gpuemb", "gpuemb --help answers before any science is loaded"),
    "gpuemb.core.jit": ("gpuemb.core.system.compiled_files", "it extends classes of Numba"),
    "gpuemb.stability.running.runner": ("gpuemb.stability.running.cluster", "it loads distributed"),
    "gpuemb.kernels": ("gpuemb.kernels", "contracts load without Numba; compiled code only where it runs"),
}


def modules() -> dict[str, Path]:
    """The file of every module; kernels by their real path, since they are linked into the package."""
    inside = {path: path.relative_to(ROOT) for path in (ROOT / "gpuemb").rglob("*.py")}
    inside = {path: name for path, name in inside.items() if name.parts[1] != "kernels"}
    inside |= {path: "gpuemb" / path.relative_to(ROOT) for path in (ROOT / "kernels").rglob("*.py")}
    return {".".join(name.with_suffix("").parts).removesuffix(".__init__"): p for p, name in inside.items()}


def statements(nodes: Iterable[ast.AST], *, late: bool = False) -> Iterator[tuple[str, int, bool]]:
    """Every imported name with its line, and whether a function holds it; those for type checkers left out.

    ``from a import b`` gives ``a.b``: whether that is a module, :func:`resolved` knows.
    """
    for node in nodes:
        inside = late or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from statements(node.orelse, late=inside)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno, late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno} imports relatively"
            yield from ((f"{node.module}.{alias.name}", node.lineno, late) for alias in node.names)
        else:
            yield from statements(ast.iter_child_nodes(node), late=inside)


def resolved(name: str, known: Iterable[str]) -> str | None:
    """The module of gpuemb that an imported name is, or is part of.

    Packages above it are not counted: Python runs them first, but no name of theirs is used.
    """
    parts = name.split(".")
    return next((p for n in range(len(parts), 0, -1) if (p := ".".join(parts[:n])) in known), None)


@pytest.fixture(scope="module")
def found() -> dict[str, list[tuple[str, int, bool]]]:
    """What each module imports."""
    return {name: list(statements([ast.parse(p.read_text("utf-8"))])) for name, p in modules().items()}


def reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """What can be reached from a module by one import or more."""
    seen: set[str] = set()
    pending = [*graph[start]]
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending += graph[name]
    return seen


def circles(graph: Mapping[str, set[str]]) -> set[frozenset[str]]:
    """The groups of modules of which each reaches every other, and itself."""
    reach = {name: reached(graph, name) for name in graph}
    return {
        frozenset(other for other in reach[name] if name in reach[other])
        for name in graph
        if name in reach[name]
    }


def is_under_work(module: str) -> bool:
    return module.split(".")[1:2] != [] and module.split(".")[1] in UNDER_WORK


def is_late_by_rule(module: str, name: str) -> bool:
    """Whether a package of :data:`LATE_WITHIN` imports what it may import in functions."""
    rules = ((f"{package}.", within) for package, (within, _) in LATE_WITHIN.items())
    return any(f"{module}.".startswith(p) and f"{name}.".startswith(f"{within}.") for p, within in rules)


def test_circles_are_recognized() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set[str](), "f": {"f"}}
    assert circles(graph) == {frozenset("abc"), frozenset("f")}


def test_imports_are_found_in_functions_and_not_for_type_checkers() -> None:
    source = """
import a.b
if TYPE_CHECKING:
    import c
else:
    import d
class K:
    from e import f, g
    def h(self):
        if self:
            from i import j
"""
    names = [(name, late) for name, _, late in statements([ast.parse(source)])]
    assert names == [("a.b", False), ("d", False), ("e.f", False), ("e.g", False), ("i.j", True)]
    assert resolved("e.f", {"e"}) == "e"
    assert resolved("e.f", {"e", "e.f"}) == "e.f"
    assert resolved("numpy", {"e"}) is None


def test_no_module_is_imported_in_a_circle(found: Mapping[str, list[tuple[str, int, bool]]]) -> None:
    graph = {
        name: {module for imported, _, _ in imports if (module := resolved(imported, found))}
        for name, imports in found.items()
    }
    assert graph["gpuemb.core.device"] >= {"gpuemb.core.cuda", "gpuemb.core.memory"}
    assert graph["gpuemb.cli.count"] >= {"gpuemb", "gpuemb.counts.folder"}
    wrong = [sorted(circle) for circle in circles(graph) if not any(map(is_under_work, circle))]
    assert wrong == []


def test_only_what_is_loaded_late_on_purpose_is_imported_in_a_function(
    found: Mapping[str, list[tuple[str, int, bool]]],
) -> None:
    wrong = [
        f"{module}:{line} imports {name} in a function"
        for module, imports in found.items()
        if not is_under_work(module)
        for name, line, late in imports
        if late and name.split(".")[0] not in LOADED_LATE and not is_late_by_rule(module, name)
    ]
    assert wrong == []


def test_every_reason_to_load_late_is_used(
    found: Mapping[str, list[tuple[str, int, bool]]],
) -> None:
    late = {name.split(".")[0] for imports in found.values() for name, _, late in imports if late}
    assert set(LOADED_LATE) - late == set()


def test_no_folder_is_crowded() -> None:
    files = (path for folder in ("gpuemb", "kernels") for path in (ROOT / folder).rglob("*"))
    names = [path.relative_to(ROOT) for path in files if path.suffix in SOURCES]
    counts = {folder: sum(name.parent == folder for name in names) for folder in {n.parent for n in names}}
    crowded = {
        str(folder): count
        for folder, count in counts.items()
        if count > MOST_FILES and not set(folder.parts) & set(UNDER_WORK)
    }
    assert crowded == {}
