"""Numba's files of compiled functions, where a damaged one counts as absent."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile

DIGEST = 16  # bytes


class CompiledFiles(FunctionCache):
    """Numba's cache of one function; what cannot be written, as on a full disk, is compiled again.

    Raises:
        RuntimeError: no folder can be written, neither beside the source nor at home.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file.__class__ = _Checked

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled function."""
        with suppress(OSError):
            super().save_overload(sig, data)


class _Checked(IndexDataCacheFile):
    """Files with a digest after each pickle, which ignores what follows it.

    Numba does not wait until a file is on the disk: after a crash it may be empty or full of zeros. Other
    bytes in machine code would run, and give other numbers.
    """

    def _dump(self, obj: Any) -> bytes:
        data: bytes = super()._dump(obj)
        return data + _digest(data)

    def _load_index(self) -> Any:
        with suppress(Exception), open(self._index_path, "rb") as file:  # pickle raises anything
            pickle.load(file)  # the version of Numba
            if _is_whole(file.read()):
                return super()._load_index()
        return {}

    def _load_data(self, name: str) -> Any:
        data = Path(self._data_path(name)).read_bytes()
        return pickle.loads(data) if _is_whole(data) else None


def _is_whole(data: bytes) -> bool:
    return data[-DIGEST:] == _digest(data[:-DIGEST])


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST).digest()
