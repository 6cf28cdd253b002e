"""Follow our orders and money at the venue.

The view is updated by the effects of each command.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from mm_trio.sandbox import Effect, Fill, FillMade, OrderChanged, OrderRecord

__all__ = ["OWN_PREFIX", "OwnView", "is_own", "read_epoch"]

# "mmtr" in hex: the beginning of every cloid of the maker.
OWN_PREFIX = "0x6d6d7472"


def is_own(cloid: str | None) -> bool:
    """Return whether the cloid is one of the maker's."""
    return cloid is not None and cloid.startswith(OWN_PREFIX)


def read_epoch(cloid: str) -> str:
    """Return the epoch of the maker's session, in hex digits."""
    return cloid[len(OWN_PREFIX) : len(OWN_PREFIX) + 8]


@dataclass(slots=True)
class OwnView:
    """The maker's open orders for one coin, and its ledger.

    `tokens` and `quote` begin at the allocation (0 where there is none) and follow the venue's record of the maker's
    own fills, fees included. `asks` in base and `bids_worth` in quote are sums over the open orders.
    """

    address: str
    coin: str
    base_name: str
    tokens: Decimal
    quote: Decimal
    resting: dict[int, OrderRecord] = field(default_factory=dict)
    slots: dict[tuple[bool, Decimal], int] = field(default_factory=dict)  # (is_buy, price) -> number of orders
    asks: Decimal = Decimal(0)
    bids_worth: Decimal = Decimal(0)
    n_fills: int = 0
    fills_of: dict[int, Decimal] = field(default_factory=dict)  # By oid, of open orders.

    def apply(self, effects: Iterable[Effect]) -> list[Fill | OrderRecord]:
        """Apply the effects of a command.

        Returns the own fills and the changes of own orders, in order.
        """
        own: list[Fill | OrderRecord] = []
        for effect in effects:
            if isinstance(effect, OrderChanged):
                record = effect.record
                if record.address == self.address and record.coin == self.coin and is_own(record.cloid):
                    own.append(record)
                    self._on_change(record)
            elif isinstance(effect, FillMade):
                fill = effect.fill
                if fill.address == self.address and fill.coin == self.coin and is_own(fill.cloid):
                    own.append(fill)
                    self._on_fill(fill)
        return own

    def remaining(self, oid: int) -> Decimal:
        """Return the size of an open order not traded yet."""
        return self.resting[oid].size - self.fills_of.get(oid, Decimal(0))

    def book(self) -> dict[int, Decimal]:
        """Return the open sizes by oid."""
        return {oid: self.remaining(oid) for oid in self.resting}

    def _on_change(self, record: OrderRecord) -> None:
        if record.status == "open":
            self.resting[record.oid] = record
            self._count(record, record.size, 1)
        elif record.oid in self.resting:
            left = self.remaining(record.oid)
            self._count(self.resting.pop(record.oid), -left, -1)
            self.fills_of.pop(record.oid, None)

    def _on_fill(self, fill: Fill) -> None:
        self.n_fills += 1
        worth = fill.size * fill.price
        self.tokens += fill.size if fill.is_buy else -fill.size
        self.quote += -worth if fill.is_buy else worth
        if fill.fee_token == self.base_name:
            self.tokens -= fill.fee
        else:
            self.quote -= fill.fee
        if (record := self.resting.get(fill.oid)) is not None:
            self.fills_of[fill.oid] = self.fills_of.get(fill.oid, Decimal(0)) + fill.size
            self._count(record, -fill.size, 0)

    def _count(self, record: OrderRecord, size: Decimal, n: int) -> None:
        if record.is_buy:
            self.bids_worth += size * record.price
        else:
            self.asks += size
        if n:
            slot = (record.is_buy, record.price)
            self.slots[slot] = self.slots.get(slot, 0) + n
            if not self.slots[slot]:
                del self.slots[slot]
