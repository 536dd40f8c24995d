"""What a study lets one say, in sentences that hold for its numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.report.numbers import hundredths, number, part, percent, plural, times, whole
from gpuemb.stability.result import ModelResult, PairMeasure, StudyResult
from gpuemb.stability.statistics import Estimate

VARIED = {
    "seed": "seed",
    "init": "initialization",
    "order": "order of training",
    "bootstrap": "sample of documents",
}
LEAST_WORDS = 20  # below it a tenth of the words is one word
LEAST_TREND = 0.1  # a rank correlation below it explains less than 1% and is called no trend
LEAST_LIKENESS, MOST_OF_IT = 0.2, 0.8  # mean cosines: directions 78° and 37° apart
LEAST_NEIGHBORS = 5  # below it a fifth of the neighbors is not one neighbor
ROUNDING = 1e-9  # means of multiples of 1/(k·pairs) differ by far more than this


@dataclass(frozen=True)
class Claim:
    """One thing the study shows.

    Attributes:
        headline: the number, short: ``"6.3 of 10"``.
        sentence: what it means, in plain language.
        model: the model it is about; empty when it is about several.
    """

    headline: str
    sentence: str
    model: str = ""


def claims(result: StudyResult) -> tuple[Claim, ...]:
    """Everything worth saying about a study, the most telling first within each model.

    Comparisons of models come first; a claim whose numbers do not exist is left out.
    """
    about_models = [claim for model in result.models for claim in _about(result, model)]
    return (*_comparisons(result), *about_models)


def telling_numbers(result: StudyResult) -> tuple[Claim, Claim, Claim]:
    """The three claims to read when one reads only three."""
    first = _about(result, result.models[0])
    ordered = [*first[:1], *_comparisons(result), *first[1:], *_about_the_corpus(result)]
    return ordered[0], ordered[1], ordered[2]


def overlap_of(model: ModelResult) -> PairMeasure | None:
    """The overlap of nearest neighbors that word stability is the mean of, if the study took it."""
    names = ("overlap", f"overlap_at_{model.neighbor_ids.shape[2]}")
    return next((pair for pair in model.pairs if pair.measure in names), None)


def _about(result: StudyResult, model: ModelResult) -> list[Claim]:
    made = (
        _overlap(model),
        _frequency(model, result),
        _shares(model),
        _alignment(model),
        _in_all_runs(model),
        _dimension(model),
    )
    return [claim for claim in made if claim is not None]


def _overlap(model: ModelResult) -> Claim | None:
    name, k, measure = model.config.name, model.neighbor_ids.shape[2], overlap_of(model)
    if measure is None:
        return None
    if math.isnan(measure.estimate.value):
        return Claim(
            "–",
            f"No word of {name} has neighbors in two runs, so nothing can be said about how stable they are.",
            name,
        )
    estimate = measure.estimate
    if estimate.value >= 1 - ROUNDING:
        sentence = (
            f"All {len(model.runs)} runs of {name} give every word the same {k} nearest neighbors:"
            f" another {VARIED[model.config.vary]} changes none of them."
        )
        return Claim(f"{k} of {k}", sentence, name)
    kept = part(k * estimate.value, k)
    sentence = (
        f"With another {VARIED[model.config.vary]}, a word of {name} keeps {kept} of its {k} nearest"
        f" neighbors on average ({_interval(estimate, k)})"
    )
    return Claim(f"{kept} of {k}", sentence + _against_chance(measure, k), name)


def _interval(estimate: Estimate, k: int) -> str:
    if math.isnan(estimate.low):
        return f"no interval; {estimate.reason}"
    low, high = max(0.0, estimate.low), min(1.0, estimate.high)
    return f"95% interval {_fine(k * low, k)} to {_fine(k * high, k)}"


def _fine(x: float, k: int) -> str:
    return part(x, k) if x < 0.05 or x > k - 0.05 else f"{x:,.2f}"


def _against_chance(measure: PairMeasure, k: int) -> str:
    chance, estimate = measure.chance, measure.estimate
    if chance is None or not chance > 0:
        return "."
    by_chance = f"chance alone would leave {number(k * chance)}"
    if math.isnan(estimate.low):
        return f"; {by_chance}."
    if estimate.low <= chance <= estimate.high:
        return f"; {by_chance}, which is not distinguishable from this."
    if estimate.high < chance:
        return f"; {by_chance}, which is more than this."
    return f", about {times(estimate.value / chance)} what chance alone would leave."


def _frequency(model: ModelResult, result: StudyResult) -> Claim | None:
    known = np.isfinite(model.words.overlap)
    overlap, counts = model.words.overlap[known], result.vocabulary.counts[known]
    if len(overlap) < LEAST_WORDS or np.ptp(overlap) < ROUNDING or np.ptp(counts) == 0:
        return None
    name, k, tenth = model.config.name, model.neighbor_ids.shape[2], len(overlap) // 10
    top, bottom = float(overlap[:tenth].mean()), float(overlap[-tenth:].mean())
    correlation = frequency_trend(overlap, counts)
    if abs(correlation) < LEAST_TREND or (top - bottom) * correlation <= 0:
        trend = "stability does not simply follow frequency"
    else:
        trend = f"stability {'rises' if correlation > 0 else 'falls'} with frequency"
    often, seldom = part(k * top, k), part(k * bottom, k)
    sentence = (
        f"The most frequent tenth of the words in {name} keeps {often} of {k} neighbors, the least"
        f" frequent tenth {seldom}: {trend}"
        f" (Spearman correlation {hundredths(correlation)})."
    )
    return Claim(f"{often} vs. {seldom}", sentence, name)


def frequency_trend(overlap: Float64, counts: Int64) -> float:
    """Spearman correlation of the words' stability with how often they occur."""
    from scipy.stats import rankdata

    return float(np.corrcoef(rankdata(counts), rankdata(overlap))[0, 1])


