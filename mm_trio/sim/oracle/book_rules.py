"""Rules of what rests: looked at after every command of the venue that touched our orders or our wallet."""

from __future__ import annotations

from decimal import Decimal

from mm_trio.sandbox import AccountView, Fill, OrderRecord, Pair
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.base.scenario import ScenarioLadder
from mm_trio.sim.oracle.venue_view import OwnView

__all__ = ["BookRules"]


class BookRules:
    """S1, S2, S3, S4, S6, S8 and S9 over the maker's orders of one pair. `levels` are the ladder's prices."""

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
        """The venue ran a command: what it changed of ours, and our wallet after it."""
        for change in changes:
            if isinstance(change, Fill):
                self._judge.check("S9", not change.crossed, lambda fill=change: f"we took: {fill}")  # type: ignore[misc]
            elif change.status == "open":
                self._check_order(change)
        self._check_slots()
        self._check_solvency(wallet)

    def _check_order(self, record: OrderRecord) -> None:
        """S6, S8, S9 of one order, as it began to rest."""
        size, price = record.size, record.price
        is_well_formed = price in self._levels and not size % self._lot and size * price >= self._ladder.min_notional
        self._judge.check("S6", is_well_formed, lambda: f"oid {record.oid}: {size} at {price}")
        self._judge.check("S8", size <= self._ladder.order_size, lambda: f"oid {record.oid} is for {size}")
        self._judge.check("S9", record.tif == "Alo", lambda: f"oid {record.oid} is {record.tif}")

    def _check_slots(self) -> None:
        slots = self._view.slots
        self._judge.check(
            "S1",
            len(slots) == len(self._view.resting),
            lambda: f"{[(side, str(px), n) for (side, px), n in slots.items() if n > 1]}",
        )
        bid = max((price for is_buy, price in slots if is_buy), default=None)
        ask = min((price for is_buy, price in slots if not is_buy), default=None)
        self._judge.check("S2", bid is None or ask is None or bid < ask, lambda: f"a bid at {bid}, an ask at {ask}")
        if self._ladder.active_levels is not None:
            most = self._ladder.active_levels + self._ladder.window_slack
            n_bids = sum(is_buy for is_buy, _ in slots)
            n_asks = len(slots) - n_bids
            self._judge.check(
                "S8", max(n_bids, n_asks) <= most, lambda: f"{n_bids} bids, {n_asks} asks, {most} at most"
            )

    def _check_solvency(self, wallet: AccountView) -> None:
        """S3, S4. Without an allocation the wallet is the ledger."""
        view, ladder = self._view, self._ladder
        tokens, quote = wallet.total(self._pair.base.index), wallet.total(self._pair.quote.index)
        if ladder.tokens is not None:
            tokens = min(tokens, view.tokens)
        if ladder.quote is not None:
            quote = min(quote, view.quote)
        self._judge.check("S3", view.asks <= tokens, lambda: f"asks of {view.asks} rest, {tokens} are ours")
        self._judge.check("S4", view.bids_worth <= quote, lambda: f"bids of {view.bids_worth} rest, {quote} are ours")
