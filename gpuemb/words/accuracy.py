"""How many analogies are solved, how sure that share is, and whether runs that agree are right."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.results import result
from gpuemb.uncertainty.intervals import SHARE, jackknife_interval

LEAST_RUNS = 3  # with an interval (Definitions §5)


@result
class AnalogySection:
    """One section of a set of questions.

    Attributes:
        name: of the section.
        questions: in the set.
        counted: of which all words are known, or that count as wrong.
        accuracies: ``(S,)`` share of the counted ones that each run solves; NaN where none counts.
        value: mean over the runs.
        interval: of ``value``, over questions.
    """

    name: str
    questions: int
    counted: int
    accuracies: Float64
    value: float
    interval: tuple[float, float]

    def __float__(self) -> float:
        return self.value


@result
class AnswerAgreement:
    """Questions whose most common answer is given by one number of runs.

    Attributes:
        runs: how many runs give it.
        questions: how many questions have such an answer.
        right: share of these answers that are right; NaN where there are none.
    """

    runs: int
    questions: int
    right: float


def accuracy(right: Any, counted: Any) -> Float64:
    """Share of the counted questions that are right, a run: ``(S, Q)`` and ``(Q,)`` to ``(S,)``."""
    total = int(counted.sum())
    shares: Float64 = right[:, counted].sum(axis=1) / total if total else np.full(len(right), np.nan)
    return shares


def over_questions(right: Any, words: Int64, counted: Any, confidence: float) -> tuple[float, float]:
    """Interval of the mean accuracy: what as many other pairs of words would give on average.

    Questions are made of pairs of words (a, b) and (c, answer), and a pair is in many questions: as runs
    in pairs of runs (Definitions §5), pairs of words are left out one at a time, with all their questions.

    Args:
        right: ``(S, Q)``.
        words: ``(Q, 4)`` numbers of the words of each question, equal for equal words, unknown ones too.
        counted: ``(Q,)``.
        confidence: of the interval.

    Returns:
        Its ends; NaN where all questions are solved alike, which tells nothing of how others would be.
    """
    solved = right[:, counted].mean(axis=0)
    if not len(solved) or solved.min() == solved.max():
        return math.nan, math.nan
    pairs = np.concatenate([words[counted, :2], words[counted, 2:]])
    number = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(2, -1)
    own = np.where(number[0] == number[1], 0.0, 1.0)  # a question of one pair twice is left out once
    count = np.bincount(number[0], minlength=number.max() + 1) + np.bincount(
        number[1], own, minlength=number.max() + 1
    )
    gained = np.bincount(number[0], solved, minlength=number.max() + 1) + np.bincount(
        number[1], solved * own, minlength=number.max() + 1
    )
    with np.errstate(invalid="ignore", divide="ignore"):  # a pair that is in every question
        left_out = (solved.sum() - gained) / (len(solved) - count)
    return jackknife_interval(float(solved.mean()), np.clip(left_out, 0, 1), SHARE, confidence)


def over_runs(accuracies: Float64, confidence: float) -> tuple[float, float]:
    """Interval of the mean over runs: what as many other runs would give; NaN below three runs."""
    runs = len(accuracies)
    if runs < LEAST_RUNS:
        return math.nan, math.nan
    left_out = (accuracies.sum() - accuracies) / (runs - 1)
    return jackknife_interval(float(accuracies.mean()), left_out, SHARE, confidence)


def agreement(answers: Any, right: Any, counted: Any) -> tuple[AnswerAgreement, ...]:
    """For every number of runs, the questions whose most common answer so many give; of equal ones the first.

    Args:
        answers: ``(S, Q)`` rows, equal for equal answers; −1 for none.
        right: ``(S, Q)``.
        counted: ``(Q,)``.
    """
    answers, right = answers[:, counted], right[:, counted]
    same = np.array([((answers == one) & (one >= 0)).sum(axis=0) for one in answers])
    most, which = same.max(axis=0), same.argmax(axis=0)
    good = np.take_along_axis(right, which[None, :], axis=0)[0]
    return tuple(
        AnswerAgreement(
            m, int((most == m).sum()), float(good[most == m].mean()) if (most == m).any() else math.nan
        )
        for m in range(1, len(answers) + 1)
    )
