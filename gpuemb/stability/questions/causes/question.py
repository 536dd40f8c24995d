"""The question ``causes``: how much of the variance between runs is due to what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpuemb.stability.config import ModelConfig
from gpuemb.stability.given.config import TablesConfig
from gpuemb.stability.questions.answer import Answer, Finding
from gpuemb.stability.questions.causes.components import (
    Component,
    ratio_of,
    setting_variance,
    share_of,
    words_of,
)
from gpuemb.stability.questions.evidence import EQUAL, MEANINGS, VARIANCE, Evidence
from gpuemb.stability.questions.groups import alike_but, name_of_group, settings_of
from gpuemb.stability.questions.table import CAUSES, QUESTIONS
from gpuemb.stability.result import StudyResult
from gpuemb.uncertainty.contrasts import Interval

if TYPE_CHECKING:
    import pyarrow

NO_SETTINGS = ("vary", "kind", "fraction")  # causes, models and texts are no hyper-parameters
NOTES = (
    f"Variance: {MEANINGS[VARIANCE]}; mean over words and pairs of runs.",
    "Each cause varies alone, all else as of seed 0; its share is that in the sum of the causes. Models of"
    " different kinds or settings are never summed.",
    "The share of documents is of samples with replacement, which share documents: two independent texts"
    " may differ more.",
)


@dataclass(frozen=True, eq=False)
class CausesOfModel:
    """The components of models that differ in what varies alone.

    Attributes:
        group: what they have in common.
        components: of the causes that were varied alone, the largest first.
        together: of all that is random, varied together; None where no model did.
    """

    group: str
    components: tuple[Component, ...]
    together: Component | None


def answer(result: StudyResult) -> Answer:
    """Answer from models that differ in what varies alone, and from models that differ in one setting.

    Cost: of each model one pass ``V·(S·d)²`` and ``V·d²`` flops a pair of runs; kept in the folder. For
    settings the same with the runs of all of them.
    """
    import pyarrow

    groups = causes_of(result)
    findings = [finding for group in groups for finding in _findings(group)]
    settings = _settings(result)
    findings += [finding for finding, _ in settings]
    words = [words_of(group.components, result.vocabulary.words, group.group) for group in groups]
    tables: dict[str, Any] = {"components": _table(groups), "words": pyarrow.concat_tables(words)}
    if settings:
        tables["settings"] = pyarrow.Table.from_pylist([row for _, row in settings])
    return Answer("causes", QUESTIONS["causes"].asks, tuple(findings), tables, NOTES)


def causes_of(result: StudyResult) -> list[CausesOfModel]:
    """Return the components of every group of models that differ in what varies alone."""
    evidence, found = Evidence(result), []
    configs = [model.config for model in result.models]
    for places in alike_but("vary", configs):
        models = {configs[place].vary: result.models[place] for place in places}
        components = {
            cause: Component(cause, models[cause].config.name, evidence.of(VARIANCE, models[cause]))
            for cause in models
            if cause in CAUSES or cause == "seed"
        }
        together = components.pop("seed", None)
        ordered = sorted(components.values(), key=lambda one: -one.estimate.value)
        if ordered:
            group = name_of_group([configs[place] for place in places], "vary")
            found.append(CausesOfModel(group, tuple(ordered), together))
    return found


def _findings(group: CausesOfModel) -> list[Finding]:
    found = []
    if len(group.components) > 1:
        found.append(_largest(group))
        found += [_share(group, one) for one in group.components]
    random = [one for one in group.components if one.cause != "bootstrap"]
    if group.together is not None and len(random) > 1:
        found.append(_interaction(group, random, group.together))
    return found


def _largest(group: CausesOfModel) -> Finding:
    first, second, *_ = group.components
    ratio = ratio_of([first], [second])
    holds = all(ratio_of([first], [other]).is_above(1) for other in group.components[1:] if _differs(other))
    holds = holds and _differs(first)
    one, other = CAUSES[first.cause], CAUSES[second.cause]
    if not _differs(first):
        said = "no cause makes the runs differ"
    elif not _differs(second):
        said = f"{one} alone makes the runs differ"
    elif math.isnan(ratio.low):
        said = f"{one}: most of the variance here, but with so few runs there is no interval to judge by"
    else:
        times = f"{ratio.value:.2f} times that of {other} (95% interval {ratio.low:.2f} to {ratio.high:.2f})"
        said = (
            f"the largest cause of variance between runs is {one}: {times}"
            if holds
            else f"which cause is the largest these runs do not tell; {one}: {times}"
        )
    return Finding(
        group.group, "largest cause", ratio.value, ratio.low, ratio.high, holds, f"{group.group}: {said}."
    )


def _share(group: CausesOfModel, one: Component) -> Finding:
    share = share_of(one, group.components)
    percent = "no variance" if math.isnan(share.value) else f"{100 * share.value:.1f}% of the variance"
    interval = (
        "" if math.isnan(share.low) else f" (95% interval {100 * share.low:.1f}% to {100 * share.high:.1f}%)"
    )
    sentence = f"{group.group}: {percent}{interval} is due to {CAUSES[one.cause]}."
    known = not math.isnan(share.low)
    return Finding(group.group, f"share of {one.cause}", share.value, share.low, share.high, known, sentence)


def _interaction(group: CausesOfModel, random: Sequence[Component], together: Component) -> Finding:
    ratio = ratio_of([together], random)
    names = " and ".join(one.cause for one in random)
    holds = ratio.is_above(1) or ratio.is_below(1)
    interval = "" if math.isnan(ratio.low) else f" (95% interval {ratio.low:.2f} to {ratio.high:.2f})"
    said = "more" if ratio.is_above(1) else "less"
    verdict = f"{said} than they would if they added up" if holds else "which agrees with causes that add up"
    if math.isnan(ratio.low):
        verdict = "with no interval to judge by"
    times = f"{ratio.value:.2f} times the sum of each alone{interval}"
    sentence = f"{group.group}: {names} varied together make {times}, {verdict}."
    return Finding(group.group, "together over the sum", ratio.value, ratio.low, ratio.high, holds, sentence)


def _settings(result: StudyResult) -> list[tuple[Finding, dict[str, Any]]]:
    """Return what each setting that differs between models makes of variance."""
    configs = [model.config for model in result.models]
    names = dict.fromkeys(
        name for config in configs for name in settings_of(config) if name not in NO_SETTINGS
    )
    evidence, found = Evidence(result), []
    for name in names:
        for places in alike_but(name, configs):
            models = [result.models[place] for place in places]
            if len({model.config.seeds for model in models}) > 1 or not _all_is_varied(models[0].config):
                continue
            made = setting_variance(models)
            runs = sum(evidence.of(VARIANCE, model).over_runs().value for model in models) / len(models)
            values = ", ".join(f"{settings_of(model.config)[name]}" for model in models)
            group = name_of_group([model.config for model in models], name)
            found.append(_setting(group, name, values, made, runs))
    return found


def _setting(
    group: str, name: str, values: str, made: Interval, runs: float
) -> tuple[Finding, dict[str, Any]]:
    said = f"{name} ({values}) moves words by a variance of {made.value:.4f}"
    if math.isnan(made.low):
        said += "; with so few seeds there is no interval to judge by"
    else:
        said += f" (95% interval {made.low:.4f} to {made.high:.4f}) beside {runs:.4f} between runs"
        said += "" if made.is_above(0) else ": it may be none"
    finding = Finding(
        group, f"variance of {name}", made.value, made.low, made.high, made.is_above(0), f"{group}: {said}."
    )
    row = {
        "models": group,
        "setting": name,
        "values": values,
        "variance": made.value,
        "low": made.low,
        "high": made.high,
        "variance_between_runs": runs,
    }
    return finding, row


def _table(groups: Sequence[CausesOfModel]) -> pyarrow.Table:
    import pyarrow

    rows = []
    for group in groups:
        for one in (*group.components, *filter(None, [group.together])):
            alone, runs = one.interval, len(one.estimate.left_out)
            share = Interval(math.nan, math.nan, math.nan)
            if one is not group.together:
                share = share_of(one, group.components)
            rows.append(
                {
                    "models": group.group,
                    "cause": one.cause,
                    "model": one.model,
                    "variance": alone.value,
                    "low": alone.low,
                    "high": alone.high,
                    "share": share.value,
                    "share_low": share.low,
                    "share_high": share.high,
                    "runs": runs,
                }
            )
    return pyarrow.Table.from_pylist(rows)


def _all_is_varied(model: ModelConfig | TablesConfig) -> bool:
    """Whether nothing random is fixed: else runs of two settings differ in it, not in the setting alone."""
    if isinstance(model, TablesConfig):
        return False
    return model.vary == ("seed" if "seed" in model.recipe.varies else "bootstrap")


def _differs(one: Component) -> bool:
    return one.estimate.value >= EQUAL
