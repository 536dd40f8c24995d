"""Finished pieces of work, kept under the digest of everything they depend on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.files import replacing_folder, to_disk

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Store:
    """A folder of results, one folder a unit of work, one ``.npy`` file an array.

    A unit appears under its name only when it is whole (it is written beside and renamed), so what
    exists is never done again and a half-written file is never read.
    """

    folder: Path

    def has(self, kind: str, digest: str) -> bool:
        """Whether the unit is finished."""
        return self.path(kind, digest).is_dir()

    def path(self, kind: str, digest: str) -> Path:
        """Folder of the unit."""
        return self.folder / f"{kind}-{digest}"

    def unit(self, kind: str, digest: str, compute: Callable[[], Arrays]) -> Arrays:
        """Return the unit's arrays, memory-mapped; compute and keep them first if they are missing.

        Raises:
            StorageError: they cannot be written; nothing half-written stays.
        """
        path = self.path(kind, digest)
        if not path.is_dir():
            arrays = compute()
            with replacing_folder(path) as partial:
                for name, array in arrays.items():
                    with open(partial / f"{name}.npy", "wb") as file:
                        np.save(file, array, allow_pickle=False)
                        to_disk(file)
        return {file.stem: _map(file) for file in sorted(path.glob("*.npy"))}


def _map(file: Path) -> NDArray[Any]:
    mapped: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    return mapped
