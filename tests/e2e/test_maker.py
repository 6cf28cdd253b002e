"""The maker on the official SDK, over HTTP and WebSocket, on the real clock. A test makes each taker's move."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from native_kit import CHOSEN, make_chosen
from tls_kit import listening, make_certificate, serve_tls

from mm_trio import WsState
from mm_trio.config.settings import MarketSettings
from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Deposit, NewOrder, PlaceOrders
from mm_trio.sandbox.server.server import SandboxServer, serve
from mm_trio.transport.native import NativeTransport
from mm_trio.transport.wire import Route
from mm_trio.venue.sdk import fetch_spot_meta, make_exchange, make_info, make_wallet
from mm_trio.venue.socket import DisposableSocket

pytestmark = pytest.mark.e2e

COIN, ASSET, BASE, QUOTE = "@107", 10_107, 150, 0
TAKER = "0x" + "b2" * 20
KEY = "0x" + "5e" * 32  # of nobody: it signs on loopback only
DEADLINE_S = 30.0


class Loopback:
    """The exchange behind its server, and a maker on the SDK beside it."""

    def __init__(self, gateway: Gateway, server: SandboxServer, spot_meta: Any, **changed: Any) -> None:
        self.gateway = gateway
        self.server = server
        wallet = make_wallet(KEY)
        self.account: str = wallet.address.lower()
        for address in (self.account, TAKER):
            gateway.apply(Deposit(address, BASE, Decimal(1000)))
            gateway.apply(Deposit(address, QUOTE, Decimal(100_000)))
        self.info = make_info(server.url, spot_meta)
        parameters: dict[str, Any] = {
            "coin": COIN,
            "start_px": "20",
            "n_orders": 40,
            "order_sz": "5",
            "active_levels": 6,
            "allocated_token": "100",
            "allocated_usdc": "2000",
            "interval_s": 0.2,
            "requote_on_fill": True,
            "info": self.info,
            "exchange": make_exchange(
                MarketSettings(coin=COIN, api_url=server.url, account=self.account), wallet, spot_meta
            ),
            "address": self.account,
            "transport": make_chosen(server.url),
        }
        self.maker = WsState(**(parameters | changed))

    def take(self, size: str, *, buy: bool) -> None:
        book = self.gateway.exchange.book(COIN)
        worst = book.asks[-1] if buy else book.bids[-1]
        order = NewOrder(ASSET, buy, worst.price, Decimal(size), "Ioc")
        self.gateway.apply(PlaceOrders(TAKER, (order,)))

    def resting(self) -> dict[tuple[str, int], Decimal]:
        return {
            ("buy" if o.is_buy else "sell", self.maker.grid.levels.index(o.price)): o.size
            for o in self.gateway.exchange.open_orders(self.account)
        }

    def ledger_is_exact(self) -> bool:
        account = self.gateway.exchange.account(self.account)
        inventory = self.maker.inventory
        assert inventory.virtual_token is not None
        assert inventory.virtual_usdc is not None
        return (inventory.virtual_token - 100, inventory.virtual_usdc - 2000) == (
            account.total(BASE) - 1000,
            account.total(QUOTE) - 100_000,
        )


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - the condition lies across a socket
            await trio.sleep(0.01)


@asynccontextmanager
async def loopback(
    *, web_data2: bool = False, on_served: Callable[[int], None] = lambda _: None, **changed: Any
) -> AsyncIterator[Loopback]:
    """A maker that quotes; on leaving it is cancelled and must have left nothing behind."""
    exchange = Exchange()
    gateway = Gateway(exchange, now_ms=lambda: time.time_ns() // 1_000_000, web_data2=web_data2)
    async with trio.open_nursery() as world:
        server = await world.start(serve, gateway, Auth(lambda address: address in exchange.addresses()))
        on_served(int(server.url.rpartition(":")[2]))
        spot_meta = await trio.to_thread.run_sync(fetch_spot_meta, server.url)
        box = Loopback(gateway, server, spot_meta, **changed)
        async with trio.open_nursery() as trading:
            trading.start_soon(box.maker.run)
            await until(lambda: len(box.resting()) == 12)
            yield box
            trading.cancel_scope.cancel()
        assert box.resting() == {}
        assert box.maker.orders_may_rest == ()
        world.cancel_scope.cancel()


@pytest.mark.usefixtures("each_transport")
async def test_a_level_that_was_taken_flips() -> None:
    async with loopback() as box:
        boundary = box.maker.boundary_level
        assert boundary == 20

        box.take("5", buy=True)
        await until(lambda: box.resting().get(("buy", 20)) == 5)

        assert box.maker.boundary_level == 21
        assert ("sell", 20) not in box.resting()
        assert box.ledger_is_exact()


@pytest.mark.usefixtures("each_transport")
async def test_a_sweep_over_five_levels_and_a_partial_fill_are_quoted_again() -> None:
    async with loopback() as box:
        box.take("23", buy=True)
        await until(lambda: box.resting().get(("sell", 24)) == 2 and len(box.resting()) == 12)

        assert {level for side, level in box.resting() if side == "buy"} == set(range(18, 24))
        assert box.ledger_is_exact()
        assert box.maker.stats.errors == 0


@pytest.mark.usefixtures("each_transport")
async def test_a_dropped_socket_is_replaced_and_what_was_traded_meanwhile_is_booked() -> None:
    async with loopback() as box:
        box.server.drop_sockets()
        box.take("12", buy=False)  # nobody hears of it on the socket
        await until(lambda: box.maker.stats.reconnects == 1 and box.ledger_is_exact())
        await until(lambda: len(box.resting()) == 12 and box.resting().get(("sell", 18)) == 5)

        box.take("5", buy=True)
        await until(lambda: box.maker.stats.fills == 4)  # the new socket speaks again
        assert box.maker.stats.errors == 0


@pytest.mark.usefixtures("each_transport")
async def test_a_socket_gone_silent_is_replaced() -> None:
    async with loopback(feed_stale_after_s=3.0) as box:
        box.server.silence_sockets()
        box.take("5", buy=True)

        await until(lambda: box.maker.stats.reconnects >= 1 and box.ledger_is_exact())
        await until(lambda: box.resting().get(("buy", 20)) == 5)


@pytest.mark.usefixtures("each_transport")
async def test_a_deposit_told_by_web_data_is_checked_and_taken_over() -> None:
    """No reconciliation would come by itself: it is the pushed balance that asks for one."""
    async with loopback(web_data2=True, reconcile_every=1_000_000) as box:
        box.gateway.apply(Deposit(box.account, BASE, Decimal(7)))

        await until(lambda: box.maker.inventory.account_token == 1007)
        assert box.maker.stats.errors == 0


async def test_by_tls_it_trades_and_reconnects_as_without(tmp_path: Path) -> None:
    """The exchange speaks none, so it stands behind a server that does; questions go past it."""
    certificate = make_certificate(tmp_path)
    ports: list[int] = []

    async def serve_one(stream: trio.abc.Stream) -> None:
        await serve_tls(certificate, ports[0])(stream)

    async with listening(serve_one) as port:
        transport = NativeTransport(Route("localhost", port, certificate.make_client_context()))
        async with loopback(on_served=ports.append, transport=transport) as box:
            box.take("23", buy=True)
            await until(lambda: box.resting().get(("sell", 24)) == 2 and len(box.resting()) == 12)
            box.server.drop_sockets()
            await until(lambda: box.maker.stats.reconnects == 1)
            box.take("5", buy=False)
            await until(lambda: box.maker.stats.fills == 6 and len(box.resting()) == 12)

            assert box.ledger_is_exact()


async def test_with_sockets_of_the_loop_there_are_no_threads_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CHOSEN, "name", "trio")
    async with loopback() as box:
        assert not any(type(t).__name__ == "DisposableSocket" for t in threading.enumerate())
        assert box.server.n_connections == 1
    assert box.server.n_connections == 0


@pytest.mark.usefixtures("sdk_threads")
async def test_no_thread_of_a_socket_outlives_the_maker_for_long() -> None:
    before = set(threading.enumerate())
    async with loopback() as box:
        box.server.drop_sockets()
        await until(lambda: box.maker.stats.reconnects == 1)
        started = [t for t in threading.enumerate() if t not in before and type(t).__name__ == "DisposableSocket"]

        assert started
        assert all(thread.daemon for thread in started)

    await until(lambda: not any(type(t).__name__ == "DisposableSocket" for t in threading.enumerate()))


async def test_a_socket_thrown_away_before_it_connected_does_not_live_on() -> None:
    async with loopback() as box:
        socket = DisposableSocket(box.server.url)
        socket.stop()  # as if we left between its start and its first byte
        socket.start()

        await until(lambda: not socket.is_alive())
        await until(lambda: box.server.n_connections == 1)  # the maker's


@pytest.mark.usefixtures("each_transport")
async def test_no_signed_payload_reaches_a_log_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with loopback() as box:
        box.take("5", buy=True)
        await until(lambda: box.maker.stats.fills == 1)

    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "fill side=sell" in text
    assert "signature" not in text
    assert KEY[2:] not in text


@pytest.mark.usefixtures("each_transport")
async def test_a_proxy_of_the_environment_does_not_come_between_us_and_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    async with loopback() as box:
        box.take("5", buy=True)
        await until(lambda: box.maker.stats.fills == 1)
