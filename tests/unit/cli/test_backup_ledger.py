"""A backup is one copy, or one after the other until it is stopped; what fails is told and tried again."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Never

import pytest
import trio
from copy_kit import archive, booked, write

from mm_trio.cli.copy_programs.backup_ledger import BackedUp, BackupPlan, back_up_ledger
from mm_trio.cli.copy_programs.ledger_copies import list_copies
from mm_trio.cli.halt_programs import maker_place
from mm_trio.config.loading import parse_settings
from mm_trio.config.settings import Settings
from mm_trio.journal.data_dir import hold_folder
from mm_trio.model.errors import ConfigError, Interrupted, JournalError, Unreachable

ACCOUNT = "0x" + "a1" * 20
WITHIN_S = 30.0
LOOK_EVERY_S = 0.01


@pytest.fixture(autouse=True)
def _no_venue(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_base_url: str) -> Never:
        raise Unreachable("no route")

    monkeypatch.setattr(maker_place, "ask_for_pairs", fail)


class Backup:
    """The command's work on one machine without a network."""

    def __init__(self, tmp_path: Path) -> None:
        self.state = tmp_path / "state" / "mm_trio" / "testnet" / ACCOUNT / "@107"
        self.into = tmp_path / "copies"
        self.environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
        self.settings: Settings = parse_settings(
            {
                "market": {"coin": "@107", "network": "testnet", "account": ACCOUNT},
                "strategy": {"start_px": "20", "n_orders": 40, "order_sz": "5"},
            },
            environ={},
            source="a test",
        )
        self.result: BackedUp | None = None

    @property
    def root(self) -> Path:
        return self.into / "testnet" / ACCOUNT / "@107"

    async def run(self, stop_scope: trio.CancelScope, **plan: Any) -> None:
        self.result = await back_up_ledger(
            self.settings, environ=self.environ, plan=BackupPlan(into=self.into, **plan), stop_scope=stop_scope
        )

    async def once(self, **plan: Any) -> BackedUp:
        await self.run(trio.CancelScope(), **plan)
        assert self.result is not None
        return self.result

    @asynccontextmanager
    async def going_on(self, **plan: Any) -> AsyncIterator[None]:
        """A backup again and again, that is stopped on leaving."""
        stop_scope = trio.CancelScope()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: self.run(stop_scope, every_s=0.01, **plan))
            yield
            stop_scope.cancel()

    async def wait_for(self, condition: Callable[[], object]) -> None:
        with trio.fail_after(WITHIN_S):
            while not condition():  # noqa: ASYNC110 - files and log lines have no event
                await trio.sleep(LOOK_EVERY_S)


@pytest.fixture
def backup(tmp_path: Path) -> Backup:
    backup = Backup(tmp_path)
    write(backup.state)
    return backup


async def test_one_copy_is_made(backup: Backup) -> None:
    result = await backup.once()

    assert [result.newest.folder] == list_copies(backup.root)
    assert (result.is_ok, result.n_copies, result.newest.n_entries) == (True, 1, 11)


async def test_copies_are_made_until_the_stop(backup: Backup) -> None:
    async with backup.going_on():
        await backup.wait_for(lambda: len(list_copies(backup.root)) >= 3)

    assert backup.result is not None
    assert backup.result.is_ok
    assert backup.result.n_copies == len(list_copies(backup.root)) >= 3


async def test_older_copies_are_removed(backup: Backup) -> None:
    for _ in range(3):
        result = await backup.once(keep=2)

    assert result.n_kept == len(list_copies(backup.root)) == 2


async def test_the_state_folder_is_left_as_it_was(backup: Backup) -> None:
    """SQLite leaves an empty log beside a file that it reads."""
    before = {path.name: path.read_bytes() for path in backup.state.iterdir()}

    await backup.once()

    after = {path.name: path.read_bytes() for path in backup.state.iterdir()}
    assert before.items() <= after.items()
    assert not [name for name in after.keys() - before.keys() if not re.search("-(wal|shm)$", name)]


