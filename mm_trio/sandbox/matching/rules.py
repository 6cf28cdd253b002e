"""Rules for spot orders and fees, with refusal texts.

All functions are pure. Static rules look at one order alone and refuse a whole batch; rules that need a balance or
the book are in `placing`.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from functools import cache

from mm_trio.sandbox.model.commands import NewOrder
from mm_trio.sandbox.model.markets import Pair, Token

__all__ = [
    "BAD_AMOUNT",
    "BAD_PRICE",
    "BAD_SIZE",
    "BAD_WEIGHT",
    "DUPLICATE_CLOID",
    "EMPTY_BATCH",
    "EXPIRED",
    "HALF_OF_SUPPLY",
    "HALTED",
    "MAX_SIGNIFICANT_FIGURES",
    "MIN_NOTIONAL",
    "MODIFY_DEAD",
    "MODIFY_INVALID",
    "MODIFY_PLACING",
    "MUST_DEPOSIT",
    "NOT_CANCELLED",
    "NOT_LISTED",
    "NO_BALANCE",
    "NO_MATCH",
    "NO_REDUCE_ONLY",
    "NO_TRANSFER",
    "NO_TRIGGERS",
    "OFF_BAND",
    "OFF_TICK",
    "OVERDRAWN",
    "OVER_WEIGHT",
    "POST_ONLY",
    "POST_ONLY_PERIOD",
    "PRICE_DECIMALS",
    "SCHEDULE_GATE",
    "SCHEDULE_OVERUSED",
    "SCHEDULE_SOON",
    "TOO_LARGE",
    "TOO_MANY_OPEN",
    "TOO_MANY_REQUESTS",
    "TOO_MANY_TODAY",
    "UNKNOWN_ASSET",
    "ZERO_PRICE",
    "ZERO_SIZE",
    "compute_fee",
    "compute_hold",
    "count_figures",
    "fee_token",
    "find_static_error",
    "floor_to",
    "plain",
    "quantum",
    "with_asset",
]

# Top level: the action is refused and changes nothing. "Ours" marks texts that are not the venue's.
OVER_WEIGHT = "Signed action over weight limit of {limit}."
EXPIRED = "Action already expired"
UNKNOWN_ASSET = "Invalid spot"  # The venue's own words were never captured.
MUST_DEPOSIT = "Must deposit before performing actions. User: {address}"
TOO_MANY_REQUESTS = (
    "Too many cumulative requests sent ({used} > {limit}) for cumulative volume traded ${volume}. "
    "Place taker orders to free up 1 request per USDC traded."
)
TOO_MANY_TODAY = "Too many actions sent today. Limit is {limit}."  # Ours.
SCHEDULE_GATE = "Cannot set scheduled cancel time until enough volume traded. Required: ${required}. Traded: ${volume}."
SCHEDULE_OVERUSED = "Too many scheduled cancels triggered for the day. Limit is {limit}."
SCHEDULE_SOON = "Scheduled cancel time must be at least {seconds} seconds in the future."  # Ours.
BAD_WEIGHT = "Request weight must be above zero."  # Ours.
MODIFY_PLACING = "Error placing new order during modify: {error}"

# Static: one status for the whole batch.
EMPTY_BATCH = "Orders are empty."
ZERO_SIZE = "Order has zero size."
ZERO_PRICE = "Order has zero price."
BAD_PRICE = "Order has invalid price."
BAD_SIZE = "Order has invalid size."
OFF_TICK = "Price must be divisible by tick size."
OFF_BAND = "Order price cannot be more than 80% away from the reference price"
NO_TRIGGERS = "Placing trigger orders is not enabled on spot trading yet."
HALF_OF_SUPPLY = "Order size cannot be larger than half of total supply"

# Runtime: one status per item.
HALTED = "Trading is halted."
POST_ONLY_PERIOD = "Only post-only orders allowed immediately after network upgrade"
TOO_LARGE = "Order value too large. Max is ${limit}."
MIN_NOTIONAL = "Order must have minimum value of {minimum} {quote}."
NO_BALANCE = "Insufficient spot balance"
POST_ONLY = "Post only order would have immediately matched, bbo was {bid}@{ask}."
NO_MATCH = "Order could not immediately match against any resting orders."
NO_REDUCE_ONLY = "Reduce-only is invalid for spot trading."
TOO_MANY_OPEN = "Too many open orders"
DUPLICATE_CLOID = "Duplicate cloid."  # Ours: the venue's behaviour here was never captured.
NOT_CANCELLED = "Order was never placed, already canceled, or filled."
MODIFY_DEAD = "Cannot modify canceled or filled order"
MODIFY_INVALID = "Attempted to modify to invalid new order"
# Ours: withdrawals and transfers are not L1 actions.
OVERDRAWN = "Insufficient balance for withdrawal"
NO_TRANSFER = "Insufficient balance for transfer"
NOT_LISTED = "Token is not listed"
BAD_AMOUNT = "Amount must be above zero"

MAX_SIGNIFICANT_FIGURES = 5
PRICE_DECIMALS = 8  # Less the base token's size decimals.
BAND_LOW, BAND_HIGH = Decimal("0.2"), Decimal(5)


def with_asset(text: str, asset: int) -> str:
    """Append the asset to an order error.

    Only those errors have it whose live answers were seen to have it.
    """
    return f"{text} asset={asset}"


def plain(number: Decimal) -> str:
    """Format a number without trailing zeros and exponent."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@cache
