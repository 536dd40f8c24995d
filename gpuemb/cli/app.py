"""The command ``gpuemb``: the words of the front door, typed by people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from typer.core import TyperGroup

from gpuemb.cli import options
from gpuemb.cli.bench import bench
from gpuemb.cli.comparing.command import compare
from gpuemb.cli.comparing.corpora import asks_for_drift, refuse_workers, study_drift
from gpuemb.cli.comparing.groups import GroupCommand
from gpuemb.cli.count import count
from gpuemb.cli.factorize import factorize
from gpuemb.cli.flags import Command
from gpuemb.cli.front.completion import texts
from gpuemb.cli.front.everywhere import with_flags_of_all
from gpuemb.cli.front.greeting import greet
from gpuemb.cli.neighbors import neighbors
from gpuemb.cli.printing import flush, flush_quietly, say, say_json
from gpuemb.cli.report import report
from gpuemb.cli.tables import CaseOption, InfoTables, WholeWords, convert, say_tables, similarity
from gpuemb.cli.terminal import failing_clearly
from gpuemb.cli.training.command import train
from gpuemb.cli.words.analogies import analogies
from gpuemb.cli.words.hubness import hubness
from gpuemb.cli.words.map import map_words
from gpuemb.cli.words.translate import translate


class Commands(TyperGroup):
    """All commands: whatever one fails of, and wherever it is stopped, is told in the same way."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]  # as above
        """Run the command that was typed."""
        with failing_clearly():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Commands,
    help="Which parts of an embedding are real, and which would come out differently?",
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    analogies,
    bench,
    convert,
    count,
    factorize,
    hubness,
    neighbors,
    report,
    similarity,
    train,
    translate,
):
    app.command(cls=Command)(with_flags_of_all(command))
app.command(cls=GroupCommand)(with_flags_of_all(compare))
app.command("map", cls=Command)(with_flags_of_all(map_words))


def run() -> int:
    """Do what was typed; return the exit code."""
    code = ended(app) or ended(flush)
    flush_quietly()
    return code


def ended(work: Callable[[], object]) -> int:
    """Exit code of what ends by raising one, or fails."""
    try:
        with failing_clearly():
            work()
    except SystemExit as end:
        return int(end.code or 0)
    except typer.Exit as end:
        return end.exit_code
    return 0


@app.callback(invoke_without_command=True)
def begin(context: typer.Context, version: options.Version = False) -> None:
    """Greet where nothing is asked."""
    if context.invoked_subcommand is None:
        greet()


