"""Reservation of orders that may leave before their own entries are durable.

An entry made ahead says which order numbers and nonces may be in use, and until when the venue may take such an order.
Whatever was sent and is missing in a ledger that ends without its release is looked for at the venue.
"""

from __future__ import annotations

from mm_trio.model.cloid import decode_cloid
from mm_trio.model.journal_entries import Entry, Released, Requested, Reserved, Sent
from mm_trio.witness.fill_check import LIFE_MS
from mm_trio.witness.nonces import Nonces
from mm_trio.witness.venue_clock import VenueClock

__all__ = ["GRACE_MS", "LEAD_MS", "Reservation", "find_over_ms"]

# A reservation reaches so far ahead. A longer one is written less often; nonces after a restart begin above it.
LEAD_MS = 10_000
# Orders that it covers. More than a tick sends; few, because rows of the venue with these numbers prove no lost end.
MOST_ORDERS = 500
# The deadline of an order is set by our estimate of the venue's time, which may be 2 s off, and so is the estimate that
# the next start waits by.
GRACE_MS = 4_000


class Reservation:
    """Reservation of one session, made anew before it runs out.

    `epoch` marks the session's orders. Nothing is covered before `begin`, nor after `release`.
    """

    def __init__(self, epoch: int, *, clock: VenueClock, nonces: Nonces) -> None:
        self._epoch = epoch
        self._clock = clock
        self._nonces = nonces
        self._is_open = False
        self._durable: Reserved | None = None
        self._latest: Reserved | None = None
        # Of everything recorded so far: the highest number and nonce, and the last deadline of an order.
        self._number = self._nonce = self._expires_ms = 0
        self._has_uncoverable = False

    def begin(self) -> None:
        """Reserve from now on."""
        self._is_open = True

    def release(self) -> Released | None:
        """Return the entry that ends it, None where it never began.

        It has to be written behind the entries of everything that was sent.
        """
        if not self._is_open:
            return None
        self._is_open, self._durable, self._latest = False, None, None
        return Released(self._epoch)

    def note(self, entry: Entry) -> None:
        """Note what an entry says of an order or a request that is about to leave."""
        if isinstance(entry, Sent):
            parts = decode_cloid(entry.cloid)
            # A nonce that is not ours to choose has no bound.
            if parts is None or parts.epoch != self._epoch or entry.nonce is None:
                self._has_uncoverable = True
                return
            self._number = max(self._number, parts.number)
            self._nonce = max(self._nonce, entry.nonce)
            self._expires_ms = max(self._expires_ms, entry.expires_ms)
        elif isinstance(entry, Requested):
            self._nonce = max(self._nonce, entry.nonce)

    def covers(self) -> bool:
        """Return whether a durable reservation has everything that was recorded."""
        held = self._durable
        return (
            held is not None
            and not self._has_uncoverable
            and self._number <= held.number
            and self._nonce < held.nonce
            and self._expires_ms <= held.until_ms
        )

    def find_wanted(self, *, spent: float) -> Reserved | None:
        """Return a new reservation to be written where this share of the last one is used up, else None."""
        if not self._is_open:
            return None
        now_ms, last = self._clock.earliest_ms(), self._latest
        nonce_ms = max(now_ms, self._nonces.last)
        left = 1 - spent
        if (
            last is not None
            and last.until_ms - now_ms - LIFE_MS >= left * LEAD_MS
            and last.nonce - nonce_ms >= left * LEAD_MS
            and last.number - self._number >= left * MOST_ORDERS
        ):
            return None
        self._latest = Reserved(self._epoch, self._number + MOST_ORDERS, nonce_ms + LEAD_MS, now_ms + LEAD_MS + LIFE_MS)
        return self._latest

    def on_durable(self, entry: Entry) -> None:
        """Note that an entry is on the disk."""
        if isinstance(entry, Reserved) and self._is_open:
            self._durable = entry

    def summarise(self) -> tuple[Reserved, ...]:
        """Return what a checkpoint has to say of it."""
        return () if self._latest is None else (self._latest,)


def find_over_ms(clock: VenueClock) -> int:
    """Return the venue's time after which no order of a session that is over by now can arrive.

    The reservation itself says no less: where the end of the ledger was lost, it may be an old one.
    """
    return clock.latest_ms() + LIFE_MS + GRACE_MS
