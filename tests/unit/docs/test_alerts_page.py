"""The page on alerts: its rules, settings and sources are those of the code."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from mm_trio.alerts.apprise_channel import SOCKET_WITHIN_S
from mm_trio.alerts.conditions import CLEAR_AFTER_S
from mm_trio.alerts.observer import LOOK_EVERY_S
from mm_trio.alerts.rules import RULES
from mm_trio.alerts.sender import ATTEMPT_WITHIN_S, MOST_WAITING, PAUSES_S
from mm_trio.cli.alert_programs.alert_list import list_rows
from mm_trio.cli.alert_programs.alerting import LAST_WITHIN_S
from mm_trio.cli.main import main
from mm_trio.config.keys import ALERT_VARIABLES
from mm_trio.config.settings import Alerts

PAGE = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
TOML = PAGE.split("```toml\n")[1].split("```")[0]


def test_its_alerts_are_those_of_the_code() -> None:
    told = re.findall(r"^\| `([\w-]+)` \| ([a-z, ]+) \| (.+) \|$", PAGE.split("## What is told")[1], re.MULTILINE)

    rows = [(row.name, row.severity, row.when) for row in list_rows(Alerts())]
    assert told[: len(rows)] == rows
    assert list(RULES) == [name for name, _, _ in rows[: len(RULES)]]


def test_its_settings_are_the_defaults() -> None:
    told = tomllib.loads(TOML)["alerts"]
    shown = {item.name: item.default for item in fields(Alerts) if not item.metadata["kind"].is_hidden}

    assert {name: value for name, value in told.items() if name != "urls"} == shown
    assert "heartbeat_url" in TOML


def test_its_sources_are_those_of_the_code() -> None:
    named = {name for name in ALERT_VARIABLES if not name.startswith("MM_TRIO__")}

    assert [
        name for name in named if name.replace("HEARTBEAT_URL_", "…_") not in PAGE and "HEARTBEAT" not in name
    ] == []
    assert "`MM_TRIO_HEARTBEAT_URL`, `…_FILE`, `…_FD`" in PAGE


def test_its_numbers_are_those_of_the_code() -> None:
    pauses = f"{', '.join(f'{pause:g}' for pause in PAUSES_S[:-1])} and {PAUSES_S[-1]:g} s"

    assert pauses in " ".join(PAGE.split())
    words = (SOCKET_WITHIN_S, ATTEMPT_WITHIN_S, MOST_WAITING, CLEAR_AFTER_S, LOOK_EVERY_S, LAST_WITHIN_S)
    assert words == (2.0, 10.0, 100, 30.0, 5.0, 5.0)


def test_its_commands_are_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("FILE").write_text("[alerts]\n")

    commands = re.findall(r"`mm-trio (alerts [^`]+)`", " ".join(PAGE.split()))
    codes = {" ".join(words.split()[:2]): main(words.split()) for words in commands}

    # Without an address nobody can be told.
    assert codes == {"alerts test": 2, "alerts list": 0, "alerts send": 2}
