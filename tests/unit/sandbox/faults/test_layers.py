"""Fault layers around handler and sockets, one by one.

Without a fault they change nothing, and a late answer or frame never reaches the wrong client.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

import pytest

from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.api.http_handler import Answer, HttpHandler
from mm_trio.sandbox.clock import SteppedClock
from mm_trio.sandbox.faults.dice import FaultDice
from mm_trio.sandbox.faults.frames import FrameFaults, Tap, garble_frame
from mm_trio.sandbox.faults.hub import FaultHub
from mm_trio.sandbox.faults.kinds import FaultKind
from mm_trio.sandbox.faults.plan import parse_rules
from mm_trio.sandbox.faults.requests import Delivery, RequestFaults, garble_answer
from mm_trio.sandbox.faults.world import FaultTarget, WorldFaults
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Deposit, ExhaustBudget, NewOrder, PlaceOrders
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS

START_MS = 1_700_000_000_000
OWNER, TAKER = "0x" + "a1" * 20, "0x" + "b2" * 20
PAIR = DEFAULT_MARKETS.pair("@107")
OPEN_ORDERS = json.dumps({"type": "openOrders", "user": OWNER}).encode()
Rule = dict[str, Any]


def make_front(clock: SteppedClock) -> Gateway:
    gateway = Gateway(Exchange(), now_ms=clock.now_ms)
    for address in (OWNER, TAKER):
        for token, amount in ((0, 100_000), (150, 1_000)):
            gateway.apply(Deposit(address, token, Decimal(amount)))
    return gateway


def throw(*rules: Rule, seed: int = 1) -> FaultDice:
    return FaultDice(parse_rules(list(rules)), Random(seed))


# --- Requests ---


@dataclass
class Desk:
    """Faults of requests in front of a real handler, with a count of its calls."""

    dice: FaultDice
    clock: SteppedClock = field(default_factory=lambda: SteppedClock(START_MS))
    asked: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gateway = make_front(self.clock)
        make_handler = partial(HttpHandler, auth=Auth(lambda address: True), now_ms=self.clock.now_ms)
        handler = make_handler(self.gateway)
        self.faults = RequestFaults(
            self.dice, self.clock, gateway=self.gateway, handler=handler, make_handler=make_handler
        )

    def ask(self, path: str, body: bytes) -> Delivery:
        def run(handler: HttpHandler) -> Answer:
            self.asked.append(body)
            return handler.answer("POST", path, "application/json", body)

        return self.faults.answer(path, body, run)


@pytest.mark.parametrize(
    "path, body, status",
    [
        ("/info", OPEN_ORDERS, 200),
        ("/info", b"{", 400),
        ("/exchange", b"{}", 422),
        ("/exchange", b"\xff", 400),
        ("/nowhere", b"{}", 404),
    ],
)
def test_without_a_fault_the_doors_answer_is_delivered_at_once(path: str, body: bytes, status: int) -> None:
    desk = Desk(throw())

    delivery = desk.ask(path, body)

    assert delivery.answer is not None
    assert (delivery.answer.status, delivery.after_s, delivery.hangs) == (status, 0.0, False)
    assert desk.asked == [body]


@pytest.mark.parametrize("body", [b"{}", b"\xff", b"[" * 100_000, b"3", b'{"action":7}'])
def test_what_is_no_action_is_not_disturbed_after_it_was_refused(body: bytes) -> None:
    after = ["answer_lost", "answer_hung", "answer_garbled", "answer_truncated", "error_but_applied"]
    desk = Desk(throw(*({"kind": kind, "rate": 1} for kind in after)))

    delivery = desk.ask("/exchange", body)

    assert delivery.answer is not None
    assert delivery.answer.status in (400, 422)
    assert desk.dice.summary() == {}


@pytest.mark.parametrize("body", [b"{}", b"\xff", b"[" * 100_000, b"3", b'{"action":7}'])
def test_what_is_no_action_can_be_lost_and_described(body: bytes) -> None:
    desk = Desk(throw({"kind": "request_lost", "rate": 1}))

    assert desk.ask("/exchange", body) == Delivery(None)
    assert desk.asked == []


def test_copies_to_answer_from_are_kept_only_while_stale_reads_may_happen() -> None:
    desk = Desk(throw({"kind": "read_stale", "nth": 1}))
    for _ in range(10):
        desk.clock.step_to(desk.clock.now_ms() + 1000)
        desk.faults.on_clock()
    order = NewOrder(PAIR.asset, True, Decimal(20), Decimal(1), "Alo")
    desk.gateway.apply(PlaceOrders(OWNER, (order,)))

    stale, fresh = desk.ask("/info", OPEN_ORDERS), desk.ask("/info", OPEN_ORDERS)

    assert stale.answer is not None
    assert stale.answer.body == b"[]"
    assert fresh.answer is not None
    assert fresh.answer.body != b"[]"
    desk.faults.on_clock()  # The plan is over, so no copy is kept.
    desk.asked.clear()
    desk.ask("/info", OPEN_ORDERS)
    assert len(desk.asked) == 1


@pytest.mark.parametrize("body", [b"{}", b"null", b"", b'{"status":"ok","response":{"type":"default"}}'])
def test_a_garbled_answer_is_never_what_it_was(body: bytes) -> None:
    for seed in range(50):
        assert garble_answer(Answer(200, body), Random(seed)).body != body


def test_a_garbled_frame_is_never_what_it_was() -> None:
    text = '{"channel":"pong"}'

    garbled = {garble_frame(text, Random(seed)) for seed in range(200)}

    assert text not in garbled
    assert len(garbled) > 5


# --- Frames ---


@dataclass
class Wire:
    """Tap, with the frames that came through it."""

    dice: FaultDice
    clock: SteppedClock = field(default_factory=lambda: SteppedClock(START_MS))
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.frames = FrameFaults(self.dice, self.clock)
        self.tap: Tap = self.frames.open_tap(self.texts.append)

    def send(self, *numbers: int) -> list[int]:
        """Send numbered frames; return what has arrived so far."""
        for number in numbers:
            self.tap.send({"channel": "test", "data": number})
        return [json.loads(text)["data"] for text in self.texts]

    def step(self, seconds: float) -> list[int]:
        self.clock.step_to(self.clock.now_ms() + round(seconds * 1000))
        return self.send()


def test_without_a_fault_every_frame_passes_in_order() -> None:
    assert Wire(throw()).send(1, 2, 3) == [1, 2, 3]


def test_a_held_frame_that_nothing_overtakes_comes_late_and_is_no_fault() -> None:
    wire = Wire(throw({"kind": "frame_reordered", "nth": 1, "delay_s": 1}))

    assert wire.send(1) == []
    assert wire.step(1) == [1]
    assert wire.send(2) == [1, 2]
    assert wire.dice.summary() == {}


def test_of_many_reordered_frames_none_is_lost() -> None:
    wire = Wire(throw({"kind": "frame_reordered", "rate": 0.5, "delay_s": 1}))

    wire.send(*range(100))
    arrived = wire.step(1)

    assert sorted(arrived) == list(range(100))
    assert arrived != list(range(100))
    assert max(abs(place - number) for place, number in enumerate(arrived)) == 1


def test_a_late_frame_of_a_socket_that_is_over_reaches_nobody() -> None:
    wire = Wire(throw({"kind": "frame_delayed", "nth": 1, "delay_s": 1}))
    wire.send(1)

    wire.tap.close()

    assert wire.step(2) == []


def test_a_late_frame_tells_of_when_it_was_sent() -> None:
    wire = Wire(throw({"kind": "frame_delayed", "nth": 1, "delay_s": 1}))
    rows = [1]
    wire.tap.send({"channel": "test", "data": rows})

    rows.append(2)
    wire.step(1)

    assert json.loads(wire.texts[0])["data"] == [1]


def test_a_tap_for_pongs_lets_nothing_else_through() -> None:
    wire = Wire(throw())
    wire.tap.pong_only = True

    wire.send(1)
    wire.tap.send({"channel": "pong"})

    assert wire.texts == ['{"channel":"pong"}']


def test_fills_are_replayed_on_another_socket_of_that_user_only() -> None:
    wire = Wire(throw({"kind": "feed_replayed", "rate": 1}))
    told = {"channel": "userFills", "data": {"user": OWNER, "fills": [{"tid": 1}]}}
    wire.tap.send(told)
    for user in (TAKER, OWNER, OWNER):  # A snapshot is not replayed.
        texts: list[str] = []
        tap = wire.frames.open_tap(texts.append)
        subscription = {"type": "userFills", "user": user}
        echo = {"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": subscription}}
        snapshot = {"channel": "userFills", "data": {"isSnapshot": True, "user": user, "fills": [{"tid": 9}]}}
        tap.send(echo)
        tap.send(snapshot)

        expected = [echo, snapshot, told] if user == OWNER else [echo, snapshot]
        assert [json.loads(text) for text in texts] == expected


# --- Sockets, accounts and the market ---


class FakeSocket:
    """Socket that only records the faults that struck it."""

    def __init__(self, open_tap: Callable[[Callable[[str], None]], Tap]) -> None:
        self.tap = open_tap(lambda text: None)
        self.fate = ""

    @property
    def is_open(self) -> bool:
        return not self.fate

    def expire(self) -> None:
        self.fate = "expired"

    def cut(self) -> None:
        self.fate = "cut"

    def silence(self) -> None:
        self.fate = "silent"


@dataclass
class World:
    """Hub over one account, an exchange and some sockets."""

    rules: list[Rule]
    n_sockets: int = 0
    payer: str = ""

    def __post_init__(self) -> None:
        self.clock = SteppedClock(START_MS)
        self.gateway = make_front(self.clock)
        auth, rng = Auth(lambda address: True), Random(1)
        world = WorldFaults(self.gateway, auth, self.clock, rng, pairs=[PAIR], payer=self.payer)
        self.hub = FaultHub(FaultDice(parse_rules(self.rules), rng), self.clock, world, targets=[FaultTarget(OWNER)])
        self.sockets = [FakeSocket(self.hub.frames.open_tap) for _ in range(self.n_sockets)]
        self.hub.sockets = lambda: self.sockets
        self.hub.begin()

    def step(self, seconds: float) -> dict[str, int]:
        self.clock.step_to(self.clock.now_ms() + round(seconds * 1000))
        return self.hub.dice.summary()


def test_a_rate_of_sockets_is_by_socket_and_second() -> None:
    world = World([{"kind": "socket_dropped", "rate": 0.1}], n_sockets=1000)

    struck = world.step(1)["socket_dropped"]

    assert 70 < struck < 130
    assert sum(socket.fate == "cut" for socket in world.sockets) == struck
    world.step(200)
    assert {socket.fate for socket in world.sockets} == {"cut"}
    assert world.hub.dice.summary() == {"socket_dropped": 1000}


def test_a_moment_strikes_one_socket_at_that_time_and_not_at_the_next_second() -> None:
    world = World([{"kind": "socket_silent", "at_s": 2.5, "count": 1}], n_sockets=3)

    assert world.step(2.499) == {}
    assert world.step(0.001) == {"socket_silent": 1}
    assert [socket.fate for socket in world.sockets] == ["silent", "", ""]


def test_a_moment_without_a_socket_waits_for_one() -> None:
    world = World([{"kind": "socket_closed", "at_s": 2}])
    assert world.step(10) == {}

    world.sockets = [FakeSocket(world.hub.frames.open_tap)]

    assert world.step(1) == {"socket_closed": 1}


def test_a_cancel_by_hand_waits_until_there_is_an_order() -> None:
    world = World([{"kind": "manual_cancel", "at_s": 2}])
    assert world.step(5) == {}

    order = NewOrder(PAIR.asset, True, Decimal(20), Decimal(1), "Alo")
    world.gateway.apply(PlaceOrders(OWNER, (order,)))

    assert world.step(1) == {"manual_cancel": 1}
    assert world.gateway.exchange.open_orders(OWNER) == ()


def test_a_state_that_lasts_is_not_begun_again_before_it_is_over() -> None:
    world = World([{"kind": "upgrade", "rate": 1, "for_s": 2.5}])

    assert world.step(3) == {"upgrade": 1}
    assert world.gateway.exchange.post_only
    assert world.step(1) == {"upgrade": 2}


def test_a_budget_that_is_gone_already_is_not_exhausted_again() -> None:
    world = World([{"kind": "budget_exhausted", "rate": 1}])
    world.gateway.apply(ExhaustBudget(OWNER))

    assert world.step(5) == {}


def test_a_budget_is_bought_anew_where_somebody_pays() -> None:
    world = World([{"kind": "budget_exhausted", "at_s": 1, "for_s": 5}], payer=TAKER)
    order = NewOrder(PAIR.asset, True, Decimal(20), Decimal(1), "Alo")

    world.step(1)
    assert world.gateway.exchange.account(OWNER).n_requests == 10_000
    world.step(5)

    assert world.gateway.exchange.account(OWNER).n_requests == 0
    for _ in range(3):
        world.gateway.apply(PlaceOrders(OWNER, (order,)))
    assert len(world.gateway.exchange.open_orders(OWNER)) == 3


def test_a_withdrawal_takes_no_more_than_is_free() -> None:
    world = World([{"kind": "withdrawal", "at_s": 1, "count": 4, "amount": 90_000}])

    world.step(10)

    account = world.gateway.exchange.account(OWNER)
    assert [account.total(token) for token in (0, 150)] == [0, 1000]
    assert world.hub.dice.summary() == {"withdrawal": 2}


@pytest.mark.parametrize("seed", range(20))
def test_an_order_by_hand_rests_at_a_legal_price(seed: int) -> None:
    world = World([])
    world.hub.dice.rng.seed(seed)
    order = NewOrder(PAIR.asset, True, Decimal("20.123"), Decimal(1), "Alo")
    world.gateway.apply(PlaceOrders(TAKER, (order,)))

    assert world.hub.strike(FaultKind.MANUAL_ORDER) == 1

    (placed,) = world.gateway.exchange.open_orders(OWNER)
    assert placed.cloid is None
    assert 12 <= placed.price * placed.size < 61
