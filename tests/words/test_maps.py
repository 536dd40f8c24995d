"""Maps of words: axes, layouts, and the numbers that say what a picture is worth."""

from __future__ import annotations

import json
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from tolerances import assert_same_bits

import gpuemb as ge
from gpuemb.core import threads
from gpuemb.core.arrays import Float64
from gpuemb.core.system.installing import install
from gpuemb.words.maps.plane import nearest_on_map
from gpuemb.words.maps.principal import _intervals

EPS = 2.0**-52


def clustered(words: int = 240, dim: int = 10, seed: int = 0) -> Float64:
    """Rows around a dozen centers."""
    draw = np.random.default_rng(seed)
    return 2 * draw.standard_normal((12, dim))[np.arange(words) % 12] + draw.standard_normal((words, dim))


def noisy(table: Float64, runs: int, noise: float = 0.3) -> list[Float64]:
    """Rotated copies with noise of their own."""
    draw = np.random.default_rng(1)
    turns = [np.linalg.qr(draw.standard_normal((table.shape[1],) * 2))[0] for _ in range(runs)]
    return [(table + noise * draw.standard_normal(table.shape)) @ turn for turn in turns]


def ranked(distances: Float64, row: int) -> list[int]:
    """All other rows, the nearest first, equal ones by number."""
    return [j for j in np.argsort(distances, kind="stable").tolist() if j != row]


def reference(table: Float64, points: Float64, k: int) -> tuple[float, Float64]:
    """Trustworthiness and what is kept of each word, by their definitions."""
    unit = table / np.linalg.norm(table, axis=1)[:, None]
    words, lost, kept = len(table), 0, np.empty(len(table))
    for i in range(words):
        in_table = ranked(-(unit @ unit[i]), i)
        on_map = ranked(np.sum((points - points[i]) ** 2, axis=1), i)[:k]
        kept[i] = len(set(on_map) & set(in_table[:k])) / k
        lost += sum(max(0, in_table.index(j) + 1 - k) for j in on_map)
    return 1 - 2 / (words * k * (2 * words - 3 * k - 1)) * lost, kept


# --- near on a map


def test_the_nearest_on_a_map_are_those_of_all_distances_and_ties_go_to_the_first_rows() -> None:
    draw = np.random.default_rng(0)
    grid = draw.integers(0, 5, (90, 2)).astype(float)  # ties and copies everywhere
    for points in (grid, draw.standard_normal((90, 2)), np.zeros((9, 2)), grid[:3]):
        for k in (1, min(7, len(points) - 1), len(points) - 1):
            expected = [ranked(np.sum((points - row) ** 2, axis=1), i)[:k] for i, row in enumerate(points)]
            found = nearest_on_map(points, k)
            assert [sorted(row) for row in found.tolist()] == [sorted(row) for row in expected]
            assert_same_bits(nearest_on_map(points, k, np.array([2, 0])), found[[2, 0]])


@pytest.mark.parametrize("k", [1, 10, 59])
def test_trustworthiness_and_kept_neighbors_are_as_defined(k: int) -> None:
    table = clustered(120)
    points = table[:, :2] + 0.1 * np.random.default_rng(2).standard_normal((120, 2))
    value, kept = reference(table, points, k)
    found = ge.trustworthiness(table, points, neighbors=k)
    assert found.value == pytest.approx(value, rel=8 * EPS)
    assert_same_bits(found.kept_per_word, kept)
    assert found.kept == pytest.approx(kept.mean(), rel=8 * EPS)
    assert (found.neighbors, found.judged, found.chance_kept) == (k, 120, k / 119)


@pytest.mark.parametrize("k", [1, 5, 100])
def test_trustworthiness_is_that_of_scikit_learn(k: int) -> None:
    manifold = pytest.importorskip("sklearn.manifold")
    table, points = clustered(), clustered(seed=3)[:, :2]
    expected = manifold.trustworthiness(table, points, n_neighbors=k, metric="cosine")
    assert ge.trustworthiness(table, points, neighbors=k).value == pytest.approx(expected, rel=8 * EPS)


def test_chance_is_what_maps_without_a_meaning_have() -> None:
    table, draw = clustered(60), np.random.default_rng(4)
    found = [ge.trustworthiness(table, draw.standard_normal((60, 2)), neighbors=5) for _ in range(60)]
    for name, of in (("value", "chance"), ("kept", "chance_kept")):
        values = np.array([getattr(one, name) for one in found])
        assert abs(values.mean() - getattr(found[0], of)) < 4 * values.std() / np.sqrt(len(values))


