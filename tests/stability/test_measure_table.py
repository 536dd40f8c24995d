"""One table of measures: described once, and the same numbers from a study, a comparison and a function."""

from __future__ import annotations

import math
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
import pytest
from corpus.texts import random_documents
from geometry import definitions, rounding
from geometry.definitions import random_table
from tolerances import assert_same_bits

import gpuemb as ge
from gpuemb.core.errors import ConfigError
from gpuemb.corpus.tokens import read_corpus
from gpuemb.counts.counting import bootstrap_repeats
from gpuemb.geometry.grams.build import PREPARATIONS
from gpuemb.geometry.measures import MEASURES as GEOMETRY
from gpuemb.stability.compare import compare
from gpuemb.stability.compared_tables import LIST_MEASURES
from gpuemb.stability.measure_table import (
    MEASURES,
    NEIGHBOR_MEASURES,
    PAIR_MEASURES,
    STUDY,
    WORD_MEASURES,
    check_measures,
)
from gpuemb.stability.study import study

K = 5


def direct(x: Any, y: Any) -> float:
    return float(np.linalg.norm(x - y)) if x.shape == y.shape else math.nan


def of_lists(name: str) -> Any:
    def mean(x: Any, y: Any) -> float:
        found = ge.neighbor_overlap(ge.nearest_neighbors(x, K), ge.nearest_neighbors(y, K))
        return float(np.nanmean(getattr(found, LIST_MEASURES[name])))

    return mean


def unaligned(x: Any, y: Any) -> float:
    if x.shape != y.shape:
        return math.nan
    kept = x.any(axis=1) & y.any(axis=1)
    return float(np.mean(definitions.aligned_cosines(x[kept], y[kept], np.eye(x.shape[1]))))


def without_interval(measure: Any) -> Any:
    """The measure without its jackknife, which takes twenty times as long and changes no value."""
    return partial(measure, blocks=0) if measure and "blocks" in signature(measure).parameters else measure


TWO: dict[str, Any] = {
    **{measure.name: without_interval(getattr(ge, measure.name, None)) for measure in GEOMETRY},
    "direct_distance": direct,
    "procrustes_distance": lambda x, y: ge.procrustes(x, y).distance,
    "cka_debiased": lambda x, y: ge.cka(x, y, debiased=True),
    "unaligned_cosine": unaligned,
    "aligned_cosine": lambda x, y: 1 - ge.semantic_displacement(x, y).value,
    **{name: of_lists(name) for name in LIST_MEASURES},
}


def tables(kind: str) -> list[Any]:
    """Three related tables, of which one lacks a word, or is narrower than the others, or never varies."""
    base = random_table(60, 6)
    found = [base + 0.3 * random_table(60, 6, seed) for seed in (1, 2, 3)]
    if kind == "a word is gone":
        found[2][7] = 0
    if kind == "unequal dimensions":
        found[2] = found[2][:, :4].copy()
    if kind == "constant":
        found[2] = np.full((60, 6), 0.1)
    return found


@pytest.mark.parametrize("kind", ["full", "a word is gone", "unequal dimensions", "constant"])
def test_a_comparison_holds_what_the_functions_of_two_tables_give(kind: str) -> None:
    given = tables(kind)
    found = compare(given, k=K)
    assert set(TWO) == set(PAIR_MEASURES)
    for name, function in TWO.items():
        for a, b in ((0, 1), (1, 2), (2, 0)) if kind == "full" else ((0, 2), (2, 1)):
            expected = float(function(given[a], given[b]))
            np.testing.assert_allclose(
                found[name].values[a, b], expected, rtol=1e-6, err_msg=f"{name} {a} {b}"
            )


def test_a_word_without_length_in_one_table_counts_in_the_pairs_of_the_others() -> None:
    given = tables("a word is gone")
    kept = np.delete(np.arange(60), 7)
    found = compare(given, ["rsa", "aligned_cosine", "second_order_cosine"])
    for values in (found["rsa"].values, ge.cross_grams(given).rsa(), ge.cross_grams(given, "unit").rsa()):
        for a, b, rows in ((0, 1, np.arange(60)), (0, 2, kept), (1, 2, kept)):
            x, y = given[a][rows], given[b][rows]
            assert abs(values[a, b] - definitions.rsa(x, y)) <= rounding.rsa_error(x, y)
            assert values[a, b] == values[b, a]
    for name in ("aligned_cosine", "second_order_cosine"):
        assert np.isfinite(found.words[name].to_numpy()).all()  # the pair of the other two knows the word


@pytest.fixture(scope="module")
def vanishing(tmp_path_factory: pytest.TempPathFactory) -> ge.StudyResult:
    """A study of all measures, in one of whose three samples a word is gone."""
    folder = tmp_path_factory.mktemp("vanishing")
    documents = random_documents(60, 12)
    text = [*documents, ["rare", *documents[0]]]
    (folder / "text.txt").write_text("".join(" ".join(document) + "\n" for document in text))
    tokens = read_corpus(folder / "text.txt")
    times = {seed: bootstrap_repeats(tokens, seed)[-1] for seed in range(40)}
    absent = next(seed for seed, count in times.items() if count == 0)
    present = [seed for seed, count in times.items() if count > 0][:2]
    model = ge.ModelConfig(ge.PPMISVD(dim=4), (absent, *present), "bootstrap")
    asked = ge.StudyConfig(
        (str(folder / "text.txt"),),
        ge.TextConfig(min_count=1),
        models=(model,),
        neighbors=K,
        measures=MEASURES,
    )
    return study(asked, out=folder / "study", threads=1)


