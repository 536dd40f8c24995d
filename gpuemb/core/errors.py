"""Errors and warnings of gpuemb: what was given, what is needed, what to do."""

from __future__ import annotations

from typing import Any

LONGEST_PART = 2_000  # characters of each of the three: a damaged file may hold a word of a megabyte


class GpuembError(Exception):
    """Base class of all errors; a message has three parts.

    Of a part beyond 2,000 characters the middle is left out.

    Args:
        given: what was given, after the name of the function (``"procrustes: X has 300 dimensions …"``).
        needed: what is needed instead.
        remedy: what to do about it.

    Example:
        >>> try:
        ...     ge.rsa(x, y[:10])
        ... except ge.GpuembError as error:
        ...     print(error.needed)
        Row i must be the same word in both tables.
    """

    def __init__(self, given: str, *, needed: str, remedy: str) -> None:
        self.given, self.needed, self.remedy = map(_shortened, (given, needed, remedy))
        super().__init__(f"{self.given}\n  {self.needed}\n  {self.remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.given, self.needed, self.remedy)


def _shortened(part: str) -> str:
    kept = (LONGEST_PART - 3) // 2
    return part if len(part) <= LONGEST_PART else f"{part[:kept]} … {part[-kept:]}"


def _rebuild(kind: type[GpuembError], given: str, needed: str, remedy: str) -> GpuembError:
    return kind(given, needed=needed, remedy=remedy)


class ShapeError(GpuembError, ValueError):
    """An array has the wrong number of axes, or axes of the wrong length.

    Example:
        >>> ge.rsa(x, y[:10])
        Traceback (most recent call last):
        gpuemb.core.errors.ShapeError: rsa: X has 50 rows but Y has 10
        ...
    """


class DTypeError(GpuembError, TypeError):
    """An array has a dtype that the operation does not support.

    Example:
        >>> ge.rsa(x.astype(str), y)
        Traceback (most recent call last):
        gpuemb.core.errors.DTypeError: rsa: expected numbers, but got ndarray holding ...
    """


class NonFiniteError(GpuembError, ValueError):
    """An array holds NaN or infinity.

    Example:
        >>> ge.Embedding(np.array([[1.0, np.nan]]), ["cat"])
        Traceback (most recent call last):
        gpuemb.core.errors.NonFiniteError: embedding: vectors holds NaN or infinity; row 0, ...
    """


class DeviceError(GpuembError, RuntimeError):
    """A device is absent, or the operation has no implementation for it.

    Example:
        >>> ge.nearest_neighbors(x, 3, device="cuda:99")
        Traceback (most recent call last):
        gpuemb.core.errors.DeviceError: ...
    """


class ClusterError(GpuembError, RuntimeError):
    """Workers of a study, or the scheduler between them, are lost, or cannot take part.

    Example:
        >>> issubclass(ge.ClusterError, ge.GpuembError) and issubclass(ge.ClusterError, RuntimeError)
        True
    """


class CompileError(GpuembError, RuntimeError):
    """A kernel's CUDA source does not compile.

    Example:
        >>> issubclass(ge.CompileError, ge.GpuembError) and issubclass(ge.CompileError, RuntimeError)
        True
    """


class MemoryBudgetError(GpuembError, MemoryError):
    """The planned memory exceeds the budget; nothing was allocated.

    Example:
        >>> many = np.ones((3000, 2))
        >>> ge.cosine_matrix(many)
        Traceback (most recent call last):
        gpuemb.core.errors.MemoryBudgetError: cosine_matrix: 3000 × 3000 cosines are 72.0 MB
        ...
    """


class VocabularyError(GpuembError, ValueError):
    """A word is missing, or the vocabulary is empty or too small.

    Example:
        >>> ge.Embedding(x, words)["w99"]
        Traceback (most recent call last):
        gpuemb.core.errors.VocabularyError: embedding: the word 'w99' is not among its 50 words
        ...
    """


class ConfigError(GpuembError, ValueError):
    """An option is unknown, contradicts another, or has an impossible value.

    Example:
        >>> ge.GloVe(dim=0)
        Traceback (most recent call last):
        gpuemb.core.errors.ConfigError: GloVe: dim = 0
        ...
    """


class FileFormatError(GpuembError, ValueError):
    """A file does not hold what its reader expects; path and position are named.

    Example:
        >>> ge.load("pets.txt")
        Traceback (most recent call last):
        gpuemb.core.errors.FileFormatError: load: pets.txt...
    """


class StorageError(GpuembError, OSError):
    """A file or folder cannot be read or written.

    Example:
        >>> ge.load("missing.npy")
        Traceback (most recent call last):
        gpuemb.core.errors.StorageError: load: missing.npy cannot be read: No such file or directory
        ...
    """

    def __str__(self) -> str:
        return f"{self.given}\n  {self.needed}\n  {self.remedy}"


class DroppedWarning(UserWarning):
    """Rows of a file were left out: repeated words, or unreadable rows.

    Example:
        >>> import warnings
        >>> np.savez("twice.npz", words=["cat", "dog", "cat"], vectors=np.eye(3))
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore", ge.DroppedWarning)
        ...     table = ge.load("twice.npz")
        >>> len(table), table.duplicates
        (2, 1)
    """


class CorpusWarning(UserWarning):
    r"""A text is read, but its words may not be what they should be.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as noted:
        ...     warnings.simplefilter("always", ge.CorpusWarning)
        ...     tokens = ge.read_corpus(["caf\u00e9 one", "cafe\u0301 two"], tokenizer="whitespace")
        >>> [str(one.message)[:45] for one in noted]
        ['corpus: words spelled in two ways that look t']
    """


class SpellingWarning(UserWarning):
    """Words are left out because another table, or the caller, spells them in another Unicode form.

    Example:
        >>> import warnings
        >>> composed, decomposed = ge.Embedding(x[:2], ["\u00e9", "w"]), ge.Embedding(x[:2], ["e\u0301", "w"])
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore", ge.SpellingWarning)
        ...     both = ge.stack([composed, decomposed])
        >>> both.index_to_key
        ['w']
    """


class TrainingWarning(UserWarning):
    """Training goes on, but not as may be expected: a checkpoint is damaged, or a start lacks words.

    Example:
        >>> import warnings
        >>> start = ge.Embedding(np.ones((2, 2), np.float32), ["cat", "unicorn"])
        >>> with warnings.catch_warnings(record=True) as noted:
        ...     warnings.simplefilter("always", ge.TrainingWarning)
        ...     runs = ge.train(ge.read_corpus("pets.txt"), ge.GloVe(dim=2, epochs=1), seeds=1, start=start)
        >>> print(noted[0].message)
        train: of the start's 2 words 1 is not in the corpus: unicorn; 9 words of the corpus are new: the, ...
    """


class ShortDocumentsWarning(CorpusWarning):
    """Lines are documents, and most are so short that few words stand near each other.

    Example:
        >>> import warnings
        >>> np.savetxt("short.txt", ["two words"] * 2000, fmt="%s")
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore", ge.ShortDocumentsWarning)
        ...     tokens = ge.read_corpus("short.txt")
        >>> tokens.documents
        2000
    """
