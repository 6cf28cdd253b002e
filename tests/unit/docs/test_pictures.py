"""The pictures of the pages are what our own code draws."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
PICTURES = ROOT / "docs" / "pictures"
DRAWN_BY = "3.11."


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of the tool that draws; skips without its library, or with a version that draws other bytes."""
    library = pytest.importorskip("matplotlib")
    if not library.__version__.startswith(DRAWN_BY):
        pytest.skip(f"the pictures are drawn by matplotlib {DRAWN_BY}x")
    # The tool puts the checkout on the path.
    monkeypatch.setattr(sys, "path", [*sys.path])
    return runpy.run_path(str(ROOT / "tools" / "draw_economics.py"))


def test_a_picture_drawn_anew_is_the_same(tool: dict[str, Any], tmp_path: Path) -> None:
    tool["draw_all"](tmp_path, ("swings",))

    assert (tmp_path / "swings.svg").read_bytes() == (PICTURES / "swings.svg").read_bytes()


def test_every_picture_is_drawn_by_the_tool(tool: dict[str, Any]) -> None:
    assert sorted(path.stem for path in PICTURES.glob("*.svg")) == sorted(tool["PICTURES"])


@pytest.mark.parametrize("picture", sorted(PICTURES.glob("*.svg")), ids=lambda path: path.stem)
def test_a_picture_has_no_date_and_is_shown(picture: Path) -> None:
    text = picture.read_text()

    assert "dc:date" not in text
    assert "<text" in text
    assert f"](pictures/{picture.name})" in (ROOT / "docs" / "economics.md").read_text()
