"""Whether differences of word vectors order probe words as ratios of their probabilities do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64, Int64, native, to_host
from gpuemb.core.checks import check_at_least, check_at_most
from gpuemb.core.doors import door, enter
from gpuemb.core.errors import ConfigError
from gpuemb.core.random import stream
from gpuemb.core.results import result, shown
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.embeddings.model import Embedding, named_table
from gpuemb.embeddings.spelling import missing_word
from gpuemb.training.trained import TrainedModel
from gpuemb.uncertainty.ranks import spearman

WHERE = "ratio_agreement"
LEAST_PROBES = 3  # two probes have one order of two
MOST_DRAWS = 10**6


@result
class PairRatios:
    """One pair of words: how its difference of vectors orders the probes.

    Attributes:
        first, second: the words i and j.
        value: rank correlation of ``(w_i − w_j)·w̃_k`` with ``log P(k|i)/P(k|j)`` over the probes near both
            words, equal values sharing their mean rank; NaN where fewer than three are, or all are equal.
        probes: how many are near both; the ratio of others is 0, infinite or unknown.
        p_value: ``(1 + #{permuted ≥ value})/(1 + permutations)``; NaN with ``value``.
        log_ratios: ``(K,)`` of every probe; NaN where one of both probabilities is 0.
        differences: ``(K,)`` of the vectors.
    """

    first: str
    second: str
    value: float
    probes: int
    p_value: float
    log_ratios: Float64
    differences: Float64

    def __float__(self) -> float:
        return self.value


@result
class RatioAgreement:
    """How far differences of vectors order probes as ratios of probabilities do; prints as a table.

    Attributes:
        value: mean rank correlation of the pairs that have one.
        p_value: of that mean, where the probes' vectors are permuted, for all pairs alike.
        chance: mean of the permuted means.
        chance_high: their 95 % quantile.
        undefined: pairs without a rank correlation.
        pairs: of each pair.
        probes: the ``K`` probes.
        contexts: whether the probes' context vectors were used; else their word vectors.
        permutations: how many were drawn.
    """

    value: float
    p_value: float
    chance: float
    chance_high: float
    undefined: int
    pairs: tuple[PairRatios, ...]
    probes: tuple[str, ...]
    contexts: bool
    permutations: int

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        names = [f"{one.first} - {one.second}" for one in self.pairs]
        width = max(map(len, [*names, "mean"]))
        lines = [f"{'pair':<{width}}  probes  rank correlation  p"]
        lines += [
            f"{name:<{width}}  {one.probes:>6}  {one.value:>16.3f}  {one.p_value:.3g}"
            for name, one in zip(names, self.pairs, strict=True)
        ]
        lines.append(
            f"{'mean':<{width}}  {'':>6}  {self.value:>16.3f}  {self.p_value:.3g}; "
            f"by chance {self.chance:.3f}, 95% below {self.chance_high:.3f}"
        )
        return "\n".join(lines)


@door
def ratio_agreement(
    counts: Cooccurrence,
    model: Any,
    pairs: Sequence[Any],
    probes: Sequence[str],
    *,
    permutations: int = 999,
    seed: int = 0,
) -> RatioAgreement:
    """Compare ``(w_i − w_j)·w̃_k`` with ``log P(k|i)/P(k|j)`` for pairs of words i, j and probe words k.

    GloVe is made so that the two are equal; here only their order counts, so the length of vectors does not.

    Args:
        counts: of a corpus.
        model: a model of :func:`gpuemb.train`, one of ``stack.models``, whose context vectors are used; or an
            Embedding, of which the probes' own vectors are used.
        pairs: of words, such as ``[("ice", "steam")]``.
        probes: words whose probabilities near both are compared, three or more.
        permutations: of the probes' vectors, for the chance level; 0 for none.
        seed: of the permutations.

    Raises:
        VocabularyError: a word is not counted or has no vector; close spellings are named.
        ConfigError: pairs that are not two different words, fewer than three probes, or one twice.

    Cost: a sort of the probes a pair and permutation.
    Source: Pennington et al. (2014), table 1; Definitions §1.

    Example:
        >>> counts = ge.count_cooccurrences(ge.read_corpus("pets.txt"), window=3)
        >>> model = ge.train(counts, ge.GloVe(dim=4, epochs=100, x_max=1), seeds=[0]).models[0]
        >>> found = ge.ratio_agreement(counts, model, [("cat", "dog")], counts.vocabulary.words)
        >>> 0 < found.value <= 1, found.pairs[0].probes >= 3
        (True, True)
    """
    check_at_least(WHERE, "permutations", permutations, 0)
    check_at_most(WHERE, "permutations", permutations, MOST_DRAWS)
    check_at_least(WHERE, "seed", seed, 0)
    asked = [_checked_pair(one) for one in pairs]
    if not asked or len(set(probes)) < max(LEAST_PROBES, len(probes)):
        raise ConfigError(
            f"{WHERE}: {len(asked)} pairs and {len(probes)} probes, {len(set(probes))} of them different",
            needed=f"At least one pair and {LEAST_PROBES} probes are needed, each probe once.",
            remedy="pairs=[('ice', 'steam')], probes=['solid', 'gas', 'water', 'fashion'], for example.",
        )
    name, words, vectors, others = _vectors(model)
    place = {word: row for row, word in enumerate(words)}
    for word in [*(word for pair in asked for word in pair), *probes]:
        counts.id_of(word)
        if word not in place:
            raise missing_word(name, word, words, place)
    probe_rows = _rows(others, [place[word] for word in probes])
    steps = _rows(vectors, [place[i] for i, _ in asked]) - _rows(vectors, [place[j] for _, j in asked])
    ratios = np.array([_log_ratios(counts, i, j, probes) for i, j in asked])
    differences = steps @ probe_rows.T
    observed = _correlations(ratios, differences)
    null = np.empty((permutations, len(asked)))
    for draw in range(permutations):
        order = stream(seed, "permutation", "probes", draw).permutation(len(probes))
        null[draw] = _correlations(ratios, differences[:, order])
    return _summary(asked, tuple(probes), ratios, differences, observed, null, others is not vectors)


def _summary(
    asked: Sequence[tuple[str, str]],
    probes: tuple[str, ...],
    ratios: Float64,
    differences: Float64,
    observed: Float64,
    null: Float64,
    contexts: bool,
) -> RatioAgreement:
    known = np.isfinite(observed)
    each = tuple(
        PairRatios(
            *asked[pair],
            float(observed[pair]),
            int(np.isfinite(ratios[pair]).sum()),
            _p_value(observed[pair], null[:, pair]),
            ratios[pair],
            differences[pair],
        )
        for pair in range(len(asked))
    )
    mean = float(observed[known].mean()) if known.any() else math.nan
    means = null[:, known].mean(axis=1) if known.any() and len(null) else np.empty(0)
    chance = (float(means.mean()), float(np.quantile(means, 0.95))) if len(means) else (math.nan, math.nan)
    return RatioAgreement(
        mean, _p_value(mean, means), *chance, int((~known).sum()), each, probes, contexts, len(null)
    )


def _checked_pair(one: Any) -> tuple[str, str]:
    listed = isinstance(one, (list, tuple)) and len(one) == len(("i", "j"))
    if listed and all(isinstance(word, str) for word in one) and one[0] != one[1]:
        return one[0], one[1]
    raise ConfigError(
        f"{WHERE}: a pair is {shown(one)}",
        needed="A pair is two different words.",
        remedy="pairs=[('ice', 'steam')], for example.",
    )


def _vectors(model: Any) -> tuple[str, Sequence[str], Any, Any]:
    """Return a name, the words, their vectors, and those of the probes."""
    if isinstance(model, TrainedModel):
        return model.run, model.index_to_key, model.words, model.contexts
    table = enter(WHERE, "model", named_table(model), Embedding)
    vectors = native(table.check().vectors)
    return table.name, table.index_to_key, vectors, vectors


def _rows(table: Any, rows: Sequence[int]) -> Float64:
    taken: Float64 = to_host(table[np.asarray(rows)]).astype(np.float64)
    return taken


def _log_ratios(counts: Cooccurrence, i: str, j: str, probes: Sequence[str]) -> Float64:
    values = counts.ratio(i, j, list(probes)).values
    with np.errstate(divide="ignore", invalid="ignore"):  # probes that one of both words never met
        logs = np.log(values)
    return np.where(np.isfinite(logs), logs, np.nan)


def _correlations(ratios: Float64, differences: Float64) -> Float64:
    """Spearman's rank correlation, a pair; NaN where there is no order."""
    found = np.full(len(ratios), np.nan)
    for pair, (ratio, difference) in enumerate(zip(ratios, differences, strict=True)):
        known: Int64 = np.flatnonzero(np.isfinite(ratio))
        if len(known) >= LEAST_PROBES:
            found[pair] = spearman(ratio[known], difference[known])
    return found


def _p_value(observed: float, null: Float64) -> float:
    if math.isnan(observed) or not len(null):
        return math.nan
    return float(1 + np.sum(~(null < observed - 1e-12))) / (1 + len(null))
