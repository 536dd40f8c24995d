"""Trained tables under names that people read."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path

from gpuemb.core import threads
from gpuemb.core.files import replacing, writing
from gpuemb.core.files.checked import is_copy
from gpuemb.stability.config import ModelConfig
from gpuemb.stability.result import StudyResult

EMBEDDINGS = "embeddings"  # folder in that of a study
RUN = re.compile(r"(seed|bootstrap|half)-\d+[ab]?\.npy")  # what a study calls a run's table


def export(result: StudyResult) -> None:
    """Copy each run's table, and list the words of their rows.

    Tables of other words or other runs go first: at no time does an old table stand beside new words. What
    stands in the folder is a copy, so that whoever changes it changes nothing that a study reads.
    """
    folder = result.folder / EMBEDDINGS
    tables = {
        folder / model.config.name / f"{name.replace(' ', '-')}.npy": Path(table.filename)
        for model in result.models
        if isinstance(model.config, ModelConfig)  # finished tables stand where they are read
        for name, table in zip(model.runs, model.stack.tables(), strict=True)
    }

    def is_there(path: Path) -> bool:
        return path.is_file() and not path.samefile(tables[path]) and is_copy(path, tables[path])

    with writing(folder):
        kept = {path for path, there in zip(tables, threads.run(is_there, tables), strict=True) if there}
        for path in sorted({*folder.glob("*/*.npy")} - kept):
            if RUN.fullmatch(path.name):
                path.unlink()
                with suppress(OSError):  # it holds other files
                    path.parent.rmdir()
    with replacing(folder / "words.txt", "w") as file:
        file.write("\n".join(result.vocabulary.words) + "\n")
    for path, source in tables.items():
        if path not in kept:
            with replacing(path) as file, source.open("rb") as table:
                shutil.copyfileobj(table, file)
