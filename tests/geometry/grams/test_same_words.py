"""Tables of other words are refused by every measure, with the first word that differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from geometry.definitions import random_table

import gpuemb as ge
from gpuemb.core.errors import ShapeError, VocabularyError

WORDS = [f"w{row}" for row in range(40)]
OTHERS = [*WORDS[:7], "else", *WORDS[8:]]
MEASURES: dict[str, Callable[[Any, Any], Any]] = {
    "angular": ge.angular,
    "bures": ge.bures,
    "cca": ge.cca,
    "cka": ge.cka,
    "consensus": lambda x, y: ge.consensus([x, y]),
    "cross-Grams": lambda x, y: ge.cross_grams([x, y]),
    "debiased cka": lambda x, y: ge.cka(x, y, debiased=True),
    "displacement": ge.semantic_displacement,
    "eigenspace overlap": ge.eigenspace_overlap,
    "instability": ge.eigenspace_instability,
    "pip": ge.pip_loss,
    "pip of words": ge.pip_per_word,
    "procrustes": ge.procrustes,
    "procrustes of pairs": lambda x, y: ge.procrustes([x, x], [x, y]),
    "pwcca": ge.pwcca,
    "rsa": ge.rsa,
    "second order": ge.second_order_cosine,
    "spearman": lambda x, y: ge.rsa(x, y, method="spearman"),
    "svcca": ge.svcca,
}
every_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


def tables(words: Any = WORDS) -> tuple[ge.Embedding, ge.Embedding]:
    return ge.Embedding(random_table(), WORDS), ge.Embedding(random_table(seed=1), words)


@every_measure
def test_other_words_are_refused_and_the_first_is_named(measure: Any) -> None:
    with pytest.raises(VocabularyError, match=r"row 7 is 'w7' in (X|run \d) but 'else' in (Y|run \d)"):
        measure(*tables(OTHERS))


@every_measure
def test_the_same_words_in_another_order_are_refused(measure: Any) -> None:
    with pytest.raises(VocabularyError, match=r"row 0 is 'w0' in .* but 'w39' in"):
        measure(*tables(WORDS[::-1]))


@every_measure
def test_equal_words_of_another_kind_of_list_and_tables_without_words_are_taken(measure: Any) -> None:
    x, y = tables(tuple(WORDS))
    measure(x, y)
    measure(x, y.vectors)


def test_anchors_must_be_of_the_same_words() -> None:
    x, y = tables(OTHERS)
    with pytest.raises(VocabularyError, match="row 7 is 'w7' in X but 'else' in anchor Ẽ"):
        ge.eigenspace_instability(x, x, anchors=[x, y])


def test_a_number_of_words_that_differs_is_told_first() -> None:
    x = ge.Embedding(random_table(), WORDS)
    longer = ge.Embedding(np.ones((41, 6)), [*OTHERS, "last"])
    with pytest.raises(ShapeError, match="40 rows but Y has 41"):
        ge.cka(x, longer)


def test_pairs_may_have_vocabularies_of_their_own() -> None:
    x, y = tables()
    a, b = (ge.Embedding(table.vectors, OTHERS) for table in (x, y))
    assert len(ge.procrustes([x, a], [y, b])) == 2
