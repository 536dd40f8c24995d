"""Sets of analogies: gensim's rules, whole sets at once, several runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpuemb as ge
from gpuemb.core import threads
from gpuemb.core.errors import ConfigError, DTypeError, FileFormatError, VocabularyError
from gpuemb.kernels.analogy_search import METHODS, Method
from gpuemb.words.accuracy import over_questions, over_runs

WORDS = ["King", "king", "queen", "man", "woman", "Woman", "boy", "girl", "aunt", "uncle", "KING", "rare"]
QUESTIONS = """: one
man king woman queen
boy girl man woman
king Man queen WOMAN

: two
aunt uncle king nowhere
girl boy queen king
aunt uncle girl boy
uncle aunt rare king
"""
QUESTIONS_ASKED = [line.split() for line in QUESTIONS.splitlines() if line and line[0] != ":"]


def table(seed: int = 0, dim: int = 6) -> ge.Embedding:
    vectors = np.random.default_rng(seed).standard_normal((len(WORDS), dim)).astype(np.float32)
    vectors[2] = vectors[1] - vectors[3] + vectors[4]  # one is solved
    return ge.Embedding(vectors, WORDS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "questions.txt").write_text(QUESTIONS)
    return tmp_path / "questions.txt"


def by_gensim_s_rules(
    embedding: ge.Embedding, path: Path, restrict: int, *, fold: bool, dummy: bool
) -> dict[str, tuple[int, int]]:
    """Solved and counted questions of each section, one question at a time."""
    unit = embedding.vectors[:restrict].astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    forms = [word.upper() if fold else word for word in embedding.index_to_key[:restrict]]
    found: dict[str, list[int]] = {}
    for line in filter(None, path.read_text().splitlines()):
        if line.startswith(":"):
            section = line[2:]
            found[section] = [0, 0]
            continue
        a, b, c, expected = line.upper().split() if fold else line.split()
        if not {a, b, c, expected} <= set(forms):
            found[section][1] += dummy
            continue
        scores = unit @ (unit[forms.index(b)] - unit[forms.index(a)] + unit[forms.index(c)])
        best = next(row for row in np.argsort(-scores) if forms[row] not in {a, b, c})
        found[section][0] += forms[best] == expected
        found[section][1] += 1
    return {section: (solved, counted) for section, (solved, counted) in found.items()}


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("dummy", [True, False])
@pytest.mark.parametrize("restrict", [11, 12, 500])
def test_sections_are_counted_by_gensim_s_rules(path: Path, restrict: int, fold: bool, dummy: bool) -> None:
    for seed in range(4):
        embedding = table(seed)
        expected = by_gensim_s_rules(embedding, path, restrict, fold=fold, dummy=dummy)
        found = ge.analogies(
            embedding, path, restrict_vocab=restrict, case_insensitive=fold, dummy4unknown=dummy
        )
        assert [one.name for one in found.sections] == list(expected)
        for one, (solved, counted) in zip(found.sections, expected.values(), strict=True):
            assert one.counted == counted
            assert (one.value == solved / counted) if counted else math.isnan(one.value)
        solved, counted = map(sum, zip(*expected.values(), strict=True))
        assert found.value == pytest.approx(solved / counted)


@pytest.mark.parametrize("seed", range(3))
def test_accuracies_are_those_of_gensim(path: Path, seed: int) -> None:
    pytest.importorskip("gensim")
    embedding = table(seed)
    for fold, dummy, restrict in ((True, False, 11), (False, True, 12), (True, True, 300_000)):
        score, sections = embedding.to_gensim().evaluate_word_analogies(
            str(path), restrict_vocab=restrict, case_insensitive=fold, dummy4unknown=dummy
        )
        found = ge.analogies(
            embedding, path, restrict_vocab=restrict, case_insensitive=fold, dummy4unknown=dummy
        )
        assert found.value == pytest.approx(score)
        for one, theirs in zip(found.sections, sections, strict=False):
            solved, wrong = len(theirs["correct"]), len(theirs["incorrect"])
            assert one.counted == solved + wrong
            assert not one.counted or one.value == pytest.approx(solved / (solved + wrong))


@pytest.mark.parametrize("method", METHODS)
def test_one_question_has_the_answer_of_the_set(method: Method) -> None:
    embedding = table()
    found = ge.analogies(
        embedding, [("man", "king", "woman", "queen")], method=method, case_insensitive=False
    )
    best = embedding.analogy("man", "king", "woman", 3, method=method)
    assert found.answer(0) == best[0][0]
    assert len(best) == 3
    assert not {"man", "king", "woman"} & {word for word, _ in best}


def test_one_analogy_is_that_of_the_most_similar_word() -> None:
    embedding = table()
    found = embedding.analogy("man", "king", "woman", 9)
    expected = embedding.most_similar(["king", "woman"], 9, negative=["man"])
    assert [word for word, _ in found] == [word for word, _ in expected]
    with pytest.raises(ConfigError, match="k = 10 neighbors were asked for among 9"):
        embedding.analogy("man", "king", "woman", 10)
    with pytest.raises(VocabularyError, match=r"Did you mean"):
        embedding.analogy("man", "kin", "woman")


def test_runs_are_counted_and_their_agreement_is_judged(path: Path) -> None:
    runs = ge.EmbeddingStack([table(seed).vectors for seed in (0, 1, 2, 0)], WORDS)
    found = ge.analogies(runs, path)
    alone = [ge.analogies(run, path) for run in runs]
    assert found.accuracies.tolist() == [one.value for one in alone]
    assert found.value == pytest.approx(np.mean([one.value for one in alone]))
    assert found.solved.tolist() == np.sum([one.right[0] for one in alone], axis=0).tolist()
    low, high = found.interval_over_runs
    assert low <= found.value <= high
    assert sum(one.questions for one in found.agreement) == found.counted.sum()
    assert [one.runs for one in found.agreement] == [1, 2, 3, 4]
    answers = [[found.answer(q, run).upper() for run in range(4)] for q in np.flatnonzero(found.counted)]
    most = [max(set(one), key=lambda answer: (one.count(answer), -one.index(answer))) for one in answers]
    expected = [QUESTIONS_ASKED[q][3].upper() for q in np.flatnonzero(found.counted)]
    for one in found.agreement:
        mine = [q for q, answer in enumerate(most) if answers[q].count(answer) == one.runs]
        assert one.questions == len(mine)
        right = [most[q] == expected[q] for q in mine]
        assert one.right == pytest.approx(np.mean(right)) if mine else math.isnan(one.right)
    assert found == ge.analogies(runs, str(path))


def test_no_thread_changes_an_answer(path: Path) -> None:
    expected = ge.analogies(table(), path)
    for workers in (1, 2, 7):
        with threads.limit(workers):
            assert ge.analogies(table(), path) == expected


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ([], ConfigError, "holds no questions"),
        ([("man", "king", "woman")], ConfigError, "a question is"),
        ("man king", FileNotFoundError, "cannot be read"),
        ([("mann", "king", "woman", "queen")], VocabularyError, r"'mann' is one that is missing[\s\S]*man"),
        (3, ConfigError, "questions = 3"),
    ],
)
def test_what_is_no_set_of_questions_is_refused(asked: Any, error: type[Exception], message: str) -> None:
    expected = ge.StorageError if error is FileNotFoundError else error
    with pytest.raises(expected, match=message):
        ge.analogies(table(), asked)


def test_arrays_and_unknown_methods_are_refused(path: Path) -> None:
    with pytest.raises(DTypeError, match="table is an Embedding"):
        ge.analogies(table().vectors, path)
    with pytest.raises(ConfigError, match="3CosAdd"):
        ge.analogies(table(), path, method="3cosadd")  # type: ignore[arg-type]


def test_a_file_that_is_no_set_of_questions_is_refused(tmp_path: Path) -> None:
    for text, message in (
        ("only three words\n", "line 1"),
        (": empty\n", "no questions"),
        ("# nothing\n", "no questions"),
        ("", "is empty"),
    ):
        (tmp_path / "bad.txt").write_text(text)
        with pytest.raises(FileFormatError, match=message):
            ge.analogies(table(), tmp_path / "bad.txt")


def test_a_set_prints_as_a_table(path: Path) -> None:
    lines = str(ge.analogies(table(), path)).splitlines()
    assert lines[0].split() == ["section", "questions", "counted", "solved", "95%", "interval"]
    assert [line.split()[0] for line in lines[1:]] == ["one", "two", "all"]


def test_pairs_of_unknown_words_are_pairs_of_their_own() -> None:
    """Many questions of unknown words count as wrong: leaving out one pair of them changes little."""
    known = [
        ("man", "king", "woman", "queen"),
        ("boy", "girl", "man", "woman"),
        ("king", "man", "queen", "woman"),
    ]
    lost = [(f"a{i}", f"b{i}", f"a{j}", f"b{j}") for i in range(30) for j in range(30) if i != j]
    found = ge.analogies(table(), known + lost, dummy4unknown=True)
    low, high = found.interval
    assert 0 < found.value < 0.005
    assert low <= found.value <= high < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("runs", [3, 5, 10])
@pytest.mark.parametrize(("mean", "spread"), [(0.46, 0.01), (0.05, 0.02), (0.97, 0.01)])
def test_the_interval_over_runs_covers_the_mean_of_all_runs(runs: int, mean: float, spread: float) -> None:
    random, repeats = np.random.default_rng(0), 2000
    size = mean * (1 - mean) / spread**2 - 1  # accuracies of runs: a beta distribution of these moments
    held = 0
    for _ in range(repeats):
        low, high = over_runs(random.beta(mean * size, (1 - mean) * size, runs), 0.95)
        held += low <= mean <= high
    assert 0.92 <= held / repeats <= 0.98


@pytest.mark.slow
def test_the_interval_over_questions_covers_what_fresh_pairs_give() -> None:
    """Pairs of words differ in how easy they are; a question is solved by what both of its pairs give."""
    numbers, pairs, inside, draws = np.random.default_rng(0), 40, 0, 400
    first, second = np.nonzero(~np.eye(pairs, dtype=bool))
    rows = np.stack([first, first + pairs, second, second + pairs], axis=1)
    ease = numbers.standard_normal((2_000_000, 2)).sum(axis=1) + 0.3
    truth = float((1 / (1 + np.exp(-ease))).mean())
    for _ in range(draws):
        own = numbers.standard_normal(pairs)
        chance = 1 / (1 + np.exp(-(own[first] + own[second] + 0.3)))
        right = numbers.random(len(first)) < chance
        low, high = over_questions(right[None, :], rows, np.ones(len(first), bool), 0.95)
        inside += low <= truth <= high
    assert 0.92 <= inside / draws <= 0.98
