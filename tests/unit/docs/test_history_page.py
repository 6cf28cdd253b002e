"""Every command of the page on the past runs, and ends well, on the ledger of an hour of trading."""

from __future__ import annotations

import json
import re
import shlex
from decimal import Decimal
from pathlib import Path

import pytest
from day_kit import TradedDay
from past_kit import GRID, START_MS, place, quote_at, write_ledger

from mm_trio.cli.main import main
from mm_trio.model.journal_entries import Booked, Quoted
from mm_trio.model.observations import BestPrices, Coverage, OwnBook, RestingSize
from mm_trio.recorder.record_file import RecordFile

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
    command: str,
    quiet_hour: TradedDay,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command.removeprefix("mm-trio ").replace("DIR", str(quiet_hour.folder)))

    out = run(words, capsys)

    assert out.strip()
    if "--json" in words:
        assert json.loads(out.splitlines()[-1])["folder"] == str(quiet_hour.folder)


def write_story(folder: Path) -> Path:
    """A bid that was filled whole, and the ask of what is left of the tokens after it."""
    bought = Booked(1, 636086626717427, START_MS + 1_480, "@107", quote_at("buy", 4), Decimal("0.002"), "base")
    groups = (place("buy", 4, oid=1), [bought], [Quoted(4), *place("sell", 4, "1.99", oid=2)])
    write_ledger(folder, *groups, token="12", boundary=5)
    record = RecordFile.open(folder)
    watched = (Coverage("market", START_MS, START_MS + 9_000), Coverage("own", START_MS, START_MS + 9_000))
    prices = BestPrices(START_MS, Decimal("20.18"), Decimal(5), Decimal("20.24"), Decimal("1.99"))
    record.append([*watched, prices, OwnBook(START_MS, (RestingSize("sell", GRID.levels[4], Decimal(2)),), "quoting")])
    record.close()
    return folder


def test_the_story_of_the_page_is_the_one_that_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (story,) = re.findall(r"^```\n(@107.*?)^```", PAGE, re.DOTALL | re.MULTILINE)

    assert run(["explain", "4", "--folder", str(write_story(tmp_path))], capsys) == story
