"""Weights of requests, and the rolling minute of a client address."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st
from sdk_client_kit import JSON, World, address_of, order, place

from mm_trio.sandbox.api.ip_weights import IpWeights, weigh_action, weigh_question, weigh_rows

IP, OTHER_IP = "127.0.0.1", "127.0.0.2"


@pytest.mark.parametrize(
    "kind, weight",
    [
        ("l2Book", 2),
        ("allMids", 2),
        ("clearinghouseState", 2),
        ("orderStatus", 2),
        ("spotClearinghouseState", 2),
        ("exchangeStatus", 2),
        ("userRole", 60),
        ("spotMeta", 20),
        ("meta", 20),
        ("openOrders", 20),
        ("frontendOpenOrders", 20),
        ("userFills", 20),
        ("userRateLimit", 20),
        ("userFees", 20),
        ("candleSnapshot", 20),
        ("noSuchThing", 20),
    ],
)
def test_a_question_weighs_what_the_docs_say(kind: str, weight: int) -> None:
    assert weigh_question({"type": kind}) == weight


@pytest.mark.parametrize("body", [None, 5, [], {}, {"type": 5}, {"type": []}, "l2Book"])
def test_what_is_no_question_weighs_as_an_ordinary_one(body: object) -> None:
    assert weigh_question(body) == 20


@pytest.mark.parametrize(
    "kind, n_rows, weight",
    [
        ("userFills", 2000, 100),
        ("userFills", 19, 0),
        ("userFillsByTime", 20, 1),
        ("historicalOrders", 45, 2),
        ("recentTrades", 30, 1),
        ("candleSnapshot", 59, 0),
        ("candleSnapshot", 5000, 83),
        ("openOrders", 1000, 0),
    ],
)
def test_rows_weigh_too(kind: str, n_rows: int, weight: int) -> None:
    assert weigh_rows({"type": kind}, [0] * n_rows) == weight


@pytest.mark.parametrize(
    "action, weight",
    [
        ({"type": "noop"}, 1),
        ({"type": "order", "orders": [0] * 39}, 1),
        ({"type": "order", "orders": [0] * 40}, 2),
        ({"type": "cancel", "cancels": [0] * 200}, 6),
        ({"type": "batchModify", "modifies": [0] * 80}, 3),
        ({"type": "order", "orders": "many"}, 1),
        (None, 1),
    ],
)
def test_an_action_weighs_one_and_one_for_every_forty_items(action: Any, weight: int) -> None:
    assert weigh_action({"action": action}) == weight


def test_a_minute_takes_so_much_and_not_one_more() -> None:
    weights = IpWeights(40)

    assert weights.admit(IP, 20, now_ms=0)
    assert weights.admit(IP, 20, now_ms=10)
    assert not weights.admit(IP, 1, now_ms=20)
    assert weights.used(IP, now_ms=20) == 40


def test_the_minute_rolls() -> None:
    weights = IpWeights(40)
    weights.admit(IP, 20, now_ms=0)
    weights.admit(IP, 20, now_ms=30_000)

    assert not weights.admit(IP, 20, now_ms=59_999)
    assert weights.admit(IP, 20, now_ms=60_000)
    assert not weights.admit(IP, 1, now_ms=89_999)


def test_a_refusal_costs_nothing() -> None:
    weights = IpWeights(10)
    weights.admit(IP, 10, now_ms=0)
    for now_ms in range(1, 60_000, 1000):
        assert not weights.admit(IP, 1, now_ms=now_ms)

    assert weights.admit(IP, 10, now_ms=60_000)


def test_each_address_has_its_own_minute_and_a_silent_one_is_forgotten() -> None:
    weights = IpWeights(10)
    weights.admit(IP, 10, now_ms=0)

    assert weights.admit(OTHER_IP, 10, now_ms=0)
    assert weights.used(IP, now_ms=60_000) == 0
    assert weights._sent == {}


def test_rows_may_go_over_and_the_next_request_waits() -> None:
    weights = IpWeights(40)
    weights.admit(IP, 20, now_ms=0)
    weights.charge(IP, 100, now_ms=0)

    assert not weights.admit(IP, 1, now_ms=59_999)
    assert weights.admit(IP, 20, now_ms=60_000)


steps = st.tuples(
    st.sampled_from([0, 1, 999, 20_000, 59_999, 60_000]), st.sampled_from([IP, OTHER_IP]), st.integers(1, 70)
)


@given(st.lists(steps, max_size=30))
def test_the_minute_is_the_sum_of_what_passed_in_it(requests: list[tuple[int, str, int]]) -> None:
    """Compare with a list of everything that ever passed."""
    weights, passed, now_ms = IpWeights(100), list[tuple[int, str, int]](), 0
    for pause_ms, ip, weight in requests:
        now_ms += pause_ms
        used = sum(w for at_ms, of, w in passed if of == ip and at_ms > now_ms - 60_000)
        assert weights.used(ip, now_ms=now_ms) == used
        admitted = weights.admit(ip, weight, now_ms=now_ms)
        assert admitted == (used + weight <= 100)
        passed += [(now_ms, ip, weight)] if admitted else []


def test_without_a_limit_nothing_is_counted() -> None:
    weights = IpWeights(None)

    assert all(weights.admit(IP, 1000, now_ms=0) for _ in range(10))
    assert weights.used(IP, now_ms=0) == 0


def test_the_door_answers_429_null_and_goes_on_a_minute_later() -> None:
    world = World(ip_weight=1200)

    answers = [world.post("/info", {"type": "openOrders", "user": "0x" + "1" * 40}).status for _ in range(61)]

    assert answers == [200] * 60 + [429]
    refused = world.post("/exchange", {"action": {"type": "noop"}})
    assert (refused.status, refused.body, refused.content_type) == (429, b"null", b"application/json")
    body = json.dumps({"type": "allMids"}).encode()
    assert world.door.answer("POST", "/info", JSON, body, ip=OTHER_IP).status == 200
    world.now_ms += 60_000
    assert world.post("/info", {"type": "allMids"}).status == 200


def test_an_action_over_the_limit_is_not_carried_out_and_spends_no_nonce() -> None:
    world = World(ip_weight=20)
    world.ask("spotMeta")
    wallet = Account.from_key("0x" + "01" * 32)

    with pytest.raises(AssertionError, match="429"):
        world.act(place(order()), nonce=world.now_ms)
    assert world.exchange.open_orders(address_of(wallet)) == ()
    world.now_ms += 60_000
    assert world.act(place(order()), nonce=world.now_ms - 59_999)["status"] == "ok"


def test_a_full_page_of_fills_weighs_a_tenth_of_a_minute() -> None:
    world = World(ip_weight=1200)
    world.act(place(order(size="1000")))
    for _ in range(20):
        taken = world.act(
            place(*[order(is_buy=False, tif="Ioc", size="0.5")] * 100), wallet=Account.from_key("0x" + "02" * 32)
        )
        assert taken["status"] == "ok"
    world.now_ms += 60_000

    fills = world.ask("userFills", user=address_of(Account.from_key("0x" + "01" * 32)))

    assert len(fills) == 2000
    assert world.door._ip_weights.used(IP, now_ms=world.now_ms) == 120
