"""Entries before the last checkpoint lie in archives: each is kept once, read with the rest, and missed by name."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from core_kit import dec
from file_killer_kit import FileKiller, Killed

from mm_trio.journal import archives as module
from mm_trio.journal.archives import ARCHIVE_NAME
from mm_trio.journal.data_dir import describe_lost, open_ledger, set_aside
from mm_trio.journal.end_mark import MARK_NAME
from mm_trio.journal.ledger_sums import read_ledger
from mm_trio.journal.replay import replay
from mm_trio.journal.sqlite_journal import CHECK_EVERY_MS, JOURNAL_NAME, Journal, JournalRow
from mm_trio.model.errors import JournalError
from mm_trio.model.journal_entries import Adjusted, Began, Booked, Checkpoint, Entry, LookedUp, Remembered, Summed
from mm_trio.model.orders import Quote

AT_MS = 1_790_000_000_000
FIXTURES = Path(__file__).parents[2] / "fixtures"


def booked(tid: int) -> Booked:
    return Booked(tid, tid, 1000 + tid, "@107", Quote("buy", 3, dec("20.180"), dec("1.50")), dec("0.001"), "base")


def checkpoint(token: int) -> Checkpoint:
    parts: tuple[Entry, ...] = (Began(7, {}), Summed(None, None, dec(token), dec(0)), Remembered(1000 + token, ()))
    return Checkpoint(parts)


# Eleven entries, two checkpoints; nine lie before the last one.
FIRST: list[Entry] = [Began(7, {}), Adjusted(dec(0), dec(0), "balance"), booked(1), booked(2), checkpoint(2)]
THEN: list[Entry] = [booked(3), LookedUp(1003), booked(4), booked(5), checkpoint(5), booked(6)]


def write(folder: Path, *entries: Entry) -> None:
    with closing(Journal.open(folder)) as journal:
        for n, entry in enumerate(entries):
            journal.append([entry], at_ms=AT_MS + n)
        journal.mark_end()


def move(folder: Path) -> int:
    with closing(Journal.open(folder)) as journal:
        return journal.move_to_archive(at_least=1)


def read(folder: Path, *, since_checkpoint: bool = False) -> list[JournalRow]:
    with closing(Journal.open_to_read(folder)) as journal:
        return list(journal.read(since_checkpoint=since_checkpoint))


def entries_of(rows: Sequence[JournalRow]) -> list[Entry]:
    return [row.entry for row in rows]


def find_files(folder: Path) -> list[Path]:
    return sorted((folder / ARCHIVE_NAME).iterdir())


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ledger with nine entries in an archive and two in the journal."""
    write(tmp_path / "state", *FIRST, *THEN)
    assert move(tmp_path / "state") == 9
    return tmp_path / "state"


# --- moved and read ---------------------------------------------------------------------------


def test_a_ledger_reads_the_same_before_and_after_entries_are_moved(tmp_path: Path) -> None:
    write(tmp_path, *FIRST, *THEN)
    whole, since = read(tmp_path), read(tmp_path, since_checkpoint=True)

    assert move(tmp_path) == 9
    assert (read(tmp_path), read(tmp_path, since_checkpoint=True)) == (whole, since)
    with raw(tmp_path / JOURNAL_NAME) as connection:
        assert connection.execute("SELECT min(seq), max(seq) FROM entries").fetchone() == (10, 11)


def test_entries_of_some_kinds_are_read_from_archives_too(folder: Path) -> None:
    with closing(Journal.open_to_read(folder)) as journal:
        assert [row.seq for row in journal.read_kinds(Booked)] == [3, 4, 6, 8, 9, 11]
        assert [row.seq for row in journal.read_kinds(Booked, since_ms=AT_MS + 7)] == [8, 9, 11]
        assert [row.seq for row in journal.read_kinds(Booked, since_ms=AT_MS + 9)] == [11]


def test_a_ledger_goes_on_after_entries_were_moved_and_later_ones_follow(folder: Path) -> None:
    write(folder, booked(7), checkpoint(7), booked(8))
    whole = read(folder)

    assert move(folder) == 3
    assert [row.seq for row in whole] == list(range(1, 15))
    assert read(folder) == whole
    assert [path.name for path in find_files(folder)] == ["entries-1-9.sqlite3", "entries-10-12.sqlite3"]


