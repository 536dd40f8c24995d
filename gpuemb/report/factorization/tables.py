"""Tables of one factorization: neighbors, items, spectrum, ambiguity, and a summary."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core.arrays import to_host
from gpuemb.core.files import replacing
from gpuemb.report.factorization.described import Described, Solution


def tables(found: Described) -> dict[str, Any]:
    """Return every table by the name of its file.

    - ``neighbors``: solution, item, rank from 1, neighbor, cosine.
    - ``items``: item, users, weight; the share of its neighbors that survive along each family of D, that
      survive everywhere, and the mean range of their cosines; the share that each solution shares with the
      original space.
    - ``spectrum``: axis from 1, singular value, by what it is multiplied in each objective's predictions.
    - ``along``: of each family of D, its number, the share of neighbors that survive, their mean cosine.
    """
    return {
        "neighbors": _neighbors(found),
        "items": _items(found),
        "spectrum": _spectrum(found),
        "along": found.ambiguity.along,
    }


def summary(found: Described) -> dict[str, Any]:
    """Return the main numbers for programs; None stands for what does not exist."""
    data = found.data
    return {
        "source": found.source,
        "users": len(data.users),
        "items": len(data.items),
        "interactions": data.nonzeros,
        "rows": data.rows,
        "repeated": data.repeated,
        "weightless": data.weightless,
        "missing": data.missing,
        "dropped_users": data.dropped_users,
        "dropped_items": data.dropped_items,
        "rank": found.plain.factors.rank,
        "neighbors": found.k,
        "largest_singular_value": float(found.plain.factors.singular_values[0]),
        "solutions": [_of_solution(one, found) for one in found.solutions],
        "survive": _number(found.ambiguity.value),
        "chance": _number(found.ambiguity.chance),
        "families": [
            {name: _number(value) for name, value in row.items()}
            for row in found.ambiguity.summary.to_pylist()
        ],
    }


def write_tables(named: Mapping[str, Any], folder: Path, kind: str) -> list[Path]:
    """Write tables as ``parquet`` or ``csv``; each file appears whole or not at all.

    Raises:
        StorageError: one cannot be written.
    """
    from pyarrow import csv, parquet

    written = []
    for name, table in named.items():
        path = folder / f"{name}.{kind}"
        with replacing(path) as file:
            if kind == "csv":
                csv.write_csv(table, file)
            else:
                parquet.write_table(table, file, compression="zstd")
        written.append(path)
    return written


def _of_solution(one: Solution, found: Described) -> dict[str, Any]:
    return {
        "solution": one.name,
        "penalty": one.factors.penalty,
        "effective_rank": one.factors.effective_rank,
        "items_without_cosine": one.factors.items_without_cosine,
        "shared_with_original_space": _number(_mean(one.shared(found.original))),
    }


def _mean(values: Any) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _neighbors(found: Described) -> Any:
    import pyarrow

    names = pyarrow.array(found.data.items)
    parts = []
    for one in found.solutions:
        if one.neighbors is None:
            continue
        ids, scores = to_host(one.neighbors.ids), to_host(one.neighbors.scores)
        item, rank = np.nonzero(ids >= 0)
        parts.append(
            pyarrow.table(
                {
                    "solution": pyarrow.repeat(one.name, len(item)),
                    "item": names.take(pyarrow.array(item)),
                    "rank": pyarrow.array((rank + 1).astype(np.int32)),
                    "neighbor": names.take(pyarrow.array(ids[item, rank])),
                    "cosine": pyarrow.array(scores[item, rank]),
                }
            )
        )
    return pyarrow.concat_tables(parts)


def _items(found: Described) -> Any:
    import pyarrow

    weights = np.asarray(found.data.matrix.sum(axis=0)).ravel().astype(np.float64)
    columns = {"item": pyarrow.array(found.data.items), "users": found.data.item_counts, "weight": weights}
    rows = found.ambiguity.rows
    for family in found.ambiguity.summary["family"].to_pylist():
        own = rows.filter(pyarrow.compute.equal(rows["family"], family))
        short = family.removeprefix("D = ").replace("^", "_")
        for name in ("survive", "survive_all", "range"):
            columns[f"{name} {short}"] = own[name]
    for one in found.solutions[:-1]:
        columns[f"shared {one.name}"] = one.shared(found.original)
    return pyarrow.table(columns)


def _spectrum(found: Described) -> Any:
    import pyarrow

    values = found.plain.factors.singular_values
    second = next(one for one in found.solutions if one.name == "objective 2")
    return pyarrow.table(
        {
            "axis": np.arange(1, len(values) + 1),
            "singular_value": values,
            "kept_by_objective_1": found.plain.factors.shrinkage,
            "kept_by_objective_2": second.factors.shrinkage,
        }
    )
