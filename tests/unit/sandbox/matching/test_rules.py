from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from sandbox_kit import HYPE, PURR, PURR_ASSET, buy, sell

from mm_trio.sandbox.matching import rules
from mm_trio.sandbox.model.commands import NewOrder
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS

PAIR = DEFAULT_MARKETS.pair(HYPE)  # Sizes have 2 decimals, so prices have 6.
TAKER_RATE = Decimal("0.0007")


@pytest.mark.parametrize(
    "order, text",
    [
        (buy("20", "1.005"), "Order has invalid size."),
        (buy("20", "0"), "Order has zero size."),
        (buy("0", "1"), "Order has zero price."),
        (buy("0.0012345", "1"), "Order has invalid price."),
        (buy("20.1234", "1"), "Price must be divisible by tick size. asset=10107"),
        (buy("20", "1", "Trigger"), "Placing trigger orders is not enabled on spot trading yet."),
    ],
)
def test_each_static_rule_has_its_own_words(order: NewOrder, text: str) -> None:
    assert rules.find_static_error(order, PAIR, reference=None) == text


@pytest.mark.parametrize("price", ["20.123", "123456", "1234567", "0.012345", "20.1230"])
def test_five_figures_are_legal_and_any_integer_is(price: str) -> None:
    assert rules.find_static_error(buy(price, "1"), PAIR, reference=None) is None


@pytest.mark.parametrize("make_order", [buy, sell])
@pytest.mark.parametrize("price, refused", [("4", True), ("4.01", False), ("100", False), ("100.01", True)])
def test_the_price_band_excludes_its_lower_end_and_includes_its_upper_one(
    price: str, refused: bool, make_order: Callable[[str, str], NewOrder]
) -> None:
    error = rules.find_static_error(make_order(price, "1"), PAIR, reference=Decimal(20))

    assert error == ("Order price cannot be more than 80% away from the reference price" if refused else None)


def test_whole_lots_of_a_token_without_size_decimals_are_integers() -> None:
    purr = DEFAULT_MARKETS.pair(PURR)

    assert rules.find_static_error(sell("0.2", "100", asset=PURR_ASSET), purr, reference=None) is None
    assert rules.find_static_error(sell("0.2", "100.5", asset=PURR_ASSET), purr, reference=None)


@pytest.mark.parametrize(
    "coin, is_buy, price, size, fee",
    [
        (HYPE, True, "7.7119", "3.32", "0.00232399"),
        (HYPE, True, "7.735", "0.01", "0.00000699"),
        (HYPE, True, "7.6889", "3.07", "0.00214899"),
        (HYPE, True, "7.666", "1.7", "0.00119"),
        (HYPE, False, "7.666", "1.31", "0.00702972"),
        (HYPE, False, "1.0211", "10.0", "0.00714770"),
        (PURR, True, "4.6252", "3.0", "0.0021"),
        (PURR, False, "4.5795", "3.0", "0.00961695"),
    ],
)
def test_a_taker_fee_is_floored_in_quote_then_cut_to_base(
    coin: str, is_buy: bool, price: str, size: str, fee: str
) -> None:
    pair = DEFAULT_MARKETS.pair(coin)

    charged = rules.compute_fee(pair, is_buy=is_buy, price=Decimal(price), size=Decimal(size), rate=TAKER_RATE)

    assert charged == Decimal(fee)


def test_the_base_fee_has_no_more_decimals_than_a_balance_of_the_token() -> None:
    purr = DEFAULT_MARKETS.pair(PURR)

    fee = rules.compute_fee(purr, is_buy=True, price=Decimal("0.23457"), size=Decimal(77), rate=Decimal("0.0004"))

    assert fee == Decimal("0.03079")  # 0.00722475 / 0.23457 is 0.0307999..


def test_a_lot_is_not_stretched_by_trailing_zeros() -> None:
    order = replace(buy("20", "1"), size=Decimal("1.50000000"))

    assert rules.find_static_error(order, PAIR, reference=None) is None
