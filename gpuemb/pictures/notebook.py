"""Results as small tables of HTML, which a notebook shows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice
from numbers import Real
from typing import Any

from gpuemb.core.arrays import to_host

SHOWN_ROWS, SHOWN_CELLS = 10, 8  # of a table in a notebook
LONGEST = 60  # letters of a cell
DIGITS = 4
STYLE = "border-collapse:collapse;font-variant-numeric:tabular-nums"  # colors are the notebook's own


def html_table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], total: int = 0, note: str = ""
) -> str:
    """Return the first rows of a table as HTML, whatever its words are.

    Args:
        caption: what it is of.
        columns: names.
        rows: cells; a number is spelled with four digits, NaN as a dash, and anything else as text.
        total: rows of the whole table, where there are more than are given.
        note: below it.
    """
    first = [row[:SHOWN_CELLS] for row in islice(rows, SHOWN_ROWS)]
    head = "".join(f'<th scope="col">{escape(_cut(name))}</th>' for name in columns[:SHOWN_CELLS])
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in first)
    more = f"<p>… {total - len(first):,} more rows</p>" if total > len(first) else ""
    below = f"<p>{escape(note)}</p>" if note else ""
    return (
        f'<div><table style="{STYLE}"><caption style="text-align:left">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}{below}</div>"
    )


def first_rows(words: Sequence[str], vectors: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return names of columns and the first rows of a table ``(V, d)``, for :func:`html_table`.

    Only what is shown is read: of a memory map a page, of a GPU's array these cells.
    """
    shown = min(len(words), SHOWN_ROWS), min(vectors.shape[1], SHOWN_CELLS - 2)
    cells = to_host(vectors[: shown[0], : shown[1]]).tolist()
    wider = vectors.shape[1] > shown[1]
    more = ("…",) if wider else ()
    rows = [(words[row], *map(float, cells[row]), *more) for row in range(shown[0])]
    return ["word", *map(str, range(shown[1])), *more], rows


def _cell(value: Any) -> str:
    if isinstance(value, Real) and not isinstance(value, bool):
        return f'<td style="text-align:right">{_number(value)}</td>'
    return f'<td style="text-align:left"><bdi>{escape(_cut(str(value)))}</bdi></td>'


def _number(value: Real) -> str:
    number = float(value)
    if math.isnan(number):
        return "–"
    return f"{int(number):,}" if number.is_integer() and abs(number) < 1e15 else f"{number:.{DIGITS}g}"


def _cut(text: str) -> str:
    written = text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair is no text
    return written if len(written) <= LONGEST else written[: LONGEST - 1] + "…"
