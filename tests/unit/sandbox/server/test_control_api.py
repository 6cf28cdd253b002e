"""Control room: its token, its answers, changes and refusals."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.clock import Clock, SteppedClock, WallClock
from mm_trio.sandbox.faults.dice import FaultDice, FaultPlan
from mm_trio.sandbox.faults.hub import FaultHub
from mm_trio.sandbox.faults.kinds import FaultKind
from mm_trio.sandbox.faults.world import FaultTarget, WorldFaults
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Deposit, NewOrder, PlaceOrders, ScheduleCancel
from mm_trio.sandbox.model.limits import Limits
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS
from mm_trio.sandbox.server.control_api import ControlRoom

TOKEN = "a-token"
MAKER, TAKER = "0x" + "a1" * 20, "0x" + "b2" * 20
START_MS = 1_700_000_000_000
PAIR = DEFAULT_MARKETS.pair("@107")
FREE = Limits(schedule_volume=None)


def make_room(clock: Clock | None = None, **options: Any) -> ControlRoom:
    clock = clock or SteppedClock(START_MS)
    gateway = Gateway(Exchange(limits=FREE), now_ms=clock.now_ms)
    for address in (MAKER, TAKER):
        for token, amount in ((0, 100_000), (150, 1_000)):
            gateway.apply(Deposit(address, token, Decimal(amount)))
    world = WorldFaults(gateway, Auth(lambda address: True), clock, Random(1), pairs=[PAIR])
    faults = FaultHub(FaultDice(FaultPlan(), Random(1)), clock, world, targets=[FaultTarget(MAKER)])
    return ControlRoom(gateway=gateway, clock=clock, faults=faults, token=TOKEN, pairs=[PAIR], taker=TAKER, **options)


def offer(room: ControlRoom, price: str, size: str) -> None:
    order = NewOrder(PAIR.asset, False, Decimal(price), Decimal(size), "Alo")
    room.gateway.apply(PlaceOrders(MAKER, (order,)))


def ask(
    room: ControlRoom, verb: str, request: object = None, *, token: str = TOKEN, method: str | None = None
) -> tuple[int, Any]:
    body = b"" if request is None else json.dumps(request).encode()
    how = method or ("GET" if request is None else "POST")
    answer = room.answer(how, f"/sandbox/{verb}", f"Bearer {token}", body)
    return answer.status, json.loads(answer.body)


def error(answer: tuple[int, Any], status: int) -> str:
    assert answer[0] == status, answer
    assert set(answer[1]) == {"error"}
    return str(answer[1]["error"])


# --- Token and routes ---


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Bearer x", f"bearer {TOKEN}", TOKEN, "Bearer tökén"]
)
@pytest.mark.parametrize("path", ["/sandbox/state", "/sandbox/nothing"])
def test_nobody_enters_without_the_token(authorization: str, path: str) -> None:
    answer = make_room().answer("GET", path, authorization, b"")

    assert answer.status == 403
    assert TOKEN not in answer.body.decode()


def test_who_has_no_token_may_ask_which_exchange_this_is() -> None:
    room = make_room()

    assert ask(room, "instance", token="") == (200, {"instance": room.instance})
    assert len(room.instance) == 16


def test_two_exchanges_of_one_seed_have_two_names() -> None:
    assert make_room().instance != make_room().instance


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD"])
def test_the_name_of_an_exchange_cannot_be_changed(method: str) -> None:
    assert ask(make_room(), "instance", {"instance": "mine"}, token="", method=method)[0] == 403


def test_the_token_is_not_in_its_repr() -> None:
    assert TOKEN not in repr(make_room())


def test_an_unknown_path_names_the_known_ones() -> None:
    assert "/sandbox/state" in error(ask(make_room(), "nothing"), 404)


@pytest.mark.parametrize("verb, method", [("state", "POST"), ("fund", "GET"), ("faults", "PUT")])
def test_another_method_is_405(verb: str, method: str) -> None:
    assert "needs the method" in error(ask(make_room(), verb, {}, method=method), 405)


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[]", b"3", b"[" * 100_000])
def test_what_is_no_json_object_is_400(body: bytes) -> None:
    answer = make_room().answer("POST", "/sandbox/fund", f"Bearer {TOKEN}", body)

    assert answer.status == 400


# --- Margin ---


def test_what_is_held_elsewhere_is_set_and_shown() -> None:
    room = make_room()

    answer = ask(room, "hold", {"account": MAKER, "token": "HYPE", "amount": "7"})

    assert answer == (200, {"account": MAKER, "token": "HYPE", "held_elsewhere": "7"})
    assert ask(room, "state")[1]["accounts"][MAKER]["held_elsewhere"] == {"HYPE": "7"}


def test_less_than_nothing_cannot_be_held() -> None:
    answer = ask(make_room(), "hold", {"account": MAKER, "token": "HYPE", "amount": "-7"})

    assert "0 or above" in error(answer, 422)


# --- State ---


def test_the_state_shows_books_accounts_clock_and_faults() -> None:
    room = make_room()
    offer(room, "20.5", "3")
    ask(room, "take", {"side": "buy", "sz": "1"})

    status, state = ask(room, "state")

    assert status == 200
    assert state["clock"] == {"now_ms": START_MS, "stepped": True, "next_due_ms": None}
    assert state["books"]["@107"] == {"bids": [], "asks": [{"px": "20.5", "sz": "2", "n": 1}], "last_px": "20.5"}
    maker = state["accounts"][MAKER]
    assert maker["balances"]["HYPE"] == {"total": "999", "hold": "2"}
    assert [(row["side"], row["px"], row["sz"]) for row in maker["open_orders"]] == [("sell", "20.5", "2")]
    assert [(row["side"], row["sz"], row["crossed"]) for row in maker["fills"]] == [("sell", "1", False)]
    assert state["faults"] == {"rates": {}, "struck": {}}


# --- Faults ---


def test_rates_are_set_and_told() -> None:
    room = make_room()

    status, told = ask(room, "faults", {"rates": {"answer_lost": 0.5, "deposit": 0}})

    assert (status, told) == (200, {"rates": {"answer_lost": 0.5}, "struck": {}})


def test_a_strike_happens_now_or_waits_for_the_next_chance() -> None:
    room = make_room()

    _, deposit = ask(room, "faults", {"strike": "deposit", "count": 2, "amount": "7"})
    _, lost = ask(room, "faults", {"strike": "answer_lost"})

    assert deposit["struck_now"] == 2
    assert room.gateway.exchange.account(MAKER).total(0) == 100_014
    assert lost["struck_now"] == 0
    assert room.faults.dice.strikes(FaultKind.ANSWER_LOST) is not None


def test_rules_of_a_plan_can_be_added() -> None:
    clock = SteppedClock(START_MS)
    room = make_room(clock)

    ask(room, "faults", {"rules": [{"kind": "deposit", "at_s": 5, "amount": 7}]})
    clock.step_to(START_MS + 6000)

    assert room.gateway.exchange.account(MAKER).total(0) == 100_007


@pytest.mark.parametrize(
    "request_, told",
    [
        ({"rates": {"answer_lots": 0.5}}, "did you mean 'answer_lost'?"),
        ({"rates": {"answer_lost": 5}}, "rate must be from 0 to 1"),
        ({"rates": []}, "rates must be an object"),
        ({"rules": [{"kind": "deposit"}]}, "needs exactly one of rate, nth and at_s"),
        ({"strike": "all"}, "unknown fault 'all'"),
        ({"strike": "deposit", "count": 0}, "count must be a whole number from 1"),
        ({"strike": "deposit", "count": True}, "count must be a whole number from 1"),
        ({"strike": "deposit", "amount": -1}, "amount must be above 0"),
        ({"strik": "deposit"}, "unknown key 'strik'"),
    ],
)
def test_wrong_faults_are_told_and_change_nothing(request_: Any, told: str) -> None:
    room = make_room()

    assert told in error(ask(room, "faults", {"rates": {"deposit": 1}} | request_), 422)
    assert room.faults.dice.rates() == {}


# --- Funds, time, takers, history ---


def test_funds_are_paid_in_and_taken_away() -> None:
    room = make_room()
    stranger = "0x" + "C3" * 20

    assert ask(room, "fund", {"account": stranger, "token": "HYPE", "amount": "2.5"})[0] == 200
    status, told = ask(room, "fund", {"account": stranger, "token": 150, "amount": "-1"})

    assert (status, told) == (200, {"account": stranger.lower(), "token": "HYPE", "total": "1.5"})


@pytest.mark.parametrize(
    "change, told",
    [
        ({"account": "0x12"}, "account must be 0x and 40 hex digits"),
        ({"token": "NOPE"}, "unknown token 'NOPE'"),
        ({"token": True}, "unknown token True"),
        ({"amount": "many"}, "amount must be a number, got 'many'"),
        ({"amount": "NaN"}, "amount must be a number"),
        ({"amount": "1e99"}, "amount must be a number"),
        ({"amount": None}, "amount must be a number"),
        ({"amount": 0}, "amount must be above 0 to deposit or below 0 to withdraw, got 0"),
        ({"amount": "-1000000"}, ""),
        ({"more": 1}, "unknown key 'more'"),
    ],
)
def test_wrong_funds_are_told(change: dict[str, Any], told: str) -> None:
    room = make_room()

    assert told in error(ask(room, "fund", {"account": MAKER, "token": "USDC", "amount": 5} | change), 422)
    assert room.gateway.exchange.account(MAKER).total(0) == 100_000


def test_a_step_lets_time_pass_and_keeps_what_is_due() -> None:
    room = make_room()
    offer(room, "20.5", "3")
    room.gateway.apply(ScheduleCancel(MAKER, START_MS + 6000))
    called: list[int] = []
    room.clock.call_in(2.0, lambda: called.append(room.clock.now_ms()))

    assert ask(room, "step", {"ms": 5999}) == (200, {"now_ms": START_MS + 5999, "n_kept": 1})
    assert called == [START_MS + 2000]
    assert len(room.gateway.exchange.open_orders(MAKER)) == 1
    ask(room, "step", {"to_ms": START_MS + 6000})

    assert room.gateway.exchange.open_orders(MAKER) == ()


@pytest.mark.parametrize(
    "request_, told",
    [
        ({}, "needs exactly one key, ms or to_ms"),
        ({"ms": 1, "to_ms": 2}, "needs exactly one key, ms or to_ms"),
        ({"seconds": 1}, "needs exactly one key, ms or to_ms"),
        ({"ms": "1"}, "ms must be a whole number"),
        ({"ms": -1}, "steps forward by a day at most"),
        ({"to_ms": 5}, "steps forward by a day at most"),
        ({"ms": 10**15}, "steps forward by a day at most"),
    ],
)
def test_a_wrong_step_is_told(request_: Any, told: str) -> None:
    assert told in error(ask(make_room(), "step", request_), 422)


def test_time_that_goes_by_itself_is_not_stepped() -> None:
    assert "--stepped" in error(ask(make_room(WallClock()), "step", {"ms": 1}), 409)


def test_a_taker_takes_what_is_there() -> None:
    room = make_room()
    offer(room, "20.5", "3")
    offer(room, "21", "3")

    status, told = ask(room, "take", {"side": "buy", "sz": "4", "coin": "HYPE/USDC"})

    assert (status, told["filled"], told["avg_px"]) == (200, "4", "20.625")
    assert ask(room, "take", {"side": "buy", "sz": "9", "px": "21"})[1]["filled"] == "2"


@pytest.mark.parametrize(
    "change, told",
    [
        ({"side": "long"}, "side must be buy or sell, got 'long'"),
        ({"coin": "NOPE"}, "unknown coin 'NOPE'"),
        ({"sz": "0.001"}, "Order has invalid size."),
        ({"sz": 0}, "Order has zero size."),
        ({"side": "sell"}, "no open bids for @107 to trade with"),
        ({"px": "19"}, "Order could not immediately match"),
        ({"account": "0x" + "d4" * 20}, "Must deposit before performing actions."),
    ],
)
def test_a_wrong_taker_is_told_in_the_venues_words(change: dict[str, Any], told: str) -> None:
    room = make_room()
    offer(room, "20.5", "3")

    assert told in error(ask(room, "take", {"side": "buy", "sz": "1"} | change), 422)


def test_the_history_is_saved_where_there_is_one(tmp_path: Path) -> None:
    def fail() -> str:
        raise OSError("no space left")

    assert ask(make_room(save_history=lambda: "here"), "history", {}) == (200, {"saved": "here"})
    assert "--save-history" in error(ask(make_room(), "history", {}), 409)
    assert "no space left" in error(ask(make_room(save_history=fail), "history", {}), 500)
