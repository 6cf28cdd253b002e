"""The page on earnings: its commands work, its example is computed, and it names every figure."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from earnings_kit import make_ledger

from mm_trio.cli.main import main

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "earnings.md").read_text()
COMMANDS = "".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)).splitlines()
EXAMPLE = json.loads(re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[0])


def compute(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main(["pnl", "--folder", str(folder), "--json", *words]) == 0
    values = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(values, dict)
    return values


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_work(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the folder of a maker; how a configuration means it is tested where a venue is."""
    place = re.compile(r"--(?:config|folder) \S+")
    words = shlex.split(place.sub(f"--folder {make_ledger(tmp_path)}", command.removeprefix("mm-trio ")))

    assert main(words) == 0
    assert capsys.readouterr().out


def test_its_example_is_computed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = compute(make_ledger(tmp_path), capsys, "--mark", "20.03")

    assert {name: values[name] for name in EXAMPLE} == EXAMPLE


def test_it_names_every_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = compute(make_ledger(tmp_path), capsys)

    around = {"folder", "coin", "from_ms", "until_ms", "first_fill_ms", "last_fill_ms", "fills", "start", "end"}
    around |= {"moved", "opening", "unexplained", "absent", "edge_bps", "edge_of_marked"}
    assert [name for name in values.keys() - around if f"`{name}`" not in PAGE] == []
