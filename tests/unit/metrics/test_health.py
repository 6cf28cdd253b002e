"""Whether a maker is well, and whether it quotes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from mm_trio.halts.standing import ACTIVE, Standing, State
from mm_trio.metrics.health import judge_health, judge_readiness
from mm_trio.views.account_status import AccountStatus, GridStatus, Identity, SideStatus
from mm_trio.views.values import BudgetView, HealthView, InventoryView

_ZERO = Decimal(0)
_SIDE = SideStatus(orders=5, size=_ZERO, notional=_ZERO, best_price=None)
_HEALTH = HealthView(
    state="quoting",
    why=None,
    doubts=0,
    errors=0,
    reconnects=0,
    reconciliations=1,
    ticks=10,
    fills=0,
    fill_volume=_ZERO,
)
_INVENTORY = InventoryView(
    base_name="HYPE",
    quote_name="USDC",
    token=_ZERO,
    usdc=_ZERO,
    virtual_token=None,
    virtual_usdc=None,
    account_token=_ZERO,
    account_usdc=_ZERO,
    token_value=None,
    total_value=None,
)
GRID = GridStatus(
    name="@107",
    coin="@107",
    pair_name="HYPE/USDC",
    standing=ACTIVE,
    health=_HEALTH,
    boundary_level=3,
    boundary_price=None,
    mid=None,
    spread_bps=None,
    order_size=_ZERO,
    asks=_SIDE,
    bids=_SIDE,
    inventory=_INVENTORY,
    tick_interval_s=3.0,
    last_tick_age_s=1.0,
    limits=(),
)
OTHER = replace(GRID, name="PURR/USDC")
WELL = AccountStatus(
    identity=Identity(version="0.1.0", network="sandbox", account="0x" + "a1" * 20, mode="several", pid=7),
    at_ms=0,
    uptime_s=600.0,
    state="quoting",
    why=None,
    standing=ACTIVE,
    budget=BudgetView(remaining=1, items=1, items_per_1000=None, hours_left=None),
    requests_sent=1,
    volume_traded=_ZERO,
    doubts=0,
    errors=0,
    reconnects=0,
    fills=0,
    last_tick_age_s=1.0,
    last_frame_age_s=1.0,
    last_commit_age_s=100.0,
    unwritten_entries=0,
    unwritten_age_s=0.0,
    key_ends_ms=None,
    has_guard=None,
    limits=(),
    grids=(GRID, OTHER),
)


def bad(status: AccountStatus, *, ended: tuple[str, ...] = (), stale_after_s: float | None = 30.0) -> list[str]:
    wellness = judge_health(status, ended=ended, stale_after_s=stale_after_s)
    assert wellness.is_ok is all(sign.is_ok for sign in wellness.signs)
    assert wellness.to_json()["ok"] is wellness.is_ok
    return [sign.name for sign in wellness.signs if not sign.is_ok]


def test_a_maker_whose_signs_are_new_is_well() -> None:
    assert bad(WELL) == []


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"grids": (GRID, replace(OTHER, last_tick_age_s=15.1))}, ["tick"]),
        ({"grids": (replace(GRID, tick_interval_s=60.0, last_tick_age_s=200.0),)}, []),
        ({"grids": (replace(GRID, tick_interval_s=60.0, last_tick_age_s=241.0),)}, ["tick"]),
        ({"grids": (replace(GRID, last_tick_age_s=None),)}, ["tick"]),
        ({"grids": (replace(GRID, last_tick_age_s=None),), "uptime_s": 60.0}, []),
        ({"grids": ()}, ["tick"]),
        ({"last_frame_age_s": 60.1}, ["frame"]),
        ({"last_frame_age_s": None, "uptime_s": 60.0}, []),
        ({"last_frame_age_s": None}, ["frame"]),
        ({"unwritten_age_s": 10.1}, ["commit"]),
        ({"last_commit_age_s": None}, []),
    ],
)
def test_a_sign_that_is_too_old_is_named(change: dict[str, object], names: list[str]) -> None:
    assert bad(replace(WELL, **change)) == names  # type: ignore[arg-type]


def test_a_grid_that_ended_alone_does_not_make_the_maker_ill() -> None:
    halted = replace(OTHER, last_tick_age_s=999.0, standing=Standing(state=State.HALTED, why="max_net_spend"))
    failed = replace(OTHER, last_tick_age_s=999.0)

    assert bad(replace(WELL, grids=(GRID, halted))) == []
    assert bad(replace(WELL, grids=(GRID, failed))) == ["tick"]
    assert bad(replace(WELL, grids=(GRID, failed)), ended=("PURR/USDC",)) == []


def test_a_slow_market_may_be_silent_as_long_as_it_is_configured() -> None:
    assert bad(replace(WELL, last_frame_age_s=100.0), stale_after_s=60.0) == []
    assert bad(replace(WELL, last_frame_age_s=100.0), stale_after_s=None) == ["frame"]


def test_ready_is_who_quotes_at_least_in_part() -> None:
    paused = replace(OTHER, health=replace(_HEALTH, state="paused", why="lunch"))

    some = judge_readiness(replace(WELL, state="in part", why="PURR/USDC: lunch", grids=(GRID, paused)))
    none = judge_readiness(replace(WELL, state="paused", why="lunch", grids=(paused,)))

    assert (some.is_ready, none.is_ready) == (True, False)
    assert none.to_json() == {
        "ready": False,
        "state": "paused",
        "why": "lunch",
        "grids": {"PURR/USDC": {"state": "paused", "why": "lunch"}},
    }
