"""Faults that need real sockets, or threads: C2, C3, C9, E3 and E5 of the fault table."""

from __future__ import annotations

import ctypes
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trio
from native_kit import make_chosen

from mm_trio import WsState
from mm_trio.config.settings import MarketSettings
from mm_trio.journal.sqlite_journal import Journal
from mm_trio.model.errors import JournalError, find_leaves
from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.feeds.connection import Connection
from mm_trio.sandbox.info.rows import fill_row
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Command, Deposit, Effect, ModifyOrders, NewOrder, PlaceOrders
from mm_trio.sandbox.server.server import SandboxServer, serve
from mm_trio.venue.sdk import fetch_spot_meta, make_exchange, make_info, make_wallet

pytestmark = pytest.mark.e2e

COIN, ASSET, BASE, QUOTE = "@107", 10_107, 150, 0
TAKER = "0x" + "b2" * 20
KEY = "0x" + "5e" * 32  # of nobody: it signs on loopback only
DEADLINE_S = 30.0
STALE_AFTER_S = 2.0
LEAST_PAGES = 9  # that a ledger needs to be made at all
QUOTES = r"tick=1 .* placed=20 errors=0"


# --- one maker over loopback, in this process ----------------------------------------------------


class WatchedFront(Gateway):
    """Notes when something new of the maker's reached the exchange; can swallow acknowledgements."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange, now_ms=lambda: time.time_ns() // 1_000_000)
        self.new_risk_s: list[float] = []
        self.unacknowledged: set[str] = set()

    def apply(self, command: Command) -> tuple[Effect, ...]:
        if isinstance(command, PlaceOrders | ModifyOrders) and command.address != TAKER:
            self.new_risk_s.append(time.monotonic())
        return super().apply(command)

    def connect(self, send: Callable[[dict[str, Any]], None]) -> Connection:
        def send_some(frame: dict[str, Any]) -> None:
            is_answer = frame["channel"] == "subscriptionResponse"
            if not (is_answer and frame["data"]["subscription"]["type"] in self.unacknowledged):
                send(frame)

        return super().connect(send_some)


class Box:
    """The exchange behind its server, and a maker on the SDK beside it."""

    def __init__(self, gateway: WatchedFront, server: SandboxServer, spot_meta: Any, **changed: Any) -> None:
        self.gateway, self.server = gateway, server
        wallet = make_wallet(KEY)
        self.account: str = wallet.address.lower()
        for address in (self.account, TAKER):
            gateway.apply(Deposit(address, BASE, Decimal(1000)))
            gateway.apply(Deposit(address, QUOTE, Decimal(100_000)))
        self.info = make_info(server.url, spot_meta)
        self._parameters: dict[str, Any] = {
            "coin": COIN,
            "start_px": "20",
            "n_orders": 40,
            "order_sz": "5",
            "active_levels": 6,
            "allocated_token": "100",
            "allocated_usdc": "2000",
            "interval_s": 0.2,
            "requote_on_fill": True,
            "exchange": make_exchange(
                MarketSettings(coin=COIN, api_url=server.url, account=self.account), wallet, spot_meta
            ),
            "address": self.account,
            "feed_stale_after_s": None,  # a machine that is busy for seconds is no dead feed
            "transport": make_chosen(server.url),
        }
        self._spot_meta = spot_meta
        self.maker = WsState(**self._parameters | {"info": self.info} | changed)

    def next_maker(self, **changed: Any) -> WsState:
        """The next life, with a client of its own."""
        info, transport = make_info(self.server.url, self._spot_meta), make_chosen(self.server.url)
        return WsState(**self._parameters | {"info": info, "transport": transport} | changed)

    def take(self, size: str, *, buy: bool) -> None:
        book = self.gateway.exchange.book(COIN)
        levels = book.asks if buy else book.bids
        if levels:
            order = NewOrder(ASSET, buy, levels[-1].price, Decimal(size), "Ioc")
            self.gateway.apply(PlaceOrders(TAKER, (order,)))

    def n_resting(self) -> int:
        return len(self.gateway.exchange.open_orders(self.account))

    def is_exact(self, maker: WsState) -> bool:
        """Whether the ledger is what the exchange's fills make of the allocation."""
        account = self.gateway.exchange.account(self.account)
        token, usdc = account.total(BASE) - 1000 + 100, account.total(QUOTE) - 100_000 + 2000
        return (maker.inventory.virtual_token, maker.inventory.virtual_usdc) == (token, usdc)

    def is_whole(self, maker: WsState) -> bool:
        tracked = {order.oid for order in maker.order_state.get_current_orders()}
        resting = {order.oid for order in self.gateway.exchange.open_orders(self.account)}
        return tracked == resting and len(resting) == 12 and self.is_exact(maker)


