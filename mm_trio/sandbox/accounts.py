"""One address: balances, what it has resting, what became of its orders, what it may still send.

Each change checks first and then happens whole. No book, no fee and no other address is known here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from mm_trio.sandbox import rules
from mm_trio.sandbox.book import LiveOrder
from mm_trio.sandbox.messages import Fill, OrderRecord

__all__ = ["BASE_REQUESTS", "CANCEL_LANE_EXTRA", "SLOT_MS", "STALE_COST", "Account", "AccountView", "Balance"]

BASE_REQUESTS = 10_000
CANCEL_LANE_EXTRA = 100_000
SLOT_MS = 10_000  # with the budget gone, one action passes per slot
STALE_COST = 5


@dataclass(frozen=True, slots=True)
class Balance:
    """A token balance; `hold` is the part that resting orders reserve."""

    total: Decimal = Decimal(0)
    hold: Decimal = Decimal(0)

    @property
    def available(self) -> Decimal:
        return self.total - self.hold


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account as of now, for tests and oracles. Balances by token index."""

    address: str
    balances: Mapping[int, Balance]
    n_requests: int
    request_cap: int
    volume: Decimal

    def total(self, token: int) -> Decimal:
        return self.balances.get(token, Balance()).total

    def hold(self, token: int) -> Decimal:
        return self.balances.get(token, Balance()).hold

    def available(self, token: int) -> Decimal:
        return self.balances.get(token, Balance()).available


class Account:
    """The living account. The bounds on records and fills are the venue's retention by count."""

    def __init__(self, address: str, *, order_records: int, fills_kept: int) -> None:
        self.address = address
        self.live: dict[int, LiveOrder] = {}
        self.fills: deque[Fill] = deque(maxlen=fills_kept)  # oldest first
        self.volume = Decimal(0)
        self.n_requests = 0
        self.cancel_at_ms: int | None = None
        self._balances: dict[int, Balance] = {}
        self._accepted_ms: int | None = None
        self._ended: dict[int, OrderRecord] = {}  # oldest first
        self._newest_by_cloid: dict[str, int] = {}
        self._order_records = order_records

    def balance(self, token: int) -> Balance:
        return self._balances.get(token, Balance())

    def change(self, token: int, *, total: Decimal = Decimal(0), hold: Decimal = Decimal(0)) -> None:
        """Move a balance by these amounts."""
        old = self.balance(token)
        new = Balance(old.total + total, old.hold + hold)
        assert 0 <= new.hold <= new.total, (self.address, token, new)
        self._balances[token] = new

    def view(self) -> AccountView:
        return AccountView(self.address, dict(self._balances), self.n_requests, self.request_cap, self.volume)

    def on_open(self, order: LiveOrder) -> None:
        self.live[order.record.oid] = order
        self._index(order.record)

    def on_ended(self, record: OrderRecord) -> None:
        """Keep the record of an order that is over, or never rested; the oldest one makes room."""
        self.live.pop(record.oid, None)
        self._index(record)
        self._ended[record.oid] = record
        if len(self._ended) > self._order_records:
            oldest = self._ended.pop(next(iter(self._ended)))
            if oldest.cloid is not None and self._newest_by_cloid.get(oldest.cloid) == oldest.oid:
                del self._newest_by_cloid[oldest.cloid]

    def _index(self, record: OrderRecord) -> None:
        if record.cloid is not None:
            newest = self._newest_by_cloid.get(record.cloid, 0)
            self._newest_by_cloid[record.cloid] = max(newest, record.oid)

    def find_live(self, key: int | str) -> LiveOrder | None:
        """The resting order of that oid, or the newest order of that cloid if it rests."""
        oid = self._newest_by_cloid.get(key) if isinstance(key, str) else key
        return None if oid is None else self.live.get(oid)

    def find_record(self, key: int | str) -> OrderRecord | None:
        """The record of that oid, or of the newest order with that cloid, while it is kept."""
        oid = self._newest_by_cloid.get(key) if isinstance(key, str) else key
        if oid is None:
            return None
        return self.live[oid].record if oid in self.live else self._ended.get(oid)

    def records(self) -> Iterator[OrderRecord]:
        yield from self._ended.values()
        for order in self.live.values():
            yield order.record

    @property
    def request_cap(self) -> int:
        return BASE_REQUESTS + int(self.volume)

    def admit(self, now_ms: int, *, n_items: int, cancels: bool, expires_after: int | None) -> str | None:
        """Charge an action of so many items, or say in the venue's words why it is refused.

        A refusal costs nothing, except a stale `expires_after`. Not known of the venue, so decided here: a
        batch passes whole while anything is left, and an action without items costs one.
        """
        if n_items > rules.MAX_ITEMS:
            return rules.OVER_WEIGHT
        if expires_after is not None and now_ms > expires_after:
            self.n_requests += STALE_COST
            return rules.EXPIRED
        cap = self.request_cap
        lane = min(cap + CANCEL_LANE_EXTRA, 2 * cap) if cancels else cap
        slot_free = self._accepted_ms is None or now_ms - self._accepted_ms >= SLOT_MS
        if self.n_requests >= lane and not slot_free:
            volume = f"{rules.floor_to(self.volume, 2):f}"
            return rules.TOO_MANY_REQUESTS.format(used=self.n_requests, limit=lane - 1, volume=volume)
        self.n_requests += max(1, n_items)
        self._accepted_ms = now_ms
        return None
