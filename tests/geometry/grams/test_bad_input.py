"""What every measure of two tables says of input that it cannot take, and of input that is merely poor."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from geometry import definitions
from geometry.definitions import random_table

import gpuemb as ge
from gpuemb.core.errors import DTypeError, GpuembError, NonFiniteError, ShapeError

MEASURES: dict[str, Callable[..., Any]] = {
    name: getattr(ge, name)
    for name in (
        *("angular", "bures", "cca", "cka", "eigenspace_instability", "eigenspace_overlap", "pip_loss"),
        *("pip_per_word", "procrustes", "pwcca", "rsa", "second_order_cosine", "semantic_displacement"),
        *("spectrum_distance", "svcca"),
    )
}
VARIANTS: dict[str, tuple[str, Callable[..., Any]]] = {
    **{name: (name, measure) for name, measure in MEASURES.items()},
    "debiased cka": ("cka", lambda x, y: ge.cka(x, y, debiased=True)),
    "spearman": ("rsa", lambda x, y: ge.rsa(x, y, method="spearman")),
    "streamed spearman": ("rsa", lambda x, y: ge.rsa(x, y, method="spearman", matrix_bytes=0)),
    "drawn cca": ("cca", lambda x, y: ge.cca(x, y, permutations=5)),
    "drawn rsa": ("rsa", lambda x, y: ge.rsa(x, y, permutations=5, bootstrap=5)),
}
every_measure = pytest.mark.parametrize(("name", "measure"), VARIANTS.values(), ids=VARIANTS)
WORDS = [f"w{row}" for row in range(40)]
# Of a table that does not vary these are NaN, for these reasons; all other measures exist.
WITHOUT_VARIANCE = {
    **dict.fromkeys(("angular", "cca", "cka", "pwcca", "svcca"), "the rows of one table are all equal"),
    **dict.fromkeys(
        ("rsa", "spearman", "streamed spearman"),
        "all cosines of one table are equal, or nearer to 1 than 1e-9",
    ),
    "debiased cka": (
        "the rows of one table are all equal, or all equally far apart, or there are fewer than 4"
    ),
    "spectrum_distance": "the rows of one table are all equal",
}


def refusal(measure: Callable[..., Any], *arguments: Any) -> GpuembError:
    """What a measure says, and that it blames nobody but its own arguments."""
    with pytest.raises(GpuembError) as refused:
        measure(*arguments)
    assert "cross_grams" not in str(refused.value)
    assert "run " not in str(refused.value)
    return refused.value


@every_measure
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_named_with_table_and_word(
    name: str, measure: Any, bad: float
) -> None:
    x, y = random_table(), random_table(seed=1)
    y[7, 2] = bad
    said = refusal(measure, x, y)
    assert isinstance(said, NonFiniteError)
    assert said.given.startswith(f"{name}: Y holds NaN or infinity; row 7 is")
    said = refusal(measure, y, x)
    assert said.given.startswith(f"{name}: X holds NaN or infinity; row 7 is")


@every_measure
def test_unequal_numbers_of_words_are_told(name: str, measure: Any) -> None:
    said = refusal(measure, random_table(40), random_table(39))
    assert isinstance(said, ShapeError)
    assert said.given == f"{name}: X has 40 rows but Y has 39"


@every_measure
@pytest.mark.parametrize(
    ("kind", "bad", "told"),
    [
        (DTypeError, np.ones((40, 5), np.int64), "Y holds int64"),
        (ShapeError, np.ones(40), r"Y has shape \(40,\)"),
        (ShapeError, np.ones((0, 5)), r"Y has shape \(0, 5\)"),
        (ShapeError, np.ones((40, 0)), r"Y has shape \(40, 0\)"),
        (DTypeError, "vectors.npy", "but got str"),
        (DTypeError, None, "but got NoneType"),
        (NonFiniteError, 1e200 * np.ones((40, 5)), "Y: row 0 has entries near 1.0e"),
    ],
    ids=["integers", "a vector", "no words", "no dimensions", "a path", "nothing", "huge"],
)
def test_what_is_no_table_is_told(name: str, measure: Any, kind: Any, bad: Any, told: str) -> None:
    with pytest.raises(kind, match=rf"{name}: .*{told}|{name}: {told}"):
        measure(random_table(), bad)


@every_measure
def test_fewer_words_than_dimensions_are_taken(name: str, measure: Any) -> None:
    assert np.isfinite(
        getattr(found := measure(random_table(5, 9), random_table(5, 7, 1)), "value", found)
    ).all()


def test_fewer_words_than_dimensions_keep_their_definitions() -> None:
    x, y = random_table(5, 9), random_table(5, 7, 1)
    assert abs(ge.rsa(x, y).value - definitions.rsa(x, y)) <= 1e-12
    assert abs(ge.cka(x, y).value - definitions.cka(x, y)) <= 1e-12
    assert abs(ge.pip_loss(x, y).value - definitions.pip(x, y)) <= 1e-12 * definitions.pip(x, y)
    assert abs(ge.angular(x, y).value - definitions.angular(x, y)) <= 1e-12
    grams = ge.cross_grams([x, y, random_table(5, 9, 2)], "centered")
    np.testing.assert_allclose(grams.cca(), np.ones((3, 3)), rtol=0, atol=1e-12)
    assert abs(grams.cka()[0, 1] - definitions.cka(x, y)) <= 1e-12


@pytest.mark.parametrize("flat", [0.0, 0.1])
@pytest.mark.parametrize("measure", WITHOUT_VARIANCE)
def test_what_does_not_vary_has_no_value_but_a_reason(measure: str, flat: float) -> None:
    constant, other = np.full((40, 5), flat), random_table(seed=1)
    for x, y in ((constant, other), (other, constant), (constant, constant)):
        found = VARIANTS[measure][1](x, y)
        assert math.isnan(found.value)
        assert found.reason == WITHOUT_VARIANCE[measure]


def test_a_table_of_pairs_is_nan_where_one_run_does_not_vary() -> None:
    tables = [random_table(), np.full((40, 5), 0.1), random_table(seed=1)]
    centered = ge.cross_grams(tables, "centered")
    unit = ge.cross_grams(tables, "unit")
    for found in (centered.cka(), centered.cca(), centered.angular(), unit.rsa()):
        assert np.isnan(found[1]).all()
        assert np.isfinite(found[[0, 0, 2], [0, 2, 2]]).all()


@pytest.mark.parametrize("measure", ["angular", "cca", "cka", "pwcca", "svcca", "rsa", "spearman"])
def test_one_word_has_no_structure(measure: str) -> None:
    found = VARIANTS[measure][1](random_table(1, 3), random_table(1, 4, 1))
    assert math.isnan(found.value)
    assert found.reason == WITHOUT_VARIANCE[measure]


def test_one_word_has_a_length_and_a_direction() -> None:
    x, y = random_table(1, 3), random_table(1, 4, 1)
    a, b = float(np.linalg.norm(x)), float(np.linalg.norm(y))
    assert abs(ge.procrustes(x, y).distance - abs(a - b)) <= 1e-14
    assert abs(ge.pip_loss(x, y).value - abs(a**2 - b**2)) <= 1e-14
    assert ge.bures(x, y).value == 0
    assert ge.eigenspace_overlap(x, y).value == pytest.approx(1, abs=1e-14)
    assert ge.cka(x, y, debiased=True).reason == WITHOUT_VARIANCE["debiased cka"]
    raw = ge.cross_grams([x, y])
    assert abs(raw.pip_loss()[0, 1] - abs(a**2 - b**2)) <= 1e-14
    np.testing.assert_allclose(raw.eigenspace_overlap(), np.ones((2, 2)), rtol=0, atol=1e-14)
    for found in (ge.cross_grams([x, y], "centered").cka(), ge.cross_grams([x, y], "unit").rsa()):
        assert np.isnan(found).all()


def test_a_constant_column_is_nothing_once_means_are_gone() -> None:
    x, y = random_table(), random_table(seed=1)
    wide = np.concatenate([x, np.full((40, 1), 0.1)], axis=1)
    for measure in (ge.angular, ge.bures, ge.cca, ge.cka, ge.svcca):
        assert abs(measure(wide, y).value - measure(x, y).value) <= 1e-12
    assert abs(ge.cka(wide, y, debiased=True).value - ge.cka(x, y, debiased=True).value) <= 1e-12
    assert abs(ge.pip_loss(wide, y).value - definitions.pip(wide, y)) <= 1e-12 * definitions.pip(wide, y)
    assert abs(ge.rsa(wide, y).value - definitions.rsa(wide, y)) <= 1e-12
    tables = ge.cross_grams([wide, y], "centered")
    assert abs(tables.cca()[0, 1] - ge.cca(x, y).value) <= 1e-12


def test_one_run_agrees_with_itself() -> None:
    x = random_table()
    centered, unit, raw = (ge.cross_grams([x], "centered"), ge.cross_grams([x], "unit"), ge.cross_grams([x]))
    for found in (centered.cka(), centered.cca(), centered.svcca(), centered.pwcca(), unit.rsa()):
        np.testing.assert_allclose(found, [[1.0]], rtol=0, atol=1e-12)
    for found in (
        raw.direct(),
        raw.pip_loss(),
        raw.procrustes().distance,
        centered.angular(),
        centered.bures(),
    ):
        assert found.tolist() == [[0.0]]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "no table was given"),
        (None, "None was given"),
        ("a.npy", "'a.npy' was given"),
        (random_table(), r"float64 \(40, 5\) was given"),
        (ge.Embedding(random_table(), WORDS), r"Embedding\('embedding', 40 words × 5, float64\) was given"),
    ],
)
@pytest.mark.parametrize("door", [ge.cross_grams, ge.compare])
def test_what_are_no_tables_is_told(door: Any, given: Any, said: str) -> None:
    with pytest.raises(ShapeError, match=rf"{door.__name__}: {said}[^$]*{door.__name__}\(\[a, b\]\)"):
        door(given)


def test_rotations_of_unequal_dimensions_are_refused_by_the_tables_shapes() -> None:
    with pytest.raises(ShapeError, match=r"run 0 is \(40, 5\), run 2 is \(40, 3\)"):
        ge.cross_grams([random_table(), random_table(), random_table(dim=3)]).procrustes()


def test_runs_with_names_are_called_by_them() -> None:
    names = ("news", "wiki")
    first, second = (ge.Embedding(random_table(seed=s), WORDS, name=name) for s, name in enumerate(names))
    second.vectors[7, 2] = math.nan
    with pytest.raises(NonFiniteError, match="cross_grams: wiki holds NaN or infinity; row 7, the word 'w7'"):
        ge.cross_grams([first, second])
