"""Fills counted already, and reports that came too early.

Both forget by age alone: trade ids are hashes and do not rise.
"""

from __future__ import annotations

import struct
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain
from typing import Generic, NamedTuple, TypeVar

from mm_trio.model.replies import Fill, FillKey

__all__ = ["EarlyEnd", "EarlyReports", "SeenFills"]

# The venue promises 10,000 fills of history: ten times that cannot be replayed at us.
FILLS_REMEMBERED = 100_000
# Packed blocks at most, each of the same number of fills.
BLOCKS = 64
# Time, coin (its place among those of the block), trade id and order id.
_PACKED = struct.Struct(">qHqq")
# The venue has no such number; it stands for None.
NO_NUMBER = -(2**63)
# An order of ours is in flight for seconds; more fills than this belong to a foreign order.
PARKED_PER_ORDER = 1_000

_K = TypeVar("_K")
_V = TypeVar("_V")


class SeenFills:
    """Bounded set of fill keys.

    A fill older than the oldest forgotten one counts as seen. All but the newest keys lie in packed blocks, which take
    a tenth of the memory; the oldest block is forgotten first.
    """

    def __init__(self, capacity: int = FILLS_REMEMBERED) -> None:
        self._capacity = capacity
        self._n_per_block = max(1, capacity // BLOCKS)
        self._newest: dict[FillKey, None] = {}
        self._blocks: deque[_Block] = deque()
        self._n_packed = 0
        self._forgotten_until_ms = -1

    def __len__(self) -> int:
        return self._n_packed + len(self._newest)

    def forget_until(self, time_ms: int) -> None:
        """Count every fill up to this time as seen."""
        self._forgotten_until_ms = max(self._forgotten_until_ms, time_ms)

    def keys_since(self, time_ms: int) -> list[FillKey]:
        """Return keys of remembered fills after this time."""
        blocks = (block for block in self._blocks if block.last_ms > time_ms)
        return [
            key
            for key in chain(*blocks, self._newest)
            if key.time_ms is not None and key.coin is not None and key.oid is not None and key.time_ms > time_ms
        ]

    def has(self, key: FillKey) -> bool:
        """Return whether the fill is known.

        One older than what is remembered counts as known.
        """
        key = _reduce(key)
        if key.time_ms is not None and key.time_ms <= self._forgotten_until_ms:
            return True
        return key in self._newest or any(block.has(key) for block in self._blocks)

    def add(self, key: FillKey) -> bool:
        """Remember a fill; return False if `has` knew it already."""
        key = _reduce(key)
        if self.has(key):
            return False
        self._newest[key] = None
        if len(self._newest) >= self._n_per_block:
            self._pack()
        while len(self) > self._capacity:
            self._forget_oldest()
        return True

    def take_back(self, key: FillKey) -> None:
        """Forget a fill that was added and is not counted."""
        key = _reduce(key)
        if key in self._newest:
            del self._newest[key]
            return
        for n, block in enumerate(self._blocks):
            if block.has(key):
                self._blocks[n] = _Block([other for other in block if other != key])
                self._n_packed -= 1
                return

    def _pack(self) -> None:
        self._blocks.append(_Block(list(self._newest)))
        self._n_packed += len(self._newest)
        self._newest = {}

    def _forget_oldest(self) -> None:
        forgotten = self._blocks.popleft()
        self._n_packed -= forgotten.n_keys
        self.forget_until(forgotten.last_ms)


class _Block:
    """Fill keys in order, packed into bytes where they fit.

    `last_ms` is the time of the newest one, -1 where none has a time.
    """

    __slots__ = ("_coins", "_first_ms", "_loose", "_packed", "last_ms", "n_keys")

    def __init__(self, keys: Sequence[FillKey]) -> None:
        times = [-1 if key.time_ms is None else key.time_ms for key in keys]
        self.n_keys = len(keys)
        self._first_ms, self.last_ms = min(times, default=0), max(times, default=-1)
        self._coins = tuple({key.coin: None for key in keys})
        self._packed = b""
        self._loose: tuple[FillKey, ...] = ()
        try:
            self._packed = b"".join([self._pack(key) for key in keys])
        except struct.error:
            # A number of the venue that has more than 64 bits does not fit.
            self._loose = tuple(keys)

    def has(self, key: FillKey) -> bool:
        """Return whether the key is in this block."""
        time_ms = -1 if key.time_ms is None else key.time_ms
        if not self._first_ms <= time_ms <= self.last_ms or key.coin not in self._coins:
            return False
        if self._loose:
            return key in self._loose
        try:
            wanted = self._pack(key)
        except struct.error:
            return False
        found = self._packed.find(wanted)
        # The same bytes may lie across two keys as well.
        while found % _PACKED.size and found >= 0:
            found = self._packed.find(wanted, found + 1)
        return found >= 0

    def __iter__(self) -> Iterator[FillKey]:
        """Yield the keys in the order in which they were added."""
        yield from self._loose
        for time_ms, coin, tid, oid in _PACKED.iter_unpack(self._packed):
            yield FillKey(_or_none(time_ms), self._coins[coin], tid, _or_none(oid))

    def _pack(self, key: FillKey) -> bytes:
        time_ms, oid = (NO_NUMBER if number is None else number for number in (key.time_ms, key.oid))
        return _PACKED.pack(time_ms, self._coins.index(key.coin), key.tid, oid)


def _or_none(number: int) -> int | None:
    return None if number == NO_NUMBER else number


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
