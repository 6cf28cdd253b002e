"""Simple market maker of the sandbox, so that clients which take have somebody to trade with.

It quotes fixed prices on both sides of one price. What was taken is offered again within a second, at the same price.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.matching.rules import MAX_SIGNIFICANT_FIGURES, PRICE_DECIMALS, quantum
from mm_trio.sandbox.model.commands import NewOrder, PlaceOrders
from mm_trio.sandbox.model.markets import Pair

__all__ = ["schedule_counterparty"]

LEVELS = 5  # A side.
STEP = Decimal("0.005")  # Between two levels, as a part of the middle.
REFILL_EVERY_S = 1.0


def schedule_counterparty(
    gateway: Gateway,
    pair: Pair,
    *,
    address: str,
    middle: Decimal,
    size: Decimal,
    call_every: Callable[[float, Callable[[], object]], None],
) -> None:
    """Quote both sides of `middle` from `address`, now and on the caller's clock.

    Each level has `size`, in base; the address needs funds for all of them. A level is filled up once half of it is
    taken.
    """
    ladder = tuple(_make_ladder(pair, middle, size))

    def refill() -> None:
        bid, ask = gateway.exchange.best_bid_ask(pair.name)
        orders = []
        for order in ladder:
            is_met = ask is not None and order.price >= ask if order.is_buy else bid is not None and order.price <= bid
            lacking = size - _sum_open(gateway, address, order)
            if not is_met and 2 * lacking >= size:
                orders.append(replace(order, size=lacking))
        if orders:
            gateway.apply(PlaceOrders(address, tuple(orders)))

    refill()
    call_every(REFILL_EVERY_S, refill)


def _make_ladder(pair: Pair, middle: Decimal, size: Decimal) -> Iterator[NewOrder]:
    for level in range(1, LEVELS + 1):
        for is_buy in (True, False):
            price = _round_price(middle * (1 - level * STEP if is_buy else 1 + level * STEP), pair)
            yield NewOrder(pair.asset, is_buy, price, size, "Alo")


def _round_price(price: Decimal, pair: Pair) -> Decimal:
    """Round a price to the nearest one that is legal."""
    decimals = min(PRICE_DECIMALS - pair.base.sz_decimals, MAX_SIGNIFICANT_FIGURES - 1 - price.adjusted())
    return price.quantize(quantum(max(decimals, 0)), ROUND_HALF_UP)


def _sum_open(gateway: Gateway, address: str, order: NewOrder) -> Decimal:
    """Sum up what rests of a level."""
    key = (order.asset, order.is_buy, order.price)
    rows = gateway.exchange.open_orders(address)
    return sum((row.size for row in rows if (row.asset, row.is_buy, row.price) == key), Decimal(0))
