"""Frozen values of a maker, as screens, pages and answers show them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from mm_trio.model.orders import Quote, Side

__all__ = ["BudgetView", "FillRow", "HealthView", "InventoryView", "LadderRow", "MakerView", "RowStatus", "State"]

RowStatus: TypeAlias = Literal["resting", "changing", "cancelling", "wanted", "in flight", "in doubt", "free"]
State: TypeAlias = Literal["starting", "quoting", "in part", "paused", "cancel only"]

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderRow:
    """Row of one level.

    `resting` and `wanted` in base; `share` is `resting` as part of a full order. `status`: "resting" as it should ·
    "changing" a modify is due · "cancelling" a cancel is due · "wanted" a place is due · "in flight" sent and not yet
    answered · "in doubt" outcome unknown · "free" no order rests here or should.
    """

    side: Side
    level_index: int
    price: Decimal
    resting: Decimal = _ZERO
    wanted: Decimal = _ZERO
    share: float = 0.0
    status: RowStatus = "free"


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRow:
    """Row of one fill of ours.

    It happened `age_s` before the snapshot. `value` in quote; `complete`: the order was filled whole.
    """

    age_s: float
    quote: Quote
    value: Decimal
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryView:
    """Inventory by the ledger.

    `token…` in base, `usdc…` in quote; `virtual_…` is None without an allocation. `token_value` and `total_value` in
    quote at the boundary's price, None before the start.
    """

    base_name: str
    quote_name: str
    token: Decimal
    usdc: Decimal
    virtual_token: Decimal | None
    virtual_usdc: Decimal | None
    account_token: Decimal
    account_usdc: Decimal
    token_value: Decimal | None
    total_value: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetView:
    """Request budget.

    `items` sent in this session, and `items_per_1000` of quote filled. `hours_left`: inf if the budget does not shrink,
    None while it is too early for a forecast.
    """

    remaining: int
    items: int
    items_per_1000: float | None
    hours_left: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthView:
    """State of the maker, and its counters since the start.

    `why` is the reason why it does not quote, or not all of its ladder; None while it quotes in full.
    """

    state: State
    why: str | None
    doubts: int
    errors: int
    reconnects: int
    reconciliations: int
    ticks: int
    fills: int
    fill_volume: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRow:
    """One of several markets, as the list of them shows it.

    `boundary_price` is None before its start. `token` is what it may offer of its base.
    """

    coin: str
    pair_name: str
    state: State
    why: str | None
    boundary_price: Decimal | None
    spread_bps: float | None
    fills: int
    token: Decimal
    usdc: Decimal
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """Snapshot of all markets of one account, in the order of the configuration."""

    title: str
    uptime_s: float
    rows: tuple[GridRow, ...]
    budget_left: int
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MakerView:
    """Snapshot of one maker.

    `asks` and `bids` go from the boundary outwards, including levels without orders. `boundary_price` is that of the
    lowest level with an ask, or the top of the ladder where there is none.
    """

    title: str
    coin: str
    uptime_s: float
    boundary_level: int | None
    boundary_price: Decimal | None
    order_size: Decimal
    size_decimals: int
    asks: tuple[LadderRow, ...]
    bids: tuple[LadderRow, ...]
    n_asks: int
    n_bids: int
    spread_bps: float | None
    inventory: InventoryView
    budget: BudgetView
    health: HealthView
    fills: tuple[FillRow, ...]

    @property
    def pair_name(self) -> str:
        """Return `HYPE/USDC` where the market is known, else the coin."""
        inventory = self.inventory
        return f"{inventory.base_name}/{inventory.quote_name}" if inventory.base_name != self.coin else self.coin
