"""Faults E1, E4, E5, E7 and E10 of process and host, inside the test's process."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import ALLOCATION, MAKER, World, until
from line_kit import (
    EXACT,
    NEW_RISK,
    RECONCILED,
    Line,
    check_gate,
    check_ownership,
    live_among_takers,
    next_life,
    settle,
    trade,
    trade_forever,
)
from trio.testing import MockClock

from mm_trio.journal.sqlite_journal import Journal, JournalRow
from mm_trio.model.errors import JournalError, find_leaves
from mm_trio.model.journal_entries import Entry, Requested, Sent
from mm_trio.venue.order_gateway import WRITE_TIMEOUT_S

N_SWEPT = 60


# --- E1: killed at any moment -------------------------------------------------------------------


@pytest.mark.sweep
@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("nth", range(1, N_SWEPT + 1))
async def test_e1_cut_at_any_call_the_next_life_has_the_exact_ledger_and_one_ladder(
    autojump_clock: MockClock, tmp_path: Path, nth: int, after_effect: bool
) -> None:
    """Takers trade before, while it is down, and after."""
    world = World(signing=True)
    dead = Line(dies_at=nth, dies_after_effect=after_effect)
    first = next_life(world, tmp_path, dead)
    world.guard(first)
    await live_among_takers(world, first, dead, nth)
    for i in range(5):
        trade(world, random.Random(1000 * nth + i))
    line = Line()
    second = next_life(world, tmp_path, line)
    began_s = trio.current_time()

    async with world.running(second), trio.open_nursery() as trading:
        started_after_s = trio.current_time() - began_s
        trading.start_soon(trade_forever, world, random.Random(nth))
        await trio.sleep(6)
        trading.cancel_scope.cancel()
        await settle(world, second)

    assert started_after_s <= 10  # L4
    cloids: set[str] = set()
    check_ownership(world, dead, cloids)
    check_ownership(world, line, cloids)
    assert world.resting() == []
    assert second.orders_may_rest == ()


@pytest.mark.slow
async def test_e1_life_after_life_each_killed_the_last_one_knows_everything(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Forty lives of random length, with latency, on one journal; and nonces only ever rise."""
    world, rng = World(signing=True), random.Random(4)
    cloids: set[str] = set()
    for life in range(40):
        line = Line(there_s=0.05, back_s=0.05, dies_at=rng.randint(10, 80), dies_after_effect=rng.random() < 0.5)
        maker = next_life(world, tmp_path, line)
        if not life:
            world.guard(maker)
        await live_among_takers(world, maker, line, life)
        check_ownership(world, line, cloids)
    last = next_life(world, tmp_path, Line())
    async with world.running(last):
        await settle(world, last)

    nonces = [row.entry.nonce for row in Journal.open_to_read(tmp_path).read(since_checkpoint=False)
              if isinstance(row.entry, Requested)]  # fmt: skip
    assert nonces == sorted(set(nonces))  # S12
    assert len(world.fills()) > 100


