"""What a start reads of the price that it opens with: our inside, and the market without our own orders."""

from __future__ import annotations

import pytest
from core_kit import GRID, dec, intent, make_state, rest, row, settings, tracked

from mm_trio.model.market import Book, BookLevel
from mm_trio.quoting.opening import find_inside, read_opening
from mm_trio.quoting.plan import plan_tick
from mm_trio.state.maker_state import MakerState
from mm_trio.witness.opening_check import Amounts, Earlier, Inside, Opening


def book(*, bids: dict[str, int] | None = None, asks: dict[str, int] | None = None) -> Book:
    """Levels with so many orders each, best first."""
    sides = [tuple(BookLevel(dec(px), dec(5), n) for px, n in (side or {}).items()) for side in (bids, asks)]
    return Book(*sides)


def read(state: MakerState, found: Book, **more: object) -> Opening:
    plan = plan_tick(GRID, state.inventory, state.order_state, settings())
    return read_opening(state, plan, found, **{"orphans": (), "earlier": None} | more)  # type: ignore[arg-type]


def px(level: int) -> str:
    return str(GRID.levels[level])


@pytest.mark.parametrize(
    ("token", "usdc", "inside"),
    [
        (25, 1000, Inside(GRID.levels[5], GRID.levels[4], GRID.levels[5])),
        (27, 1000, Inside(GRID.levels[4], GRID.levels[3], GRID.levels[4])),
        (25, 0, Inside(GRID.levels[5], None, GRID.levels[5])),
        (0, 1000, Inside(GRID.levels[9], GRID.levels[9], None)),
        (50, 1000, Inside(GRID.levels[0], None, GRID.levels[0])),
        (0, 0, Inside(GRID.levels[9], None, None)),
    ],
)
def test_the_inside_is_the_best_desired_order_of_each_side(token: int, usdc: int, inside: Inside) -> None:
    state = make_state(token=token, usdc=usdc)

    assert find_inside(state, plan_tick(GRID, state.inventory, state.order_state, settings())) == inside


def test_an_inside_reads_as_one_line() -> None:
    assert str(Inside(dec("21.80"), None, dec("21.80"))) == "21.8 (best bid none, best ask 21.8)"


def test_our_own_orders_are_not_the_market() -> None:
    state = make_state(token=25)
    rest(state.order_state, tracked(1, "buy", 4), tracked(2, "sell", 5))

    opening = read(state, book(bids={px(4): 1, "19": 1}, asks={px(5): 1, "30": 2}))

    assert (opening.market_bid, opening.market_ask, opening.mid) == (dec(19), dec(30), dec("24.5"))


def test_a_book_of_our_own_orders_has_no_mid() -> None:
    state = make_state(token=25)
    rest(state.order_state, tracked(1, "buy", 4), tracked(2, "sell", 5))

    opening = read(state, book(bids={px(4): 1}, asks={px(5): 1}))

    assert (opening.market_bid, opening.market_ask, opening.mid) == (None, None, None)


def test_an_order_of_others_beside_ours_is_the_market() -> None:
    state = make_state(token=25)
    rest(state.order_state, tracked(1, "buy", 4), tracked(2, "sell", 5))

    opening = read(state, book(bids={px(4): 2}, asks={px(5): 3}))

    assert (opening.market_bid, opening.market_ask) == (GRID.levels[4], GRID.levels[5])


def test_our_order_of_the_other_side_hides_nobody() -> None:
    state = make_state(token=25)
    rest(state.order_state, tracked(1, "sell", 4))

    assert read(state, book(bids={px(4): 1})).market_bid == GRID.levels[4]


def test_an_orphan_that_will_be_cancelled_is_not_the_market() -> None:
    assert read(make_state(), book(bids={"19": 1}), orphans=[row(7, "buy", "19")]).market_bid is None


def test_an_order_in_flight_is_not_the_market() -> None:
    state = make_state(token=25)
    state.order_state.on_sent(intent("buy", 4))

    assert read(state, book(bids={px(4): 1})).market_bid is None


def test_the_amounts_are_those_of_the_configuration_the_ladder_and_the_account() -> None:
    opening = read(make_state(token=25, usdc=100), book(), earlier=Earlier(dec(20), ("n_orders",)))

    assert opening.wanted == Amounts(None, None)
    assert opening.offered == opening.held == Amounts(dec(25), dec(100))
    assert (opening.tokens, opening.earlier) == (("HYPE", "USDC"), Earlier(dec(20), ("n_orders",)))
