from __future__ import annotations

import json
from typing import Any

import pytest
from sandbox_kit import HYPE, MAKER, TAKER, Clock, buy, cloid, dec, make_exchange, make_front, sell

from mm_trio.sandbox.api.gateway import BadRequest, CloseConnection, Connection, Gateway
from mm_trio.sandbox.model.commands import CancelByOid, Deposit, PlaceOrders

UNREADABLE = "Failed to deserialize the JSON body into the target type"
Wire = dict[str, Any]


def order_wire(**changes: object) -> Wire:
    wire = {"a": 10107, "b": False, "p": "20", "s": "1", "r": False, "t": {"limit": {"tif": "Alo"}}}
    return wire | changes


def order_action(*orders: Wire) -> Wire:
    return {"type": "order", "orders": list(orders), "grouping": "na"}


def statuses_of(answer: Wire) -> list[Any]:
    assert answer["status"] == "ok"
    statuses: list[Any] = answer["response"]["data"]["statuses"]
    return statuses


def test_an_order_answers_resting_with_its_cloid_in_lower_case() -> None:
    answer = make_front().act(MAKER, order_action(order_wire(c="0x" + "AB" * 16)))

    (status,) = statuses_of(answer)
    assert answer == {"status": "ok", "response": {"type": "order", "data": {"statuses": [status]}}}
    assert status["resting"]["cloid"] == "0x" + "ab" * 16


def test_a_fill_answers_its_total_and_average() -> None:
    gateway = make_front()
    gateway.act(MAKER, order_action(order_wire()))

    answer = gateway.act(TAKER, order_action(order_wire(b=True, t={"limit": {"tif": "Ioc"}})))

    (status,) = statuses_of(answer)
    assert status == {"filled": {"totalSz": "1.0", "avgPx": "20.0", "oid": status["filled"]["oid"]}}


def test_cancels_answer_success_or_error_in_one_shape() -> None:
    gateway = make_front()
    (placed,) = statuses_of(gateway.act(MAKER, order_action(order_wire(c=cloid(1)))))
    oid = placed["resting"]["oid"]
    dead = {"error": "Order was never placed, already canceled, or filled. asset=10107"}

    by_oid = gateway.act(MAKER, {"type": "cancel", "cancels": [{"a": 10107, "o": oid}]})
    by_cloid = gateway.act(MAKER, {"type": "cancelByCloid", "cancels": [{"asset": 10107, "cloid": cloid(1)}]})

    assert by_oid == {"status": "ok", "response": {"type": "cancel", "data": {"statuses": ["success"]}}}
    assert by_cloid == {"status": "ok", "response": {"type": "cancel", "data": {"statuses": [dead]}}}


def test_batch_modify_answers_as_an_order_and_modify_with_default() -> None:
    gateway = make_front()
    gateway.act(MAKER, order_action(order_wire(c=cloid(1))))
    replacement = order_wire(p="21", c=cloid(1))

    batch = gateway.act(MAKER, {"type": "batchModify", "modifies": [{"oid": cloid(1), "order": replacement}]})
    single = gateway.act(MAKER, {"type": "modify", "oid": cloid(1), "order": replacement})

    assert batch["response"]["type"] == "order"  # type: ignore[index]
    assert "oid" in statuses_of(batch)[0]["resting"]
    assert single == {"status": "ok", "response": {"type": "default"}}


def test_noop_answers_default_and_a_scheduled_cancel_needs_volume() -> None:
    gateway = make_front()

    assert gateway.act(MAKER, {"type": "noop"}) == {"status": "ok", "response": {"type": "default"}}
    assert gateway.act(MAKER, {"type": "scheduleCancel", "time": 5})["status"] == "err"


def test_a_refusal_is_a_text_under_err() -> None:
    answer = make_front().act(MAKER, order_action(order_wire()), expires_after=1)

    assert answer == {"status": "err", "response": "Action already expired"}


