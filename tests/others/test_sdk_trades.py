"""Two strangers' scripts that trade with each other: answers, fills, fees and balances, with the venue's words."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Any

import pytest
from hyperliquid.utils.types import Cloid
from script_kit import ALO, GTC, Script, error_of, statuses

pytestmark = pytest.mark.e2e

TAKER_RATE, MAKER_RATE = Decimal("0.0007"), Decimal("0.0004")


def floor(number: Decimal, decimals: int = 8) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-decimals), ROUND_DOWN)


def totals(script: Script) -> dict[str, Decimal]:
    return {row["coin"]: Decimal(row["total"]) for row in script.info.spot_user_state(script.account)["balances"]}


def last_fill(script: Script) -> dict[str, Any]:
    fill: dict[str, Any] = script.info.user_fills(script.account)[0]
    return fill


def test_a_taker_is_told_what_he_got_and_for_how_much(script: Script, other: Script) -> None:
    script.rest(20.1, 1.36, is_buy=False)
    answer = other.take(20.1, 1.36, is_buy=True)

    (status,) = statuses(answer)
    assert status == {"filled": {"totalSz": "1.36", "avgPx": "20.1", "oid": status["filled"]["oid"]}}


def test_the_sdks_market_order_takes_what_is_there(script: Script, other: Script) -> None:
    script.rest(19.9)
    script.rest(20.1, is_buy=False)
    (status,) = statuses(other.exchange.market_open(other.coin, True, 1))

    assert status["filled"]["avgPx"] == "20.1"


def test_the_rest_of_an_ioc_is_dropped_without_a_word(script: Script, other: Script) -> None:
    script.rest(20.1, 1.36, is_buy=False)
    (status,) = statuses(other.take(20.1, 2, is_buy=True))

    assert status["filled"]["totalSz"] == "1.36"
    assert other.open_oids() == []


def test_the_average_price_is_cut_to_the_prices_decimals(script: Script, other: Script) -> None:
    script.rest(20.1, 1, is_buy=False)
    script.rest(20.2, 2, is_buy=False)
    (status,) = statuses(other.take(20.2, 3, is_buy=True))

    assert status["filled"]["avgPx"] == "20.166666"  # six decimals for a token of two


def test_what_a_gtc_leaves_rests_under_the_oid_of_its_fill(script: Script, other: Script) -> None:
    script.rest(20.1, 1, is_buy=False)
    (status,) = statuses(other.exchange.order(other.coin, True, 2.5, 20.1, GTC))

    assert status["filled"]["totalSz"] == "1.0"
    (row,) = other.info.open_orders(other.account)
    assert (row["oid"], row["sz"], row["origSz"]) == (status["filled"]["oid"], "1.5", "2.5")


def test_a_part_that_was_taken_is_seen_in_the_list_and_not_in_the_status(script: Script, other: Script) -> None:
    oid = script.rest(20.1, 3, is_buy=False)
    other.take(20.1, 1, is_buy=True)

    (row,) = script.info.open_orders(script.account)
    assert (row["oid"], row["sz"], row["origSz"]) == (oid, "2.0", "3.0")
    found = script.info.query_order_by_oid(script.account, oid)["order"]
    assert (found["status"], found["order"]["sz"]) == ("open", "3.0")


def test_each_side_pays_its_fee_from_what_it_received(script: Script, other: Script) -> None:
    before = totals(script), totals(other)
    script.rest(20.1, 1.36, is_buy=False)
    other.take(20.1, 1.36, is_buy=True)
    after = totals(script), totals(other)

    size, notional = Decimal("1.36"), Decimal("20.1") * Decimal("1.36")
    maker_fee = floor(notional * MAKER_RATE)
    taker_fee = floor(floor(notional * TAKER_RATE) / Decimal("20.1"))
    sold, bought = last_fill(script), last_fill(other)
    assert (sold["side"], sold["crossed"], sold["feeToken"]) == ("A", False, "USDC")
    assert (bought["side"], bought["crossed"], bought["feeToken"]) == ("B", True, "HYPE")
    assert (Decimal(sold["fee"]), Decimal(bought["fee"])) == (maker_fee, taker_fee)
    moved = [{coin: late[coin] - early[coin] for coin in early} for early, late in zip(before, after, strict=True)]
    assert moved[0] == {"USDC": notional - maker_fee, "HYPE": -size}
    assert moved[1] == {"USDC": -notional, "HYPE": size - taker_fee}


def test_fills_are_told_newest_first_and_by_time_oldest_first(script: Script, other: Script) -> None:
    for price in (20.1, 20.2):
        script.rest(price, 1, is_buy=False)
        other.take(price, 1, is_buy=True)
    newest_first = script.info.user_fills(script.account)
    last, before = newest_first[:2]
    begin, end = before["time"], last["time"]

    assert (last["px"], before["px"]) == ("20.2", "20.1")
    assert script.info.user_fills_by_time(script.account, begin)[-2:] == [before, last]
    assert last in script.info.user_fills_by_time(script.account, end, end)  # both ends belong to it
    assert last not in script.info.user_fills_by_time(script.account, begin, end - 1)
    assert script.info.user_fills_by_time(script.account, end + 1) == []


def test_a_fill_bears_the_cloid_of_its_order(script: Script, other: Script) -> None:
    cloid = Cloid.from_int(21)
    script.rest(20.1, 1, is_buy=False, cloid=cloid)
    other.take(20.1, 1, is_buy=True)

    assert last_fill(script)["cloid"] == cloid.to_raw()
    assert "cloid" not in last_fill(other)


def test_an_order_that_was_taken_whole_is_over(script: Script, other: Script) -> None:
    oid = script.rest(20.1, 1, is_buy=False)
    other.take(20.1, 1, is_buy=True)
    modified = script.exchange.modify_order(oid, script.coin, False, 1, 20.2, ALO)
    cancelled = script.exchange.cancel(script.coin, oid)

    found = script.info.query_order_by_oid(script.account, oid)["order"]
    assert (found["status"], found["order"]["sz"], found["order"]["origSz"]) == ("filled", "0.0", "1.0")
    assert error_of(modified) == "Cannot modify canceled or filled order"
    assert error_of(cancelled) == "Order was never placed, already canceled, or filled. asset=10107"
    assert script.open_oids() == []


@pytest.mark.parametrize("price, is_fair", [(4.02, False), (4.03, True), (100.5, True), (100.6, False)])
def test_a_price_far_from_the_last_one_is_refused(script: Script, other: Script, price: float, is_fair: bool) -> None:
    script.rest(20.1, 1, is_buy=False)
    other.take(20.1, 1, is_buy=True)
    (status,) = statuses(script.exchange.order(script.coin, price < 20, 10, price, ALO))

    text = "Order price cannot be more than 80% away from the reference price"
    assert set(status) == ({"resting"} if is_fair else {"error"})
    assert is_fair or status == {"error": text}
