"""What is told of fills: rows listed late, frames that lie, orders that trade before their answer."""

from __future__ import annotations

import json
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.api.http_handler import Answer, HttpHandler
from mm_trio.sandbox.clock import SteppedClock
from mm_trio.sandbox.faults.dice import FaultDice
from mm_trio.sandbox.faults.frames import FrameFaults
from mm_trio.sandbox.faults.plan import parse_rules
from mm_trio.sandbox.faults.requests import RequestFaults
from mm_trio.sandbox.faults.untruths import fill_at_once, lie_about_fills
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Deposit, NewOrder, PlaceOrders
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS

START_MS = 1_700_000_000_000
OWNER, TAKER = "0x" + "a1" * 20, "0x" + "b2" * 20
PAIR = DEFAULT_MARKETS.pair("@107")
FILLS = json.dumps({"type": "userFillsByTime", "user": OWNER, "startTime": 0}).encode()
CLOID = "0x6d6d7472" + "0" * 24


def make_gateway(clock: SteppedClock) -> Gateway:
    gateway = Gateway(Exchange(), now_ms=clock.now_ms)
    for address in (OWNER, TAKER):
        for token, amount in ((0, 100_000), (150, 1_000)):
            gateway.apply(Deposit(address, token, Decimal(amount)))
    return gateway


def place(
    gateway: Gateway, price: int, size: str, *, address: str = OWNER, tif: Any = "Alo", is_buy: bool = True
) -> Any:
    command = PlaceOrders(address, (NewOrder(PAIR.asset, is_buy, Decimal(price), Decimal(size), tif),))
    return gateway.carry_out(command)


def row(**changed: Any) -> dict[str, Any]:
    return {"coin": "@107", "px": "20.5", "sz": "1", "side": "B", "time": START_MS, "oid": 7, "tid": 70} | changed


def test_a_lie_contradicts_the_truth_in_one_field_and_leaves_the_rows_as_they_were() -> None:
    truth, others = row(cloid=CLOID), [row(oid=8, px="21", cloid=CLOID), row(oid=9, px="20.5", cloid=CLOID)]
    lies = [lie_about_fills([truth], others, Random(seed)) for seed in range(200)]

    told = {
        (key, lie[key])
        for rows in lies
        if rows
        for lie in rows
        for key in ("side", "px", "oid")
        if lie[key] != truth[key]
    }
    assert told == {("side", "A"), ("px", "41.0"), ("px", "10.25"), ("oid", 8)}
    assert {len(rows) for rows in lies if rows} == {1, 2}
    assert truth == row(cloid=CLOID)


@pytest.mark.parametrize("other", [row(oid=8, px="21"), row(oid=8, px="21", cloid="0x" + "9" * 32)])
def test_a_lie_names_no_order_of_a_stranger(other: dict[str, Any]) -> None:
    lies = [lie_about_fills([row(cloid=CLOID)], [other], Random(seed)) for seed in range(100)]

    assert {lie["oid"] for rows in lies if rows for lie in rows} == {7}


def test_a_frame_lies_and_its_replay_tells_the_truth() -> None:
    clock = SteppedClock(START_MS)
    texts: list[str] = []
    faults = FrameFaults(FaultDice(parse_rules([{"kind": "frame_lies", "nth": 1}]), Random(1)), clock)
    frame = {"channel": "userFills", "data": {"user": OWNER, "fills": [row()]}}

    faults.open_tap(texts.append).send(frame)

    assert [json.loads(text) for text in texts] != [frame]
    assert [json.loads(text) for text in faults.recent_fills("userFills", OWNER)] == [frame]
    assert faults.dice.summary() == {"frame_lies": 1}


@pytest.mark.parametrize("seed", range(6))
def test_an_order_filled_at_once_traded_at_its_limit_as_a_maker(seed: int) -> None:
    gateway = make_gateway(SteppedClock(START_MS))
    answer = place(gateway, 20, "2")

    assert fill_at_once(gateway, answer, Random(seed))

    (fill,) = gateway.exchange.fills(OWNER)
    filled = answer["response"]["data"]["statuses"][0]["filled"]
    assert (fill.price, fill.crossed, fill.oid) == (Decimal(20), False, filled["oid"])
    assert (Decimal(filled["totalSz"]), Decimal(filled["avgPx"])) == (fill.size, Decimal(20))


def test_an_order_behind_a_better_one_is_not_filled_at_once() -> None:
    gateway = make_gateway(SteppedClock(START_MS))
    place(gateway, 21, "1", address=TAKER)

    assert not fill_at_once(gateway, place(gateway, 20, "1"), Random(1))
    assert gateway.exchange.fills(OWNER) == ()


def test_a_late_row_is_listed_behind_a_newer_one_when_its_time_has_come() -> None:
    clock = SteppedClock(START_MS)
    gateway = make_gateway(clock)
    auth = Auth(lambda address: True)
    handler = HttpHandler(gateway, auth=auth, now_ms=clock.now_ms)
    dice = FaultDice(parse_rules([{"kind": "history_late", "nth": 1, "delay_s": 30}]), Random(1))
    faults = RequestFaults(dice, clock, gateway=gateway, handler=handler, make_handler=lambda other: handler)

    def read_times() -> list[int]:
        def run(asked: HttpHandler) -> Answer:
            return asked.answer("POST", "/info", "application/json", FILLS)

        answer = faults.answer("/info", FILLS, run).answer
        assert answer is not None
        return [found["time"] - START_MS for found in json.loads(answer.body)]

    place(gateway, 20, "2")
    place(gateway, 20, "1", address=TAKER, tif="Ioc", is_buy=False)
    first = read_times()
    clock.step_to(START_MS + 10_000)
    place(gateway, 20, "1", address=TAKER, tif="Ioc", is_buy=False)
    second = read_times()
    clock.step_to(START_MS + 30_000)

    assert (first, second, read_times()) == ([], [10_000], [0, 10_000])
    assert dice.summary() == {"history_late": 1}
