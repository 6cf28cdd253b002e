"""Settings of one maker, checked and immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Literal, TypeAlias, get_args

from mm_trio.model.cloid import MAX_LEVELS
from mm_trio.model.errors import ConfigError
from mm_trio.model.numbers import Number, make_exact, to_decimal
from mm_trio.model.pricing_grid import LadderRule, PricingGrid

__all__ = [
    "LEAST_IN_MINIMA",
    "Allotment",
    "ForeignOrders",
    "LedgerMode",
    "MakerSettings",
    "QuoteSettings",
    "find_changed_terms",
    "find_ladder_rule",
]

# An order has to be worth so many minimum notionals: what it buys arrives less the fee, and has to be sold again.
LEAST_IN_MINIMA = Decimal("1.01")
ForeignOrders: TypeAlias = Literal["cancel", "keep"]
# Whether a request waits for its entry, or may leave beside it where a durable reservation covers it.
LedgerMode: TypeAlias = Literal["ahead", "beside"]
# Amounts of base and quote; None: the whole account.
Allotment: TypeAlias = tuple[Decimal | None, Decimal | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteSettings:
    """Settings of the planner.

    `order_size` in base, `min_notional` in quote, windows in levels of a side.
    """

    order_size: Decimal
    min_notional: Decimal
    active_levels: int | None = None
    window_slack: int = 0
    gap_levels: int = 0
    dead_zone_bps: Decimal = Decimal(5)
    price_tolerance_bps: Decimal = Decimal(1)
    size_tolerance_pct: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        if self.active_levels is not None and self.active_levels < 1:
            raise ConfigError(f"active_levels must be 1 or more (or None for all), got {self.active_levels}")
        if not 0 <= self.window_slack < (self.active_levels or self.window_slack + 1):
            raise ConfigError(
                f"window_slack must be 0 or more and below active_levels, got {self.window_slack} "
                f"with active_levels={self.active_levels}"
            )
        if self.gap_levels < 0:
            raise ConfigError(f"gap_levels must be 0 or more, got {self.gap_levels}")
        for name in ("min_notional", "dead_zone_bps", "price_tolerance_bps", "size_tolerance_pct"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be 0 or more, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MakerSettings:
    """Settings of a maker, named as the parameters of `WsState`.

    Prices in quote per base; `order_sz` and `allocated_token` in base; `allocated_usdc` and `min_notional` in
    quote; every `_s` in seconds. `ladder` None: the rule of the ledger, HIP-2's without one. `quoting` is derived from
    them, for the planner.
    Errors: ConfigError (a ValueError) for values that cannot be quoted.
    """

    coin: str
    start_px: Number
    n_orders: int
    order_sz: Number
    interval_s: float
    dead_zone_bps: Number
    price_tolerance_bps: Number
    size_tolerance_pct: Number
    reconcile_every: int
    tick_size: Number
    min_notional: Number
    active_levels: int | None
    window_slack: int
    gap_levels: int
    ladder: LadderRule | None
    allocated_token: Number | None
    allocated_usdc: Number | None
    cancel_on_shutdown: bool
    foreign_orders: ForeignOrders
    requote_on_fill: bool
    feed_stale_after_s: float | None
    take_over: bool
    feed_lag_limit_s: float | None
    hand_cancel_pause_s: float
    hand_cancels_to_stop: int | None
    ledger: LedgerMode
    quoting: QuoteSettings = field(init=False)

    def __post_init__(self) -> None:
        make_exact(self, "order_sz", "dead_zone_bps", "price_tolerance_bps", "size_tolerance_pct", "min_notional")
        self._check()
        quoting = QuoteSettings(
            order_size=to_decimal(self.order_sz),
            min_notional=to_decimal(self.min_notional),
            active_levels=self.active_levels,
            window_slack=self.window_slack,
            gap_levels=self.gap_levels,
            dead_zone_bps=to_decimal(self.dead_zone_bps),
            price_tolerance_bps=to_decimal(self.price_tolerance_bps),
            size_tolerance_pct=to_decimal(self.size_tolerance_pct),
        )
        object.__setattr__(self, "quoting", quoting)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of all settings, in order."""
        return tuple(f.name for f in fields(cls) if f.init)

    def _check(self) -> None:
        if not self.interval_s > 0 or self.reconcile_every < 1:
            raise ConfigError(
                "interval_s must be above 0 and reconcile_every 1 or more, "
                f"got {self.interval_s} and {self.reconcile_every}"
            )
        if self.n_orders > MAX_LEVELS:
            raise ConfigError(f"n_orders must be {MAX_LEVELS} or less, got {self.n_orders}")
        if not 0 <= self.gap_levels < self.n_orders:
            raise ConfigError(
                f"gap_levels must be from 0 to {self.n_orders - 1}, below n_orders, got {self.gap_levels}: a "
                "larger gap leaves no level to buy on"
            )
        if self.ladder not in (None, *get_args(LadderRule)):
            raise ConfigError(f"ladder must be 'hip2' or 'half-even', got {self.ladder!r}")
        if self.feed_stale_after_s is not None and not self.feed_stale_after_s > 0:
            raise ConfigError(f"feed_stale_after_s must be above 0 (or None: off), got {self.feed_stale_after_s}")
        if self.ledger not in get_args(LedgerMode):
            raise ConfigError(f"ledger must be 'ahead' or 'beside', got {self.ledger!r}")
        if self.foreign_orders not in ("cancel", "keep"):
            raise ConfigError(f"foreign_orders must be 'cancel' or 'keep', got {self.foreign_orders!r}")

    @property
    def keeps_foreign(self) -> bool:
        """Check if foreign orders are left alone.

        They are orders that this program did not place.
        """
        return self.foreign_orders == "keep"

    @property
    def allocation(self) -> Allotment:
        """Return the amounts that the maker may use."""
        token, usdc = self.allocated_token, self.allocated_usdc
        return None if token is None else to_decimal(token), None if usdc is None else to_decimal(usdc)

    def make_grid(self, sz_decimals: int | None = None, *, ladder: LadderRule | None = None) -> PricingGrid:
        """Compute the ladder.

        `sz_decimals` are the market's, None until they are known. `ladder` is the rule where the settings name none.
        Errors: ValueError.
        """
        return PricingGrid(
            self.start_px,
            self.n_orders,
            tick_size=self.tick_size,
            sz_decimals=sz_decimals,
            ladder=self.ladder or ladder or "hip2",
        )

    @property
    def parameters(self) -> dict[str, str]:
        """Return the parameters of the ladder, for the journal."""
        # One level is enough: a checkpoint asks for this on the loop, where a ladder of thousands takes too long.
        lowest = PricingGrid(self.start_px, 1, tick_size=self.tick_size).levels[0]
        return {
            "coin": self.coin,
            "start_px": str(lowest),
            "n_orders": str(self.n_orders),
            "tick_size": str(self.tick_size),
            "order_sz": str(self.order_sz),
            "gap_levels": str(self.gap_levels),
        }

    @property
    def window_parameters(self) -> dict[str, str]:
        """Return what else decides which orders rest, for readers of the journal.

        A restart may change them, and no ledger depends on them.
        """
        quoting = self.quoting
        window = {} if quoting.active_levels is None else {"active_levels": str(quoting.active_levels)}
        return {**window, "min_notional": f"{quoting.min_notional:f}", "window_slack": str(quoting.window_slack)}


def find_ladder_rule(recorded: Mapping[str, str]) -> LadderRule:
    """Find how the prices of a recorded ladder are rounded."""
    # Ledgers named no rule while there was but one.
    return "hip2" if recorded.get("ladder") == "hip2" else "half-even"


def find_changed_terms(parameters: Mapping[str, str], recorded: Mapping[str, str]) -> tuple[str, ...]:
    """Name the parameters that a ledger was not kept with.

    `recorded` may be of an earlier version, and have more of them.
    """
    # There was no gap before it had a name, and numbers were written with idle zeros.
    before = {"gap_levels": "0"} | dict(recorded)
    return tuple(name for name, value in parameters.items() if name not in before or not _is_equal(value, before[name]))


def _is_equal(one: str, other: str) -> bool:
    try:
        return Decimal(one) == Decimal(other)
    except InvalidOperation:
        return one == other
