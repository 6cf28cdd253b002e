"""A traded day in one folder: the real maker on the exchange in process, in stepped time.

Seeded takers trade against it. In the middle of the day the feed and the line are cut, the asks are sold out, funds
are moved and the maker is restarted. Beside ledger and record its state folder has what the exchange itself wrote down:
`exchange_fills.json` (rows of `userFills`, oldest first) and `exchange_trades.json` (rows of `trades`).
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import trio
from builders import ALLOCATION, COIN, MAKER, TAKER, World, run_inline

from mm_trio import WsState
from mm_trio.config.private_paths import make_private_folders
from mm_trio.engine import feed_watchdog
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.recorder import record_keeping
from mm_trio.recorder.recorder import Recorder
from mm_trio.sandbox.info.rows import fill_row, trade_row
from mm_trio.sandbox.model.records import Fill, Trade
from mm_trio.sandbox.traffic.takers import SeededTakers, TakerHabits, trade_forever
from mm_trio.sim.base.seeded_schedule import run_virtual

__all__ = ["FULL_DAY", "QUIET_HOUR", "DayPlan", "TradedDay", "trade_day"]

# Midnight of a day, UTC: 2026-09-21.
MIDNIGHT_MS = 1_789_948_800_000
FILLS_FILE, TRADES_FILE = "exchange_fills.json", "exchange_trades.json"
# No call over the network.
LOCAL = frozenset({"append", "_replay", "mark_end", "write"})
# Its orders lie beyond both ends of the ladder, and are placed anew once they are taken: the market has two sides while
# we have one, or none.
STRANGER = "0x" + "c3" * 20
STRANGERS_BID, STRANGERS_ASK, STRANGERS_SIZE, STRANGERS_SHARE = "19.9", "22.6", "500", "2"


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPlan:
    """Length of a day, how busy it is, and the troubles in it.

    `outage_s`: nothing reaches the venue. `sold_out_s`: there is no ask. `down_s`: the maker is stopped.
    """

    seed: int = 1
    duration_s: float
    taker_pause_s: float
    tick_s: float
    outage_s: float
    sold_out_s: float
    down_s: float


# Some 500 fills, in about a second.
QUIET_HOUR = DayPlan(duration_s=3600, taker_pause_s=25, tick_s=5, outage_s=120, sold_out_s=90, down_s=60)
# Some 12,000 fills, in half a minute.
FULL_DAY = DayPlan(duration_s=86_400, taker_pause_s=20, tick_s=10, outage_s=900, sold_out_s=600, down_s=300)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradedDay:
    """What a day left behind: files in `folder`, and the exchange's own record.

    `opening` and `closing` are the totals of the account in base and quote when the maker began and had ended,
    `moved` what was transferred in between. `outage_ms`, `sold_out_ms` and `down_ms` are spans.
    """

    folder: Path
    plan: DayPlan
    coin: str
    address: str
    from_ms: int
    until_ms: int
    fills: tuple[Fill, ...]
    opening: tuple[Decimal, Decimal]
    closing: tuple[Decimal, Decimal]
    moved: tuple[Decimal, Decimal]
    outage_ms: tuple[int, int]
    sold_out_ms: tuple[int, int]
    down_ms: tuple[int, int]


def trade_day(base: Path, plan: DayPlan) -> TradedDay:
    """Live through a day, and return what it left in a state folder below `base`; call it outside of trio."""
    # The last parts of a state folder name network, account and pair.
    folder = base / "sandbox" / "day" / MAKER / COIN
    make_private_folders(folder)
    with _hurried(), _quiet_log():
        return run_virtual(lambda: _Day(folder, plan).live(), seed=plan.seed)


class _DayWorld(World):
    """Market whose calendar begins at midnight."""

    def now_ms(self) -> int:
        return MIDNIGHT_MS + int(1000 * (trio.current_time() - self.started_s))


class _Line:
    """The `run_sync` of the day: without delay, and at times without a way out."""

    def __init__(self) -> None:
        self.is_cut = False

    async def __call__(self, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        name = getattr(fn, "__name__", type(fn).__name__)
        if self.is_cut and name not in LOCAL:
            await trio.sleep(1)
            raise ConnectionError("no route")
        return await run_inline(fn, *args, **options)


class _Day:
    """A day under way."""

    def __init__(self, folder: Path, plan: DayPlan) -> None:
        self._folder = folder
        self._plan = plan
        # More than the maker is allotted, so that transfers leave its quotes alone.
        self._world = _DayWorld(token="130", usdc="6000", signing=True, fills_kept=1_000_000)
        self._line = _Line()
        self._world.fund(STRANGER, 1_000_000, 10_000_000)
        self._renew_stranger()
        self._world.gateway.checks.append(self._renew_stranger)
        habits = TakerHabits(mean_pause_s=plan.taker_pause_s, swing=Decimal("0.03"), max_levels=13)
        self._takers = SeededTakers(self._world.pair, rng=random.Random(plan.seed), habits=habits)

    async def live(self) -> TradedDay:
        """Live through the day: two lives of the maker with a stop between them."""
        world, opening = self._world, self._world.totals()
        moved = (Decimal(-3), Decimal(500))
        async with self._maker_running():
            await self._trade(0.25)
            world.fund(MAKER, 0, str(moved[1]))
            await self._trade(0.15)
            outage_ms = await self._cut()
            await self._trade(0.15)
            sold_out_ms = await self._sell_out()
            await self._trade(0.15)
        began_ms = world.now_ms()
        await trio.sleep(self._plan.down_s)
        async with self._maker_running():
            down_ms = (began_ms, world.now_ms())
            await self._trade(0.15)
            world.withdraw(MAKER, str(-moved[0]))
            await self._trade(0.15)
            await self._settle()
        fills = world.fills()
        self._write(fills)
        return TradedDay(
            folder=self._folder,
            plan=self._plan,
            coin=world.coin,
            address=MAKER,
            from_ms=MIDNIGHT_MS,
            until_ms=world.now_ms(),
            fills=fills,
            opening=opening,
            closing=world.totals(),
            moved=moved,
            outage_ms=outage_ms,
            sold_out_ms=sold_out_ms,
            down_ms=down_ms,
        )

    # --- The maker ----------------------------------------------------------------------------

    @asynccontextmanager
    async def _maker_running(self) -> AsyncIterator[None]:
        recorder = Recorder(self._folder, coin=self._world.coin)
        with closing(Journal.open(self._folder)) as journal, closing(recorder):
            async with self._world.running(self._make_maker(journal, recorder)):
                yield

    def _make_maker(self, journal: Journal, recorder: Recorder) -> WsState:
        info = self._world.venue.info(MAKER)
        return self._world.maker(
            **ALLOCATION,
            journal=journal,
            recorder=recorder,
            dead_zone_bps=0,
            price_tolerance_bps=0,
            size_tolerance_pct=0,
            interval_s=self._plan.tick_s,
            run_sync=self._line,
            info=info,
            exchange=self._world.venue.signing_exchange(MAKER),
            reopen_feed=info.reopen_feed,
        )

    # --- What happens -------------------------------------------------------------------------

    async def _trade(self, share: float) -> None:
        """Let takers trade for a share of the day."""
        with trio.move_on_after(self._plan.duration_s * share):
            await trade_forever(self._world.gateway, self._takers, address=TAKER, coin=self._world.coin)

    async def _cut(self) -> tuple[int, int]:
        """Cut the feed and the line while takers trade on."""
        began_ms = self._world.now_ms()
        self._line.is_cut = True
        self._world.venue.drop_feed()
        with trio.move_on_after(self._plan.outage_s):
            await trade_forever(self._world.gateway, self._takers, address=TAKER, coin=self._world.coin)
        self._line.is_cut = False
        await self._settle()
        return began_ms, self._world.now_ms()

    async def _sell_out(self) -> tuple[int, int]:
        """Buy every ask of ours and a little more, wait, and sell it all back."""
        await self._settle()
        size = Decimal(0)
        # A remainder that waited for a bid on its level is offered once everything else is sold.
        while asks := [order.size for order in self._world.resting() if not order.is_buy]:
            size += sum(asks, Decimal(0))
            self._world.buy(sum(asks, Decimal(0)))
            await trio.sleep(2 * self._plan.tick_s)
        began_ms = self._world.now_ms()
        self._world.buy(STRANGERS_SHARE)
        await trio.sleep(self._plan.sold_out_s)
        ended_ms = self._world.now_ms()
        self._world.sell(size)
        await self._settle()
        return began_ms, ended_ms

    def _renew_stranger(self) -> None:
        sides = {order.is_buy for order in self._world.resting(STRANGER)}
        if True not in sides:
            self._world.order("buy", STRANGERS_BID, STRANGERS_SIZE, tif="Gtc", address=STRANGER)
        # Placing the other order has come here too.
        sides = {order.is_buy for order in self._world.resting(STRANGER)}
        if False not in sides:
            self._world.order("sell", STRANGERS_ASK, STRANGERS_SIZE, tif="Gtc", address=STRANGER)

    async def _settle(self) -> None:
        await trio.sleep(6 * self._plan.tick_s)

    def _write(self, fills: tuple[Fill, ...]) -> None:
        rows = [fill_row(fill) for fill in fills]
        (self._folder / FILLS_FILE).write_text(json.dumps(rows), encoding="utf-8")
        ours = {fill.tid for fill in fills}
        trades = [
            trade_row(_make_trade(fill, maker=MAKER if fill.tid in ours else STRANGER))
            for fill in self._world.fills(TAKER)
        ]
        (self._folder / TRADES_FILE).write_text(json.dumps(trades), encoding="utf-8")


def _make_trade(fill: Fill, *, maker: str) -> Trade:
    """Return the public side of a fill of the taker, who always crosses."""
    assert fill.crossed
    buyer, seller = (TAKER, maker) if fill.is_buy else (maker, TAKER)
    return Trade(
        coin=fill.coin,
        is_buy=fill.is_buy,
        price=fill.price,
        size=fill.size,
        time_ms=fill.time_ms,
        hash=fill.hash,
        tid=fill.tid,
        buyer=buyer,
        seller=seller,
    )


@contextmanager
def _hurried() -> Iterator[None]:
    """Look after feed and record less often: it would be most of what happens in a day.

    Looks at the feed come more often than `STALL_S`, or each finds a stalled loop; those at the own book more often
    than `LOOKS_WITHIN_MS`, or each begins a span of its own.
    """
    paces = {
        feed_watchdog: {"POLL_EVERY_S": 2.0},
        record_keeping: {"LOOK_EVERY_S": 2.0, "WRITE_EVERY_S": 10.0, "SUBSCRIBE_POLL_S": 2.0},
    }
    before = {module: {name: vars(module)[name] for name in names} for module, names in paces.items()}
    for module, pace in paces.items():
        vars(module).update(pace)
    try:
        yield
    finally:
        for module, pace in before.items():
            vars(module).update(pace)


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Drop what the makers say: a cut line fills pages."""
    log = logging.getLogger("mm_trio")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)
