"""A fill against the order that it names: what contradicts, and what does not."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from core_kit import OURS, THEIRS, dec, desired, tracked

from mm_trio.model.replies import Fill
from mm_trio.sending.batch_emitter import EXPIRY_S
from mm_trio.witness.fill_check import (
    LIFE_MS,
    TOLERANCE_MS,
    find_contradiction,
    find_misfit_of_sent,
    find_time_fault,
)

SENT_MS = 1_790_000_000_000
ORDER = replace(tracked(1, "buy", 1, price="20.06"), cloid=OURS, expires_ms=SENT_MS + LIFE_MS)
TRUE = Fill(1, 77, dec(2), dec("20.06"), "buy", SENT_MS + 5, dec("0.0008"), "base", OURS, "@107", crossed=False)


def judge(by_clock: bool = True, **changed: Any) -> str | None:
    return find_contradiction(replace(TRUE, **changed), ORDER, by_clock=by_clock)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"size": dec(5)},
        {"price": dec("20.0600")},
        {"time_ms": SENT_MS - TOLERANCE_MS},
        {"cloid": None},
        {"cloid": OURS.upper().replace("X", "x")},
        {"crossed": None},
        {"fee": dec("-0.0001"), "fee_token": "quote"},
        {"fee": dec("0.02")},
        {"fee": dec(100), "fee_token": "PURR"},
    ],
)
def test_r14_a_fill_that_fits_its_order_contradicts_nothing(changed: dict[str, Any]) -> None:
    assert judge(**changed) is None


@pytest.mark.parametrize(
    "changed, why",
    [
        ({"side": "sell"}, "its side is sell, that of the order buy"),
        ({"size": dec("5.01")}, "its size is 5.01, and 5 is left of the order"),
        ({"price": dec("20.05")}, "its price is 20.05, that of the order 20.06"),
        ({"price": dec("20.07")}, "its price is 20.07, that of the order 20.06"),
        ({"time_ms": SENT_MS - TOLERANCE_MS - 1}, f"before the order was sent ({SENT_MS})"),
        ({"cloid": THEIRS}, "its cloid is"),
        ({"crossed": True}, "the order is post-only"),
        ({"fee": dec("0.021")}, "its fee is 0.021 of 2 base received"),
        ({"fee": dec("-0.5"), "fee_token": "quote"}, "its fee is -0.5 of 40.12 quote received"),
    ],
)
def test_r14_a_fill_that_cannot_be_is_named_with_its_reason(changed: dict[str, Any], why: str) -> None:
    assert why in str(judge(**changed))


def test_r14_a_history_is_believed_over_this_machine_s_clock() -> None:
    assert judge(by_clock=False, time_ms=SENT_MS - 10**9) is None


def test_r14_an_order_of_unknown_beginning_is_judged_by_what_is_known() -> None:
    unknown = replace(ORDER, expires_ms=None, is_sized=False, cloid=None)

    assert find_contradiction(replace(TRUE, size=dec(50), time_ms=5), unknown, by_clock=True) is None
    assert find_contradiction(replace(TRUE, side="sell"), unknown, by_clock=True) is not None


@pytest.mark.parametrize("changed", [{"side": "sell"}, {"price": dec(21)}, {"size": dec(6)}, {"time_ms": 5}])
def test_r14_a_fill_does_not_prove_an_order_in_flight_that_it_contradicts(changed: dict[str, Any]) -> None:
    quote, expires_ms = desired("buy", 1, 5, "20.06"), SENT_MS + LIFE_MS

    assert find_misfit_of_sent(TRUE, quote, expires_ms=expires_ms) is None
    assert find_misfit_of_sent(replace(TRUE, **changed), quote, expires_ms=expires_ms) is not None


@pytest.mark.parametrize("ahead_ms, is_fault", [(0, False), (TOLERANCE_MS, False), (TOLERANCE_MS + 1, True)])
def test_r14_a_time_to_come_is_a_fault(ahead_ms: int, is_fault: bool) -> None:
    found = find_time_fault(replace(TRUE, time_ms=SENT_MS + ahead_ms), now_ms=SENT_MS)

    assert (found is not None) is is_fault


def test_the_life_of_an_order_is_that_of_the_emitter() -> None:
    assert Decimal(LIFE_MS) == Decimal(EXPIRY_S) * 1000
