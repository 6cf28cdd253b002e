"""Who signed a stranger's script's action, with which nonce, and what he wrote: the venue's refusals, word for word."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.utils.error import ClientError
from hyperliquid.utils.signing import sign_l1_action
from script_kit import ALO, HTTP_TIMEOUT_S, Script, refusal_of, statuses

pytestmark = pytest.mark.e2e


# --- who signs, and when ---


def test_a_nonce_serves_once(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms = int(time.time() * 1000)
    monkeypatch.setattr("hyperliquid.exchange.get_timestamp_ms", lambda: now_ms)
    first, second = script.buy(19.5), script.buy(19.6)

    assert set(statuses(first)[0]) == {"resting"}
    assert second == {"status": "err", "response": f"Invalid nonce: duplicate nonce {now_ms}"}


@pytest.mark.parametrize("days, word, sign", [(-3, "too low", "<"), (2, "too high", ">")])
def test_a_nonce_of_another_day_is_refused(
    script: Script, monkeypatch: pytest.MonkeyPatch, days: int, word: str, sign: str
) -> None:
    nonce = int(time.time() * 1000) + days * 86_400_000
    monkeypatch.setattr("hyperliquid.exchange.get_timestamp_ms", lambda: nonce)
    text = refusal_of(script.buy(19.5))

    assert re.fullmatch(rf"Invalid nonce: nonce {word} {nonce} {sign} [0-9]+", text), text


def test_an_unknown_signer_is_named(script: Script) -> None:
    stranger = Account.from_key("0x" + "03" * 32)
    exchange = Exchange(stranger, script.url, timeout=HTTP_TIMEOUT_S)
    answer = exchange.order(script.coin, True, 1, 19.5, ALO)

    text = f"User or API Wallet {stranger.address.lower()} does not exist."
    assert answer == {"status": "err", "response": text}


def test_a_vault_that_is_none_is_refused(script: Script) -> None:
    vault = "0x000000000000000000000000000000000000dEaD"
    exchange = Exchange(script.exchange.wallet, script.url, vault_address=vault, timeout=HTTP_TIMEOUT_S)
    answer = exchange.order(script.coin, True, 1, 19.5, ALO)

    assert answer == {"status": "err", "response": f"Vault not registered: {vault.lower()}"}


def test_a_noop_burns_its_nonce(script: Script) -> None:
    nonce = int(time.time() * 1000)
    first, second = script.exchange.noop(nonce), script.exchange.noop(nonce)

    assert first == {"status": "ok", "response": {"type": "default"}}
    assert refusal_of(second) == f"Invalid nonce: duplicate nonce {nonce}"


def test_an_agent_cannot_move_its_masters_money(script: Script, other: Script) -> None:
    agent = script.exchange.wallet.address.lower()
    answers = [
        script.exchange.usd_transfer(1, other.account),
        script.exchange.spot_transfer(1, other.account, "USDC:0x0"),
    ]

    refused = {"status": "err", "response": f"Must deposit before performing actions. User: {agent}"}
    assert answers == [refused, refused]


def test_an_agents_own_address_shows_nothing(script: Script) -> None:
    script.rest(19.5)
    agent = script.exchange.wallet.address

    assert script.info.open_orders(agent) == []
    assert script.info.spot_user_state(agent) == {"balances": []}
    assert script.info.user_role(agent) == {"role": "agent", "data": {"user": script.account}}
    assert script.info.user_role(script.account) == {"role": "user"}
    assert script.info.user_role("0x" + "12" * 20) == {"role": "missing"}


# --- bodies that the SDK does not make by itself ---


def post_raw_order(script: Script, **changes: Any) -> Any:
    """One order whose fields are as given, signed as the SDK signs the same order without them."""
    row = {"a": script.asset, "b": True, "p": "19.5", "s": "1", "r": False, "t": ALO}
    action = {"type": "order", "orders": [row], "grouping": "na"}
    nonce = int(time.time() * 1000)
    signature = sign_l1_action(script.exchange.wallet, action, None, nonce, None, False)
    sent = {"type": "order", "orders": [row | changes], "grouping": "na"}
    body = {"action": sent, "nonce": nonce, "signature": signature, "vaultAddress": None, "expiresAfter": None}
    return script.exchange.post("/exchange", body)


@pytest.mark.parametrize(
    "changes",
    [{"p": "19.500000001"}, {"s": "1.000000001"}, {"p": "1e1"}, {"p": "+19.5"}, {"p": "NaN"}, {"p": ""}, {"p": 19.5}],
    ids=json.dumps,
)
def test_a_number_that_is_not_written_as_the_venue_reads_it_is_a_422(script: Script, changes: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as caught:
        post_raw_order(script, **changes)

    assert caught.value.status_code == 422
    assert caught.value.error_message == "Failed to deserialize the JSON body into the target type"
    assert script.open_oids() == []


def test_nine_decimals_of_which_the_last_is_zero_pass(script: Script) -> None:
    answer = post_raw_order(script, p="19.500000000", s="1.000000000")

    assert set(statuses(answer)[0]) == {"resting"}
    assert script.info.open_orders(script.account)[0]["limitPx"] == "19.5"


def test_a_price_that_was_not_signed_names_somebody_else(script: Script) -> None:
    text = refusal_of(post_raw_order(script, p="19.6"))

    assert re.fullmatch("(User or API Wallet 0x[0-9a-f]{40} does not exist.|Must deposit .*)", text), text
    assert script.exchange.wallet.address.lower() not in text


def test_an_unknown_asset_refuses_the_action(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script.exchange.info, "name_to_asset", lambda name: 19_999)

    assert refusal_of(script.buy(19.5))


def test_a_question_of_no_type_is_a_422(script: Script) -> None:
    with pytest.raises(ClientError) as caught:
        script.info.post("/info", {"type": "nothing"})

    assert caught.value.status_code == 422
