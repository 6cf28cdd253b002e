"""Answers to an action: one for each item, whatever came back, and never a guess."""

from __future__ import annotations

from typing import Any

import pytest

from mm_trio.model.replies import Cancelled, Filled, Refusal, Refused, Resting, Unknown
from mm_trio.venue.action_answers import parse_answers

TEXTS: list[tuple[str, Refusal]] = [
    ("Post only order would have immediately matched, bbo was 20@20.06. asset=10107", Refusal.WOULD_CROSS),
    ("Order was never placed, already canceled, or filled. asset=4", Refusal.GONE),
    ("Cannot modify canceled or filled order", Refusal.GONE),
    ("Insufficient spot balance asset=10000", Refusal.BALANCE),
    ("Order has insufficient spot balance to trade", Refusal.BALANCE),
    ("Order must have minimum value of 10 USDC. asset=10000", Refusal.MIN_NOTIONAL),
    ("Price must be divisible by tick size. asset=10107", Refusal.TICK_OR_LOT),
    ("Order has invalid price.", Refusal.TICK_OR_LOT),
    ("Order has invalid size.", Refusal.TICK_OR_LOT),
    ("Order has zero size.", Refusal.TICK_OR_LOT),
    ("Order has zero price.", Refusal.TICK_OR_LOT),
    ("Order price cannot be more than 80% away from the reference price", Refusal.PRICE_BAND),
    ("Too many cumulative requests sent (10009 > 10005) for cumulative volume traded $6.50.", Refusal.BUDGET),
    ("Action already expired", Refusal.EXPIRED),
    ("Invalid nonce: duplicate nonce 1800000000000", Refusal.NONCE),
    ("User or API Wallet 0xabc does not exist.", Refusal.SIGNER),
    ("Must deposit before performing actions. User: 0xabc", Refusal.SIGNER),
    ("Unable to recover signer.", Refusal.SIGNER),
    ("Vault not registered: 0xdead", Refusal.SIGNER),
    ("Signed action over weight limit of 200.", Refusal.TOO_MANY),
    ("Too many open orders", Refusal.OPEN_ORDERS),
    ("User has pending agent removal", Refusal.SIGNER),
    ("Extra agent already used.", Refusal.SIGNER),
    ("Too many extra agents for cumulative volume traded. Current limit is 3", Refusal.SIGNER),
    ("Nonce mismatch.", Refusal.NONCE),
    ("Builder fee has not been approved.", Refusal.BUILDER_FEE),
    ("Only post-only orders allowed immediately after network upgrade", Refusal.UPGRADE),
    ("Trading is halted.", Refusal.HALTED),
    ("Invalid spot", Refusal.ASSET),
    ("Order action has different asset classes", Refusal.FORM),
    ("Orders are empty.", Refusal.FORM),
    ("Placing trigger orders is not enabled on spot trading yet.", Refusal.FORM),
    ("Reduce-only is invalid for spot trading.", Refusal.FORM),
    ("Invalid TIF", Refusal.FORM),
    ("Attempted to modify to invalid new order", Refusal.FORM),
    ("Order value too large. Max is $5000000.", Refusal.TOO_LARGE),
    ("Order size cannot be larger than half of total supply", Refusal.TOO_LARGE),
    ("Order could not immediately match against any resting orders. asset=10000", Refusal.OTHER),
]
BEFORE_ANYTHING = {
    Refusal.BUDGET,
    Refusal.EXPIRED,
    Refusal.NONCE,
    Refusal.SIGNER,
    Refusal.TOO_MANY,
    Refusal.OPEN_ORDERS,
    Refusal.HALTED,
    Refusal.UPGRADE,
    Refusal.ASSET,
    Refusal.BUILDER_FEE,
}
# The texts that refuse a whole batch, of kinds that have others as well.
WHOLE_BATCH = {Refusal.TICK_OR_LOT, Refusal.PRICE_BAND}
WHOLE_TEXTS = ("asset classes", "are empty", "trigger orders", "half of total supply")
DEFAULT: dict[str, Any] = {"status": "ok", "response": {"type": "default"}}


def ok(*statuses: Any) -> dict[str, Any]:
    return {"status": "ok", "response": {"type": "order", "data": {"statuses": list(statuses)}}}


