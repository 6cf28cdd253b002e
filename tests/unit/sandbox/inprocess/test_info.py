from __future__ import annotations

import pytest
from inprocess_kit import Cloid, listen, make_clocked_venue, make_venue, oid_of, request, take
from sandbox_kit import HYPE, MAKER, TAKER, buy, cloid, sell

from mm_trio.sandbox.model.commands import PlaceOrders


def test_an_order_with_floats_is_placed_found_and_cancelled() -> None:
    venue = make_venue()
    info, exchange = venue.info(MAKER), venue.exchange(MAKER)

    answer = exchange.bulk_orders([request(sz=1.5, limit_px=20.123, cloid=Cloid(cloid(1)))])

    oid = answer["response"]["data"]["statuses"][0]["resting"]["oid"]
    (row,) = info.open_orders(MAKER)
    assert (row["limitPx"], row["sz"], row["cloid"]) == ("20.123", "1.5", cloid(1))
    assert info.query_order_by_oid(MAKER, oid) == info.query_order_by_cloid(MAKER, Cloid(cloid(1)))
    assert exchange.bulk_cancel([{"coin": HYPE, "oid": oid}])["status"] == "ok"
    assert info.frontend_open_orders(MAKER) == []


def test_a_modify_takes_an_oid_or_a_cloid() -> None:
    venue = make_venue()
    exchange = venue.exchange(MAKER)
    placed = exchange.bulk_orders([request(cloid=Cloid(cloid(1)))])
    oid = placed["response"]["data"]["statuses"][0]["resting"]["oid"]
    moved = request(limit_px=21.0, cloid=Cloid(cloid(1)))

    first = exchange.bulk_modify_orders_new([{"oid": oid, "order": moved}])
    second = exchange.bulk_modify_orders_new([{"oid": Cloid(cloid(1)), "order": moved}])

    for answer in (first, second):
        assert "resting" in answer["response"]["data"]["statuses"][0]
    assert exchange.bulk_cancel_by_cloid([{"coin": HYPE, "cloid": Cloid(cloid(1))}])["status"] == "ok"


def test_the_expiry_is_an_attribute_of_the_exchange_object() -> None:
    exchange = make_venue().exchange(MAKER)
    exchange.set_expires_after(1)
    assert exchange.bulk_orders([request()])["response"] == "Action already expired"

    exchange.set_expires_after(None)
    assert exchange.bulk_orders([request()])["status"] == "ok"


def test_an_unknown_coin_is_a_key_error_before_anything_is_sent() -> None:
    venue = make_venue()

    with pytest.raises(KeyError):
        venue.exchange(MAKER).bulk_orders([request(coin="@9999")])

    assert venue.calls == []


def test_the_first_pair_owns_an_alias() -> None:
    info = make_venue().info()

    assert info.name_to_coin["HYPE/USDC"] == HYPE
    assert info.name_to_coin["HYPE/USDT0"] == "@207"
    assert info.name_to_asset("HYPE/USDC") == 10107
    assert info.l2_snapshot("HYPE/USDC")["coin"] == HYPE


def test_every_read_of_the_sdk_that_a_maker_needs_answers() -> None:
    info = make_venue().info(MAKER)

    assert info.spot_meta()["universe"]
    assert info.meta()["universe"][0]["isDelisted"]
    assert info.spot_meta_and_asset_ctxs()[1]
    assert info.user_fills(MAKER) == info.user_fills_by_time(MAKER, 0) == info.extra_agents(MAKER) == []
    assert info.historical_orders(MAKER) == []
    assert info.all_mids()["@107"] == "20.0"
    assert info.user_rate_limit(MAKER)["nRequestsCap"] == 10_000
    assert info.user_fees(MAKER)["userSpotAddRate"] == "0.0004"
    assert info.user_role(MAKER) == {"role": "user"}


def test_noop_and_schedule_cancel_reach_the_exchange() -> None:
    exchange = make_venue().exchange(MAKER)

    assert exchange.noop(1)["status"] == "ok"
    assert exchange.schedule_cancel(None)["status"] == "err"


def test_frames_reach_the_callback_of_their_channel_within_the_call_that_caused_them() -> None:
    venue = make_venue()
    info = venue.info(MAKER)
    updates, fills = listen(info, type="orderUpdates", user=MAKER), listen(info, type="userFills", user=MAKER)
    venue.exchange(MAKER).bulk_orders([request()])

    take(venue)

    assert [frame["data"][0]["status"] for frame in updates] == ["open", "filled"]
    assert [len(frame["data"]["fills"]) for frame in fills] == [0, 1]


def test_a_channel_without_a_user_cannot_be_subscribed_twice() -> None:
    info = make_venue().info(MAKER)
    listen(info, type="orderUpdates", user=MAKER)

    with pytest.raises(NotImplementedError, match="Cannot subscribe to orderUpdates multiple times"):
        listen(info, type="orderUpdates", user=TAKER)


