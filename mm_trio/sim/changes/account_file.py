"""The configuration file of an operator, made of the ladders that a seed draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, TypeAlias

from mm_trio.account_config.settings import AccountSettings, AccountTerms
from mm_trio.config.settings import Allocation, Limits, MarketSettings, Settings, Strategy, Tuning
from mm_trio.limits.terms import RiskLimits
from mm_trio.sim.base.scenario import Scenario, ScenarioLadder

__all__ = ["FindLimits", "Ladders", "make_account", "read_ladders"]

# Ladders with their allocations, by coin, in the order of the file.
Ladders: TypeAlias = Mapping[str, ScenarioLadder]
# Finds the limits of a coin's ladder; None where it has none.
FindLimits: TypeAlias = Callable[[str, ScenarioLadder], RiskLimits | None]


def make_account(
    scenario: Scenario, ladders: Ladders, *, address: str, find_limits: FindLimits, stale_s: float
) -> AccountSettings:
    """Make the configuration that an operator would write for these ladders."""
    terms = AccountTerms(account=address)
    drawn: dict[str, Any] = {**scenario.tuning, "feed_stale_after_s": stale_s}
    if drawn.get("feed_lag_limit_s") is None:
        # A file cannot switch this off, and it is of the account: a grid that changes does not read it.
        drawn.pop("feed_lag_limit_s", None)
    drawn["foreign_orders"] = "keep" if scenario.keep_foreign else "cancel"
    exact = {"dead_zone_bps", "price_tolerance_bps", "size_tolerance_pct"}
    drawn |= {name: Decimal(drawn[name]) for name in exact}
    tuning = Tuning(**drawn)
    grids = [
        _make_grid(terms, coin, ladder, tuning=tuning, limits=find_limits(coin, ladder))
        for coin, ladder in ladders.items()
    ]
    return AccountSettings(account=terms, grids=tuple(grids), tuning=tuning)


def _make_grid(
    terms: AccountTerms, coin: str, ladder: ScenarioLadder, *, tuning: Tuning, limits: RiskLimits | None
) -> Settings:
    assert ladder.tokens is not None
    assert ladder.quote is not None
    assert ladder.min_notional == tuning.min_notional
    return Settings(
        market=MarketSettings(
            coin=coin, network=terms.network, api_url=terms.api_url, account=terms.account, vault=terms.vault
        ),
        strategy=Strategy(
            start_px=ladder.start_px,
            n_orders=ladder.n_orders,
            order_sz=ladder.order_size,
            tick_size=ladder.step,
            active_levels=ladder.active_levels,
            window_slack=ladder.window_slack,
            gap_levels=ladder.gap_levels,
        ),
        allocation=Allocation(token=ladder.tokens, usdc=ladder.quote),
        tuning=tuning,
        limits=None if limits is None else Limits(**{item.name: getattr(limits, item.name) for item in fields(Limits)}),
    )


def read_ladders(account: AccountSettings) -> dict[str, ScenarioLadder]:
    """Read the ladders of a configuration."""
    return {grid.market.coin: _read_ladder(grid) for grid in account.grids}


def _read_ladder(grid: Settings) -> ScenarioLadder:
    strategy = grid.strategy
    assert grid.allocation is not None
    return ScenarioLadder(
        start_px=strategy.start_px,
        n_orders=strategy.n_orders,
        step=strategy.tick_size,
        order_size=strategy.order_sz,
        tokens=grid.allocation.token,
        quote=grid.allocation.usdc,
        active_levels=strategy.active_levels,
        window_slack=strategy.window_slack,
        gap_levels=strategy.gap_levels,
        min_notional=grid.tuning.min_notional,
    )
