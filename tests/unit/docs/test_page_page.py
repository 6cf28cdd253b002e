"""The page on the page: its commands and settings are the program's, and parts of others are as it says."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from mm_trio.cli.main import _COMMANDS
from mm_trio.cli.shell.parser import make_parser
from mm_trio.config.settings import Page

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "page.md").read_text()
STATIC = ROOT / "mm_trio" / "web" / "static"
MOST_BYTES = 200_000


def test_its_commands_are_ours() -> None:
    lines = re.findall(r"^mm-trio (.*)$", PAGE, re.MULTILINE)

    assert len(lines) == 2
    for line in lines:
        make_parser(_COMMANDS).parse_args(line.split())


def test_its_settings_are_those_of_the_section() -> None:
    text = PAGE.split("```toml\n")[1].split("```")[0]
    given = tomllib.loads(re.sub(r"^# (?=\w+ =)", "", text, flags=re.MULTILINE))["page"]

    assert given.keys() == {item.name for item in fields(Page)}
    assert given["host"] == Page().host
    assert given["allow_remote"] is Page().allow_remote


def test_parts_of_others_are_unchanged_and_have_their_licence() -> None:
    told = dict(re.findall(r"^\| `(uplot[\w.-]+)` \| `([0-9a-f]{64})` \|$", PAGE, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert told == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in STATIC.glob("uplot-*.min.*")}
    assert "mm_trio/web/static/uplot-LICENSE.txt" in project["license-files"]
    assert "MIT License" in (STATIC / "uplot-LICENSE.txt").read_text()


@pytest.mark.parametrize("name", ["page-desk.png", "page-phone.png"])
def test_its_pictures_are_small(name: str) -> None:
    picture = ROOT / "docs" / "pictures" / name

    assert f"](pictures/{name})" in PAGE
    assert picture.stat().st_size < MOST_BYTES


def test_its_numbers_are_those_of_the_code() -> None:
    pytest.importorskip("starlette", reason="the extra `page` is not installed")
    pytest.importorskip("hypercorn", reason="the extra `page` is not installed")
    from mm_trio.web import connections, http1, pace, server
    from mm_trio.web.access import MOST_COOKIES, TOKEN_BYTES
    from mm_trio.web.page import event_stream, live_state, past, past_reader
    from mm_trio.web.page.log_lines import MOST_LINES

    assert (connections.MOST_CONNECTIONS, event_stream.MOST_STREAMS, pace.A_SECOND) == (100, 50, 50)
    assert (connections.SEND_WITHIN_S, http1.IDLE_S, server.LAST_WORDS_WITHIN_S) == (10, 10, 0.3)
    assert (8 * TOKEN_BYTES, MOST_COOKIES, past.MOST_FILLS, MOST_LINES) == (256, 32, 200, 200)
    assert (1 / live_state.LEAST_PERIOD_S, live_state.PERIODS_A_COST, past_reader.RESTS_AGAIN) == (4, 20, 20)
