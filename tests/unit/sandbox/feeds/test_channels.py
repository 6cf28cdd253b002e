"""Frames of each channel: snapshot, on news, and on the clock."""

from __future__ import annotations

import pytest
from sandbox_kit import HYPE_ASSET, HYPE_TOKEN, NOBODY, PURR, USDC_TOKEN, buy, cloid, dec, make_exchange, sell
from ws_kit import HYPE, MAKER, TAKER, Venue, only

from mm_trio.sandbox.feeds.channel_view import MEASURED
from mm_trio.sandbox.info.account_answers import perp_state
from mm_trio.sandbox.info.empty_answers import PERP_CONTEXT
from mm_trio.sandbox.model.commands import (
    CancelByOid,
    DelistPair,
    Deposit,
    PlaceOrders,
    Transfer,
    Withdraw,
)
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS

T0 = 1_700_000_000_000


# --- Fills --------------------------------------------------------------------------------------


def test_the_snapshot_of_fills_has_the_newest_first_and_at_most_two_thousand() -> None:
    venue = Venue()
    venue.place(MAKER, *(sell("20", "0.5") for _ in range(42)))
    for _ in range(48):
        venue.place(MAKER, *(sell("20", "0.5") for _ in range(42)))
        venue.clock.now_ms += 1
        venue.place(TAKER, buy("20", "21", "Ioc"))

    data = venue.snapshot(type="userFills", user=MAKER)

    assert data["isSnapshot"] is True
    assert len(data["fills"]) == 2000
    times = [row["time"] for row in data["fills"]]
    assert times == sorted(times, reverse=True)
    assert times[0] == venue.clock.now_ms


def test_live_fills_say_whose_they_are_and_are_no_snapshot() -> None:
    venue = Venue()
    line = venue.listen(type="userFills", user=MAKER)

    venue.trade()

    data = only(line)
    assert data["user"] == MAKER
    assert "isSnapshot" not in data
    assert [row["side"] for row in data["fills"]] == ["A"]


def test_fills_of_one_order_in_one_block_are_one_row_where_that_was_asked_for() -> None:
    venue = Venue()
    line = venue.listen(type="userFills", user=TAKER, aggregateByTime=True)
    plain = venue.listen(type="userFills", user=TAKER)
    venue.place(MAKER, sell("20", "1"), sell("20.1", "1"))

    venue.place(TAKER, buy("20.1", "2", "Ioc"))

    (row,) = only(line)["fills"]
    assert (row["sz"], row["px"]) == ("2.0", "20.05")
    assert dec(row["fee"]) == sum(dec(each["fee"]) for each in only(plain)["fills"])
    assert len(venue.snapshot(type="userFills", user=TAKER, aggregateByTime=True)["fills"]) == 1
    assert len(venue.snapshot(type="userFills", user=TAKER)["fills"]) == 2


def test_a_stranger_hears_of_nobody_elses_fills() -> None:
    venue = Venue()
    line = venue.listen(type="userFills", user=NOBODY)

    venue.trade()

    assert line.take() == []


# --- Events and orders --------------------------------------------------------------------------


def test_a_fill_and_a_venue_cancel_of_one_block_are_two_events() -> None:
    """The taker first meets his own order, which the venue cancels, then the maker's."""
    venue = Venue()
    venue.place(TAKER, sell("20", "1"))
    own = venue.exchange.open_orders(TAKER)[0].oid
    venue.place(MAKER, sell("20.1", "1"))
    line = venue.listen(type="userEvents", user=TAKER)

    venue.place(TAKER, buy("20.1", "1", "Ioc"))

    frames = line.take()
    assert [(frame["channel"], *frame["data"]) for frame in frames] == [("user", "fills"), ("user", "nonUserCancel")]
    assert frames[1]["data"]["nonUserCancel"] == [{"coin": HYPE, "oid": own}]


def test_a_cancel_by_the_user_is_no_event() -> None:
    venue = Venue()
    venue.place(MAKER, sell("20", "1"))
    (order,) = venue.exchange.open_orders(MAKER)
    line = venue.listen(type="userEvents", user=MAKER)

    venue.gateway.apply(CancelByOid(MAKER, ((HYPE_ASSET, order.oid),)))

    assert line.take() == []


