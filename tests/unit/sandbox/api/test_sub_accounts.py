"""Sub-accounts and vaults: made, funded and traded on with the official SDK's own methods."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest
from hyperliquid.exchange import Exchange as SdkExchange
from sdk_client_kit import NOW_MS, OTHER, STRANGER, WALLET, World, address_of, statuses

from mm_trio.sandbox.model.commands import Deposit
from mm_trio.sandbox.model.sub_accounts import MOST_OF_ONE, SubAccount

MASTER = address_of(WALLET)
HYPE = "HYPE:0x0d01dc56dcaaca66ad901c959b4011ec"
ALO = {"limit": {"tif": "Alo"}}
DONE = {"status": "ok", "response": {"type": "default"}}


@pytest.fixture(autouse=True)
def nonces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's clock has milliseconds, in which a test does more than one thing."""
    counter = itertools.count(NOW_MS + 1)
    monkeypatch.setattr("hyperliquid.exchange.get_timestamp_ms", lambda: next(counter))


def err(text: str) -> dict[str, str]:
    return {"status": "err", "response": text}


def open_sub_account(world: World, *, usdc: float = 500) -> str:
    """Make a sub-account of the wallet, with USDC from its master."""
    address: str = world.sdk().create_sub_account("maker")["response"]["data"]
    if usdc:
        assert world.sdk().sub_account_spot_transfer(address, True, "USDC", usdc) == DONE
    return address


def client_of(world: World, address: str, wallet: Any = WALLET) -> SdkExchange:
    client = world.sdk(wallet)
    client.vault_address = address
    return client


def total(world: World, address: str, coin: str = "USDC") -> Decimal:
    rows = world.ask("spotClearinghouseState", user=address)["balances"]
    return next((Decimal(row["total"]) for row in rows if row["coin"] == coin), Decimal(0))


def test_a_sub_account_is_made_and_listed_with_its_master() -> None:
    world = World()
    answer = world.sdk().create_sub_account("maker")
    address = answer["response"]["data"]

    assert answer == {"status": "ok", "response": {"type": "createSubAccount", "data": address}}
    assert world.ask("userRole", user=address) == {"role": "subAccount", "data": {"master": MASTER}}
    (row,) = world.sdk_info().query_sub_accounts(MASTER)
    assert (row["subAccountUser"], row["name"], row["master"]) == (address, "maker", MASTER)
    assert row["spotState"] == {"balances": []}


def test_an_account_without_sub_accounts_has_none() -> None:
    assert World().ask("subAccounts", user=MASTER) is None


def test_its_address_is_the_same_at_every_start() -> None:
    assert open_sub_account(World(), usdc=0) == open_sub_account(World(), usdc=0)


def test_funds_move_to_a_sub_account_and_back() -> None:
    world = World()
    address, before = open_sub_account(world), total(world, MASTER)
    back = world.sdk().sub_account_spot_transfer(address, False, "USDC", 200)

    assert back == DONE
    assert (total(world, address), total(world, MASTER) - before) == (Decimal(300), Decimal(200))


def test_usd_is_moved_in_millionths() -> None:
    world = World()
    address = open_sub_account(world)

    assert world.sdk().sub_account_transfer(address, True, 2_500_000) == DONE
    assert total(world, address) == Decimal("502.5")


@pytest.mark.parametrize("is_deposit", [True, False])
def test_no_more_is_moved_than_there_is(is_deposit: bool) -> None:
    world = World()
    address = open_sub_account(world)
    answer = world.sdk().sub_account_spot_transfer(address, is_deposit, "USDC", 1_000_000)

    assert answer == err("Insufficient balance for token transfer")


def test_an_action_with_its_address_is_its_own() -> None:
    world = World()
    address = open_sub_account(world)
    placed = client_of(world, address).order("HYPE/USDC", True, 2, 20, ALO)

    assert "resting" in statuses(placed)[0]
    assert [row["sz"] for row in world.ask("openOrders", user=address)] == ["2.0"]
    assert world.ask("openOrders", user=MASTER) == []


def test_the_masters_agent_acts_for_it_too() -> None:
    world = World()
    address = open_sub_account(world)
    world.auth.register_agent(address_of(STRANGER), master=MASTER)
    placed = client_of(world, address, STRANGER).order("HYPE/USDC", True, 2, 20, ALO)

    assert "resting" in statuses(placed)[0]


def test_the_order_of_a_sub_account_needs_its_own_funds() -> None:
    world = World()
    placed = client_of(world, open_sub_account(world, usdc=10)).order("HYPE/USDC", True, 2, 20, ALO)

    assert "Insufficient spot balance" in statuses(placed)[0]["error"]


def test_nobody_else_acts_for_it() -> None:
    world = World()
    address = open_sub_account(world)
    answer = client_of(world, address, OTHER).order("HYPE/USDC", True, 2, 20, ALO)

    assert answer == err(f"Vault not registered: {address}")


def test_nobody_else_moves_its_funds() -> None:
    world = World()
    address = open_sub_account(world)
    answer = world.sdk(OTHER).sub_account_spot_transfer(address, False, "USDC", 1)

    assert answer == err(f"Vault not registered: {address}")


def test_funds_of_a_sub_account_can_be_sent() -> None:
    world = World()
    address, before = open_sub_account(world), total(world, address_of(OTHER))
    sent = client_of(world, address).send_asset(address_of(OTHER), "spot", "spot", "USDC", 7)

    assert sent == DONE
    assert (total(world, address), total(world, address_of(OTHER)) - before) == (Decimal(493), Decimal(7))


def test_a_leader_acts_for_its_vault() -> None:
    world = World()
    vault = world.auth.agents.sub_accounts.create(MASTER, "vault", is_vault=True)
    assert isinstance(vault, SubAccount)
    world.gateway.apply(Deposit(vault.address, 0, Decimal(100)))
    answer = client_of(world, vault.address).order("HYPE/USDC", True, 2, 20, ALO)

    assert "resting" in statuses(answer)[0]
    assert world.ask("userRole", user=vault.address) == {"role": "vault"}
    assert world.ask("subAccounts", user=MASTER) is None


@pytest.mark.parametrize("name", ["", "a name that is too long"])
def test_a_name_has_one_to_sixteen_characters(name: str) -> None:
    assert World().sdk().create_sub_account(name) == err("Invalid sub-account name.")


def test_nobody_fills_the_memory() -> None:
    world = World()
    for _ in range(MOST_OF_ONE):
        open_sub_account(world, usdc=0)

    assert world.sdk().create_sub_account("one more")["status"] == "err"


@pytest.mark.parametrize(
    "changes", [{"isDeposit": "yes"}, {"amount": 7}, {"subAccountUser": "0xabc"}, {"token": None}, {"more": 1}]
)
def test_an_unreadable_transfer_is_refused_as_such(changes: dict[str, Any]) -> None:
    world = World()
    action = {"type": "subAccountSpotTransfer", "subAccountUser": MASTER, "isDeposit": True, "token": "USDC"}
    envelope = {"action": action | {"amount": "1"} | changes, "nonce": world.now_ms}
    answer = world.post("/exchange", envelope | {"signature": {"r": "0x1", "s": "0x1", "v": 27}})

    assert answer.status == 422
