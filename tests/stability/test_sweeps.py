"""What a study crosses: lists of settings become models, named after what differs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuemb.cli.front.completion import QUESTIONS as QUESTION_NAMES
from gpuemb.core.errors import ConfigError
from gpuemb.stability.config import ModelConfig, StudyConfig
from gpuemb.stability.questions.groups import alike_but
from gpuemb.stability.questions.table import QUESTIONS
from gpuemb.stability.toml import config_from, config_to, load_config
from gpuemb.training.recipes import PPMISVD, GloVe, SkipGram


def asked(**keys: object) -> StudyConfig:
    return config_from({"corpus": ["a.txt"], **keys}, Path())


def test_every_value_meets_every_other() -> None:
    found = asked(sweep={"dim": [25, 50], "fraction": [0.005, 1], "window": [2, 5]})
    assert [(m.recipe.dim, m.window, m.fraction) for m in found.models] == [
        (d, w, f) for d in (25, 50) for w in (2, 5) for f in (0.005, 1.0)
    ]
    assert found.models[0].name == "glove-d25-w2-0_5pct"
    assert found.models[-1].name == "glove-d50-w5-100pct"


def test_the_window_of_a_skip_gram_is_its_own() -> None:
    models = [{"kind": "skip-gram", "window": 9}, {"kind": "ppmi-svd", "window": 9, "vary": "bootstrap"}]
    crossed = asked(models=models, sweep={"window": [2, 5]})
    recipes = [model.recipe for model in crossed.models]
    assert [getattr(one, "window", 0) for one in recipes] == [2, 5, 0, 0]
    assert [model.window for model in crossed.models] == [0, 0, 2, 5]
    alone = asked(models=models)
    assert (alone.models[0].window, alone.models[1].window) == (0, 9)


def test_one_value_changes_no_name() -> None:
    assert asked(sweep={"dim": [7]}).models == (ModelConfig(GloVe(dim=7)),)


def test_a_written_sweep_is_read_back(tmp_path: Path) -> None:
    config = asked(
        sweep={"dim": [25, 50], "window": [2], "fraction": [0.1, 1]}, question=["dimension", "data"]
    )
    path = tmp_path / "study.toml"
    path.write_text(config_to(config))
    assert load_config(path).models == config.models
    assert load_config(path).question == config.question


def test_a_question_brings_its_sweep_where_nothing_is_said() -> None:
    preset = QUESTIONS["dimension"].sweep["dim"]
    assert tuple(m.recipe.dim for m in asked(question="dimension").models) == preset
    chosen = asked(question="dimension", sweep={"dim": [3, 4]})
    assert [m.recipe.dim for m in chosen.models] == [3, 4]


def test_causes_and_training_bring_what_they_need() -> None:
    assert [m.vary for m in asked(question="causes").models] == ["seed", "init", "order", "bootstrap"]
    skip_gram = asked(question="causes", models=[{"kind": "skip-gram"}]).models
    assert [m.vary for m in skip_gram] == ["seed", "init", "order", "sampling", "bootstrap"]
    assert asked(question="training").snapshots == (1, 2, 3, 5, 8, 12, 20)
    assert asked(question="training", models=[{"kind": "glove", "epochs": 4}]).snapshots == (1, 2, 3)
    assert asked(question="training", snapshots=[7]).snapshots == (7,)
    assert asked(sentence="one two three").question == ("sentence",)


@pytest.mark.parametrize("name", [name for name, one in QUESTIONS.items() if one.sweep])
def test_a_question_without_what_it_needs_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="has no answer here"):
        StudyConfig(("a.txt",), question=(name,))


def test_questions_change_no_digest() -> None:
    sweep = {"dim": [3, 4]}
    assert asked(sweep=sweep).digest() == asked(sweep=sweep, question="dimension").digest()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"sweep": {"dims": [1, 2]}}, "the key 'dims' is not known"),
        ({"sweep": {"dim": []}}, r"dim = \[\]"),
        ({"sweep": {"dim": [5, 5]}}, r"dim = \[5, 5\]"),
        ({"sweep": {"dim": 5}}, "dim = 5"),
        ({"sweep": [1]}, "sweep is a table of lists"),
        ({"sweep": {"fraction": [0.1, 0]}}, "fraction = 0"),
        ({"sweep": {"fraction": [1.5]}}, "fraction = 1.5"),
        ({"sweep": {"dim": [*range(1, 200)], "window": [1, 2, 3, 4, 5, 6]}}, "1,194 models"),
        ({"sweep": {"window": [26]}}, "window"),
        ({"question": "dimensions"}, "dimension"),
        ({"question": 7}, "question = 7"),
        ({"models": [{"kind": "glove", "dim": 5}], "question": "dimension"}, "has no answer here"),
    ],
)
def test_mistakes_are_refused_before_any_work(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        asked(**keys)


def test_models_are_alike_but_in_one_setting() -> None:
    models = [
        ModelConfig(GloVe(dim=50), name="a"),
        ModelConfig(GloVe(dim=25), seeds=(7, 8), name="b"),
        ModelConfig(GloVe(dim=25), fraction=0.5, name="c"),
        ModelConfig(PPMISVD(dim=25), name="d"),
        ModelConfig(SkipGram(dim=25, window=5), name="e"),
        ModelConfig(SkipGram(dim=25, window=7), name="f"),
    ]
    assert alike_but("dim", models) == [[1, 0]]
    assert alike_but("fraction", models) == [[2, 1]]
    assert alike_but("window", models) == [[4, 5]]


def test_help_names_every_question() -> None:
    assert tuple(QUESTIONS) == QUESTION_NAMES
