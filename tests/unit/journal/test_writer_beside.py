"""Requests that leave beside the commit of their entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import trio
from builders import run_inline
from trio.testing import MockClock

from mm_trio.journal.writer import BESIDE_WITHIN_S, CHECKPOINT_EVERY, RENEW_WITHIN_S, JournalWriter
from mm_trio.model.errors import JournalBusy
from mm_trio.model.journal_entries import Checkpoint, Entry, Quoted, Released, Requested, Reserved
from mm_trio.witness.nonces import Nonces
from mm_trio.witness.reservation import LEAD_MS, Reservation
from mm_trio.witness.venue_clock import VenueClock

START_MS = 1_790_000_000_000
EPOCH = 7


def now_ms() -> int:
    return START_MS + int(1000 * trio.current_time())


class Disk:
    """A journal in memory, whose writes take `takes_s`, or fail by `trouble`."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.takes_s = 0.0
        self.trouble: Exception | None = None

    async def run_sync(self, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        await trio.sleep(self.takes_s)
        return fn(*args)

    def append(self, entries: Sequence[Entry], *, at_ms: int) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.entries += entries

    def mark_end(self) -> None:
        pass


class Bench:
    """A writer that has reserved, and what was sent through it with the number of entries on the disk then."""

    def __init__(self, *, checkpoint_every: int = CHECKPOINT_EVERY) -> None:
        self.disk = Disk()
        clock = VenueClock(now_ms)
        self.nonces = Nonces(clock)
        self.sent: list[int] = []
        self.writer = JournalWriter(
            self.disk,
            run_sync=self.disk.run_sync,
            send_sync=run_inline,
            wall_ms=now_ms,
            summarise=tuple,
            checkpoint_every=checkpoint_every,
            reservation=Reservation(EPOCH, clock=clock, nonces=self.nonces),
        )

    async def open(self) -> None:
        self.writer.reserve()
        self.writer.record(Quoted(0))
        await self.writer.flush()

    async def send(self, *, nonce: int | None = None) -> Any:
        self.writer.record(Requested(nonce or self.nonces.take(), "bulk_orders", 1, "", 0))
        return await self.writer.flush_then(lambda: True, self._post)

    def _post(self) -> str:
        self.sent.append(len(self.disk.entries))
        return "answer"


async def test_a_request_that_is_covered_leaves_before_its_entry_is_written(autojump_clock: MockClock) -> None:
    bench = Bench()
    await bench.open()
    n_before = len(bench.disk.entries)
    answer = await bench.send()

    assert (answer, bench.sent) == ("answer", [n_before])


async def test_a_request_beyond_the_reservation_waits_for_its_entry(autojump_clock: MockClock) -> None:
    bench = Bench()
    await bench.open()
    n_before = len(bench.disk.entries)
    await bench.send(nonce=now_ms() + LEAD_MS)

    assert bench.sent[0] > n_before


async def test_a_request_before_the_reservation_is_durable_waits_for_its_entry(autojump_clock: MockClock) -> None:
    bench = Bench()
    bench.writer.reserve()
    await bench.send()

    assert bench.sent[0] > 0


async def test_without_a_reservation_every_request_waits_for_its_entry(autojump_clock: MockClock) -> None:
    bench = Bench()
    await bench.send()

    assert bench.sent == [1]


async def test_a_request_that_is_not_wanted_any_more_does_not_leave(autojump_clock: MockClock) -> None:
    bench = Bench()
    await bench.open()
    await bench.writer.flush_then(lambda: False, bench.sent.append, 0)

    assert bench.sent == []


@pytest.mark.parametrize(("after_s", "leaves"), [(BESIDE_WITHIN_S - 0.1, True), (BESIDE_WITHIN_S + 0.1, False)])
async def test_nothing_leaves_beside_an_entry_that_the_disk_does_not_take(
    autojump_clock: MockClock, after_s: float, leaves: bool
) -> None:
    bench = Bench()
    await bench.open()
    bench.disk.takes_s = 3.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.writer.keep_forever)
        await bench.send()
        await trio.sleep(after_s)
        await bench.send()
        nursery.cancel_scope.cancel()

    assert len(bench.sent) == 1 + leaves


async def test_an_older_entry_that_was_written_meanwhile_holds_nothing_back(autojump_clock: MockClock) -> None:
    bench = Bench()
    await bench.open()
    bench.disk.takes_s = 0.3
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.writer.keep_forever)
        for _ in range(6):
            await bench.send()
            await trio.sleep(0.5)
        nursery.cancel_scope.cancel()

    assert len(bench.sent) == 6


async def test_while_the_journal_is_locked_nothing_leaves(autojump_clock: MockClock) -> None:
    bench = Bench()
    await bench.open()
    bench.disk.trouble = JournalBusy("locked")
    bench.writer.record(Quoted(1))
    with pytest.raises(JournalBusy):
        await bench.writer.flush()
    with pytest.raises(JournalBusy):
        await bench.send()

    assert bench.sent == []


async def test_a_quiet_maker_keeps_its_reservation(autojump_clock: MockClock) -> None:
    bench = Bench()
    await bench.open()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.writer.keep_forever)
        await trio.sleep(10 * LEAD_MS / 1000)
        await bench.send()
        n_at_send = bench.sent[0]
        nursery.cancel_scope.cancel()

    assert n_at_send == len(bench.disk.entries)


async def test_a_quiet_maker_writes_seldom(autojump_clock: MockClock) -> None:
    bench = Bench()
    await bench.open()
    with trio.move_on_after(100.0):
        await bench.writer.keep_forever()

    assert sum(isinstance(entry, Reserved) for entry in bench.disk.entries) <= 1 + 100 / RENEW_WITHIN_S


async def test_a_checkpoint_has_the_reservation_that_holds(autojump_clock: MockClock) -> None:
    bench = Bench(checkpoint_every=2)
    await bench.open()
    for n in range(3):
        bench.writer.record(Quoted(n))
    await bench.writer.flush()
    (reserved,) = [entry for entry in bench.disk.entries if isinstance(entry, Reserved)]

    assert Checkpoint((reserved,)) in bench.disk.entries


async def test_a_release_is_written_behind_everything_that_was_sent(autojump_clock: MockClock) -> None:
    bench = Bench()
    await bench.open()
    await bench.send()
    bench.writer.release()
    await bench.writer.flush()

    assert [type(entry) for entry in bench.disk.entries[-2:]] == [Requested, Released]


async def test_after_a_release_nothing_leaves_beside_its_entry(autojump_clock: MockClock) -> None:
    bench = Bench()
    await bench.open()
    bench.writer.release()

    assert not bench.writer.covers
