"""Every fault of the sandbox on the wire, as the official SDK meets it. Nothing waits: the clock is stepped."""

from __future__ import annotations

import contextlib
import json
import queue
import sys
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from time import time_ns
from typing import Any

import pytest
import requests
import trio
import websocket
from faulty_venue import (
    AGENT,
    ALO,
    HYPE,
    IOC,
    OWNER,
    TAKER,
    FaultyVenue,
    open_faulty,
    statuses,
)
from hyperliquid.utils.error import ClientError, ServerError
from socket_kit import DEADLINE_S, in_thread, until

from mm_trio.sandbox.faults.dice import MACHINE_KINDS
from mm_trio.sandbox.faults.kinds import FaultKind
from mm_trio.sandbox.faults.plan import parse_rules
from mm_trio.sandbox.model.commands import NewOrder, PlaceOrders

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("distinct_nonces")]

Open = Callable[..., Any]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def open_venue(nursery: trio.Nursery) -> Open:
    """A venue whose faults are these rules; a rule without a trigger strikes the first time it can."""

    async def open_it(*rules: dict[str, Any]) -> FaultyVenue:
        triggers = {"rate", "nth", "at_s"}
        return await open_faulty(nursery, *(rule if triggers & set(rule) else rule | {"nth": 1} for rule in rules))

    return open_it


def test_every_kind_has_a_test_here() -> None:
    names = [name for name in dir(sys.modules[__name__]) if name.startswith("test_")]

    assert [
        kind.value for kind in FaultKind if kind not in MACHINE_KINDS and not any(kind.value in name for name in names)
    ] == []


# --- writes ---


async def test_request_lost_breaks_the_connection_and_nothing_happened(open_venue: Open) -> None:
    venue = await open_venue({"kind": "request_lost"})

    with pytest.raises(requests.ConnectionError):
        await venue.order()

    assert venue.resting() == []
    assert venue.struck() == {"request_lost": 1}
    assert "resting" in statuses(await venue.order())[0]


async def test_answer_lost_breaks_the_connection_after_the_order_rests(open_venue: Open) -> None:
    venue = await open_venue({"kind": "answer_lost"})

    with pytest.raises(requests.ConnectionError):
        await venue.order()

    assert len(venue.resting()) == 1
    assert venue.struck() == {"answer_lost": 1}


async def test_answer_hung_leaves_the_connection_and_says_nothing(open_venue: Open) -> None:
    venue = await open_venue({"kind": "answer_hung"})

    with pytest.raises(requests.ReadTimeout):
        await venue.order(timeout=0.05)

    await until(lambda: len(venue.resting()) == 1)  # the client may have lost patience before its turn came
    assert venue.struck() == {"answer_hung": 1}


async def test_answer_delayed_comes_when_its_time_has_passed(open_venue: Open, nursery: trio.Nursery) -> None:
    venue = await open_venue({"kind": "answer_delayed", "delay_s": 3})
    answers: list[Any] = []
    done = trio.Event()

    async def send() -> None:
        answers.append(await venue.order())
        done.set()

    nursery.start_soon(send)
    await until(venue.resting)
    assert answers == []
    venue.step(2.9)
    await trio.sleep(0.02)
    assert answers == []
    with trio.fail_after(DEADLINE_S):
        venue.step(0.2)
        await done.wait()

    assert "resting" in statuses(answers[0])[0]


@pytest.mark.parametrize("seed", range(6))
async def test_answer_garbled_is_a_200_that_is_no_answer(nursery: trio.Nursery, seed: int) -> None:
    venue = await open_faulty(nursery, {"kind": "answer_garbled", "nth": 1}, seed=seed)

    answer = await venue.order()

    with pytest.raises((KeyError, TypeError, AssertionError)):
        assert "resting" in statuses(answer)[0]
    assert len(venue.resting()) == 1
    assert venue.struck() == {"answer_garbled": 1}


async def test_answer_truncated_has_fewer_statuses_than_orders(open_venue: Open) -> None:
    venue = await open_venue({"kind": "answer_truncated"})
    orders = [
        {"coin": "@107", "is_buy": True, "sz": 1.5, "limit_px": px, "order_type": {"limit": {"tif": "Alo"}}}
        | {"reduce_only": False}
        for px in (20.0, 19.9, 19.8)
    ]

    answer = await in_thread(venue.sdk().bulk_orders, orders)

    assert len(statuses(answer)) < 3
    assert len(venue.resting()) == 3


