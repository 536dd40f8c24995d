"""What is shipped holds everything that runs. It builds an sdist and a wheel."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEAST_SETUPTOOLS = 77  # the first to know license expressions; pyproject.toml requires it
SHIPPED = {".py", ".cu", ".cuh", ".j2", ".css", ".js", ".typed"}


def setuptools_is_new_enough() -> bool:
    installed = importlib.util.find_spec("setuptools") is not None
    return installed and int(version("setuptools").split(".")[0]) >= LEAST_SETUPTOOLS


def tracked() -> list[str]:
    """Every file of the repository that git does not ignore; links stay links."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    return [name for name in listed.split("\0") if name and (ROOT / name).exists()]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git tracks."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a checkout: only they know which files belong to the repository")
    if importlib.util.find_spec("build") is None or not setuptools_is_new_enough():
        pytest.skip(f"needs gpuemb[test]: build, and setuptools of at least {LEAST_SETUPTOOLS}")
    copy = tmp_path_factory.mktemp("repository")
    for name in tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name, follow_symlinks=False)
    return copy


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": ""},
    )


@pytest.fixture(scope="module")
def built(repository: Path) -> Path:
    """A folder with the sdist, and the wheel that was made from it."""
    done = python(repository, "build", "--no-isolation", "--outdir", "dist")
    assert done.returncode == 0, done.stdout + done.stderr
    return repository / "dist"


def expected() -> set[str]:
    """What an installation holds: the package, and the kernels where their link stands."""
    names = [name for name in tracked() if Path(name).suffix in SHIPPED]
    inside = {name for name in names if name.startswith("gpuemb/")}
    return inside | {f"gpuemb/{name}" for name in names if name.startswith("kernels/")}


def test_the_kernels_stand_in_the_package_as_a_tracked_link() -> None:
    assert (ROOT / "gpuemb" / "kernels").is_symlink()
    assert os.readlink(ROOT / "gpuemb" / "kernels") == "../kernels"


@pytest.mark.slow
def test_the_wheel_holds_every_kernel_template_and_type_marker(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert expected() - names == set()
    assert {
        "gpuemb/py.typed",
        "gpuemb/kernels/gram/cpu/__init__.py",
        "gpuemb/kernels/window_counts/window_counts.cu",
        "gpuemb/report/templates/report.html.j2",
    } <= names


@pytest.mark.slow
def test_the_wheel_holds_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names - expected() == set()


@pytest.mark.slow
def test_the_sdist_holds_all_that_a_wheel_is_built_from(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert expected() - names == set()
    assert {"pyproject.toml", "README.md", "LICENSE"} <= names


BUILD = ("build", "--no-isolation", "--outdir", "never")
INSTALL = ("pip", "install", "--no-build-isolation", "--no-deps", "--target", "never")


@pytest.mark.parametrize(
    ("left", "command"),
    [
        pytest.param("text", BUILD, id="text"),
        pytest.param("nothing", BUILD, id="nothing", marks=pytest.mark.slow),
        pytest.param("dangling", BUILD, id="dangling", marks=pytest.mark.slow),
        pytest.param("text", (*INSTALL, "."), id="pip", marks=pytest.mark.slow),
        pytest.param("text", (*INSTALL, "--editable", "."), id="editable", marks=pytest.mark.slow),
    ],
)
def test_a_checkout_without_the_link_is_not_built(
    repository: Path, tmp_path: Path, command: tuple[str, ...], left: str
) -> None:
    if importlib.util.find_spec(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    copy = tmp_path / "clone"
    without = shutil.ignore_patterns("dist", "build", "*.egg-info")
    shutil.copytree(repository, copy, symlinks=True, ignore=without)
    link = copy / "gpuemb" / "kernels"
    link.unlink()
    if left == "text":
        link.write_text("../kernels")  # what git writes where it may not make links
    elif left == "dangling":
        link.symlink_to("../nowhere")
    done = python(copy, *command)
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "gpuemb/kernels is no folder with the kernels" in said
    assert "core.symlinks true" in said
    assert not (copy / "never").exists()
