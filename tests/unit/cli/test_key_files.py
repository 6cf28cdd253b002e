"""Files of keys: written once, private, whole or not there, and switched in one step."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from eth_account import Account

from mm_trio.cli.key_programs.key_files import (
    find_beside,
    find_kept,
    find_key_file,
    make_key,
    switch_key_file,
    write_key_file,
)
from mm_trio.config.keys import Secret, load_key
from mm_trio.config.settings import MarketSettings
from mm_trio.model.errors import ConfigError

KEY, OTHER_KEY = (Secret("0x" + 32 * pair) for pair in ("5a", "6b"))
ADDRESS = "0x" + 20 * "ab"


def read(path: Path) -> str:
    return load_key({"MM_TRIO_KEY_FILE": Secret(str(path))}).reveal()


def test_a_key_lies_below_the_state_folder_by_network_account_and_name(tmp_path: Path) -> None:
    environ, market = {"XDG_STATE_HOME": str(tmp_path)}, MarketSettings(coin="@107", account=ADDRESS, network="testnet")
    folder = tmp_path / "mm_trio" / "keys" / "testnet" / ADDRESS

    assert find_key_file(environ, market, "bot") == folder / "bot.key"
    assert find_key_file(environ, market, "bot", is_keystore=True) == folder / "bot.keystore.json"
    assert find_key_file(environ, market, None) == folder / "_unnamed.key"


def test_no_two_keys_are_alike() -> None:
    assert len({make_key().reveal() for _ in range(10)}) == 10


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_a_key_is_read_again_from_a_file_of_mode_0600(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "bot.key"
    before = os.umask(umask)
    try:
        write_key_file(path, KEY)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read(path) == KEY.reveal()


def test_folders_that_are_missing_are_private(tmp_path: Path) -> None:
    write_key_file(tmp_path / "a" / "b" / "bot.key", KEY)

    assert [stat.S_IMODE((tmp_path / each).stat().st_mode) for each in ("a", "a/b")] == [0o700, 0o700]


def test_a_keystore_opens_with_its_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "bot.keystore.json"

    write_key_file(path, KEY, phrase=Secret("pässwörd"))

    assert Account.decrypt(json.loads(path.read_text()), "pässwörd").hex().removeprefix("0x") == KEY.reveal()[2:]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_there_is_not_overwritten(tmp_path: Path, kind: str) -> None:
    path, target = tmp_path / "bot.key", tmp_path / "target"
    target.write_text("before")
    path.symlink_to(target) if kind == "link" else path.write_text("before")

    with pytest.raises(ConfigError, match="is there already, and no key is overwritten"):
        write_key_file(path, KEY)

    assert (path.read_text(), target.read_text()) == ("before", "before")


def test_a_folder_that_others_may_change_gets_no_key(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)

    with pytest.raises(ConfigError, match=r"not safe from other users: .*chmod go-w"):
        write_key_file(folder / "bot.key", KEY)

    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_key_that_is_not_whole_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bot.key"
    monkeypatch.setattr("os.fsync", lambda number: os.write(os.open("/dev/full", os.O_WRONLY), b"x"))

    with pytest.raises(ConfigError, match="cannot be written: No space left on device"):
        write_key_file(path, KEY)

    assert not path.exists()


# --- switching ------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a key, with the next key beside it."""
    path = tmp_path / "bot.key"
    write_key_file(path, KEY)
    write_key_file(find_beside(path), OTHER_KEY)
    return path


def test_a_switch_keeps_the_old_key_beside(path: Path) -> None:
    kept = switch_key_file(path, address=ADDRESS)

    assert kept == find_kept(path, ADDRESS) == path.with_name("bot.key.0xabababab.old")
    assert (read(path), read(kept)) == (OTHER_KEY.reveal(), KEY.reveal())
    assert not find_beside(path).exists()


def test_a_switch_that_died_before_its_last_step_is_finished(path: Path) -> None:
    os.link(path, find_kept(path, ADDRESS))
    assert read(path) == KEY.reveal()

    switch_key_file(path, address=ADDRESS)

    assert read(path) == OTHER_KEY.reveal()


def test_a_switch_never_replaces_another_kept_key(path: Path) -> None:
    find_kept(path, ADDRESS).write_text("another one")

    with pytest.raises(ConfigError, match="was not switched: File exists"):
        switch_key_file(path, address=ADDRESS)

    assert (read(path), find_kept(path, ADDRESS).read_text()) == (KEY.reveal(), "another one")
