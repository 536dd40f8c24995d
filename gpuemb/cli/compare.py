"""The command ``gpuemb compare``: what trained tables agree on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpuemb.cli import options
from gpuemb.cli.tables import TABLE_HELP, CaseOption, LimitOption, described, opened_table
from gpuemb.cli.terminal import TerminalProgress, failing_clearly, noting, say, say_json, shown
from gpuemb.core.errors import ConfigError

if TYPE_CHECKING:
    from gpuemb.stability.compare import Comparison
    from gpuemb.stability.result import PairMeasure

TablesArgument = Annotated[
    list[str],
    typer.Argument(
        help=f"Two tables or more: each {TABLE_HELP}.", metavar="TABLE TABLE...", show_default=False
    ),
]
MeasureOption = Annotated[
    list[str] | None,
    typer.Option(help="A measure to take; may be given several times.", show_default="all"),
]
CountOption = Annotated[int, typer.Option("-k", "--k", help="Neighbors of each word that are compared.")]
OutOption = Annotated[
    Path | None,
    typer.Option(help="Folder for pairs.parquet and words.parquet.", show_default=False),
]


def compare(
    tables: TablesArgument,
    measure: MeasureOption = None,
    k: CountOption = 10,
    case: CaseOption = "exact",
    limit: LimitOption = None,
    out: OutOption = None,
    threads: options.Threads = None,
    json: options.JsonResult = False,
) -> None:
    """Measure how alike tables of word vectors are, over the words they share.

    Examples:
    `gpuemb compare glove.npy news.bin --case lower --limit 50000 --out compared/`

    `gpuemb compare run0.npy run1.npy run2.npy --measure rsa --measure cka`

    With three tables or more, means over pairs have 95% intervals that leave out one table at a time. Where
    dimensions differ, distances and cosines without alignment do not exist.
    """
    with failing_clearly(kept="Nothing is written before all is measured."):
        import gpuemb
        from gpuemb.core import threads as workers
        from gpuemb.core.files import check_folder
        from gpuemb.stability.measure_table import MEASURES, check_measures

        _check_several(tables)
        check_measures("compare", measure, MEASURES)
        if out is not None:
            check_folder(out)
        with workers.limit(threads):
            opened = [opened_table(table, limit=limit).check() for table in tables]
            with noting(gpuemb.SpellingWarning, TerminalProgress()):
                stack = gpuemb.stack(opened, case=case)  # type: ignore[arg-type]  # others are refused by name
            found = gpuemb.compare(stack, measure or "all", k=k, progress=TerminalProgress())
        if out is not None:
            _write(found, out)
        if json:
            say_json({"runs": found.runs, "words": len(stack.index_to_key), "measures": _entries(found)})
            return
        for embedding in opened:
            say(described(embedding))
        say(f"{len(stack.index_to_key):,} words are in all {len(opened)}.")
        say()
        _say(found)
        _say_least_alike(found)
        if out is not None:
            say()
            say(f"Written: {shown(out / 'pairs.parquet')}, {shown(out / 'words.parquet')}")


def _check_several(tables: list[str]) -> None:
    if len(tables) < 2:
        raise ConfigError(
            "compare: 1 table",
            needed="At least two tables are compared.",
            remedy=f"gpuemb compare {tables[0]} another.npy; gpuemb info {tables[0]} tells what one holds.",
        )


def _say_least_alike(found: Comparison) -> None:
    """Name the table that agrees least; few tables cannot show rare bad ones."""
    from gpuemb.stability.statistics import ENOUGH_RUNS, LEAST_RUNS

    for one in found.measures[:1]:
        run = one.least_alike_run
        if run is None or len(found.runs) < LEAST_RUNS:
            return
        say()
        say(f"Least alike by {one.measure}: {found.runs[run]}.")
        if len(found.runs) < ENOUGH_RUNS:
            say(f"Among {len(found.runs)} tables, rare bad ones cannot be seen; take {ENOUGH_RUNS} or more.")


def _say(found: Comparison) -> None:
    width = max(len(one.title) for one in found.measures) if found.measures else 0
    for one in found.measures:
        say(f"{one.title:<{width}}  {one.preparation:<13}  {_spelled(one)}")


def _spelled(one: PairMeasure) -> str:
    estimate = one.estimate
    if math.isnan(estimate.value):
        return f"does not exist: {one.reason}"
    interval = "" if math.isnan(estimate.low) else f"  ({estimate.low:.4g} to {estimate.high:.4g})"
    chance = "" if one.chance is None else f"  chance {one.chance:.2g}"
    return f"{estimate.value:>10.4g}{interval}{chance}"


def _entries(found: Comparison) -> list[dict[str, object]]:
    def number(x: float | None) -> float | None:
        return None if x is None or math.isnan(x) else x

    return [
        {
            "measure": one.measure,
            "preparation": one.preparation,
            "mean": number(one.estimate.value),
            "low": number(one.estimate.low),
            "high": number(one.estimate.high),
            "chance": number(one.chance),
            "undefined": one.estimate.undefined,
            "reason": one.reason,
            "values": [[number(float(value)) for value in row] for row in one.values],
        }
        for one in found.measures
    ]


def _write(found: Comparison, out: Path) -> None:
    from pyarrow import parquet

    from gpuemb.core.files import replacing, writing

    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    for name, table in (("pairs", found.pairs), ("words", found.words)):
        with replacing(out / f"{name}.parquet") as file:
            parquet.write_table(table, file)