def test_a_delisting_ends_orders_with_an_event_and_an_update() -> None:
    venue = Venue()
    venue.place(MAKER, sell("20", "1"))
    events, updates = (venue.listen(type=kind, user=MAKER) for kind in ("userEvents", "orderUpdates"))

    venue.gateway.apply(DelistPair(HYPE_ASSET))

    assert list(only(events)) == ["nonUserCancel"]
    assert [row["status"] for row in only(updates)] == ["delistedCanceled"]


def test_an_update_tells_what_was_left_when_the_status_changed() -> None:
    venue = Venue()
    venue.place(MAKER, sell("20", "2", tag=7))
    (order,) = venue.exchange.open_orders(MAKER)
    venue.place(TAKER, buy("20", "0.5", "Ioc"))
    line = venue.listen(type="orderUpdates", user=MAKER)

    venue.gateway.apply(CancelByOid(MAKER, ((HYPE_ASSET, order.oid),)))

    (row,) = only(line)
    assert row["status"] == "canceled"
    assert row["order"] == {
        "coin": HYPE,
        "side": "A",
        "limitPx": "20.0",
        "sz": "1.5",
        "oid": order.oid,
        "timestamp": order.placed_ms,
        "origSz": "2.0",
        "cloid": cloid(7),
    }


def test_open_orders_are_told_whole_each_time_one_changes_or_fills() -> None:
    venue = Venue()
    line = venue.listen(type="openOrders", user=MAKER)

    venue.place(MAKER, sell("20", "2"))
    venue.place(TAKER, buy("20", "0.5", "Ioc"))

    first, second = [frame["data"] for frame in line.take()]
    assert set(first) == {"dex", "user", "orders"}
    assert [row["sz"] for row in first["orders"]] == ["2.0"]
    assert [row["sz"] for row in second["orders"]] == ["1.5"]


def test_order_history_begins_with_what_is_known_and_follows() -> None:
    venue = Venue()
    venue.place(MAKER, sell("20", "1"))
    line = venue.line()
    line.subscribe(type="userHistoricalOrders", user=MAKER)
    venue.place(TAKER, buy("20", "1", "Ioc"))

    _, snapshot, news = [frame["data"] for frame in line.take()]
    assert snapshot["isSnapshot"] is True
    assert [row["status"] for row in snapshot["orderHistory"]] == ["open"]
    assert "isSnapshot" not in news
    assert [(row["status"], row["order"]["tif"]) for row in news["orderHistory"]] == [("filled", "Alo")]


# --- Funds --------------------------------------------------------------------------------------


def test_spot_balances_are_pushed_to_their_owner_alone() -> None:
    venue = Venue()
    line = venue.listen(type="spotState", user=MAKER)

    venue.place(TAKER, buy("19", "1"))
    assert line.take() == []
    venue.place(MAKER, buy("19", "1"))

    data = only(line)
    assert data["user"] == MAKER
    (usdc,) = [row for row in data["spotState"]["balances"] if row["coin"] == "USDC"]
    assert usdc == {"coin": "USDC", "token": 0, "total": "100000.0", "hold": "19.0", "entryNtl": usdc["entryNtl"]}


def test_ledger_updates_are_deposits_withdrawals_and_transfers_and_no_trades() -> None:
    venue = Venue()
    line = venue.listen(type="userNonFundingLedgerUpdates", user=MAKER)
    venue.trade()

    venue.gateway.apply(Deposit(MAKER, USDC_TOKEN, dec("5")))
    venue.gateway.apply(Withdraw(MAKER, USDC_TOKEN, dec("2")))
    venue.gateway.apply(Withdraw(MAKER, USDC_TOKEN, dec("1000000")))  # Refused.
    venue.gateway.apply(Transfer(TAKER, MAKER, HYPE_TOKEN, dec("3")))

    updates = [frame["data"] for frame in line.take()]
    assert all("isSnapshot" not in data and data["user"] == MAKER for data in updates)
    deltas = [row["delta"] for data in updates for row in data["nonFundingLedgerUpdates"]]
    assert deltas[0] == {"type": "deposit", "usdc": "5.0"}
    assert (deltas[1]["type"], deltas[1]["usdc"]) == ("withdraw", "2.0")
    transfer = deltas[2]
    assert (transfer["type"], transfer["token"], transfer["amount"]) == ("spotTransfer", "HYPE", "3.0")
    assert (transfer["user"], transfer["destination"], transfer["usdcValue"]) == (TAKER, MAKER, "60.0")
    assert len(deltas) == 3


