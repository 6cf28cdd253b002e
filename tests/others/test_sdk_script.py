"""A stranger's script: the official SDK and nothing else, against `python -m mm_trio sandbox`.

Each answer is compared whole, with the venue's own words and shapes.
"""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hyperliquid.utils.types import Cloid
from script_kit import ALO, GTC, IOC, Script, error_of, statuses

pytestmark = pytest.mark.e2e

NOT_CANCELLED = "Order was never placed, already canceled, or filled. asset=10107"
UNKNOWN_OID = 1


def answer_to_orders(*found: Any) -> dict[str, Any]:
    return {"status": "ok", "response": {"type": "order", "data": {"statuses": list(found)}}}


def answer_to_cancels(*found: Any) -> dict[str, Any]:
    return {"status": "ok", "response": {"type": "cancel", "data": {"statuses": list(found)}}}


# --- placing ---


@pytest.mark.smoke
def test_a_placed_order_rests_and_is_listed_in_the_venues_two_shapes(script: Script) -> None:
    before_ms = int(time.time() * 1000)
    answer = script.buy(19.5, 1.5)

    oid = answer["response"]["data"]["statuses"][0]["resting"]["oid"]
    assert answer == answer_to_orders({"resting": {"oid": oid}})
    (row,) = script.info.open_orders(script.account)
    placed_ms = row["timestamp"]
    assert before_ms <= placed_ms <= int(time.time() * 1000)
    plain = {"coin": "@107", "side": "B", "limitPx": "19.5", "sz": "1.5", "oid": oid, "timestamp": placed_ms}
    assert row == plain | {"origSz": "1.5"}
    (frontend,) = script.info.frontend_open_orders(script.account)
    assert frontend == row | {
        "triggerCondition": "N/A",
        "isTrigger": False,
        "triggerPx": "0.0",
        "children": [],
        "isPositionTpsl": False,
        "reduceOnly": False,
        "orderType": "Limit",
        "tif": "Alo",
        "cloid": None,
    }


def test_a_cloid_is_told_in_the_answer_and_in_the_list(script: Script) -> None:
    cloid = Cloid.from_str("0x0123456789abcdef0123456789abcdef")
    answer = script.sell(21, 1, cloid=cloid)

    (status,) = statuses(answer)
    assert status == {"resting": {"oid": status["resting"]["oid"], "cloid": cloid.to_raw()}}
    (row,) = script.info.open_orders(script.account)
    assert (row["cloid"], row["limitPx"], row["sz"]) == (cloid.to_raw(), "21.0", "1.0")


def test_the_pairs_friendly_name_means_the_same_market(script: Script) -> None:
    (status,) = statuses(script.exchange.order("HYPE/USDC", True, 1, 19.5, ALO))

    (row,) = script.info.open_orders(script.account)
    assert (row["oid"], row["coin"]) == (status["resting"]["oid"], "@107")


def test_each_order_of_a_bulk_has_its_own_answer(script: Script) -> None:
    script.rest(20.1, is_buy=False)
    rows = [script.request(19.9), script.request(19.8, 0.5), script.request(20.1), script.request(19.7)]
    first, too_small, crossing, last = statuses(script.exchange.bulk_orders(rows))

    assert set(first) == set(last) == {"resting"}
    assert too_small == {"error": "Order must have minimum value of 10 USDC. asset=10107"}
    text = "Post only order would have immediately matched, bbo was 19.9@20.1. asset=10107"
    assert crossing == {"error": text}
    assert [row["limitPx"] for row in script.info.open_orders(script.account)] == ["20.1", "19.9", "19.7"]


@pytest.mark.parametrize(
    "row, text",
    [
        ({"sz": 1.005}, "Order has invalid size."),
        ({"sz": 0}, "Order has zero size."),
        ({"limit_px": 0.1234567}, "Order has invalid price."),
        ({"limit_px": 19.1234}, "Price must be divisible by tick size. asset=10107"),
    ],
)
def test_a_static_error_answers_once_for_the_whole_bulk(script: Script, row: dict[str, float], text: str) -> None:
    rows = [script.request(19.9), script.request(19.8) | row, script.request(19.7)]
    answer = script.exchange.bulk_orders(rows)

    assert answer == answer_to_orders({"error": text})
    assert script.open_oids() == []


