"""The page on the log lists every event of the code, and the code logs by the rules of the page."""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from mm_trio.logs.log_lines import read_format

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "logs.md").read_text()
# Other logs than the one of our modules: the SDK's, which is kept out, and those of tests and simulation.
OTHER_LOGGERS = re.compile(
    r"\blogging\.(debug|info|warning|error|exception|critical|log)\(|_log\.(exception|critical)\("
)


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    path = [*sys.path]
    found = runpy.run_path(str(ROOT / "tools" / "list_events.py"))
    sys.path[:] = path
    return found


@pytest.fixture(scope="module")
def calls(tool: dict[str, Any]) -> list[Any]:
    return list(tool["find_calls"]())


def test_the_page_has_the_table_of_the_code(tool: dict[str, Any], calls: list[Any]) -> None:
    """`python tools/list_events.py` writes it anew."""
    table = PAGE.partition(tool["BEGIN"])[2].partition(tool["END"])[0].strip()

    assert table == tool["write_table"](calls).strip()
    assert len(calls) > 150


def test_every_line_begins_with_an_event(calls: list[Any]) -> None:
    """A name of three letters or more, without a value in it; what follows it is a sign or a key."""
    unnamed = [f"{call.place}: {call.format}" for call in calls if not re.fullmatch(r"[a-z][\w ,'-]{2,}", call.event)]

    assert unnamed == []


def test_every_value_behind_a_key_is_an_argument(calls: list[Any]) -> None:
    """A collector gets the arguments of a call, and not what is written out in its format."""
    written_out = [f"{call.place}: {call.format}" for call in calls if re.search(r" \w+=(?!%)", call.format)]

    assert written_out == []


def test_no_key_comes_twice_in_a_line(calls: list[Any]) -> None:
    assert [f"{call.place}: {call.keys}" for call in calls if len(set(call.keys)) < len(call.keys)] == []


def test_an_event_is_written_in_one_way(calls: list[Any]) -> None:
    spelt = defaultdict(set)
    for call in calls:
        spelt[call.event.casefold()].add(call.event)

    assert [names for names in spelt.values() if len(names) > 1] == []


def test_every_log_call_is_one_that_the_tool_sees() -> None:
    unseen = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in sorted((ROOT / "mm_trio").rglob("*.py"))
        for found in OTHER_LOGGERS.finditer(path.read_text())
    ]

    assert unseen == []


def test_the_example_of_the_page_is_a_line(calls: list[Any]) -> None:
    (example,) = re.findall(r'^\{"time": .*\}$', PAGE, re.MULTILINE)
    values = json.loads(example)

    assert values["event"] == read_format(values["text"])[0]
    assert values["event"] in {call.event for call in calls}
    assert [key for key in values if f"| `{key}` |" not in PAGE] == []


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ("_log.info(text)", "not a literal"),
        ('_log.info(f"tick={n}")', "not a literal"),
        ('_log.critical("ended: reason=%s", why)', "not a call of"),
    ],
)
def test_a_line_that_could_not_be_listed_is_refused(tool: dict[str, Any], tmp_path: Path, call: str, what: str) -> None:
    (tmp_path / "mm_trio").mkdir()
    (tmp_path / "mm_trio" / "odd.py").write_text(f"{call}\n")

    with pytest.raises(ValueError, match=what):
        list(tool["find_calls"](tmp_path))
