"""What the pages take from the code: the reference, the command line, formulas as MathML."""

from __future__ import annotations

import html
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import typer.main
from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

import gpuemb
from gpuemb.cli.app import app

ROOT = Path(__file__).parents[1]
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
CITED = re.compile(r"Definitions §(\d)")
ROLE = re.compile(r":(?:func|class|meth|mod):<code>~?([\w.]+)</code>")
# What latex2mathml writes, and what browsers draw well: bars and slashes that neither stretch nor stand
# apart, room around named functions, bold and blackboard letters as characters of their own.
TIGHT = re.compile(r'<mo(?: stretchy="false")?>(&#x02016;|&#x0007C;|&#x0002F;)</mo>')
UPRIGHT = re.compile(r"<mo>([A-Za-z]{2,})</mo>")
BEFORE = re.compile(r"(?<=[^(])(?=<mi>(?:log|exp|arccos|cos|det|tr|diag|max|min)</mi>)")
AFTER = re.compile(r"(<mi>(?:log|exp|tr)</mi>)(?!<mo)")
ROOM = '<mspace width="0.17em"/>'
SIGNS = {'<mn mathvariant="bold">1<': "<mn>𝟏<", '<mi mathvariant="double-struck">E<': "<mi>𝔼<"}
RULE = re.compile(r"^=+(?: +=+)+$")


def names_by_room() -> dict[str, list[str]]:
    """The public names of every room, in the order of the front door."""
    rooms: dict[str, list[str]] = {}
    for name, place in (gpuemb._ROOM_OF | gpuemb._MODULES).items():
        rooms.setdefault(place.partition(".")[0], []).append(name)
    return rooms


def summary(name: str) -> str:
    """First sentence of a public name's docstring."""
    return (inspect.getdoc(getattr(gpuemb, name)) or "").splitlines()[0]


def room_page(room: str, names: list[str]) -> str:
    """One page of the reference: every public name of a room, whole."""
    package = tables(inspect.getdoc(importlib.import_module(f"gpuemb.{room}")) or "")
    entries = "\n\n".join(f"::: gpuemb.{gpuemb._MODULES.get(name, name)}" for name in names)
    return f"# {room}\n\n{package}\n\n{entries}\n"


def tables(text: str) -> str:
    """A docstring with its ruled tables as Markdown's."""
    lines: list[str] = []
    table: list[str] = []
    for line in text.splitlines():
        if not RULE.match(line) and not table:
            lines.append(line)
            continue
        table.append(line)
        if sum(map(bool, map(RULE.match, table))) == 3:  # above the heading, below it, at the end
            lines += rows_of(table)
            table = []
    return "\n".join(lines)


def rows_of(table: list[str]) -> list[str]:
    """A ruled table as Markdown's.

    Where it has empty lines, each ends a row; else every line with a first cell begins one.
    """
    edges = [found.start() for found in re.finditer("=+", table[0])]
    apart, rows, begins = "" in table, [], True
    for line in table:
        cells = [line[start:end].strip() for start, end in zip(edges, [*edges[1:], None], strict=True)]
        if RULE.match(line) or not line:
            begins = True
        elif begins or (cells[0] and not apart):
            rows.append(cells)
            begins = False
        else:
            rows[-1] = [f"{old} {new}".strip() for old, new in zip(rows[-1], cells, strict=True)]
    written = ["| " + " | ".join(row) + " |" for row in rows]
    return [written[0], "|---" * len(edges) + "|", *written[1:]]


def index_rows() -> str:
    """A table of every public name."""
    rows = ["| name | what it is |", "|---|---|"]
    for room, names in names_by_room().items():
        rows.append(f"| **[{room}]({room}.md)** | |")
        target = {name: f"gpuemb.{gpuemb._MODULES.get(name, name)}" for name in names}
        rows += [f"| [`{name}`][{target[name]}] | {summary(name)} |" for name in sorted(names, key=str.lower)]
    return "\n".join(rows)


def commands_page() -> str:
    """Every command with its arguments and options, from the program itself."""
    parts = ["# Command line\n\n`gpuemb COMMAND --help` prints the same in a terminal."]
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        rows = "\n".join(option_row(parameter) for parameter in command.params)
        parts.append(f"## gpuemb {name}\n\n{command.help}\n\n| | | default |\n|---|---|---|\n{rows}")
    return "\n\n".join(parts)


def option_row(parameter: Any) -> str:
    """One argument or option of a command as a row of a table."""
    is_option = parameter.param_type_name == "option"
    shown = ", ".join(parameter.opts) if is_option else parameter.metavar or parameter.name
    default = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    said = f"`{default}`" if isinstance(default, (str, int)) and default is not False else ""
    return f"| `{shown}` | {(parameter.help or '').replace('|', ' or ')} | {said} |"


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are written from the code, and the picture of the imports."""
    generated = {f"reference/{room}.md": room_page(room, names) for room, names in names_by_room().items()}
    generated["reference/command-line.md"] = commands_page()
    for path, content in generated.items():
        files.append(File.generated(config, path, content=content))
    picture = ROOT / ".images" / "imports.svg"
    files.append(File.generated(config, "assets/imports.svg", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put the table of names where the reference's first page asks for it."""
    return markdown.replace("<!-- every public name -->", index_rows())


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Typeset formulas, and lead every "Definitions §4" to that section."""
    up = "../" * page.file.src_uri.count("/")
    content = CITED.sub(rf'<a href="{up}definitions.html#section-\1">Definitions §\1</a>', content)
    content = ROLE.sub(lambda role: linked(role[1], up), content)
    return FORMULA.sub(mathml, content)


def linked(name: str, up: str) -> str:
    """A name of a docstring, which leads to its entry where it is public."""
    public = name.split(".")[-1]
    if public not in gpuemb._ROOM_OF:
        return f"<code>{name}</code>"
    room = gpuemb._ROOM_OF[public].partition(".")[0]
    return f'<a href="{up}reference/{room}.html#gpuemb.{public}"><code>{public}</code></a>'


def mathml(found: re.Match[str]) -> str:
    """One formula of a page, which browsers draw without a script."""
    drawn = convert(html.unescape(found[3]), display="inline" if found[2] == "(" else "block")
    drawn = TIGHT.sub(r'<mo stretchy="false" lspace="0" rspace="0">\1</mo>', drawn)
    drawn = AFTER.sub(rf"\1{ROOM}", BEFORE.sub(ROOM, UPRIGHT.sub(r"<mi>\1</mi>", drawn)))
    for written, sign in SIGNS.items():
        drawn = drawn.replace(written, sign)
    return drawn
