from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from strategies import Table, tables
from tolerances import assert_same_bits

from gpuemb.core.arrays import Float32
from gpuemb.core.device import CPU, Device
from gpuemb.kernels.format_vectors import cpu as cpu_kernel
from gpuemb.kernels.format_vectors import format_vectors
from gpuemb.kernels.parse_vectors import parse_vectors

KERNEL = format_vectors
LARGEST = (255 << 23) - 1  # pattern of the largest finite float32


def write(device: Device, rows: Float32, words: list[str] | None = None) -> bytes:
    names = ["w"] * len(rows) if words is None else words
    joined = np.frombuffer("".join(f"{name}\n" for name in names).encode(), np.uint8)
    found = format_vectors.on(device)(rows, joined).tobytes()
    assert found == format_vectors.reference(rows, joined).tobytes()
    return found


def of_patterns(patterns: NDArray[np.uint32]) -> Float32:
    return np.ascontiguousarray(patterns, np.uint32).view(np.float32)


def numbers(device: Device, values: Float32) -> list[str]:
    return [line.split(" ")[1] for line in write(device, values.reshape(-1, 1)).decode().splitlines()]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (0.418, "0.418"),
        (-0.044457, "-0.044457"),
        (0.00066023, "0.00066023"),
        (1e-4, "1e-04"),  # the nearest float32 lies below 0.0001
        (0.00010000001, "0.00010000001"),
        (9.9999e-5, "9.9999e-05"),
        (1e-5, "1e-05"),
        (1.25e-20, "1.25e-20"),
        (10.0, "10.0"),
        (12.5, "12.5"),
        (123456.79, "123456.79"),
        (16777216.0, "16777216.0"),
        (33554432.0, "33554432.0"),
        (1e15, "1000000000000000.0"),
        (9.999999e15, "9999999000000000.0"),
        (1e16, "1e+16"),
        (3.4028235e38, "3.4028235e+38"),
        (1e-45, "1e-45"),
        (1.1754944e-38, "1.1754944e-38"),
    ],
)
def test_numbers_are_written_as_people_write_them(device: Device, value: float, text: str) -> None:
    assert numbers(device, np.array([value], np.float32)) == [text]


@given(table=tables(dtypes=("float32",), max_dim=9))
def test_awkward_tables_are_written_as_the_reference_writes_them(device: Device, table: Table) -> None:
    write(device, table.rows)


@given(st.lists(st.integers(0, LARGEST), min_size=1, max_size=50), st.booleans())
def test_any_float32_has_numpys_digits(device: Device, patterns: list[int], minus: bool) -> None:
    values = of_patterns(np.array(patterns, np.uint32))
    write(device, (-values if minus else values).reshape(-1, 1))


def test_every_exponent_at_its_ends_and_powers_of_two_and_ten(device: Device) -> None:
    exponents = np.arange(255, dtype=np.uint32) << np.uint32(23)
    ends = [of_patterns(exponents + np.uint32(part)) for part in (0, 1, 2, (1 << 23) - 2, (1 << 23) - 1)]
    tens = np.array([float(f"1e{e}") for e in range(-45, 39)], np.float32)
    near = [np.nextafter(tens, np.float32(end)) for end in (0, np.inf)]
    values = np.concatenate([*ends, tens, *near])
    assert_same_bits(np.array(numbers(device, values), np.float32), values)


def test_the_number_that_numpy_itself_does_not_read_back(device: Device) -> None:
    """Of all float32 without sign it is the only one: 0x15AE43FD, found by writing and reading each."""
    value = of_patterns(np.array([0x15AE43FD], np.uint32))
    assert np.float32(str(value[0])) != value[0]
    assert numbers(device, np.concatenate([value, -value])) == ["7.0385307e-26", "-7.0385307e-26"]
    assert np.float32("7.0385307e-26") == value[0]


def test_what_is_written_reads_back_to_the_same_bits(device: Device) -> None:
    patterns = np.random.default_rng(5).integers(0, LARGEST, 200_000, dtype=np.uint32)
    values = of_patterns(patterns).reshape(-1, 10)
    joined = np.frombuffer(b"w\n" * len(values), np.uint8)
    text = format_vectors.on(device)(values, joined)
    assert_same_bits(parse_vectors.on(CPU)(text, 10).vectors, values)


def test_no_shorter_decimal_reads_back(device: Device) -> None:
    values = of_patterns(np.random.default_rng(6).integers(0, LARGEST, 300, dtype=np.uint32))
    for value, text in zip(values, numbers(device, values), strict=True):
        digits = len(text.lower().partition("e")[0].replace(".", "").strip("0"))
        if digits > 1:
            assert np.float32(f"{value:.{digits - 2}e}") != value


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n")), min_size=1, max_size=20))
def test_words_stand_before_their_rows_as_they_are(device: Device, words: list[str]) -> None:
    rows = np.arange(2 * len(words), dtype=np.float32).reshape(-1, 2)
    lines = write(device, rows, words).decode().split("\n")[:-1]
    assert lines == [f"{word} {a}.0 {b}.0" for word, (a, b) in zip(words, rows.astype(int), strict=True)]


def test_no_rows_are_no_text(device: Device) -> None:
    assert write(device, np.zeros((0, 3), np.float32)) == b""


def test_the_longest_numbers_fit(device: Device) -> None:
    rows = np.full((50, 30), -9.999999e15, np.float32)
    assert len(write(device, rows)) <= cpu_kernel.LONGEST * rows.size + 2 * len(rows)


def test_the_tables_are_their_definition() -> None:
    powers, shifts, exponents = cpu_kernel.scales()
    for biased in range(255):
        interval = Fraction(2) ** (max(biased, 1) - 150)
        for place, length in ((biased, interval), (biased + cpu_kernel.IRREGULAR, interval * 3 / 4)):
            k = int(exponents[place])
            assert Fraction(10) ** k <= length < Fraction(10) ** (k + 1)
            assert 1 << 63 <= int(powers[place]) < 1 << 64
            scaled = Fraction(int(powers[place]), 1 << 64) * (1 << int(shifts[place])) / interval
            assert 0 <= scaled - Fraction(10) ** -k <= Fraction(10) ** -k * Fraction(1, 1 << 63)
