"""The market that the venue names now against the one that the ledger was kept for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_kit import HYPE, MARKET, PURR

from mm_trio.model.market import Market
from mm_trio.witness.market_check import describe_market, find_market_change


@pytest.mark.parametrize(
    "market, change",
    [
        (MARKET, None),
        (replace(MARKET, asset_id=10205), "asset was 10107 and is 10205"),
        (replace(MARKET, base=PURR), "base was 150 and is 1; sz_decimals was 2 and is 0"),
        (replace(MARKET, base=replace(HYPE, sz_decimals=3)), "sz_decimals was 2 and is 3"),
    ],
)
def test_r14_another_market_under_the_same_name_is_told(market: Market, change: str | None) -> None:
    assert find_market_change(describe_market(MARKET) | {"coin": "@107"}, market) == change


def test_a_ledger_that_recorded_no_market_is_not_judged() -> None:
    assert find_market_change({"coin": "@107"}, MARKET) is None
