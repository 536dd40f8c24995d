"""The command ``gpuemb compare``: what trained tables agree on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpuemb.cli import options
from gpuemb.cli.comparing.changes import table_of, write_tables
from gpuemb.cli.comparing.drift import drift_for_programs, say_drift
from gpuemb.cli.comparing.groups import groups_of
from gpuemb.cli.comparing.numbers import (
    columns_of,
    columns_of_drift,
    names_of_comparison,
    names_of_drift,
    numbers_of_comparison,
    numbers_of_drift,
)
from gpuemb.cli.comparing.requirements import UNMET, Outcome, Requirement, parsed
from gpuemb.cli.comparing.tables import comparison_for_programs, say_comparison
from gpuemb.cli.front.completion import measures
from gpuemb.cli.printing import say, say_json, shown
from gpuemb.cli.tables import (
    TABLE_HELP,
    CaseOption,
    LimitOption,
    WholeWords,
    as_words,
    described,
    opened_table,
)
from gpuemb.cli.terminal import TerminalProgress, complain, failing_clearly, noting
from gpuemb.core.errors import ConfigError

if TYPE_CHECKING:
    from gpuemb.embeddings.model import Embedding

TablesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        help=f"Two tables or more: each {TABLE_HELP}.", metavar="TABLE TABLE...", show_default=False
    ),
]
GroupOption = Annotated[
    list[str] | None,
    typer.Option(
        "--group",
        help="A group of runs, given twice: a name and its tables, to the next option. The groups are "
        "compared beyond the differences within each.",
        metavar="NAME TABLE...",
        show_default=False,
    ),
]
MeasureOption = Annotated[
    list[str] | None,
    typer.Option(
        help="A measure to take; may be given several times. Of groups: overlap, second_order, "
        "aligned_cosine.",
        show_default="all",
        autocompletion=measures,
    ),
]
CountOption = Annotated[int, typer.Option("-k", "--k", help="Neighbors of each word that are compared.")]
PermutationsOption = Annotated[
    int | None,
    typer.Option(
        help="Permutations of words, for the p-value of the overlap of neighbors; of groups, labelings of "
        "the runs at most.",
        show_default="0; of groups 999",
    ),
]
RateOption = Annotated[
    float, typer.Option(help="Of groups: largest expected share of false discoveries among words found.")
]
RowsOption = Annotated[
    Path | None,
    typer.Option(
        help="Names of the rows of .npy, .npz or safetensors tables that have no words, one a line; the same "
        "rows in each (`seq COUNT > ids.txt` numbers them).",
        show_default="words beside each table",
    ),
]
ShowOption = Annotated[int, typer.Option(min=0, help="How many rows are shown, of those that changed most.")]
RequireOption = Annotated[
    list[str] | None,
    typer.Option(
        help="What must hold, such as `overlap_at_10 >= 0.6` or `min(overlap) > 0`; may be repeated. Where "
        "one does not, the exit code is 3.",
        show_default=False,
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Folder for words.parquet, changed.parquet and, without groups, pairs.parquet.",
        show_default=False,
    ),
]
ReportOption = Annotated[
    bool,
    typer.Option(
        "--report", help="Write report.html, a page to look at, to --out, or here.", show_default=False
    ),
]


def compare(
    tables: TablesArgument = None,
    group: GroupOption = None,
    measure: MeasureOption = None,
    k: CountOption = 10,
    permutations: PermutationsOption = None,
    rate: RateOption = 0.05,
    rows: RowsOption = None,
    show: ShowOption = 10,
    require: RequireOption = None,
    case: CaseOption = "exact",
    limit: LimitOption = None,
    whole_words: WholeWords = False,
    out: OutOption = None,
    report: ReportOption = False,
    threads: options.Threads = None,
    json: options.JsonResult = False,
) -> None:
    """Measure how alike tables of word vectors are, over the words they share.

    Examples:
    `gpuemb compare glove.npy news.bin --case lower --limit 50000 --out compared/ --report`

    `gpuemb compare run0.npy run1.npy run2.npy --measure rsa --measure cka`

    `gpuemb compare bert-base-uncased/ gpt2/ --whole-words --case lower` (the token tables of
    transformers, over the whole words that both have)

    `gpuemb compare --group wiki wiki/*.npy --group chat chat/*.npy` (which words differ between two corpora
    by more than runs of one do)

    `gpuemb compare old.npy new.npy --rows ids.txt --require "overlap_at_10 >= 0.6"` (two versions of a model
    over the same rows: which rows changed, and exit code 3 where too many did)

    `gpuemb compare --group old old*.npy --group new new*.npy --rows ids.txt --require "overlap_share <= 0.1"`

    With three tables or more, means over pairs have 95% intervals that leave out one table at a time. Where
    dimensions differ, distances and cosines without alignment do not exist. The runs of a group must differ
    by all that counts as noise: seeds of training, and documents too where corpora are compared.
    """
    with failing_clearly(kept="Nothing is written before all is measured."):
        from gpuemb.core import threads as workers
        from gpuemb.core.files import check_folder

        required = parsed(require)
        groups = groups_of("compare", group, tables or ()) if group else None
        _check(tables or (), measure, k, required, groups=groups is not None)
        if out is not None:
            check_folder(out)
        with workers.limit(threads):
            opened = {
                name: [
                    opened_table(
                        one, limit=limit, vocabulary=rows, **as_words(one, whole_words=whole_words)
                    ).check()
                    for one in files
                ]
                for name, files in (groups or {"": list(tables or ())}).items()
            }
            if groups is None:
                found, numbers = _compared(opened[""], measure, k, permutations, case)
            else:
                found, numbers = _drifted(opened, measure, k, permutations, rate, case)
        outcomes = [one.met_by(numbers, columns_of(found.words)) for one in required]
        written = "" if out is None else write_tables(_tables_of(found, show), out)
        if report:
            written = ", ".join([*filter(None, [written]), _page_of(found, out)])
        every = [one for files in opened.values() for one in files]
        _tell(found, every, outcomes, show, written, json=json)
    unmet = [one for one in outcomes if not one.met]
    for one in unmet:
        complain(str(one))
    if unmet:
        raise typer.Exit(UNMET)


def _check(
    tables: Sequence[str], measure: list[str] | None, k: int, required: Sequence[Requirement], *, groups: bool
) -> None:
    """Refuse what cannot be meant before a table is read."""
    if groups:
        from gpuemb.stability.questions.drift.question import kinds_of_measures

        asked = [kind.name for kind in kinds_of_measures(measure or "all")]
        names, columns = names_of_drift(asked, k), columns_of_drift(asked)
    else:
        from gpuemb.stability.measure_table import MEASURES, PAIR_MEASURES, WORD_MEASURES, check_measures

        _check_several(tables)
        taken = check_measures("compare", measure, MEASURES)
        pairs, words = ([name for name in taken if name in kinds] for kinds in (PAIR_MEASURES, WORD_MEASURES))
        names, columns = names_of_comparison(pairs, k), words
    for one in required:
        one.check_known(names, columns)


def _check_several(tables: Sequence[str]) -> None:
    if len(tables) < 2:
        named = tables[0] if tables else "one.npy"
        raise ConfigError(
            f"compare: {len(tables)} table{'s' * (not tables)}",
            needed="At least two tables are compared, or two groups of them.",
            remedy=f"gpuemb compare {named} another.npy; gpuemb info {named} tells what one holds.",
        )


def _compared(
    opened: list[Embedding], measure: list[str] | None, k: int, permutations: int | None, case: str
) -> tuple[Any, dict[str, float]]:
    import gpuemb

    with noting(gpuemb.SpellingWarning, TerminalProgress()):
        stack = gpuemb.stack(opened, case=case)  # type: ignore[arg-type]  # others are refused by name
    found = gpuemb.compare(
        stack, measure or "all", k=k, permutations=permutations or 0, progress=TerminalProgress()
    )
    return found, numbers_of_comparison(found)


def _drifted(
    opened: dict[str, list[Embedding]],
    measure: list[str] | None,
    k: int,
    permutations: int | None,
    rate: float,
    case: str,
) -> tuple[Any, dict[str, float]]:
    import gpuemb

    with noting(gpuemb.SpellingWarning, TerminalProgress()):
        stack = gpuemb.stack([one for files in opened.values() for one in files], case=case)  # type: ignore[arg-type]
    runs = iter(stack)
    groups = {name: [next(runs) for _ in files] for name, files in opened.items()}
    options = {} if permutations is None else {"permutations": permutations}
    found = gpuemb.drift(groups, measure or "all", k=k, rate=rate, progress=TerminalProgress(), **options)
    return found, numbers_of_drift(found)


def _tables_of(found: Any, show: int) -> dict[str, Any]:
    """Name the tables that are written."""
    from gpuemb.stability.compare import Comparison

    if not isinstance(found, Comparison):
        return {"words": found.words, "changed": table_of(found.changed(show))}
    changed = {"changed": table_of(found.changed(show))} if found.rows is not None else {}
    return {"pairs": found.pairs, "words": found.words, **changed}


def _page_of(found: Any, out: Path | None) -> str:
    import gpuemb

    return shown(gpuemb.write_report(found, (out or Path()) / "report.html"))


def _tell(
    found: Any, opened: list[Embedding], outcomes: list[Outcome], show: int, written: str, *, json: bool
) -> None:
    from gpuemb.stability.compare import Comparison

    alone = isinstance(found, Comparison)
    if json:
        told = comparison_for_programs(found, show) if alone else drift_for_programs(found, show)
        say_json(told | {"requirements": [one.as_mapping() for one in outcomes]} if outcomes else told)
        return
    for embedding in opened:
        say(described(embedding))
    if alone:
        say(f"{found.words.num_rows:,} words are in all {len(opened)}.")
        say()
        say_comparison(found, show)
    else:
        say_drift(found, show)
    met = [one for one in outcomes if one.met]
    for one in met:
        say(str(one))
    if written:
        say()
        say(f"Written: {written}")
