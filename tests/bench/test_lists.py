"""The comparison of neighbor lists with their definition: that it compares, and what it compares with."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from strategies import awkward_rows
from tolerances import cosine_error

from gpuemb.kernels.cosine_topk import cosine_topk

ROOT = Path(__file__).resolve().parents[2]
SCORED = [("gaussian", "float16"), ("gaussian", "float32"), ("gaussian", "float64"), ("tied", "float32")]


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.parametrize(("kind", "dtype"), [*SCORED, ("huge and tiny", "float64"), ("tiny", "float64")])
def test_defined_lists_reference_and_fractions_agree_to_the_last_bit(kind: str, dtype: str) -> None:
    from benchmarks.lists.definition import defined_lists, exact_score

    rows = awkward_rows(kind, dtype, 12, 21, seed=4)
    ids, scores = defined_lists(rows, 14, rows, np.arange(12))
    expected = cosine_topk.reference(rows, 14)
    assert ids.tobytes() == expected.ids.tobytes()
    assert scores.tobytes() == expected.scores.tobytes()
    for query, row in ((0, 0), (3, 5), (11, 10)):
        assert exact_score(rows[query], rows[ids[query, row]]) == scores[query, row]


@pytest.mark.parametrize("kind", ["gaussian", "clusters", "scaled copies"])
def test_defined_scores_are_within_their_proved_bound_of_the_cosine(kind: str) -> None:
    from benchmarks.lists.definition import exact_score

    rows = awkward_rows(kind, "float64", 6, 37, seed=5)
    for x in rows:
        for y in rows:
            a, b = ([Fraction(value) for value in row.tolist()] for row in (x, y))
            dot, squares = (
                sum(p * q for p, q in zip(a, b, strict=True)),
                [sum(p * p for p in r) for r in (a, b)],
            )
            score = Fraction(exact_score(x, y))
            within = Fraction(cosine_error(37))
            least, most = score - within, score + within  # of dot / √(squares): compared without a root
            assert _signed_square(least) <= dot * abs(dot) / (squares[0] * squares[1]) <= _signed_square(most)


def _signed_square(value: Fraction) -> Fraction:
    return value * abs(value)


def test_every_seed_gives_lists_that_agree_and_the_same_case_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from benchmarks.lists.__main__ import main
    from benchmarks.lists.cases import case_of

    first, again = case_of(11), case_of(11)
    assert str(first) == str(again)
    assert first.rows.tobytes() == again.rows.tobytes()
    record = tmp_path / "lists.json"
    assert main(["--lists", "3", "--seed", "11", "--results", str(record)]) == 0
    assert main(["--replay", "11"]) == 0
    assert main(["--replay", "10004"]) == 0  # rounding carries its cosines past 1
    assert "0 differences" in capsys.readouterr().out
    kept = json.loads(record.read_text("utf-8"))["native"]
    assert kept["differences"] == 0
    assert kept["compared"]["lists"] == len(first.queries)


@pytest.mark.parametrize("part", ["ids", "scores"])
def test_one_wrong_list_is_told(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.lists import cases
    from benchmarks.lists.__main__ import main

    right = cases.found_lists

    def wrong(case: Any) -> Any:
        ids, scores = right(case)
        if part == "ids":
            ids[0, 0] += 1
        else:
            scores[0, 0] = np.nextafter(scores[0, 0], 2)
        return ids, scores

    monkeypatch.setattr(cases, "found_lists", wrong)
    assert main(["--lists", "3", "--seed", "11"]) == 1


@pytest.mark.slow
def test_twenty_thousand_lists_agree() -> None:
    from benchmarks.lists.__main__ import main

    assert main(["--lists", "20000", "--seed", "100000"]) == 0
