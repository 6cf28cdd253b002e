"""What the tests of feed, account and process faults share: a line to the venue that remembers and breaks.

And what must hold at the end, reckoned from the exchange's own record and not from the maker's.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import trio
from builders import ALLOCATION, MAKER, World, booked, dec, until

from mm_trio import WsState
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.cloid import decode_cloid
from mm_trio.model.errors import LedgerError

NEW_RISK = frozenset({"bulk_orders", "bulk_modify_orders_new"})
N_FEEDS = 4
# what a maker has to have been told, one after the other, before it may quote again
GATE = ("subscribe",) * N_FEEDS + ("open_orders", "user_fills_by_time", "spot_user_state", "user_rate_limit")
RECONCILED = GATE[N_FEEDS:]
LOCAL = frozenset({"append", "_replay", "mark_end"})  # no call over the network
EXACT: dict[str, Any] = {"dead_zone_bps": 0, "price_tolerance_bps": 0, "size_tolerance_pct": 0, **ALLOCATION}
LOT, MIN_NOTIONAL = Decimal("0.01"), Decimal(10)


# --- the line to the venue --------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """A call left (`is_answer` false) or was answered well. `action` is what a signed one asks for."""

    at_s: float
    method: str
    is_answer: bool
    action: dict[str, Any]


class Line:
    """The `run_sync` of these tests. It takes `there_s` and `back_s`; while `is_cut` nothing gets through.

    At its `dies_at`-th call it goes dead, before that call had its effect or after it: neither that one nor any
    later one returns.
    """

    def __init__(
        self,
        *,
        there_s: float = 0.0,
        back_s: float = 0.0,
        dies_at: int | None = None,
        dies_after_effect: bool = False,
    ) -> None:
        self.there_s, self.back_s = there_s, back_s
        self.is_cut = False
        self.events: list[Event] = []
        self.died = trio.Event()
        self.n_calls = 0
        self._dies_at = dies_at
        self._dies_after_effect = dies_after_effect

    async def __call__(self, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        self.n_calls += 1
        if self.died.is_set():
            await trio.sleep_forever()
        if self.n_calls == self._dies_at:
            if self._dies_after_effect:
                fn(*args)
            self.died.set()
            await trio.sleep_forever()
        name: str = getattr(fn, "__name__", type(fn).__name__)
        if name in LOCAL:
            return fn(*args)
        method, action = (args[0].method, json.loads(args[0].action)) if name == "post_signed" else (name, {})
        self.events.append(Event(trio.current_time(), method, False, action))
        await self._wait(self.there_s)
        if self.is_cut:
            raise ConnectionError("no route")
        answer = fn(*args)
        await self._wait(self.back_s)
        self.events.append(Event(trio.current_time(), method, True, action))
        return answer

    async def _wait(self, seconds: float) -> None:
        if seconds:
            await trio.sleep(seconds)
        if self.died.is_set():
            await trio.sleep_forever()

    def sent(self, *methods: str, since: int = 0) -> list[Event]:
        """The calls of these methods that left, from event number `since` on."""
        return [event for event in self.events[since:] if event.method in methods and not event.is_answer]

    def new_risk(self, since: int = 0) -> list[Event]:
        """Every place and modify that left, from event number `since` on."""
        return self.sent(*NEW_RISK, since=since)


def check_gate(line: Line, *, since: int, gate: tuple[str, ...] = GATE) -> None:
    """From there on nothing new left before every feed was subscribed anew and one reconciliation went through."""
    n_passed = 0
    for event in line.events[since:]:
        if event.method == "reopen_feed":
            n_passed = 0
        elif event.method == gate[n_passed] and event.is_answer:
            n_passed += 1
        if n_passed == len(gate):
            return
        assert event.is_answer or event.method not in NEW_RISK, f"{event.method} left after only {gate[:n_passed]}"
    raise AssertionError(f"quoting was never allowed again, only {gate[:n_passed]} was done")


def check_ownership(world: World, line: Line, cloids: set[str] | None = None) -> None:
    """Every order carried a cloid of ours that was never used before; every cancel and modify named one of ours.

    `cloids` are those used by earlier lives, and get the ones of this line.
    """
    seen = set[str]() if cloids is None else cloids
    for event in line.events:
        if event.is_answer:
            continue
        modifies = event.action.get("modifies", [])
        for order in [*event.action.get("orders", []), *(modify["order"] for modify in modifies)]:
            assert decode_cloid(order["c"]) is not None, order
            assert order["c"] not in seen, order
            seen.add(order["c"])
        named = [row["o"] for row in event.action.get("cancels", []) if "o" in row]
        for oid in [*named, *(modify["oid"] for modify in modifies)]:
            record = world.exchange.find_record(MAKER, oid)
            assert record is None or decode_cloid(record.cloid) is not None, record


# --- what must hold at the end ----------------------------------------------------------------


def own_ledger(world: World, token: str | int = 100, usdc: str | int = 5000) -> tuple[Decimal, Decimal]:
    """An allocation, and what the exchange's record of the maker's own orders makes of it: no hand's fill counts."""
    base, quote = dec(token), dec(usdc)
    for fill in world.fills():
        if fill.coin == world.coin and decode_cloid(fill.cloid) is not None:
            sign = 1 if fill.is_buy else -1
            base += sign * fill.size - (fill.fee if fill.fee_token == world.pair.base.name else 0)
            quote -= sign * fill.size * fill.price + (fill.fee if fill.fee_token == world.pair.quote.name else 0)
    return base, quote