def test_an_empty_bulk_says_so(script: Script) -> None:
    assert script.exchange.bulk_orders([]) == answer_to_orders({"error": "Orders are empty."})


def test_an_ioc_that_meets_nobody_says_so(script: Script) -> None:
    text = error_of(script.exchange.order(script.coin, True, 1, 20.0, IOC))

    assert text == "Order could not immediately match against any resting orders. asset=10107"


def test_an_order_beyond_the_balance_is_refused_by_itself(script: Script) -> None:
    answer = script.exchange.bulk_orders([script.request(19.9), script.request(19.8, 100_000.0)])

    (first, second) = statuses(answer)
    assert set(first) == {"resting"}
    assert second == {"error": "Insufficient spot balance asset=10107"}


def test_a_resting_order_holds_what_it_would_pay(script: Script) -> None:
    def holds() -> dict[str, str]:
        return {row["coin"]: row["hold"] for row in script.info.spot_user_state(script.account)["balances"]}

    script.rest(19.5, 2)
    script.rest(21, 3, is_buy=False)
    assert holds() == {"USDC": "39.0", "HYPE": "3.0"}

    script.cancel_all()
    assert holds() == {"USDC": "0.0", "HYPE": "0.0"}


def test_an_order_that_meets_its_owners_cancels_that_and_trades_nothing(script: Script) -> None:
    own = script.rest(20.5, is_buy=False)
    answer = script.exchange.order(script.coin, True, 1, 20.5, GTC)

    assert script.status_of(own) == "selfTradeCanceled"
    (status,) = statuses(answer)
    assert script.open_oids() == [status["resting"]["oid"]]
    assert script.info.user_fills(script.account) == []


# --- modifying ---


def test_a_modify_gives_a_new_oid_and_ends_the_old_one(script: Script) -> None:
    oid = script.rest(19.5)
    answer = script.exchange.modify_order(oid, script.coin, True, 2, 19.6, ALO)

    (status,) = statuses(answer)
    new_oid = status["resting"]["oid"]
    assert answer == answer_to_orders({"resting": {"oid": new_oid}})
    assert new_oid != oid
    assert (script.status_of(oid), script.status_of(new_oid)) == ("canceled", "open")
    assert script.open_oids() == [new_oid]


def test_a_modify_by_cloid_hands_the_cloid_on(script: Script) -> None:
    cloid = Cloid.from_int(7)
    oid = script.rest(19.5, cloid=cloid)
    (status,) = statuses(script.exchange.modify_order(cloid, script.coin, True, 1, 19.6, ALO, cloid=cloid))

    new_oid = status["resting"]["oid"]
    assert status == {"resting": {"oid": new_oid, "cloid": cloid.to_raw()}}
    assert script.info.query_order_by_cloid(script.account, cloid)["order"]["order"]["oid"] == new_oid
    assert script.status_of(oid) == "canceled"


def test_a_modify_that_would_cross_loses_the_order(script: Script) -> None:
    oid = script.rest(19.5)
    ask = script.rest(20.1, is_buy=False)
    text = error_of(script.exchange.modify_order(oid, script.coin, True, 1, 20.2, ALO))

    # the old order is gone when its replacement is judged: no bid is left to be named
    pattern = r"Post only order would have immediately matched, bbo was [0-9.]+@20\.1\. asset=10107"
    assert re.fullmatch(pattern, text), text
    assert script.status_of(oid) == "canceled"
    assert script.open_oids() == [ask]


def test_a_gtc_replacement_does_not_take_either(script: Script) -> None:
    oid = script.rest(19.5)
    ask = script.rest(20.1, is_buy=False)
    text = error_of(script.exchange.modify_order(oid, script.coin, True, 1, 20.2, GTC))

    assert text.startswith("Post only order would have immediately matched, bbo was ")
    assert script.open_oids() == [ask]


