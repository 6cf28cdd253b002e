"""Simulated takers, which trade against the maker's orders.

Seeded random takers are here, recorded ones in `tape`. Both only decide on orders; `trade_forever` is the task that
sends them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from random import Random
from typing import Protocol

import trio

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.matching.book import BookView, Level
from mm_trio.sandbox.model.commands import NewOrder, PlaceOrders
from mm_trio.sandbox.model.markets import Pair

__all__ = ["SeededTakers", "TakerHabits", "Takers", "schedule_takers", "trade_forever"]

# Takers without pauses must not occupy a clock alone.
_MIN_PAUSE_S = 0.001


class Takers(Protocol):
    """Sequence of takers, with their times and orders."""

    def pause_s(self) -> float | None:
        """Return seconds until the next taker; None after the last."""

    def decide(self, book: BookView) -> tuple[NewOrder, ...]:
        """Decide on a taker's orders for this book.

        They are sent as one action. An empty tuple means that the taker does not trade.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class TakerHabits:
    """Parameters of seeded takers.

    `swing` is a ratio: once the mid has drifted so far from the anchor, all takers push it back. Pauses are in
    seconds, `min_notional` is in quote units.
    """

    mean_pause_s: float = 1.0
    swing: Decimal = Decimal("0.02")
    max_levels: int = 4
    min_notional: Decimal = Decimal(10)

    def __post_init__(self) -> None:
        if self.mean_pause_s < 0 or self.swing <= 0 or self.max_levels < 1 or self.min_notional < 0:
            raise ValueError(
                f"taker habits are not valid: {self}; mean_pause_s and min_notional must be 0 or above, "
                "swing above 0, max_levels at least 1"
            )


class SeededTakers:
    """Random takers on both sides, drawn from `rng`.

    The same draws and books give the same orders. The takers revert the price: the further the mid is from `anchor`
    (default: the first mid they see), the likelier they push it back, and from `swing` on they always do. So a maker
    with a ladder never sells or buys more than the levels within the swing, and one sweep.
    """

    def __init__(
        self, pair: Pair, *, rng: Random, habits: TakerHabits | None = None, anchor: Decimal | None = None
    ) -> None:
        self._asset = pair.asset
        self._lot = Decimal(1).scaleb(-pair.base.sz_decimals)
        self._rng = rng
        self._habits = habits or TakerHabits()
        self._anchor = anchor

    def pause_s(self) -> float:
        """Draw an exponential pause, as between independent takers.

        It is at most eight means, so that a demo never seems to have stopped.
        """
        mean_s = self._habits.mean_pause_s
        return min(self._rng.expovariate(1 / mean_s), 8 * mean_s) if mean_s > 0 else 0.0

    def decide(self, book: BookView) -> tuple[NewOrder, ...]:
        """Return one IOC order, or none.

        The book can fill the order whole.
        Its size is anything from a part of a level to several levels.
        """
        if not book.bids and not book.asks:
            return ()
        is_buy = self._draw_side(book)
        levels = book.asks if is_buy else book.bids
        size = self._draw_size(levels)
        if size <= 0 or size * levels[0].price < self._habits.min_notional:
            return ()
        price = _find_last_price(levels, size)
        return (NewOrder(asset=self._asset, is_buy=is_buy, price=price, size=size, tif="Ioc"),)

    def _draw_side(self, book: BookView) -> bool:
        """Draw a side; True means to buy.

        With an empty side only the other one can be taken.
        """
        if not book.bids or not book.asks:
            return not book.bids
        mid = (book.bids[0].price + book.asks[0].price) / 2
        if self._anchor is None:
            self._anchor = mid
        drift = float((mid / self._anchor - 1) / self._habits.swing)
        return self._rng.random() < 0.5 - drift / 2

    def _draw_size(self, levels: Sequence[Level]) -> Decimal:
        """Draw a size.

        Half of the takers take a part of the best level, a quarter all of it, and a quarter sweep further levels.
        """
        best = levels[0]
        kind = self._rng.random()
        part = Decimal(self._rng.randint(5, 95)) / 100
        if kind < 0.5:
            size = best.size * part
        elif kind < 0.75 or len(levels) == 1 or self._habits.max_levels == 1:
            size = best.size
        else:
            last = self._rng.randint(1, min(self._habits.max_levels, len(levels)) - 1)
            size = _sum_sizes(levels[:last]) + levels[last].size * part
        # The venue checks the minimum notional on the whole size at the best price.
        least = (self._habits.min_notional / best.price / self._lot).to_integral_value(ROUND_CEILING)
        lots = max((size / self._lot).to_integral_value(ROUND_FLOOR), least)
        return min(lots * self._lot, _sum_sizes(levels))


def _sum_sizes(levels: Sequence[Level]) -> Decimal:
    return sum((level.size for level in levels), Decimal(0))


def _find_last_price(levels: Sequence[Level], size: Decimal) -> Decimal:
    """Find the price of the last lot of `size`."""
    for level in levels:
        size -= level.size
        if size <= 0:
            return level.price
    return levels[-1].price


async def trade_forever(
    gateway: Gateway,
    takers: Takers,
    *,
    address: str,
    coin: str,
    sleep: Callable[[float], Awaitable[object]] = trio.sleep,
) -> None:
    """Let takers trade from `address` until there are no more.

    Cancellation ends it too.
    """
    while (pause_s := takers.pause_s()) is not None:
        await sleep(pause_s)
        orders = takers.decide(gateway.exchange.book(coin))
        if orders:
            gateway.apply(PlaceOrders(address=address, orders=orders))


def schedule_takers(
    gateway: Gateway,
    takers: Takers,
    *,
    address: str,
    coin: str,
    call_in: Callable[[float, Callable[[], object]], None],
) -> None:
    """Let takers trade from `address` on the caller's clock.

    Each taker schedules the next one with `call_in`.
    """

    def trade() -> None:
        orders = takers.decide(gateway.exchange.book(coin))
        if orders:
            gateway.apply(PlaceOrders(address=address, orders=orders))
        schedule_next()

    def schedule_next() -> None:
        pause_s = takers.pause_s()
        if pause_s is not None:
            call_in(max(pause_s, _MIN_PAUSE_S), trade)

    schedule_next()
