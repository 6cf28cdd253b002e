"""Rows of userNonFundingLedgerUpdates: which of them move our two tokens, and by how much."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders import dec

from mm_trio.funds.movements import FundEvent
from mm_trio.messages.fund_updates import FundUpdates, parse_fund_updates
from mm_trio.model.errors import ProtocolError
from mm_trio.model.journal_entries import MoveKind
from mm_trio.model.market import Market, Token

US, OTHER, THIRD = ("0x" + digits * 20 for digits in ("a1", "b2", "c3"))
MARKET = Market("@107", 10_107, Token(150, "HYPE", 2), Token(0, "USDC", 8), {"@107": (150, 0)})
RECORDED = Path(__file__).parents[2] / "data" / "made_up" / "hyperliquid" / "rest"


def row(delta: dict[str, Any], *, time: Any = 1000, reference: str = "0xab") -> dict[str, Any]:
    return {"time": time, "hash": reference, "delta": delta}


def spot(token: str, amount: str, *, user: str = US, destination: str = OTHER, **more: Any) -> dict[str, Any]:
    delta = {"type": "spotTransfer", "token": token, "amount": amount, "user": user, "destination": destination}
    return {**delta, "usdcValue": "1.0", "fee": "0.0", "nativeTokenFee": "0.0", "nonce": None, "feeToken": "", **more}


def parse(*rows: Any) -> FundUpdates:
    return parse_fund_updates(list(rows), MARKET, address=US)


def moved(event: FundEvent) -> tuple[str, str, str]:
    return f"{event.move.token:f}", f"{event.move.usdc:f}", event.move.kind


@pytest.mark.parametrize(
    "delta, told",
    [
        ({"type": "deposit", "usdc": "500.5"}, ("0", "500.5", "deposit")),
        ({"type": "withdraw", "usdc": "12.0", "nonce": 7, "fee": "1.0"}, ("0", "-13.0", "withdrawal")),
        ({"type": "accountClassTransfer", "usdc": "3.5", "toPerp": True}, ("0", "-3.5", "transfer")),
        ({"type": "accountClassTransfer", "usdc": "3.5", "toPerp": False}, ("0", "3.5", "transfer")),
        (spot("HYPE", "2.0"), ("-2.0", "0.0", "transfer")),
        (spot("HYPE", "2.0", user=OTHER, destination=US, fee="1.0"), ("2.0", "0", "transfer")),
        (spot("HYPE", "2.0", fee="1.0"), ("-2.0", "-1.0", "transfer")),
        (spot("USDC", "2.0", fee="1.0"), ("0", "-3.0", "transfer")),
        (spot("PURR", "2.0", fee="0.5", feeToken="HYPE"), ("-0.5", "0", "transfer")),
        (spot("HYPE", "2.0", user=US.upper().replace("X", "x")), ("-2.0", "0.0", "transfer")),
        ({"type": "internalTransfer", "usdc": "4.0", "user": OTHER, "destination": US}, ("0", "4.0", "transfer")),
    ],
)
def test_a_row_moves_our_tokens_by_its_direction(delta: dict[str, Any], told: tuple[str, str, str]) -> None:
    (event,) = parse(row(delta)).events

    assert moved(event) == told
    assert (event.move.time_ms, event.move.ref) == (1000, "0xab")


@pytest.mark.parametrize(
    "delta, is_certain",
    [
        ({"type": "deposit", "usdc": "1"}, False),
        ({"type": "withdraw", "usdc": "1", "fee": "0"}, False),
        ({"type": "accountClassTransfer", "usdc": "1", "toPerp": True}, True),
        (spot("HYPE", "1"), True),
    ],
)
def test_what_may_have_moved_the_margin_alone_is_not_certain(delta: dict[str, Any], is_certain: bool) -> None:
    (event,) = parse(row(delta)).events

    assert event.is_certain is is_certain


def test_a_row_of_another_token_tells_nothing() -> None:
    assert parse(row(spot("PURR", "5.0"))).events == ()


def test_a_type_that_is_not_known_is_named_and_not_guessed() -> None:
    told = parse(row({"type": "vaultDeposit", "usdc": "5", "vault": OTHER}), row({"type": "deposit", "usdc": "1"}))

    assert told.unknown == ("vaultDeposit",)
    assert [event.move.kind for event in told.events] == [MoveKind.DEPOSIT]


@pytest.mark.parametrize(
    "bad",
    [
        row({"type": "deposit", "usdc": "-1"}),
        row({"type": "deposit", "usdc": "many"}),
        row({"type": "deposit", "usdc": "NaN"}),
        row({"type": "deposit"}),
        row({"type": "accountClassTransfer", "usdc": "1", "toPerp": "yes"}),
        row({"type": 7}),
        row(spot("HYPE", "1", user=OTHER, destination=THIRD)),
        row(spot("HYPE", "1", fee="-1")),
        row({**spot("HYPE", "1"), "user": None}),
        row({"type": "deposit", "usdc": "1"}, time="now"),
        {"time": 1, "hash": "0xab"},
        "deposit",
        None,
    ],
)
def test_a_row_that_cannot_be_read_spoils_no_other(bad: Any) -> None:
    told = parse(bad, row({"type": "deposit", "usdc": "1"}))

    assert (len(told.bad), len(told.events), told.n_rows) == (1, 1, 2)


def test_an_answer_that_is_not_a_list_is_an_error() -> None:
    with pytest.raises(ProtocolError):
        parse_fund_updates({"rows": []}, MARKET, address=US)


def test_two_movements_of_one_action_are_two_events() -> None:
    events = parse(row(spot("HYPE", "1")), row(spot("HYPE", "2"))).events

    assert [event.move.ref for event in events] == ["0xab", "0xab:2"]


def test_rows_without_a_hash_are_told_apart_by_their_time() -> None:
    none = "0x" + "00" * 32
    events = parse(
        row({"type": "deposit", "usdc": "1"}, time=1000, reference=none),
        row({"type": "deposit", "usdc": "1"}, time=2000, reference=none),
    ).events

    assert [event.move.ref for event in events] == [f"{none}:1000", f"{none}:2000"]


def test_every_digit_of_a_long_amount_is_kept() -> None:
    (event,) = parse(row(spot("HYPE", "12345678901234567890.123456789012345678"))).events

    assert event.move.token == dec("-12345678901234567890.123456789012345678")


def test_a_recorded_answer_is_read_whole() -> None:
    raw = json.loads((RECORDED / "sdk_user_non_funding_ledger_updates_without_end_time.json").read_text())

    told = parse_fund_updates(raw, MARKET, address=raw[2]["delta"]["user"])

    assert [event.move.kind for event in told.events] == ["deposit", "transfer", "transfer", "transfer", "deposit"]
    assert told.events[2].move.usdc == dec("-30.3")
    assert (told.bad, told.unknown, told.last_ms) == ((), (), 1729964084052)
