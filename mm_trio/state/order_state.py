"""State of every order of ours; each fill counted once.

The phases of an order and its moves between them stand in one table, `order_phases.py`. Nothing here reads a clock:
times are handed in, in seconds of one steady clock. Every change that a restart must know is recorded where it
happens; doubts are not: after a restart every open order is in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from mm_trio.model.journal_entries import (
    Adopted,
    Arrived,
    Booked,
    Ended,
    Entry,
    NeverPlaced,
    OwnEnd,
    Record,
    Remembered,
    Sent,
    forget,
)
from mm_trio.model.numbers import Number, to_decimal
from mm_trio.model.orders import Doubt, FillResult, Intent, Phase, Quote, ReconcileResult, Side, Slot, TrackedOrder
from mm_trio.model.replies import Fill, FillKey
from mm_trio.state.order_phases import TRANSITIONS, Event, find_next
from mm_trio.state.order_table import LevelFinder, OpenOrders, OrderTable
from mm_trio.state.seen_fills import EarlyReports, SeenFills
from mm_trio.witness.fill_check import find_contradiction
from mm_trio.witness.ledger_end import SentNumbers

__all__ = ["OrderState"]

# Orders that left and are still known to late fills: the venue keeps about 2,000 order records itself.
LEFT_REMEMBERED = 20_000
# A checkpoint keeps so many of those: an order whose end was proven has its fills soon after.
LEFT_IN_CHECKPOINT = 2_000
# Fills and ends of unknown orders (of other users of the account): enough for any burst of ours.
PARKED_REMEMBERED = 10_000

_LIVE = ("open", "resting", "triggered")  # The venue's words.
_FILLED = "filled"  # The venue's word.


class OrderState:
    """Knowledge of our orders of one coin.

    They are known by the venue's oid, by cloid while in flight. `record` gets every change that a replay needs to
    arrive here again. `sent_numbers` has the highest number of an order sent in each session.
    """

    def __init__(self) -> None:
        self.record: Record = forget
        self._table = OrderTable(LEFT_REMEMBERED)
        self._early = EarlyReports(PARKED_REMEMBERED)
        self._seen = SeenFills()
        self.sent_numbers = SentNumbers()
        self._refused: list[tuple[Fill, str]] = []

    def __repr__(self) -> str:
        n_open, n_sent, n_doubts = len(self.orders), len(self.get_intents()), len(self.get_doubts())
        return f"<OrderState {n_open} open, {n_sent} in flight, {n_doubts - n_sent} in doubt>"

    def start_recording(self, record: Record) -> None:
        """Record every change from here on."""
        self.record = record

    # --- Reading ------------------------------------------------------------------------------

    def get_current_orders(self) -> tuple[TrackedOrder, ...]:
        """Return every order that may be open, oldest first.

        Orders in flight have no oid yet and are left out.
        """
        return tuple(self._table.open.values())

    @property
    def orders(self) -> OpenOrders:
        """Return the same by oid, to read.

        They come with sums and best levels.
        """
        return self._table.open

    @property
    def has_doubts(self) -> bool:
        """Return whether `get_doubts` returns any."""
        table = self._table
        return bool(table.in_flight or table.count_in(Phase.FILLS_DUE) or table.open.n_in_doubt)

    @property
    def changed_s(self) -> float:
        """Return when what rests last changed, as far as we know."""
        return self._table.changed_s

    def get_intents(self) -> tuple[Intent, ...]:
        """Return every order in flight."""
        return tuple(self._table.in_flight.values())

    def find_intent(self, cloid: str) -> Intent | None:
        """Return the order in flight that carries this cloid."""
        return self._table.in_flight.get(cloid)

    def get_doubts(self, *, known_oids: bool = True) -> tuple[Doubt, ...]:
        """Return every order that may have traded unseen.

        They are in doubt, in flight, or left with fills due. Without `known_oids` those that `get_current_orders`
        has as well are left out.
        """
        doubtful = [*(self._table.open.in_doubt if known_oids else ()), *self.get_fills_due()]
        return (
            *(Doubt(order.quote, order.touched_s, order.oid, order.cloid) for order in doubtful),
            *(Doubt(intent.quote, intent.sent_s, cloid=intent.cloid) for intent in self._table.in_flight.values()),
        )

    def get_fills_due(self) -> tuple[TrackedOrder, ...]:
        """Return orders that left with fills not reported yet.

        `size` is what those fills come to.
        """
        return self._table.get_in(Phase.FILLS_DUE)

    def get_unsettled(self) -> tuple[TrackedOrder, ...]:
        """Return orders that we cancelled, with an unknown remainder.

        Up to `size` of each may have traded unseen before it left.
        """
        return self._table.get_in(Phase.END_UNSETTLED)

    def find_parked(self, *, price: Decimal, most: Decimal, since_ms: int) -> tuple[int, ...]:
        """Return unknown oids that traded at this price.

        All since then, and of `most` in all.
        """
        return self._early.find_alike(price=price, most=most, since_ms=since_ms)

    def find(self, oid: int) -> TrackedOrder | None:
        """Return the order that may be open under this oid."""
        return self._table.open.get(oid)

    def find_left(self, oid: int) -> TrackedOrder | None:
        """Return an order of ours that left the book."""
        return self._table.find_closed(oid)

    def is_known(self, oid: int) -> bool:
        """Return whether the order is or was one of ours."""
        return self._table.find(oid) is not None

    def is_taken(self, side: Side, level_index: int) -> bool:
        """Return whether an order of ours may trade here."""
        return self._table.is_taken((side, level_index))

    def boundary_level(self, n_orders: int) -> int:
        """Return the lowest level with an ask of ours.

        `n_orders` where there is none.
        """
        lowest = self._table.open.best_level("sell")
        return n_orders if lowest is None else lowest

    def reconcile(self, exchange_oids: Iterable[int]) -> ReconcileResult:
        """Compare with the open oids at the venue.

        Nothing is changed.
        """
        there, here = set(exchange_oids), self._table.open.keys()
        return ReconcileResult(tuple(sorted(there - here)), tuple(sorted(here - there)))

    def describe_memory(self) -> dict[str, int]:
        """Count what is kept, for checks of its bounds."""
        table = self._table
        return {
            "open orders": len(table.open),
            "orders in flight": len(table.in_flight),
            "orders with fills due": table.count_in(Phase.FILLS_DUE),
            "orders unsettled": table.count_in(Phase.END_UNSETTLED),
            "orders that left": table.n_left,
            "fills remembered": len(self._seen),
            **self._early.describe_memory(),
        }

    # --- Sending and arriving -----------------------------------------------------------------

    def on_sent(self, intent: Intent) -> None:
        """Note that an order is about to leave.

        What it replaces is in doubt from now on.
        """
        assert intent.cloid not in self._table.in_flight, intent
        self._table.in_flight[intent.cloid] = intent
        self.sent_numbers.note(intent.cloid)
        self.record(Sent.of(intent))
        if intent.replaces is not None:
            self.on_doubt(intent.replaces, now_s=intent.sent_s)

    def on_cannot_arrive_after(self, cloid: str, now_s: float) -> None:
        """Note that the order cannot arrive after now."""
        if (intent := self._table.in_flight.get(cloid)) is not None:
            self._table.in_flight[cloid] = replace(intent, expires_s=min(intent.expires_s, now_s))

    def on_never_placed(self, cloid: str, *, why: str = "") -> None:
        """Forget an order that never reached the book.

        It was refused, or that is proven.
        """
        if self._table.in_flight.pop(cloid, None) is not None:
            self.record(NeverPlaced(cloid, why))

    def on_place_confirmed(
        self,
        oid: int,
        side: Side,
        level_index: int,
        price: Number,
        size: Number,
        *,
        cloid: str | None = None,
        filled: Number = 0,
        now_s: float = 0.0,
    ) -> tuple[FillResult, ...]:
        """Track an order that is open under `oid`.

        `size` is what it began with, or what rests of it now. Return the fills that came before it was known, now
        bound to it. A repeated call changes nothing.
        """
        was_in_flight = cloid is not None and self._table.in_flight.pop(cloid, None) is not None
        if self.is_known(oid):
            if cloid is not None and was_in_flight:
                self.record(Arrived(cloid, oid))
            return ()
        quote = Quote(side, level_index, to_decimal(price), to_decimal(size))
        status = _enter(Event.ARRIVED, from_flight=was_in_flight)
        order = replace(TrackedOrder.of(oid, quote, status, cloid=cloid, touched_s=now_s), filled=to_decimal(filled))
        # A checkpoint of an earlier release has no numbers, but every order that may still trade.
        self.sent_numbers.note(cloid)
        self.record(Adopted(oid, quote, cloid, order.filled))
        return self._track(order, now_s)

    def on_adopted(self, entry: Adopted, *, now_s: float) -> None:
        """Track an order that an earlier session adopted."""
        where = (entry.quote.side, entry.quote.level_index, entry.quote.price, entry.quote.size)
        self.on_place_confirmed(entry.oid, *where, cloid=entry.cloid, filled=entry.filled, now_s=now_s)

    def on_intent_seen(self, intent: Intent, oid: int, *, now_s: float) -> tuple[FillResult, ...]:
        """Track an order in flight that arrived as `oid`.

        The order that it replaces has left with that. Return the fills that came before it was known.
        """
        was_in_flight = self._table.in_flight.pop(intent.cloid, None) is not None
        if was_in_flight:
            self.record(Arrived(intent.cloid, oid))
        if self.is_known(oid):
            return ()
        if not was_in_flight:
            self.record(Adopted(oid, intent.quote, intent.cloid, filled=Decimal(0)))
        if intent.replaces is not None:
            self.on_cancel_confirmed(intent.replaces, now_s=now_s)
        status = _enter(Event.ARRIVED, from_flight=was_in_flight)
        order = TrackedOrder.of(oid, intent.quote, status, cloid=intent.cloid, touched_s=now_s)
        return self._track(replace(order, expires_ms=intent.expires_ms or None), now_s)

    def _track(self, order: TrackedOrder, now_s: float) -> tuple[FillResult, ...]:
        """Bind early reports to an order; return its fills."""
        self._table.put(order)
        early = [self._book_if_true(fill, now_s, by_clock=True) for fill in self._early.take_fills(order.oid)]
        results = tuple([result for result in early if result is not None])
        end = self._early.take_end(order.oid)
        if end is not None:
            self.on_status(order.oid, end.status, remaining=end.remaining, now_s=now_s)
        return results

    # --- Reports and doubts -------------------------------------------------------------------

    def on_modify_response(
        self,
        original_oid: int,
        new_oid: int,
        status: str,
        *,
        remaining: Number | None = None,
        now_s: float = 0.0,
    ) -> tuple[FillResult, ...]:
        """Apply a status; a live one moves to `new_oid`.

        Every other status ends it: see `on_status`. Return fills of the new oid that came before it was known.
        """
        if status not in _LIVE or new_oid == original_oid:
            self.on_status(original_oid, status, remaining=remaining, now_s=now_s)
            return ()
        old = self._table.find(original_oid)
        if old is None:
            return ()
        self.on_cancel_confirmed(original_oid, now_s=now_s)
        return self.on_place_confirmed(
            new_oid, old.side, old.level_index, old.price, old.size, cloid=old.cloid, now_s=now_s
        )

    def on_status(self, oid: int, status: str, *, remaining: Number | None = None, now_s: float = 0.0) -> None:
        """Apply the venue's status of an order.

        A live one settles a doubt, all others end it. `remaining` is what the venue says was left at the end: where we
        count more, fills are due. A status of an unknown order is kept until the order is known.
        """
        if status in _LIVE:
            self._move(Event.REPORTED_OPEN, oid, now_s=now_s)
            return
        left = None if remaining is None else to_decimal(remaining)
        order = self._table.find(oid)
        if order is None:
            self._early.add_end(oid, status, left)
            return
        due = order.size if status == _FILLED else Decimal(0) if left is None else order.size - left
        if due > 0:
            moved = self._move(Event.ENDED_SHORT, oid, now_s=now_s, size=due)
        else:
            moved = self._move(Event.ENDED, oid, now_s=now_s)
        if moved and order.status is not Phase.GONE:
            self.record(Ended(oid, status, left))
        if status == OwnEnd.LEFT and left is None:
            self._table.put(replace(order, status=Phase.GONE, is_sized=False))

    def on_cancel_confirmed(self, oid: int, *, now_s: float = 0.0) -> None:
        """Take off an order whose cancel the venue confirmed.

        How much was left of it then has yet to be reported.
        """
        if self._move(Event.CANCEL_CONFIRMED, oid, now_s=now_s):
            self.record(Ended(oid, OwnEnd.CANCELLED, None))

    def on_fills_read(self, asked_s: float) -> None:
        """Settle orders that left before `asked_s`.

        The fill history was asked for then. The history is applied by now, so they have no more fills.
        """
        for order in self.get_unsettled():
            if order.touched_s <= asked_s:
                self._move(Event.FILLS_READ, order.oid, is_newest=False)

    def remove_ghost(self, oid: int, *, now_s: float = 0.0) -> None:
        """Take off an order that is proven gone.

        Late fills of it still count.
        """
        if self._move(Event.GHOST, oid, now_s=now_s):
            self.record(Ended(oid, OwnEnd.GHOST, None))

    def on_doubt(self, oid: int, *, now_s: float = 0.0) -> None:
        """Lock an order's level until a doubt is settled."""
        self._move(Event.DOUBTED, oid, now_s=now_s)

    def on_seen_resting(self, oid: int, *, now_s: float = 0.0) -> None:
        """Settle a doubt: the order is open.

        The venue shows it, or refused to touch it.
        """
        self._move(Event.SEEN, oid, now_s=now_s)

    def _move(
        self, event: Event, oid: int, *, now_s: float | None = None, size: Decimal | None = None, is_newest: bool = True
    ) -> bool:
        """Move an order as the table says.

        Return whether the event concerned it.
        """
        order = self._table.find(oid)
        status = None if order is None else find_next(order.status, event)
        if order is None or status is None:
            return False
        touched_s = order.touched_s if now_s is None else now_s
        moved = replace(order, status=status, touched_s=touched_s, size=order.size if size is None else size)
        self._table.put(moved, is_newest=is_newest)
        return True

    # --- Fills --------------------------------------------------------------------------------

    def remember_fill(self, tid: int, oid: int, *, time_ms: int | None = None, coin: str | None = None) -> None:
        """Never count this fill: the balances contain it already."""
        self._seen.add(FillKey(time_ms, coin, tid, oid))

    def was_counted(self, tid: int, oid: int, *, time_ms: int | None, coin: str | None) -> bool:
        """Return whether this fill is known already.

        It was counted, is in a balance, or waits for its order.
        """
        return self._seen.has(FillKey(time_ms, coin, tid, oid))

    def is_accounted_for(self, fill: Fill) -> bool:
        """Return whether this fill, or its order, is in the ledger.

        A fill that waits for its order to become known is not.
        """
        return self.is_known(fill.oid) or (self._seen.has(fill.key) and not self._early.has_fills(fill.oid))

    def on_fill(
        self,
        tid: int,
        oid: int,
        sz: Number,
        *,
        time_ms: int | None = None,
        coin: str | None = None,
        price: Number | None = None,
        fee: Number = 0,
        fee_token: str | None = None,
        now_s: float = 0.0,
        row: Fill | None = None,
        by_clock: bool = True,
    ) -> FillResult | None:
        """Count a fill of `sz` once, if it fits its order.

        Return None for a duplicate, for one that contradicts its order (`take_refused` has it), and for a fill of an
        order not known yet: it is kept until the order is known. `row` is the whole fill, which alone can contradict;
        `by_clock`: its time may do so too.
        """
        exact_price = None if price is None else to_decimal(price)
        bare = Fill(oid, tid, to_decimal(sz), exact_price, None, time_ms, to_decimal(fee), fee_token, coin=coin)
        fill = row or bare
        if not self._seen.add(fill.key):
            return None
        if not self.is_known(fill.oid):
            self._early.add_fill(fill)
            return None
        return self._book_if_true(fill, now_s, by_clock=by_clock)

    def refuse(self, fill: Fill, why: str) -> None:
        """Keep a fill that contradicts what we know.

        It counts as never told.
        """
        self._refused.append((fill, why))

    def take_refused(self) -> list[tuple[Fill, str]]:
        """Return and forget the refused fills, with the reasons."""
        refused, self._refused = self._refused, []
        return refused

    def _book_if_true(self, fill: Fill, now_s: float, *, by_clock: bool) -> FillResult | None:
        order = self._table.find(fill.oid)
        assert order is not None, fill
        why = find_contradiction(fill, order, by_clock=by_clock)
        if why is None:
            return self._book(fill, now_s)
        self._seen.take_back(fill.key)
        self.refuse(fill, why)
        return None

    def _book(self, fill: Fill, now_s: float) -> FillResult:
        order = self._table.find(fill.oid)
        assert order is not None, fill
        left = max(order.size - fill.size, Decimal(0))
        status = TRANSITIONS[order.status][Event.PARTLY_FILLED if left > 0 else Event.FILLED]
        order = replace(order, size=left, filled=order.filled + fill.size, status=status, touched_s=now_s)
        self._table.put(order, is_newest=status is Phase.GONE)
        price = order.price if fill.price is None else fill.price
        entry = Booked.of(fill, Quote(order.side, order.level_index, price, fill.size))
        self.record(entry)
        return entry.to_result(fully_filled=left == 0)

    def get_fill_keys(self, after_ms: int) -> tuple[FillKey, ...]:
        """Return fills counted or in a balance since then.

        Those whose order is unknown yet are left out.
        """
        waiting = {fill.key for fill in self._early.get_fills()}
        return tuple([key for key in self._seen.keys_since(after_ms) if key not in waiting])

    def on_left_unnoticed(self, oid: int, quote: Quote, *, now_s: float) -> None:
        """Know an order of ours by a fill alone.

        The size of `quote` is what it traded; from here on it is known to its fills.
        """
        if not self.is_known(oid):
            status = TRANSITIONS[Phase.UNKNOWN][Event.LEFT_UNNOTICED]
            self._table.put(replace(TrackedOrder.of(oid, quote, status, touched_s=now_s), is_sized=False))
            # Fills that came while nobody knew whose they are: the history that names them has them all.
            for fill in self._early.take_fills(oid):
                self._seen.take_back(fill.key)

    # --- Restarting ---------------------------------------------------------------------------

    def remember_fills(self, remembered: Remembered) -> None:
        """Never count these fills: a balance contains them."""
        self._seen.forget_until(remembered.after_ms)
        for key in remembered.keys:
            self._seen.add(key)

    def on_booked_before(self, entry: Booked) -> FillResult:
        """Count a fill again that an earlier session booked."""
        self._seen.add(entry.key)
        # An order that left long before the checkpoint that this replay began at is not known.
        self.on_left_unnoticed(entry.oid, entry.quote, now_s=0.0)
        return self._book(entry.to_fill(), 0.0)

    def relevel(self, find_level: Callable[[Decimal], int | None]) -> tuple[TrackedOrder, ...]:
        """Put each order on its level of this ladder.

        The ladder may differ from the one before. Return the orders without a level of their own, or with another order
        on it; they keep their old level.
        """
        taken: set[Slot] = set()
        astray: list[TrackedOrder] = []
        for order in self.get_current_orders():
            level = find_level(order.price)
            if level is None or (order.side, level) in taken:
                astray.append(order)
            else:
                taken.add((order.side, level))
                self._table.put(replace(order, level_index=level))
        for intent in self.get_intents():
            level = find_level(intent.quote.price)
            if level is not None:
                self._table.in_flight[intent.cloid] = replace(intent, quote=replace(intent.quote, level_index=level))
        return tuple(astray)

    def change_ladder(self, levels: Mapping[Decimal, int]) -> None:
        """Put orders on the levels of a new ladder that have just their prices.

        All others get levels beyond its ends, which nothing else has, so that none is in the way of a new order.
        """
        find_level = LevelFinder(levels)
        for order in sorted(self.get_current_orders(), key=lambda order: order.price):
            self._table.put(replace(order, level_index=find_level(order.quote)))
        for intent in self.get_intents():
            level = find_level(intent.quote)
            self._table.in_flight[intent.cloid] = replace(intent, quote=replace(intent.quote, level_index=level))

    def summarise(self, *, remember_after_ms: int) -> tuple[Entry, ...]:
        """Return entries that recreate this state.

        They list recent orders that left, orders that may be open or have fills due, those in flight, and the fills
        since then.
        """
        due = self.get_fills_due()
        left = [order for order in self._table.get_closed() if order.status is not Phase.FILLS_DUE]
        entries: list[Entry] = [Remembered(remember_after_ms, self.get_fill_keys(remember_after_ms))]
        for order in [*left[-LEFT_IN_CHECKPOINT:], *due, *self.get_current_orders()]:
            entries.append(Adopted(order.oid, order.quote, order.cloid, order.filled))
            if order.status is Phase.FILLS_DUE:
                entries.append(Ended(order.oid, _FILLED, None))
            elif order.oid not in self._table.open:
                entries.append(Ended(order.oid, OwnEnd.LEFT, order.size if order.is_sized else None))
        return (*entries, *(Sent.of(intent) for intent in self._table.in_flight.values()))

    def on_restarted(self, *, now_s: float) -> None:
        """End a replay: every open order is in doubt.

        It must be seen before it is believed. All count as touched now: a replica that lags may not have heard of them.
        The fill history is read before anything is placed, so no end is left unsettled.
        """
        for order in (*self.get_current_orders(), *self._table.get_closed()):
            self._move(Event.RESTARTED, order.oid, now_s=now_s, is_newest=False)


def _enter(event: Event, *, from_flight: bool) -> Phase:
    return TRANSITIONS[Phase.IN_FLIGHT if from_flight else Phase.UNKNOWN][event]
