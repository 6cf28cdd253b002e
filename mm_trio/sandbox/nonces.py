"""The nonces of one signer: each once, and only near the venue's time.

Knows the venue's rules and texts for nonces. Who the signer is, and what he signed, is not asked here.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

__all__ = ["KEPT_NONCES", "Nonces"]

KEPT_NONCES = 100  # per signer; docs *Nonces and API wallets*
_DAY_MS = 86_400_000
_WINDOW_BACK_MS = 2 * _DAY_MS
_WINDOW_AHEAD_MS = _DAY_MS


@dataclass(slots=True)
class Nonces:
    """The highest nonces of one signer, ascending. Bound: `KEPT_NONCES`, the venue's."""

    kept: list[int] = field(default_factory=list)

    def admit(self, nonce: int, *, now_ms: int) -> str | None:
        """Spend a nonce, or say in the venue's words why not: seen before, too old for us to know, outside the window.

        A refusal changes nothing.
        """
        place = bisect_left(self.kept, nonce)
        if self.kept[place : place + 1] == [nonce]:
            return f"Invalid nonce: duplicate nonce {nonce}"
        is_full = len(self.kept) == KEPT_NONCES
        floor = max(now_ms - _WINDOW_BACK_MS, self.kept[0] if is_full else 0)
        if nonce < floor:
            return f"Invalid nonce: nonce too low {nonce} < {floor}"
        if nonce > now_ms + _WINDOW_AHEAD_MS:
            return f"Invalid nonce: nonce too high {nonce} > {now_ms + _WINDOW_AHEAD_MS}"
        self.kept.insert(place, nonce)
        if is_full:
            del self.kept[0]
        return None
