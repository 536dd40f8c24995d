from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tolerances import assert_same_bits

from gpuemb.core.device import CPU, Device
from gpuemb.kernels.parse_vectors import (
    BLANK,
    GOOD,
    NONFINITE,
    RAGGED,
    ParsedLines,
    ends_in_a_number,
    number_of,
    parse_line,
    parse_vectors,
)
from gpuemb.kernels.parse_vectors import cpu as cpu_kernel

KERNEL = parse_vectors
FIELDS = ("vectors", "words", "hashes", "starts", "status")
PAST_THE_FAST_PATH = b"filler " + b"0.5 " * 40 + b"\n"  # so that the lines before it are not the text's last

ADVERSARIAL = [
    *("0", "-0", "+0", "-0.0", "0.0", "00", "000.000", "0e5", "0e-400", "0e999999999999999999999"),
    *("1", "+1", "-1", ".5", "5.", "-.5", "+5.", "1e5", "1E5", "1e+5", "1e-5", "12.5", "123456789.25"),
    *("0.1", "0.12345678", "0.123456789", "0.1234567812345678", "0.12345678123456789", "9.87654321e-5"),
    *("1e38", "3.4028234e38", "3.4028235e38", "3.4028234663852886e38"),
    *("340282346638528859811704183484516925440", "-340282346638528859811704183484516925440"),
    *("3.4028235677973365e38", "3.4028235677973366e38", "3.4028235677973367e38", "3.402823567797336616e38"),
    *("1e39", "-1e39", "1e400", "-1e400", "1e-400", "1e999999999999", "1e-999999999999"),
    *("1e-45", "1.4e-45", "7e-46", "7.006492321624085e-46", "7.006492321624086e-46", "7.1e-46", "1e-46"),
    *("1.1754943e-38", "1.1754942e-38", "1.17549435e-38", "5e-324", "2.2250738585072014e-308"),
    # In the middle of two float32, and next to it.
    *("1.000000059604644775390625", "1.00000005960464477539062500000000000001", "1.0000000596046447"),
    *("1.00000005960464477539062499999999999999", "1.00000017881393432617187500", "16777217", "16777219"),
    *("16777217.0000000001", "16777217.00000000000000000000000000001", "33554434.0", "33554435"),
    *("0.50000003",),
    *("8388608.5", "8388609.5", "8388608.500000001", "4503599627370497.5", "9007199254740993"),
    *("9007199254740992999999999", "12345678901234567890123456789", "0." + "0" * 40 + "1", "1" + "0" * 30),
    *("0." + "3" * 700, "1" * 39, "1" * 400, "0" * 400 + "1", "0." + "0" * 400 + "1e401"),
    *("99999999", "0.99999999", "9.99999999", "0.999999999", "9.9999999999999999", "0.00000000"),
    *("0.000000000",),
    *("inf", "-inf", "+inf", "Infinity", "INFINITY", "nan", "NaN", "-nan", "+nan"),
]  # fmt: skip
NO_NUMBERS = [
    *("1e", "1e+", "1e-", "e5", "--1", "+-1", "-+1", "-", "+", ".", "-.", ".e5", "1.2.3", "1..2", "0x1p3"),
    *("0x10", "1_000", "1d5", "1f", "1e5.0", "1e5e5", "infi", "infinit", "infinityx", "nan(1)", "nano"),
    *("1e 5", "１", "1\x0b", "1\x01", "1\rx", "1\x00", "abc", "1a", "a1", "−1", "1-", "1e--5"),
]  # fmt: skip


def parse(device: Device, text: bytes, dim: int) -> ParsedLines:
    return parse_vectors.on(device)(np.frombuffer(text, np.uint8), dim)


def assert_same_lines(found: ParsedLines, expected: ParsedLines) -> None:
    for field in FIELDS:
        assert_same_bits(getattr(found, field), getattr(expected, field))


def check(device: Device, text: bytes, dim: int) -> ParsedLines:
    """Parse, and compare with the reference, on the fast path and at the text's end."""
    whole = text if text.endswith(b"\n") else text + b"\n"
    for lines in (text, whole + PAST_THE_FAST_PATH):
        expected = parse_vectors.reference(np.frombuffer(lines, np.uint8), dim)
        assert_same_lines(parse(device, lines, dim), expected)
    return parse(device, text, dim)


def numpys(token: str) -> np.float32:
    with np.errstate(over="ignore"):
        return np.loadtxt([token], dtype=np.float32, comments=None)[()]


