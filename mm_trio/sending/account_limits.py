"""Guard of the operator's limits over all grids of an account."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import chain
from typing import TypeAlias

import trio

from mm_trio.halts.standing import Standing
from mm_trio.limits.holding import STALE_MARK_S, HoldingLimits, Traded
from mm_trio.limits.nearness import LimitUse, find_nearest
from mm_trio.limits.order_limits import measure_sides
from mm_trio.limits.terms import Breach, Reaction, RiskLimits
from mm_trio.model.market import Book
from mm_trio.model.numbers import EXACT
from mm_trio.model.orders import Intent, Side, TrackedOrder
from mm_trio.sending.limit_guard import LimitGuard
from mm_trio.state.maker_state import MakerState

__all__ = ["AccountLimitGuard"]

# States of grids, and the guards that know their prices.
_Grids: TypeAlias = Sequence[tuple[MakerState, LimitGuard]]


class AccountLimitGuard(LimitGuard):
    """Limits of an account, and of what its grids do together.

    `grids` are their states, and the guards that know their prices. Amounts are summed over the grids of one quote
    token, and each quote token has to keep the limits by itself; counts are of the account.
    """

    def __init__(
        self,
        limits: RiskLimits,
        grids: _Grids,
        *,
        standing: Standing,
        wall_ms: Callable[[], int],
    ) -> None:
        super().__init__(limits, grids[0][0], standing=standing, wall_ms=wall_ms)
        self._grids: list[tuple[MakerState, LimitGuard]] = []
        self._by_quote: dict[int, list[tuple[MakerState, LimitGuard]]] = {}
        self._holdings: dict[int, HoldingLimits] = {}
        for state, guard in grids:
            self.join(state, guard)

    def join(self, state: MakerState, guard: LimitGuard) -> None:
        """Count another grid from here on."""
        quote = state.market.quote.index
        self._grids.append((state, guard))
        self._by_quote.setdefault(quote, []).append((state, guard))
        if quote not in self._holdings:
            self._holdings[quote] = self._start_counting()

    def leave(self, state: MakerState) -> None:
        """Count a grid no longer. What the others of its quote token earned is counted as by a new start."""
        quote = state.market.quote.index
        self._grids = [pair for pair in self._grids if pair[0] is not state]
        if rest := [pair for pair in self._by_quote.pop(quote) if pair[0] is not state]:
            self._by_quote[quote] = rest
        self._holdings[quote] = self._start_counting()

    def change(self, limits: RiskLimits) -> None:
        """Judge by other limits from here on; what was counted stays."""
        super().change(limits)
        for holding in self._holdings.values():
            holding.change(limits)

    def _start_counting(self) -> HoldingLimits:
        return HoldingLimits(self._limits, now_s=trio.current_time())

    @property
    def needs_mark(self) -> bool:
        """Check if prices have to be looked at now and then."""
        return self._holding.needs_mark

    def on_book(self, book: Book | None) -> None:
        """Mark grids at the prices that were seen of them, once they are known of each of one quote token."""
        now_s = trio.current_time()
        for quote, grids in self._by_quote.items():
            if all(_has_price(guard, now_s) for _, guard in grids):
                self._holdings[quote].on_mark(Decimal(1), _sum_traded(grids), now_s=now_s)

    def _find_breach_of_money(self, now_s: float) -> Breach | None:
        """Find the first limit that the grids of any quote token break, what stops before what waits."""
        found = [
            self._holdings[quote].find_breach(_sum_traded(some), now_s=now_s) for quote, some in self._by_quote.items()
        ]
        breaches = [breach for breach in found if breach is not None]
        return min(breaches, key=lambda breach: breach.reaction is not Reaction.HALT, default=None)

    def _list_intents(self) -> Iterable[Intent]:
        return chain.from_iterable(state.order_state.get_intents() for state, _ in self._grids)

    def _find_order(self, oid: int) -> TrackedOrder | None:
        found = (state.order_state.find(oid) for state, _ in self._grids)
        return next((order for order in found if order is not None), None)

    def sum_resting(self, intents: Sequence[Intent]) -> dict[Side, Decimal]:
        """Sum the notional of each side beside these orders of one grid, over all grids of its quote token."""
        return _sum_sides(self._find_alike(intents), intents)

    def _measure_sides(self, limits: RiskLimits) -> Iterable[LimitUse]:
        """Measure the fuller side of the quote token that is nearest to the limit."""
        return find_nearest(
            chain.from_iterable(measure_sides(_sum_sides(grids), limits) for grids in self._by_quote.values())
        )

    def _measure_money(self) -> Iterable[LimitUse]:
        """Measure spend and losses of the quote token that is nearest to each limit."""
        return find_nearest(
            chain.from_iterable(
                self._holdings[quote].measure(_sum_traded(grids)) for quote, grids in self._by_quote.items()
            )
        )

    def _find_alike(self, intents: Sequence[Intent]) -> _Grids:
        """Find the grids that have the quote token of these orders, which are in flight already."""
        cloids = {intent.cloid for intent in intents}
        for grids in self._by_quote.values():
            for state, _ in grids:
                if any(intent.cloid in cloids for intent in state.order_state.get_intents()):
                    return grids
        return self._grids


def _has_price(guard: LimitGuard, now_s: float) -> bool:
    """Check if it is known what a grid's fills are worth.

    Where a grid is stopped nobody else may quote, so its last price has to do.
    """
    if guard.mid is None:
        return not guard.traded.token
    return guard.is_stopped or now_s - guard.marked_s <= STALE_MARK_S


def _sum_sides(grids: _Grids, intents: Sequence[Intent] = ()) -> dict[Side, Decimal]:
    """Sum the notional of each side over grids, beside these orders."""
    sums: dict[Side, Decimal] = {"buy": Decimal(0), "sell": Decimal(0)}
    for _, guard in grids:
        for side, notional in guard.sum_resting(intents).items():
            sums[side] += notional
    return sums


def _sum_traded(grids: _Grids) -> Traded:
    """Sum what fills moved since the ledgers began, all tokens at the prices seen last."""
    token = quote = Decimal(0)
    for _, guard in grids:
        moved = guard.traded
        token = EXACT.add(token, EXACT.multiply(moved.token, guard.mid or Decimal(0)))
        quote = EXACT.add(quote, moved.quote)
    return Traded(token, quote)
