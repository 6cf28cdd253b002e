"""Answers to odd requests, without a socket.

`tests/props/test_http_handler_props.py` has many more of them.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from eth_account import Account
from hyperliquid.utils.signing import sign_l1_action

from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.api.http_handler import Answer, HttpHandler
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Deposit

NOW_MS = 1_795_000_000_000
WALLET = Account.from_key("0x" + "01" * 32)
JSON = "application/json"
UNREADABLE = Answer(422, b"Failed to deserialize the JSON body into the target type", b"text/plain; charset=utf-8")
ORDER = {"a": 10107, "b": True, "p": "20", "s": "1.5", "r": False, "t": {"limit": {"tif": "Alo"}}}
PLACE = {"type": "order", "orders": [ORDER], "grouping": "na"}


def open_door() -> HttpHandler:
    exchange = Exchange()
    gateway = Gateway(exchange, now_ms=lambda: NOW_MS)
    gateway.apply(Deposit(WALLET.address, 0, Decimal(1000)))
    return HttpHandler(gateway, Auth(lambda address: address in exchange.addresses()), now_ms=lambda: NOW_MS)


def envelope(action: dict[str, Any], nonce: int = NOW_MS, **changes: Any) -> dict[str, Any]:
    signature = sign_l1_action(WALLET, action, None, nonce, None, False)
    body = {"action": action, "nonce": nonce, "signature": signature, "vaultAddress": None}
    return body | {"expiresAfter": None} | changes


def post(door: HttpHandler, path: str, body: object) -> Answer:
    return door.answer("POST", path, JSON, json.dumps(body).encode())


@pytest.mark.parametrize("path", ["/info", "/exchange"])
@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_another_content_type_is_415(path: str, content_type: str) -> None:
    answer = open_door().answer("POST", path, content_type, b"{}")

    assert answer.status == 415
    assert answer.body == b"Expected request with `Content-Type: application/json`"


def test_a_charset_may_follow_the_content_type() -> None:
    body = b'{"type":"spotMeta"}'

    assert open_door().answer("POST", "/info", "Application/JSON; charset=utf-8", body).status == 200


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"type": NaN}', b"[" * 100_000, b"x {}"])
def test_what_is_not_json_is_400(body: bytes) -> None:
    for path in ("/info", "/exchange"):
        answer = open_door().answer("POST", path, JSON, body)

        assert (answer.status, answer.body) == (400, b"Failed to parse the request body as JSON")


@pytest.mark.parametrize("rest", [b" ", b" garbage", b'{"type": "meta"}', b"\x00"])
def test_what_follows_the_first_value_is_not_looked_at(rest: bytes) -> None:
    answer = open_door().answer("POST", "/info", JSON, b' {"type": "perpDexs"}' + rest)

    assert (answer.status, answer.body) == (200, b"[null]")


@pytest.mark.parametrize("body", [None, 5, [], {}, {"type": "noSuchThing"}, {"type": 5}, {"type": "openOrders"}])
def test_a_question_that_nobody_offers_is_422(body: object) -> None:
    assert post(open_door(), "/info", body) == UNREADABLE


def test_a_book_of_no_coin_is_null() -> None:
    assert post(open_door(), "/info", {"type": "l2Book", "coin": "@99999"}) == Answer(200, b"null")


def test_a_500_of_the_venue_is_json_null() -> None:
    question = {"type": "l2Book", "coin": "@107", "nSigFigs": 9}

    assert post(open_door(), "/info", question) == Answer(500, b"null")


def test_another_path_is_404_and_another_method_405() -> None:
    door = open_door()

    assert door.answer("POST", "/", JSON, b"{}").status == 404
    assert door.answer("GET", "/info", "", b"").status == 405


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": None},
        {"nonce": True},
        {"nonce": -1},
        {"nonce": 1 << 64},
        {"nonce": "5"},
        {"isFrontend": True},
        {"action": {"type": "noop", "f": True}},
        {"action": PLACE | {"grouping": "all"}},
        {"action": PLACE | {"grouping": {"p": -1}}},
        {"action": PLACE | {"builder": {"b": "0x12", "f": 1}}},
        {"action": PLACE | {"builder": {"b": "0x" + "1" * 40, "f": "1"}}},
        {"action": PLACE | {"orders": [ORDER | {"t": {"trigger": {"isMarket": True, "triggerPx": "1"}}}]}},
        {"action": {"type": "cancel", "cancels": [], "f": "yes"}},
        {"action": {"type": "cancel", "cancels": [{"a": 10107, "o": 1 << 64}]}},
        {"action": {"type": "batchModify", "modifies": [], "a": 1}},
        {"action": {"type": "reserveRequestWeight", "weight": "5"}},
        {"action": {"type": "reserveRequestWeight", "weight": 5, "destination": "me"}},
        {"action": None},
        {"action": []},
        {"action": {"type": "noSuchThing"}},
        {"action": PLACE | {"orders": [ORDER | {"p": 20}]}},
        {"action": PLACE | {"orders": [ORDER | {"p": "20.123456789"}]}},
        {"action": PLACE | {"orders": [ORDER | {"c": "0xabc"}]}},
        {"action": {"type": "noop", "x": 1 << 70}},
        {"signature": None},
        {"signature": {"r": "0x1", "s": "0x1"}},
        {"signature": {"r": 1, "s": "0x1", "v": 27}},
        {"signature": {"r": "0x" + "1" * 65, "s": "0x1", "v": 27}},
        {"signature": {"r": "+0x1", "s": "0x1", "v": 27}},
        {"vaultAddress": "0x12"},
        {"expiresAfter": "soon"},
    ],
    ids=repr,
)
def test_an_envelope_of_another_shape_is_422_and_spends_no_nonce(changes: dict[str, Any]) -> None:
    door = open_door()
    good = envelope({"type": "noop"})

    assert post(door, "/exchange", good | changes) == UNREADABLE
    assert json.loads(post(door, "/exchange", good).body)["status"] == "ok"


def test_a_signed_order_rests_and_its_second_copy_is_a_duplicate() -> None:
    door = open_door()
    body = envelope(PLACE)

    first, second = post(door, "/exchange", body), post(door, "/exchange", body)

    assert "resting" in json.loads(first.body)["response"]["data"]["statuses"][0]
    assert second.status == 200
    assert json.loads(second.body) == {
        "status": "err",
        "response": f"Invalid nonce: duplicate nonce {NOW_MS}",
    }


def test_an_action_refused_by_the_exchange_has_spent_its_nonce() -> None:
    door = open_door()
    late = NOW_MS - 1
    signature = sign_l1_action(WALLET, PLACE, None, NOW_MS, late, False)
    body = envelope(PLACE) | {"expiresAfter": late, "signature": signature}

    first, second = post(door, "/exchange", body), post(door, "/exchange", body)

    assert json.loads(first.body)["response"] == "Action already expired"
    assert json.loads(second.body)["response"] == f"Invalid nonce: duplicate nonce {NOW_MS}"
