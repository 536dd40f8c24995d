"""A whole set of analogy questions in a table of hundreds of thousands of words, against gensim."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads import neighbor_work
from gpuemb.embeddings import datasets
from gpuemb.embeddings.datasets import Analogies, read_analogies
from gpuemb.embeddings.model import Embedding
from gpuemb.kernels.analogy_search import analogy_search
from gpuemb.words.analogies import AnalogyAccuracy, analogies
from gpuemb.words.question_rows import rows_of_questions

SAMPLE = 4  # questions that the reference answers
SOME = 12  # gensim is asked every so many of the questions: all take it minutes
WORDS = 300_000  # gensim's default


@pytest.mark.parametrize("every", [1, SOME], ids=["all", "some"])
def test_analogies(benchmark: Any, track: Track, own_questions: Path, tmp_path: Path, every: int) -> None:
    if track.quick and every == 1:
        pytest.skip("--quick asks some of the questions")
    table, asked = _table(20_000 if track.quick else WORDS), _every(read_analogies(own_questions), every)
    words = list(table.index_to_key)
    rows = rows_of_questions(table.name, words, asked, case_insensitive=True)
    shape = {
        "words": len(table),
        "dim": table.vectors.shape[1],
        "questions": len(np.unique(rows.rows[rows.known, :3], axis=0)),
        "asked_words": len(np.unique(rows.rows[rows.known, :3])),
    }

    def verify(found: AnalogyAccuracy) -> str:
        some = np.flatnonzero(rows.known)[:: max(1, int(rows.known.sum()) // SAMPLE)][:SAMPLE]
        own, places = np.unique(rows.rows[some, :3], return_inverse=True)
        vectors, groups = np.asarray(table.vectors), rows.groups
        questions = places.reshape(-1, 3)
        wanted = analogy_search.reference(vectors, vectors[own], questions, groups, groups[own], 1, "3CosAdd")
        assert np.array_equal(found.answers[0, some], wanted.ids[:, 0])
        return f"the reference on {len(some)} questions, row for row; {found.value:.4f} solved"

    case = Case(
        f"analogies-glove-{len(table)}x{shape['dim']}-q{len(asked)}",
        "analogy_search",
        f"GloVe {len(table):,} × {shape['dim']}, {len(asked):,} questions of {asked.name}, 3CosAdd",
        shape,
        neighbor_work.analogy_search(shape),
        lambda: analogies(table, asked),
        verify,
    )
    reason = "" if every == SOME else f"asked every {SOME}th question only: all take it minutes"
    gensim = Rival("gensim", "gensim", lambda: _gensim(table, asked, tmp_path), _solved, reason)
    track.run(benchmark, case, [gensim])


@cache
def _table(words: int) -> Embedding:
    whole = datasets.glove_6b_50d()
    return Embedding(whole.vectors[:words], whole.index_to_key[:words])


def _every(asked: Analogies, step: int) -> Analogies:
    return Analogies(asked.name, asked.questions[::step], asked.sections[::step])


def _gensim(table: Embedding, asked: Analogies, folder: Path) -> Callable[[], Any]:
    path, lines = folder / "questions", list[str]()
    for section in dict.fromkeys(asked.sections):
        mine = [q for q, s in zip(asked.questions, asked.sections, strict=True) if s == section]
        lines += [f": {section}", *(" ".join(question) for question in mine)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    vectors = table.to_gensim()
    return lambda: vectors.evaluate_word_analogies(str(path))


def _solved(found: Any) -> str:
    return f"{found[0]:.4f} solved"
