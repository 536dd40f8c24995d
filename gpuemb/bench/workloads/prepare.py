"""Build a workload's data and return the call that is timed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.bench.workloads import synthetic, training_work
from gpuemb.core.arrays import fields_to_device, to_device
from gpuemb.core.device import Device
from gpuemb.core.random import stream
from gpuemb.corpus import tokens as corpus
from gpuemb.embeddings.files import load, save
from gpuemb.embeddings.model import Embedding
from gpuemb.kernels import cosine_topk as neighbors
from gpuemb.kernels import glove_epoch as epochs
from gpuemb.kernels import gram as grams
from gpuemb.kernels import neighbor_overlap as overlaps
from gpuemb.kernels import polar as rotations
from gpuemb.kernels import window_counts as windows
from gpuemb.training.glove import initialize
from gpuemb.training.glove_strata import stratify
from gpuemb.training.recipes import GloVe, SkipGram
from gpuemb.training.skip_gram import Seeds, SkipGramTraining


@dataclass(frozen=True)
class Prepared:
    """The timed call, and lengths known only after preparation (nonzeros, bytes of text)."""

    call: Callable[[], Any]
    measured: Mapping[str, int] = field(default_factory=dict)


def cosine_topk(shape: Mapping[str, int], device: Device, stack: ExitStack) -> Prepared:
    """Neighbors of every row of a synthetic table."""
    call = neighbors.cosine_topk.on(device)
    rows = to_device(synthetic.embedding_table(shape["words"], shape["dim"]), device)
    return Prepared(lambda: call(rows, shape["k"]))


def neighbor_overlap(shape: Mapping[str, int], device: Device, stack: ExitStack) -> Prepared:
    """Drawn lists of every run."""
    call = overlaps.neighbor_overlap.on(device)
    ids = to_device(synthetic.neighbor_lists(shape["runs"], shape["words"], shape["k"]), device)
    return Prepared(lambda: call(ids))


def gram(shape: Mapping[str, int], device: Device, stack: ExitStack) -> Prepared:
    """Runs that agree up to rotation and noise, rows as they are."""
    call = grams.gram.on(device)
    runs = synthetic.embedding_runs(shape["runs"], shape["words"], shape["dim"])
    tables = [to_device(run, device) for run in runs]
    return Prepared(lambda: call(tables))


def polar(shape: Mapping[str, int], device: Device, stack: ExitStack) -> Prepared:
    """Products with singular values ``1, 1/2, 1/3, …`` between random rotations."""
    call = rotations.polar.on(device)
    numbers = stream(0, "bench", "products")
    drawn = numbers.standard_normal((2, shape["pairs"], shape["dim"], shape["dim"]))
    left, right = np.linalg.qr(drawn)[0]
    products = to_device(np.ascontiguousarray((left / (1.0 + np.arange(shape["dim"]))) @ right), device)
    return Prepared(lambda: call(products))


def window_counts(shape: Mapping[str, int], device: Device, stack: ExitStack) -> Prepared:
    """A drawn corpus, harmonic weights, both sides."""
    call = windows.window_counts.on(device)
    tokens = synthetic.token_stream(shape["tokens"], shape["words"])
    weights, _ = windows.weights_of(shape["window"], "harmonic")
    ids, starts, weights = (to_device(array, device) for array in (tokens.ids, tokens.starts, weights))
    return Prepared(lambda: call(ids, starts, None, shape["words"], weights, "both"))


def glove_epoch(shape: Mapping[str, int], device: Device, stack: ExitStack) -> Prepared:
    """The counts of a drawn corpus; every call is one more epoch of the same run."""
    call = epochs.glove_epoch.on(device)
    recipe = GloVe(dim=shape["dim"])
    counts = synthetic.counted_stream(shape["tokens"], shape["words"])
    strata = fields_to_device(stratify(counts, recipe, 0, device), device)
    parameters = fields_to_device(initialize(shape["words"], recipe, 0), device)
    measured = {"nonzeros": counts.nonzeros}
    return Prepared(lambda: call(strata, parameters, recipe.learning_rate), measured)


def skipgram_epoch(shape: Mapping[str, int], device: Device, stack: ExitStack) -> Prepared:
    """A drawn corpus; every call visits its pairs once more, at the rates of a first epoch."""
    recipe = SkipGram(dim=shape["dim"])
    tokens = synthetic.token_stream(shape["tokens"], shape["words"])
    run = SkipGramTraining(tokens, recipe, Seeds(0, 0, 0), device)
    return Prepared(lambda: run.visit(0), {"pairs": training_work.expected_pairs(tokens, recipe)})


def read_corpus(shape: Mapping[str, int], device: Device, stack: ExitStack) -> Prepared:
    """A drawn corpus as a text file in a temporary folder."""
    path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "corpus.txt"
    size = synthetic.write_text(path, synthetic.token_stream(shape["tokens"], shape["words"]))
    return Prepared(lambda: corpus.read_corpus(path), {"text_bytes": size})


def load_table(shape: Mapping[str, int], device: Device, stack: ExitStack) -> Prepared:
    """A synthetic table in a temporary folder, read into memory."""
    path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "table.npy"
    words = [str(row) for row in range(shape["words"])]
    save(Embedding(synthetic.embedding_table(shape["words"], shape["dim"]), words), path)
    return Prepared(lambda: np.array(load(path).vectors))
