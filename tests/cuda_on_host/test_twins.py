"""What the emulator puts in the place of a GPU's hardware is all that needs it."""

from __future__ import annotations

import re
from pathlib import Path

from cuda_on_host.compiler import HOST

from gpuemb import kernels

KERNELS = Path(str(kernels.__file__)).parent
HARDWARE = KERNELS / "include" / "hardware.cuh"
ON_HOST = HOST / "hardware.cuh"
LINES = re.MULTILINE


def texts() -> list[Path]:
    return sorted([*KERNELS.glob("**/*.cu"), *KERNELS.glob("**/*.cuh")])


def functions(path: Path) -> set[str]:
    """Functions outside any namespace."""
    text = re.sub(
        r"^namespace (\w+) .*?^}  // namespace \1", "", path.read_text("utf-8"), flags=LINES | re.DOTALL
    )
    return set(re.findall(r"^(?:template|__device__|inline)\b.*?(\w+)\(", text, LINES))


def test_assembly_stands_in_one_file() -> None:
    assert HARDWARE in texts()
    assert [path for path in texts() if re.search(r"\basm\b", path.read_text("utf-8"))] == [HARDWARE]


def test_each_piece_of_hardware_has_its_twin_on_the_host() -> None:
    assert {"dynamic_shared", "mma_m16n8k16_f16"} <= functions(HARDWARE)
    assert functions(HARDWARE) == functions(ON_HOST)


def test_each_instruction_has_a_function_of_its_own() -> None:
    text = HARDWARE.read_text("utf-8")
    assert len(re.findall(r"\basm\b", text)) == len(functions(HARDWARE)) - 1  # dynamic_shared needs none


def test_no_text_includes_the_compiler_s_or_the_system_s_headers() -> None:
    known = {path.name for path in texts()}
    for path in texts():
        assert set(re.findall(r"#include [<\"]([^>\"]+)", path.read_text("utf-8"))) <= known, path
