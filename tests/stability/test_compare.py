"""Tables side by side: each number is that of the front door's own function for two tables."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from geometry.definitions import random_rotation, random_table
from tolerances import SAFETY

import gpuemb as ge
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.embeddings.model import Embedding, EmbeddingStack
from gpuemb.stability.compare import MEASURES, PAIR_MEASURES, WORD_MEASURES, compare

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
    "spectrum_distance": lambda x, y: ge.spectrum_distance(ge.spectrum(x), ge.spectrum(y)),
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
    assert set(found.words.column_names) == {"word", *WORD_MEASURES}
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


def test_every_name_is_known() -> None:
    assert set(MEASURES) == {*PAIR_MEASURES, *WORD_MEASURES}
