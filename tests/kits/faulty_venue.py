"""A sandbox with faults behind real sockets, on a clock that the test steps, and the official SDK as its client."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from random import Random
from time import time_ns
from typing import Any

import trio
import websocket
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hyperliquid.exchange import Exchange as SdkExchange
from hyperliquid.info import Info
from socket_kit import DEADLINE_S, in_thread, wait_until

from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.clock import SteppedClock
from mm_trio.sandbox.faults.dice import FaultDice
from mm_trio.sandbox.faults.hub import FaultHub
from mm_trio.sandbox.faults.plan import parse_rules
from mm_trio.sandbox.faults.world import FaultTarget, WorldFaults
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Deposit
from mm_trio.sandbox.model.markets import DEFAULT_MARKETS
from mm_trio.sandbox.server.control_api import ControlRoom
from mm_trio.sandbox.server.server import SandboxServer, serve
from mm_trio.sandbox.server.ws_session import GREETING

OWNER: LocalAccount = Account.from_key("0x" + "01" * 32)
AGENT: LocalAccount = Account.from_key("0x" + "02" * 32)
TAKER: LocalAccount = Account.from_key("0x" + "03" * 32)
TOKEN = "test-token"
HYPE = DEFAULT_MARKETS.pair("@107")
ALO = {"limit": {"tif": "Alo"}}
IOC = {"limit": {"tif": "Ioc"}}


@dataclass
class FaultyVenue:
    """`clock` stands still until the test steps it, so nothing late comes by chance."""

    gateway: Gateway
    auth: Auth
    clock: SteppedClock
    faults: FaultHub
    server: SandboxServer
    control: ControlRoom

    def sdk(self, wallet: LocalAccount = AGENT, *, timeout: float = DEADLINE_S) -> SdkExchange:
        spot_meta = self.gateway.exchange.markets.spot_meta()
        return SdkExchange(wallet, self.server.url, meta={"universe": []}, spot_meta=spot_meta, timeout=timeout)

    def info(self, *, skip_ws: bool = True) -> Info:
        """Call it in a worker thread: what the SDK starts there is a daemon. A socket of it is open."""
        spot_meta = self.gateway.exchange.markets.spot_meta()
        url = self.server.url
        info = Info(url, skip_ws=skip_ws, meta={"universe": []}, spot_meta=spot_meta, timeout=DEADLINE_S)
        if not skip_ws:
            wait_until(lambda: info.ws_manager.ws_ready)
        return info

    async def order(self, price: float = 20.0, *, timeout: float = DEADLINE_S, **options: Any) -> Any:
        """One post-only bid of the owner, through his agent."""
        sdk = self.sdk(timeout=timeout)
        sdk.set_expires_after(options.pop("expires_after", None))
        return await in_thread(sdk.order, "@107", True, 1.5, price, options.pop("order_type", ALO), **options)

    async def ask(self, method: str, *arguments: Any) -> Any:
        """A read of the owner's account."""
        return await in_thread(getattr(self.info(), method), OWNER.address, *arguments)

    def resting(self) -> list[int]:
        """The owner's oids, as the exchange has them."""
        return [order.oid for order in self.gateway.exchange.open_orders(OWNER.address)]

    def step(self, seconds: float) -> None:
        self.clock.step_to(self.clock.now_ms() + round(seconds * 1000))

    def struck(self) -> dict[str, int]:
        return self.faults.dice.summary()

    def open_socket(self) -> Any:
        """A plain client (websocket-client's, half of it untyped) that has read the greeting."""
        client = websocket.create_connection(self.server.url.replace("http", "ws", 1) + "/ws", timeout=DEADLINE_S)
        assert client.recv() == GREETING
        return client


async def open_faulty(nursery: trio.Nursery, *rules: dict[str, Any], seed: int = 1) -> FaultyVenue:
    """A venue whose owner has an agent and money, with the faults of these rules."""
    clock = SteppedClock(time_ns() // 1_000_000)
    gateway = Gateway(Exchange(), now_ms=clock.now_ms)
    for wallet in (OWNER, TAKER):
        for token, amount in ((0, 100_000), (150, 1_000)):
            gateway.apply(Deposit(wallet.address.lower(), token, Decimal(amount)))
    auth = Auth(lambda address: address in gateway.exchange.addresses())
    auth.register_agent(AGENT.address, master=OWNER.address)
    rng = Random(seed)
    world = WorldFaults(gateway, auth, clock, rng, pairs=[HYPE])
    target = FaultTarget(OWNER.address.lower(), AGENT.address.lower())
    faults = FaultHub(FaultDice(parse_rules(list(rules)), rng), clock, world, targets=[target])
    taker = TAKER.address.lower()
    control = ControlRoom(gateway=gateway, clock=clock, faults=faults, token=TOKEN, pairs=[HYPE], taker=taker)
    server = await nursery.start(partial(serve, gateway, auth, clock=clock, faults=faults, control=control))
    return FaultyVenue(gateway, auth, clock, faults, server, control)


def statuses(answer: Any) -> list[Any]:
    assert answer["status"] == "ok", answer
    found: list[Any] = answer["response"]["data"]["statuses"]
    return found
