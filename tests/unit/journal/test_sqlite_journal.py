"""Ledger file: committed entries stay whole and in order, damage is detected."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from core_kit import dec

from mm_trio.journal import ledger_schema
from mm_trio.journal import sqlite_journal as module
from mm_trio.journal.ledger_schema import MIGRATIONS, is_closed_for_good
from mm_trio.journal.sqlite_journal import JOURNAL_NAME, Journal, JournalRow
from mm_trio.model.errors import JournalError
from mm_trio.model.journal_entries import Arrived, Began, Booked, Checkpoint, Entry, LookedUp, Requested, Summed
from mm_trio.model.orders import Quote

AT_MS = 1_790_000_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Journal]:
    with contextlib.closing(Journal.open(folder)) as journal:
        yield journal


@contextlib.contextmanager
def raw(folder: Path) -> Iterator[sqlite3.Connection]:
    """The file as anybody may open it."""
    with contextlib.closing(sqlite3.connect(folder / JOURNAL_NAME, isolation_level=None)) as connection:
        yield connection


def booked(tid: int, *, oid: int = 1, time_ms: int | None = 1000, coin: str | None = "@107") -> Booked:
    return Booked(oid, tid, time_ms, coin, Quote("buy", 3, dec("20.180"), dec("1.50")), dec("0.001"), "base")


def checkpoint(token: int) -> Checkpoint:
    return Checkpoint((Began(7, {}), Summed(None, None, Decimal(token), Decimal(0))))


def entries_of(journal: Journal, *, since_checkpoint: bool = False) -> list[Entry]:
    return [row.entry for row in journal.read(since_checkpoint=since_checkpoint)]


def write(folder: Path, *batches: Sequence[Entry]) -> None:
    with opened(folder) as journal:
        for n, batch in enumerate(batches):
            journal.append(batch, at_ms=AT_MS + n)


def read_back(folder: Path, *, since_checkpoint: bool = False) -> list[Entry]:
    with opened(folder) as journal:
        return entries_of(journal, since_checkpoint=since_checkpoint)


# --- what is written is there -----------------------------------------------------------------


def test_a_new_ledger_is_empty(folder: Path) -> None:
    assert read_back(folder) == []


def test_what_was_appended_is_read_back_in_order_with_its_number_and_time(folder: Path) -> None:
    with opened(folder) as journal:
        journal.append([Began(7, {"coin": "@107"}), booked(1)], at_ms=AT_MS)
        journal.append([LookedUp(5)], at_ms=AT_MS + 1)

        assert list(journal.read()) == [
            JournalRow(1, AT_MS, Began(7, {"coin": "@107"})),
            JournalRow(2, AT_MS, booked(1)),
            JournalRow(3, AT_MS + 1, LookedUp(5)),
        ]


def test_a_ledger_goes_on_where_it_ended(folder: Path) -> None:
    write(folder, [booked(1)])
    write(folder, [booked(2)], [booked(3)])

    assert read_back(folder) == [booked(1), booked(2), booked(3)]


def test_nothing_appended_is_nothing_written(folder: Path) -> None:
    write(folder, [], [booked(1)], [])

    assert read_back(folder) == [booked(1)]


def test_what_append_returned_from_is_there_for_another_connection_at_once(folder: Path) -> None:
    with opened(folder) as journal:
        journal.append([booked(1)], at_ms=AT_MS)

        with contextlib.closing(Journal.open_to_read(folder)) as reader:
            assert entries_of(reader) == [booked(1)]


def test_what_append_returned_from_is_there_after_the_process_died(folder: Path, tmp_path: Path) -> None:
    """The files as they lie on the disk at that moment, never closed."""
    with opened(folder) as journal:
        journal.append([booked(1)], at_ms=AT_MS)
        shutil.copytree(folder, tmp_path / "copy")

    assert read_back(tmp_path / "copy") == [booked(1)]


def test_every_commit_reaches_the_disk_before_append_returns(folder: Path) -> None:
    with opened(folder) as journal:
        settings = [
            journal._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
        ]

    assert settings == ["wal", 2]  # 2: FULL


def test_a_reader_beside_the_writer_sees_whole_commits_and_does_not_disturb_it(folder: Path) -> None:
    with opened(folder) as journal:
        journal.append([booked(1), booked(2)], at_ms=AT_MS)
        with contextlib.closing(Journal.open_to_read(folder)) as reader:
            rows = reader.read()
            first = next(rows)
            journal.append([booked(3)], at_ms=AT_MS)

            assert [first.entry, *(row.entry for row in rows)] == [booked(1), booked(2)]
            assert entries_of(reader) == [booked(1), booked(2), booked(3)]


def test_a_quiet_reader_leaves_no_file_behind(folder: Path) -> None:
    write(folder, [Began(7, {})])
    before = sorted(folder.iterdir())

    with contextlib.closing(Journal.open_to_read(folder, is_quiet=True)) as reader:
        assert entries_of(reader) == [Began(7, {})]

    assert sorted(folder.iterdir()) == before


def test_a_quiet_reader_sees_what_a_writer_has_not_folded_in_yet(folder: Path) -> None:
    with opened(folder) as journal:
        journal.append([Began(7, {})], at_ms=AT_MS)
        with contextlib.closing(Journal.open_to_read(folder, is_quiet=True)) as reader:
            assert entries_of(reader) == [Began(7, {})]


def test_a_reader_changes_nothing(folder: Path) -> None:
    write(folder, [booked(1)])

    with contextlib.closing(Journal.open_to_read(folder)) as reader, pytest.raises(JournalError, match="readonly"):
        reader.append([booked(2)], at_ms=AT_MS)
    assert read_back(folder) == [booked(1)]


def test_where_there_is_no_ledger_there_is_none_to_read_and_none_is_made(folder: Path) -> None:
    with pytest.raises(JournalError, match=f"there is no ledger at {folder}"):
        Journal.open_to_read(folder)

    assert not folder.exists()


@pytest.mark.parametrize("name", ["a folder", "what?", "a#b", "100%20", "ü"])
def test_a_ledger_may_lie_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, [booked(1)])

    with contextlib.closing(Journal.open_to_read(tmp_path / name)) as reader:
        assert entries_of(reader) == [booked(1)]


# --- checkpoints ------------------------------------------------------------------------------


def test_a_replay_begins_at_the_last_checkpoint(folder: Path) -> None:
    write(folder, [booked(1), checkpoint(1)], [booked(2)], [checkpoint(2), booked(3)], [booked(4)])

    assert read_back(folder, since_checkpoint=True) == [checkpoint(2), booked(3), booked(4)]
    assert len(read_back(folder)) == 6


def test_without_a_checkpoint_a_replay_begins_at_the_beginning(folder: Path) -> None:
    write(folder, [booked(1)], [booked(2)])

    assert read_back(folder, since_checkpoint=True) == [booked(1), booked(2)]


# --- all or nothing ---------------------------------------------------------------------------


def test_a_fill_booked_twice_is_refused_whole_whatever_this_process_remembers(folder: Path) -> None:
    with opened(folder) as journal:
        journal.append([booked(1)], at_ms=AT_MS)

        with pytest.raises(sqlite3.IntegrityError):
            journal.append([Arrived("0x1", 4), booked(1), booked(2)], at_ms=AT_MS)

        assert entries_of(journal) == [booked(1)]
        journal.append([booked(2)], at_ms=AT_MS)
        assert entries_of(journal) == [booked(1), booked(2)]


@pytest.mark.parametrize(
    "other", [booked(1, oid=2), booked(1, time_ms=1001), booked(1, coin="@207"), booked(2), booked(1, time_ms=None)]
)
def test_fills_that_differ_in_time_coin_trade_or_order_are_two(folder: Path, other: Booked) -> None:
    write(folder, [booked(1), other])

    assert read_back(folder) == [booked(1), other]


def test_a_full_disk_is_told_by_name_and_leaves_all_that_was_committed(folder: Path) -> None:
    Journal.open(folder).close()
    with contextlib.closing(Journal.open(folder, max_pages=12)) as journal:
        committed: list[Entry] = []

        def fill_up() -> None:
            for n in range(0, 10_000, 20):
                batch: list[Entry] = [booked(n + i) for i in range(20)]
                journal.append(batch, at_ms=AT_MS)
                committed.extend(batch)

        with pytest.raises(JournalError, match=rf"{folder}.*full"):
            fill_up()

        assert len(committed) >= 20
        assert entries_of(journal) == committed
    assert read_back(folder) == committed


def test_a_disk_with_room_again_is_written_to_again(folder: Path) -> None:
    Journal.open(folder).close()
    with contextlib.closing(Journal.open(folder, max_pages=12)) as journal:
        big: list[Entry] = [booked(n) for n in range(1000)]
        with pytest.raises(JournalError):
            journal.append(big, at_ms=AT_MS)
        journal.append([booked(0)], at_ms=AT_MS)
    write(folder, [booked(1)])

    assert read_back(folder) == [booked(0), booked(1)]


def test_a_writer_that_does_not_let_go_is_told_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_schema, "BUSY_TIMEOUT_S", 0.01)
    with opened(folder) as journal, raw(folder) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(JournalError, match=rf"{folder}.*locked"):
            journal.append([booked(1)], at_ms=AT_MS)
        other.execute("ROLLBACK")
        journal.append([booked(2)], at_ms=AT_MS)
        assert entries_of(journal) == [booked(2)]


# --- never changed ----------------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["UPDATE entries SET body = '[]'", "DELETE FROM entries WHERE seq = 1"])
def test_the_file_itself_refuses_to_change_or_remove_an_entry(folder: Path, statement: str) -> None:
    write(folder, [booked(1)])

    with raw(folder) as connection, pytest.raises(sqlite3.IntegrityError, match="entries are never"):
        connection.execute(statement)
    assert read_back(folder) == [booked(1)]


def tamper(folder: Path, statement: str) -> None:
    with raw(folder) as connection:
        connection.execute("DROP TRIGGER entries_stay")
        connection.execute("DROP TRIGGER entries_last")
        assert connection.execute(statement).rowcount == 1


@pytest.mark.parametrize(
    "change, found_at",
    [
        ("UPDATE entries SET body = replace(body, '1.50', '9.50') WHERE seq = 2", 2),
        ("UPDATE entries SET body = '' WHERE seq = 3", 3),
        ("UPDATE entries SET at_ms = at_ms + 1 WHERE seq = 2", 2),
        ("UPDATE entries SET kind = 'quoted' WHERE seq = 2", 2),
        ("UPDATE entries SET chain = x'00112233445566778899aabbccddeeff' WHERE seq = 2", 2),
        ("UPDATE entries SET chain = zeroblob(0) WHERE seq = 4", 4),
        ("UPDATE entries SET seq = 9 WHERE seq = 4", 4),
        ("UPDATE entries SET seq = 0 WHERE seq = 1", 1),
        ("DELETE FROM entries WHERE seq = 1", 1),
        ("DELETE FROM entries WHERE seq = 2", 2),
        ("INSERT INTO entries SELECT 5, at_ms, kind, body, NULL, chain FROM entries WHERE seq = 4", 5),
    ],
)
@pytest.mark.parametrize("since_checkpoint", [False, True])
def test_a_row_changed_lost_or_added_is_found_and_named(
    folder: Path, change: str, found_at: int, since_checkpoint: bool
) -> None:
    written: list[Entry] = [booked(n) for n in range(1, 5)]
    write(folder, written[:2], written[2:3], written[3:])
    tamper(folder, change)

    with opened(folder) as journal:
        good: list[Entry] = []
        with pytest.raises(
            JournalError, match=rf"{folder}.* is damaged: entry {found_at} differs from what was written"
        ):
            good.extend(row.entry for row in journal.read(since_checkpoint=since_checkpoint))
        assert good == written[: len(good)]


def test_a_row_changed_before_the_last_checkpoint_is_found_where_all_is_read(folder: Path) -> None:
    write(folder, [booked(1), booked(2)], [checkpoint(5), booked(3)])
    tamper(folder, "UPDATE entries SET body = replace(body, '1.50', '9.50') WHERE seq = 1")

    assert read_back(folder, since_checkpoint=True) == [checkpoint(5), booked(3)]
    with pytest.raises(JournalError, match="entry 1 differs from what was written"):
        read_back(folder)


def test_a_row_changed_right_before_the_last_checkpoint_is_found(folder: Path) -> None:
    write(folder, [booked(1)], [checkpoint(5)])
    tamper(folder, "UPDATE entries SET chain = zeroblob(16) WHERE seq = 1")

    with pytest.raises(JournalError, match="entry 2 differs from what was written"):
        read_back(folder, since_checkpoint=True)


def test_entries_go_on_from_a_damaged_end_only_to_be_found(folder: Path) -> None:
    """Who appends does not read: what is damaged before is found by the next who does."""
    write(folder, [booked(1), booked(2)])
    tamper(folder, "UPDATE entries SET chain = zeroblob(16) WHERE seq = 2")
    write(folder, [booked(3)])

    with pytest.raises(JournalError, match="entry 2 differs from what was written"):
        read_back(folder)


# --- damaged files ----------------------------------------------------------------------------


def lay_down(folder: Path, data: bytes | bytearray) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / JOURNAL_NAME).write_bytes(data)


def whole_file(folder: Path) -> bytes:
    """A closed ledger: two checkpoints, and fills in between."""
    write(
        folder,
        *([booked(10 * n + i) for i in range(3)] for n in range(3)),
        [checkpoint(4)],
        [booked(50), booked(51)],
        [checkpoint(5)],
        *((booked(60 + n), Arrived(f"0x{n}", n)) for n in range(4)),
    )
    return (folder / JOURNAL_NAME).read_bytes()


@pytest.mark.parametrize("seed", range(4))
def test_a_file_with_one_byte_changed_is_refused_by_name_or_reads_as_it_was_written(folder: Path, seed: int) -> None:
    data = whole_file(folder)
    replayed, everything = read_back(folder, since_checkpoint=True), read_back(folder)
    rng = random.Random(seed)
    written = [position for position, byte in enumerate(data) if byte]
    refusals: list[str] = []
    for position in rng.sample(written, 120):
        changed = bytearray(data)
        changed[position] ^= 1 << rng.randrange(8)
        lay_down(folder, changed)
        try:
            found = read_back(folder, since_checkpoint=True), read_back(folder)
        except JournalError as error:
            refusals.append(str(error))
        else:
            assert found == (replayed, everything), f"byte {position} of {len(data)}"

    assert len(refusals) > 20
    assert all(str(folder) in refusal for refusal in refusals)


def test_an_index_that_names_the_wrong_row_as_the_last_checkpoint_is_not_believed(folder: Path) -> None:
    """One flipped bit there, and a replay would begin in the middle: `quick_check` does not look at indices."""
    write(folder, [booked(1), booked(2)], [checkpoint(1)], *([booked(n)] for n in range(3, 9)))
    whole = read_back(folder, since_checkpoint=True)
    with raw(folder) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'checkpoints'").fetchone()[0]
    data = bytearray((folder / JOURNAL_NAME).read_bytes())
    end = page * 4096
    assert data[end - 1] == 3  # the rowid of the one checkpoint, last on its page
    data[end - 2 : end] = bytes([5, 5])
    lay_down(folder, bytes(data))

    try:
        found = read_back(folder, since_checkpoint=True)
    except JournalError:
        return
    assert found == whole


def test_a_schema_that_cannot_be_read_is_a_damaged_ledger(folder: Path) -> None:
    data = bytearray(whole_file(folder))
    start = data.index(b"CREATE TABLE entries")
    data[start + 27] = 0x9A  # no UTF-8 begins so
    lay_down(folder, bytes(data))

    with pytest.raises(JournalError, match=str(folder)):
        read_back(folder)


@pytest.mark.parametrize("kept", [50, 100, 4095, 4096, 8192, 12288])
def test_a_file_cut_short_is_refused_by_name(folder: Path, kept: int) -> None:
    data = whole_file(folder)
    lay_down(folder, data[:kept])

    with pytest.raises(JournalError, match=str(folder)):
        read_back(folder)


@pytest.mark.parametrize("data", [b"\x00" * 8192, b"coin = '@107'\n" * 400, b"SQLite format 3\x00" + b"\xff" * 5000])
@pytest.mark.parametrize("open_it", [Journal.open, Journal.open_to_read])
def test_what_is_no_database_is_refused_by_name_and_left_as_it_is(
    folder: Path, data: bytes, open_it: Callable[[Path], Journal]
) -> None:
    lay_down(folder, data)

    with pytest.raises(JournalError, match=str(folder)):
        open_it(folder)
    assert (folder / JOURNAL_NAME).read_bytes() == data


@pytest.mark.parametrize("open_it", [Journal.open, Journal.open_to_read])
def test_another_program_s_database_is_refused_and_left_as_it_is(
    folder: Path, open_it: Callable[[Path], Journal]
) -> None:
    folder.mkdir()
    with raw(folder) as connection:
        connection.execute("CREATE TABLE theirs (a)")
        connection.execute("INSERT INTO theirs VALUES (1)")

    with pytest.raises(JournalError, match=str(folder)):
        open_it(folder)
    with raw(folder) as connection:
        assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == ["theirs"]


def test_an_empty_file_is_a_new_ledger(folder: Path) -> None:
    lay_down(folder, b"")
    write(folder, [booked(1)])

    assert read_back(folder) == [booked(1)]


@pytest.mark.parametrize("seed", range(3))
def test_a_write_ahead_log_cut_anywhere_opens_as_a_prefix_of_the_commits(
    folder: Path, tmp_path: Path, seed: int
) -> None:
    """What a power cut leaves: SQLite wrote in order, and the disk has some first part of it."""
    batches: list[list[Entry]] = [[booked(10 * n + i) for i in range(1 + n % 3)] for n in range(12)]
    Journal.open(folder).close()
    with opened(folder) as journal:
        for batch in batches:
            journal.append(batch, at_ms=AT_MS)
        database = (folder / JOURNAL_NAME).read_bytes()
        log = (folder / f"{JOURNAL_NAME}-wal").read_bytes()
    prefixes = [[entry for batch in batches[:n] for entry in batch] for n in range(len(batches) + 1)]
    rng = random.Random(seed)
    seen: set[int] = set()
    cut_folder = tmp_path / "cut"
    for length in (0, len(log), *(rng.randrange(len(log)) for _ in range(25))):
        lay_down(cut_folder, database)
        (cut_folder / f"{JOURNAL_NAME}-wal").write_bytes(log[:length])
        found = read_back(cut_folder)
        assert found in prefixes
        seen.add(prefixes.index(found))
        write(cut_folder, [booked(999)])
        assert read_back(cut_folder) == [*found, booked(999)]

    assert {0, len(batches)} < seen


def test_a_write_ahead_log_with_a_changed_byte_opens_as_a_prefix_of_the_commits(folder: Path, tmp_path: Path) -> None:
    batches: list[list[Entry]] = [[booked(n)] for n in range(8)]
    Journal.open(folder).close()
    with opened(folder) as journal:
        for batch in batches:
            journal.append(batch, at_ms=AT_MS)
        database = (folder / JOURNAL_NAME).read_bytes()
        log = (folder / f"{JOURNAL_NAME}-wal").read_bytes()
    rng = random.Random(1)
    cut_folder = tmp_path / "cut"
    for _ in range(25):
        changed = bytearray(log)
        changed[rng.randrange(len(log))] ^= 1 << rng.randrange(8)
        lay_down(cut_folder, database)
        (cut_folder / f"{JOURNAL_NAME}-wal").write_bytes(changed)

        assert read_back(cut_folder) in [[booked(i) for i in range(n)] for n in range(len(batches) + 1)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_told_by_name(folder: Path) -> None:
    Journal.open(folder).close()
    folder.chmod(0o500)

    with pytest.raises(JournalError, match=str(folder)):
        Journal.open(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_ledger_in_a_read_only_folder_can_be_read(folder: Path) -> None:
    write(folder, [Began(7, {})])
    folder.chmod(0o500)

    with contextlib.closing(Journal.open_to_read(folder)) as reader:
        assert entries_of(reader) == [Began(7, {})]


def test_a_log_beside_a_file_keeps_it_from_being_taken_for_closed(folder: Path) -> None:
    with opened(folder) as journal:
        journal.append([Began(7, {})], at_ms=AT_MS)
        found = is_closed_for_good(folder / JOURNAL_NAME, is_quiet=True)

    assert (found, is_closed_for_good(folder / JOURNAL_NAME, is_quiet=True)) == (False, True)


def test_a_folder_that_cannot_be_made_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(JournalError, match=f"the ledger {tmp_path}/file/{JOURNAL_NAME} cannot be used"):
        Journal.open(tmp_path / "file")


def test_a_failed_open_leaves_no_connection_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_down(folder, b"no database, in many words" * 400)
    made: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def note(*args: object, **options: object) -> sqlite3.Connection:
        made.append(connect(*args, **options))  # type: ignore[call-overload]
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", note)
    for open_it in (Journal.open, Journal.open_to_read):
        with pytest.raises(JournalError):
            open_it(folder)

    assert len(made) == 2
    for connection in made:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


# --- salvage ----------------------------------------------------------------------------------


def test_what_stands_before_the_damage_can_be_salvaged(folder: Path) -> None:
    write(folder, [booked(1), checkpoint(3)], [booked(2)], [booked(3)])
    assert [row.entry for row in Journal.salvage(folder)] == [booked(1), checkpoint(3), booked(2), booked(3)]

    tamper(folder, "UPDATE entries SET at_ms = 0 WHERE seq = 3")
    assert [row.entry for row in Journal.salvage(folder)] == [booked(1), checkpoint(3)]


def test_nothing_is_salvaged_of_a_file_that_is_none_and_none_is_made(folder: Path) -> None:
    assert Journal.salvage(folder) == []
    assert not folder.exists()

    for data in (b"", b"no database, in many words" * 400):
        lay_down(folder, data)
        assert Journal.salvage(folder) == []


@pytest.mark.parametrize("seed", range(2))
def test_what_is_salvaged_of_a_file_with_one_byte_changed_is_a_beginning_of_it(folder: Path, seed: int) -> None:
    data = whole_file(folder)
    everything = read_back(folder)
    rng = random.Random(seed)
    for position in rng.sample([n for n, byte in enumerate(data) if byte], 80):
        changed = bytearray(data)
        changed[position] ^= 1 << rng.randrange(8)
        lay_down(folder, changed)
        found = [row.entry for row in Journal.salvage(folder)]
        assert found == everything[: len(found)]


# --- versions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("open_it", [Journal.open, Journal.open_to_read])
def test_a_ledger_of_a_newer_program_is_refused_and_says_which_to_use(
    folder: Path, open_it: Callable[[Path], Journal]
) -> None:
    write(folder, [booked(1)])
    newer = len(MIGRATIONS) + 1
    with raw(folder) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")

    with pytest.raises(JournalError, match=rf"{folder}.* has version {newer},.* newer mm_trio, so use that release"):
        open_it(folder)


def test_an_older_ledger_is_brought_up_to_date_after_a_whole_copy_of_it_was_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, [booked(1)], [booked(2)])
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE notes (a);"))

    with opened(folder) as journal:
        journal.append([booked(3)], at_ms=AT_MS)
        assert entries_of(journal) == [booked(1), booked(2), booked(3)]
    with raw(folder) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (0,)
    (backup,) = folder.glob("*.bak")
    assert backup.stat().st_mode & 0o777 == 0o600
    with contextlib.closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (2,)


def test_a_copy_made_before_a_migration_is_a_ledger_of_the_older_program(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, [booked(1)], [booked(2)])
    with monkeypatch.context() as newer:
        newer.setattr(module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE notes (a);"))
        Journal.open(folder).close()
    (backup,) = folder.glob("*.bak")
    (tmp_path / "older").mkdir()
    backup.rename(tmp_path / "older" / JOURNAL_NAME)

    assert read_back(tmp_path / "older") == [booked(1), booked(2)]


def test_a_migration_that_fails_leaves_the_older_ledger_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, [booked(1)])
    with monkeypatch.context() as newer:
        newer.setattr(module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE notes (a); CREATE TABLE entries (b);"))
        with pytest.raises(JournalError, match=str(folder)):
            Journal.open(folder)

    assert read_back(folder) == [booked(1)]
    with raw(folder) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'notes'").fetchone() == (0,)


def test_a_new_ledger_needs_no_copy(folder: Path) -> None:
    Journal.open(folder).close()

    assert list(folder.glob("*.bak")) == []


# --- privacy ----------------------------------------------------------------------------------


def test_the_ledger_is_its_owner_s_alone(folder: Path) -> None:
    umask = os.umask(0)
    try:
        with opened(folder) as journal:
            journal.append([booked(1)], at_ms=AT_MS)
            modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    finally:
        os.umask(umask)

    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(modes) == 3
    assert set(modes.values()) == {0o600}


def test_a_signed_action_is_written_down_by_the_hash_of_its_bytes_alone(folder: Path) -> None:
    digest = "ab" * 32
    with opened(folder) as journal:
        journal.append([Requested(1, "bulk_orders", 1, digest, 2)], at_ms=AT_MS)
    with raw(folder) as connection:
        rows = connection.execute("SELECT kind, body, fill FROM entries").fetchall()

    assert rows == [("requested", f'[1,"bulk_orders",1,"{digest}",2]', None)]
