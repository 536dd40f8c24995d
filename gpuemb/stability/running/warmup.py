"""Compile every kernel before the work, so that its seconds are seen as what they are."""

from __future__ import annotations

import numpy as np

from gpuemb.core.compilation import Step, run_steps
from gpuemb.core.device import CPU, Device
from gpuemb.core.progress import Progress
from gpuemb.core.random import stream
from gpuemb.corpus.token_patterns import byte_rule
from gpuemb.kernels.cosine_search import FEW_QUERIES
from gpuemb.kernels.cosine_topk import cosine_topk
from gpuemb.kernels.glove_epoch import LANES, GloVeParameters, Strata, glove_epoch
from gpuemb.kernels.gram import gram
from gpuemb.kernels.neighbor_overlap import LARGEST_COMPARED, neighbor_overlap
from gpuemb.kernels.polar import polar
from gpuemb.kernels.ranked_overlap import ranked_overlap
from gpuemb.kernels.skipgram_epoch import Pairs, skipgram_pairs, skipgram_steps
from gpuemb.kernels.skipgram_epoch.noise import noise_of
from gpuemb.kernels.tokenize import tokenize
from gpuemb.kernels.tokenize.string_table import StringTable, places_of, renumbered, selected
from gpuemb.kernels.window_counts import FREQUENT, weights_of, window_counts
from gpuemb.stability.config import StudyConfig

ROWS = FEW_QUERIES + 1  # a study's words; where fewer ask, cosine_topk takes another road
STUDY_KERNELS = (
    window_counts,
    glove_epoch,
    skipgram_pairs,
    skipgram_steps,
    cosine_topk,
    neighbor_overlap,
    ranked_overlap,
    gram,
    polar,
)


def compile_kernels(config: StudyConfig, device: Device, progress: Progress) -> None:
    """Run each kernel of a study once on a few numbers; what was compiled before is loaded from the disk."""
    steps = steps_of(config)
    with progress.phase("compiling kernels (once, then cached)", len(steps)) as task:
        run_steps(steps, device, task)


def steps_of(config: StudyConfig) -> list[Step]:
    """Those of ``STEPS`` whose kernels the study runs."""
    kinds = {model.recipe.kind for model in config.trained}
    needed: dict[Step, bool] = {
        _window_counts: bool(kinds - {"skip-gram"}),
        _glove_epoch: "glove" in kinds,
        _skipgram_epoch: "skip-gram" in kinds,
    }
    most = max(len(model.runs) for model in config.models)
    lists = _long_lists if (most - 1) * config.neighbors > LARGEST_COMPARED else _lists
    return [lists if step is _lists else step for step in STEPS if needed.get(step, True)]


def _tokenize(_: Device) -> None:
    rule, text = byte_rule("whitespace"), np.frombuffer(b"one two\n", np.uint8)
    spellings = StringTable()  # text is read on the CPU whatever follows
    found = tokenize.on(CPU)(text, rule.members, rule.marks, rule.inner, spellings)
    spellings.number(text, places_of(text))
    selected(spellings.joined(), spellings.starts, found.ids.astype(np.int64))
    renumbered(found.ids, found.ids, found.ends, found.ids, found.ends)


def _window_counts(device: Device) -> None:
    ids, starts = np.array([0, FREQUENT, 0], np.int32), np.array([0, 3])  # a frequent word and a rarer one
    weights, _ = weights_of(2, "flat")
    window_counts.on(device)(ids, starts, None, FREQUENT + 1, weights, "both")


def _glove_epoch(device: Device) -> None:
    one = np.ones(1, np.float32)
    zero = np.zeros(1, np.int32)
    strata = Strata(zero, zero, one, one, np.array([[[0, 1]]]))
    vectors, biases = np.zeros((2, 1, LANES), np.float32), np.zeros((2, 1), np.float32)
    parameters = GloVeParameters(vectors, biases, np.ones_like(vectors), np.ones_like(biases))
    glove_epoch.on(device)(strata, parameters, 0.05)


def _skipgram_epoch(device: Device) -> None:
    ids, starts = np.array([0, 0], np.int32), np.array([0, 2])
    blocks, keep = np.zeros((2, 1), np.int32), np.ones(1, np.uint64)
    skipgram_pairs.on(device)(ids, starts, (0, 2), keep, 1, 0, blocks, 1)
    one = np.zeros(1, np.int32)
    noise, vectors = noise_of(np.ones(1), one, 1), np.zeros((2, 1, LANES), np.float32)
    pairs, rates = Pairs(one, one, np.array([[[0, 1]]])), np.ones(1, np.float32)
    skipgram_steps.on(device)(pairs, noise, vectors, np.zeros(1, np.int64), rates, 1, 0)


def _cosine_topk(device: Device) -> None:
    rows = stream(0, "warm-up").standard_normal((ROWS, 3)).astype(np.float32)
    found = cosine_topk.on(device)(rows, 2)
    cosine_topk.on(device)(rows, 2, warm_start=found.ids)  # as every run after the first


def _lists(device: Device) -> None:
    neighbor_overlap.on(device)(np.zeros((2, 2, 1), np.int32))
    ranked_overlap.on(device)(np.zeros((2, 2, 1), np.int32), 0.5)


def _long_lists(device: Device) -> None:
    _lists(device)  # in one step: all use kernels/id_hash.py
    neighbor_overlap.on(device)(np.zeros((3, 2, 256), np.int32))  # many entries are named, not compared


def _gram(device: Device) -> None:
    rows = np.ones((2, 2), np.float32)
    rows.flags.writeable = False  # as what is read from a study's folder
    gram.on(device)([rows], "unit", "float32")  # a study's vectors are float32; its PIP may turn to float64
    gram.on(device)([rows.astype(np.float64)], "unit")


STEPS = (
    _tokenize,
    _cosine_topk,
    _lists,
    _gram,
    _window_counts,
    _glove_epoch,
    _skipgram_epoch,
)  # the longest first
