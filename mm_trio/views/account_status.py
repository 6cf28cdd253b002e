"""Status of a whole account: what a control socket, a page and metrics say of it.

Taking it changes nothing and plans nothing. Ages are in seconds before it was taken.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Self, TypeAlias

import trio

from mm_trio.account_config.settings import AccountSettings
from mm_trio.engine.grid_face import GridFace
from mm_trio.halts.standing import Standing
from mm_trio.limits.nearness import LimitUse
from mm_trio.model.orders import Side, TrackedOrder
from mm_trio.state.stats import forecast_budget_hours
from mm_trio.views.maker import Maker
from mm_trio.views.snapshot import take_health, take_inventory
from mm_trio.views.values import BudgetView, HealthView, InventoryView, State

__all__ = ["AccountStatus", "GridStatus", "Identity", "Mode", "SideStatus", "StatusSource", "take_status"]

# One: the file has one [market] table. Several: it has [[market]] tables, whatever their number.
Mode: TypeAlias = Literal["one", "several"]
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What does not change while a maker runs. `version` is the program's; `account` is an address, which is public."""

    version: str
    network: str
    account: str
    mode: Mode
    pid: int

    @classmethod
    def of(cls, settings: AccountSettings, *, version: str) -> Self:
        """Return the identity of a maker of these settings in this process."""
        mode: Mode = "several" if settings.lists_markets else "one"
        terms = settings.account
        return cls(version=version, network=terms.network, account=terms.account, mode=mode, pid=os.getpid())