@pytest.mark.parametrize("kind, error, status", [("rate_limited", ClientError, 429), ("bad_gateway", ServerError, 502)])
async def test_rate_limited_and_bad_gateway_strike_writes_and_reads(
    open_venue: Open, kind: str, error: type[Exception], status: int
) -> None:
    venue = await open_venue({"kind": kind, "count": 2})

    with pytest.raises(error) as written:
        await venue.order()
    with pytest.raises(error) as read:
        await venue.ask("open_orders")

    assert written.value.status_code == read.value.status_code == status  # type: ignore[attr-defined]
    assert venue.resting() == []
    assert venue.struck() == {kind: 2}
    assert await venue.ask("open_orders") == []


async def test_error_but_applied_is_a_502_for_an_order_that_rests(open_venue: Open) -> None:
    venue = await open_venue({"kind": "error_but_applied"})

    with pytest.raises(ServerError) as caught:
        await venue.order()

    assert caught.value.status_code == 502
    assert len(venue.resting()) == 1


async def test_late_execution_runs_when_nobody_waits_any_more(open_venue: Open) -> None:
    venue = await open_venue({"kind": "late_execution", "delay_s": 30})

    with pytest.raises(requests.ConnectionError):
        await venue.order()
    venue.step(29.9)
    assert venue.resting() == []
    venue.step(0.2)

    assert len(venue.resting()) == 1


async def test_late_execution_looks_at_the_expiry_then(open_venue: Open) -> None:
    venue = await open_venue({"kind": "late_execution", "delay_s": 30})

    with pytest.raises(requests.ConnectionError):
        await venue.order(expires_after=venue.clock.now_ms() + 10_000)
    venue.step(31)

    assert venue.resting() == []