def test_a_number_is_what_numpy_reads(device: Device) -> None:
    for token in ADVERSARIAL:
        assert_read_as_numpy_reads_it(device, token)


def assert_read_as_numpy_reads_it(device: Device, token: str) -> None:
    with np.errstate(over="ignore"):
        expected = np.float32(token)
    assert_same_bits(np.array(numpys(token)), np.array(expected))  # NumPy's own readers agree
    for line in (f"w {token} 1", f"w 1 {token}", f"w {token}\t{token} ", f" {token} 0.5\r"):
        found = check(device, line.encode(), 2)
        if np.isfinite(expected):
            wanted = [expected if part == token else np.float32(part) for part in line.split()[-2:]]
            assert_same_bits(found.vectors[0], np.array(wanted, np.float32))
        else:
            assert found.status.tolist() == [NONFINITE], token


@pytest.mark.parametrize("token", [token for token in NO_NUMBERS if " " not in token])
def test_what_numpy_does_not_read_is_no_number(device: Device, token: str) -> None:
    assert number_of(token.encode()) is None
    for line in (f"w {token} 1", f"w 1 {token}", f"w 1 2 {token}"):
        assert check(device, line.encode("utf-8"), 2).status.tolist() == [RAGGED]


@pytest.mark.parametrize("token", [token for token in NO_NUMBERS if token == token.strip()])
def test_numpy_agrees_that_these_are_no_numbers(token: str) -> None:
    with pytest.raises(ValueError):
        np.loadtxt([token], dtype=np.float32, comments=None, delimiter=",")


@given(number=st.floats(allow_nan=False, allow_infinity=False, width=64), digits=st.integers(1, 40))
def test_float64_numbers_in_any_notation_are_read_as_numpy_reads_them(
    device: Device, number: float, digits: int
) -> None:
    tokens = [repr(number), f"{number:.{digits}e}", f"{number:.{digits}g}", f"{number % 1e6:.{digits}f}"]
    for token in tokens:
        check(device, f"w {token}".encode(), 1)


@given(pattern=st.integers(0, (255 << 23) - 2), digits=st.integers(7, 60), up=st.integers(-1, 1))
def test_numbers_around_the_middle_of_two_float32(device: Device, pattern: int, digits: int, up: int) -> None:
    low, high = np.array([pattern, pattern + 1], np.uint32).view(np.float32).astype(np.float64)
    middle = np.nextafter((low + high) / 2, [-np.inf, (low + high) / 2, np.inf][up + 1])
    for token in (f"{middle:.{digits}e}", repr(float(middle))):
        found = check(device, f"w {token}".encode(), 1)
        if np.isfinite(np.float32(float(token))):
            assert_same_bits(found.vectors[0, 0], np.float32(token))


@given(
    whole=st.integers(0, 10**25), fraction=st.text("0123456789", max_size=30), exponent=st.integers(-60, 45)
)
def test_any_digits_with_any_exponent(device: Device, whole: int, fraction: str, exponent: int) -> None:
    check(device, f"w {whole}.{fraction}e{exponent} -{whole}.{fraction} {exponent}".encode(), 3)


@given(
    st.lists(st.sampled_from(["a", " ", "\t", "0.5", "-1", "2e1", "nan", "\r", "\n", "1.", "x1", "é", "7"]))
)
def test_any_mixture_of_lines_is_the_reference_s(device: Device, parts: list[str]) -> None:
    for dim in (1, 2, 3):
        check(device, "".join(parts).encode(), dim)


@given(st.binary(max_size=200), st.integers(1, 4))
def test_any_bytes_are_the_reference_s(device: Device, text: bytes, dim: int) -> None:
    check(device, text, dim)


@pytest.mark.parametrize(
    ("line", "word", "row"),
    [
        (b"the 1 2", b"the", [1, 2]),
        (b"7 1 2", b"7", [1, 2]),
        (b"nan 1 2", b"nan", [1, 2]),
        (b" 1 2", b"", [1, 2]),
        (b'" 1 2', b'"', [1, 2]),
        (b". . . 1 2", b". . .", [1, 2]),
        (b"a  1 2", b"a ", [1, 2]),
        (b"a\t1\t2", b"a", [1, 2]),
        (b"a 1  \t2", b"a", [1, 2]),
        (b"a 1 2 \t ", b"a", [1, 2]),
        (b"a 1 2\r", b"a", [1, 2]),
        (b"a 1 2 \r", b"a", [1, 2]),
        (b"7 x 1 2", b"7 x", [1, 2]),
        (b"a\rb 1 2", b"a\rb", [1, 2]),
    ],
)
def test_what_a_word_may_be(device: Device, line: bytes, word: bytes, row: list[float]) -> None:
    found = check(device, line, 2)
    assert (found.words.tobytes(), found.vectors.tolist()) == (word + b"\n", [row])
    assert found.status.tolist() == [GOOD]


