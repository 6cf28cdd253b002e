"""The shape of a small tree, counted by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = Path(__file__).resolve().parents[1] / "tools" / "measure.py"

ONE = '''"""What this module knows."""

from typing import Any

# because of
# two lines

LIMIT = 1  # A limit.


class Wide:
    """Hold many things."""

    a: int
    b: int

    def __init__(self, one: Any, *, two: int) -> None:
        self.c = self.d = self.e = self.f = self.g = self.h = self.i = self.j = self.k = self.l = self.m = one

    def take(self) -> None:
        try:
            pass
        except Exception:
            raise

    def _hide(self): ...
'''

TWO = '''"""Choose well."""


async def choose(a, b, c, d, e, f, /, *, g):
    """Choose one of many.

    Not more.
    """
    for x in a:
        with b:
            if x and c or d:
                pass
            elif e:
                while f:
                    return g

    def inside(self): ...
'''


@pytest.fixture
def figures(tmp_path: Path) -> dict[str, str]:
    """The column of a tree of two modules, by the title of the line."""
    tree = tmp_path / "tree"
    (tree / "room").mkdir(parents=True)
    (tree / "one.py").write_text(ONE)
    (tree / "room" / "__init__.py").write_text('"""Offer choose."""\n')
    (tree / "room" / "two.py").write_text(TWO)
    command = [sys.executable, str(MEASURE), "-v", f"sample={tree}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    table, _, worst = answer.partition("\n\n")
    titles = {line[:28].strip(): line[28:].strip() for line in table.splitlines()}
    return titles | {"worst": worst}


def test_the_figures_of_a_small_tree(figures: dict[str, str]) -> None:
    worst = figures.pop("worst")

    assert figures == {
        "": "sample",
        "files": "2",
        "code lines": "22",
        "module median/max": "21/26",
        "modules in a folder, max": "1",
        "function median/p90/max": "2/9/9",
        "> 40 lines (%)": "0 (0.0)",
        "nesting >= 4 % (max)": "20.0 (4)",
        "cyclomatic > 10 % (max)": "0.0 (7)",
        "parameters max": "7",
        "classes > 12 attributes": "1/1",
        "public without docstring %": "33",
        "comments per 100 lines": "9.1",
        "comments with a capital %": "50",
        "docstrings who/what/... %": "20",
        "docstrings a/the/all/... %": "0",
        "words of a first line": "3",
        "broad excepts": "1",
        "uses of Any, max": "1",
    }
    assert "      7 tree/room/two.py:4 choose\n" in worst
    assert "     13 tree/one.py:11 Wide\n" in worst
    assert "      1 tree/one.py:23 \n" in worst
