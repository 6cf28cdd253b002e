"""Movements of funds that the venue told, and which of them are in the ledger. Pure.

A balance decides when the account moves and by how much; the events told here only say why. So their sum is never
trusted: what they leave of a difference is recorded as unexplained, and an event whose effect an unexplained entry took
before is recorded together with its opposite.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import combinations

from mm_trio.model.journal_entries import EXPLAINED_LATE, Accounted, Adjusted, Moved, MoveKind
from mm_trio.model.market import NOTHING_HELD, Balances
from mm_trio.model.numbers import EXACT
from mm_trio.model.orders import Side

__all__ = ["FundEvent", "Movements"]

_NOTHING = Decimal(0)
# An event is told within moments. Older ones than this before the newest one in the ledger are not counted any more, so
# that a checkpoint need not list them.
RECENT_MS = 3 * 86_400_000
# The venue may list a movement late: so far back it is read again.
OVERLAP_MS = 3_600_000
# Of events in the ledger that a checkpoint lists, and of those that wait for a balance. A strategy of its owner's that
# trades once a second fills them in a quarter of an hour: then the time alone tells which were counted.
MOST_COUNTED, MOST_TOLD = 1_000, 1_000
# Looks at balances after one that left something unexplained: the venue may tell the reason late.
LATE_LOOKS = 3
# Doubtful events that are tried in every combination.
MOST_DOUBTFUL = 8


@dataclass(frozen=True, slots=True)
class FundEvent:
    """Event that the venue told, and what it may have moved.

    `is_certain`: it moved the account's spot balances. Others move them on accounts of some kinds alone, so they count
    only where a difference is exactly theirs. The quote of a sale of dust is the most that it may have fetched.
    """

    move: Moved
    is_certain: bool = True


@dataclass(frozen=True, slots=True)
class _Amounts:
    """Base and quote, added exactly."""

    token: Decimal = _NOTHING
    usdc: Decimal = _NOTHING

    def plus(self, other: _Amounts | Moved | Adjusted) -> _Amounts:
        return _Amounts(EXACT.add(self.token, other.token), EXACT.add(self.usdc, other.usdc))

    def minus(self, other: _Amounts | Moved | Adjusted) -> _Amounts:
        return _Amounts(EXACT.subtract(self.token, other.token), EXACT.subtract(self.usdc, other.usdc))

    def __bool__(self) -> bool:
        return bool(self.token or self.usdc)


class Movements:
    """Events of an account that are no fills of ours.

    An event counts once, by its reference. Those until `after_ms` are in a balance that was taken over.
    """

    def __init__(self) -> None:
        self.after_ms = 0
        # Sides whose token other grids use too.
        self._left_out: set[Side] = set()
        # By reference: the time of each event that was counted after that.
        self._counted: dict[str, int] = {}
        self._told: dict[str, FundEvent] = {}
        # How far the venue's list of movements was read.
        self._read_ms = 0
        # What others hold as far as it is recorded, None where that is not known; and as the last balance showed it.
        self._held: Balances | None = None
        self._held_now = NOTHING_HELD
        self._now_ms = 0
        # What the last differences left unexplained, while the reason may still be told.
        self._left = _Amounts()
        self._looks_left = 0

    # --- What is told -------------------------------------------------------------------------

    @property
    def ask_from_ms(self) -> int:
        """Return from when on the venue's movements are to be read."""
        return max(self.after_ms + 1, self._read_ms - OVERLAP_MS)

    @property
    def wants_reasons(self) -> bool:
        """Return whether the reason of a past difference may still be told."""
        return bool(self._left) and self._looks_left > 0

    def on_read(self, until_ms: int) -> None:
        """Note how far the venue's movements were read."""
        self._read_ms = max(self._read_ms, until_ms)

    def on_told(self, events: Iterable[FundEvent]) -> None:
        """Remember events that are not counted yet."""
        for event in map(self._strip, events):
            move = event.move
            is_new = move.time_ms > self.after_ms and move.ref not in self._counted
            if is_new and (move.token or move.usdc):
                self._told[move.ref] = event
        while len(self._told) > MOST_TOLD:
            del self._told[next(iter(self._told))]

    def leave_out(self, side: Side) -> None:
        """Explain nothing by movements of the token that orders of this side hold: other grids have a part of it."""
        self._left_out.add(side)

    def _strip(self, event: FundEvent) -> FundEvent:
        if not self._left_out:
            return event
        move = event.move
        token = _NOTHING if "sell" in self._left_out else move.token
        usdc = _NOTHING if "buy" in self._left_out else move.usdc
        return replace(event, move=replace(move, token=token, usdc=usdc))

    def on_own(self, ref: str) -> None:
        """Forget an event that is a fill of ours."""
        self._told.pop(ref, None)

    def on_look(self, held: Balances, *, now_ms: int) -> None:
        """Note what others hold by the last balance; `now_ms` is the venue's time."""
        self._held_now, self._now_ms = held, now_ms
        if self._held is None:
            self._held = held

    # --- What is in the ledger ----------------------------------------------------------------

    def on_opened(self) -> None:
        """Count everything until now as part of the first balance."""
        self.after_ms, self._held = self._now_ms, self._held_now
        self._told.clear()

    def begin_after(self, time_ms: int) -> None:
        """Let the events until then be contained, in a ledger that does not say."""
        self.after_ms = self.after_ms or time_ms

    def on_accounted(self, entry: Accounted) -> None:
        """Take what a checkpoint, or a beginning, has of it."""
        self.after_ms = entry.after_ms
        self._counted = dict(zip(entry.refs, entry.times_ms, strict=True))
        unknown = entry.held_token is None or entry.held_usdc is None
        self._held = None if unknown else Balances(entry.held_token or _NOTHING, entry.held_usdc or _NOTHING)

    def on_moved(self, entry: Moved) -> None:
        """Count an entry of the ledger."""
        if entry.kind == MoveKind.FOREIGN_HOLD:
            # What others began to hold left our part of the account.
            before = self._held or NOTHING_HELD
            left = _Amounts(before.token, before.usdc).minus(entry)
            self._held = Balances(left.token, left.usdc)
            return
        self._told.pop(entry.ref, None)
        self._counted[entry.ref] = entry.time_ms
        self._forget_before(max(self.after_ms, entry.time_ms - RECENT_MS))
        if len(self._counted) > MOST_COUNTED:
            self._forget_before(min(self._counted.values()))

    def _forget_before(self, after_ms: int) -> None:
        if after_ms <= self.after_ms:
            return
        self.after_ms = after_ms
        self._counted = {ref: ms for ref, ms in self._counted.items() if ms > after_ms}
        self._told = {ref: event for ref, event in self._told.items() if event.move.time_ms > after_ms}

    def summarise(self) -> Accounted:
        """Return the entry that a checkpoint has of it."""
        refs = sorted(self._counted)
        times = tuple(self._counted[ref] for ref in refs)
        held = self._held
        return Accounted(
            self.after_ms, tuple(refs), times, None if held is None else held.token, None if held is None else held.usdc
        )

    # --- Explanation --------------------------------------------------------------------------

    def explain(self, token: Decimal, usdc: Decimal) -> list[Moved | Adjusted]:
        """Return entries that explain a change of the account.

        Their sum is exactly the change, and what nothing explains is in the last one.
        """
        change = _Amounts(token, usdc)
        certain, dust, doubtful = self._sort()
        rest = change.minus(_add_up(certain)).minus(_Amounts(token=_add_up(dust).token))
        most = _add_up(dust).usdc
        found = _find_fitting(doubtful, (rest, rest.plus(self._left)), most=most)
        chosen, open_usdc = ((), rest.usdc) if found is None else found
        moves = [*certain, *chosen, *_share(dust, open_usdc)]
        left = change.minus(_add_up(moves))
        self._left = self._left.plus(left)
        self._looks_left = LATE_LOOKS if self._left else 0
        return [*moves, *([Adjusted(left.token, left.usdc, "balance")] if left else [])]

    def explain_late(self) -> list[Moved | Adjusted]:
        """Return entries for the reason of past differences, told only now.

        Their sum is nothing: an unexplained entry took the amounts already. None unless they fit exactly.
        """
        if not self.wants_reasons:
            return []
        certain, dust, doubtful = self._sort()
        rest = self._left.minus(_add_up(certain)).minus(_Amounts(token=_add_up(dust).token))
        found = _find_fitting(doubtful, (rest,), most=_add_up(dust).usdc)
        moves = [] if found is None else [*certain, *found[0], *_share(dust, found[1])]
        if not moves:
            self._looks_left -= 1
            self._left = self._left if self._looks_left else _Amounts()
            return []
        taken = _add_up(moves)
        self._left, self._looks_left = _Amounts(), 0
        return [*moves, Adjusted(EXACT.minus(taken.token), EXACT.minus(taken.usdc), EXPLAINED_LATE)]

    def _sort(self) -> tuple[list[Moved], list[Moved], list[Moved]]:
        """Return what certainly moved the account, sales of dust, and what is in doubt."""
        events = sorted(self._told.values(), key=lambda event: (event.move.time_ms, event.move.ref))
        certain = [*self._find_hold()]
        dust, doubtful = list[Moved](), list[Moved]()
        for event in events:
            is_dust = event.move.kind == MoveKind.DUST
            (dust if is_dust else certain if event.is_certain else doubtful).append(event.move)
        return certain, dust, doubtful[-MOST_DOUBTFUL:]

    def _find_hold(self) -> Iterator[Moved]:
        """Return what others began to hold, or gave free, since it was recorded last."""
        before, now = self._held or NOTHING_HELD, self._held_now
        taken = _Amounts(before.token, before.usdc).minus(_Amounts(now.token, now.usdc))
        if self._held is not None and taken:
            yield Moved(taken.token, taken.usdc, MoveKind.FOREIGN_HOLD, self._now_ms, f"hold:{self._now_ms}")


def _add_up(moves: Iterable[Moved]) -> _Amounts:
    total = _Amounts()
    for move in moves:
        total = total.plus(move)
    return total


def _find_fitting(
    doubtful: Sequence[Moved], targets: Iterable[_Amounts], *, most: Decimal
) -> tuple[tuple[Moved, ...], Decimal] | None:
    """Find the fewest doubtful events that make up a target.

    At most `most` of quote may be left, which a sale of dust may have fetched; it is returned too.
    """
    for target in targets:
        for n in range(len(doubtful) + 1):
            for chosen in combinations(doubtful, n):
                left = target.minus(_add_up(chosen))
                if not left.token and _NOTHING <= left.usdc <= most:
                    return chosen, left.usdc
    return None


def _share(dust: Iterable[Moved], fetched: Decimal) -> Iterator[Moved]:
    """Share what sales of dust fetched among them, each at most what it may have."""
    for move in dust:
        usdc = min(max(fetched, _NOTHING), move.usdc)
        fetched = EXACT.subtract(fetched, usdc)
        yield replace(move, usdc=usdc)
