"""What the oracle sees of the venue: our orders and money, kept up to date by each command's effects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from mm_trio.sandbox import Effect, Fill, FillMade, OrderChanged, OrderRecord

__all__ = ["OWN_PREFIX", "OwnView", "is_own", "read_epoch"]

OWN_PREFIX = "0x6d6d7472"  # "mmtr": what every cloid of the maker begins with


def is_own(cloid: str | None) -> bool:
    """Whether an order with this cloid is of the maker's making."""
    return cloid is not None and cloid.startswith(OWN_PREFIX)


def read_epoch(cloid: str) -> str:
    """Which life of the maker a cloid of it belongs to, in hex digits."""
    return cloid[len(OWN_PREFIX) : len(OWN_PREFIX) + 8]


@dataclass(slots=True)
class OwnView:
    """The maker's orders of one coin as they rest now, and what its fills made of its allocation.

    `tokens` and `quote` begin at the allocation (0 where there is none) and follow the venue's record of the maker's
    own fills, fees included. `asks` in base and `bids_worth` in quote are sums over what rests.
    """

    address: str
    coin: str
    base_name: str
    tokens: Decimal
    quote: Decimal
    resting: dict[int, OrderRecord] = field(default_factory=dict)
    slots: dict[tuple[bool, Decimal], int] = field(default_factory=dict)  # (is_buy, price) -> how many
    asks: Decimal = Decimal(0)
    bids_worth: Decimal = Decimal(0)
    n_fills: int = 0
    fills_of: dict[int, Decimal] = field(default_factory=dict)  # by oid, of orders that rest

    def apply(self, effects: Iterable[Effect]) -> list[Fill | OrderRecord]:
        """Take in what a command changed; gives the own fills and the changes of own orders, in order."""
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
        """What of a resting order has not traded."""
        return self.resting[oid].size - self.fills_of.get(oid, Decimal(0))

    def book(self) -> dict[int, Decimal]:
        """What rests, by oid."""
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
