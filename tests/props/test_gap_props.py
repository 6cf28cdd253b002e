"""Properties of the gap: what a ladder sells it buys back lower, and each round trip earns exactly those levels."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from effort import FACTOR
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ladders import grids, in_lots, quote_for
from plain_ladder import PlainLadder, PureBook

from mm_trio.model.orders import DesiredOrder
from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.quoting.quoting_engine import compute_desired_orders

pytestmark = pytest.mark.timeout(120 * FACTOR)

# Twenty thousand in the session that asks for many; sixty takers cost so much that only one claim on them has as many.
many = settings(max_examples=200 if FACTOR == 1 else 1000 * FACTOR, deadline=None)
some = settings(max_examples=100 * FACTOR, deadline=None)

PLENTY = Decimal(10) ** 9
gaps = st.integers(1, 3)

# Side of ours that is hit; in lots, what each of the taker's orders asks for before the next update.
Takers = list[tuple[str, list[int]]]
a_taker = st.tuples(st.sampled_from(("buy", "sell")), st.lists(st.integers(1, 40), min_size=1, max_size=4))
# A plain list has seldom more than ten.
takers: st.SearchStrategy[Takers] = st.integers(0, 60).flatmap(lambda n: st.lists(a_taker, min_size=n, max_size=n))


def draw_size(data: st.DataObject, grid: PricingGrid) -> Decimal:
    return data.draw(in_lots(grid, 1, 700), label="order_size")


def draw_tokens(data: st.DataObject, grid: PricingGrid, order_size: Decimal, *, levels: int) -> Decimal:
    """Often whole tranches."""
    most = int(levels * order_size / grid.lot)
    whole = st.integers(0, levels).map(lambda n: n * order_size)
    return data.draw(in_lots(grid, 0, most) | whole, label="tokens")


@many
@given(grids, st.data(), st.integers(0, 3), st.integers(0, 150))
def test_the_desired_orders_are_those_of_a_plain_rewriting(
    grid: PricingGrid, data: st.DataObject, gap: int, percent: int
) -> None:
    order_size = draw_size(data, grid)
    tokens = draw_tokens(data, grid, order_size, levels=grid.n_orders + 2)
    tokens += data.draw(st.sampled_from((Decimal(0), grid.lot / 3)))
    quote, boundary = data.draw(quote_for(grid, order_size)), data.draw(st.integers(0, grid.n_orders))
    minimum = order_size * grid.levels[0] * percent / 100
    bid = data.draw(st.none() | in_lots(grid, 1, 700))

    orders = compute_desired_orders(
        grid, boundary, tokens, quote, order_size, min_notional=minimum, gap_levels=gap, resting_bid=bid
    )

    plain = PlainLadder(grid.levels, grid.lot, order_size, minimum, gap)
    assert [(o.side, o.level_index, o.size) for o in orders] == plain.list_rows(
        boundary, tokens, quote, resting_bid=bid
    )
    assert all(order.price == grid.levels[order.level_index] for order in orders)


def draw_ladder(
    data: st.DataObject, grid: PricingGrid, gap: int, *, quote: Decimal | None = None
) -> tuple[Decimal, Decimal, Decimal, tuple[DesiredOrder, ...]]:
    """Order size, tokens, quote and the orders of a ladder with a gap."""
    order_size = draw_size(data, grid)
    tokens = draw_tokens(data, grid, order_size, levels=grid.n_orders)
    quote = data.draw(quote_for(grid, order_size)) if quote is None else quote
    boundary = data.draw(st.integers(0, grid.n_orders))
    orders = compute_desired_orders(grid, boundary, tokens, quote, order_size, gap_levels=gap)
    return order_size, tokens, quote, orders


@many
@given(grids, st.data(), gaps)
def test_asks_offer_all_tokens_and_bids_cost_no_more_than_the_quote(
    grid: PricingGrid, data: st.DataObject, gap: int
) -> None:
    _, tokens, quote, orders = draw_ladder(data, grid, gap)

    assert sum(order.size for order in orders if order.side == "sell") == tokens
    assert sum(order.size * order.price for order in orders if order.side == "buy") <= quote


@many
@given(grids, st.data(), gaps)
def test_a_level_has_one_order_at_most_and_bids_lie_below_asks(
    grid: PricingGrid, data: st.DataObject, gap: int
) -> None:
    *_, orders = draw_ladder(data, grid, gap)

    levels = [order.level_index for order in orders]
    assert len(set(levels)) == len(levels)
    asks, bids = ([o.level_index for o in orders if o.side == side] for side in ("sell", "buy"))
    assert max(bids, default=-1) < min(asks, default=grid.n_orders)


@many
@given(grids, st.data(), gaps)
def test_the_inside_is_the_gap_wide_and_one_level_more_between_whole_tranches(
    grid: PricingGrid, data: st.DataObject, gap: int
) -> None:
    order_size, tokens, _, orders = draw_ladder(data, grid, gap, quote=PLENTY)
    asks, bids = ([o.level_index for o in orders if o.side == side] for side in ("sell", "buy"))
    assume(asks and bids)

    assert min(asks) - max(bids) == gap + (tokens % order_size == 0)


@many
@given(grids, st.data(), st.tuples(gaps, gaps))
def test_another_gap_moves_bids_alone(grid: PricingGrid, data: st.DataObject, two: tuple[int, int]) -> None:
    order_size = draw_size(data, grid)
    tokens = draw_tokens(data, grid, order_size, levels=grid.n_orders)

    one, other = (compute_desired_orders(grid, 0, tokens, PLENTY, order_size, gap_levels=gap) for gap in two)

    assert [o for o in one if o.side == "sell"] == [o for o in other if o.side == "sell"]
    shift = two[0] - two[1]
    bids = {o.level_index + shift: o.size for o in one if o.side == "buy"}
    others = {o.level_index: o.size for o in other if o.side == "buy"}
    common = range(max(0, shift), grid.n_orders)
    assert {i: bids[i] for i in common if i in bids} == {i: others[i] for i in common if i in others}


# --- Histories of takers ---


def draw_book(data: st.DataObject, grid: PricingGrid, gap: int, *, quote: Decimal | None = None) -> PureBook:
    """Tokens for which the ladder has a bid, once they are sold."""
    order_size = data.draw(in_lots(grid, 2, 40), label="order_size")
    tokens = draw_tokens(data, grid, order_size, levels=grid.n_orders - gap)
    quote = data.draw(quote_for(grid, order_size)) if quote is None else quote
    book = PureBook(grid, order_size, gap, tokens, quote)
    book.update()
    return book


def trade(book: PureBook, history: Takers) -> Iterator[None]:
    """Each taker trades in one direction, cut as he likes, and then comes an update."""
    for side, cuts in history:
        for lots in cuts:
            book.take(side, lots * book.grid.lot)
        book.update()
        yield


@some
@given(grids, st.data(), gaps, takers)
def test_a_history_that_returns_earns_the_gap_of_each_round_trip_exactly(
    grid: PricingGrid, data: st.DataObject, gap: int, history: Takers
) -> None:
    book = draw_book(data, grid, gap, quote=PLENTY)
    tokens, quote = book.tokens, book.quote
    for _ in trade(book, history):
        pass
    is_long = book.tokens > tokens
    book.take("sell" if is_long else "buy", abs(book.tokens - tokens))

    assert book.tokens == tokens
    assert book.quote - quote == book.compute_steps_earned()


@many
@given(grids, st.data(), gaps, takers)
def test_the_income_of_turns_is_what_each_round_trip_earns_after_any_history(
    grid: PricingGrid, data: st.DataObject, gap: int, history: Takers
) -> None:
    book = draw_book(data, grid, gap)
    quote, worth = book.quote, book.compute_worth(book.tokens)

    for _ in trade(book, history):
        income = (book.quote - quote) - (worth - book.compute_worth(book.tokens))
        assert income == book.compute_steps_earned()


@some
@given(grids, st.data(), gaps, takers)
def test_each_tranche_lives_on_a_pair_of_levels(
    grid: PricingGrid, data: st.DataObject, gap: int, history: Takers
) -> None:
    book = draw_book(data, grid, gap)
    before = list_tranches(book)

    for _ in trade(book, history):
        moved = {u: book.bought[u - gap] - book.sold[u] for u in range(grid.n_orders)}
        assert {u: before[u] + moved[u] for u in moved} == list_tranches(book)


def list_tranches(book: PureBook) -> dict[int, Decimal]:
    """How much of the tranche of each level is there; the highest level is filled first."""
    top, size = book.grid.n_orders - 1, book.order_size
    return {u: min(max(book.tokens - (top - u) * size, Decimal(0)), size) for u in range(top + 1)}


@some
@given(grids, st.data(), gaps, takers)
def test_takers_of_both_sides_between_two_updates_leave_no_less(
    grid: PricingGrid, data: st.DataObject, gap: int, history: Takers
) -> None:
    book = draw_book(data, grid, gap)
    quote, worth = book.quote, book.compute_worth(book.tokens)

    for n, (side, cuts) in enumerate(history):
        book.take(side, sum(cuts) * grid.lot)
        if n % 3 == 2:
            book.update()
            income = (book.quote - quote) - (worth - book.compute_worth(book.tokens))
            assert income >= book.compute_steps_earned()


@some
@given(grids, st.data(), takers)
def test_without_a_gap_turns_lose_nothing(grid: PricingGrid, data: st.DataObject, history: Takers) -> None:
    book = draw_book(data, grid, 0, quote=PLENTY)
    quote, worth = book.quote, book.compute_worth(book.tokens)

    for _ in trade(book, history):
        assert book.quote - quote >= worth - book.compute_worth(book.tokens)


@some
@given(grids, st.data(), st.lists(st.tuples(st.sampled_from(("buy", "sell")), st.integers(1, 4)), max_size=60))
def test_without_a_gap_whole_tranches_that_return_earn_nothing(
    grid: PricingGrid, data: st.DataObject, history: list[tuple[str, int]]
) -> None:
    order_size = draw_size(data, grid)
    book = PureBook(grid, order_size, 0, order_size * data.draw(st.integers(0, grid.n_orders)), PLENTY)
    book.update()
    quote, worth = book.quote, book.compute_worth(book.tokens)

    for side, tranches in history:
        book.take(side, tranches * order_size)
        book.update()
        assert book.quote - quote == worth - book.compute_worth(book.tokens)
