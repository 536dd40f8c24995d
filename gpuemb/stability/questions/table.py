"""The table of questions: what each asks, what it needs, and what is swept where nothing is said."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gpuemb.core.checks import check_choice
from gpuemb.core.errors import ConfigError
from gpuemb.core.results import shown
from gpuemb.stability.questions.groups import alike_but
from gpuemb.training.recipes import RECIPES, GloVe

if TYPE_CHECKING:
    from gpuemb.stability.config import StudyConfig
    from gpuemb.stability.questions.answer import Answer
    from gpuemb.stability.result import StudyResult

CAUSES = {  # what varies alone: what it is called
    "init": "the initial values",
    "order": "the order of training",
    "sampling": "the random sampling of pairs",
    "bootstrap": "which documents are in the text",
}
SNAPSHOTS = (1, 2, 3, 5, 8, 12, 20)  # epochs kept for the question training, where nothing is said


@dataclass(frozen=True, eq=False)
class Question:
    """One question.

    Attributes:
        name: what it is called by.
        asks: the question, in one line.
        needs: what a study must have, in words.
        met: whether a study has it.
        remedy: what helps where it has not.
        sweep: axes and their values, where the study says nothing of them.
        home: the module below ``gpuemb.stability.questions`` with ``answer``; the name by default.
    """

    name: str
    asks: str
    needs: str
    met: Callable[[StudyConfig], bool]
    remedy: str
    sweep: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    home: str = ""

    def answer(self, result: StudyResult) -> Answer:
        """Answer the question from a finished study."""
        module = importlib.import_module(f"gpuemb.stability.questions.{self.home or self.name}")
        found: Answer = module.answer(result)
        return found


def _several(axis: str) -> Callable[[StudyConfig], bool]:
    return lambda config: bool(alike_but(axis, config.models))


def _several_causes(config: StudyConfig) -> bool:
    groups = alike_but("vary", config.models)
    return any(len({*CAUSES}.intersection(config.models[one].vary for one in group)) > 1 for group in groups)


def _has_epochs(config: StudyConfig) -> bool:
    return bool(config.snapshots)


def _has_sentence(config: StudyConfig) -> bool:
    return bool(config.sentence.strip())


def _has_groups(config: StudyConfig) -> bool:
    return bool(config.groups and config.trained)


def _always(_: StudyConfig) -> bool:
    return True


QUESTIONS = {
    one.name: one
    for one in (
        Question(
            "dimension",
            "Does the variance between runs grow with the dimensions?",
            "models that differ in dim alone",
            _several("dim"),
            "--dim 25,50,100",
            {"dim": (25, 50, 100, 200)},
        ),
        Question(
            "data",
            "Does the variance between runs fall with more text?",
            "models that differ in fraction alone",
            _several("fraction"),
            "--fraction 0.1,0.3,1",
            {"fraction": (0.1, 0.3, 1.0)},
        ),
        Question(
            "causes",
            "How much of the variance between runs is due to what?",
            "models that differ in what varies alone: two or more of init, order, sampling, bootstrap",
            _several_causes,
            "--vary init --vary order --vary bootstrap",
            home="causes.question",
        ),
        Question(
            "words",
            "Which words are unstable, and what goes with it?",
            "any model",
            _always,
            "",
            home="words.question",
        ),
        Question(
            "sentence",
            "Do the similarities between the words of a text come out the same?",
            "a text, such as a sentence",
            _has_sentence,
            "--sentence 'The quick brown fox jumps over the lazy dog.'",
            home="sentence.question",
        ),
        Question(
            "training",
            "When do neighbors settle while a run is trained, and whose first?",
            "snapshots of a model with epochs",
            _has_epochs,
            "--snapshots 1,2,5,10",
        ),
        Question(
            "drift",
            "Which words are used differently in two corpora, beyond training and the choice of documents?",
            "two groups of texts, and a model that is trained",
            _has_groups,
            "--group old old/*.txt --group new new/*.txt, or [groups] in the file of the study",
            home="drift.answered",
        ),
    )
}


def check_questions(config: StudyConfig) -> None:
    """Refuse questions that are unknown, or that the study cannot answer.

    Raises:
        ConfigError: names what is needed and what helps.
    """
    for name in config.question:
        check_choice("study", "question", name, tuple(QUESTIONS))
        question = QUESTIONS[name]
        if not question.met(config):
            raise ConfigError(
                f"study: the question {name!r} has no answer here",
                needed=f"It needs {question.needs}.",
                remedy=question.remedy,
            )


def named_questions(given: Any, sentence: Any = "", groups: Any = ()) -> tuple[str, ...]:
    """Return the questions that are asked: one name, or a list of them.

    ``sentence`` is asked where there is one, and ``drift`` where there are groups of texts.

    Raises:
        ConfigError: neither.
    """
    asked = (given,) if isinstance(given, str) else given
    if not isinstance(asked, (list, tuple)) or not all(isinstance(name, str) for name in asked):
        raise ConfigError(
            f"study: question = {shown(given)}",
            needed=f"A question is one of {', '.join(QUESTIONS)}, or several in a list.",
            remedy='question = "dimension"',
        )
    more = ["sentence"] if isinstance(sentence, str) and sentence else []
    return tuple(dict.fromkeys([*asked, *more, *(["drift"] if groups else [])]))


def asked_models(given: Mapping[str, Any], sweep: Any) -> tuple[Sequence[Any], Any]:
    """Return the models and the sweep of a study, with what its questions sweep where it says nothing.

    Args:
        given: the keys of the study.
        sweep: what it crosses.
    """
    entries: Sequence[Any] = given.get("models", [{"kind": "glove"}])
    if not isinstance(sweep, Mapping):
        return entries, sweep
    more: dict[str, Any] = {}
    asked = named_questions(given.get("question", ()))
    if "causes" in asked and "vary" not in sweep and not any(map(_says_vary, entries)):
        entries = [one for entry in entries for one in _each_cause(entry)]
    for name in asked:
        question = QUESTIONS.get(name)
        for axis, values in ({} if question is None else question.sweep).items():
            stated = axis in sweep or any(axis in one for one in entries if isinstance(one, Mapping))
            if not stated and all(isinstance(one, Mapping) for one in entries):
                more.setdefault(axis, list(values))
    return entries, {**sweep, **more}


def asked_snapshots(given: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the epochs whose vectors are kept for the question ``training``; none where it is not asked.

    Args:
        given: the keys of the study, with its models.
    """
    if "training" not in named_questions(given.get("question", ())):
        return ()
    recipes = [getattr(model, "recipe", GloVe()) for model in given.get("models", ())] or [GloVe()]
    last = min((recipe.epochs for recipe in recipes if hasattr(recipe, "epochs")), default=0)
    return tuple(epoch for epoch in SNAPSHOTS if epoch < last)


def _says_vary(entry: Any) -> bool:
    return not isinstance(entry, Mapping) or "vary" in entry


def _each_cause(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one table for each cause that a recipe has, and one for all that is random together."""
    recipe = RECIPES.get(str(entry.get("kind")))
    varies = () if recipe is None else tuple(one for one in recipe.varies if one in (*CAUSES, "seed"))
    name = entry.get("name", entry.get("kind"))
    return [{**entry, "vary": vary, "name": f"{name}-{vary}"} for vary in varies] or [dict(entry)]