@pytest.mark.parametrize(
    "line",
    [b"a", b"a 1", b"1 2", b"a 1 2 3", b"a 1 x", b"a x 1", b"a 1 2\r ", b"a 1 2\r\r", b"5  1 2", b"a,1,2"],
)
def test_what_is_ragged(device: Device, line: bytes) -> None:
    assert check(device, line, 2).status.tolist() == [RAGGED]


@pytest.mark.parametrize("ends", [b"\r", b" \r", b"\r\r", b"\t\r"])
@pytest.mark.parametrize("rows", [2, 3])
def test_lines_that_end_in_a_carriage_return_alone_are_not_one_row(
    device: Device, ends: bytes, rows: int
) -> None:
    text = ends.join(b"w%d 1 2" % row for row in range(rows))
    assert check(device, text, 2).status.tolist() == [RAGGED]
    assert check(device, b"a 1 2\n" + text + ends + b"\nb 3 4", 2).status.tolist() == [GOOD, RAGGED, GOOD]


@pytest.mark.parametrize("line", [b"\n", b" \n", b"\t \r\n", b"\r\n"])
def test_what_is_blank(device: Device, line: bytes) -> None:
    assert check(device, line, 2).status.tolist() == [BLANK]


@pytest.mark.parametrize("text", [b"", b"\n", b"a 1", b"a 1\n", b"a 1\n\n"])
def test_lines_are_counted_with_and_without_the_last_end(device: Device, text: bytes) -> None:
    lines = text.split(b"\n")
    assert len(parse(device, text, 1).starts) == len(lines) - (not lines[-1])


def test_rows_follow_the_good_lines(device: Device) -> None:
    found = check(device, b"a 1\nx\n\nb nan\nc 3\nd 1e39\ne 5", 1)
    assert found.status.tolist() == [GOOD, RAGGED, BLANK, NONFINITE, GOOD, NONFINITE, GOOD]
    assert found.vectors[:, 0].tolist() == [1, 3, 5]
    assert found.words.tobytes() == b"a\nc\ne\n"
    assert found.starts.tolist() == [0, 4, 6, 7, 13, 17, 24]


def test_a_line_that_only_the_reference_can_decide_may_turn_out_infinite(device: Device) -> None:
    middle, below = b"3.4028235677973366e38", b"3.4028235677973358e38"  # of the largest float32 and 2^128
    found = check(device, b"a 1\nb " + middle + b"\nc " + below + b"\nd 1e39\ne 2\n", 1)
    assert found.status.tolist() == [GOOD, NONFINITE, GOOD, NONFINITE, GOOD]
    assert found.words.tobytes() == b"a\nc\ne\n"
    assert found.vectors[:, 0].tolist() == [1, float(np.finfo(np.float32).max), 2]


def test_hard_numbers_take_the_exact_road(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(cpu_kernel, "parse_line", lambda *a: asked.append(a) or parse_line(*a))
    text = b"a 0.1\nb 1.00000005960464477539062500000000000001\nc 0.12345678901234567\n"
    parse(CPU, text, 1)
    assert [line for line, _ in asked] == [text.split(b"\n")[1]]


def test_equal_words_have_equal_hashes_and_unequal_ones_do_not(device: Device) -> None:
    found = parse(device, b"".join(b"w%d 1\n" % (n % 500) for n in range(1000)), 1)
    assert len(set(found.hashes.tolist())) == 500
    assert_same_bits(found.hashes[:500], found.hashes[500:])


def test_words_that_look_like_one_more_number() -> None:
    alike = (b"a 5", b"a\t5 ", b"5 ", b" nan", b"x y -1e5", b"a 5\rb", b"x\ry 5 \rz")
    unlike = (b"5", b" ", b"", b"a b", b"5 a", b"nan", b"a 1_0", b"5\rb", b"a\r5")
    assert all(map(ends_in_a_number, alike))
    assert not any(map(ends_in_a_number, unlike))
