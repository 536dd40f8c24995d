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
PermutationsOption = Annotated[
    int, typer.Option(help="Permutations of words, for the p-value of the overlap of neighbors.")
]
OutOption = Annotated[
    Path | None,
    typer.Option(help="Folder for pairs.parquet and words.parquet.", show_default=False),
]


def compare(
    tables: TablesArgument,
    measure: MeasureOption = None,
    k: CountOption = 10,
    permutations: PermutationsOption = 0,
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
            found = gpuemb.compare(
                stack, measure or "all", k=k, permutations=permutations, progress=TerminalProgress()
            )
        if out is not None:
            _write(found, out)
        if json:
            words, entries = len(stack.index_to_key), _entries(found)
            say_json({"runs": found.runs, "words": words, "caution": found.caution, "measures": entries})
            return
        for embedding in opened:
            say(described(embedding))
        say(f"{len(stack.index_to_key):,} words are in all {len(opened)}.")
        say()
        _say(found)
        if found.caution:
            say()
            say(found.caution)
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


def _say(found: Comparison) -> None:
    width = max(len(one.title) for one in found.measures) if found.measures else 0
    for one in found.measures:
        say(f"{one.title:<{width}}  {one.preparation:<13}  {_spelled(one)}")


def _spelled(one: PairMeasure) -> str:
    estimate = one.estimate
    if math.isnan(estimate.value):
        more = f"; nor do {estimate.undefined - 1} other pairs" if estimate.undefined > 1 else ""
        return f"does not exist: {one.reason}{more}"
    interval = "" if math.isnan(estimate.low) else f"  ({estimate.low:.4g} to {estimate.high:.4g})"
    chance = "" if one.chance is None else f"  chance {one.chance:.2g}"
    p_value = "" if math.isnan(one.p_value) else f", p {one.p_value:.2g}"
    lost = f"  ({one.undefined})" if one.undefined else ""
    return f"{estimate.value:>10.4g}{interval}{chance}{p_value}{lost}"


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
            "p_value": number(one.p_value),
            "least_alike": None if one.least_alike is None else [found.runs[run] for run in one.least_alike],
            "least_alike_run": None if one.least_alike_run is None else found.runs[one.least_alike_run],
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
