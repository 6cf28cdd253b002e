"""Answers about pairs and tokens over time.

All of them are computed from the fills that the accounts keep, so they reach back as far as those do.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Decimal

from mm_trio.sandbox.info.account_answers import mid
from mm_trio.sandbox.info.candles import Candle, TradeLike, candle_row, find_span, find_trades
from mm_trio.sandbox.info.rows import Json, number, trade_row
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.markets import Markets, Pair, Token

__all__ = [
    "CANDLES_KEPT",
    "asset_ctx",
    "candle_snapshot",
    "recent_trades",
    "spot_meta_and_ctxs",
    "token_details",
]

CANDLES_KEPT = 5000  # Source: docs *Info endpoint*, candleSnapshot.
_DAY_MS = 86_400_000


def spot_meta_and_ctxs(exchange: Exchange, *, now_ms: int) -> list[object]:
    """Return `spotMeta` and the context of each pair."""
    contexts = [asset_ctx(exchange, pair, now_ms=now_ms) for pair in exchange.markets.pairs]
    return [exchange.markets.spot_meta(), contexts]


def asset_ctx(exchange: Exchange, pair: Pair, *, now_ms: int) -> Json:
    """Return a pair's prices and volumes of 24 hours.

    Volumes are in quote and in base. Source: docs *Spot*. Decided here: the mark is the last price (before
    the first trade the mid), and `prevDayPx` is the price of the first trade in these 24 hours.
    """
    middle, last = mid(exchange, pair.name), exchange.last_price(pair.name)
    today = find_trades(exchange, pair.name, since_ms=now_ms - _DAY_MS)
    mark = last or middle or Decimal(0)
    supply = number(pair.base.total_supply or Decimal(0))
    return {
        "prevDayPx": number(today[0].price if today else mark),
        "dayNtlVlm": number(sum((each.price * each.size for each in today), Decimal(0))),
        "markPx": number(mark),
        "midPx": None if middle is None else number(middle),
        "circulatingSupply": supply,
        "coin": pair.name,
        "totalSupply": supply,
        "dayBaseVlm": number(sum((each.size for each in today), Decimal(0))),
    }


def recent_trades(exchange: Exchange, coin: str) -> list[Json]:
    """Return the last trades, newest first.

    The venue's number of rows is not known; here it is the number that a subscription replays.
    """
    return [trade_row(trade) for trade in reversed(exchange.trades(coin))]


def candle_snapshot(exchange: Exchange, coin: str, interval: str, *, start_ms: int, end_ms: int) -> list[Json]:
    """Return the candles that overlap a span, oldest first.

    Only the newest `CANDLES_KEPT` are returned. A candle without a trade is flat at the last price; before the first
    trade there are no candles. Source: docs *Info endpoint*, candleSnapshot.
    """
    trades = find_trades(exchange, coin, since_ms=0)
    if not trades:
        return []
    spans: list[tuple[int, int]] = []
    begin_ms, last_ms = find_span(interval, end_ms)
    while len(spans) < CANDLES_KEPT and last_ms >= max(start_ms, trades[0].time_ms):
        spans.append((begin_ms, last_ms))
        begin_ms, last_ms = find_span(interval, begin_ms - 1)
    times = [each.time_ms for each in trades]
    return [candle_row(_fill_candle(coin, interval, span, trades, times)) for span in reversed(spans)]


def _fill_candle(
    coin: str, interval: str, span: tuple[int, int], trades: Sequence[TradeLike], times: Sequence[int]
) -> Candle:
    first = bisect_left(times, span[0])
    candle = Candle.begin(coin, interval, time_ms=span[0], price=trades[max(0, first - 1)].price)
    for each in trades[first : bisect_left(times, span[1] + 1)]:
        candle.add(each.price, each.size)
    return candle


def token_details(exchange: Exchange, token_id: str, *, now_ms: int) -> Json | None:
    """Return a token's details; None for an unlisted id.

    Source: docs *Spot*, tokenDetails.
    """
    token = next((token for token in exchange.markets.tokens if token.token_id.lower() == token_id), None)
    if token is None:
        return None
    supply = number(token.total_supply or Decimal(0))
    return {
        "name": token.name,
        "maxSupply": supply,
        "totalSupply": supply,
        "circulatingSupply": supply,
        "szDecimals": token.sz_decimals,
        "weiDecimals": token.wei_decimals,
        **_find_prices(exchange, token, now_ms=now_ms),
        "genesis": None,
        "deployer": None,
        "deployGas": None,
        "deployTime": None,
        "seededUsdc": "0.0",
        "nonCirculatingUserBalances": [],
        "futureEmissions": "0.0",
    }


def _find_prices(exchange: Exchange, token: Token, *, now_ms: int) -> Json:
    """Return a token's prices in USDC.

    USDC itself is worth one, and a token without a USDC pair zero.
    """
    pair = _find_usdc_pair(exchange.markets, token)
    if pair is None:
        price = "1.0" if token.index == 0 else "0.0"
        return {"midPx": price, "markPx": price, "prevDayPx": price}
    context = asset_ctx(exchange, pair, now_ms=now_ms)
    return {name: context[name] or "0.0" for name in ("midPx", "markPx", "prevDayPx")}


def _find_usdc_pair(markets: Markets, token: Token) -> Pair | None:
    return next((pair for pair in markets.pairs if pair.base == token and pair.quote.index == 0), None)