@pytest.mark.parametrize("price", ["20.123456789", "2e1", "-20", "+20", "NaN", "", " 20", "20.", 20, 20.5, None, "٢"])
def test_a_price_that_is_no_plain_decimal_is_unreadable(price: object) -> None:
    gateway = make_front()

    with pytest.raises(BadRequest) as caught:
        gateway.act(MAKER, order_action(order_wire(), order_wire(p=price)))

    assert (caught.value.status, caught.value.body) == (422, UNREADABLE)
    assert gateway.exchange.open_orders(MAKER) == ()


def test_nine_decimals_pass_if_the_last_is_zero() -> None:
    assert "resting" in statuses_of(make_front().act(MAKER, order_action(order_wire(p="20.100000000"))))[0]


@pytest.mark.parametrize(
    "action",
    [
        {"type": "unheardOf"},
        {"orders": []},
        "order",
        {"type": "order"},
        order_action(order_wire(c="0x12")),
        order_action(order_wire(a="10107")),
        order_action(order_wire(b=1)),
        order_action(order_wire(t={"limit": {"tif": "Day"}})),
        {"type": "cancel", "cancels": [{"a": 10107, "o": "5"}]},
        {"type": "cancelByCloid", "cancels": [{"asset": 10107, "cloid": "5"}]},
        {"type": "batchModify", "modifies": [{"oid": 5}]},
    ],
)
def test_what_is_not_in_the_schema_is_unreadable(action: object) -> None:
    with pytest.raises(BadRequest) as caught:
        make_front().act(MAKER, action)

    assert caught.value.status == 422


def test_a_trigger_order_is_readable_and_refused() -> None:
    trigger = {"trigger": {"isMarket": True, "triggerPx": "20", "tpsl": "tp"}}

    (status,) = statuses_of(make_front().act(MAKER, order_action(order_wire(t=trigger))))

    assert status == {"error": "Placing trigger orders is not enabled on spot trading yet."}


def connect(gateway: Gateway) -> tuple[Connection, list[Wire]]:
    frames: list[Wire] = []
    return gateway.connect(lambda frame: frames.append(json.loads(json.dumps(frame)))), frames


def subscribe(connection: Connection, **subscription: object) -> None:
    connection.handle({"method": "subscribe", "subscription": subscription})


def listen(gateway: Gateway, **subscription: object) -> list[Wire]:
    """Subscribe on a new connection; return later frames.

    The acknowledgement and the snapshot are left out.
    """
    connection, frames = connect(gateway)
    subscribe(connection, **subscription)
    frames.clear()
    return frames


def test_an_acknowledgement_echoes_the_subscription_completed() -> None:
    connection, frames = connect(make_front())

    subscribe(connection, type="l2Book", coin=HYPE)
    subscribe(connection, type="userFills", user=MAKER)

    echoes = [frame["data"] for frame in frames if frame["channel"] == "subscriptionResponse"]
    assert echoes[0] == {
        "method": "subscribe",
        "subscription": {"type": "l2Book", "coin": HYPE, "nSigFigs": None, "mantissa": None},
    }
    assert echoes[1]["subscription"] == {"type": "userFills", "user": MAKER, "aggregateByTime": False}


def test_the_first_user_fills_frame_is_a_snapshot_and_later_ones_are_not() -> None:
    gateway = make_front()
    trade(gateway)
    connection, frames = connect(gateway)
    subscribe(connection, type="userFills", user=MAKER.upper().replace("X", "x"))
    trade(gateway)

    first, second = [frame["data"] for frame in frames if frame["channel"] == "userFills"]

    assert (first["isSnapshot"], len(first["fills"]), first["user"]) == (True, 1, MAKER)
    assert "isSnapshot" not in second
    assert len(second["fills"]) == 1


def trade(gateway: Gateway) -> None:
    gateway.apply(PlaceOrders(MAKER, (sell("20", "1"),)))
    gateway.apply(PlaceOrders(TAKER, (buy("20", "1", "Ioc"),)))


