"""Which fills were counted already. Forgets by age alone: trade ids are hashes and do not rise."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeAlias

__all__ = ["FillKey", "SeenFills"]

# (time_ms, coin, tid, oid) where the message carries them; (None, None, tid, None) in a bare call
FillKey: TypeAlias = tuple[int | None, str | None, int, int | None]

# the venue promises 10,000 fills of history: ten times that cannot be replayed at us
FILLS_REMEMBERED = 100_000


class SeenFills:
    """A bounded set of fill keys. What is older than the oldest forgotten one counts as seen."""

    def __init__(self, capacity: int = FILLS_REMEMBERED) -> None:
        self._capacity = capacity
        self._keys: OrderedDict[FillKey, None] = OrderedDict()
        self._forgotten_until_ms = -1

    def __len__(self) -> int:
        return len(self._keys)

    def forget_until(self, time_ms: int) -> None:
        """Count every fill up to this time as seen."""
        self._forgotten_until_ms = max(self._forgotten_until_ms, time_ms)

    def keys_since(self, time_ms: int) -> list[tuple[int, str, int, int]]:
        """Keys of remembered fills after this time, oldest remembered first."""
        return [
            (when_ms, coin, tid, oid)
            for when_ms, coin, tid, oid in self._keys
            if when_ms is not None and coin is not None and oid is not None and when_ms > time_ms
        ]

    def has(self, key: FillKey) -> bool:
        """Whether the fill is known, or older than what is remembered."""
        return key in self._keys or (key[0] is not None and key[0] <= self._forgotten_until_ms)

    def add(self, key: FillKey) -> bool:
        """Remember a fill; False if it was known, or is older than what is remembered."""
        if self.has(key):
            return False
        self._keys[key] = None
        if len(self._keys) > self._capacity:
            forgotten, _ = self._keys.popitem(last=False)
            self._forgotten_until_ms = max(self._forgotten_until_ms, -1 if forgotten[0] is None else forgotten[0])
        return True
