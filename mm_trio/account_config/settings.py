"""Settings of one account: what its grids share, and each grid's own.

A grid's settings are those of a maker of its coin alone, so whatever works on one coin takes them as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, Self

from mm_trio.config.settings import (
    Alerts,
    Guard,
    Limits,
    MarketSettings,
    Network,
    Page,
    Record,
    Settings,
    Tuning,
)
from mm_trio.config.values import Metadata
from mm_trio.limits.terms import RiskLimits

__all__ = [
    "ACCOUNT_LIMITS",
    "GRID_TUNING",
    "MOST_GRIDS",
    "AccountLimits",
    "AccountSettings",
    "AccountTerms",
    "find_missing_limits",
]

# The venue gives an IP 1,000 subscriptions. A grid with its record takes two (best prices and trades), and twice as
# many while a connection is replaced, which is all of them. An account has 1,000 open orders, so four a grid then.
MOST_GRIDS = 250

# What may differ from grid to grid. Everything else is of the one tick, the one socket and the one lane of the account.
GRID_TUNING = (
    "dead_zone_bps",
    "price_tolerance_bps",
    "size_tolerance_pct",
    "min_notional",
    "foreign_orders",
    "hand_cancel_pause_s",
    "max_open_distance_pct",
)


def _as_in(kind: type[Any], name: str) -> Metadata:
    """Return how a field of another section is read."""
    return next({**item.metadata} for item in fields(kind) if item.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTerms:
    """Network and account of all grids, as in a one-market file."""

    network: Network = field(default="sandbox", metadata=_as_in(MarketSettings, "network"))
    api_url: str | None = field(default=None, metadata=_as_in(MarketSettings, "api_url"))
    account: str = field(metadata=_as_in(MarketSettings, "account"))
    vault: bool = field(default=False, metadata=_as_in(MarketSettings, "vault"))

    @classmethod
    def of(cls, market: MarketSettings) -> Self:
        """Return the account of a market."""
        return cls(network=market.network, api_url=market.api_url, account=market.account, vault=market.vault)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLimits:
    """Limits over all grids together; None is off.

    Amounts are in quote, summed over the grids of one quote token: each quote token has to keep the limit by itself.
    Counts are of the account. Prices and the size of one order are of a grid, and are not here; `budget_floor` is here
    alone, because there is one budget.
    """

    max_side_notional: Decimal | None = field(default=None, metadata=_as_in(Limits, "max_side_notional"))
    max_net_spend: Decimal | None = field(default=None, metadata=_as_in(Limits, "max_net_spend"))
    max_loss_vs_hold: Decimal | None = field(default=None, metadata=_as_in(Limits, "max_loss_vs_hold"))
    max_drawdown_vs_hold: Decimal | None = field(default=None, metadata=_as_in(Limits, "max_drawdown_vs_hold"))
    max_actions_per_hour: int | None = field(default=None, metadata=_as_in(Limits, "max_actions_per_hour"))
    max_fills_per_minute: int | None = field(default=None, metadata=_as_in(Limits, "max_fills_per_minute"))
    max_unknown_outcomes: int | None = field(default=None, metadata=_as_in(Limits, "max_unknown_outcomes"))
    budget_floor: int | None = field(default=None, metadata=_as_in(Limits, "budget_floor"))

    def to_risk_limits(self) -> RiskLimits:
        """Return the limits as a maker takes them; those of a grid are off."""
        return RiskLimits(**{name: getattr(self, name) for name in ACCOUNT_LIMITS})


ACCOUNT_LIMITS = tuple(item.name for item in fields(AccountLimits))


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """Everything that the operator decided for one account, checked.

    `grids` are in the order of the file, each complete. `limits` are over all grids, None where none are set. `tuning`
    is the default of the grids. `lists_markets`: the file has [[market]] tables, so the journal is the account's; a
    file with one [market] table keeps its journal in the folder of its coin.
    """

    account: AccountTerms
    grids: tuple[Settings, ...]
    limits: AccountLimits | None = None
    tuning: Tuning = field(default_factory=Tuning)
    guard: Guard = field(default_factory=Guard)
    record: Record = field(default_factory=Record)
    alerts: Alerts = field(default_factory=Alerts)
    page: Page = field(default_factory=Page)
    lists_markets: bool = True

    @classmethod
    def of_one_market(cls, settings: Settings) -> Self:
        """Return the account of a file with one [market] table; its limits are the grid's."""
        return cls(
            account=AccountTerms.of(settings.market),
            grids=(settings,),
            tuning=settings.tuning,
            guard=settings.guard,
            record=settings.record,
            alerts=settings.alerts,
            page=settings.page,
            lists_markets=False,
        )

    @property
    def coins(self) -> tuple[str, ...]:
        """Return the coins as they are configured, in the order of the file."""
        return tuple(grid.market.coin for grid in self.grids)

    def find_grid(self, coin: str) -> Settings | None:
        """Return the settings of a coin, by its configured name."""
        return next((grid for grid in self.grids if grid.market.coin == coin), None)


def find_missing_limits(settings: AccountSettings) -> tuple[str, ...]:
    """Name every limit that a maker of real money would lack, account first.

    In a file with one [market] table the grid's limits are all there is.
    """
    missing: list[str] = []
    if settings.lists_markets:
        ours = settings.limits or AccountLimits()
        missing += [f"[limits] {name}" for name in ACCOUNT_LIMITS if getattr(ours, name) is None]
    for grid in settings.grids:
        limits = grid.limits or Limits()
        section = f"market {grid.market.coin}: [market.limits]" if settings.lists_markets else "[limits]"
        names = [item.name for item in fields(limits) if getattr(limits, item.name) is None]
        # It is the account's, and is named there.
        missing += [f"{section} {name}" for name in names if not (settings.lists_markets and name == "budget_floor")]
    return tuple(missing)
