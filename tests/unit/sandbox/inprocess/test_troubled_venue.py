from __future__ import annotations

import random
from typing import Any

import pytest
from inprocess_kit import listen, make_clocked_venue, make_venue, oid_of, request, take
from sandbox_kit import HYPE, MAKER, Clock
from troubled_venue import TroubledVenue

NOW_MS = Clock().now_ms

Frames = list[dict[str, Any]]


def listen_to_orders_and_fills(venue: TroubledVenue) -> tuple[Frames, Frames]:
    """Collect the frames of two channels.

    The fills begin with an empty snapshot.
    """
    info = venue.info(MAKER)
    return listen(info, type="orderUpdates", user=MAKER), listen(info, type="userFills", user=MAKER)


def statuses(frames: Frames) -> list[str]:
    return [row["status"] for frame in frames for row in frame["data"]]


def n_fills(frames: Frames) -> list[int]:
    return [len(frame["data"]["fills"]) for frame in frames]


def test_held_frames_come_later_in_order() -> None:
    venue = make_venue()
    frames = listen(venue.info(MAKER), type="orderUpdates", user=MAKER)
    venue.hold_frames()
    venue.exchange(MAKER).bulk_orders([request()])
    take(venue)
    assert frames == []

    venue.release_frames()

    assert [frame["data"][0]["status"] for frame in frames] == ["open", "filled"]


def test_frames_held_for_a_dead_connection_are_lost() -> None:
    venue = make_venue()
    info = venue.info(MAKER)
    frames = listen(info, type="orderUpdates", user=MAKER)
    venue.hold_frames()
    venue.exchange(MAKER).bulk_orders([request()])
    venue.reopen_feed()

    venue.release_frames()

    assert frames == []


@pytest.mark.parametrize("applied, n_resting", [(True, 1), (False, 0)])
def test_a_call_can_fail_before_or_after_it_had_its_effect(applied: bool, n_resting: int) -> None:
    venue = make_venue()
    exchange = venue.exchange(MAKER)
    venue.fail_next("bulk_orders", TimeoutError("no answer"), applied=applied)

    with pytest.raises(TimeoutError):
        exchange.bulk_orders([request()])

    assert len(venue.info(MAKER).open_orders(MAKER)) == n_resting
    assert exchange.bulk_orders([request()])["status"] == "ok"


def test_an_answer_can_be_put_in_the_place_of_a_call() -> None:
    venue = make_venue()
    venue.answer_next("open_orders", None)

    assert venue.info(MAKER).open_orders(MAKER) is None
    assert venue.info(MAKER).open_orders(MAKER) == []


def test_an_answer_can_lack_statuses() -> None:
    venue = make_venue()
    venue.truncate_next("bulk_orders", 1)

    answer = venue.exchange(MAKER).bulk_orders([request(), request(limit_px=21.0)])

    assert len(answer["response"]["data"]["statuses"]) == 1
    assert len(venue.info(MAKER).open_orders(MAKER)) == 2


def test_interferences_are_used_up_in_the_order_they_were_asked_for() -> None:
    venue = make_venue()
    venue.answer_next("user_role", 1)
    venue.answer_next("user_role", 2)
    info = venue.info(MAKER)

    assert [info.user_role(MAKER) for _ in range(3)] == [1, 2, {"role": "user"}]


def test_calls_are_counted_with_their_items() -> None:
    venue = make_venue()
    venue.exchange(MAKER).bulk_orders([request(), request(limit_px=21.0)])
    venue.info(MAKER).spot_user_state(MAKER)

    assert venue.calls == [("bulk_orders", 2), ("spot_user_state", 0)]


@pytest.mark.parametrize("applied, n_resting", [(True, 1), (False, 0)])
def test_a_signed_post_is_disturbed_under_the_name_of_its_method(applied: bool, n_resting: int) -> None:
    venue = make_venue()
    exchange = venue.signing_exchange(MAKER)
    signed = exchange.make_action("bulk_orders", [request()], nonce=NOW_MS, expires_after=NOW_MS)
    venue.fail_next("bulk_orders", TimeoutError(), applied=applied)
    venue.answer_next("bulk_orders", {"error": "busy"})

    with pytest.raises(TimeoutError):
        exchange.post_signed(signed)

    assert exchange.post_signed(signed) == {"error": "busy"}
    assert venue.calls == [("bulk_orders", 1), ("bulk_orders", 1)]
    assert len(venue.info(MAKER).open_orders(MAKER)) == n_resting