def _shares(model: ModelResult) -> Claim | None:
    overlap = model.words.overlap[np.isfinite(model.words.overlap)]
    if not len(overlap):
        return None
    name, k = model.config.name, model.neighbor_ids.shape[2]
    half = float(np.mean(overlap >= 0.5 - ROUNDING))
    sentence = (
        f"{percent(half)} of the {whole(len(overlap))} words of {name} keep at least half of their"
        f" {k} nearest neighbors from run to run"
    )
    if k >= LEAST_NEIGHBORS:
        few = k // LEAST_NEIGHBORS
        lost = float(np.mean(k * overlap < few - ROUNDING))
        sentence += f"; {percent(lost)} keep fewer than {few}"
    return Claim(percent(half), f"{sentence}.", name)


def _alignment(model: ModelResult) -> Claim | None:
    before, after = _mean(model.words.unaligned_cosine), _mean(model.words.aligned_cosine)
    if math.isnan(before) or math.isnan(after):
        return None
    name = model.config.name
    if before >= 1 - 1e-6:
        sentence = (
            f"Two runs of {name} point every word the same way even before any rotation: the mean"
            f" cosine of a word’s two vectors is {hundredths(before)}."
        )
        return Claim(hundredths(before), sentence, name)
    if before < LEAST_LIKENESS:
        opening = "look unrelated number by number"
    else:
        opening = f"agree {'largely' if before > MOST_OF_IT else 'in part'} as they stand"
    sentence = (
        f"Two runs of {name} {opening} (mean cosine of a word’s two vectors {hundredths(before)});"
        f" after the best rotation it is {hundredths(after)}."
    )
    return Claim(f"{hundredths(before)} → {hundredths(after)}", sentence, name)


def _in_all_runs(model: ModelResult) -> Claim | None:
    shared = model.words.neighbors_in_all_runs[np.isfinite(model.words.overlap)]
    name, runs, k = model.config.name, len(model.runs), model.neighbor_ids.shape[2]
    if runs < 3 or not len(shared):  # with two runs this is the overlap once more
        return None
    kept, none = part(float(shared.mean()), k), percent(float(np.mean(shared == 0)))
    sentence = (
        f"{kept} of a word’s {k} nearest neighbors in {name} are the same in all {runs} runs, on"
        f" average; {none} of the words have no such neighbor."
    )
    return Claim(f"{kept} of {k}", sentence, name)


