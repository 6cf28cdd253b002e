"""Answers about accounts and present markets.

They are in the venue's JSON and serve `/info` and the frames of subscriptions. `rows` makes the single rows, and
`endpoint` dispatches the requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from mm_trio.sandbox.info.aggregation import aggregate_fills, aggregate_levels
from mm_trio.sandbox.info.ledger_rows import ledger_row
from mm_trio.sandbox.info.rows import Json, fill_row, frontend_row, level_row, number, order_row, status_row
from mm_trio.sandbox.matching.accounts import BASE_REQUESTS, Balance
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.records import Fill

__all__ = [
    "BOOK_DEPTH",
    "MAX_LEDGER_ROWS",
    "MAX_ROWS",
    "abstraction",
    "all_mids",
    "bbo",
    "fills_by_time",
    "fills_newest_first",
    "frontend_open_orders",
    "historical_orders",
    "is_known",
    "l2_book",
    "ledger_updates",
    "mid",
    "open_orders",
    "order_status",
    "perp_state",
    "spot_state",
    "user_rate_limit",
    "web_data2",
]

MAX_ROWS = 2000  # Of fills or orders in one answer.
MAX_LEDGER_ROWS = 500  # Source: docs *Info endpoint*, Pagination.
BOOK_DEPTH = 20  # Levels a side.
_MODES = {"standard": "disabled", "unified": "unifiedAccount", "portfolio": "portfolioMargin"}


def open_orders(exchange: Exchange, user: str) -> list[Json]:
    """Return resting orders as short rows."""
    return [order_row(record) for record in exchange.open_orders(user)]


def frontend_open_orders(exchange: Exchange, user: str) -> list[Json]:
    """Return resting orders as long rows."""
    return [frontend_row(record) for record in exchange.open_orders(user)]


def spot_state(exchange: Exchange, user: str) -> Json:
    """Return balances in order of token index.

    An address that never had a deposit has none.
    """
    if not is_known(exchange, user):
        return {"balances": []}
    names = {token.index: token.name for token in exchange.markets.tokens}
    view = exchange.account(user)
    return {
        "balances": [
            {
                "coin": names[token],
                "token": token,
                "total": number(balance.total),
                "hold": number(balance.hold),
                "entryNtl": "0.0",  # The cost basis is not kept.
                **(_net_of_loans(balance) if view.mode == "portfolio" else {}),
            }
            for token, balance in sorted(view.balances.items())
        ]
    }


def _net_of_loans(balance: Balance) -> Json:
    """Return the holds of a row with portfolio margin.

    There `hold` is net of what could be borrowed, and `spotHold` is not; the key is missing where nothing is held. How
    much could be borrowed is decided here: half of the hold.
    """
    return {"hold": number(balance.hold / 2), "spotHold": number(balance.hold)} if balance.hold else {}


def abstraction(exchange: Exchange, user: str) -> str:
    """Return the mode of an account, in the venue's words."""
    return _MODES[exchange.account(user).mode if is_known(exchange, user) else "standard"]


def fills_newest_first(exchange: Exchange, user: str, *, aggregate: bool = False) -> list[Json]:
    """Return the newest fills, newest first.

    With `aggregate` fills are summed up before the rows are counted.
    """
    return [fill_row(fill) for fill in _maybe_aggregate(exchange.fills(user), aggregate)[: -MAX_ROWS - 1 : -1]]


def fills_by_time(
    exchange: Exchange,
    user: str,
    *,
    start_ms: int,
    end_ms: int | None,
    aggregate: bool = False,
    newest_first: bool = False,
) -> list[Json]:
    """Return one page of the fills in a span.

    Both ends are included. The page holds the oldest fills, oldest first, or with `newest_first` the newest, newest
    first. A client pages by the last time and knows a fill again by its trade id. If one millisecond has more than
    a page of fills, the others cannot be reached, here as on the venue.
    Source: docs *Info endpoint*; which end the venue keeps of too many fills is not known.
    """
    within = [
        fill for fill in exchange.fills(user) if start_ms <= fill.time_ms and (end_ms is None or fill.time_ms <= end_ms)
    ]
    chosen = _maybe_aggregate(within, aggregate)
    return [fill_row(fill) for fill in (chosen[: -MAX_ROWS - 1 : -1] if newest_first else chosen[:MAX_ROWS])]


def _maybe_aggregate(fills: Sequence[Fill], aggregate: bool) -> Sequence[Fill]:
    return aggregate_fills(fills) if aggregate else fills