def test_the_snapshot_of_the_ledger_has_the_newest_first() -> None:
    venue = Venue(make_exchange())
    venue.gateway.apply(Deposit(MAKER, USDC_TOKEN, dec("5")))

    data = venue.snapshot(type="userNonFundingLedgerUpdates", user=MAKER)

    assert data["isSnapshot"] is True
    assert data["nonFundingLedgerUpdates"][0]["delta"] == {"type": "deposit", "usdc": "5.0"}
    assert len(data["nonFundingLedgerUpdates"]) == 4  # The account's initial deposits.


@pytest.mark.parametrize(
    "kind, data",
    [
        ("userFundings", {"isSnapshot": True, "user": MAKER, "fundings": []}),
        ("userTwapSliceFills", {"isSnapshot": True, "user": MAKER, "twapSliceFills": []}),
        ("userTwapHistory", {"isSnapshot": True, "user": MAKER, "history": []}),
        ("twapStates", {"dex": "", "user": MAKER, "states": []}),
    ],
)
def test_what_a_spot_account_never_has_is_an_empty_snapshot_and_silence(kind: str, data: object) -> None:
    venue = Venue()
    line = venue.line()
    _, frame = line.subscribe(type=kind, user=MAKER)
    line.take()

    venue.trade()
    venue.gateway.apply(Deposit(MAKER, USDC_TOKEN, dec("5")))
    venue.on_clock(after_ms=60_000)

    assert frame == {"channel": kind, "data": data}
    assert line.take() == []


@pytest.mark.parametrize(
    "kind, user, data",
    [
        ("assetCtxs", {}, {"dex": "", "ctxs": [PERP_CONTEXT]}),
        ("allDexsAssetCtxs", {}, {"ctxs": [["", [PERP_CONTEXT]]]}),
        ("allDexsClearinghouseState", {"user": MAKER}, {"user": MAKER, "clearinghouseStates": [["", perp_state()]]}),
    ],
)
def test_what_all_dexs_tell_is_of_the_one_perp_that_nobody_trades(
    kind: str, user: dict[str, str], data: object
) -> None:
    _, frame = Venue().line().subscribe(type=kind, **user)

    assert frame == {"channel": kind, "data": data}


def test_the_contexts_of_all_pairs_come_at_first_and_with_every_beat() -> None:
    venue = Venue()
    line = venue.listen(type="spotAssetCtxs")
    venue.trade("21", "3")

    venue.on_clock()

    rows = {row["coin"]: row for row in only(line)}
    assert (len(rows), rows[HYPE]["markPx"]) == (len(DEFAULT_MARKETS.pairs), "21.0")


@pytest.mark.parametrize("kind", ["notification", "activeAssetData"])
def test_what_has_nothing_to_tell_of_spot_is_acknowledged_and_silent(kind: str) -> None:
    venue = Venue()
    line = venue.line()
    coin = {"coin": HYPE} if kind == "activeAssetData" else {}

    (echo,) = line.subscribe(type=kind, user=MAKER, **coin)
    venue.trade()
    venue.on_clock(after_ms=60_000)

    assert echo["data"]["subscription"] == {"type": kind, "user": MAKER, **coin}
    assert len(line.take()) == 1


def test_the_page_of_perps_has_no_spot_balances() -> None:
    data = Venue().snapshot(type="webData3", user=MAKER)

    assert set(data) == {"userState", "perpDexStates"}
    assert data["userState"]["user"] == MAKER
    assert data["userState"]["serverTime"] == T0


def test_the_perp_account_of_a_spot_trader_is_empty() -> None:
    data = Venue().snapshot(type="clearinghouseState", user=MAKER)

    assert (data["dex"], data["user"]) == ("", MAKER)
    assert data["clearinghouseState"]["assetPositions"] == []


def test_the_retired_page_and_the_book_come_at_the_measured_pace_if_that_is_asked_for() -> None:
    venue = Venue(web_data2=True, cadence=MEASURED)
    page, book = venue.listen(type="webData2", user=MAKER), venue.listen(type="l2Book", coin=HYPE)

    venue.on_clock(after_ms=5_399)
    assert book.take() == []
    venue.on_clock(after_ms=1)
    assert len(book.take()) == 1
    venue.on_clock(after_ms=9_599)
    assert page.take() == []
    venue.on_clock(after_ms=1)
    assert len(page.take()) == 1


