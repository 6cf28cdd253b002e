"""Desired orders: whole tranches, the remainder and its side, dust, windows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from core_kit import GRID, QuoteTexts, dec, desired, quotes

from mm_trio.model.orders import DesiredOrder, Side
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.quoting.quoting_engine import compute_boundary, compute_desired_orders, cut_tranches, cut_window


@pytest.mark.parametrize(
    "balance, full, rest",
    [
        ("15", 3, "0"),
        ("17.5", 3, "2.5"),
        ("4.99", 0, "4.99"),
        ("0.009", 0, "0"),  # less than a lot is no rest
        ("15.009", 3, "0"),
        ("-3", 0, "0"),
    ],
)
def test_a_balance_is_cut_in_whole_lots(balance: str, full: int, rest: str) -> None:
    assert cut_tranches(dec(balance), order_size=dec(5), lot=dec("0.01")) == (full, dec(rest))


@pytest.mark.parametrize(
    "tokens, bid_levels, boundary",
    [
        ("15", [], 7),
        ("15", [6], 7),
        ("17", [], 6),  # a clean start: the rest is an ask
        ("17", [6], 7),  # the level of the rest stays the bid that rests there
        ("17", [5, 7], 6),  # bids elsewhere say nothing
        ("0", [], 10),
        ("0.5", [9], 10),
        ("48", [], 0),
        ("48", [0], 1),
        ("50", [], 0),
        ("1000", [], 0),  # more than the ladder has levels for
    ],
)
def test_the_level_of_the_rest_keeps_the_side_that_rests_there(
    tokens: str, bid_levels: Collection[int], boundary: int
) -> None:
    assert compute_boundary(GRID, dec(tokens), dec(5), bid_levels=bid_levels) == boundary


FULL_ASKS: list[QuoteTexts] = [("sell", 8, "5"), ("sell", 9, "5")]


@pytest.mark.parametrize(
    "boundary, tokens, quote, expected",
    [
        # whole tranches alone: the inside spread is one step
        (8, "10", "203", [*FULL_ASKS, ("buy", 7, "5"), ("buy", 6, "4.95")]),
        # room for more asks than whole tranches: the rest is the first ask
        (7, "12", "0", [("sell", 7, "2.00"), *FULL_ASKS]),
        # room for exactly the whole ones: the rest is withheld, and the best bid is what it lacks of an order
        (8, "12", "163", [*FULL_ASKS, ("buy", 7, "3.00"), ("buy", 6, "4.99")]),
        # the best bid too is only as large as it is funded
        (8, "12", "40", [*FULL_ASKS, ("buy", 7, "1.95")]),
        # the last bid is partial, in whole lots, rounded down
        (10, "0", "150", [("buy", 9, "5"), ("buy", 8, "2.30")]),
        # what the ladder has no level for is withheld, the rest first
        (0, "53", "1000", [("sell", level, "5") for level in range(10)]),
        (0, "75", "1000", [("sell", level, "5") for level in range(10)]),
        # less room than whole tranches: no rest
        (9, "12", "0", [("sell", 9, "5")]),
        # an ask at the lowest level leaves no bid
        (0, "48", "1000", [("sell", 0, "3.00"), *(("sell", level, "5") for level in range(1, 10))]),
        (10, "0", "0", []),
    ],
)
def test_the_orders_follow_from_boundary_and_balances(
    boundary: int, tokens: str, quote: str, expected: list[QuoteTexts]
) -> None:
    orders = compute_desired_orders(GRID, boundary, tokens, quote, 5)

    assert [(side, level, dec(size)) for side, level, size in quotes(orders)] == [
        (side, level, dec(size)) for side, level, size in expected
    ]
    assert all(order.price == GRID.levels[order.level_index] for order in orders)


def test_a_float_of_one_is_ten_tenths() -> None:
    """The peer's dust: floor(1.0 / 0.1) and 1.0 % 0.1 disagree as floats, and give eleven asks of 1.1."""
    orders = compute_desired_orders(PricingGrid(20, 20), 10, 1.0, 0, 0.1)

    assert [order.level_index for order in orders] == list(range(10, 20))
    assert {order.size for order in orders} == {dec("0.1")}


def test_the_order_is_asks_upwards_then_bids_downwards() -> None:
    orders = compute_desired_orders(GRID, 5, 25, 10_000, 5)

    assert [(o.side, o.level_index) for o in orders] == [
        *(("sell", level) for level in (5, 6, 7, 8, 9)),
        *(("buy", level) for level in (4, 3, 2, 1, 0)),
    ]


