"""What a table's neighbors need, kept beside its file: one word is answered without reading the table again.

Plan      Lengths of all rows, the words as one text and, where the file cannot be mapped, the vectors. One
          product of all rows with the query in float32 says which rows may be among the nearest: those within
          its error's bound of the k-th. They are scored by definition, so the answer is that of
          ``nearest_neighbors``, bit for bit.
Bound     With lengths from 2⁻⁴⁰ to 2⁴⁰, a float32 product in any order errs by at most d·2⁻²⁴ of the lengths,
          rounding the query by 2⁻²⁴: ε = (d + 8)·2⁻²⁴.
Memory    V·(8 + bytes of a word), and V·(a score and a length) while it is asked; the rows are mapped.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.arrays import Float64, FloatMatrix
from gpuemb.core.files import discard
from gpuemb.core.files.checked import damage_of, open_array, replacing_checked_folder
from gpuemb.core.memory import MemoryPlan, buffer, rows_per_tile, tiles
from gpuemb.kernels.cosine_topk import cosine_topk

if TYPE_CHECKING:
    from gpuemb.embeddings.model import Embedding

WORD_LISTS = ("*.words.txt", "words.txt", "../words.txt")  # beside a table, whose name is ``*``
FOLDER = ".gpuemb-index"  # beside the tables, one folder in it for each
FACTS, WORDS, LENGTHS, VECTORS = "facts.json", "words.txt", "lengths", "vectors"
FORM = 1  # raised when the files of an index change
ENDS = 1 << 16  # bytes of a table, at its begin and end, that are compared with those it had
MOST_WORDS, MOST_NEIGHBORS = 16, 300  # of one call: for more, a table is packed
SHORTEST, LONGEST = 2.0**-40, 2.0**40

Near = list[tuple[str, float]]


@dataclass(frozen=True)
class KeptIndex:
    """The index of one table, as the table is now.

    Attributes:
        table: its file.
        state: of the table and of the lists of words that may be its own.
    """

    table: Path
    state: dict[str, Any]

    @classmethod
    def of(cls, table: str) -> KeptIndex | None:
        """The index of a table as typed; None where that is no file, or the index is not one's own."""
        path = Path(os.path.abspath(table))
        if "\0" in table or not path.is_file():
            return None
        names = [path.name, *(name.replace("*", path.stem) for name in WORD_LISTS)]
        with suppress(OSError):
            files = {name: _state(path.parent / name) for name in names}
            found = cls(path, {"form": FORM, "files": files, "ends": _ends(path)})
            return found if all(_is_own(place) for place in (found.folder.parent, found.folder)) else None
        return None

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return self.table.parent / FOLDER / self.table.name

    def fault(self) -> str:
        """Why what is kept is of no use; empty where it is, or nothing is kept."""
        if not os.path.lexists(self.folder):
            return ""
        damage = damage_of(self.folder)
        if damage:
            return f"is damaged: {damage}"
        return "" if self._facts()["state"] == self.state else "is of an earlier state of the table"

    def _facts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / FACTS).read_text("utf-8"))
        return found

    def nearest(self, words: Sequence[str], k: int) -> tuple[str, list[Near]] | None:
        """Describe the table and find the ``k`` nearest of each word, where :meth:`fault` finds none.

        Returns:
            None where nothing is kept, or the whole table must be asked: many words or neighbors, or a word
            that it has not.

        Raises:
            StorageError, FileFormatError: it was lost meanwhile.
        """
        few = 1 <= len(words) <= MOST_WORDS and 1 <= k <= MOST_NEIGHBORS
        if not few or not os.path.isdir(self.folder):
            return None
        lengths = np.asarray(open_array(self.folder / f"{LENGTHS}.npy"))
        text = (self.folder / WORDS).read_bytes()
        rows = [row for word in words if (row := _row(text, word)) is not None]
        if len(rows) < len(words) or k >= len(lengths):
            return None
        facts, names = self._facts(), _Names(text)
        lists = _nearest(self._vectors(facts), lengths, rows, k)
        return facts["described"], [[(names[i], score) for i, score in one] for one in lists]

    def _vectors(self, facts: dict[str, Any]) -> FloatMatrix:
        mapped = facts["mapped"]
        if mapped is None:
            return open_array(self.folder / f"{VECTORS}.npy")
        return np.memmap(self.table, mapped["dtype"], "r", mapped["begin"], tuple(mapped["shape"]))

    def keep(self, embedding: Embedding, described: str, parts: Sequence[Path]) -> bool:
        """Write what a table's neighbors need; return whether that is possible and allowed here.

        Args:
            embedding: the whole table, checked.
            described: what is said of it.
            parts: every file that it was read from.

        Raises:
            StorageError: the disk is full.
        """
        vectors, words = embedding.vectors, _text(embedding.index_to_key)
        known = {os.path.abspath(self.table.parent / name) for name in self.state["files"]}
        own = all(os.path.abspath(part) in known for part in parts)
        plain = isinstance(vectors, np.ndarray) and vectors.dtype in (np.float32, np.float64)
        if words is None or not own or not plain or not os.access(self.table.parent, os.W_OK | os.X_OK):
            return False
        lengths = lengths_of(vectors)
        if lengths is None:
            return False
        mapped = self._mapped(vectors)
        if os.path.lexists(self.folder):
            discard(self.folder)
        with replacing_checked_folder(self.folder) as files:
            files.array(LENGTHS, lengths)
            files.text(WORDS, words)
            if mapped is None:
                files.array(VECTORS, np.asarray(vectors))
            files.text(FACTS, json.dumps({"state": self.state, "described": described, "mapped": mapped}))
        return True

    def _mapped(self, vectors: FloatMatrix) -> dict[str, Any] | None:
        """Where the rows are in the table's file; None where they are not."""
        if not isinstance(vectors, np.memmap) or not vectors.flags.c_contiguous or vectors.filename is None:
            return None
        if not os.path.samefile(vectors.filename, self.table):
            return None
        return {"dtype": vectors.dtype.str, "begin": vectors.offset, "shape": list(vectors.shape)}


