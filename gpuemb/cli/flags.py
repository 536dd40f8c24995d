"""Flags: each given once, and errors that call an argument by its flag."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from contextvars import ContextVar

import typer
from typer.core import TyperCommand

FILE = "config"  # the option of a file whose keys are the names of arguments
OTHERWISE = {  # what functions call an option's argument, where that is another word
    "format": "source_format",
    "save: format": "target_format",
    "translate: k": "csls_k",
    "held_out": "hold_out",
    "k": "neighbors",
    "kind": "model",
    "measures": "measure",
    "vocabulary": "rows",
}
END = r"(?=[.:]?(?:[\s,;()]|$))"  # of a value, before the sentence's own signs
VALUE = rf"""'[^'\n]*'|"[^"\n]*"|\[[^]\n]*\]|[^\s,;()'"{{][^\s,;()]*?{END}"""
QUOTED = r"(?<![\w=])(?<!= )'[^'\n]*'"  # a text of the user's, not a value
VERBS = "[Gg]ive|[Ll]eave|[Ll]ower|[Oo]mit|[Rr]aise|[Ss]et"

_flags: ContextVar[Mapping[str, str]] = ContextVar("gpuemb_flags")


class Command(TyperCommand):
    """A command that refuses a flag given twice, and whose errors speak of flags."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # always its own
        """Parse what was typed.

        Raises:
            typer.BadParameter: a flag that does not repeat was given twice.
        """
        _, _, typed = self.make_parser(ctx).parse_args(args=list(args))
        for one in typed:
            if typed.count(one) > 1 and not getattr(one, "multiple", False):
                raise typer.BadParameter("it was given twice.", ctx, one)  # type: ignore[arg-type]
        flags = {one.name: one.opts[0] for one in self.params if one.opts[0].startswith("-")}
        flags |= {
            other: flags[name] for other, name in OTHERWISE.items() if name in flags and other not in flags
        }
        names = [one.name for one in typed]
        if FILE in names:
            flags = {name: flag for name, flag in flags.items() if OTHERWISE.get(name, name) in names}
        _flags.set(flags)
        return super().parse_args(ctx, args)


def in_flags(text: str) -> str:
    """Return an error's text with the flags of the running command.

    ``dim=10`` becomes ``--dim 10``, ``header=True`` ``--header`` and ``header=False`` ``--no-header``.

    A name is an argument before a value (``dim = 0``), as the subject of a sentence (``dim must be``), or
    after a verb of asking (``lower min_count``). Where a file configures the command, only flags that
    were typed are meant.
    """
    flags = _flags.get({})
    words = sorted((name for name in flags if ": " not in name), key=len, reverse=True)
    names = f"(?P<name>{'|'.join(words) or '(?!)'})"
    where = text.partition(":")[0]

    def flag(found: re.Match[str]) -> str:
        name, parts = found["name"], found.groupdict()
        if name is None:
            return found[0]
        said = flags.get(f"{where}: {name}", flags[name])
        value = parts.get("value", "")
        if value == "False":
            return parts.get("before", "") + said.replace("--", "--no-", 1)
        return parts.get("before", "") + said + _typed(value)

    text = re.sub(rf"{QUOTED}|(?<![\w.'\"\[-]){names} ?= ?(?P<value>{VALUE})", flag, text)
    text = re.sub(rf"(?P<before>(?:^|[:.;] ) *){names}(?= is\b| must\b|: ')", flag, text, flags=re.MULTILINE)
    return re.sub(rf"(?P<before>\b(?:{VERBS}) ){names}(?![\w'])", flag, text)


def _typed(value: str) -> str:
    """A value of Python as it is typed after a flag; ``True`` is the flag alone."""
    if value in ("", "True"):
        return ""
    if value[0] in "'\"":
        value = shlex.quote(value[1:-1])
    return " " + (value[1:-1].replace(", ", ",") if value[0] == "[" else value)
