"""Which finished tables join a study, and how their words are matched with those of its text."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

from gpuemb.core.checks import check_choice
from gpuemb.core.doors import enter, enter_fields
from gpuemb.core.errors import ConfigError, StorageError
from gpuemb.core.results import shown
from gpuemb.embeddings.stack import CASES, Case
from gpuemb.kernels.neighbor_overlap import LARGEST_RUNS

OF_TRAINING = ("vary", "seeds", "dim", "epochs", "window")  # keys of models that a study trains


@dataclass(frozen=True)
class TablesConfig:
    """Finished tables of one model, trained elsewhere: the runs that a study compares beside its own.

    Only words that the text and all tables have are measured; how many is said.

    Attributes:
        files: two to 100 of them, one a run: what :func:`gpuemb.load` opens, or patterns such as
            ``"runs/*.npy"``.
        name: what tables and figures call them.
        case: how words of the text and of the tables are matched, as for :func:`gpuemb.stack`.

    Raises:
        ConfigError: fewer than two files, or the same one twice.

    Example:
        >>> ge.save(ge.Embedding(x, words), "one.npy")
        >>> ge.save(ge.Embedding(y, words), "two.npy")
        >>> ge.TablesConfig(("one.npy", "two.npy"), name="mine").runs
        ('one', 'two')
    """

    kind: ClassVar[str] = "tables"
    vary: ClassVar[str] = "files"

    files: tuple[str, ...]
    name: str = "tables"
    case: Case = "exact"

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", paths_of("TablesConfig", "files", self.files))
        enter_fields(self)
        check_name(self.name)
        check_choice("tables", "case", self.case, CASES)
        if len(set(self.files)) != len(self.files):
            twice = next(file for file in self.files if self.files.count(file) > 1)
            raise ConfigError(
                f"tables {self.name}: {twice} is listed twice",
                needed="Each file is one run, and a table always agrees with itself.",
                remedy="List each file once.",
            )
        if not any(map(is_pattern, self.files)):
            self._check_count()

    def _check_count(self) -> None:
        if not 2 <= len(self.files) <= LARGEST_RUNS:
            raise ConfigError(
                f"tables {self.name}: {len(self.files)} file{'s' * (len(self.files) != 1)}",
                needed=f"Stability compares runs: from 2 to {LARGEST_RUNS} tables of one model are needed.",
                remedy="gpuemb compare compares tables of different models, or one with another.",
            )

    @property
    def runs(self) -> tuple[str, ...]:
        """Name of each table: of its file; with its folder, or a number, where that is needed."""
        paths = [Path(file) for file in self.files]
        for names in ([path.stem for path in paths], [f"{path.parent.name}/{path.stem}" for path in paths]):
            if len(set(names)) == len(names):
                return tuple(names)
        return tuple(f"{path.stem} {place}" for place, path in enumerate(paths))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Number of each file: what seeds its training had is not known."""
        return tuple(range(len(self.files)))

    @property
    def compared(self) -> tuple[tuple[int, ...], ...]:
        """Runs that are compared with each other: all."""
        return (tuple(range(len(self.files))),)

    def settled(self, base: Path | None = None) -> TablesConfig:
        """Replace patterns by their files, and paths by absolute ones: a resumed study finds them again.

        Links are kept: the words of a table are searched beside the link.

        Args:
            base: folder of relative paths; default the current one.

        Raises:
            StorageError: no file matches a pattern.
            ConfigError: fewer than two files do in all.
        """
        found: list[str] = []
        for file in self.files:
            path = os.path.abspath(os.path.join(base or "", file))
            matches = sorted(glob.glob(path, recursive=True)) if is_pattern(path) else [path]
            if not matches:
                raise StorageError(
                    f"tables {self.name}: the pattern {file} matches no file",
                    needed="* is any part of a name, ** any folders.",
                    remedy="Name what holds the tables.",
                )
            found += matches
        settled = replace(self, files=tuple(dict.fromkeys(found)))
        settled._check_count()
        return settled


def is_pattern(file: str) -> bool:
    """Whether a path stands for those that it matches: it has wildcards, and no file has that name."""
    return glob.has_magic(file) and not os.path.lexists(file)


def tables_from(entry: Mapping[str, Any], base: Path) -> TablesConfig:
    """Build from a mapping, as TOML gives it.

    Raises:
        ConfigError: no files, or a key of models that are trained.
    """
    for key in OF_TRAINING:
        if key in entry:
            raise ConfigError(
                f"models.tables: {key} = {shown(entry[key])}",
                needed="Finished tables are not trained: nothing in them varies but the files, their runs.",
                remedy=f"Leave {key} out, or train a model of kind glove, skip-gram or ppmi-svd.",
            )
    if "files" not in entry:
        raise ConfigError(
            "models.tables: files is missing",
            needed="Finished tables are read from their files.",
            remedy='files = ["run0.npy", "run1.npy"]',
        )
    known = {field.name for field in fields(TablesConfig)}
    return TablesConfig(**{key: value for key, value in entry.items() if key in known}).settled(base)


def paths_of(owner: str, name: str, given: object) -> tuple[str, ...]:
    """Return one path or several as strings."""
    entered: Any = enter(owner, name, given, str | Path | Sequence[Path])
    several = [entered] if isinstance(entered, (str, PathLike)) else entered
    return tuple(os.fspath(enter(owner, name, path, str | Path)) for path in several)


def groups_of(given: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return two groups of texts by their names; none where nothing is given.

    Raises:
        ConfigError: not two, or one without a name or without files.
    """
    pairs = given.items() if isinstance(given, Mapping) else given
    try:
        found = tuple((str(name), paths_of("groups", str(name), files)) for name, files in pairs)
    except (TypeError, ValueError):
        found = ()
    if not given:
        return ()
    if len({name for name, _ in found}) != 2 or len(found) != 2 or not all(n and files for n, files in found):
        raise ConfigError(
            f"study: groups = {shown(given)}",
            needed="Two groups of texts are compared: two names, each with its files.",
            remedy='[groups]\n  old = ["old/*.txt"]\n  new = ["new/*.txt"]',
        )
    return found


def check_name(name: str) -> None:
    """Check what tables and figures call a model.

    Raises:
        ConfigError: it cannot name a folder.
    """
    if not name.replace("-", "").replace("_", "").isalnum():
        raise ConfigError(
            f"model: name = {name!r}",
            needed="A name is letters, digits, '-' and '_': it names a folder.",
            remedy="For example name = 'glove-100'.",
        )
