"""Actions that a wallet signs itself, made by the official SDK: transfers, withdrawals, approvals of builders."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from hyperliquid.utils import signing
from sdk_client_kit import NOW_MS, OTHER, STRANGER, UNREADABLE, WALLET, World, address_of, order, place

from mm_trio.sandbox.model.commands import Deposit

pytestmark = pytest.mark.usefixtures("distinct_nonces")
DONE = {"status": "ok", "response": {"type": "default"}}
HYPE = "HYPE:0x0d01dc56dcaaca66ad901c959b4011ec"
PURR_ID = "PURR:0xc1fb593aeffbeb02f85e0308e9956a90"
FRESH = "0x" + "7" * 40
SIGNERS: dict[str, Any] = {
    "usdSend": signing.sign_usd_transfer_action,
    "spotSend": signing.sign_spot_transfer_action,
    "withdraw3": signing.sign_withdraw_from_bridge_action,
    "usdClassTransfer": signing.sign_usd_class_transfer_action,
    "sendAsset": signing.sign_send_asset_action,
    "approveBuilderFee": signing.sign_approve_builder_fee,
}


def err(text: str) -> dict[str, str]:
    return {"status": "err", "response": text}


def sign(
    world: World, kind: str, *, wallet: LocalAccount = WALLET, mainnet: bool = False, **fields: Any
) -> dict[str, Any]:
    """Sign an action of that kind now and return its envelope."""
    world.now_ms += 1
    time_field = "time" if kind in ("usdSend", "spotSend", "withdraw3") else "nonce"
    action = {"type": kind, **fields, time_field: world.now_ms}
    signature = SIGNERS[kind](wallet, action, mainnet)
    envelope = {"action": action, "nonce": world.now_ms, "signature": signature}
    return envelope | {"vaultAddress": None, "expiresAfter": None}


def post(world: World, envelope: dict[str, Any]) -> Any:
    answer = world.post("/exchange", envelope)
    assert answer.status == 200, answer
    return json.loads(answer.body)


def send(
    world: World, amount: str, *, to: str = OTHER.address, token: str = HYPE, wallet: LocalAccount = WALLET
) -> Any:
    fields: dict[str, Any] = {"destination": to.lower(), "token": token, "amount": amount}
    return post(world, sign(world, "spotSend", wallet=wallet, **fields))


def send_asset(world: World, **changes: str) -> Any:
    fields: dict[str, Any] = {
        "destination": address_of(OTHER),
        "sourceDex": "spot",
        "destinationDex": "spot",
        "token": HYPE,
    }
    return post(world, sign(world, "sendAsset", **(fields | {"amount": "1", "fromSubAccount": ""} | changes)))


def total(world: World, user: str, coin: str) -> Decimal:
    balances = world.ask("spotClearinghouseState", user=user)["balances"]
    return sum((Decimal(row["total"]) for row in balances if row["coin"] == coin), Decimal(0))


# --- Effects of the SDK's methods ---


def test_the_sdk_moves_a_token_to_another_address() -> None:
    world = World()

    assert world.sdk().spot_transfer(1.5, address_of(OTHER), HYPE) == DONE
    assert (total(world, WALLET.address, "HYPE"), total(world, OTHER.address, "HYPE")) == (
        Decimal("998.5"),
        Decimal("1001.5"),
    )


def test_the_sdk_moves_usdc_sends_assets_and_withdraws() -> None:
    world = World()

    assert world.sdk().usd_transfer(10.0, address_of(OTHER)) == DONE
    assert total(world, OTHER.address, "USDC") == 100_010
    world.now_ms += 10
    assert world.sdk().send_asset(address_of(OTHER), "spot", "spot", "USDC", 5.0) == DONE
    assert total(world, OTHER.address, "USDC") == 100_015
    world.now_ms += 10
    assert world.sdk().withdraw_from_bridge(100.0, FRESH) == DONE
    assert total(world, WALLET.address, "USDC") == 100_000 - 10 - 5 - 100


def test_the_sdk_changes_the_class_of_usdc_and_nothing_moves() -> None:
    world = World()

    assert world.sdk().usd_class_transfer(5.0, True) == DONE
    assert total(world, WALLET.address, "USDC") == 100_000


def test_the_sdk_approves_a_builder() -> None:
    world = World()
    builder = "0x" + "ab" * 20

    assert world.ask("maxBuilderFee", user=WALLET.address, builder=builder) == 0
    assert world.sdk().approve_builder_fee(builder, "0.001%") == DONE
    assert world.ask("maxBuilderFee", user=WALLET.address, builder=builder) == 1
    assert world.ask("approvedBuilders", user=WALLET.address) == [builder]
    assert post(world, sign(world, "approveBuilderFee", maxFeeRate="0%", builder=builder)) == DONE
    assert world.ask("approvedBuilders", user=WALLET.address) == []
    assert post(world, sign(world, "approveBuilderFee", maxFeeRate="a lot", builder=builder))["status"] == "err"


# --- Signatures and nonces ---


@pytest.mark.parametrize("kind", SIGNERS)
def test_every_kind_recovers_to_its_wallet_and_a_changed_one_to_somebody_else(kind: str) -> None:
    world = World()
    fields: dict[str, dict[str, Any]] = {
        "usdSend": {"destination": address_of(OTHER), "amount": "1"},
        "spotSend": {"destination": address_of(OTHER), "token": HYPE, "amount": "1"},
        "withdraw3": {"destination": address_of(OTHER), "amount": "2"},
        "usdClassTransfer": {"amount": "1", "toPerp": False},
        "approveBuilderFee": {"maxFeeRate": "0.1%", "builder": "0x" + "ab" * 20},
        "sendAsset": {
            "destination": address_of(OTHER),
            "sourceDex": "spot",
            "destinationDex": "spot",
            "token": "USDC",
            "amount": "1",
            "fromSubAccount": "",
        },
    }
    envelope = sign(world, kind, **fields[kind])
    name = "maxFeeRate" if kind == "approveBuilderFee" else "amount"
    changed = envelope | {"action": envelope["action"] | {name: "3" + envelope["action"][name]}}

    refused = post(world, changed)
    assert refused["response"].startswith("Must deposit before performing actions. User: 0x")
    assert address_of(WALLET) not in refused["response"]
    assert post(world, envelope) == DONE


def test_a_signature_for_mainnet_is_somebody_elses() -> None:
    world = World()
    fields: dict[str, Any] = {"destination": address_of(OTHER), "amount": "1"}
    answer = post(world, sign(world, "usdSend", mainnet=True, **fields))

    assert answer["response"].startswith("Must deposit before performing actions. User: 0x")


def test_as_mainnet_it_takes_what_was_signed_for_mainnet_alone() -> None:
    world = World()
    world.auth.is_mainnet = True
    fields: dict[str, Any] = {"destination": address_of(OTHER), "amount": "1"}
    for_testnet = post(world, sign(world, "usdSend", **fields))

    assert for_testnet["response"].startswith("Must deposit before performing actions. User: 0x")
    assert post(world, sign(world, "usdSend", mainnet=True, **fields)) == DONE


def test_a_destination_with_capitals_is_signed_as_another_text() -> None:
    """The venue hashes addresses in lower case, so a signature over capitals does not match."""
    world = World()
    fields: dict[str, Any] = {"destination": OTHER.address, "token": HYPE, "amount": "1"}

    assert post(world, sign(world, "spotSend", **fields))["status"] == "err"


def test_any_chain_may_be_signed_on() -> None:
    world = World()
    envelope = sign(world, "usdSend", destination=address_of(OTHER), amount="1")
    action = {key: value for key, value in envelope["action"].items() if key != "signatureChainId"}
    payload = signing.user_signed_payload(
        "HyperliquidTransaction:UsdSend", signing.USD_SEND_SIGN_TYPES, action | {"signatureChainId": "0xa4b1"}
    )
    envelope["action"]["signatureChainId"] = "0xa4b1"
    envelope["signature"] = signing.sign_inner(WALLET, payload)

    assert post(world, envelope) == DONE


def test_the_two_nonces_must_be_the_same_and_that_is_looked_at_first() -> None:
    world = World()
    envelope = sign(world, "usdSend", destination=address_of(OTHER), amount="1")
    zero = {"r": "0x0", "s": "0x0", "v": 27}

    assert post(world, envelope | {"nonce": world.now_ms + 1}) == err("Nonce mismatch.")
    assert post(world, envelope | {"nonce": world.now_ms + 1, "signature": zero}) == err("Nonce mismatch.")
    assert post(world, envelope | {"signature": zero}) == err("Unable to recover signer.")


def test_a_nonce_is_spent_by_a_refusal_and_shared_with_actions_of_the_other_kind() -> None:
    world = World()
    envelope = sign(world, "spotSend", destination=address_of(OTHER), token="NONE", amount="1")

    assert post(world, envelope) == err("Unknown token NONE")
    assert post(world, envelope) == err(f"Invalid nonce: duplicate nonce {envelope['nonce']}")
    assert world.act({"type": "noop"}, nonce=envelope["nonce"])["response"].startswith("Invalid nonce: duplicate")


def test_vaults_and_expiry_are_refused_and_spend_nothing() -> None:
    world = World()
    envelope = sign(world, "usdSend", destination=address_of(OTHER), amount="1")

    assert post(world, envelope | {"vaultAddress": FRESH}) == err(f"Vault not registered: {FRESH}")
    assert post(world, envelope | {"expiresAfter": NOW_MS + 10_000})["status"] == "err"
    assert post(world, envelope) == DONE


def test_an_agent_moves_no_funds() -> None:
    world = World()
    world.auth.register_agent(STRANGER.address, master=WALLET.address)

    expected = err(f"Must deposit before performing actions. User: {address_of(STRANGER)}")
    assert send(world, "1", wallet=STRANGER) == expected
    assert total(world, WALLET.address, "HYPE") == 1000


@pytest.mark.parametrize(
    "changes",
    [
        {"destination": "0x12"},
        {"destination": None},
        {"amount": 1},
        {"amount": None},
        {"token": None},
        {"time": "soon"},
        {"time": -1},
        {"signatureChainId": 421614},
        {"signatureChainId": "66eee"},
        {"signatureChainId": None},
        {"hyperliquidChain": "Devnet"},
        {"hyperliquidChain": None},
        {"memo": "hello"},
    ],
    ids=repr,
)
def test_another_shape_is_422_and_spends_no_nonce(changes: dict[str, Any]) -> None:
    world = World()
    envelope = sign(world, "spotSend", destination=address_of(OTHER), token=HYPE, amount="1")

    assert world.post("/exchange", envelope | {"action": envelope["action"] | changes}) == UNREADABLE
    assert post(world, envelope) == DONE


# --- Amounts, tokens, destinations ---


@pytest.mark.parametrize(
    "amount, text",
    [
        ("", "Invalid decimal number"),
        ("one", "Invalid decimal number"),
        ("NaN", "Invalid decimal number"),
        ("1e999", "Invalid decimal number"),
        ("0", "Send amount cannot be zero"),
        ("0.00", "Send amount cannot be zero"),
        ("-1", "Invalid number of decimals"),
        ("0.000000001", "Invalid number of decimals"),
        ("1000.00000001", "Insufficient balance for token transfer"),
    ],
)
def test_an_amount_is_refused_by_name(amount: str, text: str) -> None:
    world = World()

    assert send(world, amount) == err(text)
    assert total(world, WALLET.address, "HYPE") == 1000


@pytest.mark.parametrize("amount, moved", [("1e1", "10"), ("1.50000000000", "1.5"), ("0.00000001", "0.00000001")])
def test_an_amount_may_be_written_with_an_exponent_or_zeros(amount: str, moved: str) -> None:
    world = World()

    assert send(world, amount) == DONE
    assert total(world, OTHER.address, "HYPE") - 1000 == Decimal(moved)


def test_only_the_canonical_tokens_need_no_id() -> None:
    world = World()

    assert send(world, "1", token="PURR") == send(world, "1", token="USDC") == send(world, "1", token=PURR_ID) == DONE
    assert send(world, "1", token="HYPE") == err("Unknown token HYPE")
    assert send(world, "1", token="HYPE:0x00") == err("Unknown token HYPE:0x00")


def test_nobody_sends_to_himself_or_more_than_is_free() -> None:
    world = World()
    world.act(place(order("25", "990", is_buy=False)))

    assert send(world, "1", to=WALLET.address) == err("Invalid send")
    assert send(world, "10.5") == err("Insufficient balance for token transfer")
    assert send(world, "10") == DONE


def test_perps_and_sub_accounts_are_not_there() -> None:
    world = World()

    assert send_asset(world, sourceDex="") == err("Invalid perp DEX")
    assert send_asset(world, destinationDex="abc") == err("Invalid perp DEX")
    assert send_asset(world, fromSubAccount=FRESH) == err(f"Vault not registered: {FRESH}")
    assert send_asset(world) == DONE


def test_the_first_transfer_to_an_address_costs_its_sender_one_quote_unit() -> None:
    world = World()

    assert send(world, "1", to=FRESH) == DONE
    assert (total(world, WALLET.address, "USDC"), total(world, FRESH, "HYPE")) == (Decimal(99_999), Decimal(1))
    assert world.ask("userRole", user=FRESH) == {"role": "user"}
    assert send(world, "1", to=FRESH) == DONE
    assert total(world, WALLET.address, "USDC") == 99_999


def test_a_quote_token_pays_for_its_own_first_transfer() -> None:
    world = World()
    world.gateway.apply(Deposit(address_of(STRANGER), 268, Decimal("1.5")))
    world.gateway.apply(Deposit(address_of(STRANGER), 0, Decimal(10)))
    token = "USDT0:0x25faedc3f054130dbb4e4203aca63567"

    assert send(world, "1", to=FRESH, token=token, wallet=STRANGER) == err(
        "Insufficient USDT0 balance for token transfer gas."
    )
    assert send(world, "0.5", to=FRESH, token=token, wallet=STRANGER) == DONE
    assert (total(world, STRANGER.address, "USDT0"), total(world, STRANGER.address, "USDC")) == (
        Decimal(0),
        Decimal(10),
    )


def test_without_a_quote_token_nobody_new_can_be_reached() -> None:
    world = World()
    world.gateway.apply(Deposit(address_of(STRANGER), 150, Decimal(10)))

    text = "Insufficient quote token (e.g., 1 USDC or USDT) balance for token transfer gas."
    assert send(world, "1", to=FRESH, wallet=STRANGER) == err(text)
    assert world.ask("userRole", user=FRESH) == {"role": "missing"}
    assert send(world, "1", to=OTHER.address, wallet=STRANGER) == DONE


@pytest.mark.parametrize("amount", ["1", "0.5", "100000.1"])
def test_a_withdrawal_is_more_than_its_fee_and_no_more_than_there_is(amount: str) -> None:
    world = World()

    assert post(world, sign(world, "withdraw3", destination=FRESH, amount=amount))["status"] == "err"
    assert total(world, WALLET.address, "USDC") == 100_000


def test_movements_are_listed_for_both_sides_oldest_first_and_by_time() -> None:
    world = World()
    before_ms = world.now_ms
    send(world, "1.5")
    sent_ms = world.now_ms
    post(world, sign(world, "withdraw3", destination=FRESH, amount="20"))

    def updates(user: str, **span: int | None) -> Any:
        return world.ask("userNonFundingLedgerUpdates", user=user, **span)

    mine = updates(WALLET.address, startTime=before_ms + 1, endTime=None)
    assert [row["delta"]["type"] for row in mine] == ["spotTransfer", "withdraw"]
    assert mine[0]["time"] == sent_ms
    assert (mine[0]["delta"]["amount"], mine[0]["delta"]["destination"]) == ("1.5", address_of(OTHER))
    assert updates(OTHER.address, startTime=sent_ms, endTime=sent_ms)[0]["delta"] == mine[0]["delta"]
    assert [row["delta"]["type"] for row in updates(WALLET.address)][:1] == ["deposit"]
    assert updates(WALLET.address, startTime=sent_ms, endTime=sent_ms) == mine[:1]
