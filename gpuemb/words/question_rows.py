"""The rows of a table that analogy questions name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core.arrays import Int64
from gpuemb.core.doors import enter
from gpuemb.core.errors import ConfigError, VocabularyError
from gpuemb.core.results import shown
from gpuemb.embeddings.datasets import Analogies, read_analogies
from gpuemb.embeddings.spelling import missing_word

WORDS = 4  # of a question: a, b, c and the answer


@dataclass(frozen=True, eq=False)
class QuestionRows:
    """Questions as rows of the first words of a table.

    Attributes:
        rows: ``(Q, 4)`` first row of each word's form; −1 for one that is not there.
        forms: ``(Q, 4)`` number of each word's form, known or not.
        groups: ``(R,)`` the first row with each row's form; the row itself where case counts.
    """

    rows: Int64
    forms: Int64
    groups: Int64

    @property
    def known(self) -> Any:
        """``(Q,)`` whether all four words are there."""
        return (self.rows >= 0).all(axis=1)


def questions_of(where: str, questions: Any) -> Analogies:
    """Return questions as they came, those of a file, or a list of ``(a, b, c, answer)``.

    Raises:
        ConfigError: no questions; the first entry that is not four words is named.
        StorageError, FileFormatError: as :func:`gpuemb.datasets.read_analogies`.
    """
    if isinstance(questions, (str, Path)):
        questions = read_analogies(questions)
    if isinstance(questions, Analogies):
        given = questions
    else:
        listed = [_checked(where, one) for one in enter(where, "questions", questions, Sequence)]
        given = Analogies("the list", tuple(listed), ("",) * len(listed))
    if not len(given):
        raise ConfigError(
            f"{where}: {given.name} holds no questions",
            needed="A question is four words: a, b, c and the answer.",
            remedy="questions=[('man', 'king', 'woman', 'queen'), …], or the path of a file of such lines.",
        )
    return given


def _checked(where: str, one: Any) -> tuple[str, str, str, str]:
    if isinstance(one, (list, tuple)) and len(one) == WORDS and all(isinstance(word, str) for word in one):
        return one[0], one[1], one[2], one[3]
    raise ConfigError(
        f"{where}: a question is {shown(one)}",
        needed="A question is four words: a, b, c and the answer.",
        remedy="('man', 'king', 'woman', 'queen'), for example.",
    )


def rows_of_questions(
    name: str, words: Sequence[str], questions: Analogies, *, case_insensitive: bool
) -> QuestionRows:
    """Look up the words of questions among the first words of a table.

    Args:
        name: of the table.
        words: its first ``R`` words.
        questions: of four words each.
        case_insensitive: compare words in upper case, of several with one form take the first.

    Raises:
        VocabularyError: no question has all of its words there; one that is missing is named.
    """
    forms = [word.upper() for word in words] if case_insensitive else list(words)
    first = {form: row for row, form in zip(range(len(forms) - 1, -1, -1), reversed(forms), strict=True)}
    fold = str.upper if case_insensitive else str
    asked = [fold(word) for one in questions.questions for word in one]
    number = {form: place for place, form in enumerate(dict.fromkeys(asked))}
    rows, numbers = (
        np.array([known.get(form, -1) for form in asked], np.int64).reshape(-1, WORDS)
        for known in (first, number)
    )
    found = QuestionRows(rows, numbers, np.array([first[form] for form in forms], np.int64))
    if not found.known.any():
        lost = questions.questions[0][int(np.argmin(found.rows[0] >= 0))]
        missing = missing_word(name, lost, words, {})
        raise VocabularyError(
            f"{name}: none of the {len(questions):,} questions of {questions.name} has its four words among "
            f"the first {len(words):,}; {lost!r} is one that is missing",
            needed="Only questions whose words have vectors can be asked.",
            remedy=missing.remedy,
        )
    return found
