"""One WebSocket connection: its subscriptions, and which frames the news and the clock give it.

It speaks in JSON objects through the `send` it was given and knows nothing of sockets.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from mm_trio.sandbox import answers, rows
from mm_trio.sandbox.exchange import Exchange
from mm_trio.sandbox.messages import (
    BalancesChanged,
    BookChanged,
    Effect,
    Fill,
    FillMade,
    OrderChanged,
    OrderRecord,
    Trade,
    TradeMade,
)
from mm_trio.sandbox.questions import BadRequest, read_user
from mm_trio.sandbox.rows import Json

__all__ = ["CloseConnection", "Connection", "News"]

_OF_USER = ("userFills", "userEvents", "orderUpdates", "spotState", "openOrders", "webData2")
_OF_USER_SILENT = ("webData3", "notification", "userFundings", "userNonFundingLedgerUpdates")
_OF_COIN = ("trades", "bbo", "l2Book")
_OF_COIN_SILENT = ("candle", "activeAssetCtx")
_NOT_BY_USER = ("selfTradeCanceled", "scheduledCancel")


class CloseConnection(Exception):
    """The venue hangs up without a frame, as it does on an unknown coin."""


@dataclass(slots=True)
class News:
    """The effects of one command, sorted by whom they concern."""

    records: dict[str, list[OrderRecord]] = field(default_factory=dict)
    fills: dict[str, list[Fill]] = field(default_factory=dict)
    trades: dict[str, list[Trade]] = field(default_factory=dict)
    books: set[str] = field(default_factory=set)
    wallets: set[str] = field(default_factory=set)

    @classmethod
    def sort(cls, effects: tuple[Effect, ...]) -> News:
        news = cls()
        for effect in effects:
            match effect:
                case OrderChanged(record=record):
                    news.records.setdefault(record.address, []).append(record)
                case FillMade(fill=fill):
                    news.fills.setdefault(fill.address, []).append(fill)
                case TradeMade(trade=trade):
                    news.trades.setdefault(trade.coin, []).append(trade)
                case BookChanged(coin=coin):
                    news.books.add(coin)
                case BalancesChanged(address=address):
                    news.wallets.add(address)
        return news


class Connection:
    """Subscriptions by what they are about; frames go out in the order of subscribing."""

    def __init__(
        self,
        exchange: Exchange,
        send: Callable[[Json], None],
        *,
        now_ms: Callable[[], int],
        web_data2: bool,
        on_close: Callable[[Connection], None],
    ) -> None:
        self._exchange = exchange
        self._send = send
        self._now_ms = now_ms
        self._web_data2 = web_data2
        self._on_close = on_close
        self._subscriptions: dict[str, Json] = {}
        self._best: dict[str, object] = {}  # the last bbo told, by coin
        self._is_open = True

    def close(self) -> None:
        """Nothing is sent after this; closing twice is fine."""
        self._is_open = False
        self._subscriptions.clear()
        self._on_close(self)

    def handle(self, message: object) -> None:
        """Take one control frame of the client. Errors: CloseConnection for an unknown coin."""
        body = message if isinstance(message, dict) else {}
        method, subscription = body.get("method"), body.get("subscription")
        if method == "ping":
            self._emit({"channel": "pong"})
        elif method not in ("subscribe", "unsubscribe") or not self._is_offered(subscription):
            text = json.dumps(message)
            self._emit_error(f"Error parsing JSON into valid websocket request: {text}")
        else:
            assert isinstance(subscription, dict)
            self._switch(str(method), subscription)

    def tell(self, news: News) -> None:
        """Send what the news means for each subscription."""
        for subscription in tuple(self._subscriptions.values()):
            frame = self._frame_of_news(subscription, news)
            if frame is not None:
                self._emit(frame)

    def beat(self) -> None:
        """Send what comes by the clock: books, best prices and mids."""
        for subscription in tuple(self._subscriptions.values()):
            if subscription["type"] in ("allMids", "bbo", "l2Book", "webData2"):
                self._emit(self._snapshot(subscription))

    def _is_offered(self, subscription: object) -> bool:
        kind = subscription.get("type") if isinstance(subscription, dict) else None
        if kind == "webData2":
            return self._web_data2
        return kind == "allMids" or kind in (*_OF_USER, *_OF_USER_SILENT, *_OF_COIN, *_OF_COIN_SILENT)

    def _switch(self, method: str, wanted: Json) -> None:
        try:
            subscription = self._normalise(wanted)
        except BadRequest:
            self._emit_error(f"Invalid subscription {json.dumps(wanted)}")
            return
        key = json.dumps(subscription, sort_keys=True)
        if (key in self._subscriptions) == (method == "subscribe"):
            self._emit_error(f"Already {method}d: {json.dumps(subscription)}")
            return
        echo = {"method": method, "subscription": subscription}
        self._emit({"channel": "subscriptionResponse", "data": echo})
        if method == "unsubscribe":
            del self._subscriptions[key]
            return
        self._subscriptions[key] = subscription
        if subscription["type"] in ("userFills", "trades", "bbo", "l2Book", "allMids", *_OF_USER[3:]):
            self._emit(self._snapshot(subscription))

    def _normalise(self, wanted: Json) -> Json:
        """The subscription as the venue echoes it."""
        kind, subscription = wanted["type"], dict(wanted)
        if kind in _OF_USER or kind in _OF_USER_SILENT:
            subscription["user"] = read_user(wanted.get("user"))
        if kind in _OF_COIN or kind in _OF_COIN_SILENT:
            self._check_coin(wanted.get("coin"))
        if kind == "userFills":
            subscription.setdefault("aggregateByTime", False)
        if kind == "l2Book":
            subscription = {**subscription, "nSigFigs": None, "mantissa": None}
        return subscription

    def _check_coin(self, coin: object) -> None:
        try:
            self._exchange.markets.pair(str(coin))
        except KeyError:
            raise CloseConnection(f"unknown coin {coin!r}") from None

    def _snapshot(self, subscription: Json) -> Json:
        """The frame that shows all there is to one subscription, now."""
        exchange, now_ms = self._exchange, self._now_ms()
        coin, user = str(subscription.get("coin")), str(subscription.get("user"))
        match subscription["type"]:
            case "userFills":
                fills = answers.fills_newest_first(exchange, user)
                return _frame("userFills", {"isSnapshot": True, "user": user, "fills": fills})
            case "spotState":
                return _frame("spotState", {"user": user, "spotState": answers.spot_state(exchange, user)})
            case "openOrders":
                orders = answers.frontend_open_orders(exchange, user)
                return _frame("openOrders", {"dex": "", "user": user, "orders": orders})
            case "webData2":
                return _frame("webData2", answers.web_data2(exchange, user, now_ms=now_ms))
            case "trades":
                return _frame("trades", [rows.trade_row(trade) for trade in exchange.trades(coin)])
            case "bbo":
                best = answers.bbo(exchange, coin, now_ms=now_ms)
                self._best[coin] = best["bbo"]
                return _frame("bbo", best)
            case "l2Book":
                return _frame("l2Book", answers.l2_book(exchange, coin, now_ms=now_ms))
            case _:
                return _frame("allMids", {"mids": answers.all_mids(exchange)})

    def _frame_of_news(self, subscription: Json, news: News) -> Json | None:
        coin, user = str(subscription.get("coin")), str(subscription.get("user"))
        fills, records = news.fills.get(user, []), news.records.get(user, [])
        match subscription["type"]:
            case "userFills" if fills:
                return _frame("userFills", {"user": user, "fills": [rows.fill_row(fill) for fill in fills]})
            case "userEvents" if fills:
                return _frame("user", {"fills": [rows.fill_row(fill) for fill in fills]})
            case "userEvents" if lost := [r for r in records if r.status in _NOT_BY_USER]:
                return _frame("user", {"nonUserCancel": [{"coin": r.coin, "oid": r.oid} for r in lost]})
            case "orderUpdates" if records:
                return _frame("orderUpdates", [rows.update_row(record) for record in records])
            case "trades" if coin in news.trades:
                return _frame("trades", [rows.trade_row(trade) for trade in news.trades[coin]])
            case "bbo" if coin in news.books:
                told = self._best.get(coin)
                frame = self._snapshot(subscription)
                return None if self._best[coin] == told else frame
            case "openOrders" if records or fills:
                return self._snapshot(subscription)
            case "spotState" | "webData2" if user in news.wallets:
                return self._snapshot(subscription)
            case _:
                return None

    def _emit(self, frame: Json) -> None:
        if self._is_open:
            self._send(frame)

    def _emit_error(self, text: str) -> None:
        self._emit(_frame("error", text))


def _frame(channel: str, data: object) -> Json:
    return {"channel": channel, "data": data}