@pytest.mark.parametrize(
    "boundary, tokens, inside",
    [
        (7, "10.3", [("sell", 8, "5"), ("buy", 7, "4.70")]),  # rest of 0.3 is a crumb: its level is the bid
        (7, "12", [("sell", 7, "2.00"), ("buy", 6, "5")]),
        (8, "14.7", [("sell", 7, "4.70"), ("buy", 6, "5")]),  # a bid of 0.3 is a crumb: its level is the ask
        (7, "14.7", [("sell", 7, "4.70"), ("buy", 6, "5")]),
    ],
)
def test_a_crumb_is_withheld_and_its_level_goes_to_the_other_side(
    boundary: int, tokens: str, inside: list[QuoteTexts]
) -> None:
    orders = compute_desired_orders(GRID, boundary, tokens, 10_000, 5, min_notional=10)

    best = [next(o for o in orders if o.side == side) for side in ("sell", "buy")]
    assert [(o.side, o.level_index, o.size) for o in best] == [(s, level, dec(size)) for s, level, size in inside]


@pytest.mark.parametrize(
    "size, best",
    [("3", "3"), ("0.02", "0.02"), ("4.99", "4.99"), ("9", "5")],
    ids=["due", "nearly sold", "more", "cut"],
)
def test_a_bid_that_rests_on_the_level_of_the_rest_is_left_as_it_is(size: str, best: str) -> None:
    """Whatever the rest has become meanwhile; a bid larger than an order is one of earlier settings."""
    orders = compute_desired_orders(GRID, 8, 12, 10_000, 5, resting_bid=dec(size))

    assert quotes(orders)[:4] == [("sell", 8, "5"), ("sell", 9, "5"), ("buy", 7, best), ("buy", 6, "5")]


def test_a_resting_bid_is_only_as_large_as_it_is_funded() -> None:
    orders = compute_desired_orders(GRID, 8, 12, "20.5", 5, resting_bid=dec(3))

    assert [order for order in quotes(orders) if order[0] == "buy"] == [("buy", 7, "1.00")]


# Eight levels from 20, orders of 5: b bid, s ask.
GAPS = {
    (17, 0): "b5 b5 b5 b5 s2 s5 s5 s5",
    (17, 1): "b5 b5 b5 b3 s2 s5 s5 s5",
    (17, 2): "b5 b5 b3 -- s2 s5 s5 s5",
    (15, 0): "b5 b5 b5 b5 b5 s5 s5 s5",
    (15, 1): "b5 b5 b5 b5 -- s5 s5 s5",
    (15, 2): "b5 b5 b5 -- -- s5 s5 s5",
    (0, 2): "b5 b5 b5 b5 b5 b5 -- --",
    (38, 1): "s3 s5 s5 s5 s5 s5 s5 s5",
    (38, 0): "s3 s5 s5 s5 s5 s5 s5 s5",
    (45, 1): "s5 s5 s5 s5 s5 s5 s5 s5",
    (33, 3): "-- s3 s5 s5 s5 s5 s5 s5",
}


@pytest.mark.parametrize("tokens, gap", GAPS)
def test_what_a_level_sold_is_bought_back_a_gap_lower(tokens: int, gap: int) -> None:
    grid = PricingGrid(20, 8, sz_decimals=2)
    boundary = compute_boundary(grid, dec(tokens), dec(5), bid_levels=())

    orders = compute_desired_orders(grid, boundary, tokens, 10_000, 5, gap_levels=gap)

    book = {order.level_index: f"{order.side[0]}{int(order.size)}" for order in orders}
    assert " ".join(book.get(level, "--") for level in range(8)) == GAPS[tokens, gap]
    assert len(book) == len(orders)


@pytest.mark.parametrize("boundary", [0, 3, 8])
def test_a_gap_needs_no_boundary(boundary: int) -> None:
    grid = PricingGrid(20, 8, sz_decimals=2)

    orders = compute_desired_orders(grid, boundary, 17, 10_000, 5, gap_levels=1)

    assert orders == compute_desired_orders(grid, 4, 17, 10_000, 5, gap_levels=1)


@pytest.mark.parametrize(
    "tokens, inside",
    [("15.3", [("sell", 5, "5"), ("buy", 3, "4.70")]), ("19.7", [("sell", 4, "4.70"), ("buy", 2, "5")])],
)
def test_with_a_gap_a_crumb_is_withheld_on_its_own_side(tokens: str, inside: list[QuoteTexts]) -> None:
    grid = PricingGrid(20, 8, sz_decimals=2)

    orders = compute_desired_orders(grid, 4, tokens, 10_000, 5, min_notional=10, gap_levels=1)

    best = [next(o for o in orders if o.side == side) for side in ("sell", "buy")]
    assert [(o.side, o.level_index, o.size) for o in best] == [(s, level, dec(size)) for s, level, size in inside]


