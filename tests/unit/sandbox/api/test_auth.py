"""Authentication against the SDK's own signatures: signer, account and nonce."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hyperliquid.utils.signing import sign_l1_action

from mm_trio.sandbox.api.auth import (
    KEPT_NONCES,
    MUST_DEPOSIT,
    Auth,
    AuthRefused,
    SignedAction,
    Unpackable,
    recover_signer,
)

NOW_MS = 1_795_000_000_000
DAY_MS = 86_400_000
VAULT = "0xABCDef0000000000000000000000000000000001"
WALLET: LocalAccount = Account.from_key("0x" + "01" * 32)
OTHER: LocalAccount = Account.from_key("0x" + "02" * 32)
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

ORDER: dict[str, Any] = {
    "a": 10107,
    "b": True,
    "p": "20.123",
    "s": "1.5",
    "r": False,
    "t": {"limit": {"tif": "Alo"}},
    "c": "0x00000000000000000000000000000abc",
}
ACTIONS: list[dict[str, Any]] = [
    {"type": "order", "orders": [ORDER], "grouping": "na"},
    {"type": "order", "orders": [ORDER] * 40, "grouping": "na"},
    {"type": "cancel", "cancels": [{"a": 10107, "o": 56668174536}]},
    {"type": "cancelByCloid", "cancels": [{"asset": 10107, "cloid": ORDER["c"]}]},
    {"type": "batchModify", "modifies": [{"oid": 5, "order": ORDER}, {"oid": ORDER["c"], "order": ORDER}]},
    {"type": "scheduleCancel", "time": NOW_MS},
    {"type": "scheduleCancel"},
    {"type": "noop"},
]


def sign(
    action: dict[str, Any],
    *,
    wallet: LocalAccount = WALLET,
    nonce: int = NOW_MS,
    vault: str | None = None,
    expires_after: int | None = None,
    is_mainnet: bool = False,
) -> SignedAction:
    signature = sign_l1_action(wallet, action, vault, nonce, expires_after, is_mainnet)
    return SignedAction(
        action=action,
        nonce=nonce,
        r=int(signature["r"], 16),
        s=int(signature["s"], 16),
        v=signature["v"],
        vault=vault,
        expires_after=expires_after,
    )


def noop(nonce: int, wallet: LocalAccount = WALLET) -> SignedAction:
    return sign({"type": "noop"}, nonce=nonce, wallet=wallet)


def refusal(auth: Auth, request: SignedAction, *, now_ms: int = NOW_MS) -> str:
    with pytest.raises(AuthRefused) as caught:
        auth.admit(request, now_ms=now_ms)
    return caught.value.text


@pytest.fixture
def auth() -> Auth:
    known = {WALLET.address.lower()}
    return Auth(lambda address: address in known)


# --- Recovery ---


@pytest.mark.parametrize("expires_after", [None, NOW_MS + 15_000])
@pytest.mark.parametrize("vault", [None, VAULT])
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action["type"])
def test_every_action_that_the_sdk_signs_recovers_to_its_wallet(
    action: dict[str, Any], vault: str | None, expires_after: int | None
) -> None:
    request = sign(action, vault=vault, expires_after=expires_after)

    assert recover_signer(request) == WALLET.address.lower()


def test_a_signature_printed_without_padding_recovers() -> None:
    """About one signature in five has a short r or s."""
    signatures = [(nonce, sign_l1_action(WALLET, {"type": "noop"}, None, nonce, None, False)) for nonce in range(60)]
    short = [(nonce, sig) for nonce, sig in signatures if len(sig["r"]) < 66 or len(sig["s"]) < 66]

    assert short
    for nonce, _ in short:
        assert recover_signer(noop(nonce)) == WALLET.address.lower()


def test_a_changed_action_recovers_to_someone_else() -> None:
    signed = sign(ACTIONS[0])
    changed = {**ACTIONS[0], "orders": [{**ORDER, "s": "15"}]}
    forged = SignedAction(action=changed, nonce=signed.nonce, r=signed.r, s=signed.s, v=signed.v)

    assert recover_signer(forged) not in (None, WALLET.address.lower())


def test_the_order_of_keys_is_part_of_what_was_signed() -> None:
    signed = sign(ACTIONS[0])
    turned = dict(reversed(ACTIONS[0].items()))
    forged = SignedAction(action=turned, nonce=signed.nonce, r=signed.r, s=signed.s, v=signed.v)

    assert recover_signer(forged) != WALLET.address.lower()


def test_a_signature_for_mainnet_is_not_one_for_the_sandbox() -> None:
    assert recover_signer(sign(ACTIONS[0], is_mainnet=True)) != WALLET.address.lower()


@pytest.mark.parametrize("is_mainnet", [False, True])
def test_an_exchange_takes_what_is_signed_for_its_network_and_nothing_else(is_mainnet: bool) -> None:
    known = {WALLET.address.lower()}
    auth = Auth(lambda address: address in known, is_mainnet=is_mainnet)

    assert auth.admit(sign(ACTIONS[0], is_mainnet=is_mainnet), now_ms=NOW_MS) == WALLET.address.lower()
    other = sign(ACTIONS[0], is_mainnet=not is_mainnet, nonce=NOW_MS + 1)
    assert refusal(auth, other).startswith("User or API Wallet 0x")


@pytest.mark.parametrize(
    "r, s, v",
    [(0, 1, 27), (1, 0, 27), (CURVE_ORDER, 1, 27), (1, CURVE_ORDER, 28), (1, 1, 26), (1, 1, 0), (5, 1, 27)],
)
def test_numbers_that_are_no_signature_are_refused_by_name(auth: Auth, r: int, s: int, v: int) -> None:
    request = SignedAction(action={"type": "noop"}, nonce=NOW_MS, r=r, s=s, v=v)

    assert refusal(auth, request) == "Unable to recover signer."


@pytest.mark.parametrize("value", [1 << 64, -(1 << 63) - 1, "\ud800"])
def test_an_action_that_cannot_be_packed_is_nobodys(auth: Auth, value: object) -> None:
    with pytest.raises(Unpackable):
        auth.admit(SignedAction(action={"x": value}, nonce=NOW_MS, r=1, s=1, v=27), now_ms=NOW_MS)


# --- Who is who ---


def test_a_wallet_acts_for_itself(auth: Auth) -> None:
    assert auth.admit(noop(NOW_MS), now_ms=NOW_MS) == WALLET.address.lower()


def test_an_unknown_signer_is_named_in_lower_case(auth: Auth) -> None:
    expected = f"User or API Wallet {OTHER.address.lower()} does not exist."

    assert refusal(auth, noop(NOW_MS, OTHER)) == expected


def test_an_agent_acts_for_its_master(auth: Auth) -> None:
    auth.register_agent(OTHER.address, master=WALLET.address)

    assert auth.admit(noop(NOW_MS, OTHER), now_ms=NOW_MS) == WALLET.address.lower()


def test_an_agent_of_nobody_is_unknown(auth: Auth) -> None:
    auth.register_agent(OTHER.address, master=VAULT)

    assert refusal(auth, noop(NOW_MS, OTHER)) == f"User or API Wallet {OTHER.address.lower()} does not exist."


def test_a_vault_is_refused_and_the_nonce_stays_unspent(auth: Auth) -> None:
    assert refusal(auth, sign({"type": "noop"}, vault=VAULT)) == f"Vault not registered: {VAULT.lower()}"
    assert auth.admit(noop(NOW_MS), now_ms=NOW_MS)


def test_a_revoked_agent_is_unknown_at_once_and_its_nonces_stay_spent(auth: Auth) -> None:
    auth.register_agent(OTHER.address, master=WALLET.address)
    auth.admit(noop(NOW_MS, OTHER), now_ms=NOW_MS)
    auth.revoke_agent(OTHER.address)

    expected = f"User or API Wallet {OTHER.address.lower()} does not exist."
    assert refusal(auth, noop(NOW_MS + 1, OTHER)) == expected
    auth.register_agent(OTHER.address, master=WALLET.address)
    assert refusal(auth, noop(NOW_MS, OTHER)) == f"Invalid nonce: duplicate nonce {NOW_MS}"


def test_a_revoked_agent_gets_the_text_that_it_was_revoked_with(auth: Auth) -> None:
    auth.register_agent(OTHER.address, master=WALLET.address)
    auth.revoke_agent(OTHER.address, refusal=MUST_DEPOSIT)

    assert refusal(auth, noop(NOW_MS, OTHER)) == MUST_DEPOSIT.format(address=OTHER.address.lower())


def test_an_agent_may_not_reserve_requests(auth: Auth) -> None:
    auth.register_agent(OTHER.address, master=WALLET.address)
    action = {"type": "reserveRequestWeight", "weight": 10}

    expected = f"Must deposit before performing actions. User: {OTHER.address.lower()}"
    assert refusal(auth, sign(action, wallet=OTHER)) == expected
    assert auth.admit(sign(action), now_ms=NOW_MS) == WALLET.address.lower()


# --- Nonces ---


def test_a_nonce_counts_once(auth: Auth) -> None:
    auth.admit(noop(NOW_MS), now_ms=NOW_MS)

    assert refusal(auth, noop(NOW_MS)) == f"Invalid nonce: duplicate nonce {NOW_MS}"


def test_each_signer_has_nonces_of_its_own(auth: Auth) -> None:
    auth.register_agent(OTHER.address, master=WALLET.address)
    auth.admit(noop(NOW_MS), now_ms=NOW_MS)

    assert auth.admit(noop(NOW_MS, OTHER), now_ms=NOW_MS) == WALLET.address.lower()


def test_nonces_may_come_out_of_order(auth: Auth) -> None:
    for nonce in (NOW_MS, NOW_MS - 5, NOW_MS + 5, NOW_MS - 1):
        auth.admit(noop(nonce), now_ms=NOW_MS)


def test_a_nonce_of_almost_two_days_ago_is_too_low(auth: Auth) -> None:
    """The documented window is two minutes narrower on both sides."""
    floor = NOW_MS - 2 * DAY_MS + 120_000
    auth.admit(noop(floor), now_ms=NOW_MS)

    assert refusal(auth, noop(floor - 1)) == f"Invalid nonce: nonce too low {floor - 1} < {floor}"


def test_a_nonce_of_almost_a_day_ahead_is_too_high(auth: Auth) -> None:
    roof = NOW_MS + DAY_MS - 120_000
    auth.admit(noop(roof), now_ms=NOW_MS)

    assert refusal(auth, noop(roof + 1)) == f"Invalid nonce: nonce too high {roof + 1} > {roof}"


def test_a_nonce_below_the_hundred_highest_is_too_low(auth: Auth) -> None:
    for nonce in range(NOW_MS, NOW_MS + KEPT_NONCES):
        auth.admit(noop(nonce), now_ms=NOW_MS)
    low = NOW_MS - 1

    assert refusal(auth, noop(low)) == f"Invalid nonce: nonce too low {low} < {NOW_MS}"


def test_a_new_highest_nonce_raises_the_floor_and_the_lowest_stays_a_duplicate(auth: Auth) -> None:
    for nonce in range(NOW_MS, NOW_MS + 2 * KEPT_NONCES, 2):
        auth.admit(noop(nonce), now_ms=NOW_MS)
    auth.admit(noop(NOW_MS + 2 * KEPT_NONCES), now_ms=NOW_MS)

    assert refusal(auth, noop(NOW_MS)) == f"Invalid nonce: duplicate nonce {NOW_MS}"
    assert refusal(auth, noop(NOW_MS + 1)) == f"Invalid nonce: nonce too low {NOW_MS + 1} < {NOW_MS + 2}"


def test_a_seen_nonce_is_called_a_duplicate_even_when_it_is_too_old(auth: Auth) -> None:
    auth.admit(noop(NOW_MS), now_ms=NOW_MS)

    later = refusal(auth, noop(NOW_MS), now_ms=NOW_MS + 3 * DAY_MS)

    assert later == f"Invalid nonce: duplicate nonce {NOW_MS}"


def test_a_refused_nonce_is_not_remembered(auth: Auth) -> None:
    ahead = NOW_MS + DAY_MS
    refusal(auth, noop(ahead))

    assert auth.admit(noop(ahead), now_ms=NOW_MS + 120_000) == WALLET.address.lower()
