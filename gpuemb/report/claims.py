"""What a study lets one say, in sentences that hold for its numbers."""

from __future__ import annotations

import math

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.report.comparisons import comparisons
from gpuemb.report.numbers import hundredths, number, part, percent, plural, whole
from gpuemb.report.overlaps import ROUNDING, Claim, overlap_claim
from gpuemb.report.trend import LEAST_TREND, frequency_trend
from gpuemb.stability.result import ModelResult, StudyResult

FREQUENT = 2_000  # words among which the ends are named: rare ones are nobody's examples
NAMED = 6
LEAST_NEIGHBORS = 5  # below it a fifth of the neighbors is not one neighbor


def claims(result: StudyResult) -> tuple[Claim, ...]:
    """Everything worth saying about a study, the most telling first within each model.

    Comparisons of models come first; a claim whose numbers do not exist is left out.
    """
    about_models = [claim for model in result.models for claim in _about(result, model)]
    return (*comparisons(result.models), *about_models)


def telling_numbers(result: StudyResult) -> tuple[Claim, Claim, Claim]:
    """The three claims to read when one reads only three."""
    first = _about(result, result.models[0])
    ordered = [*first[:1], *comparisons(result.models), *first[1:], *_about_the_corpus(result)]
    return ordered[0], ordered[1], ordered[2]


def _about(result: StudyResult, model: ModelResult) -> list[Claim]:
    made = (
        overlap_claim(model),
        _frequency(model, result),
        _shares(model),
        *_ends(model, result),
        _hubness(model),
        _alignment(model),
        _in_all_runs(model),
        _dimension(model),
    )
    return [claim for claim in made if claim is not None]


def _frequency(model: ModelResult, result: StudyResult) -> Claim | None:
    trend = frequency_trend(model.words.overlap, result.vocabulary.counts)
    if trend is None:
        return None
    name, k = model.config.name, model.neighbor_ids.shape[2]
    if trend.direction:
        said = f"stability {'rises' if trend.direction > 0 else 'falls'} with frequency"
    elif trend.unsure:
        said = "whether stability follows frequency these words do not tell"
    else:
        said = "stability does not simply follow frequency"
    often, seldom = part(k * trend.top, k), part(k * trend.bottom, k)
    low, high = map(hundredths, trend.interval)
    sentence = (
        f"The most frequent tenth of the words in {name} keeps {often} of {k} neighbors, the least"
        f" frequent tenth {seldom}: {said}"
        f" (Spearman correlation {hundredths(trend.correlation)}, 95% interval {low} to {high})."
    )
    return Claim(f"{often} vs. {seldom}", sentence, name, "frequency")


def _hubness(model: ModelResult) -> Claim | None:
    found = model.stability_against_hubness
    if math.isnan(found.low):
        return None
    name, k = model.config.name, model.neighbor_ids.shape[2]
    if found.low <= 0 <= found.high:
        said = "whether hubs are the more stable words these words do not tell"
    elif abs(found.value) < LEAST_TREND:
        said = "hubs are hardly more or less stable than other words"
    else:
        said = f"hubs are the {'more' if found.value > 0 else 'less'} stable words"
    value, low, high = map(hundredths, (found.value, found.low, found.high))
    sentence = (
        f"The number of lists of {k} neighbors that a word of {name} is in and its stability: {said}"
        f" (Spearman correlation {value}, 95% interval {low} to {high})."
    )
    return Claim(value, sentence, name)


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
    return Claim(percent(half), f"{sentence}.", name, "stability")


def _ends(model: ModelResult, result: StudyResult) -> list[Claim]:
    """Name the least and the most stable of the frequent words; nothing where all are alike."""
    known = np.flatnonzero(np.isfinite(model.words.overlap))[:FREQUENT]
    overlap, k = model.words.overlap[known], model.neighbor_ids.shape[2]
    if len(known) < 4 * NAMED or np.ptp(overlap) < ROUNDING:
        return []
    made = []
    for end, order in (("least", overlap), ("most", -overlap)):
        chosen = known[np.argsort(order, kind="stable")[:NAMED]]
        kept = k * model.words.overlap[chosen]
        low, high = (part(float(x), k) for x in (kept.min(), kept.max()))
        sentence = (
            f"The {end} stable of the {whole(len(known))} most frequent words of {model.config.name} in these"
            f" {len(model.runs)} runs keep {low if low == high else f'{low} to {high}'} of {k} neighbors:"
        )
        words = tuple(result.vocabulary.words[word] for word in chosen)
        made.append(
            Claim(low if low == high else f"{low}–{high}", sentence, model.config.name, "frequency", words)
        )
    return made


def _alignment(model: ModelResult) -> Claim | None:
    """State both mean cosines: of axes that are arbitrary, the first says nothing about the runs."""
    unaligned = model.words.unaligned_cosine
    before, after = _mean(unaligned), _mean(model.words.aligned_cosine)
    if math.isnan(before) or math.isnan(after):
        return None
    name = model.config.name
    if np.nanmin(unaligned) >= 1 - 1e-6:
        sentence = f"Two runs of {name} point every word the same way even before any rotation."
        return Claim(hundredths(before), sentence, name, "alignment")
    sentence = (
        f"The mean cosine of a word’s vectors in two runs of {name} is {hundredths(before)} as they stand and"
        f" {hundredths(after)} after the best rotation; the axes of a run are arbitrary, so that only the"
        " second compares the runs."
    )
    return Claim(f"{hundredths(before)} → {hundredths(after)}", sentence, name, "alignment")


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
    return Claim(f"{mean} of {dim}", sentence, model.config.name, "spectra")


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
