"""The nonces of one signer: each once, and only near the venue's time.

Knows the venue's rules and texts for nonces. Who the signer is, and what he signed, is not asked here.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

__all__ = ["KEPT_NONCES", "Nonces"]

KEPT_NONCES = 100  # per signer: a new nonce must be above the lowest of so many highest; docs *Nonces and API wallets*
_DAY_MS = 86_400_000
_MARGIN_MS = 120_000  # measured: the window is that much narrower than documented, on both sides
_WINDOW_BACK_MS = 2 * _DAY_MS - _MARGIN_MS
_WINDOW_AHEAD_MS = _DAY_MS - _MARGIN_MS
# Ours: two days of an action each 2.5 s. The lowest is forgotten first, and is too low instead of a duplicate then.
_MAX_REMEMBERED = 70_000


@dataclass(slots=True)
class Nonces:
    """Every nonce of one signer that the window still holds, ascending."""

    seen: list[int] = field(default_factory=list)

    def admit(self, nonce: int, *, now_ms: int) -> str | None:
        """Spend a nonce, or say in the venue's words why not: seen before, too old for us to know, outside the window.

        A refusal changes nothing. Source: docs *Nonces and API wallets*; measured: the margin, and that a nonce seen
        before is called a duplicate even below the floor.
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
