"""The command ``gpuemb factorize``: what the cosines of a linear factorization are worth."""

from __future__ import annotations

from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpuemb.cli import options
from gpuemb.cli.printing import say, say_claims, say_json, shown
from gpuemb.cli.terminal import TerminalProgress, failing_clearly
from gpuemb.core.errors import ConfigError

if TYPE_CHECKING:
    from gpuemb.factorization.interactions import Interactions

FORMATS = ("parquet", "csv")
RANK = 50  # of a factorization where none is given, or as many axes as there are items


@dataclass(frozen=True)
class Problem:
    """What is factorized how."""

    rank: int | None
    penalty: float
    second_penalty: float | None

    def axes(self, items: int) -> int:
        """Return the rank that was asked for; if none was, one that so many items have."""
        return min(RANK, items) if self.rank is None else self.rank


@dataclass(frozen=True)
class Ending:
    """What becomes of a result."""

    folder: Path
    table_format: str
    title: str | None
    report: bool
    json: bool


RatingsArgument = Annotated[
    str | None,
    typer.Argument(
        help="Table of users and items: CSV or Parquet, packed or not, or `archive.zip:member`.",
        metavar="RATINGS",
        show_default=False,
    ),
]
UserOption = Annotated[
    str | None, typer.Option(help="Column of users: its name, or its position from 0.", show_default=False)
]
ItemOption = Annotated[str | None, typer.Option(help="Column of items.", show_default=False)]
WeightOption = Annotated[
    str | None, typer.Option(help="Column of weights, such as ratings.", show_default="every row counts 1")
]
RankOption = Annotated[
    int | None,
    typer.Option(help="Axes of the factorization, at most one an item.", show_default=f"{RANK}, or all"),
]
PenaltyOption = Annotated[float, typer.Option(help="λ of objective 1, in the unit of the weights squared.")]
SecondOption = Annotated[
    float | None, typer.Option(help="λ of objective 2.", show_default="the root of --penalty")
]
NeighborsOption = Annotated[int, typer.Option("--neighbors", "-k", help="Nearest items of each item.")]
MinUsers = Annotated[int, typer.Option(help="Leave out items with fewer users,")]
MinItems = Annotated[int, typer.Option(help="and users with fewer items.")]
Separator = Annotated[
    str | None, typer.Option(help="Of a CSV file.", show_default="as the first lines have it")
]
Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        help="Whether the first line of a CSV file names the columns.",
        show_default="if a column is given by name",
    ),
]
Encoding = Annotated[str, typer.Option(help="Of a CSV file.")]
Repeats = Annotated[str, typer.Option(help="Rows that repeat a user and an item: sum, last, raise.")]
Missing = Annotated[str, typer.Option(help="Rows without a user, an item or a weight: raise, drop.")]
Report = Annotated[bool, typer.Option("--report", help="Write report.html, a page with the picture.")]
FormatOption = Annotated[str, typer.Option(help="Of the tables: parquet, csv.")]
Simulate = Annotated[
    bool, typer.Option("--simulate", help="Simulate users who choose items of known clusters instead.")
]
Users = Annotated[int, typer.Option(help="Users of the simulation.")]
Items = Annotated[int, typer.Option(help="Items of the simulation.")]
Clusters = Annotated[int, typer.Option(help="Clusters of the simulation.")]
Most = Annotated[
    int | None, typer.Option(help="Most items of a simulated user.", show_default="300, or all items")
]
Seeds = Annotated[int, typer.Option(help="Simulations.")]


def factorize(
    ratings: RatingsArgument = None,
    user: UserOption = None,
    item: ItemOption = None,
    weight: WeightOption = None,
    rank: RankOption = None,
    penalty: PenaltyOption = 10_000.0,
    second_penalty: SecondOption = None,
    neighbors: NeighborsOption = 10,
    min_users: MinUsers = 1,
    min_items: MinItems = 1,
    separator: Separator = None,
    header: Header = None,
    encoding: Encoding = "utf-8",
    repeats: Repeats = "sum",
    missing: Missing = "raise",
    simulate: Simulate = False,
    users: Users = 20_000,
    items: Items = 1_000,
    clusters: Clusters = 5,
    most: Most = None,
    seeds: Seeds = 5,
    report: Report = False,
    format: FormatOption = "parquet",
    title: options.Title = None,
    out: options.Out = None,
    threads: options.Threads = None,
    json: options.JsonResult = False,
) -> None:
    """Factorize users × items, and show which cosines of items depend on an arbitrary choice.

    Examples:
    `gpuemb factorize ratings.parquet --user u --item i --rank 50 --penalty 10 --report`

    `gpuemb factorize ml-100k.zip:ml-100k/u.data --user 0 --item 1 --weight 2 --min-users 5 --out movies`

    `gpuemb factorize --simulate --report` (the experiment of Steck et al., 2024, over five seeds)

    Linear factorizations with one penalty have many solutions with the same predictions and other cosines,
    one for each diagonal D. Written are the nearest items of every item by five of them, how many survive
    another D, and the spectrum; for a simulation the scores against its true clusters.
    """
    with failing_clearly(kept="Tables that were written stay."):
        from gpuemb.core import threads as workers
        from gpuemb.core.checks import check_at_least, check_choice
        from gpuemb.core.files import check_folder

        check_choice("factorize", "format", format, FORMATS)
        check_at_least("factorize", "neighbors", neighbors, 1)
        check_at_least("factorize", "seeds", seeds, 1)
        _check_source(ratings, user, item, simulate=simulate)
        folder = out or _new_folder(ratings)
        check_folder(folder)
        problem = Problem(rank, penalty, second_penalty)
        ending = Ending(folder, format, title, report, json)
        with workers.limit(threads):
            if simulate:
                sizes: dict[str, Any] = {"users": users, "items": items, "clusters": clusters, "most": most}
                _experiment(seeds, sizes, problem, ending)
                return
            reading: dict[str, Any] = {"separator": separator, "header": header, "encoding": encoding}
            reading |= {
                "repeats": repeats,
                "missing": missing,
                "min_users": min_users,
                "min_items": min_items,
            }
            data = _read(str(ratings), (user, item, weight), reading)
            _factorized(data, Path(str(ratings)).name, problem, neighbors, ending)


