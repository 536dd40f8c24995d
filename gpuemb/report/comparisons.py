"""What two models of a study let one say about each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from gpuemb.report.numbers import enumerated, part
from gpuemb.report.overlaps import ROUNDING, VARIED, Claim, neighbors_said, overlap_of
from gpuemb.stability.config import ModelConfig
from gpuemb.stability.questions.groups import settings_of
from gpuemb.stability.result import ModelResult
from gpuemb.stability.statistics import Estimate, mean_over_pairs
from gpuemb.uncertainty.intervals import SHARE

DOUBT = 0.05  # that some interval of a difference misses


@dataclass(frozen=True)
class _Measured:
    """A model with what its overlap says, by an interval that holds beside those of the other comparisons."""

    model: ModelResult
    overlap: Estimate
    together: int

    @property
    def config(self) -> ModelConfig:
        return _trained(self.model)

    @property
    def k(self) -> int:
        return int(self.model.neighbor_ids.shape[2])

    @property
    def kept(self) -> str:
        return part(self.k * self.overlap.value, self.k)


def comparisons(models: Sequence[ModelResult]) -> list[Claim]:
    """Set models against each other that differ in one thing alone, the largest difference first.

    Models that differ in two things are not compared: their numbers do not say which of the two it is.
    """
    known = [
        model
        for model in models
        if isinstance(model.config, ModelConfig)  # how finished tables were trained is not known
        and (found := overlap_of(model))
        and not math.isnan(found.estimate.value)
    ]
    alike = [pair for pair in combinations(known, 2) if len(differences(*map(_trained, pair))) == 1]
    measured = {one.config.name: _measured(one, len(alike)) for pair in alike for one in pair}
    pairs = [(measured[a.config.name], measured[b.config.name]) for a, b in alike]
    return [
        _said(*pair) for pair in sorted(pairs, key=lambda p: -abs(p[0].overlap.value - p[1].overlap.value))
    ]


def _trained(model: ModelResult) -> ModelConfig:
    assert isinstance(model.config, ModelConfig)
    return model.config


def differences(a: ModelConfig, b: ModelConfig) -> list[str]:
    """Name what differs between two models: what varies, the kind of model, settings that both have."""
    first, second = map(settings_of, (a, b))
    names = {"vary": "what varies", "kind": "the model", "fraction": "the fraction of the documents"}
    return [
        names.get(key, key.replace("_", " ")) for key in first if key in second and first[key] != second[key]
    ]


def difference_interval(a: Estimate, b: Estimate) -> tuple[float, float]:
    """Interval of the difference of two independent estimates, from their own intervals.

    Source: Zou and Donner (2008), Statistics in Medicine 27, 1693-1702.
    """
    apart = a.value - b.value
    return (
        apart - math.hypot(a.value - a.low, b.high - b.value),
        apart + math.hypot(a.high - a.value, b.value - b.low),
    )


def _measured(model: ModelResult, together: int) -> _Measured:
    measure = overlap_of(model)
    assert measure is not None
    confidence = 1 - DOUBT / together
    return _Measured(
        model, mean_over_pairs(measure.values, SHARE, halves=measure.halves, confidence=confidence), together
    )


def _said(a: _Measured, b: _Measured) -> Claim:
    if a.config.vary == b.config.vary:
        return _two_models(*sorted((a, b), key=lambda one: -one.overlap.value))
    order = ("seed", "init", "order", "sampling", "bootstrap", "halves")
    a, b = sorted((a, b), key=lambda one: order.index(one.config.vary))
    if b.config.vary == "halves":
        return _with_halves(a, b)
    return _training_or_sample(a, b) if b.config.vary == "bootstrap" else _two_causes(a, b)


def _training_or_sample(trained: _Measured, sampled: _Measured) -> Claim:
    apart = _verdict(trained, sampled)
    if not apart:
        more = trained.overlap.value > sampled.overlap.value
        noises = ("the noise of the sample", "the noise of training")
        larger, smaller = noises if more else noises[::-1]
        apart = f"{larger} is larger than {smaller}"
        if not more and sampled.model.optimistic:
            apart = "counts are thin, so bootstrap samples do not say which noise is larger"
    return _both(trained, sampled, apart)


def _two_causes(a: _Measured, b: _Measured) -> Claim:
    return _both(a, b, _verdict(a, b) or f"the difference is larger than its uncertainty ({_interval(a, b)})")


def _with_halves(a: _Measured, halves: _Measured) -> Claim:
    shares = "two halves share no document and have half of the text"
    if a.config.vary == "bootstrap":
        shares = f"bootstrap samples share documents; {shares}"
    return _both(a, halves, shares)


def _both(a: _Measured, b: _Measured, apart: str) -> Claim:
    first = f"Another {VARIED[a.config.vary]} leaves a word {a.kept} of {a.k} neighbors ({a.config.name})"
    second = f"another {VARIED[b.config.vary]} {b.kept} ({b.config.name})"
    return Claim(f"{a.kept} vs. {b.kept}", f"{first}, {second}: {apart}.")


def _two_models(better: _Measured, worse: _Measured) -> Claim:
    a, b = better.config, worse.config
    apart = _verdict(better, worse)
    if not apart:
        apart = f"the difference is larger than its uncertainty ({_interval(better, worse)})"
    sentence = (
        f"With another {VARIED[a.vary]}, {a.name} keeps {better.kept} of {better.k} neighbors and {b.name}"
        f" {worse.kept}; they differ in {enumerated(differences(a, b))} alone, and {apart}."
    )
    return Claim(f"{better.kept} vs. {worse.kept}", sentence)


def _verdict(a: _Measured, b: _Measured) -> str:
    """Why two means cannot be told apart; empty when they can."""
    if abs(a.overlap.value - b.overlap.value) < ROUNDING:
        return "the two are equal"
    if math.isnan(a.overlap.low) or math.isnan(b.overlap.low):
        return "with so few runs there is no interval to judge the difference by"
    low, high = difference_interval(a.overlap, b.overlap)
    if low <= 0 <= high:
        return f"the difference may be accidental ({_interval(a, b)})"
    return ""


def _interval(a: _Measured, b: _Measured) -> str:
    low, high = (neighbors_said(a.k * end) for end in difference_interval(a.overlap, b.overlap))
    return f"{'simultaneous ' * (a.together > 1)}95% interval {low} to {high}"
