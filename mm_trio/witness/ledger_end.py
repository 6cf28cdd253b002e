"""Comparison of a ledger's end with the venue's record of our orders.

The cloid of each order of this program names its session (epoch) and a number that rises within the session. The
ledger has each order before it is sent. So a fill or an open order of a session that the ledger does not know, or with
a number above the highest one sent in a session that it knows, proves that entries are missing at the ledger's end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from mm_trio.model.cloid import CloidParts, decode_cloid
from mm_trio.model.replies import Fill, OpenOrder

__all__ = ["LostEntries", "SentNumbers", "describe_lost_entries", "describe_unnamed", "find_lost_entries"]

# Enough to recognise sessions, too little to fill a screen.
_MOST_NAMED = 5


class SentNumbers:
    """Highest number of an order sent in each session."""

    def __init__(self) -> None:
        self._highest: dict[int, int] = {}

    def note(self, cloid: str | None) -> None:
        """Note an order that the ledger has, unless it is not ours."""
        if (parts := decode_cloid(cloid)) is not None:
            self.raise_to(parts.epoch, parts.number)

    def raise_to(self, epoch: int, number: int) -> None:
        """Note that a session sent orders up to this number."""
        if number > self._highest.get(epoch, 0):
            self._highest[epoch] = number

    def get(self, epoch: int) -> int:
        """Return the highest number of a session; numbers begin at 1."""
        return self._highest.get(epoch, 0)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """List (epoch, highest number), by ascending epoch."""
        return iter(sorted(self._highest.items()))


@dataclass(frozen=True, slots=True)
class LostEntries:
    """Evidence at the venue that the ledger lacks entries.

    `first_ms` and `last_ms` are the times of the fills, None without one. `unknown_epochs` are sessions that the ledger
    does not have, `cut_epochs` those in which it lacks the last orders. `last_numbers` has each of them with the
    highest number of an order seen.
    """

    n_fills: int
    n_orders: int
    first_ms: int | None
    last_ms: int | None
    unknown_epochs: tuple[int, ...]
    cut_epochs: tuple[int, ...]
    last_numbers: tuple[tuple[int, int], ...]

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "fills": self.n_fills,
            "orders": self.n_orders,
            "first_fill_ms": self.first_ms,
            "last_fill_ms": self.last_ms,
            "unknown_sessions": len(self.unknown_epochs),
            "sessions_cut_short": len(self.cut_epochs),
        }


def find_lost_entries(
    fills: Iterable[Fill], orders: Iterable[OpenOrder], *, epochs: Collection[int], sent: SentNumbers
) -> LostEntries | None:
    """Find rows that a whole ledger would have an order for.

    `fills` and `orders` are the venue's rows of our coin that the ledger does not know by oid. `epochs` are the
    sessions of the ledger. Return None if no row proves that entries are missing.
    """
    lost_fills = [(fill, parts) for fill in fills if (parts := _read_lost(fill.cloid, epochs, sent))]
    lost_orders = [(order, parts) for order in orders if (parts := _read_lost(order.cloid, epochs, sent))]
    if not lost_fills and not lost_orders:
        return None
    times = [fill.time_ms for fill, _ in lost_fills if fill.time_ms is not None]
    lost = [parts for _, parts in lost_fills] + [parts for _, parts in lost_orders]
    named = {parts.epoch for parts in lost}
    return LostEntries(
        n_fills=len(lost_fills),
        n_orders=len(lost_orders),
        first_ms=min(times, default=None),
        last_ms=max(times, default=None),
        unknown_epochs=tuple(sorted(named - set(epochs))),
        cut_epochs=tuple(sorted(named & set(epochs))),
        last_numbers=tuple((epoch, max(p.number for p in lost if p.epoch == epoch)) for epoch in sorted(named)),
    )


def _read_lost(cloid: str | None, epochs: Collection[int], sent: SentNumbers) -> CloidParts | None:
    parts = decode_cloid(cloid)
    if parts is None or (parts.epoch in epochs and parts.number <= sent.get(parts.epoch)):
        return None
    return parts


def describe_lost_entries(lost: LostEntries, coin: str) -> str:
    """Explain to the operator what is missing, and what to do."""
    found = [f"{lost.n_fills} fills (time {lost.first_ms} to {lost.last_ms})"] if lost.n_fills else []
    found += [f"{lost.n_orders} open orders"] if lost.n_orders else []
    where = [f"sessions that it does not have ({_name(lost.unknown_epochs)})"] if lost.unknown_epochs else []
    where += [f"sessions that it has only in part ({_name(lost.cut_epochs)})"] if lost.cut_epochs else []
    return (
        f"the ledger lacks entries: the venue has {' and '.join(found)} of mm_trio on {coin}, of "
        f"{' and '.join(where)}. Either the state folder is an older copy (a backup, a snapshot of the machine, the "
        "folder of another machine) or its last entries were lost, or another mm_trio makes this market on another "
        "machine. Stop the other one, if there is one, and put the newest copy of the state folder here; if there is "
        "none, run `mm-trio ledger rebuild` to add what is missing, or start with --take-over to go on with the other "
        "one's orders"
    )


def describe_unnamed(fills: Collection[Fill], coin: str) -> str:
    """Explain fills that neither the ledger nor the venue can name."""
    newest = max(fills, key=lambda fill: fill.time_ms or 0)
    return (
        f"{len(fills)} fills on {coin} (the newest: oid {newest.oid}, time {newest.time_ms}) are of orders that are "
        "not in the ledger, and the venue does not say whose they are: they may be orders of mm_trio whose entries "
        "were lost. Compare with `mm-trio ledger audit`; if they are trades by hand, start once with --take-over"
    )


def _name(epochs: Collection[int]) -> str:
    named = ", ".join(f"{epoch:08x}" for epoch in sorted(epochs)[:_MOST_NAMED])
    return named if len(epochs) <= _MOST_NAMED else f"{named} and {len(epochs) - _MOST_NAMED} more"
