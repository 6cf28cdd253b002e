"""Measurement of a simulated world, without a hand in it."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from statistics import median
from typing import Never

import trio

from mm_trio.cli.rehearse_programs.figures import Income, Peak, Quoting, Range, Requests, Trading, value_on_ladder
from mm_trio.limits.holding import Traded
from mm_trio.limits.pace import SlidingCount
from mm_trio.limits.terms import RiskLimits
from mm_trio.sandbox import Command, Effect, FillMade
from mm_trio.sending.limit_guard import ANSWERED_WITHIN_S
from mm_trio.sim.oracle.venue_view import is_own
from mm_trio.sim.run.world import World

__all__ = ["Meter"]

POLL_S = 1.0
# The sum of all orders is looked at less often: there may be hundreds.
ORDERS_EVERY = 5
HOUR_S, MINUTE_S = 3600.0, 60.0
_ZERO = Decimal(0)
_ORDERS = "orders"


class Meter:
    """Figures of a world's maker, by the venue's own record.

    The ledger begins with `token` and `quote`. Nothing is measured any more after `stop`.
    """

    def __init__(self, world: World, *, token: Decimal, quote: Decimal) -> None:
        self._world = world
        # Without an allocation the view begins at nothing.
        self._seen = Traded(world.view.tokens, world.view.quote)
        self.trading = Trading()
        self.money = _Money(token, quote)
        self._extremes = _Extremes()
        self._actions, self._fills = SlidingCount(HOUR_S), SlidingCount(MINUTE_S)
        self._sides = _Sides()
        self._is_on = True
        world.gateway.observers.append(self._observe)

    def stop(self) -> None:
        """Measure nothing any more."""
        self._is_on = False

    # --- Seen -----------------------------------------------------------------------------------

    def _observe(self, now_ms: int, command: Command, effects: tuple[Effect, ...]) -> None:
        view = self._world.view
        for effect in effects:
            if not self._is_on or not isinstance(effect, FillMade):
                continue
            fill = effect.fill
            if fill.address != view.address or fill.coin != view.coin or not is_own(fill.cloid):
                continue
            fee = fill.fee * fill.price if fill.fee_token == view.base_name else fill.fee
            self.trading = self.trading.add(is_buy=fill.is_buy, price=fill.price, size=fill.size, fee=fee)
            self._fills.add(1, now_s=trio.current_time())
            self._look_at_money()

    async def poll_forever(self) -> Never:
        """Look once a second."""
        n_polls = n_items = 0
        while True:
            await trio.sleep(POLL_S)
            if not self._is_on:
                continue
            n_polls += 1
            now_s, n_now = trio.current_time(), self.n_items
            self._actions.add(n_now - n_items, now_s=now_s)
            n_items = n_now
            self._extremes.see_high("max_actions_per_hour", self._actions.count(now_s))
            self._extremes.see_high("max_fills_per_minute", self._fills.count(now_s))
            self._look_at_maker(now_s)
            self._look_at_money()
            if n_polls % ORDERS_EVERY == 0:
                self._look_at_orders()

    def _look_at_maker(self, now_s: float) -> None:
        process = self._world.process
        if process is None or not process.is_quoting:
            return
        maker = process.maker
        n_unknown = sum(now_s - intent.sent_s > ANSWERED_WITHIN_S for intent in maker.order_state.get_intents())
        self._extremes.see_high("max_unknown_outcomes", n_unknown)
        self._extremes.see_low("budget_floor", maker.rate_limit.remaining())
        slots = self._world.view.slots
        bids, asks = ([price for is_buy, price in slots if is_buy is side] for side in (True, False))
        self._sides.see(max(bids, default=None), min(asks, default=None))

    def _look_at_money(self) -> None:
        bid, ask = self._world.exchange.best_bid_ask(self._world.pair.name)
        mid = None if bid is None or ask is None else (bid + ask) / 2
        self.money.see(self.traded, mid)
        self._extremes.see_high("max_net_spend", max(_ZERO, -self.traded.quote))

    def _look_at_orders(self) -> None:
        view = self._world.view
        sums = {True: _ZERO, False: _ZERO}
        self._extremes.see_high(_ORDERS, len(view.resting))
        for oid, record in view.resting.items():
            sums[record.is_buy] += view.remaining(oid) * record.price
            self._extremes.see_high("max_order_notional", record.size * record.price)
            self._extremes.see_low("price_low", record.price)
            self._extremes.see_high("price_high", record.price)
        self._extremes.see_high("max_side_notional", max(sums.values()))

    # --- Told -----------------------------------------------------------------------------------

    @property
    def n_items(self) -> int:
        """Return the items that all processes sent."""
        return sum(process.requests.n_items_sent for process in self._world.processes)

    @property
    def traded(self) -> Traded:
        """Return what fills moved, fees included."""
        view = self._world.view
        return Traded(view.tokens - self._seen.token, view.quote - self._seen.quote)

    def compute_income(self) -> Income:
        """Compute what was earned against having held."""
        world, trading, began = self._world, self.trading, self.money.began.token
        size = world.scenario.ladder.order_size
        before, after = (value_on_ladder(world.levels, size, token) for token in (began, began + trading.token))
        return Income(
            earned=self.traded.compute_gain(self.money.mark or _ZERO),
            turns=trading.quote + after - before,
            fees=trading.fees,
            worst_loss=-self.money.gains.low,
            worst_drawdown=self.money.worst_drawdown,
        )

    def describe_requests(self) -> Requests:
        """Return the items sent, and the budget that the maker knows of."""
        process = self._world.process
        left = None if process is None else process.maker.rate_limit.remaining()
        return Requests(items=self.n_items, left=left, volume=self.trading.volume)

    def describe_quoting(self) -> Quoting:
        """Return how the maker quoted."""
        no_bid, no_ask, spread = self._sides.sum_up()
        most_orders = int(self._extremes.get(_ORDERS) or 0)
        return Quoting(no_bid_s=no_bid, no_ask_s=no_ask, spread_bps=spread, most_orders=most_orders)

    def find_peaks(self, limits: RiskLimits) -> tuple[Peak, ...]:
        """Find how near each number came to its limit."""
        self._extremes.see_high("max_loss_vs_hold", -self.money.gains.low)
        self._extremes.see_high("max_drawdown_vs_hold", self.money.worst_drawdown)
        given = {item.name: getattr(limits, item.name) for item in fields(limits)}
        return tuple(
            Peak(name, self._extremes.get(name), None if limit is None else Decimal(limit))
            for name, limit in given.items()
        )


class _Money:
    """Holdings and gains, from their beginning on.

    `gains` are against having held; the start counts, so the lowest is never above zero.
    """

    def __init__(self, token: Decimal, quote: Decimal) -> None:
        self.began = Traded(token, quote)
        self.token, self.quote = Range(token, token), Range(quote, quote)
        self.mark: Decimal | None = None
        self.gains = Range(_ZERO, _ZERO)
        self.worst_drawdown = _ZERO

    def see(self, traded: Traded, mid: Decimal | None) -> None:
        """Take in what was traded until now; `mid` None: there is no price now."""
        self.token = self.token.widen(self.began.token + traded.token)
        self.quote = self.quote.widen(self.began.quote + traded.quote)
        if mid is not None:
            self.mark = mid
            gain = traded.compute_gain(mid)
            self.gains = self.gains.widen(gain)
            self.worst_drawdown = max(self.worst_drawdown, self.gains.high - gain)


class _Extremes:
    """Highest or lowest value of each number."""

    def __init__(self) -> None:
        self._values: dict[str, Decimal] = {}

    def see_high(self, name: str, value: Decimal | int) -> None:
        self._values[name] = max(self._values.get(name, Decimal(value)), Decimal(value))

    def see_low(self, name: str, value: Decimal | int) -> None:
        self._values[name] = min(self._values.get(name, Decimal(value)), Decimal(value))

    def get(self, name: str) -> Decimal | None:
        return self._values.get(name)


class _Sides:
    """Seconds without a bid or an ask, and the spreads of all others."""

    def __init__(self) -> None:
        self._no_bid = self._no_ask = 0
        self._spreads: list[float] = []

    def see(self, bid: Decimal | None, ask: Decimal | None) -> None:
        self._no_bid += bid is None
        self._no_ask += ask is None
        if bid is not None and ask is not None:
            self._spreads.append(float((ask - bid) / (ask + bid) * 20_000))

    def sum_up(self) -> tuple[int, int, float | None]:
        """Return the seconds without a bid, those without an ask, and the median spread in bps."""
        return self._no_bid, self._no_ask, round(median(self._spreads), 1) if self._spreads else None
