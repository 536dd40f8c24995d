"""The question ``sentence``: do the similarities between the words of a text come out the same?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.geometry.rsa import rsa
from gpuemb.stability.questions.answer import Answer, Finding
from gpuemb.stability.questions.sentence.lookup import WordOfText, words_of_text
from gpuemb.stability.questions.table import QUESTIONS
from gpuemb.stability.result import ModelResult, StudyResult
from gpuemb.stability.statistics import LEAST_RUNS, mean_of_known, mean_over_pairs
from gpuemb.uncertainty.contrasts import Interval, Jackknifed, contrast
from gpuemb.uncertainty.intervals import CORRELATION

if TYPE_CHECKING:
    import pyarrow

CORRELATIONS = ("pearson", "spearman", "kendall")
MOST_BETWEEN = 10  # models that are compared with each other: more is a list that nobody reads


def answer(result: StudyResult) -> Answer:
    """Answer for the text of the configuration, by representational similarity (RSA) of its words.

    Raises:
        VocabularyError: fewer than three of its words are in the vocabulary.

    Cost: ``n²·d`` flops a run for ``n`` words, and three correlations of ``n²/2`` cosines a pair of runs.
    Source: Kriegeskorte (2008); Definitions §4.
    """
    words = words_of_text(result.config.sentence, result.vocabulary.words, result.config.text.tokenizer)
    found = [one.found for one in words if one.found]
    findings = [finding for model in result.models for finding in _within(model, found)]
    for one, other in combinations(result.models[:MOST_BETWEEN], 2):
        findings.append(_between(one, other, found))
    tables = {"words": _words(words), "similarities": _similarities(result, found)}
    repeated = [f"{one.written} ({one.times} times)" for one in words if one.times > 1]
    notes = [f"{len(found)} different words are compared: {', '.join(found)}."]
    notes += [f"Written more than once, compared once: {', '.join(repeated)}."] if repeated else []
    missing = [one.written for one in words if not one.found]
    notes += [f"Not in the vocabulary, left out: {', '.join(missing)}."] if missing else []
    notes.append("Correlations are of the cosines of all pairs of these words in two runs.")
    return Answer("sentence", QUESTIONS["sentence"].asks, tuple(findings), tables, tuple(notes))


def _within(model: ModelResult, words: Sequence[str]) -> list[Finding]:
    runs, name = len(model.runs), model.config.name
    tables = {which: np.full((runs, runs), np.nan) for which in CORRELATIONS}
    for group in model.config.compared:
        for a, b in combinations(group, 2):
            found = rsa(model.stack[a], model.stack[b], words, blocks=0)
            for which in CORRELATIONS:
                tables[which][a, b] = tables[which][b, a] = getattr(found, which)
    halves, findings = model.config.vary == "halves", []
    for which in CORRELATIONS:
        mean = mean_over_pairs(tables[which], CORRELATION, halves=halves)
        said = f"correlate {mean.value:.3f} ({which}) between two runs, mean over pairs"
        interval = Interval(mean.value, mean.low, mean.high)
        findings.append(_finding(name, f"{which} between runs", interval, said))
    return findings


def _between(one: ModelResult, other: ModelResult, words: Sequence[str]) -> Finding:
    """Compare every run of one model with every run of another; the interval leaves out runs of both."""
    values = np.full((len(one.runs), len(other.runs)), np.nan)
    for a, b in product(range(len(one.runs)), range(len(other.runs))):
        values[a, b] = rsa(one.stack[a], other.stack[b], words, blocks=0).value
    found = two_sample_interval(values)
    names = f"{one.config.name} and {other.config.name}"
    return _finding(
        names,
        "pearson between models",
        found,
        f"correlate {found.value:.3f} (pearson) between the two models",
    )


def two_sample_interval(values: Float64) -> Interval:
    """Return the mean of correlations ``(S, S')`` of the runs of two models, with an interval over both.

    Runs of each are left out in turn, on Fisher's scale; the two variances add.
    """
    value = mean_of_known(values.ravel())
    line = CORRELATION.onto_line
    center = float(line(np.array([value]))[0])
    parts = [
        np.array(
            [mean_of_known(np.delete(values, run, axis=axis).ravel()) for run in range(values.shape[axis])]
        )
        for axis in (0, 1)
    ]
    if min(values.shape) < LEAST_RUNS or not math.isfinite(center):
        return Interval(value, math.nan, math.nan)
    found = contrast([1.0, 1.0], [Jackknifed(center, line(parts[0])), Jackknifed(0.0, line(parts[1]))])
    return Interval(value, *(CORRELATION.from_line(end) for end in (found.low, found.high)))


def _finding(about: str, measure: str, found: Interval, said: str) -> Finding:
    holds = found.is_above(0)
    interval = "" if math.isnan(found.low) else f" (95% interval {found.low:.3f} to {found.high:.3f})"
    doubt = "" if holds else "; no interval says that it is above 0"
    sentence = f"{about}: the similarities of its words {said}{interval}{doubt}."
    if math.isnan(found.value):
        sentence = f"{about}: the similarities of its words are all equal in some run, so nothing correlates."
    return Finding(about, measure, found.value, found.low, found.high, holds, sentence)


def _words(words: Sequence[WordOfText]) -> pyarrow.Table:
    import pyarrow

    return pyarrow.table(
        {
            "written": [one.written for one in words],
            "times": [one.times for one in words],
            "compared_as": pyarrow.array([one.found or None for one in words], pyarrow.string()),
            "closest": [", ".join(one.closest) for one in words],
        }
    )


def _similarities(result: StudyResult, words: Sequence[str]) -> pyarrow.Table:
    """Every pair of words in every model: the cosine, mean over runs, and its lowest and highest."""
    import pyarrow

    rows = [result.vocabulary.ids[word] for word in words]
    above = np.triu_indices(len(words), 1)
    parts = []
    for model in result.models:
        cosines = np.stack([_cosines(np.asarray(table)[rows])[above] for table in model.stack.tables()])
        parts.append(
            pyarrow.table(
                {
                    "model": [model.config.name] * len(above[0]),
                    "word_a": [words[a] for a in above[0].tolist()],
                    "word_b": [words[b] for b in above[1].tolist()],
                    "cosine": cosines.mean(axis=0),
                    "lowest": cosines.min(axis=0),
                    "highest": cosines.max(axis=0),
                }
            )
        )
    return pyarrow.concat_tables(parts)


def _cosines(rows: Float64) -> Float64:
    wide = rows.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    unit = np.divide(wide, lengths, out=np.full_like(wide, np.nan), where=lengths > 0)
    found: Float64 = unit @ unit.T
    return found
