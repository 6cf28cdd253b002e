"""Parsing of the venue's JSON; an error names the field that was wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from core_kit import MARKET, OURS, TERMINAL_STATUSES, dec, desired

from mm_trio.model.errors import ConfigError, ProtocolError
from mm_trio.model.market import Balances, Book, BookLevel
from mm_trio.model.replies import Fill, ListedAgent, OpenOrder
from mm_trio.venue import wire

# gaps in both lists, places other than indices, a token name that two tokens have
META: dict[str, Any] = {
    "universe": [
        {"tokens": [1, 0], "name": "PURR/USDC", "index": 0},
        {"tokens": [150, 0], "name": "@107", "index": 107},
        {"tokens": [150, 268], "name": "@207", "index": 207},
        {"tokens": [90, 0], "name": "@90", "index": 90},
        {"tokens": [91, 0], "name": "@91", "index": 91},
        {"tokens": [479, 0], "name": "@367", "index": 367},
    ],
    "tokens": [
        {"name": "HYPE", "szDecimals": 2, "index": 150},
        {"name": "USDC", "szDecimals": 8, "index": 0},
        {"name": "USDT0", "szDecimals": 2, "index": 268},
        {"name": "PURR", "szDecimals": 0, "index": 1},
        {"name": "PUMP", "szDecimals": 0, "index": 90},
        {"name": "PUMP", "szDecimals": 3, "index": 91},
    ],
}
MARKET_OF_META = wire.parse_market(META, "@107")
ORDER: dict[str, Any] = {"coin": "@107", "side": "B", "limitPx": "20.0", "sz": "1.5", "oid": 7, "timestamp": 1}
FILL: dict[str, Any] = {"coin": "@107", "oid": 7, "tid": 9, "sz": "1.5", "px": "20.0", "side": "A", "time": 1000}


@pytest.mark.parametrize(
    "coin, name, asset_id, base, quote, decimals",
    [
        ("@107", "@107", 10107, "HYPE", "USDC", 2),
        ("HYPE/USDC", "@107", 10107, "HYPE", "USDC", 2),
        ("HYPE/USDT0", "@207", 10207, "HYPE", "USDT0", 2),
        ("PURR/USDC", "PURR/USDC", 10000, "PURR", "USDC", 0),
        ("@91", "@91", 10091, "PUMP", "USDC", 3),
    ],
)
def test_a_pair_and_its_tokens_are_found_by_index_never_by_place(
    coin: str, name: str, asset_id: int, base: str, quote: str, decimals: int
) -> None:
    market = wire.parse_market(META, coin)

    assert (market.coin, market.asset_id) == (name, asset_id)
    assert (market.base.name, market.quote.name, market.base.sz_decimals) == (base, quote, decimals)
    assert market.pair_tokens["@207"] == (150, 268)


@pytest.mark.parametrize(
    "coin, text",
    [
        ("NOPE/USDC", r"unknown coin 'NOPE/USDC': none of the venue's 6 spot pairs has that name.*use the pair's name"),
        ("HYPE", r"unknown coin 'HYPE'.*did you mean HYPE/USDC \(@107\)\?"),
        ("hype/usdc", r"unknown coin 'hype/usdc'.*did you mean HYPE/USDC \(@107\)\?"),
        ("HYPE-USDC", r"did you mean HYPE/USDC \(@107\)\?"),
        ("HYPER/USDC", r"did you mean HYPE/USDC \(@107\)"),
        ("UPURR/USDC", r"did you mean PURR/USDC \(PURR/USDC\)\?"),
        ("PUMP/USDC", "ambiguous coin 'PUMP/USDC': several pairs have that name; use one of @90, @91"),
    ],
)
def test_a_name_that_is_nobodys_or_of_several_is_the_operators_error(coin: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        wire.parse_market(META, coin)


def test_a_bridged_coin_is_suggested_for_the_plain_name() -> None:
    meta = {
        "universe": [*META["universe"], {"tokens": [197, 0], "name": "@142", "index": 142}],
        "tokens": [*META["tokens"], {"name": "UBTC", "szDecimals": 5, "index": 197}],
    }

    for coin in ("BTC/USDC", "btc", "BTC-USDC"):
        with pytest.raises(ConfigError, match=r"did you mean UBTC/USDC \(@142\)\?"):
            wire.parse_market(meta, coin)


def test_a_market_says_which_token_it_trades() -> None:
    assert MARKET_OF_META.describe() == "@107 = HYPE/USDC (token 150, szDecimals 2)"


def test_a_pair_that_names_a_token_the_venue_does_not_list_breaks_only_itself() -> None:
    assert wire.parse_market(META, "@107").asset_id == 10107
    with pytest.raises(ProtocolError, match="index 479 of @367"):
        wire.parse_market(META, "@367")


@pytest.mark.parametrize(
    "odd",
    [
        {"tokens": [{"name": "ODD", "szDecimals": 40, "index": 900}]},
        {"tokens": [{"name": "ODD", "szDecimals": 2, "index": -1}]},
        {"tokens": [{"name": "A", "szDecimals": 2, "index": 901}, {"name": "B", "szDecimals": 2, "index": 901}]},
        {"universe": [{"name": "@900", "index": 900, "tokens": [900]}]},
        {"universe": [{"name": None, "index": 900, "tokens": [1, 0]}]},
        {"universe": [None, 5, "row"]},
    ],
)
def test_an_odd_token_or_pair_of_others_stops_nobody(odd: dict[str, list[Any]]) -> None:
    meta = wire.parse_spot_meta({name: [*rows, *odd.get(name, [])] for name, rows in META.items()})

    assert wire.find_market(meta, "HYPE/USDC") == MARKET_OF_META
    assert len(meta.unreadable) == len(next(iter(odd.values())))


@pytest.mark.parametrize(
    "odd",
    [
        {"universe": [{"name": "@500", "index": 500, "tokens": [1]}]},
        {"tokens": [{"name": "@500", "szDecimals": 99, "index": 500}]},
        {"universe": [None]},
    ],
)
def test_a_row_that_may_be_ours_and_cannot_be_read_is_the_venues_error(odd: dict[str, list[Any]]) -> None:
    meta = wire.parse_spot_meta({name: [*rows, *odd.get(name, [])] for name, rows in META.items()})

    with pytest.raises(ProtocolError):
        wire.find_market(meta, "@500")


def test_our_own_token_that_cannot_be_read_is_the_venues_error() -> None:
    tokens = [{**row, "szDecimals": 99} if row["name"] == "HYPE" else row for row in META["tokens"]]

    for coin in ("@107", "HYPE/USDC"):
        with pytest.raises(ProtocolError):
            wire.parse_market({**META, "tokens": tokens}, coin)


def test_rows_of_open_orders_keep_what_is_there() -> None:
    full = ORDER | {"side": "A", "origSz": "3", "cloid": OURS, "coin": "BTC"}

    rows, unreadable = wire.parse_open_orders([ORDER, full], "@107")

    assert rows == (
        OpenOrder("@107", 7, "buy", dec("20.0"), dec("1.5")),
        OpenOrder("BTC", 7, "sell", dec("20.0"), dec("1.5"), dec(3), OURS),
    )
    assert unreadable == ()


@pytest.mark.parametrize(
    "change, path",
    [
        ({"side": "X"}, "openOrders.side"),
        ({"oid": "7"}, "openOrders.oid"),
        ({"oid": True}, "openOrders.oid"),
        ({"sz": "NaN"}, "openOrders.sz"),
        ({"sz": None}, "openOrders.sz"),
        ({"sz": "1e30"}, "openOrders.sz"),  # what no market has
        ({"limitPx": "dear"}, "openOrders.limitPx"),
        ({"limitPx": False}, "openOrders.limitPx"),
        ({"limitPx": "0"}, "openOrders.limitPx"),
        ({"limitPx": "-20"}, "openOrders.limitPx"),
        ({"cloid": 5}, "openOrders.cloid"),
        ({"coin": 107}, "openOrders.coin"),
    ],
)
def test_what_cannot_be_read_names_its_field_and_shows_an_excerpt(change: dict[str, Any], path: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        wire.parse_open_orders([ORDER, ORDER | change], "@107")

    (wrong,) = change.values()
    assert (caught.value.path, caught.value.excerpt) == (path, repr(wrong))


def test_a_row_of_another_coin_that_cannot_be_read_is_told_and_stops_nobody() -> None:
    rows, unreadable = wire.parse_open_orders([ORDER | {"coin": "BTC", "sz": None}, ORDER], "@107")

    assert [order.coin for order in rows] == ["@107"]
    assert [error.path for error in unreadable] == ["openOrders[0].sz"]


@pytest.mark.parametrize("raw", [None, {}, "null", 5, [None]])
def test_open_orders_that_are_no_list_of_rows_are_refused(raw: Any) -> None:
    with pytest.raises(ProtocolError, match="cannot read openOrders"):
        wire.parse_open_orders(raw, "@107")


def test_an_excerpt_of_something_huge_is_short() -> None:
    assert len(ProtocolError("x", "y" * 10_000).excerpt) <= 120


def test_balances_are_found_by_token_index_and_a_missing_row_is_nothing() -> None:
    rows = [
        {"coin": "USDC", "token": 0, "total": "1000.5", "hold": "400.0"},
        {"coin": "USDC", "token": 77, "total": "9"},  # a namesake
        {"coin": "HYPE", "total": "0.26990001"},  # no index: the name
        {"coin": "+e", "total": "8"},
        {"coin": "odd", "token": 78},  # not ours: whatever it lacks
    ]

    assert wire.parse_balances({"balances": rows}, MARKET) == Balances(dec("0.26990001"), dec("1000.5"), None, dec(400))
    assert wire.parse_balances({"balances": []}, MARKET) == Balances(dec(0), dec(0), dec(0), dec(0))


@pytest.mark.parametrize(
    "row, held",
    [
        ({"hold": "3", "spotHold": "5"}, "5"),  # net of what could be borrowed, and before that
        ({"hold": "3"}, "3"),
        ({"spotHold": "5"}, "5"),
    ],
)
def test_of_two_holds_the_larger_one_counts(row: dict[str, str], held: str) -> None:
    rows = [{"coin": "HYPE", "token": 150, "total": "9"} | row]

    assert wire.parse_balances({"balances": rows}, MARKET).held_token == dec(held)


@pytest.mark.parametrize("token", [[], {}, "150", True])
def test_a_token_index_that_is_no_number_is_refused(token: Any) -> None:
    with pytest.raises(ProtocolError, match=r"spotState.balances\[0\].token"):
        wire.parse_balances({"balances": [{"coin": "HYPE", "token": token, "total": "3"}]}, MARKET)


@pytest.mark.parametrize("odd", [{"coin": "ODD", "token": "x"}, {"coin": 5}, None, "row", {"token": -1}])
def test_a_balance_that_cannot_be_ours_is_left_out_unread(odd: Any) -> None:
    rows = [odd, {"coin": "HYPE", "token": 150, "total": "3"}, {"coin": "USDC", "token": 0, "total": "7"}]

    assert wire.parse_balances({"balances": rows}, MARKET) == Balances(dec(3), dec(7))


@pytest.mark.parametrize("odd", [{"coin": 5}, None, {"coin": "USDC", "token": "x"}])
def test_a_balance_that_may_be_ours_is_refused_unread(odd: Any) -> None:
    with pytest.raises(ProtocolError):
        wire.parse_balances({"balances": [odd, {"coin": "HYPE", "token": 150, "total": "3"}]}, MARKET)


@pytest.mark.parametrize(
    "total", ["0." + "0" * 25 + "1", "12345678901234567890." + "123456789" * 5, "-0.0000000000000000000000000000000001"]
)
def test_a_balance_of_any_length_is_read_exactly(total: str) -> None:
    rows = [{"coin": "HYPE", "token": 150, "total": total}]

    assert str(wire.parse_balances({"balances": rows}, MARKET).token) == str(Decimal(total))


def test_the_quote_is_the_pairs_own_and_not_always_usdc() -> None:
    rows = [{"coin": "USDC", "token": 0, "total": "1"}, {"coin": "USDT0", "token": 268, "total": "2"}]

    assert wire.parse_balances({"balances": rows}, wire.parse_market(META, "@207")).usdc == 2


@pytest.mark.parametrize(
    "data",
    [
        {"spotState": {"balances": [{"coin": "HYPE", "token": 150, "total": "3"}]}},
        {"spotBalances": [{"coin": "HYPE", "token": 150, "total": "3"}]},
        {"balances": [{"coin": "HYPE", "token": 150, "total": "3"}]},
    ],
)
def test_pushed_balances_are_found_in_every_shape_known(data: dict[str, Any]) -> None:
    message = {"channel": "webData2", "data": data}

    assert wire.read_balance_message(message, MARKET) == Balances(dec(3), dec(0), None, dec(0))


def test_a_push_without_balances_says_nothing() -> None:
    assert wire.read_balance_message({"data": {"openOrders": []}}, MARKET) is None
    with pytest.raises(ProtocolError):
        wire.read_balance_message({"data": [1]}, MARKET)


@pytest.mark.parametrize(
    "raw, read",
    [
        ({"role": "user"}, ("user", None)),
        ({"role": "agent", "data": {"user": "0xAB"}}, ("agent", "0xab")),
        ({"role": "subAccount", "data": {"master": "0xAB"}}, ("subAccount", "0xab")),
    ],
)
def test_a_role_comes_with_its_owner(raw: Any, read: Any) -> None:
    assert wire.parse_role(raw) == read


@pytest.mark.parametrize("raw", [None, {}, {"role": 1}, {"role": "agent"}, {"role": "subAccount", "data": {}}])
def test_a_role_that_cannot_be_read_is_the_venues_error(raw: Any) -> None:
    with pytest.raises(ProtocolError):
        wire.parse_role(raw)


def test_named_agents_are_read_with_the_end_of_each() -> None:
    rows = [
        {"name": "bot", "address": "0xAB", "validUntil": 1_795_000_000_000},
        {"name": "b", "address": "0xcd", "validUntil": None},
    ]

    assert wire.parse_agents(rows) == (
        ListedAgent("bot", "0xab", 1_795_000_000_000),
        ListedAgent("b", "0xcd", None),
    )


@pytest.mark.parametrize("raw", [None, {}, ["bot"], [{"name": "bot", "address": "0xab"}], [{"name": 1}]])
def test_agents_that_cannot_be_read_are_the_venues_error(raw: Any) -> None:
    with pytest.raises(ProtocolError):
        wire.parse_agents(raw)


def test_a_budget_is_volume_and_requests_used() -> None:
    raw = {"cumVlm": "321.5", "nRequestsUsed": 231, "nRequestsCap": 10357, "nRequestsSurplus": 0}

    assert wire.parse_rate_limit(raw) == (dec("321.5"), 231)


@pytest.mark.parametrize("fee_token, meaning", [("HYPE", "base"), ("USDC", "quote"), ("PURR", "PURR"), (None, None)])
def test_a_fee_token_is_read_as_base_or_quote(fee_token: str | None, meaning: str | None) -> None:
    (fill,), bad = wire.parse_fills([FILL | {"fee": "-0.001", "feeToken": fee_token, "cloid": OURS}], MARKET)

    assert fill == Fill(7, 9, dec("1.5"), dec(20), "sell", 1000, dec("-0.001"), meaning, OURS, "@107")
    assert bad == ()


def test_a_fill_may_be_silent_about_all_but_who_and_how_much() -> None:
    (fill,), _ = wire.parse_fills([{"coin": "@107", "oid": 7, "tid": 9, "sz": "1.5"}], MARKET)

    assert fill == Fill(7, 9, dec("1.5"), coin="@107")


def test_a_bad_row_leaves_its_neighbours_and_other_coins_are_nobodys_business() -> None:
    rows = [FILL, FILL | {"sz": "0"}, FILL | {"coin": "BTC", "sz": None}, FILL | {"tid": 10}, "nonsense"]

    fills, bad = wire.read_fill_message({"data": {"isSnapshot": True, "user": "0x", "fills": rows}}, MARKET)

    assert [fill.tid for fill in fills] == [9, 10]
    assert [error.path for error in bad] == ["fills[1].sz", "fills[4].coin"]


def test_a_dust_conversion_is_told_from_a_trade() -> None:
    rows = [FILL, {**FILL, "tid": 0, "oid": 8, "dir": "Spot Dust Conversion"}]

    assert [fill.is_dust for fill in wire.parse_fills(rows, MARKET)[0]] == [False, True]


def test_the_newest_fill_of_a_page_is_found_whatever_the_order() -> None:
    assert wire.newest_fill_ms([FILL, FILL | {"time": 3000, "coin": "BTC"}, FILL | {"time": 2000}]) == 3000


@pytest.mark.parametrize(
    "status, live", [("open", True), ("triggered", True), *((s, False) for s in TERMINAL_STATUSES)]
)
def test_open_and_triggered_live_and_every_other_status_ends(status: str, live: bool) -> None:
    record = {"order": ORDER, "status": status, "statusTimestamp": 1}

    (update,), _ = wire.read_update_message({"channel": "orderUpdates", "data": [record]}, MARKET)
    answer = wire.parse_order_status({"status": "order", "order": record})

    assert (update.status, update.live, update.order.oid) == (status, live, 7)
    assert (answer.status, answer.live, answer.order) == (status, live, update.order)


def test_updates_of_other_coins_are_left_out() -> None:
    """The peer never looks at the coin: another market's order evicts ours."""
    rows = [{"order": ORDER | {"coin": coin}, "status": "open"} for coin in ("@207", "@107", "BTC")] + [{"order": {}}]

    updates, bad = wire.read_update_message({"data": rows}, MARKET)

    assert [update.order.coin for update in updates] == ["@107"]
    assert [error.path for error in bad] == ["orderUpdates[3].order.coin"]


