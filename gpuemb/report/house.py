"""The templates of every page, and what they have in common."""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from gpuemb.report import numbers

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
GENERATOR = f"gpuemb {version('gpuemb')}"


def house() -> Environment:
    """Return the environment of every template."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(
        linked=_linked, whole=numbers.whole, plural=numbers.plural, duration=numbers.seconds, drawn=Markup
    )
    found.globals.update(generator=GENERATOR, table=None)
    return found


def _linked(text: str) -> str:
    """Quote a text for an address; half a surrogate pair becomes a question mark."""
    return quote(text, safe="", errors="replace")


def today() -> str:
    """Today's date, as an American reads it."""
    now = datetime.now().astimezone()
    return f"{now:%B} {now.day}, {now.year}"
