"""Approvals of API wallets, as the official SDK makes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hyperliquid.utils.signing import sign_agent
from sdk_client_kit import OTHER, STRANGER, WALLET, World, address_of, order, place

from mm_trio.sandbox.model.agents import Agents

pytestmark = pytest.mark.usefixtures("distinct_nonces")
DAY_MS = 86_400_000
NOW_MS = 1_795_000_000_000
DONE = {"status": "ok", "response": {"type": "default"}}
NOBODY = "0x" + "0" * 40


def err(text: str) -> dict[str, str]:
    return {"status": "err", "response": text}


def no_such_wallet(wallet: LocalAccount) -> dict[str, str]:
    return err(f"User or API Wallet {address_of(wallet)} does not exist.")


def approve(world: World, agent: str, name: str = "", *, wallet: LocalAccount = WALLET) -> Any:
    """Post an approval as `Exchange.approve_agent` does, for a chosen agent."""
    world.now_ms += 1
    action = {"type": "approveAgent", "agentAddress": agent, "agentName": name, "nonce": world.now_ms}
    signature = sign_agent(wallet, action, False)
    body = world.post("/exchange", {"action": action, "nonce": world.now_ms, "signature": signature}).body
    return json.loads(body)


def try_order(world: World, wallet: LocalAccount) -> Any:
    return world.act(place(order()), wallet=wallet)


def names_of(world: World, user: str = WALLET.address) -> list[str]:
    return [row["name"] for row in world.ask("extraAgents", user=user)]


# --- Through the SDK's own method ---


def test_an_agent_that_the_sdk_approved_acts_for_its_master_and_for_nobody_else() -> None:
    world = World()
    answer, key = world.sdk().approve_agent("bot")
    agent, approved_ms = Account.from_key(key), world.now_ms

    assert answer == DONE
    assert try_order(world, agent)["status"] == "ok"
    assert len(world.exchange.open_orders(address_of(WALLET))) == 1
    assert world.sdk_info().user_role(agent.address) == {"role": "agent", "data": {"user": address_of(WALLET)}}
    assert world.sdk_info().open_orders(agent.address) == []
    (row,) = world.sdk_info().extra_agents(WALLET.address)
    assert row == {"name": "bot", "address": address_of(agent), "validUntil": row["validUntil"]}
    assert row["validUntil"] == approved_ms + 90 * DAY_MS


def test_an_agent_without_a_name_is_not_listed_and_the_next_one_takes_its_place() -> None:
    world = World()
    _, first = world.sdk().approve_agent()
    world.now_ms += 1000
    assert try_order(world, Account.from_key(first))["status"] == "ok"
    assert names_of(world) == []

    answer, second = world.sdk().approve_agent()

    assert answer == DONE
    assert try_order(world, Account.from_key(second))["status"] == "ok"
    assert try_order(world, Account.from_key(first)) == no_such_wallet(Account.from_key(first))


def test_a_key_that_the_sandbox_gave_is_the_nameless_agent_and_makes_room_for_an_approved_one() -> None:
    world = World()
    world.auth.register_agent(STRANGER.address, master=WALLET.address)
    assert try_order(world, STRANGER)["status"] == "ok"

    approve(world, f"0x{5:040x}", "bot")
    assert try_order(world, STRANGER)["status"] == "ok"
    approve(world, f"0x{6:040x}", "")
    assert try_order(world, STRANGER) == no_such_wallet(STRANGER)


# --- Names and numbers ---


def test_three_have_a_name_and_a_fourth_is_too_many() -> None:
    world = World()
    for number, name in enumerate(("a", "b", "a name of 16 ch")):
        assert approve(world, f"0x{number + 1:040x}", name) == DONE

    fourth = approve(world, f"0x{9:040x}", "d")

    assert fourth == err("Too many extra agents for cumulative volume traded. Current limit is 3")
    assert names_of(world) == ["a", "b", "a name of 16 ch"]
    # A nameless agent has a slot of its own, and each master has its own slots.
    assert approve(world, f"0x{8:040x}", "") == DONE
    assert approve(world, f"0x{7:040x}", "d", wallet=OTHER) == DONE


def test_the_same_name_replaces_its_agent() -> None:
    world = World()
    approve(world, address_of(STRANGER), "bot")
    assert try_order(world, STRANGER)["status"] == "ok"

    assert approve(world, f"0x{5:040x}", "bot") == DONE

    assert names_of(world) == ["bot"]
    assert try_order(world, STRANGER) == no_such_wallet(STRANGER)


def test_an_address_that_signs_already_is_used() -> None:
    world = World()
    approve(world, address_of(STRANGER), "bot")

    assert approve(world, address_of(STRANGER), "other") == err("Extra agent already used.")
    assert approve(world, address_of(STRANGER), "bot", wallet=OTHER) == err("Extra agent already used.")
    assert approve(world, address_of(OTHER), "bot") == err("Extra agent already used.")
    assert approve(world, address_of(WALLET), "bot") == err("Extra agent already used.")


def test_the_same_agent_under_the_same_name_is_prolonged() -> None:
    world = World()
    approve(world, address_of(STRANGER), "bot")
    (before,) = world.ask("extraAgents", user=WALLET.address)
    world.now_ms += DAY_MS

    assert approve(world, address_of(STRANGER), "bot") == DONE
    (after,) = world.ask("extraAgents", user=WALLET.address)
    assert after["validUntil"] - before["validUntil"] == DAY_MS + 1


def test_who_is_prolonged_has_still_spent_its_nonces() -> None:
    world = World()
    approve(world, address_of(STRANGER), "bot")
    nonce = world.now_ms + 500
    world.act({"type": "noop"}, wallet=STRANGER, nonce=nonce)
    approve(world, address_of(STRANGER), "bot")

    assert "duplicate" in world.act({"type": "noop"}, wallet=STRANGER, nonce=nonce)["response"]


@pytest.mark.parametrize(
    "name", ["x" * 17, "x" * 40, " valid_until 1795000000001", "x" * 17 + " valid_until 1795000000001"]
)
def test_a_name_has_one_to_sixteen_characters(name: str) -> None:
    world = World()

    assert approve(world, address_of(STRANGER), name)["status"] == "err"
    assert names_of(world) == []


# --- Expiry and removal ---


def test_an_end_may_be_wished_for_and_is_no_part_of_the_name() -> None:
    world = World()
    until_ms = world.now_ms + 60_000
    approve(world, address_of(STRANGER), f"bot valid_until {until_ms}")

    (row,) = world.ask("extraAgents", user=WALLET.address)
    assert row == {"name": "bot", "address": address_of(STRANGER), "validUntil": until_ms}
    assert try_order(world, STRANGER)["status"] == "ok"
    world.now_ms = until_ms
    assert try_order(world, STRANGER) == no_such_wallet(STRANGER)
    assert names_of(world) == []
    assert world.ask("userRole", user=STRANGER.address) == {"role": "missing"}


@pytest.mark.parametrize("ahead_ms", [-1, 0, 180 * DAY_MS + 1])
def test_an_end_lies_ahead_and_at_most_180_days(ahead_ms: int) -> None:
    agents = Agents()

    words = f"bot valid_until {NOW_MS + ahead_ms}"
    refusal = agents.approve("0xm", "0xa", words, now_ms=NOW_MS, is_account=lambda address: False)

    assert refusal
    assert agents.find("0xa", now_ms=NOW_MS) is None


def test_an_agent_past_its_end_frees_its_place_and_its_name() -> None:
    world = World()
    until_ms = world.now_ms + 1000
    for number in range(3):
        approve(world, f"0x{number + 1:040x}", f"n{number} valid_until {until_ms}")
    world.now_ms = until_ms + 1

    for number in range(3):
        assert approve(world, f"0x{number + 11:040x}", f"m{number}") == DONE
    assert names_of(world) == ["m0", "m1", "m2"]


def test_the_zero_address_ends_an_approval_at_once() -> None:
    world = World()
    approve(world, address_of(STRANGER), "bot")
    approve(world, f"0x{5:040x}", "")

    assert approve(world, NOBODY, "bot") == DONE
    assert try_order(world, STRANGER) == no_such_wallet(STRANGER)
    assert world.ask("userRole", user=f"0x{5:040x}")["role"] == "agent"
    assert approve(world, NOBODY, "") == DONE
    assert world.ask("userRole", user=f"0x{5:040x}") == {"role": "missing"}


def test_an_agent_that_comes_back_may_send_its_old_nonces_again() -> None:
    """The docs warn that an agent's nonces are forgotten with it."""
    world = World()
    approve(world, address_of(STRANGER), "bot")
    nonce = world.now_ms + 500
    assert world.act({"type": "noop"}, wallet=STRANGER, nonce=nonce) == DONE
    assert "duplicate" in world.act({"type": "noop"}, wallet=STRANGER, nonce=nonce)["response"]
    approve(world, NOBODY, "bot")
    approve(world, address_of(STRANGER), "bot")

    assert world.act({"type": "noop"}, wallet=STRANGER, nonce=nonce) == DONE


# --- Permission to approve ---


def test_an_agent_approves_nobody_and_a_stranger_must_deposit_first() -> None:
    world = World()
    world.auth.register_agent(STRANGER.address, master=WALLET.address)
    refused = err(f"Must deposit before performing actions. User: {address_of(STRANGER)}")

    assert approve(world, f"0x{5:040x}", "bot", wallet=STRANGER) == refused
    world.auth.revoke_agent(STRANGER.address)
    assert approve(world, f"0x{5:040x}", "bot", wallet=STRANGER) == refused
    assert names_of(world) == []
