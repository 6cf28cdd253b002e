"""Headroom: funds and levels that are free beside the present orders."""

from __future__ import annotations

from decimal import Decimal

import pytest
from core_kit import GRID, dec, desired, tracked

from mm_trio.model.orders import DesiredOrder, Side, TrackedOrder
from mm_trio.quoting.headroom import Headroom, Present
from mm_trio.state.inventory import Inventory
from mm_trio.state.order_table import OpenOrders


@pytest.mark.parametrize(
    "order, fits",
    [
        (desired("sell", 6), True),
        (desired("sell", 6, "5.01"), False),  # more than the tokens left
        (desired("sell", 5), False),  # a level that is taken, on its own side
        (desired("buy", 5), False),  # and on the other
        (desired("sell", 2), False),  # meets the bid above it
        (desired("buy", 6), False),  # meets the ask below it
        (desired("buy", 4), True),
        (desired("buy", 4, "5.01"), False),  # more than the quote left
    ],
)
def test_an_order_fits_where_nothing_is_meets_nothing_and_is_paid_for(order: DesiredOrder, fits: bool) -> None:
    present: list[Present] = [tracked(1, "sell", 5), desired("buy", 3)]
    spent = present[1].size * present[1].price

    headroom = Headroom(present, tokens=dec(10), quote=spent + 5 * desired("buy", 4).price)

    assert headroom.take(order) is fits


def test_what_is_taken_is_gone_and_what_did_not_fit_takes_nothing() -> None:
    headroom = Headroom([], tokens=dec(7), quote=dec(0))

    assert [
        headroom.take(desired("sell", level, size)) for level, size in [(5, 5), (6, 5), (5, 1), (7, 2), (8, 1)]
    ] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert (headroom.tokens, headroom.quote) == (dec(0), dec(0))


@pytest.mark.parametrize("side, free", [("sell", (-5, 0)), ("buy", (0, -100))])
def test_orders_that_are_there_may_cost_more_than_is_owned(side: str, free: tuple[int, int]) -> None:
    headroom = Headroom([tracked(1, side, 0)], tokens=dec(0), quote=dec(0))  # type: ignore[arg-type]

    assert (headroom.tokens, headroom.quote) == (dec(free[0]), dec(free[1]))


def test_an_order_grows_only_into_what_is_free_and_frees_what_it_gives_up() -> None:
    headroom = Headroom([desired("sell", 8, 2), desired("buy", 5, 1)], tokens=dec(5), quote=dec(1000))

    assert not headroom.resize(desired("sell", 8, 2), desired("sell", 8, 6))  # 3 are free, 4 are wanted
    assert headroom.resize(desired("sell", 8, 2), desired("sell", 8, 1))
    assert headroom.resize(desired("sell", 9, 1), desired("sell", 9, 5))
    assert headroom.tokens == 0
    assert headroom.resize(desired("buy", 5, 1), desired("buy", 5, 2))


# --- the ledger beside a wallet that holds more --------------------------------------------------


def allotted(token: int | None, usdc: int | None, *, account_token: int = 100, account_usdc: int = 10_000) -> Inventory:
    return Inventory(5, token, usdc, account_token=account_token, account_usdc=account_usdc)


def book(*orders: TrackedOrder) -> OpenOrders:
    found = OpenOrders()
    found.update({order.oid: order for order in orders})
    return found


def test_beside_what_is_there_the_ledger_s_own_amounts_are_free() -> None:
    headroom = Headroom.beside(book(tracked(1, "sell", 8), tracked(2, "buy", 2)), [], allotted(20, 500), unsettled=[])

    assert (headroom.tokens, headroom.quote) == (dec(15), 500 - 5 * GRID.levels[2])


def test_unexplained_ends_count_as_traded_in_a_full_wallet() -> None:
    """The wallet holds more than the ledger. The venue would accept the new orders too, and sell what is not ours."""
    left = [tracked(1, "sell", 8, 3), tracked(2, "buy", 2, 1)]

    headroom = Headroom.beside(book(), [], allotted(20, 500), unsettled=left)

    assert (headroom.tokens, headroom.quote) == (dec(17), 500 - GRID.levels[2])


@pytest.mark.parametrize("ledger", [allotted(None, None), allotted(100, 10_000), allotted(200, 20_000)])
def test_where_the_wallet_holds_no_more_the_venue_itself_refuses_what_is_not_covered(ledger: Inventory) -> None:
    headroom = Headroom.beside(book(), [], ledger, unsettled=[tracked(1, "sell", 8), tracked(2, "buy", 2)])

    assert (headroom.tokens, headroom.quote) == (ledger.effective_token, ledger.effective_usdc)


def test_each_side_is_guarded_for_itself() -> None:
    headroom = Headroom.beside(
        book(), [], allotted(20, None), unsettled=[tracked(1, "sell", 8, 3), tracked(2, "buy", 2, 1)]
    )

    assert (headroom.tokens, headroom.quote) == (dec(17), dec(10_000))


@pytest.mark.parametrize("side, level", [("sell", 8), ("buy", 2)])
def test_an_order_is_replaced_in_one_request_only_where_both_are_paid_for(side: Side, level: int) -> None:
    """The old one may trade whole while the request is on its way."""
    old, price = tracked(1, side, level), GRID.levels[level]
    enough, too_little = (10, 10 * price), (dec("9.99"), 10 * price - dec("0.01"))
    fits = []
    for tokens, quote in (enough, too_little):
        headroom = Headroom([old], tokens=Decimal(tokens), quote=quote, guarded=frozenset())
        before = headroom.tokens, headroom.quote
        fits.append(headroom.covers_both(desired(side, level)))
        assert ((headroom.tokens, headroom.quote) == before) is not fits[
            -1
        ]  # the funds are taken where it fits, and only there

    assert fits == [True, False]


@pytest.mark.parametrize("side, level", [("sell", 8), ("buy", 2)])
def test_a_shrinking_order_is_not_covered_in_a_full_wallet(side: Side, level: int) -> None:
    """The wallet holds more than the ledger, so the venue itself would not refuse what the ledger lacks."""
    old = tracked(1, side, level)
    headroom = Headroom([old], tokens=dec(5), quote=5 * GRID.levels[level], guarded=frozenset())

    assert not headroom.covers_both(desired(side, level, 1))
    assert not headroom.resize(old, desired(side, level, 1))


def test_two_replacements_are_not_paid_for_by_the_same_funds() -> None:
    old = [tracked(1, "sell", 8), tracked(2, "sell", 9)]
    headroom = Headroom(old, tokens=dec(15), quote=dec(0), guarded=frozenset())

    assert [headroom.covers_both(desired("sell", order.level_index)) for order in old] == [True, False]


def test_on_a_guarded_side_an_order_may_always_be_replaced() -> None:
    headroom = Headroom([tracked(1, "sell", 8)], tokens=dec(5), quote=dec(0), guarded=frozenset({"sell"}))

    assert headroom.covers_both(desired("sell", 8))