def quantum(decimals: int) -> Decimal:
    """Return the smallest step with so many decimals."""
    return Decimal(1).scaleb(-decimals)


def floor_to(number: Decimal, decimals: int) -> Decimal:
    """Round a number towards zero to so many decimals."""
    return number.quantize(quantum(decimals), rounding=ROUND_DOWN)


def find_static_error(order: NewOrder, pair: Pair, *, reference: Decimal | None) -> str | None:
    """Find the static error of an order.

    The venue refuses an order's whole batch for it.
    Return None if there is none. `reference` is the last trade price; without one there is no price band.
    Source: docs *Tick and lot size*, *Error responses*; the ends of the band were measured; the order of these
    checks is decided here.
    """
    if order.tif == "Trigger":
        return NO_TRIGGERS
    # A negative number is answered like zero, as the wire has no signs.
    if order.size <= 0:
        return ZERO_SIZE
    if order.price <= 0:
        return ZERO_PRICE
    if order.size % quantum(pair.base.sz_decimals):
        return BAD_SIZE
    if pair.base.total_supply is not None and 2 * order.size > pair.base.total_supply:
        return HALF_OF_SUPPLY
    if order.price % quantum(PRICE_DECIMALS - pair.base.sz_decimals):
        return BAD_PRICE
    if order.price % 1 and count_figures(order.price) > MAX_SIGNIFICANT_FIGURES:
        return with_asset(OFF_TICK, order.asset)
    if reference is not None and not BAND_LOW * reference < order.price <= BAND_HIGH * reference:
        return OFF_BAND
    return None


def count_figures(number: Decimal) -> int:
    """Count significant figures without trailing zeros.

    An integer price is valid with any count.
    """
    return len(number.normalize().as_tuple().digits)


def compute_fee(pair: Pair, *, is_buy: bool, price: Decimal, size: Decimal, rate: Decimal) -> Decimal:
    """Compute one side's fee, in the token of `fee_token`.

    It is cut to quote wei first, a rebate towards zero. The fee of a buy is then converted to base at the price and cut
    to base wei.
    Source: docs *Fees*; the rounding was measured.
    """
    fee = floor_to(price * size * rate, pair.quote.wei_decimals)
    if fee_token(pair, is_buy=is_buy, rate=rate) is pair.quote:
        return fee
    return floor_to(fee / price, pair.base.wei_decimals)


def fee_token(pair: Pair, *, is_buy: bool, rate: Decimal) -> Token:
    """Return the token of a side's fee.

    That is the one received, but a rebate is paid in quote on both sides. Source: a maker's buy on mainnet.
    """
    return pair.base if is_buy and rate >= 0 else pair.quote


def compute_hold(*, is_buy: bool, price: Decimal, size: Decimal) -> Decimal:
    """Compute the amount that a resting order reserves.

    It is in quote for a bid and in base for an ask. Nothing is reserved for the fee.
    """
    return price * size if is_buy else size
