"""Epochs of GloVe and skip-gram on a GPU, of one run and of ten side by side: verified, then timed.

Not run on a GPU yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.bench.ceilings_cuda import finished
from gpuemb.bench.measure import alternate
from gpuemb.bench.records import here, write_json
from gpuemb.bench.workloads import synthetic
from gpuemb.core.cuda.streams import StoppableTask, side_by_side
from gpuemb.core.device import Device
from gpuemb.training.glove import GloVeTraining
from gpuemb.training.recipes import GloVe, SkipGram
from gpuemb.training.seeds import train
from gpuemb.training.skip_gram import Seeds, SkipGramTraining

CUDA = Device("cuda")
WORDS, DIM, TOKENS = 1 << 17, 300, 4_000_000
RUNS = 1, 10
REPEATS = 3
SMALL_WORDS, SMALL_TOKENS, SMALL_DIM = 500, 20_000, 20  # trained on both devices
SAME = 1e-3  # relative, of a loss: what float32 drifts in two epochs is a hundredth of it


def race(out: Path) -> str:
    """Verify and time the epochs; write a record and return one line."""
    verified = verify()
    shape: dict[str, Any] = {"words": WORDS, "dim": DIM, "tokens": TOKENS}
    seconds, told = {}, []
    for name, prepare in (("glove", glove_runs), ("skip-gram", skip_gram_runs)):
        units, trainings = prepare(max(RUNS))
        calls = {f"{name}, {runs} at once": epochs_of(trainings[:runs]) for runs in RUNS}
        timings = alternate({key: finished(call) for key, call in calls.items()}, repeats=REPEATS)
        seconds |= {key: asdict(timing) for key, timing in timings.items()}
        shape |= {f"{name} {key}": value for key, value in units.items()}
        told += [f"{key} {timing.median:.3f} s" for key, timing in timings.items()]
        del trainings, calls
    record = {"shape": shape, "seconds": seconds, "verified": verified}
    write_json(out / "training.json", {**record, **here(CUDA)})
    return ", ".join(told)


def verify() -> str:
    """Train small runs on both devices and compare their losses.

    Raises:
        AssertionError: they differ by more than float32 drifts.
    """
    tokens = synthetic.token_stream(SMALL_TOKENS, SMALL_WORDS)
    for recipe in (GloVe(dim=SMALL_DIM, epochs=2), SkipGram(dim=SMALL_DIM, epochs=2)):
        there, own = (train(tokens, recipe, seeds=2, device=device) for device in (CUDA, "cpu"))
        for found, expected in zip(there.models, own.models, strict=True):
            apart = np.abs(found.losses / expected.losses - 1).max()
            assert apart <= SAME, f"{recipe.kind}, {found.run}: losses differ by {apart:.1e} of themselves"
    return f"losses of two runs of both models within {SAME:g} of the CPU's"


def glove_runs(runs: int) -> tuple[dict[str, int], list[Any]]:
    """Runs of GloVe over the same counts, dealt to strata, on the device; and how much an epoch visits."""
    counts = synthetic.counted_stream(TOKENS, WORDS)
    recipe = GloVe(dim=DIM)
    made = together(lambda seed: GloVeTraining(counts, recipe, seed, seed, CUDA), range(runs))
    return {"nonzeros": counts.nonzeros}, made


def skip_gram_runs(runs: int) -> tuple[dict[str, int], list[Any]]:
    """Runs of skip-gram over the same text, and the pairs of the first run's first epoch."""
    tokens = synthetic.token_stream(TOKENS, WORDS)
    recipe = SkipGram(dim=DIM)
    made = together(lambda seed: SkipGramTraining(tokens, recipe, Seeds(seed, seed, seed), CUDA), range(runs))
    return {"pairs": pairs_of(made[0])}, made


def pairs_of(training: SkipGramTraining) -> int:
    """Train an epoch of one run, which is not timed, and count its pairs."""
    draw, drawn = training.draw, []

    def counting(*given: Any) -> Any:
        pairs = draw(*given)
        drawn.append(len(pairs.inputs))
        return pairs

    training.draw = counting  # type: ignore[method-assign]  # for one epoch: no kernel says how many it drew
    training.visit(0)
    training.draw = draw  # type: ignore[method-assign]  # as it was
    return sum(drawn)


def epochs_of(trainings: Sequence[Any]) -> Callable[[], list[float]]:
    """Return a call that trains one more epoch of every run, side by side."""
    return lambda: together(lambda training: training.visit(0), trainings)


def together(function: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
    """Do the jobs side by side, each on a stream of its own."""
    return list(side_by_side(function, jobs, len(jobs), CUDA.index, StoppableTask(None)))
