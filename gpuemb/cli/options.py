"""Options that people may type: their types and what help says of them."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from gpuemb.cli.front.completion import QUESTIONS, devices, measures, models, questions, vary
from gpuemb.cli.printing import say


def _say_version(asked: bool) -> None:
    if asked:
        say(f"gpuemb {version('gpuemb')}")
        raise typer.Exit


Config = Annotated[
    Path | None, typer.Option(help="Study as a TOML file; other flags override it.", show_default=False)
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        help="What to train: glove, ppmi-svd, skip-gram. May be repeated.",
        show_default="glove",
        autocompletion=models,
    ),
]
Tables = Annotated[
    list[str] | None,
    typer.Option(
        "--tables",
        help="Finished tables to measure beside: a name, and two files or more between commas, or a pattern, "
        "such as `w2v=a.vec,b.vec` or `w2v=runs/*.npy`. May be repeated: of one name for more files, of "
        "another for another model.",
        metavar="NAME=FILES",
        show_default=False,
    ),
]
Dim = Annotated[int | None, typer.Option(help="Dimensions of a vector.", show_default="100")]
Dims = Annotated[
    str | None,
    typer.Option(
        "--dim", help="Dimensions of a vector; several, `25,50,100`, train each.", show_default="100"
    ),
]
Fractions = Annotated[
    str | None,
    typer.Option(
        "--fraction",
        help="Share of the documents; several, `0.1,0.3,1`, train each: the smaller are inside the larger.",
        show_default="1",
    ),
]
Sentence = Annotated[
    str | None,
    typer.Option(help="A text whose words are compared: the question `sentence`.", show_default=False),
]
UntilWidth = Annotated[
    float | None,
    typer.Option(
        help="Add seeds until the 95% interval of the mean overlap is at most so wide, such as 0.05.",
        show_default="add none",
    ),
]
QuestionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--question",
        help=f"A question to answer: {', '.join(QUESTIONS)} (of two groups). May be repeated.",
        show_default=False,
        autocompletion=questions,
    ),
]
Groups = Annotated[
    list[str] | None,
    typer.Option(
        "--group",
        help="Of the question drift, given twice: a name and its corpus, as NAME=TEXT or NAME TEXT..., to "
        "the next option. Alone, only parts of both are trained; beside others, it is on the page too.",
        metavar="NAME TEXT...",
        show_default=False,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        help="Passes over the counts (glove) or the text (skip-gram).", show_default="25; skip-gram: 5"
    ),
]
Seeds = Annotated[
    str | None,
    typer.Option(
        help="Number of runs (of splits into two, with halves), or a list such as `0,7,42`.", show_default="5"
    ),
]
VaryOption = Annotated[
    list[str] | None,
    typer.Option(
        "--vary",
        help="What a seed changes: seed (all that is random), init, order, sampling (skip-gram), bootstrap "
        "(documents resampled), halves (documents split; the two halves are compared). May be repeated: "
        "every model for each.",
        show_default="seed",
        autocompletion=vary,
    ),
]
Window = Annotated[
    int | None,
    typer.Option(help="Largest distance of two words that count as near.", show_default="10; skip-gram: 5"),
]
Windows = Annotated[
    str | None,
    typer.Option(
        "--window",
        help="Largest distance of two words that count as near; several, `2,5`, train each.",
        show_default="10; skip-gram: 5",
    ),
]
WeightingOption = Annotated[
    str | None,
    typer.Option(
        "--weighting", help="Weight of a distance: harmonic, linear, flat.", show_default="harmonic"
    ),
]
MinCount = Annotated[int | None, typer.Option(help="Leave out words seen less often.", show_default="10")]
MaxWords = Annotated[int | None, typer.Option(help="Keep at most so many words.", show_default="all")]
EncodingErrors = Annotated[
    str | None,
    typer.Option(help="Bytes that are not UTF-8: strict, replace, ignore.", show_default="strict"),
]
Tokenizer = Annotated[
    str | None,
    typer.Option(
        help="What a word is: default, whitespace, regex:…, or a Hugging Face tokenizer file (.json).",
        show_default="default",
    ),
]
DocumentsOption = Annotated[
    str | None,
    typer.Option("--documents", help="What a document is: line, file, 'blank line'.", show_default="line"),
]
Field = Annotated[
    str | None, typer.Option(help="Field of JSON lines and Parquet that holds the text.", show_default="text")
]
NeighborsOption = Annotated[
    str | None,
    typer.Option(
        "--neighbors",
        "-k",
        help="Nearest neighbors that are compared; several, `5,10,25`, give overlaps of each.",
        show_default="10",
    ),
]
MeasureOption = Annotated[
    list[str] | None,
    typer.Option(
        "--measure",
        help="A measure of runs to take, such as `rsa` or `cca`, or `all`; may be repeated.",
        show_default="the thirteen of the report",
        autocompletion=measures,
    ),
]
Snapshots = Annotated[
    str | None,
    typer.Option(
        help="Keep vectors after these epochs too, such as `1,5,10`.", show_default="after the last only"
    ),
]
Title = Annotated[str | None, typer.Option(help="Headline of the report.", show_default=False)]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Folder of the results.",
        show_default="below runs/, that of the same study or a new one",
    ),
]
Extend = Annotated[
    bool,
    typer.Option(
        "--extend", help="Let a changed configuration take over the folder; unchanged work is reused."
    ),
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="auto, cpu, cuda or cuda:n.", autocompletion=devices)
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="Cores to use; results do not depend on it.", show_default="OMP_NUM_THREADS, or all it may use"
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Worker processes on this machine, which share its cores and memory; as many pieces of work are "
        "done at once. Results do not depend on it. Needs the extra `cluster`.",
        show_default="none: this process does all",
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="Have the workers of a scheduler of dask do the work, on any number of machines that share the "
        "folder: `tcp://host:8786`, or the file of `dask scheduler --scheduler-file`. Needs the extra "
        "`cluster`.",
        metavar="ADDRESS",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print summary.json instead of sentences.")]
Version = Annotated[
    bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version.")
]
JsonResult = Annotated[bool, typer.Option("--json", help="Print it for programs.")]
PlanOption = Annotated[
    bool, typer.Option("--plan", help="Read the text, print units, bytes and disk, and do nothing else.")
]
