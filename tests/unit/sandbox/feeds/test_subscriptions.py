"""Subscription requests: parsed, echoed and refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ws_kit import HYPE, MAKER, Venue

from mm_trio.sandbox.feeds.connection import CloseConnection

NOT_A_REQUEST = "Error parsing JSON into valid websocket request: "
UPPER = "0x" + MAKER[2:].upper()

ECHOES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "allMids"}, {"type": "allMids"}),
    ({"type": "allMids", "dex": ""}, {"type": "allMids", "dex": ""}),
    ({"type": "bbo", "coin": HYPE, "noise": 1}, {"type": "bbo", "coin": HYPE}),
    ({"type": "l2Book", "coin": HYPE}, {"type": "l2Book", "coin": HYPE, "nSigFigs": None, "mantissa": None}),
    (
        {"mantissa": 5, "nSigFigs": 5, "coin": HYPE, "type": "l2Book", "fast": True},
        {"type": "l2Book", "coin": HYPE, "nSigFigs": 5, "mantissa": 5, "fast": True},
    ),
    (
        {"type": "l2Book", "coin": HYPE, "fast": False},
        {"type": "l2Book", "coin": HYPE, "nSigFigs": None, "mantissa": None},
    ),
    ({"type": "candle", "coin": HYPE, "interval": "1d"}, {"type": "candle", "interval": "1d", "coin": HYPE}),
    ({"type": "userFills", "user": UPPER}, {"type": "userFills", "user": MAKER, "aggregateByTime": False}),
    ({"type": "orderUpdates", "user": MAKER[2:]}, {"type": "orderUpdates", "user": MAKER}),
    ({"user": MAKER, "type": "openOrders", "dex": ""}, {"type": "openOrders", "user": MAKER, "dex": ""}),
    (
        {"type": "spotState", "user": MAKER, "isPortfolioMargin": True},
        {"type": "spotState", "user": MAKER, "isPortfolioMargin": True},
    ),
]


@pytest.mark.parametrize("wish, echo", ECHOES)
def test_an_echo_is_the_wish_completed_and_in_the_venues_order(wish: dict[str, Any], echo: dict[str, Any]) -> None:
    line = Venue().line()

    frame = line.subscribe(**wish)[0]
    (again,) = line.subscribe(**wish)
    (end,) = line.unsubscribe(**wish)

    assert json.dumps(frame["data"]) == json.dumps({"method": "subscribe", "subscription": echo})
    assert again["data"] == f"Already subscribed: {json.dumps(echo, separators=(',', ':'))}"
    assert json.dumps(end["data"]) == json.dumps({"method": "unsubscribe", "subscription": echo})


def test_what_was_not_subscribed_to_is_already_unsubscribed() -> None:
    line = Venue().line()

    line.unsubscribe(type="bbo", coin=HYPE)

    assert line.error() == f'Already unsubscribed: {{"type":"bbo","coin":"{HYPE}"}}'


def test_books_of_different_grids_are_different_subscriptions() -> None:
    line = Venue().line()

    for sig_figs in (None, 2, 5):
        assert len(line.subscribe(type="l2Book", coin=HYPE, nSigFigs=sig_figs)) == 2


UNREADABLE: list[object] = [
    None,
    [],
    "ping",
    7,
    {},
    {"method": "sing"},
    {"method": ["ping"]},
    {"method": "subscribe"},
    {"method": "subscribe", "subscription": None},
    {"method": "subscribe", "subscription": "allMids"},
    {"method": "subscribe", "subscription": {}},
    {"method": "subscribe", "subscription": {"type": ["allMids"]}},
    {"method": "subscribe", "subscription": {"type": "noSuchType", "coin": HYPE}},
    {"method": "subscribe", "subscription": {"type": "webData2", "user": MAKER}},
    {"method": "subscribe", "subscription": {"type": "orderUpdates"}},
    {"method": "subscribe", "subscription": {"type": "orderUpdates", "user": "0x12"}},
    {"method": "subscribe", "subscription": {"type": "orderUpdates", "user": 12}},
    {"method": "subscribe", "subscription": {"type": "bbo"}},
    {"method": "subscribe", "subscription": {"type": "bbo", "coin": 107}},
    {"method": "subscribe", "subscription": {"type": "candle", "coin": HYPE}},
    {"method": "subscribe", "subscription": {"type": "l2Book", "coin": HYPE, "nSigFigs": "5"}},
    {"method": "subscribe", "subscription": {"type": "l2Book", "coin": HYPE, "nSigFigs": True}},
    {"method": "subscribe", "subscription": {"type": "l2Book", "coin": HYPE, "mantissa": -1}},
    {"method": "subscribe", "subscription": {"type": "l2Book", "coin": HYPE, "fast": 1}},
    {"method": "subscribe", "subscription": {"type": "userFills", "user": MAKER, "aggregateByTime": "yes"}},
    {"method": "subscribe", "subscription": {"type": "openOrders", "user": MAKER, "dex": 0}},
    {"method": "post", "id": 1, "request": {"type": "info", "payload": {"type": "allMids"}}},  # Not handled in process.
]


@pytest.mark.parametrize("message", UNREADABLE)
def test_what_is_no_request_is_quoted_back_and_the_connection_lives(message: object) -> None:
    line = Venue().line()

    line.say(message)

    assert line.error() == NOT_A_REQUEST + json.dumps(message)
    assert line.say({"method": "ping"}) == [{"channel": "pong"}]


def test_what_is_no_request_is_quoted_as_it_was_worded() -> None:
    line = Venue().line()
    text = '{"method" :  "subscribe","subscription":{"type":"noSuchType"}}'

    line.connection.handle(json.loads(text), text=text)

    assert line.error() == NOT_A_REQUEST + text


@pytest.mark.parametrize(
    "wish",
    [
        {"type": "candle", "coin": HYPE, "interval": "7m"},
        {"type": "l2Book", "coin": HYPE, "nSigFigs": 1},
        {"type": "l2Book", "coin": HYPE, "nSigFigs": 6},
        {"type": "l2Book", "coin": HYPE, "nSigFigs": 4, "mantissa": 2},
        {"type": "l2Book", "coin": HYPE, "mantissa": 5},
        {"type": "l2Book", "coin": HYPE, "nSigFigs": 5, "mantissa": 3},
        {"type": "allMids", "dex": "xyz"},
    ],
)
def test_what_is_not_offered_is_an_invalid_subscription(wish: dict[str, Any]) -> None:
    line = Venue().line()

    line.subscribe(**wish)

    assert line.error() == f"Invalid subscription {json.dumps(wish, separators=(',', ':'))}"


@pytest.mark.parametrize("method", ["subscribe", "unsubscribe"])
@pytest.mark.parametrize("kind", ["trades", "bbo", "l2Book", "candle", "activeAssetCtx"])
def test_an_unknown_coin_ends_the_connection_without_a_frame(method: str, kind: str) -> None:
    line = Venue().line()

    with pytest.raises(CloseConnection):
        line.say({"method": method, "subscription": {"type": kind, "coin": "HYPE/USDC", "interval": "1m"}})

    assert line.take() == []


def test_the_retired_page_is_offered_only_where_it_is_switched_on() -> None:
    line = Venue(web_data2=True).line()

    acknowledgement, page = line.subscribe(type="webData2", user=MAKER)

    assert acknowledgement["channel"] == "subscriptionResponse"
    assert page["data"]["user"] == MAKER


def test_a_ping_is_answered_without_data_and_whatever_else_it_says() -> None:
    line = Venue().line()

    assert line.say({"method": "ping", "subscription": 7}) == [{"channel": "pong"}]
