"""The question ``words``: which words are unstable, and what goes with it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.errors import ConfigError
from gpuemb.stability.questions.answer import Answer, Finding
from gpuemb.stability.questions.evidence import LOST, Evidence, PairsOfRuns
from gpuemb.stability.questions.table import QUESTIONS
from gpuemb.stability.questions.words.traits import ENTROPY, TRAITS, traits_of
from gpuemb.stability.result import ModelResult, StudyResult
from gpuemb.stability.statistics import LEAST_RUNS, benjamini_hochberg
from gpuemb.uncertainty.contrasts import Interval, contrast
from gpuemb.uncertainty.regression import Regression

if TYPE_CHECKING:
    import pyarrow

LEAST_WORDS = 100  # below it ten numbers a word are too many to fit
LISTED = 25  # words of each list
NOTES = (
    "Stability: share of its nearest neighbors that a word keeps from run to run, mean over pairs of runs.",
    "R² is of words that the fit has not seen, in blocks of words; a trait's own part is what R² loses"
    " without it. Effects are of one standard deviation, all other traits equal; they say nothing of causes."
    " Spread and hubness are of the same runs as the stability.",
    "Traits: " + "; ".join(f"{name}, {meaning}" for name, (_, meaning) in TRAITS.items()) + ".",
)


@dataclass(frozen=True, eq=False)
class ModelOfStability:
    """The stability of the words of one model, explained.

    Attributes:
        model: of the study.
        rows: ``(n,)`` words with everything known.
        fit: of their stability on their traits.
        places: columns of each trait.
        effects: of each column, with its p-value.
        discovered: which effects are other than zero, by Benjamini-Hochberg.
    """

    model: ModelResult
    rows: Int64
    fit: Regression
    places: dict[str, list[int]]
    effects: list[tuple[Interval, float]]
    discovered: list[bool]

    @property
    def all_columns(self) -> list[int]:
        """Every column of the fit."""
        return [place for places in self.places.values() for place in places]

    def r_squared(self, *, only: str = "", without: str = "") -> Interval:
        """Return the held-out R² of all traits, of one only, or of all but one."""
        columns = [
            p for name, each in self.places.items() if name != without and only in ("", name) for p in each
        ]
        return contrast([1.0], [self.fit.held_out(columns)])


def answer(result: StudyResult) -> Answer:
    """Answer for every model: a regression of the stability of words, and lists of words.

    Raises:
        ConfigError: the study was made without this question, so that no context was counted.

    Cost: ``V·m²`` for ``m`` traits, and ``V·k·d`` a run for the spread of neighborhoods.
    Source: Wendlandt, Kummerfeld and Mihalcea (2018), who explain stability by a regression.
    """
    import pyarrow

    evidence, findings, effects, lists = Evidence(result), [], [], []
    for model in _with_entropies(result):
        fitted = explain(result, model)
        lists.append(_lists(result, model, fitted, evidence.of(LOST, model)))
        if fitted is None:
            findings.append(_too_few(model))
            continue
        findings += _findings(fitted)
        effects += _effects(fitted)
    tables: dict[str, Any] = {"effects": pyarrow.Table.from_pylist(effects)} if effects else {}
    for place, name in enumerate(("most_stable", "least_stable", "unexpected")):
        tables[name] = pyarrow.concat_tables([one[place] for one in lists])
    return Answer("words", QUESTIONS["words"].asks, tuple(findings), tables, NOTES)


def _with_entropies(result: StudyResult) -> list[ModelResult]:
    """Return the models that were trained on counted text: finished tables do not tell theirs.

    Raises:
        ConfigError: none was.
    """
    found = [model for model in result.models if ENTROPY in model.words.more]
    if not found:
        raise ConfigError(
            "words: no model has context entropies",
            needed="They are counted for models that are trained, where the study is asked this question.",
            remedy="gpuemb study --question words, in the same folder: nothing else is done again.",
        )
    return found


def explain(result: StudyResult, model: ModelResult) -> ModelOfStability | None:
    """Fit the stability of a model's words; None where fewer than a hundred have one, or all the same."""
    stability = np.asarray(model.words.overlap)
    columns, places = traits_of(result, model, np.asarray(model.words.more[ENTROPY]))
    rows = np.flatnonzero(np.isfinite(stability) & np.isfinite(columns).all(axis=1))
    if len(rows) < LEAST_WORDS or np.ptp(stability[rows]) == 0:
        return None
    fit = Regression.of(columns[rows], stability[rows])
    every = [place for each in places.values() for place in each]
    effects = fit.effects(every)
    p_values = np.array([p_value for _, p_value in effects])
    discovered = benjamini_hochberg(p_values, f"traits of words of {model.config.name}").discovered.tolist()
    return ModelOfStability(model, rows, fit, places, effects, discovered)


