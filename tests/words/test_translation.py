"""Translation across tables: MUSE's and vecmap's formulas in NumPy, planted truth, coverage, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tolerances import assert_same_bits

import gpuemb as ge
from gpuemb.core import threads
from gpuemb.core.errors import (
    ConfigError,
    DTypeError,
    FileFormatError,
    NonFiniteError,
    ShapeError,
    StorageError,
    VocabularyError,
)
from gpuemb.uncertainty.intervals import wilson_interval

V, D = 120, 10
WORDS = [f"w{i}" for i in range(V)]
FIT, TEST = WORDS[:60], WORDS[60:]


def planted(
    noise: float = 0.3, rows: int = V, dim: int = D, seed: int = 0, dtype: str = "float32"
) -> tuple[ge.Embedding, ge.Embedding]:
    """A table with a mean of its own, and the same turned, moved and blurred."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((rows, dim)) * np.linspace(1, 2, dim) + 0.3
    turn = np.linalg.qr(random.standard_normal((dim, dim)))[0]
    y = x @ turn + noise * random.standard_normal((rows, dim)) + 0.2
    words = [f"w{i}" for i in range(rows)]
    return ge.Embedding(x.astype(dtype), words, name="x"), ge.Embedding(y.astype(dtype), words, name="y")


def normalized(table: Any, steps: Any) -> Any:
    table = np.asarray(table, np.float64)
    for step in steps:
        table = table / np.linalg.norm(table, axis=1)[:, None] if step == "unit" else table - table.mean(0)
    return table


def muse(x: Any, z: Any, rows: Any) -> tuple[Any, Any]:
    """Conneau (2018): W = UVᵀ of ZᵀX; queries are xWᵀ."""
    u, _, v = np.linalg.svd(z[rows].T @ x[rows])
    return x @ (u @ v).T, z


def vecmap(x: Any, z: Any, rows: Any) -> tuple[Any, Any]:
    """Artetxe (2018), AAAI: whitening, orthogonal map, re-weighting by √S, de-whitening, of both sides."""

    def root(m: Any, power: float) -> Any:
        values, axes = np.linalg.eigh(m.T @ m)
        return axes @ np.diag(values**power) @ axes.T

    wx, wz = root(x[rows], -0.5), root(z[rows], -0.5)
    u, s, vt = np.linalg.svd((x[rows] @ wx).T @ (z[rows] @ wz))
    x, z = x @ wx @ u * s**0.5, z @ wz @ vt.T * s**0.5
    return x @ u.T @ np.linalg.inv(wx) @ u, z @ vt @ np.linalg.inv(wz) @ vt.T


def csls(x: Any, z: Any, k: int) -> Any:
    """Scores of all pairs."""
    cosines = normalized(x, ["unit"]) @ normalized(z, ["unit"]).T
    near_x, near_z = (np.sort(each, axis=1)[:, -k:].mean(axis=1) for each in (cosines, cosines.T))
    return 2 * cosines - near_x[:, None] - near_z[None, :]