@dataclass(frozen=True, slots=True, kw_only=True)
class SideStatus:
    """Resting orders of one side: how many, in base, in quote, and the price nearest to the market."""

    orders: int
    size: Decimal
    notional: Decimal
    best_price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GridStatus:
    """Status of one grid.

    `name` is the coin as configured, `coin` the venue's name of it. `boundary_level` and `boundary_price` are None
    before its start; `mid` is that of the book as the limits saw it last, None where they need none. `last_tick_age_s`
    None: it has not ticked; ticks are due each `tick_interval_s`.
    """

    name: str
    coin: str
    pair_name: str
    standing: Standing
    health: HealthView
    boundary_level: int | None
    boundary_price: Decimal | None
    mid: Decimal | None
    spread_bps: float | None
    order_size: Decimal
    asks: SideStatus
    bids: SideStatus
    inventory: InventoryView
    tick_interval_s: float
    last_tick_age_s: float | None
    limits: tuple[LimitUse, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatus:
    """Status of an account and its grids.

    `at_ms` is of the machine's calendar. `state` is that of the grids together: of one that quotes in part where some
    quote. `why` explains it. `standing` is the account's, or that of the only grid. `budget.items` are of this session.
    `reconnects` are of the account's connection; `doubts`, `errors` and fills are summed over the grids.
    `last_tick_age_s` is that of the grid that ticked longest ago. `unwritten_age_s`: since when entries of the ledger
    wait to be durable, 0 where none does. `limits` are those over all grids.
    """

    identity: Identity
    at_ms: int
    uptime_s: float
    state: State
    why: str | None
    standing: Standing
    budget: BudgetView
    requests_sent: int
    volume_traded: Decimal
    doubts: int
    errors: int
    reconnects: int
    fills: int
    last_tick_age_s: float | None
    last_frame_age_s: float | None
    last_commit_age_s: float | None
    unwritten_entries: int
    unwritten_age_s: float
    key_ends_ms: int | None
    has_guard: bool | None
    limits: tuple[LimitUse, ...]
    grids: tuple[GridStatus, ...]

    def find_grid(self, coin: str) -> GridStatus | None:
        """Find a grid by its configured name, the venue's name of its coin, or its pair."""
        return next((grid for grid in self.grids if coin in (grid.name, grid.coin, grid.pair_name)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSource:
    """Maker whose status is taken by whatever looks at it, and since when it runs.

    `started_s` is of the loop's clock; `wall_ms` reads the machine's calendar.
    """

    maker: Maker
    identity: Identity
    started_s: float = field(default_factory=trio.current_time)
    wall_ms: Callable[[], int] = field(default=lambda: time.time_ns() // 1_000_000)

    def take(self) -> AccountStatus:
        """Take the status now; to be called in the event loop."""
        return take_status(
            self.maker, self.identity, now_s=trio.current_time(), started_s=self.started_s, at_ms=self.wall_ms()
        )

    async def take_in_turns(self) -> AccountStatus:
        """Take the status of one grid after the other, between which other tasks have their turn.

        Of many grids a status takes as long as a tick may wait. The grids are not of quite the same moment.
        """
        grids = []
        for name, face in tuple(self.maker.faces.items()):
            grids.append(_take_grid(name, face, now_s=trio.current_time()))
            await trio.lowlevel.checkpoint()
        return _join_grids(
            self.maker,
            self.identity,
            tuple(grids),
            now_s=trio.current_time(),
            started_s=self.started_s,
            at_ms=self.wall_ms(),
        )


def take_status(maker: Maker, identity: Identity, *, now_s: float, started_s: float, at_ms: int = 0) -> AccountStatus:
    """Take the status of an account. Units: `now_s` and `started_s` in seconds of the loop's clock."""
    grids = tuple(_take_grid(name, face, now_s=now_s) for name, face in maker.faces.items())
    return _join_grids(maker, identity, grids, now_s=now_s, started_s=started_s, at_ms=at_ms)


def _join_grids(
    maker: Maker, identity: Identity, grids: tuple[GridStatus, ...], *, now_s: float, started_s: float, at_ms: int
) -> AccountStatus:
    """Make the status of an account from those of its grids."""
    vitals, uptime_s = maker.vitals, max(0.0, now_s - started_s)
    tick_ages = [grid.last_tick_age_s for grid in grids if grid.last_tick_age_s is not None]
    state, why = _sum_up(grids)
    return AccountStatus(
        identity=identity,
        at_ms=at_ms,
        uptime_s=_round(uptime_s),
        state=state,
        why=why,
        standing=maker.standing,
        budget=_take_budget(maker, uptime_s),
        requests_sent=maker.rate_limit.n_requests,
        volume_traded=maker.rate_limit.cum_vlm,
        doubts=sum(grid.health.doubts for grid in grids),
        errors=sum(grid.health.errors for grid in grids),
        reconnects=max((grid.health.reconnects for grid in grids), default=0),
        fills=sum(grid.health.fills for grid in grids),
        last_tick_age_s=max(tick_ages, default=None),
        last_frame_age_s=_find_age(vitals.framed_s, now_s),
        last_commit_age_s=_find_age(vitals.committed_s, now_s),
        unwritten_entries=vitals.n_unwritten,
        unwritten_age_s=_find_age(vitals.waits_since_s, now_s) or 0.0,
        key_ends_ms=vitals.key_ends_ms,
        has_guard=vitals.has_guard,
        limits=vitals.limits,
        grids=grids,
    )


def _take_grid(name: str, face: GridFace, *, now_s: float) -> GridStatus:
    orders, boundary = face.order_state.get_current_orders(), face.boundary_level
    price = None if boundary is None else face.grid.levels[min(boundary, face.grid.n_orders - 1)]
    asks, bids = _take_side("sell", orders), _take_side("buy", orders)
    known = asks.best_price is not None and bids.best_price is not None
    return GridStatus(
        name=name,
        coin=face.coin,
        pair_name=face.pair_name,
        standing=face.standing,
        health=take_health(face, started=boundary is not None),
        boundary_level=boundary,
        boundary_price=price,
        mid=face.mid,
        spread_bps=float((asks.best_price / bids.best_price - 1) * 10_000) if known else None,  # type: ignore[operator]
        order_size=face.settings.quoting.order_size,
        asks=asks,
        bids=bids,
        inventory=take_inventory(face, price),
        tick_interval_s=face.settings.interval_s,
        last_tick_age_s=_find_age(face.ticked_s, now_s),
        limits=face.limit_uses,
    )


def _take_side(side: Side, orders: Iterable[TrackedOrder]) -> SideStatus:
    ours = [order for order in orders if order.side == side]
    best = min if side == "sell" else max
    return SideStatus(
        orders=len(ours),
        size=sum((order.size for order in ours), _ZERO),
        notional=sum((order.size * order.price for order in ours), _ZERO),
        best_price=best((order.price for order in ours), default=None),
    )


def _take_budget(maker: Maker, run_s: float) -> BudgetView:
    stats = [face.stats for face in maker.faces.values()]
    items, volume = sum(each.items for each in stats), sum((each.fill_volume for each in stats), _ZERO)
    remaining = maker.rate_limit.remaining()
    return BudgetView(
        remaining=remaining,
        items=items,
        items_per_1000=1000 * items / float(volume) if volume else None,
        hours_left=forecast_budget_hours(items=items, volume=volume, remaining=remaining, run_s=run_s),
    )


def _sum_up(grids: tuple[GridStatus, ...]) -> tuple[State, str | None]:
    """Sum up the states of grids: that of all, or that some quote."""
    healths = [grid.health for grid in grids]
    states = {health.state for health in healths}
    if len(grids) == 1 or states == {"quoting"}:
        return healths[0].state, healths[0].why
    others = [grid for grid in grids if grid.health.state != "quoting"]
    why = "; ".join(f"{grid.name}: {grid.health.why or grid.health.state}" for grid in others)
    return (next(iter(states)) if len(states) == 1 else "in part"), why


def _find_age(at_s: float | None, now_s: float) -> float | None:
    return None if at_s is None else _round(max(0.0, now_s - at_s))


def _round(seconds: float) -> float:
    return round(seconds, 3)
