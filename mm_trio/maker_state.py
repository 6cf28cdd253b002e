"""What the maker knows, and how each thing it is told changes that: fills, order updates, snapshots.

Pure: no task, clock or socket. Whoever calls is on the one thread of the loop, and nothing here awaits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from mm_trio.cloid import decode_cloid
from mm_trio.inventory import BalanceCheck, Inventory
from mm_trio.model import Balances, Fill, FillResult, Intent, Market, OpenOrder, OrderUpdate
from mm_trio.order_state import OrderState
from mm_trio.pricing_grid import PricingGrid
from mm_trio.rate_limit import RateLimitBudget
from mm_trio.reconcile import compute_foreign_holds, match_intent

__all__ = ["MakerState"]


@dataclass(slots=True)
class MakerState:
    """Orders, ledger and budget of one maker on one market, and the rules that join them.

    `unquiet_s` is when the ledger last moved or an order was last in doubt (see `Inventory`);
    `looked_up_ms` is the venue's time up to which its fill history was read: frames do not move it, so
    that a fill no frame told is found however late the history can be read again.
    """

    market: Market
    grid: PricingGrid
    order_state: OrderState
    inventory: Inventory
    rate_limit: RateLimitBudget
    keep_foreign: bool
    unquiet_s: float = float("-inf")
    looked_up_ms: int = 0
    foreign_holds: Balances = field(default_factory=lambda: Balances(Decimal(0), Decimal(0)))

    # --- fills --------------------------------------------------------------------------------

    def remember_fill(self, fill: Fill) -> None:
        """A fill that is in the balances we start from: never to be applied."""
        self.order_state.remember_fill(fill.tid, fill.oid, time_ms=fill.time_ms, coin=fill.coin)
        self.on_looked_up(fill)

    def on_looked_up(self, fill: Fill) -> None:
        """A row of the fill history, which was read up to here."""
        self.looked_up_ms = max(self.looked_up_ms, fill.time_ms or 0)

    def apply_fill(self, fill: Fill, *, now_s: float) -> tuple[FillResult, ...]:
        """Count a fill once and move the ledger; gives what was booked.

        Nothing for a duplicate, and for an order not known yet: that fill is kept until it is. A fill that
        carries the cloid of an order in flight makes it known, before any answer.
        """
        booked: tuple[FillResult, ...] = ()
        if fill.cloid is not None and self.order_state.find(fill.oid) is None:
            for intent in self.order_state.get_intents():
                if intent.cloid == fill.cloid.lower():
                    booked = self.apply_arrival(intent, fill.oid, now_s=now_s)
        result = self.order_state.on_fill(
            fill.tid,
            fill.oid,
            fill.size,
            time_ms=fill.time_ms,
            coin=fill.coin,
            price=fill.price,
            fee=fill.fee,
            fee_token=fill.fee_token,
            now_s=now_s,
        )
        return booked if result is None else (*booked, *self.book((result,), now_s=now_s))

    def book(self, results: Iterable[FillResult], *, now_s: float) -> tuple[FillResult, ...]:
        """Move ledger and budget by fills of orders of ours; gives them back."""
        results = tuple(results)
        for result in results:
            default = "quote" if result.side == "sell" else "base"
            known = result.fee_token in ("base", "quote")
            # a fee in a third token leaves our two alone: the balance check finds what else it cost
            fee = result.fee if known or result.fee_token is None else 0
            move = self.inventory.on_ask_fill if result.side == "sell" else self.inventory.on_bid_fill
            move(result.price, result.size, fee, result.fee_token if known else default)  # type: ignore[arg-type]
            self.rate_limit.on_fill(result.price * result.size)
            self.unquiet_s = now_s
        return results

    # --- orders -------------------------------------------------------------------------------

    def apply_arrival(self, intent: Intent, oid: int, *, now_s: float) -> tuple[FillResult, ...]:
        """An order in flight is proven to have reached the book as `oid`; gives the fills now booked."""
        return self.book(self.order_state.on_intent_seen(intent, oid, now_s=now_s), now_s=now_s)

    def apply_order_update(self, update: OrderUpdate, *, now_s: float) -> tuple[tuple[FillResult, ...], bool]:
        """An order of our coin changed its status; gives fills now booked, and whether it is a stranger."""
        row, state = update.order, self.order_state
        booked: tuple[FillResult, ...] = ()
        known = state.find(row.oid) is not None or state.find_left(row.oid) is not None
        if not known and (intent := match_intent(state.get_intents(), row)) is not None:
            booked = self.apply_arrival(intent, row.oid, now_s=now_s)
            known = True
        if not update.live:
            state.on_modify_response(row.oid, row.oid, update.status, remaining=row.size, now_s=now_s)
            return booked, False
        if known:
            return booked, False
        if not self.is_foreign(row):
            # at its full size: the fills that made it less are told apart from this, and counted then
            adopted = self.adopt(replace(row, size=row.original_size or row.size), now_s=now_s)
            return booked if adopted is None else adopted, adopted is None
        return booked, False

    def adopt(self, row: OpenOrder, *, now_s: float) -> tuple[FillResult, ...] | None:
        """Take over an order that rests: at the level within half a step of its price, one for each.

        None where there is no such level, or it has an order of ours: then it is an orphan.
        """
        level = self.grid.level_for_price(row.price)
        if level is None or self.order_state.is_taken(row.side, level):
            return None
        results = self.order_state.on_place_confirmed(
            row.oid, row.side, level, row.price, row.size, cloid=row.cloid, now_s=now_s
        )
        return self.book(results, now_s=now_s)

    def seed_orders(self, rows: Sequence[OpenOrder], *, now_s: float) -> tuple[OpenOrder, ...]:
        """Adopt what rests at the start; gives the orphans."""
        ours = [row for row in rows if row.coin == self.market.coin and not self.is_foreign(row)]
        return tuple(row for row in ours if self.adopt(row, now_s=now_s) is None)

    def is_foreign(self, row: OpenOrder) -> bool:
        """Whether an order of our coin is nobody's business but its owner's."""
        return self.keep_foreign and decode_cloid(row.cloid) is None

    # --- balances -----------------------------------------------------------------------------

    def note_foreign_holds(self, rows: Iterable[OpenOrder]) -> None:
        """Remember what others hold of our tokens, from the open orders of all coins."""
        self.foreign_holds = compute_foreign_holds(rows, self.market, keep_foreign=self.keep_foreign)

    def apply_balances(self, total: Balances, *, asked_s: float | None, now_s: float) -> BalanceCheck:
        """Check the ledger against the venue's totals. Bare (`asked_s` None) they are taken as they are."""
        token, usdc = total.token - self.foreign_holds.token, total.usdc - self.foreign_holds.usdc
        if asked_s is None:
            return self.inventory.on_balance_update(token, usdc)
        quiet_since_s = self.note_doubts(now_s)
        return self.inventory.on_balance_update(token, usdc, asked_s=asked_s, quiet_since_s=quiet_since_s)

    def note_doubts(self, now_s: float) -> float:
        """Since when the ledger is quiet: `now_s` while an order is in doubt."""
        if self.order_state.get_doubts():
            self.unquiet_s = now_s
        return self.unquiet_s
