"""A kernel is a folder: a contract with its reference, and one file a device of the same signature."""

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
CUDA_FOLDERS = [name for name in FOLDERS if (KERNELS / name / "cuda.py").exists()]


def kernel_of(name: str) -> Kernel[..., object]:
    found = getattr(importlib.import_module(f"gpuemb.kernels.{name}"), name)
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


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_holds_the_kernel_of_its_name(name: str) -> None:
    kernel = kernel_of(name)
    assert kernel.name == kernel.reference.__name__ == name
    assert "Cost" in (kernel.reference.__doc__ or "")


@pytest.mark.parametrize("name", FOLDERS)
def test_every_kernel_runs_on_the_cpu_with_the_signature_of_its_reference(name: str) -> None:
    kernel = kernel_of(name)
    implementation = kernel.implementation("cpu")
    assert inspect.signature(implementation) == inspect.signature(kernel.reference)
    assert implementation.__name__ == name
    assert kernel.on(CPU).__name__ == name


@pytest.mark.parametrize("name", CUDA_FOLDERS)
def test_every_cuda_file_has_the_signature_of_its_reference(name: str) -> None:
    expected = function_of(KERNELS / name / "__init__.py", name)
    found = function_of(KERNELS / name / "cuda.py", name)
    assert ast.unparse(found.args) == ast.unparse(expected.args)
    assert ast.unparse(found.returns or ast.Constant(None)) == ast.unparse(
        expected.returns or ast.Constant(None)
    )


@pytest.mark.parametrize("name", FOLDERS)
def test_a_cuda_source_has_its_launcher(name: str) -> None:
    assert name in CUDA_FOLDERS or not list((KERNELS / name).glob("*.cu"))


@pytest.mark.parametrize("name", FOLDERS)
def test_the_index_names_every_kernel_and_its_devices(name: str) -> None:
    index = (KERNELS / "README.md").read_text("utf-8")
    (devices,) = re.findall(rf"^\| `{name}` \| [^|]* \| ([^|]*) \|", index, re.MULTILINE)
    assert devices.split(", ") == ["CPU", "CUDA"][: 1 + (name in CUDA_FOLDERS)]


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
        kernel_of("gram").on(Device("abacus"))
    assert "It runs on cpu" in str(refusal.value)
    assert kernel_of("gram").runs_on("cpu")
