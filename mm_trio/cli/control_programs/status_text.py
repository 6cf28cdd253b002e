"""Status of an account in words, for a person and for a log."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from mm_trio.limits.nearness import LimitUse
from mm_trio.terminal_ui.render import format_duration
from mm_trio.views.account_status import AccountStatus, GridStatus

__all__ = ["describe_account_line", "describe_grid_line", "write_status"]

# Limits that are farther away are not worth a line.
NEAR = 0.5


def write_status(status: AccountStatus) -> str:
    """Write a status as a few lines."""
    identity = status.identity
    about = "" if identity.mode == "one" and status.why is None else f": {status.why}" if status.why else ""
    lines = [
        f"{status.state}{about}",
        f"network {identity.network}, account {identity.account}, up {format_duration(status.uptime_s)}, version "
        f"{identity.version}, process {identity.pid}",
    ]
    if not status.standing.state.may_place:
        lines.append(f"standing: {status.standing.describe()}")
    for grid in status.grids:
        lines += ["", *_write_grid(grid, is_alone=identity.mode == "one")]
    return "\n".join([*lines, "", *_write_account(status)])


def _write_grid(grid: GridStatus, *, is_alone: bool) -> Iterator[str]:
    inventory, health = grid.inventory, grid.health
    state = "" if is_alone else f": {health.state}{f', {health.why}' if health.why else ''}"
    yield f"{grid.pair_name}{f' ({grid.coin})' if grid.coin != grid.pair_name else ''}{state}"
    if not is_alone and not grid.standing.state.may_place:
        yield f"  standing: {grid.standing.describe()}"
    yield f"  {_describe_boundary(grid)}"
    yield (
        f"  {grid.asks.orders} asks of {grid.asks.size:,f} {inventory.base_name} for {grid.asks.notional:,.2f}, "
        f"{grid.bids.orders} bids for {grid.bids.notional:,.2f} {inventory.quote_name}"
    )
    worth = "" if inventory.total_value is None else f", worth {inventory.total_value:,.2f} {inventory.quote_name}"
    yield (
        f"  may use {inventory.token:,f} {inventory.base_name} and {inventory.usdc:,.2f} {inventory.quote_name}{worth}"
    )
    yield (
        f"  {health.ticks:,} ticks, the last {_say_age(grid.last_tick_age_s)}; {health.fills:,} fills for "
        f"{health.fill_volume:,.2f} {inventory.quote_name}; {health.doubts} in doubt, {health.errors} errors"
    )
    yield from _write_limits(grid.limits)


def _describe_boundary(grid: GridStatus) -> str:
    if grid.boundary_level is None or grid.boundary_price is None:
        return "no boundary yet"
    spread = "no spread" if grid.spread_bps is None else f"spread {grid.spread_bps:.1f} bps"
    return f"boundary {grid.boundary_level} at {grid.boundary_price:,f}, {spread}"


def _write_account(status: AccountStatus) -> Iterator[str]:
    hours = status.budget.hours_left
    lasts = "" if hours is None else f", lasts {_say_hours(hours)}"
    yield f"budget {status.budget.remaining:,} left{lasts}; {status.budget.items:,} sent in this session"
    waiting = (
        f"; {status.unwritten_entries} entries wait for {format_duration(status.unwritten_age_s)}"
        if status.unwritten_entries
        else ""
    )
    yield (
        f"last frame {_say_age(status.last_frame_age_s)}, last commit {_say_age(status.last_commit_age_s)}{waiting}; "
        f"{status.reconnects} reconnects"
    )
    if status.has_guard is not None:
        yield "a guard watches" if status.has_guard else "no guard watches"
    yield from _write_limits(status.limits)


def _write_limits(uses: tuple[LimitUse, ...]) -> Iterator[str]:
    for use in sorted(uses, key=lambda each: each.used or 0.0, reverse=True):
        if use.used is not None and use.used >= NEAR:
            yield f"  limit {use.name}: {use.used:.0%} used, {_say(use.number)} of {_say(use.limit)} {use.unit}"


def describe_account_line(status: AccountStatus) -> str:
    """Describe what is of the whole account in one line."""
    why = f" why={status.why}" if status.why else ""
    return (
        f"account: state={status.state.replace(' ', '_')} budget={status.budget.remaining} errors={status.errors} "
        f"reconnects={status.reconnects}{why}"
    )


def describe_grid_line(grid: GridStatus) -> str:
    """Describe one market in one line."""
    health, spread = grid.health, "-" if grid.spread_bps is None else f"{grid.spread_bps:.1f}"
    boundary = "-" if grid.boundary_price is None else f"{grid.boundary_level}@{grid.boundary_price:f}"
    why = f" why={health.why}" if health.why else ""
    return (
        f"market: coin={grid.name} state={health.state.replace(' ', '_')} boundary={boundary} spread_bps={spread} "
        f"asks={grid.asks.orders} bids={grid.bids.orders} fills={health.fills} in_doubt={health.doubts} "
        f"errors={health.errors}{why}"
    )


def _say_age(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s ago" if seconds < 10 else f"{format_duration(seconds)} ago"


def _say_hours(hours: float) -> str:
    return "as long as it goes on like this" if hours == float("inf") else format_duration(3600 * hours)


def _say(number: Decimal | None) -> str:
    return "-" if number is None else f"{number:,f}"
