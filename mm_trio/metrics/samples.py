"""Samples of a maker at one moment: values of the metrics, by name and labels.

Taken on the event loop, from frozen values and public attributes; written as text on a thread. Money becomes a float
here and nowhere before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from math import nan
from typing import TypeAlias, get_args

import trio

from mm_trio.alerts.sender import ChannelReport
from mm_trio.engine.grid_face import GridFace
from mm_trio.halts.standing import Standing
from mm_trio.halts.standing import State as Stopped
from mm_trio.limits.nearness import LimitUse
from mm_trio.metrics.lateness import LatenessCounts
from mm_trio.views.account_status import AccountStatus, GridStatus, SideStatus
from mm_trio.views.maker import Maker
from mm_trio.views.values import State

__all__ = ["AlertCounts", "Sample", "Snapshot", "take_samples", "take_samples_in_turns"]

Number: TypeAlias = float | int | Decimal


@dataclass(frozen=True, slots=True)
class Sample:
    """Value of one metric; its name is without the prefix, `labels` are in the metric's order."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that one scrape tells."""

    samples: Sequence[Sample]
    lateness: LatenessCounts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCounts:
    """What the alerts of this process did until now."""

    n_raised: int
    channels: Sequence[ChannelReport] = field(default=())


def take_samples(status: AccountStatus, maker: Maker, *, alerts: AlertCounts | None = None) -> tuple[Sample, ...]:
    """Take the samples of a maker, in the event loop. A value that is not known has no sample, unless it is NaN."""
    return tuple(chain.from_iterable(_list_blocks(status, maker, alerts)))


async def take_samples_in_turns(
    status: AccountStatus, maker: Maker, *, alerts: AlertCounts | None = None
) -> tuple[Sample, ...]:
    """Take the samples of one grid after the other, between which other tasks have their turn."""
    samples: list[Sample] = []
    for block in _list_blocks(status, maker, alerts):
        samples += block
        await trio.lowlevel.checkpoint()
    return tuple(samples)


def _list_blocks(status: AccountStatus, maker: Maker, alerts: AlertCounts | None) -> Iterator[list[Sample]]:
    """List the samples of the account, then those of each grid."""
    account = [*_sample_account(status, maker), *_sample_limits("", status.limits)]
    yield account if alerts is None else [*account, *_sample_alerts(alerts)]
    for grid in status.grids:
        # One that was removed meanwhile is left out.
        if (face := maker.faces.get(grid.name)) is not None:
            counts, ledger = _sample_counts(grid, face), _sample_ledger(grid, face)
            yield [*_sample_grid(grid), *counts, *ledger, *_sample_limits(grid.name, grid.limits)]


def _sample_alerts(alerts: AlertCounts) -> Iterator[Sample]:
    yield Sample("alerts_raised", float(alerts.n_raised))
    for report in alerts.channels:
        yield Sample("alerts_sent_total", float(report.sent), (report.name,))
        yield Sample("alerts_failed_attempts_total", float(report.failed_attempts), (report.name,))
        yield Sample("alerts_given_up_total", float(report.given_up), (report.name,))


def _sample_account(status: AccountStatus, maker: Maker) -> Iterator[Sample]:
    who, hours = status.identity, status.budget.hours_left
    yield Sample("build_info", 1.0, (who.version, who.network, who.account, who.mode))
    yield from _sample_standing("account_standing", status.standing)
    key_s = None if status.key_ends_ms is None else (status.key_ends_ms - status.at_ms) / 1000
    yield from _sample_known(
        {
            "uptime_seconds": status.uptime_s,
            "last_frame_age_seconds": status.last_frame_age_s,
            "last_commit_age_seconds": status.last_commit_age_s,
            "unwritten_entries": status.unwritten_entries,
            "unwritten_age_seconds": status.unwritten_age_s,
            "budget_remaining_requests": status.budget.remaining,
            "budget_runway_seconds": nan if hours is None else 3600 * hours,
            "account_requests_total": status.requests_sent,
            "account_volume_total": status.volume_traded,
            "reconnects_total": status.reconnects,
            "key_remaining_seconds": key_s,
            "key_lost": maker.signs.is_key_lost,
            "guard_watching": status.has_guard,
        }
    )