@app.command(cls=GroupCommand)
@with_flags_of_all
def study(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            help="Text: files (packed by gzip, bzip2, zstd or not; .jsonl and .parquet too), folders, "
            "patterns, `-` for standard input, or `dataset:conversations`.",
            show_default=False,
            autocompletion=texts,
        ),
    ] = None,
    config: options.Config = None,
    model: options.Models = None,
    tables: options.Tables = None,
    dim: options.Dims = None,
    epochs: options.Epochs = None,
    seeds: options.Seeds = None,
    vary: options.VaryOption = None,
    window: options.Windows = None,
    fraction: options.Fractions = None,
    weighting: options.WeightingOption = None,
    min_count: options.MinCount = None,
    max_words: options.MaxWords = None,
    encoding_errors: options.EncodingErrors = None,
    tokenizer: options.Tokenizer = None,
    documents: options.DocumentsOption = None,
    field: options.Field = None,
    neighbors: options.NeighborsOption = None,
    measure: options.MeasureOption = None,
    snapshots: options.Snapshots = None,
    question: options.QuestionOption = None,
    sentence: options.Sentence = None,
    group: options.Groups = None,
    until_width: options.UntilWidth = None,
    title: options.Title = None,
    out: options.Out = None,
    extend: options.Extend = False,
    device: options.DeviceOption = "auto",
    threads: options.Threads = None,
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    plan: options.PlanOption = False,
    json: options.Json = False,
) -> None:
    """Train several runs on a text and report what they agree on.

    Examples:
    `gpuemb study my.txt --model glove --dim 100 --seeds 10 --out runs/mine`

    `gpuemb study texts/ --model glove --model ppmi-svd --vary bootstrap`

    `gpuemb study texts/ --model ppmi-svd --vary bootstrap --vary halves` (samples that share documents, and
    halves that share none)

    `gpuemb study my.txt --dim 25,50,100 --fraction 0.1,0.3,1 --seeds 5` (each with each)

    `gpuemb study my.txt --question dimension` (does the variance between runs grow with the dimensions?)

    `gpuemb study --question drift --group old old/*.txt --group new new/*.txt --seeds 5` (which words are
    used differently in two corpora, beyond training and the choice of documents)

    `zcat dump.gz | gpuemb study - --min-count 20`

    `gpuemb study --config study.toml --plan` (bytes of memory and disk before anything is trained)

    `gpuemb study --config study.toml`

    `gpuemb study my.txt --tables fasttext=run0.vec,run1.vec` (beside GloVe, over the words of the text that
    all tables have; without a text, `gpuemb compare`)

    `gpuemb study my.txt --seeds 100 --workers 4` (four runs at once, each with a fourth of the cores and of
    the memory)

    `gpuemb study my.txt --seeds 100 --scheduler tcp://10.0.0.7:8786 --out /shared/mine` (on the machines of a
    cluster: `dask scheduler` on one, `dask worker tcp://10.0.0.7:8786` on each)

    Every finished piece of work is kept in the folder. The same command goes on after a kill, and a
    second run finds everything done: if no file has another size or time of its last write than it had,
    the answer of the first is printed.
    """
    with failing_clearly():
        from gpuemb.cli.study_flags import StudyFlags, study_config

        flags = StudyFlags(
            tuple(corpus or ()),
            tuple(model or ()),
            dim,
            epochs,
            seeds,
            tuple(vary or ()),
            window,
            weighting,
            min_count,
            max_words,
            encoding_errors,
            tokenizer,
            documents,
            field,
            neighbors,
            title,
            tuple(measure or ()),
            snapshots,
            fraction,
            tuple(question or ()),
            tuple(tables or ()),
            sentence,
            until_width,
            tuple(group or ()),
        )
        drift = asks_for_drift(group, question, config)
        if drift:
            refuse_workers(workers, scheduler)
        asked = None if drift else study_config(flags, config)
    if asked is None:
        study_drift(
            flags,
            list(group or ()),
            file=config,
            out=out,
            extend=extend,
            device=device,
            threads=threads,
            json=json,
        )
        return
    from gpuemb.cli.studies.running import run_study, say_plan

    if plan:
        say_plan(asked, threads, json=json)
        return
    run_study(
        asked,
        out,
        extend=extend,
        device=device,
        threads=threads,
        workers=workers,
        scheduler=scheduler,
        json=json,
    )


@app.command(cls=Command)
@with_flags_of_all
def demo(
    out: options.Out = None,
    device: options.DeviceOption = "auto",
    threads: options.Threads = None,
    json: options.Json = False,
) -> None:
    """Run a study on 2.4 million words of real conversation, and write its report.

    Five seeds of GloVe show the noise of training; five bootstrap samples of PPMI-SVD show the noise
    of the corpus. Takes about a minute; needs the extra `demo`, and says how to install it where it lacks.

    Examples:
    `gpuemb demo`

    `gpuemb demo --out runs/first --threads 2`
    """
    from gpuemb.cli.studies.running import run_study
    from gpuemb.cli.study_flags import demo_config

    run_study(demo_config(), out, extend=False, device=device, threads=threads, json=json)


@app.command(cls=Command)
@with_flags_of_all
def info(
    tables: InfoTables = None,
    case: CaseOption = "exact",
    whole_words: WholeWords = False,
    json: options.JsonResult = False,
) -> None:
    """Show what this machine has and what gpuemb would use of it; or what tables of vectors hold.

    Examples:
    `gpuemb info` (the file of each kernel that a device would run: `none` where it has none, in
    parentheses where the device itself cannot be used)

    `gpuemb info glove.npy news.bin --case lower` (how many words they share)
    """
    with failing_clearly():
        if tables:
            say_tables(tables, case, whole_words=whole_words, json=json)
            return
        import gpuemb

        found = gpuemb.info()
        if json:
            say_json(found.as_mapping())
        else:
            say(str(found))
