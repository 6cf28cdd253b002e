"""What rests, what is in flight and what is in doubt; each fill counted once.

An order is sent (an `Intent`), rests (a `TrackedOrder`), may be in doubt, and leaves; after that it stays
known to its late fills. Nothing here reads a clock: times are handed in, in seconds of one steady clock.
Every change that a restart must know is recorded where it happens; doubts are not: after a restart everything
that may rest is in doubt.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Generic, TypeVar

from mm_trio.model.journal_entries import (
    Adopted,
    Arrived,
    Booked,
    Ended,
    Entry,
    NeverPlaced,
    Record,
    Remembered,
    Sent,
    forget,
)
from mm_trio.model.numbers import Number, to_decimal
from mm_trio.model.orders import Doubt, FillResult, Intent, ReconcileResult, Side, TrackedOrder
from mm_trio.state.open_orders import OpenOrders
from mm_trio.state.seen_fills import FillKey, SeenFills

__all__ = ["OrderState"]

# Orders that left and are still known to late fills: the venue keeps about 2,000 order records itself.
LEFT_REMEMBERED = 20_000
# So many of those a checkpoint of the journal keeps: an order whose end was proven has its fills soon after.
LEFT_IN_CHECKPOINT = 2_000
# Fills and endings of orders nobody knows (other hands on the same account): enough for any burst of ours.
PARKED_REMEMBERED = 10_000
PARKED_PER_ORDER = 1_000  # an order of ours is in flight for seconds; more fills than this are a stranger's

_LIVE = ("open", "resting", "triggered")
_K = TypeVar("_K")
_V = TypeVar("_V")


class _Bounded(OrderedDict[_K, _V], Generic[_K, _V]):
    """A dict that forgets its oldest entry beyond `capacity`."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self._capacity = capacity

    def __setitem__(self, key: _K, value: _V) -> None:
        super().__setitem__(key, value)
        if len(self) > self._capacity:
            self.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Told:
    """A fill as it was told, until its order is known."""

    key: FillKey
    size: Decimal
    price: Decimal | None
    fee: Decimal
    fee_token: str | None


