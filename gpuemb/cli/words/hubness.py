"""The command ``gpuemb hubness``: words that are neighbors of very many others."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpuemb.cli import options
from gpuemb.cli.printing import say, say_json, shown
from gpuemb.cli.tables import TABLE_HELP, CaseOption, LimitOption, described, opened_table
from gpuemb.cli.terminal import TerminalProgress, failing_clearly, noting
from gpuemb.core.errors import ConfigError

if TYPE_CHECKING:
    from gpuemb.neighbors.hubness import Hubness

ENDING = ".parquet"
LISTED = 10  # words that are printed

TablesArgument = Annotated[
    list[str],
    typer.Argument(
        help=f"One table, or several runs over words that they share: each {TABLE_HELP}.",
        metavar="TABLE...",
        show_default=False,
    ),
]
CountOption = Annotated[int, typer.Option("-k", "--k", help="Neighbors of each word.")]
MetricOption = Annotated[
    str,
    typer.Option(
        help="Neighbors by cosine, or corrected for hubs: does the correction leave fewer?",
        metavar="cosine|csls|mutual_proximity",
    ),
]
SizeOption = Annotated[
    float, typer.Option(help="A hub is in so many times as many lists as a word is on average, or more.")
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Write every word to a .parquet: word, count (lists that it is in, mean over runs), lowest, "
        "highest, hub_in (runs in which it is a hub).",
        show_default=False,
    ),
]
NUMBERS = {  # attribute of Hubness: how it is printed
    "skewness": "skewness of the counts",
    "robin_hood": "Robin Hood index",
    "anti_hub_share": "words in no list",
    "hub_share": "places taken by hubs",
}


def hubness(
    tables: TablesArgument,
    k: CountOption = 10,
    metric: MetricOption = "cosine",
    hub_size: SizeOption = 2.0,
    case: CaseOption = "exact",
    limit: LimitOption = None,
    out: OutOption = None,
    device: options.DeviceOption = "auto",
    threads: options.Threads = None,
    json: options.JsonResult = False,
) -> None:
    """Count in how many neighbor lists every word is, and how unevenly.

    Examples:
    `gpuemb hubness glove.npy`

    `gpuemb hubness glove.npy --metric csls -o hubs.parquet`

    `gpuemb hubness run0.npy run1.npy run2.npy` (several runs: are the same words hubs in all?)

    Beside each number stands what lists drawn at random would give.
    """
    with failing_clearly(kept="Nothing is written before all is counted."):
        import gpuemb
        from gpuemb.core import threads as workers
        from gpuemb.core.checks import check_choice
        from gpuemb.core.device import choose
        from gpuemb.neighbors.correction import METRICS

        check_choice("hubness", "--metric", metric, METRICS)
        _check_ending(out)
        chosen = str(choose(device))
        with workers.limit(threads):
            opened = [opened_table(table, limit=limit).check() for table in tables]
            with noting(gpuemb.SpellingWarning, TerminalProgress()):
                asked = opened[0] if len(opened) == 1 else gpuemb.stack(opened, case=case)  # type: ignore[arg-type]
            found = gpuemb.hubness(
                asked,
                k,
                metric=metric,  # type: ignore[arg-type]  # others are refused by name
                hub_size=hub_size,
                device=chosen,
                progress=TerminalProgress(),
            )
        if out is not None:
            _write(found, out)
        if json:
            say_json(_mapping(found, metric))
            return
        for table in opened:
            say(described(table))
        _say(found, metric)
        if out is not None:
            say()
            say(f"Written: {shown(out)}, {found.counts.shape[1]:,} words")


def _check_ending(out: Path | None) -> None:
    if out is not None and out.suffix != ENDING:
        raise ConfigError(
            f"hubness: --out {out}",
            needed=f"The file is Parquet: its name ends in {ENDING}.",
            remedy="gpuemb hubness TABLE --out hubs.parquet",
        )


def _say(found: Hubness, metric: str) -> None:
    width = max(map(len, NUMBERS.values()))
    say(f"{found.counts.shape[1]:,} words, {found.k} neighbors each by {metric}")
    say()
    for run, one in enumerate(found.runs):
        say(f"{one:<{width}}  {'found':>9}  {'by chance':>9}")
        for attribute, title in NUMBERS.items():
            values = (getattr(found, of)[run] for of in (attribute, f"chance_{attribute}"))
            say(f"{title:<{width}}  " + "  ".join(f"{_spelled(value, attribute):>9}" for value in values))
        say()
    if len(found.runs) > 1:
        say(f"Counts of two runs: rank correlation {_spelled(found.mean_agreement, 'skewness')} on average;")
        say(f"hubs of any run that are hubs in all: {_spelled(found.hubs_in_common, 'hub_share')}")
        say()
    say("In most lists:")
    largest = found.largest(LISTED)
    length = max(len(word) for word, _ in largest)
    for word, count in largest:
        say(f"  {word:<{length}}  {count:>9,.0f}")


def _spelled(value: float, attribute: str) -> str:
    if math.isnan(value):
        return "none"
    return f"{value:.1%}" if attribute.endswith("share") else f"{value:.3f}"


def _mapping(found: Hubness, metric: str) -> dict[str, Any]:
    def number(value: float) -> float | None:
        return None if math.isnan(value) else float(value)

    runs = [
        {"run": one}
        | {name: number(getattr(found, name)[run]) for name in NUMBERS}
        | {f"chance_{name}": number(getattr(found, f"chance_{name}")[run]) for name in NUMBERS}
        | {name: int(getattr(found, name)[run]) for name in ("anti_hubs", "without_length")}
        for run, one in enumerate(found.runs)
    ]
    return {
        "metric": metric,
        "neighbors": found.k,
        "hub_size": found.hub_size,
        "words": int(found.counts.shape[1]),
        "runs": runs,
        "agreement": number(found.mean_agreement),
        "hubs_in_common": number(found.hubs_in_common) if len(found.runs) > 1 else None,
        "largest": [{"word": word, "count": count} for word, count in found.largest(LISTED)],
    }


def _write(found: Hubness, out: Path) -> None:
    from pyarrow import parquet

    from gpuemb.core.files import replacing

    with replacing(out) as file:
        parquet.write_table(found.table, file)
