"""Requests of the official SDK and others, with unusual parameters."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hyperliquid.utils.error import ClientError
from hyperliquid.utils.types import Cloid
from sdk_client_kit import (
    NOW_MS,
    NULL_500,
    OTHER,
    STRANGER,
    UNREADABLE,
    WALLET,
    World,
    address_of,
    order,
    place,
    statuses,
)

from mm_trio.sandbox.info.empty_answers import PERP_CONTEXT, PERP_META
from mm_trio.sandbox.model.commands import ConvertDust, Deposit, ExhaustBudget, SetFees
from mm_trio.sandbox.model.markets import USDC

HYPE, PURR = "@107", "PURR/USDC"
USER = WALLET.address
MINUTE_MS, DAY_MS = 60_000, 86_400_000
CLOID = "0x00000000000000000000000000000abc"
HYPE_ID = "0x0d01dc56dcaaca66ad901c959b4011ec"


def dec(text: str) -> Decimal:
    return Decimal(text)


def trade(world: World, price: str = "20", size: str = "1.5", *, n: int = 1) -> None:
    """Place a maker's bid and take it in `n` equal actions."""
    world.act(place(order(price, str(dec(size) * n))))
    for _ in range(n):
        (status,) = statuses(world.act(place(order(price, size, is_buy=False, tif="Ioc")), wallet=OTHER))
        assert "filled" in status, status


# --- All of the SDK's own methods ---