def test_entries_that_are_few_stay_in_the_journal(tmp_path: Path) -> None:
    write(tmp_path, *FIRST, *THEN)

    with closing(Journal.open(tmp_path)) as journal:
        assert journal.move_to_archive(at_least=10) == 0
        assert journal.move_to_archive(at_least=9) == 9


def test_without_a_checkpoint_nothing_is_moved(tmp_path: Path) -> None:
    write(tmp_path, *FIRST[:4])

    assert move(tmp_path) == 0


def test_what_is_moved_lies_in_files_of_a_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENTRIES_PER_FILE", 4)
    write(tmp_path, *FIRST, *THEN)
    whole = read(tmp_path)
    move(tmp_path)

    assert len(find_files(tmp_path)) == 3
    assert read(tmp_path) == whole


def test_an_archive_is_private_and_read_only(folder: Path) -> None:
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder / ARCHIVE_NAME, *find_files(folder))]

    assert modes == [0o700, 0o400]


def test_a_journal_of_the_first_version_is_archived_and_reads_the_same(tmp_path: Path) -> None:
    shutil.copy(FIXTURES / "journal_e586760.sqlite3", tmp_path / JOURNAL_NAME)
    whole, since = read(tmp_path), read(tmp_path, since_checkpoint=True)

    assert move(tmp_path) > 0
    assert (read(tmp_path), read(tmp_path, since_checkpoint=True)) == (whole, since)


def test_the_journal_gets_smaller(tmp_path: Path) -> None:
    write(tmp_path)
    with closing(Journal.open(tmp_path)) as journal:
        journal.append([*map(booked, range(3_000)), checkpoint(1)], at_ms=AT_MS)
    before = (tmp_path / JOURNAL_NAME).stat().st_size
    move(tmp_path)

    assert (tmp_path / JOURNAL_NAME).stat().st_size < before / 2


def test_a_reader_sees_every_entry_once_while_they_move(tmp_path: Path) -> None:
    write(tmp_path, *FIRST, *THEN)
    with closing(Journal.open_to_read(tmp_path)) as reader:
        rows = reader.read(since_checkpoint=False)
        seen = [next(rows).seq]
        move(tmp_path)
        write(tmp_path, booked(7))
        seen += [row.seq for row in rows]

        assert seen == list(range(1, 12))
        assert [row.seq for row in reader.read(since_checkpoint=False)] == list(range(1, 13))


# --- nothing else leaves the journal ----------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM entries WHERE seq = 10",
        "UPDATE entries SET body = '[]'",
        "DELETE FROM archives",
        "UPDATE archives SET last = 11",
        "INSERT INTO archives VALUES (10, 10, 0, (SELECT chain FROM entries WHERE seq = 10), 'a', 1)",
        "INSERT INTO archives VALUES (11, 11, 0, (SELECT chain FROM entries WHERE seq = 11), 'a', 1)",
        "INSERT INTO archives VALUES (10, 9, 0, x'00', 'a', 1)",
    ],
)
def test_the_file_refuses_to_lose_what_no_archive_has(folder: Path, statement: str) -> None:
    whole = read(folder)
    with raw(folder / JOURNAL_NAME) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)

    assert read(folder) == whole


def test_a_fill_in_an_archive_is_not_booked_again(folder: Path) -> None:
    whole = read(folder)
    with closing(Journal.open(folder)) as journal, pytest.raises(sqlite3.IntegrityError):
        journal.append([booked(7), booked(1)], at_ms=AT_MS)

    assert read(folder) == whole


def test_the_newest_fills_of_archives_stay_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILLS_LISTED", 2)
    write(tmp_path, *FIRST, *THEN)
    move(tmp_path)

    with raw(tmp_path / JOURNAL_NAME) as connection:
        assert [row[0] for row in connection.execute("SELECT seq FROM archived_fills")] == [8, 9]


# --- missing or damaged -----------------------------------------------------------------------


def remove(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.chmod(0o600)
    os.truncate(path, 4096)


def put_a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def change_an_entry(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"20.180", b"20.190"))


SPOIL = pytest.mark.parametrize("spoil", [remove, cut, put_a_link, change_an_entry])


@SPOIL
def test_an_archive_that_cannot_be_read_is_named_where_all_is_read(folder: Path, spoil: Callable[[Path], None]) -> None:
    (path,) = find_files(folder)
    spoil(path)

    with pytest.raises(JournalError, match=f"the archive {path} of entries 1 to 9 .*; a start does not need it"):
        read(folder)


