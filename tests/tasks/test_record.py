"""The record of a maker: what it holds is what the exchange itself has, and it never disturbs the maker."""

from __future__ import annotations

import random
import shutil
from bisect import bisect_right
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from builders import ALLOCATION, MAKER, TAKER, World, run_inline, run_with_latency, until
from trio.testing import MockClock

from mm_trio.engine.ws_state import WsState
from mm_trio.recorder.due_marks import MARKED_AFTER_MS
from mm_trio.recorder.record_file import RecordFile
from mm_trio.recorder.recorder import Look, Recorder

ALWAYS_MS = (0, 2**42)


class Recorded:
    """A world whose maker records into `folder`, and the best prices that its exchange had after each change."""

    def __init__(self, folder: Path) -> None:
        self.world = World()
        self.folder = folder
        self.bests: list[tuple[int, Decimal | None, Decimal | None]] = []
        self.world.gateway.checks.append(self._note)

    def _note(self) -> None:
        book = self.world.exchange.book(self.world.coin)
        best = (book.bids[0].price if book.bids else None, book.asks[0].price if book.asks else None)
        self.bests.append((self.world.now_ms(), *best))

    def maker(self, **changed: object) -> WsState:
        self.recorder = Recorder(self.folder, coin=self.world.coin)
        return self.world.maker(**ALLOCATION | changed, recorder=self.recorder)

    async def trade(self, maker: WsState, seconds: float, *, seed: int = 1) -> None:
        """Takers come every few seconds."""
        rng = random.Random(seed)
        async with self.world.running(maker):
            with trio.move_on_after(seconds):
                while True:
                    await trio.sleep(rng.uniform(0.5, 20))
                    take = self.world.buy if rng.random() < 0.5 else self.world.sell
                    take(Decimal(rng.randint(1, 120)) / 10)
        self.recorder.close()

    def read(self) -> RecordFile:
        return RecordFile.open_to_read(self.folder)

    def best_at(self, time_ms: int) -> tuple[Decimal | None, Decimal | None]:
        place = bisect_right(self.bests, time_ms, key=lambda best: best[0])
        return self.bests[place - 1][1:]


async def test_an_hour_of_trades_is_recorded_as_it_was(tmp_path: Path, autojump_clock: MockClock) -> None:
    recorded = Recorded(tmp_path)
    await recorded.trade(recorded.maker(), 3_600)

    found = [(t.time_ms, t.tid, t.price, t.size, t.side) for t in recorded.read().read_trades(*ALWAYS_MS)]
    fills = recorded.world.fills(TAKER)
    assert len(fills) > 300
    assert found == sorted((f.time_ms, f.tid, f.price, f.size, "buy" if f.is_buy else "sell") for f in fills)


async def test_every_trade_names_buyer_and_seller(tmp_path: Path, autojump_clock: MockClock) -> None:
    recorded = Recorded(tmp_path)
    await recorded.trade(recorded.maker(), 300)

    for trade in recorded.read().read_trades(*ALWAYS_MS):
        assert (trade.buyer, trade.seller) == ((TAKER, MAKER) if trade.side == "buy" else (MAKER, TAKER))


