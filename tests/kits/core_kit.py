"""Short words for the tests of the core: a market, a ladder, orders and rows on it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from mm_trio.model.market import Market, Token
from mm_trio.model.orders import DesiredOrder, FillResult, Intent, Side, TrackedOrder
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.model.replies import Fill, OpenOrder
from mm_trio.model.settings import QuoteSettings
from mm_trio.state.fill_history import FillHistory
from mm_trio.state.inventory import Inventory
from mm_trio.state.maker_state import MakerState
from mm_trio.state.order_state import OrderState
from mm_trio.state.ownership import Ownership
from mm_trio.state.rate_limit import RateLimitBudget

HYPE, USDC, USDT0, PURR = Token(150, "HYPE", 2), Token(0, "USDC", 8), Token(268, "USDT0", 2), Token(1, "PURR", 0)
PAIRS = {"PURR/USDC": (1, 0), "@107": (150, 0), "@207": (150, 268)}
MARKET = Market("@107", 10107, HYPE, USDC, PAIRS)
GRID = PricingGrid(20, 10, sz_decimals=2)

OURS = "0x6d6d7472000000010000000000000001"  # carries the tag of this program
THEIRS = "0x00000000000000000000000000000abc"

# every status of the protocol document, section 6, that is not "open" or "triggered"; and one of tomorrow
_PLAIN = ("filled", "canceled", "rejected", "scheduledCancel", "internalCancel", "inventedTomorrow")
_CANCELED_BY = (
    "margin vaultWithdrawal openInterestCap selfTrade reduceOnly siblingFilled delisted liquidated outcomeSettled "
    "perpMaxPosition"
)
_REJECTED_FOR = (
    "tick minTradeNtl perpMargin reduceOnly badAloPx iocCancel badTriggerPx marketOrderNoLiquidity oracle "
    "positionIncreaseAtOpenInterestCap positionFlipAtOpenInterestCap tooAggressiveAtOpenInterestCap "
    "openInterestIncrease insufficientSpotBalance perpMaxPosition tooManyOpenOrders"
)
TERMINAL_STATUSES = (
    *_PLAIN,
    *(f"{why}Canceled" for why in _CANCELED_BY.split()),
    *(f"{why}Rejected" for why in _REJECTED_FOR.split()),
)

QuoteTexts = tuple[str, int, str]  # side, level, size


def dec(number: str | int) -> Decimal:
    return Decimal(number)


def desired(side: Side, level: int, size: str | int = 5, price: str | None = None) -> DesiredOrder:
    return DesiredOrder(side, level, GRID.levels[level] if price is None else dec(price), dec(size))


def tracked(oid: int, side: Side, level: int, size: str | int = 5, price: str | None = None) -> TrackedOrder:
    return TrackedOrder(oid, side, level, GRID.levels[level] if price is None else dec(price), dec(size))


def quotes(orders: Iterable[DesiredOrder]) -> list[QuoteTexts]:
    return [(order.side, order.level_index, str(order.size)) for order in orders]


def rest(state: OrderState, *orders: TrackedOrder) -> OrderState:
    """Let these orders rest."""
    for order in orders:
        state.on_place_confirmed(order.oid, order.side, order.level_index, order.price, order.size)
    return state


def intent(side: Side, level: int, size: str | int = 5, *, cloid: str = OURS, replaces: int | None = None) -> Intent:
    return Intent(cloid, desired(side, level, size), replaces, sent_s=1.0, expires_s=11.0)


def row(
    oid: int,
    side: Side = "buy",
    price: str | Decimal = "20",
    size: str | int = 5,
    *,
    coin: str = "@107",
    original: str | int | None = None,
    cloid: str | None = None,
) -> OpenOrder:
    return OpenOrder(coin, oid, side, Decimal(price), dec(size), None if original is None else dec(original), cloid)


def fill(
    oid: int, tid: int, size: str | int, *, time_ms: int = 1000, price: str | None = None, fee: str = "0", **more: Any
) -> Fill:
    return Fill(
        oid, tid, dec(size), None if price is None else dec(price), None, time_ms, dec(fee), coin="@107", **more
    )


def make_state(*, token: str | int = 50, usdc: str | int = 1000, keep_foreign: bool = False) -> MakerState:
    """A maker on `GRID` with the whole account as its allocation."""
    inventory = Inventory(5, account_token=token, account_usdc=usdc)
    ownership = Ownership("@107", keep_foreign=keep_foreign)
    return MakerState(MARKET, GRID, OrderState(), inventory, RateLimitBudget(), ownership, FillHistory("@107"))


def listen(state: MakerState) -> list[FillResult]:
    """Give a list that gets every fill that is booked from now on."""
    booked: list[FillResult] = []
    state.on_booked = booked.append
    return booked


def settings(**changed: str | int | None) -> QuoteSettings:
    """Orders of 5; no minimum, no tolerance, no dead zone unless asked for."""
    numbers = {
        "order_size": 5,
        "min_notional": 0,
        "dead_zone_bps": 0,
        "price_tolerance_bps": 0,
        "size_tolerance_pct": 0,
    }
    windows = {name: changed.pop(name) for name in ("active_levels", "window_slack") if name in changed}
    values = {name: Decimal(str(value)) for name, value in (numbers | changed).items()}
    return QuoteSettings(**values, **windows)  # type: ignore[arg-type]
