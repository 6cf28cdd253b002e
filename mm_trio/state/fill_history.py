"""Reach of what was read of the venue's fill history."""

from __future__ import annotations

from collections.abc import Sequence

from mm_trio.model.errors import HistoryLost, LedgerCut
from mm_trio.model.journal_entries import LookedUp
from mm_trio.model.replies import Fill

__all__ = ["FILLS_OVERLAP_MS", "FillHistory"]

# The history is read from this much before the newest fill read last: clocks of the venue may lie apart.
FILLS_OVERLAP_MS = 60_000


class FillHistory:
    """Watermark in the venue's fill history.

    `looked_up_ms` is the venue's time up to which it was read. Frames do not move it, so that a fill that no frame
    reported is found however late the history can be read again. `must_join`: a gap in it cannot be made good.
    """

    def __init__(self, coin: str, *, looked_up_ms: int = 0, must_join: bool = False) -> None:
        self._coin = coin
        self._must_join = must_join
        self.looked_up_ms = looked_up_ms
        self._cut_because: str | None = None
        # What an earlier session recorded holds until this one knows better.
        self._recorded_ms = looked_up_ms

    def on_looked_up(self, fill: Fill) -> None:
        """Move the watermark to a row that was read."""
        self.looked_up_ms = max(self.looked_up_ms, fill.time_ms or 0)

    @property
    def look_up_from_ms(self) -> int:
        """Return where the history is read from."""
        return max(0, self.looked_up_ms - FILLS_OVERLAP_MS)

    @property
    def remember_after_ms(self) -> int:
        """Return the time after which a checkpoint must list fills."""
        return max(0, self._recorded_ms - FILLS_OVERLAP_MS) - 1

    def on_cut(self, reason: str) -> None:
        """Refuse every history from now on: the ledger lacks entries.

        Else fills would be booked, and the evidence passed over by the watermark, before the ledger is whole again.
        """
        self._cut_because = reason

    @property
    def is_cut(self) -> bool:
        """Return whether the ledger is known to lack entries."""
        return self._cut_because is not None

    def check(self, fills: Sequence[Fill]) -> None:
        """Refuse a history with a gap since the last one.

        It goes on without the newest fill known: the venue forgot some, and what they moved cannot be found out.
        Errors: HistoryLost; LedgerCut after `on_cut`.
        """
        if self._cut_because is not None:
            raise LedgerCut(self._cut_because)
        times = [fill.time_ms or 0 for fill in fills]
        is_cut = self.looked_up_ms not in times and max(times, default=0) > self.looked_up_ms
        if self._must_join and self.looked_up_ms and is_cut:
            raise HistoryLost(
                f"the venue's fill history of {self._coin} begins after our last known fill (time "
                f"{self.looked_up_ms}): fills in between are missing, so what we own is not known; check with "
                "`mm-trio ledger audit`, then begin a new ledger"
            )

    def has_newest_known(self, fills: Sequence[Fill]) -> bool:
        """Return whether a history is as new as the last.

        One that is not proves no absence.
        """
        return not self.looked_up_ms or any(fill.time_ms == self.looked_up_ms for fill in fills)

    def advance(self) -> LookedUp | None:
        """Return the entry that a restart reads on from.

        None if it would say nothing new.
        """
        if self.looked_up_ms <= self._recorded_ms:
            return None
        self._recorded_ms = self.looked_up_ms
        return self.summarise()

    def summarise(self) -> LookedUp:
        """Return the entry that a checkpoint has of it."""
        return LookedUp(self._recorded_ms)
