"""Rules of the open orders.

They are checked after every command of the venue that changed our orders or our wallet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.sandbox import AccountView, Fill, OrderRecord, Pair
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.base.scenario import ScenarioLadder
from mm_trio.sim.oracle.venue_view import OwnView

__all__ = ["BookRules", "LadderTerms"]

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class LadderTerms:
    """What a ladder lets rest; `levels` are its prices."""

    ladder: ScenarioLadder
    levels: frozenset[Decimal]

    @property
    def most(self) -> int | None:
        """Return how many orders a side may have, None for any number."""
        active = self.ladder.active_levels
        return None if active is None else active + self.ladder.window_slack

    def is_well_formed(self, size: Decimal, price: Decimal, *, lot: Decimal) -> bool:
        """Check price, lots and minimum of an order."""
        return price in self.levels and not size % lot and size * price >= self.ladder.min_notional


class BookRules:
    """Rules S1-S4, S6, S8 and S9 for one pair.

    `terms` are those of the ladder that holds; while it may be another one too, or orders of the last one may still
    arrive, those of each. `more` is what may be offered of base and quote beyond the ledger for the same reasons.
    """

    def __init__(
        self, judge: Judge, view: OwnView, *, ladder: ScenarioLadder, levels: tuple[Decimal, ...], pair: Pair
    ) -> None:
        self._judge = judge
        self._view = view
        self.terms: Sequence[LadderTerms] = (LadderTerms(ladder, frozenset(levels)),)
        self.more = _NOTHING, _NOTHING
        # Whether the ledger counts: one of a grid that is not configured offers nothing.
        self.has_ledger = True
        self._has_allocation = ladder.tokens is not None, ladder.quote is not None
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
        is_well_formed = any(terms.is_well_formed(size, price, lot=self._lot) for terms in self.terms)
        self._judge.check("S6", is_well_formed, lambda: f"oid {record.oid} is malformed: {size} at {price}")
        most = max((terms.ladder.order_size for terms in self.terms), default=_NOTHING)
        self._judge.check("S8", size <= most, lambda: f"oid {record.oid} has size {size}, above the order size {most}")
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
        self._check_window([is_buy for is_buy, _ in slots])

    def _check_window(self, sides: Sequence[bool]) -> None:
        """Check S8: a ladder that changes has no more orders than the longer one of both would have."""
        known = [most for terms in self.terms if (most := terms.most) is not None]
        if len(known) < len(self.terms) or not known:
            return
        n_bids, most = sum(sides), max(known)
        n_asks = len(sides) - n_bids
        is_within = max(n_bids, n_asks) <= most if len(known) == 1 else n_bids + n_asks <= 2 * most
        self._judge.check(
            "S8", is_within, lambda: f"{n_bids} bids and {n_asks} asks are open, {most} per side are allowed"
        )

    def _check_solvency(self, wallet: AccountView) -> None:
        """Check S3 and S4.

        Without an allocation the wallet takes the place of the ledger.
        """
        view, (more_tokens, more_quote) = self._view, self.more
        tokens, quote = wallet.usable(self._pair.base.index), wallet.usable(self._pair.quote.index)
        if self._has_allocation[0]:
            tokens = min(tokens, (view.tokens if self.has_ledger else _NOTHING) + more_tokens)
        if self._has_allocation[1]:
            quote = min(quote, (view.quote if self.has_ledger else _NOTHING) + more_quote)
        self._judge.check(
            "S3", view.asks <= tokens, lambda: f"open asks are for {view.asks} tokens, {tokens} are available"
        )
        self._judge.check(
            "S4", view.bids_worth <= quote, lambda: f"open bids cost {view.bids_worth} quote, {quote} is available"
        )