def test_a_sample_of_words_is_judged_against_all_and_rows_without_length_or_place_do_not_count() -> None:
    table = clustered()
    points = table[:, :2].copy()
    whole = ge.trustworthiness(table, points)
    some = ge.trustworthiness(table, points, judged=50, seed=1)
    known = np.isfinite(some.kept_per_word)
    assert (some.judged, int(known.sum())) == (50, 50)
    assert_same_bits(some.kept_per_word[known], whole.kept_per_word[known])
    holes = np.insert(table, [0, 100], 0.0, axis=0)
    nowhere = np.insert(points, [0, 100], np.nan, axis=0)
    for places in (nowhere, np.nan_to_num(nowhere)):
        found = ge.trustworthiness(holes, places)
        assert (found.value, found.kept, found.judged) == (whole.value, whole.kept, 240)
        assert np.isnan(found.kept_per_word[[0, 101]]).all()


def test_numbers_do_not_depend_on_threads_or_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    table = clustered().astype(np.float32)
    runs = [run.astype(np.float32) for run in noisy(clustered(), 3)]
    found = []
    for count in (1, 2, 7):
        with threads.limit(count):
            found.append((ge.trustworthiness(table, table[:, :2]), ge.pca(runs, 3)))
        monkeypatch.setattr("gpuemb.core.memory.TILE_BYTES", 4_000 * count)
    assert found[0] == found[1] == found[2]


# --- principal components


@pytest.mark.parametrize(
    ("shape", "shift"), [((300, 12), 0.0), ((300, 12), 1e6), ((5, 12), 1.0), ((40, 1), 0)]
)
def test_principal_components_are_those_of_the_singular_values(shape: tuple[int, int], shift: float) -> None:
    draw = np.random.default_rng(5)
    table = draw.standard_normal(shape) * np.linspace(3, 1, shape[1]) + shift
    k = min(3, shape[1])
    found = ge.pca(table, k)
    centered = table - table.mean(axis=0)
    _, lengths, axes = np.linalg.svd(centered, full_matrices=False)
    signs = np.sign(axes[np.arange(k), np.abs(axes[:k]).argmax(axis=1)])
    size = np.abs(table).max() / np.abs(centered).max()
    close = {"rtol": 1e-9, "atol": 1e-10 * max(1, size * 1e-3)}
    np.testing.assert_allclose(found.loadings, axes[:k] * signs[:, None], **close)
    np.testing.assert_allclose(found.coordinates, centered @ (axes[:k] * signs[:, None]).T, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.variances, lengths[:k] ** 2 / (shape[0] - 1), rtol=1e-9)
    np.testing.assert_allclose(found.explained, lengths[:k] ** 2 / np.sum(lengths**2), rtol=1e-9)
    np.testing.assert_allclose(found.mean, table.mean(axis=0), rtol=1e-12, atol=1e-12)
    assert found.agreement is None


def test_axes_of_runs_are_turned_to_those_of_the_consensus() -> None:
    draw = np.random.default_rng(6)
    scales = np.array([6, 3, 3, 1, 0.5])  # the second and third are nearly equal
    table = np.linalg.qr(draw.standard_normal((400, 5)) - 0)[0] * scales * 20
    table -= table.mean(axis=0)
    found = ge.pca(ge.EmbeddingStack(np.stack(noisy(table, 4, 0.02))), 4)
    assert found.groups.tolist() == [0, 1, 1, 2]
    assert not found.open_end
    assert (found.axis_agreement > 0.999).all()
    for run in found.run_coordinates:
        np.testing.assert_allclose(run, found.coordinates, atol=0.05 * np.abs(found.coordinates).max())
    assert found.run_loadings.shape == (4, 4, 5)
    np.testing.assert_allclose(
        found.run_loadings @ found.run_loadings.transpose(0, 2, 1), [np.eye(4)] * 4, atol=1e-12
    )
    assert (found.explained_intervals[:, 0] <= found.run_explained.mean(axis=0)).all()
    assert (found.explained_intervals[:, 1] >= found.run_explained.mean(axis=0)).all()
    assert found.agreement is not None
    assert found.agreement.value > 0.9
    alone = ge.pca(noisy(table, 4, 0.02)[0], 4)
    assert (np.abs(np.corrcoef(alone.coordinates[:, 0], found.coordinates[:, 0])[0, 1])) > 0.999
    apart = ge.pca(ge.EmbeddingStack(np.stack(noisy(table, 4, 0.02))), 4, near=0)
    assert apart.groups.tolist() == [0, 1, 2, 3]
    assert apart.axis_agreement[:, [0, 3]].min() > 0.999 > apart.axis_agreement[:, [1, 2]].min()
    assert ge.pca(table, 2).open_end  # the third axis is as good as the second