def test_a_signed_post_can_lack_statuses() -> None:
    venue = make_venue()
    exchange = venue.signing_exchange(MAKER)
    orders = [request(), request(limit_px=21.0)]
    venue.truncate_next("bulk_orders", 1)

    answer = exchange.post_signed(exchange.make_action("bulk_orders", orders, nonce=NOW_MS, expires_after=NOW_MS))

    assert len(answer["response"]["data"]["statuses"]) == 1
    assert len(venue.info(MAKER).open_orders(MAKER)) == 2


def test_a_garbled_answer_belongs_to_a_call_that_had_its_effect() -> None:
    venue = make_venue()
    venue.garble_next("bulk_orders", lambda answer: {**answer, "status": 7})
    exchange = venue.exchange(MAKER)

    assert exchange.bulk_orders([request()])["status"] == 7
    assert exchange.bulk_orders([request(limit_px=21.0)])["status"] == "ok"
    assert len(venue.info(MAKER).open_orders(MAKER)) == 2


def test_a_read_can_be_garbled_without_harm_to_the_next() -> None:
    venue = make_venue()
    info = venue.info(MAKER)
    venue.garble_next("spot_meta", lambda answer: answer.clear())

    assert info.spot_meta() is None
    assert info.spot_meta()["universe"]


def test_a_late_call_has_no_effect_before_it_is_run() -> None:
    venue = make_venue()
    exchange, info = venue.exchange(MAKER), venue.info(MAKER)
    venue.execute_late("bulk_orders")
    with pytest.raises(TimeoutError):
        exchange.bulk_orders([request()])
    assert info.open_orders(MAKER) == []

    (answer,) = venue.run_late()

    assert [row["oid"] for row in info.open_orders(MAKER)] == [oid_of(answer)]
    assert venue.run_late() == []
    assert exchange.bulk_orders([request(limit_px=21.0)])["status"] == "ok"


def test_late_calls_run_in_order_at_the_time_of_then() -> None:
    """Two orders and a cancel of the first are late.

    The second order has expired by then.
    """
    venue, clock = make_clocked_venue()
    exchange = venue.exchange(MAKER)
    for method in ("bulk_orders", "bulk_orders", "bulk_cancel_by_cloid"):
        venue.execute_late(method)
    cloid = f"0x{1:032x}"

    with pytest.raises(TimeoutError):
        exchange.bulk_orders([request(cloid=cloid)])
    exchange.set_expires_after(NOW_MS + 5_000)
    with pytest.raises(TimeoutError):
        exchange.bulk_orders([request(limit_px=21.0)])
    exchange.set_expires_after(None)
    with pytest.raises(TimeoutError):
        exchange.bulk_cancel_by_cloid([{"coin": HYPE, "cloid": cloid}])
    clock.now_ms += 5_001
    placed, expired, cancelled = venue.run_late()

    assert "resting" in placed["response"]["data"]["statuses"][0]
    assert expired == {"status": "err", "response": "Action already expired"}
    assert cancelled["response"]["data"]["statuses"] == ["success"]


def test_of_a_late_post_and_the_same_bytes_again_one_has_an_effect() -> None:
    venue = make_venue()
    exchange = venue.signing_exchange(MAKER)
    signed = exchange.make_action("bulk_orders", [request()], nonce=NOW_MS, expires_after=NOW_MS)
    venue.execute_late("bulk_orders")
    with pytest.raises(TimeoutError):
        exchange.post_signed(signed)

    again = exchange.post_signed(signed)
    (late,) = venue.run_late()

    assert again["status"] == "ok"
    assert late == {"status": "err", "response": f"Invalid nonce: duplicate nonce {NOW_MS}"}
    assert len(venue.info(MAKER).open_orders(MAKER)) == 1


def test_frozen_reads_are_counted_and_can_be_disturbed() -> None:
    venue = make_venue()
    venue.freeze_reads("open_orders")
    venue.answer_next("open_orders", None)

    assert venue.info(MAKER).open_orders(MAKER) is None
    assert venue.calls == [("open_orders", 0)]


