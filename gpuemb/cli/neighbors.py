"""The command ``gpuemb neighbors``: whom a table's words stand next to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from gpuemb.cli import options
from gpuemb.cli.printing import say, say_json, shown
from gpuemb.cli.tables import LimitOption, TableArgument, described, opened_table
from gpuemb.cli.terminal import TerminalProgress, failing_clearly
from gpuemb.core.errors import ConfigError, StorageError

if TYPE_CHECKING:
    from gpuemb.embeddings.model import Embedding
    from gpuemb.neighbors.correction import Metric
    from gpuemb.neighbors.exact import Neighbors
    from gpuemb.neighbors.kept import KeptIndex

ENDING, COSINE = ".parquet", "cosine"

WordsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        help="Words to ask for, as they stand in the table.", metavar="[WORD]...", show_default=False
    ),
]
CountOption = Annotated[int, typer.Option("-k", "--k", help="Neighbors of each word.")]
MetricOption = Annotated[
    str,
    typer.Option(
        help="Nearest by cosine; or corrected for words near to very many others.",
        metavar="cosine|csls|mutual_proximity",
    ),
]
QueriesOption = Annotated[
    Path | None, typer.Option(help="Ask for the words in this file too, one a line.", show_default=False)
]
AllOption = Annotated[bool, typer.Option("--all", help="Ask for every word of the table; needs --out.")]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Write a .parquet instead: word, rank, neighbor and its score, one row for every neighbor.",
        show_default=False,
    ),
]
NoCacheOption = Annotated[
    bool,
    typer.Option(
        "--no-cache", envvar="GPUEMB_NO_CACHE", help="Neither read nor write .gpuemb-index beside the table."
    ),
]


def neighbors(
    table: TableArgument,
    words: WordsArgument = None,
    k: CountOption = 10,
    metric: MetricOption = COSINE,
    queries: QueriesOption = None,
    every: AllOption = False,
    out: OutOption = None,
    limit: LimitOption = None,
    device: options.DeviceOption = "auto",
    threads: options.Threads = None,
    no_cache: NoCacheOption = False,
    json: options.JsonResult = False,
) -> None:
    """Find the nearest words, exactly: of highest cosine, or corrected for hubs.

    Examples:
    `gpuemb neighbors glove.npy king queen -k 5`

    `gpuemb neighbors dataset:glove-6b-50d --queries words.txt --json`

    `gpuemb neighbors news.bin --all --out neighbors.parquet` (every word of the table against every other)

    `gpuemb neighbors glove.npy --all --out neighbors.parquet --device cuda` (a table of vectors in an .npy
    is not read into memory: it streams to the GPU, and may be larger than the GPU's memory)

    `gpuemb neighbors glove.npy king --metric csls` (words that are near to very many others rank lower)

    A word is not its own neighbor. Equal scores stand in the order of the table, and none is
    approximate: the same table gives the same lists on any device, with any number of threads. A word
    whose vector is zero has no neighbors and is nobody's. Another metric looks at every word of the table
    first, so it takes as long for one word as for all.

    What a few words need is kept in `.gpuemb-index` beside the table, where that may be written: lengths and
    words, and the vectors of a file that cannot be mapped, such as text. The next call reads it. It is made
    anew when the table has changed, or it is damaged.
    """
    with failing_clearly(kept="Nothing is written before all are found."):
        from gpuemb.core import threads as workers
        from gpuemb.core.checks import check_choice
        from gpuemb.core.device import choose
        from gpuemb.neighbors.kept import KeptIndex

        if metric != COSINE:
            from gpuemb.neighbors.correction import METRICS

            check_choice("neighbors", "--metric", metric, METRICS)
        _check(words, queries, out, every=every, json=json)
        chosen = str(choose(device))
        few = not (every or queries or out) and metric == COSINE and limit is None
        kept = KeptIndex.of(table) if few and not no_cache and not device.startswith("cuda") else None
        with workers.limit(threads):
            fault = "" if kept is None else kept.fault()
            known = None if kept is None or fault else kept.nearest(words or (), k)
            if known is not None:
                _tell(known[0], words or (), known[1], metric, json=json)
                return
            embedding = opened_table(table, limit=limit)
            asked = embedding.index_to_key if every else _asked(words, queries)
            found = _found(embedding, None if every else asked, k, metric, chosen)
            if out is not None:
                _write(embedding, found, asked, out)
                return
            near = [found.named(query) for query in range(len(asked))]
            _tell(described(embedding), asked, near, metric, json=json)
            if kept is not None:
                _keep(kept, embedding, fault)


def _check(
    words: Sequence[str] | None, queries: Path | None, out: Path | None, *, every: bool, json: bool
) -> None:
    """Refuse what cannot be meant before a table is read."""
    if every and (words or queries):
        given, needed = "words and --all", "--all asks for every word of the table: name none beside it."
    elif every and out is None:
        given, needed = "--all without --out", "The lists of a whole vocabulary go into a file."
    elif not (every or words or queries):
        given, needed = "no words", "Name words, a file of them with --queries, or --all."
    elif out is not None and out.suffix != ENDING:
        given, needed = f"--out {out}", f"The file is Parquet: its name ends in {ENDING}."
    elif out is not None and json:
        given, needed = "--json and --out", "The lists are either printed or written."
    else:
        return
    raise ConfigError(
        f"neighbors: {given}",
        needed=needed,
        remedy="gpuemb neighbors TABLE king queen, or gpuemb neighbors TABLE --all --out neighbors.parquet",
    )


def _asked(words: Sequence[str] | None, queries: Path | None) -> list[str]:
    from gpuemb.embeddings.files.vocabulary import read_words

    listed = [] if queries is None else [word for word in read_words(queries) if word]
    asked = [*(words or ()), *listed]
    if not asked:
        raise ConfigError(
            f"neighbors: {queries} holds no words",
            needed="A file of words has one word a line.",
            remedy="Name a word, or ask for every word with --all --out neighbors.parquet.",
        )
    return asked


def _found(embedding: Embedding, asked: Sequence[str] | None, k: int, metric: str, device: str) -> Neighbors:
    import gpuemb

    by, progress = cast("Metric", metric), TerminalProgress()
    if asked is not None:
        index = gpuemb.CosineIndex(embedding.check(), device=device)
        return index.search(asked, k, metric=by, progress=progress)
    return gpuemb.nearest_neighbors(embedding, k, metric=by, device=device, progress=progress)


def _write(embedding: Embedding, found: Neighbors, asked: Sequence[str], out: Path) -> None:
    from gpuemb.neighbors.parquet import write_neighbors

    rows = write_neighbors(found, asked, out, progress=TerminalProgress())
    say(described(embedding))
    if found.without_length:
        say(f"{found.without_length:,} words have a zero vector: they have no neighbors and are nobody's.")
    say(f"Written: {shown(out)}, {rows:,} neighbors of {len(asked):,} words")


def _tell(
    table: str, asked: Sequence[str], near: Sequence[list[tuple[str, float]]], metric: str, *, json: bool
) -> None:
    if json:
        entries = [[{"word": name, metric: score} for name, score in one] for one in near]
        say_json([{"word": word, "neighbors": one} for word, one in zip(asked, entries, strict=True)])
        return
    width = max([len(name) for one in near for name, _ in one], default=0)
    say(table)
    for word, one in zip(asked, near, strict=True):
        say()
        say(word)
        for rank, (name, score) in enumerate(one, 1):
            say(f"{rank:>4}  {name:<{width}}  {score:6.3f}")
        if not one:
            say("      no neighbors: its vector is zero, or all others are")


def _keep(kept: KeptIndex, embedding: Embedding, fault: str) -> None:
    """Keep what the next call needs, where that is possible; say why it was of no use before."""
    from gpuemb.embeddings.parts import parts_of

    place = shown(kept.folder)
    try:
        made = kept.keep(embedding, described(embedding), parts_of(kept.table))
    except StorageError as error:
        TerminalProgress().note(f"{place} is not kept, so the next call takes as long: {error.given}")
    else:
        if made and fault:
            TerminalProgress().note(f"{place} {fault}. It was made anew.")
