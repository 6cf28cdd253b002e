"""Sums of all entries of a ledger, for its audit.

Pure code. It reads entries once, from the first one on, and remembers what a comparison with the venue needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from mm_trio.model.cloid import decode_cloid
from mm_trio.model.journal_entries import (
    REBUILT,
    Adjusted,
    Adopted,
    Allocated,
    Arrived,
    Began,
    Booked,
    Checkpoint,
    Entry,
    LookedUp,
    Moved,
    Numbered,
    Of,
    Released,
    Remembered,
    Reserved,
    Sent,
    Summed,
)
from mm_trio.model.market import Balances
from mm_trio.model.numbers import EXACT
from mm_trio.model.replies import Fill, FillKey, OpenOrder
from mm_trio.state.inventory import Inventory
from mm_trio.witness.ledger_end import LostEntries, SentNumbers, find_lost_entries

__all__ = ["AuditLine", "LedgerSums", "Sum", "read_ledger", "read_ledgers"]

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Cause of movements or of a difference, summed up.

    `count` is the number of events; `token` and `usdc` are their sums in base and quote.
    """

    what: str
    count: int
    token: Decimal
    usdc: Decimal

    def to_json(self) -> dict[str, str | int]:
        """Return plain JSON values; amounts are decimal strings."""
        return {"what": self.what, "count": self.count, "token": f"{self.token:f}", "usdc": f"{self.usdc:f}"}


@dataclass(slots=True)
class Sum:
    """Running sum of events that move the account."""

    count: int = 0
    token: Decimal = NOTHING
    usdc: Decimal = NOTHING

    def add(self, token: Decimal, usdc: Decimal) -> None:
        """Add one event."""
        self.count += 1
        self.token = EXACT.add(self.token, token)
        self.usdc = EXACT.add(self.usdc, usdc)

    def line(self, what: str) -> AuditLine:
        """Return the line of a report."""
        return AuditLine(what, self.count, self.token, self.usdc)


