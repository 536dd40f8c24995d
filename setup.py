"""Refuse to build without the kernels; everything else about the package stands in pyproject.toml."""

from pathlib import Path

from setuptools import setup

KERNELS = Path(__file__).parent / "gpuemb" / "kernels"

if not (KERNELS / "__init__.py").is_file():
    raise SystemExit(
        "gpuemb: gpuemb/kernels is no folder with the kernels\n"
        "  It is a symbolic link to ../kernels, and git on Windows, or an archive that was unpacked without\n"
        "  links, leaves a text file in its place: what is built from it would hold no kernels.\n"
        "  Run `git config core.symlinks true && git checkout -- gpuemb/kernels`, or put a copy of the\n"
        "  folder kernels in its place."
    )

setup()
