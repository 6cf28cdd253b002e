"""The page about reports names every section, and its commands are understood."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from report_kit import make_history, make_report_of

from mm_trio.cli.insight import report
from mm_trio.cli.shell.parser import make_parser

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "report.md").read_text()


def test_every_section_is_on_the_page_in_its_order(tmp_path: Path) -> None:
    made = make_report_of(make_history(tmp_path / "ledger", hours=0.1))
    named = re.findall(r"^\| ([A-Z][^|]*?) \|", PAGE, re.MULTILINE)

    assert named == [section.title for section in made.sections]


def test_its_commands_are_understood() -> None:
    """The reports themselves are made by other tests; here their words are parsed."""
    commands = re.findall(r"^mm-trio (.*)$", PAGE, re.MULTILINE)

    parsed = [make_parser((report.COMMAND,)).parse_args(shlex.split(words)) for words in commands]
    assert len(parsed) == 2
    assert parsed[0].html == Path("report.html")
    assert (parsed[1].last_ms, parsed[1].csv) == (7 * 86_400_000, Path("tables"))