def _check_source(ratings: str | None, user: str | None, item: str | None, *, simulate: bool) -> None:
    if simulate and ratings is not None:
        given, needed = "RATINGS and --simulate", "Interactions are either read or simulated."
    elif simulate and (user or item):
        given, needed = "--simulate with --user or --item", "They name columns of a file."
    elif simulate:
        return
    elif ratings is None:
        given, needed = "no RATINGS", "Name a table of users and items, or give --simulate."
    elif user is None or item is None:
        given, needed = "no --user or no --item", "Both columns are named: by name, or by position from 0."
    else:
        return
    raise ConfigError(
        f"factorize: {given}",
        needed=needed,
        remedy="gpuemb factorize ratings.csv --user user_id --item item_id, or gpuemb factorize --simulate",
    )


def _new_folder(ratings: str | None) -> Path:
    from gpuemb.stability.folder import new_folder

    return new_folder("simulation" if ratings is None else ratings)


def _read(path: str, columns: tuple[str | None, ...], reading: dict[str, Any]) -> Interactions:
    import gpuemb

    named: list[Any] = [_column(one) for one in columns]
    return gpuemb.read_interactions(path, *named, progress=TerminalProgress(), **reading)


def _column(given: str | None) -> str | int | None:
    """A number is a position; a column that is called so can be given by its position too."""
    return int(given) if given is not None and given.isdecimal() else given


def _factorized(data: Interactions, source: str, problem: Problem, k: int, ending: Ending) -> None:
    from gpuemb.report.factorization import page, tables
    from gpuemb.report.factorization.described import describe

    found = describe(
        data,
        problem.axes(len(data.items)),
        problem.penalty,
        source=source,
        second_penalty=problem.second_penalty,
        k=k,
        progress=TerminalProgress(),
    )
    folder = ending.folder
    written = tables.write_tables(tables.tables(found), folder, ending.table_format)
    if ending.report:
        written.append(page.write_factorization_page(found, folder / "report.html", ending.title or source))
    facts = tables.summary(found)
    written.append(_write_summary(facts, folder))
    if ending.json:
        say_json({**facts, "written": [shown(path) for path in written]})
        return
    say(str(data))
    say()
    say_claims((claim.headline, claim.sentence) for claim in page.claims(found))
    _say_written(written)


def _experiment(seeds: int, sizes: dict[str, Any], problem: Problem, ending: Ending) -> None:
    import gpuemb
    from gpuemb.report.factorization import page, tables

    found = gpuemb.cosine_experiment(
        range(seeds),
        **sizes,
        rank=problem.axes(sizes["items"]),
        penalty=problem.penalty,
        second_penalty=problem.second_penalty,
        progress=TerminalProgress(),
    )
    folder = ending.folder
    written = tables.write_tables({"scores": found.table}, folder, ending.table_format)
    written.append(gpuemb.write_cosine_picture(found, folder / "cosines.png"))
    if ending.report:
        headline = ending.title or "Is cosine similarity about similarity?"
        written.append(page.write_experiment_page(found, folder / "report.html", headline))
    facts = {"source": "simulation", **sizes, "rank": found.rank, "scores": found.table.to_pylist()}
    written.append(_write_summary(facts, folder))
    if ending.json:
        say_json({**facts, "written": [shown(path) for path in written]})
        return
    say(str(found.first))
    say()
    rows = [("solution", "axes", "within", "between", "Rand", "nearest"), *page.score_rows(found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    say()
    say_claims((claim.headline, claim.sentence) for claim in page.experiment_claims(found))
    _say_written(written)


def _write_summary(facts: dict[str, Any], folder: Path) -> Path:
    from gpuemb.core.files import replacing

    path = folder / "summary.json"
    with replacing(path) as file:
        file.write(f"{dumps(facts, indent=1, ensure_ascii=False)}\n".encode())
    return path


def _say_written(written: list[Path]) -> None:
    say()
    say(f"Written: {', '.join(shown(path) for path in written)}")
