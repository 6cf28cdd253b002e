"""Settings of the operator: every name, bound and default.

They hold no key, and nothing here asks the venue.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import Decimal, localcontext
from typing import Literal, NotRequired, TypedDict, cast

from mm_trio.config.redaction import HiddenUrl
from mm_trio.config.values import (
    AMOUNT,
    MAX_DIGITS,
    NAME,
    PRICE,
    Metadata,
    boolean_value,
    choice_value,
    decimal_value,
    hidden_url_value,
    hidden_urls_value,
    listening_host,
    loopback_url,
    minutes_value,
    seconds_value,
    text_value,
    whole_value,
)
from mm_trio.limits.hosts import VENUE_URLS, Network
from mm_trio.limits.terms import RiskLimits
from mm_trio.model.cloid import MAX_LEVELS
from mm_trio.model.errors import ConfigError
from mm_trio.model.pricing_grid import LadderRule, PricingGrid
from mm_trio.model.settings import LedgerMode

__all__ = [
    "ACCOUNT_VARIABLE",
    "VENUE_URLS",
    "Alerts",
    "Allocation",
    "Guard",
    "Limits",
    "MakerParameters",
    "MarketSettings",
    "Network",
    "Page",
    "Record",
    "Settings",
    "Strategy",
    "Tuning",
    "compute_target_allocation",
    "read_address",
]

ACCOUNT_VARIABLE = "MM_TRIO_ACCOUNT_ADDRESS"
# Each has a queue and a thread of its own.
MOST_ALERT_URLS = 8
SANDBOX_URL = "http://127.0.0.1:3001"

_ADDRESS = text_value(
    "0[xX][0-9a-fA-F]{40}",
    f"an address in quotes, 0x and 40 hex digits; it may also come from {ACCOUNT_VARIABLE}",
    such_as='"0x0123456789abcdef0123456789abcdef01234567"',
    then=str.lower,
)


def read_address(text: str) -> str | None:
    """Read an address in small letters; None for any other text."""
    address = _ADDRESS["kind"].read(text)
    return address if isinstance(address, str) else None


def _limit(unit: str) -> Metadata:
    """Describe an amount that a limit names."""
    return decimal_value("0.01", AMOUNT[1], unit, such_as='"1000"')


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSettings:
    """Pair, network and account.

    `account` is the address that trades, not the signer's. `base`: name of the token that has to be traded. `vault`:
    the account is a sub-account or a vault, and the signer is its master or the master's agent.
    """

    coin: str = field(
        metadata=text_value(rf"@[0-9]{{1,6}}|{NAME}/{NAME}", "a spot pair, @N or BASE/QUOTE", such_as='"HYPE/USDC"')
    )
    network: Network = field(default="sandbox", metadata=choice_value("sandbox", "testnet", "mainnet"))
    api_url: str | None = field(
        default=None,
        metadata=text_value(
            ".*",
            "http:// on 127.0.0.1, localhost or [::1], with or without a port and nothing after it",
            such_as=f'"{SANDBOX_URL}"',
            then=loopback_url,
        ),
    )
    account: str = field(metadata=_ADDRESS)
    base: str | None = field(
        default=None,
        metadata=text_value(NAME, "the name of the pair's base token", such_as='"HYPE"'),
    )
    vault: bool = field(default=False, metadata=boolean_value(such_as="true"))

    @property
    def base_url(self) -> str:
        """Address of the venue.

        For testnet and mainnet it is the one in code, whatever `api_url` holds.
        """
        return VENUE_URLS.get(self.network) or self.api_url or SANDBOX_URL


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """Ladder of orders.

    Prices are in quote per base, `order_sz` in base, `tick_size` is a ratio, windows and gap are in levels. `ladder` is
    how prices are rounded: if not given, as the ledger began, and as HIP-2 does in a new one.
    """

    start_px: Decimal = field(metadata=decimal_value(*PRICE, such_as='"20.0"'))
    n_orders: int = field(metadata=whole_value(1, MAX_LEVELS, "levels of the ladder", such_as="100"))
    order_sz: Decimal = field(metadata=decimal_value("0.00000001", AMOUNT[1], "base a level", such_as='"5"'))
    tick_size: Decimal = field(
        default=Decimal("0.003"),
        metadata=decimal_value("0.0001", "1", "ratio between neighbours, 0.003 is 0.3 %", such_as='"0.003"'),
    )
    active_levels: int | None = field(
        default=None, metadata=whole_value(1, MAX_LEVELS, "orders a side; all of them if not given", such_as="20")
    )
    window_slack: int = field(default=0, metadata=whole_value(0, MAX_LEVELS, "levels", such_as="5"))
    gap_levels: int = field(
        default=0, metadata=whole_value(0, 1000, "levels between a sale and its purchase, 0 is HIP-2", such_as="1")
    )
    ladder: LadderRule | None = field(default=None, metadata=choice_value("hip2", "half-even"))
    target_px: Decimal | None = field(default=None, metadata=decimal_value(*PRICE, such_as='"23.5"'))


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Most that the maker may offer of the account, in base and quote."""

    token: Decimal = field(metadata=decimal_value(*AMOUNT, "base", such_as='"250"'))
    usdc: Decimal = field(metadata=decimal_value(*AMOUNT, "quote", such_as='"5000"'))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Cadence, tolerances and limits.

    Units: seconds, basis points, percent, ticks, quote.
    """

    interval_s: float = field(default=3.0, metadata=seconds_value("0.1", "3600", such_as="3.0"))
    dead_zone_bps: Decimal = field(
        default=Decimal(0), metadata=decimal_value("0", "1000", "basis points, 0 is off", such_as="5.0")
    )
    price_tolerance_bps: Decimal = field(
        default=Decimal(1), metadata=decimal_value("0", "1000", "basis points", such_as="1.0")
    )
    size_tolerance_pct: Decimal = field(
        default=Decimal(1), metadata=decimal_value("0", "100", "percent of the desired size", such_as="1.0")
    )
    reconcile_every: int = field(default=20, metadata=whole_value(1, 10_000, "ticks", such_as="20"))
    min_notional: Decimal = field(default=Decimal(10), metadata=decimal_value("0", "1000000", "quote", such_as='"10"'))
    requote_on_fill: bool = field(default=True, metadata=boolean_value(such_as="true"))
    feed_stale_after_s: float = field(default=30.0, metadata=seconds_value("1", "3600", such_as="30.0"))
    foreign_orders: Literal["cancel", "keep"] = field(default="keep", metadata=choice_value("keep", "cancel"))
    cancel_on_shutdown: bool = field(default=True, metadata=boolean_value(such_as="true"))
    feed_lag_limit_s: float | None = field(default=10.0, metadata=seconds_value("1", "3600", such_as="10.0"))
    hand_cancel_pause_s: float = field(default=10.0, metadata=seconds_value("0", "3600", such_as="10.0"))
    hand_cancels_to_stop: int | None = field(default=None, metadata=whole_value(1, 1000, "cancels", such_as="3"))
    ledger: LedgerMode = field(default="ahead", metadata=choice_value("ahead", "beside"))
    max_open_distance_pct: Decimal = field(
        default=Decimal(1), metadata=decimal_value("0.01", "100", "percent of the market's mid", such_as="1.0")
    )
    transport: Literal["sdk", "trio"] = field(default="sdk", metadata=choice_value("sdk", "trio"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits beyond which the maker should stop; None is off.

    Notionals and losses are in quote, prices in quote per base. The losses are against having held the inventory.
    """

    max_order_notional: Decimal | None = field(default=None, metadata=_limit("quote, one order"))
    max_side_notional: Decimal | None = field(default=None, metadata=_limit("quote, all that rests on one side"))
    max_net_spend: Decimal | None = field(default=None, metadata=_limit("quote, paid less received"))
    price_low: Decimal | None = field(default=None, metadata=decimal_value(*PRICE, such_as='"20.0"'))
    price_high: Decimal | None = field(default=None, metadata=decimal_value(*PRICE, such_as='"27.0"'))
    max_loss_vs_hold: Decimal | None = field(default=None, metadata=_limit("quote, since the start"))
    max_drawdown_vs_hold: Decimal | None = field(default=None, metadata=_limit("quote, since the best moment"))
    max_actions_per_hour: int | None = field(
        default=None, metadata=whole_value(1, 10_000_000, "actions an hour", such_as="20000")
    )
    max_fills_per_minute: int | None = field(
        default=None, metadata=whole_value(1, 1_000_000, "fills a minute", such_as="600")
    )
    max_unknown_outcomes: int | None = field(
        default=None, metadata=whole_value(1, 10_000, "orders without an answer", such_as="20")
    )
    budget_floor: int | None = field(
        default=None, metadata=whole_value(0, 1_000_000_000, "requests kept for cancels", such_as="500")
    )

    def to_risk_limits(self) -> RiskLimits:
        """Return the limits as the maker takes them."""
        return RiskLimits(**{item.name: getattr(self, item.name) for item in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What happens to the orders of a maker that is dead.

    `guard_after_s`: silence after which `mm-trio guard` cancels. `dead_man` "venue": the venue cancels all orders of
    the account where this maker does not ask it every minute to wait.
    """

    dead_man: Literal["off", "venue"] = field(default="off", metadata=choice_value("off", "venue"))
    guard_after_s: float = field(default=15.0, metadata=seconds_value("2", "600", such_as="15.0"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is recorded beside the ledger, for how long, and how large it may become."""

    enabled: bool = field(default=True, metadata=boolean_value(such_as="true"))
    keep_days: int = field(default=90, metadata=whole_value(1, 3650, "days", such_as="90"))
    max_mb: int = field(default=2000, metadata=whole_value(10, 1_000_000, "MB", such_as="2000"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """Who is told of what, and how often.

    `urls` are addresses of Apprise. `heartbeat_url` is asked for while the maker ticks, or is stopped on purpose.
    Addresses may hold tokens: no copy of a configuration has them, so nothing is compared by them.
    """

    urls: tuple[HiddenUrl, ...] = field(
        default=(), compare=False, metadata=hidden_urls_value(MOST_ALERT_URLS, such_as='["json://127.0.0.1:8080"]')
    )
    feed_down_after_s: float = field(default=60.0, metadata=seconds_value("10", "3600", such_as="60"))
    one_sided_after_min: float = field(default=10.0, metadata=minutes_value("1", "1440", such_as="10"))
    budget_hours: int = field(default=24, metadata=whole_value(0, 8760, "hours, 0 is off", such_as="24"))
    agent_days: int = field(default=7, metadata=whole_value(0, 180, "days, 0 is off", such_as="7"))
    most_an_hour: int = field(default=20, metadata=whole_value(1, 1000, "messages an hour", such_as="20"))
    remind_after_h: int = field(default=12, metadata=whole_value(0, 168, "hours, 0 is never", such_as="12"))
    heartbeat_url: HiddenUrl | None = field(
        default=None, compare=False, metadata=hidden_url_value(such_as='"https://hc-ping.com/YOUR-UUID"')
    )
    heartbeat_every_s: float = field(default=60.0, metadata=seconds_value("5", "3600", such_as="60"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Page in the browser, and where it listens; port 0: there is none.

    Only this machine reaches it, unless `host` is another address and `allow_remote` is set. `name` is by what browsers
    and scrapers ask it besides, with a port where that is not the page's own: a name of this machine, or of a proxy.
    """

    port: int = field(default=0, metadata=whole_value(0, 65535, "port, 0 is off", such_as="8090"))
    host: str = field(
        default="127.0.0.1",
        metadata=text_value(
            ".*",
            "an address of this machine: 127.0.0.1 or ::1, or another one together with allow_remote",
            such_as='"127.0.0.1"',
            then=listening_host,
        ),
    )
    allow_remote: bool = field(default=False, metadata=boolean_value(such_as="true"))
    name: str | None = field(
        default=None,
        metadata=text_value(
            r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?(:[1-9][0-9]{0,4})?",
            "a host name, with or without a port, and without http://",
            such_as='"maker.lan"',
            then=str.lower,
        ),
    )


class MakerParameters(TypedDict):
    """Arguments of `WsState` that are settings, by name."""

    coin: str
    start_px: Decimal
    n_orders: int
    order_sz: Decimal
    tick_size: Decimal
    active_levels: int | None
    window_slack: int
    gap_levels: int
    ladder: LadderRule | None
    interval_s: float
    dead_zone_bps: Decimal
    price_tolerance_bps: Decimal
    size_tolerance_pct: Decimal
    reconcile_every: int
    min_notional: Decimal
    requote_on_fill: bool
    feed_stale_after_s: float
    foreign_orders: Literal["cancel", "keep"]
    cancel_on_shutdown: bool
    feed_lag_limit_s: float | None
    hand_cancel_pause_s: float
    hand_cancels_to_stop: int | None
    ledger: LedgerMode
    allocated_token: NotRequired[Decimal]
    allocated_usdc: NotRequired[Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that the operator decided, checked.

    `allocation` is None where a target or the whole account is meant, `limits` where none are set.
    """

    market: MarketSettings
    strategy: Strategy
    allocation: Allocation | None = None
    tuning: Tuning = Tuning()
    limits: Limits | None = None
    guard: Guard = Guard()
    record: Record = Record()
    alerts: Alerts = Alerts()
    page: Page = Page()

    def maker_parameters(self, grid: PricingGrid | None = None) -> MakerParameters:
        """Return the arguments of `WsState` that are settings.

        That is all but `info`, `exchange` and `address`. With the market's own `grid` a `target_px` becomes the
        allocation that it asks for. Without a grid it is left out, and the maker offers the whole account.
        Errors: ConfigError for a target outside the grid.
        """
        # Their fields have the names of the maker's arguments.
        parts = (self.strategy, self.tuning)
        parameters = {item.name: getattr(part, item.name) for part in parts for item in fields(part)}
        target_px = parameters.pop("target_px")
        # The program checks the opening with the one, and makes the sockets of the other; the maker knows neither.
        for name in ("max_open_distance_pct", "transport"):
            parameters.pop(name)
        if self.allocation is not None:
            amounts = {"allocated_token": self.allocation.token, "allocated_usdc": self.allocation.usdc}
        elif grid is not None and target_px is not None:
            strategy = self.strategy
            token, usdc = compute_target_allocation(grid, target_px, strategy.order_sz, gap_levels=strategy.gap_levels)
            amounts = {"allocated_token": token, "allocated_usdc": usdc}
        else:
            amounts = {}
        return cast("MakerParameters", {"coin": self.market.coin, **parameters, **amounts})

    def make_ladder(self, sz_decimals: int) -> PricingGrid:
        """Make the ladder with the base token's own decimals. Errors: ConfigError."""
        strategy = self.strategy
        try:
            return PricingGrid(
                strategy.start_px,
                strategy.n_orders,
                tick_size=strategy.tick_size,
                sz_decimals=sz_decimals,
                ladder=strategy.ladder or "hip2",
            )
        except ValueError as error:
            raise ConfigError(f"[strategy] {error}") from error

    def describe(self) -> str:
        """Describe the settings in one line of `key=value`, for a log.

        It holds no secret, because the settings hold none.
        """
        market = self.market
        words: dict[str, object] = {"network": market.network, "api_url": market.base_url, "account": market.account}
        words |= {**self.maker_parameters(), "target_px": self.strategy.target_px}
        return " ".join(f"{name}={_plain(value)}" for name, value in words.items() if value is not None)


def _plain(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def compute_target_allocation(
    grid: PricingGrid, target_px: Decimal, order_sz: Decimal, *, gap_levels: int = 0
) -> tuple[Decimal, Decimal]:
    """Compute the (token, usdc) that open the ladder at `target_px`.

    Units: quote per base, base; returns base and quote, exact. They are whole tranches for every level from the one
    nearest to the target up, and the cost of a whole bid at every level below that the gap leaves. A window of
    `active_levels` changes neither: it hides the far levels, and the boundary follows from the tokens of all of them.
    Errors: ConfigError for a target more than half a step outside the ladder.
    """
    level = grid.level_for_price(target_px)
    if level is None:
        raise ConfigError(
            f"target_px {target_px} is outside the ladder of {grid.n_orders} levels from {grid.levels[0]} to "
            f"{grid.levels[-1]}; use a price inside, or another start_px, n_orders or tick_size"
        )
    # Prices and sizes of any number of digits are summed exactly.
    with localcontext(prec=3 * MAX_DIGITS):
        bids = grid.levels[: max(0, level - gap_levels)]
        return order_sz * (grid.n_orders - level), order_sz * sum(bids, Decimal(0))