async def test_the_journal_of_an_account_is_copied_where_pairs_share_one(backup: Backup) -> None:
    backup.state.rename(backup.state.with_name("account"))
    backup.state.mkdir()

    result = await backup.once()

    assert result.newest.folder.parent == backup.root.with_name("account")
    assert result.newest.n_entries == 11


async def test_no_ledger_is_an_error_of_a_single_copy(backup: Backup) -> None:
    for path in backup.state.iterdir():
        path.unlink()

    with pytest.raises(JournalError, match="there is no ledger at"):
        await backup.once()


async def test_copies_begin_once_there_is_a_ledger(backup: Backup, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="mm_trio")
    for path in backup.state.iterdir():
        path.unlink()
    async with backup.going_on():
        await backup.wait_for(lambda: "trying again in 0.01 s" in caplog.text)
        write(backup.state)
        await backup.wait_for(lambda: list_copies(backup.root))

    assert backup.result is not None
    assert (backup.result.is_ok, backup.result.n_failed > 0) == (True, True)


async def test_a_failure_at_the_end_is_the_result(backup: Backup, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="mm_trio")
    async with backup.going_on():
        await backup.wait_for(lambda: list_copies(backup.root))
        (backup.state / "journal.end").write_text("damaged")
        await backup.wait_for(lambda: "is damaged" in caplog.text)

    assert backup.result is not None
    assert (backup.result.is_ok, "is damaged" in (backup.result.fault or "")) == (False, True)


async def test_a_stop_before_the_first_copy_is_no_result(backup: Backup) -> None:
    stop_scope = trio.CancelScope()
    stop_scope.cancel()

    with pytest.raises(Interrupted):
        await backup.run(stop_scope)
    assert list_copies(backup.root) == []


async def test_a_copy_without_an_archive_is_not_clean(backup: Backup) -> None:
    archive(backup.state)
    (path,) = (backup.state / "archive").iterdir()
    path.unlink()

    result = await backup.once()

    assert (result.is_ok, result.to_json()["archives_missing"]) == (False, [path.name])
    assert "it lacks archives" in result.to_text()


async def test_two_backups_do_not_write_into_one_folder(backup: Backup) -> None:
    with hold_folder(backup.root, "held"), pytest.raises(ConfigError, match="another `mm-trio ledger backup`"):
        await backup.once()


@pytest.mark.parametrize("above", [0, 1, 3])
async def test_copies_in_the_state_folders_are_refused(backup: Backup, above: int) -> None:
    """In the last one the copies would be in the place of the ledger itself."""
    backup.into = [backup.state, *backup.state.parents][above]

    with pytest.raises(ConfigError, match="in or around the state folder"):
        await backup.once()


async def test_a_folder_that_others_may_write_to_is_refused(backup: Backup) -> None:
    backup.root.mkdir(parents=True)
    backup.root.chmod(0o777)

    with pytest.raises(ConfigError, match=r"the copies in .* are not safe from other users"):
        await backup.once()


async def test_a_folder_that_cannot_be_made_is_the_operators(backup: Backup, tmp_path: Path) -> None:
    backup.into = tmp_path / "file"
    backup.into.write_text("")

    with pytest.raises(ConfigError, match=r"the copy in .*/file/.* cannot be written"):
        await backup.once()


async def test_the_text_names_the_copy_and_its_entries(backup: Backup) -> None:
    result = await backup.once()

    assert result.to_text() == f"{result.newest.folder}: 11 entries; copies made: 1, kept: 1"


async def test_a_later_copy_has_the_later_entries(backup: Backup) -> None:
    await backup.once()
    write(backup.state, [booked(7)])

    assert (await backup.once()).newest.n_entries == 12


async def test_nothing_but_copies_and_the_lock_is_left(backup: Backup) -> None:
    result = await backup.once()

    assert set(os.listdir(backup.root)) - {"lock"} == {result.newest.folder.name}