async def test_every_mark_is_what_the_exchange_had_then(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Five quarters of an hour without a gap: the marks of an hour exist for the first fills."""
    recorded = Recorded(tmp_path)
    await recorded.trade(recorded.maker(), 4_500)

    marks = list(recorded.read().read_marks(*ALWAYS_MS))
    fills = {fill.time_ms for fill in recorded.world.fills()}
    ended_ms = recorded.world.now_ms() - 10_000
    assert {(m.fill_ms, m.after_ms) for m in marks} >= {
        (ms, after) for ms in fills for after in MARKED_AFTER_MS if ms + after < ended_ms
    }
    assert {mark.after_ms for mark in marks} == set(MARKED_AFTER_MS)
    for mark in marks:
        at_ms = mark.fill_ms + mark.after_ms if mark.after_ms else mark.fill_ms - 1
        assert (mark.bid, mark.ask) == recorded.best_at(at_ms), mark


async def test_our_book_is_recorded_as_it_rested(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Takers come between looks, so what rests in the middle of a quiet time is what the last look saw."""
    recorded = Recorded(tmp_path)
    maker = recorded.maker()
    async with recorded.world.running(maker):
        await trio.sleep(30)
        recorded.world.buy("7.5")
        await trio.sleep(30)
        resting = {(o.price, o.size) for o in recorded.world.resting()}
        await trio.sleep(2)
    recorded.recorder.close()

    books = list(recorded.read().read_own_books(*ALWAYS_MS))
    assert {(order.price, order.size) for order in books[-1].orders} == resting
    assert books[-1].state == "quoting"
    assert len(books) < 20


async def test_a_fault_of_the_last_write_is_told_before_the_session_ends(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """What is told after the end would stand below the line that says what to do."""
    recorded = Recorded(tmp_path / "state")
    async with recorded.world.running(recorded.maker()):
        await trio.sleep(30.5)
        shutil.rmtree(recorded.folder)
    assert [r for r in caplog.messages if r.startswith("record stopped")]

    caplog.clear()
    recorded.recorder.close()
    assert not caplog.messages


async def test_looks_without_a_change_extend_the_coverage(tmp_path: Path, autojump_clock: MockClock) -> None:
    recorded = Recorded(tmp_path)
    await recorded.trade(recorded.maker(), 120)

    (own,) = recorded.read().read_coverage("own", *ALWAYS_MS)
    (market,) = recorded.read().read_coverage("market", *ALWAYS_MS)
    assert own.until_ms - own.from_ms >= 119_000
    assert market.until_ms - market.from_ms >= 110_000


async def test_a_cut_connection_is_a_hole_in_the_market(tmp_path: Path, autojump_clock: MockClock) -> None:
    recorded = Recorded(tmp_path)
    maker = recorded.maker()
    async with recorded.world.running(maker):
        await trio.sleep(30)
        recorded.world.info.disconnect_websocket()
        cut_ms = recorded.world.now_ms()
        await until(lambda: maker.stats.reconnects == 1)
        await trio.sleep(30)
    recorded.recorder.close()

    before, after = recorded.read().read_coverage("market", *ALWAYS_MS)
    assert before.until_ms <= cut_ms < after.from_ms
    assert len(list(recorded.read().read_coverage("own", *ALWAYS_MS))) == 1


async def test_a_slow_reconnection_is_a_hole_to_its_end(tmp_path: Path, autojump_clock: MockClock) -> None:
    """The new connection speaks for seconds before it is complete, which says nothing about the old one."""
    recorded = Recorded(tmp_path)
    maker = recorded.maker(run_sync=run_with_latency(0.1, 3))
    async with recorded.world.running(maker):
        await trio.sleep(60)
        recorded.world.info.disconnect_websocket()
        cut_ms = recorded.world.now_ms()
        await until(lambda: maker.stats.reconnects == 1)
        await trio.sleep(60)
    recorded.recorder.close()

    before, after = recorded.read().read_coverage("market", *ALWAYS_MS)
    assert before.until_ms <= cut_ms < after.from_ms


async def test_a_restart_is_a_hole_and_due_marks_are_made(tmp_path: Path, autojump_clock: MockClock) -> None:
    recorded = Recorded(tmp_path)
    await recorded.trade(recorded.maker(), 60)
    ended_ms = recorded.world.now_ms()
    await trio.sleep(20)
    recorded.world.info = recorded.world.venue.info(MAKER)
    await recorded.trade(recorded.maker(take_over=True), 400, seed=2)

    record = recorded.read()
    before, after = record.read_coverage("own", *ALWAYS_MS)
    marks = [mark for mark in record.read_marks(*ALWAYS_MS) if mark.fill_ms <= ended_ms]
    assert after.from_ms - before.until_ms >= 20_000
    assert {mark.after_ms for mark in marks} == {0, 1_000, 10_000, 60_000, 300_000}
    for mark in marks:
        at_ms = mark.fill_ms + mark.after_ms if mark.after_ms else mark.fill_ms - 1
        assert (mark.bid, mark.ask) == recorded.best_at(at_ms), mark


# --- What must not reach the maker ----------------------------------------------------------------


async def count_ticks(recorded: Recorded, maker: WsState, seconds: float = 60) -> int:
    async with recorded.world.running(maker):
        await trio.sleep(seconds)
        return maker.stats.ticks


async def test_a_disk_that_hangs_holds_up_the_record_alone(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    recorded = Recorded(tmp_path)

    async def run_sync(fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if fn == recorded.recorder.write:
            await trio.sleep_forever()
        return await run_inline(fn, *args, **options)

    n_ticks = await count_ticks(recorded, recorded.maker(run_sync=run_sync))

    assert n_ticks >= 20
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [text.split(";")[0] for text in warnings if "record" in text] == [
        "record stopped: reason=a write takes longer than 10 s"
    ]


class Broken(Recorder):
    """A recorder with a bug of ours."""

    def take_look(self, look: Look) -> None:
        raise AssertionError(look)


async def test_a_bug_of_the_recorder_does_not_reach_the_maker(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    recorded = Recorded(tmp_path)
    maker = recorded.world.maker(**ALLOCATION, recorder=Broken(tmp_path, coin=recorded.world.coin))

    assert await count_ticks(recorded, maker) >= 20
    assert "record stopped for this session" in caplog.text


async def test_market_feeds_that_say_nothing_do_not_pause_the_maker(tmp_path: Path, autojump_clock: MockClock) -> None:
    recorded = Recorded(tmp_path)
    recorded.world.venue.lose_frames("bbo", "trades")
    maker = recorded.maker(feed_stale_after_s=10.0)

    assert await count_ticks(recorded, maker) >= 20
    assert maker.stats.reconnects == 0
    recorded.recorder.close()
    assert list(recorded.read().read_coverage("market", *ALWAYS_MS)) == []


async def test_a_market_feed_that_is_refused_does_not_pause_the_maker(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A venue that takes no subscription of a market: the call itself fails."""
    recorded = Recorded(tmp_path)
    subscribe = recorded.world.info.subscribe

    def refuse(subscription: dict[str, Any], callback: Callable[[Any], None]) -> int:
        if "coin" in subscription:
            raise NotImplementedError(subscription["type"])
        return subscribe(subscription, callback)

    recorded.world.info.subscribe = refuse  # type: ignore[method-assign]

    assert await count_ticks(recorded, recorded.maker()) >= 20


async def test_recording_changes_nothing_of_what_is_sent(tmp_path: Path, autojump_clock: MockClock) -> None:
    sent = []
    for is_recorded in (True, False):
        recorded = Recorded(tmp_path)
        maker = recorded.maker() if is_recorded else recorded.world.maker(**ALLOCATION)
        async with recorded.world.running(maker):
            for size in ("5", "7.5", "12"):
                await trio.sleep(10)
                recorded.world.buy(size)
            await trio.sleep(10)
        sent.append([call for call in recorded.world.venue.calls if call[1]])

    assert sent[0] == sent[1]
