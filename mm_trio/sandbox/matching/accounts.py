"""Account with balances, orders, fills and request budget.

Each change is checked first and then made whole. The account knows no book, no fee and no other address.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.sandbox.matching import rules
from mm_trio.sandbox.matching.book import LiveOrder
from mm_trio.sandbox.matching.fees import DAY_MS, TIER_DAYS, DayVolume, Rates
from mm_trio.sandbox.model.limits import Limits
from mm_trio.sandbox.model.records import AccountMode, Fill, LedgerRow, OrderRecord

__all__ = ["BASE_REQUESTS", "Account", "AccountView", "Balance"]

BASE_REQUESTS = Limits().base_requests or 0
# A budget that is switched off is reported as this many requests, plus the volume.
NO_CAP = 1_000_000_000
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Balance:
    """Token balance; the part `hold` is reserved.

    Of it `elsewhere` is reserved by others than spot orders.
    """

    total: Decimal = _ZERO
    hold: Decimal = _ZERO
    elsewhere: Decimal = _ZERO

    @property
    def available(self) -> Decimal:
        """Part that nothing holds."""
        return self.total - self.hold


@dataclass(frozen=True, slots=True)
class AccountView:
    """Frozen copy of an account.

    `balances` is keyed by token index.
    `n_requests` counts the requests sent beyond the reserved ones, `surplus` the reserved ones not sent yet.
    """

    address: str
    balances: Mapping[int, Balance]
    n_requests: int
    request_cap: int
    volume: Decimal
    surplus: int = 0
    mode: AccountMode = "standard"

    def elsewhere(self, token: int) -> Decimal:
        """Return the amount that others than spot orders reserve."""
        return self.balances.get(token, Balance()).elsewhere

    def total(self, token: int) -> Decimal:
        """Return the whole balance of a token."""
        return self.balances.get(token, Balance()).total

    def usable(self, token: int) -> Decimal:
        """Return the amount that spot orders may hold."""
        return self.total(token) - self.elsewhere(token)

    def hold(self, token: int) -> Decimal:
        """Return the amount that is reserved."""
        return self.balances.get(token, Balance()).hold

    def available(self, token: int) -> Decimal:
        """Return the amount that nothing holds."""
        return self.balances.get(token, Balance()).available


class Account:
    """Mutable state of one address.

    Records, fills and ledger rows are kept up to the venue's counts.
    """

    def __init__(self, address: str, limits: Limits) -> None:
        self.address = address
        self.live: dict[int, LiveOrder] = {}
        self.fills: deque[Fill] = deque(maxlen=limits.fills_kept)  # Oldest first.
        self.ledger: deque[LedgerRow] = deque(maxlen=limits.fills_kept)  # Oldest first.
        self.volume = _ZERO
        self.days: dict[int, DayVolume] = {}  # The last TIER_DAYS and today.
        self.rates: Rates | None = None  # Rates set for this address alone.
        self.n_sent = 0
        self.n_reserved = 0
        self.n_triggers = (0, 0)  # UTC day, scheduled cancels triggered in it.
        self._limits = limits
        self._totals: dict[int, Decimal] = {}  # By token.
        self._holds: dict[int, Decimal] = {}
        self._elsewhere: dict[int, Decimal] = {}  # The part of it that spot orders do not hold.
        self.mode: AccountMode = "standard"
        self.sent_today = (0, 0)  # UTC day, items sent in it.
        self.last_accepted_ms: int | None = None
        self._ended: dict[int, OrderRecord] = {}  # Oldest first.
        self._records_kept = sys.maxsize if limits.order_records is None else limits.order_records
        self._newest_by_cloid: dict[str, int] = {}

    def total(self, token: int) -> Decimal:
        """Return the whole balance of a token."""
        return self._totals.get(token, _ZERO)

    def available(self, token: int) -> Decimal:
        """Return the amount that nothing holds."""
        return self._totals.get(token, _ZERO) - self._holds.get(token, _ZERO)

    def tokens(self) -> tuple[int, ...]:
        """Return the tokens that the account ever held."""
        return tuple(self._totals)

    def change(self, token: int, *, total: Decimal = _ZERO, hold: Decimal = _ZERO) -> None:
        """Change a token's total and hold by these amounts."""
        total += self._totals.get(token, _ZERO)
        hold += self._holds.get(token, _ZERO)
        assert _ZERO <= hold <= total, (self.address, token, total, hold)
        self._totals[token] = total
        self._holds[token] = hold

    def hold_elsewhere(self, token: int, amount: Decimal) -> None:
        """Set what others than spot orders hold of a token."""
        held = self._elsewhere.get(token, _ZERO)
        amount = min(amount, self.available(token) + held)
        self.change(token, hold=amount - held)
        self._elsewhere[token] = amount

    def view(self) -> AccountView:
        """Return a frozen copy of the account."""
        balances = {
            token: Balance(total, self._holds[token], self._elsewhere.get(token, _ZERO))
            for token, total in self._totals.items()
        }
        return AccountView(
            self.address, balances, self.n_used, self.request_cap, self.volume, self.n_surplus, self.mode
        )

    def on_open(self, order: LiveOrder) -> None:
        """Add an order that rests from now on."""
        self.live[order.record.oid] = order
        self._index(order.record)

    def on_ended(self, record: OrderRecord) -> None:
        """Keep the record of an order that does not rest.

        The oldest record is dropped where the limit is exceeded.
        """
        self.live.pop(record.oid, None)
        self._index(record)
        self._ended[record.oid] = record
        if len(self._ended) > self._records_kept:
            self._drop(next(iter(self._ended)))

    def forget(self, key: int | str | None) -> None:
        """Drop the records of ended orders.

        `key` names one order; None drops all of them.
        A key of a resting or unknown order changes nothing.
        """
        oids = tuple(self._ended) if key is None else (self._oid_of(key),)
        for oid in oids:
            if oid in self._ended:
                self._drop(oid)

    def on_volume(self, notional: Decimal, *, day: int, crossed: bool, counted: Decimal) -> None:
        """Count traded volume.

        The total earns request budget, the volume by day decides the fee tier.
        """
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
        """Return the oid of a key.

        For an unknown cloid it is 0, which no order has.
        """
        return self._newest_by_cloid.get(key, 0) if isinstance(key, str) else key

    def find_live(self, key: int | str) -> LiveOrder | None:
        """Find the resting order of an oid or cloid.

        Of several orders with one cloid only the newest counts, and only if it rests.
        """
        return self.live.get(self._oid_of(key))

    def find_record(self, key: int | str) -> OrderRecord | None:
        """Find the record of an oid or cloid.

        Of several orders with one cloid the newest counts. None: no record is kept.
        """
        oid = self._oid_of(key)
        return self.live[oid].record if oid in self.live else self._ended.get(oid)

    def records(self) -> Iterator[OrderRecord]:
        """Yield records, those of ended orders first."""
        yield from self._ended.values()
        for order in self.live.values():
            yield order.record

    @property
    def n_used(self) -> int:
        """Requests sent beyond the reserved ones."""
        return max(0, self.n_sent - self.n_reserved)

    @property
    def n_surplus(self) -> int:
        """Reserved requests not sent yet."""
        return max(0, self.n_reserved - self.n_sent)

    @property
    def request_cap(self) -> int:
        """Number of requests allowed beyond the reserved ones."""
        base = self._limits.base_requests
        return (NO_CAP if base is None else base) + int(self.volume)

    @property
    def has_room(self) -> bool:
        """True if one more order may rest.

        Source: docs *Rate limits and user limits*.
        """
        limits, n_open = self._limits, len(self.live)
        if limits.open_orders is None or n_open < limits.open_orders:
            return True
        earned = limits.open_orders + int(self.volume // limits.open_orders_step)
        return n_open < min(earned, limits.open_orders_most)

    def exhaust(self) -> None:
        """Mark the request budget as used up exactly."""
        self.n_sent = self.n_reserved + self.request_cap

    def admit(self, now_ms: int, *, n_items: int, cancels: bool, expires_after: int | None) -> str | None:
        """Charge an action, or return the venue's refusal.

        A refusal costs nothing, except for a stale `expires_after`. The venue's behaviour is not known in two
        points that are decided here: a batch passes whole while any budget is left, and an action without items
        costs one.
        """
        limits = self._limits
        if limits.max_items is not None and n_items > limits.max_items:
            return rules.OVER_WEIGHT.format(limit=limits.max_items)
        if expires_after is not None and now_ms > expires_after:
            self.n_sent += limits.stale_cost
            return rules.EXPIRED
        if (refusal := self._count_today(now_ms // DAY_MS, n_items=n_items, cancels=cancels)) is not None:
            return refusal
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

    def _count_today(self, day: int, *, n_items: int, cancels: bool) -> str | None:
        """Count items against the day's limit, or return a refusal.

        A standard account has no such limit. How the venue refuses, and whether it does so to cancels, is not known.
        """
        most = self._limits.actions_per_day
        if self.mode == "standard" or most is None:
            return None
        n_sent = max(1, n_items) + (self.sent_today[1] if self.sent_today[0] == day else 0)
        if n_sent > most and not cancels:
            return rules.TOO_MANY_TODAY.format(limit=most)
        self.sent_today = (day, n_sent)
        return None
