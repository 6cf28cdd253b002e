"""The record of a maker: what it holds is what the exchange itself has, and it never disturbs the maker."""

from __future__ import annotations

import random
from bisect import bisect_right
from decimal import Decimal
from pathlib import Path

import trio
from builders import ALLOCATION, MAKER, TAKER, World, until
from trio.testing import MockClock

from mm_trio.engine.ws_state import WsState
from mm_trio.recorder.due_marks import MARKED_AFTER_MS
from mm_trio.recorder.record_file import RecordFile
from mm_trio.recorder.recorder import Recorder

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
