"""A claim says what the numbers say, and nothing where they say nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.report.claims import claims, telling_numbers
from gpuemb.report.comparisons import difference_interval, differences
from gpuemb.report.overlaps import VARIED, Claim
from gpuemb.report.trend import frequency_trend
from gpuemb.stability.config import ModelConfig
from gpuemb.stability.given.config import TablesConfig
from gpuemb.stability.result import PairMeasure, StudyResult, WordMeasures
from gpuemb.stability.statistics import Estimate, mean_over_pairs
from gpuemb.training.recipes import PPMISVD, VARY, GloVe
from gpuemb.uncertainty.intervals import SHARE

Build = Callable[..., StudyResult]
SEEDS = ModelConfig(GloVe(dim=12), name="glove")
SAMPLES = ModelConfig(GloVe(dim=12), vary="bootstrap", name="glove-samples")


def with_overlap(result: StudyResult, overlap: PairMeasure, model: int = 0) -> StudyResult:
    """Put another overlap in the place of the measured one."""
    changed = result.models[model]
    pairs = (overlap, *(p for p in changed.pairs if not p.measure.startswith("overlap")))
    models = list(result.models)
    models[model] = replace(changed, pairs=pairs)
    return replace(result, models=tuple(models))


def overlap(
    estimate: Estimate, chance: float | None = 0.01, measure: str = "overlap", p_value: float = math.nan
) -> PairMeasure:
    values = np.full((5, 5), estimate.value)
    return PairMeasure(
        measure,
        "Overlap",
        "Shared neighbors.",
        "unit",
        values,
        estimate,
        chance,
        higher_is_closer=True,
        p_value=p_value,
    )


def between(mean: float, spread: float = 0.01, halves: bool = False) -> PairMeasure:
    """An overlap of five runs that differ a little, with the interval that follows."""
    effects = spread * np.array([-1, 1, -0.5, 0.5, 0])
    values = mean + effects[:, None] + effects[None, :]
    if halves:
        values = np.full((6, 6), np.nan)
        for split, effect in enumerate((-spread, 0.0, spread)):
            values[2 * split, 2 * split + 1] = values[2 * split + 1, 2 * split] = mean + effect
    estimate = mean_over_pairs(values, SHARE, halves=halves)
    return replace(overlap(estimate), values=values, halves=halves)


def with_words(result: StudyResult, **measures: np.ndarray) -> StudyResult:
    model = result.models[0]
    return replace(result, models=(replace(model, words=replace(model.words, **measures)),))


def about(found: tuple[Claim, ...], phrase: str) -> Claim:
    """Return the one claim that contains a phrase."""
    (claim,) = [c for c in found if phrase in c.sentence]
    return claim


def test_every_source_of_variation_has_its_words() -> None:
    assert set(VARIED) == {*VARY, TablesConfig.vary}


def test_the_overlap_is_stated_with_its_interval_and_against_chance(build: Build) -> None:
    result = with_overlap(build(SEEDS), overlap(Estimate(0.63, 0.61, 0.65), 0.001))
    assert claims(result)[0] == Claim(
        "6.3 of 10",
        "With another seed, a word of glove keeps 6.3 of its 10 nearest neighbors on average"
        " (95% interval 6.10 to 6.50), about 630 times what chance alone would leave.",
        "glove",
        "stability",
    )


def test_the_ends_of_the_frequent_words_are_named(build: Build) -> None:
    result = build(SEEDS, words=2_500)
    stable = np.full(2_500, 0.7)
    stable[[40, 700, 1_999]] = 0.1, 0.0, 0.2
    stable[[5, 9]] = 1.0, np.nan
    stable[2_100] = 0.0  # rarer than those that are named
    found = claims(with_words(result, overlap=stable))
    least, most = about(found, "The least stable of the 2,000"), about(found, "The most stable of the 2,000")
    assert least.words == ("word700", "word40", "word1999", "word0", "word1", "word2")
    assert least.headline == "0–7.0"
    assert most.words[:2] == ("word5", "word0")
    assert not [c for c in claims(with_words(result, overlap=np.full(2_500, 0.7))) if c.words]
    assert not [c for c in claims(build(SEEDS, words=20)) if c.words]


def test_the_overlap_is_found_under_either_of_its_names(build: Build) -> None:
    for name in ("overlap", "overlap_at_10"):
        result = with_overlap(build(SEEDS), overlap(Estimate(0.63, 0.61, 0.65), measure=name))
        assert claims(result)[0].headline == "6.3 of 10"


def test_an_overlap_within_reach_of_chance_is_not_called_better(build: Build) -> None:
    result = with_overlap(build(SEEDS), overlap(Estimate(0.03, 0.00, 0.06), 0.033))
    assert "not distinguishable" in claims(result)[0].sentence
    assert "times" not in claims(result)[0].sentence


def test_an_overlap_is_more_than_chance_where_its_p_value_says_so(build: Build) -> None:
    apart, near = Estimate(0.63, 0.61, 0.65), Estimate(0.03, 0.00, 0.06)
    more = claims(with_overlap(build(SEEDS), overlap(apart, 0.001, p_value=0.01)))[0].sentence
    assert more.endswith("6.10 to 6.50), about 630 times what chance alone would leave (p = 0.01).")
    wide = claims(with_overlap(build(SEEDS), overlap(near, 0.01, p_value=0.05)))[0].sentence
    assert "about 3.0 times what chance alone would leave (p = 0.05)" in wide
    for estimate in (apart, near):  # whatever the interval over runs
        unrelated = claims(with_overlap(build(SEEDS), overlap(estimate, 0.001, p_value=0.06)))[0].sentence
        assert "and unrelated runs would keep as many (p = 0.06)." in unrelated
        assert "times" not in unrelated


def test_an_overlap_below_chance_is_called_so(build: Build) -> None:
    result = with_overlap(build(SEEDS), overlap(Estimate(0.03, 0.02, 0.04), 0.1))
    assert "chance alone would leave 1.00, which is more than this" in claims(result)[0].sentence


def test_two_runs_have_no_interval_and_the_claim_says_why(build: Build) -> None:
    claim = claims(build(replace(SEEDS, seeds=(0, 1))))[0]
    assert "no interval; 2 runs: an interval needs 3" in claim.sentence
    assert "times" not in claim.sentence
    assert "nan" not in claim.sentence


def test_identical_runs_are_called_identical(build: Build) -> None:
    found = claims(build(ModelConfig(PPMISVD(dim=12)), noise=0.0))
    assert found[0].headline == "10 of 10"
    assert "All 5 runs of ppmi-svd give every word the same 10 nearest neighbors" in found[0].sentence
    assert about(found, "point every word the same way").headline == "1.00"
    assert not [c for c in found if "frequency" in c.sentence]


def test_runs_that_lack_words_are_not_called_identical_in_every_word(build: Build) -> None:
    result = with_overlap(build(ModelConfig(PPMISVD(dim=12)), noise=0.0), overlap(Estimate(1.0, 1.0, 1.0)))
    known = np.where(np.arange(300) == 7, np.nan, 1.0)
    sentence = claims(with_words(result, overlap=known))[0].sentence
    assert "give every word that has neighbors in two runs the same ones" in sentence
    assert "every word the same 10" not in sentence


def test_the_shares_are_counted_over_words_that_have_neighbors(build: Build) -> None:
    result = build(SEEDS, words=100)
    values = np.array([0.5] * 30 + [0.2] * 20 + [0.19] * 40 + [np.nan] * 10)
    claim = about(claims(with_words(result, overlap=values)), "at least half")
    assert claim.headline == "33%"
    assert "33% of the 90 words" in claim.sentence
    assert "44% keep fewer than 2." in claim.sentence


def test_half_is_half_whatever_the_mean_over_pairs_rounds_to(build: Build) -> None:
    result = build(SEEDS, words=100)
    below = np.full(100, np.nextafter(0.5, 0))
    below[:50] = np.nextafter(0.2, 0)
    claim = about(claims(with_words(result, overlap=below)), "at least half")
    assert claim.headline == "50%"
    assert "0% keep fewer than 2" in claim.sentence


def test_stability_that_rises_with_frequency_is_said_to_rise(build: Build) -> None:
    result = build(SEEDS, words=100)
    rising = about(claims(with_words(result, overlap=np.linspace(0.9, 0.1, 100))), "frequent tenth")
    falling = about(claims(with_words(result, overlap=np.linspace(0.1, 0.9, 100))), "frequent tenth")
    assert rising.headline == "8.6 vs. 1.4"
    assert "rises with frequency (Spearman correlation 1.00, 95% interval 1.00 to 1.00)" in rising.sentence
    assert falling.headline == "1.4 vs. 8.6"
    assert "falls with frequency (Spearman correlation −1.00, 95% interval" in falling.sentence


def test_few_words_have_no_trend(build: Build) -> None:
    enough, few = (
        claims(with_words(build(SEEDS, words=words), overlap=np.linspace(0.9, 0.1, words)))
        for words in (100, 99)
    )
    assert [c for c in enough if "frequency" in c.sentence]
    assert not [c for c in few if "frequency" in c.sentence]


def test_ends_that_contradict_the_correlation_are_no_trend(build: Build) -> None:
    values = np.linspace(0.9, 0.1, 100)
    values[:10], values[-10:] = 0.1, 0.9
    claim = about(claims(with_words(build(SEEDS, words=100), overlap=values)), "frequent tenth")
    assert "rises" not in claim.sentence
    assert "falls" not in claim.sentence


def test_a_weak_correlation_is_no_trend_and_an_unsure_one_says_so(build: Build) -> None:
    numbers = np.random.default_rng(0)
    result = build(SEEDS, words=2_000)
    weak = 0.5 + 0.05 * numbers.standard_normal(2_000) + np.linspace(0.006, -0.006, 2_000)
    claim = about(claims(with_words(result, overlap=weak)), "frequent tenth")
    assert "stability does not simply follow frequency" in claim.sentence
    unsure = with_words(build(SEEDS, words=100), overlap=numbers.random(100))
    said = about(claims(unsure), "frequent tenth").sentence
    assert "whether stability follows frequency these words do not tell" in said


def test_words_without_a_trend_are_rarely_said_to_have_one() -> None:
    counts, wrong = np.arange(200, 0, -1), 0
    for seed in range(100):
        trend = frequency_trend(np.random.default_rng(seed).random(200), counts)
        assert trend is not None
        assert trend.interval[0] <= trend.correlation <= trend.interval[1]
        wrong += trend.direction != 0
    assert wrong <= 5 + 5 * math.sqrt(5)


def test_no_cosine_before_a_rotation_makes_runs_unrelated_or_alike(build: Build) -> None:
    result = build(SEEDS, words=100)
    for cosine in (-0.61, 0.02, 0.5, 0.9):
        changed = with_words(result, unaligned_cosine=np.full(100, cosine), aligned_cosine=np.full(100, 0.93))
        claim = about(claims(changed), "after the best rotation")
        assert claim.headline == f"{cosine:.2f} → 0.93".replace("-", "−")
        assert "only the second compares the runs" in claim.sentence
        assert not [c for c in claims(changed) if "unrelated" in c.sentence or "agree" in c.sentence]


def test_runs_point_the_same_way_where_every_word_does(build: Build) -> None:
    result = build(SEEDS, words=100)
    cosines = np.ones(100)
    same = with_words(result, unaligned_cosine=cosines, aligned_cosine=cosines)
    assert about(claims(same), "point every word the same way").headline == "1.00"
    cosines = np.where(np.arange(100) == 7, 0.999, 1.0)
    other = with_words(result, unaligned_cosine=cosines, aligned_cosine=cosines)
    assert not [c for c in claims(other) if "point every word" in c.sentence]


def test_neighbors_in_all_runs_are_averaged_over_known_words(build: Build) -> None:
    result = build(SEEDS, words=100)
    shared = np.array([4] * 50 + [0] * 50, np.int32)
    values = np.array([0.6] * 50 + [0.1] * 30 + [np.nan] * 20)
    found = claims(with_words(result, overlap=values, neighbors_in_all_runs=shared))
    assert about(found, "the same in all").headline == "2.5 of 10"
    assert "38% of the words have no such neighbor" in about(found, "the same in all").sentence
    assert not [c for c in claims(build(replace(SEEDS, seeds=(0, 1)))) if "the same in all" in c.sentence]


def test_the_dimension_is_told_where_every_run_has_one(build: Build) -> None:
    result = build(SEEDS, words=100)
    (model,) = result.models

    def told(*ratios: float) -> list[str]:
        spectra = replace(model.spectra, participation_ratio=np.array(ratios))
        changed = replace(result, models=(replace(model, spectra=spectra),))
        return [c.sentence for c in claims(changed) if "dimensions" in c.sentence]

    assert told(4, 4, 4, 4, 4)[0].endswith("(participation ratio, 4.00 in each of the 5 runs).")
    assert told(3, 4, 4, 4, 5)[0].endswith("(participation ratio, 3.00 to 5.00 between the runs).")
    assert told(3, 4, 4, 4, math.nan) == []


def test_fewer_neighbors_than_five_have_no_fifth(build: Build) -> None:
    found = claims(build(SEEDS, k=3))
    assert found[0].headline.endswith(" of 3")
    assert "fewer than" not in about(found, "at least half").sentence


def test_the_noise_of_training_is_set_against_the_noise_of_the_sample(build: Build) -> None:
    result = with_overlap(build(SEEDS, SAMPLES), between(0.7))
    claim = claims(with_overlap(result, between(0.5), 1))[0]
    assert claim == Claim(
        "7.0 vs. 5.0",
        "Another seed leaves a word 7.0 of 10 neighbors (glove), another sample of documents 5.0"
        " (glove-samples): the noise of the sample is larger than the noise of training.",
    )
    turned = with_overlap(result, between(0.9), 1)
    assert "the noise of training is larger than the noise of the sample" in claims(turned)[0].sentence


def test_thin_counts_do_not_say_that_the_noise_of_the_sample_is_the_smaller(build: Build) -> None:
    result = with_overlap(build(SEEDS, SAMPLES), between(0.7))

    def told(mean: float) -> str:
        changed = with_overlap(result, between(mean), 1)
        thin = replace(changed.models[1], occurrences=3.0)
        return claims(replace(changed, models=(changed.models[0], thin)))[0].sentence

    assert "counts are thin, so bootstrap samples do not say which noise is larger" in told(0.9)
    assert "the noise of the sample is larger" in told(0.5)  # the more so where samples share documents


def test_the_overlap_of_thin_bootstrap_samples_carries_its_warning(build: Build) -> None:
    result = build(SAMPLES)
    thin = replace(result, models=(replace(result.models[0], occurrences=3.0),))
    warning = "Counts are thin: fresh text may agree less than bootstrap samples."
    assert claims(thin)[0].sentence.endswith(warning)
    assert warning not in claims(result)[0].sentence


def test_a_difference_is_judged_by_its_own_interval(build: Build) -> None:
    result = with_overlap(build(SEEDS, SAMPLES), between(0.7, 0.01))
    apart, close = (claims(with_overlap(result, between(0.66, s), 1))[0].sentence for s in (0.01, 0.05))
    assert "the noise of the sample is larger" in apart
    assert "the difference may be accidental (95% interval −" in close
    equal = claims(with_overlap(result, between(0.7, 0.01), 1))[0].sentence
    assert "the two are equal" in equal


@settings(deadline=None)
@given(ends=st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_the_interval_of_a_difference_holds_it_and_is_wider_than_either(ends: list[float]) -> None:
    (a, b, c), (d, e, f) = sorted(ends[:3]), sorted(ends[3:])
    low, high = difference_interval(Estimate(b, a, c), Estimate(e, d, f))
    assert low <= b - e <= high
    assert high - low >= max(c - a, f - d) - 1e-12
    turned = difference_interval(Estimate(e, d, f), Estimate(b, a, c))
    assert np.allclose(turned, (-high, -low))


def test_models_without_intervals_are_not_ranked(build: Build) -> None:
    claim = claims(build(replace(SEEDS, seeds=(0, 1)), replace(SAMPLES, seeds=(2, 3))))[0]
    assert "no interval to judge" in claim.sentence


def test_models_are_compared_that_differ_in_one_thing(build: Build) -> None:
    wide = ModelConfig(GloVe(dim=24), name="wide")
    result = with_overlap(build(SEEDS, wide), between(0.5))
    claim = claims(with_overlap(result, between(0.7), 1))[0]
    assert claim.headline == "7.0 vs. 5.0"
    assert claim.sentence.startswith(
        "With another seed, wide keeps 7.0 of 10 neighbors and glove 5.0; they differ in dim alone, and the"
        " difference is larger than its uncertainty (95% interval "
    )
    close = claims(with_overlap(result, between(0.5, 0.05), 1))[0]
    assert "they differ in dim alone, and the two are equal" in close.sentence


def test_models_that_differ_in_two_things_are_not_compared(build: Build) -> None:
    others = (
        ModelConfig(PPMISVD(dim=12), vary="bootstrap"),
        ModelConfig(GloVe(dim=24), vary="bootstrap", name="other"),
        ModelConfig(GloVe(dim=24, epochs=3), name="other"),
    )
    for other in others:
        result = with_overlap(with_overlap(build(SEEDS, other), between(0.2)), between(0.8), 1)
        assert [c for c in claims(result) if not c.model] == []
    assert differences(SEEDS, others[0]) == ["what varies", "the model"]
    assert differences(SEEDS, ModelConfig(PPMISVD(dim=12))) == ["the model"]
    assert differences(SEEDS, SAMPLES) == ["what varies"]


def test_several_comparisons_share_their_doubt(build: Build) -> None:
    models = tuple(ModelConfig(GloVe(dim=dim), name=f"glove-{dim}") for dim in (12, 13, 14))
    result = build(*models)
    for place, mean in enumerate((0.5, 0.7, 0.9)):
        result = with_overlap(result, between(mean, 0.02), place)
    found = [c for c in claims(result) if not c.model]
    assert [c.headline for c in found] == ["9.0 vs. 5.0", "9.0 vs. 7.0", "7.0 vs. 5.0"]
    assert all("(simultaneous 95% interval" in c.sentence for c in found)


def test_bootstrap_and_halves_are_shown_side_by_side(build: Build) -> None:
    halves = ModelConfig(GloVe(dim=12), (0, 1, 2), "halves", "glove-halves")
    result = with_overlap(build(SAMPLES, halves), between(0.3))
    claim = claims(with_overlap(result, between(0.04, halves=True), 1))[0]
    assert claim.headline == "3.0 vs. 0.4"
    assert claim.sentence == (
        "Another sample of documents leaves a word 3.0 of 10 neighbors (glove-samples), another half of the"
        " documents 0.4 (glove-halves): bootstrap samples share documents; two halves share no document and"
        " have half of the text."
    )


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (
            0.3,
            0.1,
            0.5,
            "hubs are the more stable words (Spearman correlation 0.30, 95% interval 0.10 to 0.50)",
        ),
        (-0.3, -0.5, -0.1, "hubs are the less stable words"),
        (0.05, 0.02, 0.08, "hubs are hardly more or less stable than other words"),
        (0.3, -0.1, 0.5, "whether hubs are the more stable words these words do not tell"),
    ],
)
def test_stability_against_hubness_is_said_with_its_interval(
    build: Build, value: float, low: float, high: float, said: str
) -> None:
    result = build(SEEDS)
    against = replace(result.models[0], stability_against_hubness=Estimate(value, low, high))
    found = claims(replace(result, models=(against,)))
    assert [claim.headline for claim in found if said in claim.sentence] == [f"{value:.2f}".replace("-", "−")]
    assert not [claim for claim in claims(result) if "lists of" in claim.sentence]  # it was not measured


def test_three_numbers_are_told_whatever_is_known(build: Build) -> None:
    for result in (build(SEEDS), build(SEEDS, SAMPLES), build(replace(SEEDS, seeds=(0, 1)), words=12)):
        told = telling_numbers(result)
        assert len(told) == 3
        assert len(set(told)) == 3
        assert not [c for c in told if "nan" in c.headline + c.sentence]
    assert telling_numbers(build(SEEDS))[0].model == "glove"


def test_a_study_without_any_vector_says_that_it_knows_nothing(build: Build) -> None:
    result = build(SEEDS, words=30)
    nothing = np.full(30, np.nan)
    words = WordMeasures(nothing, nothing, nothing, nothing, np.zeros(30, np.int32), nothing, nothing)
    empty = mean_over_pairs(np.full((5, 5), np.nan))
    model = replace(result.models[0], words=words)
    result = with_overlap(replace(result, models=(model,)), overlap(empty))
    told = telling_numbers(result)
    assert told[0].headline == "–"
    assert "nothing can be said" in told[0].sentence
    assert not [c for c in told if "nan" in c.headline + c.sentence]


def test_an_overlap_that_was_not_taken_is_not_spoken_of(build: Build) -> None:
    result = build(SEEDS, SAMPLES)
    models = tuple(replace(model, pairs=()) for model in result.models)
    found = claims(replace(result, models=models))
    assert not [c for c in found if "nearest neighbors on average" in c.sentence or not c.model]
    assert not [c for c in found if "nothing can be said" in c.sentence]
    assert len(telling_numbers(replace(result, models=models))) == 3
