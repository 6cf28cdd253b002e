"""What the exchange knows, in the venue's JSON: the answers to `/info` and the bodies of frames.

Only what is asked about an account or a market; the rows are made in `rows`, the dispatch is in `questions`.
"""

from __future__ import annotations

from decimal import Decimal

from mm_trio.sandbox.accounts import BASE_REQUESTS
from mm_trio.sandbox.exchange import Exchange
from mm_trio.sandbox.rows import Json, fill_row, frontend_row, level_row, number, order_row, status_row

__all__ = [
    "BOOK_DEPTH",
    "MAX_ROWS",
    "all_mids",
    "bbo",
    "fills_by_time",
    "fills_newest_first",
    "frontend_open_orders",
    "historical_orders",
    "is_known",
    "l2_book",
    "mid",
    "open_orders",
    "order_status",
    "perp_state",
    "spot_meta_and_ctxs",
    "spot_state",
    "user_fees",
    "user_rate_limit",
    "web_data2",
]

MAX_ROWS = 2000  # of fills or orders in one answer
BOOK_DEPTH = 20  # levels a side


def open_orders(exchange: Exchange, user: str) -> list[Json]:
    return [order_row(record) for record in exchange.open_orders(user)]


def frontend_open_orders(exchange: Exchange, user: str) -> list[Json]:
    return [frontend_row(record) for record in exchange.open_orders(user)]


def spot_state(exchange: Exchange, user: str) -> Json:
    """Balances in order of token index; none for an address nobody funded."""
    if not is_known(exchange, user):
        return {"balances": []}
    names = {token.index: token.name for token in exchange.markets.tokens}
    return {
        "balances": [
            {
                "coin": names[token],
                "token": token,
                "total": number(balance.total),
                "hold": number(balance.hold),
                "entryNtl": "0.0",  # cost basis: not kept
            }
            for token, balance in sorted(exchange.account(user).balances.items())
        ]
    }


def fills_newest_first(exchange: Exchange, user: str) -> list[Json]:
    return [fill_row(fill) for fill in reversed(exchange.fills(user)[-MAX_ROWS:])]


def fills_by_time(exchange: Exchange, user: str, *, start_ms: int, end_ms: int | None) -> list[Json]:
    """The oldest fills of the span, both ends included, oldest first."""
    rows = [
        fill for fill in exchange.fills(user) if start_ms <= fill.time_ms and (end_ms is None or fill.time_ms <= end_ms)
    ]
    return [fill_row(fill) for fill in rows[:MAX_ROWS]]


def order_status(exchange: Exchange, user: str, key: int | str) -> Json:
    record = exchange.find_record(user, key)
    if record is None:
        return {"status": "unknownOid"}
    return {"status": "order", "order": status_row(record)}


def historical_orders(exchange: Exchange, user: str) -> list[Json]:
    """Newest change of status first."""
    records = sorted(exchange.records(user), key=lambda record: (record.status_ms, record.oid), reverse=True)
    return [status_row(record) for record in records[:MAX_ROWS]]


def user_rate_limit(exchange: Exchange, user: str) -> Json:
    known = is_known(exchange, user)
    view = exchange.account(user) if known else None
    return {
        "cumVlm": number(view.volume) if view else "0.0",
        "nRequestsUsed": view.n_requests if view else 0,
        "nRequestsCap": view.request_cap if view else BASE_REQUESTS,
        "nRequestsSurplus": 0,
    }


def user_fees(exchange: Exchange) -> Json:
    """Base tier for everyone; the spot rates are this exchange's own."""
    taker, maker = number(exchange.taker_fee), number(exchange.maker_fee)
    return {
        "dailyUserVlm": [],
        "feeSchedule": {
            "cross": "0.00045",
            "add": "0.00015",
            "spotCross": taker,
            "spotAdd": maker,
            "tiers": {"vip": [], "mm": []},
            "referralDiscount": "0.04",
            "stakingDiscountTiers": [],
        },
        "userCrossRate": "0.00045",
        "userAddRate": "0.00015",
        "userSpotCrossRate": taker,
        "userSpotAddRate": maker,
        "activeReferralDiscount": "0.0",
        "trial": None,
        "feeTrialEscrow": "0.0",
        "nextTrialAvailableTimestamp": None,
        "stakingLink": None,
        "activeStakingDiscount": {"bpsOfMaxSupply": "0.0", "discount": "0.0"},
    }


def is_known(exchange: Exchange, user: str) -> bool:
    return user.lower() in exchange.addresses()


def l2_book(exchange: Exchange, coin: str, *, now_ms: int) -> Json:
    book = exchange.book(coin, depth=BOOK_DEPTH)
    levels = [[level_row(level) for level in levels] for levels in (book.bids, book.asks)]
    return {"coin": coin, "time": now_ms, "levels": levels}


def bbo(exchange: Exchange, coin: str, *, now_ms: int) -> Json:
    book = exchange.book(coin, depth=1)
    best = [level_row(levels[0]) if levels else None for levels in (book.bids, book.asks)]
    return {"coin": coin, "time": now_ms, "bbo": best}


def mid(exchange: Exchange, coin: str) -> Decimal | None:
    """Middle of the book; with a side empty the last trade price, if there was one."""
    bid, ask = exchange.best_bid_ask(coin)
    return exchange.last_price(coin) if bid is None or ask is None else (bid + ask) / 2


def all_mids(exchange: Exchange) -> dict[str, str]:
    """A pair that never had a price is left out."""
    mids = ((pair.name, mid(exchange, pair.name)) for pair in exchange.markets.pairs)
    return {coin: number(value) for coin, value in mids if value is not None}


def spot_meta_and_ctxs(exchange: Exchange) -> list[object]:
    return [
        exchange.markets.spot_meta(),
        [_asset_ctx(exchange, pair.name) for pair in exchange.markets.pairs],
    ]


def _asset_ctx(exchange: Exchange, coin: str) -> Json:
    middle = mid(exchange, coin)
    mark = exchange.last_price(coin) or middle or Decimal(0)
    return {
        "prevDayPx": number(mark),
        "dayNtlVlm": "0.0",
        "markPx": number(mark),
        "midPx": None if middle is None else number(middle),
        "circulatingSupply": "0.0",
        "coin": coin,
        "totalSupply": "0.0",
        "dayBaseVlm": "0.0",
    }


def perp_state() -> Json:
    """`clearinghouseState` of someone without perps."""
    nothing = {
        "accountValue": "0.0",
        "totalNtlPos": "0.0",
        "totalRawUsd": "0.0",
        "totalMarginUsed": "0.0",
    }
    return {
        "marginSummary": nothing,
        "crossMarginSummary": nothing,
        "crossMaintenanceMarginUsed": "0.0",
        "withdrawable": "0.0",
        "assetPositions": [],
    }


def web_data2(exchange: Exchange, user: str, *, now_ms: int) -> Json:
    """The retired page of everything, as far as a spot trader reads it."""
    return {
        "user": user,
        "clearinghouseState": perp_state(),
        "openOrders": frontend_open_orders(exchange, user),
        "spotState": spot_state(exchange, user),
        "serverTime": now_ms,
        "isVault": False,
        "twapStates": [],
    }
