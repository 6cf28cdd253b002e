"""What a grid owns is worked out from what of it rests."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from mm_trio.migration.position import Ladder, find_position, make_target, move_allocation
from mm_trio.model.pricing_grid import PricingGrid

GRID = PricingGrid("1", 10, tick_size="0.01", sz_decimals=2)
SIZE = Decimal(20)


def make_ladder(token: int, quote: int, *, active_levels: int | None = None) -> Ladder:
    return Ladder(grid=GRID, order_size=SIZE, allocation=(Decimal(token), Decimal(quote)), active_levels=active_levels)


@given(st.integers(1, 10), st.none() | st.integers(1, 10))
def test_a_ladder_without_fills_owns_its_allocation(n_asks: int, active_levels: int | None) -> None:
    ladder = make_ladder(20 * n_asks, 300, active_levels=active_levels)

    assert find_position(ladder, make_target(ladder, ladder.allocation)) == ladder.allocation


@given(st.integers(1, 10), st.integers(1, 10), st.none() | st.integers(1, 10))
def test_what_was_sold_is_quote_by_now(n_before: int, n_now: int, active_levels: int | None) -> None:
    ladder = make_ladder(20 * n_before, 1000, active_levels=active_levels)
    traded = SIZE * sum(GRID.levels[10 - max(n_before, n_now) : 10 - min(n_before, n_now)], Decimal(0))
    now = (Decimal(20 * n_now), 1000 + (traded if n_now < n_before else -traded))

    assert find_position(ladder, make_target(ladder, now)) == now


def test_a_partial_ask_counts_with_its_size() -> None:
    ladder = make_ladder(50, 100)

    assert find_position(ladder, make_target(ladder, ladder.allocation)) == ladder.allocation


def test_tokens_beyond_the_ladder_stay() -> None:
    ladder = make_ladder(250, 100)

    assert find_position(ladder, make_target(ladder, ladder.allocation)) == ladder.allocation


def test_a_position_moves_with_its_allocation_and_not_below_nothing() -> None:
    moved = move_allocation((Decimal(30), Decimal(5)), old=(Decimal(10), Decimal(9)), new=(Decimal(12), Decimal(1)))

    assert moved == (Decimal(32), Decimal(0))
