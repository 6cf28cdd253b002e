from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sandbox_kit import (
    HYPE,
    HYPE_ASSET,
    HYPE_TOKEN,
    MAKER,
    NOBODY,
    TAKER,
    Clock,
    buy,
    cancel,
    cloid,
    make_exchange,
    place,
    rest,
    sell,
    take,
)

from mm_trio.sandbox.api.gateway import BadRequest, Gateway
from mm_trio.sandbox.info.rows import number
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import AccountMode, Deposit, PlaceOrders, SetAccountMode
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS

UNREADABLE = "Failed to deserialize the JSON body into the target type"


def ask(exchange: Exchange, kind: str, **parameters: object) -> Any:
    """Return an answer as a client reads it, through JSON."""
    answer = Gateway(exchange, now_ms=Clock()).info({"type": kind, **parameters})
    return json.loads(json.dumps(answer))


@pytest.mark.parametrize(
    "value, text",
    [("20", "20.0"), ("20.10", "20.1"), ("1E+2", "100.0"), ("0E-8", "0.0"), ("0.00000001", "0.00000001")],
)
def test_a_decimal_has_at_least_one_digit_after_the_point(value: str, text: str) -> None:
    assert number(Decimal(value)) == text


def test_an_open_order_has_a_cloid_only_if_it_was_given_one() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, buy("19", "1"))
    rest(exchange, MAKER, sell("20.5", "2", tag=1))

    plain, tagged = ask(exchange, "openOrders", user=MAKER, dex="")

    assert plain == {
        "coin": "@107",
        "side": "B",
        "limitPx": "19.0",
        "sz": "1.0",
        "oid": plain["oid"],
        "timestamp": 1,
        "origSz": "1.0",
    }
    assert (tagged["side"], tagged["limitPx"], tagged["cloid"]) == ("A", "20.5", cloid(1))


def test_a_frontend_order_always_tells_cloid_and_tif() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, buy("19", "1"))

    (row,) = ask(exchange, "frontendOpenOrders", user=MAKER.upper().replace("X", "x"), dex="")

    assert (row["cloid"], row["tif"], row["isTrigger"], row["orderType"]) == (None, "Alo", False, "Limit")


def test_balances_come_by_token_with_their_hold() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("20", "2.5"))

    balances = ask(exchange, "spotClearinghouseState", user=MAKER)["balances"]

    assert [row["token"] for row in balances] == [0, 1, 150]
    assert balances[2] == {
        "coin": "HYPE",
        "token": 150,
        "total": "1000.0",
        "hold": "2.5",
        "entryNtl": "0.0",
    }


def test_with_portfolio_margin_a_row_has_two_holds() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("20", "2.5"))
    exchange.apply(1, SetAccountMode(MAKER, "portfolio"))

    usdc, _, hype = ask(exchange, "spotClearinghouseState", user=MAKER)["balances"]

    assert (hype["hold"], hype["spotHold"]) == ("1.25", "2.5")
    assert "spotHold" not in usdc


@pytest.mark.parametrize(
    "mode, told", [("standard", "disabled"), ("unified", "unifiedAccount"), ("portfolio", "portfolioMargin")]
)
def test_the_mode_of_an_account_is_told(mode: AccountMode, told: str) -> None:
    exchange = make_exchange()
    exchange.apply(1, SetAccountMode(MAKER, mode))

    assert ask(exchange, "userAbstraction", user=MAKER) == told


def test_a_stranger_has_empty_answers() -> None:
    exchange = make_exchange()

    assert ask(exchange, "spotClearinghouseState", user=NOBODY) == {"balances": []}
    assert ask(exchange, "openOrders", user=NOBODY) == []
    assert ask(exchange, "userFills", user=NOBODY) == []
    assert ask(exchange, "userRole", user=NOBODY) == {"role": "missing"}
    assert ask(exchange, "userRole", user=MAKER) == {"role": "user"}
    assert ask(exchange, "userRateLimit", user=NOBODY)["nRequestsCap"] == 10_000


