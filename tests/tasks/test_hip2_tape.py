"""Contract 2.1 on recorded takers: with our maker on the other side, our fills equal the recorded ones."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
import trio
from builders import TAKER, World
from trio.testing import MockClock

from mm_trio import PricingGrid
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS, USDC, Pair, Token
from mm_trio.sandbox.traffic.takers import trade_forever
from mm_trio.sandbox.traffic.tape import TapeRow, TapeTakers, ladder_start, read_tape, tape_market

TAPE = "rest/hypercore_hip2like_maker_fills_testnet_selected.json"
STEP = Decimal("0.003")
LEVELS = 30


async def replay(rows: Sequence[TapeRow], coin: str, *, top_of_bids: Decimal) -> list[tuple[bool, Decimal, Decimal]]:
    """Our fills (is_buy, price, size) on a ladder through the rows' prices, with whole tranches from one level up."""
    market = tape_market(rows)
    base = Token(market.base or "BASE", 9_000, market.sz_decimals, 8, "0x" + "9" * 32)
    start = ladder_start((row.price for row in rows), step=STEP, sz_decimals=market.sz_decimals, levels_below=10)
    grid = PricingGrid(start, LEVELS, tick_size=STEP, sz_decimals=market.sz_decimals)
    first_ask = grid.levels.index(top_of_bids)
    world = World(
        coin=coin,
        markets=DEFAULT_MARKETS.with_pair(Pair(coin, 9_000, base, USDC)),
        token=str((LEVELS - first_ask) * market.order_size),
        usdc=str(20 * market.order_size * top_of_bids),
        maker_fee="0",
        min_notional="0",
    )
    maker = world.maker(start_px=start, n_orders=LEVELS, tick_size=STEP, order_sz=market.order_size, min_notional=0)
    world.guard(maker)
    duration_s = (rows[-1].time_ms - rows[0].time_ms) / 1000
    async with world.running(maker):
        await trade_forever(
            world.gateway, TapeTakers(rows, world.pair, duration_s=duration_s), address=TAKER, coin=coin
        )
        await trio.sleep(10)
        tracked = {order.oid for order in maker.order_state.get_current_orders()}
        resting = {order.oid for order in world.resting()}
        account = maker.inventory.account_token, maker.inventory.account_usdc

    assert tracked == resting
    assert account == world.totals()
    return [(fill.is_buy, fill.price, fill.size) for fill in world.fills()]


@pytest.mark.captures
async def test_the_recorded_fills_of_hip2_come_out_row_by_row(autojump_clock: MockClock, captures: Path) -> None:
    rows = read_tape(captures / TAPE, "@1226")

    fills = await replay(rows, "@1226", top_of_bids=Decimal("0.000885"))

    assert fills == [(row.is_buy, row.price, row.size) for row in rows]
    assert len(fills) == 7


@pytest.mark.parametrize(
    "start_px, sz_decimals, whole, part",
    [
        ("61", 1, "12.5", "4.2"),
        ("0.0201", 0, "1500", "333"),
        ("61234", 5, "0.0125", "0.00201"),
        ("3.2", 2, "7", "6.99"),
    ],
)
async def test_made_up_fills_of_the_same_shape_come_out_row_by_row(
    autojump_clock: MockClock, start_px: str, sz_decimals: int, whole: str, part: str
) -> None:
    """A level is sold, bought back and its neighbour touched; sold again, the touch sold there, and on upwards."""
    below, level, above, higher = PricingGrid(start_px, 4, tick_size=STEP, sz_decimals=sz_decimals).levels

    def row(at_s: int, side: str, price: Decimal, size: str) -> TapeRow:
        is_buy = side == "buy"
        return TapeRow(
            time_ms=at_s * 1000,
            is_buy=is_buy,
            price=price,
            size=Decimal(size),
            fee=Decimal(0),
            fee_token="COIN" if is_buy else "USDC",
        )

    rows = (
        row(0, "sell", level, whole),
        row(40, "buy", level, whole),
        row(40, "buy", below, part),
        row(170, "sell", level, whole),
        row(390, "sell", level, part),
        row(430, "sell", above, whole),
        row(500, "sell", higher, whole),
    )
    fills = await replay(rows, "@9000", top_of_bids=level)

    assert fills == [(r.is_buy, r.price, r.size) for r in rows]
