"""The command ``gpuemb translate``: words of one table in the terms of another, by a map between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpuemb.cli import options
from gpuemb.cli.printing import say, say_json, shown
from gpuemb.cli.tables import FORMATS_HELP, TABLE_HELP, LimitOption, opened_table
from gpuemb.cli.terminal import TerminalProgress, failing_clearly
from gpuemb.cli.words.translated import mapping_of, say_translation, write_translation
from gpuemb.core.errors import ConfigError

if TYPE_CHECKING:
    from gpuemb.embeddings.model import Embedding
    from gpuemb.embeddings.translations import Translations

ENDING = ".parquet"

SourceArgument = Annotated[
    str, typer.Argument(help=f"What to translate from: {TABLE_HELP}.", metavar="SOURCE", show_default=False)
]
TargetArgument = Annotated[
    str, typer.Argument(help="What to translate into, the same.", metavar="TARGET", show_default=False)
]
WordsArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Words of SOURCE to translate.", metavar="[WORD]...", show_default=False),
]
PairsOption = Annotated[
    Path | None,
    typer.Option(
        help="Pairs to fit the map on: a word of SOURCE and one of TARGET a line, as MUSE's dictionaries.",
        show_default="words that both spell alike",
    ),
]
TestOption = Annotated[
    Path | None, typer.Option(help="Pairs to test the map on, in the same form.", show_default=False)
]
HoldOutOption = Annotated[
    int | None,
    typer.Option(
        "--hold-out", help="Test on so many words of the pairs, drawn at random, and fit on the others."
    ),
]
SeedOption = Annotated[int, typer.Option(help="Of the words that --hold-out draws.")]
QueriesOption = Annotated[
    Path | None, typer.Option(help="Translate the words in this file too, one a line.", show_default=False)
]
CountOption = Annotated[int, typer.Option("-k", "--k", help="Translations of each word.")]
MetricOption = Annotated[
    str,
    typer.Option(
        help="csls: cosine corrected for words near to everything; cosine: as it is; or mutual_proximity."
    ),
]
NeighborhoodOption = Annotated[
    int, typer.Option("--csls-k", help="Neighbors whose mean cosine csls subtracts.")
]
MethodOption = Annotated[
    str,
    typer.Option(
        help="orthogonal: rotation and reflection, as MUSE; whitened: scaled by correlation too, as vecmap."
    ),
]
NormalizeOption = Annotated[
    str,
    typer.Option(help="Steps before the map, between commas: unit, center; none as MUSE's default."),
]
RefineOption = Annotated[
    int, typer.Option(help="Fit again on mutual nearest words, so many times, as MUSE refines.")
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Write a .parquet: word, rank, translation, score, and whether it is right where that is "
        "known; of the words asked for, else of those tested.",
        show_default=False,
    ),
]
MappedOption = Annotated[
    Path | None,
    typer.Option(
        "--mapped",
        help=f"Write SOURCE's vectors in the common space; by its ending: {FORMATS_HELP}.",
        show_default=False,
    ),
]
MappedTargetOption = Annotated[
    Path | None, typer.Option("--mapped-target", help="The same of TARGET.", show_default=False)
]


def translate(
    source: SourceArgument,
    target: TargetArgument,
    words: WordsArgument = None,
    pairs: PairsOption = None,
    test: TestOption = None,
    hold_out: HoldOutOption = None,
    seed: SeedOption = 0,
    queries: QueriesOption = None,
    k: CountOption = 10,
    metric: MetricOption = "csls",
    csls_k: NeighborhoodOption = 10,
    method: MethodOption = "orthogonal",
    normalize: NormalizeOption = "unit,center,unit",
    refine: RefineOption = 0,
    limit: LimitOption = None,
    out: OutOption = None,
    mapped: MappedOption = None,
    mapped_target: MappedTargetOption = None,
    threads: options.Threads = None,
    json: options.JsonResult = False,
) -> None:
    """Map one table onto another by pairs of words, and translate words by it. Every search is exact.

    Examples:
    `gpuemb translate wiki.es.vec wiki.en.vec --pairs es-en.0-5000.txt --test es-en.5000-6500.txt`

    `gpuemb translate wiki.es.vec wiki.en.vec gato perro --pairs es-en.txt -k 3`

    `gpuemb translate dataset:glove-6b-50d news.bin --hold-out 2000` (the words that both spell alike are the
    pairs: how many of those held out does the map find again?)

    `gpuemb translate es.vec en.vec --pairs es-en.txt --mapped es.mapped.npy --mapped-target en.mapped.npy`

    A tested word counts once, is right if any of its translations is among the nearest, and does not count
    where a table lacks it. Intervals are Wilson's, of the share of all words of which these are a sample.
    """
    with failing_clearly(kept="Nothing is written before all are translated."):
        import gpuemb
        from gpuemb.core import threads as workers
        from gpuemb.core.checks import check_neighbors
        from gpuemb.embeddings.files import format_for

        _check(out, words, queries, test, hold_out)
        for path in filter(None, (mapped, mapped_target)):
            format_for(path, None)  # a name that cannot be written is refused before anything is read
        with workers.limit(threads):
            asked = _asked(words, queries)
            one, other = (opened_table(name, limit=limit) for name in (source, target))
            one.rows(asked)  # a word that it has not is told before the work
            check_neighbors("translate: translations of each word", k, len(other))
            fitted, tested = _pairs(one, other, pairs, test, hold_out, seed)
            progress = TerminalProgress()
            found = gpuemb.translate(
                one,
                other,
                fitted,
                k=csls_k,
                metric=metric,  # type: ignore[arg-type]  # others are refused by name
                refine=refine,
                method=method,  # type: ignore[arg-type]  # as above
                normalize=_steps(normalize),
                progress=progress,
            )
            precision = None if tested is None else found.precision(tested, progress=progress)
            if not asked and precision is not None and out is not None:
                asked = list(precision.words)
            lists = found.nearest(asked, k, progress=progress) if asked else None
            near = None if lists is None else [(word, lists.named(q)) for q, word in enumerate(asked)]
        write_translation(found, near, tested, out, mapped, mapped_target)
        shown_here = None if out is not None else near
        if json:
            say_json(mapping_of(found, precision, shown_here))
            return
        say_translation((one, other), found, precision, shown_here)
        for path in filter(None, (out, mapped, mapped_target)):
            say(f"Written: {shown(path)}")


def _check(
    out: Path | None,
    words: Sequence[str] | None,
    queries: Path | None,
    test: Path | None,
    hold_out: int | None,
) -> None:
    """Refuse what cannot be meant before a table is read."""
    if out is not None and out.suffix != ENDING:
        given, needed = f"--out {out}", f"The file is Parquet: its name ends in {ENDING}."
    elif out is not None and not (words or queries or test or hold_out):
        given, needed = "--out without words", "Name words, a file of them with --queries, or a --test."
    elif test is not None and hold_out is not None:
        given, needed = "--test and --hold-out", "The words that are tested are given, or drawn."
    else:
        return
    raise ConfigError(
        f"translate: {given}",
        needed=needed,
        remedy="gpuemb translate SOURCE TARGET --pairs seeds.txt --test test.txt -o answers.parquet",
    )


def _asked(words: Sequence[str] | None, queries: Path | None) -> list[str]:
    from gpuemb.embeddings.files.vocabulary import read_words

    listed = [] if queries is None else [word for word in read_words(queries) if word]
    if queries is not None and not listed:
        raise ConfigError(
            f"translate: {queries} holds no words",
            needed="A file of words has one word a line.",
            remedy="Name a word, or a file of words.",
        )
    return [*(words or ()), *listed]


def _pairs(
    source: Embedding,
    target: Embedding,
    pairs: Path | None,
    test: Path | None,
    hold_out: int | None,
    seed: int,
) -> tuple[Translations, Translations | None]:
    """Return the pairs to fit on and to test."""
    from gpuemb.embeddings.datasets import read_translations
    from gpuemb.words.translation.pairs import identical_words

    given = identical_words("translate", source, target) if pairs is None else read_translations(pairs)
    if hold_out is not None:
        return given.split(hold_out, seed)
    return given, None if test is None else read_translations(test)


def _steps(normalize: str) -> list[str]:
    return [] if normalize in ("", "none") else [step.strip() for step in normalize.split(",")]
