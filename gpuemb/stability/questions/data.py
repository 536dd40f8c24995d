"""The question ``data``: does the variance between runs fall with more text?"""

from __future__ import annotations

from gpuemb.stability.questions.answer import Answer
from gpuemb.stability.questions.trends import trend_answer, trends
from gpuemb.stability.result import StudyResult


def answer(result: StudyResult) -> Answer:
    """Answer from models that are trained on nested fractions of the documents.

    Words that every fraction has are compared, and neighbors sought among them: a larger text has more words,
    and the least frequent are the least stable.

    Cost: as of ``dimension``, and one search of neighbors a run.
    """
    found = trends(result, "fraction", common_words=True)
    words = sorted({one.words for one in found})
    note = (
        f"{', '.join(f'{count:,}' for count in words)} words that all fractions have are compared, and"
        " neighbors sought among them. The documents of a smaller fraction are among those of a larger one,"
        " in one random order: the interval is over runs, not over orders."
    )
    return trend_answer("data", found, "fraction", "of the documents", "the text", [note])