def test_a_fill_row_has_the_fields_of_the_venue() -> None:
    exchange = make_exchange()
    rest(exchange, MAKER, sell("20", "2", tag=5))
    take(exchange, buy("20", "1.5", "Ioc"))

    (row,) = ask(exchange, "userFills", user=MAKER)

    assert row.pop("hash").startswith("0x")
    assert isinstance(row.pop("tid"), int)
    assert isinstance(row.pop("oid"), int)
    assert row == {
        "coin": HYPE,
        "px": "20.0",
        "sz": "1.5",
        "side": "A",
        "time": 1,
        "startPosition": "1000.0",
        "dir": "Sell",
        "closedPnl": "0.0",
        "crossed": False,
        "fee": "0.012",
        "feeToken": "USDC",
        "twapId": None,
        "cloid": cloid(5),
    }


def trade_at(exchange: Exchange, *times_ms: int) -> None:
    rest(exchange, MAKER, sell("20", "100"))
    for time_ms in times_ms:
        exchange.apply(time_ms, PlaceOrders(TAKER, (buy("20", "1", "Ioc"),)))


def test_fills_by_time_are_oldest_first_with_both_ends_included() -> None:
    exchange = make_exchange()
    trade_at(exchange, 10, 20, 30, 40)

    span = ask(exchange, "userFillsByTime", user=MAKER, startTime=20, endTime=30, aggregateByTime=False)
    open_ended = ask(exchange, "userFillsByTime", user=MAKER, startTime=20, endTime=None)

    assert [row["time"] for row in span] == [20, 30]
    assert [row["time"] for row in open_ended] == [20, 30, 40]


def test_fills_are_newest_first() -> None:
    exchange = make_exchange()
    trade_at(exchange, 10, 20)

    assert [row["time"] for row in ask(exchange, "userFills", user=MAKER)] == [20, 10]


def test_a_page_has_two_thousand_fills_the_oldest_by_time_and_the_newest_otherwise() -> None:
    exchange = make_exchange()
    exchange.apply(0, Deposit(MAKER, HYPE_TOKEN, Decimal(1000)))
    rest(exchange, MAKER, sell("20", "2000"))
    for time_ms in range(1, 2_003):
        exchange.apply(time_ms, PlaceOrders(TAKER, (buy("20", "0.5", "Ioc"),)))

    by_time = ask(exchange, "userFillsByTime", user=MAKER, startTime=0)
    newest = ask(exchange, "userFills", user=MAKER)

    assert [(rows[0]["time"], rows[-1]["time"]) for rows in (by_time, newest)] == [(1, 2000), (2002, 3)]


def test_an_order_is_found_by_oid_and_by_cloid() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "2", tag=5))
    take(exchange, buy("20", "2", "Ioc"))

    by_oid = ask(exchange, "orderStatus", user=MAKER, oid=oid)
    by_cloid = ask(exchange, "orderStatus", user=MAKER, oid=cloid(5).upper().replace("X", "x"))

    assert by_oid == by_cloid
    assert by_oid["order"]["status"] == "filled"
    assert by_oid["order"]["order"]["sz"] == "0.0"
    assert by_oid["order"]["statusTimestamp"] == 1


def test_orders_of_another_and_static_refusals_are_unknown() -> None:
    exchange = make_exchange()
    oid = rest(exchange, MAKER, sell("20", "2"))
    place(exchange, MAKER, sell("20", "1.001", tag=9))

    assert ask(exchange, "orderStatus", user=TAKER, oid=oid) == {"status": "unknownOid"}
    assert ask(exchange, "orderStatus", user=MAKER, oid=cloid(9)) == {"status": "unknownOid"}


def test_history_has_the_newest_change_first() -> None:
    exchange = make_exchange()
    first = rest(exchange, MAKER, sell("20", "2"))
    second = rest(exchange, MAKER, sell("21", "2"))
    cancel(exchange, first)

    rows = ask(exchange, "historicalOrders", user=MAKER)

    assert {row["order"]["oid"]: row["status"] for row in rows} == {first: "canceled", second: "open"}


def test_the_rate_limit_tells_what_is_counted() -> None:
    exchange = make_exchange()
    trade_at(exchange, 10)

    assert ask(exchange, "userRateLimit", user=MAKER) == {
        "cumVlm": "20.0",
        "nRequestsUsed": 1,
        "nRequestsCap": 10_020,
        "nRequestsSurplus": 0,
    }


