"""Knowledge of the maker, and how each report changes it.

Reports are fills, order updates, snapshots and balances. Pure: no task, clock or socket. Every caller is on the one
thread of the loop, and nothing here awaits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from mm_trio.funds.holds import NO_OTHERS, OtherOrders, Usable, compute_usable, sum_holds
from mm_trio.funds.trade_effects import make_trade_event
from mm_trio.model.cloid import decode_cloid
from mm_trio.model.errors import Contradiction
from mm_trio.model.journal_entries import Entry, Record, Remembered, forget
from mm_trio.model.market import NOTHING_HELD, Balances, Market
from mm_trio.model.numbers import EXACT
from mm_trio.model.orders import FillResult, Intent, Quote, Side
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.replies import Fill, FillKey, OpenOrder, OrderUpdate, ReadFills
from mm_trio.state.fill_history import FillHistory
from mm_trio.state.inventory import BALANCE_CONFIRM_S, BalanceCheck, Inventory
from mm_trio.state.manual_cancels import ManualCancels
from mm_trio.state.order_state import OrderState
from mm_trio.state.ownership import Owner, Ownership
from mm_trio.state.rate_limit import RateLimitBudget
from mm_trio.state.snapshot_diff import FRESH_S
from mm_trio.witness import order_check
from mm_trio.witness.fill_check import TOLERANCE_MS, describe_fill, find_misfit_of_sent, find_time_fault
from mm_trio.witness.ledger_end import LostEntries, find_lost_entries

__all__ = ["MakerState", "describe_lacking"]

UNKNOWN_OID_PATIENCE_S = 60.0


def _ignore(what: object) -> None:
    pass


@dataclass(slots=True)
class MakerState:
    """Orders, ledger and budget of one maker, joined.

    `on_booked` gets every fill of an order of ours, once the ledger has moved by it: nothing else announces fills.
    `on_contradicted` gets what a frame told and what contradicts it: the frame was not believed.
    `unquiet_s` is when the ledger last moved or an order was last in doubt (see `Inventory`). `unproven` is what a
    message told that only a ledger without its end explains; nothing is placed until everything was read.
    `others` are the account's orders that are not tracked; `held_elsewhere` is what the last balance showed to be held
    by others. `coins` are those of all grids of the account, whose orders are not others'. `is_opened`: the
    ledger has a balance; `began_ms` is when the start asked for the fill history.
    """

    market: Market
    grid: PricingGrid
    order_state: OrderState
    inventory: Inventory
    rate_limit: RateLimitBudget
    ownership: Ownership
    history: FillHistory
    manual_cancels: ManualCancels = field(default_factory=ManualCancels)
    on_booked: Callable[[FillResult], None] = _ignore
    on_contradicted: Callable[[str], None] = _ignore
    record: Record = forget
    unquiet_s: float = float("-inf")
    unproven: str | None = None
    others: OtherOrders = NO_OTHERS
    coins: Collection[str] = ()
    is_opened: bool = False
    began_ms: int = 0
    held_elsewhere: Balances = NOTHING_HELD

    def start_recording(self, record: Record, *, expects_transfers: bool) -> None:
        """Record every change from here on; what a replay did is on record already."""
        self.record = record
        self.order_state.start_recording(record)
        self.inventory.start_recording(record, expects_transfers=expects_transfers)

    def change_ladder(self, grid: PricingGrid) -> None:
        """Quote on another ladder from here on; orders at other prices stay known until they are replaced."""
        self.grid = grid
        self.order_state.change_ladder({price: level for level, price in enumerate(grid.levels)})

    # --- Fills --------------------------------------------------------------------------------

    def remember_fill(self, fill: Fill) -> None:
        """Never apply this fill: the first balances contain it."""
        self.order_state.remember_fill(fill.tid, fill.oid, time_ms=fill.time_ms, coin=fill.coin)
        self.history.on_looked_up(fill)

    def find_lost_entries(self, fills: Iterable[Fill], rows: Iterable[OpenOrder] = ()) -> LostEntries | None:
        """Find fills and open orders that the ledger should know.

        Return None if none proves that entries are missing, and without a durable ledger.
        """
        if not self.ownership.knows_all_sessions:
            return None
        return find_lost_entries(
            [fill for fill in fills if not self.order_state.is_accounted_for(fill)],
            [row for row in rows if row.coin == self.market.coin and not self.order_state.is_known(row.oid)],
            epochs=self.ownership.epochs,
            sent=self.order_state.sent_numbers,
        )

    def sum_uncounted(self, fills: Iterable[Fill]) -> Decimal:
        """Sum the sizes of fills not counted yet, in base."""
        was_counted = self.order_state.was_counted
        new = [f.size for f in fills if not was_counted(f.tid, f.oid, time_ms=f.time_ms, coin=f.coin)]
        return sum(new, Decimal(0))

    def apply_fill(self, fill: Fill, *, now_s: float, now_ms: int | None = None) -> None:
        """Book a fill once, if it fits its order.

        A duplicate changes nothing; a fill of an order not known yet is kept until the order is. A fill that carries
        the cloid of an order in flight makes it known, before any answer. `now_ms`: the venue's calendar.
        """
        why = None if now_ms is None else find_time_fault(fill, now_ms=now_ms)
        if why is None:
            self._apply_fill(fill, now_s=now_s, is_listed=False)
        else:
            self.order_state.refuse(fill, why)
        self._report_refused()

    def apply_history(self, fills: Iterable[Fill], *, now_s: float) -> None:
        """Book the fills of the venue's history that are new.

        Errors: Contradiction where the history tells what cannot be, after all others are booked.
        """
        contradicted: list[str] = []
        for fill in fills:
            self._apply_fill(fill, now_s=now_s, is_listed=True)
            why = self._report_refused(listed=fill.key)
            if why is None and (difference := self.history.find_difference(fill)) is not None:
                why = f"{describe_fill(fill)}: {difference}"
            if why is None:
                self.history.on_looked_up(fill)
            else:
                contradicted.append(why)
        if contradicted:
            raise Contradiction(
                f"the venue's fill history contradicts what we know: {contradicted[0]}; the ledger can no longer be "
                "trusted. Compare the order and its fills on the venue's web page and with `mm-trio ledger audit`; if "
                "the history is right, `mm-trio ledger rebuild` makes the ledger anew from it"
            )

    def _apply_fill(self, fill: Fill, *, now_s: float, is_listed: bool) -> None:
        orders = self.order_state
        # Each connection tells again what traded long ago, of orders that were forgotten at a checkpoint.
        if not is_listed and not orders.is_known(fill.oid) and orders.is_accounted_for(fill):
            return
        if fill.cloid is not None and not orders.is_known(fill.oid) and not self._make_known(fill, now_s, is_listed):
            return
        if not is_listed and (why := self._find_age_fault(fill)) is not None:
            orders.refuse(fill, why)
            return
        result = orders.on_fill(fill.tid, fill.oid, fill.size, now_s=now_s, row=fill, by_clock=not is_listed)
        if result is not None:
            self._book((result,), now_s=now_s)

    def _find_age_fault(self, fill: Fill) -> str | None:
        """Return why a frame's fill cannot be as old as it says, or None.

        What is older than the histories that were read is booked, or they will tell it. The deadline of an order of an
        earlier session is not known, so that nothing else bounds the time of its fills.
        """
        read_ms = max(self.began_ms, self.history.looked_up_ms)
        if fill.time_ms is None or fill.time_ms >= read_ms - TOLERANCE_MS or not self.order_state.is_known(fill.oid):
            return None
        if self.order_state.was_counted(fill.tid, fill.oid, time_ms=fill.time_ms, coin=fill.coin):
            return None
        return f"its time is {fill.time_ms}, and the fill history was read up to {read_ms} without it"

    def _make_known(self, fill: Fill, now_s: float, is_listed: bool) -> bool:
        """Learn from a fill's cloid that its order reached the book.

        Return whether the fill may be one of that order.
        """
        orders, cloid = self.order_state, fill.cloid or ""
        intent, parts = orders.find_intent(cloid.lower()), self.ownership.read_own_cloid(cloid)
        why = None
        if intent is not None:
            why = find_misfit_of_sent(fill, intent.quote, expires_ms=None if is_listed else intent.expires_ms)
        elif parts is not None and fill.side not in (None, parts.side):
            why = f"its side is {fill.side}, that of its cloid {parts.side}"
        elif parts is not None and not is_listed:
            why = "an order of ours that never was, as far as we know"
        if why is not None:
            orders.refuse(fill, why)
            return False
        if intent is not None:
            self.apply_arrival(intent, fill.oid, now_s=now_s)
        elif parts is not None and fill.price:
            # An order of ours that was presumed never placed: what it traded is ours all the same.
            quote = Quote(parts.side, parts.level_index, fill.price, fill.size)
            orders.on_left_unnoticed(fill.oid, quote, now_s=now_s)
        return True

    def _report_refused(self, *, listed: FillKey | None = None) -> str | None:
        """Report the fills that contradict what we know.

        The history is then read from their times on. Return what contradicts the fill `listed` by that history itself.
        """
        by_history = None
        for fill, why in self.order_state.take_refused():
            text = f"{describe_fill(fill)}: {why}"
            if fill.key == listed:
                by_history = text
                continue
            if fill.time_ms is not None:
                self.history.want_from(fill.time_ms)
            self.on_contradicted(text)
        return by_history

    def check_listed(self, read: ReadFills, *, asked_s: float) -> None:
        """Check that the histories have what frames told.

        `read` is a history that was applied, `asked_s` when it was asked for. Errors: Contradiction.
        """
        lacking = self.history.find_lacking(read, asked_s=asked_s)
        if lacking:
            raise Contradiction(describe_lacking(lacking))

    def _book(self, results: Iterable[FillResult], *, now_s: float) -> None:
        """Move ledger and budget by fills, and announce them."""
        results = tuple(results)
        for result in results:
            self.history.on_booked(result, now_s=now_s)
            self.inventory.book(result)
            self.rate_limit.on_fill(result.price * result.size)
            self.unquiet_s = now_s
        for result in results:
            self.on_booked(result)

    # --- Orders -------------------------------------------------------------------------------

    @property
    def unknown_oid_patience_s(self) -> float:
        """Return how long an order may be unknown.

        After that it is presumed gone. It counts from when the order was touched last. Only a replica that lags can say
        so of an order that the venue reported before; beside a durable ledger nothing is lost by waiting for it.
        """
        return UNKNOWN_OID_PATIENCE_S if self.ownership.knows_all_sessions else FRESH_S

    def apply_arrival(self, intent: Intent, oid: int, *, now_s: float) -> None:
        """Track an order in flight that arrived as `oid`."""
        self._book(self.order_state.on_intent_seen(intent, oid, now_s=now_s), now_s=now_s)
        self._report_refused()

    def apply_order_update(self, update: OrderUpdate, *, now_s: float) -> bool:
        """Apply a new status of an order of our coin.

        Return whether the order is open and not ours.
        """
        row, state = update.order, self.order_state
        if (misfit := self.find_misfit(row)) is not None:
            self.on_contradicted(misfit)
            return False
        known = state.is_known(row.oid)
        if not known and (intent := self.match_intent(row)) is not None:
            self.apply_arrival(intent, row.oid, now_s=now_s)
            known = True
        if not update.live:
            self.manual_cancels.note_end(state.find(row.oid), update.status, now_s=now_s)
            state.on_modify_response(row.oid, row.oid, update.status, remaining=row.size, now_s=now_s)
            return False
        if known:
            return False
        if self.find_lost_entries((), [row]) is not None:
            self.unproven = f"a message shows order {row.oid} of ours, which this ledger never sent"
            return True
        if self.ownership.classify(row) is not Owner.OURS:
            return False
        # At its full size: the fills that reduced it are reported apart from this, and counted then.
        return not self.adopt(replace(row, size=row.original_size or row.size), now_s=now_s)

    def find_misfit(self, row: OpenOrder) -> str | None:
        """Return what contradicts an order of ours in this row, or None."""
        state = self.order_state
        order = state.find(row.oid) or state.find_left(row.oid)
        if order is not None:
            return order_check.find_misfit_of_known(row, order)
        intent = None if row.cloid is None else state.find_intent(row.cloid.lower())
        return None if intent is None else order_check.find_misfit_of_sent(row, intent)

    def match_intent(self, row: OpenOrder) -> Intent | None:
        """Return the order in flight that this row shows."""
        return self.ownership.match_intent(self.order_state.get_intents(), row)

    def adopt(self, row: OpenOrder, *, now_s: float) -> bool:
        """Take over an open order.

        It goes to the level within half a step of its price. Return False where there is no such level, or it has an
        order of ours: then the row is an orphan.
        """
        level = self.grid.level_for_price(row.price)
        if level is None or self.order_state.is_taken(row.side, level):
            return False
        results = self.order_state.on_place_confirmed(
            row.oid, row.side, level, row.price, row.size, cloid=row.cloid, now_s=now_s
        )
        self._book(results, now_s=now_s)
        self._report_refused()
        return True

    def seed_orders(self, rows: Sequence[OpenOrder], *, now_s: float) -> tuple[OpenOrder, ...]:
        """Adopt what is open at the start; return the orphans."""
        ours = [row for row in rows if self.ownership.classify(row) is Owner.OURS]
        return tuple([row for row in ours if not self.adopt(row, now_s=now_s)])

    # --- Balances -----------------------------------------------------------------------------

    def note_others(self, rows: Iterable[OpenOrder]) -> None:
        """Remember the orders that are not tracked.

        `rows` are the open orders of all coins. What foreign ones hold counts where a balance states no hold.
        """
        by_owner: dict[Owner, list[OpenOrder]] = {owner: [] for owner in Owner}
        for row in rows:
            by_owner[self.ownership.classify(row)].append(row)
        ours = by_owner.pop(Owner.OURS)
        self.others = OtherOrders.of(
            [row for row in by_owner[Owner.FOREIGN] if not self._is_sibling(row.coin)],
            [row for row in ours if self.order_state.find(row.oid) is None],
            n_open=sum(not self._is_sibling(row.coin) for some in by_owner.values() for row in some),
            market=self.market,
        )

    def _is_sibling(self, coin: str) -> bool:
        return coin != self.market.coin and coin in self.coins

    def note_trades(self, fills: Iterable[Fill]) -> None:
        """Remember the trades of others among the fills of our coin: they explain a later balance."""
        self.inventory.movements.on_told(
            make_trade_event(fill)
            for fill in fills
            if decode_cloid(fill.cloid) is None and not self.order_state.is_accounted_for(fill)
        )

    def note_others_open(self, n_least: int) -> None:
        """Remember that others have at least so many orders open, until the next snapshot counts them."""
        self.others = replace(self.others, n_open=max(self.others.n_open, n_least))

    def apply_balances(
        self, total: Balances, *, asked_s: float | None, now_s: float, was_pushed: bool = False, now_ms: int = 0
    ) -> BalanceCheck:
        """Check the ledger against what is free at the venue, and held by us.

        What others hold is not ours to offer. While it is not known which of our orders a hold contains, it proves no
        difference that they may explain, nor where one changed since the balance was asked for. One that `was_pushed`
        is as old as a frame may be. Without `asked_s` the amounts are taken over as they are. `now_ms` is the venue's
        time.
        """
        ledger = self.inventory
        token = self.find_usable("sell", total.token, total.held_token)
        usdc = self.find_usable("buy", total.usdc, total.held_usdc)
        if asked_s is None:
            amounts = token.most, usdc.most
        else:
            amounts = token.find_nearest(ledger.account_token), usdc.find_nearest(ledger.account_usdc)
        self.held_elsewhere = Balances(EXACT.subtract(total.token, amounts[0]), EXACT.subtract(total.usdc, amounts[1]))
        ledger.movements.on_look(self.held_elsewhere, now_ms=now_ms)
        if asked_s is None:
            check = ledger.on_balance_update(*amounts)
        else:
            quiet_since_s = self.note_doubts(now_s)
            since_s = asked_s - (BALANCE_CONFIRM_S if was_pushed else 0)
            check = ledger.on_balance_update(
                *amounts,
                asked_s=asked_s,
                quiet_since_s=quiet_since_s,
                proves=self.order_state.changed_s <= since_s,
            )
        return replace(check, held=self.held_elsewhere)

    def find_usable(self, side: Side, total: Decimal, held: Decimal | None) -> Usable:
        """Find how much of the token that a side's orders hold may be offered."""
        foreign = self.others.foreign_holds
        if held is None:
            left = total - (foreign.token if side == "sell" else foreign.usdc)
            return Usable(left, left)
        least, most = self.find_own_holds(side)
        return compute_usable(total, held, own_least=least, own_most=most)

    def find_own_holds(self, side: Side) -> tuple[Decimal, Decimal]:
        """Find what our orders of a side hold, at the least and at the most: in base for asks, in quote for bids.

        What is in doubt or in flight may hold its funds or not.
        """
        orders, orphans = self.order_state.orders, self.others.orphan_holds
        tracked = orders.sum_size("sell") if side == "sell" else orders.sum_cost("buy")
        in_doubt = sum_holds(side, [order.quote for order in orders.in_doubt])
        in_flight = sum_holds(side, [intent.quote for intent in self.order_state.get_intents()])
        of_orphans = orphans.token if side == "sell" else orphans.usdc
        return tracked - in_doubt, tracked + in_flight + of_orphans

    def note_doubts(self, now_s: float) -> float:
        """Return since when the ledger is quiet.

        It is `now_s` while an order is in doubt.
        """
        if self.order_state.has_doubts:
            self.unquiet_s = now_s
        return self.unquiet_s

    # --- The ledger ---------------------------------------------------------------------------

    def on_disproved(self, evidence: str | None) -> None:
        """Forget evidence that a later look at the venue did not confirm.

        What a message told meanwhile stays: that look may be older.
        """
        if self.unproven is evidence:
            self.unproven = None

    def on_reconciled(self) -> None:
        """Record how far the fill history was read.

        Called once everything is read and applied. With nothing in doubt a restart need not read the fills before this.
        """
        if not self.order_state.has_doubts and (entry := self.history.advance()) is not None:
            self.record(entry)

    def note_opened(self, began_ms: int) -> None:
        """Note that the ledger has what happened before this session.

        Its start asked for the history at `began_ms`, on the venue's calendar.
        """
        self.is_opened, self.began_ms = True, began_ms

    def on_opened(self, began_ms: int) -> None:
        """Record the fills and movements that a new ledger's balance contains."""
        self.note_opened(began_ms)
        after_ms = self.history.look_up_from_ms - 1
        self.record(Remembered(after_ms, self.order_state.get_fill_keys(after_ms)))
        self.inventory.movements.on_opened()
        self.record(self.inventory.movements.summarise())
        self.on_reconciled()

    def summarise(self) -> tuple[Entry, ...]:
        """Return what a checkpoint says of orders, fills and sums."""
        return (
            *self.inventory.summarise(),
            *self.order_state.summarise(remember_after_ms=self.history.remember_after_ms),
            self.history.summarise(),
        )


def describe_lacking(keys: Sequence[FillKey]) -> str:
    """Explain that booked fills are in no history."""
    key = keys[0]
    return (
        f"{len(keys)} booked fills are not in the venue's fill history, the first one: oid {key.oid}, tid {key.tid}, "
        f"time {key.time_ms}. A frame told them and the venue does not know them, so the ledger can no longer be "
        "trusted. Compare with `mm-trio ledger audit`; if the history is right, `mm-trio ledger rebuild` makes the "
        "ledger anew from it"
    )
