"""Analogies: whole sets of questions, asked of one table or of several runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64, Int32, Int64, device_of, native, to_host
from gpuemb.core.checks import LARGEST_SQUARE, check_at_least, check_choice, check_range
from gpuemb.core.doors import door, enter
from gpuemb.core.errors import ConfigError
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import result
from gpuemb.embeddings.datasets import Analogies
from gpuemb.embeddings.model import Embedding, EmbeddingStack, named_table
from gpuemb.kernels.analogy_search import METHODS, Method, analogy_search
from gpuemb.words.accuracy import (
    AnalogySection,
    AnswerAgreement,
    accuracy,
    agreement,
    over_questions,
    over_runs,
)
from gpuemb.words.question_rows import QuestionRows, questions_of, rows_of_questions

WHERE = "analogies"
RESTRICT_VOCAB = 300_000  # as in gensim


@result
class AnalogyAccuracy:
    """How many analogies are solved, a table or run, by section; prints as a table.

    Attributes:
        value: share of the counted questions that are solved, mean over the runs.
        interval: of ``value``, over questions: what as many other pairs of words would give on average.
        interval_over_runs: of ``value``, over runs; NaN below three.
        confidence: of the intervals.
        sections: of the set, in its order.
        runs: names of the ``S`` tables.
        accuracies: ``(S,)`` share that each solves.
        answers: ``(S, Q)`` row of each answer; −1 for none.
        right: ``(S, Q)`` whether it is the one of the question.
        counted: ``(Q,)`` questions of which all words are known; all, where unknown words count as wrong.
        unknown: questions with a word that is not known.
        agreement: for every number of runs, whether the answers that so many give are right.
        questions: as they were asked.
        words: of the table; an answer is one of them.
        method: ``3CosAdd``, ``3CosMul`` or ``PairDirection``.
        restrict_vocab: how many words were searched.
        case_insensitive: whether words were compared in upper case.
    """

    value: float
    interval: tuple[float, float]
    interval_over_runs: tuple[float, float]
    confidence: float
    sections: tuple[AnalogySection, ...]
    runs: tuple[str, ...]
    accuracies: Float64
    answers: Int32
    right: Any
    counted: Any
    unknown: int
    agreement: tuple[AnswerAgreement, ...]
    questions: Analogies
    words: Sequence[str]
    method: Method
    restrict_vocab: int
    case_insensitive: bool

    def __float__(self) -> float:
        return self.value

    @property
    def solved(self) -> Int64:
        """``(Q,)`` in how many runs each question is solved."""
        runs: Int64 = np.sum(self.right, axis=0, dtype=np.int64)
        return runs

    @door
    def answer(self, question: int, run: int = 0) -> str:
        """Return the answer of one run to one question, both by number; empty where there is none.

        Raises:
            ConfigError: there is no such question or run.
        """
        for name, number, count in (
            ("question", question, len(self.questions)),
            ("run", run, len(self.runs)),
        ):
            if not 0 <= number < count:
                raise ConfigError(
                    f"answer: {name} = {number}",
                    needed=f"There are {count}, numbered from 0.",
                    remedy=f"Give {name}={count - 1} or less.",
                )
        row = int(self.answers[run, question])
        return self.words[row] if row >= 0 else ""

    def __str__(self) -> str:
        rows = [(one.name or "questions", one) for one in self.sections]
        counted = int(np.sum(self.counted))
        total = AnalogySection(
            "all", len(self.questions), counted, self.accuracies, self.value, self.interval
        )
        width = max(len(name) for name, _ in [*rows, ("section", None)])
        head = f"{'section':<{width}}  questions    counted  solved  {self.confidence:.0%} interval"
        return "\n".join([head, *(_line(name, one, width) for name, one in [*rows, ("all", total)])])


def _line(name: str, one: AnalogySection, width: int) -> str:
    low, high = one.interval
    between = f"[{low:.3f}, {high:.3f}]" if low == low else "none"
    share = f"{one.value:6.3f}" if one.counted else "  none"
    return f"{name:<{width}}  {one.questions:>9,}  {one.counted:>9,}  {share}  {between}"


@door
def analogies(
    table: Any,
    questions: Any,
    *,
    method: Method = "3CosAdd",
    restrict_vocab: int | None = RESTRICT_VOCAB,
    case_insensitive: bool = True,
    dummy4unknown: bool = False,
    confidence: float = 0.95,
    progress: Progress = SILENT,
) -> AnalogyAccuracy:
    """Ask a whole set of analogies "a is to b as c is to which word?", exactly.

    Which words are searched, which questions count and which answers are right are as in gensim's
    ``evaluate_word_analogies``, whose arguments have the same names. Of equal scores the first row counts.

    Args:
        table: an Embedding, or an EmbeddingStack of several runs over one vocabulary.
        questions: ``(a, b, c, answer)`` of each; or the path of a file, or what ``gpuemb.datasets.analogies``
            and ``read_analogies`` return, which have sections.
        method: ``3CosAdd``: highest cos(w,b) − cos(w,a) + cos(w,c); ``3CosMul``: highest
            (1 + cos(w,b))(1 + cos(w,c))/(1 + cos(w,a)); ``PairDirection``: highest cos(w − c, b − a), of unit
            rows. The three words, in any case if ``case_insensitive``, are no answers.
        restrict_vocab: words beyond this many are neither asked nor answered; None for all words.
        case_insensitive: compare words in upper case; of several with one form the first is asked.
        dummy4unknown: questions with unknown words count as wrong; else they do not count.
        confidence: of the intervals.
        progress: told of every run.

    Raises:
        VocabularyError: no question has all of its words in the table.
        ConfigError: no questions, or an unknown method.
        StorageError, FileFormatError: a file that is no set of questions.
        DTypeError: arrays, which have no words.
        DeviceError: a table that lies on a GPU.

    Cost: ``2·U·V·d`` flops for the ``U`` distinct words of the questions, and two more for every question
    and word. Source: Mikolov et al. (2013); Levy and Goldberg (2014), CoNLL; Definitions §3.

    Example:
        >>> asked = [("w1", "w2", "w3", "w4"), ("w5", "w6", "w7", "w8"), ("w1", "w2", "w5", "w6")]
        >>> found = ge.analogies(ge.Embedding(x, words), asked)
        >>> found.value, found.answer(0)
        (0.0, 'w6')
    """
    check_choice(WHERE, "method", method, METHODS)
    if not 0 < confidence < 1:
        raise ConfigError(
            f"{WHERE}: confidence = {confidence}",
            needed="A share between 0 and 1, both left out, is needed.",
            remedy="confidence=0.95 is 95 %.",
        )
    runs = _runs_of(table)
    asked = questions_of(WHERE, questions)
    searched = len(runs[0]) if restrict_vocab is None else restrict_vocab
    check_at_least(WHERE, "restrict_vocab", searched, 1)
    searched = min(searched, len(runs[0]))
    names = list(runs[0].index_to_key[:searched])
    rows = rows_of_questions(runs[0].name, names, asked, case_insensitive=case_insensitive)
    with progress.phase("analogies", len(runs)) as task:
        answers = np.full((len(runs), len(asked)), -1, np.int32)
        for run, one in enumerate(runs):
            answers[run, rows.known] = _answers(one, searched, rows, method)
            task.advance()
    return _judged(runs, asked, rows, answers, method, searched, case_insensitive, dummy4unknown, confidence)


def _runs_of(table: Any) -> list[Embedding]:
    if isinstance(table, EmbeddingStack):
        return list(table)
    return [enter(WHERE, "table", named_table(table), Embedding)]


def _answers(table: Embedding, searched: int, rows: QuestionRows, method: Method) -> Int32:
    """Return the row of the answer to every question whose words are known."""
    vectors = native(table.check().vectors)[:searched]
    check_range(WHERE, table.name, vectors, LARGEST_SQUARE)
    distinct, back = np.unique(rows.rows[rows.known, :3], axis=0, return_inverse=True)
    asked, places = np.unique(distinct, return_inverse=True)
    search = analogy_search.on(device_of(vectors))
    found = search(vectors, vectors[asked], places.reshape(-1, 3), rows.groups, rows.groups[asked], 1, method)
    answers: Int32 = to_host(found.ids)[back.reshape(-1), 0]
    return answers


def _judged(
    runs: Sequence[Embedding],
    asked: Analogies,
    rows: QuestionRows,
    answers: Int32,
    method: Method,
    searched: int,
    case_insensitive: bool,
    dummy4unknown: bool,
    confidence: float,
) -> AnalogyAccuracy:
    """Compare answers with those of the questions."""
    forms = np.where(answers >= 0, rows.groups[answers], -1)
    right = (forms == rows.rows[:, 3]) & (answers >= 0)
    counted = np.ones(len(asked), bool) if dummy4unknown else rows.known
    named = np.array(asked.sections, object)
    sections = []
    for name in dict.fromkeys(asked.sections):
        mine = named == name
        shares = accuracy(right, counted & mine)
        interval = over_questions(right, rows.forms, counted & mine, confidence)
        counts = int(mine.sum()), int((counted & mine).sum())
        sections.append(AnalogySection(name, *counts, shares, float(shares.mean()), interval))
    shares = accuracy(right, counted)
    return AnalogyAccuracy(
        float(shares.mean()),
        over_questions(right, rows.forms, counted, confidence),
        over_runs(shares, confidence),
        confidence,
        tuple(sections),
        tuple(run.name for run in runs),
        shares,
        answers,
        right,
        counted,
        int((~rows.known).sum()),
        agreement(forms, right, counted),
        asked,
        runs[0].index_to_key,
        method,
        searched,
        case_insensitive,
    )