def test_a_study_and_a_comparison_have_the_same_bits(vanishing: ge.StudyResult) -> None:
    (model,) = vanishing.models
    assert sum(not table.any(axis=1).all() for table in np.asarray(model.stack.vectors)) == 1
    found = compare(model.stack, k=K)
    assert [one.measure for one in model.pairs] == [one.measure for one in found.measures]
    for one in model.pairs:
        other = found[one.measure]
        assert_same_bits(one.values, other.values)
        assert one.chance == other.chance
        assert (one.title, one.meaning, one.reason) == (other.title, other.meaning, other.reason)
        assert repr(one.estimate) == repr(other.estimate)
        assert one.recomputed == other.recomputed
    shown = {
        "overlap": model.words.overlap,
        "lowest_overlap": model.words.overlap_low,
        "neighbors_in_all": model.words.neighbors_in_all_runs,
        "joint_reliability": model.words.joint_reliability,
        "aligned_cosine": model.words.aligned_cosine,
        "unaligned_cosine": model.words.unaligned_cosine,
    }
    assert set(shown) | set(model.words.more) == set(WORD_MEASURES)
    for name, values in (shown | model.words.more).items():
        np.testing.assert_array_equal(np.asarray(values), found.words[name].to_numpy(), err_msg=name)


@pytest.mark.parametrize("name", PAIR_MEASURES)
def test_every_measure_is_described(name: str) -> None:
    about = PAIR_MEASURES[name].about
    assert about.name == name
    assert about.title == about.title.strip() != ""
    assert_one_sentence(about.meaning)
    assert about.preparation in PREPARATIONS
    assert about.possible.low < about.possible.high
    assert about.best in (0.0, 1.0)
    assert not about.missing.endswith(".")


@pytest.mark.parametrize("name", WORD_MEASURES)
def test_every_measure_of_words_says_what_it_means(name: str) -> None:
    assert WORD_MEASURES[name].name == name
    assert_one_sentence(WORD_MEASURES[name].meaning)


def assert_one_sentence(text: str) -> None:
    assert text[0].isupper()
    assert text.endswith(".")
    assert ". " not in text


def test_titles_and_names_are_unique_and_every_list_is_of_known_names() -> None:
    kinds = list(PAIR_MEASURES.values())
    assert len({kind.about.title for kind in kinds}) == len({kind.about.name for kind in kinds}) == len(kinds)
    assert set(MEASURES) == {*PAIR_MEASURES, *WORD_MEASURES}
    assert set(STUDY) <= set(PAIR_MEASURES)
    assert set(NEIGHBOR_MEASURES) <= set(MEASURES)
    assert {measure.name for measure in GEOMETRY} <= set(PAIR_MEASURES)


def test_values_are_in_their_range_best_with_themselves_and_symmetric_unless_directed() -> None:
    found = compare(tables("full"), k=K)
    for one in found.measures:
        about = PAIR_MEASURES[one.measure].about
        slack = 1e-12
        assert (one.values >= about.possible.low - slack).all(), one.measure
        assert (one.values <= about.possible.high + slack).all(), one.measure
        np.testing.assert_allclose(np.diag(one.values), about.best, rtol=0, atol=1e-9, err_msg=one.measure)
        assert (one.values == one.values.T).all() == about.symmetric, one.measure
        assert one.estimate.low <= one.estimate.value <= one.estimate.high
    assert [name for name, kind in PAIR_MEASURES.items() if not kind.about.symmetric] == ["pwcca"]


def test_every_measure_of_geometry_is_a_method_of_cross_grams_whatever_their_preparation() -> None:
    given = tables("full")
    for preparation in PREPARATIONS[:2]:
        grams = ge.cross_grams(given, preparation)
        for measure in GEOMETRY:
            method = getattr(grams, "cka" if measure.name == "cka_debiased" else measure.name)
            values = method(debiased=True) if measure.name == "cka_debiased" else method()
            expected = compare(given, measure.name)[measure.name].values
            np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-12, err_msg=measure.name)


def test_options_are_those_of_the_measure() -> None:
    grams = ge.cross_grams(tables("full"))
    assert_same_bits(grams.svcca(share=0.99), grams.svcca())
    assert (grams.svcca(share=0.5) != grams.svcca()).any()
    with pytest.raises(ConfigError, match=r"svcca: the option shares[^$]*Options of svcca: share"):
        grams.svcca(shares=0.5)
    with pytest.raises(ConfigError, match=r"rsa: the option method[^$]*Options of rsa: none"):
        grams.rsa(method="spearman")


def test_measures_are_asked_for_by_name() -> None:
    assert check_measures("study", None, STUDY) == STUDY
    assert check_measures("study", "all", STUDY) == MEASURES
    assert check_measures("study", ["cka", "rsa", "cka"], STUDY) == ("cka", "rsa")
    with pytest.raises(ConfigError, match="cka"):
        check_measures("study", "ckaa", STUDY)
    with pytest.raises(ConfigError, match="dict was given for measures"):
        check_measures("study", {}, STUDY)