def lengths_of(vectors: FloatMatrix) -> Float64 | None:
    """``(V,)`` lengths of rows; None where one is so short or long that the filter's bound does not hold."""
    lengths = np.empty(len(vectors))
    for start, stop in tiles(len(vectors), rows_per_tile(8 * vectors.shape[1])):
        some = np.asarray(vectors[start:stop], np.float64)
        lengths[start:stop] = np.sqrt(np.einsum("vd,vd->v", some, some))
        zero = lengths[start:stop] == 0
        if some[zero].any():
            return None
    long = lengths[lengths > 0]
    return None if len(long) and not SHORTEST <= long.min() <= long.max() <= LONGEST else lengths


def _nearest(
    table: FloatMatrix, lengths: Float64, rows: Sequence[int], k: int
) -> list[list[tuple[int, float]]]:
    """Rows and scores of the nearest of each row, as ``cosine_topk`` finds them."""
    scores_bytes = buffer((len(table), len(rows)), table.dtype) + 4 * buffer(lengths.shape, np.float64)
    MemoryPlan("neighbors", {"scores": scores_bytes}).require()
    asked = np.asarray(table[rows])
    scale = np.where(lengths > 0, lengths, np.inf)
    unit = (asked / scale[rows][:, None]).astype(table.dtype)
    found: list[list[tuple[int, float]]] = []
    for row, query, products in zip(rows, asked, (np.asarray(table) @ unit.T).T, strict=True):
        if lengths[row] == 0:
            found.append([])
            continue
        scores = np.where(lengths > 0, products / scale, -np.inf)
        scores[row] = -np.inf
        threshold = np.partition(scores, -k)[-k] - 2 * (table.shape[1] + 8) * 2.0**-24
        near = np.flatnonzero((scores >= threshold) & (scores > -np.inf))
        best = cosine_topk.reference(np.asarray(table[near]), k, query[None])
        pairs = zip(
            best.ids[0], best.scores[0].clip(-1.0, 1.0), strict=True
        )  # as nearest_neighbors shows them
        found.append([(int(near[i]), float(score)) for i, score in pairs if i >= 0])
    return found


def _text(words: Sequence[str]) -> str | None:
    """All words, each between line ends; None where a word has one, or is no text."""
    text = "\n".join(["", *words, ""])
    if text.count("\n") != len(words) + 1:
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return None
    return text


def _row(text: bytes, word: str) -> int | None:
    with suppress(UnicodeEncodeError):
        at = -1 if "\n" in word else text.find(b"\n%b\n" % word.encode())
        return None if at < 0 else text.count(b"\n", 0, at)
    return None


class _Names:
    """Words by their rows."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))

    def __getitem__(self, row: int) -> str:
        return self._text[self._ends[row] + 1 : self._ends[row + 1]].decode()


def _is_own(folder: Path) -> bool:
    """Whether a folder is not there yet, or is this user's: others could keep other answers in it."""
    if not os.path.lexists(folder):
        return True
    state = folder.lstat()
    return stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid()


def _state(path: Path) -> list[int] | None:
    """What changes when a file is written or replaced; None where there is none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _ends(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        digest.update(file.read(ENDS))
        file.seek(max(0, path.stat().st_size - ENDS))
        digest.update(file.read(ENDS))
    return digest.hexdigest()