@dataclass(slots=True)
class LedgerSums:
    """Sums of the entries of a ledger.

    `fills` has those since `reach_ms`, the venue's time that its history begins at; a million of them would take a
    gigabyte. `n_fills` counts all.
    """

    reach_ms: int = 0
    n_fills: int = 0
    ledger: Inventory = field(default_factory=lambda: Inventory(1))
    epochs: set[int] = field(default_factory=set)
    sent: SentNumbers = field(default_factory=SentNumbers)
    # Highest numbers of orders that may have left before their entries, of sessions that did not end cleanly.
    reserved: dict[int, int] = field(default_factory=dict)
    oids: set[int] = field(default_factory=set)
    fills: dict[FillKey, Booked] = field(default_factory=dict)
    sums: dict[str, Sum] = field(default_factory=dict)
    n_entries: int = 0
    looked_up_ms: int = 0
    # Time of the last balance that was taken over, and of the last one that has the fills of ours before it too.
    adjusted_ms: int = 0
    settled_ms: int = 0
    # The first balance contains these fills, and all until that time.
    contained: set[FillKey] = field(default_factory=set)
    contained_until_ms: int | None = None

    def read(self, at_ms: int, entry: Entry) -> None:
        """Add one entry."""
        self.n_entries += 1
        match entry:
            case Began(epoch):
                self.epochs.add(epoch)
            case Sent(cloid):
                self.sent.note(cloid)
            case Numbered(epoch, number):
                self.sent.raise_to(epoch, number)
            case Reserved(epoch, number):
                self.reserved[epoch] = number
            case Released(epoch):
                self.reserved.pop(epoch, None)
            case Adopted(oid, _, cloid) | Arrived(cloid, oid):
                self.oids.add(oid)
                self.sent.note(cloid)
            case Allocated():
                self.ledger.on_allocated(entry)
            case Adjusted():
                self._adjust(at_ms, entry)
            case Moved():
                self.ledger.on_moved(entry)
                self._sum(entry.kind, entry.token, entry.usdc)
                # It was recorded because a balance was taken over, which has what went before it.
                self.adjusted_ms = self.settled_ms = at_ms
            case Remembered(after_ms, keys):
                self.contained.update(keys)
                self.contained_until_ms = after_ms
            case LookedUp(until_ms):
                self.looked_up_ms = until_ms
            case Booked():
                self._book(entry)
            case Summed():
                self.ledger.on_summed(entry)
            case Checkpoint(parts):
                # What it repeats was read already, except what only it has. A ledger that lost its archives begins
                # with it.
                is_first = self.n_entries == 1
                for part in parts:
                    if is_first or isinstance(part, Numbered):
                        self.read(at_ms, part)
                self.n_entries -= len(parts) if is_first else sum(isinstance(part, Numbered) for part in parts)
            case _:
                pass

    def _adjust(self, at_ms: int, entry: Adjusted) -> None:
        self.ledger.on_adjusted(entry)
        is_first = not self.adjusted_ms
        self._sum("first balance" if is_first else "balance changes without a fill of ours", entry.token, entry.usdc)
        self.adjusted_ms = at_ms
        # The first balance of a rebuilt ledger leaves out the fills that the next start books.
        if entry.why != REBUILT:
            self.settled_ms = at_ms
            # A ledger of an earlier release may not list the fills that its first balance contains.
            if is_first and self.contained_until_ms is None:
                self.contained_until_ms = at_ms

    def _book(self, entry: Booked) -> None:
        before = Balances(self.ledger.account_token, self.ledger.account_usdc)
        self.ledger.book(entry.to_result(fully_filled=False))
        self.n_fills += 1
        if entry.time_ms is None or entry.time_ms >= self.reach_ms:
            self.fills[entry.key] = entry
        self.oids.add(entry.oid)
        token = EXACT.subtract(self.ledger.account_token, before.token)
        usdc = EXACT.subtract(self.ledger.account_usdc, before.usdc)
        self._sum("bids filled" if entry.quote.side == "buy" else "asks filled", token, usdc)

    def _sum(self, what: str, token: Decimal, usdc: Decimal) -> None:
        self.sums.setdefault(what, Sum()).add(token, usdc)

    def is_ours(self, fill: Fill) -> bool:
        """Check that the fill carries our mark, or is of an order in the ledger.

        The session does not matter: no row with our mark is a trade by hand.
        """
        return fill.oid in self.oids or decode_cloid(fill.cloid) is not None

    def is_contained(self, fill: Fill) -> bool:
        """Check that the first balance contains a fill of ours."""
        return fill.key in self.contained or (fill.time_ms or 0) <= (self.contained_until_ms or -1)

    def find_lost(self, fills: Iterable[Fill], orders: Iterable[OpenOrder]) -> LostEntries | None:
        """Find evidence in unknown rows that entries are missing."""
        for epoch, number in self.reserved.items():
            self.sent.raise_to(epoch, number)
        return find_lost_entries(
            [fill for fill in fills if fill.oid not in self.oids],
            [order for order in orders if order.oid not in self.oids],
            epochs=self.epochs,
            sent=self.sent,
        )


def read_ledger(entries: Iterable[tuple[int, Entry]], *, reach_ms: int = 0) -> LedgerSums:
    """Sum up all entries; each comes with the time it was recorded at, in ms.

    Fills from before `reach_ms`, by the venue's time, are summed up and not kept.
    """
    known = LedgerSums(reach_ms=reach_ms)
    for at_ms, entry in entries:
        known.read(at_ms, entry)
    return known


def read_ledgers(entries: Iterable[tuple[int, Entry]]) -> dict[str, LedgerSums]:
    """Sum up all entries of a ledger of several coins, as `read_ledger` does those of one; by coin."""
    known: dict[str, LedgerSums] = {}
    for at_ms, entry in entries:
        if isinstance(entry, Of):
            known.setdefault(entry.coin, LedgerSums()).read(at_ms, entry.entry)
        elif isinstance(entry, Checkpoint):
            parts: dict[str, list[Entry]] = {}
            for part in entry.entries:
                if isinstance(part, Of):
                    parts.setdefault(part.coin, []).append(part.entry)
            for coin, own in parts.items():
                known.setdefault(coin, LedgerSums()).read(at_ms, Checkpoint(tuple(own)))
    return known
