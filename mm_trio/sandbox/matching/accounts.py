"""One address: balances, what it has resting, what became of its orders, what it may still send.

Each change checks first and then happens whole. No book, no fee and no other address is known here.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.sandbox.matching import rules
from mm_trio.sandbox.matching.book import LiveOrder
from mm_trio.sandbox.matching.fees import TIER_DAYS, DayVolume, Rates
from mm_trio.sandbox.model.limits import Limits
from mm_trio.sandbox.model.records import Fill, LedgerRow, OrderRecord

__all__ = ["BASE_REQUESTS", "Account", "AccountView", "Balance"]

BASE_REQUESTS = Limits().base_requests or 0
NO_CAP = 1_000_000_000  # what is shown where the budget is switched off, on top of the volume
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Balance:
    """A token balance; `hold` is the part that resting orders reserve."""

    total: Decimal = _ZERO
    hold: Decimal = _ZERO

    @property
    def available(self) -> Decimal:
        return self.total - self.hold


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account as of now, for tests and oracles. Balances by token index.

    `n_requests` is what was sent beyond what was reserved, `surplus` what is reserved and not yet sent.
    """

    address: str
    balances: Mapping[int, Balance]
    n_requests: int
    request_cap: int
    volume: Decimal
    surplus: int = 0

    def total(self, token: int) -> Decimal:
        return self.balances.get(token, Balance()).total

    def hold(self, token: int) -> Decimal:
        return self.balances.get(token, Balance()).hold

    def available(self, token: int) -> Decimal:
        return self.balances.get(token, Balance()).available


