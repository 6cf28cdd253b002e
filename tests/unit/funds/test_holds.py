"""What open orders hold, and what others leave to offer."""

from __future__ import annotations

import pytest
from core_kit import MARKET, OURS, THEIRS, dec, row

from mm_trio.funds.holds import compute_holds
from mm_trio.model.market import Balances
from mm_trio.model.replies import OpenOrder
from mm_trio.state.ownership import Ownership


@pytest.mark.parametrize(
    "other, keep_foreign, token, quote",
    [
        (row(9, "sell", size=3, coin="@207"), True, 3, 0),  # our base, another quote
        (row(9, "buy", size=3, coin="@207"), True, 0, 0),  # holds USDT0, which is not ours
        (row(9, "buy", "0.5", 40, coin="PURR/USDC"), True, 0, 20),  # our quote, another base
        (row(9, "sell", size=3, coin="PURR/USDC"), True, 0, 0),
        (row(9, "sell", size=3, coin="BTC"), True, 0, 0),  # no spot pair
        (row(9, "sell", size=3), True, 3, 0),  # a stranger on our coin
        (row(9, "sell", size=3, cloid=OURS), True, 0, 0),
        (row(9, "sell", size=3), False, 0, 0),  # ours, or about to be cancelled
        (row(9, "buy", size=3, cloid=THEIRS), True, 0, 60),
    ],
)
def test_what_others_hold_of_our_two_tokens_is_counted_on_every_pair(
    other: OpenOrder, keep_foreign: bool, token: int, quote: int
) -> None:
    is_foreign = Ownership("@107", keep_foreign=keep_foreign).is_foreign
    held = compute_holds([row for row in (other, other) if is_foreign(row)], MARKET)

    assert held == Balances(dec(2 * token), dec(2 * quote))
