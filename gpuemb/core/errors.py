"""Errors and warnings of gpuemb: what was given, what is needed, what to do."""

from __future__ import annotations

from typing import Any


class GpuembError(Exception):
    """Base class of all errors; a message has three parts.

    Args:
        given: what was given, after the name of the function (``"procrustes: X has 300 dimensions …"``).
        needed: what is needed instead.
        remedy: what to do about it.
    """

    def __init__(self, given: str, *, needed: str, remedy: str) -> None:
        super().__init__(f"{given}\n  {needed}\n  {remedy}")
        self.given, self.needed, self.remedy = given, needed, remedy

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.given, self.needed, self.remedy)


def _rebuild(kind: type[GpuembError], given: str, needed: str, remedy: str) -> GpuembError:
    return kind(given, needed=needed, remedy=remedy)


class ShapeError(GpuembError, ValueError):
    """An array has the wrong number of axes, or axes of the wrong length."""


class DTypeError(GpuembError, TypeError):
    """An array has a dtype that the operation does not support."""


class NonFiniteError(GpuembError, ValueError):
    """An array holds NaN or infinity."""


class DeviceError(GpuembError, RuntimeError):
    """A device is absent, or the operation has no implementation for it."""


class CompileError(GpuembError, RuntimeError):
    """A kernel's CUDA source does not compile."""


class MemoryBudgetError(GpuembError, MemoryError):
    """The planned memory exceeds the budget; nothing was allocated."""


class VocabularyError(GpuembError, ValueError):
    """A word is missing, or the vocabulary is empty or too small."""


class ConfigError(GpuembError, ValueError):
    """An option is unknown, contradicts another, or has an impossible value."""


class FileFormatError(GpuembError, ValueError):
    """A file does not hold what its reader expects; path and position are named."""


class StorageError(GpuembError, OSError):
    """A file or folder cannot be read or written."""

    def __str__(self) -> str:
        return f"{self.given}\n  {self.needed}\n  {self.remedy}"


class DroppedWarning(UserWarning):
    """Rows of a file were left out: repeated words, or unreadable rows."""


class ShortDocumentsWarning(UserWarning):
    """Lines are documents, and most are so short that few words stand near each other."""
