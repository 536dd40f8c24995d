"""A folder with checksums is read back whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from gpuemb.core.errors import FileFormatError, StorageError
from gpuemb.core.files.checked import (
    CHECKSUMS,
    damage_of,
    is_checked,
    is_copy,
    open_array,
    replacing_checked_folder,
)

ARRAYS = {
    "whole": np.arange(12).reshape(3, 4),
    "floats": np.linspace(0, 1, 7, dtype=np.float32),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "none": np.zeros((0, 5), np.int32),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    with replacing_checked_folder(path) as files:
        for name, array in ARRAYS.items():
            files.array(name, array)
        files.text("words.json", '["a", "ü"]')
    return path


def test_what_is_written_is_whole_and_comes_back(folder: Path) -> None:
    assert damage_of(folder) == ""
    assert is_checked(folder)
    for name, array in ARRAYS.items():
        found = open_array(folder / f"{name}.npy")
        np.testing.assert_array_equal(found, array)
        assert (found.dtype, found.flags.f_contiguous) == (array.dtype, array.flags.f_contiguous)
        np.save(folder.parent / "as numpy.npy", array)
        assert is_copy(folder.parent / "as numpy.npy", folder / f"{name}.npy")
        np.save(folder.parent / "as numpy.npy", array[1:])
        assert is_copy(folder.parent / "as numpy.npy", folder / f"{name}.npy") == (name == "none")
    assert (folder / "words.json").read_text("utf-8") == '["a", "ü"]'


def test_flipped_bits_of_every_file_are_found(folder: Path) -> None:
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        for bit in range(0, 8 * len(content), 19):  # every bit of the eight, in turn
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            file.write_bytes(flipped)
            if damage_of(folder) == "":  # white space became other white space
                assert file.name == CHECKSUMS, bit
                assert json.loads(flipped) == json.loads(content)
        file.write_bytes(content)
    assert damage_of(folder) == ""


@pytest.mark.parametrize("name", ["whole.npy", "words.json", CHECKSUMS])
@pytest.mark.parametrize("how", ["half", "empty", "longer", "lost", "a folder", "a pipe"])
def test_what_is_cut_lost_or_no_file_is_named(folder: Path, name: str, how: str) -> None:
    file = folder / name
    content = file.read_bytes()
    if how in ("half", "empty"):
        os.truncate(file, len(content) // 2 if how == "half" else 0)
    elif how == "longer":
        file.write_bytes(content + b"}")
    else:
        file.unlink()
        if how == "a folder":
            file.mkdir()
        elif how == "a pipe":
            os.mkfifo(file)
    assert name in damage_of(folder)


@pytest.mark.parametrize("text", ["[]", "{}", '{"whole.npy": 3}', '{"whole.npy": [1, null]}', "[" * 100_000])
def test_a_list_that_is_none_is_damage(folder: Path, text: str) -> None:
    (folder / CHECKSUMS).write_text(text)
    assert damage_of(folder) != "" or text == "{}"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EMFILE])
def test_what_may_not_be_read_is_an_error_and_no_damage(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("os.open", fail)
    with pytest.raises(StorageError, match=os.strerror(code)):
        damage_of(folder)


def test_an_array_that_cannot_be_mapped_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("numpy.load", fail)
    with pytest.raises(StorageError, match=r"whole\.npy cannot be mapped: Too many open files"):
        open_array(folder / "whole.npy")


def test_a_failing_block_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with replacing_checked_folder(tmp_path / "folder") as files:
            files.array("whole", ARRAYS["whole"])
            files.array("objects", np.array([object()]))

    with pytest.raises(ValueError, match="Object arrays"):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"text",
        b"\x93NUMPY\x01\x00",
        b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f8'\n",
        b"\x93NUMPY\x01\x00\x08\x00{'a': ((",
        b"\x93NUMPY\x01\x00\x05\x00[1,2]",
    ],
)
def test_a_file_without_an_array_is_named(header: bytes, folder: Path) -> None:
    (folder / "whole.npy").write_bytes(header)
    with pytest.raises(FileFormatError, match=r"whole\.npy holds no array"):
        open_array(folder / "whole.npy")


def test_a_shape_beyond_what_can_be_counted_is_refused(folder: Path) -> None:
    np.save(folder / "whole.npy", np.zeros(4))
    data = (folder / "whole.npy").read_bytes()
    (folder / "whole.npy").write_bytes(data.replace(b"(4,), }" + b" " * 20, b"(9000000000, 4000000000), }"))
    with pytest.raises(FileFormatError, match=r"whole\.npy holds no array"):
        open_array(folder / "whole.npy")


def test_an_array_of_objects_is_never_opened(folder: Path) -> None:
    np.save(folder / "whole.npy", np.array([None, 1]), allow_pickle=True)
    with pytest.raises(FileFormatError, match=r"whole\.npy holds no array"):
        open_array(folder / "whole.npy")
