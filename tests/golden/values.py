"""The values of every public function on fixed tables.

python tests/golden/values.py write FILE.npz      every value, to the last bit
python tests/golden/values.py compare A.npz B.npz names the values whose bits differ
python tests/golden/values.py small               writes few.json, which test_values.py compares with
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import gpuemb as ge

SMALL = Path(__file__).parent / "few.json"
FEW = 25  # numbers of a result: a table of all pairs of five runs
WORDS = [f"word{i}" for i in range(300)]
DRAWN = ("rsa", "cka", "cca", "svcca", "pwcca", "pip_loss", "procrustes", "angular", "bures")
DRAWN += ("semantic_displacement", "eigenspace_overlap", "eigenspace_instability")
UNEQUAL = ("rsa", "cka", "cca", "svcca", "pwcca", "pip_loss", "angular", "bures", "eigenspace_overlap")
TABLES = {
    "raw": ("direct", "procrustes", "pip_loss", "eigenspace_overlap", "eigenspace_instability"),
    "unit": ("rsa",),
    "centered": ("cka", "cca", "svcca", "pwcca", "angular", "bures"),
}


def rotation(d: int, seed: int) -> np.ndarray:
    """Return an orthogonal ``(d, d)``."""
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]


def runs(count: int, words: int, d: int, dtype: type, noise: float = 0.4) -> list[np.ndarray]:
    """Return noisy rotated copies ``(V, d)`` of one table whose axes fall off."""
    common = np.random.default_rng(1).standard_normal((words, d)) / np.sqrt(np.arange(1, d + 1)) + 0.1
    found = []
    for s in range(count):
        moved = common + noise * np.random.default_rng(100 + s).standard_normal((words, d)) / np.sqrt(d)
        found.append((moved @ rotation(d, s)).astype(dtype))
    return found


def numbers(prefix: str, found: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yield every number in a result, under the path of its field."""
    if dataclasses.is_dataclass(found) and not isinstance(found, type):
        for field in dataclasses.fields(found):
            yield from numbers(f"{prefix}.{field.name}", getattr(found, field.name))
    elif isinstance(found, (tuple, list)) and found and not isinstance(found[0], (int, float, str)):
        for place, part in enumerate(found):
            yield from numbers(f"{prefix}[{place}]", part)
    elif isinstance(found, (int, float, np.ndarray, np.generic, tuple, list)):
        array = np.asarray(found)
        if array.dtype.kind in "fiub":
            yield prefix, array


def two_tables() -> Iterator[tuple[str, Any]]:
    """Measures of two tables, their resampling included."""
    x, y = runs(2, 300, 24, np.float64)
    narrow = runs(1, 300, 17, np.float64)[0]
    near = x @ rotation(24, 5) + 1e-9 * y
    for name in DRAWN:
        function: Callable[..., Any] = getattr(ge, name)
        yield name, function(x, y)
        yield f"{name}, permuted", function(x, y, permutations=20, seed=3)
        if name in ("rsa", "cka", "pip_loss"):
            yield f"{name}, resampled", function(x, y, bootstrap=20, seed=3)
        yield f"{name}, nearly equal", function(x, near)
    for name in UNEQUAL:
        yield f"{name}, unequal", getattr(ge, name)(x, narrow)
    yield "debiased", ge.cka(x, y, debiased=True, permutations=20, bootstrap=20)
    options: dict[str, Any]
    for options in ({"scale": True}, {"center": True}, {"rotation_only": True}, {"weights": np.arange(3e2)}):
        yield f"procrustes, {options.keys()}", ge.procrustes(x, y, **options)
    yield "procrustes, unequal", ge.procrustes(narrow, x)
    yield "rsa, spearman", ge.rsa(x, y, method="spearman")
    yield "rsa, streamed", ge.rsa(x, y, method="spearman", matrix_bytes=1)
    for method in ("pearson", "spearman", "kendall"):
        found = ge.rsa(x, y, list(range(40)), method=method, permutations=9, bootstrap=9)
        yield f"rsa, list, {method}", found
    yield "spectrum", ge.spectrum(x)
    yield "spectrum_distance", ge.spectrum_distance(x, y)
    yield "pip_per_word", ge.pip_per_word(x, y)
    yield "second_order_cosine", ge.second_order_cosine(x, y)
    yield "displacement, far", ge.semantic_displacement(x + 50, y)
    yield "cka, far", ge.cka(x + 1e6, y)
    yield "benjamini_hochberg", ge.benjamini_hochberg([0.01, 0.2, 0.03, 0.5], family="four")


