"""Orders that the account's owner cancelled by hand.

Their slots pause for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mm_trio.model.orders import Phase, Slot, TrackedOrder

__all__ = ["ManualCancels"]

ENDS_REMEMBERED = 10_000  # Cancels and modifies of some seconds.
# The venue's word for a cancel that was requested; its own reasons have longer words.
CANCELLED_ON_REQUEST = "canceled"


class ManualCancels:
    """Cancels that the maker did not ask for.

    `on_detected` gets each order; its slot is paused for `pause_s`.
    """

    def __init__(
        self, *, pause_s: float = 0.0, on_detected: Callable[[TrackedOrder], None] = lambda order: None
    ) -> None:
        self._pause_s = pause_s
        self._on_detected = on_detected
        self._paused_until_s: dict[Slot, float] = {}
        # Until this deadline a cancel of the oid counts as our own request.
        self._expected_until_s: dict[int, float] = {}

    def change(self, *, pause_s: float) -> None:
        """Pause slots for another time from here on."""
        self._pause_s = pause_s

    def expect_ends(self, oids: Iterable[int], *, until_s: float) -> None:
        """Count cancels of these orders as ours until then."""
        self._expected_until_s.update(dict.fromkeys(oids, until_s))
        while len(self._expected_until_s) > ENDS_REMEMBERED:
            del self._expected_until_s[next(iter(self._expected_until_s))]

    def note_end(self, order: TrackedOrder | None, status: str, *, now_s: float) -> None:
        """Detect a manual cancel by an order's final status.

        Its slot is paused.
        """
        if order is None or order.status != Phase.RESTING or status != CANCELLED_ON_REQUEST:
            return
        if now_s <= self._expected_until_s.get(order.oid, float("-inf")):
            return
        self._paused_until_s[order.slot] = now_s + self._pause_s
        self._on_detected(order)

    def is_paused(self, slot: Slot, *, now_s: float) -> bool:
        """Return whether an order was cancelled here by hand lately.

        The owner may not be done yet.
        """
        return now_s < self._paused_until_s.get(slot, now_s)
