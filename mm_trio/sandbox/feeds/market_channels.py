"""Channels about a market: frame bodies for each occasion.

`snapshot_…` functions run after subscribing, `…_on_news` when the exchange changed, `…_on_clock` as time passes.
"""

from __future__ import annotations

from mm_trio.sandbox.feeds.channel_view import Bodies, View
from mm_trio.sandbox.feeds.news import News
from mm_trio.sandbox.feeds.subscriptions import Subscription
from mm_trio.sandbox.info import account_answers as answers
from mm_trio.sandbox.info import market_answers, rows
from mm_trio.sandbox.info.candles import Candle, build_candles, candle_row, find_span, find_trades

__all__ = [
    "bbo_on_news",
    "book_on_clock",
    "book_on_news",
    "candle_on_clock",
    "candle_on_news",
    "snapshot_bbo",
    "snapshot_book",
    "snapshot_candle",
    "snapshot_context",
    "snapshot_contexts",
    "snapshot_mids",
    "snapshot_trades",
    "trades_on_news",
]

FAST_DEPTH = 5  # Levels per side.


def snapshot_book(view: View, subscription: Subscription) -> Bodies:
    """Return the book at the requested aggregation.

    A fast book has only `FAST_DEPTH` levels per side.
    """
    sig_figs, mantissa = subscription.echo["nSigFigs"], subscription.echo["mantissa"]
    assert isinstance(sig_figs, int | None)
    assert isinstance(mantissa, int | None)
    now_ms = subscription.last_sent_ms = view.now_ms()
    book = answers.l2_book(view.exchange, subscription.coin, now_ms=now_ms, sig_figs=sig_figs, mantissa=mantissa)
    if not subscription.echo.get("fast"):
        return [book]
    levels = book["levels"]
    assert isinstance(levels, list)
    return [book | {"levels": [side[:FAST_DEPTH] for side in levels], "fast": True}]


def book_on_clock(view: View, subscription: Subscription) -> Bodies:
    """Return the book if its next frame is due."""
    cadence = view.cadence
    every_ms = cadence.fast_book_ms if subscription.echo.get("fast") else cadence.book_ms
    return snapshot_book(view, subscription) if view.is_due(subscription, every_ms) else []


def book_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    """Return the book if it changed and is due."""
    return book_on_clock(view, subscription) if subscription.coin in news.books else []


def snapshot_bbo(view: View, subscription: Subscription) -> Bodies:
    """Return best bid and ask, and remember them."""
    body = answers.bbo(view.exchange, subscription.coin, now_ms=view.now_ms())
    subscription.last_sent = body["bbo"]
    return [body]


def bbo_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    """Return best bid and best ask if they changed."""
    if subscription.coin not in news.books:
        return []
    last_sent = subscription.last_sent
    bodies = snapshot_bbo(view, subscription)
    return bodies if subscription.last_sent != last_sent else []


def snapshot_trades(view: View, subscription: Subscription) -> Bodies:
    """Return the recent trades of the pair in one frame."""
    return [[rows.trade_row(trade) for trade in view.exchange.trades(subscription.coin)]]


def trades_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    """Return the new trades of the pair in one frame."""
    trades = news.trades.get(subscription.coin)
    return [[rows.trade_row(trade) for trade in trades]] if trades else []


def snapshot_mids(view: View, subscription: Subscription) -> Bodies:
    """Return the mid price of every pair."""
    return [{"mids": answers.all_mids(view.exchange)}]


def snapshot_context(view: View, subscription: Subscription) -> Bodies:
    """Return the pair's prices, volume and supply (`ctx`)."""
    pair = view.exchange.markets.pair(subscription.coin)
    context = market_answers.asset_ctx(view.exchange, pair, now_ms=view.now_ms())
    return [{"coin": subscription.coin, "ctx": context}]


def snapshot_contexts(view: View, subscription: Subscription) -> Bodies:
    """Return the context of every pair."""
    now_ms = view.now_ms()
    return [[market_answers.asset_ctx(view.exchange, pair, now_ms=now_ms) for pair in view.exchange.markets.pairs]]


def snapshot_candle(view: View, subscription: Subscription) -> Bodies:
    """Return the current candle.

    There is no frame if the pair never had a price.
    """
    coin, interval, now_ms = subscription.coin, str(subscription.echo["interval"]), view.now_ms()
    price = view.exchange.last_price(coin)
    if price is None:
        return []
    begin_ms, _ = find_span(interval, now_ms)
    candles = build_candles(coin, interval, find_trades(view.exchange, coin, since_ms=begin_ms))
    candle = candles[-1] if candles else Candle.begin(coin, interval, time_ms=now_ms, price=price)
    subscription.last_sent = candle
    return [candle_row(candle)]


def candle_on_news(view: View, subscription: Subscription, news: News) -> Bodies:
    """Return the candle as updated by the new trades.

    A candle that ended in the meantime needs no frame of its own: it was sent when its last trade came.
    """
    trades = news.trades.get(subscription.coin)
    if not trades:
        return []
    candle = subscription.last_sent
    for trade in trades:
        if not isinstance(candle, Candle) or candle.end_ms < trade.time_ms:
            interval = str(subscription.echo["interval"])
            candle = Candle.begin(subscription.coin, interval, time_ms=trade.time_ms, price=trade.price)
        candle.add(trade.price, trade.size)
    assert isinstance(candle, Candle)
    subscription.last_sent = candle
    return [candle_row(candle)]


def candle_on_clock(view: View, subscription: Subscription) -> Bodies:
    """Return a new candle after the last one ended.

    It is due even if nobody trades.
    """
    candle = subscription.last_sent
    is_over = isinstance(candle, Candle) and candle.end_ms < view.now_ms()
    return snapshot_candle(view, subscription) if is_over else []
