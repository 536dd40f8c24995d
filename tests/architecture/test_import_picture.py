"""The picture of the imports, drawn from the code."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def picture() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_imports", Path(__file__).with_name("draw_imports.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_arrow_leads_upward(picture: ModuleType) -> None:
    found = picture.arrows()
    assert found["cli", "stability"] > 0
    assert found["kernels", "core"] > 0
    assert picture.upward(found) == []


def test_every_room_is_in_the_picture(picture: ModuleType) -> None:
    assert {room for pair in picture.arrows() for room in pair} == set(picture.HEIGHT) == set(picture.SAYS)


def test_the_picture_can_be_drawn(picture: ModuleType, tmp_path: Path) -> None:
    picture.draw(str(tmp_path / "imports.svg"))
    drawn = (tmp_path / "imports.svg").read_text("utf-8")
    assert "<svg" in drawn
    assert picture.WRONG not in drawn


def test_a_room_that_imports_upward_is_red(
    picture: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture, "arrows", lambda: {("core", "cli"): 1})
    picture.draw(str(tmp_path / "imports.svg"))
    assert picture.WRONG in (tmp_path / "imports.svg").read_text("utf-8")
