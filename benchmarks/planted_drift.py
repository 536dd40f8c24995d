"""Simulate drift between corpora with planted truth: ``python -m benchmarks.planted_drift``.

Words belong to topics; a document is about one topic and mixes its words with words of all. Some words change
their topic between the two corpora: these drifted, all others did not, though their neighbors may have. Each
repetition makes two corpora, cuts each into parts, trains every part and tests every word. It counts drifted
words found (power), other words found (false), and repetitions with any word found. ``--bootstrap`` trains
samples of documents drawn with replacement instead of parts, to show what they hide. ``--tables`` simulates
distances alone, for intervals.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from pathlib import Path

import numpy as np

import gpuemb as ge
from gpuemb.core.arrays import Float64
from gpuemb.stability.questions.drift.labelings import Labelings
from gpuemb.stability.questions.drift.word_tests import word_tests

RESULTS = Path(__file__).parent / "results" / "drift.json"
MEASURES = ("overlap", "second_order", "aligned_cosine")
TOPICS, WORDS, COMMON = 10, 20, 40  # topics, words of each, words of all topics
LENGTH, ABOUT = 20, 0.7  # tokens of a document, share of its topic
DOCUMENTS = 2000
DIMENSIONS = 20


def corpus(drifted: int, documents: int, *, moved: bool, seed: int) -> list[list[str]]:
    """Return documents; the first word of ``drifted`` topics stands in the next topic where ``moved``."""
    draw = np.random.default_rng(seed)
    members = [[f"t{topic}w{word}" for word in range(WORDS)] for topic in range(TOPICS)]
    if moved and drifted:
        places = [(number % TOPICS, number // TOPICS) for number in range(drifted)]
        words = [members[topic][place] for topic, place in places]
        for (topic, place), word in zip(places, [*words[-1:], *words[:-1]], strict=True):
            members[topic][place] = word
    common = [f"c{word}" for word in range(COMMON)]
    found = []
    for topic in draw.integers(0, TOPICS, documents):
        own = draw.random(LENGTH) < ABOUT
        ids = np.where(own, draw.integers(0, WORDS, LENGTH), draw.integers(0, COMMON, LENGTH))
        found.append([members[topic][i] if mine else common[i] for i, mine in zip(ids, own, strict=True)])
    return found


def planted_words(drifted: int) -> set[str]:
    """Return the words that changed their topic."""
    return {f"t{number % TOPICS}w{number // TOPICS}" for number in range(drifted)}


def repetition(drifted: int, parts: int, documents: int, seed: int, *, bootstrap: bool) -> ge.Drift:
    """Make two corpora, train their parts (or samples of their documents), and test every word."""
    texts = [corpus(drifted, documents, moved=moved, seed=2 * seed + moved) for moved in (False, True)]
    tokens = [ge.read_corpus(text) for text in texts]
    recipe = ge.PPMISVD(dim=DIMENSIONS)
    if not bootstrap:
        groups = {"first": tokens[0], "second": tokens[1]}
        config = ge.TextConfig(min_count=5)
        return ge.corpus_drift(groups, recipe, parts=parts, text=config, seed=seed)
    seeds = range(parts)
    samples = [ge.train(one, recipe, seeds=seeds, vary="bootstrap") for one in tokens]
    return ge.drift({"first": samples[0], "second": samples[1]})


def simulated(
    drifted: int, parts: int, documents: int, repetitions: int, *, bootstrap: bool
) -> dict[str, object]:
    """Count what is found over many repetitions."""
    planted = planted_words(drifted)
    names = ("power", "false", "any", "share")
    counts: dict[str, dict[str, list[float]]] = {
        measure: {name: [] for name in names} for measure in MEASURES
    }
    for seed in range(repetitions):
        found = repetition(drifted, parts, documents, seed, bootstrap=bootstrap)
        true = np.array([word in planted for word in found.vocabulary])
        for measure in MEASURES:
            one = found[measure]
            counts[measure]["false"].append((one.drifted & ~true).sum() / max(1, one.drifted.sum()))
            counts[measure]["any"].append(one.drifted.any())
            counts[measure]["share"].append(one.share.value)
            if drifted:
                counts[measure]["power"].append(one.drifted[true].mean())
    return {
        measure: {name: float(np.mean(values)) for name, values in lists.items() if values}
        for measure, lists in counts.items()
    }


def distances(drifted: int, sizes: tuple[int, int], seed: int, common: float, size: float) -> Float64:
    """Return distances of fresh runs of the same 300 words; ``common`` is noise that all words share."""
    draw, words = np.random.default_rng((seed, 1)), np.random.default_rng(7)
    lengths, away = np.exp(0.3 * words.standard_normal((300, 1, 1))), words.standard_normal((300, 1, 10))
    vectors = draw.standard_normal((300, sum(sizes), 10)) + common * draw.standard_normal((1, sum(sizes), 10))
    vectors[:drifted, sizes[0] :] += size * away[:drifted]
    vectors *= lengths
    first, second = np.transpose(list(combinations(range(sum(sizes)), 2)))
    return 1 - np.exp(-((vectors[:, first] - vectors[:, second]) ** 2).mean(axis=2) / 4)  # type: ignore[no-any-return]


def coverage(drifted: int, sizes: tuple[int, int], repetitions: int, common: float) -> dict[str, float]:
    """Return how often each interval holds what fresh runs give on average, and what is found."""
    labelings, order = Labelings.of(sizes, 1000), np.arange(300)
    found = [
        word_tests(distances(drifted, sizes, seed, common, 1.2), labelings, order, 1.0)
        for seed in range(repetitions)
    ]
    truth = np.mean([one.effect for one in found], axis=0)
    held = np.array([(one.low <= truth) & (truth <= one.high) for one in found])
    told = {"effect of others": float(held[:, drifted:].mean())}
    if drifted:
        told["effect of drifted"] = float(held[:, :drifted].mean())
    for name in ("mean", "ratio", "share"):
        estimates = [getattr(one, name) for one in found]
        expected = np.mean([one.value for one in estimates])
        told[name] = float(np.mean([one.low <= expected <= one.high for one in estimates]))
    discovered = [ge.benjamini_hochberg(one.p_value, "words").discovered for one in found]
    told["false"] = float(np.mean([one[drifted:].sum() / max(1, one.sum()) for one in discovered]))
    if drifted:
        told["power"] = float(np.mean([one[:drifted].mean() for one in discovered]))
    return told


def designs(parts: int, drifted: int, asked: argparse.Namespace) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield what is simulated, with its name."""
    if asked.tables:
        for common in (0.0, 0.4):
            design = f"distances, {parts} and {parts} runs, {drifted} of 300 drifted, common {common}"
            yield design, {**coverage(drifted, (parts, parts), asked.repetitions, common)}
        return
    what = "bootstrap samples" if asked.bootstrap else "parts"
    design = f"corpora of {asked.documents} documents, {parts} {what}, {drifted} words drifted"
    yield (
        design,
        simulated(drifted, parts, asked.documents, asked.repetitions, bootstrap=asked.bootstrap),
    )


def main(given: Sequence[str] | None = None) -> int:
    """Simulate, print, and keep the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--drifted", type=int, nargs="+", default=[0, 10])
    parser.add_argument("--parts", type=int, nargs="+", default=[5])
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--bootstrap", action="store_true")
    parser.add_argument("--tables", action="store_true")
    asked = parser.parse_args(given)
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for parts, drifted in product(asked.parts, asked.drifted):
        for design, found in designs(parts, drifted, asked):
            kept[design] = {**found, "repetitions": asked.repetitions}
            sys.stdout.write(f"{design}: {json.dumps(kept[design])}\n")
            sys.stdout.flush()
            RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
