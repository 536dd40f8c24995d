"""How the difference of runs changes along an axis of models, as a factor a doubling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpuemb.core.arrays import Int64
from gpuemb.stability.questions.answer import Answer, Finding
from gpuemb.stability.questions.evidence import EQUAL, LOST, MEANINGS, VARIANCE, Evidence, PairsOfRuns
from gpuemb.stability.questions.groups import alike_but, name_of_group, settings_of
from gpuemb.stability.questions.table import QUESTIONS
from gpuemb.stability.result import ModelResult, StudyResult
from gpuemb.stability.statistics import LEAST_RUNS
from gpuemb.uncertainty.contrasts import Interval, Jackknifed, slope
from gpuemb.uncertainty.intervals import DISTANCE, SHARE, jackknife_interval

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True, eq=False)
class Trend:
    """How a measure goes along an axis.

    Attributes:
        group: what the models have in common.
        measure: its name.
        models: one a level.
        levels: their values on the axis, ascending.
        estimates: the measure at each level, over runs.
        factor: by which it changes when the level doubles, with an interval over runs.
        over_words: the same with an interval over words.
        words: how many are compared.
    """

    group: str
    measure: str
    models: tuple[ModelResult, ...]
    levels: tuple[float, ...]
    estimates: tuple[Jackknifed, ...]
    factor: Interval
    over_words: Interval
    words: int

    @property
    def direction(self) -> int:
        """1 where the measure grows, −1 where it falls, 0 where an interval does not say."""
        both = (self.factor, self.over_words)
        return int(all(one.is_above(1) for one in both)) - int(all(one.is_below(1) for one in both))


def fit_trend(levels: Sequence[float], values: Sequence[PairsOfRuns]) -> tuple[Interval, Interval]:
    """Return the factor a doubling of the level, with intervals over runs and over blocks of words.

    The mean over words and pairs of runs is taken at each level, and its logarithm fitted on that of the
    level by least squares.

    Args:
        levels: ascending, above zero.
        values: a measure at each level, of runs of their own.
    """
    at = [math.log2(level) for level in levels]
    over_runs = slope(at, [one.over_runs().log() for one in values])
    over_words = slope(at, [one.over_words().log() for one in values])
    return over_runs.mapped(math.exp), over_words.mapped(math.exp)


def trends(result: StudyResult, axis: str, *, common_words: bool) -> list[Trend]:
    """Fit every group of models that differ in one axis alone.

    Args:
        result: a finished study.
        axis: a setting of models.
        common_words: compare the words that all levels have, and neighbors among them: else a level with
            more words is another task.
    """
    evidence, found = Evidence(result), []
    for places in alike_but(axis, [model.config for model in result.models]):
        models = tuple(result.models[place] for place in places)
        rows: Int64 | None = evidence.common_rows(models) if common_words else None
        levels = tuple(float(_level(model, axis)) for model in models)
        group = name_of_group([model.config for model in models], axis)
        for measure in (VARIANCE, LOST):
            values = [evidence.of(measure, model, rows) for model in models]
            runs, over_words = fit_trend(levels, values)
            words = len(result.vocabulary) if rows is None else len(rows)
            estimates = tuple(one.over_runs() for one in values)
            found.append(Trend(group, measure, models, levels, estimates, runs, over_words, words))
    return found


def trend_answer(
    name: str, found: Sequence[Trend], axis: str, of: str, more: str, notes: Sequence[str]
) -> Answer:
    """Answer a question by trends.

    Args:
        name: of the question.
        found: its trends.
        axis: a setting of models.
        of: what a level is, such as ``dimensions``.
        more: what doubles, such as ``the dimensions``.
        notes: further notes.
    """
    meanings = [f"{measure[:1].upper()}{measure[1:]}: {meaning}." for measure, meaning in MEANINGS.items()]
    return Answer(
        name,
        QUESTIONS[name].asks,
        tuple(_finding(one, of, more) for one in found),
        {"levels": _levels(found, axis), "trends": _factors(found)},
        (*meanings, *notes),
    )


def _level(model: ModelResult, axis: str) -> Any:
    return settings_of(model.config)[axis]


def _finding(trend: Trend, of: str, more: str) -> Finding:
    span = f"from {trend.levels[0]:g} to {trend.levels[-1]:g} {of}"
    about, measure, factor = f"{trend.group}, {span}", trend.measure, trend.factor
    sentence = f"{trend.group}: {_said(trend, span, more)}"
    return Finding(about, measure, factor.value, factor.low, factor.high, trend.direction != 0, sentence)


def _said(trend: Trend, span: str, more: str) -> str:
    name = "the variance between runs" if trend.measure == VARIANCE else "the share of neighbors lost"
    values = [one.value for one in trend.estimates]
    if min(values) < EQUAL:
        return f"{name} has no trend {span}: some runs are equal."
    said = f"{values[0]:.3g} at {trend.levels[0]:g} and {values[-1]:.3g} at {trend.levels[-1]:g}"
    if math.isnan(trend.factor.low):
        return (
            f"{name} is {said}; with fewer than {LEAST_RUNS} runs a level there is no interval to judge by."
        )
    times = f"{trend.factor.value:.3f} times at each doubling of {more}"
    interval = f"95% interval {trend.factor.low:.3f} to {trend.factor.high:.3f}"
    if not trend.direction:
        return f"whether {name} changes {span} these runs do not tell ({times}, {interval})."
    verb, wrong = ("grows", "falls") if trend.direction > 0 else ("falls", "grows")
    steps = list(zip(trend.levels, trend.levels[1:], values, values[1:], strict=False))
    against = [f"{a:g} to {b:g}" for a, b, x, y in steps if (y - x) * trend.direction < 0]
    unlike = f"; not at every step: it {wrong} from {', '.join(against)}" if against else ""
    return f"{name} {verb} {span}: {said}, {times} ({interval}){unlike}."


def _levels(found: Sequence[Trend], axis: str) -> pyarrow.Table:
    import pyarrow

    rows = []
    for trend in found:
        possible = DISTANCE if trend.measure == VARIANCE else SHARE
        for model, level, one in zip(trend.models, trend.levels, trend.estimates, strict=True):
            low, high = math.nan, math.nan
            if len(one.left_out) >= LEAST_RUNS:
                low, high = jackknife_interval(one.value, one.left_out, possible)
            name, runs = model.config.name, len(model.runs)
            rows.append((trend.group, level, name, trend.measure, one.value, low, high, runs, trend.words))
    names = ("models", axis, "model", "measure", "value", "low", "high", "runs", "words")
    return pyarrow.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def _factors(found: Sequence[Trend]) -> pyarrow.Table:
    import pyarrow

    return pyarrow.table(
        {
            "models": [one.group for one in found],
            "measure": [one.measure for one in found],
            "factor_per_doubling": [one.factor.value for one in found],
            "low_over_runs": [one.factor.low for one in found],
            "high_over_runs": [one.factor.high for one in found],
            "low_over_words": [one.over_words.low for one in found],
            "high_over_words": [one.over_words.high for one in found],
            "direction": [one.direction for one in found],
        }
    )