@SPOIL
def test_a_start_goes_on_without_an_archive(folder: Path, spoil: Callable[[Path], None]) -> None:
    since = read(folder, since_checkpoint=True)
    spoil(find_files(folder)[0])

    with closing(open_ledger(folder)) as journal:
        assert list(journal.read()) == since


def test_a_start_says_once_which_archive_is_missing(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    remove(find_files(folder)[0])
    with caplog.at_level(logging.WARNING):
        open_ledger(folder).close()

    assert [record.message.count("entries-1-9.sqlite3 of entries 1 to 9 is missing") for record in caplog.records] == [
        1
    ]


@SPOIL
def test_without_its_archive_a_ledger_is_salvaged_from_its_checkpoint(
    folder: Path, spoil: Callable[[Path], None]
) -> None:
    """The rebuilt ledger has the sums and the fills of the checkpoint, so nothing is booked again."""
    spoil(find_files(folder)[0])
    rows = Journal.salvage(folder)

    assert entries_of(rows) == [checkpoint(5), booked(6)]
    known = read_ledger((row.at_ms, row.entry) for row in rows)
    assert known.is_contained(booked(5).to_fill())
    assert not known.is_contained(booked(7).to_fill())
    assert known.epochs == {7}
    assert known.ledger.account_token == dec(5) + dec("1.499")


def test_with_its_archive_a_ledger_is_salvaged_whole(folder: Path) -> None:
    assert entries_of(Journal.salvage(folder)) == [*FIRST, *THEN]


@pytest.mark.parametrize("where", ["journal", "archive"])
def test_a_byte_changed_is_refused_by_name_or_reads_as_it_was_written(folder: Path, where: str) -> None:
    whole = read(folder)
    path = folder / JOURNAL_NAME if where == "journal" else find_files(folder)[0]
    path.chmod(0o600)
    data = path.read_bytes()
    rng = random.Random(1)
    refusals: list[str] = []
    for position in rng.sample([n for n, byte in enumerate(data) if byte], 150):
        changed = bytearray(data)
        changed[position] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        try:
            assert read(folder) == whole, position
        except JournalError as error:
            refusals.append(str(error))

    assert len(refusals) > 20
    assert all(str(folder) in refusal for refusal in refusals)


def test_a_list_of_archives_that_cannot_be_read_is_damage(folder: Path) -> None:
    with raw(folder / JOURNAL_NAME) as connection:
        connection.execute("DROP TRIGGER archives_stay")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, 'name TEXT NOT NULL', 'name ANY')")
    with raw(folder / JOURNAL_NAME) as connection:
        connection.execute("UPDATE archives SET name = NULL")

    with pytest.raises(JournalError, match=f"{folder}.* is damaged: its list of archives"):
        read(folder)


def test_a_damaged_entry_is_not_archived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, *FIRST, *THEN)
    with raw(tmp_path / JOURNAL_NAME) as connection:
        connection.execute("DROP TRIGGER entries_stay")
        connection.execute("UPDATE entries SET body = replace(body, '1.50', '9.50') WHERE seq = 4")
    with (
        closing(Journal.open(tmp_path)) as journal,
        pytest.raises(JournalError, match="entry 4 of the journal differs"),
    ):
        journal.move_to_archive(at_least=1)

    with raw(tmp_path / JOURNAL_NAME) as connection:
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (11,)


def test_a_move_that_fails_leaves_no_file_on_a_disk_that_may_be_full(tmp_path: Path) -> None:
    write(tmp_path, *FIRST, *THEN)
    with raw(tmp_path / JOURNAL_NAME) as connection:
        connection.execute("DROP TRIGGER entries_stay")
        connection.execute("UPDATE entries SET body = replace(body, '1.50', '9.50') WHERE seq = 4")
    with closing(Journal.open(tmp_path)) as journal, pytest.raises(JournalError):
        journal.move_to_archive(at_least=1)

    assert list((tmp_path / ARCHIVE_NAME).iterdir()) == []


def test_a_move_does_not_fill_up_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_FREE_BYTES", 10**18)
    write(tmp_path, *FIRST, *THEN)
    whole = read(tmp_path)
    with closing(Journal.open(tmp_path)) as journal, pytest.raises(JournalError, match=r"MB free, .*; free some space"):
        journal.move_to_archive(at_least=1)

    assert read(tmp_path) == whole
    assert not (tmp_path / ARCHIVE_NAME).exists()


