"""The configuration that a maker took over is a private file, replaced in one step, and read as it was."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from account_config_kit import one_market, parse_account, two_markets

from mm_trio.halts.applied_file import (
    APPLIED_NAME,
    WANTED_NAME,
    find_applied_folder,
    note_applied,
    note_settings,
    read_settings,
)
from mm_trio.model.errors import ConfigError

ENVIRON = {"XDG_STATE_HOME": "/x"}


def test_what_was_noted_is_read(tmp_path: Path) -> None:
    settings = parse_account(two_markets(), {"MM_TRIO__TUNING__INTERVAL_S": "7"})
    note_settings(tmp_path / "account", settings)

    assert read_settings(tmp_path / "account") == settings


def test_nothing_is_read_where_nothing_was_noted(tmp_path: Path) -> None:
    assert read_settings(tmp_path) is None


def test_what_is_wanted_is_beside_what_was_applied(tmp_path: Path) -> None:
    note_settings(tmp_path, parse_account(one_market()))
    note_settings(tmp_path, parse_account(two_markets()), name=WANTED_NAME)

    assert read_settings(tmp_path) == parse_account(one_market())
    assert read_settings(tmp_path, name=WANTED_NAME) == parse_account(two_markets())


def test_its_owner_alone_reads_it(tmp_path: Path) -> None:
    note_settings(tmp_path / "account", parse_account(two_markets()))

    path = tmp_path / "account" / APPLIED_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == [APPLIED_NAME]


@pytest.mark.parametrize("content", [b"\xff", b"[account", b"x = 1\n", b"#" * 300_000])
def test_a_file_that_is_none_of_ours_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / APPLIED_NAME).write_bytes(content)

    with pytest.raises(ConfigError, match=r"applied\.toml cannot be read, so nobody knows which configuration runs"):
        read_settings(tmp_path)


async def test_a_maker_runs_although_it_cannot_be_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / f"{APPLIED_NAME}.new").mkdir()

    await note_applied(tmp_path, parse_account(one_market()))

    assert "configuration not noted" in caplog.text


def test_several_markets_have_it_in_the_folder_of_the_account() -> None:
    folder = find_applied_folder(ENVIRON, parse_account(two_markets()), network="testnet")

    assert folder.name == "account"


def test_one_market_has_it_in_the_folder_of_its_coin() -> None:
    folder = find_applied_folder(ENVIRON, parse_account(one_market()), network="sandbox/0", coin="@107")

    assert folder.name == "@107"
