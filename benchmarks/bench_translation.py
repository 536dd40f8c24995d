"""Words across two tables: second-order similarity and translation by CSLS, against brute force in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads.work import Work
from gpuemb.core.arrays import Float32, Float64
from gpuemb.core.random import stream
from gpuemb.embeddings import datasets
from gpuemb.embeddings.model import Embedding
from gpuemb.kernels.cosine_topk.cpu import choose_strategy
from gpuemb.words.second_order import K, second_order
from gpuemb.words.second_order_results import SecondOrder
from gpuemb.words.translation.fitting import translate
from gpuemb.words.translation.precision import TranslationPrecision

WORDS, QUICK_WORDS = 20_000, 3_000  # brute force holds all their cosines twice
HELD_OUT, CSLS_K, NOISE = 1_500, 10, 0.5  # noise as a share of the rows' standard deviation
CLOSE, STEP = 1e-12, 10  # in float32 the last neighbors of a few words are others


def test_second_order_similarity_of_every_word(benchmark: Any, track: Track) -> None:
    first, second = _tables(QUICK_WORDS if track.quick else WORDS)
    shape = {"words": len(first), "dim": first.dim, "k": K}

    def verify(found: SecondOrder) -> str:
        some = np.arange(0, len(first), STEP)
        wide = [table.vectors.astype(np.float64) for table in (first, second)]
        np.testing.assert_allclose(found.per_word[some], _second_order(*wide, some)(), rtol=0, atol=CLOSE)
        return f"brute force in float64, every {STEP}th word; mean {found.value:.4f}"

    case = Case(
        f"second-order-glove-{shape['words']}x{shape['dim']}-k{K}",
        "second_order",
        f"GloVe {len(first):,} × {first.dim} and the same turned and blurred, {K} neighbors",
        shape,
        _work(shape, 2 * len(first) ** 2 + 4 * len(first) * K, "2·V² of the searches, 4·V·k of the profiles"),
        lambda: second_order(first, second),
        verify,
    )
    rival = Rival(
        "NumPy", "numpy", lambda: _second_order(first.vectors, second.vectors, np.arange(len(first)))
    )
    track.run(benchmark, case, [rival])


def test_translation_and_its_precision(benchmark: Any, track: Track) -> None:
    source, target = _tables(QUICK_WORDS if track.quick else WORDS)
    held_out = len(source) // 10 if track.quick else HELD_OUT
    fitted, tested = list(source)[held_out:], list(source)[:held_out]
    shape = {"words": len(source), "dim": source.dim, "k": CSLS_K}

    def verify(found: TranslationPrecision) -> str:
        wanted = _translated(source.vectors, target.vectors, held_out)()
        assert [round(share * held_out) for share in found.precisions] == wanted
        return f"brute force, every word held out; precision {found.value:.4f}"

    case = Case(
        f"translation-glove-{shape['words']}x{shape['dim']}-q{held_out}",
        "translate",
        f"GloVe {len(source):,} × {source.dim} onto the same turned and blurred, {held_out:,} words held out",
        shape,
        _work(
            shape,
            len(source) ** 2 + 2 * held_out * len(source),
            "V² of the target's neighborhoods, 2·Q·V of the words held out; the fit is not counted",
        ),
        lambda: translate(source, target, fitted, k=CSLS_K).precision(tested),
        verify,
    )
    rival = Rival("NumPy", "numpy", lambda: _translated(source.vectors, target.vectors, held_out))
    track.run(benchmark, case, [rival])


def _work(shape: dict[str, int], pairs: int, said: str) -> Work:
    int8 = choose_strategy(shape["dim"], shape["words"], shape["k"]) == "int8"
    return Work(
        2 * pairs * shape["dim"],
        8 * shape["words"] * shape["dim"],
        (shape["words"], "words"),
        "int8" if int8 else "sgemm",
        "flops",
        f"2·d for each of {said}",
    )


@cache
def _tables(words: int) -> tuple[Embedding, Embedding]:
    """A table, and the same in other axes with noise."""
    whole = datasets.glove_6b_50d()
    x = np.asarray(whole.vectors[:words])
    random = stream(0, "benchmark", "translation")
    turn = np.linalg.qr(random.standard_normal((x.shape[1], x.shape[1])))[0]
    y = x @ turn + NOISE * x.std() * random.standard_normal(x.shape)
    names = whole.index_to_key[:words]
    return Embedding(x, names), Embedding(y.astype(np.float32), names)


def _unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=1)[:, None]


def _second_order(x: Any, y: Any, words: Any) -> Callable[[], Float64]:
    def run() -> Float64:
        both, near = [_unit(table)[words] @ _unit(table).T for table in (x, y)], []
        for cosines in both:
            cosines[np.arange(len(words)), words] = -np.inf
            near.append(np.argpartition(-cosines, K, axis=1)[:, :K])
        found = np.empty(len(words))
        for place in range(len(words)):
            union = np.union1d(near[0][place], near[1][place])
            s, t = (cosines[place, union] for cosines in both)
            found[place] = s @ t / (np.linalg.norm(s) * np.linalg.norm(t))
        return found

    return run


def _translated(x: Float32, y: Float32, held_out: int) -> Callable[[], list[int]]:
    """Hits among the nearest 1, 5 and 10, as MUSE evaluates its supervised map."""

    def run() -> list[int]:
        source, target = (_unit(_unit(rows) - _unit(rows).mean(axis=0)) for rows in (x, y))
        u, _, vt = np.linalg.svd(source[held_out:].T @ target[held_out:])
        cosines = _unit(source @ (u @ vt)) @ target.T
        near_y = np.partition(cosines, -CSLS_K, axis=0)[-CSLS_K:].mean(axis=0)
        scores = 2 * cosines[:held_out] - near_y[None, :]  # the query's own neighborhood changes no rank
        ranks = (scores > scores[np.arange(held_out), np.arange(held_out)][:, None]).sum(axis=1)
        return [int((ranks < count).sum()) for count in (1, 5, 10)]

    return run
