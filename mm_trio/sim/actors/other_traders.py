"""Other traders in the market: takers and rival makers.

They act on the venue directly, without the simulated network.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import Never

import trio

from mm_trio.sandbox import CancelByOid, Gateway, NewOrder, Pair, PlaceOrders

__all__ = ["CRASHER", "RIVAL", "TAKER", "halve_price", "rival_forever", "take_forever"]

TAKER = "0x" + "7a" * 20
RIVAL = "0x" + "7e" * 20
CRASHER = "0x" + "7c" * 20
# Time for which the price stays halved.
HALVED_S = 60.0

# Added to one half, this is the probability that a taker buys.
MOODS = (-0.45, -0.2, 0.0, 0.0, 0.2, 0.45)
# Share of takers that take several levels or a whole side.
SWEEP = 0.04


async def take_forever(gateway: Gateway, pair: Pair, rng: Random, *, pause_s: float, trend_s: float) -> Never:
    """Send one taker order after another.

    Their bias changes about every `trend_s` seconds, which moves the price to both ends of the ladder.
    """
    mood, mood_until_s = 0.0, trio.current_time() + rng.expovariate(1 / trend_s)
    while True:
        await trio.sleep(rng.expovariate(1 / pause_s))
        if trio.current_time() > mood_until_s:
            mood, mood_until_s = rng.choice(MOODS), trio.current_time() + rng.expovariate(1 / trend_s)
        is_buy = rng.random() < 0.5 + mood
        order = _choose_order(gateway, pair, rng, is_buy=is_buy)
        if order is not None:
            gateway.apply(PlaceOrders(TAKER, (order,)))


def _choose_order(gateway: Gateway, pair: Pair, rng: Random, *, is_buy: bool) -> NewOrder | None:
    """Choose an order for part of a level or more.

    It takes part of the best level, all of it, or several levels. Returns None where nothing is offered.
    """
    is_sweep = rng.random() < SWEEP
    book = gateway.exchange.book(pair.name, depth=None if is_sweep and rng.random() < 0.3 else 4)
    levels = book.asks if is_buy else book.bids
    if not levels:
        return None
    best, roll = levels[0], rng.random()
    if is_sweep:
        size = sum((level.size for level in levels), Decimal(0))
    elif roll < 0.5:
        size = best.size * Decimal(rng.randint(5, 95)) / 100
    elif roll < 0.8 or len(levels) == 1:
        size = best.size
    else:
        size = best.size + levels[1].size * Decimal(rng.randint(5, 95)) / 100
    size = max(size, 11 / best.price).quantize(Decimal(1).scaleb(-pair.base.sz_decimals), rounding=ROUND_DOWN)
    price = levels[-1].price if is_sweep else levels[min(1, len(levels) - 1)].price
    return NewOrder(pair.asset, is_buy, price, size, "Ioc")


async def rival_forever(gateway: Gateway, pair: Pair, rng: Random, levels: tuple[Decimal, ...]) -> Never:
    """Rest a post-only order near our prices now and then.

    Its price is one of `levels`; it is cancelled after a while.
    """
    while True:
        await trio.sleep(rng.expovariate(1 / 20))
        price, is_buy = rng.choice(levels), rng.random() < 0.5
        size = (11 * Decimal(rng.randint(1, 9)) / price).quantize(Decimal(1).scaleb(-pair.base.sz_decimals))
        gateway.apply(PlaceOrders(RIVAL, (NewOrder(pair.asset, is_buy, price, size, "Alo"),)))
        await trio.sleep(rng.expovariate(1 / 15))
        cancel_all(gateway, pair, RIVAL)


async def halve_price(gateway: Gateway, pair: Pair, at_s: float) -> None:
    """Take every bid at a moment, and quote at half of the price for a while."""
    await trio.sleep_until(at_s)
    bids = gateway.exchange.book(pair.name, depth=None).bids
    if not bids:
        return
    total = sum((level.size for level in bids), Decimal(0))
    gateway.apply(PlaceOrders(TAKER, (NewOrder(pair.asset, False, bids[-1].price, total, "Ioc"),)))
    tick = Decimal(1).scaleb(bids[0].price.adjusted() - 3)
    half = (bids[0].price / 2).quantize(tick)
    size = (20 / half).quantize(Decimal(1).scaleb(-pair.base.sz_decimals))
    try:
        for price, is_buy in ((half, True), (half + tick, False)):
            gateway.apply(PlaceOrders(CRASHER, (NewOrder(pair.asset, is_buy, price, size, "Alo"),)))
        await trio.sleep(HALVED_S)
    finally:
        cancel_all(gateway, pair, CRASHER)


def cancel_all(gateway: Gateway, pair: Pair, address: str, *, spare_prefix: str = "never") -> None:
    """Cancel the orders of an address on this pair.

    Orders whose cloid begins with `spare_prefix` are spared.
    """
    orders = gateway.exchange.open_orders(address)
    oids = [o.oid for o in orders if o.coin == pair.name and not (o.cloid or "").startswith(spare_prefix)]
    if oids:
        gateway.apply(CancelByOid(address, tuple((pair.asset, oid) for oid in oids)))
