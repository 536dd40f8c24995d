"""The question ``dimension``: does the variance between runs grow with the dimensions?"""

from __future__ import annotations

from gpuemb.stability.questions.answer import Answer
from gpuemb.stability.questions.trends import trend_answer, trends
from gpuemb.stability.result import StudyResult


def answer(result: StudyResult) -> Answer:
    """Answer from models that differ in dimensions alone.

    Cost: of each model one pass ``V·(S·d)²`` and ``V·d²`` flops a pair of runs; kept in the folder.
    Source: Yin and Shen (2018): bias falls and variance grows with the dimensions.
    """
    found = trends(result, "dim", common_words=False)
    note = "A rotation has d(d−1)/2 free numbers: where words are few, it fits some of the noise."
    return trend_answer("dimension", found, "dim", "dimensions", "the dimensions", [note])
