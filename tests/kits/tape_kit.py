"""Recorded tapes of HIP-2 before the whole maker, on virtual time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import trio
from builders import MAKER, TAKER, World

from mm_trio import WsState
from mm_trio.sandbox.model.commands import NewOrder, PlaceOrders
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS, USDC, Pair, Token
from mm_trio.sandbox.model.records import Fill
from mm_trio.sandbox.traffic.ladder_search import compute_ladder, find_step, ladder_start
from mm_trio.sandbox.traffic.takers import trade_forever
from mm_trio.sandbox.traffic.tape import TapeRow, TapeTakers, cut_pauses, group_sweeps, read_tape, tape_market
from mm_trio.sandbox.traffic.tape_phases import PERIOD_MS, TapePhases, find_start

LEVELS_AROUND = 10
# What the maker has to be told to quote as HIP-2 does.
AS_HIP2: dict[str, Any] = {
    "min_notional": 0,
    "price_tolerance_bps": 0,
    "size_tolerance_pct": 0,
    "dead_zone_bps": 0,
    "requote_on_fill": False,
    "interval_s": PERIOD_MS / 1000,
}


@dataclass(frozen=True)
class Tape:
    """A tape, and the ladder that it begins on. Long pauses are cut by whole periods of HIP-2's clock."""

    coin: str
    rows: tuple[TapeRow, ...]
    sz_decimals: int
    step: Decimal
    phases: TapePhases

    @property
    def expected(self) -> list[tuple[bool, Decimal, Decimal]]:
        return [(row.is_buy, row.price, row.size) for row in self.rows]


def open_tape(rows: Iterable[TapeRow], coin: str) -> Tape:
    """A tape on a ladder of its own: the thousands of asks above the recorded prices never move, and are left out."""
    cut = cut_pauses(tuple(rows), period_ms=PERIOD_MS)
    sz_decimals = tape_market(cut).sz_decimals
    prices = [row.price for row in cut]
    step = find_step([[row.price for row in sweep] for sweep in group_sweeps(cut)], sz_decimals=sz_decimals)
    start = ladder_start(prices, step=step, sz_decimals=sz_decimals, levels_below=LEVELS_AROUND)
    n_levels = 1
    while (levels := compute_ladder(start, n_levels, step=step, sz_decimals=sz_decimals))[-1] < max(prices):
        n_levels += 1
    levels = compute_ladder(start, n_levels + LEVELS_AROUND, step=step, sz_decimals=sz_decimals)
    phases = find_start(cut, levels, lot=Decimal(1).scaleb(-sz_decimals))
    return Tape(coin, cut, sz_decimals, step, phases)


def read(path: Path, coin: str) -> Tape:
    return open_tape(read_tape(path, coin), coin)


def open_world(tape: Tape) -> World:
    """An exchange on which the maker pays no fee, with what is left of a bid from before the tape."""
    base = Token("BASE", 9_000, tape.sz_decimals, 8, "0x" + "9" * 32)
    start = tape.phases.start
    quote = sum((start.order_size * price for price in start.levels), Decimal(0))
    world = World(
        coin=tape.coin,
        markets=DEFAULT_MARKETS.with_pair(Pair(tape.coin, 9_000, base, USDC)),
        token=str(start.tokens),
        usdc=str(quote),
        maker_fee="0",
        min_notional="0",
    )
    if start.bid_left is not None:
        price = start.levels[start.remainder_level]
        bid = NewOrder(world.pair.asset, True, price, start.bid_left, "Alo")
        world.gateway.apply(PlaceOrders(MAKER, (bid,)))
    return world


def make_maker(world: World, tape: Tape) -> WsState:
    start = tape.phases.start
    parameters = {"start_px": start.levels[0], "n_orders": len(start.levels), "tick_size": tape.step}
    return world.maker(order_sz=start.order_size, **parameters, **AS_HIP2)


async def reach_phase(maker: WsState, phase_ms: int) -> None:
    """Return when the maker's next tick is due in `phase_ms`, with its ladder in the book."""
    ticks = maker.stats.ticks
    while maker.stats.ticks < ticks + 2:  # noqa: ASYNC110 - the maker has no event for a tick
        await trio.sleep(0.001)
    await trio.sleep((PERIOD_MS - phase_ms) / 1000)


async def replay(tape: Tape, *, phase_ms: int) -> tuple[Fill, ...]:
    """Replay a tape before our maker, whose first tick after the first row comes `phase_ms` after it."""
    world = open_world(tape)
    maker = make_maker(world, tape)
    world.guard(maker)
    duration_s = (tape.rows[-1].time_ms - tape.rows[0].time_ms) / 1000
    async with world.running(maker):
        await reach_phase(maker, phase_ms)
        takers = TapeTakers(tape.rows, world.pair, duration_s=duration_s)
        await trade_forever(world.gateway, takers, address=TAKER, coin=tape.coin)
        await trio.sleep(10)
        tracked = {order.oid for order in maker.order_state.get_current_orders()}
        resting = {order.oid for order in world.resting()}
        account = maker.inventory.account_token, maker.inventory.account_usdc

    assert tracked == resting
    assert account == world.totals()
    return world.fills()
