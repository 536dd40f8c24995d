"""A valid call of everything public, and what nobody expects for an argument."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow

import gpuemb as ge
from gpuemb.core.progress import SILENT

WORDS = ["the", "cat", "dog", "sat", "ran", "far"]
TEXT = "the cat sat\nthe dog ran far\nthe cat ran\nthe dog sat far\n"
CONFIG = {"corpus": ["text.txt"], "text": {"min_count": 1}, "neighbors": 2, "counts": {"window": 2}}
MODEL = {"kind": "glove", "dim": 2, "epochs": 1, "seeds": 2}
Call = tuple[Callable[..., Any], dict[str, Any]]


@cache
def experiment() -> ge.CosineExperiment:
    return ge.cosine_experiment([0], users=60, items=20, rank=3, penalty=10.0)


class Something:
    """An object of nobody's."""


class Frame:
    """What a data frame has that an array has not."""

    index, columns, shape = WORDS, ["x", "y"], (6, 2)

    def to_numpy(self) -> Any:
        return np.ones(self.shape)


class DLPackAlone:
    """An array that says nothing but how it is exchanged."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        place: tuple[int, int] = self.array.__dlpack_device__()
        return place


def table(seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal((6, 3)).astype(np.float32)


WRONG: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "text": lambda: "nonsense",
    "empty text": lambda: "",
    "bytes": lambda: b"the",
    "dict": lambda: {"a": 1},
    "empty list": list,
    "list of numbers": lambda: [1.5, 2],
    "list of words": lambda: ["the", "cat"],
    "mixed list": lambda: ["the", None, 3],
    "ragged list": lambda: [[1.0], [1.0, 2.0]],
    "vector": lambda: np.ones(3),
    "array": lambda: np.ones((6, 2)),
    "integers": lambda: np.arange(12).reshape(6, 2),
    "3-d array": lambda: np.ones((2, 6, 2)),
    "empty array": lambda: np.ones((0, 2)),
    "objects": lambda: np.array([None, "a"], object),
    "NaN array": lambda: np.full((6, 2), np.nan),
    "masked array": lambda: np.ma.masked_invalid([[np.nan, 1.0]] * 6),
    "DLPack alone": lambda: DLPackAlone(np.ones((6, 2))),
    "frame": Frame,
    "arrow table": lambda: pyarrow.table({"x": [1.0, 2.0], "y": [2.0, 1.0]}),
    "object": Something,
    "class": lambda: Something,
    "module": lambda: np,
    "True": lambda: True,
    "zero": lambda: 0,
    "negative": lambda: -1,
    "fraction": lambda: 2.5,
    "NaN": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "huge": lambda: 10**12,
    "past 64 bits": lambda: 10**30,
    "NumPy integer": lambda: np.int16(2),
    "complex": lambda: 2j,
    "embedding": lambda: ge.Embedding(table(), WORDS),
    "generator": lambda: (word for word in ["the", 3]),
    "range": lambda: range(3),
    "path": lambda: Path("nowhere/at.all"),
    "function": lambda: len,
}


MEASURES = ("cca", "pwcca", "eigenspace_overlap", "pip_loss", "angular", "bures", "semantic_displacement")


def geometry(name: str, x: ge.Embedding, y: ge.Embedding, **options: Any) -> Call:
    """A measure of two tables with its options and all words of resampling but those that exclude others."""
    function = getattr(ge, name)
    valid = {"x": x, "y": y, **options, "permutations": 2, "blocks": 3, "seed": 0, "confidence": 0.9}
    return (lambda **arguments: function(**arguments)), {**valid, "progress": SILENT}


def calls() -> dict[str, Call]:
    """One valid call of everything public, with all of its arguments."""
    e, f = ge.Embedding(table(), WORDS), ge.Embedding(table(1), WORDS)
    tokens = ge.read_corpus("text.txt")
    counts = ge.count_cooccurrences(tokens, 2)
    result = ge.study({**CONFIG, "models": [MODEL]}, out="finished")
    swept = ge.study({**CONFIG, "models": [MODEL], "sweep": {"dim": [1, 2]}}, out="swept")
    lists = ge.nearest_neighbors(e, 2), ge.nearest_neighbors(f, 2)
    index, silent = ge.CosineIndex(e), {"progress": SILENT}
    glove, factors = ge.GloVe(dim=2, epochs=1), ge.factorize(table(), 2, 1.0)
    model = ge.train(counts, glove, seeds=1).models[0]
    found: dict[str, Call] = {
        "Embedding": (ge.Embedding, {"vectors": table(), "index_to_key": WORDS, "counts": np.arange(6),
                      "name": "e", "ranks": np.arange(1, 7), "duplicates": 0, "skipped": 0, "unused": 0,
                      "proved": False}),
        "Embedding.row": (e.row, {"word": "cat"}),
        "Embedding.rows": (e.rows, {"words": ["cat", "the"]}),
        "Embedding.most_similar": (e.most_similar, {"positive": "cat", "k": 2, "negative": ["dog"],
                                   "restrict_vocab": 5}),
        "Embedding.analogy": (e.analogy, {"a": "the", "b": "cat", "c": "dog", "k": 1, "method": "3CosAdd",
                              "restrict_vocab": 6}),
        "AnalogyAccuracy.answer": (ge.analogies(e, [("the", "cat", "dog", "sat")]).answer,
                                   {"question": 0, "run": 0}),
        "Embedding.similarity": (e.similarity, {"first": "cat", "second": "dog"}),
        "Embedding.doesnt_match": (e.doesnt_match, {"words": ["cat", "dog", "far"]}),
        "Embedding.closer_than": (e.closer_than, {"first": "cat", "second": "dog"}),
        "Embedding.rank": (e.rank, {"first": "cat", "second": "dog"}),
        "Embedding.mean_vector": (e.mean_vector, {"words": ["cat", "dog"], "weights": [1.0, 2.0],
                                  "unit": True}),
        "Embedding.truncate": (e.truncate, {"dim": 2}),
        "Embedding.__getitem__": (lambda word: e[word], {"word": "cat"}),
        "Embedding.__getitem__ of rows": (lambda rows: e[rows], {"rows": slice(0, 2)}),
        "Embedding.__contains__": (lambda word: word in e, {"word": "cat"}),
        "EmbeddingStack": (ge.EmbeddingStack, {"vectors": (table(), table(1)), "index_to_key": WORDS,
                           "counts": np.arange(6), "runs": ("a", "b"), "ranks": (None, None),
                           "dropped": ((), ()), "folded": (0, 0)}),
        "EmbeddingStack.__getitem__": (lambda run: ge.stack([e, f])[run], {"run": 1}),
        "stack": (ge.stack, {"tables": [e, f], "words": None, "case": "exact"}),
        "save": (ge.save, {"x": e, "path": "out.npy", "words": None, "format": "npy"}),
        "load": (ge.load, {"path": "saved.npy", "format": None, "vocabulary": None, "tensor": None,
                 "tokens": None, "limit": 3, "words": None, "on_error": "raise", "repeated": "first",
                 "memory_map": True, **silent}),
        "load_transformer": (ge.load_transformer, {"path": "model", "output": True, **silent}),
        "nearest_neighbors": (ge.nearest_neighbors, {"x": e, "k": 2, "queries": ["cat"], "metric": "csls",
                              "csls_k": 2, "source": None, "warm_start": None, "device": None, **silent}),
        "CosineIndex": (ge.CosineIndex, {"x": e, "device": "cpu"}),
        "CosineIndex.search": (index.search, {"queries": ["cat"], "k": 2, "metric": "cosine", "csls_k": 2,
                                                "source": None, **silent}),
        "hubness": (ge.hubness, {"x": e, "k": 2, "metric": "cosine", "hub_size": 1.5, "device": None,
                                **silent}),
        "Hubness.largest": (ge.hubness(e, 2).largest, {"count": 3}),
        "Neighbors.named": (lists[0].named, {"query": 1}),
        "cosine_matrix": (ge.cosine_matrix, {"x": e, "y": f, "out": None, "words": ["cat"], "device": None,
                          **silent}),
        "cosine_tiles": (ge.cosine_tiles, {"x": e, "y": f, "words": ["cat"], "tile_bytes": 64,
                         "device": None}),
        "similarity_correlation": (ge.similarity_correlation,
                                   {"x": e, "pairs": [("the", "cat", 1.0), ("dog", "cat", 2.0)]}),
        "analogies": (ge.analogies, {"table": e, "questions": [("the", "cat", "dog", "sat")],
                      "method": "3CosMul", "restrict_vocab": 6, "case_insensitive": True,
                      "dummy4unknown": False, "confidence": 0.9, **silent}),
        "second_order": (ge.second_order, {"a": e, "b": f, "words": ["cat", "dog"], "k": 2, "permutations": 2,
                         "seed": 0, "device": None, **silent}),
        "second_order.within": (lambda a, words, k: ge.second_order(a, words=words, k=k),
                                {"a": e, "words": [("cat", "dog")], "k": 2}),
        "SecondOrder.most_changed": (ge.second_order(e, f, k=2).most_changed, {"count": 2}),
        "SecondOrder.least_changed": (ge.second_order(e, f, k=2).least_changed, {"count": 2}),
        "translate": (ge.translate, {"source": e, "target": f, "pairs": WORDS[:4], "k": 2, "metric": "csls",
                      "refine": 1, "method": "orthogonal", "normalize": ["unit"], "refine_words": 6,
                      **silent}),
        "Translation.nearest": (ge.translate(e, f, k=2).nearest, {"words": ["cat"], "k": 2, **silent}),
        "Translation.precision": (ge.translate(e, f, k=2).precision, {"pairs": ["cat"], "at": (1, 2),
                                  "confidence": 0.9, **silent}),
        "Translation.apply": (ge.translate(e, f, k=2).apply, {"table": e}),
        "Translations.split": (ge.Translations("few", (("a", "b"), ("c", "d"))).split, {"held_out": 1,
                               "seed": 0}),
        "datasets.read_translations": (ge.datasets.read_translations, {"path": "dictionary.txt",
                                       "name": "d"}),
        "corpus_statistics": (ge.corpus_statistics, {"source": counts, "unit": "bit", "ranks": (1, 4),
                              "spectrum": 3}),
        "ratio_agreement": (ge.ratio_agreement, {"counts": counts, "model": e, "pairs": [("cat", "dog")],
                            "probes": WORDS, "permutations": 2, "seed": 0}),
        "pca": (ge.pca, {"table": [e, f], "k": 2, "near": 0.1, "neighbors": 1, "judged": 4, "seed": 0,
                **silent}),
        "tsne": (ge.tsne, {"table": e, "perplexity": 1.0, "iterations": 3, "neighbors": 1, "judged": 4,
                 "seed": 0, "device": None, **silent}),
        "umap": (ge.umap, {"table": e, "n_neighbors": 3, "min_dist": 0.1, "neighbors": 1, "judged": 4,
                 "seed": 0, "device": None, **silent}),
        "trustworthiness": (ge.trustworthiness, {"table": e, "coordinates": table()[:, :2], "neighbors": 1,
                            "judged": 4, "seed": 0, **silent}),
        "map_agreement": (ge.map_agreement, {"maps": [table(), table(1)], "neighbors": 1, "confidence": 0.9}),
        "neighbor_overlap": (lambda first, other, **options: ge.neighbor_overlap(first, other, **options),
                             {"first": lists[0], "other": lists[1], "persistence": 0.9, "permutations": 2,
                              "seed": 0, **silent}),
        **{name: geometry(name, e, f) for name in MEASURES},
        "rsa": geometry("rsa", e, f, words=["the", "cat", "dog"], method="pearson", matrix_bytes=1 << 20),
        "cka": geometry("cka", e, f, debiased=False),
        "svcca": geometry("svcca", e, f, share=0.99),
        "eigenspace_instability": geometry("eigenspace_instability", e, f, anchors=[e, f], alpha=3.0),
        "spectrum_distance": (
            lambda x, y, correlation, blocks, seed: ge.spectrum_distance(
                x, y, correlation=correlation, blocks=blocks, seed=seed
            ),
            {"x": e, "y": f, "correlation": False, "blocks": 3, "seed": 0},
        ),
        "procrustes": geometry(
            "procrustes", e, f, scale=False, center=False, rotation_only=False, weights=None
        ),
        "pip_per_word": (ge.pip_per_word, {"x": e, "y": f}),
        "second_order_cosine": (ge.second_order_cosine, {"x": e, "y": f}),
        "spectrum": (ge.spectrum, {"x": e, "ranks": None}),
        "consensus": (ge.consensus, {"stack": [e, f], "tolerance": 1e-6, "most_sweeps": 9, **silent}),
        "cross_grams": (ge.cross_grams, {"runs": [e, f], "preparation": "raw", "precision": "auto",
                                         "first_row": None}),
        "CrossGrams.svcca": (ge.cross_grams([e, f]).svcca, {"share": 0.9}),
        "CrossGrams.eigenspace_instability": (ge.cross_grams([e, f]).eigenspace_instability, {"alpha": 3.0}),
        "CrossGrams.cka": (ge.cross_grams([e, f]).cka, {"debiased": False}),
        "Alignment.transform": (ge.procrustes(e, f).transform, {"x": e}),
        "compare": (ge.compare, {"stack": [e, f], "measures": ["rsa"], "k": 2, "permutations": 2,
                                 "seed": 0, **silent}),
        "drift": (ge.drift, {"groups": {"old": [e, f], "new": [f, e]}, "measures": ["overlap"], "k": 2,
                  "rate": 0.05, "permutations": 2, "seed": 0, **silent}),
        "corpus_drift": (ge.corpus_drift, {"groups": {"a": tokens, "b": tokens}, "recipe": ge.PPMISVD(dim=2),
                         "parts": 2, "text": ge.TextConfig(min_count=1), "counts": ge.CountsConfig(window=2),
                         "measures": ["overlap"], "k": 1, "rate": 0.05, "permutations": 2, "seed": 0,
                         "out": None, "extend": False, "device": "cpu", "threads": 1, **silent}),
        "Drift.changed": (ge.drift({"old": [e, f], "new": [f, e]}, "overlap", k=2).changed,
                          {"count": 2, "measure": "overlap"}),
        "Drift.__getitem__": (ge.drift({"old": [e, f], "new": [f, e]}, "overlap", k=2).__getitem__,
                              {"measure": "overlap"}),
        "Comparison.changed": (ge.compare([e, f], "overlap", k=2).changed, {"count": 2}),
        "Comparison.__getitem__": (lambda measure: ge.compare([e, f], "rsa")[measure], {"measure": "rsa"}),
        "read_corpus": (ge.read_corpus, {"source": "text.txt", "tokenizer": "default", "documents": "line",
                        "field": None, "min_count": 1, "max_words": 5, "vocabulary": None, "subsample": None,
                        "seed": 0, "encoding_errors": "strict", **silent}),
        "Tokens": (ge.Tokens, {"ids": tokens.ids, "starts": tokens.starts, "vocabulary": tokens.vocabulary,
                   "unicode_version": "15", "tokenizer": "default"}),
        "Vocabulary": (ge.Vocabulary, {"words": ("a", "b"), "counts": np.array([2, 1]), "dropped_tokens": 0}),
        "count_cooccurrences": (ge.count_cooccurrences, {"tokens": tokens, "window": 2, "weighting": "flat",
                                "side": "both", "repeats": None, "device": "auto", "memory": "1GB",
                                "scratch": None, **silent}),
        "bootstrap_repeats": (ge.bootstrap_repeats, {"tokens": tokens, "seed": 1}),
        "Cooccurrence": (ge.Cooccurrence, {"rows": counts.rows, "unit": counts.unit,
                         "vocabulary": counts.vocabulary, "provenance": None}),
        "Cooccurrence.units": (counts.units, {"i": "the", "j": 1}),
        "Cooccurrence.ratio": (counts.ratio, {"i": "the", "j": 1, "probes": ["cat", "dog"]}),
        "Cooccurrence.pmi": (counts.pmi, {"smoothing": 1.0}),
        "Cooccurrence.npmi": (counts.npmi, {"smoothing": 1.0}),
        "Cooccurrence.entropy": (counts.entropy, {"unit": "nat"}),
        "Cooccurrence.context_entropies": (counts.context_entropies, {"unit": "nat"}),
        "Cooccurrence.mutual_information": (counts.mutual_information, {"unit": "nat"}),
        "Cooccurrence.spectrum": (counts.spectrum, {"k": 2, "of": "counts"}),
        "Cooccurrence.save": (counts.save, {"path": "counts"}),
        "Cooccurrence.load": (ge.Cooccurrence.load, {"path": "kept"}),
        "Cooccurrence.save_glove": (counts.save_glove, {"path": "cooccurrence.bin"}),
        "Cooccurrence.from_glove": (ge.Cooccurrence.from_glove, {"path": "kept.bin",
                                    "vocabulary": tokens.vocabulary, "window": 2, "weighting": "flat"}),
        "ppmi": (ge.ppmi, {"counts": counts, "shift": 1.0, "smoothing": 1.0}),
        "simulate_interactions": (ge.simulate_interactions, {"users": 30, "items": 20, "clusters": 2,
                                  "most": 5, "exponents": (0.25, 1.5), "concentration": 1.0, "seed": 0,
                                  **silent}),
        "read_interactions": (ge.read_interactions, {"source": "ratings.csv", "user": "u", "item": "i",
                              "weight": "w", "separator": ",", "header": True, "encoding": "utf-8",
                              "repeats": "sum", "missing": "raise", "min_users": 1, "min_items": 1,
                              **silent}),
        "cosine_experiment": (ge.cosine_experiment, {"seeds": [0], "users": 60, "items": 20, "clusters": 2,
                              "most": 5, "exponents": (0.25, 1.5), "concentration": 1.0, "rank": 3,
                              "penalty": 10.0, "second_penalty": 1.0, **silent}),
        "CosineExperiment.values": (experiment().values, {"score": "within"}),
        "write_cosine_picture": (ge.write_cosine_picture, {"found": experiment(), "path": "cosines.png",
                                 "theme": "light"}),
        "GloVe": (ge.GloVe, {"dim": 2, "epochs": 1, "x_max": 10, "alpha": 0.7, "learning_rate": 0.1,
                  "patience": 1, "tolerance": 0.1, "held_out": 0.1}),
        "PPMISVD": (ge.PPMISVD, {"dim": 2, "power": 0.5, "shift": 1, "smoothing": 0.7}),
        "SkipGram": (ge.SkipGram, {"dim": 2, "window": 2, "negatives": 3, "sample": 0.1, "epochs": 1,
                     "learning_rate": 0.1, "ns_exponent": 0.7, "patience": 1, "tolerance": 0.1,
                     "held_out": 0.1}),
        "train": (ge.train, {"source": tokens, "recipe": glove, "seeds": 2, "vary": "seed", "window": 2,
                  "weighting": "flat", "start": e.truncate(2), "snapshots": [1], "checkpoint": None,
                  "device": None, **silent}),
        "TrainedStack": (ge.TrainedStack, {"vectors": (table(), table(1)), "index_to_key": WORDS,
                         "counts": np.arange(6), "runs": ("a", "b"), "ranks": (None, None),
                         "dropped": ((), ()), "folded": (0, 0), "models": ()}),
        "reconstruction": (ge.reconstruction, {"model": model, "counts": counts, "shift": 2.0,
                           "smoothing": 0.75}),
        "softmax_objective": (ge.softmax_objective, {"model": model, "counts": counts, "pairs": 5,
                              "seed": 1}),
        "TablesConfig": (ge.TablesConfig, {"files": ("one.npy", "two.npy"), "name": "mine", "case": "exact"}),
        "TextConfig": (ge.TextConfig, {"min_count": 1, "max_words": 0, "encoding_errors": "strict",
                       "tokenizer": "default", "documents": "line", "field": ""}),
        "CountsConfig": (ge.CountsConfig, {"window": 2, "weighting": "flat"}),
        "ModelConfig": (ge.ModelConfig, {"recipe": glove, "seeds": 2, "vary": "seed", "name": "m",
                        "window": 0, "fraction": 0.5}),
        "StudyConfig": (ge.StudyConfig, {"corpus": ("a.txt",), "text": ge.TextConfig(),
                        "counts": ge.CountsConfig(), "models": (ge.ModelConfig(glove),), "neighbors": 3,
                        "title": "t", "measures": ("rsa",), "snapshots": (), "question": (),
                        "sentence": "", "until_width": 0.0}),
        "load_config": (ge.load_config, {"path": "study.toml"}),
        "plan": (ge.plan, {"config": CONFIG, "words": 10, "nonzeros": 20, "tokens": 30, **silent}),
        "study": (ge.study, {"config": {**CONFIG, "models": [MODEL]}, "out": "study", "device": "cpu",
                  "threads": 1, "workers": None, "scheduler": None, "extend": False, **silent}),
        "answer": (ge.answer, {"result": swept, "question": "dimension", "sentence": ""}),
        "ModelResult.pair": (result.models[0].pair, {"measure": "overlap"}),
        "write_report": (ge.write_report, {"result": result, "path": "page.html"}),
        "factorize": (ge.factorize, {"X": table(), "rank": 2, "penalty": 1.0, "objective": 1,
                      "rescale": "shrinkage"}),
        "Factors.at": (factors.at, {"penalty": 2.0, "objective": 1, "rank": 1, "rescale": [2.0]}),
        "Factors.rescale": (factors.rescale, {"D": [1.0, -2.0]}),
        "Factors.item_cosine": (factors.item_cosine, {"rows": [0, 1], "columns": [2]}),
        "Factors.user_cosine": (factors.user_cosine, {"rows": [0, 1], "columns": [2]}),
        "Factors.user_item_cosine": (factors.user_item_cosine, {"rows": [0, 1], "columns": [2]}),
        "Factors.cosine_tiles": (factors.cosine_tiles, {"of": "user", "tile_bytes": 64}),
        "Factors.nearest": (factors.nearest, {"of": "item", "k": 1, "rows": [0]}),
        "FactorNeighbors.named": (factors.nearest("item", 1).named, {"query": 1}),
        "ambiguity": (ge.ambiguity, {"x": e, "other": f, "k": 2, "steps": 3, "pairs": [("cat", "dog")],
                      "scores": {"zero": lambda table: 0.0}, "power": 0.5, **silent}),
        "remedy": (ge.remedy, {"X": abs(table()), "preprocessing": "layer-normalization", "rank": 2,
                   "penalty": 1.0, "objective": 1, "rescale": "identity"}),
        "remedies": (ge.remedies, {"X": abs(table()), "labels": [0, 1, 1], "rank": 2, "penalty": 1.0,
                     "second_penalty": 1.0, **silent}),
        "scores_of_clusters": (ge.scores_of_clusters, {"cosines": np.eye(3), "labels": [0, 0, 1]}),
        "benjamini_hochberg": (ge.benjamini_hochberg, {"p_values": [0.1, 0.2], "family": "two", "rate": 0.1}),
        "info": (ge.info, {}),
        "set_threads": (ge.set_threads, {"threads": 2}),
        "Device": (ge.Device, {"kind": "cuda", "index": 0}),
        "datasets.read_word_pairs": (ge.datasets.read_word_pairs, {"path": "pairs.tsv", "name": "p"}),
        "datasets.read_analogies": (ge.datasets.read_analogies, {"path": "questions.txt", "name": "q"}),
        "datasets.word_similarity": (ge.datasets.word_similarity, {"wheel": "no.whl", "name": "men"}),
        "datasets.analogies": (ge.datasets.analogies, {"wheel": "no.whl", "name": "msr"}),
        "datasets.google_news": (ge.datasets.google_news, {"wheel": "no.whl", "limit": 3, "words": None}),
        "datasets.glove_6b_50d": (ge.datasets.glove_6b_50d, {"limit": 3, "words": ["the"]}),
    }  # fmt: skip
    twice = ge.study({**CONFIG, "models": [{**MODEL, "epochs": 2}]}, out="two epochs")
    for name in ("stability", "frequency", "alignment", "spectra", "overlap_by_depth", "losses"):
        valid = {"result": twice, "model": "glove", "axes": None}
        found[f"plot.{name}"] = (getattr(ge.plot, name), valid)
    drifted = ge.drift({"old": [e, f], "new": [f, e]}, ["overlap"], k=2)
    found |= {
        "plot.word_map": (ge.plot.word_map, {**valid, "method": "pca"}),
        "plot.heat_map": (ge.plot.heat_map, {**valid, "measure": "overlap"}),
        "plot.volcano": (ge.plot.volcano, {"found": drifted, "measure": "overlap", "axes": None}),
        "plot.answer": (
            ge.plot.answer,
            {"answer": ge.answer(swept, "dimension"), "figure": "", "axes": None},
        ),
        "plot.save": (ge.plot.save, {"result": drifted, "folder": "figures", "kinds": ["svg"]}),
    }
    return found


def write_files(place: Path) -> None:
    """Write what the valid calls read."""
    (place / "text.txt").write_text(TEXT)
    (place / "ratings.csv").write_text("u,i,w\na,x,1\na,y,2\nb,x,3\n")
    (place / "study.toml").write_text('corpus = ["text.txt"]\n[text]\nmin_count = 1\n')
    (place / "pairs.tsv").write_text("the\tcat\t1\ncat\tdog\t2\n")
    (place / "dictionary.txt").write_text("the cat\ncat dog\n")
    (place / "questions.txt").write_text(": some\na b c d\n")
    ge.save(ge.Embedding(table(), WORDS), place / "saved.npy")
    (place / "model").mkdir()
    ge.save(ge.Embedding(table(), WORDS), place / "model" / "model.safetensors")
    counts = ge.count_cooccurrences(ge.read_corpus(place / "text.txt"), 2)
    counts.save(place / "kept")
    counts.save_glove(place / "kept.bin")