@pytest.mark.parametrize(
    "method, arguments, expected",
    [
        ("user_state", (USER,), {"assetPositions": [], "withdrawable": "0.0"}),
        ("spot_user_state", (STRANGER.address,), {"balances": []}),
        ("open_orders", (USER,), []),
        ("frontend_open_orders", (USER,), []),
        ("all_mids", (), {HYPE: "20.0"}),
        ("user_fills", (USER,), []),
        ("user_fills_by_time", (USER, 1, 2, True), []),
        ("meta", (), PERP_META),
        ("meta_and_asset_ctxs", (), [PERP_META, [PERP_CONTEXT]]),
        ("perp_dexs", (), [None]),
        ("funding_history", ("HYPE/USDC", 1, 2), []),
        ("funding_history", ("HYPE/USDC", 1), []),
        ("user_funding_history", (USER, 1, 2), []),
        ("user_funding_history", (USER, 1), []),
        ("candles_snapshot", ("HYPE/USDC", "1m", 1, 2), []),
        ("user_staking_summary", (USER,), {"delegated": "0.0", "nPendingWithdrawals": 0}),
        ("user_staking_delegations", (USER,), []),
        ("user_staking_rewards", (USER,), []),
        ("delegator_history", (USER,), []),
        ("query_order_by_oid", (USER, 5), {"status": "unknownOid"}),
        ("query_order_by_cloid", (USER, Cloid.from_int(5)), {"status": "unknownOid"}),
        ("query_referral_state", (USER,), {"referredBy": None, "cumVlm": "0.0"}),
        ("query_sub_accounts", (USER,), None),
        ("query_user_to_multi_sig_signers", (USER,), None),
        ("query_perp_deploy_auction_status", (), {"durationSeconds": 0}),
        ("query_user_dex_abstraction_state", (USER,), False),
        ("query_user_abstraction_state", (USER,), "disabled"),
        ("historical_orders", (USER,), []),
        ("user_non_funding_ledger_updates", (STRANGER.address, 0), []),
        ("user_twap_slice_fills", (USER,), []),
        ("user_vault_equities", (USER,), []),
        ("user_role", (USER,), {"role": "user"}),
        ("user_role", (STRANGER.address,), {"role": "missing"}),
        ("user_rate_limit", (USER,), {"cumVlm": "0.0", "nRequestsUsed": 0, "nRequestsCap": 10_000}),
        ("query_spot_deploy_auction_status", (USER,), {"states": []}),
        ("extra_agents", (USER,), []),
        ("l2_snapshot", ("HYPE/USDC",), {"coin": HYPE, "levels": [[], []], "time": NOW_MS}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_sdk_gets_its_answer_from_an_exchange_where_nothing_happened(
    method: str, arguments: tuple[Any, ...], expected: Any
) -> None:
    answer = getattr(World().sdk_info(), method)(*arguments)

    if isinstance(expected, dict):
        assert expected.items() <= answer.items()
    else:
        assert answer == expected


def test_no_method_of_the_sdk_is_left_out() -> None:
    """Methods that send no request, or need a socket, are left out."""
    from hyperliquid.info import Info

    here = {mark.args[1][i][0] for mark in _marks() for i in range(len(mark.args[1]))}
    silent = {"disconnect_websocket", "set_perp_meta", "subscribe", "unsubscribe", "name_to_asset", "post"}
    elsewhere = {"spot_meta", "spot_meta_and_asset_ctxs", "user_fees", "portfolio"}
    methods = {name for name in dir(Info) if not name.startswith("_")}

    assert methods - here - silent - elsewhere == set()


def _marks() -> list[Any]:
    test = test_the_sdk_gets_its_answer_from_an_exchange_where_nothing_happened
    return [mark for mark in test.pytestmark if mark.name == "parametrize"]


def test_the_sdk_builds_itself_from_the_metadata() -> None:
    world = World()
    info = world.sdk_info()

    assert info.spot_meta() == world.spot_meta()
    assert info.spot_meta_and_asset_ctxs()[0] == world.spot_meta()
    assert info.name_to_asset("HYPE/USDC") == 10107
    assert [period for period, _ in info.portfolio(USER)] == [
        "day",
        "week",
        "month",
        "allTime",
        "perpDay",
        "perpWeek",
        "perpMonth",
        "perpAllTime",
    ]


# --- Wrong parameters ---


@pytest.mark.parametrize(
    "question",
    [
        {"type": "l2Book", "coin": HYPE, "nSigFigs": 1},
        {"type": "l2Book", "coin": HYPE, "nSigFigs": 6},
        {"type": "l2Book", "coin": HYPE, "nSigFigs": 5, "mantissa": 1},
        {"type": "l2Book", "coin": HYPE, "nSigFigs": 5, "mantissa": 3},
        {"type": "l2Book", "coin": HYPE, "nSigFigs": 4, "mantissa": 2},
        {"type": "l2Book", "coin": HYPE, "mantissa": 2},
        {"type": "candleSnapshot", "req": {"coin": "@9", "interval": "1m", "startTime": 0, "endTime": 1}},
        {"type": "tokenDetails", "tokenId": "0x" + "0" * 32},
        {"type": "openOrders", "user": USER, "dex": "abc"},
        {"type": "allMids", "dex": "abc"},
    ],
    ids=json.dumps,
)
def test_a_parameter_that_names_nothing_is_500_null(question: dict[str, Any]) -> None:
    assert World().post("/info", question) == NULL_500


@pytest.mark.parametrize(
    "question",
    [
        {"type": "l2Book"},
        {"type": "l2Book", "coin": 107},
        {"type": "l2Book", "coin": HYPE, "nSigFigs": "5"},
        {"type": "l2Book", "coin": HYPE, "nSigFigs": True},
        {"type": "openOrders", "user": "0x12"},
        {"type": "openOrders", "user": None},
        {"type": "openOrders", "user": "0X" + "1" * 40},
        {"type": "openOrders", "user": USER, "dex": 5},
        {"type": "userFills", "user": USER, "aggregateByTime": "yes"},
        {"type": "userFillsByTime", "user": USER},
        {"type": "userFillsByTime", "user": USER, "startTime": -1},
        {"type": "userFillsByTime", "user": USER, "startTime": 1.5},
        {"type": "userFillsByTime", "user": USER, "startTime": 0, "endTime": "now"},
        {"type": "userFillsByTime", "user": USER, "startTime": 0, "reversed": 1},
        {"type": "orderStatus", "user": USER},
        {"type": "orderStatus", "user": USER, "oid": "0xabc"},
        {"type": "orderStatus", "user": USER, "oid": -1},
        {"type": "candleSnapshot", "coin": HYPE, "interval": "1m", "startTime": 0, "endTime": 1},
        {"type": "candleSnapshot", "req": {"coin": HYPE, "interval": "7m", "startTime": 0, "endTime": 1}},
        {"type": "candleSnapshot", "req": {"coin": HYPE, "interval": "1m", "endTime": 1}},
        {"type": "tokenDetails", "tokenId": "HYPE"},
        {"type": "maxBuilderFee", "user": USER},
        {"type": "fundingHistory", "coin": HYPE},
        {"type": 42},
        ["userRole", USER],
    ],
    ids=json.dumps,
)
def test_a_parameter_of_another_shape_is_422(question: Any) -> None:
    assert World().post("/info", question) == UNREADABLE


@pytest.mark.parametrize("kind", ["l2Book", "recentTrades"])
def test_an_unknown_coin_is_null(kind: str) -> None:
    assert World().ask(kind, coin="@99999") is None


def test_the_sdk_raises_what_it_makes_of_a_422_and_a_429() -> None:
    world = World(ip_weight=20)
    with pytest.raises(ClientError) as unreadable:
        world.sdk_info().user_role("nobody")
    assert (unreadable.value.status_code, unreadable.value.error_code) == (429, None)
    world = World(ip_weight=60)
    with pytest.raises(ClientError) as unreadable:
        world.sdk_info().user_role("nobody")
    assert (unreadable.value.status_code, unreadable.value.error_code) == (422, None)


def test_an_address_may_be_written_in_any_case_and_without_its_prefix() -> None:
    world = World()
    world.act(place(order()))

    for user in (USER, USER.lower(), USER[2:], "0x" + USER[2:].upper()):
        assert len(world.ask("openOrders", user=user)) == 1


# --- The book, summed up ---


def book_world() -> World:
    world = World()
    for price, size in (("20.123", "1"), ("20.119", "2"), ("20.05", "4"), ("19.9", "8")):
        world.act(place(order(price, size)))
    for price, size in (("20.131", "1"), ("20.14", "2"), ("20.21", "4")):
        world.act(place(order(price, size, is_buy=False)))
    return world


def levels(answer: Any) -> list[list[tuple[str, str, int]]]:
    return [[(row["px"], row["sz"], row["n"]) for row in side] for side in answer["levels"]]


def test_a_book_as_it_is_has_no_spread() -> None:
    assert set(book_world().ask("l2Book", coin=HYPE)) == {"coin", "time", "levels"}
    assert set(book_world().ask("l2Book", coin=HYPE, nSigFigs=None, mantissa=None)) == {"coin", "time", "levels"}


@pytest.mark.parametrize(
    "figures, mantissa, bids, asks",
    [
        (4, None, [("20.12", "1.0", 1), ("20.11", "2.0", 1), ("20.05", "4.0", 1), ("19.9", "8.0", 1)], "20.14"),
        (3, None, [("20.1", "3.0", 2), ("20.0", "4.0", 1), ("19.9", "8.0", 1)], "20.2"),
        (2, None, [("20.0", "7.0", 3), ("19.0", "8.0", 1)], "21.0"),
        (5, 2, [("20.122", "1.0", 1), ("20.118", "2.0", 1), ("20.05", "4.0", 1), ("19.9", "8.0", 1)], "20.132"),
        (5, 5, [("20.12", "1.0", 1), ("20.115", "2.0", 1), ("20.05", "4.0", 1), ("19.9", "8.0", 1)], "20.135"),
    ],
)
def test_a_book_is_summed_up_bids_down_and_asks_up_and_tells_the_true_spread(
    figures: int, mantissa: int | None, bids: Any, asks: str
) -> None:
    answer = book_world().ask("l2Book", coin=HYPE, nSigFigs=figures, mantissa=mantissa)

    assert levels(answer)[0] == bids
    assert levels(answer)[1][0][0] == asks
    assert sum(dec(row[1]) for row in levels(answer)[1]) == 7
    assert answer["spread"] == "0.008"


def test_a_book_with_an_empty_side_has_no_spread_to_tell() -> None:
    world = World()
    world.act(place(order()))

    assert "spread" not in world.ask("l2Book", coin=HYPE, nSigFigs=3)


# --- Fills ---


def test_the_fills_of_one_order_in_one_block_are_summed_up() -> None:
    world = World()
    world.act(place(order("20", "1"), order("20.5", "2"), order("21", "3")))
    (status,) = statuses(world.act(place(order("20", "6", is_buy=False, tif="Ioc")), wallet=OTHER))
    raw = world.ask("userFills", user=OTHER.address)
    (summed,) = world.ask("userFills", user=OTHER.address, aggregateByTime=True)
    first = raw[-1]

    assert [row["px"] for row in raw] == ["20.0", "20.5", "21.0"]
    assert summed == first | {
        "sz": "6.0",
        "px": "20.6666666667",
        "fee": str(sum(dec(row["fee"]) for row in raw)),
    }
    assert status["filled"]["avgPx"] == "20.666666"
    assert len(world.ask("userFills", user=USER, aggregateByTime=True)) == 3  # The maker had three orders.
    by_time = world.ask("userFillsByTime", user=OTHER.address, startTime=0, aggregateByTime=True)
    assert by_time == [summed]


def test_fills_by_time_may_be_asked_for_from_the_other_end() -> None:
    world = World()
    trade(world, n=5, size="1")
    forward = world.ask("userFillsByTime", user=USER, startTime=0, endTime=None)
    backward = world.ask("userFillsByTime", user=USER, startTime=0, reversed=True)

    assert len(forward) == 5
    assert backward == forward[::-1]


def test_both_ends_of_a_span_are_inside() -> None:
    world = World()
    trade(world, n=3, size="1")
    times = [row["time"] for row in world.ask("userFillsByTime", user=USER, startTime=0)]

    for start, end, expected in ((times[0], times[2], 3), (times[0] + 1, times[2] - 1, 1), (times[1], times[1], 1)):
        assert len(world.ask("userFillsByTime", user=USER, startTime=start, endTime=end)) == expected
    assert world.ask("userFillsByTime", user=USER, startTime=times[2], endTime=times[0]) == []


def test_more_than_a_page_of_fills_in_one_millisecond_cannot_be_paged_past() -> None:
    """The venue has the same limit.

    The next page begins at the last time, and has the same rows.
    """
    world = World(max_open_orders=3000)
    world.gateway.apply(Deposit(USER, 0, dec("1000000")))
    world.gateway.apply(Deposit(OTHER.address, 150, dec("100000")))
    for _ in range(11):
        world.act(place(*[order("20", "0.5")] * 200))
    statuses(world.act(place(order("20", "1100", is_buy=False, tif="Ioc")), wallet=OTHER))

    page = world.ask("userFillsByTime", user=USER, startTime=0)

    assert len(page) == 2000
    assert len({row["time"] for row in page}) == 1
    assert world.ask("userFillsByTime", user=USER, startTime=page[-1]["time"]) == page
    assert len(world.exchange.fills(USER)) == 2200


def test_dust_is_a_fill_that_summing_up_leaves_out() -> None:
    world = World()
    world.act(place(order("20", "1"), order("21", "1", is_buy=False)))
    world.gateway.apply(Deposit(address_of(STRANGER), 150, dec("0.005")))
    world.gateway.apply(ConvertDust())

    (dust,) = world.ask("userFills", user=STRANGER.address)

    assert (dust["dir"], dust["tid"], dust["hash"], dust["fee"]) == ("Spot Dust Conversion", 0, "0x" + "0" * 64, "0.0")
    assert world.ask("userFills", user=STRANGER.address, aggregateByTime=True) == []


# --- Orders ---


def test_an_order_is_asked_for_by_oid_or_cloid_and_only_by_its_owner() -> None:
    world = World()
    (status,) = statuses(world.act(place(order(c=CLOID))))
    oid = status["resting"]["oid"]

    by_oid = world.ask("orderStatus", user=USER, oid=oid)
    assert by_oid == world.ask("orderStatus", user=USER, oid=CLOID.upper().replace("0X", "0x"))
    assert (by_oid["status"], by_oid["order"]["status"]) == ("order", "open")
    assert world.ask("orderStatus", user=OTHER.address, oid=oid) == {"status": "unknownOid"}


def test_records_are_kept_by_count_and_then_unknown() -> None:
    world = World(order_records=3)
    oids = []
    for _ in range(5):
        (status,) = statuses(world.act(place(order())))
        oids.append(status["resting"]["oid"])
        world.act({"type": "cancel", "cancels": [{"a": 10107, "o": oids[-1]}]})

    known = [world.ask("orderStatus", user=USER, oid=oid)["status"] for oid in oids]
    assert known == ["unknownOid", "unknownOid", "order", "order", "order"]
    assert [row["order"]["oid"] for row in world.ask("historicalOrders", user=USER)] == oids[:1:-1]


# --- Markets ---


def test_candles_are_made_of_trades() -> None:
    world = World()
    # The time is the begin of a day, so that all spans begin with it.
    world.now_ms = NOW_MS - NOW_MS % DAY_MS
    begin_ms = world.now_ms
    trade(world, "20", "1")
    trade(world, "21", "2")
    world.now_ms = begin_ms + 3 * MINUTE_MS
    trade(world, "19", "4")

    def ask(interval: str, start_ms: int = 0, end_ms: int = 1 << 60) -> Any:
        return world.ask(
            "candleSnapshot", req={"coin": HYPE, "interval": interval, "startTime": start_ms, "endTime": end_ms}
        )

    first, *flat, last = ask("1m")
    assert first == {
        "t": begin_ms,
        "T": begin_ms + MINUTE_MS - 1,
        "s": HYPE,
        "i": "1m",
        "o": "20.0",
        "c": "21.0",
        "h": "21.0",
        "l": "20.0",
        "v": "3.0",
        "n": 2,
    }
    assert [(row["o"], row["c"], row["v"], row["n"]) for row in flat] == [("21.0", "21.0", "0.0", 0)] * 2
    assert (last["t"], last["o"], last["v"]) == (begin_ms + 3 * MINUTE_MS, "19.0", "4.0")
    (day,) = ask("1d")
    assert (day["o"], day["c"], day["h"], day["l"], day["v"], day["n"]) == ("20.0", "19.0", "21.0", "19.0", "7.0", 3)
    assert [row["t"] for row in ask("1m", begin_ms + MINUTE_MS, begin_ms + 2 * MINUTE_MS)] == [
        begin_ms + MINUTE_MS,
        begin_ms + 2 * MINUTE_MS,
    ]
    assert ask("1m", begin_ms + DAY_MS) == []
    assert ask("1M")[0]["n"] == 3


def test_only_the_newest_five_thousand_candles_are_told() -> None:
    world = World()
    trade(world)
    world.now_ms += 6000 * MINUTE_MS

    candles = world.ask("candleSnapshot", req={"coin": HYPE, "interval": "1m", "startTime": 0, "endTime": world.now_ms})

    assert len(candles) == 5000
    assert candles[-1]["t"] <= world.now_ms <= candles[-1]["T"]


def test_recent_trades_are_newest_first() -> None:
    world = World()
    trade(world, "20", "1")
    trade(world, "21", "1")

    newest, oldest = world.ask("recentTrades", coin=HYPE)
    assert (newest["px"], oldest["px"]) == ("21.0", "20.0")
    assert oldest["users"] == [address_of(WALLET), address_of(OTHER)]
    assert (oldest["side"], oldest["coin"]) == ("A", HYPE)


def test_a_pairs_context_counts_the_last_day() -> None:
    world = World()
    trade(world, "20", "1")
    world.now_ms += DAY_MS
    trade(world, "21", "1")
    trade(world, "22", "2")

    contexts = {row["coin"]: row for row in world.ask("spotMetaAndAssetCtxs")[1]}

    assert contexts[HYPE] == {
        "prevDayPx": "21.0",
        "dayNtlVlm": "65.0",
        "markPx": "22.0",
        "midPx": "22.0",
        "circulatingSupply": contexts[HYPE]["circulatingSupply"],
        "coin": HYPE,
        "totalSupply": contexts[HYPE]["totalSupply"],
        "dayBaseVlm": "3.0",
    }
    assert contexts[PURR]["midPx"] == contexts[PURR]["markPx"] == "20.0"


def test_a_token_is_known_by_its_id() -> None:
    world = World()
    trade(world, "20", "1")

    details = world.ask("tokenDetails", tokenId=HYPE_ID.upper().replace("0X", "0x"))
    assert (details["name"], details["szDecimals"], details["weiDecimals"], details["markPx"]) == ("HYPE", 2, 8, "20.0")
    assert world.ask("tokenDetails", tokenId=USDC.token_id)["midPx"] == "1.0"


def test_a_transfer_to_an_unknown_address_costs_a_fee() -> None:
    world = World()

    known, unknown = (
        world.ask("preTransferCheck", user=user, source=USER) for user in (OTHER.address, "0x" + "9" * 40)
    )

    assert known == {"fee": "0.0", "isSanctioned": False, "userExists": True, "userHasSentTx": True}
    assert unknown == {"fee": "1.0", "isSanctioned": False, "userExists": False, "userHasSentTx": False}


@pytest.mark.parametrize(
    "kind, answer",
    [
        ("isVip", False),
        ("legalCheck", {"ipAllowed": True, "acceptedTerms": True, "userAllowed": True}),
        ("maxMarketOrderNtls", []),
        ("predictedFundings", []),
        ("allPerpMetas", [PERP_META]),
        ("outcomeMeta", {"outcomes": [], "questions": []}),
        ("perpsAtOpenInterestCap", []),
        ("perpDexLimits", None),
        ("perpDexStatus", {"totalNetDeposit": "0.0"}),
        ("perpAnnotation", None),
        ("subAccounts2", None),
        ("leadingVaults", []),
        ("vaultSummaries", []),
        ("validatorSummaries", []),
        ("borrowLendUserState", {"tokenToState": [], "health": "healthy", "healthFactor": None}),
    ],
)
def test_what_a_client_asks_when_it_starts_has_the_venues_shape(kind: str, answer: object) -> None:
    assert World().ask(kind, user=USER) == answer


def test_the_margin_table_of_the_listed_perp_is_told_and_no_other() -> None:
    world = World()

    table = {"description": "", "marginTiers": [{"lowerBound": "0.0", "maxLeverage": 20}]}
    assert world.ask("marginTable", id=PERP_META["universe"][0]["marginTableId"]) == table  # type: ignore[index]
    assert world.post("/info", {"type": "marginTable", "id": 21}) == NULL_500


@pytest.mark.parametrize("kind", ["activeAssetData", "alignedQuoteTokenInfo", "borrowLendReserveState"])
def test_what_is_not_listed_here_is_500_as_whatever_does_not_exist(kind: str) -> None:
    assert World().post("/info", {"type": kind, "user": USER, "coin": "BTC", "token": 0}) == NULL_500


def test_the_exchange_tells_its_time() -> None:
    assert World().ask("exchangeStatus") == {"time": NOW_MS, "specialStatuses": None}


# --- Fees and limits ---


def test_fees_are_those_of_the_address_and_the_volume_of_fifteen_days() -> None:
    world = World()
    trade(world, "20", "10")
    world.gateway.apply(SetFees(USER, dec("0.0001"), dec("0.0002")))

    mine, other = (world.sdk_info().user_fees(user) for user in (USER, OTHER.address))

    assert (mine["userSpotAddRate"], mine["userSpotCrossRate"]) == ("0.0001", "0.0002")
    assert (other["userSpotAddRate"], other["userSpotCrossRate"]) == ("0.0004", "0.0007")
    assert len(mine["dailyUserVlm"]) == 15
    today = mine["dailyUserVlm"][-1]
    assert today == {"date": "2026-11-18", "userCross": "0.0", "userAdd": "200.0", "exchange": "200.0"}
    assert other["dailyUserVlm"][-1]["userCross"] == "200.0"
    assert mine["feeSchedule"]["tiers"]["vip"][0] == {
        "ntlCutoff": "5000000.0",
        "cross": "0.0004",
        "add": "0.00012",
        "spotCross": "0.0006",
        "spotAdd": "0.0003",
    }


def test_the_budget_is_volume_and_ten_thousand() -> None:
    world = World()
    trade(world, "20.5", "10.01")
    limit = world.ask("userRateLimit", user=USER)

    assert limit == {"cumVlm": "205.205", "nRequestsUsed": 1, "nRequestsCap": 10_205, "nRequestsSurplus": 0}
    world.gateway.apply(ExhaustBudget(USER))
    exhausted = world.ask("userRateLimit", user=USER)
    assert exhausted["nRequestsUsed"] == exhausted["nRequestsCap"]


def test_the_portfolio_tells_what_was_traded() -> None:
    world = World()
    trade(world, "20", "10")
    world.now_ms += 2 * DAY_MS

    periods = dict(world.sdk_info().portfolio(USER))
    assert (periods["day"]["vlm"], periods["week"]["vlm"], periods["perpWeek"]["vlm"]) == ("0.0", "200.0", "0.0")
