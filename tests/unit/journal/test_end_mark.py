"""The end mark: what it proves of a journal, and what it survives."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from mm_trio.journal.data_dir import describe_lost, open_ledger, replace_ledger, set_aside
from mm_trio.journal.end_mark import MARK_NAME, EndMark, read_mark, write_mark
from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal
from mm_trio.model.errors import JournalBusy, JournalError
from mm_trio.model.journal_entries import LookedUp


def write_entries(folder: Path, n: int, *, mark_at: int | None = None) -> None:
    journal = Journal.open(folder)
    for number in range(1, n + 1):
        journal.append([LookedUp(number)], at_ms=number)
        if number == mark_at:
            journal.mark_end()
    journal.close()


def keep_copy(folder: Path) -> Path:
    """An older copy of the journal's files, without the mark."""
    copy = folder.with_name(f"{folder.name}-copy")
    copy.mkdir()
    for path in folder.glob(f"{JOURNAL_NAME}*"):
        shutil.copy(path, copy)
    return copy


def restore(copy: Path, folder: Path) -> None:
    for path in folder.glob(f"{JOURNAL_NAME}*"):
        path.unlink()
    for path in copy.iterdir():
        shutil.copy(path, folder)


def test_a_mark_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    mark = EndMark(17, bytes(range(16)))

    write_mark(tmp_path, EndMark(3, b"\x01" * 16))
    write_mark(tmp_path, mark)

    assert read_mark(tmp_path) == mark
    assert [path.name for path in tmp_path.iterdir()] == [MARK_NAME]
    assert stat.S_IMODE((tmp_path / MARK_NAME).stat().st_mode) == 0o600


def test_no_file_is_no_mark(tmp_path: Path) -> None:
    assert read_mark(tmp_path) is None


def test_a_mark_of_which_any_byte_changed_is_refused(tmp_path: Path) -> None:
    write_mark(tmp_path, EndMark(1234, b"\xab" * 16))
    path = tmp_path / MARK_NAME
    good = path.read_bytes()
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(JournalError, match="ledger rebuild"):
            read_mark(tmp_path)
        path.write_bytes(good[:at])
        with pytest.raises(JournalError, match="damaged"):
            read_mark(tmp_path)


def test_a_journal_that_went_on_after_its_mark_is_opened(tmp_path: Path) -> None:
    write_entries(tmp_path, 5, mark_at=3)

    journal = Journal.open(tmp_path)

    assert journal.find_cut() is None
    journal.close()


def test_what_a_locked_journal_refused_is_not_marked(tmp_path: Path) -> None:
    """A mark of entries that were never written would refuse a whole ledger."""
    journal = Journal.open(tmp_path)
    journal.append([LookedUp(1)], at_ms=1)
    journal.mark_end()
    with contextlib.closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalBusy):
            journal.append([LookedUp(2)], at_ms=2)
    journal.close()

    with contextlib.closing(Journal.open(tmp_path)) as again:
        assert [row.entry for row in again.read()] == [LookedUp(1)]


def test_r1_an_older_copy_of_the_journal_is_refused_by_the_mark(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    write_entries(folder, 3)
    copy = keep_copy(folder)
    journal = Journal.open(folder)
    journal.append([LookedUp(n) for n in range(4, 9)], at_ms=4)
    journal.mark_end()
    journal.close()
    restore(copy, folder)

    with pytest.raises(JournalError, match=r"last entry is 3, but it had 8 .*ledger rebuild") as refusal:
        Journal.open(folder)

    assert "\n" not in str(refusal.value)


def test_r1_another_journal_of_equal_length_is_refused_by_the_mark(tmp_path: Path) -> None:
    folder, other = tmp_path / "state", tmp_path / "other"
    write_entries(folder, 3, mark_at=3)
    journal = Journal.open(other)
    journal.append([LookedUp(n) for n in range(11, 16)], at_ms=1)
    journal.close()
    restore(keep_copy(other), folder)

    with pytest.raises(JournalError, match="not the one that it had once"):
        Journal.open(folder)


def test_a_reader_explains_a_cut_and_is_not_refused(tmp_path: Path) -> None:
    write_entries(tmp_path, 3)
    write_mark(tmp_path, EndMark(9, b"\x01" * 16))

    journal = Journal.open_to_read(tmp_path)

    assert "had 9 entries" in (journal.find_cut() or "")
    journal.close()


def test_a_damaged_mark_beside_a_journal_is_refused(tmp_path: Path) -> None:
    write_entries(tmp_path, 3, mark_at=3)
    (tmp_path / MARK_NAME).write_text("7")

    with pytest.raises(JournalError, match="is damaged"):
        Journal.open(tmp_path)


def test_a_journal_without_a_mark_is_opened_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A release before wrote none."""
    write_entries(tmp_path, 3)

    Journal.open(tmp_path).close()

    assert "without an end mark" in caplog.text


def test_a_new_journal_has_no_mark_and_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal.open(tmp_path)
    journal.mark_end()
    journal.close()

    assert not (tmp_path / MARK_NAME).exists()
    assert caplog.text == ""


@pytest.mark.parametrize("leaves_empty_file", [False, True])
def test_a_mark_without_a_journal_is_a_trace_of_a_lost_one(tmp_path: Path, leaves_empty_file: bool) -> None:
    write_entries(tmp_path, 3, mark_at=3)
    (tmp_path / JOURNAL_NAME).unlink()
    if leaves_empty_file:
        (tmp_path / JOURNAL_NAME).touch()

    assert MARK_NAME in (describe_lost(tmp_path) or "")
    with pytest.raises(JournalError, match="there was one"):
        open_ledger(tmp_path)


def test_a_ledger_is_set_aside_with_its_mark(tmp_path: Path) -> None:
    write_entries(tmp_path, 3, mark_at=3)

    aside = set_aside(tmp_path)

    assert sorted(path.name for path in aside.iterdir()) == [MARK_NAME, JOURNAL_NAME]
    assert not (tmp_path / MARK_NAME).exists()


def test_a_new_ledger_has_a_mark_of_its_own(tmp_path: Path) -> None:
    write_entries(tmp_path, 9, mark_at=9)

    replace_ledger(tmp_path, lambda journal: journal.append([LookedUp(1), LookedUp(2)], at_ms=1))

    mark = read_mark(tmp_path)
    assert mark is not None
    assert mark.seq == 2
    Journal.open(tmp_path).close()


def test_an_empty_new_ledger_has_no_mark(tmp_path: Path) -> None:
    """The mark of the ledger before would refuse it."""
    write_entries(tmp_path, 9, mark_at=9)

    replace_ledger(tmp_path, lambda journal: None)

    assert read_mark(tmp_path) is None
    Journal.open(tmp_path).close()


@pytest.mark.parametrize("n_renames", range(1, 6))
def test_a_replacement_cut_short_leaves_no_mark_of_another_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_renames: int
) -> None:
    """Whatever is in place can be opened, or is known as lost."""
    write_entries(tmp_path, 9, mark_at=9)
    rename, names = Path.rename, list[Path]()

    def rename_or_die(path: Path, target: Path) -> Path:
        names.append(path)
        if len(names) == n_renames:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_or_die)
    with pytest.raises(KeyboardInterrupt):
        replace_ledger(tmp_path, lambda journal: journal.append([LookedUp(1)], at_ms=1))
    monkeypatch.undo()

    if describe_lost(tmp_path) is None:
        Journal.open(tmp_path).close()
    replace_ledger(tmp_path, lambda journal: journal.append([LookedUp(1)], at_ms=1))
    Journal.open(tmp_path).close()
