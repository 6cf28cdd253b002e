"""The recorder by itself: what it takes in on any thread, what reaches the file, and what a fault of it costs."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mm_trio.model.observations import BestPrices, Coverage, Mark, MarketTrade, OwnBook, RestingSize
from mm_trio.recorder import recorder as module
from mm_trio.recorder.kept_file import RecordBounds
from mm_trio.recorder.record_file import RECORD_NAME, RecordFile
from mm_trio.recorder.recorder import Look, Recorder

COIN = "@107"
ALWAYS_MS = (0, 2**42)
START_MS = 1_790_000_000_000
BOOK = (RestingSize("buy", Decimal(1), Decimal(5)),)


def bbo(time_ms: int, bid: str = "1", ask: str = "2") -> dict[str, Any]:
    return {"data": {"coin": COIN, "time": time_ms, "bbo": [{"px": bid, "sz": "1"}, {"px": ask, "sz": "1"}]}}


def trades(*times_ms: int) -> dict[str, Any]:
    rows = [{"coin": COIN, "side": "B", "px": "2", "sz": "1", "time": ms, "tid": ms % 1000} for ms in times_ms]
    return {"data": rows}


class Session:
    """A recorder that is fed by hand, second by second, on one connection."""

    def __init__(self, folder: Path, **bounds: int) -> None:
        self.folder = folder
        self.now_ms = START_MS
        self.connection = 1
        self.recorder = Recorder(folder, coin=COIN, bounds=RecordBounds(**bounds))
        self.look()

    def look(self, own: tuple[RestingSize, ...] = BOOK) -> None:
        book = OwnBook(self.now_ms, own, "quoting")
        self.recorder.take_look(Look(self.now_ms, self.connection, self.now_ms, book))

    def hear(self, bid: str = "1") -> None:
        self.recorder.take_frame("bbo", self.connection, bbo(self.now_ms, bid))

    def trade(self) -> None:
        self.recorder.take_frame("trades", self.connection, trades(self.now_ms))

    def fill(self) -> int:
        self.recorder.take_fill(self.now_ms)
        return self.now_ms

    def pass_s(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now_ms += 1_000
            self.look()
            self.recorder.write()

    def read(self) -> RecordFile:
        return RecordFile.open_to_read(self.folder)

    def coverage(self, watched: Any = "market") -> list[Coverage]:
        return list(self.read().read_coverage(watched, *ALWAYS_MS))

    def marks(self) -> list[tuple[int, int]]:
        return [(mark.after_ms, int(mark.bid or 0)) for mark in self.read().read_marks(*ALWAYS_MS)]


# --- Taking in ------------------------------------------------------------------------------------


def test_prices_trades_and_book_reach_the_file(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.hear()
    session.trade()
    session.pass_s(2)

    record = session.read()
    assert list(record.read_best_prices(*ALWAYS_MS)) == [
        BestPrices(START_MS, Decimal(1), Decimal(1), Decimal(2), Decimal(1))
    ]
    assert list(record.read_trades(*ALWAYS_MS)) == [
        MarketTrade(START_MS, START_MS % 1000, Decimal(2), Decimal(1), "buy", None, None)
    ]
    assert list(record.read_own_books(*ALWAYS_MS)) == [OwnBook(START_MS, BOOK, "quoting")]


def test_nothing_is_covered_before_the_first_prices(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.pass_s(5)
    assert session.coverage() == []

    session.hear()
    session.pass_s(5)
    assert session.coverage() == [Coverage("market", START_MS + 5_000, START_MS + 9_000)]


def test_silence_is_not_covered(tmp_path: Path) -> None:
    """The connection is half open: the loop looks on, and nothing is heard."""
    session = Session(tmp_path)
    session.hear()
    session.pass_s(5)
    heard_ms = session.now_ms
    for _ in range(10):
        session.now_ms += 1_000
        session.recorder.take_look(Look(session.now_ms, 1, heard_ms))
        session.recorder.write()

    assert session.coverage()[-1].until_ms <= heard_ms


def test_frames_of_an_earlier_connection_are_ignored(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.connection = 2
    session.pass_s(1)
    session.recorder.take_frame("bbo", 1, bbo(session.now_ms))
    session.pass_s(1)

    assert list(session.read().read_best_prices(*ALWAYS_MS)) == []


def test_a_loop_that_stood_still_covered_nothing_meanwhile(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.hear()
    session.pass_s(3)
    session.now_ms += 60_000
    session.pass_s(1)
    session.hear()
    session.pass_s(3)

    for watched in ("own", "market"):
        before, after = session.coverage(watched)
        assert after.from_ms - before.until_ms >= 60_000


def test_a_book_is_written_when_it_changes(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.pass_s(5)
    session.now_ms += 1_000
    session.look(own=())
    session.recorder.write()

    assert [book.time_ms for book in session.read().read_own_books(*ALWAYS_MS)] == [START_MS, START_MS + 6_000]


def test_a_frame_that_cannot_be_read_ends_what_is_known(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.hear()
    session.pass_s(3)
    session.recorder.take_frame("bbo", 1, {"data": {"coin": COIN, "time": session.now_ms, "bbo": "?"}})
    session.pass_s(3)

    assert session.recorder.counts["unreadable"] == 1
    assert [span.until_ms for span in session.coverage()] == [START_MS + 2_000]


def test_a_time_to_come_is_not_believed(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.recorder.take_frame("bbo", 1, bbo(session.now_ms + 3_600_000))
    session.recorder.take_frame("trades", 1, trades(session.now_ms + 3_600_000))
    session.pass_s(1)

    assert session.recorder.counts["unreadable"] == 2
    assert session.coverage() == []


def test_what_finds_no_room_is_lost_and_ends_the_span(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.hear()
    session.pass_s(3)
    for _ in range(module.MOST_WAITING + 7):
        session.hear()
    session.recorder.write()
    session.pass_s(3)

    assert session.recorder.counts["lost"] == 7
    assert session.coverage()[-1].until_ms <= START_MS + 3_000


def test_frames_are_taken_while_a_write_hangs(tmp_path: Path) -> None:
    session = Session(tmp_path)
    with session.recorder._writing:
        taken = threading.Thread(target=session.hear)
        taken.start()
        taken.join(timeout=5)

    assert not taken.is_alive()


def test_closing_does_not_wait_for_a_write_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_TO_CLOSE_S", 0.01)
    session = Session(tmp_path)
    with session.recorder._writing:
        closed = threading.Thread(target=session.recorder.close)
        closed.start()
        closed.join(timeout=5)

    assert not closed.is_alive()


# --- Marks ----------------------------------------------------------------------------------------


def test_marks_are_made_at_their_times(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.hear("1.0")
    session.pass_s(2)
    session.fill()
    session.recorder.take_frame("bbo", 1, bbo(session.now_ms, "1.5", "3"))
    session.pass_s(5)
    session.recorder.take_frame("bbo", 1, bbo(session.now_ms, "1.7", "3"))
    session.pass_s(70)

    marks = {mark.after_ms: mark.bid for mark in session.read().read_marks(*ALWAYS_MS)}
    assert marks == {0: Decimal("1.0"), 1_000: Decimal("1.5"), 10_000: Decimal("1.7"), 60_000: Decimal("1.7")}


def test_frames_of_a_block_may_come_in_any_order(tmp_path: Path) -> None:
    """The prices that a fill leaves come before the fill, or after it: the first mark is of before the block."""
    session = Session(tmp_path)
    session.hear("1.0")
    session.pass_s(2)
    session.recorder.take_frame("bbo", 1, bbo(session.now_ms, "1.5", "3"))
    fill_ms = session.fill()
    session.pass_s(3)

    assert Mark(fill_ms, 0, Decimal("1.0"), Decimal(2)) in session.read().read_marks(*ALWAYS_MS)


def test_there_is_no_mark_where_nobody_watched(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.hear()
    session.pass_s(2)
    session.fill()
    session.pass_s(5)
    session.connection = 2
    session.pass_s(30)
    session.hear("1")
    session.pass_s(60)

    assert [after_ms for after_ms, _ in session.marks()] == [0, 1_000, 60_000]


def test_a_fill_that_is_known_late_is_marked_from_the_file(tmp_path: Path) -> None:
    """It was booked after a reconnection; the prices of its time are those of the earlier connection."""
    session = Session(tmp_path)
    session.hear("1")
    session.pass_s(20)
    fill_ms = session.now_ms - 10_000
    session.connection = 2
    session.pass_s(1)
    session.recorder.take_frame("bbo", 2, bbo(session.now_ms, "1.9", "3"))
    session.recorder.take_fill(fill_ms)
    session.pass_s(60)

    assert [after_ms for after_ms, _ in session.marks()] == [0, 1_000, 60_000]


def test_marks_that_are_due_after_a_restart_are_made(tmp_path: Path) -> None:
    first = Session(tmp_path)
    first.hear("1")
    first.pass_s(2)
    first.fill()
    first.pass_s(30)
    first.recorder.close()
    second = Session(tmp_path)
    second.now_ms = first.now_ms + 10_000
    second.look()
    second.hear("1.5")
    second.pass_s(400)

    assert [after_ms for after_ms, _ in second.marks()] == [0, 1_000, 10_000, 60_000, 300_000]


def test_a_killed_recorder_loses_a_second_at_most(tmp_path: Path) -> None:
    """The files are copied as a kill would leave them."""
    session = Session(tmp_path / "open")
    session.hear()
    session.trade()
    session.pass_s(1)
    shutil.copytree(tmp_path / "open", tmp_path / "left")

    assert len(list(RecordFile.open(tmp_path / "left").read_trades(*ALWAYS_MS))) == 1


# --- Faults of the file ---------------------------------------------------------------------------


def find_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What an operator is warned of, whatever level another test left behind."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_deleted_file_is_begun_anew_after_a_minute(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    session = Session(tmp_path)
    session.hear()
    session.pass_s(3)
    for path in tmp_path.iterdir():
        path.unlink()
    session.pass_s(3)
    session.trade()
    assert not session.recorder.is_open

    session.pass_s(60)
    assert len(list(session.read().read_trades(*ALWAYS_MS))) == 1
    assert [text.split(":")[0] for text in find_warnings(caplog)] == ["record stopped"]


def test_a_damaged_file_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / RECORD_NAME).write_bytes(b"not a database, " * 1000)
    session = Session(tmp_path)
    session.trade()
    session.pass_s(3)

    assert (tmp_path / f"{RECORD_NAME}.damaged-1").read_bytes().startswith(b"not a database")
    assert [text.split(":")[0] for text in find_warnings(caplog)] == ["record damaged"]
    session.hear()
    session.pass_s(2)
    assert len(list(session.read().read_trades(*ALWAYS_MS))) == 1


def test_pages_that_are_damaged_later_are_set_aside_too(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.hear()
    session.pass_s(3)
    session.recorder.close()
    file = tmp_path / RECORD_NAME
    file.write_bytes(file.read_bytes()[:4096] + b"\xff" * (file.stat().st_size - 4096))
    session = Session(tmp_path)
    session.hear()
    session.pass_s(5)

    assert (tmp_path / f"{RECORD_NAME}.damaged-1").exists()
    assert session.recorder.is_open


def test_damage_that_comes_again_and_again_ends_it(tmp_path: Path) -> None:
    for _ in range(6):
        (tmp_path / RECORD_NAME).write_bytes(b"not a database, " * 1000)
        session = Session(tmp_path)
        session.pass_s(1)

    assert sorted(path.name for path in tmp_path.glob("*damaged*")) == [f"{RECORD_NAME}.damaged-{n}" for n in (1, 2, 3)]


def test_a_locked_file_costs_nothing_but_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mm_trio.recorder.record_file.BUSY_TIMEOUT_S", 0.01)
    session = Session(tmp_path)
    session.hear()
    session.pass_s(2)
    other = sqlite3.connect(tmp_path / RECORD_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    session.trade()
    session.pass_s(5)
    other.execute("ROLLBACK")
    other.close()
    session.pass_s(61)

    assert len(list(session.read().read_trades(*ALWAYS_MS))) == 1
    assert len(session.coverage()) == 1
    (warning,) = find_warnings(caplog)
    assert "end the program that has it locked" in warning


def test_a_nearly_full_disk_is_left_to_the_ledger(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    session = Session(tmp_path, least_free_mb=10**9)
    session.hear()
    session.pass_s(70)

    assert not (tmp_path / RECORD_NAME).exists()
    assert [text.split(":")[0] for text in find_warnings(caplog)] == ["record stopped"]
    assert "free space on that disk" in caplog.text


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    session = Session(tmp_path / "file")
    session.pass_s(2)

    assert "record stopped" in caplog.text


def test_what_waits_for_a_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_UNWRITTEN", 50)
    session = Session(tmp_path, least_free_mb=10**9)
    for _ in range(200):
        session.trade()
        session.pass_s(1)

    assert len(session.recorder._unwritten) <= 50
    assert session.recorder.counts["lost"] > 0


def test_fills_that_wait_for_a_file_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a market that is still otherwise."""
    monkeypatch.setattr(module, "MOST_UNWRITTEN", 50)
    session = Session(tmp_path, least_free_mb=10**9)
    for _ in range(200):
        session.fill()
        session.pass_s(1)

    assert len(session.recorder._new_fills) <= 50


def test_a_lost_minute_is_a_hole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was forgotten in between is not told as known."""
    monkeypatch.setattr(module, "MOST_UNWRITTEN", 20)
    session = Session(tmp_path)
    session.hear()
    session.pass_s(5)
    for path in tmp_path.iterdir():
        path.unlink()
    for _ in range(70):
        session.trade()
        session.pass_s(1)

    for watched in ("own", "market"):
        (span,) = session.coverage(watched)
        assert span.from_ms > START_MS + 5_000
        assert span.until_ms >= session.now_ms - 1_000
    assert session.read().find_prices_at(START_MS + 20_000) is None
    assert session.read().find_prices_at(session.now_ms - 2_000) is not None
