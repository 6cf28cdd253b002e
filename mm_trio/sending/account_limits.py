"""Guard of the operator's limits over all grids of an account."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import chain

import trio

from mm_trio.halts.standing import Standing
from mm_trio.limits.holding import Traded
from mm_trio.limits.terms import RiskLimits
from mm_trio.model.market import Book
from mm_trio.model.numbers import EXACT
from mm_trio.model.orders import Intent, Side, TrackedOrder
from mm_trio.sending.limit_guard import LimitGuard
from mm_trio.state.maker_state import MakerState

__all__ = ["AccountLimitGuard"]


class AccountLimitGuard(LimitGuard):
    """Limits of an account, and of what its grids do together.

    `grids` are their states, and the guards that know their prices. All grids are counted in one quote unit.
    """

    def __init__(
        self,
        limits: RiskLimits,
        grids: Sequence[tuple[MakerState, LimitGuard]],
        *,
        standing: Standing,
        wall_ms: Callable[[], int],
    ) -> None:
        super().__init__(limits, grids[0][0], standing=standing, wall_ms=wall_ms)
        self._grids = list(grids)

    def join(self, state: MakerState, guard: LimitGuard) -> None:
        """Count another grid from here on."""
        self._grids.append((state, guard))

    def leave(self, state: MakerState) -> None:
        """Count a grid no longer. What it gained or lost stays its own."""
        self._grids = [pair for pair in self._grids if pair[0] is not state]

    @property
    def needs_mark(self) -> bool:
        """Check if prices have to be looked at now and then."""
        return self._holding.needs_mark

    def on_book(self, book: Book | None) -> None:
        """Mark all grids at the prices that were seen of them, once each has one."""
        mids = [guard.mid for _, guard in self._grids]
        if None not in mids:
            self._holding.on_mark(Decimal(1), self._sum_traded(mids), now_s=trio.current_time())

    @property
    def traded(self) -> Traded:
        """Return what fills moved since the ledgers began, all tokens at the prices seen last."""
        return self._sum_traded([guard.mid for _, guard in self._grids])

    def _sum_traded(self, mids: Sequence[Decimal | None]) -> Traded:
        token = quote = Decimal(0)
        for (_, guard), mid in zip(self._grids, mids, strict=True):
            moved = guard.traded
            token = EXACT.add(token, EXACT.multiply(moved.token, mid or Decimal(0)))
            quote = EXACT.add(quote, moved.quote)
        return Traded(token, quote)

    def _list_intents(self) -> Iterable[Intent]:
        return chain.from_iterable(state.order_state.get_intents() for state, _ in self._grids)

    def _find_order(self, oid: int) -> TrackedOrder | None:
        found = (state.order_state.find(oid) for state, _ in self._grids)
        return next((order for order in found if order is not None), None)

    def sum_resting(self, intents: Sequence[Intent]) -> dict[Side, Decimal]:
        """Sum the notional of each side beside these orders, over all grids."""
        sums: dict[Side, Decimal] = {"buy": Decimal(0), "sell": Decimal(0)}
        for _, guard in self._grids:
            for side, notional in guard.sum_resting(intents).items():
                sums[side] += notional
        return sums
