"""Stream of what a maker does: its status whenever that changes, and at least every few seconds.

All streams share one look at the maker. Each gets the newest there is whenever it has taken the line before, so a slow
reader misses what lies between and never anything newer.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Never

import trio

from mm_trio.views.account_status import AccountStatus, GridStatus, StatusSource
from mm_trio.views.json_values import to_json
from mm_trio.views.maker import UnknownMarket, find_faces
from mm_trio.views.snapshot import take_account_view, take_view
from mm_trio.views.values import AccountView, MakerView

__all__ = ["LOOK_EVERY_S", "WatchLine", "Watched", "choose_status"]

LOOK_EVERY_S = 0.25
# Of the loop's time, a look may take so much: an account of many markets is looked at less often.
MOST_OF_THE_LOOP = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchLine:
    """Line of a stream: the status, and for a screen the market and all markets as it shows them."""

    status: AccountStatus
    market: MakerView | None = None
    account: AccountView | None = None


class Watched:
    """Maker that streams look at, and the task that looks for all of them."""

    def __init__(self, source: StatusSource) -> None:
        self._source = source
        self._latest: AccountStatus | None = None
        self._looked = trio.Event()
        self._n_streams = 0
        self._joined = trio.Event()
        self._encoded: dict[tuple[str | None, bool], bytes] = {}
        # By market: what it was at the last look without what changes by itself, and how often that has changed.
        self._versions: dict[str | None, tuple[AccountStatus, int]] = {}
        self._seen: set[str | None] = set()
        self._spent_s = 0.0

    async def look_forever(self) -> Never:
        """Look at the maker while anybody watches."""
        while True:
            if not self._n_streams:
                self._latest = None
                self._versions.clear()
                await self._joined.wait()
            began_s = trio.current_time()
            self._latest = self._source.take()
            self._encoded.clear()
            self._seen.clear()
            self._spent_s = trio.current_time() - began_s
            self._looked.set()
            self._looked = trio.Event()
            await trio.sleep(LOOK_EVERY_S)
            # What the lines took is known now.
            await trio.sleep(max(0.0, self._spent_s / MOST_OF_THE_LOOP - LOOK_EVERY_S))

    async def write_lines(
        self,
        send: Callable[[bytes], Awaitable[None]],
        *,
        coin: str | None,
        for_screen: bool,
        every_s: float,
    ) -> Never:
        """Send lines until the reader leaves."""
        self._n_streams += 1
        self._joined.set()
        try:
            sent, sent_s = 0, float("-inf")
            while True:
                status = choose_status(await self._wait_for_next(), coin)
                version = self._find_version(status, coin)
                # A screen shows ages, which change all the time.
                if for_screen or version != sent or trio.current_time() - sent_s >= every_s:
                    sent, sent_s = version, trio.current_time()
                    await send(self._encode(status, coin, for_screen=for_screen))
        finally:
            self._n_streams -= 1
            if not self._n_streams:
                self._joined = trio.Event()

    async def _wait_for_next(self) -> AccountStatus:
        before = self._latest
        while self._latest is None or self._latest is before:
            await self._looked.wait()
        return self._latest

    def _find_version(self, status: AccountStatus, coin: str | None) -> int:
        """Find how often the status of a market has changed, looked at once for all that want the same."""
        before, version = self._versions.get(coin, (None, 0))
        if coin not in self._seen:
            began_s = trio.current_time()
            self._seen.add(coin)
            essence = _strip_times(status)
            version += essence != before
            self._versions[coin] = essence, version
            self._spent_s += trio.current_time() - began_s
        return version

    def _encode(self, status: AccountStatus, coin: str | None, *, for_screen: bool) -> bytes:
        """Encode a line, once for all that want the same."""
        key = coin, for_screen
        if key not in self._encoded:
            began_s = trio.current_time()
            line = self._make_screen_line(status, coin) if for_screen else WatchLine(status=status)
            self._encoded[key] = json.dumps(to_json(line), separators=(",", ":"), allow_nan=False).encode()
            self._spent_s += trio.current_time() - began_s
        return self._encoded[key]

    def _make_screen_line(self, status: AccountStatus, coin: str | None) -> WatchLine:
        source = self._source
        maker, title, now_s = source.maker, source.identity.network, trio.current_time()
        try:
            face = next(iter(find_faces(maker, coin).values()))
        except UnknownMarket:
            # It was taken out meanwhile.
            face = next(iter(maker.faces.values()))
        return WatchLine(
            status=status,
            market=take_view(face, now_s=now_s, started_s=source.started_s, title=title),
            account=take_account_view(maker, now_s=now_s, started_s=source.started_s, title=title)
            if source.identity.mode == "several"
            else None,
        )


def choose_status(status: AccountStatus, coin: str | None) -> AccountStatus:
    """Keep of the markets the one of this name; all of them for None, and none of a name that is unknown."""
    if coin is None:
        return status
    grid = status.find_grid(coin)
    return replace(status, grids=() if grid is None else (grid,))


def _strip_times(status: AccountStatus) -> AccountStatus:
    """Return a status without what changes by itself."""
    return replace(
        status,
        at_ms=0,
        uptime_s=0.0,
        last_tick_age_s=None,
        last_frame_age_s=None,
        last_commit_age_s=None,
        unwritten_age_s=0.0,
        unwritten_entries=0,
        budget=replace(status.budget, hours_left=None),
        grids=tuple(map(_strip_grid_times, status.grids)),
    )


def _strip_grid_times(grid: GridStatus) -> GridStatus:
    return replace(grid, last_tick_age_s=None, health=replace(grid.health, ticks=0))
