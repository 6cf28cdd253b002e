"""Reads of the past are shared, kept for a while, and never crowd each other; what fails is told."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest
import trio

from mm_trio.model.errors import JournalError
from mm_trio.web.page.past import Past
from mm_trio.web.page.past_reader import LEAST_REST_S, MOST_KEPT, RESTS_AGAIN, RESTS_OTHER, PastReader


class Ledger:
    """Ledger whose reads take so long by a clock of its own."""

    def __init__(self, took_s: float = 0.0) -> None:
        self.now = 100.0
        self.took_s = took_s
        self.reads: list[tuple[str, str]] = []
        self.fails = False
        self.threads: set[str] = set()

    def now_s(self) -> float:
        return self.now

    def read(self, folder: Path, span: str) -> Past:
        self.threads.add(threading.current_thread().name)
        self.reads.append((folder.name, span))
        self.now += self.took_s
        if self.fails:
            raise JournalError("the ledger is locked")
        return Past(at_ms=int(self.now * 1000), text=b"{}")

    def make_reader(self) -> PastReader:
        return PastReader(Path, read=self.read, now_s=self.now_s)


async def test_one_read_answers_all_until_it_is_old() -> None:
    ledger = Ledger(took_s=1.0)
    reader = ledger.make_reader()

    first = await reader.read("a", "1h")
    ledger.now += RESTS_AGAIN * 1.0 - 0.1
    again = await reader.read("a", "1h")
    ledger.now += 0.2
    await reader.read("a", "1h")

    assert first is again
    assert first.took_s == 1.0
    assert ledger.reads == [("a", "1h")] * 2
    assert threading.main_thread().name not in ledger.threads


async def test_a_quick_read_rests_too() -> None:
    ledger = Ledger()
    reader = ledger.make_reader()
    await reader.read("a", "1h")
    ledger.now += LEAST_REST_S - 0.1
    await reader.read("a", "1h")

    assert len(ledger.reads) == 1


async def test_another_grid_waits_for_a_shorter_rest(autojump_clock: trio.abc.Clock) -> None:
    ledger = Ledger(took_s=3.0)
    reader = ledger.make_reader()
    await reader.read("a", "1h")
    began_s = trio.current_time()
    await reader.read("b", "1h")

    assert trio.current_time() - began_s == pytest.approx(RESTS_OTHER * 3.0, abs=0.5)


async def test_only_the_last_few_are_kept() -> None:
    ledger = Ledger()
    reader = ledger.make_reader()
    for number in range(MOST_KEPT + 1):
        await reader.read(f"{number}", "1h")
    await reader.read(f"{MOST_KEPT}", "1h")
    await reader.read("0", "1h")

    assert len(ledger.reads) == MOST_KEPT + 2


async def test_a_read_that_fails_keeps_what_was_read_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()
    reader = ledger.make_reader()
    good = await reader.read("a", "1h")
    ledger.fails = True
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            ledger.now += 100
            bad = await reader.read("a", "1h")
    ledger.fails = False
    ledger.now += 100
    better = await reader.read("a", "1h")

    assert (bad.past, bad.failure) == (good.past, "the ledger is locked")
    assert (better.failure, better.past == good.past) == (None, False)
    assert [line.partition(":")[0] for line in caplog.messages] == ["page past unread"]


async def test_several_who_ask_at_once_cause_one_read() -> None:
    ledger = Ledger()
    reader = ledger.make_reader()
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(reader.read, "a", "1h")

    assert len(ledger.reads) == 1
