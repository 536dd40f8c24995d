"""The command ``gpuemb count``: text to exact co-occurrence counts on the disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpuemb.cli import options
from gpuemb.cli.printing import say, say_json, shown
from gpuemb.cli.terminal import TerminalProgress, failing_clearly, noting
from gpuemb.core.errors import ConfigError

if TYPE_CHECKING:
    from gpuemb.counts.cooccurrence import Cooccurrence
    from gpuemb.counts.corpus_statistics import CorpusStatistics

SIDES = ("both", "left", "right")

TextArgument = Annotated[
    list[str],
    typer.Argument(
        help="Text: files, packed ones too, folders, patterns, `-` for standard input, or "
        "`dataset:conversations`.",
        metavar="TEXT...",
        show_default=False,
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Folder of the counts; it must not exist.", show_default=False),
]
GloveOption = Annotated[
    Path | None,
    typer.Option(
        "--glove-binary",
        metavar="FILE",
        help="Write Stanford GloVe's cooccurrence.bin too, and FILE.vocab.txt beside it.",
        show_default=False,
    ),
]
WindowOption = Annotated[int, typer.Option(help="Largest distance of two words that count as near.")]
WeightingOption = Annotated[str, typer.Option(help="Weight of a distance: harmonic, linear, flat.")]
SideOption = Annotated[str, typer.Option(help="Contexts on which side: both, left, right.")]
MinCount = Annotated[int, typer.Option(help="Leave out words seen less often.")]
MaxWords = Annotated[int | None, typer.Option(help="Keep at most so many words.", show_default="all")]
EncodingErrors = Annotated[str, typer.Option(help="Bytes that are not UTF-8: strict, replace, ignore.")]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        help="Most memory to hold beside the tokens, such as 2GB; the disk takes the rest.",
        show_default="all that is free",
    ),
]
DescribeOption = Annotated[
    bool,
    typer.Option(
        "--describe", help="Say what the text is: entropies, perplexity, Zipf's law; OUT may be left out."
    ),
]


def count(
    text: TextArgument,
    out: OutOption = None,
    glove_binary: GloveOption = None,
    window: WindowOption = 10,
    weighting: WeightingOption = "harmonic",
    side: SideOption = "both",
    min_count: MinCount = 1,
    max_words: MaxWords = None,
    encoding_errors: EncodingErrors = "strict",
    tokenizer: options.Tokenizer = None,
    documents: options.DocumentsOption = None,
    field: options.Field = None,
    memory: MemoryOption = None,
    describe: DescribeOption = False,
    device: options.DeviceOption = "auto",
    threads: options.Threads = None,
    json: options.JsonResult = False,
) -> None:
    """Count how often words stand near each other, exactly.

    Examples:
    `gpuemb count my.txt --out counts`

    `zcat dump.gz | gpuemb count - --min-count 20 --memory 2GB --out counts`

    `gpuemb count my.txt --describe` (entropy of its words and contexts, perplexity, Zipf's law)

    `gpuemb count texts/ --window 15 --glove-binary cooccurrence.bin` (to train with Stanford's `glove`)

    The folder is opened in Python with `gpuemb.Cooccurrence.load("counts")`, mapped, not read. The counts
    are whole numbers: the same text gives the same bits with any number of threads and any memory.
    """
    with failing_clearly(kept="Nothing is written before all is counted."):
        from gpuemb.core import threads as workers
        from gpuemb.core.checks import check_choice
        from gpuemb.core.files import check_folder, check_replaceable
        from gpuemb.core.memory import bytes_of
        from gpuemb.counts.folder import check_new
        from gpuemb.kernels.window_counts import check_window

        if out is None and glove_binary is None and not describe:
            raise ConfigError(
                "count: nowhere to write",
                needed="Counts go into a folder, or into a file for GloVe.",
                remedy="gpuemb count TEXT --out DIR, or gpuemb count TEXT --glove-binary FILE",
            )
        check_window(window, weighting)
        check_choice("count", "side", side, SIDES)
        if memory is not None:
            bytes_of(memory)
        if out is not None:
            check_new(out)
        if glove_binary is not None:
            check_folder(check_replaceable(glove_binary).parent)
        reading = {
            "min_count": min_count,
            "max_words": max_words,
            "encoding_errors": encoding_errors,
            "tokenizer": tokenizer or "default",
            "documents": documents or "line",
            "field": field,
        }
        scratch = None if out is None else out.resolve().parent
        counting: dict[str, Any] = {"window": window, "weighting": weighting, "side": side, "memory": memory}
        with workers.limit(threads):
            counting |= {"device": device, "scratch": scratch}
            counts = _counted(text, reading, counting, stanford=glove_binary is not None)
        written = _write(counts, out, glove_binary)
        if json:
            said = {"statistics": _statistics(counts).as_mapping()} if describe else {}
            say_json({**_facts(counts), **said, "written": written})
            return
        facts = _facts(counts)
        say(
            f"{facts['pairs']:,} pairs of {facts['words']:,} words, from {facts['tokens']:,} tokens in "
            f"{facts['documents']:,} documents"
        )
        if describe:
            say(str(_statistics(counts)))
        if written:
            say(f"Written: {', '.join(written)}")


def _statistics(counts: Cooccurrence) -> CorpusStatistics:
    import gpuemb

    return gpuemb.corpus_statistics(counts)


def _counted(
    text: list[str], reading: Mapping[str, Any], counting: Mapping[str, Any], *, stanford: bool
) -> Cooccurrence:
    import gpuemb
    from gpuemb.counts.glove_binary import check_stanford

    progress = TerminalProgress()
    with noting(gpuemb.CorpusWarning, progress):
        tokens = gpuemb.read_corpus(text, progress=progress, **reading)
    if stanford:  # before hours of counting
        check_stanford(tokens.vocabulary)
    return gpuemb.count_cooccurrences(tokens, progress=progress, **counting)


def _write(counts: Cooccurrence, out: Path | None, glove_binary: Path | None) -> list[str]:
    from gpuemb.counts.glove_binary import write_glove_vocabulary

    written = []
    with TerminalProgress().phase(f"writing {counts.nonzeros:,} pairs"):
        if out is not None:
            counts.save(out)
            written.append(shown(out))
        if glove_binary is not None:
            vocabulary = glove_binary.with_name(f"{glove_binary.name}.vocab.txt")
            counts.save_glove(glove_binary)
            write_glove_vocabulary(counts.vocabulary, vocabulary)
            written += [shown(glove_binary), shown(vocabulary)]
    return written


def _facts(counts: Cooccurrence) -> dict[str, int]:
    made = counts.provenance
    return {
        "pairs": counts.nonzeros,
        "words": len(counts.vocabulary),
        "tokens": 0 if made is None else made.tokens,
        "documents": 0 if made is None else made.documents,
    }
