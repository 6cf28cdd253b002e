"""Equivalent and different forms of one action.

They go through the HTTP handler with real signatures.
"""

from __future__ import annotations

from typing import Any

import pytest
from sdk_client_kit import NOW_MS, OTHER, UNREADABLE, WALLET, World, address_of, order, place, statuses

from mm_trio.sandbox.api.action_parser import OTHER_L1_ACTIONS, OTHER_USER_ACTIONS, parse_action
from mm_trio.sandbox.api.canonical import canonical_action
from mm_trio.sandbox.model.commands import CancelByCloid, CancelByOid, ModifyOrders, PlaceOrders, ReserveRequestWeight

CLOID = "0x00000000000000000000000000000abc"
BUILDER = "0x" + "ab" * 20


def is_accepted(answer: dict[str, Any]) -> bool:
    if answer["status"] == "err":
        assert "does not exist" in answer["response"]
    return bool(answer["status"] == "ok")


def turned(value: Any) -> Any:
    """Reverse the order of keys in every object."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return [turned(each) for each in value] if isinstance(value, list) else value


SIGNED = place(order("20.5", "1", c=CLOID))


@pytest.mark.parametrize(
    "sent",
    [
        turned(SIGNED),
        place(order("20.50", "1.000000000", c=CLOID)),
        place(order("020.5", "1.", c=CLOID) | {"s": "1.0"}),
        place(order("20.5", "1", c=CLOID.upper().replace("0X", "0x"))),
        place(order("20.5", "1", c=CLOID, note="mine")),
        {key: value for key, value in SIGNED.items() if key != "grouping"},
        place({key: value for key, value in order("20.5", "1", c=CLOID).items() if key != "r"}),
        SIGNED | {"builder": None},
    ],
    ids=["keys turned", "zeros behind", "zeros before", "upper case", "unknown field", "no grouping", "no r", "null"],
)
def test_another_form_of_the_same_action_recovers_the_same_signer(sent: dict[str, Any]) -> None:
    (status,) = statuses(World().act(SIGNED, sent=sent))

    assert status["resting"]["cloid"] == CLOID


@pytest.mark.parametrize(
    "sent",
    [
        place(order("20.6", "1", c=CLOID)),
        place(order("20.5", "1")),
        place(order("20.5", "1", c=CLOID), order("20.5", "1")),
        place(order("20.5", "1", tif="Gtc", c=CLOID)),
        place(order("20.5", "1", c=CLOID), builder={"b": BUILDER, "f": 1}),
        place(order("20.5", "1", c=CLOID), grouping="normalTpsl"),
    ],
    ids=["price", "cloid", "one more", "tif", "builder", "grouping"],
)
def test_another_action_recovers_somebody_else(sent: dict[str, Any]) -> None:
    assert not is_accepted(World().act(SIGNED, sent=sent))


@pytest.mark.parametrize("kind, rows, flag", [("cancel", "cancels", "f"), ("batchModify", "modifies", "a")])
def test_a_flag_that_is_false_is_the_same_as_one_left_out_and_must_not_be_signed(
    kind: str, rows: str, flag: str
) -> None:
    without = {"type": kind, rows: []}
    world = World()

    assert is_accepted(world.act(without, sent=without | {flag: False}))
    assert not is_accepted(world.act(without | {flag: False}))
    assert is_accepted(world.act(without | {flag: True}))
    assert not is_accepted(world.act(without, sent=without | {flag: True}))


def test_flags_reach_the_command() -> None:
    cancels = [{"a": 10107, "o": 5}]
    by_cloid = [{"asset": 10107, "cloid": CLOID}]
    modifies = [{"oid": CLOID, "order": order()}]

    def parse(action: dict[str, Any]) -> Any:
        return parse_action("0x", action, expires_after=None)

    assert parse({"type": "cancel", "cancels": cancels, "f": True}) == CancelByOid("0x", ((10107, 5),), fast=True)
    assert parse({"type": "cancel", "cancels": cancels, "f": False}) == CancelByOid("0x", ((10107, 5),))
    fast = CancelByCloid("0x", ((10107, CLOID),), fast=True)
    assert parse({"type": "cancelByCloid", "cancels": by_cloid, "f": True}) == fast
    batch = parse({"type": "batchModify", "modifies": modifies, "a": True})
    single = parse({"type": "modify", "oid": 5, "order": order(), "a": True})
    assert isinstance(batch, ModifyOrders)
    assert (batch.always_place, batch.single, batch.modifies[0][0]) == (True, False, CLOID)
    assert isinstance(single, ModifyOrders)
    assert (single.always_place, single.single, single.modifies[0][0]) == (True, True, 5)
    assert not parse({"type": "modify", "oid": 5, "order": order()}).always_place
    reserve = {"type": "reserveRequestWeight", "weight": 7, "destination": BUILDER.upper().replace("0X", "0x")}
    assert parse(reserve) == ReserveRequestWeight("0x", 7, BUILDER)
    assert parse({"type": "reserveRequestWeight", "weight": 7}) == ReserveRequestWeight("0x", 7)


@pytest.mark.parametrize("grouping", ["na", "normalTpsl", "positionTpsl", {"p": 3}])
def test_every_grouping_and_a_builder_are_read_and_change_no_order(grouping: Any) -> None:
    action = place(order(), grouping=grouping, builder={"b": BUILDER, "f": 10})

    assert parse_action("0x", action, expires_after=None) == parse_action("0x", place(order()), expires_after=None)
    assert isinstance(parse_action("0x", action, expires_after=None), PlaceOrders)
    assert is_accepted(World().act(action))


def test_a_trigger_is_read_and_refused_by_the_exchange() -> None:
    trigger = {"trigger": {"isMarket": True, "triggerPx": "103", "tpsl": "sl"}}
    (status,) = statuses(World().act(place(order() | {"t": trigger})))

    assert status == {"error": "Placing trigger orders is not enabled on spot trading yet."}


@pytest.mark.parametrize(
    "text, form", [("20", "20"), ("20.00", "20"), ("020.10", "20.1"), ("0", "0"), ("00.0", "0"), ("0.00000001",) * 2]
)
def test_a_decimal_has_one_form(text: str, form: str) -> None:
    (row,) = canonical_action(place(order(text)))["orders"]

    assert row["p"] == form


def test_an_order_is_modified_and_cancelled_by_its_cloid() -> None:
    world = World()
    world.act(place(order("20", "1", c=CLOID)))
    (modified,) = statuses(
        world.act({"type": "batchModify", "modifies": [{"oid": CLOID, "order": order("21", c=CLOID)}]})
    )
    single = world.act({"type": "modify", "oid": modified["resting"]["oid"], "order": order("22", c=CLOID)})
    (left,) = world.ask("frontendOpenOrders", user=WALLET.address, dex="")
    cancelled = world.act({"type": "cancelByCloid", "cancels": [{"asset": 10107, "cloid": CLOID}], "f": True})

    assert single == {"status": "ok", "response": {"type": "default"}}
    assert (left["limitPx"], left["cloid"], left["tif"]) == ("22.0", CLOID, "Alo")
    assert statuses(cancelled) == ["success"]
    assert world.ask("orderStatus", user=WALLET.address, oid=CLOID)["order"]["status"] == "canceled"


def test_reserved_requests_show_as_surplus() -> None:
    world = World()
    answer = world.act({"type": "reserveRequestWeight", "weight": 50})
    limit = world.ask("userRateLimit", user=WALLET.address)

    assert answer == {"status": "ok", "response": {"type": "default"}}
    assert set(limit) == {"cumVlm", "nRequestsUsed", "nRequestsCap", "nRequestsSurplus"}
    assert (limit["nRequestsUsed"], limit["nRequestsSurplus"]) == (0, 49)  # The reserving action itself counts.
    world.act({"type": "reserveRequestWeight", "weight": 5, "destination": OTHER.address.lower()})
    assert world.ask("userRateLimit", user=OTHER.address)["nRequestsSurplus"] == 5


def test_a_stale_action_is_refused_by_name() -> None:
    answer = World().act(place(order()), expires_after=NOW_MS - 1)

    assert answer == {"status": "err", "response": "Action already expired"}


def test_more_than_two_hundred_items_are_refused_whole() -> None:
    world = World()
    answer = world.act(place(*[order(size="0.5")] * 201))

    assert answer == {"status": "err", "response": "Signed action over weight limit of 200."}
    assert world.exchange.open_orders(address_of(WALLET)) == ()


OTHERS = sorted(OTHER_L1_ACTIONS | OTHER_USER_ACTIONS)


@pytest.mark.parametrize("kind", OTHERS)
def test_what_only_the_venue_carries_out_is_an_error_and_no_422(kind: str) -> None:
    answer = World().act({"type": kind, "code": "MINE"})

    assert answer == {"status": "err", "response": f"The sandbox does not carry out {kind}."}


def test_the_signer_of_an_action_that_is_not_carried_out_is_checked() -> None:
    signed = {"type": "setReferrer", "code": "MINE"}

    assert not is_accepted(answer := World().act(signed, sent={"type": "setReferrer", "code": "YOURS"}))
    assert "does not exist" in answer["response"]


@pytest.mark.parametrize("kind", ["noSuchAction", ["setReferrer"], None])
def test_a_type_that_nobody_knows_is_unreadable(kind: object) -> None:
    world = World()
    body = {"action": {"type": kind}, "nonce": NOW_MS, "signature": {"r": "0x1", "s": "0x1", "v": 27}}

    assert world.post("/exchange", body) == UNREADABLE


def test_a_market_order_of_the_web_page_trades_at_once_or_not_at_all() -> None:
    world = World()
    world.act(place(order("20.5", "1")), wallet=OTHER)
    (filled,) = statuses(world.act(place(order("20.5", "1", is_buy=False, tif="FrontendMarket"))))
    (missed,) = statuses(world.act(place(order("20.5", "1", is_buy=False, tif="FrontendMarket"))))

    assert filled["filled"]["totalSz"] == "1.0"
    assert missed["error"].startswith("Order could not immediately match")
    rows = world.ask("historicalOrders", user=WALLET.address)
    told = {(row["order"]["orderType"], row["order"]["tif"], row["status"]) for row in rows}
    assert told == {("Market", "FrontendMarket", "filled"), ("Market", "FrontendMarket", "iocCancelRejected")}
