"""The HTTP side of the sandbox behind real sockets: agents that the SDK approves, transfers, the weight of a minute."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from time import time_ns
from typing import Any

import pytest
import requests
import trio
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hyperliquid.exchange import Exchange as SdkExchange
from hyperliquid.info import Info
from hyperliquid.utils.error import ClientError
from socket_kit import DEADLINE_S, in_thread

from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.api.ip_weights import IpWeights
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Deposit
from mm_trio.sandbox.server.server import SandboxServer, serve

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("distinct_nonces")]

WALLET: LocalAccount = Account.from_key("0x" + "01" * 32)
FRIEND = "0x" + "7" * 40
ALO = {"limit": {"tif": "Alo"}}
DONE = {"status": "ok", "response": {"type": "default"}}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


async def open_sandbox(nursery: trio.Nursery, *, ip_weight: int | None = None) -> str:
    """The URL of a sandbox in which `WALLET` is funded."""
    gateway = Gateway(Exchange(), now_ms=lambda: time_ns() // 1_000_000)
    for token, amount in ((0, 100_000), (150, 1_000)):
        gateway.apply(Deposit(WALLET.address, token, Decimal(amount)))
    auth = Auth(lambda address: address in gateway.exchange.addresses())
    server: SandboxServer = await nursery.start(partial(serve, gateway, auth, ip_weights=IpWeights(ip_weight)))
    return server.url


async def test_an_agent_is_approved_trades_and_is_replaced(nursery: trio.Nursery) -> None:
    url = await open_sandbox(nursery)

    def trade() -> list[Any]:
        master = SdkExchange(WALLET, url, timeout=DEADLINE_S)
        approved, key = master.approve_agent("bot")
        wallet = Account.from_key(key)
        agent = SdkExchange(wallet, url, account_address=WALLET.address, timeout=DEADLINE_S)
        placed = agent.order("@107", True, 1.5, 20.0, ALO)
        orders = agent.info.open_orders(WALLET.address)
        role, listed = agent.info.user_role(wallet.address), agent.info.extra_agents(WALLET.address)
        again, _ = master.approve_agent("bot")
        refused = agent.order("@107", True, 1.5, 20.0, ALO)
        return [approved, placed, orders, role, listed, again, refused, wallet.address.lower()]

    approved, placed, orders, role, listed, again, refused, address = await in_thread(trade)

    assert (approved, again) == (DONE, DONE)
    assert placed["response"]["data"]["statuses"][0]["resting"]["oid"] == orders[0]["oid"]
    assert role == {"role": "agent", "data": {"user": WALLET.address.lower()}}
    assert [(row["name"], row["address"]) for row in listed] == [("bot", address)]
    assert refused == {"status": "err", "response": f"User or API Wallet {address} does not exist."}


async def test_funds_move_and_both_sides_see_it(nursery: trio.Nursery) -> None:
    url = await open_sandbox(nursery)

    def move() -> list[Any]:
        sdk = SdkExchange(WALLET, url, timeout=DEADLINE_S)
        answers = [
            sdk.spot_transfer(2.5, FRIEND, "HYPE:0x0d01dc56dcaaca66ad901c959b4011ec"),
            sdk.usd_transfer(10.0, FRIEND),
            sdk.usd_class_transfer(1.0, True),
            sdk.withdraw_from_bridge(50.0, FRIEND),
        ]
        return [answers, sdk.info.spot_user_state(FRIEND), sdk.info.user_non_funding_ledger_updates(FRIEND, 0)]

    answers, state, updates = await in_thread(move)

    assert answers == [DONE] * 4
    assert {row["coin"]: row["total"] for row in state["balances"]} == {"HYPE": "2.5", "USDC": "10.0"}
    assert [row["delta"]["amount"] for row in updates] == ["2.5", "10.0"]


async def test_too_much_in_a_minute_is_429_null_and_the_sdk_says_so(nursery: trio.Nursery) -> None:
    url = await open_sandbox(nursery, ip_weight=100)

    def ask() -> tuple[list[int], requests.Response]:
        info = Info(url, skip_ws=True, timeout=DEADLINE_S)  # asks for two kinds of metadata: 40
        refused = []
        for _ in range(5):
            try:
                info.open_orders(WALLET.address)
            except ClientError as error:
                refused.append(error.status_code)
        raw = requests.post(f"{url}/info", json={"type": "userRole", "user": WALLET.address}, timeout=DEADLINE_S)
        return refused, raw

    refused, raw = await in_thread(ask)

    assert refused == [429, 429]
    assert (raw.status_code, raw.text, raw.headers["content-type"]) == (429, "null", "application/json")


async def test_without_a_limit_nobody_counts(nursery: trio.Nursery) -> None:
    url = await open_sandbox(nursery)

    def ask() -> set[int]:
        body = {"type": "userRole", "user": WALLET.address}
        with requests.Session() as session:
            return {session.post(f"{url}/info", json=body, timeout=DEADLINE_S).status_code for _ in range(40)}

    assert await in_thread(ask) == {200}
