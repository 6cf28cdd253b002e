"""A ledger whose files are deleted or replaced while it is open."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from mm_trio.journal.data_dir import find_signer_lock, hold_state_folder, open_ledger
from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal
from mm_trio.model.errors import JournalError
from mm_trio.model.journal_entries import LookedUp


def delete(path: Path) -> None:
    path.unlink()


def replace_by_copy(path: Path) -> None:
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").rename(path)


def move_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


def delete_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


CHANGES = [delete, replace_by_copy, move_folder, delete_folder]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", [JOURNAL_NAME, f"{JOURNAL_NAME}-wal"])
def test_r9_nothing_is_written_to_a_file_that_nobody_can_find(
    tmp_path: Path, name: str, change: Callable[[Path], None]
) -> None:
    folder = tmp_path / "state"
    journal = Journal.open(folder)
    journal.append([LookedUp(1)], at_ms=1)

    change(folder / name)

    for write in (partial(journal.append, [LookedUp(2)], at_ms=2), journal.mark_end):
        with pytest.raises(JournalError, match=rf"{folder}.* (deleted|replaced) while .*ledger rebuild") as refusal:
            write()
        assert "\n" not in str(refusal.value)
    journal.close()


def test_a_journal_in_its_place_is_written_on(tmp_path: Path) -> None:
    """Also beside a reader that comes and goes, and after SQLite began its log anew."""
    journal = Journal.open(tmp_path)
    for n in range(50):
        journal.append([LookedUp(n)], at_ms=n)
        Journal.open_to_read(tmp_path).close()
    journal._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    journal.append([LookedUp(99)], at_ms=99)

    journal.close()


@pytest.mark.parametrize("which", ["folder", "signer"])
def test_r9_a_deleted_lock_ends_the_writing_as_well(tmp_path: Path, which: str) -> None:
    """Without it a second maker could start."""
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    signer_lock = find_signer_lock(environ, network="testnet", signer="0xAB")
    with hold_state_folder(environ, network="testnet", account="0x1", coin="@107", signer="0xAB") as folder:
        journal = open_ledger(folder, signer_lock=signer_lock)
        journal.append([LookedUp(1)], at_ms=1)

        (signer_lock if which == "signer" else folder / "lock").unlink()

        with pytest.raises(JournalError, match="was deleted"):
            journal.append([LookedUp(2)], at_ms=2)
        journal.close()
