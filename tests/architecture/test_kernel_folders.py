"""A kernel folder: a contract with its reference, and a file or folder a device of the same signature."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

from gpuemb.core.device import CPU, Device
from gpuemb.core.dispatch import Kernel
from gpuemb.core.errors import DeviceError

KERNELS = Path(__file__).parents[2] / "kernels"
FOLDERS = sorted(path.parent.name for path in KERNELS.glob("*/__init__.py"))
DECORATORS = {"kernel", "kernel_within"}


def declared(folder: str) -> list[str]:
    """The names of the kernels of a folder."""
    tree = ast.parse((KERNELS / folder / "__init__.py").read_text("utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return [
        f.name for f in functions if DECORATORS & {ast.unparse(d).split("(")[0] for d in f.decorator_list}
    ]


def cuda_file(folder: str) -> Path | None:
    """The file of a folder's CUDA implementations."""
    files = (KERNELS / folder / name for name in ("cuda.py", "cuda/__init__.py"))
    return next((file for file in files if file.exists()), None)


NAMES = [(folder, name) for folder in FOLDERS for name in declared(folder)]
CUDA_NAMES = [(folder, name) for folder, name in NAMES if cuda_file(folder)]


def kernel_of(folder: str, name: str) -> Kernel[..., object]:
    found = getattr(importlib.import_module(f"gpuemb.kernels.{folder}"), name)
    assert isinstance(found, Kernel)
    return found


def function_of(path: Path, name: str) -> ast.FunctionDef:
    """The function of a file, without running the file."""
    tree = ast.parse(path.read_text("utf-8"))
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)


def test_the_package_holds_the_kernels_of_the_repository() -> None:
    package = Path(str(importlib.import_module("gpuemb.kernels").__file__)).parent
    assert sorted(path.parent.name for path in package.glob("*/__init__.py")) == FOLDERS
    assert {"cosine_topk", "gram", "neighbor_overlap"} <= set(FOLDERS)


def test_every_folder_with_code_is_a_kernel() -> None:
    with_code = {path.parent.name for path in KERNELS.glob("*/*.py")}
    assert with_code == set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_of_one_kernel_has_its_name(folder: str) -> None:
    names = declared(folder)
    assert names == [folder] or len(names) > 1


@pytest.mark.parametrize(("folder", "name"), NAMES)
def test_a_kernel_says_its_name_and_cost(folder: str, name: str) -> None:
    kernel = kernel_of(folder, name)
    assert kernel.name == kernel.reference.__name__ == name
    assert "Cost" in (kernel.reference.__doc__ or "")


@pytest.mark.parametrize(("folder", "name"), NAMES)
def test_every_kernel_runs_on_the_cpu_with_the_signature_of_its_reference(folder: str, name: str) -> None:
    kernel = kernel_of(folder, name)
    implementation = kernel.implementation("cpu")
    assert inspect.signature(implementation) == inspect.signature(kernel.reference)
    assert implementation.__name__ == name
    assert kernel.on(CPU).__name__ == name


@pytest.mark.parametrize(("folder", "name"), CUDA_NAMES)
def test_every_cuda_implementation_has_the_signature_of_its_reference(folder: str, name: str) -> None:
    file = cuda_file(folder)
    assert file is not None
    expected, found = (function_of(path, name) for path in (KERNELS / folder / "__init__.py", file))
    assert ast.unparse(found.args) == ast.unparse(expected.args)
    assert ast.unparse(found.returns or ast.Constant(None)) == ast.unparse(
        expected.returns or ast.Constant(None)
    )


@pytest.mark.parametrize(("folder", "name"), NAMES)
def test_a_kernel_has_one_implementation_a_device(folder: str, name: str) -> None:
    kernel = kernel_of(folder, name)
    for kind in ("cpu", "cuda"):
        present = [place for place in (f"{kind}.py", f"{kind}/") if (KERNELS / folder / place).exists()]
        assert [kernel.place(kind)] == (present or [""])


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_cuda_source_has_its_launcher(folder: str) -> None:
    assert cuda_file(folder) or not list((KERNELS / folder).rglob("*.cu"))


@pytest.mark.parametrize(("folder", "name"), NAMES)
def test_the_index_names_every_kernel_and_its_devices(folder: str, name: str) -> None:
    index = (KERNELS / "README.md").read_text("utf-8")
    (devices,) = re.findall(rf"^\| `{name}` \| [^|]* \| ([^|]*) \|", index, re.MULTILINE)
    assert devices.split(", ") == ["CPU", "CUDA"][: 1 + ((folder, name) in CUDA_NAMES)]


@pytest.mark.parametrize("name", FOLDERS)
def test_the_reference_needs_numpy_alone(name: str) -> None:
    imported = set()
    for node in ast.walk(ast.parse((KERNELS / name / "__init__.py").read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert imported <= {
        "__future__",
        "collections",
        "dataclasses",
        "gpuemb",
        "itertools",
        "math",
        "numpy",
        "typing",
    }


def test_a_device_without_a_file_is_refused_by_name() -> None:
    with pytest.raises(DeviceError, match="no implementation for abacus") as refusal:
        kernel_of("gram", "gram").on(Device("abacus"))
    assert "It runs on cpu" in str(refusal.value)
    assert kernel_of("gram", "gram").runs_on("cpu")
