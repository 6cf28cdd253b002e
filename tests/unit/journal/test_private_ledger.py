"""A ledger that others could change, or that a link points to, is refused; so is a state folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from mm_trio.journal.data_dir import hold_state_folder, open_ledger, replace_ledger
from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal
from mm_trio.model.errors import ConfigError, JournalError
from mm_trio.model.journal_entries import Began

pytestmark = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")

WHO = {"network": "testnet", "account": "0x" + "a1" * 20, "coin": "@107", "signer": "0x" + "c3" * 20}


def make_ledger(folder: Path) -> Path:
    """The file of a ledger with one entry."""
    with closing(Journal.open(folder)) as journal:
        journal.append([Began(1, {})], at_ms=1)
    return folder / JOURNAL_NAME


def open_and_close(folder: Path) -> None:
    open_ledger(folder).close()


def read(folder: Path) -> None:
    Journal.open_to_read(folder).close()


def replace(folder: Path) -> None:
    replace_ledger(folder, lambda journal: None)


EVERY_WAY = pytest.mark.parametrize("use", [open_and_close, read])


def test_r10_every_folder_above_the_ledger_is_private_at_umask_0(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with hold_state_folder({"XDG_STATE_HOME": str(tmp_path / "made" / "state")}, **WHO) as folder:
            make_ledger(folder)
            replace(folder)
    finally:
        os.umask(before)

    made = list(tmp_path.rglob("*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()} == {0o600}
    assert len(made) > 8


@pytest.mark.parametrize("above", ["", "mm_trio", "mm_trio/testnet/signers", f"mm_trio/testnet/{WHO['account']}/@107"])
@pytest.mark.parametrize("mode", [0o770, 0o777])
def test_r10_a_state_folder_that_others_write_to_is_refused(tmp_path: Path, above: str, mode: int) -> None:
    home = tmp_path / "state"
    (home / above).mkdir(parents=True)
    (home / above).chmod(mode)

    with (
        pytest.raises(ConfigError, match=rf"{home / above} has mode {mode:04o}.*run: chmod go-w '{home / above}'"),
        hold_state_folder({"XDG_STATE_HOME": str(home)}, **WHO),
    ):
        pass


@EVERY_WAY
@pytest.mark.parametrize("mode", [0o620, 0o666])
def test_r10_a_ledger_that_others_write_to_is_refused(tmp_path: Path, use: Callable[[Path], None], mode: int) -> None:
    file = make_ledger(tmp_path)
    file.chmod(mode)

    with pytest.raises(JournalError, match=rf"{file} has mode {mode:04o}.*chmod go-w '{file}'"):
        use(tmp_path)


@EVERY_WAY
def test_r10_a_ledger_in_a_folder_below_an_open_one_is_refused(tmp_path: Path, use: Callable[[Path], None]) -> None:
    make_ledger(tmp_path / "open" / "below")
    (tmp_path / "open").chmod(0o777)

    with pytest.raises(JournalError, match=f"{tmp_path / 'open'} has mode 0777"):
        use(tmp_path / "open" / "below")


@EVERY_WAY
def test_r10_a_link_to_a_ledger_is_not_followed(tmp_path: Path, use: Callable[[Path], None]) -> None:
    file = make_ledger(tmp_path / "elsewhere")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / JOURNAL_NAME).symlink_to(file)

    with pytest.raises(JournalError, match="is a symbolic link, which is not followed"):
        use(tmp_path / "here")


def test_r10_nothing_is_made_where_a_dangling_link_points(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / JOURNAL_NAME).symlink_to(tmp_path / "planted")

    with pytest.raises(JournalError, match="is a symbolic link"):
        Journal.open(tmp_path / "here")

    assert not (tmp_path / "planted").exists()


def test_r10_a_link_in_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
    with hold_state_folder(environ, **WHO) as folder:
        pass
    (folder / "lock").unlink(missing_ok=True)
    (folder / "lock").symlink_to(tmp_path / "planted")

    with pytest.raises(ConfigError, match="is a symbolic link"), hold_state_folder(environ, **WHO):
        pass

    assert not (tmp_path / "planted").exists()


def test_a_ledger_that_others_may_read_is_used(tmp_path: Path) -> None:
    make_ledger(tmp_path).chmod(0o644)

    read(tmp_path)
