"""Nonces of our signer, as the venue's time and its refusals bound them."""

from __future__ import annotations

import re

from mm_trio.witness.venue_clock import DAY_MS, VenueClock

__all__ = ["Nonces"]

# "Invalid nonce: nonce too low 7 < 8".
_LOWEST_NONCE = re.compile(r"too low \d+ < (\d{1,16})\b")


class Nonces:
    """Rising nonces of one signer: the venue's time, and above the last one.

    `last` is the highest nonce that the venue may have taken. The venue takes none that is more than a day ahead of its
    time, so that such a one is not stepped over: it would stop all actions until the venue's time has reached it.
    """

    def __init__(self, clock: VenueClock, *, last: int = 0) -> None:
        self._clock = clock
        self.last = last
        # The highest one of an action that was not refused for its nonce.
        self._used = last

    def take(self) -> int:
        """Return the nonce of the next action."""
        if not self._is_possible(self.last):
            self.last = self._used if self._is_possible(self._used) else 0
        self.last = max(self.last + 1, self._clock.earliest_ms())
        return self.last

    def _is_possible(self, nonce: int) -> bool:
        """Check that the venue may have taken a nonce."""
        return nonce < self._clock.latest_ms() + DAY_MS

    def on_used(self, nonce: int) -> None:
        """Note that the venue may have taken a nonce."""
        self._used = max(self._used, nonce)

    def on_refused(self, nonce: int, text: str) -> None:
        """Learn from the venue's refusal of a nonce.

        One that was too high is not used. One that was too low comes with the venue's lowest.
        """
        if "too high" in text.lower():
            self.last = self._used if nonce == self.last else self.last
        elif (told := _LOWEST_NONCE.search(text)) is not None and self._is_possible(int(told[1])):
            self.last = max(self.last, int(told[1]))