def _dimension(model: ModelResult) -> Claim | None:
    ratio, dim = model.spectra.participation_ratio, model.spectra.eigenvalues.shape[1]
    if not np.isfinite(ratio).all():
        return None
    low, high, mean = number(float(ratio.min())), number(float(ratio.max())), number(float(ratio.mean()))
    spread = f"{low} in each of the {len(ratio)} runs" if low == high else f"{low} to {high} between the runs"
    sentence = (
        f"The variance of {model.config.name} spreads over about {mean} of its {dim} dimensions"
        f" (participation ratio, {spread})."
    )
    return Claim(f"{mean} of {dim}", sentence, model.config.name)


@dataclass(frozen=True)
class _Measured:
    """A model with what its overlap says."""

    model: ModelResult
    overlap: Estimate

    @property
    def kept(self) -> str:
        k = self.model.neighbor_ids.shape[2]
        return part(k * self.overlap.value, k)


def _comparisons(result: StudyResult) -> list[Claim]:
    measured = [
        _Measured(model, overlap.estimate)
        for model in result.models
        if (overlap := overlap_of(model)) and math.isfinite(overlap.estimate.value)
    ]
    if len(measured) < 2:
        return []
    trained = [m for m in measured if m.model.config.vary != "bootstrap"]
    sampled = [m for m in measured if m.model.config.vary == "bootstrap"]
    pairs = [(a, b) for a, b in product(trained, sampled) if a.model.config.recipe == b.model.config.recipe]
    if pairs:
        return [_training_or_sample(a, b) for a, b in pairs]
    ordered = sorted(measured, key=lambda m: -m.overlap.value)
    return [_two_models(ordered[0], ordered[-1])]


def _training_or_sample(trained: _Measured, sampled: _Measured) -> Claim:
    config, k = trained.model.config, trained.model.neighbor_ids.shape[2]
    apart = _verdict(trained.overlap, sampled.overlap)
    if not apart:
        noises = ("the noise of the sample", "the noise of training")
        larger, smaller = noises if trained.overlap.value > sampled.overlap.value else noises[::-1]
        apart = f"{larger} is larger than {smaller}"
    of_training = (
        f"Another {VARIED[config.vary]} leaves a word {trained.kept} of {k} neighbors ({config.name})"
    )
    of_sample = f"another {VARIED['bootstrap']} {sampled.kept} ({sampled.model.config.name})"
    sentence = f"{of_training}, {of_sample}: {apart}."
    return Claim(f"{trained.kept} vs. {sampled.kept}", sentence)


def _two_models(better: _Measured, worse: _Measured) -> Claim:
    a, b, k = better.model.config, worse.model.config, better.model.neighbor_ids.shape[2]
    larger = "the difference is larger than the uncertainty of either"
    apart = _verdict(better.overlap, worse.overlap) or larger
    sentence = (
        f"With another {VARIED[a.vary]}, {a.name} keeps {better.kept} of {k} neighbors; with another"
        f" {VARIED[b.vary]}, {b.name} keeps {worse.kept} of {k}: {apart}."
    )
    return Claim(f"{better.kept} vs. {worse.kept}", sentence)


def _verdict(a: Estimate, b: Estimate) -> str:
    """Why two means cannot be told apart; empty when they can."""
    if abs(a.value - b.value) < ROUNDING:
        return "the two are equal"
    if math.isnan(a.low) or math.isnan(b.low):
        return "with so few runs there is no interval to judge the difference by"
    if a.low <= b.high and b.low <= a.high:
        return "their 95% intervals overlap, so the difference may be accidental"
    return ""


def _about_the_corpus(result: StudyResult) -> list[Claim]:
    runs = sum(len(model.runs) for model in result.models)
    followed = plural(len(result.vocabulary), "word")
    tokens, documents = plural(result.tokens, "token"), plural(result.documents, "document")
    return [
        Claim(whole(len(result.vocabulary)), f"The study follows {followed} through {plural(runs, 'run')}."),
        Claim(whole(result.tokens), f"The words come from {tokens}."),
        Claim(whole(result.documents), f"The corpus has {documents}."),
    ]


def _mean(values: Float64) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan
