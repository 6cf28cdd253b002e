"""Properties of ladders and of desired orders."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from effort import FACTOR
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ladders import grids, in_lots, quote_for

from mm_trio.model.orders import DesiredOrder
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.quoting.quoting_engine import compute_boundary, compute_desired_orders, cut_tranches

many = settings(max_examples=100 * FACTOR, deadline=None)


def split(orders: tuple[DesiredOrder, ...]) -> tuple[list[DesiredOrder], list[DesiredOrder]]:
    return [o for o in orders if o.side == "sell"], [o for o in orders if o.side == "buy"]


def draw_amounts(data: st.DataObject, grid: PricingGrid) -> tuple[Decimal, Decimal, Decimal]:
    """Order size, tokens (perhaps with dust) and quote."""
    order_size = data.draw(in_lots(grid, 1, 700), label="order_size")
    most_lots = int((grid.n_orders + 3) * order_size / grid.lot)
    tokens = data.draw(in_lots(grid, 0, most_lots), label="tokens") + data.draw(
        st.sampled_from((Decimal(0), grid.lot / 3))
    )
    return order_size, tokens, data.draw(quote_for(grid, order_size), label="quote")


def draw_boundary(data: st.DataObject, grid: PricingGrid, tokens: Decimal, order_size: Decimal) -> int:
    bids = data.draw(st.sets(st.integers(0, grid.n_orders - 1)), label="bids")
    return compute_boundary(grid, tokens, order_size, bid_levels=bids)


@many
@given(
    start=st.decimals("0.0001", "90000", places=6),
    step=st.decimals("0.001", "0.05", places=4),
    sz_decimals=st.none() | st.integers(0, 4),
)
def test_every_level_is_a_price_of_the_venue_above_the_one_below_and_is_found_again(
    start: Decimal, step: Decimal, sz_decimals: int | None
) -> None:
    try:
        grid = PricingGrid(start, 30, tick_size=step, sz_decimals=sz_decimals)
    except ValueError:
        assume(False)

    for level, price in enumerate(grid.levels):
        digits = price.normalize().as_tuple()
        assert len(digits.digits) <= 5
        assert sz_decimals is None or -int(digits.exponent) <= 8 - sz_decimals
        assert grid.level_for_price(price) == level
    assert all(low < high for low, high in pairwise(grid.levels))


@many
@given(grids, st.data())
def test_a_price_goes_to_the_level_nearest_to_it(grid: PricingGrid, data: st.DataObject) -> None:
    lowest, highest = int(grid.levels[0] * 9 * 10**7), int(grid.levels[-1] * 11 * 10**7)
    price = Decimal(data.draw(st.integers(lowest, highest))).scaleb(-8)

    level = grid.level_for_price(price)

    nearest = min(abs(price - p) for p in grid.levels)
    if level is None:
        assert not grid.levels[0] <= price <= grid.levels[-1]
    else:
        assert abs(price - grid.levels[level]) == nearest


@many
@given(st.integers(1, 9999), st.integers(0, 40), st.sampled_from((0, 1, 2, 4)))
def test_an_exact_multiple_of_the_order_size_is_so_many_asks_and_no_dust(lots: int, full: int, decimals: int) -> None:
    """As floats that is wrong for nine multiples in ten."""
    order_size = Decimal(lots).scaleb(-decimals)
    grid = PricingGrid(20, 40, sz_decimals=decimals)

    orders = compute_desired_orders(grid, 40 - full, float(full * order_size), 0, float(order_size))

    assert [order.level_index for order in orders] == list(range(40 - full, 40))
    assert {order.size for order in orders} <= {order_size}


@many
@given(grids, st.data())
def test_all_tokens_are_offered_or_withheld_and_every_size_is_whole_lots(
    grid: PricingGrid, data: st.DataObject
) -> None:
    order_size, tokens, quote = draw_amounts(data, grid)
    boundary = draw_boundary(data, grid, tokens, order_size)
    full, rest = cut_tranches(tokens, order_size=order_size, lot=grid.lot)

    asks, bids = split(compute_desired_orders(grid, boundary, tokens, quote, order_size))

    room_for_rest = grid.n_orders - boundary > full
    offered = min(full, grid.n_orders) * order_size + (rest if room_for_rest else 0)
    assert sum(ask.size for ask in asks) == offered <= tokens
    assert all(order.size > 0 and order.size % grid.lot == 0 for order in (*asks, *bids))
    assert all(order.size <= order_size for order in (*asks, *bids))


@many
@given(grids, st.data())
def test_bids_cost_no_more_than_the_quote_and_go_as_far_as_it_reaches(grid: PricingGrid, data: st.DataObject) -> None:
    order_size, tokens, quote = draw_amounts(data, grid)
    boundary = draw_boundary(data, grid, tokens, order_size)

    _, bids = split(compute_desired_orders(grid, boundary, tokens, quote, order_size))

    left = quote - sum(bid.size * bid.price for bid in bids)
    assert left >= 0
    below = boundary - 1 - len(bids)
    assert below < 0 or left < grid.lot * grid.levels[below + bool(bids)]


@many
@given(grids, st.data())
def test_no_level_is_shared_and_the_inside_spread_is_one_step(grid: PricingGrid, data: st.DataObject) -> None:
    order_size, tokens, quote = draw_amounts(data, grid)
    boundary = draw_boundary(data, grid, tokens, order_size)

    orders = compute_desired_orders(grid, boundary, tokens, quote, order_size)

    asks, bids = split(orders)
    assert [ask.level_index for ask in asks] == list(range(boundary, boundary + len(asks)))
    assert [bid.level_index for bid in bids] == list(range(boundary - 1, boundary - 1 - len(bids), -1))
    assert all(order.price == grid.levels[order.level_index] for order in orders)


@many
@given(grids, st.data(), st.integers(0, 10))
def test_a_window_is_the_inside_of_the_whole(grid: PricingGrid, data: st.DataObject, active: int) -> None:
    order_size, tokens, quote = draw_amounts(data, grid)
    boundary = draw_boundary(data, grid, tokens, order_size)

    asks, bids = split(compute_desired_orders(grid, boundary, tokens, quote, order_size))
    near = split(compute_desired_orders(grid, boundary, tokens, quote, order_size, active_levels=active))

    assert near == (asks[:active], bids[:active])


@many
@given(grids, st.data(), st.integers(0, 100))
def test_nothing_worth_less_than_the_minimum_is_desired(grid: PricingGrid, data: st.DataObject, percent: int) -> None:
    order_size, tokens, quote = draw_amounts(data, grid)
    boundary = data.draw(st.integers(0, grid.n_orders))
    minimum = order_size * grid.levels[0] * percent / 100

    orders = compute_desired_orders(grid, boundary, tokens, quote, order_size, min_notional=minimum)

    asks, bids = split(orders)
    assert all(order.size * order.price >= minimum for order in orders)
    assert len({order.level_index for order in orders}) == len(orders)
    assert sum(ask.size for ask in asks) <= tokens
    assert sum(bid.size * bid.price for bid in bids) <= quote
    if asks and bids:
        assert min(ask.price for ask in asks) > max(bid.price for bid in bids)