@pytest.mark.parametrize("is_buy, kind", [(False, ALO), (True, IOC)], ids=["side flip", "ioc"])
def test_a_modify_to_an_invalid_order_leaves_the_old_one(script: Script, is_buy: bool, kind: Any) -> None:
    oid = script.rest(19.5)
    answer = script.exchange.modify_order(oid, script.coin, is_buy, 1, 19.5, kind)

    assert answer == answer_to_orders({"error": "Attempted to modify to invalid new order"})
    assert script.open_oids() == [oid]


def test_a_static_error_of_a_modify_leaves_the_old_one(script: Script) -> None:
    oid = script.rest(19.5)
    answer = script.exchange.modify_order(oid, script.coin, True, 1.005, 19.5, ALO)

    assert answer == answer_to_orders({"error": "Order has invalid size."})
    assert script.open_oids() == [oid]


def test_each_modify_of_a_bulk_has_its_own_answer(script: Script) -> None:
    oid, dead = script.rest(19.5), script.rest(19.4)
    script.exchange.cancel(script.coin, dead)
    modifies = [{"oid": old, "order": script.request(19.6)} for old in (dead, oid, UNKNOWN_OID)]
    of_dead, of_live, of_unknown = statuses(script.exchange.bulk_modify_orders_new(modifies))

    assert of_dead == of_unknown == {"error": "Cannot modify canceled or filled order"}
    assert script.open_oids() == [of_live["resting"]["oid"]]


# --- cancelling ---


def test_a_cancel_succeeds_once(script: Script) -> None:
    oid = script.rest(19.5)

    assert script.exchange.cancel(script.coin, oid) == answer_to_cancels("success")
    assert script.exchange.cancel(script.coin, oid) == answer_to_cancels({"error": NOT_CANCELLED})
    assert script.exchange.cancel(script.coin, UNKNOWN_OID) == answer_to_cancels({"error": NOT_CANCELLED})


def test_a_cancel_by_cloid_succeeds_once(script: Script) -> None:
    cloid = Cloid.from_int(8)
    script.rest(19.5, cloid=cloid)

    assert script.exchange.cancel_by_cloid(script.coin, cloid) == answer_to_cancels("success")
    assert script.exchange.cancel_by_cloid(script.coin, cloid) == answer_to_cancels({"error": NOT_CANCELLED})


# --- queries ---


def test_an_order_is_found_by_oid_and_by_cloid(script: Script) -> None:
    cloid = Cloid.from_int(9)
    oid = script.rest(19.5, cloid=cloid)
    answer = script.info.query_order_by_oid(script.account, oid)

    (row,) = script.info.frontend_open_orders(script.account)
    told_ms = answer["order"]["statusTimestamp"]
    assert answer == {"status": "order", "order": {"order": row, "status": "open", "statusTimestamp": told_ms}}
    assert script.info.query_order_by_cloid(script.account, cloid) == answer
    script.exchange.cancel(script.coin, oid)
    after = script.info.query_order_by_cloid(script.account, cloid)["order"]
    assert (after["status"], after["order"]["sz"]) == ("canceled", "1.0")


def test_an_order_that_never_was_is_an_unknown_oid(script: Script) -> None:
    nothing = {"status": "unknownOid"}

    assert script.info.query_order_by_oid(script.account, UNKNOWN_OID) == nothing
    assert script.info.query_order_by_cloid(script.account, Cloid.from_int(99)) == nothing


def test_what_the_book_refused_has_a_record_and_what_was_malformed_has_none(script: Script) -> None:
    crossing, malformed = Cloid.from_int(10), Cloid.from_int(11)
    script.rest(20.1, is_buy=False)
    script.buy(20.1, cloid=crossing)
    script.buy(19.5, 1.005, cloid=malformed)

    assert script.status_of(crossing) == "badAloPxRejected"
    assert script.status_of(malformed) == "unknownOid"
