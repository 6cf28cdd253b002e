"""The ladder that a request means: levels, order size and tokens follow from what is given."""

from __future__ import annotations

from decimal import Decimal

import pytest
from plan_kit import make_request

from mm_trio.model.errors import ConfigError
from mm_trio.planning.plan_request import resolve_shape

LEVELS = ("20", "20.06", "20.12", "20.18", "20.24", "20.3", "20.36", "20.421")


def test_a_range_has_every_level_that_is_not_above_its_top() -> None:
    grid = resolve_shape(make_request()).grid

    assert grid.levels == tuple(map(Decimal, LEVELS))


def test_a_top_that_is_a_level_belongs_to_the_range() -> None:
    assert resolve_shape(make_request(top_px="20.421")).grid.n_orders == 8


def test_a_range_in_so_many_levels_has_a_step_of_its_own() -> None:
    """(22 / 20) ** (1 / 10) is 1.0095766."""
    grid = resolve_shape(make_request(top_px="22", n_orders=11, tokens="50")).grid

    assert (grid.n_orders, grid.tick_size) == (11, Decimal("0.009576"))
    assert Decimal("21.98") < grid.levels[-1] <= 22


def test_tokens_are_divided_among_the_levels_from_the_target_up() -> None:
    """Four levels from 20.24 up; 17 / 4 in whole lots."""
    shape = resolve_shape(make_request(order_sz=None, target_px="20.24"))

    assert (shape.order_size, shape.tokens) == (Decimal("4.25"), Decimal(17))


def test_the_markets_mid_stands_in_for_a_target() -> None:
    shape = resolve_shape(make_request(order_sz=None, tokens="17.03", mid_px="20.235"))

    assert (shape.order_size, shape.tokens) == (Decimal("4.25"), Decimal(17))


def test_a_market_below_the_ladder_leaves_it_asks_alone() -> None:
    shape = resolve_shape(make_request(order_sz=None, tokens="16", mid_px="15"))

    assert (shape.order_size, shape.tokens) == (Decimal(2), Decimal(16))


def test_a_target_takes_so_many_tokens_as_its_levels_hold() -> None:
    assert resolve_shape(make_request(tokens="30", target_px="20.24")).tokens == 20


def test_without_a_target_all_tokens_are_offered_in_whole_lots() -> None:
    assert resolve_shape(make_request(tokens="17.009", mid_px="20")).tokens == 17


def test_tokens_beyond_the_ladder_are_not_offered() -> None:
    assert resolve_shape(make_request(tokens="1000")).tokens == 40


def test_a_start_and_an_order_size_end_where_the_tokens_end() -> None:
    """Opened at level 4, with three whole orders."""
    shape = resolve_shape(make_request(top_px=None, target_px="20.24"))

    assert (shape.grid.n_orders, shape.tokens) == (7, Decimal(15))


def test_a_start_and_a_number_of_levels_divide_the_tokens() -> None:
    shape = resolve_shape(make_request(top_px=None, n_orders=8, order_sz=None, target_px="20.3"))

    assert (shape.grid.n_orders, shape.order_size) == (8, Decimal("5.66"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"top_px": "20"}, "HIGH must be above LOW"),
        ({"top_px": None, "order_sz": None}, "give --n-orders (levels), or --order-sz, or a --range LOW HIGH"),
        ({"n_orders": 8, "order_sz": None, "step": "0.003"}, "leave one out"),
        ({"n_orders": 1, "order_sz": None}, "--n-orders must be 2 or more"),
        ({"n_orders": 5000, "order_sz": None}, "take fewer levels"),
        ({"n_orders": 2, "order_sz": None, "top_px": "80"}, "take more levels"),
        ({"start_px": "0.00001"}, "start higher"),
        ({"step": "0.0001", "start_px": "1", "top_px": "1000000"}, "take a larger --step"),
        ({"order_sz": None}, "give --target-px, or --order-sz"),
        ({"order_sz": None, "target_px": "21"}, "--target-px 21 is outside the ladder of 8 levels from 20 to 20.421"),
        ({"order_sz": None, "mid_px": "21"}, "the market's mid 21 is outside"),
        ({"order_sz": None, "target_px": "20", "tokens": "0.07"}, "give at least 0.08 tokens"),
        ({"target_px": "20.24"}, "4 orders of 5 need 20; give 20 tokens, or an --order-sz of at most 4.25"),
        ({"top_px": None, "tokens": "4.99", "target_px": "20"}, "less than one order of 5"),
        ({"top_px": None}, "no price is known"),
        ({"top_px": None, "n_orders": 19_999}, "end above 10^15; take fewer levels"),
        ({"top_px": None, "target_px": "19"}, "--target-px 19 is outside"),
        ({"top_px": None, "target_px": "20", "tokens": "1000000"}, "take a larger --order-sz or --step"),
    ],
)
def test_what_does_not_go_together_is_told_with_what_to_do(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_shape(make_request(**changes))

    assert told in str(caught.value)
