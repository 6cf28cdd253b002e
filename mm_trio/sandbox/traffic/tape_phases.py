"""What HIP-2's rule makes of a tape, at every phase of its clock.

HIP-2 acts every three seconds, and no recorded row shows when. A taker who comes in between meets the orders of before
the update or those of after it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from math import gcd

from mm_trio.sandbox.traffic.hip2_model import Hip2Model, LadderStart, ModelFill
from mm_trio.sandbox.traffic.tape import TapeRow, group_sweeps, sort_best_first, sum_by_order

__all__ = [
    "PERIOD_MS",
    "Phase",
    "TapePhases",
    "compare_oids",
    "compute_phases",
    "find_start",
    "replay_tape",
]

PERIOD_MS = 3000
# A tape has as many phases as takers, and each is replayed whole.
_MOST_PHASES = 200
# Fewer phases and rows do while a start is looked for.
_PHASES_TRIED, _ROWS_TRIED = 24, 200
# Order sizes that are tried, and how many times the largest fill they may be.
_MOST_SIZES, _MOST_SIZE = 8, 100


@dataclass(frozen=True, slots=True)
class Phase:
    """Range of phases in which all rows turn out alike.

    Units: milliseconds after the first row. `fills` has the fills of each row's taker.
    """

    first_ms: int
    last_ms: int
    fills: tuple[tuple[ModelFill, ...], ...]


@dataclass(frozen=True)
class TapePhases:
    """All outcomes of a tape."""

    rows: tuple[TapeRow, ...]
    start: LadderStart
    phases: tuple[Phase, ...]

    @cached_property
    def best(self) -> Phase:
        """The phase with most rows as recorded.

        Of several the one with most oids alike, then the widest.
        """
        return max(self.phases, key=self._rank)

    @property
    def n_matched(self) -> int:
        """Rows as recorded in the best phase."""
        return sum(_is_as_recorded(row, fills) for row, fills in zip(self.rows, self.best.fills, strict=True))

    @property
    def rows_by_phase(self) -> tuple[int, ...]:
        """Positions of rows that turn out differently between phases."""
        first = self.phases[0].fills
        return tuple(
            position
            for position in range(len(self.rows))
            if any(_drop_oids(phase.fills[position]) != _drop_oids(first[position]) for phase in self.phases)
        )

    @property
    def rows_unexplained(self) -> tuple[int, ...]:
        """Positions of rows that no phase explains."""
        return tuple(
            position
            for position, row in enumerate(self.rows)
            if not any(_is_as_recorded(row, phase.fills[position]) for phase in self.phases)
        )

    def _rank(self, phase: Phase) -> tuple[int, int, int]:
        pairs = list(zip(self.rows, phase.fills, strict=True))
        oids = [fills[0].oid if fills else None for _, fills in pairs]
        n_rows = sum(_is_as_recorded(row, fills) for row, fills in pairs)
        return n_rows, sum(compare_oids(self.rows, oids)), phase.last_ms - phase.first_ms


def _is_as_recorded(row: TapeRow, fills: Sequence[ModelFill]) -> bool:
    return _drop_oids(fills) == [(row.price, row.size)]


def _drop_oids(fills: Iterable[ModelFill]) -> list[tuple[Decimal, Decimal]]:
    return [(fill.price, fill.size) for fill in fills]


def compare_oids(rows: Sequence[TapeRow], oids: Sequence[int | None]) -> list[bool]:
    """Compare recorded identities with those of a replay.

    Return, for every two consecutive fills of one (side, price), whether both records agree on whether they were of
    the same order.
    """
    agree: list[bool] = []
    last: dict[tuple[bool, Decimal], int] = {}
    for position, row in enumerate(rows):
        before = last.get((row.is_buy, row.price))
        if before is not None and row.oid is not None:
            agree.append((rows[before].oid == row.oid) == (oids[before] == oids[position]))
        last[row.is_buy, row.price] = position
    return agree


def replay_tape(rows: Sequence[TapeRow], start: LadderStart, *, phase_ms: int) -> tuple[tuple[ModelFill, ...], ...]:
    """Replay a tape on HIP-2's rule.

    The first update after the first row comes `phase_ms` after it, the others every three seconds. Return the fills of
    each row's taker, who asks for the row's size at its price.
    """
    model = Hip2Model(start)
    fills: dict[int, tuple[ModelFill, ...]] = {}
    updates = 0
    for sweep in group_sweeps(rows):
        due = (sweep[0].time_ms - rows[0].time_ms - phase_ms) // PERIOD_MS + 1
        if due > updates:
            # Without a taker in between, a second update changes nothing.
            model.update()
        updates = max(due, updates)
        for row in sort_best_first(sweep):
            fills[id(row)] = tuple(model.take(is_buy=row.is_buy, size=row.size, limit=row.price))
    return tuple(fills[id(row)] for row in rows)


def compute_phases(rows: Sequence[TapeRow], start: LadderStart, *, most: int = _MOST_PHASES) -> TapePhases:
    """Replay a tape at every phase that makes a difference.

    Of more than `most` ranges of phases the widest are taken.
    """
    first_ms = rows[0].time_ms
    edges = sorted({(row.time_ms - first_ms) % PERIOD_MS for row in rows} | {0, PERIOD_MS})
    ranges = [(low + 1, high) for low, high in pairwise(edges)]
    if len(ranges) > most:
        ranges = sorted(sorted(ranges, key=lambda each: each[0] - each[1])[:most])
    phases: list[Phase] = []
    for low, high in ranges:
        fills = replay_tape(rows, start, phase_ms=high)
        if phases and phases[-1].last_ms + 1 == low and phases[-1].fills == fills:
            low = phases.pop().first_ms
        phases.append(Phase(low, high, fills))
    return TapePhases(tuple(rows), start, tuple(phases))


def find_start(
    rows: Sequence[TapeRow], levels: Sequence[Decimal], *, lot: Decimal, order_size: Decimal | None = None
) -> TapePhases:
    """Find how the ladder stood at first, and replay a tape.

    That is what explains most rows. Without an `order_size` it is the most that one order was filled, or the least
    larger one that explains more. Errors: ValueError if one order was filled beyond `order_size`.
    """
    most = max(sum_by_order(rows))
    if order_size is not None and order_size < most:
        raise ValueError(f"an order size of {order_size} is too small: one order was filled {most}, give at least that")
    best = _find_remainder(rows, levels, order_size=order_size or most, lot=lot)
    if order_size is None and best.n_matched < len(best.rows):
        found = [_find_remainder(rows, levels, order_size=size, lot=lot) for size in _find_sizes(rows, most, lot)]
        best = max((best, *found), key=lambda each: each.n_matched)
    return compute_phases(rows, best.start)


def _find_sizes(rows: Sequence[TapeRow], most: Decimal, lot: Decimal) -> list[Decimal]:
    """List order sizes larger than every fill, ascending.

    Where a taker went from one ask to the next, the balance was a multiple of the order size.
    """
    multiples = [
        _count_lots(after.balance, lot)
        for sweep in group_sweeps(rows)
        for after in sweep[1:]
        if not after.is_buy and after.balance is not None
    ]
    common, least = gcd(*multiples), int(most / lot)
    sizes = [lots for lots in range(least, min(common, _MOST_SIZE * least) + 1) if common % lots == 0]
    return [lots * lot for lots in sizes[:_MOST_SIZES]]


def _count_lots(balance: Decimal, lot: Decimal) -> int:
    """Count whole lots of a balance.

    It carries the noise of a binary float.
    """
    return int((balance / lot).quantize(Decimal("0.001")))


def _find_remainder(
    rows: Sequence[TapeRow], levels: Sequence[Decimal], *, order_size: Decimal, lot: Decimal
) -> TapePhases:
    """Find out how the remainder's level stood.

    The first row shows where it was, and its balance how large the remainder was. On which side it stood, and what was
    left of a bid there, is what explains most of the first rows. Without balances the tape begins with whole orders.
    """
    remainder = _count_lots(rows[0].balance or Decimal(0), lot) * lot % order_size
    level, is_buy = levels.index(rows[0].price), rows[0].is_buy
    as_bid, as_ask = (level, level + 1) if is_buy else (level - 1, level)
    sides: list[tuple[int, Decimal | None]] = [(as_bid, None)]
    if remainder:
        bids = _find_bids(rows, levels[as_bid], order_size - remainder) if as_bid >= 0 else []
        sides = [(as_ask, None), *((as_bid, left) for left in bids)]
    found: list[TapePhases] = []
    for shared, bid_left in sides:
        tokens = (len(levels) - shared - 1) * order_size + remainder
        start = LadderStart(levels=tuple(levels), order_size=order_size, tokens=tokens, lot=lot, bid_left=bid_left)
        found.append(compute_phases(rows[:_ROWS_TRIED], start, most=_PHASES_TRIED))
    return max(found, key=lambda each: each.n_matched)


def _find_bids(rows: Iterable[TapeRow], price: Decimal, most: Decimal) -> list[Decimal]:
    """List what may be left of the remainder level's bid.

    That is all that it can be, or all that was filled of it.
    """
    bought = [row for row in rows if row.is_buy and row.price == price]
    filled = sum((row.size for row in bought if row.oid is not None and row.oid == bought[0].oid), Decimal(0))
    return [most, filled] if 0 < filled < most else [most]