def test_the_fees_are_those_that_are_charged() -> None:
    fees = ask(make_exchange(maker_fee="0.0003"), "userFees", user=MAKER)

    assert (fees["userSpotAddRate"], fees["userSpotCrossRate"]) == ("0.0003", "0.0007")


def test_the_book_is_bids_then_asks_best_first_by_level() -> None:
    exchange = make_exchange()
    for order in (buy("18", "1"), buy("19", "1"), buy("19", "2"), sell("21", "1"), sell("20", "1")):
        rest(exchange, MAKER, order)

    book = ask(exchange, "l2Book", coin=HYPE)

    assert book["levels"][0] == [{"px": "19.0", "sz": "3.0", "n": 2}, {"px": "18.0", "sz": "1.0", "n": 1}]
    assert [level["px"] for level in book["levels"][1]] == ["20.0", "21.0"]
    assert ask(exchange, "l2Book", coin="@9999") is None


def test_a_book_has_twenty_levels_a_side() -> None:
    exchange = make_exchange()
    place(exchange, MAKER, *(sell(str(20 + n), "1") for n in range(25)))

    assert len(ask(exchange, "l2Book", coin=HYPE)["levels"][1]) == 20


def test_mids_fall_back_to_the_last_price_and_leave_out_what_never_had_one() -> None:
    pairs = tuple(replace(pair, opening_px=None) for pair in DEFAULT_MARKETS.pairs)
    exchange = make_exchange(markets=replace(DEFAULT_MARKETS, pairs=pairs))
    assert ask(exchange, "allMids", dex="") == {}

    trade_at(exchange, 10)
    assert ask(exchange, "allMids", dex="") == {HYPE: "20.0"}

    rest(exchange, MAKER, buy("19", "1"))
    assert ask(exchange, "allMids", dex="") == {HYPE: "19.5"}


def test_before_the_first_trade_each_pair_has_the_price_that_it_opens_with() -> None:
    exchange = make_exchange()

    _, contexts = ask(exchange, "spotMetaAndAssetCtxs")

    assert {(row["midPx"], row["markPx"], row["prevDayPx"]) for row in contexts} == {("20.0", "20.0", "20.0")}
    assert ask(exchange, "allMids") == {pair.name: "20.0" for pair in DEFAULT_MARKETS.pairs}


def test_no_order_is_judged_by_the_price_that_a_pair_opens_with() -> None:
    exchange = make_exchange()

    rest(exchange, MAKER, buy("1", "10"))

    assert exchange.last_price(HYPE) is None


def test_the_context_of_every_pair_comes_with_the_metadata() -> None:
    exchange = make_exchange()
    trade_at(exchange, 10)

    meta, contexts = ask(exchange, "spotMetaAndAssetCtxs")

    assert [row["coin"] for row in contexts] == [row["name"] for row in meta["universe"]]
    assert next(row for row in contexts if row["coin"] == HYPE)["markPx"] == "20.0"


@pytest.mark.parametrize(
    "kind",
    ["spotMeta", "meta", "metaAndAssetCtxs", "perpDexs", "clearinghouseState", "extraAgents", "webData2"],
)
def test_the_sdk_finds_the_questions_it_asks_on_its_own(kind: str) -> None:
    ask(make_exchange(), kind, user=MAKER, dex="")


@pytest.mark.parametrize(
    "request_body, status",
    [
        ({"type": "noSuchType"}, 422),
        ({}, 422),
        ([], 422),
        ({"type": "openOrders"}, 422),
        ({"type": "openOrders", "user": "0x12"}, 422),
        ({"type": "orderStatus", "user": MAKER, "oid": "0x12"}, 422),
        ({"type": "userFillsByTime", "user": MAKER}, 422),
        ({"type": "l2Book"}, 422),
        ({"type": "l2Book", "coin": HYPE, "nSigFigs": 9}, 500),
    ],
)
def test_a_bad_question_has_an_http_status(request_body: object, status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        Gateway(make_exchange(), now_ms=Clock()).info(request_body)

    assert caught.value.status == status
    assert caught.value.body == ("null" if status == 500 else UNREADABLE)


def test_an_asset_id_is_not_a_coin() -> None:
    assert ask(make_exchange(), "l2Book", coin=str(HYPE_ASSET)) is None