def test_a_move_leaves_no_large_log(tmp_path: Path) -> None:
    write(tmp_path, *FIRST, *THEN)
    with closing(Journal.open(tmp_path)) as journal:
        journal.move_to_archive(at_least=1)

        assert (tmp_path / f"{JOURNAL_NAME}-wal").stat().st_size == 0
        journal.append([booked(9)], at_ms=AT_MS)
    assert read(tmp_path)[-1].entry == booked(9)


def test_an_archive_of_another_ledger_is_not_written_over(tmp_path: Path) -> None:
    write(tmp_path / "one", *FIRST, *THEN)
    write(tmp_path / "other", *FIRST[:2], booked(99), *FIRST[3:], *THEN)
    move(tmp_path / "one")
    shutil.copytree(tmp_path / "one" / ARCHIVE_NAME, tmp_path / "other" / ARCHIVE_NAME)
    before, whole = find_files(tmp_path / "other")[0].read_bytes(), read(tmp_path / "other")

    with pytest.raises(JournalError, match=r"entries-1-9.sqlite3 is in the way"):
        move(tmp_path / "other")
    assert [path.read_bytes() for path in find_files(tmp_path / "other")] == [before]
    assert read(tmp_path / "other") == whole


def test_an_end_mark_that_names_an_archived_entry_is_believed(tmp_path: Path) -> None:
    write(tmp_path, *FIRST)
    old_mark = (tmp_path / MARK_NAME).read_bytes()
    write(tmp_path, *THEN)
    move(tmp_path)
    (tmp_path / MARK_NAME).write_bytes(old_mark)

    with closing(Journal.open(tmp_path)) as journal:
        assert journal.find_cut() is None


def test_a_journal_that_is_older_than_its_archive_is_refused(tmp_path: Path) -> None:
    write(tmp_path, *FIRST)
    older = (tmp_path / JOURNAL_NAME).read_bytes()
    write(tmp_path, *THEN)
    move(tmp_path)
    (tmp_path / JOURNAL_NAME).write_bytes(older)

    with pytest.raises(JournalError, match="lacks entries: its last entry is 5, but it had 11"):
        Journal.open(tmp_path)


def test_archives_are_set_aside_with_their_journal(folder: Path) -> None:
    whole = read(folder)
    aside = set_aside(folder)

    assert read(aside) == whole
    assert not (folder / ARCHIVE_NAME).exists()


def test_an_archive_tells_of_a_journal_that_is_gone(folder: Path) -> None:
    for path in folder.glob("journal*"):
        path.unlink()

    assert ARCHIVE_NAME in (describe_lost(folder) or "")


# --- killed while entries move ----------------------------------------------------------------

STEPS = ("mkdir", "fsync", "replace", "rename", "unlink", "chmod", "open", "close")


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_call_a_move_loses_no_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool) -> None:
    monkeypatch.setattr(module, "ENTRIES_PER_FILE", 4)
    write(tmp_path / "source", *FIRST, *THEN)
    whole = read(tmp_path / "source")
    shutil.copytree(tmp_path / "source", tmp_path / "counted")
    with closing(Journal.open(tmp_path / "counted")) as journal, pytest.MonkeyPatch.context() as patch:
        counter = FileKiller(patch, STEPS)
        journal.move_to_archive(at_least=1)
    assert counter.n_steps > 30
    for step in range(1, counter.n_steps + 1):
        folder = tmp_path / str(step)
        shutil.copytree(tmp_path / "source", folder)
        with closing(Journal.open(folder)) as journal, pytest.MonkeyPatch.context() as patch:
            FileKiller(patch, STEPS, step, after=after)
            with pytest.raises(Killed):
                journal.move_to_archive(at_least=1)

        assert read(folder) == whole, step
        move(folder)
        assert read(folder) == whole, step
        assert not (folder / ARCHIVE_NAME / "unfinished").exists()