def several_tables() -> Iterator[tuple[str, Any]]:
    """Measures of several tables: float64 and float32 sums, a table nearly equal to another."""
    small = runs(3, 300, 24, np.float64)
    wide = runs(4, 9000, 130, np.float32)
    wide.append((wide[0] @ rotation(130, 9) + 1e-3 * wide[1]).astype(np.float32))
    for label, tables in (("float64", small), ("float32", wide)):
        for preparation, names in TABLES.items():
            grams = ge.cross_grams(tables, preparation)
            for name in names:
                yield f"cross_grams, {label}, {name}", getattr(grams, name)()
            yield f"cross_grams, {label}, {preparation}, block", grams.block(0, 1)
        yield f"consensus, {label}", ge.consensus(tables)
    yield "spectra", ge.cross_grams(small, "centered").spectra()
    halves = [ge.cross_grams([t[a:b] for t in wide], first_row=a) for a, b in ((0, 8192), (8192, 9000))]
    yield "row blocks", (halves[0] + halves[1]).procrustes()
    yield "compare", arrow(ge.compare(ge.stack([ge.Embedding(t, WORDS) for t in small])))


def arrow(found: Any) -> list[np.ndarray]:
    """Return the numeric columns of a comparison or a study."""
    tables = (found.pairs, found.words)
    columns = [table.column(name) for table in tables for name in sorted(table.column_names)]
    arrays = [column.to_numpy(zero_copy_only=False) for column in columns]
    return [array for array in arrays if array.dtype.kind in "fiu"]


def words_and_text() -> Iterator[tuple[str, Any]]:
    """Neighbors, counts, training."""
    x, y = runs(2, 300, 24, np.float32)
    lists = [ge.nearest_neighbors(table, k=10) for table in (x, y)]
    yield "nearest_neighbors", [array for found in lists for array in (found.ids, found.scores)]
    overlap = ge.neighbor_overlap(*lists)
    fields = ("value", "chance", "stability", "per_word", "jaccard", "rank_biased", "average_overlap")
    for field in (*fields, "rank_similarity", "joint_reliability", "in_all_runs", "wendlandt"):
        value = getattr(overlap, field)
        yield f"neighbor_overlap, {field}", value() if callable(value) else value
    yield "cosine_matrix", ge.cosine_matrix(x, y).scores
    found = ge.CosineIndex(x).search(y[:5], k=7)  # how each row was proved depends on the processor
    yield "CosineIndex", [found.ids, found.scores]
    draw = np.random.default_rng(7)
    chances = 1 / np.arange(1, 61) / np.sum(1 / np.arange(1, 61))
    lines = [" ".join(f"w{i}" for i in draw.choice(60, 12, p=chances)) for _ in range(400)]
    tokens = ge.read_corpus([line.split() for line in lines], min_count=1)
    counts = ge.count_cooccurrences(tokens, window=5)
    yield "counts", [counts.matrix.data, counts.matrix.indices, counts.matrix.indptr]
    yield "ppmi", ge.ppmi(counts).data
    yield "information", [np.asarray(counts.mutual_information()), np.asarray(counts.entropy())]
    yield "GloVe", ge.train(counts, ge.GloVe(dim=10, epochs=3), seeds=[0, 1]).vectors
    yield "PPMISVD", ge.train(counts, ge.PPMISVD(dim=10), seeds=[0]).vectors
    yield "SkipGram", ge.train(tokens, ge.SkipGram(dim=10, epochs=2, sample=0.01), seeds=[0, 1]).vectors


def all_values() -> dict[str, np.ndarray]:
    """Return every number by its name."""
    found: dict[str, np.ndarray] = {}
    for part in (two_tables, several_tables, words_and_text):
        for name, result in part():
            found |= dict(numbers(name, result))
    return found


def small_values() -> dict[str, Any]:
    """Return the numbers of every result that has few of them, to twelve digits."""
    kept = {name: array for name, array in all_values().items() if array.size <= FEW}
    return {
        name: np.vectorize(lambda number: float(f"{number:.12g}"), otypes=[float])(array).tolist()
        for name, array in kept.items()
        if array.size
    }


def differences(first: Path, second: Path) -> list[str]:
    """Return the names of values that one file lacks, or whose bits differ, with how far."""
    a, b = np.load(first), np.load(second)
    said = [f"only in one: {name}" for name in sorted(set(a) ^ set(b))]
    for name in sorted(set(a) & set(b)):
        if a[name].shape != b[name].shape or a[name].tobytes() != b[name].tobytes():
            same_shape = a[name].shape == b[name].shape
            gap = np.nanmax(np.abs(a[name] - b[name]), initial=0.0) if same_shape else np.inf
            said.append(f"differs by {gap:.3g}: {name}")
    return said


if __name__ == "__main__":
    if sys.argv[1] == "write":
        np.savez(sys.argv[2], **all_values())
    elif sys.argv[1] == "small":
        lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in small_values().items()]
        SMALL.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    else:
        said = differences(Path(sys.argv[2]), Path(sys.argv[3]))
        sys.stdout.write(("\n".join(said) or "All bits are equal.") + "\n")
