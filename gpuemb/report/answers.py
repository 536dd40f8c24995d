"""The answers of a study as sections of its page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpuemb.pictures.style import Plot
from gpuemb.report.figures.answers import answer_figures
from gpuemb.report.numbers import number, whole
from gpuemb.stability.questions.answer import Answer, Finding

if TYPE_CHECKING:
    import pyarrow

LISTED_ROWS = 40  # of a table of an answer; all are in the folder


@dataclass(frozen=True)
class ListedTable:
    """The first rows of a table as text."""

    name: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int


@dataclass(frozen=True)
class AnswerSection:
    """An answer as the page shows it."""

    question: str
    asks: str
    findings: tuple[tuple[str, Finding], ...]
    plots: tuple[Plot, ...]
    tables: tuple[ListedTable, ...]
    notes: tuple[str, ...]


def answer_section(answer: Answer) -> AnswerSection:
    """Spell the numbers of an answer: a headline a finding, and the first rows of its tables."""
    return AnswerSection(
        answer.question,
        answer.asks,
        tuple((number(one.value) if math.isfinite(one.value) else "–", one) for one in answer.findings),
        tuple(one.on_page() for one in answer_figures(answer)),
        tuple(_listed(name, table) for name, table in answer.tables.items()),
        answer.notes,
    )


def _listed(name: str, table: pyarrow.Table) -> ListedTable:
    first = table.slice(0, LISTED_ROWS).to_pydict()
    columns = tuple(first)
    numeric = tuple(any(isinstance(cell, (int, float)) for cell in first[column]) for column in columns)
    rows = tuple(tuple(map(_spelled, row)) for row in zip(*first.values(), strict=True))
    names = tuple(column.replace("_", " ") for column in columns)
    return ListedTable(name, names, numeric, rows, table.num_rows - len(rows))


def _spelled(cell: Any) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return whole(cell)
    if isinstance(cell, float) and cell.is_integer() and abs(cell) >= 1:
        return whole(cell)
    if isinstance(cell, float):
        return number(cell) if math.isfinite(cell) else "–"
    return "–" if cell is None else str(cell)
