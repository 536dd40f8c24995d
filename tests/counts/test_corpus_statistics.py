"""A corpus in numbers: every one against its definition on a dense table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpuemb as ge
from gpuemb.core.errors import ConfigError, DTypeError
from gpuemb.counts.power_law import fit_power_law

CORPORA = st.lists(st.lists(st.sampled_from("abcdefg"), min_size=2, max_size=12), min_size=2, max_size=8)


def entropy(shares: Any) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


@settings(deadline=None)
@given(
    documents=CORPORA, side=st.sampled_from(["both", "left", "right"]), unit=st.sampled_from(["nat", "bit"])
)
def test_every_number_is_its_definition(documents: list[list[str]], side: Any, unit: Any) -> None:
    if len({word for one in documents for word in one}) < 2:
        return
    tokens = ge.read_corpus(documents)
    counts = ge.count_cooccurrences(tokens, 2, side=side)
    found = ge.corpus_statistics(counts, unit=unit, spectrum=0)
    scale = 1 if unit == "nat" else math.log(2)
    own = tokens.vocabulary.counts / tokens.vocabulary.counts.sum()
    joint = counts.matrix.toarray() / counts.total
    assert (found.tokens, found.documents, found.words) == (len(tokens), tokens.documents, len(own))
    assert found.word_entropy * scale == pytest.approx(entropy(own), abs=1e-12)
    assert found.perplexity == pytest.approx(math.exp(entropy(own)))
    assert found.largest_entropy * scale == pytest.approx(math.log(len(own)))
    assert found.marginal_entropy * scale == pytest.approx(entropy(joint.sum(axis=1)), abs=1e-12)
    assert found.context_entropy * scale == pytest.approx(entropy(joint.sum(axis=0)), abs=1e-12)
    contexts = joint.sum(axis=0)
    given_ = sum(p * entropy(joint[:, c] / p) for c, p in enumerate(contexts) if p > 0)
    assert found.conditional_entropy * scale == pytest.approx(given_, abs=1e-12)
    assert found.conditional_perplexity == pytest.approx(math.exp(given_))
    assert found.mutual_information == pytest.approx(
        found.marginal_entropy - found.conditional_entropy, abs=1e-9
    )
    assert found.once == sum(count == 1 for count in tokens.vocabulary.counts)


def test_tokens_know_words_alone_and_equal_frequencies_have_the_largest_entropy() -> None:
    found = ge.corpus_statistics(ge.read_corpus([[*"abcd"], [*"dcba"]]), unit="bit")
    assert found.word_entropy == found.largest_entropy == 2
    assert found.perplexity == pytest.approx(4)
    for name in ("marginal_entropy", "conditional_entropy", "mutual_information", "conditional_perplexity"):
        assert math.isnan(getattr(found, name))
    assert "H(W|C)" not in str(found)


def test_zipf_s_laws_are_those_of_frequencies_and_singular_values() -> None:
    documents = [[f"w{rank}"] * (1000 // rank) for rank in range(1, 200)]
    counts = ge.count_cooccurrences(ge.read_corpus(documents), 2)
    found = ge.corpus_statistics(counts, spectrum=20)
    frequencies = counts.vocabulary.counts
    last = int((frequencies >= 10).sum())
    assert found.frequency_law == fit_power_law(frequencies, (1, last))
    assert found.frequency_law.exponent == pytest.approx(1, abs=0.02)
    assert ge.corpus_statistics(counts, ranks=(2, 9), spectrum=0).frequency_law.ranks == (2, 9)
    expected = np.linalg.svd(counts.to_float().toarray(), compute_uv=False)[:20]
    assert found.spectrum_law.exponent == pytest.approx(fit_power_law(expected, (1, 20)).exponent, rel=1e-3)
    assert "perplexity" in str(found)


def test_what_cannot_be_described_says_why() -> None:
    few = ge.read_corpus([["a", "b"], ["a"]])
    assert "0 words occur 10 times" in ge.corpus_statistics(few).frequency_law.reason
    alone = ge.count_cooccurrences(ge.read_corpus([["a"], ["b"]]), 2)
    assert math.isnan(ge.corpus_statistics(alone).mutual_information)
    with pytest.raises(DTypeError, match="Tokens or counts are needed"):
        ge.corpus_statistics("a text")
    with pytest.raises(ConfigError, match="unit"):
        ge.corpus_statistics(few, unit="byte")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="power law"):
        ge.corpus_statistics(few, ranks=(1, 99))
