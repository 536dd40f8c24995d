"""One word in two Unicode forms: the difference is named, or does not matter."""

from __future__ import annotations

import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest
from embeddings.tables import ENDINGS, numbers

import gpuemb as ge
from gpuemb.core.errors import SpellingWarning, VocabularyError
from gpuemb.embeddings.files import load, save
from gpuemb.embeddings.model import Embedding
from gpuemb.embeddings.spelling import composed, other_forms
from gpuemb.embeddings.stack import respelled_words, shared_words, stack

COMPOSED = ["caf\u00e9", "th\u00e9", "noix", "\u1e69", "\uac00"]  # \u1e69 carries two marks, \uac00 is Hangul
DECOMPOSED = [unicodedata.normalize("NFD", word) for word in COMPOSED]


def table(words: list[str], seed: int = 0) -> Embedding:
    return Embedding(numbers(len(words), seed=seed), words, name=f"table {seed}")


def test_forms_of_a_word() -> None:
    assert other_forms("noix") == []
    for one, other in zip(COMPOSED, DECOMPOSED, strict=True):
        if one != other:
            assert (other_forms(one), other_forms(other)) == ([other], [one])
        assert composed(one) == composed(other) == one
    marks = "s\u0307\u0323"  # in an order that neither form has
    assert other_forms(marks) == ["\u1e69", "s\u0323\u0307"]


@pytest.mark.parametrize(
    ("known", "asked", "form"), [(COMPOSED, DECOMPOSED, "NFC"), (DECOMPOSED, COMPOSED, "NFD")]
)
def test_a_word_that_the_table_has_in_another_form_is_said_to_be_so(
    known: list[str], asked: list[str], form: str
) -> None:
    e = table(known)
    for word in (asked[0], asked[3], asked[4]):
        for look_up in (e.row, e.__getitem__, e.most_similar, lambda word: e.rows([word])):
            with pytest.raises(VocabularyError, match=f"in the table in {form}\n.*\n.*normalize\\('{form}'"):
                look_up(word)
        with pytest.raises(VocabularyError, match=f"in the table in {form}"):
            ge.nearest_neighbors(e, 2, queries=[word])
        with pytest.raises(VocabularyError, match=f"in the table in {form}"):
            ge.CosineIndex(e).search([word], 2)
        with pytest.raises(VocabularyError, match=f"in the table in {form}"):
            ge.cosine_matrix(e, words=[word])
    with pytest.raises(VocabularyError, match="Did you mean"):
        e.row("noi")


def test_words_that_tables_share_but_for_their_form_are_counted_when_tables_are_stacked() -> None:
    tables = [table(COMPOSED), table([*DECOMPOSED, "only"], 1)]
    with pytest.warns(SpellingWarning, match="4 words are in every table but .* 'café' .NFC.*normalize"):
        both = stack(tables)
    assert list(both.index_to_key) == ["noix"] == shared_words(tables)
    assert respelled_words(tables) == [word for word in COMPOSED if word != "noix"]
    capitals = [table(["CAF\u00c9", "a"]), table(["cafe\u0301", "A"], 1)]
    assert respelled_words(capitals) == []
    assert respelled_words(capitals, case="lower") == ["caf\u00e9"]
    with pytest.raises(
        VocabularyError, match=r"share none in the same Unicode form, but 1 in different ones"
    ):
        stack([table(["caf\u00e9", "a"]), table(["cafe\u0301", "b"], 1)])


def test_tables_of_one_form_are_stacked_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for words in (COMPOSED, DECOMPOSED):
            assert len(stack([table(words), table(words[::-1], 1)]).index_to_key) == 5
        # a word in both forms is shared in both
        assert len(stack([table(["caf\u00e9", "cafe\u0301"])] * 2).index_to_key) == 2
        assert stack([table(COMPOSED)]).index_to_key == COMPOSED
        assert list(stack([table(["\u00e9", "a"]), table(["\u00e8", "a"], 1)]).index_to_key) == ["a"]


def test_measures_of_tables_whose_words_differ_in_form_name_it() -> None:
    with pytest.raises(VocabularyError, match=r"in Y \(Unicode forms NFC and NFD\)\n.*NFC.*\n.*normal"):
        ge.rsa(table(COMPOSED), table(DECOMPOSED, 1))
    with pytest.raises(VocabularyError, match=r"row 0 is 'a' in X but 'b' in Y\n"):
        ge.rsa(table(["a", "c", "d"]), table(["b", "c", "d"], 1))


@pytest.mark.parametrize("ending", ENDINGS)
def test_words_asked_of_a_file_that_has_them_in_another_form_are_counted(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    save(table(DECOMPOSED), path)
    with pytest.warns(SpellingWarning, match="has 2 of the words in another Unicode form, such as 'café'"):
        found = load(path, words=[COMPOSED[0], COMPOSED[1], "noix", "th\u00e8"])
    assert list(found.index_to_key) == ["noix"]
    with pytest.raises(VocabularyError, match="none of the 2 words, but 1 in another Unicode form"):
        load(path, words=[COMPOSED[0], "absent"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(load(path, words=[*COMPOSED, *DECOMPOSED][5:7]).index_to_key) == DECOMPOSED[:2]


def test_judged_pairs_meet_their_words_in_any_form() -> None:
    pairs = [("caf\u00e9", "th\u00e9", 1.0), ("Caf\u00e9", "noix", 2.0), ("th\u00e9", "noix", 3.0)]
    alike = [ge.similarity_correlation(table(words), pairs) for words in (COMPOSED, DECOMPOSED)]
    assert [found.covered for found in alike] == [3, 3]
    np.testing.assert_array_equal(alike[0].cosines, alike[1].cosines)
    twice = Embedding(np.eye(3), ["caf\u00e9", "cafe\u0301", "noix"])  # a word as it stands comes first
    listed = [("cafe\u0301", "cafe\u0301", 1.0), ("caf\u00e9", "cafe\u0301", 0.0)]
    assert ge.similarity_correlation(twice, listed).cosines.tolist() == [1.0, 0.0]


def test_words_of_a_list_that_a_table_has_in_another_form_are_named() -> None:
    plain = ["a", "b", "c"]
    x, y = table([*COMPOSED, *plain]), table([*DECOMPOSED, *plain], 1)
    found = ge.rsa(x, y, words=[*plain, COMPOSED[0], "absent"])
    said = [str(one) for one in found.missing]
    assert said[0].endswith("(not in Y in Unicode form NFC, but in NFD)")
    assert (found.missing[0].closest[0], said[1][:30]) == (DECOMPOSED[0], "'absent' (not in X and Y)")