def test_a_consensus_and_data_frames_are_drawn_too() -> None:
    runs = noisy(clustered(), 2)
    common = ge.consensus([ge.Embedding(run, [f"w{row}" for row in range(240)]) for run in runs])
    found = ge.pca(common)
    assert found.words is not None
    assert_same_bits(found.coordinates, ge.pca(runs).coordinates)
    assert found.run_coordinates.shape == (0, 240, 2)


# --- agreement of maps


def test_the_agreement_of_maps_is_the_share_of_common_neighbors() -> None:
    draw = np.random.default_rng(7)
    maps = [draw.standard_normal((80, 2)) for _ in range(3)]
    maps[1] = maps[0] + 0.1 * maps[1]
    found = ge.map_agreement(maps, neighbors=6)
    lists = [nearest_on_map(one, 6) for one in maps]
    shared = np.array(
        [
            [len(set(a) & set(b)) / 6 for a, b in zip(lists[i].tolist(), lists[j].tolist(), strict=True)]
            for i, j in ((0, 1), (0, 2), (1, 2))
        ]
    )
    np.testing.assert_allclose(found.pairs, shared.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.per_word, shared.mean(axis=0), rtol=1e-12)
    assert found.value == pytest.approx(shared.mean())
    assert found.chance == 6 / 79
    assert found.interval[0] < found.value < found.interval[1]
    turned = [maps[0], 3 * maps[0] @ [[0.6, 0.8], [-0.8, 0.6]] + 5]
    both = ge.map_agreement(turned)
    assert (both.value, both.neighbors) == (1.0, 10)
    assert np.isnan(both.interval).all()
    assert "three" in both.reason
    maps[2][4] = np.nan
    assert np.flatnonzero(np.isnan(ge.map_agreement(maps).per_word)).tolist() == [4]


@pytest.mark.slow
@pytest.mark.parametrize("runs", [3, 5, 10])
@pytest.mark.parametrize("noise", [0.05, 0.5])
def test_the_interval_of_agreement_covers_what_other_runs_give(runs: int, noise: float) -> None:
    """Runs of unequal noise around one map: 91 to 98 % of the intervals hold the mean over all runs."""
    draw = np.random.default_rng(8)
    truth = draw.standard_normal((60, 2))

    def some(count: int) -> list[Any]:
        return [
            truth + noise * draw.uniform(0.5, 1.5) * draw.standard_normal(truth.shape) for _ in range(count)
        ]

    mean = np.mean([ge.map_agreement(some(2)).value for _ in range(1500)])
    ends = np.array([ge.map_agreement(some(runs)).interval for _ in range(400)])
    covered = np.mean((ends[:, 0] <= mean) & (mean <= ends[:, 1]))
    assert 0.91 <= covered <= 0.98, covered


@pytest.mark.slow
@pytest.mark.parametrize("runs", [3, 5, 10])
def test_the_intervals_of_explained_shares_cover_what_other_runs_give(runs: int) -> None:
    """Tables of one structure with noise of their own: the mean share of each axis over all runs is held."""
    draw = np.random.default_rng(runs)
    truth = draw.standard_normal((60, 6)) * np.arange(6, 0, -1)

    def shares(count: int) -> Float64:
        noise = draw.uniform(0.5, 1.5, (count, 1, 1)) * draw.standard_normal((count, *truth.shape))
        rows = truth + noise
        rows -= rows.mean(axis=1, keepdims=True)
        values = np.linalg.eigvalsh(rows.transpose(0, 2, 1) @ rows)[:, ::-1]
        return np.asarray((values / values.sum(axis=1, keepdims=True))[:, :3])

    mean = shares(20_000).mean(axis=0)
    ends = np.array([_intervals(shares(runs)) for _ in range(1_000)])
    covered = ((ends[..., 0] <= mean) & (mean <= ends[..., 1])).mean(axis=0)
    assert (covered >= 0.92).all(), covered
    assert (covered <= 0.98).all(), covered


# --- layouts


