"""The command ``gpuemb map``: words on a plane, and what the picture is worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from gpuemb.cli import options
from gpuemb.cli.tables import TABLE_HELP, CaseOption, LimitOption, described, opened_table
from gpuemb.cli.terminal import TerminalProgress, failing_clearly, say, say_json, shown
from gpuemb.core.checks import check_choice
from gpuemb.core.errors import ConfigError

if TYPE_CHECKING:
    from gpuemb.core.arrays import Float64
    from gpuemb.embeddings.model import Embedding, EmbeddingStack
    from gpuemb.words.maps.result import WordMap

METHODS = ("tsne", "umap", "pca")
FREQUENCY, STABILITY, COLUMN = "frequency", "stability", "overlap_at_10"
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


class Color(NamedTuple):
    """Numbers that color the words, and what they are."""

    values: Float64 | None = None
    label: str = ""


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
            colored = _color(color, table, device)
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


def _color(color: str | None, table: Embedding | EmbeddingStack, device: str) -> Color:
    if color is None:
        return Color()
    if color == FREQUENCY:
        return _frequency(table)
    if color == STABILITY:
        return _stability(table, device)
    return _column(color, table.index_to_key)


def _frequency(table: Embedding | EmbeddingStack) -> Color:
    import numpy as np

    if table.counts is not None:
        return Color(np.log10(np.maximum(table.counts, 1)), "log10 of the count")
    return Color(-np.log10(1.0 + np.arange(len(table.index_to_key))), "frequency: −log10 of the row")


def _stability(table: Embedding | EmbeddingStack, device: str) -> Color:
    import gpuemb

    if not isinstance(table, gpuemb.EmbeddingStack):
        raise ConfigError(
            "map: color = 'stability' of one table",
            needed="Stability is how far several runs agree about a word's neighbors.",
            remedy="Give several runs, or a column of a study: color='words.parquet:overlap_at_10'.",
        )
    progress, on = TerminalProgress(), _device(device)
    lists = [gpuemb.nearest_neighbors(run, 10, device=on, progress=progress) for run in table]
    return Color(gpuemb.neighbor_overlap(*lists).stability, "stability: overlap of 10 neighbors")


def _column(named: str, words: Sequence[str]) -> Color:
    """A column of a table of words; NaN for words that it lacks."""
    import numpy as np
    from pyarrow import ArrowException
    from pyarrow.parquet import read_table

    place, _, rest = named.partition(".parquet")
    column, _, model = rest.removeprefix(":").partition(":")
    column, path = column or COLUMN, Path(f"{place}.parquet")
    if not path.is_file():
        raise ConfigError(
            f"map: color = '{named}'",
            needed=f"It is {FREQUENCY}, {STABILITY}, or a Parquet file of words that exists.",
            remedy="color='runs/mine/words.parquet:overlap_at_10', for example.",
        )
    try:
        kept = read_table(path)
    except ArrowException as error:
        raise ConfigError(
            f"map: {path} cannot be read: {error}",
            needed="A Parquet file is needed.",
            remedy="Give the words.parquet of a study or of gpuemb compare.",
        ) from error
    for name in ("word", column):
        if name not in kept.column_names:
            raise ConfigError(
                f"map: {path} has no column {name!r}",
                needed=f"Its columns are {', '.join(kept.column_names)}.",
                remedy=f"Name one of them behind the file: color='{path}:COLUMN'.",
            )
    models = kept["model"].unique().to_pylist() if "model" in kept.column_names else []
    if len(models) > 1 or model:
        if model not in models:
            raise ConfigError(
                f"map: {path} has words of {len(models)} models: {', '.join(models)}",
                needed="The numbers of one model color the words.",
                remedy=f"color='{path}:{column}:{(models or ['MODEL'])[0]}'",
            )
        kept = kept.filter(np.array(kept["model"].to_pylist(), object) == model)
    try:
        numbers = kept[column].to_numpy().astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"map: the column {column!r} of {path} holds {kept[column].type}",
            needed="Colors are numbers.",
            remedy="Name a column of numbers.",
        ) from error
    values = dict(zip(kept["word"].to_pylist(), numbers.tolist(), strict=True))
    return Color(np.array([values.get(word, np.nan) for word in words]), column)