def ledger_updates(exchange: Exchange, user: str, *, start_ms: int, end_ms: int | None) -> list[Json]:
    """Return movements of funds in a span, oldest first.

    They are deposits, withdrawals and transfers. Both ends of the span are included.
    """
    rows = [
        row for row in exchange.ledger(user) if start_ms <= row.time_ms and (end_ms is None or row.time_ms <= end_ms)
    ]
    return [ledger_row(exchange, row) for row in rows[:MAX_LEDGER_ROWS]]


def order_status(exchange: Exchange, user: str, key: int | str) -> Json:
    """Return an order's status, by oid or cloid."""
    record = exchange.find_record(user, key)
    if record is None:
        return {"status": "unknownOid"}
    return {"status": "order", "order": status_row(record)}


def historical_orders(exchange: Exchange, user: str) -> list[Json]:
    """Return orders, newest change of status first."""
    records = sorted(exchange.records(user), key=lambda record: (record.status_ms, record.oid), reverse=True)
    return [status_row(record) for record in records[:MAX_ROWS]]


def user_rate_limit(exchange: Exchange, user: str) -> Json:
    """Return an address's volume and request budget."""
    known = is_known(exchange, user)
    view = exchange.account(user) if known else None
    return {
        "cumVlm": number(view.volume) if view else "0.0",
        "nRequestsUsed": view.n_requests if view else 0,
        "nRequestsCap": view.request_cap if view else BASE_REQUESTS,
        "nRequestsSurplus": view.surplus if view else 0,
    }


def is_known(exchange: Exchange, user: str) -> bool:
    """Check if an address has an account."""
    return user.lower() in exchange.addresses()


def l2_book(
    exchange: Exchange, coin: str, *, now_ms: int, sig_figs: int | None = None, mantissa: int | None = None
) -> Json:
    """Return the book, or the book summed up.

    A book that is summed up also has the `spread` of the original book.
    Source: docs *Info endpoint*, l2Book. Measured: `spread`, and that bids are rounded down and asks up. Decided
    here: a book with an empty side has no spread.
    """
    book = exchange.book(coin, depth=BOOK_DEPTH if sig_figs is None else None)
    levels = [
        [
            level_row(level)
            for level in aggregate_levels(side, is_bid=is_bid, sig_figs=sig_figs, mantissa=mantissa)[:BOOK_DEPTH]
        ]
        for side, is_bid in ((book.bids, True), (book.asks, False))
    ]
    answer: Json = {"coin": coin, "time": now_ms, "levels": levels}
    if sig_figs is not None and book.bids and book.asks:
        answer["spread"] = number(book.asks[0].price - book.bids[0].price)
    return answer


def bbo(exchange: Exchange, coin: str, *, now_ms: int) -> Json:
    """Return the best level of each side."""
    book = exchange.book(coin, depth=1)
    best = [level_row(levels[0]) if levels else None for levels in (book.bids, book.asks)]
    return {"coin": coin, "time": now_ms, "bbo": best}


def mid(exchange: Exchange, coin: str) -> Decimal | None:
    """Return the middle of the book.

    With an empty side it is the last trade's price, and before the first trade the pair's opening price, if it has one.
    """
    bid, ask = exchange.best_bid_ask(coin)
    if bid is not None and ask is not None:
        return (bid + ask) / 2
    return exchange.last_price(coin) or exchange.markets.pair(coin).opening_px


def all_mids(exchange: Exchange) -> dict[str, str]:
    """Return all mids.

    A pair that never had a price is left out.
    """
    mids = ((pair.name, mid(exchange, pair.name)) for pair in exchange.markets.pairs)
    return {coin: number(value) for coin, value in mids if value is not None}


def perp_state(*, now_ms: int | None = None) -> Json:
    """Return the `clearinghouseState` of a user without perps.

    Frames have their time elsewhere, so they leave `now_ms` out.
    """
    nothing = {
        "accountValue": "0.0",
        "totalNtlPos": "0.0",
        "totalRawUsd": "0.0",
        "totalMarginUsed": "0.0",
    }
    state: Json = {
        "marginSummary": nothing,
        "crossMarginSummary": dict(nothing),
        "crossMaintenanceMarginUsed": "0.0",
        "withdrawable": "0.0",
        "assetPositions": [],
    }
    return state if now_ms is None else {**state, "time": now_ms}


def web_data2(exchange: Exchange, user: str, *, now_ms: int) -> Json:
    """Return the retired `webData2`.

    It has the fields that a spot trader reads.
    """
    return {
        "user": user,
        "clearinghouseState": perp_state(now_ms=now_ms),
        "openOrders": frontend_open_orders(exchange, user),
        "spotState": spot_state(exchange, user),
        "serverTime": now_ms,
        "isVault": False,
        "twapStates": [],
    }
