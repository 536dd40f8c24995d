"""Groups of files on a command line: ``--group NAME FILE...``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import typer

from gpuemb.cli.flags import Command
from gpuemb.core.errors import ConfigError

FLAG = "--group"


class GroupCommand(Command):
    """A command with ``--group NAME FILE...``, as shells spread ``--group wiki w*.npy``."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # always its own
        """Parse what was typed; a group's files end at the next option.

        Raises:
            typer.BadParameter: a group without a name or without files.
        """
        return super().parse_args(ctx, one_file_each(args, ctx))


def one_file_each(args: Sequence[str], ctx: typer.Context | None = None) -> list[str]:
    """Return arguments in which every group's file has a ``--group NAME=FILE`` of its own.

    Raises:
        typer.BadParameter: a group without a name or without files.
    """
    spread: list[str] = []
    rest = list(args)
    while rest:
        one = rest.pop(0)
        if one == "--":
            return [*spread, one, *rest]
        if one != FLAG and not one.startswith(f"{FLAG}="):
            spread.append(one)
            continue
        given = one.removeprefix(f"{FLAG}=") if one != FLAG else _name(rest)
        name, sign, first = given.partition("=")
        files = [first] if sign else []
        while rest and not rest[0].startswith("-"):
            files.append(rest.pop(0))
        if not name or not all(files) or not files:
            raise typer.BadParameter(
                f"{FLAG} {given}: a group is a name and its files: {FLAG} old o*.npy {FLAG} new n*.npy.",
                ctx,
            )
        spread += [part for file in files for part in (FLAG, f"{name}={file}")]
    return spread


def _name(rest: list[str]) -> str:
    return rest.pop(0) if rest and not rest[0].startswith("-") else ""


def groups_of(where: str, typed: Sequence[str], others: Sequence[str]) -> Mapping[str, list[str]]:
    """Return the files of each group, by its name.

    Args:
        where: the command.
        typed: ``NAME=FILE`` each.
        others: what was typed beside the groups.

    Raises:
        ConfigError: not two groups, or something beside them.
    """
    groups: dict[str, list[str]] = {}
    for one in typed:
        name, _, file = one.partition("=")
        groups.setdefault(name, []).append(file)
    if others:
        given, needed = f"{' '.join(others[:3])} beside groups", "With groups, every file belongs to one."
    elif len(groups) != 2:
        given, needed = (
            f"{len(groups)} group: {', '.join(groups)}",
            "Two groups are compared with each other.",
        )
        given = given.replace("group:", "groups:") if len(groups) > 1 else given
    else:
        return groups
    raise ConfigError(f"{where}: {given}", needed=needed, remedy=f"{FLAG} old o*.npy {FLAG} new n*.npy")
