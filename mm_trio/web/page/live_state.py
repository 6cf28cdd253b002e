"""State of a running maker as the page shows it: taken a few times a second while somebody looks.

One text is made for all who look at the same grid. Nobody is waited for: each gets the newest text when it can take
one, and never sees the others.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, Never

import trio

from mm_trio.limits.nearness import LimitUse
from mm_trio.views.account_status import AccountStatus, GridStatus, StatusSource
from mm_trio.views.json_values import to_json
from mm_trio.views.snapshot import take_view
from mm_trio.views.values import LadderRow

__all__ = ["LiveState"]

# Four times a second is as often as an eye wants it.
LEAST_PERIOD_S = 0.25
# Of what taking it cost: the loop keeps nineteen of twenty parts for the maker, however many grids there are.
PERIODS_A_COST = 20.0
# What changed nothing but ages is told so often, and shows that the maker lives.
STILL_EVERY_S = 1.0
LEVELS_A_SIDE = 60
# What goes on by itself, and is no news.
_AGES = frozenset(
    {"at_ms", "uptime_s", "last_tick_age_s", "last_frame_age_s", "last_commit_age_s", "unwritten_age_s", "hours_left"}
)


class LiveState:
    """Texts of a maker's state, by the grid that is looked at."""

    def __init__(self, source: StatusSource, *, cpu_s: Callable[[], float] = time.thread_time) -> None:
        self._source = source
        self._cpu_s = cpu_s
        self._watched: Counter[str] = Counter()
        self._texts: dict[str, bytes] = {}
        self._news: dict[str, object] = {}
        self._told_s = float("-inf")
        self.version = 0
        self._changed = trio.Event()
        self._wanted = trio.Event()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the grids, in the order of the configuration."""
        return tuple(self._source.maker.faces)

    @contextmanager
    def watched(self, name: str) -> Iterator[None]:
        """Have the state of a grid taken while the context is open."""
        self._watched[name] += 1
        # It is taken at once for one who comes.
        self._news.pop(name, None)
        self._wanted.set()
        try:
            yield
        finally:
            self._watched[name] -= 1
            if not self._watched[name]:
                del self._watched[name]
                self._texts.pop(name, None)

    async def wait_for_news(self, version: int) -> int:
        """Wait until there is a newer version, and return it."""
        while self.version <= version:
            await self._changed.wait()
        return self.version

    def read(self, name: str) -> bytes | None:
        """Return the newest state of a grid as JSON; None before the first."""
        return self._texts.get(name)

    async def keep_forever(self) -> Never:
        """Take the state again and again, while somebody looks."""
        while True:
            if not self._watched:
                self._wanted = trio.Event()
                await self._wanted.wait()
            cost_s = await self._take()
            await trio.sleep(max(LEAST_PERIOD_S, PERIODS_A_COST * cost_s))

    async def _take(self) -> float:
        """Take the state for all who look, and return what that cost in seconds of the processor."""
        began_s = self._cpu_s()
        status = self._source.take()
        shared = make_shared(status)
        cost_s = self._cpu_s() - began_s
        texts: dict[str, bytes] = {}
        news: dict[str, object] = {}
        for name in tuple(self._watched):
            began_s = self._cpu_s()
            grid = self._make_grid(status, name)
            values = {**shared, "grid": grid}
            texts[name] = json.dumps(values, separators=(",", ":")).encode()
            news[name] = hash(json.dumps(_without_ages(values)))
            cost_s += self._cpu_s() - began_s
            # Each grid takes a few milliseconds; a tick may come in between.
            await trio.lowlevel.checkpoint()
        self._publish({name: text for name, text in texts.items() if name in self._watched}, news)
        return cost_s

    def _publish(self, texts: dict[str, bytes], news: dict[str, object]) -> None:
        now_s = trio.current_time()
        if news == self._news and now_s - self._told_s < STILL_EVERY_S:
            return
        self._texts, self._news, self._told_s = texts, news, now_s
        self.version += 1
        self._changed.set()
        self._changed = trio.Event()

    def _make_grid(self, status: AccountStatus, name: str) -> dict[str, Any] | None:
        """Make the detail of one grid; None where there is none of that name any more."""
        face, grid = self._source.maker.faces.get(name), status.find_grid(name)
        if face is None or grid is None:
            return None
        view = take_view(face, now_s=trio.current_time(), started_s=self._source.started_s, levels=LEVELS_A_SIDE)
        values: dict[str, Any] = to_json(grid)
        return values | {
            "asks": _make_ladder(view.asks),
            "bids": _make_ladder(view.bids),
            "sides": {"asks": to_json(grid.asks), "bids": to_json(grid.bids)},
            "size_decimals": view.size_decimals,
            "standing": grid.standing.describe() if not grid.standing.state.may_place else None,
        }


def make_shared(status: AccountStatus) -> dict[str, Any]:
    """Make what everybody gets: the account, and a row for each grid."""
    account = {
        item.name: to_json(getattr(status, item.name))
        for item in fields(status)
        if item.name not in ("grids", "standing")
    }
    account["standing"] = status.standing.describe() if not status.standing.state.may_place else None
    return {"account": account, "rows": [_make_row(grid) for grid in status.grids]}


def _make_row(grid: GridStatus) -> dict[str, Any]:
    nearest = max((use for use in grid.limits if use.used is not None), key=_find_use, default=None)
    health, inventory = grid.health, grid.inventory
    return {
        "name": grid.name,
        "pair_name": grid.pair_name,
        "state": health.state,
        "why": health.why,
        "boundary_price": to_json(grid.boundary_price),
        "mid": to_json(grid.mid),
        "spread_bps": grid.spread_bps,
        "n_asks": grid.asks.orders,
        "n_bids": grid.bids.orders,
        "token": to_json(inventory.token),
        "usdc": to_json(inventory.usdc),
        "base_name": inventory.base_name,
        "quote_name": inventory.quote_name,
        "total_value": to_json(inventory.total_value),
        "fills": health.fills,
        "fill_volume": to_json(health.fill_volume),
        "errors": health.errors,
        "doubts": health.doubts,
        "nearest": None if nearest is None else {"name": nearest.name, "used": nearest.used},
    }


def _find_use(use: LimitUse) -> float:
    return use.used or 0.0


def _make_ladder(rows: tuple[LadderRow, ...]) -> list[list[Any]]:
    """Make rows of level, price, resting size, wanted size and status, from the boundary outwards.

    Free levels behind the last order are left out.
    """
    n = max((number for number, row in enumerate(rows, 1) if row.status != "free"), default=0)
    return [
        [row.level_index, to_json(row.price), to_json(row.resting), to_json(row.wanted), row.status] for row in rows[:n]
    ]


def _without_ages(value: Any) -> Any:
    """Return JSON values without those that change by themselves."""
    if isinstance(value, dict):
        return {name: _without_ages(each) for name, each in value.items() if name not in _AGES}
    return value
