"""What of an offer no order has, and why."""

from __future__ import annotations

from decimal import Decimal

import pytest
from past_kit import GRID, TERMS, quote_at

from mm_trio.history.past_terms import PastTerms
from mm_trio.history.withheld import Offer, Withheld, find_withheld
from mm_trio.model.journal_entries import Began
from mm_trio.model.orders import Quote

WHOLE = [quote_at("sell", level) for level in (5, 6, 7)] + [quote_at("buy", level) for level in (3, 2, 1, 0)]


def withheld(quotes: list[Quote], *, token: str = "17", quote: str = "1000", **terms: str) -> Withheld:
    settings = PastTerms.of(0, Began(1, TERMS | terms)).settings
    offer = Offer.of(GRID, settings, token=Decimal(token), quote=Decimal(quote))
    return find_withheld(GRID, settings, offer, quotes)


def test_nothing_is_withheld_where_all_tokens_are_asked_for() -> None:
    found = withheld([*WHOLE, quote_at("sell", 4, "2")])

    assert (found.token, found.token_because) == (Decimal(0), ())


def test_a_remainder_waits_for_the_bid_on_its_level() -> None:
    found = withheld([*WHOLE, quote_at("buy", 4, "3")])

    assert found.token == 2
    assert found.token_because == (
        "the remainder of 2 waits: a bid of ours on its level 4 (20.24) stays until it is filled",
    )


@pytest.mark.parametrize(
    ("token", "because"),
    [
        ("15.2", "the remainder of 0.2 on level 4 (20.24) is worth less than 10 quote"),
        ("42", "the ladder has 8 levels, and tokens for more of them are offered"),
        ("15.001", "less than a lot of 0.01 cannot be offered"),
    ],
)
def test_tokens_without_an_ask_have_a_reason(token: str, because: str) -> None:
    assert withheld(WHOLE, token=token).token_because == (because,)


def test_a_window_withholds_the_far_asks() -> None:
    quotes = [quote_at("sell", 4, "2"), quote_at("sell", 5)]

    assert withheld(quotes, active_levels="2").token_because == ("only 2 asks rest at once (active_levels)",)


@pytest.mark.parametrize(
    ("quotes", "because"),
    [
        (WHOLE, "there is a bid on the lowest level: the ladder ends there"),
        (WHOLE[:3], "no bid has room: it needs a level below the asks, and 10 quote or more"),
    ],
)
def test_quote_without_a_bid_has_a_reason(quotes: list[Quote], because: str) -> None:
    assert withheld(quotes).quote_because == (because,)


def test_quote_that_is_too_little_for_another_bid_says_so() -> None:
    found = withheld(WHOLE[:5], quote="210")

    assert found.quote_because == ("what is left does not pay for an order of 10 quote or more on level 1",)


def test_quote_that_would_pay_for_another_bid_is_not_called_too_little() -> None:
    (because,) = withheld(WHOLE[:5]).quote_because

    assert because == (
        "bids from level 1 down do not rest: they are due, or paused after refusals, or outside of a window "
        "(active_levels) that was not recorded"
    )


def test_far_asks_that_do_not_rest_are_told() -> None:
    (because,) = withheld([quote_at("sell", 4, "2"), quote_at("sell", 5)]).token_because

    assert because.startswith("2 whole orders to sell do not rest: ")