async def until(condition: Callable[[], object], *, within_s: float = DEADLINE_S) -> None:
    with trio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110 - the condition lies across a socket
            await trio.sleep(0.01)


@asynccontextmanager
async def open_box(**changed: Any) -> AsyncIterator[Box]:
    exchange = Exchange()
    gateway = WatchedFront(exchange)
    async with trio.open_nursery() as world:
        server = await world.start(serve, gateway, Auth(lambda address: address in exchange.addresses()))
        spot_meta = await trio.to_thread.run_sync(fetch_spot_meta, server.url)
        yield Box(gateway, server, spot_meta, **changed)
        world.cancel_scope.cancel()


@asynccontextmanager
async def quoting(box: Box) -> AsyncIterator[None]:
    """The maker runs, and leaves nothing behind."""
    async with trio.open_nursery() as trading:
        trading.start_soon(box.maker.run)
        await until(lambda: box.n_resting() == 12)
        yield
        trading.cancel_scope.cancel()
    assert box.n_resting() == 0
    assert box.maker.orders_may_rest == ()


@pytest.mark.usefixtures("each_transport")
async def test_c2_from_the_moment_a_half_open_socket_is_known_nothing_new_leaves_until_it_is_replaced() -> None:
    async with open_box(reconcile_every=10_000, feed_stale_after_s=STALE_AFTER_S) as box, quoting(box):
        box.server.silence_sockets()
        box.take("12", buy=True)
        await until(lambda: "no message received" in (box.maker.paused_because or ""))
        noticed_s, because = time.monotonic(), str(box.maker.paused_because)
        n_before = len(box.gateway.new_risk_s)
        await until(lambda: box.maker.paused_because is None)
        reconnects = box.maker.stats.reconnects
        await until(lambda: box.is_whole(box.maker))
        first_new_s = box.gateway.new_risk_s[n_before]

    (silent_s,) = re.findall("no message received for ([0-9]+) s", because)
    assert STALE_AFTER_S <= int(silent_s) <= STALE_AFTER_S + 6
    assert reconnects == 1
    assert first_new_s > noticed_s


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize("feed", ["userFills", "orderUpdates"])
async def test_c3_without_the_acknowledgement_of_one_subscription_nothing_is_placed(
    monkeypatch: pytest.MonkeyPatch, feed: str
) -> None:
    """At the start, and again after a cut; then the venue acknowledges again."""
    monkeypatch.setattr("mm_trio.engine.feed_watchdog.ACK_WITHIN_S", 0.5)
    async with open_box() as box, trio.open_nursery() as trading:
        box.gateway.unacknowledged = {feed}
        trading.start_soon(box.maker.run)
        await until(lambda: box.maker.paused_because and feed in box.maker.paused_because)
        await trio.sleep(2)
        at_the_start = len(box.gateway.new_risk_s)
        box.gateway.unacknowledged = set()
        await until(lambda: box.n_resting() == 12)
        box.gateway.unacknowledged = {feed}
        box.server.drop_sockets()
        await until(lambda: box.maker.paused_because)
        n_before = len(box.gateway.new_risk_s)
        box.take("12", buy=True)
        await trio.sleep(2)
        after_a_cut = len(box.gateway.new_risk_s) - n_before
        box.gateway.unacknowledged = set()
        await until(lambda: box.is_whole(box.maker))
        trading.cancel_scope.cancel()

    assert (at_the_start, after_a_cut) == (0, 0)


