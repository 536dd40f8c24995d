"""Every kernel compiles for every architecture, within the limits of ``kernels/limits.toml``."""

from __future__ import annotations

import re
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from cuda_compile import nvrtc

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "cuda_on_host" / "samples"
LONG = {"skipgram_epoch"}  # ten seconds to compile, however few of its kernels are asked for
CASES = [
    pytest.param(
        *(source, name, one),
        marks=() if one == nvrtc.ARCHITECTURES[0] and source.stem not in LONG else pytest.mark.slow,
    )
    for source in nvrtc.sources()
    for name in nvrtc.instances(source)
    for one in nvrtc.ARCHITECTURES
]
needs_nvrtc = pytest.mark.skipif(bool(nvrtc.missing()), reason=nvrtc.missing())


def limits() -> dict[str, Any]:
    return tomllib.loads((ROOT / "kernels" / "limits.toml").read_text("utf-8"))


@pytest.mark.parametrize(("source", "name", "architecture"), CASES, ids=lambda x: getattr(x, "stem", x))
@needs_nvrtc
def test_a_kernel_takes_no_more_than_its_limits(source: Path, name: str, architecture: str) -> None:
    taken = asdict(nvrtc.resources(source, nvrtc.instances(source), architecture)[name])
    allowed = limits()[source.stem][name]
    over = {key: f"{taken[key]}, limit {allowed[key]}" for key in taken if taken[key] > allowed[key]}
    assert not over, f"{name} on {architecture}: {over}"


SOURCES = [pytest.param(s, marks=pytest.mark.slow if s.stem in LONG else ()) for s in nvrtc.sources()]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
@needs_nvrtc
def test_no_kernel_takes_small_float32_numbers_for_zero_on_the_way_to_float64_or_back(source: Path) -> None:
    """The compiler's conversions do, under CuPy's ``-ftz=true``; those of hardware.cuh do not."""
    text = nvrtc.ptx(source, nvrtc.instances(source))
    assert not re.findall(r"cvt[\w.]*\.ftz\.f(?:64\.f32|32\.f64)", text)
    assert ("cvt.f64.f32" in text) == ("widened(" in source.read_text("utf-8"))


def test_the_limits_name_every_kernel_and_no_other() -> None:
    expected = {source.stem: set(nvrtc.instances(source)) for source in nvrtc.sources()}
    assert {stem: set(names) for stem, names in limits().items() if stem != "nvrtc"} == expected


def test_the_limits_are_those_of_the_pinned_nvrtc() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert f"{nvrtc.PACKAGE}=={limits()['nvrtc']}" in [
        one.partition(";")[0] for one in extras["compile-cuda"]
    ]
    if nvrtc.installed():
        assert nvrtc.installed() == limits()["nvrtc"], nvrtc.INSTALL


@pytest.mark.parametrize("source", nvrtc.sources(), ids=lambda source: source.stem)
def test_a_text_has_the_name_of_its_folder_and_what_it_adds(source: Path) -> None:
    name = source.parent.name
    assert source.stem == name or source.stem.startswith(f"{name}_")
    assert source.with_stem(name).is_file()


@needs_nvrtc
@pytest.mark.parametrize("name", ["right", "wrong"])
def test_what_the_emulator_is_tested_with_is_cuda(name: str) -> None:
    source = SAMPLES / f"{name}.cu"
    kernels = re.findall(r"^__global__ void (\w+)\(", source.read_text("utf-8"), re.MULTILINE)
    names = [*kernels, "tree_sum<64>"] if name == "right" else kernels
    assert set(nvrtc.resources(source, names, "sm_80")) == set(names)


@needs_nvrtc
def test_the_compilers_own_conversion_flushes(tmp_path: Path) -> None:
    """Else the test above could not fail."""
    plain = tmp_path / "plain.cu"
    plain.write_text("__global__ void widen(const float* x, double* y) { y[0] = x[0]; }\n")
    assert "cvt.ftz.f64.f32" in nvrtc.ptx(plain, ["widen"])


@needs_nvrtc
def test_resources_are_read_from_the_log(tmp_path: Path) -> None:
    source = tmp_path / "heavy.cu"
    source.write_text(
        "__global__ void __launch_bounds__(1024, 2) heavy(float* x) {\n"
        "    __shared__ float kept[1000];\n"
        "    float many[60];\n"
        "#pragma unroll\n"
        "    for (int i = 0; i < 60; ++i) many[i] = x[i * 1024 + threadIdx.x];\n"
        "    kept[threadIdx.x] = many[7];\n"
        "    __syncthreads();\n"
        "#pragma unroll\n"
        "    for (int i = 0; i < 60; ++i) x[i * 1024 + threadIdx.x] = many[59 - i] * kept[i];\n"
        "}\n"
        "__global__ void light(float* x) { x[0] = 0; }\n"
    )
    found = nvrtc.resources(source, ["heavy", "light"], "sm_90")
    assert found["heavy"].registers == 32
    assert found["heavy"].spills > 0
    assert found["heavy"].shared == 4000
    assert found["light"].spills == found["light"].shared == 0
    assert found["light"].registers < 32


@needs_nvrtc
def test_text_that_does_not_compile_is_refused_with_its_line(tmp_path: Path) -> None:
    source = tmp_path / "short.cu"
    source.write_text("__global__ void broken(int* out) {\n    out[0] = nothing;\n}\n")
    with pytest.raises(nvrtc.NvrtcError, match=r'short\.cu\(2\): error: identifier "nothing" is undefined'):
        nvrtc.resources(source, ["broken"], "sm_80")