def test_t_sne_is_seeded_and_judges_itself() -> None:
    table = ge.Embedding(clustered(120), [f"w{row}" for row in range(120)], name="planted")
    found = []
    for count in (1, 2):
        with threads.limit(count):
            found.append(ge.tsne(table, perplexity=10, seed=3))
    assert found[0] == found[1]
    one = found[0]
    assert one.value > 0.9
    assert one.quality == ge.trustworthiness(table, one.coordinates)
    other = ge.tsne(table, perplexity=10, seed=4)
    assert (other.coordinates != one.coordinates).any()
    assert ge.map_agreement([one, other]).value > one.quality.kept > 5 * one.quality.chance_kept
    assert str(one).startswith("t-SNE of planted: 120 words\nTrustworthiness 0.9")


def test_rows_of_zeros_have_no_place_and_equal_rows_have_one_each() -> None:
    table = clustered(60)
    table[[0, 30]] = 0
    table[40:44] = table[40]
    found = ge.tsne(table, perplexity=5, iterations=50)
    assert np.flatnonzero(np.isnan(found.coordinates).any(axis=1)).tolist() == [0, 30]
    assert (found.without_place, found.quality.judged) == (2, 58)
    assert len(np.unique(found.coordinates[40:44], axis=0)) == 4
    alone = ge.tsne(np.delete(table, [0, 30], axis=0), perplexity=5, iterations=50)
    assert_same_bits(alone.coordinates, np.delete(found.coordinates, [0, 30], axis=0))


def test_the_runs_of_a_stack_have_maps_of_their_own() -> None:
    runs = noisy(clustered(90), 3)
    found = ge.tsne(runs, perplexity=8, iterations=100)
    assert found.run_coordinates.shape == (3, 90, 2)
    assert found.agreement is not None
    assert found.agreement.value > 3 * found.agreement.chance
    alone = ge.tsne(runs[1], perplexity=8, iterations=100)
    assert ge.map_agreement([alone, found.run_coordinates[1]]).value == pytest.approx(1, abs=0.01)
    assert "Maps of two runs share" in str(found)


@pytest.mark.slow
def test_layouts_are_as_good_as_those_of_the_libraries_alone() -> None:
    from openTSNE import TSNE

    from gpuemb.words.maps.extras import imported

    library = imported("test", "umap")
    table = clustered(700, 30)
    unit = table / np.linalg.norm(table, axis=1)[:, None]
    theirs = np.asarray(TSNE(random_state=0, n_jobs=1).fit(unit))
    assert abs(ge.tsne(table).value - ge.trustworthiness(table, theirs).value) < 0.01
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = library.UMAP(random_state=0, n_jobs=1, metric="cosine").fit_transform(table)
    ours = ge.umap(table)
    assert abs(ours.value - ge.trustworthiness(table, theirs).value) < 0.02
    assert ours == ge.umap(table)
    assert (ge.umap(table, seed=1).coordinates != ours.coordinates).any()


# --- what is refused


def few(words: int, dim: int = 3) -> Float64:
    return np.random.default_rng(9).standard_normal((words, dim))


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (lambda: ge.pca(few(1)), ge.VocabularyError, "1 word\n"),
        (lambda: ge.pca(few(6), 4), ge.ConfigError, "at most 3"),
        (lambda: ge.pca(few(3), 3), ge.ConfigError, "at most 2"),
        (lambda: ge.pca(few(6)[:, [0, 0, 0]], 2), ge.ConfigError, "varies in 1 directions"),
        (lambda: ge.pca(np.ones((5, 3))), ge.ShapeError, "all equal"),
        (lambda: ge.pca(np.full((5, 3), np.nan)), ge.NonFiniteError, "row 0"),
        (lambda: ge.pca([few(5), few(5, 2)]), ge.ShapeError, "3 dimensions but .* has 2"),
        (lambda: ge.pca(few(5), near=-1), ge.ConfigError, "near"),
        (lambda: ge.pca(few(5), neighbors=3), ge.ConfigError, "neighbors must be at most 2"),
        (lambda: ge.tsne(few(50)), ge.ConfigError, "perplexity=16"),
        (lambda: ge.tsne(few(3), perplexity=1), ge.VocabularyError, "at least 4"),
        (lambda: ge.tsne(few(9), perplexity=0.5), ge.ConfigError, "perplexity must be at least 1"),
        (lambda: ge.tsne(few(9), perplexity=2, seed=2**32), ge.ConfigError, "seed"),
        (lambda: ge.umap(few(9), n_neighbors=9), ge.ConfigError, "n_neighbors must be at most 8"),
        (lambda: ge.umap(few(9), min_dist=2), ge.ConfigError, "min_dist"),
        (lambda: ge.tsne(np.zeros((9, 3)), perplexity=2), ge.VocabularyError, "0 words"),
        (lambda: ge.trustworthiness(few(9), few(8)), ge.ShapeError, "9 rows but coordinates has 8"),
        (lambda: ge.trustworthiness(few(9), few(9) / 0), ge.NonFiniteError, "infinity; row 0"),
        (lambda: ge.trustworthiness(few(9), few(9), neighbors=0), ge.ConfigError, "at least 1"),
        (lambda: ge.map_agreement(few(9)), ge.ShapeError, "two maps"),
        (lambda: ge.map_agreement([few(9), few(8)]), ge.ShapeError, "9 rows but map 1 has 8"),
    ],
)  # fmt: skip
def test_what_cannot_be_mapped_is_refused(call: Any, kind: type[Exception], says: str) -> None:
    with np.errstate(divide="ignore"), pytest.raises(kind, match=says):
        call()


