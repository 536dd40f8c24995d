"""The command ``gpuemb report``: the page of a finished study, made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gpuemb.cli import options
from gpuemb.cli.printing import say, say_json, shown
from gpuemb.cli.terminal import TerminalProgress, failing_clearly
from gpuemb.core.errors import ConfigError

FolderArgument = Annotated[
    Path, typer.Argument(help="A study's folder.", metavar="FOLDER", show_default=False)
]
PageOption = Annotated[
    Path | None,
    typer.Option("-o", "--out", help="The page.", show_default="report.html in the folder"),
]


FiguresOption = Annotated[
    Path | None,
    typer.Option(
        help="A folder for every figure as .svg and .pdf, for a paper, with captions.md.", show_default=False
    ),
]


def report(
    folder: FolderArgument,
    out: PageOption = None,
    figures: FiguresOption = None,
    device: options.DeviceOption = "auto",
    threads: options.Threads = None,
    json: options.JsonResult = False,
) -> None:
    """Make the page of a finished study anew, such as after an update or with another name.

    Examples:
    `gpuemb report runs/mine`

    `gpuemb report runs/mine -o for-a-colleague.html`

    `gpuemb report runs/mine --figures paper/figures`

    What the study has kept is read and nothing is trained; a study that is not finished says how to go on.
    """
    with failing_clearly():
        from gpuemb.stability.folder import CONFIG_FILE

        if not (folder / CONFIG_FILE).is_file():
            raise ConfigError(
                f"report: {folder} holds no study",
                needed=f"A study's folder has {CONFIG_FILE}.",
                remedy="Name a folder that `gpuemb study --out` has filled.",
            )
        resume = f"gpuemb study --config {shown(folder / CONFIG_FILE)} --out {shown(folder)}"
        if not (folder / "summary.json").is_file():
            raise ConfigError(
                f"report: the study in {folder} is not finished",
                needed="The page shows finished results.",
                remedy=f"{resume} goes on with it.",
            )
        import gpuemb

        result = gpuemb.study(
            folder / CONFIG_FILE, out=folder, device=device, threads=threads, progress=TerminalProgress()
        )
        page = gpuemb.write_report(result, out)
        written = [] if figures is None else gpuemb.plot.save(result, figures)
        if json:
            say_json({"report": str(page), "figures": [str(file) for file in written]})
            return
        say(f"Report: {shown(page)}")
        if figures is not None:
            say(f"Figures: {len(written) - 1} files in {shown(figures)}")