# --- A market -----------------------------------------------------------------------------------


def ladder(venue: Venue, n: int) -> None:
    for i in range(n):
        venue.place(MAKER, sell(f"{20 + i / 100:.2f}", "1"), buy(f"{19.9 - i / 100:.2f}", "1"))


def test_a_book_has_twenty_levels_a_side_and_a_fast_one_five() -> None:
    venue = Venue()
    ladder(venue, 25)

    book = venue.snapshot(type="l2Book", coin=HYPE)
    fast = venue.snapshot(type="l2Book", coin=HYPE, fast=True)

    assert [len(side) for side in book["levels"]] == [20, 20]
    assert [len(side) for side in fast["levels"]] == [5, 5]
    assert book["levels"][0][0] == {"px": "19.9", "sz": "1.0", "n": 1}
    assert (book["coin"], book["time"], "fast" in book) == (HYPE, T0, False)
    assert fast["fast"] is True


def test_a_book_on_a_coarser_grid_adds_up_all_of_the_book() -> None:
    venue = Venue()
    ladder(venue, 25)

    bids, asks = venue.snapshot(type="l2Book", coin=HYPE, nSigFigs=3)["levels"]

    assert bids[:2] == [{"px": "19.9", "sz": "1.0", "n": 1}, {"px": "19.8", "sz": "10.0", "n": 10}]
    assert asks[:2] == [{"px": "20.0", "sz": "1.0", "n": 1}, {"px": "20.1", "sz": "10.0", "n": 10}]
    assert sum(level["n"] for level in bids) == 25


def test_a_book_comes_with_the_block_that_is_half_a_second_after_the_last_one() -> None:
    venue = Venue()
    line = venue.listen(type="l2Book", coin=HYPE)

    venue.place(MAKER, sell("20", "1"))
    assert line.take() == []
    venue.clock.now_ms += 499
    venue.place(MAKER, sell("20", "1"))
    assert line.take() == []
    venue.clock.now_ms += 1
    venue.place(MAKER, sell("20", "1"))
    assert only(line)["levels"][1] == [{"px": "20.0", "sz": "3.0", "n": 3}]
    venue.on_clock(after_ms=499)
    assert line.take() == []
    venue.on_clock(after_ms=1)
    assert only(line)["time"] == venue.clock.now_ms


def test_another_pairs_block_brings_no_book() -> None:
    venue = Venue()
    line = venue.listen(type="l2Book", coin=PURR)

    venue.clock.now_ms += 600
    venue.place(MAKER, sell("20", "1"))

    assert line.take() == []


def test_a_slow_and_a_fast_book_are_two_subscriptions() -> None:
    venue = Venue()
    line = venue.line()
    line.subscribe(type="l2Book", coin=HYPE)
    line.subscribe(type="l2Book", coin=HYPE, fast=True)
    line.take()

    venue.on_clock(after_ms=500)

    assert ["fast" in frame["data"] for frame in line.take()] == [False, True]


def test_the_best_prices_are_told_at_first_and_when_they_change() -> None:
    venue = Venue()
    assert venue.snapshot(type="bbo", coin=HYPE) == {"coin": HYPE, "time": T0, "bbo": [None, None]}
    line = venue.listen(type="bbo", coin=HYPE)

    venue.place(MAKER, sell("20", "1"))
    venue.place(MAKER, sell("21", "1"))
    venue.on_clock(after_ms=60_000)

    assert only(line)["bbo"] == [None, {"px": "20.0", "sz": "1.0", "n": 1}]


def test_every_subscription_to_trades_begins_with_the_last_thirty() -> None:
    venue = Venue()
    for _ in range(31):
        venue.clock.now_ms += 1
        venue.trade()
    line = venue.line()

    for _ in range(2):
        replay = line.subscribe(type="trades", coin=HYPE)[-1]["data"]
        line.unsubscribe(type="trades", coin=HYPE)
        assert [row["time"] for row in replay] == [T0 + i for i in range(2, 32)]

    (row,) = replay[:1]
    assert set(row) == {"coin", "side", "px", "sz", "time", "hash", "tid", "users"}
    assert row["users"] == [TAKER, MAKER]


