"""What the maker knows, and how each thing it is told changes that: fills, order updates, snapshots.

Pure: no task, clock or socket. Whoever calls is on the one thread of the loop, and nothing here awaits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from mm_trio.model.cloid import decode_cloid
from mm_trio.model.errors import HistoryLost
from mm_trio.model.journal_entries import Entry, LookedUp, Record, Remembered, forget
from mm_trio.model.market import Balances, Market
from mm_trio.model.orders import FillResult, Intent, Side, TrackedOrder
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.replies import Fill, OpenOrder, OrderUpdate
from mm_trio.state.inventory import BalanceCheck, Inventory
from mm_trio.state.order_state import OrderState
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.state.snapshot_diff import FRESH_S, compute_foreign_holds, match_intent

__all__ = ["FILLS_OVERLAP_MS", "MakerState"]

# Fills are looked up from this much before the newest one looked up last: venue clocks of one batch may lie apart.
FILLS_OVERLAP_MS = 60_000


UNKNOWN_OID_PATIENCE_S = 60.0
ENDS_REMEMBERED = 10_000  # cancels and modifies of some seconds
CANCELLED_BY_OWNER = "canceled"  # the venue's word for a cancel that was asked for; its own have longer ones


@dataclass(slots=True)
class MakerState:
    """Orders, ledger and budget of one maker on one market, and the rules that join them.

    `unquiet_s` is when the ledger last moved or an order was last in doubt (see `Inventory`);
    `looked_up_ms` is the venue's time up to which its fill history was read: frames do not move it, so
    that a fill no frame told is found however late the history can be read again. `epochs` are the lives that
    this ledger knows to be its own; with `knows_all_lives` an order of this program from any other is a rival's.
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
    epochs: set[int] = field(default_factory=set)
    knows_all_lives: bool = False
    record: Record = forget
    on_cancelled_by_hand: Callable[[TrackedOrder], None] = lambda order: None
    hand_cancel_pause_s: float = 0.0
    _sitting_out: dict[tuple[Side, int], float] = field(default_factory=dict)
    _ends_expected: dict[int, float] = field(default_factory=dict)  # oid -> until when it may still end by our wish
    _recorded_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self._recorded_ms = self.looked_up_ms  # what an earlier life recorded holds until this one knows better

    def start_recording(self, record: Record, *, expects_transfers: bool) -> None:
        """Record every change from here on; what a replay did is on record already."""
        self.record = record
        self.order_state.start_recording(record)
        self.inventory.start_recording(record, expects_transfers=expects_transfers)

    # --- fills --------------------------------------------------------------------------------

    def remember_fill(self, fill: Fill) -> None:
        """A fill that is in the balances we start from: never to be applied."""
        self.order_state.remember_fill(fill.tid, fill.oid, time_ms=fill.time_ms, coin=fill.coin)
        self.on_looked_up(fill)

    def on_looked_up(self, fill: Fill) -> None:
        """A row of the fill history, which was read up to here."""
        self.looked_up_ms = max(self.looked_up_ms, fill.time_ms or 0)

    @property
    def look_up_from_ms(self) -> int:
        """Where the fill history is read from."""
        return max(0, self.looked_up_ms - FILLS_OVERLAP_MS)

    def check_history(self, fills: Sequence[Fill]) -> None:
        """Whether the history just read joins on to what was read before. Errors: HistoryLost.

        It goes on without the newest fill known: the venue forgot some, and what they moved cannot be told.
        """
        times = [fill.time_ms or 0 for fill in fills]
        is_cut = self.looked_up_ms not in times and max(times, default=0) > self.looked_up_ms
        if self.knows_all_lives and self.looked_up_ms and is_cut:
            raise HistoryLost(
                f"the venue's fill history of {self.market.coin} begins after our last known fill (time "
                f"{self.looked_up_ms}): fills in between are lost to it, and what we own cannot be told; check "
                "with `mm-trio ledger audit`, then begin a new ledger"
            )

    def has_newest_known(self, fills: Sequence[Fill]) -> bool:
        """Whether a history just read is as new as what was read before; one that is not proves no absence."""
        return not self.looked_up_ms or any(fill.time_ms == self.looked_up_ms for fill in fills)

    @property
    def unknown_oid_patience_s(self) -> float:
        """How long after it was touched an order that the venue told us of must be unknown to it to be gone.

        Only a replica that lags can say so; beside a durable ledger nothing is lost by waiting for it.
        """
        return UNKNOWN_OID_PATIENCE_S if self.knows_all_lives else FRESH_S

    def on_reconciled(self) -> None:
        """Everything is read and applied. With nothing in doubt a restart need not read the fills before this."""
        if self.order_state.get_doubts() or self.looked_up_ms <= self._recorded_ms:
            return
        self._recorded_ms = self.looked_up_ms
        self.record(LookedUp(self.looked_up_ms))

    def on_opened(self) -> None:
        """A new ledger begins: the fills that its first balance has already are written down."""
        after_ms = self.look_up_from_ms - 1
        self.record(Remembered(after_ms, self.order_state.get_fill_keys(after_ms)))
        self.on_reconciled()

    def summarise(self) -> tuple[Entry, ...]:
        """What a checkpoint says of orders, fills and sums."""
        after_ms = max(0, self._recorded_ms - FILLS_OVERLAP_MS) - 1
        return (
            *self.inventory.summarise(),
            *self.order_state.summarise(remember_after_ms=after_ms),
            LookedUp(self._recorded_ms),
        )

    def sum_uncounted(self, fills: Iterable[Fill]) -> Decimal:
        """What these fills amount to, those left out that were counted before (base)."""
        new = [f.size for f in fills if not self.order_state.was_told(f.tid, f.oid, time_ms=f.time_ms, coin=f.coin)]
        return sum(new, Decimal(0))

    def apply_fill(self, fill: Fill, *, now_s: float) -> tuple[FillResult, ...]:
        """Count a fill once and move the ledger; gives what was booked.

        Nothing for a duplicate, and for an order not known yet: that fill is kept until it is. A fill that
        carries the cloid of an order in flight makes it known, before any answer.
        """
        booked: tuple[FillResult, ...] = ()
        orders = self.order_state
        if fill.cloid is not None and orders.find(fill.oid) is None and orders.find_left(fill.oid) is None:
            intent = orders.find_intent(fill.cloid.lower())
            if intent is not None:
                booked = self.apply_arrival(intent, fill.oid, now_s=now_s)
            elif (parts := decode_cloid(fill.cloid)) is not None and parts.epoch in self.epochs and fill.price:
                # an order of ours that we had given up for never placed: what it traded is ours all the same
                orders.on_left_unnoticed(fill.oid, parts.side, parts.level_index, fill.price, fill.size, now_s=now_s)
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
            self.inventory.book(result)
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
        if not known and (intent := self.match_intent(row)) is not None:
            booked = self.apply_arrival(intent, row.oid, now_s=now_s)
            known = True
        if not update.live:
            self.note_hand(row.oid, update.status, now_s=now_s)
            state.on_modify_response(row.oid, row.oid, update.status, remaining=row.size, now_s=now_s)
            return booked, False
        if known:
            return booked, False
        if self.is_rival(row):
            return booked, True
        if not self.is_foreign(row):
            # at its full size: the fills that made it less are told apart from this, and counted then
            adopted = self.adopt(replace(row, size=row.original_size or row.size), now_s=now_s)
            return booked if adopted is None else adopted, adopted is None
        return booked, False

    def match_intent(self, row: OpenOrder) -> Intent | None:
        """The order in flight that this row is."""
        return match_intent(self.order_state.get_intents(), row, keep_foreign=self.keep_foreign)

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
        return self.is_rival(row) or (self.keep_foreign and decode_cloid(row.cloid) is None)

    def is_rival(self, row: OpenOrder | Fill) -> bool:
        """Whether an order of our coin, or the one that a fill is of, is this program's and of no life known here."""
        parts = decode_cloid(row.cloid)
        return (
            self.knows_all_lives
            and parts is not None
            and parts.epoch not in self.epochs
            and row.coin == self.market.coin
        )

    def note_hand(self, oid: int, status: str, *, now_s: float) -> None:
        """An order of ours ended so: by its owner's hand, if we did not ask for it. Its level sits out for a while."""
        order = self.order_state.find(oid)
        is_wanted = now_s <= self._ends_expected.get(oid, float("-inf"))
        if order is None or order.status != "resting" or status != CANCELLED_BY_OWNER or is_wanted:
            return
        self._sitting_out[order.side, order.level_index] = now_s + self.hand_cancel_pause_s
        self.on_cancelled_by_hand(order)

    def expect_ends(self, oids: Iterable[int], *, until_s: float) -> None:
        """We ask the venue to end these orders; however late it does, it is no hand's work until then."""
        self._ends_expected.update(dict.fromkeys(oids, until_s))
        while len(self._ends_expected) > ENDS_REMEMBERED:
            del self._ends_expected[next(iter(self._ends_expected))]

    def is_sitting_out(self, side: Side, level_index: int, *, now_s: float) -> bool:
        """Whether an order here was cancelled by hand so lately that the hand may still be at it."""
        return now_s < self._sitting_out.get((side, level_index), now_s)

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