@pytest.mark.usefixtures("sdk_threads")
async def test_c9_threads_that_tell_more_than_the_loop_takes_wait_for_it_and_nothing_is_dropped() -> None:
    """Four threads tell the same fills 2,000 times each; none has ever more than one message under way."""
    async with open_box(reconcile_every=10_000) as box, quoting(box):
        box.take("7", buy=True)
        await until(lambda: box.is_whole(box.maker))
        name = f"userFills:{box.account}"
        (subscription,) = box.info.ws_manager.active_subscriptions[name]
        rows = [fill_row(fill) for fill in box.gateway.exchange.fills(box.account)]
        frame = {"channel": "userFills", "data": {"user": box.account, "fills": rows}}
        n_told = [0] * 4

        def tell(number: int) -> None:
            for _ in range(2000):
                subscription.callback(frame)
                n_told[number] += 1

        threads = [threading.Thread(target=tell, args=(i,), daemon=True) for i in range(4)]
        for thread in threads:
            thread.start()
        deepest = 0
        while any(thread.is_alive() for thread in threads):
            deepest = max(deepest, trio.lowlevel.current_statistics().run_sync_soon_queue_size)
            await trio.lowlevel.checkpoint()
        box.take("6", buy=False)
        await until(lambda: box.is_whole(box.maker))
        stats = box.maker.stats

        assert n_told == [2000] * 4
        assert deepest <= len(threads) + 4  # and the socket's own thread, and workers
        assert (stats.reconnects, stats.errors) == (0, 0)
        assert stats.fills == len(box.gateway.exchange.fills(box.account))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.usefixtures("sdk_threads")
@pytest.mark.parametrize("how", ["an exception", "its socket"])
async def test_e3_a_socket_thread_that_dies_is_replaced_and_what_it_missed_is_booked(how: str) -> None:
    async with open_box(reconcile_every=10_000) as box, quoting(box):
        thread: Any = box.info.ws_manager
        if how == "an exception":
            hit = ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit)
            )
            assert hit == 1
        else:
            thread.ws.sock.sock.shutdown(socket.SHUT_RDWR)
        box.take("7", buy=True)
        box.take("6", buy=False)
        await until(lambda: not thread.is_alive())
        await until(lambda: box.maker.stats.reconnects == 1 and box.is_whole(box.maker))
        replaced = box.info.ws_manager
        box.take("6", buy=True)  # the new one speaks
        await until(
            lambda: box.is_whole(box.maker) and box.maker.stats.fills == len(box.gateway.exchange.fills(box.account))
        )

        assert replaced is not thread
        assert replaced.is_alive()


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize("max_pages", [2, 10, 13, 16])
async def test_e5_on_a_disk_that_is_full_nothing_new_is_sent_and_what_rests_is_cancelled(
    tmp_path: Path, max_pages: int
) -> None:
    """Full at its making, at the start, or in the midst of trading; with room again the ledger is exact."""
    if max_pages < LEAST_PAGES:
        with pytest.raises(JournalError, match="full"):
            Journal.open(tmp_path, max_pages=max_pages)
        return
    journal = Journal.open(tmp_path, max_pages=max_pages)
    async with open_box(journal=journal) as box:
        causes: list[BaseException] = []

        async def live() -> None:
            try:
                await box.maker.run()
            except* JournalError as group:
                causes.extend(find_leaves(group))

        async with trio.open_nursery() as trading:
            trading.start_soon(live)
            with trio.fail_after(2 * DEADLINE_S):
                for i in count():
                    box.take("3.3", buy=bool(i % 2))
                    await trio.sleep(0.02)
                    if causes:
                        break
        failed_s = time.monotonic()

        assert all("full" in str(cause) for cause in causes)
        assert causes
        assert box.n_resting() == 0
        assert box.maker.orders_may_rest == ()
        journal.close()
        second = box.next_maker(journal=Journal.open(tmp_path))
        assert all(sent_s < failed_s for sent_s in box.gateway.new_risk_s)
        async with trio.open_nursery() as trading:
            trading.start_soon(second.run)
            await until(lambda: box.is_whole(second))
            trading.cancel_scope.cancel()
