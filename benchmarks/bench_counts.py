"""Co-occurrence counts inside a window of 10, harmonic weights, both sides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import data, stanford
from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads import synthetic
from gpuemb.bench.workloads.work import Work
from gpuemb.core.device import CPU
from gpuemb.corpus.tokens import Tokens, read_corpus
from gpuemb.kernels.window_counts import FREQUENT, CountedRows, weights_of, window_counts

WINDOW = 10
SAMPLE_DOCUMENTS = 200  # the reference counts them into a dense matrix
VECTORIZERS_TOKENS = 3_000_000  # beyond it a round of vectorizers takes minutes
WEIGHTS, UNIT = weights_of(WINDOW, "harmonic")


def test_conversations(benchmark: Any, track: Track, stanford_glove: Any, tmp_path: Path) -> None:
    tokens = data.conversations(20_000 if track.quick else None)
    _race(benchmark, track, "conversations", tokens, stanford_glove, tmp_path)


def test_synthetic(benchmark: Any, track: Track, stanford_glove: Any, tmp_path: Path) -> None:
    sizes = (200_000, 5_000) if track.quick else (16_000_000, 140_000)
    _race(benchmark, track, "synthetic", synthetic.token_stream(*sizes), stanford_glove, tmp_path)


def test_large_corpus(
    benchmark: Any, track: Track, large_corpus: Path, stanford_glove: Any, tmp_path: Path
) -> None:
    tokens = read_corpus(large_corpus, min_count=5)
    _race(benchmark, track, large_corpus.stem, tokens, stanford_glove, tmp_path)


def additions(tokens: Tokens) -> int:
    """Cells that are added to: one for each pair of tokens inside a window, two if the later one is rarer.

    The earlier token's window is walked, or it is frequent and the table takes the pair.
    """
    lengths = np.diff(tokens.starts)
    before = np.arange(len(tokens)) - np.repeat(tokens.starts[:-1], lengths)
    reach = np.minimum(before, WINDOW)
    return int(reach.sum() + reach[tokens.ids >= FREQUENT].sum())


def _race(
    benchmark: Any, track: Track, source: str, tokens: Tokens, folder: Path | None, tmp_path: Path
) -> None:
    words, count = len(tokens.vocabulary), len(tokens)
    kernel = window_counts.on(CPU)
    found: list[CountedRows] = []

    def verify(result: CountedRows) -> str:
        found.append(result)
        _verify(tokens)
        total = int(result.data.sum())
        assert total == _total(tokens)
        return f"the reference on {SAMPLE_DOCUMENTS} documents, equal; the sum of all counts, equal"

    case = Case(
        f"window_counts-{source}",
        "window_counts",
        f"{source}, {count:,} tokens, {words:,} words",
        {"tokens": count, "words": words, "window": WINDOW},
        Work(
            additions(tokens), 16 * count, (count, "tokens"), "adds", "flops", "integer additions into cells"
        ),
        lambda: kernel(tokens.ids, tokens.starts, None, words, WEIGHTS, "both"),
        verify,
    )
    track.run(benchmark, case, _rivals(track, tokens, folder, tmp_path, lambda: found[0]))


def _total(tokens: Tokens) -> int:
    """The sum of all counts, in units, from the lengths of the documents alone."""
    lengths = np.diff(tokens.starts)
    return sum(2 * int(np.maximum(0, lengths - d).sum()) * int(WEIGHTS[d]) for d in range(1, WINDOW + 1))


def _verify(tokens: Tokens) -> None:
    """Count some documents over the words they hold, here and by the reference."""
    starts = tokens.starts[: SAMPLE_DOCUMENTS + 1]
    present, ids = np.unique(tokens.ids[: starts[-1]], return_inverse=True)
    given = (ids.astype(np.int32), starts, None, len(present), WEIGHTS, "both")
    ours, expected = window_counts.on(CPU)(*given), window_counts.reference(*given)
    for name in ("indptr", "indices", "data"):
        assert np.array_equal(getattr(ours, name), getattr(expected, name)), name


def _rivals(
    track: Track, tokens: Tokens, folder: Path | None, tmp_path: Path, ours: Callable[[], CountedRows]
) -> list[Rival]:
    slow = f"over {VECTORIZERS_TOKENS:,} tokens a round takes it minutes"
    if len(tokens) <= VECTORIZERS_TOKENS:
        slow = "importing it compiles for longer than --quick allows" if track.quick else ""

    def cells(found: int) -> str:
        return "" if found == len(ours().data) else f"; {found:,} cells, ours {len(ours().data):,}"

    return [
        Rival(
            "scipy",
            "scipy",
            lambda: _shift_and_add(tokens),
            lambda matrix: f"shift and add, one thread{cells(matrix.nnz)}",
        ),
        Rival(
            "vectorizers",
            "vectorizers",
            lambda: _vectorizers(tokens),
            lambda _: "from words; its columns keep left and right apart",
            slow,
        ),
        Rival(
            "Stanford cooccur",
            "",
            lambda: _stanford(tokens, folder, tmp_path),
            lambda path: f"from text, one thread{cells(path.stat().st_size // stanford.CELL_BYTES)}",
            stanford.absent(folder),
        ),
    ]


def _shift_and_add(tokens: Tokens) -> Callable[[], Any]:
    from scipy.sparse import csr_matrix

    words, ids = len(tokens.vocabulary), tokens.ids
    document = np.repeat(np.arange(tokens.documents), np.diff(tokens.starts))

    def call() -> Any:
        total = csr_matrix((words, words))
        for distance in range(1, WINDOW + 1):
            near = document[:-distance] == document[distance:]
            weights = np.full(int(near.sum()), 1.0 / distance)
            places = (ids[:-distance][near], ids[distance:][near])
            total = total + csr_matrix((weights, places), shape=(words, words))
        return total + total.T

    return call


def _vectorizers(tokens: Tokens) -> Callable[[], Any]:
    import vectorizers

    documents = [line.split() for line in data.as_lines(tokens)]

    def call() -> Any:
        model = vectorizers.TokenCooccurrenceVectorizer(
            window_radii=WINDOW, window_orientations="directional", kernel_functions="harmonic"
        )
        return model.fit_transform(documents)

    return call


def _stanford(tokens: Tokens, folder: Path | None, tmp_path: Path) -> Callable[[], Path]:
    assert folder is not None
    text = data.write_lines(tokens, tmp_path / "text")
    vocabulary = stanford.vocab_count(folder, text, tmp_path / "vocabulary")()
    return stanford.cooccur(folder, text, vocabulary, tmp_path / "counts")
