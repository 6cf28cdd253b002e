"""A plan's orders, needs and ends, by hand on eight levels from 20."""

from __future__ import annotations

import pytest
from core_kit import dec
from plan_kit import make_plan, sizes

from mm_trio.model.errors import ConfigError
from mm_trio.planning.ladder_plan import WINDOW, find_ending


@pytest.mark.parametrize(
    ("tokens", "gap", "bids", "needed"),
    [
        ("17", 0, {0: 5, 1: 5, 2: 5, 3: 5}, "401.8"),
        ("17", 1, {0: 5, 1: 5, 2: 5, 3: 3}, "361.44"),
        ("17", 2, {0: 5, 1: 5, 2: 3}, "260.66"),
        ("15", 0, {0: 5, 1: 5, 2: 5, 3: 5, 4: 5}, "503"),
        ("15", 1, {0: 5, 1: 5, 2: 5, 3: 5}, "401.8"),
        ("15", 2, {0: 5, 1: 5, 2: 5}, "300.9"),
    ],
)
def test_only_bids_below_the_gap_are_paid_for(tokens: str, gap: int, bids: dict[int, int], needed: str) -> None:
    plan = make_plan(tokens=tokens, gap_levels=gap)

    assert sizes(plan, "buy") == bids
    assert plan.quote_needed == plan.quote == dec(needed)


def test_the_asks_are_the_remainder_and_whole_orders_above_it() -> None:
    assert sizes(make_plan(), "sell") == {4: 2, 5: 5, 6: 5, 7: 5}


@pytest.mark.parametrize(("gap", "bid"), [(0, "20.18"), (1, "20.18"), (2, "20.12")])
def test_the_inside_is_that_of_the_maker(gap: int, bid: str) -> None:
    plan = make_plan(gap_levels=gap)

    assert (plan.best_bid, plan.best_ask) == (dec(bid), dec("20.24"))
    assert plan.opens_at == (dec(bid) + dec("20.24")) / 2
    assert plan.spread_bps == (dec("20.24") - dec(bid)) / plan.opens_at * 10_000


def test_less_quote_pays_for_the_upper_bids() -> None:
    """100.9 for level 3, and 9.95 lots at 20.12 for the rest of 200."""
    plan = make_plan(usdc="200")

    assert sizes(plan, "buy") == {3: 5, 2: dec("4.92")}
    assert (plan.quote, plan.quote_needed, plan.lowest_funded) == (dec(200), dec("401.8"), dec("20.12"))


def test_more_quote_than_bids_need_is_not_offered() -> None:
    plan = make_plan(usdc="500")

    assert (plan.quote, plan.spare_quote) == (dec("401.8"), dec("98.2"))


def test_at_the_top_every_ask_is_sold() -> None:
    end = find_ending(make_plan(), at_top=True)

    assert (end.price, end.token, end.quote) == (dec("20.421"), dec(0), dec("747.685"))
    assert end.loss_vs_hold == dec("1.272")
    # The same by another way: what was held would be worth so much more.
    assert 17 * end.price + dec("401.8") - end.worth == end.loss_vs_hold


def test_at_the_bottom_every_bid_is_bought() -> None:
    end = find_ending(make_plan(), at_top=False)

    assert (end.price, end.token, end.quote, end.loss_vs_hold) == (dec(20), dec(37), dec(0), dec("1.8"))
    assert 17 * end.price + dec("401.8") - end.worth == end.loss_vs_hold


def test_a_bottom_below_the_last_paid_bid_is_still_the_ladders_lowest_price() -> None:
    end = find_ending(make_plan(usdc="200"), at_top=False)

    assert (end.price, end.loss_vs_hold) == (dec(20), 5 * dec("0.18") + dec("4.92") * dec("0.12"))


def test_more_orders_than_the_venue_allows_get_a_window() -> None:
    plan = make_plan(start_px="1", top_px="40", target_px="20", tokens="100000", order_sz="20")

    assert len(plan.all_orders) > 1000
    assert (plan.active_levels, len(plan.asks), len(plan.bids)) == (WINDOW, 233, WINDOW)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"order_sz": "5.001"}, "not a whole number of lots of 0.01"),
        ({"order_sz": "0.5"}, "take orders of at least 0.51"),
        ({"gap_levels": 8}, "--gap-levels 8 is not below the number of levels, 8"),
    ],
)
def test_what_the_maker_would_refuse_is_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_plan(**changes)

    assert told in str(caught.value)
