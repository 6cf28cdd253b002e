"""What a restore refuses before it changes anything, and what it leaves of a maker whose state is lost."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from copy_kit import LABEL, archive, booked, copy, read, write

from mm_trio.cli.copy_programs import restore_ledger as module
from mm_trio.cli.copy_programs.ledger_copies import LedgerCopy
from mm_trio.cli.copy_programs.restore_ledger import RestorePlan
from mm_trio.halts.standing import Standing, State
from mm_trio.halts.standing_file import read_standing, replace_standing
from mm_trio.journal.data_dir import set_aside
from mm_trio.journal.sqlite_journal import JOURNAL_NAME
from mm_trio.model.errors import ConfigError, JournalError


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A ledger of eleven entries, nine of them in an archive."""
    write(tmp_path / "state")
    archive(tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def made(state: Path, tmp_path: Path) -> LedgerCopy:
    return copy(state, tmp_path / "copies" / LABEL.path)


def check_present(state: Path, *, even_if_older: bool = False) -> None:
    module._check_present(state, 11, RestorePlan(source=state, even_if_older=even_if_older))


# --- the copy -------------------------------------------------------------------------------------


def test_a_copy_is_read_with_its_archives(state: Path, made: LedgerCopy, tmp_path: Path) -> None:
    copied, rows = module._read_copy(tmp_path / "copies", LABEL)

    assert (copied, list(rows)) == (made, read(state))


def test_a_copy_without_an_archive_begins_at_its_last_checkpoint(
    state: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(state / "archive")
    copy(state, tmp_path / "copies" / LABEL.path)

    _, rows = module._read_copy(tmp_path / "copies", LABEL)

    assert [row.seq for row in rows] == [10, 11]
    assert "archives_missing=entries-1-9.sqlite3" in caplog.text


def test_an_archive_lost_from_a_copy_is_an_error(made: LedgerCopy) -> None:
    shutil.rmtree(made.folder / "archive")

    with pytest.raises(JournalError, match="the copy cannot be restored, take another one: the archive"):
        module._read_copy(made.folder, LABEL)


def test_a_changed_entry_of_a_copy_is_an_error(made: LedgerCopy) -> None:
    path = made.folder / JOURNAL_NAME
    path.write_bytes(re.sub(rb'"buy"', b'"sel"', path.read_bytes()))

    with pytest.raises(JournalError, match="the copy cannot be restored, take another one"):
        module._read_copy(made.folder, LABEL)


def test_a_journal_of_another_copy_is_an_error(state: Path, made: LedgerCopy, tmp_path: Path) -> None:
    write(state, [booked(7)])
    later = copy(state, tmp_path / "copies" / LABEL.path)
    shutil.copy(later.folder / JOURNAL_NAME, made.folder / JOURNAL_NAME)

    with pytest.raises(JournalError, match="is not the one that was made there"):
        module._read_copy(made.folder, LABEL)


def test_a_copy_that_others_may_change_is_refused(made: LedgerCopy) -> None:
    made.folder.chmod(0o777)

    with pytest.raises(ConfigError, match="is not safe from other users"):
        module._read_copy(made.folder, LABEL)


# --- the present ledger ---------------------------------------------------------------------------


def test_a_ledger_that_reaches_as_far_is_not_replaced(state: Path) -> None:
    with pytest.raises(ConfigError, match="can be read up to entry 11, and the copy ends at entry 11"):
        check_present(state)


def test_a_ledger_that_is_set_aside_and_reaches_as_far_is_not_passed_over(state: Path) -> None:
    set_aside(state)

    with pytest.raises(ConfigError, match="set-aside-1 can be read up to entry 11"):
        check_present(state)


def test_it_is_replaced_where_that_is_asked_for(state: Path) -> None:
    check_present(state, even_if_older=True)


def test_a_ledger_that_cannot_be_read_is_replaced(state: Path) -> None:
    (state / JOURNAL_NAME).write_bytes(b"not a ledger at all" * 1000)

    check_present(state)


def test_no_ledger_at_all_is_replaced(tmp_path: Path) -> None:
    check_present(tmp_path)


# --- the standing ---------------------------------------------------------------------------------


def test_a_maker_in_a_new_folder_is_left_halted(made: LedgerCopy, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()

    module._halt_if_new(tmp_path / "new", made)

    standing = read_standing(tmp_path / "new")
    assert standing.state is State.HALTED
    assert re.search("restored from a copy of 20.* UTC into .* the maker was active then", standing.why)


def test_a_halt_that_the_copy_knows_is_named(state: Path, tmp_path: Path) -> None:
    replace_standing(state, Standing(state=State.HALTED, since_ms=5, why="a limit"))
    made = copy(state, tmp_path / "copies" / LABEL.path)
    (tmp_path / "new").mkdir()

    module._halt_if_new(tmp_path / "new", made)

    assert "the maker was halted then" in read_standing(tmp_path / "new").why


def test_a_standing_that_is_there_stays(made: LedgerCopy, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    replace_standing(tmp_path / "new", Standing(state=State.PAUSED, since_ms=5, why="by hand"))

    module._halt_if_new(tmp_path / "new", made)

    assert read_standing(tmp_path / "new").state is State.PAUSED


def test_a_maker_whose_files_are_there_is_not_halted(state: Path, made: LedgerCopy) -> None:
    """It never stopped: such a maker has no file of its standing."""
    (state / JOURNAL_NAME).unlink()

    module._halt_if_new(state, made)

    assert read_standing(state).state is State.ACTIVE