def test_two_callbacks_of_one_channel_both_hear() -> None:
    venue = make_venue()
    info = venue.info(MAKER)
    first, second = listen(info, type="trades", coin=HYPE), listen(info, type="trades", coin=HYPE)
    venue.exchange(MAKER).bulk_orders([request()])

    take(venue)

    assert len(first) == len(second) == 1


def test_a_coin_is_renamed_in_the_callers_own_subscription() -> None:
    subscription = {"type": "bbo", "coin": "HYPE/USDC"}
    make_venue().info(MAKER).subscribe(subscription, print)

    assert subscription["coin"] == HYPE


def test_after_the_last_unsubscribe_nothing_comes() -> None:
    venue = make_venue()
    info = venue.info(MAKER)
    frames: list[object] = []
    number = info.subscribe({"type": "trades", "coin": HYPE}, frames.append)

    assert info.unsubscribe({"type": "trades", "coin": HYPE}, number)
    assert not info.unsubscribe({"type": "trades", "coin": HYPE}, number)
    venue.exchange(MAKER).bulk_orders([request()])
    take(venue)
    assert frames == []


def test_channels_that_the_sdk_does_not_know_are_dropped() -> None:
    frames = listen(make_venue().info(MAKER), type="spotState", user=MAKER)

    assert frames == []


def test_a_dropped_feed_is_dead_and_tells_nobody() -> None:
    venue = make_venue()
    info = venue.info(MAKER)
    frames = listen(info, type="orderUpdates", user=MAKER)

    venue.drop_feed()
    venue.exchange(MAKER).bulk_orders([request()])

    assert not info.ws_manager.is_alive()
    assert frames == []
    with pytest.raises(ConnectionError):
        listen(info, type="allMids")


def test_a_silent_feed_looks_alive() -> None:
    venue = make_venue()
    info = venue.info(MAKER)
    frames = listen(info, type="orderUpdates", user=MAKER)

    venue.silence()
    venue.exchange(MAKER).bulk_orders([request()])

    assert info.ws_manager.is_alive()
    assert frames == []


def test_a_reopened_feed_is_fresh_and_needs_new_subscriptions() -> None:
    venue = make_venue()
    info = venue.info(MAKER)
    old = listen(info, type="orderUpdates", user=MAKER)
    venue.drop_feed()

    venue.reopen_feed()
    new = listen(info, type="orderUpdates", user=MAKER)
    venue.exchange(MAKER).bulk_orders([request()])

    assert info.ws_manager.is_alive()
    assert (len(old), len(new)) == (0, 1)


def test_a_coin_unknown_to_the_venue_kills_the_connection() -> None:
    info = make_venue().info(MAKER)
    info.name_to_coin["GONE"] = "@9999"

    listen(info, type="bbo", coin="GONE")

    assert not info.ws_manager.is_alive()


def test_a_manual_order_of_the_same_user_is_heard_like_any_other() -> None:
    venue = make_venue()
    frames = listen(venue.info(MAKER), type="orderUpdates", user=MAKER)

    venue.gateway.apply(PlaceOrders(MAKER, (sell("20", "1"),)))

    assert frames[0]["data"][0]["status"] == "open"


def test_fills_by_time_come_in_pages_of_two_thousand() -> None:
    """Each page begins at the last time of the page before.

    So the fills of that time are returned twice.
    """
    venue, clock = make_clocked_venue()
    venue.exchange(MAKER).bulk_orders([request(limit_px=40.0, sz=600.0)])
    for _ in range(2_100):
        clock.now_ms += 1
        venue.gateway.apply(PlaceOrders(TAKER, (buy("40", "0.25", "Ioc"),)))
    info = venue.info(MAKER)

    first = info.user_fills_by_time(MAKER, 0)
    second = info.user_fills_by_time(MAKER, first[-1]["time"])

    assert (len(first), len(second)) == (2_000, 101)
    assert first[-1] == second[0]
    assert len({row["tid"] for row in first + second}) == 2_100


def test_the_oldest_fills_are_forgotten_beyond_what_the_venue_keeps() -> None:
    venue, clock = make_clocked_venue(fills_kept=3)
    venue.exchange(MAKER).bulk_orders([request(sz=5.0)])
    start_ms = clock.now_ms
    for _ in range(5):
        clock.now_ms += 1
        take(venue)

    rows = venue.info(MAKER).user_fills_by_time(MAKER, start_ms)

    assert [row["time"] - start_ms for row in rows] == [3, 4, 5]


def test_an_order_whose_record_is_forgotten_is_unknown() -> None:
    venue, _ = make_clocked_venue(order_records=1)
    oids = []
    for price in (20.0, 21.0):
        oids.append(oid_of(venue.exchange(MAKER).bulk_orders([request(limit_px=price)])))
        venue.exchange(MAKER).bulk_cancel([{"coin": HYPE, "oid": oids[-1]}])

    answers = [venue.info(MAKER).query_order_by_oid(MAKER, oid)["status"] for oid in oids]

    assert answers == ["unknownOid", "order"]
