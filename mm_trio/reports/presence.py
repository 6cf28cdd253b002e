"""Presence over time: was the ladder there, how deep, how wide, bin by bin."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter

from mm_trio.liquidity.measures import BPS_DIGITS, DEPTH_PCTS, Measured
from mm_trio.liquidity.units import NOTIONAL_DIGITS
from mm_trio.pages.pictures import Span
from mm_trio.pages.timeline import Extremes, Point, Timeline

__all__ = ["DEPTH_PCT", "PresenceSeries"]

DEPTH_PCT = "2"
_DEPTH_AT = DEPTH_PCTS.index(DEPTH_PCT)
SECOND_MS = 1_000
_QUOTE: int = 10**NOTIONAL_DIGITS
_BPS: int = 10**BPS_DIGITS


@dataclass(slots=True)
class _Bin:
    n: int = 0
    known: int = 0
    bid: int = 0
    ask: int = 0
    both: int = 0

    def add(self, measured: Measured, ms: int, *, is_known: bool) -> None:
        """Add so many milliseconds of a sample."""
        self.n += ms
        if is_known:
            self.known += ms
        if measured.is_bid_up:
            self.bid += ms
        if measured.is_ask_up:
            self.ask += ms
            self.both += measured.is_bid_up and ms


_READERS = {side: attrgetter(side) for side in ("bid", "ask", "both")}


@dataclass(slots=True)
class PresenceSeries:
    """Series of a period; samples come in the order of their times."""

    timeline: Timeline
    depth_bid: Extremes = field(init=False)
    depth_ask: Extremes = field(init=False)
    spread: Extremes = field(init=False)
    down: dict[str, list[Span]] = field(default_factory=dict)
    _bins: dict[int, _Bin] = field(default_factory=dict)
    # The bin of the last sample, and where it begins and ends.
    _last: tuple[_Bin, int, int] = field(default_factory=lambda: (_Bin(), 0, 0))

    def __post_init__(self) -> None:
        self.depth_bid, self.depth_ask = Extremes(self.timeline), Extremes(self.timeline)
        self.spread = Extremes(self.timeline)

    def add(self, measured: Measured, second: int, n: int) -> None:
        """Add `n` samples that are alike, from `second` on."""
        from_ms, until_ms = second * SECOND_MS, (second + n) * SECOND_MS
        is_known = measured.is_own_known and measured.is_market_known
        self.depth_bid.add(from_ms, measured.depth_bid[_DEPTH_AT] / _QUOTE if is_known else None)
        self.depth_ask.add(from_ms, measured.depth_ask[_DEPTH_AT] / _QUOTE if is_known else None)
        spread = measured.spread_ours
        self.spread.add(from_ms, None if spread is None else spread / _BPS)
        part, begin_ms, end_ms = self._last
        if begin_ms <= from_ms and until_ms <= end_ms:
            part.add(measured, until_ms - from_ms, is_known=is_known)
        else:
            self._add_parts(measured, from_ms, until_ms, is_known=is_known)
        if measured.cause is not None:
            self._note_down(measured.cause, from_ms, until_ms)

    def _add_parts(self, measured: Measured, from_ms: int, until_ms: int, *, is_known: bool) -> None:
        """Add samples to each bin that they touch, and remember the last one."""
        for number, ms in self.timeline.split(from_ms, until_ms):
            part = self._bins.setdefault(number, _Bin())
            part.add(measured, ms, is_known=is_known)
            self._last = part, self.timeline.begin_of(number), self.timeline.end_of(number)

    def _note_down(self, cause: str, from_ms: int, until_ms: int) -> None:
        """Note an outage; one within the same bin as the last is drawn as one with it."""
        spans = self.down.setdefault(cause, [])
        if spans and from_ms - spans[-1][1] < self.timeline.width_ms // 4:
            spans[-1] = spans[-1][0], until_ms
        else:
            spans.append((from_ms, until_ms))

    def uptime(self, side: str) -> tuple[Point, ...]:
        """Return the share of time of each bin with "bid", "ask" or "both" sides up."""
        read = _READERS[side]
        return tuple(
            (self.timeline.begin_of(number), read(part) / part.n)
            for number, part in sorted(self._bins.items())
            if part.n
        )
