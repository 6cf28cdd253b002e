"""The page on architecture shows the folders in their order, and names files and functions that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
MOST_STATIONS = 12
NAMED = r"`(mm_trio/[\w/]+\.py)` · `([\w.]+)`"


def read_order() -> list[str]:
    """Read the one order of folders from the test that checks imports; the lowest comes first."""
    for node in ast.parse((ROOT / "tests" / "test_layers.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ORDER":
            return list(ast.literal_eval(node.value))
    raise AssertionError("tests/test_layers.py has no ORDER")


@cache
def find_definitions(file: str) -> frozenset[str]:
    """Find the names that a module defines: functions, classes, and `Class.method`."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found: set[str] = set()
    for node in ast.parse((ROOT / file).read_text()).body:
        if isinstance(node, kinds):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, kinds)}
    return frozenset(found)


def find_missing(named: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(file, name) for file, name in named if not (ROOT / file).is_file() or name not in find_definitions(file)]


def read_stations() -> list[tuple[str, str, str]]:
    """Read the route of a fill: number, file, function."""
    return re.findall(rf"^\| (\d+) \| {NAMED} \|", PAGE, re.MULTILINE)


def test_the_picture_shows_the_folders_in_their_order() -> None:
    picture = PAGE.split("```")[1]
    folders = [name.replace("/", ".") for name in re.findall(r"^ +([a-z_/]+)/ ", picture, re.MULTILINE)]

    assert folders[::-1] == read_order()


def test_every_station_of_a_fill_exists() -> None:
    stations = read_stations()

    assert find_missing([(file, name) for _, file, name in stations]) == []


def test_a_fill_takes_at_most_twelve_stations() -> None:
    numbers = [int(number) for number, _, _ in read_stations()]

    assert 1 < len(numbers) <= MOST_STATIONS
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_file_and_function_that_the_page_names_exists() -> None:
    named = re.findall(NAMED, PAGE)

    assert len(named) > 20
    assert find_missing(named) == []
    assert [file for file in re.findall(r"`((?:mm_trio|tests)/[\w/.]+)`", PAGE) if not (ROOT / file).is_file()] == []


def test_every_loop_of_the_tasks_is_on_the_page() -> None:
    """A task that is added has to say what it may change."""
    loops = {name for name in find_definitions("mm_trio/engine/tasks.py") if name.endswith("_forever")}

    assert loops == {name for file, name in re.findall(NAMED, PAGE) if name in loops}
    assert len(loops) > 3
