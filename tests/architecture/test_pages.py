"""The pages say what is so: their code runs, their commands exist, they build, and their links resolve."""

from __future__ import annotations

import contextlib
import html.parser
import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import typer.main

import gpuemb
from gpuemb.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = ROOT / ".docs" / "pages"
WITH_CODE = sorted([PAGES / "index.md", *PAGES.glob("how-to/*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and content of each block of code of a page."""
    return BLOCK.findall(page.read_text("utf-8"))


def named(pages: list[Path]) -> list[Any]:
    return [pytest.param(page, id=page.stem) for page in pages]


@pytest.mark.parametrize(
    "page", named([page for page in WITH_CODE if "```python" in page.read_text("utf-8")])
)
def test_the_python_of_a_page_runs_and_prints_what_is_shown(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {"__name__": "page"}
    printed = io.StringIO()
    for language, content in blocks(page):
        if language == "text":
            assert printed.getvalue() == content
        if language == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(content, str(page), "exec"), space)


def commands(page: Path) -> list[list[str]]:
    """Every call of the command on a page."""
    lines = [line for language, content in blocks(page) if language == "sh" for line in content.splitlines()]
    calls = [shlex.split(call, comments=True) for line in lines for call in re.split(r"&&|\|", line)]
    return [call for call in calls if call and Path(call[0]).name == "gpuemb"]


@pytest.mark.parametrize("page", named([page for page in (ROOT / "README.md", *WITH_CODE) if commands(page)]))
def test_the_commands_of_a_page_exist_with_their_flags(page: Path) -> None:
    known: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for _, name, *rest in commands(page):
        flags = {flag for parameter in known[name].params for flag in parameter.opts}
        assert {word for word in rest if word.startswith("-") and word != "-"} <= flags, (name, rest)


class Anchors(html.parser.HTMLParser):
    """The anchors of a built page, and what it refers to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        self.ids |= {found[key] for key in ("id", "name") if key in found}
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        elif tag in {"link", "script", "img", "iframe"}:
            self.loaded |= {found[key] for key in ("href", "src") if key in found}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Anchors]:
    """The pages as README's line builds them, where a warning is an error."""
    missing = [
        name for name in ("mkdocs", "mkdocstrings", "latex2mathml") if not importlib.util.find_spec(name)
    ]
    if missing:
        pytest.skip(f"needs gpuemb[docs]: {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", ".docs/mkdocs.yml", "-d", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return {page: Anchors(page) for page in folder.rglob("*.html") if page.name != "404.html"}


@pytest.mark.slow
def test_every_public_name_has_its_entry(site: dict[Path, Anchors]) -> None:
    anchors = {
        anchor for page, found in site.items() if page.parent.name == "reference" for anchor in found.ids
    }
    names = {f"gpuemb.{gpuemb._MODULES.get(name, name)}" for name in gpuemb.__all__}
    assert names - anchors == set()


@pytest.mark.slow
def test_every_section_of_the_definitions_that_a_docstring_cites_is_there(site: dict[Path, Anchors]) -> None:
    cited = {
        section
        for folder in (ROOT / "gpuemb", ROOT / "kernels")
        for path in folder.rglob("*.py")
        for group in re.findall(r"Definitions ((?:§\d(?:-\d)?(?:, )?)+)", path.read_text("utf-8"))
        for section in re.findall(r"\d", group)
    }
    (definitions,) = (found for page, found in site.items() if page.name == "definitions.html")
    assert cited
    assert {f"section-{section}" for section in {*cited, *"123456"}} <= definitions.ids


@pytest.mark.slow
def test_every_link_between_pages_resolves(site: dict[Path, Anchors]) -> None:
    broken = []
    for page, found in site.items():
        for link in found.links | found.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            anchor = unquote(parts.fragment)
            known = not anchor or target not in site or anchor in site[target].ids
            if not target.exists() or not known:
                broken.append(f"{page.name}: {link}")
    assert broken == []


@pytest.mark.slow
def test_no_markup_of_docstrings_is_left(site: dict[Path, Anchors]) -> None:
    left = re.compile(r"={5}|:(?:func|class|meth|mod|attr):|&gt;&gt;&gt;\s*</p>")
    assert [page.name for page in site if left.search(page.read_text("utf-8"))] == []


@pytest.mark.slow
def test_no_page_asks_a_network(site: dict[Path, Anchors]) -> None:
    assert [link for found in site.values() for link in found.loaded if urlsplit(link).scheme] == []


@pytest.mark.slow
def test_every_formula_is_drawn_without_a_script(site: dict[Path, Anchors]) -> None:
    (page,) = (page for page in site if page.name == "definitions.html")
    text = page.read_text("utf-8")
    assert text.count("<math") > 200
    assert "arithmatex" not in text
    assert re.findall(r"\\[a-zA-Z]+", re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)) == []


def test_the_files_that_contributors_are_led_to_exist() -> None:
    page = ROOT / ".github" / "CONTRIBUTING.md"
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_hooks_come_from_the_environment_alone() -> None:
    written = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    assert re.findall(r"repo: (\S+)", written) == ["local"]
    for tool in ("ruff check", "ruff format", "mypy", "lint-imports"):
        assert f"entry: {tool}" in written
        assert tool in (ROOT / ".ci" / "check").read_text("utf-8")
