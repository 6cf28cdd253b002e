"""Replay of journal entries into the state they describe.

Pure code. A restart applies the recorded entries to the same classes that a running maker uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from mm_trio.model.journal_entries import (
    Accounted,
    Adjusted,
    Adopted,
    Allocated,
    Arrived,
    Began,
    Booked,
    Checkpoint,
    Ended,
    Entry,
    LookedUp,
    Moved,
    NeverPlaced,
    Numbered,
    Of,
    OwnEnd,
    Peaked,
    Quoted,
    Released,
    Remembered,
    Requested,
    Reserved,
    Sent,
    Summed,
)
from mm_trio.model.numbers import Number
from mm_trio.model.orders import Intent
from mm_trio.model.pricing_grid import LadderRule
from mm_trio.model.replies import FillKey
from mm_trio.model.settings import find_ladder_rule
from mm_trio.state.fill_history import FILLS_OVERLAP_MS
from mm_trio.state.inventory import Inventory
from mm_trio.state.order_state import OrderState
from mm_trio.witness.opening_check import LastQuoted
from mm_trio.witness.venue_clock import DAY_MS

__all__ = ["Recovered", "accumulate", "replay", "replay_grids"]


@dataclass(slots=True)
class Recovered:
    """State that the entries of a ledger add up to.

    `epochs` are those of all sessions so far. `looked_up_ms` is the venue's time up to which its fill history was read,
    `read_ours_ms` the time of our newest fill that it had of the last minute until then, 0 where others traded alone.
    `newest_fill_ms` is the time of the newest fill in the ledger. `unlisted` are the fills that no history is known to
    have had: those since, and those that may be listed late. `last_nonce` is the highest nonce that the venue may have
    taken, and `last_quoted` the last boundary quoted from. `parameters` may be those of a later start that was refused.
    `peak` is the best gain against having held, in quote. `reserved` has, by session, the reservations that were not
    released: orders of these sessions may be missing.
    """

    order_state: OrderState
    inventory: Inventory
    epochs: set[int] = field(default_factory=set)
    parameters: dict[str, str] = field(default_factory=dict)
    looked_up_ms: int = 0
    read_ours_ms: int = 0
    newest_fill_ms: int = 0
    last_nonce: int = 0
    last_quoted: LastQuoted | None = None
    unlisted: dict[FillKey, None] = field(default_factory=dict)
    peak: Decimal = Decimal(0)
    reserved: dict[int, Reserved] = field(default_factory=dict)
    n_entries: int = 0
    n_since_checkpoint: int = 0

    @property
    def is_new(self) -> bool:
        """True if no session was recorded yet."""
        return not self.epochs

    @property
    def boundary_level(self) -> int | None:
        """Return the last boundary quoted from, None before the first."""
        return None if self.last_quoted is None else self.last_quoted.boundary_level

    @property
    def ladder_rule(self) -> LadderRule | None:
        """Return how prices of the ladder are rounded; None before the first session."""
        # A start that was refused quoted nothing.
        recorded = self.parameters if self.last_quoted is None else self.last_quoted.parameters
        return find_ladder_rule(recorded) if recorded else None

    def count_before(self, n_entries: int) -> None:
        """Count entries before a checkpoint."""
        self.n_entries += n_entries

    def count(self) -> None:
        """Count an entry outside of a checkpoint."""
        self.n_entries += 1
        self.n_since_checkpoint += 1

    def summarise(self) -> tuple[Entry, ...]:
        """Return the entries of a checkpoint that recreate a ledger that no session changes."""
        if self.is_new:
            return ()
        old_ms = [self.looked_up_ms - FILLS_OVERLAP_MS, *(key.time_ms or 0 for key in self.unlisted)]
        return (
            *(Began(earlier, {}) for earlier in sorted(self.epochs)),
            *self.summarise_last_quoted(),
            Began(max(self.epochs), self.parameters),
            *(Numbered(earlier, number) for earlier, number in self.order_state.sent_numbers),
            *self.inventory.summarise(),
            *self.order_state.summarise(remember_after_ms=max(0, min(old_ms)) - 1),
            LookedUp(self.looked_up_ms),
            *((Peaked(self.peak),) if self.peak else ()),
            *self.reserved.values(),
            Requested(self.last_nonce, "earlier", 0, "", 0),
        )

    def summarise_last_quoted(self) -> tuple[Entry, ...]:
        """Return the entries that tell the last boundary, and the terms of that time; others follow."""
        if (last := self.last_quoted) is None:
            return ()
        return (
            Allocated(*last.allocation),
            Began(max(self.epochs), {**last.parameters}),
            Quoted(last.boundary_level),
        )

    def _step_over(self, nonce: int, wall_ms: int) -> None:
        # The venue took none that is still a day ahead of its time: a wrong clock wrote it.
        if nonce < wall_ms + DAY_MS:
            self.last_nonce = max(self.last_nonce, nonce)

    def apply(self, entry: Entry, *, now_s: float, wall_ms: int) -> None:
        """Apply one entry. Errors: ValueError for a contradiction."""
        orders, ledger = self.order_state, self.inventory
        match entry:
            case Booked():
                self.newest_fill_ms = max(self.newest_fill_ms, entry.time_ms or 0)
                self.unlisted[entry.key] = None
                ledger.book(orders.on_booked_before(entry))
            case Sent(cloid):
                if orders.find_intent(cloid) is not None:
                    raise ValueError(f"order sent twice: {cloid}")
                self._step_over(entry.nonce or 0, wall_ms)
                orders.on_sent(_make_intent(entry, now_s=now_s, wall_ms=wall_ms))
            case Arrived(cloid, oid):
                intent = orders.find_intent(cloid)
                if intent is None:
                    raise ValueError(f"order {oid} arrived and was never sent: {cloid}")
                orders.on_intent_seen(intent, oid, now_s=now_s)
            case NeverPlaced(cloid, why):
                orders.on_never_placed(cloid, why=why)
            case Ended(oid, OwnEnd.GHOST):
                orders.remove_ghost(oid, now_s=now_s)
            case Ended(oid, status, remaining):
                orders.on_status(oid, status, remaining=remaining, now_s=now_s)
            case Requested(nonce):
                self._step_over(nonce, wall_ms)
            case Quoted(boundary_level):
                self.last_quoted = LastQuoted(boundary_level, self.parameters, ledger.allocation)
            case Adopted():
                orders.on_adopted(entry, now_s=now_s)
            case Adjusted():
                ledger.on_adjusted(entry)
            case Moved():
                ledger.on_moved(entry)
            case Accounted():
                ledger.on_accounted(entry)
            case Allocated():
                ledger.on_allocated(entry)
            case Summed():
                ledger.on_summed(entry)
            case Peaked(gain):
                self.peak = gain
            case LookedUp(until_ms):
                self.looked_up_ms = until_ms
                old_ms = until_ms - FILLS_OVERLAP_MS
                self.unlisted = {key: None for key in self.unlisted if (key.time_ms or 0) >= old_ms}
                times = (key.time_ms or 0 for key in self.unlisted)
                self.read_ours_ms = max((time_ms for time_ms in times if time_ms <= until_ms), default=0)
            case Remembered():
                self.newest_fill_ms = max([self.newest_fill_ms, *(key.time_ms or 0 for key in entry.keys)])
                self.unlisted.update(dict.fromkeys(entry.keys))
                orders.remember_fills(entry)
            case Began(epoch, parameters):
                self.epochs.add(epoch)
                self.parameters = parameters or self.parameters
            case Numbered(epoch, number):
                orders.sent_numbers.raise_to(epoch, number)
            case Reserved(epoch, _, nonce):
                self.reserved[epoch] = entry
                self._step_over(nonce, wall_ms)
            case Released(epoch):
                self.reserved.pop(epoch, None)
            case Checkpoint():
                raise ValueError("a checkpoint within a checkpoint")
            case Of(coin):
                raise ValueError(f"an entry of {coin} in the ledger of one coin")


def replay_grids(
    entries: Iterable[Entry], *, order_sizes: Mapping[str, Number], now_s: float, wall_ms: int
) -> dict[str, Recovered]:
    """Apply the entries of several grids, as `replay` does those of one.

    Return what is found for each coin of `order_sizes`, and for coins that were quoted before; the latter as their
    entries tell, not restarted. Errors: ValueError for entries that contradict each other, or that name no coin.
    """
    found: dict[str, Recovered] = {}

    def find(coin: str) -> Recovered:
        if coin not in found:
            found[coin] = Recovered(OrderState(), Inventory(order_sizes.get(coin, 1)))
        return found[coin]

    for coin in order_sizes:
        find(coin)
    for entry in entries:
        match entry:
            case Checkpoint(parts):
                # It sums up all entries before it, so that every grid starts afresh.
                counts = {coin: each.n_entries for coin, each in found.items()}
                found.clear()
                for coin in (*order_sizes, *counts):
                    find(coin).count_before(counts.get(coin, 0))
                for part in parts:
                    if not isinstance(part, Of):
                        raise ValueError(f"an entry of no coin in the ledger of several: {type(part).__name__}")
                    find(part.coin).apply(part.entry, now_s=now_s, wall_ms=wall_ms)
            case Of(coin, inner):
                find(coin).count()
                find(coin).apply(inner, now_s=now_s, wall_ms=wall_ms)
            case Requested():
                # The nonce of an action for no coin, such as one that burns the nonce of another, is everybody's.
                for each in found.values():
                    each.apply(entry, now_s=now_s, wall_ms=wall_ms)
            case _:
                raise ValueError(f"an entry of no coin in the ledger of several: {type(entry).__name__}")
    for coin in order_sizes:
        _restart(found[coin], now_s=now_s, wall_ms=wall_ms)
    return found


def replay(entries: Iterable[Entry], *, order_size: Number, now_s: float, wall_ms: int) -> Recovered:
    """Apply entries from the beginning or from a checkpoint on.

    `now_s` is the present time on the loop's clock, `wall_ms` on the venue's calendar: an order in flight expires by
    the calendar and is waited for by the clock. Orders that may still rest are returned in doubt.
    Errors: ValueError for entries that contradict each other.
    """
    found = accumulate(entries, order_size=order_size, now_s=now_s, wall_ms=wall_ms)
    _restart(found, now_s=now_s, wall_ms=wall_ms)
    return found


def _restart(found: Recovered, *, now_s: float, wall_ms: int) -> None:
    found.order_state.on_restarted(now_s=now_s)
    # An order with such a number proves no lost end: it may have left before its entry was written.
    for entry in found.reserved.values():
        found.order_state.sent_numbers.raise_to(entry.epoch, entry.number)
    # A ledger of an earlier release has the movements until its last look-up as differences without a cause.
    found.inventory.movements.begin_after(max(found.looked_up_ms, found.newest_fill_ms) or wall_ms)


def accumulate(entries: Iterable[Entry], *, order_size: Number, now_s: float, wall_ms: int) -> Recovered:
    """Apply entries as `replay` does, and leave the orders in the phases that the entries tell.

    For a reader of the past, who starts no session. Errors: ValueError for entries that contradict each other.
    """
    found = Recovered(OrderState(), Inventory(order_size))
    for entry in entries:
        if isinstance(entry, Checkpoint):
            # A checkpoint sums up all entries before it, so the state starts afresh.
            found = Recovered(OrderState(), Inventory(order_size), n_entries=found.n_entries)
            for part in entry.entries:
                found.apply(part, now_s=now_s, wall_ms=wall_ms)
        else:
            found.count()
            found.apply(entry, now_s=now_s, wall_ms=wall_ms)
    return found


def _make_intent(sent: Sent, *, now_s: float, wall_ms: int) -> Intent:
    expires_s = now_s + (sent.expires_ms - wall_ms) / 1000
    return Intent(sent.cloid, sent.quote, sent.replaces, now_s, expires_s, sent.expires_ms, sent.nonce)