def test_a_gap_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="gap_levels must be 0 or more, got -1"):
        compute_desired_orders(GRID, 8, 12, 100, 5, gap_levels=-1)


@pytest.mark.parametrize("boundary", [7, 8])
def test_where_both_parts_of_a_level_are_crumbs_nothing_is_placed_there(boundary: int) -> None:
    orders = compute_desired_orders(GRID, boundary, "12.5", 10_000, 5, min_notional=60)

    assert 7 not in {order.level_index for order in orders}
    assert all(order.size * order.price >= 60 for order in orders)


def test_the_last_bid_is_withheld_where_its_funds_are_a_crumb() -> None:
    funded = compute_desired_orders(GRID, 10, 0, "112.8", 5, min_notional=10)
    crumb = compute_desired_orders(GRID, 10, 0, "111", 5, min_notional=10)

    assert quotes(funded) == [("buy", 9, "5"), ("buy", 8, "0.49")]
    assert quotes(crumb) == [("buy", 9, "5")]


@pytest.mark.parametrize(
    "active, boundary, tokens, pairs",
    [
        (2, 5, "25", [("sell", 5), ("sell", 6), ("buy", 4), ("buy", 3)]),
        (2, 4, "27", [("sell", 4), ("sell", 5), ("buy", 3), ("buy", 2)]),  # the rest counts as one of the two
        (2, 5, "27", [("sell", 5), ("sell", 6), ("buy", 4), ("buy", 3)]),  # and as a bid too
        (1, 5, "25", [("sell", 5), ("buy", 4)]),
        (0, 5, "25", []),
        (99, 9, "5", [("sell", 9), *(("buy", level) for level in range(8, -1, -1))]),
    ],
)
def test_a_window_keeps_so_many_orders_a_side_from_the_boundary(
    active: int, boundary: int, tokens: str, pairs: list[tuple[Side, int]]
) -> None:
    orders = compute_desired_orders(GRID, boundary, tokens, 10_000, 5, active_levels=active)

    assert [(order.side, order.level_index) for order in orders] == pairs


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"boundary_level": -1}, "boundary_level must be from 0 to 10, got -1"),
        ({"boundary_level": 11}, "boundary_level must be from 0 to 10, got 11"),
        ({"order_sz": 0}, "order_sz must be above 0, got 0"),
        ({"order_sz": "-5"}, "order_sz must be above 0, got -5"),
        ({"order_sz": "five"}, "order_sz must be a finite number, got 'five'"),
        ({"min_notional": "NaN"}, "min_notional must be a finite number, got 'NaN'"),
    ],
)
def test_what_cannot_be_quoted_is_named_with_value_and_range(arguments: dict[str, Any], text: str) -> None:
    base: dict[str, Any] = {"boundary_level": 5, "effective_token": 25, "effective_usdc": 100, "order_sz": 5}
    with pytest.raises(ValueError, match=text):
        compute_desired_orders(GRID, **base | arguments)


WIDE: tuple[DesiredOrder, ...] = (*(desired("sell", level) for level in (5, 6, 7, 8)), desired("buy", 4))


@pytest.mark.parametrize(
    "deepest_resting, kept",
    [
        (8, [5, 6, 7]),  # two too deep: as far as may be
        (7, [5, 6, 7]),
        (6, [5, 6]),
        (5, [5]),  # one short
        (None, [5, 6]),  # nothing rests
    ],
)
def test_the_far_end_of_a_window_may_lag_by_the_slack(deepest_resting: int | None, kept: list[int]) -> None:
    resting: list[tuple[Side, int]] = [] if deepest_resting is None else [("sell", deepest_resting)]

    orders = cut_window(WIDE, resting, most={"sell": 2, "buy": 2}, slack=1)

    assert [order.level_index for order in orders if order.side == "sell"] == kept


def test_a_far_end_beyond_the_slack_moves_and_the_inside_stays() -> None:
    """The end of a window moves just far enough to lag by the slack. Orders at the inside are never left out for it."""
    deep = cut_window(WIDE, [("sell", 8), ("buy", 4)], most={"sell": 2, "buy": 1}, slack=1)
    short = cut_window(WIDE, [("sell", 5), ("buy", 4)], most={"sell": 4, "buy": 1}, slack=1)

    assert [(order.side, order.level_index) for order in deep] == [("sell", n) for n in (5, 6, 7)] + [("buy", 4)]
    assert [(order.side, order.level_index) for order in short] == [("sell", n) for n in (5, 6, 7)] + [("buy", 4)]


def test_a_side_with_nothing_resting_is_quoted_however_far_its_end_may_lag() -> None:
    assert cut_window([desired("sell", 5)], [], most={"sell": 1}, slack=1) == (desired("sell", 5),)