def find_divergence(world: World, maker: WsState) -> str:
    """Where what rests of ours is not the ladder that the exchange's record of our fills asks for; empty if nowhere.

    A bid that rests on the level of the rest is left as it is.
    """
    (token, usdc), account = own_ledger(world, *map(str, maker.inventory.allocation)), world.totals()
    token, usdc = min(token, account[0]), min(usdc, account[1])
    book = own_book(world, maker)
    levels, order_size = maker.grid.levels, maker.settings.quoting.order_size
    token -= token % LOT
    n_full, rest = int(token // order_size), token % order_size
    due: dict[tuple[str, int], Decimal] = {("sell", i): order_size for i in range(len(levels) - n_full, len(levels))}
    level = len(levels) - n_full - 1
    if rest:
        bid = book.get(("buy", level))
        if bid is None and rest * levels[level] < MIN_NOTIONAL and ("sell", level) not in book:
            bid = order_size - rest
        if bid is None:
            due["sell", level] = rest
        else:
            due["buy", level] = min(bid, order_size)
            usdc -= due["buy", level] * levels[level]
        level -= 1
    while level >= 0:
        size = min(order_size, usdc / levels[level])
        size -= size % LOT
        if size * levels[level] < MIN_NOTIONAL:
            break
        due["buy", level] = size
        usdc -= size * levels[level]
        level -= 1
    wrong = [place for place in sorted({*due, *book}) if due.get(place) != book.get(place)]
    return "; ".join(f"{place}: due {due.get(place)}, rests {book.get(place)}" for place in wrong)


def own_book(world: World, maker: WsState) -> dict[tuple[str, int], Decimal]:
    """What rests with a cloid of ours: (side, level) -> size. Fails on two at one place, and off the ladder."""
    found: dict[tuple[str, int], Decimal] = {}
    for order in world.resting():
        if decode_cloid(order.cloid) is None:
            continue
        assert order.price in maker.grid.levels, f"oid {order.oid} is off the ladder: {order.price}"
        place = ("buy" if order.is_buy else "sell", maker.grid.levels.index(order.price))
        assert place not in found, f"two orders at {place}"
        found[place] = order.size
    return found


def is_settled(world: World, maker: WsState) -> bool:
    """The ledger is exact, what we track is what rests, nothing is in doubt, and the ladder is the due one."""
    tracked = {order.oid: order.size for order in maker.order_state.get_current_orders()}
    ours = [order for order in world.resting() if decode_cloid(order.cloid) is not None]
    return (
        # Orders of an earlier ladder may still be on their way out.
        all(order.price in maker.grid.levels for order in ours)
        and booked(maker) == own_ledger(world, *map(str, maker.inventory.allocation))
        and tracked == {order.oid: order.size for order in ours}
        and not maker.order_state.get_doubts()
        and not find_divergence(world, maker)
    )


def describe(world: World, maker: WsState) -> str:
    """What is not settled, for a failing test."""
    return (
        f"booked {booked(maker)}, due {own_ledger(world, *map(str, maker.inventory.allocation))}; "
        f"doubts {maker.order_state.get_doubts()}; paused {maker.paused_because}; "
        f"book: {find_divergence(world, maker) or 'as due'}"
    )


async def settle(world: World, maker: WsState, *, within_s: float = 30.0) -> None:
    """Wait until everything is as it should be; fails with what is not."""
    with trio.move_on_after(within_s):
        await until(lambda: is_settled(world, maker), within_s=within_s + 1)
    assert is_settled(world, maker), describe(world, maker)


# --- takers and lives -------------------------------------------------------------------------


def trade(world: World, rng: random.Random) -> None:
    """One taker order of either side, where there is somebody to take from."""
    book = world.exchange.book(world.coin)
    is_buy = rng.random() < 0.5
    if book.asks if is_buy else book.bids:
        (world.buy if is_buy else world.sell)(dec(rng.randint(60, 900)) / 100)


async def trade_forever(world: World, rng: random.Random, *, pause_s: float = 0.4) -> None:
    """A taker order every so often."""
    while True:
        await trio.sleep(pause_s)
        trade(world, rng)


async def live_until_killed(world: World, maker: WsState, line: Line, *, within_s: float = 120.0) -> None:
    """Run until the line died; what is cancelled then can neither send nor write anything any more."""
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            try:
                await maker.run()
            except* LedgerError:  # its journal takes nothing any more
                pass

        nursery.start_soon(run)
        nursery.start_soon(world.beat_forever)
        with trio.fail_after(within_s):
            await line.died.wait()
        nursery.cancel_scope.cancel()


def next_life(world: World, folder: Path, line: Line, **changed: Any) -> WsState:
    """A maker as a new process makes it: everything it knows is in the journal and at the exchange."""
    info = world.venue.info(MAKER)
    return world.maker(
        **EXACT
        | {
            "run_sync": line,
            "journal": Journal.open(folder),
            "info": info,
            "exchange": world.venue.signing_exchange(MAKER),
            "reopen_feed": info.reopen_feed,
            "requote_on_fill": True,
            "rng": random.Random(len(world.venue.calls)),
        }
        | changed
    )


async def live_among_takers(world: World, maker: WsState, line: Line, seed: int) -> None:
    """A life that ends by the death of its line."""
    async with trio.open_nursery() as trading:
        trading.start_soon(trade_forever, world, random.Random(seed))
        await live_until_killed(world, maker, line)
        trading.cancel_scope.cancel()