SETTINGS: dict[str, tuple[Any, dict[str, Any]]] = {
    "MUSE": (muse, {"normalize": []}),
    "MUSE, renorm,center,renorm": (muse, {}),
    "vecmap, orthogonal": (muse, {"normalize": ["unit", "center"]}),
    "vecmap, supervised": (vecmap, {"method": "whitened"}),
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("metric", ["csls", "cosine"])
def test_scores_and_precision_are_those_of_the_peers_formulas(setting: str, metric: Any) -> None:
    peer, options = SETTINGS[setting]
    source, target = planted(noise=0.9)
    found = ge.translate(source, target, FIT, metric=metric, k=7, **options)
    steps = options.get("normalize", ["unit", "center", "unit"])
    x, z = peer(normalized(source.vectors, steps), normalized(target.vectors, steps), np.arange(60))
    wanted = csls(x, z, 7) if metric == "csls" else normalized(x, ["unit"]) @ normalized(z, ["unit"]).T
    order = np.argsort(-wanted[60:], axis=1, kind="stable")
    got = found.nearest(TEST, k=10)
    np.testing.assert_allclose(
        got.scores, np.take_along_axis(wanted[60:], order[:, :10], axis=1), rtol=0, atol=3e-6
    )
    right = order == np.arange(60, V)[:, None]
    precision = found.precision(TEST)
    shares = [right[:, :count].any(axis=1).mean() for count in (1, 5, 10)]
    np.testing.assert_allclose(precision.precisions, shares, rtol=0, atol=1e-12)
    assert 0.1 < precision.value < 1
    ranks = right.argmax(axis=1) + 1
    assert precision.ranks.tolist() == np.where(ranks <= 10, ranks, 0).tolist()
    assert [str(word) for word, _ in got.named(3)] == [WORDS[row] for row in order[3, :10]]


@pytest.mark.parametrize("method", ["orthogonal", "whitened"])
@pytest.mark.parametrize("dtype", ["float16", "float32", ">f8"])
def test_a_rotated_table_is_translated_whole_and_its_map_is_the_rotation(method: Any, dtype: str) -> None:
    source, _ = planted(dtype="float64")
    turn = np.linalg.qr(np.random.default_rng(9).standard_normal((D, D)))[0]
    source = ge.Embedding(source.vectors.astype(dtype), WORDS)
    exact = ge.Embedding(source.vectors.astype(np.float64) @ turn, WORDS)
    found = ge.translate(source, exact, FIT, method=method)
    assert found.precision(TEST).precisions == (1, 1, 1)
    np.testing.assert_allclose(found.source.vectors, found.target.vectors, rtol=0, atol=1e-12)
    if method == "orthogonal":
        np.testing.assert_allclose(found.map, turn, rtol=0, atol=1e-12)
        assert found.target_map is None
        assert found.reason == ""


def test_tables_of_other_dimensions_are_mapped_and_keep_lengths_where_they_can() -> None:
    x, y = planted(noise=0.1)
    wider = ge.Embedding(np.pad(np.asarray(y.vectors), ((0, 0), (0, 5))), WORDS)
    for source, target in ((x, wider), (wider, x)):
        found = ge.translate(source, target, FIT)
        assert found.map.shape == (source.dim, target.dim)
        assert found.precision(TEST).value > 0.9
    with pytest.raises(ShapeError, match="whitened' of 10 and 15 dimensions"):
        ge.translate(x, wider, FIT, method="whitened")


def test_refinement_finds_pairs_that_few_seeds_do_not_give() -> None:
    source, target = planted(noise=0.5, rows=400, dim=12)
    seeds, tested = list(source)[:13], list(source)[100:]
    once, refined = (ge.translate(source, target, seeds, refine=n) for n in (0, 4))
    assert refined.precision(tested).value > once.precision(tested).value + 0.05
    assert len(refined.refined) == 4
    assert refined.refined[-1] > refined.refined[0] > 12
    assert refined.pairs == once.pairs == tuple((word, word) for word in seeds)
    few = ge.translate(source, target, seeds, refine=1, refine_words=50)
    assert few.refined[0] <= 50


def test_a_refinement_is_the_map_of_mutual_nearest_words() -> None:
    source, target = planted(noise=0.6)
    first = ge.translate(source, target, FIT)
    scores = csls(first.source.vectors, first.target.vectors, 10)
    there, back = scores.argmax(axis=1), scores.argmax(axis=0)
    mutual = [(WORDS[i], WORDS[j]) for i, j in enumerate(there) if back[j] == i]
    again = ge.translate(source, target, FIT, refine=1)
    assert again.refined == (len(mutual),)
    assert_same_bits(again.map, ge.translate(source, target, mutual).map)


def test_a_word_with_several_translations_is_right_with_any_and_counts_once() -> None:
    source, target = planted(noise=0.0)
    found = ge.translate(source, target, FIT)
    tested = {"w60": ["w3", "w60"], "w61": "w5", "w62": ["w62"], "w99x": "w1", "w63": ["nowhere", "gone"]}
    precision = found.precision(tested, at=(1,))
    assert precision.words == ("w60", "w61", "w62")
    assert precision.precisions == (2 / 3,)
    assert precision.ranks.tolist() == [1, 0, 1]
    assert precision.answers == ("w60", "w61", "w62")
    assert (precision.given, precision.coverage) == (5, 3 / 5)
    assert precision.unknown_source == ("w99x",)
    assert precision.unknown_target == ("nowhere", "gone")
    assert precision.among_seeds == 0
    assert precision.table.to_pydict()["rank"] == [1, None, 1]
    seen = found.precision(WORDS[55:65])
    assert seen.among_seeds == 5
    assert "5 of them the map was fitted on" in str(seen)


def test_zero_rows_are_nobodys_translation_and_change_nothing_else() -> None:
    source, target = planted(noise=0.3)
    x, y = np.array(source.vectors), np.array(target.vectors)
    more = [*WORDS, "zero"]
    with_zeros = [ge.Embedding(np.vstack([each, np.zeros((1, D), np.float32)]), more) for each in (x, y)]
    found, plain = ge.translate(*with_zeros, FIT), ge.translate(source, target, FIT)
    assert_same_bits(found.map, plain.map)
    assert found.nearest(["zero"], k=3).named(0) == []
    assert found.precision(["zero"]).precisions == (0, 0, 0)
    assert found.precision(["zero"]).answers == ("",)
    assert found.precision(TEST).ranks.tolist() == plain.precision(TEST).ranks.tolist()


def test_other_rows_are_mapped_as_the_source_was() -> None:
    source, target = planted()
    for method in ("orthogonal", "whitened"):
        found = ge.translate(source, target, FIT, method=method)  # type: ignore[arg-type]  # one of both
        moved = found.apply(source)
        assert list(moved) == WORDS
        assert_same_bits(moved.vectors, found.source.vectors)
        np.testing.assert_allclose(
            found.apply(np.asarray(source.vectors)[7:9]), moved.vectors[7:9], atol=1e-6
        )
    with pytest.raises(ShapeError, match="found for 10 dimensions"):
        found.apply(np.ones((3, 9)))


def test_searches_are_those_of_nearest_neighbors_between_the_mapped_tables() -> None:
    source, target = planted()
    for metric in ("cosine", "csls", "mutual_proximity"):
        found = ge.translate(source, target, FIT, metric=metric, k=4)  # type: ignore[arg-type]  # one of them
        asked = found.source[:3].vectors
        options: dict[str, Any] = {} if metric == "cosine" else {"source": found.source}
        wanted = ge.nearest_neighbors(found.target, 5, queries=asked, metric=metric, csls_k=4, **options)
        for again in range(2):  # what is kept after the first search is the same
            assert found.nearest(WORDS[:3], k=5) == wanted, (metric, again)


def test_no_number_of_threads_changes_a_bit() -> None:
    source, target = planted(rows=9000)
    found = []
    for count in (1, 2, 7):
        with threads.limit(count):
            one = ge.translate(source, target, list(source)[:300], refine=1, refine_words=200)
            found.append((one.map, one.source.vectors, one.nearest(["w5", "w8999"], k=4).scores))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert_same_bits(a, b)


def test_a_dictionary_is_read_as_muse_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "x-y.0-5000.txt"
    path.write_text("w1 w1\n# a comment\nw2\tw2\nw2 w3\r\n\nan idea\tw4\n", "utf-8")
    read = ge.datasets.read_translations(path)
    assert read.pairs == (("w1", "w1"), ("w2", "w2"), ("w2", "w3"), ("an idea", "w4"))
    assert (read.name, len(read)) == ("x-y.0-5000", 4)
    source, target = planted()
    found = ge.translate(source, target, path)
    assert (len(found.pairs), found.given, found.coverage) == (3, 4, 0.75)
    assert found.unknown_source == ("an idea",)
    assert "rank 2 of 10" in found.reason
    assert_same_bits(found.map, ge.translate(source, target, read).map)
    path.write_text("w1 w2 w3\n")
    with pytest.raises(FileFormatError, match="line 1: 'w1 w2 w3'"):
        ge.datasets.read_translations(path)
    path.write_text("# nothing\n")
    with pytest.raises(FileFormatError, match="holds no pairs"):
        ge.translate(source, target, path)
    with pytest.raises(StorageError, match="gone"):
        ge.translate(source, target, tmp_path / "gone.txt")


def test_wilson_holds_the_share_stays_inside_and_is_the_root_of_the_score_test() -> None:
    assert wilson_interval(0, 10)[0] == 0
    assert wilson_interval(10, 10)[1] == 1
    assert np.isnan(wilson_interval(0, 0)).all()
    for hits, trials in ((3, 10), (1, 200), (150, 151)):
        low, high = wilson_interval(hits, trials)
        assert 0 <= low <= hits / trials <= high <= 1
        for end in (low, high):
            z = (hits / trials - end) / np.sqrt(end * (1 - end) / trials)
            assert abs(z) == pytest.approx(1.959964, abs=1e-5)


@pytest.mark.slow
def test_the_interval_covers_the_precision_of_all_words() -> None:
    source, target = planted(noise=0.9, rows=3000)
    every = ge.translate(source, target, list(source)[:200]).precision(list(source)[200:])
    truth = every.precisions
    random, covered, trials = np.random.default_rng(0), np.zeros(3), 1000
    for _ in range(trials):
        ranks = every.ranks[random.integers(0, len(every.ranks), 150)]
        for place, count in enumerate(every.at):
            low, high = wilson_interval(int(((ranks > 0) & (ranks <= count)).sum()), 150)
            covered[place] += low <= truth[place] <= high
    assert every.intervals[0] == wilson_interval(round(truth[0] * len(every.words)), len(every.words))
    assert (covered / trials >= 0.92).all()
    assert (covered / trials <= 0.98).all()


X, Y = planted()
REFUSED: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    ((np.asarray(X.vectors), Y), {}, DTypeError, "source is an Embedding"),
    ((X, ge.stack([X, Y])), {}, DTypeError, "target is an Embedding"),
    ((X, Y, [("w1", "w_2")]), {}, VocabularyError, "Did you mean w2"),
    ((X, Y, [("w1", "w2", "w3")]), {}, ConfigError, "a pair is"),
    ((X, Y, 5), {}, ConfigError, "a pair is 5"),
    ((X, Y, []), {}, ConfigError, "holds no pairs"),
    ((X, Y, {"w1": 3}), {}, ConfigError, "a pair is"),
    ((X, ge.Embedding(Y.vectors, [f"v{i}" for i in range(V)])), {}, VocabularyError, "share no word"),
    ((X, Y, FIT), {"k": 121}, ConfigError, "translate: k = 121"),
    ((X, Y, FIT), {"k": 20, "refine": 1, "refine_words": 10}, ConfigError, "refine_words=20"),
    ((X, Y, FIT), {"refine": -1}, ConfigError, "refine"),
    ((X, Y, FIT), {"metric": "cossine"}, ConfigError, "cosine"),
    ((X, Y, FIT), {"normalize": ["unit", "centre"]}, ConfigError, "center"),
    ((X, Y, FIT[:9]), {"method": "whitened"}, ConfigError, "9 pairs span 9 of the 10"),
]


@pytest.mark.parametrize(("tables", "options", "error", "message"), REFUSED)
def test_what_cannot_be_translated_is_refused(
    tables: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ge.translate(*tables, **options)


def test_what_cannot_be_asked_of_a_translation_is_refused(tmp_path: Path) -> None:
    found = ge.translate(X, Y, FIT)
    with pytest.raises(VocabularyError, match="'w_1' is not among"):
        found.nearest(["w_1"])
    with pytest.raises(ConfigError, match="k = 121"):
        found.nearest(["w1"], k=121)
    with pytest.raises(ConfigError, match="no words"):
        found.nearest([])
    with pytest.raises(ConfigError, match="words is a list of words"):
        found.nearest("w1")
    with pytest.raises(ConfigError, match=r"at=\(1, 5,\)"):
        found.precision(TEST, at=(1, 5, 500))
    with pytest.raises(ConfigError, match="confidence"):
        found.precision(TEST, confidence=1.0)
    np.save(tmp_path / "bad.npy", np.full((V, D), np.nan, np.float32))
    (tmp_path / "bad.words.txt").write_text("\n".join(WORDS))
    with pytest.raises(NonFiniteError, match="w0"):
        ge.translate(ge.load(tmp_path / "bad.npy"), Y, FIT)
