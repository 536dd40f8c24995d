"""The page of a comparison: one file that opens anywhere, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64
from gpuemb.core.files import replacing
from gpuemb.report.compared.claims import claims_of_comparison, claims_of_drift, overlap_of_words
from gpuemb.report.figures.drift import volcano
from gpuemb.report.figures.heatmaps import heat_maps
from gpuemb.report.house import house, today
from gpuemb.report.measure_rows import measure_row
from gpuemb.report.numbers import plural, whole
from gpuemb.report.tables import Column, Listed, Listing, further_column, packed_words, whole_numbers
from gpuemb.stability.compare import Comparison
from gpuemb.stability.questions.drift.result import Drift

HEAD_CARDS = 3
NOT_COLUMNS = ("word", "count", "overlap")
MEANINGS = {
    "overlap_by_chance": "Share of neighbors that lists of unrelated tables would have in common.",
    "p_value_by_chance": "How likely lists of unrelated tables share as many.",
    "k_occurrence": "In how many words’ lists of neighbors the word is, mean over tables.",
}


def render(found: Comparison | Drift, title: str = "") -> str:
    """Return the page as HTML."""
    parts = _of_drift(found) if isinstance(found, Drift) else _of_comparison(found)
    claims = parts.pop("claims")
    return (
        house()
        .get_template("compared.html.j2")
        .render(
            title=title or parts.pop("named"),
            told=claims[:HEAD_CARDS],
            more=claims[HEAD_CARDS:],
            written=today(),
            caution=found.caution,
            **{name: part for name, part in parts.items() if name != "named"},
        )
    )


def write(found: Comparison | Drift, path: Path, title: str = "") -> Path:
    """Write the page; it replaces another in one step.

    Raises:
        StorageError: the file cannot be written.
    """
    text = render(found, title)
    with replacing(path) as file:
        file.write(text.encode("utf-8", "replace"))
    return path


def _of_comparison(found: Comparison) -> dict[str, Any]:
    tables, several = plural(len(found.runs), "table"), len(found.runs) > 2
    maps = heat_maps(found.measures, found.runs, "tables") if several else ()
    return {
        "named": " and ".join(found.runs) if not several else f"{tables} compared",
        "kicker": "gpuemb comparison",
        "lead": "What do these tables agree on?",
        "facts": [(whole(len(found.runs)), "tables"), (whole(found.words.num_rows), "words in all of them")],
        "groups": [("Tables", found.runs)],
        "claims": claims_of_comparison(found),
        "plots": (),
        "heat_maps": [one.on_page() for one in maps],
        "measures": [measure_row(one, found.runs) for one in found.measures],
        "caption": f"Over all pairs of {tables}" if several else f"Of {' and '.join(found.runs)}",
        "definitions": [(one.title, f"{one.preparation} rows", one.meaning) for one in found.measures],
        **_words_of_comparison(found),
    }


def _words_of_comparison(found: Comparison) -> dict[str, Any]:
    overlap, ids = overlap_of_words(found), found.neighbor_ids
    if overlap is None or ids is None:
        return {"table": None, "listing": None}
    meaning = f"Share of its {ids.shape[2]} nearest neighbors that two tables have in common."
    about, table = Column("stability", "Overlap", meaning), found.words
    names = [name for name in table.column_names if name not in NOT_COLUMNS]
    further = [_column(name, table[name].to_numpy()) for name in names]
    columns = [(about, whole_numbers(overlap, about.scale)), *further]
    words, counts = table["word"].to_pylist(), _counts(found)
    return _packed(words, counts, found.runs, ids, columns, overlap, "table")


def _of_drift(found: Drift) -> dict[str, Any]:
    first, second = found.groups
    kind = "labelings of the runs" if found.exact else "sampled labelings of the runs"
    return {
        "named": f"{first} and {second}",
        "kicker": "gpuemb drift",
        "lead": f"Which words differ between {first} and {second} by more than runs of one of them do?",
        "facts": [
            (whole(len(found.runs[0])), f"runs of {first}"),
            (whole(len(found.runs[1])), f"runs of {second}"),
            (whole(len(found.vocabulary)), "words"),
            (whole(found.labelings), kind),
        ],
        "groups": list(zip(found.groups, found.runs, strict=True)),
        "claims": claims_of_drift(found),
        "plots": [volcano(found, one).on_page() for one in found.measures],
        "heat_maps": [],
        "measures": [],
        "caption": "",
        "definitions": [(one.title, "distance", one.meaning) for one in found.measures],
        **_words_of_drift(found),
    }


def _words_of_drift(found: Drift) -> dict[str, Any]:
    both = zip(found.groups, found.runs, strict=True)
    runs = tuple(run if run.startswith(group) else f"{group} {run}" for group, own in both for run in own)
    alike, title = 1 - found.measures[0].between, found.measures[0].title.lower()
    about = Column("stability", "Alike", f"One minus the distance between the groups, by the {title}.")
    columns: list[tuple[Column, NDArray[Any]]] = [(about, whole_numbers(alike, about.scale))]
    for one in found.measures:
        short = one.measure.replace("_", " ")
        for name, said in (
            ("effect", "distance between groups less within: how far it drifted beyond noise"),
            ("q_value", "p-value adjusted for all words; discoveries are at most the rate"),
        ):
            title, end = f"{short}: {name.replace('_', '-')}", "down" if name == "effect" else "up"
            column = Column(f"{one.measure}_{name}", title, f"{one.title}: {said}.", 0, end)
            columns.append((column, getattr(one, name).astype(np.float32)))
    return _packed(list(found.vocabulary), found.counts, runs, found.neighbor_ids, columns, alike, "run")


def _packed(
    words: list[str],
    counts: NDArray[Any] | None,
    runs: tuple[str, ...],
    ids: NDArray[Any],
    columns: list[tuple[Column, NDArray[Any]]],
    overlap: Float64,
    run: str,
) -> dict[str, Any]:
    listed = Listed("words", runs, ids, columns, overlap)
    of = "that all tables have" if run == "table" else "of both groups"
    shown = tuple(column for column, _ in columns)
    listing = Listing(len(words), of, ("words",), shown, run, counts is not None)
    return {"table": packed_words(words, counts, [listed], run=run), "listing": listing}


def _column(name: str, values: NDArray[Any]) -> tuple[Column, NDArray[Any]]:
    column, packed = further_column(name, values)
    return Column(name, column.title, MEANINGS.get(name, column.meaning), 0, column.first), packed


def _counts(found: Comparison) -> NDArray[Any] | None:
    return found.words["count"].to_numpy() if "count" in found.words.column_names else None
