"""Rules of the open orders.

They are checked after every command of the venue that changed our orders or our wallet.
"""

from __future__ import annotations

from decimal import Decimal

from mm_trio.sandbox import AccountView, Fill, OrderRecord, Pair
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.base.scenario import ScenarioLadder
from mm_trio.sim.oracle.venue_view import OwnView

__all__ = ["BookRules"]


class BookRules:
    """Rules S1-S4, S6, S8 and S9 for one pair.

    `levels` are the ladder's prices.
    """

    def __init__(
        self, judge: Judge, view: OwnView, *, ladder: ScenarioLadder, levels: tuple[Decimal, ...], pair: Pair
    ) -> None:
        self._judge = judge
        self._view = view
        self._ladder = ladder
        self._levels = frozenset(levels)
        self._pair = pair
        self._lot = Decimal(1).scaleb(-pair.base.sz_decimals)

    def on_changes(self, changes: list[Fill | OrderRecord], wallet: AccountView) -> None:
        """Check our orders and wallet after a venue command."""
        for change in changes:
            if isinstance(change, Fill):
                self._judge.check("S9", not change.crossed, lambda fill=change: f"our order was the taker: {fill}")  # type: ignore[misc]
            elif change.status == "open":
                self._check_order(change)
        self._check_slots()
        self._check_solvency(wallet)

    def _check_order(self, record: OrderRecord) -> None:
        """Check S6, S8 and S9 for an order just placed."""
        size, price = record.size, record.price
        is_well_formed = price in self._levels and not size % self._lot and size * price >= self._ladder.min_notional
        self._judge.check("S6", is_well_formed, lambda: f"oid {record.oid} is malformed: {size} at {price}")
        self._judge.check(
            "S8",
            size <= self._ladder.order_size,
            lambda: f"oid {record.oid} has size {size}, above the order size {self._ladder.order_size}",
        )
        self._judge.check(
            "S9", record.tif == "Alo", lambda: f"oid {record.oid} has time in force {record.tif}, not Alo"
        )

    def _check_slots(self) -> None:
        slots = self._view.slots
        self._judge.check(
            "S1",
            len(slots) == len(self._view.resting),
            lambda: f"{[(side, str(px), n) for (side, px), n in slots.items() if n > 1]}",
        )
        bid = max((price for is_buy, price in slots if is_buy), default=None)
        ask = min((price for is_buy, price in slots if not is_buy), default=None)
        self._judge.check("S2", bid is None or ask is None or bid < ask, lambda: f"highest bid {bid}, lowest ask {ask}")
        if self._ladder.active_levels is not None:
            most = self._ladder.active_levels + self._ladder.window_slack
            n_bids = sum(is_buy for is_buy, _ in slots)
            n_asks = len(slots) - n_bids
            self._judge.check(
                "S8",
                max(n_bids, n_asks) <= most,
                lambda: f"{n_bids} bids and {n_asks} asks are open, {most} per side are allowed",
            )

    def _check_solvency(self, wallet: AccountView) -> None:
        """Check S3 and S4.

        Without an allocation the wallet takes the place of the ledger.
        """
        view, ladder = self._view, self._ladder
        tokens, quote = wallet.usable(self._pair.base.index), wallet.usable(self._pair.quote.index)
        if ladder.tokens is not None:
            tokens = min(tokens, view.tokens)
        if ladder.quote is not None:
            quote = min(quote, view.quote)
        self._judge.check(
            "S3", view.asks <= tokens, lambda: f"open asks are for {view.asks} tokens, {tokens} are available"
        )
        self._judge.check(
            "S4", view.bids_worth <= quote, lambda: f"open bids cost {view.bids_worth} quote, {quote} is available"
        )
