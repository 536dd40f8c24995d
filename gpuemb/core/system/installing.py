"""The command that installs an extra, from where this installation came: a clone, an address, or an index."""

from __future__ import annotations

import json
import shlex
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from urllib.parse import unquote, urlsplit

PACKAGE = "gpuemb"


def install(extra: str) -> str:
    """The command that adds an extra to this installation."""
    prefix, source, suffix = _source()
    return f"pip install {prefix}{shlex.quote(f'{source}[{extra}]{suffix}')}"


@cache
def _source() -> tuple[str, str, str]:
    """What stands before and after the extra: a folder, or the name and, of an address, where it is."""
    try:
        told = distribution(PACKAGE).read_text("direct_url.json")  # PEP 610
        found = json.loads(told or "{}")
        url, folder = str(found.get("url", "")), found.get("dir_info")
        if folder is not None:
            return ("-e " if folder.get("editable") else ""), unquote(urlsplit(url).path), ""
        version_control = found.get("vcs_info")
        if version_control is not None:
            url = f"{version_control['vcs']}+{url}"
    except (PackageNotFoundError, ValueError, KeyError, AttributeError, TypeError):
        url = ""
    return "", PACKAGE, f" @ {url}" if url else ""
