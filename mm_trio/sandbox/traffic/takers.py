"""Order flow for the sandbox: someone who takes what the maker offers.

Seeded here, recorded in `tape`; both decide and send nothing. `trade_forever` is the task that sends.
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

_LEAST_PAUSE_S = 0.001  # a flow without pauses must not keep a clock for itself


class Takers(Protocol):
    """A flow of takers: when the next one comes, and what he sends when he sees the book."""

    def pause_s(self) -> float | None:
        """Seconds until the next taker; None when no more will come."""

    def decide(self, book: BookView) -> tuple[NewOrder, ...]:
        """His orders, sent as one action; empty when there is nothing for him."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakerHabits:
    """How seeded takers behave. `swing` is the drift of the mid, as a ratio, at which all of them turn."""

    mean_pause_s: float = 1.0
    swing: Decimal = Decimal("0.02")
    max_levels: int = 4
    min_notional: Decimal = Decimal(10)

    def __post_init__(self) -> None:
        if self.mean_pause_s < 0 or self.swing <= 0 or self.max_levels < 1 or self.min_notional < 0:
            raise ValueError(f"these habits make no flow: {self}")


class SeededTakers:
    """Takers on both sides, drawn from `rng`: the same draws and books give the same orders.

    They revert: the further the mid is from `anchor` (default: the first mid they see), the likelier they
    push it back, and from `swing` on they always do. A maker on a ladder therefore never sells or buys more
    than the levels within the swing, and one sweep.
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
        """Exponential, as independent takers come; at most eight means, so that a demo never seems dead."""
        mean_s = self._habits.mean_pause_s
        return min(self._rng.expovariate(1 / mean_s), 8 * mean_s) if mean_s > 0 else 0.0

    def decide(self, book: BookView) -> tuple[NewOrder, ...]:
        """One IOC order that the book can fill whole, or none: from a part of a level to several levels."""
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
        """True to buy. Where one side is empty there is no choice."""
        if not book.bids or not book.asks:
            return not book.bids
        mid = (book.bids[0].price + book.asks[0].price) / 2
        if self._anchor is None:
            self._anchor = mid
        drift = float((mid / self._anchor - 1) / self._habits.swing)
        return self._rng.random() < 0.5 - drift / 2

    def _draw_size(self, levels: Sequence[Level]) -> Decimal:
        """Half of them take a part of the best level, a quarter all of it, a quarter sweep on."""
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
        # the venue weighs the whole size at the first price it meets
        least = (self._habits.min_notional / best.price / self._lot).to_integral_value(ROUND_CEILING)
        lots = max((size / self._lot).to_integral_value(ROUND_FLOOR), least)
        return min(lots * self._lot, _sum_sizes(levels))


def _sum_sizes(levels: Sequence[Level]) -> Decimal:
    return sum((level.size for level in levels), Decimal(0))


def _find_last_price(levels: Sequence[Level], size: Decimal) -> Decimal:
    """The price at which the last lot of `size` is found."""
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
    """Let takers trade from `address`. Ends by cancellation, or with the flow."""
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
    """Let takers trade from `address` on a clock of one's own: each makes the appointment of the next."""

    def come() -> None:
        orders = takers.decide(gateway.exchange.book(coin))
        if orders:
            gateway.apply(PlaceOrders(address=address, orders=orders))
        wait()

    def wait() -> None:
        pause_s = takers.pause_s()
        if pause_s is not None:
            call_in(max(pause_s, _LEAST_PAUSE_S), come)

    wait()
