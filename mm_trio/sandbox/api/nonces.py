"""Nonce rules: each once, and near the venue's time.

This module knows the venue's rules and texts for nonces. It does not know the signer or the signed action.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

__all__ = ["KEPT_NONCES", "Nonces"]

# Per signer: a new nonce must be above the lowest of the 100 highest. Source: docs *Nonces and API wallets*.
KEPT_NONCES = 100
_DAY_MS = 86_400_000
# Measured: the window is narrower than documented by this much, on both sides.
_MARGIN_MS = 120_000
_WINDOW_BACK_MS = 2 * _DAY_MS - _MARGIN_MS
_WINDOW_AHEAD_MS = _DAY_MS - _MARGIN_MS
# Our own bound: two days of one action each 2.5 s. The lowest nonce is forgotten first; sent again, it is then refused
# as too low instead of as a duplicate.
_MAX_REMEMBERED = 70_000


@dataclass(slots=True)
class Nonces:
    """Nonces of one signer within the time window, ascending."""

    seen: list[int] = field(default_factory=list)

    def admit(self, nonce: int, *, now_ms: int) -> str | None:
        """Spend a nonce, or return the venue's refusal.

        Refused are nonces seen before, below the floor or outside the time window. A refusal changes nothing.
        Source: docs *Nonces and API wallets*; measured: the margin, and that a nonce seen before is called a duplicate
        even below the floor.
        """
        index = bisect_left(self.seen, nonce)
        if self.seen[index : index + 1] == [nonce]:
            return f"Invalid nonce: duplicate nonce {nonce}"
        oldest, newest = now_ms - _WINDOW_BACK_MS, now_ms + _WINDOW_AHEAD_MS
        floor = max(oldest, self.seen[-KEPT_NONCES] if len(self.seen) >= KEPT_NONCES else 0)
        if nonce < floor:
            return f"Invalid nonce: nonce too low {nonce} < {floor}"
        if nonce > newest:
            return f"Invalid nonce: nonce too high {nonce} > {newest}"
        self.seen.insert(index, nonce)
        if self.seen[0] < oldest or len(self.seen) > _MAX_REMEMBERED:
            del self.seen[: max(bisect_left(self.seen, oldest), len(self.seen) - _MAX_REMEMBERED)]
        return None
