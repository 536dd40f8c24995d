"""Ask a finished study a question."""

from __future__ import annotations

from dataclasses import replace

from gpuemb.core.doors import door
from gpuemb.stability.questions.answer import Answer
from gpuemb.stability.questions.table import QUESTIONS
from gpuemb.stability.result import StudyResult


@door
def answer(result: StudyResult, question: str, *, sentence: str = "") -> Answer:
    """Answer a question from a finished study; nothing is trained, what is computed is kept in its folder.

    Args:
        result: of :func:`gpuemb.study`.
        question: ``dimension``, ``data``, ``causes``, ``words``, ``sentence``, ``training``, or ``drift``
            of a study with groups; its answer is also in ``result.answers`` where the study was asked it.
        sentence: the text of the question ``sentence``; that of the study by default.

    Raises:
        ConfigError: an unknown question, or the study has not what it needs; what helps is named.
        VocabularyError: fewer than three words of the sentence are known.
        StorageError: what is computed cannot be kept in the folder.

    Cost: of each model one pass ``V·(S·d)²`` and ``V·d²`` flops a pair of runs.

    Example:
        >>> model = ge.ModelConfig(ge.PPMISVD(dim=2), seeds=(0, 1, 2), vary="bootstrap")
        >>> asked = {"corpus": "pets.txt", "text": {"min_count": 1}, "neighbors": 2, "models": [model],
        ...          "sweep": {"dim": [2, 3]}}
        >>> found = ge.answer(ge.study(asked, out="pets-dim"), "dimension")
        >>> [finding.measure for finding in found.findings]
        ['variance', 'neighbors lost']
    """
    text = (sentence or result.config.sentence) if question == "sentence" else ""
    asked = replace(result.config, question=(question,), sentence=text)  # checks that it can be answered
    return QUESTIONS[question].answer(replace(result, config=asked))
