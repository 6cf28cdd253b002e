"""Expected book of the oracle.

It is compared with books written by hand and with the maker's own engine.
"""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from mm_trio.model.pricing_grid import PricingGrid
from mm_trio.quoting.quoting_engine import compute_boundary, compute_desired_orders
from mm_trio.sim.base.scenario import LADDERS, ScenarioLadder
from mm_trio.sim.oracle.expected_book import ExpectedBook, Slot, compute_levels

LOT = Decimal("0.01")


def make_ladder(**changed: object) -> ScenarioLadder:
    options: dict[str, object] = {
        "start_px": Decimal(20),
        "n_orders": 6,
        "step": Decimal("0.003"),
        "order_size": Decimal(5),
        "tokens": None,
        "quote": None,
        "active_levels": None,
        "window_slack": 0,
        "gap_levels": 0,
    }
    return ScenarioLadder(**(options | changed))  # type: ignore[arg-type]


def diverges(book: dict[Slot, str], ladder: ScenarioLadder, tokens: str, quote: str) -> str | None:
    target = ExpectedBook(ladder, compute_levels(ladder, sz_decimals=2), LOT)
    sizes = {slot: Decimal(size) for slot, size in book.items()}
    return target.find_divergence(sizes, tokens=Decimal(tokens), quote=Decimal(quote))


@pytest.mark.parametrize(("start", "step"), [(start, step) for start, _ in LADDERS for step in ("0.003", "0.0015")])
def test_the_levels_are_those_of_the_maker(start: str, step: str) -> None:
    ladder = make_ladder(start_px=Decimal(start), n_orders=40, step=Decimal(step))

    assert compute_levels(ladder, sz_decimals=2) == PricingGrid(start, 40, tick_size=step, sz_decimals=2).levels


BOOK: dict[Slot, str] = {("sell", 5): "5", ("sell", 4): "5", ("buy", 3): "5", ("buy", 2): "5"}


def test_whole_tranches_are_the_top_asks_and_bids_reach_as_far_as_the_quote() -> None:
    assert diverges(BOOK, make_ladder(), "10", "201.5") is None


@pytest.mark.parametrize(
    ("tokens", "quote"), [("15", "201.5"), ("5", "201.5"), ("10", "250"), ("10", "150"), ("7.5", "201.5")]
)
def test_a_book_that_is_not_due_is_found(tokens: str, quote: str) -> None:
    assert diverges(BOOK, make_ladder(), tokens, quote) is not None


def test_the_level_of_the_rest_keeps_its_side() -> None:
    ask: dict[Slot, str] = {("sell", 5): "5", ("sell", 4): "2", ("buy", 3): "5"}
    bid: dict[Slot, str] = {("sell", 5): "5", ("buy", 4): "3", ("buy", 3): "5"}

    assert diverges(ask, make_ladder(), "7", "101") is None
    assert diverges(bid, make_ladder(), "7", "163") is None


@pytest.mark.parametrize("size", ["3", "1.2", "0.01", "5"])
def test_a_bid_on_the_level_of_the_rest_is_left_with_whatever_remains_of_it(size: str) -> None:
    book: dict[Slot, str] = {("sell", 5): "5", ("buy", 4): size, ("buy", 3): "5"}

    assert diverges(book, make_ladder(), "7", str(Decimal(size) * Decimal("20.24") + 104)) is None


def test_a_bid_that_the_quote_no_longer_covers_shrinks() -> None:
    whole: dict[Slot, str] = {("sell", 5): "5", ("buy", 4): "3"}
    shrunk: dict[Slot, str] = {("sell", 5): "5", ("buy", 4): "2.5"}

    assert diverges(whole, make_ladder(), "7", "50.7") is not None
    assert diverges(shrunk, make_ladder(), "7", "50.7") is None


def test_without_a_rest_its_level_has_a_whole_bid() -> None:
    part: dict[Slot, str] = {("sell", 5): "5", ("buy", 4): "3"}

    assert diverges(part, make_ladder(), "5", "102") is not None
    assert diverges({**part, ("buy", 4): "5"}, make_ladder(), "5", "102") is None


# By tokens and gap, from level 0 upwards: b bid, s ask, - nothing. The ladder has eight levels.
GAPS = (
    ("17", 0, "b5 b5 b5 b5 s2 s5 s5 s5"),
    ("17", 1, "b5 b5 b5 b3 s2 s5 s5 s5"),
    ("17", 2, "b5 b5 b3 - s2 s5 s5 s5"),
    ("15", 0, "b5 b5 b5 b5 b5 s5 s5 s5"),
    ("15", 1, "b5 b5 b5 b5 - s5 s5 s5"),
    ("15", 2, "b5 b5 b5 - - s5 s5 s5"),
    ("42", 1, "s5 s5 s5 s5 s5 s5 s5 s5"),
    ("37", 1, "s2 s5 s5 s5 s5 s5 s5 s5"),
    ("0", 2, "b5 b5 b5 b5 b5 b5 - -"),
)


def read_book(text: str) -> dict[Slot, str]:
    sides = {"b": "buy", "s": "sell"}
    return {(sides[word[0]], level): word[1:] for level, word in enumerate(text.split()) if word != "-"}


@pytest.mark.parametrize(("tokens", "gap", "text"), GAPS)
def test_a_tranche_is_bought_back_so_many_levels_below(tokens: str, gap: int, text: str) -> None:
    ladder = make_ladder(n_orders=8, gap_levels=gap)

    assert diverges(read_book(text), ladder, tokens, "10000") is None


@pytest.mark.parametrize(("tokens", "gap", "text"), GAPS)
def test_a_book_with_another_gap_is_found(tokens: str, gap: int, text: str) -> None:
    beside = make_ladder(n_orders=8, gap_levels=gap + 1)

    assert (diverges(read_book(text), beside, tokens, "10000") is None) is ("b" not in text)


def test_with_a_gap_the_bid_of_the_rest_has_one_size() -> None:
    book: dict[Slot, str] = {("sell", 5): "5", ("sell", 4): "2", ("buy", 3): "2"}

    assert diverges(book, make_ladder(gap_levels=1), "7", "61") is not None


def test_with_a_gap_the_fee_may_be_missing_of_a_bid_that_bought() -> None:
    book: dict[Slot, str] = {("sell", 5): "5", ("sell", 4): "1.99", ("buy", 3): "3"}
    less: dict[Slot, str] = {**book, ("sell", 4): "1.9"}

    assert diverges(book, make_ladder(gap_levels=1), "6.998", "61") is None
    assert diverges(less, make_ladder(gap_levels=1), "6.9", "62.9") is not None


def test_with_a_gap_what_is_too_small_to_place_is_withheld() -> None:
    no_ask: dict[Slot, str] = {("sell", 5): "5", ("buy", 3): "4.8", ("buy", 2): "5"}
    no_bid: dict[Slot, str] = {("sell", 5): "5", ("sell", 4): "4.8", ("buy", 2): "5"}

    assert diverges(no_ask, make_ladder(gap_levels=1), "5.2", "205") is None
    assert diverges(no_bid, make_ladder(gap_levels=1), "9.8", "105") is None


def test_with_a_gap_a_bid_traded_down_to_dust_stays() -> None:
    book: dict[Slot, str] = {("sell", 5): "5", ("sell", 4): "4.8", ("buy", 3): "0.2", ("buy", 2): "5"}

    assert diverges(book, make_ladder(gap_levels=1), "9.8", "110") is None
    assert diverges({**book, ("buy", 3): "0.3"}, make_ladder(gap_levels=1), "9.8", "110") is not None


def test_a_rest_too_small_to_place_leaves_its_level_to_the_bid() -> None:
    book: dict[Slot, str] = {("sell", 5): "5", ("buy", 4): "4.8"}

    assert diverges(book, make_ladder(), "5.2", "97.5") is None


def test_an_ask_that_is_a_crumb_stays_where_it_is_covered_beside_the_full_ones() -> None:
    book: dict[Slot, str] = {("sell", 5): "5", ("sell", 4): "0.3"}

    assert diverges(book, make_ladder(), "5.3", "0") is None
    assert diverges(book, make_ladder(), "5.29", "0") is not None


def test_the_far_end_of_a_window_may_lag_by_its_slack_and_the_inside_may_not() -> None:
    ladder = make_ladder(n_orders=8, active_levels=2, window_slack=1)
    books: list[dict[Slot, str]] = [
        {("sell", 4 + i): "5" for i in range(n)} | {("buy", 3 - i): "5" for i in range(n)} for n in range(5)
    ]

    wrong = [n for n, book in enumerate(books) if diverges(book, ladder, "20", "405")]
    hole: dict[Slot, str] = {("sell", 5): "5", ("buy", 3): "5"}

    assert wrong == [0, 4]
    assert diverges(hole, ladder, "20", "405") is not None


def test_what_the_makers_engine_wants_from_a_clean_start_is_what_the_oracle_asks_for() -> None:
    rng = random.Random(1)
    for _ in range(2000):
        start, sizes = rng.choice(LADDERS)
        ladder = make_ladder(
            start_px=Decimal(start), n_orders=rng.randint(3, 20), order_size=Decimal(rng.choice(sizes))
        )
        grid = PricingGrid(start, ladder.n_orders, sz_decimals=2)
        tokens = Decimal(rng.randint(0, 100 * ladder.n_orders)) / 100 * ladder.order_size
        quote = Decimal(rng.randint(0, 1200)) * ladder.order_size * ladder.start_px / 60
        boundary = compute_boundary(grid, tokens, ladder.order_size, bid_levels=())
        desired = compute_desired_orders(grid, boundary, tokens, quote, ladder.order_size, min_notional=10)
        book: dict[Slot, str] = {(order.side, order.level_index): str(order.size) for order in desired}

        assert diverges(book, ladder, str(tokens), str(quote)) is None, (ladder, tokens, quote, desired)
