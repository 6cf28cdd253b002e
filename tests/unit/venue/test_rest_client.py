"""Questions about open orders: strict about our pair, lenient about the rest of the account."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from builders import run_inline
from core_kit import THEIRS, fill
from trio.testing import MockClock

from mm_trio.concurrency.blocking_calls import NoFreeThread
from mm_trio.model.errors import Busy, ProtocolError, Unreachable
from mm_trio.model.market import Market, Token
from mm_trio.venue.ip_weight import FOR_SHUTDOWN, SLACK, WINDOW_S
from mm_trio.venue.rest_client import MOST_ORDERS_NAMED, VenueClient

MARKET = Market("@107", 10_107, Token(150, "HYPE", 2), Token(0, "USDC", 8), {})
GOOD = {"coin": "@107", "oid": 1, "side": "B", "limitPx": "20.0", "sz": "5.0"}


class Info:
    """Answers with the given rows of open orders."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self._rows = list(rows)

    def open_orders(self, _address: str) -> list[dict[str, Any]]:
        return self._rows


def make_client(*rows: dict[str, Any]) -> VenueClient:
    return VenueClient(Info(*rows), address="0xa1", run_sync=run_inline)


async def test_an_unreadable_open_order_of_our_pair_is_an_error() -> None:
    """A row that is left out would look like an order that is gone."""
    client = make_client(GOOD, {**GOOD, "oid": "two"})

    with pytest.raises(ProtocolError, match="oid"):
        await client.fetch_open_orders(MARKET)


async def test_an_unreadable_open_order_of_another_pair_is_left_out() -> None:
    client = make_client(GOOD, {**GOOD, "coin": "@1", "oid": "two"})

    rows = await client.fetch_open_orders(MARKET)

    assert [row.oid for row in rows] == [1]


async def test_r4_a_question_that_found_no_thread_was_not_asked_and_says_so() -> None:
    async def refuse(fn: Any, *args: Any, **options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        raise NoFreeThread("all 8 threads for questions are held by earlier calls that have not ended")

    client = VenueClient(Info(GOOD), address="0xa1", run_sync=refuse)

    with pytest.raises(Unreachable, match="open_orders: not asked: all 8 threads for questions are held"):
        await client.fetch_open_orders(MARKET)


async def test_no_question_is_sent_beyond_the_weight_of_the_address(autojump_clock: MockClock) -> None:
    client = make_client(GOOD)
    client.weight.on_request(1_200 - SLACK - FOR_SHUTDOWN - 20, now_s=trio.current_time())
    await client.fetch_open_orders(MARKET)

    with pytest.raises(Busy, match="request weight of this minute is used up"):
        await client.fetch_open_orders(MARKET)


async def test_a_shutdown_may_ask_with_the_weight_kept_for_it(autojump_clock: MockClock) -> None:
    client = make_client(GOOD)
    client.weight.on_request(1_200 - SLACK - FOR_SHUTDOWN, now_s=trio.current_time())

    client.on_shutdown()

    assert len(await client.fetch_open_orders(MARKET)) == 1


async def test_a_patient_question_waits_until_there_is_weight_again(autojump_clock: MockClock) -> None:
    client = VenueClient(Info(GOOD), address="0xa1", run_sync=run_inline, patience_s=70.0)
    began_s = trio.current_time()
    client.weight.on_request(1_200, now_s=began_s)

    await client.fetch_open_orders(MARKET)

    assert WINDOW_S <= trio.current_time() - began_s <= WINDOW_S + 5


# --- fills without a cloid --------------------------------------------------------------------


class Orders:
    """Knows the orders of even oids, each with a cloid of its own."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def query_order_by_oid(self, _address: str, oid: int) -> dict[str, Any]:
        self.asked.append(oid)
        if oid % 2:
            return {"status": "unknownOid"}
        order = {**GOOD, "oid": oid, "cloid": f"0x{oid:032x}"}
        return {"status": "order", "order": {"order": order, "status": "filled", "statusTimestamp": 1}}


async def test_only_unknown_fills_of_makers_without_a_cloid_are_asked_for(autojump_clock: MockClock) -> None:
    orders = Orders()
    client = VenueClient(orders, address="0xa1", run_sync=run_inline)
    known, taken, named = fill(2, 1, 1), fill(4, 2, 1, crossed=True), fill(6, 3, 1, cloid=THEIRS)
    fills = [known, taken, named, fill(8, 4, 1), fill(8, 5, 1), fill(9, 6, 1)]

    found, unnamed = await client.name_fills(fills, is_known=lambda fill: fill.oid == 2)

    # A replica may not have the order yet.
    assert orders.asked == [9, 8, 9, 9]
    assert [fill.cloid for fill in found] == [None, None, THEIRS, f"0x{8:032x}", f"0x{8:032x}", None]
    assert unnamed == (fills[-1],)


async def test_the_oldest_of_too_many_orders_are_not_asked_for() -> None:
    orders = Orders()
    client = VenueClient(orders, address="0xa1", run_sync=run_inline)
    fills = [fill(2 * n, n, 1) for n in range(1, MOST_ORDERS_NAMED + 3)]

    _, unnamed = await client.name_fills(fills, is_known=lambda fill: False)

    assert len(orders.asked) == MOST_ORDERS_NAMED
    assert unnamed == tuple(fills[:2])
