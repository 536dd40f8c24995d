"""The command ``gpuemb train``: a text or its counts to one table of vectors a seed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, cast

import typer

from gpuemb.cli import options
from gpuemb.cli.front.completion import models
from gpuemb.cli.tables import TABLE_HELP, opened_table
from gpuemb.cli.terminal import failing_clearly
from gpuemb.cli.training.runs import Training, counting_of, opened_source, say_runs, train_into
from gpuemb.core.errors import ConfigError

SourceArgument = Annotated[
    list[str],
    typer.Argument(
        help="Text: files, packed ones too, folders, patterns, `-` for standard input, or "
        "`dataset:conversations`; or a folder that `gpuemb count` wrote (not for skip-gram).",
        metavar="TEXT...",
        show_default=False,
    ),
]
ModelOption = Annotated[
    str, typer.Option(help="What to train: glove, skip-gram, ppmi-svd.", autocompletion=models)
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Folder of the runs: a new one, or the one of the same command.",
        show_default=False,
    ),
]
FormatOption = Annotated[
    str,
    typer.Option(
        "--format", help="Of the vectors: glove, word2vec, word2vec-binary, npy, npz, safetensors or parquet."
    ),
]
VaryOption = Annotated[
    str,
    typer.Option(
        help="What a seed changes: seed (all that is random), init, order, sampling (skip-gram), bootstrap "
        "(documents resampled), halves (documents split, a run for each half)."
    ),
]
StartOption = Annotated[
    str | None,
    typer.Option(
        help=f"Vectors that every run begins with, matched by word: {TABLE_HELP}.", show_default="at random"
    ),
]
Patience = Annotated[
    int | None,
    typer.Option(
        help="Stop when so many epochs in a row have not lowered the loss (glove, skip-gram); 0 never stops.",
        show_default="0",
    ),
]
Tolerance = Annotated[
    float | None,
    typer.Option(help="By which share of the loss it must fall, to count as lower.", show_default="0"),
]
HeldOut = Annotated[
    float | None,
    typer.Option(
        "--held-out",
        help="Share of the pairs (glove) or documents (skip-gram) that are not trained on, whose loss is "
        "told.",
        show_default="0",
    ),
]
Rate = Annotated[
    float | None,
    typer.Option("--learning-rate", help="Size of a step.", show_default="0.05; skip-gram: 0.025"),
]
XMax = Annotated[
    float | None,
    typer.Option("--x-max", help="Count from which a pair has full weight (glove).", show_default="100"),
]
Alpha = Annotated[
    float | None, typer.Option(help="Exponent of the weight below it (glove).", show_default="0.75")
]
Negatives = Annotated[int | None, typer.Option(help="Noise words for a pair (skip-gram).", show_default="5")]
Sample = Annotated[
    float | None,
    typer.Option(
        help="Share from which a word's tokens are dropped at random (skip-gram).", show_default="0.001"
    ),
]
NoiseExponent = Annotated[
    float | None, typer.Option("--ns-exponent", help="Of the noise (skip-gram).", show_default="0.75")
]
Power = Annotated[float | None, typer.Option(help="Of the singular values (ppmi-svd).", show_default="0.5")]
Shift = Annotated[
    float | None, typer.Option(help="PMI is lowered by its logarithm (ppmi-svd).", show_default="1")
]
Smoothing = Annotated[
    float | None,
    typer.Option(help="Exponent of the contexts' distribution (ppmi-svd).", show_default="0.75"),
]


def train(
    source: SourceArgument,
    out: OutOption = None,
    model: ModelOption = "glove",
    dim: options.Dim = None,
    epochs: options.Epochs = None,
    seeds: options.Seeds = None,
    vary: VaryOption = "seed",
    window: options.Window = None,
    weighting: options.WeightingOption = None,
    learning_rate: Rate = None,
    x_max: XMax = None,
    alpha: Alpha = None,
    negatives: Negatives = None,
    sample: Sample = None,
    ns_exponent: NoiseExponent = None,
    power: Power = None,
    shift: Shift = None,
    smoothing: Smoothing = None,
    patience: Patience = None,
    tolerance: Tolerance = None,
    held_out: HeldOut = None,
    snapshots: options.Snapshots = None,
    start: StartOption = None,
    format: FormatOption = "npy",
    min_count: options.MinCount = None,
    max_words: options.MaxWords = None,
    encoding_errors: options.EncodingErrors = None,
    tokenizer: options.Tokenizer = None,
    documents: options.DocumentsOption = None,
    field: options.Field = None,
    device: options.DeviceOption = "auto",
    threads: options.Threads = None,
    json: options.JsonResult = False,
) -> None:
    """Train word vectors, one table a seed, and write each run as it is finished.

    Examples:
    `gpuemb train my.txt --dim 100 --seeds 5 --out vectors` (GloVe, five seeds)

    `gpuemb train texts/ --model skip-gram --min-count 5 --epochs 10 --snapshots 5,10 --out skipgram`

    `gpuemb count texts/ --min-count 20 --out counts` and
    `gpuemb train counts --model ppmi-svd --seeds 1 --out svd`

    `gpuemb compare vectors/seed-0.npy vectors/seed-1.npy` (what the seeds agree on)

    A run is NAME.npy (its vectors; their words in NAME.words.txt) and NAME.contexts.npy; of GloVe, whose
    vectors are sums of both, NAME.inputs.npy and NAME.biases.npy too; NAME.json has the loss of every
    epoch. The same command again goes on where it was stopped, to the same bits; with more seeds it trains
    the new ones.
    """
    with failing_clearly(["gpuemb", *sys.argv[1:]], kept="Finished runs stay."):
        from gpuemb.cli.training.folder import RunFolder
        from gpuemb.cli.training.recipe_flags import epochs_asked, recipe_of, seeds_asked
        from gpuemb.core import threads as workers
        from gpuemb.core.checks import check_choice
        from gpuemb.core.files.alone import alone_in
        from gpuemb.embeddings.files import FORMATS
        from gpuemb.training.recipes import Vary, check_vary

        if out is None:
            raise ConfigError(
                "train: nowhere to write",
                needed="Runs are written into a folder.",
                remedy="gpuemb train TEXT --out DIR",
            )
        check_choice("train", "format", format, tuple(FORMATS))
        typed = {
            "dim": dim,
            "epochs": epochs,
            "learning_rate": learning_rate,
            "x_max": x_max,
            "alpha": alpha,
            "negatives": negatives,
            "sample": sample,
            "ns_exponent": ns_exponent,
            "power": power,
            "shift": shift,
            "smoothing": smoothing,
            "patience": patience,
            "tolerance": tolerance,
            "held_out": held_out,
        }
        recipe = recipe_of(model, typed, window)
        check_vary(recipe, vary)
        training = Training(
            recipe,
            seeds_asked(seeds),
            cast(Vary, vary),
            counting_of(recipe, window, weighting),
            epochs_asked(snapshots),
            device,
            None if start is None else opened_table(start),
        )
        reading = {
            "min_count": min_count,
            "max_words": max_words,
            "encoding_errors": encoding_errors,
            "tokenizer": tokenizer,
            "documents": documents,
            "field": field,
        }
        folder = RunFolder(out, format)
        with workers.limit(threads), alone_in("train", out):
            found = train_into(folder, training, opened_source(source, reading, training.counting))
        say_runs(folder, found, json=json)