async def test_late_execution_looks_at_the_nonce_then(open_venue: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    venue = await open_venue({"kind": "late_execution", "delay_s": 30})
    nonce = time_ns() // 1_000_000
    monkeypatch.setattr("hyperliquid.exchange.get_timestamp_ms", lambda: nonce)

    with pytest.raises(requests.ConnectionError):
        await venue.order(20.0)
    assert "resting" in statuses(await venue.order(19.0))[0]
    venue.step(31)

    assert len(venue.resting()) == 1


# --- reads ---


async def test_read_failed_is_a_500(open_venue: Open) -> None:
    venue = await open_venue({"kind": "read_failed"})

    with pytest.raises(ServerError) as caught:
        await venue.ask("open_orders")

    assert (caught.value.status_code, caught.value.message) == (500, "null")


async def test_read_empty_is_a_list_that_should_not_be(open_venue: Open) -> None:
    venue = await open_venue({"kind": "read_empty"})
    assert await venue.ask("open_orders") == []
    assert venue.struck() == {}  # it was empty anyway
    await venue.order()

    assert await venue.ask("open_orders") == []
    assert len(await venue.ask("open_orders")) == 1
    assert venue.struck() == {"read_empty": 1}


async def test_read_stale_tells_of_some_seconds_ago(open_venue: Open) -> None:
    venue = await open_venue({"kind": "read_stale", "rate": 1})
    venue.step(5)
    await venue.order()

    assert await venue.ask("open_orders") == []
    venue.step(12)
    assert len(await venue.ask("open_orders")) == 1
    assert venue.struck() == {"read_stale": 1}


async def test_status_forgotten_does_not_know_an_order_that_is_over(open_venue: Open) -> None:
    venue = await open_venue({"kind": "status_forgotten"})
    (status,) = statuses(await venue.order())
    oid = status["resting"]["oid"]
    assert (await venue.ask("query_order_by_oid", oid))["order"]["status"] == "open"
    await in_thread(venue.sdk().cancel, "@107", oid)

    assert await venue.ask("query_order_by_oid", oid) == {"status": "unknownOid"}
    assert (await venue.ask("query_order_by_oid", oid))["order"]["status"] == "canceled"


# --- sockets ---


def read_all(client: Any) -> list[str]:
    """Every text until the connection is over, or nothing comes."""
    texts: list[str] = []
    with contextlib.suppress(websocket.WebSocketException, ConnectionError):
        while text := client.recv():
            texts.append(text)
    return texts


async def test_socket_closed_says_expired(open_venue: Open) -> None:
    venue = await open_venue({"kind": "socket_closed", "at_s": 7})
    client = await in_thread(venue.open_socket)

    venue.step(6)
    assert venue.server.n_connections == 1
    venue.step(1)
    frame = await in_thread(client.recv_frame)

    assert frame.opcode == websocket.ABNF.OPCODE_CLOSE
    assert frame.data == (1000).to_bytes(2, "big") + b"Expired"


async def test_socket_dropped_ends_the_sdks_thread(open_venue: Open) -> None:
    venue = await open_venue()
    info = await in_thread(venue.info, skip_ws=False)

    assert venue.faults.strike(FaultKind.SOCKET_DROPPED) == 1

    await in_thread(info.ws_manager.join, DEADLINE_S)
    assert not info.ws_manager.is_alive()
    info.ws_manager.stop_event.set()


async def test_socket_silent_keeps_tcp_and_answers_nothing(open_venue: Open) -> None:
    venue = await open_venue()
    client = await in_thread(venue.open_socket)

    assert venue.faults.strike(FaultKind.SOCKET_SILENT) == 1
    assert venue.faults.strike(FaultKind.SOCKET_SILENT) == 0  # no other one is left

    client.settimeout(0.05)
    client.send('{"method":"ping"}')
    assert await in_thread(read_all, client) == []
    assert venue.server.n_connections == 1


async def test_pong_only_answers_pings_and_tells_nothing(open_venue: Open) -> None:
    venue = await open_venue()
    client = await in_thread(venue.open_socket)

    assert venue.faults.strike(FaultKind.PONG_ONLY) == 1

    client.send('{"method":"subscribe","subscription":{"type":"allMids"}}')
    client.send('{"method":"ping"}')
    assert json.loads(await in_thread(client.recv)) == {"channel": "pong"}


# --- frames ---


async def listen(venue: FaultyVenue) -> tuple[Any, queue.Queue[Any]]:
    """The SDK subscribed to the owner's orders; its socket is the only one, and the echo is gone."""
    updates: queue.Queue[Any] = queue.Queue()

    def subscribe() -> Any:
        info = venue.info(skip_ws=False)
        info.subscribe({"type": "orderUpdates", "user": OWNER.address}, updates.put)
        return info

    info = await in_thread(subscribe)
    (socket,) = venue.faults.sockets()
    await until(lambda: socket.tap.n_sent >= 1)
    return info, updates


async def told(updates: queue.Queue[Any]) -> tuple[str, float]:
    """Status and price of the next update."""
    (row,) = (await in_thread(updates.get, timeout=DEADLINE_S))["data"]
    return row["status"], float(row["order"]["limitPx"])


def arm(venue: FaultyVenue, kind: FaultKind, **parameters: Any) -> None:
    """Let it strike the next frame."""
    venue.faults.add_rules(parse_rules([{"kind": kind.value, "at_s": 0} | parameters]))


async def test_frame_dropped_never_comes(open_venue: Open) -> None:
    venue = await open_venue()
    info, updates = await listen(venue)
    arm(venue, FaultKind.FRAME_DROPPED)

    await venue.order(20.0)
    await venue.order(19.9)

    assert await told(updates) == ("open", 19.9)
    assert venue.struck() == {"frame_dropped": 1}
    info.ws_manager.stop_event.set()


async def test_frame_duplicated_comes_twice(open_venue: Open) -> None:
    venue = await open_venue()
    info, updates = await listen(venue)
    arm(venue, FaultKind.FRAME_DUPLICATED)

    await venue.order(20.0)
    await venue.order(19.9)

    assert [await told(updates) for _ in range(3)] == [("open", 20.0), ("open", 20.0), ("open", 19.9)]
    info.ws_manager.stop_event.set()


async def test_frame_reordered_is_overtaken_by_the_next_one(open_venue: Open) -> None:
    venue = await open_venue()
    info, updates = await listen(venue)
    arm(venue, FaultKind.FRAME_REORDERED)

    await venue.order(20.0)
    assert venue.struck() == {}  # nothing has overtaken it yet
    await venue.order(19.9)

    assert [await told(updates) for _ in range(2)] == [("open", 19.9), ("open", 20.0)]
    assert venue.struck() == {"frame_reordered": 1}
    info.ws_manager.stop_event.set()


async def test_frame_delayed_tells_of_then_when_its_time_has_passed(open_venue: Open) -> None:
    venue = await open_venue()
    info, updates = await listen(venue)
    arm(venue, FaultKind.FRAME_DELAYED, delay_s=2)

    await venue.order(20.0)
    await venue.order(19.9)
    assert await told(updates) == ("open", 19.9)
    venue.step(2)

    assert await told(updates) == ("open", 20.0)
    info.ws_manager.stop_event.set()


def is_update(text: str) -> bool:
    """Whether a client could take it for news of an order."""
    try:
        frame = json.loads(text)
        return bool(frame["channel"] == "orderUpdates" and frame["data"][0]["order"])
    except (ValueError, KeyError, TypeError, IndexError):
        return False


async def test_frame_garbled_is_no_frame_and_the_next_one_is(open_venue: Open) -> None:
    venue = await open_venue()
    client = await in_thread(venue.open_socket)
    client.send(json.dumps({"method": "subscribe", "subscription": {"type": "orderUpdates", "user": OWNER.address}}))
    assert json.loads(await in_thread(client.recv))["channel"] == "subscriptionResponse"
    arm(venue, FaultKind.FRAME_GARBLED)

    await venue.order(20.0)
    await venue.order(19.9)
    garbled, whole = [await in_thread(client.recv) for _ in range(2)]

    assert not is_update(garbled)
    assert is_update(whole)
    assert json.loads(whole)["data"][0]["order"]["limitPx"] == "19.9"


async def test_feed_replayed_tells_old_fills_as_new_ones(open_venue: Open) -> None:
    venue = await open_venue({"kind": "feed_replayed", "rate": 1})
    info, _ = await listen(venue)
    fills, again = queue.Queue[Any](), queue.Queue[Any]()
    await in_thread(info.subscribe, {"type": "userFills", "user": OWNER.address}, fills.put)
    assert (await in_thread(fills.get, timeout=DEADLINE_S))["data"]["fills"] == []
    await venue.order(20.0)
    sell = NewOrder(HYPE.asset, False, Decimal(20), Decimal("1.5"), "Ioc")
    venue.gateway.apply(PlaceOrders(TAKER.address.lower(), (sell,)))
    (fill,) = (await in_thread(fills.get, timeout=DEADLINE_S))["data"]["fills"]
    assert venue.struck() == {}

    second = await in_thread(venue.info, skip_ws=False)
    await in_thread(second.subscribe, {"type": "userFills", "user": OWNER.address}, again.put)
    snapshot, replay = [(await in_thread(again.get, timeout=DEADLINE_S))["data"] for _ in range(2)]

    assert snapshot["isSnapshot"] is True
    assert not replay.get("isSnapshot")
    assert snapshot["fills"] == replay["fills"] == [fill]
    assert venue.struck() == {"feed_replayed": 1}
    for each in (info, second):
        each.ws_manager.stop_event.set()


# --- what is told of fills ---


def take_bid(venue: Any, size: str = "1.5") -> None:
    """A taker sells into the owner's bid of 20."""
    sell = NewOrder(HYPE.asset, False, Decimal(20), Decimal(size), "Ioc")
    venue.gateway.apply(PlaceOrders(TAKER.address.lower(), (sell,)))


async def test_history_late_lists_a_fill_when_its_time_has_passed(open_venue: Open) -> None:
    venue = await open_venue({"kind": "history_late", "nth": 1, "delay_s": 30})
    await venue.order(20.0)
    take_bid(venue)

    assert await venue.ask("user_fills_by_time", 0) == []
    venue.step(30)
    assert len(await venue.ask("user_fills_by_time", 0)) == 1
    assert venue.struck() == {"history_late": 1}


async def test_frame_lies_tells_a_fill_that_is_not_in_the_history(open_venue: Open) -> None:
    venue = await open_venue({"kind": "frame_lies", "nth": 1})
    info = await in_thread(venue.info, skip_ws=False)
    fills = queue.Queue[Any]()
    await in_thread(info.subscribe, {"type": "userFills", "user": OWNER.address}, fills.put)
    await in_thread(fills.get, timeout=DEADLINE_S)
    await venue.order(20.0)
    take_bid(venue)

    told = (await in_thread(fills.get, timeout=DEADLINE_S))["data"]["fills"]

    assert [row for row in told if row not in await venue.ask("user_fills_by_time", 0)] != []
    assert venue.struck() == {"frame_lies": 1}
    info.ws_manager.stop_event.set()


async def test_filled_at_once_answers_a_resting_order_with_its_fill(open_venue: Open) -> None:
    venue = await open_venue({"kind": "filled_at_once", "nth": 1})

    (status,) = statuses(await venue.order(20.0))

    (fill,) = await venue.ask("user_fills_by_time", 0)
    assert (fill["oid"], fill["sz"], fill["crossed"]) == (status["filled"]["oid"], status["filled"]["totalSz"], False)
    assert venue.struck() == {"filled_at_once": 1}


# --- account and market ---


async def test_budget_exhausted_refuses_actions(open_venue: Open) -> None:
    venue = await open_venue({"kind": "budget_exhausted", "at_s": 1})
    assert "resting" in statuses(await venue.order())[0]
    venue.step(1)

    answer = await venue.order()

    assert answer["status"] == "err"
    assert answer["response"].startswith("Too many cumulative requests sent (")
    assert (await venue.ask("user_rate_limit"))["nRequestsUsed"] >= 10_000


async def test_agent_revoked_may_not_act_until_it_is_over(open_venue: Open) -> None:
    venue = await open_venue({"kind": "agent_revoked", "at_s": 1, "for_s": 10})
    assert "resting" in statuses(await venue.order())[0]
    venue.step(1)

    name = AGENT.address.lower()
    assert await venue.order() == {"status": "err", "response": f"User or API Wallet {name} does not exist."}
    venue.step(10)
    assert "resting" in statuses(await venue.order())[0]


async def test_agent_expired_may_not_act_until_a_new_key_is_approved(open_venue: Open) -> None:
    venue = await open_venue({"kind": "agent_expired", "at_s": 1})
    assert "resting" in statuses(await venue.order())[0]
    venue.step(1)

    name = AGENT.address.lower()
    unknown = (
        f"User or API Wallet {name} does not exist.",
        f"Must deposit before performing actions. User: {name}",
    )
    answer = await venue.order()
    venue.step(80_000)
    assert answer["response"] in unknown
    assert await venue.order() == answer
    assert venue.struck() == {"agent_expired": 1}


async def test_manual_order_and_manual_cancel_are_the_owners(open_venue: Open) -> None:
    venue = await open_venue({"kind": "manual_order", "at_s": 1}, {"kind": "manual_cancel", "at_s": 5, "count": 2})
    venue.step(1)
    assert venue.struck() == {}  # no price to go by yet
    (status,) = statuses(await venue.order())
    venue.step(1)

    rows = await venue.ask("frontend_open_orders")
    assert {row["oid"] for row in rows} > {status["resting"]["oid"]}
    assert [row["cloid"] for row in rows] == [None, None]
    assert venue.struck() == {"manual_order": 1}
    venue.step(5)
    assert await venue.ask("open_orders") == []
    assert venue.struck() == {"manual_order": 1, "manual_cancel": 2}


@pytest.mark.parametrize("kind, sign", [("deposit", 1), ("withdrawal", -1)])
async def test_deposit_and_withdrawal_change_a_balance(open_venue: Open, kind: str, sign: int) -> None:
    venue = await open_venue({"kind": kind, "at_s": 1, "amount": 25})
    venue.step(1)

    balances = {row["coin"]: Decimal(row["total"]) for row in (await venue.ask("spot_user_state"))["balances"]}

    assert balances == {"USDC": Decimal(100_000 + sign * 25), "HYPE": Decimal(1000)}


async def test_delisted_ends_orders_and_refuses_new_ones_until_it_is_over(open_venue: Open) -> None:
    venue = await open_venue({"kind": "delisted", "at_s": 1, "for_s": 10})
    (status,) = statuses(await venue.order())
    venue.step(1)

    told = await venue.ask("query_order_by_oid", status["resting"]["oid"])
    assert told["order"]["status"] == "delistedCanceled"
    assert "Trading is halted." in json.dumps(await venue.order())
    venue.step(10)
    assert "resting" in statuses(await venue.order())[0]


async def test_upgrade_takes_only_post_only_orders_until_it_is_over(open_venue: Open) -> None:
    venue = await open_venue({"kind": "upgrade", "at_s": 1, "for_s": 10})
    sell = partial(venue.sdk(TAKER).order, "@107", False, 1.5, 20.0, IOC)
    venue.step(1)

    assert "resting" in statuses(await venue.order())[0]
    assert "Only post-only orders allowed immediately after network upgrade" in json.dumps(await in_thread(sell))
    venue.step(10)
    assert "filled" in statuses(await in_thread(sell))[0]


async def test_held_elsewhere_takes_what_is_free_and_gives_it_back(open_venue: Open) -> None:
    venue = await open_venue({"kind": "held_elsewhere", "at_s": 1, "for_s": 10, "amount": 25})

    async def held() -> Decimal:
        rows = (await venue.ask("spot_user_state"))["balances"]
        return sum((Decimal(row["hold"]) for row in rows), Decimal(0))

    venue.step(1)
    assert await held() == 25
    venue.step(10)
    assert await held() == 0


async def test_refused_for_good_refuses_orders_with_one_text_until_it_is_over(open_venue: Open) -> None:
    venue = await open_venue({"kind": "refused_for_good", "at_s": 1, "for_s": 10})
    venue.step(1)

    bid, ask = await venue.order(), await in_thread(venue.sdk().order, "@107", False, 1.5, 30.0, ALO)
    venue.step(10)

    assert venue.struck() == {"refused_for_good": 1}
    assert sum("resting" not in json.dumps(answer) for answer in (bid, ask)) in (1, 2), (bid, ask)
    assert "resting" in statuses(await venue.order())[0]