def _findings(fitted: ModelOfStability) -> list[Finding]:
    name, whole = fitted.model.config.name, fitted.r_squared()
    holds = whole.is_above(0)
    said = (
        f"{100 * whole.value:.0f}% of the differences in stability between words is predicted by their"
        " traits, in words that the fit has not seen (95% interval"
        f" {100 * whole.low:.0f}% to {100 * whole.high:.0f}%)"
        if holds
        else "the traits of words do not predict their stability beyond doubt"
    )
    found = [Finding(name, "held-out R²", whole.value, whole.low, whole.high, holds, f"{name}: {said}.")]
    for trait, places in fitted.places.items():
        if len(places) > 1:
            continue  # of several columns no single effect is the trait's
        (effect, _), discovered = fitted.effects[places[0]], fitted.discovered[places[0]]
        label = TRAITS[trait][0][0]
        verb = "raises" if effect.value > 0 else "lowers"
        said = (
            f"other things equal, a standard deviation more {label} {verb} stability by"
            f" {abs(effect.value):.3f} (95% interval {effect.low:.3f} to {effect.high:.3f})"
            if discovered
            else f"whether {label} goes with stability, other things equal, these words do not tell"
        )
        found.append(
            Finding(name, trait, effect.value, effect.low, effect.high, discovered, f"{name}: {said}.")
        )
    return found


def _effects(fitted: ModelOfStability) -> list[dict[str, Any]]:
    rows, whole = [], fitted.r_squared().value
    for trait, places in fitted.places.items():
        alone, own = fitted.r_squared(only=trait).value, whole - fitted.r_squared(without=trait).value
        for place, label in zip(places, TRAITS[trait][0], strict=True):
            effect, p_value = fitted.effects[place]
            rows.append(
                {
                    "model": fitted.model.config.name,
                    "trait": trait,
                    "column": label,
                    "effect": effect.value,
                    "low": effect.low,
                    "high": effect.high,
                    "p_value": p_value,
                    "discovered": fitted.discovered[place],
                    "r_squared_alone": alone,
                    "r_squared_own": own,
                }
            )
    return rows


def _lists(
    result: StudyResult, model: ModelResult, fitted: ModelOfStability | None, lost: PairsOfRuns
) -> list[pyarrow.Table]:
    """Return the most stable words, the least stable ones, and those furthest from what their traits say."""
    stability = np.asarray(model.words.overlap)
    known = np.flatnonzero(np.isfinite(stability))
    expected: Float64 = np.full(len(stability), np.nan)
    if fitted is not None:
        expected[fitted.rows] = fitted.fit.predicted(fitted.all_columns)
    order = known[np.argsort(-stability[known], kind="stable")]
    apart = known[np.argsort(-np.abs(np.nan_to_num(stability - expected))[known], kind="stable")]
    unexpected = apart[np.isfinite(expected[apart])]
    ends = _ends(stability, lost)
    return [
        _list(result, model, rows[:LISTED], stability, expected, ends)
        for rows in (order, order[::-1], unexpected)
    ]


def _ends(stability: Float64, lost: PairsOfRuns) -> tuple[Float64, Float64]:
    """Return ``(V,)`` ends of the interval of each word's stability, a jackknife over runs cut at 0 and 1."""
    from scipy.special import stdtrit

    without = 1 - lost.of_words_without_runs()
    count = len(without)
    if count < LEAST_RUNS:
        nothing: Float64 = np.full(len(stability), np.nan)
        return nothing, nothing
    errors = np.sqrt((count - 1) / count * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    half = float(stdtrit(count - 1, 0.975)) * errors
    return np.maximum(stability - half, 0.0), np.minimum(stability + half, 1.0)


def _list(
    result: StudyResult,
    model: ModelResult,
    rows: Int64,
    stability: Float64,
    expected: Float64,
    ends: tuple[Float64, Float64],
) -> pyarrow.Table:
    import pyarrow

    return pyarrow.table(
        {
            "model": pyarrow.array([model.config.name] * len(rows), pyarrow.string()),
            "word": pyarrow.array([result.vocabulary.words[row] for row in rows.tolist()], pyarrow.string()),
            "count": np.asarray(result.vocabulary.counts)[rows],
            "stability": stability[rows],
            "low": ends[0][rows],
            "high": ends[1][rows],
            "expected": expected[rows],
        }
    )


def _too_few(model: ModelResult) -> Finding:
    name = model.config.name
    sentence = f"{name}: fewer than {LEAST_WORDS} words differ in stability, too few to explain it."
    return Finding(name, "held-out R²", math.nan, math.nan, math.nan, False, sentence)
