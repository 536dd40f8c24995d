"""Tables side by side: each number is that of the front door's own function for two tables."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from geometry.definitions import random_rotation, random_table
from tolerances import SAFETY

import gpuemb as ge
from gpuemb.core.errors import ConfigError, NonFiniteError, ShapeError, VocabularyError
from gpuemb.embeddings.model import Embedding, EmbeddingStack
from gpuemb.stability.compare import compare
from gpuemb.stability.measure_table import MEASURES, PAIR_MEASURES, WORD_MEASURES

WORDS = [f"w{i}" for i in range(60)]
CLOSE = 1e-6  # what every measure promises, relative


def runs() -> list[Embedding]:
    base = random_table(60, 6)
    tables = [base + 0.3 * random_table(60, 6, seed) for seed in (1, 2, 3)]
    return [Embedding(table, WORDS, name=f"run{s}") for s, table in enumerate(tables)]


TWO: dict[str, Any] = {
    "direct_distance": lambda x, y: float(np.linalg.norm(x.vectors - y.vectors)),
    "procrustes_distance": lambda x, y: ge.procrustes(x, y).distance,
    "angular": ge.angular,
    "bures": ge.bures,
    "rsa": ge.rsa,
    "cka": ge.cka,
    "cka_debiased": lambda x, y: ge.cka(x, y, debiased=True),
    "cca": ge.cca,
    "svcca": ge.svcca,
    "pwcca": ge.pwcca,
    "eigenspace_overlap": ge.eigenspace_overlap,
    "eigenspace_instability": ge.eigenspace_instability,
    "pip_loss": ge.pip_loss,
    "spectrum_distance": ge.spectrum_distance,
    "overlap": lambda x, y: ge.neighbor_overlap(ge.nearest_neighbors(x, 5), ge.nearest_neighbors(y, 5)),
}


@pytest.mark.parametrize("measure", TWO)
def test_a_table_of_pairs_holds_what_two_tables_alone_give(measure: str) -> None:
    tables = runs()
    found = compare(tables, measure, k=5)[measure]
    for a, b in ((0, 1), (0, 2), (1, 2), (2, 1)):
        assert math.isclose(
            found.values[a, b], float(TWO[measure](tables[a], tables[b])), rel_tol=SAFETY * CLOSE
        )


def test_all_measures_are_taken_of_every_pair_and_word() -> None:
    found = compare(ge.stack(runs()), k=5)
    assert [one.measure for one in found.measures] == list(PAIR_MEASURES)
    assert set(found.words.column_names) == {"word", *WORD_MEASURES, "k_occurrence"}
    assert found.words["word"].to_pylist() == WORDS
    assert found.runs == ("run0", "run1", "run2")
    taken = found.pairs.to_pylist()
    assert len(taken) == 3 * (len(PAIR_MEASURES) - 1) + 6  # PWCCA has two directions
    assert all(math.isfinite(row["value"]) for row in taken)
    assert all(found.words[name].null_count == 0 for name in found.words.column_names)
    assert np.isfinite(found.words["aligned_cosine"].to_numpy()).all()


def test_words_have_the_means_over_pairs() -> None:
    tables = runs()
    found = compare(tables, ["second_order_cosine", "overlap"], k=5).words
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = np.mean([ge.second_order_cosine(tables[a], tables[b]) for a, b in pairs], axis=0)
    np.testing.assert_allclose(found["second_order_cosine"].to_numpy(), expected, rtol=SAFETY * CLOSE)
    lists = [ge.nearest_neighbors(table, 5) for table in tables]
    np.testing.assert_array_equal(found["overlap"].to_numpy(), ge.neighbor_overlap(*lists).stability)


def test_turned_copies_are_one_and_the_same_where_no_rotation_counts() -> None:
    x = random_table(60, 6)
    found = compare([x, x @ random_rotation(6), x @ random_rotation(6, 1)], k=5)
    for name in ("rsa", "cka", "cka_debiased", "cca", "aligned_cosine", "overlap", "eigenspace_overlap"):
        assert found[name].values.min() > 1 - CLOSE, name
    size = np.linalg.norm(x)
    assert found["procrustes_distance"].values.max() < CLOSE * size
    assert found["direct_distance"].values[0, 1] > 0.1 * size
    assert found.words["spread"].to_numpy().max() < CLOSE * size


def test_tables_of_unequal_dimensions_are_compared_where_that_means_something() -> None:
    found = compare([random_table(60, 6), random_table(60, 4, 1)], k=5)
    assert math.isnan(found["direct_distance"].values[0, 1])
    assert math.isnan(found["unaligned_cosine"].values[0, 1])
    assert "spread" not in found.words.column_names
    known = [one.measure for one in found.measures if np.isfinite(one.values[0, 1])]
    assert set(PAIR_MEASURES) - set(known) == {"direct_distance", "unaligned_cosine"}


def test_means_have_intervals_from_three_tables_on() -> None:
    three, two = compare(runs(), "cka"), compare(runs()[:2], "cka")
    assert three["cka"].estimate.low < three["cka"].estimate.value < three["cka"].estimate.high
    assert "needs 3" in two["cka"].estimate.reason


def test_an_unknown_measure_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="overlap"):
        compare(runs(), "overlaps")
    with pytest.raises(ConfigError, match="cka"):
        compare(runs(), "cka")["rsa"]


def test_one_table_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"1 table[^$]*gpuemb\.stack"):
        compare(runs()[:1])


def test_more_neighbors_than_words_are_refused_before_any_work() -> None:
    with pytest.raises(ConfigError, match="60"):
        compare(EmbeddingStack(tuple(t.vectors for t in runs()), WORDS), k=60)


@pytest.mark.parametrize("measure", ["jaccard", "lowest_overlap", "joint_reliability"])
def test_every_measure_of_neighbors_needs_them(measure: str) -> None:
    with pytest.raises(ConfigError, match="k = 60 neighbors were asked for among 59 candidates"):
        compare(runs(), measure, k=60)


def test_one_shared_word_has_no_neighbors_and_that_is_said() -> None:
    one = [Embedding(run.vectors[:1], ["w0"], name=run.name) for run in runs()]
    with pytest.raises(
        ConfigError, match=r"the tables share 1 word, which has no neighbors[^$]*--case lower"
    ):
        compare(one)
    found = compare(one, ["cka", "pip_loss", "aligned_cosine"])
    assert math.isnan(found["cka"].estimate.value)
    assert found["cka"].reason == "run0 and run1: the rows of one table are all equal"
    assert np.isfinite(found["pip_loss"].values).all()
    assert found["pip_loss"].reason == ""
    assert found.words["aligned_cosine"].to_numpy() == pytest.approx([1.0], abs=1e-12)


def test_fewer_words_than_dimensions_are_compared() -> None:
    found = compare([random_table(5, 9), random_table(5, 9, 1)], k=2)
    for one in found.measures:
        assert np.isfinite(one.values).all(), one.measure
        assert one.reason == ""
    assert found["cca"].values[0, 1] == pytest.approx(1, abs=1e-12)


def test_a_table_that_does_not_vary_gives_reasons_and_no_numbers() -> None:
    x, y = random_table(60, 6), random_table(60, 6, 1)
    found = compare([x, np.full((60, 6), 0.1), y], k=5)
    expected = {
        **dict.fromkeys(
            ("angular", "cka", "cca", "svcca", "pwcca", "spectrum_distance"),
            "run 0 and run 1: the rows of one table are all equal",
        ),
        "cka_debiased": "run 0 and run 1: the rows of one table are all equal, or all equally far apart, or "
        "there are fewer than 4",
        "rsa": "run 0 and run 1: all cosines of one table are equal, or nearer to 1 than 1e-9",
    }
    assert {one.measure: one.reason for one in found.measures if one.reason} == expected
    for name in expected:
        assert np.isnan(found[name].values[[0, 1], [1, 2]]).all()
        assert math.isfinite(found[name].values[0, 2])


def test_a_table_of_zeros_has_no_cosine_and_spans_nothing() -> None:
    found = compare([random_table(60, 6), np.zeros((60, 6))], k=5)
    assert found["aligned_cosine"].reason == "run 0 and run 1: no word has a length in both tables"
    assert found["overlap"].reason == "run 0 and run 1: no word has neighbors in both tables"
    assert found["eigenspace_overlap"].reason == "run 0 and run 1: one table is zero throughout"


def test_unequal_dimensions_are_a_reason() -> None:
    found = compare([random_table(60, 6), random_table(60, 4, 1)], ["direct_distance", "procrustes_distance"])
    assert found["direct_distance"].reason == "run 0 and run 1: the tables differ in dimensions"
    assert found["procrustes_distance"].reason == ""


def test_a_column_that_does_not_vary_is_only_missing_from_what_is_centered() -> None:
    tables = [run.vectors for run in runs()]
    wide = [np.concatenate([table, np.full((60, 1), 0.1)], axis=1) for table in tables]
    found, expected = (compare(given, ["cka", "cca", "bures"]) for given in (wide, tables))
    for name in ("cka", "cca", "bures"):
        np.testing.assert_allclose(found[name].values, expected[name].values, rtol=0, atol=1e-11)


def test_broken_tables_are_refused_by_their_names() -> None:
    tables = runs()
    tables[2].vectors[7, 1] = math.nan
    with pytest.raises(NonFiniteError, match="compare: run2 holds NaN or infinity; row 7, the word 'w7'"):
        compare(tables, "overlap")
    with pytest.raises(ShapeError, match="compare: run 0 has 60 rows but run 1 has 59"):
        compare([random_table(60, 6), random_table(59, 6)])
    with pytest.raises(VocabularyError, match="compare: row 0 is 'w0' in run0 but 'w59' in run1"):
        compare([tables[0], Embedding(tables[1].vectors, WORDS[::-1], name="run1")])


def test_tables_given_one_by_one_are_told_from_measures() -> None:
    x, y = (run.vectors for run in runs()[:2])
    with pytest.raises(ConfigError, match=r"ndarray was given for measures[^$]*compare\(\[a, b\]\)"):
        compare([x], y)
    with pytest.raises(ShapeError, match=r"compare\(\[a, b\]\)"):
        compare(x)


def test_the_overlap_has_its_chance_and_with_permutations_its_p_value() -> None:
    tables = [run.vectors for run in runs()]
    tables[1][[4, 9]] = tables[2][5] = 0
    found = compare(tables, ["overlap", "rsa"], k=5, permutations=19)
    lists = [ge.nearest_neighbors(table, 5) for table in tables]
    pairs = [ge.neighbor_overlap(lists[a], lists[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert found["overlap"].chance == pytest.approx(np.mean([one.chance for one in pairs]), rel=1e-12)
    assert found["overlap"].chance != pytest.approx(5 / 59, rel=1e-6)
    assert found["overlap"].p_value == ge.neighbor_overlap(*lists, permutations=19).p_value == 1 / 20
    assert math.isnan(found["rsa"].p_value)
    assert math.isnan(compare(tables, "overlap", k=5)["overlap"].p_value)
    unrelated = compare([random_table(60, 6, seed) for seed in (1, 2)], "overlap", k=5, permutations=19)
    assert unrelated["overlap"].p_value > 1 / 20


def test_fewer_candidates_than_neighbors_raise_the_chance() -> None:
    x, y = random_table(12, 4), random_table(12, 4, 1)
    x[3:] = 0  # three words with a length, two candidates each
    (found,) = compare([x, y], "overlap", k=6).measures
    assert found.chance == pytest.approx(2 * 6 * 2 / (2 * 11) / 6, rel=1e-12)


def test_the_worst_tables_are_named() -> None:
    tables = runs()
    tables[1] = Embedding(random_table(60, 6, 9), WORDS, name="bad")
    found = compare(tables, ["cka", "overlap"], k=5)
    assert "; bad agrees least with all others. 3 runs cannot show rare bad ones" in found.caution
    assert "Least alike by overlap: " in found.caution
    assert "by cka" in compare(tables, "cka").caution
    assert compare(tables, "spread").caution == ""


def test_every_name_is_known() -> None:
    assert set(MEASURES) == {*PAIR_MEASURES, *WORD_MEASURES}
