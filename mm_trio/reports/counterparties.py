"""Counterparties: who took our orders, and how it went for us.

The ledger does not say who took an order. The venue's public trades do: the record keeps them with both addresses, and
a fill of ours has the same trade id.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from mm_trio.earnings.exact import NOTHING, exactly
from mm_trio.earnings.markouts import HORIZONS_MS, Markout, Mids, Tallied

__all__ = ["NOT_RECORDED", "THE_REST", "Counterparties", "PartyRow", "PartySums"]

THE_REST, NOT_RECORDED = "all others", "not recorded"
# A fill has the time of its trade; the rest is for a venue that rounds one of them.
NEAR_MS = 1_000
# Further addresses are counted together, so that memory is bounded.
MOST_KNOWN = 50_000


@dataclass(slots=True)
class PartySums:
    """Fills against one address, and how the price moved afterwards."""

    n: int = 0
    volume: Decimal = Decimal(0)
    markouts: Tallied = field(default_factory=Tallied)

    def add(self, base: Decimal, price: Decimal, mids: Mids) -> None:
        """Add a fill. Call it within `exactly()`."""
        self.n += 1
        self.volume += abs(base) * price
        self.markouts.add(base, price, mids)


@dataclass(frozen=True, slots=True)
class PartyRow:
    """Line of a table: fills, volume in quote, and markouts by their horizon in ms."""

    name: str
    n: int
    volume: Decimal
    markouts: Mapping[int, Markout]

    def find_markout(self, after_ms: int) -> Decimal | None:
        """Return what the fills had gained so long after; None unless each has a price."""
        found = self.markouts[after_ms]
        return found.amount if found.n == self.n else None

    def find_marked(self, after_ms: int) -> Decimal | None:
        """Return what those fills had gained that have a price; None where there is none."""
        found = self.markouts[after_ms]
        return found.amount if found.n else None


class Counterparties:
    """Sums by the address that took our order.

    `takers` are (time, trade id, address) of trades; these and fills come in the order of their times.
    """

    def __init__(self, takers: Iterator[tuple[int, int, str | None]]) -> None:
        self._coming = takers
        self._next = next(takers, None)
        # Takers of the trades around the present fill by trade id, and these in the order of their times.
        self._takers: dict[int, str | None] = {}
        self._order: deque[tuple[int, int]] = deque()
        self._sums: dict[str, PartySums] = {}

    def add(self, fill: tuple[int, int], base: Decimal, price: Decimal, mids: Mids) -> None:
        """Add a fill of (time, trade id). Call it within `exactly()`."""
        name = self._find_taker(*fill) or NOT_RECORDED
        if name not in self._sums and len(self._sums) >= MOST_KNOWN:
            name = THE_REST
        sums = self._sums.get(name)
        if sums is None:
            sums = self._sums[name] = PartySums()
        sums.add(base, price, mids)

    def _find_taker(self, time_ms: int, tid: int) -> str | None:
        while self._next is not None and self._next[0] <= time_ms + NEAR_MS:
            traded_ms, trade_id, taker = self._next
            if trade_id not in self._takers:
                self._order.append((traded_ms, trade_id))
            self._takers[trade_id] = taker
            self._next = next(self._coming, None)
        while self._order and self._order[0][0] < time_ms - NEAR_MS:
            del self._takers[self._order.popleft()[1]]
        return self._takers.get(tid)

    @property
    def sums(self) -> Mapping[str, PartySums]:
        """Return the sums by address."""
        return self._sums

    @property
    def n_recorded(self) -> int:
        """Return how many fills have a taker with a name."""
        return sum(sums.n for name, sums in self._sums.items() if name != NOT_RECORDED)

    def rank(self, most: int) -> list[PartyRow]:
        """Return the largest by volume, then all others as one, then those that are not recorded."""
        apart = {name: self._sums[name] for name in (THE_REST, NOT_RECORDED) if name in self._sums}
        named = sorted(
            ((name, sums) for name, sums in self._sums.items() if name not in apart),
            key=lambda item: (-item[1].volume, item[0]),
        )
        rest = [sums for _, sums in named[most:]] + [sums for name, sums in apart.items() if name == THE_REST]
        rows = [_make_row(name, [sums]) for name, sums in named[:most]]
        rows += [_make_row(THE_REST, rest)] if rest else []
        return rows + [_make_row(name, [sums]) for name, sums in apart.items() if name == NOT_RECORDED]


def _make_row(name: str, parts: Sequence[PartySums]) -> PartyRow:
    with exactly():
        found = {after_ms: [part.markouts.get(after_ms) for part in parts] for after_ms in HORIZONS_MS}
        markouts = {
            after_ms: Markout(sum(each.n for each in some), sum((each.amount for each in some), NOTHING))
            for after_ms, some in found.items()
        }
        return PartyRow(name, sum(part.n for part in parts), sum((part.volume for part in parts), NOTHING), markouts)
