"""Every command of the page on the past runs, and ends well, on the ledger of an hour of trading."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from day_kit import TradedDay

from mm_trio.cli.main import main

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "history.md").read_text()
COMMANDS = "".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)).splitlines()


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    code = main(words)
    out = capsys.readouterr().out
    assert code == 0
    return out


def test_all_three_commands_have_examples() -> None:
    assert {shlex.split(command)[1] for command in COMMANDS} == {"fills", "orders", "explain"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_ends_well(
    command: str, quiet_hour: TradedDay, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(command.removeprefix("mm-trio ").replace("DIR", str(quiet_hour.folder)))

    out = run(words, capsys)

    assert out.strip()
    if "--json" in words:
        assert json.loads(out.splitlines()[-1])["folder"] == str(quiet_hour.folder)


def test_the_story_of_the_page_is_the_one_that_is_told(
    quiet_hour: TradedDay, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers may differ from the page's, sentences do not."""
    (story,) = re.findall(r"^```\n(@107.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    words = ["explain", "23", "--folder", str(quiet_hour.folder), "--at", "2026-09-21T00:28:20"]
    told = run(words, capsys).splitlines()

    assert [line for line in story.splitlines() if line and line not in told] == []
