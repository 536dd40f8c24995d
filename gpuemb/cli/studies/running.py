"""Run a study, or plan one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gpuemb.cli.printing import say, say_json
from gpuemb.cli.studies.again import WORK_FOLDER, resume_of, tell, typed
from gpuemb.cli.terminal import TerminalProgress, failing_clearly, noting
from gpuemb.core.errors import GpuembError, StorageError
from gpuemb.core.files.whole import is_pipe
from gpuemb.corpus.sources import STANDARD_INPUT
from gpuemb.stability.kept.told import Inputs, Told, note_told, request_of

if TYPE_CHECKING:
    from gpuemb.stability.config import StudyConfig
    from gpuemb.stability.result import StudyResult


def say_plan(config: StudyConfig, threads: int | None, *, json: bool) -> None:
    """Print bytes of memory and disk before anything is trained."""
    with failing_clearly():
        import gpuemb
        from gpuemb.core import threads as workers

        progress = TerminalProgress()
        with workers.limit(threads), noting(gpuemb.CorpusWarning, progress):
            found = gpuemb.plan(config, progress=progress)
        if json:
            say_json(found.as_mapping(), indent=2)
        else:
            say(str(found))


def run_study(
    config: StudyConfig,
    out: Path | None,
    *,
    extend: bool,
    device: str,
    threads: int | None,
    json: bool,
    workers: int | None = None,
    scheduler: str | None = None,
) -> None:
    """Run a study, print what it says, and keep that for the same command."""
    from gpuemb.stability.folder import default_folder

    folder = out or default_folder(config)
    with failing_clearly(resume_of(folder)):
        import gpuemb
        from gpuemb.report.page import up_to_date

        inputs, progress = _inputs(config), TerminalProgress()
        with noting((gpuemb.CorpusWarning, gpuemb.SpellingWarning), progress):
            result = gpuemb.study(
                config,
                out=folder,
                device=device,
                threads=threads,
                workers=workers,
                scheduler=scheduler,
                extend=extend,
                progress=progress,
            )
        if not up_to_date(result):
            gpuemb.write_report(result)
        told = _told(result, progress, json=json)
        if inputs is not None and not result.record.get("done_again"):
            with suppress(StorageError, OSError):  # such as on a full disk: then it is looked up again
                note_told(folder, WORK_FOLDER, request_of(typed()), told, inputs)
        tell(told, folder)


def _inputs(config: StudyConfig) -> Inputs | None:
    """Files of the study as they are before it; None where it reads more, or what can be read only once."""
    from gpuemb.corpus.token_patterns import is_file

    tokenizer, once = config.text.tokenizer, any(x == STANDARD_INPUT or is_pipe(x) for x in config.corpus)
    if once or len(config.trained) < len(config.models):  # beside finished tables are further files
        return None
    try:
        texts = [*config.corpus, *(file for _, files in config.groups for file in files)]
        return Inputs.found(texts, [tokenizer] if is_file(tokenizer) else [])
    except (OSError, GpuembError):  # said by the study
        return None


def _told(result: StudyResult, progress: TerminalProgress, *, json: bool) -> Told:
    from gpuemb.report.claims import telling_numbers

    claims = tuple((claim.headline, claim.sentence) for claim in telling_numbers(result))
    answers = [line for answer in result.answers for line in (str(answer), "")]
    cautions = [
        " ".join(filter(None, [f"{model.config.name}:", model.caution, model.optimistic]))
        for model in result.models
    ]
    return Told(claims, (*answers, *cautions), tuple(progress.notes), json)
