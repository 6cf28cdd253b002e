"""The price that a ladder opens with: what is refused, what goes on, and what the refusal says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from core_kit import dec

from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.witness.opening_check import (
    Amounts,
    Earlier,
    Inside,
    LastQuoted,
    Opening,
    OpeningRules,
    find_opening_fault,
)

GRID = PricingGrid(20, 60, sz_decimals=2)
BOUNDARY = 30
BID, ASK = GRID.levels[BOUNDARY - 1], GRID.levels[BOUNDARY]  # 21.801 and 21.866
RESUMED = Earlier(ASK, ())


def make_inside(boundary: int = BOUNDARY, *, bids: bool = True, asks: bool = True) -> Inside:
    return Inside(
        GRID.levels[boundary], GRID.levels[boundary - 1] if bids else None, GRID.levels[boundary] if asks else None
    )


def make_opening(bid: str | None = None, ask: str | None = None, **changed: Any) -> Opening:
    """A ladder in the middle of its levels, and the best prices of others."""
    values: dict[str, Any] = {
        "grid": GRID,
        "boundary_level": BOUNDARY,
        "inside": make_inside(),
        "market_bid": None if bid is None else dec(bid),
        "market_ask": None if ask is None else dec(ask),
        "tokens": ("HYPE", "USDC"),
        "wanted": Amounts(dec(150), dec(3000)),
        "offered": Amounts(dec(150), dec(3000)),
        "held": Amounts(dec(300), dec(6000)),
    }
    return Opening(**values | changed)


def find(opening: Opening, *, most_pct: str = "1", **rules: Any) -> str:
    """The fault, or an empty text."""
    return find_opening_fault(opening, OpeningRules(max_distance_pct=dec(most_pct), **rules)) or ""


# --- the market ---------------------------------------------------------------------------------


def test_an_empty_book_says_nothing() -> None:
    assert find(make_opening()) == ""


@pytest.mark.parametrize(("bid", "ask"), [("0.5", "900"), ("21.7", "21.9"), ("21.801", "21.866"), ("21.84", "21.85")])
def test_others_around_the_inside_say_nothing(bid: str, ask: str) -> None:
    assert find(make_opening(bid, ask)) == ""


@pytest.mark.parametrize(("bid", "ask"), [("21.60", "21.61"), ("22.05", "22.07")])
def test_a_market_less_than_the_limit_away_says_nothing(bid: str, ask: str) -> None:
    assert find(make_opening(bid, ask)) == ""


@pytest.mark.parametrize(
    ("bid", "ask", "told"),
    [
        ("19.99", "20.01", "9.00 % above the market's mid 20 (best bid 19.99, best ask 20.01, without our own orders)"),
        ("24", "26", "12.54 % below the market's mid 25 (best bid 24, best ask 26, without our own orders)"),
    ],
)
def test_a_market_too_far_away_refuses_with_both_prices(bid: str, ask: str, told: str) -> None:
    fault = find(make_opening(bid, ask))

    assert fault.startswith(f"the ladder would open at 21.866 (best bid 21.801, best ask 21.866), {told}; at most 1 % ")
    assert fault.endswith("; to open there all the same: --accept-price 21.866")


def test_the_limit_is_the_operators() -> None:
    opening = make_opening("19.99", "20.01")

    assert find(opening, most_pct="8.99")
    assert find(opening, most_pct="9.01") == ""


@pytest.mark.parametrize(("bid", "ask", "name"), [("22.2", None, "best bid 22.2"), (None, "21.5", "best ask 21.5")])
def test_one_side_that_our_orders_would_meet_far_away_refuses(bid: str | None, ask: str | None, name: str) -> None:
    assert f"% {'below' if bid else 'above'} the market's {name} " in find(make_opening(bid, ask))


@pytest.mark.parametrize(("bid", "ask"), [("5", None), (None, "90"), ("21.9", None), (None, "21.7")])
def test_one_side_that_our_orders_would_not_meet_far_away_says_nothing(bid: str | None, ask: str | None) -> None:
    assert find(make_opening(bid, ask)) == ""


def test_a_restart_is_told_that_the_market_moved() -> None:
    fault = find(make_opening("22.9", "23.1", earlier=RESUMED))

    assert "4.93 % below the market's mid 23" in fault
    assert "The market moved while this maker was away" in fault


@pytest.mark.parametrize(
    ("inside", "bid", "ask"),
    [
        (make_inside(asks=False), "24.9", "25.1"),  # every token is sold, and the market rose
        (make_inside(bids=False), "17.9", "18.1"),  # the quote is spent, and the market fell
    ],
)
def test_a_restart_that_ran_out_of_one_side_goes_on_behind_the_market(inside: Inside, bid: str, ask: str) -> None:
    assert find(make_opening(bid, ask, inside=inside, earlier=RESUMED)) == ""


@pytest.mark.parametrize(
    ("inside", "bid", "ask"), [(make_inside(asks=False), "17.9", "18.1"), (make_inside(bids=False), "24.9", "25.1")]
)
def test_a_restart_with_one_side_in_front_of_the_market_is_refused(inside: Inside, bid: str, ask: str) -> None:
    assert find(make_opening(bid, ask, inside=inside, earlier=RESUMED))


def test_a_first_start_with_one_side_far_from_the_market_is_refused() -> None:
    assert "11.63 % below" not in find(make_opening("24.9", "25.1"))
    assert "12.80 % below" in find(make_opening("24.9", "25.1", inside=make_inside(asks=False)))


def test_a_ladder_without_an_order_says_nothing() -> None:
    assert find(make_opening("19.99", "20.01", inside=make_inside(bids=False, asks=False))) == ""


# --- the ledger ---------------------------------------------------------------------------------

MOVED = Earlier(dec("20"), ("n_orders", "allocation"))


def test_changed_terms_that_move_the_boundary_are_refused_with_both_prices() -> None:
    fault = find(make_opening(earlier=MOVED))

    assert fault == (
        "the ladder would open at 21.866 (best bid 21.801, best ask 21.866), 9.33 % above the last boundary price 20 "
        "of this ledger: changed since are n_orders, allocation, and no market of others confirms the new price; at "
        "most 1 % is allowed ([tuning] max_open_distance_pct). Change it back; to open there all the same: "
        "--accept-price 21.866"
    )


@pytest.mark.parametrize(("bid", "ask"), [("0.5", "900"), ("5", None), (None, "90")])
def test_a_book_without_a_mid_nearby_confirms_no_change(bid: str | None, ask: str | None) -> None:
    assert "last boundary price 20" in find(make_opening(bid, ask, earlier=MOVED))


def test_a_market_nearby_confirms_a_change() -> None:
    assert find(make_opening("21.8", "21.9", earlier=MOVED)) == ""


def test_a_change_that_moves_the_boundary_little_goes_on() -> None:
    assert find(make_opening(earlier=Earlier(dec("21.7"), ("allocation",)))) == ""


def test_a_boundary_that_moved_without_a_change_goes_on() -> None:
    """Fills moved it, while the maker was away."""
    assert find(make_opening(earlier=Earlier(dec("20"), ()))) == ""


# --- the terms of the last session ------------------------------------------------------------

OLDER = {"coin": "@107", "start_px": "20", "n_orders": "60", "tick_size": "0.003", "order_sz": "5"}
PARAMETERS = OLDER | {"ladder": "hip2"}
ALLOCATION = (dec(150), dec(3000))
LAST = LastQuoted(BOUNDARY, PARAMETERS, ALLOCATION)


def test_equal_terms_in_other_digits_are_no_change() -> None:
    written = PARAMETERS | {"start_px": "20.0", "order_sz": "5.00"}

    assert LAST.compare(GRID, written, (dec("150.0"), dec(3000))) == Earlier(ASK, ())


@pytest.mark.parametrize(
    ("name", "value"), [("start_px", "21"), ("n_orders", "70"), ("tick_size", "0.004"), ("order_sz", "6")]
)
def test_each_term_of_the_ladder_is_named_when_it_changed(name: str, value: str) -> None:
    assert LAST.compare(GRID, PARAMETERS | {name: value}, ALLOCATION) == Earlier(ASK, (name,))


def test_another_rule_of_rounding_is_named_and_the_price_is_that_of_the_old_one() -> None:
    found = LastQuoted(BOUNDARY, OLDER, ALLOCATION).compare(GRID, PARAMETERS, ALLOCATION)

    assert found == Earlier(dec("21.880"), ("ladder",))


@pytest.mark.parametrize("allocation", [(None, None), (dec(160), dec(3000)), (dec(150), dec(1))])
def test_a_changed_allocation_is_named(allocation: tuple[Decimal | None, Decimal | None]) -> None:
    assert LAST.compare(GRID, PARAMETERS, allocation) == Earlier(ASK, ("allocation",))


def test_the_last_price_is_that_of_its_own_ladder() -> None:
    found = LAST.compare(PricingGrid(40, 60, sz_decimals=2), PARAMETERS | {"start_px": "40"}, ALLOCATION)

    assert found is not None
    assert found.boundary_px == ASK


def test_a_session_without_asks_quoted_from_its_highest_price() -> None:
    found = LastQuoted(60, PARAMETERS, ALLOCATION).compare(GRID, PARAMETERS, ALLOCATION)

    assert found == Earlier(GRID.levels[-1], ())


def test_a_session_that_recorded_no_ladder_is_not_compared() -> None:
    assert LastQuoted(0, {"coin": "@107"}, ALLOCATION).compare(GRID, PARAMETERS, ALLOCATION) is None


# --- the target ---------------------------------------------------------------------------------


def test_a_target_on_the_level_of_the_boundary_is_met() -> None:
    assert find(make_opening(), target_px=dec("21.87")) == ""


def test_a_target_that_is_not_met_is_refused_with_both_prices_and_all_amounts() -> None:
    opening = make_opening(wanted=Amounts(dec(200), dec(2000)), held=Amounts(dec(150), dec(6000)))
    fault = find(opening, target_px=dec("21.225"))

    assert fault == (
        "target_px 21.225 cannot be met: the ladder would open at 21.866 (best bid 21.801, best ask 21.866). The "
        "target needs 200 HYPE and 2000 USDC; the account holds 150 HYPE and 6000 USDC, and 150 HYPE and 3000 USDC can "
        "be offered after all fills of the ledger. Deposit what is missing, or choose another target_px; to open there "
        "all the same: --accept-price 21.866"
    )


def test_a_target_without_quote_for_a_bid_is_refused() -> None:
    opening = make_opening(inside=make_inside(bids=False), held=Amounts(dec(300), dec(0)))

    assert "cannot be met" in find(opening, target_px=ASK)


def test_a_target_with_quote_for_some_bids_is_met() -> None:
    assert find(make_opening(held=Amounts(dec(300), dec(200))), target_px=ASK) == ""


def test_a_target_at_the_lowest_level_needs_no_bid() -> None:
    low = Inside(GRID.levels[0], None, GRID.levels[0])
    opening = make_opening(boundary_level=0, inside=low, wanted=Amounts(dec(300), dec(0)))

    assert find(opening, target_px=dec(20)) == ""


def test_a_session_that_is_resumed_may_have_left_its_target() -> None:
    assert find(make_opening(earlier=Earlier(ASK, ())), target_px=GRID.levels[20]) == ""


def test_a_new_target_over_an_old_ledger_is_judged() -> None:
    assert "cannot be met" in find(make_opening(earlier=Earlier(ASK, ("allocation",))), target_px=GRID.levels[20])


# --- an accepted price ------------------------------------------------------------------------


@pytest.mark.parametrize("price", ["21.866", "21.84", "21.88", "21.8879"])
def test_an_accepted_price_on_the_level_or_beside_it_goes_on(price: str) -> None:
    """Whatever the market, the ledger and the target say."""
    opening = make_opening("10", "11", earlier=MOVED)

    assert find(opening, target_px=GRID.levels[20], accepted_px=dec(price)) == ""


@pytest.mark.parametrize("price", ["20", "21.8", "21.93", "218.66", "2.1866"])
def test_any_other_accepted_price_is_refused_with_the_right_one(price: str) -> None:
    """Also where nothing else would be refused."""
    fault = find(make_opening(), accepted_px=dec(price))

    assert fault.startswith(f"--accept-price {price} is not the price that the ladder would open at: that is 21.866 (")
    assert fault.endswith("--accept-price 21.866")


def test_an_accepted_price_of_a_ladder_without_asks_is_its_highest() -> None:
    opening = make_opening(boundary_level=60, inside=Inside(GRID.levels[-1], GRID.levels[-1], None))

    assert find(opening, accepted_px=GRID.levels[-1]) == ""
