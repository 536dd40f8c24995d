"""A claim says what the numbers say, and nothing where they say nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gpuemb.report.claims import Claim, claims, telling_numbers
from gpuemb.stability.config import ModelConfig
from gpuemb.stability.result import PairMeasure, StudyResult, WordMeasures
from gpuemb.stability.statistics import Estimate, mean_over_pairs
from gpuemb.training.recipes import PPMISVD, GloVe

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


def overlap(estimate: Estimate, chance: float | None = 0.01, measure: str = "overlap") -> PairMeasure:
    values = np.full((5, 5), estimate.value)
    return PairMeasure(
        measure, "Overlap", "Shared neighbors.", "unit", values, estimate, chance, higher_is_closer=True
    )


def with_words(result: StudyResult, **measures: np.ndarray) -> StudyResult:
    model = result.models[0]
    return replace(result, models=(replace(model, words=replace(model.words, **measures)),))


def about(found: tuple[Claim, ...], phrase: str) -> Claim:
    """Return the one claim that contains a phrase."""
    (claim,) = [c for c in found if phrase in c.sentence]
    return claim


def test_the_overlap_is_stated_with_its_interval_and_against_chance(build: Build) -> None:
    result = with_overlap(build(SEEDS), overlap(Estimate(0.63, 0.61, 0.65), 0.001))
    assert claims(result)[0] == Claim(
        "6.3 of 10",
        "With another seed, a word of glove keeps 6.3 of its 10 nearest neighbors on average"
        " (95% interval 6.10 to 6.50), about 630 times what chance alone would leave.",
        "glove",
    )


def test_the_overlap_is_found_under_either_of_its_names(build: Build) -> None:
    for name in ("overlap", "overlap_at_10"):
        result = with_overlap(build(SEEDS), overlap(Estimate(0.63, 0.61, 0.65), measure=name))
        assert claims(result)[0].headline == "6.3 of 10"


def test_an_overlap_within_reach_of_chance_is_not_called_better(build: Build) -> None:
    result = with_overlap(build(SEEDS), overlap(Estimate(0.03, 0.00, 0.06), 0.033))
    assert "not distinguishable" in claims(result)[0].sentence
    assert "times" not in claims(result)[0].sentence


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
    assert "rises with frequency (Spearman correlation 1.00)" in rising.sentence
    assert falling.headline == "1.4 vs. 8.6"
    assert "falls with frequency (Spearman correlation −1.00)" in falling.sentence


def test_ends_that_contradict_the_correlation_are_no_trend(build: Build) -> None:
    values = np.linspace(0.9, 0.1, 100)
    values[:10], values[-10:] = 0.1, 0.9
    claim = about(claims(with_words(build(SEEDS, words=100), overlap=values)), "frequent tenth")
    assert "does not simply follow" in claim.sentence


def test_runs_look_unrelated_only_where_they_do(build: Build) -> None:
    result = build(SEEDS, words=100)
    far = with_words(result, unaligned_cosine=np.full(100, 0.02), aligned_cosine=np.full(100, 0.93))
    near = with_words(result, unaligned_cosine=np.full(100, 0.50), aligned_cosine=np.full(100, 0.93))
    same = with_words(result, unaligned_cosine=np.full(100, 0.90), aligned_cosine=np.full(100, 0.93))
    assert about(claims(far), "look unrelated").headline == "0.02 → 0.93"
    assert about(claims(near), "agree in part").headline == "0.50 → 0.93"
    assert about(claims(same), "agree largely").headline == "0.90 → 0.93"
    assert not [c for c in claims(near) if "unrelated" in c.sentence]


def test_neighbors_in_all_runs_are_averaged_over_known_words(build: Build) -> None:
    result = build(SEEDS, words=100)
    shared = np.array([4] * 50 + [0] * 50, np.int32)
    values = np.array([0.6] * 50 + [0.1] * 30 + [np.nan] * 20)
    found = claims(with_words(result, overlap=values, neighbors_in_all_runs=shared))
    assert about(found, "the same in all").headline == "2.5 of 10"
    assert "38% of the words have no such neighbor" in about(found, "the same in all").sentence
    assert not [c for c in claims(build(replace(SEEDS, seeds=(0, 1)))) if "the same in all" in c.sentence]


def test_fewer_neighbors_than_five_have_no_fifth(build: Build) -> None:
    found = claims(build(SEEDS, k=3))
    assert found[0].headline.endswith(" of 3")
    assert "fewer than" not in about(found, "at least half").sentence


def test_the_noise_of_training_is_set_against_the_noise_of_the_sample(build: Build) -> None:
    result = with_overlap(build(SEEDS, SAMPLES), overlap(Estimate(0.7, 0.69, 0.71)))
    claim = claims(with_overlap(result, overlap(Estimate(0.5, 0.48, 0.52)), 1))[0]
    assert claim == Claim(
        "7.0 vs. 5.0",
        "Another seed leaves a word 7.0 of 10 neighbors (glove), another sample of documents 5.0"
        " (glove-samples): the noise of the sample is larger than the noise of training.",
    )
    turned = with_overlap(result, overlap(Estimate(0.9, 0.88, 0.92)), 1)
    assert "the noise of training is larger than the noise of the sample" in claims(turned)[0].sentence


def test_intervals_that_overlap_decide_nothing(build: Build) -> None:
    result = with_overlap(build(SEEDS, SAMPLES), overlap(Estimate(0.7, 0.5, 0.9)))
    result = with_overlap(result, overlap(Estimate(0.6, 0.5, 0.7)), 1)
    assert "may be accidental" in claims(result)[0].sentence
    assert "larger" not in claims(result)[0].sentence


def test_models_without_intervals_are_not_ranked(build: Build) -> None:
    claim = claims(build(replace(SEEDS, seeds=(0, 1)), replace(SAMPLES, seeds=(2, 3))))[0]
    assert "no interval to judge" in claim.sentence


def test_different_recipes_are_compared_as_what_they_are(build: Build) -> None:
    other = ModelConfig(PPMISVD(dim=12), vary="bootstrap")
    result = with_overlap(build(SEEDS, other), overlap(Estimate(0.2, 0.19, 0.21)))
    claim = claims(with_overlap(result, overlap(Estimate(0.8, 0.79, 0.81)), 1))[0]
    assert claim.sentence.startswith("With another sample of documents, ppmi-svd keeps 8.0 of 10 neighbors;")
    assert "noise of" not in claim.sentence


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
    words = WordMeasures(nothing, nothing, nothing, nothing, np.zeros(30, np.int32), nothing)
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
