"""Takers that wait for a ladder, so that a single order of a script under test is left alone."""

from __future__ import annotations

from collections.abc import Callable

from mm_trio.sandbox.matching.book import BookView
from mm_trio.sandbox.model.commands import NewOrder
from mm_trio.sandbox.traffic.takers import Takers

__all__ = ["TakersOfLadder", "TapeAfterLadder"]

LADDER_DEPTH = 3
POLL_EVERY_S = 0.5  # While a tape waits for that.


def _is_ladder(book: BookView) -> bool:
    """Return whether both sides have enough levels for takers."""
    return min(len(book.bids), len(book.asks)) >= LADDER_DEPTH


class TakersOfLadder:
    """Seeded takers that trade while there is a ladder."""

    def __init__(self, takers: Takers) -> None:
        self._takers = takers

    def pause_s(self) -> float | None:
        """Return seconds until the next taker; None after the last."""
        return self._takers.pause_s()

    def decide(self, book: BookView) -> tuple[NewOrder, ...]:
        """Decide on a taker's orders, or none without a ladder."""
        return self._takers.decide(book) if _is_ladder(book) else ()


class TapeAfterLadder:
    """Takers of a tape that begins once there is a ladder."""

    def __init__(self, tape: Takers, read_book: Callable[[], BookView]) -> None:
        self._tape = tape
        self._read_book = read_book
        self._has_begun = False

    def pause_s(self) -> float | None:
        """Return seconds until the next taker; None after the last."""
        return self._tape.pause_s() if self._has_begun or _is_ladder(self._read_book()) else POLL_EVERY_S

    def decide(self, book: BookView) -> tuple[NewOrder, ...]:
        """Decide on a taker's orders, or none before the tape begins."""
        if self._has_begun:
            return self._tape.decide(book)
        self._has_begun = _is_ladder(book)
        return ()
