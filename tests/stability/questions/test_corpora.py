"""Drift between corpora: parts share no document, planted words are found, what is done is not done again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stability.questions.definitions import corpus

import gpuemb as ge
from gpuemb.core.errors import ConfigError, ShapeError, VocabularyError
from gpuemb.stability.questions.drift.parts import _dealt, parts_of

RECIPE = ge.PPMISVD(dim=8)
TEXT = ge.TextConfig(min_count=3)


def tokens(documents: int = 400, seed: int = 0, *, moved: bool = False) -> ge.Tokens:
    return ge.read_corpus(corpus(documents, seed, moved=moved))


def test_parts_have_one_length_and_share_no_document() -> None:
    marked = {name: documents_with_numbers(name, size) for name, size in (("a", 90), ("b", 200))}
    cut = parts_of(marked, 4, min_count=1)
    assert len(cut.tokens) == 8
    assert not any(word.startswith("a:") for word in cut.words)  # each of them is in one part
    assert all(21 <= part.documents <= 24 for part in cut.tokens)  # of 13 tokens; those of b are as few
    for part in cut.tokens:
        counts = np.bincount(part.ids, minlength=len(cut.words))
        np.testing.assert_array_equal(part.vocabulary.counts, counts)
        assert part.vocabulary.words == cut.words
    assert list(cut.counts) == sorted(cut.counts, reverse=True)
    assert parts_of(marked, 4, min_count=1, seed=1).tokens[0].ids.tolist() != cut.tokens[0].ids.tolist()
    listed = [_dealt("a", marked["a"], 4, len(marked["a"]) // 4, 0), _dealt("b", marked["b"], 4, 292, 0)]
    for dealt in listed:
        every = np.concatenate(dealt)
        assert len(every) == len(set(every.tolist()))
    assert len(np.concatenate(listed[0])) >= 89  # of the shorter one at most a document is left over


def documents_with_numbers(name: str, size: int) -> ge.Tokens:
    """Documents that each have a word of their own."""
    return ge.read_corpus([[*each, f"{name}:{number}"] for number, each in enumerate(corpus(size, 1))])


def test_words_that_a_part_has_too_seldom_are_left_out_and_counted() -> None:
    both = {name: ge.read_corpus([["x", "y", "z"]] * 20 + [["rare", "x"]]) for name in ("a", "b")}
    cut = parts_of(both, 2, min_count=2)
    assert cut.words == ("x", "y", "z")
    assert cut.left_out == 1
    with pytest.raises(VocabularyError, match="0 words occur 50 times in every one of 4 parts"):
        parts_of(both, 2, min_count=50)
    with pytest.raises(ConfigError, match="a has 2 documents and 4 tokens for 3 parts"):
        parts_of({"a": ge.read_corpus([["x", "y"]] * 2), "b": both["b"]}, 3, min_count=1)


def test_words_that_changed_their_topic_are_found() -> None:
    groups = {"first": tokens(1500, 1), "second": tokens(1500, 2, moved=True)}
    found = ge.corpus_drift(groups, RECIPE, parts=4, text=TEXT, measures="aligned_cosine")
    assert found.labelings == 35
    assert {found.vocabulary[row] for row in np.flatnonzero(found["aligned_cosine"].drifted)} >= {
        "t0w0",
        "t1w0",
    }
    assert found["aligned_cosine"].drifted.sum() <= 3
    assert {word.word for word in found.changed(2)} == {"t0w0", "t1w0"}
    assert found.runs[0] == tuple(f"first part {part}" for part in range(4))
    assert found.corpus_tokens == (18000, 18000)


def test_two_corpora_of_one_source_do_not_differ() -> None:
    groups = {"first": tokens(1500, 3), "second": tokens(1500, 4)}
    found = ge.corpus_drift(groups, RECIPE, parts=4, text=TEXT)
    assert not any(one.drifted.any() for one in found.measures)
    samples = {name: ge.train(each, RECIPE, seeds=4, vary="bootstrap") for name, each in groups.items()}
    wrong = ge.drift(samples)
    assert all(one.p_value_of_all > 0.05 for one in found.measures)
    assert all(one.p_value_of_all == 1 / 35 for one in wrong.measures)  # samples share documents: false


def test_a_finished_part_is_not_trained_again_and_another_configuration_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seed in (("old", 1), ("new", 2)):
        (tmp_path / f"{name}.txt").write_text("\n".join(" ".join(line) for line in corpus(200, seed)))
    groups = {name: str(tmp_path / f"{name}.txt") for name in ("old", "new")}
    options: dict[str, Any] = {
        "text": TEXT,
        "parts": 2,
        "measures": "overlap",
        "k": 5,
        "out": tmp_path / "drift",
    }
    first = ge.corpus_drift(groups, ge.GloVe(dim=4, epochs=2), **options)
    assert first == ge.corpus_drift(
        groups, ge.GloVe(dim=4, epochs=2), **options | {"out": None, "threads": 1}
    )

    def never(*arguments: Any, **more: Any) -> None:
        raise AssertionError("a finished part was trained again")

    with monkeypatch.context() as patch:
        patch.setattr("gpuemb.stability.questions.drift.corpora.train", never)
        again = ge.corpus_drift(groups, ge.GloVe(dim=4, epochs=2), **options | {"measures": ["overlap"]})
    assert again == first
    with pytest.raises(ConfigError, match=r"It differs in recipe\.dim"):
        ge.corpus_drift(groups, ge.GloVe(dim=5, epochs=2), **options)
    ge.corpus_drift(groups, ge.GloVe(dim=5, epochs=2), **options, extend=True)
    assert json.loads((tmp_path / "drift" / "drift.json").read_text())["recipe"]["dim"] == 5
    with pytest.raises(ConfigError, match="holds files that are not a drift's"):
        ge.corpus_drift(groups, RECIPE, **options | {"out": tmp_path})


def test_what_is_no_pair_of_corpora_is_refused() -> None:
    with pytest.raises(ShapeError, match="Two corpora"):
        ge.corpus_drift({"a": tokens()}, RECIPE)
    with pytest.raises(ConfigError, match="measure"):
        ge.corpus_drift({"a": tokens(), "b": tokens()}, RECIPE, measures="rsa")
    with pytest.raises(ConfigError, match="parts"):
        ge.corpus_drift({"a": tokens(), "b": tokens()}, RECIPE, parts=1)


def test_a_study_with_two_groups_answers_what_drifted_and_trains_no_part_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seed in (("first", 1), ("second", 2)):
        documents = corpus(1500, seed, moved=name == "second")
        (tmp_path / f"{name}.txt").write_text("\n\n".join(map(" ".join, documents)))
    (tmp_path / "study.toml").write_text(
        """
        neighbors = 5
        text = {min_count = 3, documents = "blank line"}
        groups = {first = "first.txt", second = ["second.txt"]}
        models = [{kind = "ppmi-svd", dim = 8, seeds = 4, vary = "bootstrap"}]
        """
    )
    found = ge.study(tmp_path / "study.toml", out=tmp_path / "out")
    config = found.config
    assert config.groups == tuple((name, (str(tmp_path / f"{name}.txt"),)) for name in ("first", "second"))
    assert (config.corpus, config.question) == (config.groups[0][1] + config.groups[1][1], ("drift",))
    assert ge.load_config(tmp_path / "out" / "study.toml") == config
    (answer,) = found.answers
    words = answer.tables["words"].to_pylist()
    surest = [row["word"] for row in words if row["measure"] == "aligned_cosine"][:2]
    assert {*surest} == {"t0w0", "t1w0"}
    direct = ge.corpus_drift(
        dict(config.groups),
        config.trained[0].recipe,
        parts=4,
        text=config.text,
        k=5,
        measures="aligned_cosine",
    )["aligned_cosine"]
    rows = [row for row in words if row["measure"] == "aligned_cosine"]
    assert sorted(row["p"] for row in rows) == sorted(direct.p_value.tolist())
    assert sum(row["drifted"] for row in rows) == direct.drifted.sum()
    assert {row["word"] for row in answer.tables["changed"].to_pylist()} <= {*found.vocabulary.words}
    monkeypatch.setattr("gpuemb.stability.questions.drift.corpora.train", None)
    asked = ge.study(replace(config, question=("words",)), out=tmp_path / "out")  # drift is asked too
    assert [one.question for one in asked.answers] == ["words", "drift"]
    assert asked.answers[1].findings == answer.findings


@pytest.mark.parametrize("groups", [{"a": "a.txt"}, {"a": "a.txt", "b": []}, ["a.txt", "b.txt"], 3])
def test_groups_that_are_no_two_corpora_are_refused(groups: Any) -> None:
    with pytest.raises(ConfigError, match=r"study: groups = .*\n.*Two groups of texts"):
        ge.StudyConfig(("text.txt",), groups=groups)
