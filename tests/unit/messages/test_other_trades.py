"""Trades of other pairs: what they moved of our two tokens."""

from __future__ import annotations

from typing import Any

import pytest

from mm_trio.messages.other_trades import parse_other_trades
from mm_trio.model.market import Market, Token

PAIRS = {"@107": (150, 0), "PURR/USDC": (1, 0), "@5": (2, 3), "@6": (150, 3)}
MARKET = Market("@107", 10_107, Token(150, "HYPE", 2), Token(0, "USDC", 8), PAIRS)


def trade(**changed: Any) -> dict[str, Any]:
    row = {"coin": "PURR/USDC", "px": "2.5", "sz": "4.0", "side": "B", "time": 1000, "oid": 9, "tid": 77}
    return row | {"fee": "0.01", "feeToken": "USDC", "dir": "Buy"} | changed


@pytest.mark.parametrize(
    "changed, moved",
    [
        ({}, ("0", "-10.01", "hand trade")),
        ({"side": "A"}, ("0", "9.99", "hand trade")),
        ({"feeToken": "PURR"}, ("0", "-10.00", "hand trade")),
        ({"feeToken": "HYPE"}, ("-0.01", "-10.00", "hand trade")),
        ({"coin": "@6", "feeToken": "USDC"}, ("4.0", "-0.01", "hand trade")),
        ({"coin": "@5", "feeToken": "USDC"}, ("0", "-0.01", "foreign fee")),
        ({"coin": "@5", "feeToken": "USDC", "fee": "-0.01"}, ("0", "0.01", "foreign fee")),
        ({"side": "A", "dir": "Spot Dust Conversion", "fee": "0.0"}, ("0", "10.00", "dust")),
    ],
)
def test_a_trade_of_another_pair_moves_its_legs_and_its_fee(changed: dict[str, Any], moved: tuple[str, ...]) -> None:
    (event,) = parse_other_trades([trade(**changed)], MARKET)

    assert (f"{event.move.token:f}", f"{event.move.usdc:f}", event.move.kind) == moved
    assert (event.move.ref, event.move.time_ms, event.is_certain) == ("77:9", 1000, True)


@pytest.mark.parametrize("coin", ["@107", "BTC", "@9999", 5, None])
def test_our_own_pair_and_perpetuals_are_left_out(coin: Any) -> None:
    assert parse_other_trades([trade(coin=coin)], MARKET) == ()


@pytest.mark.parametrize(
    "changed", [{"px": "0"}, {"sz": "many"}, {"side": "C"}, {"time": None}, {"oid": None}, {"feeToken": None}]
)
def test_a_row_that_cannot_be_read_explains_nothing(changed: dict[str, Any]) -> None:
    assert len(parse_other_trades([trade(**changed), trade(), "row"], MARKET)) == 1