def test_one_channel_can_be_held() -> None:
    venue = make_venue()
    updates, fills = listen_to_orders_and_fills(venue)
    venue.hold_frames("userFills")
    venue.exchange(MAKER).bulk_orders([request()])
    take(venue)
    assert (statuses(updates), n_fills(fills)) == (["open", "filled"], [0])

    venue.release_frames()

    assert n_fills(fills) == [0, 1]


def test_a_channel_goes_by_the_name_of_its_subscription_too() -> None:
    """Frames of `userEvents` have the channel name `user`."""
    venue = make_venue()
    events = listen(venue.info(MAKER), type="userEvents", user=MAKER)
    venue.hold_frames("userEvents")
    venue.exchange(MAKER).bulk_orders([request()])
    take(venue)
    assert events == []

    venue.release_frames()

    assert len(events) == 1


def test_holding_one_more_channel_keeps_the_others_held() -> None:
    venue = make_venue()
    updates, fills = listen_to_orders_and_fills(venue)
    venue.hold_frames("userFills")
    venue.hold_frames("orderUpdates")
    venue.exchange(MAKER).bulk_orders([request()])
    take(venue)

    assert (statuses(updates), n_fills(fills)) == ([], [0])


def test_held_frames_can_come_in_reverse_across_channels() -> None:
    venue = make_venue()
    info = venue.info(MAKER)
    heard: list[str] = []
    for channel in ("orderUpdates", "userFills"):
        info.subscribe({"type": channel, "user": MAKER}, lambda frame: heard.append(frame["channel"]))
    heard.clear()
    venue.hold_frames()
    venue.exchange(MAKER).bulk_orders([request()])
    take(venue)

    venue.release_frames("reversed")

    assert heard == ["userFills", "orderUpdates", "orderUpdates"]


def test_held_frames_are_shuffled_the_same_way_by_the_same_seed() -> None:
    def hear(seed: int) -> list[str]:
        venue = make_venue()
        updates, _ = listen_to_orders_and_fills(venue)
        venue.hold_frames()
        for price in range(20, 40):
            venue.exchange(MAKER).bulk_orders([request(limit_px=float(price))])
        venue.release_frames(random.Random(seed))
        return [frame["data"][0]["order"]["limitPx"] for frame in updates]

    assert hear(1) == hear(1) != hear(2)
    assert sorted(hear(1)) == [f"{price}.0" for price in range(20, 40)]


def test_lost_frames_never_come() -> None:
    venue = make_venue()
    updates, fills = listen_to_orders_and_fills(venue)
    venue.lose_frames("userFills")
    venue.exchange(MAKER).bulk_orders([request(sz=2.0)])
    take(venue)
    venue.stop_losing_frames()
    take(venue)

    assert statuses(updates) == ["open", "filled"]
    assert n_fills(fills) == [0, 1]


def test_without_a_name_every_frame_is_lost_but_those_already_held() -> None:
    venue = make_venue()
    updates, fills = listen_to_orders_and_fills(venue)
    venue.hold_frames()
    venue.exchange(MAKER).bulk_orders([request()])
    venue.lose_frames()
    take(venue)

    venue.release_frames()

    assert (statuses(updates), n_fills(fills)) == (["open"], [0])


def test_repeated_frames_are_equal_and_not_the_same_object() -> None:
    venue = make_venue()
    updates, _ = listen_to_orders_and_fills(venue)
    venue.repeat_frames(3)
    venue.exchange(MAKER).bulk_orders([request()])
    venue.repeat_frames(1)
    take(venue)

    assert statuses(updates) == ["open", "open", "open", "filled"]
    assert updates[0] == updates[1]
    assert updates[0] is not updates[1]


def test_held_frames_are_repeated_too() -> None:
    venue = make_venue()
    updates, _ = listen_to_orders_and_fills(venue)
    venue.repeat_frames(2)
    venue.hold_frames("orderUpdates")
    venue.exchange(MAKER).bulk_orders([request()])
    take(venue)
    venue.repeat_frames(1)

    venue.release_frames("reversed")

    assert statuses(updates) == ["filled", "filled", "open", "open"]