class OrderState:
    """All that is known of our orders of one coin, keyed by the venue's oid (cloid while in flight).

    `record` is told every change that a replay needs to arrive here again.
    """

    def __init__(self) -> None:
        self.record: Record = forget
        self._orders = OpenOrders()
        self._intents: dict[str, Intent] = {}
        self._left: _Bounded[int, TrackedOrder] = _Bounded(LEFT_REMEMBERED)
        self._untold: dict[int, TrackedOrder] = {}
        self._unsettled: dict[int, TrackedOrder] = {}
        self._parked: _Bounded[int, list[_Told]] = _Bounded(PARKED_REMEMBERED)
        self._ended_early: _Bounded[int, tuple[str, Decimal | None]] = _Bounded(PARKED_REMEMBERED)
        self._fills = SeenFills()

    def start_recording(self, record: Record) -> None:
        """Record every change from here on."""
        self.record = record

    # --- reading ------------------------------------------------------------------------------

    def get_current_orders(self) -> tuple[TrackedOrder, ...]:
        """Every order that may rest under a known oid, in doubt or not, oldest first."""
        return tuple(self._orders.values())

    @property
    def orders(self) -> OpenOrders:
        """The same by oid, with their sums and best levels: to read."""
        return self._orders

    @property
    def has_doubts(self) -> bool:
        """Whether `get_doubts` gives any."""
        return bool(self._intents or self._untold or self._orders.n_in_doubt)

    def get_intents(self) -> tuple[Intent, ...]:
        """Every order sent whose answer is not known."""
        return tuple(self._intents.values())

    def find_intent(self, cloid: str) -> Intent | None:
        """The order in flight that carries this cloid."""
        return self._intents.get(cloid)

    def get_doubts(self, *, known_oids: bool = True) -> tuple[Doubt, ...]:
        """Every order that may rest or may have traded: in doubt, unanswered, or left with fills untold.

        Without `known_oids` those that `get_current_orders` has as well are left out.
        """
        doubtful = [*(self._orders.in_doubt if known_oids else ()), *self._untold.values()]
        return (
            *(Doubt(o.side, o.level_index, o.price, o.size, o.touched_s, oid=o.oid, cloid=o.cloid) for o in doubtful),
            *(Doubt(i.side, i.level_index, i.price, i.size, i.sent_s, cloid=i.cloid) for i in self._intents.values()),
        )

    def get_untold(self) -> tuple[TrackedOrder, ...]:
        """Orders that left the book while fills of them have not been told: `size` is how much."""
        return tuple(self._untold.values())

    def get_unsettled(self) -> tuple[TrackedOrder, ...]:
        """Orders that we cancelled or replaced, while nobody told yet how much of them was left then.

        Up to `size` of each may have traded unseen before it left.
        """
        return tuple(self._unsettled.values())

    def find_parked(self, *, price: Decimal, most: Decimal, since_ms: int) -> tuple[int, ...]:
        """Oids nobody knows whose fills, since then, were at this price and of `most` in all."""
        return tuple(
            oid
            for oid, fills in self._parked.items()
            if all(fill.price == price and (fill.key[0] or 0) >= since_ms for fill in fills)
            and sum((fill.size for fill in fills), Decimal(0)) <= most
        )

    def find(self, oid: int) -> TrackedOrder | None:
        """The order that rests (or may rest) under this oid."""
        return self._orders.get(oid)

    def find_left(self, oid: int) -> TrackedOrder | None:
        """An order of ours that left the book, as it was then."""
        return self._untold.get(oid) or self._left.get(oid)

    def is_taken(self, side: Side, level_index: int) -> bool:
        """Whether an order of ours rests, may rest or is on its way at this (side, level)."""
        return self._orders.find_at(side, level_index) is not None or any(
            o.side == side and o.level_index == level_index
            for group in (self._untold.values(), self._intents.values())
            for o in group
        )

    def boundary_level(self, n_orders: int) -> int:
        """The observed boundary: the lowest level with an ask of ours, `n_orders` without one."""
        lowest = self._orders.best_level("sell")
        return n_orders if lowest is None else lowest

    def reconcile(self, exchange_oids: Iterable[int]) -> ReconcileResult:
        """Compare with the oids that rest at the venue. Changes nothing."""
        there, here = set(exchange_oids), self._orders.keys()
        return ReconcileResult(tuple(sorted(there - here)), tuple(sorted(here - there)))

    def describe_memory(self) -> dict[str, int]:
        """Count what is kept, by name."""
        return {
            "open orders": len(self._orders),
            "orders in flight": len(self._intents),
            "orders with fills due": len(self._untold),
            "orders with an unsettled end": len(self._unsettled),
            "orders that are gone": len(self._left),
            "unknown oids with fills": len(self._parked),
            "fills of one unknown oid": max(map(len, self._parked.values()), default=0),
            "unknown oids that ended": len(self._ended_early),
            "fills remembered": len(self._fills),
        }

    # --- places -------------------------------------------------------------------------------

    def on_sent(self, intent: Intent) -> None:
        """An order is about to leave, or a replacement for the order `intent.replaces`."""
        assert intent.cloid not in self._intents, intent
        self._intents[intent.cloid] = intent
        self.record(Sent.of(intent))
        if intent.replaces is not None:
            self.on_doubt(intent.replaces, now_s=intent.sent_s)

    def on_cannot_arrive_after(self, cloid: str, now_s: float) -> None:
        """It is proven that the order will not reach the book any more if it did not yet."""
        if (intent := self._intents.get(cloid)) is not None:
            self._intents[cloid] = replace(intent, expires_s=min(intent.expires_s, now_s))

    def on_never_placed(self, cloid: str, *, why: str = "") -> None:
        """The order was refused, or it is proven that it never reached the book."""
        if self._intents.pop(cloid, None) is not None:
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
        """The order rests under `oid`; `size` is what it began with, or what rests of it now.

        Gives the fills that came before it was known, now bound to it. Safe to call twice.
        """
        was_in_flight = cloid is not None and self._intents.pop(cloid, None) is not None
        if self._is_known(oid):
            if cloid is not None and was_in_flight:
                self.record(Arrived(cloid, oid))
            return ()
        order = TrackedOrder(
            oid,
            side,
            level_index,
            to_decimal(price),
            to_decimal(size),
            cloid=cloid,
            touched_s=now_s,
            filled=to_decimal(filled),
        )
        self.record(Adopted(oid, side, level_index, order.price, order.size, cloid, order.filled))
        return self._track(order, now_s)

    def _is_known(self, oid: int) -> bool:
        return oid in self._orders or oid in self._left or oid in self._untold

    def _track(self, order: TrackedOrder, now_s: float) -> tuple[FillResult, ...]:
        """Bind to the order what was told of it before it was known; gives its fills."""
        self._orders[order.oid] = order
        results = tuple(self._book(order.oid, fill, now_s) for fill in self._parked.pop(order.oid, ()))
        if order.oid in self._ended_early:
            status, remaining = self._ended_early.pop(order.oid)
            self._on_ended(order.oid, status, remaining, now_s)
        return results

    def on_modify_response(
        self,
        original_oid: int,
        new_oid: int,
        status: str,
        *,
        remaining: Number | None = None,
        now_s: float = 0.0,
    ) -> tuple[FillResult, ...]:
        """The order has a new status: live ("resting", "open") re-keys it, every other one ends it.

        `remaining` is what the venue says was left at the end: where we count more, fills of it are still
        to be told. Gives fills of the new oid that came before it was known.
        """
        if status not in _LIVE:
            self._on_ended(original_oid, status, None if remaining is None else to_decimal(remaining), now_s)
            return ()
        if new_oid == original_oid:
            if (order := self._orders.get(original_oid)) is not None:
                self._orders[original_oid] = replace(order, status="resting", touched_s=now_s)
            return ()
        old = self.find(original_oid) or self.find_left(original_oid)
        if old is None:
            return ()
        self.on_cancel_confirmed(original_oid, now_s=now_s)
        return self.on_place_confirmed(
            new_oid, old.side, old.level_index, old.price, old.size, cloid=old.cloid, now_s=now_s
        )

    # --- endings and doubts -------------------------------------------------------------------

    def _on_ended(self, oid: int, status: str, remaining: Decimal | None, now_s: float) -> None:
        order = self._orders.get(oid) or self._left.get(oid)
        if order is None:
            if oid not in self._untold:
                self._ended_early[oid] = (status, remaining)
            return
        if oid in self._orders or oid in self._unsettled:
            self.record(Ended(oid, status, remaining))
        self._forget_place(oid)
        untold = order.size if status == "filled" else order.size - remaining if remaining is not None else 0
        if untold > 0:
            self._untold[oid] = replace(order, size=Decimal(untold), status="untold", touched_s=now_s)
        else:
            self._left[oid] = replace(order, touched_s=now_s)

    def _forget_place(self, oid: int) -> None:
        for place in (self._orders, self._left, self._untold, self._unsettled):
            place.pop(oid, None)

    def on_cancel_confirmed(self, oid: int, *, now_s: float = 0.0) -> None:
        """The venue said that the cancel was carried out; what was left then is to be told by a frame."""
        if (order := self._orders.pop(oid, None)) is not None:
            self._left[oid] = self._unsettled[oid] = replace(order, touched_s=now_s)
            self.record(Ended(oid, "cancelled", None))

    def on_fills_read(self, asked_s: float) -> None:
        """The venue's fill history, asked for at `asked_s`, is applied: who left before that has no more fills."""
        for oid in [order.oid for order in self._unsettled.values() if order.touched_s <= asked_s]:
            del self._unsettled[oid]

    def remove_ghost(self, oid: int, *, now_s: float = 0.0) -> None:
        """It is proven that the order is gone; late fills of it still count."""
        order = self._orders.get(oid) or self._untold.get(oid)
        if order is not None:
            self._forget_place(oid)
            self._left[oid] = replace(order, touched_s=now_s)
            self.record(Ended(oid, "ghost", None))

    def on_doubt(self, oid: int, *, now_s: float = 0.0) -> None:
        """Nobody can say whether the order rests: its level is locked until that is settled."""
        if (order := self._orders.get(oid)) is not None:
            self._orders[oid] = replace(order, status="in_doubt", touched_s=now_s)

    def on_seen_resting(self, oid: int, *, now_s: float = 0.0) -> None:
        """The venue shows the order among those that rest, or refused to touch it."""
        if (order := self._orders.get(oid)) is not None and order.status == "in_doubt":
            self._orders[oid] = replace(order, status="resting", touched_s=now_s)

    # --- fills --------------------------------------------------------------------------------

    def remember_fill(self, tid: int, oid: int, *, time_ms: int | None = None, coin: str | None = None) -> None:
        """A fill that is in the balances already: never to be counted."""
        self._fills.add(_fill_key(tid, oid, time_ms, coin))

    def was_told(self, tid: int, oid: int, *, time_ms: int | None, coin: str | None) -> bool:
        """Whether this fill was counted, or is in a balance, or is kept for an order not yet known."""
        return self._fills.has(_fill_key(tid, oid, time_ms, coin))

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
    ) -> FillResult | None:
        """Count a fill of `sz` once. None for a duplicate, and for an order not yet known: kept until it is."""
        key = _fill_key(tid, oid, time_ms, coin)
        if not self._fills.add(key):
            return None
        fill = _Told(key, to_decimal(sz), None if price is None else to_decimal(price), to_decimal(fee), fee_token)
        if oid not in self._orders and self.find_left(oid) is None:
            parked = self._parked.setdefault(oid, [])
            if len(parked) < PARKED_PER_ORDER:
                parked.append(fill)
            return None
        return self._book(oid, fill, now_s)

    def get_fill_keys(self, after_ms: int) -> tuple[tuple[int, str, int, int], ...]:
        """Fills after this time that were counted or are in a balance; not those whose order is unknown yet."""
        parked = {fill.key for fills in self._parked.values() for fill in fills}
        return tuple(key for key in self._fills.keys_since(after_ms) if key not in parked)

    def remember_fills(self, remembered: Remembered) -> None:
        """Fills that a balance or a ledger has already, after a restart: never to be counted."""
        self._fills.forget_until(remembered.after_ms)
        for key in remembered.keys:
            self._fills.add(key)

    def on_booked_before(self, entry: Booked) -> FillResult:
        """A fill that this ledger counted in an earlier life, replayed."""
        key = _fill_key(entry.tid, entry.oid, entry.time_ms, entry.coin)
        self._fills.add(key)
        # one that left long before the checkpoint that this replay began at is not known
        self.on_left_unnoticed(entry.oid, entry.side, entry.level_index, entry.price, entry.size, now_s=0.0)
        return self._book(entry.oid, _Told(key, entry.size, entry.price, entry.fee, entry.fee_token), 0.0)

    def on_left_unnoticed(
        self, oid: int, side: Side, level_index: int, price: Decimal, size: Decimal, *, now_s: float
    ) -> None:
        """An order of ours of which we know nothing else traded `size`: known from here on to its fills."""
        if not self._is_known(oid):
            self._left[oid] = TrackedOrder(oid, side, level_index, price, size, touched_s=now_s)

    def relevel(self, find_level: Callable[[Decimal], int | None]) -> tuple[TrackedOrder, ...]:
        """The ladder may be another one than before: put each order where it belongs on this one.

        Gives the orders that belong nowhere, or where another one is; they keep their old level.
        """
        taken: set[tuple[Side, int]] = set()
        astray: list[TrackedOrder] = []
        for oid, order in self._orders.items():
            level = find_level(order.price)
            if level is None or (order.side, level) in taken:
                astray.append(order)
            else:
                taken.add((order.side, level))
                self._orders[oid] = replace(order, level_index=level)
        for cloid, intent in self._intents.items():
            level = find_level(intent.price)
            self._intents[cloid] = replace(intent, level_index=intent.level_index if level is None else level)
        return tuple(astray)

    def summarise(self, *, remember_after_ms: int) -> tuple[Entry, ...]:
        """Entries that recreate this state: who left lately, who may rest, who is in flight, fills since then."""
        entries: list[Entry] = [Remembered(remember_after_ms, self.get_fill_keys(remember_after_ms))]
        for order in [*list(self._left.values())[-LEFT_IN_CHECKPOINT:], *self._untold.values(), *self._orders.values()]:
            entries.append(
                Adopted(order.oid, order.side, order.level_index, order.price, order.size, order.cloid, order.filled)
            )
            if order.oid in self._untold:
                entries.append(Ended(order.oid, "filled", None))
            elif order.oid not in self._orders:
                entries.append(Ended(order.oid, "left", order.size))
        return (*entries, *(Sent.of(intent) for intent in self._intents.values()))

    def on_restarted(self, *, now_s: float) -> None:
        """A replay is done: whatever may rest has to be seen before it is believed."""
        for oid, order in self._orders.items():
            # as if it were sent just now: a replica that lags may not have heard of it
            self._orders[oid] = replace(order, status="in_doubt", touched_s=now_s)
        for place in (self._left, self._untold):
            for oid, order in place.items():
                place[oid] = replace(order, touched_s=now_s)
        self._unsettled.clear()  # the fill history is read before anything is placed

    def on_intent_seen(self, intent: Intent, oid: int, *, now_s: float) -> tuple[FillResult, ...]:
        """An answer, a frame or a row proves that the order in flight reached the book, under `oid`.

        What it replaces has left with that. Gives the fills that came before it was known.
        """
        was_in_flight = self._intents.pop(intent.cloid, None) is not None
        if was_in_flight:
            self.record(Arrived(intent.cloid, oid))
        if self._is_known(oid):
            return ()
        if not was_in_flight:
            where = (intent.side, intent.level_index, intent.price, intent.size)
            self.record(Adopted(oid, *where, intent.cloid, filled=Decimal(0)))
        if intent.replaces is not None:
            self.on_cancel_confirmed(intent.replaces, now_s=now_s)
        order = TrackedOrder(
            oid, intent.side, intent.level_index, intent.price, intent.size, cloid=intent.cloid, touched_s=now_s
        )
        return self._track(order, now_s)

    def _book(self, oid: int, fill: _Told, now_s: float) -> FillResult:
        order = self._orders.get(oid) or self._untold.get(oid) or self._left[oid]
        left = max(order.size - fill.size, Decimal(0))
        order = replace(order, size=left, filled=order.filled + fill.size, touched_s=now_s)
        if oid in self._orders and left > 0:
            self._orders[oid] = order
        elif oid in self._untold and left > 0:
            self._untold[oid] = order
        elif oid in self._unsettled and left > 0:
            self._left[oid] = self._unsettled[oid] = order
        else:
            self._forget_place(oid)
            self._left[oid] = order
        time_ms, coin, tid, _ = fill.key
        price = order.price if fill.price is None else fill.price
        self.record(
            Booked(oid, tid, time_ms, coin, order.side, order.level_index, price, fill.size, fill.fee, fill.fee_token)
        )
        return FillResult(
            order.side,
            order.level_index,
            price,
            fill.size,
            left == 0,
            oid=oid,
            tid=tid,
            time_ms=time_ms,
            coin=coin,
            fee=fill.fee,
            fee_token=fill.fee_token,
        )


def _fill_key(
    tid: int, oid: int, time_ms: int | None, coin: str | None
) -> tuple[int | None, str | None, int, int | None]:
    return (None, None, tid, None) if time_ms is None and coin is None else (time_ms, coin, tid, oid)
