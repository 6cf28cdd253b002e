"""R12: another process has the journal locked, as a backup does for some seconds."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import trio
from builders import World, booked, until
from line_kit import (
    RECONCILED,
    Line,
    check_gate,
    check_ownership,
    next_life,
    own_ledger,
    settle,
    trade,
    trade_forever,
)
from trio.testing import MockClock

from mm_trio.concurrency.lock_state import START_PATIENCE_S
from mm_trio.engine.tasks import EMPTY_EVERY_S, LOCK_PATIENCE_S
from mm_trio.journal.sqlite_journal import Journal, JournalRow
from mm_trio.model.errors import JournalBusy
from mm_trio.model.journal_entries import Entry, Sent


class LockedJournal:
    """A journal on disk that takes nothing while `is_locked` is set."""

    def __init__(self, folder: Path) -> None:
        self._journal = Journal.open(folder)
        self.is_locked = False
        self.n_refused = 0

    @property
    def is_new(self) -> bool:
        return self._journal.is_new

    def read(self) -> Iterable[JournalRow]:
        return self._journal.read()

    def append(self, entries: Sequence[Entry], *, at_ms: int) -> None:
        if self.is_locked:
            self.n_refused += 1
            raise JournalBusy("the ledger is locked by another process (PID 4711, backup)")
        self._journal.append(entries, at_ms=at_ms)

    def mark_end(self) -> None:
        self._journal.mark_end()


class Scene:
    """A maker among takers, whose journal can be locked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world, self.line = World(signing=True), Line()
        self.journal = LockedJournal(folder)
        self.info = self.world.info
        self.maker = next_life(
            self.world,
            folder,
            self.line,
            journal=self.journal,
            info=self.info,
            reopen_feed=self.world.venue.reopen_feed,
        )
        self.world.guard(self.maker)

    async def lock_until_empty(self) -> int:
        """Lock the journal, let something trade, and return the number of events when it began."""
        self.journal.is_locked = True
        since = len(self.line.events)
        self.world.buy("5")
        await until(lambda: not self.world.resting(), within_s=LOCK_PATIENCE_S + 2 * EMPTY_EVERY_S)
        return since


def read_entries(folder: Path) -> list[Entry]:
    return [row.entry for row in Journal.open_to_read(folder).read(since_checkpoint=False)]