def test_a_second_identical_subscription_is_an_error_frame_and_no_snapshot() -> None:
    connection, frames = connect(make_front())
    subscribe(connection, type="userFills", user=MAKER)
    frames.clear()

    subscribe(connection, type="userFills", user=MAKER)

    (frame,) = frames
    assert frame["channel"] == "error"
    assert frame["data"].startswith('Already subscribed: {"type":"userFills"')


def test_unsubscribing_ends_the_frames_and_twice_is_an_error() -> None:
    gateway = make_front()
    connection, frames = connect(gateway)
    subscribe(connection, type="trades", coin=HYPE)
    for _ in range(2):
        connection.handle({"method": "unsubscribe", "subscription": {"type": "trades", "coin": HYPE}})
    trade(gateway)

    assert [frame["channel"] for frame in frames[-2:]] == ["subscriptionResponse", "error"]
    assert frames[-1]["data"].startswith("Already unsubscribed: ")


@pytest.mark.parametrize(
    "message",
    [
        {"method": "subscribe", "subscription": {"type": "noSuchType", "coin": HYPE}},
        {"method": "subscribe", "subscription": {"type": "webData2", "user": MAKER}},
        {"method": "subscribe", "subscription": {"type": "orderUpdates"}},
        {"method": "sing"},
        [1],
    ],
)
def test_what_the_socket_cannot_read_is_quoted_back_and_the_connection_lives(message: object) -> None:
    connection, frames = connect(make_front())

    connection.handle(message)
    connection.handle({"method": "ping"})

    text = f"Error parsing JSON into valid websocket request: {json.dumps(message)}"
    assert frames == [{"channel": "error", "data": text}, {"channel": "pong"}]


def test_an_unknown_coin_closes_the_connection() -> None:
    connection, frames = connect(make_front())

    with pytest.raises(CloseConnection):
        subscribe(connection, type="bbo", coin="@9999")

    assert frames == []


def test_nothing_is_sent_on_a_closed_connection() -> None:
    gateway = make_front()
    connection, frames = connect(gateway)
    subscribe(connection, type="trades", coin=HYPE)
    frames.clear()

    connection.close()
    connection.close()
    trade(gateway)
    gateway.on_clock()

    assert frames == []


def test_order_updates_tell_changes_of_status_only() -> None:
    gateway = make_front()
    frames = listen(gateway, type="orderUpdates", user=MAKER)

    gateway.apply(PlaceOrders(MAKER, (sell("20", "2", tag=1), sell("21", "1"))))
    gateway.apply(PlaceOrders(TAKER, (buy("20", "0.5", "Ioc"),)))
    gateway.apply(PlaceOrders(TAKER, (buy("20", "1.5", "Ioc"),)))

    assert [frame["channel"] for frame in frames] == ["orderUpdates"] * 2
    opened, filled = frames[0]["data"], frames[1]["data"]
    assert [row["status"] for row in opened] == ["open", "open"]
    assert opened[0]["order"]["cloid"] == cloid(1)
    assert "cloid" not in opened[1]["order"]
    assert "user" not in opened[0]
    assert (filled[0]["status"], filled[0]["order"]["sz"], filled[0]["order"]["origSz"]) == (
        "filled",
        "0.0",
        "2.0",
    )


def test_order_updates_have_no_snapshot() -> None:
    gateway = make_front()
    gateway.apply(PlaceOrders(MAKER, (sell("20", "2"),)))
    connection, frames = connect(gateway)

    subscribe(connection, type="orderUpdates", user=MAKER)

    assert [frame["channel"] for frame in frames] == ["subscriptionResponse"]


def test_user_events_come_on_the_channel_user_without_a_user() -> None:
    gateway = make_front()
    frames = listen(gateway, type="userEvents", user=MAKER)

    trade(gateway)

    (frame,) = frames
    assert frame["channel"] == "user"
    assert list(frame["data"]) == ["fills"]


