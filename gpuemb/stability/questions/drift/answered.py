"""The question ``drift``: which words are used differently in two corpora, beyond noise?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gpuemb.core.arrays import Int64
from gpuemb.core.device import CPU, choose
from gpuemb.stability.config import ModelConfig, StudyConfig
from gpuemb.stability.folder import WORK_FOLDER
from gpuemb.stability.questions.answer import Answer, Finding
from gpuemb.stability.questions.drift.corpora import CorpusDrift, Design
from gpuemb.stability.questions.drift.result import DriftMeasure
from gpuemb.stability.questions.table import QUESTIONS
from gpuemb.stability.result import StudyResult
from gpuemb.stability.statistics import mean_of_known
from gpuemb.stability.store import Store

if TYPE_CHECKING:
    import pyarrow

MOST_PARTS = 50  # of a corpus
CHANGED, FEW = 100, 5  # words whose neighbors are listed, and neighbors of each
NOTES = (
    "Each corpus is cut into parts of one length that share no document, one a seed of the model, and every"
    " part is trained with a seed of its own: differences within a corpus hold the noise of training and of"
    " documents.",
    "Distance between: mean over pairs of parts of two corpora; spread within: mean over pairs of parts of"
    " one. p: share of labelings of the parts, pooled over words of like frequency, that give as much; q: the"
    " same as a rate of false discoveries over all words.",
)


def answer(result: StudyResult) -> Answer:
    """Answer for the two groups of texts of the configuration, once a recipe; trained parts are kept.

    Raises:
        ConfigError: a corpus has fewer documents than parts.
        VocabularyError: fewer than two words are in all parts.
        StorageError, FileFormatError: a text cannot be read, or a part not be kept.

    Cost: as :func:`gpuemb.corpus_drift`: each corpus is trained once, in parts.
    """
    import pyarrow

    config, found = result.config, []
    device = choose(str(result.record.get("device", CPU)))
    store = Store(result.folder / WORK_FOLDER)
    for model in recipes_of(config):
        design = design_of(config, model)
        corpora, asked = design.read(dict(config.groups))
        found.append((model.name, design.tested(corpora, asked, {"k": config.neighbors}, store, device)))
    tables = {
        "words": pyarrow.concat_tables(words_table(name, one) for name, one in found),
        "changed": pyarrow.concat_tables(_changed_table(name, one) for name, one in found),
    }
    findings = [finding for name, one in found for finding in _findings(name, one)]
    cautions = [f"{name}: {one.caution}" for name, one in found if one.caution]
    cautions += [
        f"{name}: {one.left_out:,} words of both corpora are too rare in some part, and are not tested."
        for name, one in found
        if one.left_out
    ]
    return Answer("drift", QUESTIONS["drift"].asks, tuple(findings), tables, (*NOTES, *cautions))


def recipes_of(config: StudyConfig) -> list[ModelConfig]:
    """Return the first model of each recipe and window: nothing else of it changes a drift."""
    kept: dict[object, ModelConfig] = {}
    for model in config.trained:
        kept.setdefault((model.recipe, model.window), model)
    return list(kept.values())


def design_of(config: StudyConfig, model: ModelConfig) -> Design:
    """Return how the corpora are cut and trained for a model: a part a seed."""
    counts = replace(config.counts, window=model.window) if model.window else config.counts
    return Design(model.recipe, config.text, counts, min(len(model.seeds), MOST_PARTS))


def _findings(name: str, found: CorpusDrift) -> Iterator[Finding]:
    first, second = found.groups
    for one in found.measures:
        yield _finding(f"{name}, {first} and {second}", one)


def _finding(about: str, one: DriftMeasure) -> Finding:
    share, count, rate = one.share, one.discoveries.count, one.discoveries.rate
    between, within = mean_of_known(one.between), mean_of_known(one.within)
    title = one.title[:1].lower() + one.title[1:]
    words = "1 word" if count == 1 else f"{count:,} words"
    said = f"{words} drifted beyond noise" if count else "no word is found to have drifted beyond noise"
    said = f"{said} (false discoveries {rate:.0%})"
    if not math.isnan(share.value):
        interval = "" if math.isnan(share.low) else f" (95% interval {share.low:.0%} to {share.high:.0%})"
        said = f"{said}; the share of words that drifted is estimated at {share.value:.0%}{interval}"
    sentence = (
        f"{about}, {title}: {said}; the distance between corpora is {between:.3g}, the spread within"
        f" {within:.3g} (p of all words together {one.p_value_of_all:.2g})."
    )
    measure = f"share that drifted, {title}"
    return Finding(about, measure, share.value, share.low, share.high, count > 0, sentence)


def words_table(name: str, found: CorpusDrift) -> pyarrow.Table:
    """Return one row a model, measure and word: distances, p, q and whether it drifted, the surest first."""
    import pyarrow

    parts = []
    for one in found.measures:
        order = _surest_first(one)
        words, text = [found.vocabulary[row] for row in order.tolist()], pyarrow.string()
        counts = np.asarray(found.counts)[order]  # of texts they are known
        parts.append(
            pyarrow.table(
                {
                    "model": pyarrow.array([name] * len(order), text),
                    "measure": pyarrow.array([one.measure] * len(order), text),
                    "word": pyarrow.array(words, text),
                    "count": counts,
                    "distance_between": one.between[order],
                    "spread_within": one.within[order],
                    "effect": one.effect[order],
                    "low": one.low[order],
                    "high": one.high[order],
                    "p": one.p_value[order],
                    "q": one.q_value[order],
                    "drifted": one.drifted[order],
                }
            )
        )
    return pyarrow.concat_tables(parts)


def _surest_first(one: DriftMeasure) -> Int64:
    order: Int64 = np.lexsort((-one.effect, one.p_value, ~np.isfinite(one.effect)))
    return order


def _changed_table(name: str, found: CorpusDrift) -> pyarrow.Table:
    """Return the words that drifted most by the first measure, with neighbors that they lost and gained."""
    import pyarrow

    changed, text = found.changed(CHANGED), pyarrow.string()
    lost, gained = (
        [", ".join(near for near, *_ in getattr(one, side)[:FEW]) for one in changed]
        for side in ("lost", "gained")
    )
    return pyarrow.table(
        {
            "model": pyarrow.array([name] * len(changed), text),
            "word": pyarrow.array([one.word for one in changed], text),
            "overlap": pyarrow.array([one.overlap for one in changed], pyarrow.float64()),
            "q": pyarrow.array([one.q_value for one in changed], pyarrow.float64()),
            f"lost_from_{found.groups[0]}": pyarrow.array(lost, text),
            f"gained_in_{found.groups[1]}": pyarrow.array(gained, text),
        }
    )