async def test_r12_nothing_rests_while_the_journal_is_locked_and_it_resumes(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    scene = Scene(tmp_path)
    async with scene.world.running(scene.maker):
        await until(lambda: scene.world.resting())
        since = await scene.lock_until_empty()
        await trio.sleep(600)
        resting, paused, sent = scene.world.resting(), scene.maker.paused_because, scene.line.new_risk(since)
        scene.journal.is_locked = False
        free_from = len(scene.line.events)
        await settle(scene.world, scene.maker)
        assert scene.maker.paused_because is None
        check_gate(scene.line, since=free_from, gate=RECONCILED)

    assert resting == []
    assert paused is not None
    assert paused.startswith("journal locked: the ledger is locked by another process (PID 4711, backup)")
    assert sent == []


async def test_r12_a_fill_during_a_lock_is_booked_and_written(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Takers trade until the book is empty; entries come in order, each once."""
    scene, rng = Scene(tmp_path), random.Random(3)
    async with scene.world.running(scene.maker):
        await until(lambda: scene.world.resting())
        scene.journal.is_locked = True
        n_before = len(scene.world.fills())
        for _ in range(6):
            trade(scene.world, rng)
            await trio.sleep(0.2)
        n_traded = len(scene.world.fills())
        await until(lambda: not scene.world.resting(), within_s=10)
        scene.journal.is_locked = False
        await settle(scene.world, scene.maker)
        ledger = booked(scene.maker)

    assert n_traded > n_before
    assert ledger == own_ledger(scene.world)
    # The next life has nothing but the journal and the venue.
    again = next_life(scene.world, tmp_path, Line())
    async with scene.world.running(again):
        await settle(scene.world, again)
    assert len({entry.cloid for entry in read_entries(tmp_path) if isinstance(entry, Sent)}) == sum(
        isinstance(entry, Sent) for entry in read_entries(tmp_path)
    )


async def test_r12_a_short_lock_does_not_empty_the_book(autojump_clock: MockClock, tmp_path: Path) -> None:
    """A reader or a checkpoint of another tool takes less than the patience."""
    scene = Scene(tmp_path)
    async with scene.world.running(scene.maker):
        await settle(scene.world, scene.maker)
        since = len(scene.line.events)
        scene.journal.is_locked = True
        scene.world.buy("5")
        await trio.sleep(LOCK_PATIENCE_S - 0.5)
        sent = scene.line.new_risk(since)
        scene.journal.is_locked = False
        await settle(scene.world, scene.maker)

        assert scene.line.sent("bulk_cancel", since=since) == []
    assert sent == []


async def test_r12_a_lock_is_told_once_and_its_end_once(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene(tmp_path)
    async with scene.world.running(scene.maker):
        await until(lambda: scene.world.resting())
        with caplog.at_level(logging.INFO):
            await scene.lock_until_empty()
            await trio.sleep(30)
            scene.journal.is_locked = False
            await settle(scene.world, scene.maker)

    told = [record.message for record in caplog.records if "journal" in record.message.split(":")[0]]
    assert [text.split(":")[0] for text in told] == ["journal locked", "journal free"]
    assert "PID 4711" in told[0]


async def test_r12_a_stop_during_a_lock_leaves_nothing_open_and_names_what_was_not_written(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At once, before the book was emptied."""
    scene = Scene(tmp_path)
    async with scene.world.running(scene.maker):
        await until(lambda: scene.world.resting())
        scene.journal.is_locked = True
        scene.world.buy("5")
        began_s = trio.current_time()

    took_s = trio.current_time() - began_s
    assert scene.world.resting() == []
    assert scene.maker.orders_may_rest == ()
    assert took_s <= 10
    told = [record.message for record in caplog.records if record.message.startswith("entries not written")]
    assert len(told) == 1
    assert "PID 4711" in told[0]
    again = next_life(scene.world, tmp_path, Line())
    async with scene.world.running(again):
        await settle(scene.world, again)
        assert booked(again) == own_ledger(scene.world)


async def test_r12_a_start_waits_for_a_locked_journal(
    autojump_clock: MockClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene(tmp_path)
    scene.journal.is_locked = True

    async def unlock() -> None:
        await trio.sleep(START_PATIENCE_S / 2)
        assert scene.line.new_risk() == []
        scene.journal.is_locked = False

    async with trio.open_nursery() as nursery:
        nursery.start_soon(unlock)
        async with scene.world.running(scene.maker):
            await settle(scene.world, scene.maker)

    assert [record.message for record in caplog.records if record.message.startswith("start delayed")] != []


async def test_r12_a_start_does_not_wait_for_ever(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Orders of an earlier session that rest are cancelled, since no task would look after them."""
    scene = Scene(tmp_path)
    async with scene.world.running(scene.maker):
        await until(lambda: scene.world.resting())
        orders = [(o.is_buy, o.price, o.size) for o in scene.world.resting()]
        scene.line.died.set()
    assert len(scene.world.resting()) == len(orders) > 0
    line = Line()
    second = next_life(scene.world, tmp_path, line, journal=scene.journal)
    scene.journal.is_locked = True

    with pytest.raises(JournalBusy, match="PID 4711"):
        await second.run()

    assert line.new_risk() == []
    assert scene.world.resting() == []


async def test_r12_a_lost_feed_during_a_lock_resumes_once_both_are_well(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    scene = Scene(tmp_path)
    async with scene.world.running(scene.maker):
        await until(lambda: scene.world.resting())
        since = await scene.lock_until_empty()
        scene.info.ws_manager.stop()
        await trio.sleep(60)
        sent, resting = scene.line.new_risk(since), scene.world.resting()
        scene.journal.is_locked = False
        await settle(scene.world, scene.maker)

    assert sent == []
    assert resting == []


@pytest.mark.parametrize("seed", range(8))
async def test_r12_locks_come_and_go_among_takers_and_the_ledger_stays_exact(
    autojump_clock: MockClock, tmp_path: Path, seed: int
) -> None:
    scene, rng = Scene(tmp_path), random.Random(seed)
    cloids: set[str] = set()
    async with scene.world.running(scene.maker), trio.open_nursery() as trading:
        trading.start_soon(trade_forever, scene.world, random.Random(seed))
        for _ in range(6):
            await trio.sleep(rng.uniform(0.01, 8))
            scene.journal.is_locked = True
            await trio.sleep(rng.choice((0.1, 1.9, 2.1, 12.0)) * rng.uniform(0.9, 1.1))
            scene.journal.is_locked = False
        trading.cancel_scope.cancel()
        await settle(scene.world, scene.maker)
        check_ownership(scene.world, scene.line, cloids)

    assert scene.journal.n_refused > 0
    assert scene.world.resting() == []