def test_two_words_have_a_map_that_nothing_is_known_of() -> None:
    found = ge.pca(few(2), 1)
    assert np.isnan(found.value)
    assert "three words" in str(found)
    assert np.isnan(ge.trustworthiness(few(9), np.full((9, 2), np.nan)).value)
    assert np.isnan(ge.pca([few(2), few(2) * [1, 2, 3]], 1).agreement.value)  # type: ignore[union-attr]


def test_a_missing_extra_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for library, make in (("openTSNE", ge.tsne), ("umap", ge.umap)):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(ge.ConfigError, match=re.escape(install("map"))):
            make(few(9), **({"perplexity": 2} if library == "openTSNE" else {}))  # type: ignore[operator]


# --- files


def test_a_map_is_written_with_its_worth(tmp_path: Path) -> None:
    words = [f"w{row}" for row in range(89)] + ["a,b"]
    runs = ge.EmbeddingStack(np.stack(noisy(clustered(90), 3)), words)
    found = ge.pca(runs, 3)
    table = pyarrow.parquet.read_table(found.save(tmp_path / "map.parquet"))
    assert table.column_names[:6] == ["word", "x", "y", "axis 3", "kept", "agreement"]
    assert table.column_names[6:9] == ["x: run 0", "y: run 0", "axis 3: run 0"]
    assert_same_bits(table["y"].to_numpy(), np.ascontiguousarray(found.coordinates[:, 1]))
    told = json.loads(table.schema.metadata[b"gpuemb"])
    assert told["trustworthiness"] == found.value
    assert told["agreement"]["interval"] == list(found.agreement.interval)  # type: ignore[union-attr]
    assert table.equals(found.table)
    lines = found.save(tmp_path / "map.csv").read_text("utf-8").splitlines()
    assert (len(lines), lines[-1][:6]) == (91, '"a,b",')
    with pytest.raises(ge.ConfigError, match="parquet, csv, svg, pdf, png"):
        found.save(tmp_path / "map.bmp")


def test_a_picture_has_its_names_and_its_worth_and_is_the_same_when_drawn_again(tmp_path: Path) -> None:
    words = [f"w{row}" for row in range(88)] + ["$x$", "&<"]
    found = ge.pca(ge.Embedding(clustered(90), words, name="table_of_$5$"))
    first = found.save(tmp_path / "a.svg", words=["w1", "$x$", "&<"], theme="dark").read_text("utf-8")
    assert first == found.save(tmp_path / "b.svg", words=["w1", "$x$", "&<"], theme="dark").read_text("utf-8")
    for text in ("w1", "$x$", "&amp;&lt;", "table_of_$5$", f"Trustworthiness {found.value:.2f}"):
        assert f">{text}" in first or text in first
    assert ">w2<" not in first
    color = np.arange(90.0)
    color[3] = np.nan
    shown = found.plot(color=color, color_label="rank", labels=5)
    assert 1 <= len(shown.texts) <= 5
    for wrong, kind in (
        ({"words": ["w1x"]}, ge.VocabularyError),
        ({"color": np.ones(3)}, ge.ShapeError),
        ({"axes": (0, 2)}, ge.ConfigError),
        ({"ax": 3}, ge.ConfigError),
        ({"theme": "sepia"}, ge.ConfigError),
    ):
        with pytest.raises(kind):
            found.plot(**wrong)
