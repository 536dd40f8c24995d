"""Procrustes with scale, means, weights, rotations alone and unequal dimensions; many pairs; bad input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from geometry import definitions, rounding
from geometry.definitions import random_rotation, random_table
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes as scipys_procrustes
from scipy.spatial.transform import Rotation
from tolerances import EPS64, assert_same_bits, assert_within, orthogonality_error

from gpuemb.core import threads
from gpuemb.core.errors import ConfigError, DTypeError, GpuembError, NonFiniteError, ShapeError
from gpuemb.embeddings.model import Embedding, EmbeddingStack
from gpuemb.geometry.procrustes import procrustes

SHAPES = {"words": st.integers(8, 60), "dim": st.integers(1, 6), "seed": st.integers(0, 999)}
OPTIONS = {"scale": st.booleans(), "center": st.booleans(), "rotation_only": st.booleans()}


def random_weights(words: int, seed: int) -> Any:
    """Some words never count, others up to 8 times; never fewer words than a rotation needs."""
    weights = np.random.default_rng([seed, words]).integers(-3, 9, words).clip(0)
    weights[:7] += 1
    return weights


def turned(x: Any, seed: int, size: float) -> Any:
    """A table rotated (never reflected), with noise."""
    rotation = random_rotation(x.shape[1], seed)
    rotation[:, 0] *= np.sign(np.linalg.det(rotation))
    return x @ rotation + size * np.random.default_rng(seed).standard_normal(x.shape)


@given(
    **SHAPES,
    **OPTIONS,
    weighted=st.booleans(),
    exponent=st.floats(-7, -1),
    length=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_the_distance_holds_six_digits_whatever_the_options(
    words: int, dim: int, seed: int, weighted: bool, exponent: float, length: float, **options: bool
) -> None:
    x = random_table(words, dim, seed)
    weights = random_weights(words, seed) / 3 if weighted else None
    y = turned(x, seed, 10**exponent)
    if options["scale"]:
        y = length * y
    if options["center"]:
        y = y + 3 * float(np.abs(y).max())
    truth = definitions.best_map(x, y, weights=weights, **options)
    found = procrustes(x, y, weights=weights, **options)
    assert abs(found.distance - truth.distance) <= rounding.PROMISED * truth.distance
    relative = truth.distance / truth.length
    assert abs(found.relative_distance - relative) <= rounding.PROMISED * relative


@pytest.mark.parametrize("size", [1e-1, 1e-3, 1e-5, 1e-7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_distance_holds_six_digits_over_several_blocks(size: float, dtype: Any) -> None:
    x = random_table(20_000, 20, dtype=dtype)
    y = turned(np.float64(x), 1, size) + 2
    truth = definitions.best_map(x, y, center=True)
    assert abs(procrustes(x, y, center=True).distance - truth.distance) <= rounding.PROMISED * truth.distance


@pytest.mark.parametrize(("wide", "narrow"), [(6, 4), (4, 1), (5, 5)])
@pytest.mark.parametrize("size", [1e-1, 1e-4, 1e-7])
@pytest.mark.parametrize("scale", [False, True])
def test_the_distance_of_unequal_dimensions_is_that_of_tables_padded_with_zeros(
    wide: int, narrow: int, size: float, scale: bool
) -> None:
    y = random_table(50, narrow)
    x = turned(np.pad(y, [(0, 0), (0, wide - narrow)]), 3, size)
    for first, second in ((x, y), (y, x)):
        truth = definitions.best_map(first, second, scale=scale)
        found = procrustes(first, second, scale=scale)
        assert abs(found.distance - truth.distance) <= rounding.PROMISED * truth.distance
        bound = rounding.rotation_error(found.singular_values, x, y)
        assert_within(found.rotation, truth.rotation[: first.shape[1], : second.shape[1]], bound)


@given(**SHAPES, **OPTIONS)
def test_integer_weights_are_repeated_rows(words: int, dim: int, seed: int, **options: bool) -> None:
    x, y = random_table(words, dim, seed), random_table(words, dim, seed + 1)
    weights = random_weights(words, seed)
    rows = np.repeat(np.arange(words), weights)
    found, expected = procrustes(x, y, weights=weights, **options), procrustes(x[rows], y[rows], **options)
    singular = expected.singular_values
    if options["rotation_only"] and dim > 1:  # what a flipped pair is determined by
        singular = [*singular[:-1], singular[-2] - singular[-1]]
    bound = rounding.rotation_error(singular, x[rows], y[rows])
    assert_within(found.rotation, expected.rotation, bound)
    size = float(np.linalg.norm(x[rows]) ** 2 + np.linalg.norm(y[rows]) ** 2)
    assert abs(found.distance**2 - expected.distance**2) <= bound * size
    assert abs(found.scale - expected.scale) <= bound * expected.scale


@given(**SHAPES, length=st.sampled_from([0.01, 1.0, 100.0]))
def test_a_table_turned_scaled_and_shifted_is_brought_back(
    words: int, dim: int, seed: int, length: float
) -> None:
    x = random_table(words, dim, seed)
    y = length * x @ random_rotation(dim, seed) + 5 * length
    found = procrustes(x, y, scale=True, center=True)
    error = rounding.rotation_error(found.singular_values, x - x.mean(axis=0), y - y.mean(axis=0))
    assert found.distance <= (rounding.vanished_distance(x) + rounding.vanished_distance(y)) * (1 + length)
    assert abs(found.scale - length) <= error * length
    assert_within(found.transform(x), y, error * float(np.abs(y).max() * words))
    assert_within(found.rotation, random_rotation(dim, seed), error)


@given(**SHAPES, scale=st.booleans(), center=st.booleans(), rotation_only=st.booleans())
def test_transform_brings_x_to_its_distance_of_y(words: int, dim: int, seed: int, **options: bool) -> None:
    x, y = random_table(words, dim, seed), random_table(words, dim, seed + 1) + 2
    found = procrustes(x, y, **options)
    assert abs(np.sum((found.transform(x) - y) ** 2) - found.distance**2) <= rounding.squared_error(x, y)


@given(**SHAPES)
def test_the_squared_relative_distance_is_scipys_disparity(words: int, dim: int, seed: int) -> None:
    x, y = random_table(words, dim + 1, seed), random_table(words, dim + 1, seed + 1)
    found = procrustes(x, y, scale=True, center=True)
    _, _, disparity = scipys_procrustes(y, x)  # SciPy moves its second table onto its first
    assert abs(found.relative_distance**2 - disparity) <= rounding.squared_error(x, y) / words


@given(words=SHAPES["words"], seed=SHAPES["seed"])
def test_weighted_rotations_in_space_are_scipys(words: int, seed: int) -> None:
    x, y = random_table(words, 3, seed), random_table(words, 3, seed + 1)
    weights = np.random.default_rng(seed).random(words)
    found = procrustes(x, y, rotation_only=True, weights=weights)
    expected, rest = Rotation.align_vectors(y, x, weights)
    assert abs(found.distance**2 - rest**2) <= rounding.squared_error(x, y)
    gap = found.singular_values[1] - abs(found.singular_values[2])
    bound = rounding.rotation_error([gap], x, y)
    assert_within(found.rotation, expected.as_matrix().T, bound)


@given(**SHAPES, other=st.integers(1, 6))
def test_a_semi_orthogonal_map_is_scipys_where_scipy_has_one(
    words: int, dim: int, seed: int, other: int
) -> None:
    x, y = random_table(words, max(dim, other), seed), random_table(words, min(dim, other), seed + 1)
    padded = np.pad(y, [(0, 0), (0, x.shape[1] - y.shape[1])])
    rotation, nuclear = orthogonal_procrustes(x, padded)
    found = procrustes(x, y)
    assert_within(
        found.rotation, rotation[:, : y.shape[1]], rounding.rotation_error(found.singular_values, x, y)
    )
    assert abs(found.singular_values.sum() - nuclear) <= rounding.squared_error(x, y)


@pytest.mark.parametrize("rotation_only", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_no_angle_is_better(seed: int, rotation_only: bool) -> None:
    x, y = random_table(20, 2, seed), random_table(20, 2, seed + 100)
    found = procrustes(x, y, rotation_only=rotation_only)
    angles = np.linspace(0, 2 * np.pi, 20_001)
    cosine, sine = np.cos(angles), np.sin(angles)
    maps = [np.stack([cosine, sine, -sine, cosine]), np.stack([cosine, sine, sine, -cosine])]
    every = np.concatenate(maps[:1] if rotation_only else maps, axis=1).reshape(2, 2, -1)
    squared = np.linalg.norm(x) ** 2 + np.linalg.norm(y) ** 2 - 2 * np.einsum("ijn,ij->n", every, x.T @ y)
    step = 2 * np.pi / 20_000  # a half step off, the nearest angle is worse by 2‖C‖_*(1 − cos(step/2))
    worse = found.singular_values.sum() * step**2 / 2
    lost = squared.min() - found.distance**2
    assert -rounding.squared_error(x, y) <= lost <= worse + rounding.squared_error(x, y)


@pytest.mark.parametrize(("dim", "other"), [(2, 4), (4, 2), (3, 3), (1, 5)])
def test_no_random_map_has_a_larger_trace(dim: int, other: int) -> None:
    x, y = random_table(30, dim), random_table(30, other, 1)
    cross, numbers = x.T @ y, np.random.default_rng(0)
    rotation = procrustes(x, y).rotation
    best = float(np.sum(rotation * cross))
    for size in (10.0, 1e-2, 1e-4):  # anywhere, and close to the one found
        moved = rotation if size < 1 else np.zeros((dim, other))
        for _ in range(300):
            left, _, right = np.linalg.svd(
                moved + size * numbers.standard_normal((dim, other)), full_matrices=False
            )
            assert np.sum((left @ right) * cross) <= best + rounding.squared_error(x, y)


@pytest.mark.parametrize(
    ("dim", "other", "said"), [(2, 4, "rows"), (4, 2, "columns"), (3, 3, "rows and columns")]
)
def test_what_is_orthonormal_is_said(dim: int, other: int, said: str) -> None:
    found = procrustes(random_table(30, dim), random_table(30, other, 1))
    q = found.rotation
    product = q @ q.T if said == "rows" else q.T @ q
    assert found.orthonormal == said
    assert_within(product, np.eye(min(dim, other)), orthogonality_error(max(dim, other)))
    assert found.transform(random_table(30, dim)).shape == (30, other)


@given(words=SHAPES["words"], dim=st.integers(1, 6), seed=SHAPES["seed"])
def test_rotations_alone_never_reflect_and_lose_twice_the_smallest_value(
    words: int, dim: int, seed: int
) -> None:
    x, y = random_table(words, dim, seed), random_table(words, dim, seed + 1)
    free, rotated = procrustes(x, y), procrustes(x, y, rotation_only=True)
    assert_within(np.linalg.det(rotated.rotation), 1.0, orthogonality_error(dim) * dim)
    assert_same_bits(rotated.singular_values, free.singular_values)
    lost = 4 * free.singular_values[-1] if np.linalg.det(free.rotation) < 0 else 0.0
    assert abs(rotated.distance**2 - free.distance**2 - lost) <= rounding.squared_error(x, y)


def test_a_tie_among_flipped_values_is_said() -> None:
    x = np.eye(3)
    found = procrustes(x, -x, rotation_only=True)
    assert not found.unique
    assert "two smallest singular values of XᵀY are tied" in found.reason
    assert abs(found.distance - 2) <= 8 * EPS64
    assert procrustes(x, -x).unique
    assert procrustes(x, x, rotation_only=True).unique


def test_one_lost_direction_leaves_one_rotation_but_two_maps() -> None:
    x, y = random_table(), random_table(seed=1)
    y[:, 4] = 0
    assert procrustes(x, y).reason == "XᵀY has rank 4 of 5: along the other directions any map is as good"
    assert procrustes(x, y, rotation_only=True).unique
    y[:, 3] = 0
    found = procrustes(x, y, rotation_only=True)
    assert found.reason == "XᵀY has rank 3 of 5: several rotations are as good"
    assert_within(found.rotation.T @ found.rotation, np.eye(5), orthogonality_error(5))
    assert_within(np.linalg.det(found.rotation), 1.0, orthogonality_error(5) * 5)


def test_a_table_without_length_has_no_scale() -> None:
    zero, y = np.zeros((6, 3)), random_table(6, 3)
    found = procrustes(zero, y, scale=True)
    assert math.isnan(found.scale)
    assert "X has no length: no scale" in found.reason
    assert abs(found.distance - np.linalg.norm(y)) <= 6 * EPS64 * found.distance
    assert procrustes(y, zero, scale=True).scale == 0


def test_one_word_has_no_shape() -> None:
    x, y = random_table(1, 3), random_table(1, 3, 1)
    found = procrustes(x, y)
    assert (found.rank, found.unique) == (1, False)
    gap = abs(np.linalg.norm(x) - np.linalg.norm(y))  # turned into one direction
    assert abs(found.distance - gap) <= rounding.PROMISED * gap
    centered = procrustes(x, y, center=True)
    assert (centered.rank, centered.distance) == (0, 0)


def test_fewer_words_than_dimensions_have_many_rotations() -> None:
    x, y = random_table(4, 7), random_table(4, 7, 1)
    found = procrustes(x, y)
    assert (found.rank, found.unique) == (4, False)
    truth = definitions.best_map(x, y)
    assert abs(found.distance - truth.distance) <= rounding.PROMISED * truth.distance


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6 / 3])
@pytest.mark.parametrize("weights", [None, np.linspace(0, 1, 40)])
def test_a_constant_column_without_its_mean_is_no_direction(constant: float, weights: Any) -> None:
    x, y = random_table(), random_table(seed=1)
    x[:, 2] = constant
    found = procrustes(x, y, center=True, weights=weights)
    assert (found.rank, found.unique) == (4, False)
    truth = definitions.best_map(x, y, center=True, weights=weights)
    assert abs(found.distance - truth.distance) <= rounding.PROMISED * truth.distance


def test_equal_rows_without_their_mean_are_nothing() -> None:
    x, y = np.full((1000, 5), 1e6 / 3), random_table(1000, 5)
    weights = np.linspace(0, 1, 1000)  # whose sums are rounded, so that a little is left of each row
    found = procrustes(x, y, center=True, scale=True, weights=weights)
    assert (found.rank, math.isnan(found.scale)) == (0, True)
    assert "X has no length: no scale" in found.reason
    assert math.isnan(procrustes(y, x, center=True, weights=weights).relative_distance)


def test_many_pairs_at_once_are_the_pairs_one_by_one() -> None:
    x, y = (np.stack([random_table(seed=seed + part) for seed in (0, 1, 2)]) for part in (0, 50))
    weights = random_weights(40, 0)
    every = procrustes(x, y, scale=True, center=True, weights=weights)
    assert len(every) == 3
    for p, found in enumerate(every):
        alone = procrustes(x[p], y[p], scale=True, center=True, weights=weights)
        assert_same_bits(found.rotation, alone.rotation)
        assert_same_bits(every.rotation[p], alone.rotation)
        for name in ("distance", "relative_distance", "scale", "rank", "unique"):
            assert getattr(every, name)[p] == getattr(alone, name) == getattr(every[p], name)
    assert every.recomputed == 0
    words = [f"w{i}" for i in range(40)]
    stacked = procrustes(EmbeddingStack(x, words), [Embedding(table, words) for table in y])
    assert stacked.distance.tolist() == [procrustes(*pair).distance for pair in zip(x, y, strict=True)]


def test_pairs_may_differ_in_shape() -> None:
    x, y = [random_table(40, 5), random_table(30, 2)], [random_table(40, 5, 1), random_table(30, 3, 1)]
    every = procrustes(x, y)
    assert [rotation.shape for rotation in every.rotation] == [(5, 5), (2, 3)]
    assert every.distance.tolist() == [procrustes(*pair).distance for pair in zip(x, y, strict=True)]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_same_bits_for_any_threads(count: int) -> None:
    x, y = random_table(20_000, 30), random_table(20_000, 20, 1)
    near = x + 1e-9 * random_table(20_000, 30, 2)
    weights = random_weights(20_000, 0)
    expected = procrustes([x, x], [y, near], center=True, scale=True, weights=weights)
    with threads.limit(count):
        found = procrustes([x, x], [y, near], center=True, scale=True, weights=weights)
    assert_same_bits(found.distance, expected.distance)
    for pair, other in zip(found, expected, strict=True):
        assert_same_bits(pair.rotation, other.rotation)
        assert_same_bits(pair.transform(x), other.transform(x))


BAD: list[tuple[type[GpuembError], str, dict[str, Any]]] = [
    (ShapeError, r"weights has shape \(39,\) but there are 40 words", {"weights": np.ones(39)}),
    (ShapeError, r"weights has shape \(40, 1\)", {"weights": np.ones((40, 1))}),
    (ConfigError, r"weights\[2\] is negative: -1.0", {"weights": [1, 1, -1] + [1] * 37}),
    (ConfigError, "is zero, as all others are", {"weights": np.zeros(40)}),
    (NonFiniteError, r"weights\[1\] is no finite number: nan", {"weights": [1, math.nan] + [1] * 38}),
    (NonFiniteError, "is too small: 1e-80", {"weights": [1e-80] * 40}),
    (DTypeError, "expected numbers, but got list", {"weights": ["often"] * 40}),
    (DTypeError, "weights holds complex128", {"weights": np.ones(40, np.complex128)}),
    (ShapeError, "X has 30 rows but Y has 40", {"x": random_table(30)}),
    (
        ShapeError,
        r"rotation_only: X has 3 dimensions but Y has 5[\s\S]*truncate\(3\)",
        {"x": random_table(dim=3), "rotation_only": True},
    ),
    (ShapeError, "X holds 2 tables but Y holds 1", {"x": [random_table()] * 2}),
    (ShapeError, "X holds no table", {"x": [], "y": []}),
    (ShapeError, r"X has shape \(5,\)", {"x": np.ones(5)}),
    (NonFiniteError, "row 0 has entries near 1.0e\\+100", {"x": random_table() * 0 + 1e100}),
]


@pytest.mark.parametrize(("kind", "said", "arguments"), BAD, ids=[said for _, said, _ in BAD])
def test_what_cannot_be_aligned_is_told(kind: Any, said: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(kind, match=said):
        procrustes(**{"x": random_table(), "y": random_table(seed=1), **arguments})


def test_the_word_that_is_not_finite_is_named() -> None:
    stack = [np.stack([random_table(), random_table(seed=1)]) for _ in range(2)]
    stack[1][1, 3, 0] = math.inf
    with pytest.raises(NonFiniteError, match="Y holds NaN or infinity; row 3"):
        procrustes(*stack)


def test_transform_takes_rows_of_the_aligned_table_only() -> None:
    found = procrustes(random_table(), random_table(dim=3))
    with pytest.raises(ShapeError, match="x has 3 dimensions but the map was found for 5"):
        found.transform(random_table(dim=3))
