"""A copy of a ledger has every entry, is there as a whole or not at all, and holds up nobody."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from copy_kit import AT_MS, ENTRIES, LABEL, archive, booked, copy, read, write
from file_killer_kit import FileKiller, Killed

from mm_trio.cli.copy_programs import copy_ledger as module
from mm_trio.cli.copy_programs.copy_ledger import copy_ledger
from mm_trio.cli.copy_programs.ledger_copies import list_copies
from mm_trio.halts.standing import Standing, State
from mm_trio.halts.standing_file import replace_standing
from mm_trio.journal.archives import ARCHIVE_NAME
from mm_trio.journal.data_dir import open_ledger
from mm_trio.journal.end_mark import MARK_NAME, EndMark, write_mark
from mm_trio.journal.ledger_schema import connect
from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal
from mm_trio.model.errors import ConfigError, JournalError

STEPS = ("open", "mkdir", "replace", "rename", "link", "fsync")


class Stopped(BaseException):
    """The operator stops the copy."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ledger of eleven entries."""
    write(tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def archived(folder: Path) -> Path:
    """The same, with nine of the entries in an archive."""
    archive(folder)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "copies"
    root.mkdir(mode=0o700)
    return root


def test_a_copy_has_every_entry(folder: Path, root: Path) -> None:
    assert read(copy(folder, root).folder) == read(folder)


def test_a_copy_has_the_archives(archived: Path, root: Path) -> None:
    assert read(copy(archived, root).folder) == read(archived)


def test_a_copy_has_no_other_files(archived: Path, root: Path) -> None:
    """The log of the journal is within its file, so that no copy is half of one."""
    made = copy(archived, root)

    assert sorted(os.listdir(made.folder)) == ["archive", "copy.json", "journal.end", "journal.sqlite3"]


def test_entries_that_are_in_the_log_alone_are_copied(folder: Path, root: Path) -> None:
    with closing(Journal.open(folder)) as journal:
        journal.append([booked(7)], at_ms=AT_MS + 20)

        made = copy(folder, root)

    assert made.n_entries == len(read(made.folder)) == 12


def test_the_mark_of_a_copy_names_its_own_end(folder: Path, root: Path) -> None:
    with closing(Journal.open(folder)) as journal:
        journal.append([booked(7)], at_ms=AT_MS + 20)
        made = copy(folder, root)

    with closing(Journal.open_to_read(made.folder)) as copied:
        assert (copied.find_cut(), copied.end.chain.hex()) == (None, made.chain)
    assert (made.folder / MARK_NAME).read_text().split()[1] == "12"


def test_a_copy_can_be_opened_as_a_ledger(archived: Path, root: Path) -> None:
    made = copy(archived, root)

    with closing(open_ledger(made.folder)) as journal:
        journal.append([booked(7)], at_ms=AT_MS + 20)
        assert journal.end.seq == 12


def test_a_ledger_of_another_time_is_one_copy_each(folder: Path, root: Path) -> None:
    first = copy(folder, root)
    write(folder, [booked(7)])
    second = copy(folder, root)

    assert [path.name for path in list_copies(root)] == [first.folder.name, second.folder.name]
    assert (first.n_entries, second.n_entries) == (11, 12)


def test_an_archive_is_not_written_twice(archived: Path, root: Path) -> None:
    copies = [copy(archived, root), copy(archived, root)]

    inodes = {path.stat().st_ino for made in copies for path in (made.folder / ARCHIVE_NAME).iterdir()}
    assert len(inodes) == 1


def test_where_files_have_one_name_only_archives_are_copied(
    archived: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError("not here")

    copy(archived, root)
    monkeypatch.setattr(os, "link", refuse)

    assert read(copy(archived, root).folder) == read(archived)


def test_an_archive_of_another_ledger_is_not_taken_over(archived: Path, root: Path, tmp_path: Path) -> None:
    """After a rebuild without its archives the names may be the same."""
    other = tmp_path / "other"
    write(other, [*ENTRIES[:2], booked(99), *ENTRIES[3:]])
    archive(other)
    copy(other, root)

    assert read(copy(archived, root).folder) == read(archived)


def test_a_missing_archive_is_named_and_the_rest_copied(archived: Path, root: Path) -> None:
    shutil.rmtree(archived / ARCHIVE_NAME)

    made = copy(archived, root)

    assert made.lacks == ("entries-1-9.sqlite3",)
    assert made.n_entries == 11


def test_a_missing_archive_is_taken_from_an_earlier_copy(archived: Path, root: Path) -> None:
    copy(archived, root)
    shutil.rmtree(archived / ARCHIVE_NAME)

    assert copy(archived, root).lacks == ()


def test_a_changed_archive_is_named(archived: Path, root: Path) -> None:
    (path,) = (archived / ARCHIVE_NAME).iterdir()
    path.chmod(0o600)
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("DROP TRIGGER entries_stay")
        file.execute("UPDATE entries SET body = replace(body, '1', '2')")

    assert copy(archived, root).lacks == (path.name,)


# --- what is not copied ---------------------------------------------------------------------------


def test_no_ledger_is_an_error_that_names_it(tmp_path: Path, root: Path) -> None:
    with pytest.raises(JournalError, match="there is no ledger at"):
        copy(tmp_path / "nowhere", root)


def test_a_ledger_without_entries_is_not_copied(tmp_path: Path, root: Path) -> None:
    Journal.open(tmp_path / "state").close()

    with pytest.raises(JournalError, match="it has no entries yet"):
        copy(tmp_path / "state", root)


def test_a_ledger_that_lacks_its_end_is_not_copied(folder: Path, root: Path) -> None:
    """Else it would push out the good copies, one by one."""
    write_mark(folder, EndMark(500, b"x" * 16))

    with pytest.raises(JournalError, match="lacks the entry that its end mark names"):
        copy(folder, root)
    assert os.listdir(root) == []


def test_a_ledger_with_a_changed_entry_is_not_copied(folder: Path, root: Path) -> None:
    with closing(sqlite3.connect(folder / JOURNAL_NAME, isolation_level=None)) as file:
        file.execute("DROP TRIGGER entries_stay")
        file.execute("UPDATE entries SET body = replace(body, '6', '7') WHERE seq = 11")

    with pytest.raises(JournalError, match=r"was not copied: .*entry 11 differs from what was written"):
        copy(folder, root)
    assert os.listdir(root) == []


def test_a_folder_that_cannot_be_written_is_the_operators(folder: Path, root: Path) -> None:
    with pytest.raises(ConfigError, match=r"the copy in .* cannot be written: "):
        copy_ledger(folder, root / "nowhere", label=LABEL, check_stop=lambda: None)


def test_a_full_disk_of_the_copies_is_told_as_that(folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect_small(path: str, *, is_uri: bool = False) -> sqlite3.Connection:
        connection = connect(path, is_uri=is_uri)
        if not is_uri:
            connection.execute("PRAGMA max_page_count = 2")
        return connection

    monkeypatch.setattr(module, "connect", connect_small)

    with pytest.raises(ConfigError, match=r"the copy in .* cannot be written: the disk is full"):
        copy(folder, root)


# --- half copies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("nth", range(1, 8))
def test_a_copy_that_is_stopped_leaves_nothing(
    archived: Path, root: Path, nth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(module, "PAGES_AT_ONCE", 4)
    left = iter(range(1, nth))

    def check_stop() -> None:
        if next(left, None) is None:
            raise Stopped

    with pytest.raises(Stopped):
        copy_ledger(archived, root, label=LABEL, check_stop=check_stop)

    assert os.listdir(root) == []


def count_steps(archived: Path, root: Path) -> int:
    root.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        killer = FileKiller(patch, STEPS)
        copy(archived, root)
    return killer.n_steps


@pytest.mark.parametrize("after", [False, True])
def test_a_copy_that_is_killed_at_any_step_is_whole_or_not_there(archived: Path, tmp_path: Path, after: bool) -> None:
    n_steps = count_steps(archived, tmp_path / "counted")
    assert n_steps > 15
    for step in range(1, n_steps + 1):
        root = tmp_path / str(step)
        root.mkdir(mode=0o700)
        with pytest.MonkeyPatch.context() as patch:
            FileKiller(patch, STEPS, step, after=after)
            # Nobody removes anything after a kill.
            patch.setattr(shutil, "rmtree", lambda *args, **options: None)
            with pytest.raises(Killed):
                copy(archived, root)

        assert all(read(found) == read(archived) for found in list_copies(root)), step
        copy(archived, root)
        assert set(root.iterdir()) == set(list_copies(root)), step


# --- beside a maker -------------------------------------------------------------------------------


@pytest.fixture
def copying(folder: Path, root: Path) -> Iterator[list[int]]:
    """Copies in a row, in a thread of their own; gives how many entries each had."""
    found: list[int] = []
    is_over = threading.Event()

    def copy_forever() -> None:
        while not is_over.is_set():
            found.append(copy(folder, root).n_entries)

    thread = threading.Thread(target=copy_forever, daemon=True)
    thread.start()
    yield found
    is_over.set()
    thread.join()


def test_a_writer_never_finds_the_journal_locked(folder: Path, copying: list[int]) -> None:
    """A lock that outlasts the writer's 0.2 s would be a `JournalBusy` here."""
    with closing(Journal.open(folder)) as journal:
        n = 0
        while len(copying) < 20:
            n += 1
            journal.append([booked(100 + n)], at_ms=AT_MS + 100 + n)

    assert copying == sorted(copying)
    assert copying[-1] > copying[0] >= 11


def test_entries_that_move_into_an_archive_meanwhile_are_copied_once(
    folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start moves them while a copy is under way."""
    monkeypatch.setattr(module, "PAGES_AT_ONCE", 1)
    whole, steps = read(folder), iter([lambda: archive(folder)])

    made = copy_ledger(folder, root, label=LABEL, check_stop=lambda: next(steps, lambda: None)())

    assert read(made.folder) == read(folder) == whole
    assert not (made.folder / ARCHIVE_NAME).exists()
    assert read(copy(folder, root).folder) == whole


def test_the_tables_of_litestream_disturb_nobody(folder: Path, root: Path) -> None:
    """It adds two tables to the journal, and a folder beside it."""
    (folder / ".journal.sqlite3-litestream").mkdir(mode=0o755)
    with closing(sqlite3.connect(folder / JOURNAL_NAME, isolation_level=None)) as file:
        file.execute("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
        file.execute("CREATE TABLE _litestream_lock (id INTEGER)")
        file.execute("INSERT INTO _litestream_seq VALUES (1, 7)")

    with closing(open_ledger(folder)) as journal:
        journal.append([booked(7)], at_ms=AT_MS + 20)

    assert len(read(copy(folder, root).folder)) == 12


# --- what else is noted ---------------------------------------------------------------------------


def test_the_standing_of_the_maker_is_noted(folder: Path, root: Path) -> None:
    replace_standing(folder, Standing(state=State.HALTED, since_ms=5, why="a limit"))

    assert (copy(folder, root).standing or {})["state"] == "halted"


def test_a_standing_that_cannot_be_read_is_noted_as_that(folder: Path, root: Path) -> None:
    (folder / "standing.json").write_text("{")

    assert "unread" in (copy(folder, root).standing or {})
