"""Forecast of an hour: the ladder's own rule before takers of a kind, one after the other.

Whole orders go round for nothing, and parts of them earn a step: how much of each there is depends on the takers. So
they are drawn, and what they leave is counted to the last digit. Nobody in it knows more than the others; informed flow
is a cost of its own (`income`).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from random import Random
from typing import Protocol

from mm_trio.model.orders import DesiredOrder, Side
from mm_trio.planning.income import Fees
from mm_trio.planning.ladder_plan import LadderPlan
from mm_trio.quoting.ladder_ranges import Ladder, LadderMaker
from mm_trio.quoting.quoting_engine import LadderTerms, Tranches, compute_boundary, cut_tranches

__all__ = ["SEEN_LEVELS", "Forecast", "LeaningTakers", "Take", "TakerFlow", "Takers", "forecast_income"]

_ZERO = Decimal(0)
_BPS = Decimal(10_000)
# So many levels a side are shown to a taker.
SEEN_LEVELS = 20


@dataclass(frozen=True, slots=True)
class Take:
    """A taker: the side of ours that he takes from, and how much, in base."""

    side: Side
    size: Decimal


class Takers(Protocol):
    """Takers, one after the other."""

    def draw(self, asks: list[DesiredOrder], bids: list[DesiredOrder]) -> Take | None:
        """Draw the next one before this book, best orders first."""


class LeaningTakers:
    """Takers of a usual size who push the price back to where it began.

    Beyond `swing`, a ratio, all of them do.
    """

    def __init__(self, mean_size: Decimal, *, rng: Random, swing: Decimal = Decimal("0.02")) -> None:
        self._mean = mean_size
        self._rng = rng
        self._swing = swing
        self._anchor: Decimal | None = None

    def draw(self, asks: list[DesiredOrder], bids: list[DesiredOrder]) -> Take | None:
        """Draw a side by how far the price has drifted, and an exponential size."""
        size = self._mean * Decimal(self._rng.expovariate(1.0))
        if not asks or not bids:
            return Take("sell" if asks else "buy", size) if asks or bids else None
        mid = (asks[0].price + bids[0].price) / 2
        self._anchor = self._anchor or mid
        drift = float((mid / self._anchor - 1) / self._swing)
        return Take("sell" if self._rng.random() < 0.5 - drift / 2 else "buy", size)


@dataclass(frozen=True, slots=True)
class TakerFlow:
    """So many takers of a kind an hour, and what they are like in words."""

    takers: Takers
    an_hour: int
    described: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """What so many takers left.

    Units: quote. `gross` is what the round trips earned: the change of quote, with the tokens at what the ladder asks
    for them. `fees` are ours, those in base at the price of their fill.
    """

    n_takers: int
    fills: int
    volume: Decimal
    gross: Decimal
    fees: Decimal

    @property
    def net(self) -> Decimal:
        """Return what is left after fees."""
        return self.gross - self.fees

    @property
    def net_bps(self) -> Decimal | None:
        """Return the net income in bps of the volume."""
        return self.net / self.volume * _BPS if self.volume else None


def forecast_income(plan: LadderPlan, takers: Takers, fees: Fees, *, n_takers: int) -> Forecast:
    """Let takers trade with a ladder that is made whole after each."""
    market = _Market(plan, fees)
    began = market.value_tokens()
    for _ in range(n_takers):
        take = takers.draw(market.list_side("sell"), market.list_side("buy"))
        if take is not None:
            market.trade(take)
    gross = market.earned - (began - market.value_tokens())
    return Forecast(n_takers, market.fills, market.volume, gross, market.fees)


class _Market:
    """The ladder in the market: balances, and what rests.

    `earned` is the change of quote before fees.
    """

    def __init__(self, plan: LadderPlan, fees: Fees) -> None:
        self._plan, self._rates = plan, fees
        self._maker = LadderMaker(LadderTerms(plan.grid, plan.order_size, plan.min_notional, plan.gap_levels))
        self._tokens, self._quote = plan.tokens, plan.quote
        self.earned = self.volume = self.fees = _ZERO
        self.fills = 0
        self._ladder = self._make_ladder(None)

    def list_side(self, side: Side) -> list[DesiredOrder]:
        """List what a taker sees of a side, best first."""
        return list(islice(self._ladder.of(side), SEEN_LEVELS))

    def trade(self, take: Take) -> None:
        """Fill orders from the best outwards, and make the ladder whole."""
        lot = self._plan.grid.lot
        left, sold = take.size // lot * lot, take.side == "sell"
        bids = {order.level_index: order.size for order in self.list_side("buy")}
        for order in self.list_side(take.side):
            size = min(left, order.size)
            if size <= 0:
                break
            left -= size
            self._book(order.price, -size if sold else size)
            if not sold:
                bids[order.level_index] -= size
        self._ladder = self._make_ladder(bids)

    def _book(self, price: Decimal, bought: Decimal) -> None:
        """Book a fill; `bought` is below zero where we sold."""
        self.fills += 1
        self.volume += abs(bought) * price
        self.fees += abs(bought) * price * self._rates.maker
        self.earned -= bought * price
        self._tokens += bought
        self._quote -= bought * price

    def _make_ladder(self, bids: dict[int, Decimal] | None) -> Ladder:
        """Make the ladder of these balances.

        `bids` are what rests of ours, by level: one on the remainder's level is left as it is.
        """
        plan, level = self._plan, self._find_remainder_level()
        bid = None if plan.gap_levels or bids is None else bids.get(level) or None
        levels = () if bid is None else (level,)
        boundary = compute_boundary(plan.grid, self._tokens, plan.order_size, bid_levels=levels)
        return self._maker.compute(boundary, self._tokens, self._quote, resting_bid=bid)

    def _find_remainder_level(self) -> int:
        plan = self._plan
        return plan.grid.n_orders - self._cut().full - 1

    def _cut(self) -> Tranches:
        return cut_tranches(self._tokens, order_size=self._plan.order_size, lot=self._plan.grid.lot)

    def value_tokens(self) -> Decimal:
        """Value the tokens at what the ladder asks for them, in quote."""
        (full, remainder), levels = self._cut(), self._plan.grid.levels
        level = max(0, len(levels) - full)
        whole = self._plan.order_size * sum(levels[level:], _ZERO)
        return whole + remainder * levels[level - 1] if level else whole