class Account:
    """The living account. The bounds on records, fills and ledger rows are the venue's retention by count."""

    def __init__(self, address: str, limits: Limits) -> None:
        self.address = address
        self.live: dict[int, LiveOrder] = {}
        self.fills: deque[Fill] = deque(maxlen=limits.fills_kept)  # oldest first
        self.ledger: deque[LedgerRow] = deque(maxlen=limits.fills_kept)  # oldest first
        self.volume = _ZERO
        self.days: dict[int, DayVolume] = {}  # the last TIER_DAYS and today
        self.rates: Rates | None = None  # its own ones, if it has such
        self.n_sent = 0
        self.n_reserved = 0
        self.n_triggers = (0, 0)  # UTC day, scheduled cancels triggered in it
        self._limits = limits
        self._totals: dict[int, Decimal] = {}  # by token
        self._holds: dict[int, Decimal] = {}
        self.last_accepted_ms: int | None = None
        self._ended: dict[int, OrderRecord] = {}  # oldest first
        self._records_kept = sys.maxsize if limits.order_records is None else limits.order_records
        self._newest_by_cloid: dict[str, int] = {}

    def total(self, token: int) -> Decimal:
        return self._totals.get(token, _ZERO)

    def available(self, token: int) -> Decimal:
        """What no resting order holds."""
        return self._totals.get(token, _ZERO) - self._holds.get(token, _ZERO)

    def tokens(self) -> tuple[int, ...]:
        return tuple(self._totals)

    def change(self, token: int, *, total: Decimal = _ZERO, hold: Decimal = _ZERO) -> None:
        """Move a balance by these amounts."""
        total += self._totals.get(token, _ZERO)
        hold += self._holds.get(token, _ZERO)
        assert _ZERO <= hold <= total, (self.address, token, total, hold)
        self._totals[token] = total
        self._holds[token] = hold

    def view(self) -> AccountView:
        balances = {token: Balance(total, self._holds[token]) for token, total in self._totals.items()}
        return AccountView(self.address, balances, self.n_used, self.request_cap, self.volume, self.n_surplus)

    def on_open(self, order: LiveOrder) -> None:
        self.live[order.record.oid] = order
        self._index(order.record)

    def on_ended(self, record: OrderRecord) -> None:
        """Keep the record of an order that is over, or never rested; the oldest one makes room."""
        self.live.pop(record.oid, None)
        self._index(record)
        self._ended[record.oid] = record
        if len(self._ended) > self._records_kept:
            self._drop(next(iter(self._ended)))

    def forget(self, key: int | str | None) -> None:
        """Drop the record of an ended order, or of all of them. One that rests, or is not known, stays as it is."""
        oids = tuple(self._ended) if key is None else (self._oid_of(key),)
        for oid in oids:
            if oid in self._ended:
                self._drop(oid)

    def on_volume(self, notional: Decimal, *, day: int, crossed: bool, counted: Decimal) -> None:
        """Count what was traded: for the budget, and by day for the fee tier."""
        self.volume += notional
        today = self.days.get(day)
        if today is None:
            today = self.days[day] = DayVolume(day)
            for past in [past for past in self.days if past < day - TIER_DAYS]:
                del self.days[past]
        if crossed:
            today.cross += notional
        else:
            today.add += notional
        today.counted += counted

    def _drop(self, oid: int) -> None:
        record = self._ended.pop(oid)
        if record.cloid is not None and self._newest_by_cloid.get(record.cloid) == oid:
            del self._newest_by_cloid[record.cloid]

    def _index(self, record: OrderRecord) -> None:
        if record.cloid is not None and record.oid > self._newest_by_cloid.get(record.cloid, 0):
            self._newest_by_cloid[record.cloid] = record.oid

    def _oid_of(self, key: int | str) -> int:
        """The oid of that key; 0, which no order has, for a cloid that is not known."""
        return self._newest_by_cloid.get(key, 0) if isinstance(key, str) else key

    def find_live(self, key: int | str) -> LiveOrder | None:
        """The resting order of that oid, or the newest order of that cloid if it rests."""
        return self.live.get(self._oid_of(key))

    def find_record(self, key: int | str) -> OrderRecord | None:
        """The record of that oid, or of the newest order with that cloid, while it is kept."""
        oid = self._oid_of(key)
        return self.live[oid].record if oid in self.live else self._ended.get(oid)

    def records(self) -> Iterator[OrderRecord]:
        yield from self._ended.values()
        for order in self.live.values():
            yield order.record

    @property
    def n_used(self) -> int:
        return max(0, self.n_sent - self.n_reserved)

    @property
    def n_surplus(self) -> int:
        return max(0, self.n_reserved - self.n_sent)

    @property
    def request_cap(self) -> int:
        base = self._limits.base_requests
        return (NO_CAP if base is None else base) + int(self.volume)

    @property
    def has_room(self) -> bool:
        """May one more order rest? Source: docs *Rate limits and user limits*."""
        limits, n_open = self._limits, len(self.live)
        if limits.open_orders is None or n_open < limits.open_orders:
            return True
        earned = limits.open_orders + int(self.volume // limits.open_orders_step)
        return n_open < min(earned, limits.open_orders_most)

    def exhaust(self) -> None:
        """Let the budget be spent to its last request."""
        self.n_sent = self.n_reserved + self.request_cap

    def admit(self, now_ms: int, *, n_items: int, cancels: bool, expires_after: int | None) -> str | None:
        """Charge an action of so many items, or say in the venue's words why it is refused.

        A refusal costs nothing, except a stale `expires_after`. Not known of the venue, so decided here: a
        batch passes whole while anything is left, and an action without items costs one.
        """
        limits = self._limits
        if limits.max_items is not None and n_items > limits.max_items:
            return rules.OVER_WEIGHT.format(limit=limits.max_items)
        if expires_after is not None and now_ms > expires_after:
            self.n_sent += limits.stale_cost
            return rules.EXPIRED
        if limits.base_requests is not None and self.n_used >= limits.base_requests:
            cap = self.request_cap
            lane = min(cap + limits.cancel_lane_extra, 2 * cap) if cancels else cap
            slot_free = self.last_accepted_ms is None or now_ms - self.last_accepted_ms >= limits.slot_ms
            if self.n_used >= lane and not slot_free:
                volume = f"{rules.floor_to(self.volume, 2):f}"
                return rules.TOO_MANY_REQUESTS.format(used=self.n_used, limit=lane - 1, volume=volume)
        self.n_sent += max(1, n_items)
        self.last_accepted_ms = now_ms
        return None