def test_a_venue_cancel_is_a_user_event() -> None:
    gateway = make_front()
    gateway.apply(PlaceOrders(MAKER, (sell("20", "1"),)))
    frames = listen(gateway, type="userEvents", user=MAKER)

    gateway.apply(PlaceOrders(MAKER, (buy("20", "1", "Ioc"),)))

    (row,) = frames[0]["data"]["nonUserCancel"]
    assert row["coin"] == HYPE


def test_trades_replay_the_newest_and_then_follow() -> None:
    gateway = make_front()
    trade(gateway)
    connection, frames = connect(gateway)
    subscribe(connection, type="trades", coin=HYPE)
    trade(gateway)

    replay, live = [frame["data"] for frame in frames if frame["channel"] == "trades"]

    assert [len(replay), len(live)] == [1, 1]
    assert (live[0]["side"], live[0]["users"]) == ("B", [TAKER, MAKER])


def test_the_best_prices_are_told_when_they_change_and_not_otherwise() -> None:
    gateway = make_front()
    frames = listen(gateway, type="bbo", coin=HYPE)

    gateway.apply(PlaceOrders(MAKER, (sell("20", "1"),)))
    gateway.apply(PlaceOrders(MAKER, (sell("21", "1"),)))

    (frame,) = frames
    assert frame["data"]["bbo"] == [None, {"px": "20.0", "sz": "1.0", "n": 1}]


def test_spot_state_is_pushed_when_a_balance_moves() -> None:
    gateway = make_front()
    frames = listen(gateway, type="spotState", user=MAKER)

    gateway.apply(Deposit(MAKER, 0, dec("1")))
    gateway.apply(Deposit(TAKER, 0, dec("1")))

    (frame,) = frames
    assert frame["data"]["spotState"]["balances"][0]["total"] == "100001.0"


def test_the_retired_channel_speaks_if_it_is_switched_on() -> None:
    gateway = make_front(web_data2=True)
    connection, frames = connect(gateway)
    subscribe(connection, type="webData2", user=MAKER)
    gateway.apply(Deposit(MAKER, 0, dec("1")))

    first, second = [frame["data"] for frame in frames if frame["channel"] == "webData2"]

    assert first["spotState"]["balances"][0]["coin"] == "USDC"
    assert second["spotState"]["balances"][0]["total"] == "100001.0"


def test_a_beat_sends_mids_and_books_to_those_who_asked() -> None:
    clock = Clock()
    gateway = Gateway(make_exchange(), now_ms=clock)
    mids, best = listen(gateway, type="allMids"), listen(gateway, type="bbo", coin=HYPE)
    book, fills = listen(gateway, type="l2Book", coin=HYPE), listen(gateway, type="userFills", user=MAKER)

    clock.now_ms += 500
    gateway.on_clock()

    assert [frame["channel"] for frame in (*mids, *book)] == ["allMids", "l2Book"]
    assert best == fills == []  # Both channels send frames only on news.


def test_a_listener_that_acts_at_once_does_not_overtake_the_news() -> None:
    gateway = make_front()
    heard: list[str] = []

    def cancel_at_once(frame: Wire) -> None:
        if frame["channel"] == "orderUpdates" and frame["data"][0]["status"] == "open":
            gateway.apply(CancelByOid(MAKER, ((10107, frame["data"][0]["order"]["oid"]),)))

    def listener(frame: Wire) -> None:
        if frame["channel"] == "orderUpdates":
            heard.append(frame["data"][0]["status"])

    subscribe(gateway.connect(cancel_at_once), type="orderUpdates", user=MAKER)
    subscribe(gateway.connect(listener), type="orderUpdates", user=MAKER)
    gateway.apply(PlaceOrders(MAKER, (sell("20", "1"),)))

    assert heard == ["open", "canceled"]