def _sample_grid(grid: GridStatus) -> Iterator[Sample]:
    coin, inventory = (grid.name,), grid.inventory
    yield Sample("grid_info", 1.0, (grid.name, grid.pair_name, inventory.base_name, inventory.quote_name))
    for state in get_args(State):
        yield Sample("grid_state", float(grid.health.state == state), (grid.name, state))
    yield from _sample_standing("grid_standing", grid.standing, *coin)
    for side, resting in (("sell", grid.asks), ("buy", grid.bids)):
        yield from _sample_side(resting, grid.name, side)
    yield from _sample_known(
        {
            "grid_last_tick_age_seconds": grid.last_tick_age_s,
            "grid_tick_interval_seconds": grid.tick_interval_s,
            "grid_boundary_level": grid.boundary_level,
            "grid_boundary_price": grid.boundary_price,
            "grid_mid_price": grid.mid,
            "grid_spread_ratio": None if grid.spread_bps is None else grid.spread_bps / 10_000,
            "grid_value": inventory.total_value,
        },
        *coin,
    )


def _sample_side(resting: SideStatus, coin: str, side: str) -> Iterator[Sample]:
    values: dict[str, Number | None] = {
        "grid_best_price": resting.best_price,
        "grid_resting_orders": resting.orders,
        "grid_resting_base": resting.size,
        "grid_resting_notional": resting.notional,
    }
    yield from _sample_known(values, coin, side)


def _sample_counts(grid: GridStatus, face: GridFace) -> Iterator[Sample]:
    stats, health = face.stats, grid.health
    yield from _sample_known(
        {
            "grid_ticks_total": health.ticks,
            "grid_reconciliations_total": health.reconciliations,
            "grid_fills_total": health.fills,
            "grid_fill_volume_total": health.fill_volume,
            "grid_items_total": stats.items,
            "grid_actions_total": stats.requests,
            "grid_errors_total": health.errors,
            "grid_refusal_pauses_total": stats.refusals_paused,
            "grid_left_out_levels": stats.levels_left_out,
            "grid_doubtful_orders": health.doubts,
        },
        grid.name,
    )
    waiting: dict[str, int] = {}
    for pause in face.refusals:
        waiting[pause.kind.name.lower()] = waiting.get(pause.kind.name.lower(), 0) + pause.n_items
    for kind, n_items in waiting.items():
        yield Sample("grid_refused_items", float(n_items), (grid.name, kind))


def _sample_ledger(grid: GridStatus, face: GridFace) -> Iterator[Sample]:
    inventory, difference = grid.inventory, face.difference or (0, 0)
    amounts: dict[str, tuple[Number, Number]] = {
        "grid_inventory": (inventory.token, inventory.usdc),
        "grid_account_balance": (inventory.account_token, inventory.account_usdc),
        "grid_ledger_difference": difference,
        "grid_ledger_unexplained": face.inventory.unexplained,
    }
    for name, values in amounts.items():
        for token, value in zip(("base", "quote"), values, strict=True):
            yield Sample(name, float(value), (grid.name, token))


def _sample_limits(coin: str, uses: Iterable[LimitUse]) -> Iterator[Sample]:
    for use in uses:
        yield Sample("limit_used_ratio", nan if use.used is None else use.used, (coin, use.name))


def _sample_standing(name: str, standing: Standing, *labels: str) -> Iterator[Sample]:
    for state in Stopped:
        yield Sample(name, float(standing.state is state), (*labels, str(state)))


def _sample_known(values: Mapping[str, Number | None], *labels: str) -> Iterator[Sample]:
    for name, value in values.items():
        if value is not None:
            yield Sample(name, float(value), labels)
