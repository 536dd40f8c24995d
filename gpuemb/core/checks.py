"""Checks of arguments at the public functions; kernels rely on them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, SupportsIndex

from gpuemb.core.arrays import Array, as_array, device_of, namespace_of
from gpuemb.core.errors import ConfigError, DeviceError, DTypeError, NonFiniteError, ShapeError
from gpuemb.core.memory import rows_per_tile, tiles
from gpuemb.core.results import shown

FLOATS = ("float16", "float32", "float64")
LARGEST_SQUARE, LARGEST_FOURTH_POWER = 1e150, 1e70  # float64 numbers whose powers stay inside float64


def check_matrix(where: str, name: str, x: Any, words: Sequence[str] | None = None) -> Array:
    """Return ``x`` if it is a finite floating ``(V, d)`` table, as an array.

    Raises:
        ShapeError, DTypeError: as :func:`check_floats`.
        NonFiniteError: as :func:`check_finite`.
    """
    table = check_floats(where, name, x)
    check_finite(where, name, table, words)
    return table


def check_floats(where: str, name: str, x: Any) -> Array:
    """Return ``x`` if it is a floating ``(V, d)`` table, as an array; its numbers are not read.

    Raises:
        ShapeError: not two axes, or one of them empty.
        DTypeError: not floating numbers.
    """
    x = as_array(x, where)
    if x.ndim != 2 or 0 in x.shape:
        raise ShapeError(
            f"{where}: {name} has shape {tuple(x.shape)}",
            needed="A table has V words in rows and d dimensions in columns, both at least 1.",
            remedy="A single vector becomes a table with x[None, :].",
        )
    if dtype_name(x) not in FLOATS:
        raise DTypeError(
            f"{where}: {name} holds {x.dtype}",
            needed="float16, float32 or float64 is needed.",
            remedy="Convert it first, for example with table.astype('float32').",
        )
    return x


def dtype_name(x: Array) -> str:
    """``float32`` in every library and byte order."""
    name: str = getattr(x.dtype, "name", str(x.dtype))
    return name.rpartition(".")[2]


def check_finite(where: str, name: str, x: Array, words: Sequence[str] | None = None) -> None:
    """Read every number of a table.

    Raises:
        NonFiniteError: NaN or infinity; the first row, and its word when known, is named.
    """
    xp = namespace_of(x)
    for start, stop in tiles(x.shape[0], rows_per_tile(x.shape[1])):
        finite = xp.all(xp.isfinite(x[start:stop, :]), axis=1)
        if not bool(xp.all(finite)):
            row = start + int(xp.argmin(xp.astype(finite, xp.int8)))
            label = f"row {row}" if words is None else f"row {row}, the word {words[row]!r},"
            narrow = "; float16 ends at 65,504" if dtype_name(x) == "float16" else ""
            raise NonFiniteError(
                f"{where}: {name} holds NaN or infinity; {label} is the first",
                needed=f"Every number must be finite{narrow}.",
                remedy="Drop or repair these rows: numpy.isfinite(x).all(axis=1) finds them.",
            )


def check_range(where: str, name: str, x: Array, largest: float) -> None:
    """Check that squared lengths, or their squares, stay inside float64.

    Those of narrower dtypes always do.

    Raises:
        NonFiniteError: an entry is beyond ``largest``, the whole table below its inverse, or a row
            so small that its square vanishes (a row of zeros may be).
    """
    if dtype_name(x) != "float64":
        return
    xp = namespace_of(x)
    whole = 0.0
    for start, stop in tiles(x.shape[0], rows_per_tile(8 * x.shape[1])):
        sizes = xp.max(xp.abs(x[start:stop, :]), axis=1)
        bad = (sizes > largest) | ((sizes < 1 / LARGEST_SQUARE) & (sizes > 0))
        if bool(xp.any(bad)):
            row = int(xp.argmax(xp.astype(bad, xp.int8)))
            raise _out_of_range(where, name, start + row, float(sizes[row]), largest)
        whole = max(whole, float(xp.max(sizes)))
    if 0 < whole < 1 / largest:
        raise _out_of_range(where, name, 0, whole, largest)


def _out_of_range(where: str, name: str, row: int, size: float, largest: float) -> NonFiniteError:
    return NonFiniteError(
        f"{where}: {name}: row {row} has entries near {size:.1e}",
        needed=f"Entries between {1 / largest:.0e} and {largest:.0e} keep sums of products finite.",
        remedy="Scale the table, for example by its largest entry; cosines do not change.",
    )


def check_same_rows(where: str, first: Array, second: Array, names: Sequence[str] = ("X", "Y")) -> None:
    """Check that two named tables have equally many rows.

    Raises:
        ShapeError: the numbers of rows differ.
    """
    if first.shape[0] != second.shape[0]:
        raise ShapeError(
            f"{where}: {names[0]} has {first.shape[0]} rows but {names[1]} has {second.shape[0]}",
            needed="Row i must be the same word in both tables.",
            remedy="Align two vocabularies with stack([a, b]), which keeps the shared words.",
        )


def check_same_device(where: str, arrays: Mapping[str, Array]) -> None:
    """Check that all arrays are on one device: gpuemb never moves them implicitly.

    Raises:
        DeviceError: two are on different devices.
    """
    (first, one), *others = arrays.items()
    for name, other in others:
        if device_of(other) != device_of(one):
            raise DeviceError(
                f"{where}: {first} is on {device_of(one)} but {name} is on {device_of(other)}",
                needed="Both must be on one device.",
                remedy="Copy one to the other first: cupy.asarray(x), or cupy.asnumpy(x).",
            )


def check_neighbors(where: str, k: int, candidates: int) -> None:
    """Check the number of neighbors.

    Raises:
        ConfigError: ``k`` is not an integer between 1 and the number of candidates.
    """
    if isinstance(k, bool) or not isinstance(k, SupportsIndex):
        raise ConfigError(
            f"{where}: k = {shown(k)} neighbors were asked for",
            needed="k is an integer.",
            remedy="Give k=10, for example.",
        )
    if not 1 <= k <= candidates:
        raise ConfigError(
            f"{where}: k = {k} neighbors were asked for among {candidates} candidates",
            needed=f"k must be at least 1 and at most {candidates}.",
            remedy=f"Give k={min(max(k, 1), candidates)}."
            if candidates > 0
            else "Give a table of at least two words.",
        )


def check_choice(where: str, name: str, value: object, choices: Sequence[str]) -> None:
    """Check that an option is one of its choices.

    Raises:
        ConfigError: it is not; the nearest choice is named.
    """
    if not isinstance(value, str) or value not in choices:
        raise ConfigError(
            f"{where}: {name} = {shown(value)} is not known",
            needed=f"{name} is one of {', '.join(choices)}.",
            remedy=nearest_hint(str(value), choices),
        )


def check_at_least(where: str, name: str, value: float, least: float) -> None:
    """Check that a number is at least ``least``.

    Raises:
        ConfigError: it is below, or NaN.
    """
    if not value >= least:
        raise ConfigError(
            f"{where}: {name} = {value}",
            needed=f"{name} must be at least {least}.",
            remedy=f"Give {name}={least} or more.",
        )


def check_at_most(where: str, name: str, value: float, most: float) -> None:
    """Check that a number is at most ``most``.

    Raises:
        ConfigError: it is above, or NaN.
    """
    if not value <= most:
        raise ConfigError(
            f"{where}: {name} = {value}",
            needed=f"{name} must be at most {most}.",
            remedy=f"Give {name}={most} or less.",
        )


def differences(before: Any, after: Any, name: str = "") -> list[str]:
    """Spell where two nested mappings or lists differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        parts = [(key, f"{name}.{key}" if name else str(key)) for key in sorted({*before, *after})]
        return [said for key, part in parts for said in differences(before.get(key), after.get(key), part)]
    if isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [said for i, (b, a) in pairs for said in differences(b, a, f"{name}[{i}]")]
    return [] if before == after else [f"{name} ({before!r} there, {after!r} here)"]


def nearest_hint(given: str, known: Sequence[str]) -> str:
    """Return a hint with the same word in other letters' cases, else with the closest known words."""
    folded = given.casefold()
    close = [word for word in known if word.casefold() == folded][:3]
    close = close or difflib.get_close_matches(given, known, n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(close)}?" if close else f"Known: {', '.join(list(known)[:12])}."
