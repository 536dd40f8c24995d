"""Who may call whom, who may print, and how large a room may grow."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "gpuemb"
LARGEST = 330  # lines: a room that grows past about 300 is split where it really divides
SOURCES = {".py", ".cu", ".cuh", ".j2", ".css", ".js"}


def files() -> list[Path]:
    """Every source file of the package, kernels through their link."""
    rooms = (path for folder in (PACKAGE, ROOT / "kernels") for path in sorted(folder.rglob("*")))
    return [
        p
        for p in rooms
        if p.is_file() and p.suffix in SOURCES and "kernels" not in p.relative_to(ROOT).parts[1:]
    ]


def modules() -> list[Path]:
    return [path for path in files() if path.suffix == ".py"]


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax of a file, read once."""
    return ast.parse(path.read_text("utf-8"))


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return "kernels" if parts[0] == "kernels" else parts[1].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and room of every import of another part of gpuemb, wherever in the file it stands."""
    for node in ast.walk(tree_of(path)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.startswith("gpuemb."):
                yield node.lineno, name.split(".")[1]


@pytest.fixture(scope="module")
def height() -> dict[str, int]:
    """Height of every room in the contract of pyproject.toml."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return {room.strip(): -floor for floor, line in enumerate(layers) for room in line.split("|")}


def test_the_import_contract_holds() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 kept, 0 broken" in done.stdout


def test_the_contract_names_every_room(height: dict[str, int]) -> None:
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert folders == set(height)


def test_every_import_leads_down_even_inside_a_function(height: dict[str, int]) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} reaches {room}"
        for path in modules()
        if (own := room_of(path)) in height
        for line, room in imports(path)
        if room != own and height[room] >= height[own]
    ]
    assert wrong == []


def importers(*packages: str) -> set[str]:
    """Files that import one of these packages, wherever in the file."""
    found = set()
    for path in modules():
        for node in ast.walk(tree_of(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if any(name.split(".")[0] in packages for name in names):
                found.add(str(path.relative_to(ROOT)))
    return found


def test_one_file_calls_low_level_cublas_and_one_tests_whether_it_loads() -> None:
    assert importers("cupy_backends") == {"gpuemb/core/cuda/cublas.py", "gpuemb/core/cuda/diagnosis.py"}
    assert "gemm" not in (PACKAGE / "core" / "cuda" / "diagnosis.py").read_text("utf-8")


def test_cupy_comes_in_by_one_door_and_by_whoever_asks_whether_it_is_there() -> None:
    outside_kernels = {name for name in importers("cupy", "cupyx") if not name.startswith("kernels/")}
    assert outside_kernels == {"gpuemb/core/cuda/__init__.py", "gpuemb/core/cuda/diagnosis.py"}


def test_cupy_is_imported_only_when_it_is_asked_for() -> None:
    at_the_top = [
        str(path.relative_to(ROOT))
        for path in modules()
        for node in tree_of(path).body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        and "import cupy" in ast.unparse(node).split("gpuemb")[0]
    ]
    assert at_the_top == []


def test_nothing_below_the_command_line_prints() -> None:
    printing = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules()
        if room_of(path) != "cli"
        for node in ast.walk(tree_of(path))
        if (isinstance(node, ast.Name) and node.id in {"print", "pprint"})
        or (isinstance(node, ast.Attribute) and node.attr in {"stdout", "stderr"})
    ]
    assert printing == []


def test_no_file_grows_past_its_room() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in files()}
    assert {name: count for name, count in lines.items() if count > LARGEST} == {}


def test_every_module_says_what_it_is() -> None:
    said = {str(path.relative_to(ROOT)): ast.get_docstring(tree_of(path)) or "" for path in modules()}
    assert [name for name, text in said.items() if not text.split("\n")[0].endswith((".", "?"))] == []


def test_there_is_no_room_for_leftovers() -> None:
    names = {path.stem for path in modules()}
    assert not names & {"utils", "util", "helpers", "common", "misc"}
    assert not [name for name in names if name.endswith(("_v2", "_old", "_new"))]
