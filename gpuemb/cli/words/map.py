"""The command ``gpuemb map``: words on a plane, and what the picture is worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpuemb.cli import options
from gpuemb.cli.printing import say, say_json, shown
from gpuemb.cli.tables import TABLE_HELP, CaseOption, LimitOption, described, opened_table
from gpuemb.cli.terminal import TerminalProgress, failing_clearly
from gpuemb.core.errors import ConfigError

if TYPE_CHECKING:
    from gpuemb.embeddings.model import Embedding, EmbeddingStack
    from gpuemb.words.maps.result import WordMap

METHODS = ("tsne", "umap", "pca")
ONLY_FOR = {"perplexity": "tsne", "n_neighbors": "umap", "k": "pca"}

TablesArgument = Annotated[
    list[str],
    typer.Argument(
        help=f"One table or several runs, each {TABLE_HELP}. Of several the consensus is drawn.",
        metavar="TABLE...",
        show_default=False,
    ),
]
MethodOption = Annotated[
    str, typer.Option(help="tsne and umap keep neighbors; pca keeps the directions of largest variance.")
]
OutOption = Annotated[
    list[Path],
    typer.Option(
        "--out",
        "-o",
        help="What to write: a picture (.svg, .pdf, .png) or a table (.parquet, .csv). May be repeated.",
        show_default=False,
    ),
]
WordsOption = Annotated[
    str | None,
    typer.Option(
        help="Words to name in the picture: `king,queen,man`, or a file, one a line.",
        show_default="frequent ones all over the map",
    ),
]
LabelsOption = Annotated[int, typer.Option(help="Name about so many words when none are asked for.")]
ColorOption = Annotated[
    str | None,
    typer.Option(
        help="Color words by `frequency`, by `stability` (overlap of their nearest neighbors in several "
        "runs), or by a column of a table of words: `FILE.parquet`, `FILE.parquet:COLUMN` or "
        "`FILE.parquet:COLUMN:MODEL`.",
        show_default=False,
    ),
]
ThemeOption = Annotated[str, typer.Option(help="Paper: light or dark.")]
PerplexityOption = Annotated[
    float | None, typer.Option(help="About how many neighbors count in t-SNE.", show_default="30")
]
LayoutOption = Annotated[
    int | None, typer.Option("--n-neighbors", help="Neighbors that count in UMAP.", show_default="15")
]
AxesOption = Annotated[int | None, typer.Option("-k", "--k", help="Axes of pca.", show_default="2")]
JudgedOption = Annotated[
    int | None, typer.Option("--neighbors", help="Neighbors on which the map is judged.", show_default="10")
]
SeedOption = Annotated[int, typer.Option(help="Of the layout.")]


def map_words(
    tables: TablesArgument,
    out: OutOption,
    method: MethodOption = "tsne",
    words: WordsOption = None,
    labels: LabelsOption = 60,
    color: ColorOption = None,
    theme: ThemeOption = "light",
    perplexity: PerplexityOption = None,
    n_neighbors: LayoutOption = None,
    k: AxesOption = None,
    neighbors: JudgedOption = None,
    seed: SeedOption = 0,
    limit: LimitOption = None,
    case: CaseOption = "exact",
    device: options.DeviceOption = "auto",
    threads: options.Threads = None,
    json: options.JsonResult = False,
) -> None:
    """Draw words on a plane, and say how far the picture can be trusted.

    Examples:
    `gpuemb map glove.npy --limit 5000 -o map.svg`

    `gpuemb map run0.npy run1.npy run2.npy --color stability -o map.svg -o map.parquet` (the consensus of
    several runs, and how many neighbors the runs' own maps share)

    `gpuemb map glove.npy --method pca --words king,queen,man,woman -o royal.pdf --theme dark`

    A map of thousands of dimensions on two loses most of them: trustworthiness, and the share of neighbors
    that are kept, stand in every picture. Methods tsne and umap need the extra `map`.
    """
    with failing_clearly(kept="Nothing is written before the map is made."):
        import gpuemb
        from gpuemb.core import threads as workers
        from gpuemb.core.checks import check_choice
        from gpuemb.words.maps.colors import coloring
        from gpuemb.words.maps.writing import kind_of, numbers_of

        check_choice("map", "method", method, METHODS)
        check_choice("map", "theme", theme, ("light", "dark"))
        for path in out:
            kind_of("map", path)
        given = {"perplexity": perplexity, "n_neighbors": n_neighbors, "k": k}
        asked = _options(method, given)
        with workers.limit(threads):
            opened = [opened_table(table, limit=limit) for table in tables]
            table = opened[0] if len(opened) == 1 else gpuemb.stack(opened, case=case)  # type: ignore[arg-type]
            named = None if words is None else _named(words, table)
            colored = coloring(color, table, device=_device(device), progress=TerminalProgress())
            if method != "pca":
                asked["device"] = _device(device)
            found: WordMap = getattr(gpuemb, method)(
                table, **asked, neighbors=neighbors, seed=seed, progress=TerminalProgress()
            )
        for path in out:
            found.save(
                path,
                words=named,
                labels=labels,
                color=colored.values,
                color_label=colored.label,
                theme=theme,  # type: ignore[arg-type]  # others are refused above
            )
        if json:
            say_json({**numbers_of(found), "written": [str(path) for path in out]})
            return
        for one in opened:
            say(described(one))
        say()
        say(str(found))
        say()
        say(f"Written: {', '.join(map(shown, out))}")


def _options(method: str, given: dict[str, Any]) -> dict[str, Any]:
    """The options of one method; those of another are refused."""
    for name, value in given.items():
        if value is not None and ONLY_FOR[name] != method:
            raise ConfigError(
                f"map: {name} = {value}, but the method is {method}",
                needed=f"It is an option of {ONLY_FOR[name]} alone.",
                remedy=f"Leave it out, or give method='{ONLY_FOR[name]}'.",
            )
    return {name: value for name, value in given.items() if value is not None}


def _device(device: str) -> str:
    from gpuemb.core.device import choose

    return str(choose(device))


def _named(words: str, table: Embedding | EmbeddingStack) -> list[str]:
    """The words of a file or a list, all of them in the table.

    Raises:
        VocabularyError: one is not.
    """
    from gpuemb.embeddings.files.vocabulary import read_words
    from gpuemb.embeddings.spelling import missing_word

    listed = read_words(Path(words)) if Path(words).is_file() else words.split(",")
    asked = [word for word in listed if word]
    known = {word: row for row, word in enumerate(table.index_to_key)}
    for word in asked:
        if word not in known:
            raise missing_word("map", word, table.index_to_key, known)
    return asked
