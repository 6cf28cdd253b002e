"""Request weight of the last minute, and the delay before the next request fits."""

from __future__ import annotations

import pytest

from mm_trio.venue.ip_weight import (
    FOR_SHUTDOWN,
    SLACK,
    WEIGHT_PER_MINUTE,
    WINDOW_S,
    IpWeight,
    find_weight,
    find_weight_of_action,
    find_weight_of_rows,
)


def test_what_is_older_than_a_minute_counts_no_more() -> None:
    weight = IpWeight()
    weight.on_request(100, now_s=0.0)
    weight.on_request(20, now_s=30.0)

    assert weight.used(30.0) == 120
    assert weight.used(WINDOW_S) == 20
    assert weight.used(2 * WINDOW_S) == 0


def test_a_question_waits_until_enough_of_the_oldest_has_passed() -> None:
    weight = IpWeight()
    for used, now_s in ((300, 0.0), (400, 10.0), (400, 20.0)):
        weight.on_request(used, now_s=now_s)
    assert weight.used(20.0) == WEIGHT_PER_MINUTE - SLACK

    assert IpWeight().compute_wait_s(200, keep=0, now_s=20.0) == 0
    assert weight.compute_wait_s(0, keep=0, now_s=20.0) == 0
    assert weight.compute_wait_s(300, keep=0, now_s=20.0) == WINDOW_S - 20
    assert weight.compute_wait_s(301, keep=0, now_s=20.0) == WINDOW_S - 10
    assert weight.compute_wait_s(300, keep=0, now_s=WINDOW_S) == 0


def test_a_part_is_kept_for_the_shutdown() -> None:
    weight = IpWeight()
    weight.on_request(WEIGHT_PER_MINUTE - SLACK - FOR_SHUTDOWN, now_s=0.0)

    assert weight.compute_wait_s(1, now_s=1.0) > 0
    assert weight.compute_wait_s(FOR_SHUTDOWN, keep=0, now_s=1.0) == 0


@pytest.mark.parametrize(
    "method, weight",
    [("open_orders", 20), ("query_order_by_oid", 2), ("spot_user_state", 2), ("ping", 0), ("user_role", 60)],
)
def test_a_question_costs_what_the_venue_says(method: str, weight: int) -> None:
    assert find_weight(method) == weight


@pytest.mark.parametrize("n_items, weight", [(0, 1), (39, 1), (40, 2), (100, 3)])
def test_an_action_costs_by_its_items(n_items: int, weight: int) -> None:
    assert find_weight_of_action(n_items) == weight


def test_fills_cost_by_their_rows() -> None:
    assert find_weight_of_rows("user_fills_by_time", [{}] * 59) == 2
    assert find_weight_of_rows("open_orders", [{}] * 59) == 0
    assert find_weight_of_rows("user_fills_by_time", None) == 0
