"""Reach of what was read of the venue's fill history, and booked fills that it has not listed yet."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from mm_trio.model.errors import HistoryLost, LedgerCut
from mm_trio.model.journal_entries import LookedUp
from mm_trio.model.orders import FillResult
from mm_trio.model.replies import Fill, FillKey, ReadFills

__all__ = ["FILLS_OVERLAP_MS", "LISTED_WITHIN_S", "FillHistory"]

# The venue may list a fill 1 to 50 s late, behind newer ones. So the history is read from this much before the newest
# fill read last, and a history proves no absence of a fill that is younger.
LISTED_WITHIN_S = 60.0
FILLS_OVERLAP_MS = int(1000 * LISTED_WITHIN_S)
# Histories in a row, each asked for late enough, that have to lack a fill: more where nothing proves that they are not
# just empty or old, for such an answer is a fault of reading.
LACKING_LOOKS, LACKING_UNPROVEN_LOOKS = 3, 12
# As many as the venue promises to list.
MOST_UNLISTED = 10_000
# A time that contradicts what we know may be any: the history is not read anew from further back.
MOST_WANTED_MS = 600_000
# Where other coins alone trade, how far the history was read is recorded so often: a restart reads that much more.
RECORD_EVERY_MS = 600_000


@dataclass(slots=True)
class _Unlisted:
    """When a fill was told, and how many histories lacked it.

    `booked` is what was booked of it, None after a restart.
    """

    told_s: float
    booked: FillResult | None = None
    n_lacking: int = 0

    def on_told(self, now_s: float) -> None:
        """Count as told now."""
        self.told_s = now_s

    def is_lacking(self, *, asked_s: float, looks: int) -> bool:
        """Count a history without it, asked for late enough.

        Return whether there were so many in a row.
        """
        self.n_lacking += self.told_s + LISTED_WITHIN_S <= asked_s
        return self.n_lacking >= looks


class FillHistory:
    """Watermark in the venue's fill history.

    `looked_up_ms` is the time of our newest fill that it told, `read_ms` of the newest one of the account, by which it
    goes on where our coin seldom trades: the venue lists the last ten thousand alone. Frames move neither, so that a
    fill that no frame reported is found however late the history can be read again. `must_join`: a gap in it cannot be
    made good.
    Fills booked from frames are unlisted until a history has them: a frame is one source, the history the second one.
    """

    def __init__(
        self,
        coin: str,
        *,
        looked_up_ms: int = 0,
        others_ms: int = 0,
        must_join: bool = False,
        unlisted: Iterable[FillKey] = (),
    ) -> None:
        self._coin = coin
        self._must_join = must_join
        self.looked_up_ms = looked_up_ms
        self._others_ms = others_ms
        self._cut_because: str | None = None
        # What an earlier session recorded holds until this one knows better.
        self._recorded_ms = max(looked_up_ms, others_ms)
        # Those of an earlier session are judged by the start, and then as told just now.
        self._unlisted: OrderedDict[FillKey, _Unlisted] = OrderedDict()
        for key in unlisted:
            self._expect(key, _Unlisted(0.0))
        self._wanted_ms: int | None = None

    def on_looked_up(self, fill: Fill) -> None:
        """Move the watermark to a row that was read."""
        self.looked_up_ms = max(self.looked_up_ms, fill.time_ms or 0)
        self.on_listed((fill.key,))

    def on_read(self, read: ReadFills) -> None:
        """Move on to the newest fill of the account, once all that was read is applied."""
        self._others_ms = max(self._others_ms, *read.moments, 0)

    @property
    def read_ms(self) -> int:
        """Return the time of the newest fill of the account that was read, ours or not."""
        return max(self.looked_up_ms, self._others_ms)

    @property
    def look_up_from_ms(self) -> int:
        """Return where the history is read from.

        It reaches back to every booked fill that no history has had yet.
        """
        wanted_ms = self.read_ms if self._wanted_ms is None else self._wanted_ms
        return max(0, min([self.read_ms - FILLS_OVERLAP_MS, wanted_ms, *self._unlisted_ms()]))

    @property
    def remember_after_ms(self) -> int:
        """Return the time after which a checkpoint must list fills."""
        return max(0, min([self._recorded_ms - FILLS_OVERLAP_MS, *self._unlisted_ms()])) - 1

    def want_from(self, time_ms: int) -> None:
        """Let the next look-up reach back to this time, or ten minutes."""
        time_ms = max(time_ms, self.read_ms - MOST_WANTED_MS)
        self._wanted_ms = time_ms if self._wanted_ms is None else min(self._wanted_ms, time_ms)

    # --- Fills that no history has had yet ---

    def on_booked(self, fill: FillResult, *, now_s: float) -> None:
        """Note a fill that has to be in a later history."""
        self._expect(FillKey(fill.time_ms, fill.coin, fill.tid, fill.oid), _Unlisted(now_s, fill))

    def _expect(self, key: FillKey, unlisted: _Unlisted) -> None:
        # A fill that was handed in by its trade id alone cannot be found in a history.
        if key.time_ms is None or key.coin is None:
            return
        self._unlisted[key] = unlisted
        if len(self._unlisted) > MOST_UNLISTED:
            self._unlisted.popitem(last=False)

    def on_started(self, now_s: float) -> None:
        """Let fills of an earlier session count as told now."""
        for unlisted in self._unlisted.values():
            unlisted.on_told(now_s)

    def on_listed(self, keys: Iterable[FillKey]) -> None:
        """Note that a history has these fills."""
        for key in keys:
            self._unlisted.pop(key, None)

    def find_difference(self, fill: Fill) -> str | None:
        """Return how a fill was booked, if a history has it otherwise."""
        unlisted = self._unlisted.get(fill.key)
        if unlisted is None or unlisted.booked is None or fill.price is None:
            return None
        booked, told = unlisted.booked, (fill.size, fill.price, fill.fee, fill.fee_token)
        if (booked.size, booked.price, booked.fee, booked.fee_token) == told and fill.side in (None, booked.side):
            return None
        return (
            f"a frame told it otherwise, and it was booked so: {booked.side} {booked.size} at {booked.price}, "
            f"fee {booked.fee} {booked.fee_token}"
        )

    @property
    def n_unlisted(self) -> int:
        """Count the booked fills that no history has had yet."""
        return len(self._unlisted)

    @property
    def judged_from_s(self) -> float | None:
        """Return from when on a history judges an unlisted fill.

        It is the one told first; None where every booked fill was listed.
        """
        first = next(iter(self._unlisted.values()), None)
        return None if first is None else first.told_s + LISTED_WITHIN_S

    def find_old_unlisted(self, *, before_ms: int) -> list[FillKey]:
        """Return unlisted fills that are older than this time."""
        return [key for key in self._unlisted if (key.time_ms or 0) < before_ms]

    def find_lacking(self, read: ReadFills, *, asked_s: float) -> list[FillKey]:
        """Return the booked fills that the venue does not have.

        `read` is a history that was applied, `asked_s` when it was asked for. A single one proves no absence.
        """
        self._wanted_ms = None
        is_proven = bool(self.read_ms and read.moments) and self.has_newest_known(read)
        looks = LACKING_LOOKS if is_proven else LACKING_UNPROVEN_LOOKS
        return [key for key, fill in self._unlisted.items() if fill.is_lacking(asked_s=asked_s, looks=looks)]

    def _unlisted_ms(self) -> list[int]:
        return [key.time_ms or 0 for key in self._unlisted]

    # --- Its ends ---

    def on_cut(self, reason: str) -> None:
        """Refuse every history from now on: the ledger lacks entries.

        Else fills would be booked, and the evidence passed over by the watermark, before the ledger is whole again.
        """
        self._cut_because = reason

    @property
    def is_cut(self) -> bool:
        """Return whether the ledger is known to lack entries."""
        return self._cut_because is not None

    def check(self, read: ReadFills) -> None:
        """Refuse a history with a gap since the last one.

        It goes on without the newest fill known: the venue forgot some, and what they moved cannot be found out.
        Errors: HistoryLost; LedgerCut after `on_cut`.
        """
        if self._cut_because is not None:
            raise LedgerCut(self._cut_because)
        times = [fill.time_ms or 0 for fill in read.fills] if self._is_ours else read.moments
        goes_on = max(times, default=0) > self.read_ms
        is_cut = goes_on and not self.reaches(self.read_ms, read, is_ours=self._is_ours)
        if self._must_join and self.read_ms and is_cut:
            raise HistoryLost(
                f"the venue's fill history of {self._coin} begins after our last known fill (time "
                f"{self.read_ms}): fills in between are missing, so what we own is not known; check with "
                "`mm-trio ledger audit`, then begin a new ledger"
            )

    @property
    def _is_ours(self) -> bool:
        """Return whether the newest fill that was read is of our coin."""
        return self.looked_up_ms >= self._others_ms

    @staticmethod
    def reaches(time_ms: int, read: ReadFills, *, is_ours: bool) -> bool:
        """Return whether a history goes back to a fill of this time.

        A fill of ours has to be in it. The row of another coin may be unreadable, so that any fill as old shows that
        none is missing after it.
        """
        if is_ours:
            return any(fill.time_ms == time_ms for fill in read.fills)
        return any(moment <= time_ms for moment in read.moments)

    def has_newest_known(self, read: ReadFills) -> bool:
        """Return whether a history is as new as the last.

        One that is not proves no absence.
        """
        if not self._is_ours:
            return max(read.moments, default=0) >= self.read_ms
        return not self.looked_up_ms or any(fill.time_ms == self.looked_up_ms for fill in read.fills)

    def advance(self) -> LookedUp | None:
        """Return the entry that a restart reads on from.

        None if it would say nothing new, or if a restart would not read back to a fill that is still unlisted.
        """
        is_behind = any(ms < self.read_ms - FILLS_OVERLAP_MS for ms in self._unlisted_ms())
        if self.read_ms <= self._recorded_ms or is_behind:
            return None
        if self.looked_up_ms <= self._recorded_ms and self.read_ms < self._recorded_ms + RECORD_EVERY_MS:
            return None
        self._recorded_ms = self.read_ms
        return self.summarise()

    def summarise(self) -> LookedUp:
        """Return the entry that a checkpoint has of it."""
        return LookedUp(self._recorded_ms)