async def test_e1_nothing_reaches_the_exchange_that_is_not_on_disk_already(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """S13: every order's intent and every action's hash, read by a second connection when the request leaves."""
    world, rng = World(signing=True), random.Random(5)
    line = Line()
    unwritten: list[str] = []
    post = world.venue.call

    def look(method: str, n_items: int, run: Any) -> Any:
        if method in NEW_RISK:
            rows = [row.entry for row in Journal.open_to_read(tmp_path).read(since_checkpoint=False)]
            on_disk = {entry.cloid for entry in rows if isinstance(entry, Sent)}
            action = line.events[-1].action
            orders = action.get("orders") or [modify["order"] for modify in action["modifies"]]
            unwritten.extend(order["c"] for order in orders if order["c"] not in on_disk)
            requested = [entry for entry in rows if isinstance(entry, Requested)]
            unwritten.extend([] if requested and requested[-1].method == method else [method])
        return post(method, n_items, run)

    world.venue.call = look  # type: ignore[method-assign]
    maker = next_life(world, tmp_path, line)
    async with world.running(maker):
        for _ in range(20):
            trade(world, rng)
            await trio.sleep(1)

    assert len(line.new_risk()) > 10
    assert unwritten == []


# --- E3, E4: a thread that dies, a handler that fails --------------------------------------------


@pytest.mark.parametrize("bug", [ZeroDivisionError, KeyError, ValueError, AssertionError, OSError])
async def test_e4_a_bug_in_the_ledger_ends_the_maker_cleanly(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, bug: type[Exception]
) -> None:
    """Nothing of ours rests and nothing new is sent (S17).

    The error classes are also those of the venue's faults, which do not end a maker.
    """
    world, line = World(signing=True), Line()
    maker = world.maker(run_sync=line, **EXACT)
    causes: list[BaseException] = []

    def fail(*args: Any, **options: Any) -> Any:
        raise bug("a bug of ours")

    async def run() -> None:
        try:
            await maker.run()
        except* bug as group:
            causes.extend(find_leaves(group))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await until(lambda: maker.stats.ticks > 0)
        monkeypatch.setattr(type(maker.inventory), "book", fail)
        since = len(line.events)
        world.buy("5")
        await until(lambda: causes, within_s=15)
        nursery.cancel_scope.cancel()

    assert line.new_risk(since) == []
    assert world.resting() == []


# --- E5: a journal that takes nothing any more ---------------------------------------------------


class FailingJournal:
    """Takes so many commits and then none any more."""

    is_new = True

    def __init__(self, journal: Journal, n_good: int) -> None:
        self._journal, self._n_left = journal, n_good

    def read(self) -> Iterable[JournalRow]:
        return self._journal.read()

    def append(self, entries: Sequence[Entry], *, at_ms: int) -> None:
        self._n_left -= 1
        if self._n_left < 0:
            raise JournalError("the ledger cannot be used: No space left on device")
        self._journal.append(entries, at_ms=at_ms)

    def mark_end(self) -> None:
        self._journal.mark_end()


@pytest.mark.parametrize("n_good", range(25))
async def test_e5_from_the_first_write_that_fails_nothing_new_is_sent_and_all_is_cancelled(
    autojump_clock: MockClock, tmp_path: Path, n_good: int
) -> None:
    """At every commit of a life. The next one, on a disk with room, has the exact ledger."""
    world, line = World(signing=True), Line()
    journal = Journal.open(tmp_path)
    first = next_life(world, tmp_path, line, journal=FailingJournal(journal, n_good))
    world.guard(first)
    causes: list[BaseException] = []
    failed_at: list[int] = []
    append = FailingJournal.append

    async def run() -> None:
        try:
            await first.run()
        except* JournalError as group:
            causes.extend(find_leaves(group))

    def listen(self: FailingJournal, entries: Sequence[Entry], *, at_ms: int) -> None:
        try:
            append(self, entries, at_ms=at_ms)
        except JournalError:
            failed_at.append(len(line.events))
            raise

    with pytest.MonkeyPatch.context() as patch, trio.fail_after(60):
        patch.setattr(FailingJournal, "append", listen)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            nursery.start_soon(trade_forever, world, random.Random(n_good))
            await until(lambda: causes)
            nursery.cancel_scope.cancel()
    n_left = len(world.resting())
    for i in range(3):
        trade(world, random.Random(i))
    second = next_life(world, tmp_path, Line())
    async with world.running(second):
        await settle(world, second)

    assert line.new_risk(failed_at[0]) == []
    assert n_left == 0
    assert first.orders_may_rest == ()


async def test_e5_a_disk_that_hangs_is_as_bad_as_a_full_one(autojump_clock: MockClock, tmp_path: Path) -> None:
    world, line = World(signing=True), Line()
    hangs = [False]

    async def run_sync(fn: Any, *args: Any, **options: Any) -> Any:
        if hangs[0] and fn.__name__ == "append":
            await trio.sleep_forever()
        return await line(fn, *args, **options)

    maker = next_life(world, tmp_path, line, run_sync=run_sync)
    causes: list[BaseException] = []

    async def run() -> None:
        try:
            await maker.run()
        except* JournalError as group:
            causes.extend(find_leaves(group))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await until(lambda: maker.stats.ticks > 0)
        hangs[0] = True
        since = len(line.events)
        world.buy("5")
        await until(lambda: causes, within_s=30)

    # The write hung in that of an action, which has its own deadline.
    assert {str(cause) for cause in causes} == {
        f"the ledger could not be written within {WRITE_TIMEOUT_S} s: the disk hangs; check it and its mount, then "
        "start again"
    }
    assert line.new_risk(since) == []
    assert world.resting() == []


# --- E7: time that leaps ---------------------------------------------------------------------


class Laptop(World):
    """A world whose maker may be suspended: the calendar goes on, the loop's clock does not."""

    slept_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.slept_ms


@pytest.mark.parametrize("socket", ["dead", "half open", "alive"])
@pytest.mark.parametrize("in_flight", [False, True])
async def test_e7_after_a_sleep_nothing_new_leaves_before_all_is_read_anew(
    autojump_clock: MockClock, tmp_path: Path, socket: str, in_flight: bool
) -> None:
    """Ten minutes, in the midst of a request or between two; both sides trade meanwhile and nobody tells."""
    world, line = Laptop(signing=True), Line()
    maker = next_life(world, tmp_path, line, interval_s=0.2)
    world.guard(maker)
    async with world.running(maker):
        await trio.sleep(5)
        if in_flight:
            line.back_s = 0.5
            world.buy("5")
            await until(lambda: line.events[-1].method == "bulk_orders")
        world.venue.lose_frames()
        world.buy("12")
        world.sell("4")
        Laptop.slept_ms = 600_000
        since = len(line.events)
        world.venue.stop_losing_frames()
        if socket == "dead":
            world.venue.drop_feed()
        elif socket == "half open":
            world.venue.silence()
        try:
            await settle(world, maker)
        finally:
            Laptop.slept_ms = 0
            line.died.set()

    check_gate(line, since=since)


async def test_e7_a_sleep_that_shows_for_a_moment_is_acted_on(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just at the limit it comes and goes with each look. Only a tick sees it; the watchdog has to end the pause."""
    world = Laptop(signing=True)
    maker = world.maker(interval_s=1.0, **ALLOCATION)
    async with world.running(maker):
        await trio.sleep(5.2)
        assert maker._session is not None
        gate = maker._session.account.gate
        monkeypatch.setattr(Laptop, "slept_ms", 5_001)
        is_quoting = gate.is_quoting
        monkeypatch.setattr(Laptop, "slept_ms", 5_000)
        await until(lambda: maker.stats.reconnects == 1)
        await until(lambda: gate.is_quoting)

    assert not is_quoting


@pytest.mark.parametrize("stall_s", [4.0, 10.0])
@pytest.mark.parametrize("when", ["between ticks", "in a request", "in a reconciliation"])
async def test_e10_after_a_stalled_loop_all_is_read_before_sending(
    autojump_clock: MockClock, when: str, stall_s: float
) -> None:
    """The clock leaps, as it does for a loop that nothing ran. Takers traded, and the frames are still on their way."""
    world, line = World(signing=True), Line()
    maker = world.maker(run_sync=line, reconcile_every=10_000, **EXACT)
    world.guard(maker)
    async with world.running(maker):
        await trio.sleep(4)
        line.back_s = 0.3
        if when == "in a reconciliation":
            world.say("userFills", {"user": MAKER, "fills": "unreadable"})
            await until(lambda: line.events[-1].method == "spot_user_state")
        else:
            world.buy("5")
            n_sent = len(line.new_risk())
            await until(lambda: len(line.new_risk()) > n_sent)
        if when == "between ticks":
            await trio.sleep(0.35)
        world.venue.hold_frames()
        world.buy("6")
        since = len(line.events)
        autojump_clock.jump(stall_s)
        await trio.sleep(0.01)
        world.venue.release_frames()
        await settle(world, maker)

    check_gate(line, since=since, gate=RECONCILED)