KILL_MANY = """
import json, os, shutil, signal, sys, time
from contextlib import closing
from pathlib import Path
from mm_trio.journal import archives
from mm_trio.journal.ledger_sums import read_ledger
from mm_trio.journal.replay import replay
from mm_trio.journal.sqlite_journal import Journal

base, n = Path(sys.argv[1]), int(sys.argv[2])
archives.ENTRIES_PER_FILE = 40

def look(journal):
    rows = list(journal.read(since_checkpoint=False))
    found = replay((row.entry for row in journal.read()), order_size=5, now_s=0.0, wall_ms=0)
    return rows, found.inventory.summarise(), found.order_state.summarise(remember_after_ms=0)

def live(folder):
    with closing(Journal.open(folder)) as journal:
        journal.move_to_archive(at_least=1)

with closing(Journal.open(base / "source")) as journal:
    whole = look(journal)
shutil.copytree(base / "source", base / "timed")
began_s = time.perf_counter()
live(base / "timed")
took_s = time.perf_counter() - began_s
states, n_killed, i = set(), 0, 0
while n_killed < n and i < 3 * n:
    i += 1
    folder = base / f"killed-{i}"
    shutil.copytree(base / "source", folder)
    pid = os.fork()
    if pid == 0:
        live(folder)
        os._exit(0)
    time.sleep(1.2 * took_s * (i * 0.618 % 1))
    os.kill(pid, signal.SIGKILL)
    n_killed += os.waitpid(pid, 0)[1] == signal.SIGKILL
    with closing(Journal.open(folder)) as journal:
        assert look(journal) == whole, i
        states.add(len(journal._archives.list()))
        journal.move_to_archive(at_least=1)
        assert look(journal) == whole, i
    shutil.rmtree(folder)
print(json.dumps({"killed": n_killed, "states": sorted(states)}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each kill ends a copy of the process")
def test_killed_at_any_moment_a_move_loses_no_entry(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path / "source")) as journal:
        journal.append([*FIRST, *map(booked, range(10, 150)), checkpoint(8), booked(6)], at_ms=AT_MS)
        journal.mark_end()
    done = subprocess.run(
        [sys.executable, "-c", KILL_MANY, str(tmp_path), "100"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["killed"] == 100
    assert len(found["states"]) >= 3


# --- how often all pages are looked at --------------------------------------------------------


@pytest.fixture
def spoiled(tmp_path: Path) -> Path:
    """A ledger with damage in a page that a start does not read."""
    with closing(Journal.open(tmp_path / "state")) as journal:
        old = [Began(n, {"text": "1.500 " * 30}) for n in range(200)]
        journal.append([*old, checkpoint(1), booked(6)], at_ms=AT_MS)
        journal.mark_end()
    path = tmp_path / "state" / JOURNAL_NAME
    data = bytearray(path.read_bytes())
    page = data.index(b"1.500 1.500") // 4096 * 4096
    data[page : page + 8] = b"\x99" * 8
    path.write_bytes(data)
    return tmp_path / "state"


def set_last_check(folder: Path, at_ms: int) -> None:
    with raw(folder / JOURNAL_NAME) as connection:
        connection.execute("UPDATE checks SET at_ms = ?", (at_ms,))


def test_a_start_within_a_day_reads_what_it_needs_alone(spoiled: Path) -> None:
    with closing(Journal.open(spoiled)) as journal:
        assert entries_of(list(journal.read())) == [checkpoint(1), booked(6)]


def test_damage_that_a_start_passed_over_is_named_where_it_is_read(spoiled: Path) -> None:
    with pytest.raises(JournalError, match=rf"{spoiled}.*damaged.*`mm-trio ledger rebuild`"):
        read(spoiled)


@pytest.mark.parametrize("after_ms", [-CHECK_EVERY_MS, 3_600_000])
def test_a_start_a_day_later_or_before_its_last_check_looks_at_all_pages(spoiled: Path, after_ms: int) -> None:
    set_last_check(spoiled, time.time_ns() // 1_000_000 + after_ms)

    with pytest.raises(JournalError, match="is damaged"):
        Journal.open(spoiled)


def test_a_start_after_a_kill_looks_at_all_pages(spoiled: Path) -> None:
    (spoiled / f"{JOURNAL_NAME}-wal").write_bytes(b"left behind by a process that was killed")

    with pytest.raises(JournalError, match="is damaged"):
        Journal.open(spoiled)


def test_an_audit_looks_at_all_pages(spoiled: Path) -> None:
    with pytest.raises(JournalError, match="is damaged"):
        Journal.open_to_read(spoiled, check_pages=True)


def test_a_replay_gives_the_same_state_from_checkpoint_and_archive(folder: Path) -> None:
    with closing(Journal.open(folder)) as journal:
        rows = [row.entry for row in journal.read()]
    found = replay(rows, order_size=dec(5), now_s=0.0, wall_ms=0)

    assert found.inventory.account_token == dec(5) + dec("1.499")