def test_mids_come_at_first_and_with_every_beat() -> None:
    venue = Venue()
    line = venue.line()
    line.subscribe(type="allMids")
    assert line.take()[-1]["data"]["mids"][HYPE] == "20.0"
    venue.place(MAKER, sell("21", "1"), buy("20", "1"))

    venue.on_clock()

    assert only(line) == {"mids": dict.fromkeys((pair.name for pair in DEFAULT_MARKETS.pairs), "20.0") | {HYPE: "20.5"}}


def test_a_spot_pairs_context_comes_on_a_channel_of_its_own() -> None:
    venue = Venue()
    venue.trade("20", "3")
    line = venue.line()
    _, frame = line.subscribe(type="activeAssetCtx", coin=HYPE)

    assert frame["channel"] == "activeSpotAssetCtx"
    assert frame["data"]["coin"] == HYPE
    context = frame["data"]["ctx"]
    assert (context["coin"], context["markPx"], context["dayNtlVlm"], context["dayBaseVlm"]) == (
        HYPE,
        "20.0",
        "60.0",
        "3.0",
    )


def test_a_candle_is_told_at_first_and_with_each_block_that_traded() -> None:
    venue = Venue()
    venue.trade("20", "1")
    venue.clock.now_ms += 1000
    venue.trade("22", "2")
    line = venue.line()
    _, frame = line.subscribe(type="candle", coin=HYPE, interval="1h")
    line.take()
    begin_ms = T0 - T0 % 3_600_000

    assert frame == {
        "channel": "candle",
        "data": {
            "t": begin_ms,
            "T": begin_ms + 3_599_999,
            "s": HYPE,
            "i": "1h",
            "o": "20.0",
            "c": "22.0",
            "h": "22.0",
            "l": "20.0",
            "v": "3.0",
            "n": 2,
        },
    }
    venue.trade("19", "1")
    told = only(line)
    assert {name: told[name] for name in "ochlvn"} == {
        "o": "20.0",
        "c": "19.0",
        "h": "22.0",
        "l": "19.0",
        "v": "4.0",
        "n": 3,
    }


def test_a_candle_that_ended_is_followed_by_a_flat_one_at_the_next_beat_and_then_by_trades() -> None:
    venue = Venue()
    venue.trade("20", "1")
    line = venue.listen(type="candle", coin=HYPE, interval="1m")
    end_ms = T0 - T0 % 60_000 + 60_000

    venue.on_clock(after_ms=1)
    assert line.take() == []
    venue.on_clock(after_ms=60_000)
    flat = only(line)
    assert (flat["t"], flat["o"], flat["c"], flat["v"], flat["n"]) == (end_ms, "20.0", "20.0", "0.0", 0)
    venue.trade("21", "1")
    told = only(line)
    assert (told["t"], told["o"], told["c"], told["n"]) == (end_ms, "21.0", "21.0", 1)


def test_a_pair_that_never_traded_has_no_candle_until_it_does() -> None:
    venue = Venue()
    line = venue.line()

    assert len(line.subscribe(type="candle", coin=HYPE, interval="1m")) == 1
    line.take()
    venue.on_clock(after_ms=60_000)
    assert line.take() == []
    venue.trade("20", "1")
    assert only(line)["n"] == 1


def test_a_trade_of_the_next_span_begins_a_new_candle() -> None:
    venue = Venue()
    venue.trade("20", "1")
    line = venue.listen(type="candle", coin=HYPE, interval="1m")

    venue.clock.now_ms += 60_000
    venue.trade("25", "2")

    told = only(line)
    assert (told["o"], told["l"], told["v"], told["n"]) == ("25.0", "25.0", "2.0", 1)


def test_frames_of_one_block_come_in_the_order_of_subscribing() -> None:
    venue = Venue()
    line = venue.line()
    for kind in ("orderUpdates", "userFills", "spotState"):
        line.subscribe(type=kind, user=MAKER)
    venue.place(MAKER, sell("20", "1"))
    line.take()

    venue.gateway.apply(PlaceOrders(TAKER, (buy("20", "1", "Ioc"),)))

    assert [frame["channel"] for frame in line.take()] == ["orderUpdates", "userFills", "spotState"]
