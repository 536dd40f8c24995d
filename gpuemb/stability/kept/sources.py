"""The corpus of a study as a resumed one finds it again; what can be read only once is kept."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from gpuemb.core.errors import ConfigError, FileFormatError
from gpuemb.core.files import replacing
from gpuemb.core.files.whole import is_pipe
from gpuemb.corpus.sources import DATASET, STANDARD_INPUT, copy, fingerprint
from gpuemb.stability.config import StudyConfig
from gpuemb.stability.given.config import TablesConfig

KEPT_INPUT = "standard-input.txt"
KEPT_RECORDS = "standard-input.jsonl"  # where a field is named
KEPT = re.compile(r"(standard-input|pipe-\d+)\.[^/]*")  # names of kept texts, and of their digests
DIGEST = ".blake2b"  # ending of the digest of a kept text


def settle_sources(config: StudyConfig, folder: Path) -> StudyConfig:
    """Make the corpus one that a resumed study finds again: absolute paths; standard input and pipes kept.

    Files of finished tables have absolute paths too.

    Raises:
        ConfigError: standard input or a pipe differs from what this folder's study has read.
        FileFormatError: a kept text was changed.
    """
    settled = []
    for number, source in enumerate(config.corpus):
        if source == STANDARD_INPUT:
            source = _kept(source, folder / (KEPT_RECORDS if config.text.field else KEPT_INPUT), folder)
        elif is_pipe(source):
            ending = "".join(Path(source).suffixes) or ".txt"
            source = _kept(source, folder / f"pipe-{number}{ending}", folder)
        elif not source.startswith(DATASET):
            source = absolute(source)
            _check_unchanged(Path(source), folder)
        settled.append(source)
    models = tuple(one.settled() if isinstance(one, TablesConfig) else one for one in config.models)
    groups = tuple((name, tuple(map(absolute, files))) for name, files in config.groups)
    return replace(config, corpus=tuple(settled), models=models, groups=groups)


def absolute(source: str, base: Path | None = None) -> str:
    """Return a source as it is found from everywhere: paths absolute, links followed except to pipes.

    Raises:
        ConfigError: it holds a zero byte, so it is no path.
    """
    if "\0" in source:
        raise ConfigError(
            f"study: the path {source!r} holds a zero byte",
            needed="A path is text without zero bytes.",
            remedy="Check how the path is written.",
        )
    if source == STANDARD_INPUT or source.startswith(DATASET):
        return source
    path = os.path.join(base or "", source)
    return os.path.abspath(path) if is_pipe(path) else os.path.realpath(path)


def state_of(source: str) -> tuple[int, int] | None:
    """Size and time of the last write of a file; None for a data set or a file that is gone."""
    if not os.path.exists(source):
        return None
    status = os.stat(source)
    return status.st_size, status.st_mtime_ns


def _kept(source: str, path: Path, folder: Path) -> str:
    path = Path(os.path.realpath(path))
    if not path.exists():
        with replacing(path) as file:
            digest = copy(source, file)
            with replacing(_digest_of(path), "w") as note:
                note.write(digest)
        return str(path)
    _check_unchanged(path, folder)
    if fingerprint(str(path)) != fingerprint(source):
        name = "standard input" if source == STANDARD_INPUT else source
        raise ConfigError(
            f"study: {name} differs from {path}",
            needed=f"The study in {folder} was begun on another text.",
            remedy=f"Use another --out, or go on with --config {folder / 'study.toml'}.",
        )
    return str(path)


def _check_unchanged(path: Path, folder: Path) -> None:
    """Compare a kept text with its digest; a text that is not this study's has none."""
    note = _digest_of(path)
    if path.parent != Path(os.path.realpath(folder)) or not KEPT.fullmatch(path.name) or not note.exists():
        return
    if note.read_bytes() != fingerprint(str(path)).encode():
        raise FileFormatError(
            f"study: {path} or {note.name} was changed or damaged",
            needed="The study goes on only with the text that it has read.",
            remedy=f"Use another --out; or remove {note} to go on with the text as it is now.",
        )


def _digest_of(path: Path) -> Path:
    return path.with_name(path.name + DIGEST)