def test_an_order_the_venue_does_not_know_is_none() -> None:
    answer = wire.parse_order_status({"status": "unknownOid"})

    assert (answer.order, answer.status, answer.live) == (None, "unknownOid", False)


def level(price: str, n: int = 1, size: str = "5") -> dict[str, Any]:
    return {"px": price, "sz": size, "n": n}


def test_a_book_is_read_side_by_side_best_first() -> None:
    raw = {"coin": "@107", "time": 1, "levels": [[level("20.0", 2), level("19.9")], [level("20.1", size="0.5")]]}

    assert wire.parse_book(raw, "@107") == Book(
        (BookLevel(dec("20.0"), dec(5), 2), BookLevel(dec("19.9"), dec(5), 1)), (BookLevel(dec("20.1"), dec("0.5"), 1),)
    )


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"coin": "@207"}, "l2Book.coin"),
        ({"levels": [[]]}, "l2Book.levels"),
        ({"levels": None}, "l2Book.levels"),
        ({"levels": [[level("0")], []]}, "l2Book.levels[0].px"),
        ({"levels": [[], [level("20", -1)]]}, "l2Book.levels[0].n"),
        ({"levels": [[], [{"px": "20", "sz": "1"}]]}, "l2Book.levels[0].n"),
    ],
)
def test_a_book_that_cannot_be_read_names_the_field(changed: dict[str, Any], path: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        wire.parse_book({"coin": "@107", "time": 1, "levels": [[], []]} | changed, "@107")

    assert caught.value.path == path


# --- requests ---------------------------------------------------------------------------------


def test_every_order_is_post_only() -> None:
    request = wire.encode_order(desired("sell", 1, "1.25"), coin="@107", cloid="c")

    assert request == {
        "coin": "@107",
        "is_buy": False,
        "sz": 1.25,
        "limit_px": 20.06,
        "order_type": {"limit": {"tif": "Alo"}},
        "reduce_only": False,
        "cloid": "c",
    }
    assert "cloid" not in wire.encode_order(desired("buy", 1), coin="@107", cloid=None)
    assert wire.encode_cancel(7, coin="@107") == {"coin": "@107", "oid": 7}


@pytest.mark.parametrize("value", ["0.00000001", "0.1", "20.777", "123456.78", "9999999.99"])
def test_a_number_passes_through_the_floats_of_the_sdk_unchanged(value: str) -> None:
    assert Decimal(f"{wire.to_sdk_float(dec(value)):.8f}") == dec(value)


@pytest.mark.parametrize("value", ["0.000000001", "123456789012.12345678"])
def test_a_number_that_would_change_on_the_way_is_refused_with_a_remedy(value: str) -> None:
    with pytest.raises(
        ConfigError, match="changes when it passes through the SDK's floats; use fewer digits"
    ) as caught:
        wire.to_sdk_float(dec(value))

    assert str(dec(value)) in str(caught.value)


# --- before a ladder is planned ---------------------------------------------------------------


def test_rates_of_spot_may_be_rebates() -> None:
    raw = {"userSpotAddRate": "-0.00001", "userSpotCrossRate": "0.00025", "userAddRate": "1"}

    assert wire.parse_spot_rates(raw) == (dec("-0.00001"), dec("0.00025"))


def test_a_tokens_id_is_found_by_its_index() -> None:
    raw = {"tokens": [{"index": 150, "tokenId": "0x0d"}, {"index": 1}]}

    assert [wire.parse_token_id(raw, index) for index in (150, 1, 2)] == ["0x0d", None, None]


@pytest.mark.parametrize(
    ("genesis", "tokens"),
    [
        (None, 0),
        ({"userBalances": [["0xff", "7.5"], ["0x01", "9.0"]], "existingTokenBalances": []}, "7.5"),
        ({"userBalances": []}, 0),
    ],
)
def test_what_hip2_began_with_is_its_own_row(genesis: object, tokens: str | int) -> None:
    raw = {"seededUsdc": "3.5", "genesis": genesis}

    assert wire.parse_hip2_funds(raw, "0xff") == (dec(tokens), dec("3.5"))
