"""``gpuemb study --question drift``: two corpora against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuemb.cli.comparing.changes import table_of, write_tables
from gpuemb.cli.comparing.drift import drift_for_programs, say_drift
from gpuemb.cli.comparing.groups import FLAG, groups_of
from gpuemb.cli.printing import say, say_json, shown
from gpuemb.cli.terminal import TerminalProgress, failing_clearly, noting
from gpuemb.core.errors import ConfigError

if TYPE_CHECKING:
    from gpuemb.cli.study_flags import StudyFlags
    from gpuemb.stability.questions.drift.corpora import CorpusDrift

QUESTION = "drift"
OF_OTHERS = ("vary", "fraction", "snapshots", "title", "sentence", "tables")  # flags of other studies
SHOWN, KEPT = 20, 1000  # words that changed most: printed, written


def asks_for_drift(group: list[str] | None, question: list[str] | None, file: Path | None) -> bool:
    """Whether two corpora are to be compared and nothing else: then only their parts are trained.

    Beside other questions, or in the file of a study, drift is one of the study's own.

    Raises:
        ConfigError: groups without any question, or the question without groups.
    """
    asked = {*(question or ())}
    if file is not None or (group and asked - {QUESTION}) or not (group or QUESTION in asked):
        return False
    if group and asked:
        return True
    given = "the question 'drift' without groups" if asked else "groups without --question drift"
    raise ConfigError(
        f"study: {given}",
        needed="Drift is asked of two corpora, each a group.",
        remedy=f"gpuemb study --question drift {FLAG} old=old.txt {FLAG} new=new.txt",
    )


def refuse_workers(workers: int | None, scheduler: str | None) -> None:
    """Refuse what a comparison of two corpora alone does not take.

    Raises:
        ConfigError: either was typed.
    """
    if workers is not None or scheduler is not None:
        raise ConfigError(
            "study: the question 'drift' alone, with workers or a scheduler",
            needed="The parts of two corpora are trained by this process.",
            remedy="Use neither; threads says how many cores are used.",
        )


def study_drift(
    flags: StudyFlags,
    group: list[str],
    *,
    file: Path | None,
    out: Path | None,
    extend: bool,
    device: str,
    threads: int | None,
    json: bool,
) -> None:
    """Train the parts of both corpora, test every word, write the tables and print what was found."""
    with failing_clearly():
        groups = groups_of("study", group, flags.corpus)
        _check(flags, file)
        recipe, options = _asked(flags)
        from gpuemb.stability.folder import new_folder

        folder = out or new_folder("-".join(groups))
    resume = ["gpuemb", "study", *_again(flags, groups), "--out", shown(folder)]
    with failing_clearly(resume):
        import gpuemb

        progress = TerminalProgress()
        with noting(gpuemb.CorpusWarning, progress):
            found = gpuemb.corpus_drift(
                groups,
                recipe,
                **options,
                out=folder,
                extend=extend,
                device=device,
                threads=threads,
                progress=progress,
            )
        written = write_tables({"words": found.words, "changed": table_of(found.changed(KEPT))}, folder)
        written += f", {shown(gpuemb.write_report(found, folder / 'report.html'))}"
        _tell(found, written, json=json)


def _check(flags: StudyFlags, file: Path | None) -> None:
    """Refuse flags that say nothing of a drift.

    Raises:
        ConfigError: names the first.
    """
    given = [name for name in OF_OTHERS if getattr(flags, name)] + (["config"] if file is not None else [])
    if given or len(flags.model) > 1:
        named = f"--{given[0]}" if given else f"{len(flags.model)} models"
        raise ConfigError(
            f"study: {named} with --question drift",
            needed="A drift trains one model on parts of both corpora, each with documents of its own.",
            remedy=f"gpuemb study --question drift {FLAG} old=old.txt {FLAG} new=new.txt --model glove",
        )


def _asked(flags: StudyFlags) -> tuple[Any, dict[str, Any]]:
    """Return the recipe, and the arguments of ``corpus_drift`` that were typed."""
    from gpuemb.cli.study_flags import DIGITS, parse_neighbors, parse_seeds
    from gpuemb.core.checks import check_choice
    from gpuemb.stability.config import CountsConfig, TextConfig
    from gpuemb.training.recipes import RECIPES, SkipGram

    kind = flags.model[0] if flags.model else "glove"
    check_choice("study", "model", kind, tuple(RECIPES))
    numbers = {"dim": flags.dim, "window": flags.window}
    for name, typed in numbers.items():
        if typed is not None and not (typed.isdecimal() and len(typed) <= DIGITS):
            raise ConfigError(
                f"study: --{name} {typed[:DIGITS]} with --question drift",
                needed="One whole number is needed: a drift is of one model.",
                remedy=f"--{name} {100 if name == 'dim' else 10}",
            )
    whole = {name: int(typed) for name, typed in numbers.items() if typed is not None}
    if flags.epochs is not None:
        whole["epochs"] = flags.epochs
    known = {field.name for field in fields(RECIPES[kind])}
    recipe = RECIPES[kind](**{name: value for name, value in whole.items() if name in known})
    counting = {"window": None if isinstance(recipe, SkipGram) else whole.get("window")}
    counts = CountsConfig(**_given({**counting, "weighting": flags.weighting}))
    text_names = ("min_count", "max_words", "encoding_errors", "tokenizer", "documents", "field")
    text = TextConfig(**_given({name: getattr(flags, name) for name in text_names}))
    parts = None if flags.seeds is None else parse_seeds("study", flags.seeds)
    if isinstance(parts, list):
        raise ConfigError(
            f"study: --seeds {flags.seeds} with --question drift",
            needed="How many parts each corpus is cut into is one number.",
            remedy="--seeds 5",
        )
    neighbors = None if flags.neighbors is None else parse_neighbors(flags.neighbors)
    if isinstance(neighbors, list):
        raise ConfigError(
            f"study: --neighbors {flags.neighbors} with --question drift",
            needed="One whole number is needed: a drift is of one number of neighbors.",
            remedy="--neighbors 10",
        )
    options = {"k": neighbors, "measures": list(flags.measure) or None, "parts": parts}
    return recipe, {"text": text, "counts": counts, **_given(options)}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _again(flags: StudyFlags, groups: Mapping[str, list[str]]) -> list[str]:
    """Return the flags that were typed, for the command that resumes."""
    typed = ["--question", QUESTION]
    for name, files in groups.items():
        typed += [FLAG, name, *files]
    for field in fields(flags):
        value = getattr(flags, field.name)
        if field.name in ("corpus", "question", "group") or value in (None, ()):
            continue
        for one in value if isinstance(value, tuple) else (value,):
            typed += [f"--{field.name.replace('_', '-')}", str(one)]
    return typed


def _tell(found: CorpusDrift, written: str, *, json: bool) -> None:
    read = zip(found.groups, found.corpus_tokens, strict=True)
    if json:
        told = drift_for_programs(found, SHOWN)
        tokens = dict(read)
        more = {"tokens": tokens, "part_tokens": found.part_tokens, "left_out": found.left_out}
        say_json(told | more)
        return
    say()
    for name, count in read:
        say(f"{name}: {count:,} tokens, parts of {found.part_tokens:,}")
    if found.left_out:
        say(f"{found.left_out:,} words of both corpora are too rare in some part, and are not tested.")
    say()
    say_drift(found, SHOWN)
    say()
    say(f"Written: {written}")
