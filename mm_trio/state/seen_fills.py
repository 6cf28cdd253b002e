"""Fills counted already, and reports that came too early.

Both forget by age alone: trade ids are hashes and do not rise.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from decimal import Decimal
from typing import Generic, NamedTuple, TypeVar

from mm_trio.model.replies import Fill, FillKey

__all__ = ["EarlyEnd", "EarlyReports", "SeenFills"]

# The venue promises 10,000 fills of history: ten times that cannot be replayed at us.
FILLS_REMEMBERED = 100_000
# An order of ours is in flight for seconds; more fills than this belong to a foreign order.
PARKED_PER_ORDER = 1_000

_K = TypeVar("_K")
_V = TypeVar("_V")


class SeenFills:
    """Bounded set of fill keys.

    A fill older than the oldest forgotten one counts as seen.
    """

    def __init__(self, capacity: int = FILLS_REMEMBERED) -> None:
        self._capacity = capacity
        self._keys: OrderedDict[FillKey, None] = OrderedDict()
        self._forgotten_until_ms = -1

    def __len__(self) -> int:
        return len(self._keys)

    def forget_until(self, time_ms: int) -> None:
        """Count every fill up to this time as seen."""
        self._forgotten_until_ms = max(self._forgotten_until_ms, time_ms)

    def keys_since(self, time_ms: int) -> list[FillKey]:
        """Return keys of remembered fills after this time."""
        return [
            key
            for key in self._keys
            if key.time_ms is not None and key.coin is not None and key.oid is not None and key.time_ms > time_ms
        ]

    def has(self, key: FillKey) -> bool:
        """Return whether the fill is known.

        One older than what is remembered counts as known.
        """
        key = _reduce(key)
        return key in self._keys or (key.time_ms is not None and key.time_ms <= self._forgotten_until_ms)

    def add(self, key: FillKey) -> bool:
        """Remember a fill; return False if `has` knew it already."""
        key = _reduce(key)
        if self.has(key):
            return False
        self._keys[key] = None
        if len(self._keys) > self._capacity:
            forgotten, _ = self._keys.popitem(last=False)
            self.forget_until(-1 if forgotten.time_ms is None else forgotten.time_ms)
        return True

    def take_back(self, key: FillKey) -> None:
        """Forget a fill that was added and is not counted."""
        self._keys.pop(_reduce(key), None)


def _reduce(key: FillKey) -> FillKey:
    """Identify a bare fill by its trade id alone."""
    return FillKey(None, None, key.tid, None) if key.time_ms is None and key.coin is None else key


class EarlyEnd(NamedTuple):
    """End of an order, reported before the order was known."""

    status: str
    remaining: Decimal | None


class EarlyReports:
    """Fills and ends of orders not known yet.

    Such orders are in flight, or foreign. Beyond `capacity` orders the oldest are forgotten.
    """

    def __init__(self, capacity: int) -> None:
        self._fills: _Bounded[int, list[Fill]] = _Bounded(capacity)
        self._ends: _Bounded[int, EarlyEnd] = _Bounded(capacity)

    def add_fill(self, fill: Fill) -> None:
        """Keep a fill; one beyond `PARKED_PER_ORDER` is dropped."""
        fills = self._fills.setdefault(fill.oid, [])
        if len(fills) < PARKED_PER_ORDER:
            fills.append(fill)

    def add_end(self, oid: int, status: str, remaining: Decimal | None) -> None:
        """Keep an end; a later one replaces it."""
        self._ends[oid] = EarlyEnd(status, remaining)

    def take_fills(self, oid: int) -> Iterable[Fill]:
        """Return and forget the fills of an order."""
        return self._fills.pop(oid, ())

    def take_end(self, oid: int) -> EarlyEnd | None:
        """Return and forget its end, if one was reported."""
        return self._ends.pop(oid, None)

    def has_fills(self, oid: int) -> bool:
        """Return whether fills of this order are kept."""
        return oid in self._fills

    def get_fills(self) -> list[Fill]:
        """Return every fill that is kept."""
        return [fill for fills in self._fills.values() for fill in fills]

    def find_alike(self, *, price: Decimal, most: Decimal, since_ms: int) -> tuple[int, ...]:
        """Return oids that traded at this price.

        All since then, and of `most` in all.
        """
        return tuple(
            oid
            for oid, fills in self._fills.items()
            if all(fill.price == price and (fill.time_ms or 0) >= since_ms for fill in fills)
            and sum((fill.size for fill in fills), Decimal(0)) <= most
        )

    def describe_memory(self) -> dict[str, int]:
        """Count what is kept, for checks of its bounds."""
        return {
            "unknown oids with fills": len(self._fills),
            "fills of one unknown oid": max(map(len, self._fills.values()), default=0),
            "unknown oids that ended": len(self._ends),
        }


class _Bounded(OrderedDict[_K, _V], Generic[_K, _V]):
    """Dict that forgets its oldest entry beyond `capacity`."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self._capacity = capacity

    def __setitem__(self, key: _K, value: _V) -> None:
        super().__setitem__(key, value)
        if len(self) > self._capacity:
            self.popitem(last=False)