def is_of_the_whole(text: str, refusal: Refusal) -> bool:
    return refusal in WHOLE_BATCH or any(words in text for words in WHOLE_TEXTS)


def test_every_kind_of_refusal_has_a_text() -> None:
    assert {refusal for _, refusal in TEXTS} == set(Refusal) - {
        Refusal.NOT_SENT,
        Refusal.LIMIT,
    }  # ours, not the venue's


@pytest.mark.parametrize("text, refusal", TEXTS)
def test_a_text_of_one_item_is_recognised_and_kept(text: str, refusal: Refusal) -> None:
    assert parse_answers(ok({"error": text}), 1) == (Refused(refusal, text, untouched=is_of_the_whole(text, refusal)),)


@pytest.mark.parametrize("text, refusal", TEXTS)
def test_a_top_level_error_is_a_refusal_only_if_it_is_said_before_anything_is_done(text: str, refusal: Refusal) -> None:
    """The peer takes any such error on a cancel for "they were filled", and forgets every order."""
    answers = parse_answers({"status": "err", "response": text}, 3)

    if refusal in BEFORE_ANYTHING:
        assert answers == (Refused(refusal, text, untouched=True),) * 3
    else:
        assert [type(answer) for answer in answers] == [Unknown] * 3


def test_each_item_has_its_own_answer_in_order() -> None:
    filled = {"filled": {"totalSz": "12.0", "avgPx": "0.3", "oid": 8}}

    answers = parse_answers(ok({"resting": {"oid": 7, "cloid": "0x1"}}, filled, {"error": TEXTS[0][0]}, "success"), 4)

    assert answers == (Resting(7), Filled(8), Refused(Refusal.WOULD_CROSS, TEXTS[0][0]), Cancelled())


@pytest.mark.parametrize("text, refusal", TEXTS)
def test_a_lone_error_of_the_payload_means_every_item_and_any_other_the_first_alone(
    text: str, refusal: Refusal
) -> None:
    answers = parse_answers(ok({"error": text}), 3)

    if is_of_the_whole(text, refusal):
        assert answers == (Refused(refusal, text, untouched=True),) * 3
    else:
        assert answers[0] == Refused(refusal, text)
        assert [type(answer) for answer in answers[1:]] == [Unknown, Unknown]


def test_a_list_shorter_than_the_batch_leaves_the_rest_unknown() -> None:
    answers = parse_answers(ok({"resting": {"oid": 7}}, {"resting": {"oid": 8}}), 4)

    assert answers[:2] == (Resting(7), Resting(8))
    assert [type(answer) for answer in answers[2:]] == [Unknown, Unknown]


def test_a_lone_good_status_for_a_batch_is_the_first_ones_alone() -> None:
    assert [type(answer) for answer in parse_answers(ok("success"), 2)] == [Cancelled, Unknown]


def test_of_a_list_longer_than_the_batch_nobody_can_say_whose_is_which() -> None:
    assert [type(answer) for answer in parse_answers(ok("success", "success", "success"), 2)] == [Unknown, Unknown]


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "null",
        [],
        {},
        DEFAULT,
        {"error": "Could not parse JSON: <html>"},
        {"status": "ok"},
        {"status": "ok", "response": {"data": None}},
        {"status": "ok", "response": {"data": {"statuses": []}}},
        {"status": "ok", "response": {"data": {"statuses": "success"}}},
        {"status": "err", "response": None},
        {"status": "err", "response": {"type": "order"}},
        {"status": "later", "response": {"data": {"statuses": ["success"]}}},
        ok("waitingForFill"),
        ok("waitingForTrigger"),
        ok(None),
        ok({"resting": {}}),
        ok({"resting": {"oid": "7"}}),
        ok({"resting": {"oid": True}}),
        ok({"resting": None}),
        ok({"filled": {"oid": 7}}),
        ok({"filled": {"oid": 7, "totalSz": "much"}}),
        ok({"somethingNew": {"oid": 7}}),
    ],
)
def test_what_cannot_be_read_is_unknown_for_every_item(raw: Any) -> None:
    assert [type(answer) for answer in parse_answers(raw, 2)] == [Unknown, Unknown]
