"""Bytes of signed actions: those of the SDK, made once and hidden from logs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import eth_account
import msgpack
import pytest
import requests
from core_kit import GRID, dec
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from hyperliquid.exchange import Exchange
from hyperliquid.utils.constants import MAINNET_API_URL
from hyperliquid.utils.signing import sign_l1_action
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_trio.config.keys import CURVE_ORDER
from mm_trio.config.settings import VENUE_URLS, MarketSettings, Network
from mm_trio.model.errors import NotSigned
from mm_trio.model.orders import DesiredOrder, Side
from mm_trio.venue import wire
from mm_trio.venue.http_session import ANSWER_WITHIN_S
from mm_trio.venue.sdk import make_cloid, make_exchange, make_wallet
from mm_trio.venue.signer import SignedRequest, SigningExchange, UnsignedAction, Wallet

NOW_MS = 1_790_000_000_000
EXPIRES_MS = NOW_MS + 10_000
KEY = "0x" + "11" * 32
ACCOUNT = "0x" + "a1" * 20
NETWORKS: tuple[Network, ...] = ("sandbox", "testnet", "mainnet")
SPOT_META = {
    "universe": [
        {"name": "@107", "tokens": [150, 0], "index": 107, "isCanonical": False},
        {"name": "@108", "tokens": [150, 0], "index": 108, "isCanonical": False},
        {"name": "@109", "tokens": [150, 0], "index": 109, "isCanonical": False},
    ],
    "tokens": [
        {"name": "HYPE", "szDecimals": 2, "weiDecimals": 8, "index": 150},
        {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0},
    ],
}


class FakeHttp:
    """In place of HTTP: takes what is sent, answers with `status` and `text`."""

    def __init__(self, status: int = 200, text: str = "{}") -> None:
        self.sent: list[dict[str, Any]] = []
        self._response = requests.Response()
        self._response.status_code = status
        self._response._content = text.encode()

    def post(self, url: str, **options: Any) -> requests.Response:
        self.sent.append({"url": url} | options)
        return self._response


def make_signing(
    network: Network = "sandbox",
    http: FakeHttp | None = None,
    *,
    is_vault: bool = False,
    coins: tuple[str, ...] | None = None,
) -> SigningExchange:
    market = MarketSettings(coin="@107", network=network, account=ACCOUNT, vault=is_vault)
    exchange = make_exchange(market, make_wallet(KEY), wire.parse_spot_meta(SPOT_META), coins=coins)
    exchange.session = http or FakeHttp()
    return exchange


def make_sdk(network: Network, http: FakeHttp, *, is_vault: bool = False) -> Exchange:
    """The SDK's own client for the same account."""
    no_perps: Any = {"universe": []}
    meta: Any = wire.encode_spot_meta(wire.parse_spot_meta(SPOT_META))
    base_url = MarketSettings(coin="@107", network=network, account=ACCOUNT).base_url
    exchange = Exchange(
        eth_account.Account.from_key(KEY),
        base_url,
        meta=no_perps,
        spot_meta=meta,
        account_address=ACCOUNT,
        vault_address=ACCOUNT if is_vault else None,
        timeout=ANSWER_WITHIN_S,
    )
    exchange.session = http
    return exchange


def sign(exchange: SigningExchange, method: str, items: list[Any]) -> SignedRequest:
    return exchange.sign_action(exchange.make_action(method, items, nonce=NOW_MS, expires_after=EXPIRES_MS))


def order(side: Side = "buy", *, size: str = "5", exact: bool = True) -> dict[str, Any]:
    cloid = make_cloid(f"0x{7:032x}")
    return wire.encode_order(DesiredOrder(side, 0, GRID.levels[0], dec(size)), coin="@107", cloid=cloid, exact=exact)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    "method, make_items",
    [
        ("bulk_orders", lambda exact: [order(exact=exact), order("sell", size="0.10", exact=exact)]),
        ("bulk_modify_orders_new", lambda exact: [{"oid": 7, "order": order(exact=exact)}]),
        ("bulk_cancel", lambda exact: [{"coin": "@107", "oid": 7}, {"coin": "@107", "oid": 8}]),
        ("bulk_cancel_by_cloid", lambda exact: [{"coin": "@107", "cloid": order()["cloid"]}]),
    ],
)
def test_what_is_signed_is_what_the_sdk_would_send(
    monkeypatch: pytest.MonkeyPatch, network: Network, method: str, make_items: Callable[[bool], list[Any]]
) -> None:
    """Signature and all: a difference in one field would be another signer to the venue. Cancels are fast ones."""
    monkeypatch.setattr("hyperliquid.exchange.get_timestamp_ms", lambda: NOW_MS)
    theirs, ours = FakeHttp(), FakeHttp()
    sdk = make_sdk(network, theirs)
    sdk.set_expires_after(EXPIRES_MS)
    getattr(sdk, method)(make_items(False))
    exchange = make_signing(network, ours)

    signed = sign(exchange, method, make_items(True))
    exchange.post_signed(signed)
    exchange.post_signed(signed)

    expected = theirs.sent[0]["json"]
    if expected["action"]["type"].startswith("cancel"):
        expected["action"]["f"] = True
        signature = sign_l1_action(
            sdk.wallet, expected["action"], None, NOW_MS, EXPIRES_MS, sdk.base_url == MAINNET_API_URL
        )
        expected["signature"] = signature
    assert [json.loads(sent["data"]) for sent in ours.sent] == [expected] * 2
    assert ours.sent[0]["data"] is ours.sent[1]["data"]
    assert {sent["url"] for sent in ours.sent} == {theirs.sent[0]["url"]}
    assert ours.sent[0]["timeout"] == theirs.sent[0]["timeout"]


@pytest.mark.parametrize("size", ["123456789012.12345678", "0.00000001", "1000000000000000000000000000001.5", "100"])
def test_an_amount_of_any_length_leaves_as_it_is(size: str) -> None:
    made = make_signing().make_action("bulk_orders", [order(size=size)], nonce=NOW_MS, expires_after=EXPIRES_MS)

    assert made.action["orders"][0]["s"] == size


def test_r13_an_unknown_method_is_not_signed_as_a_noop() -> None:
    with pytest.raises(NotSigned, match="no action is signed for the method bulk_order"):
        sign(make_signing(), "bulk_order", [])


def test_a_noop_is_signed_as_the_sdk_does(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, ours = FakeHttp(), FakeHttp()
    sdk = make_sdk("sandbox", theirs)
    sdk.set_expires_after(EXPIRES_MS)
    sdk.noop(NOW_MS)
    exchange = make_signing(http=ours)
    exchange.post_signed(sign(exchange, "noop", []))

    assert json.loads(ours.sent[0]["data"]) == theirs.sent[0]["json"]


@pytest.mark.parametrize("network", NETWORKS)
def test_an_action_for_a_sub_account_names_it_and_is_signed_as_the_sdk_does(
    monkeypatch: pytest.MonkeyPatch, network: Network
) -> None:
    monkeypatch.setattr("hyperliquid.exchange.get_timestamp_ms", lambda: NOW_MS)
    theirs, ours = FakeHttp(), FakeHttp()
    sdk = make_sdk(network, theirs, is_vault=True)
    sdk.set_expires_after(EXPIRES_MS)
    sdk.bulk_orders([order(exact=False)])
    exchange = make_signing(network, ours, is_vault=True)
    exchange.post_signed(sign(exchange, "bulk_orders", [order()]))

    body = json.loads(ours.sent[0]["data"])
    assert body["vaultAddress"] == ACCOUNT
    assert body == theirs.sent[0]["json"]


def test_the_digest_of_an_action_depends_on_the_sub_account() -> None:
    made = [
        make_signing(is_vault=is_vault).make_action("noop", [], nonce=NOW_MS, expires_after=EXPIRES_MS).digest
        for is_vault in (False, True)
    ]

    assert made[0] != made[1]


def test_a_digest_tells_one_action_from_another() -> None:
    exchange = make_signing()

    def make(*items: dict[str, Any], nonce: int = NOW_MS, expires_after: int = EXPIRES_MS) -> str:
        return exchange.make_action("bulk_orders", items, nonce=nonce, expires_after=expires_after).digest

    one = make(order())
    others = {make(order("sell")), make(order(), nonce=NOW_MS + 1), make(order(), expires_after=EXPIRES_MS + 1)}

    assert make(order()) == one
    assert len(others | {one}) == 4


def test_a_signed_action_shows_neither_signature_nor_key() -> None:
    signed = sign(make_signing(), "bulk_orders", [order()])

    assert b"signature" in signed.body
    for hidden in ("signature", "11" * 32, '"r"'):
        assert hidden not in repr(signed)


@pytest.mark.parametrize("text", ["", "<html>", "{"])
def test_an_answer_that_is_no_json_came_and_says_nothing(text: str) -> None:
    exchange = make_signing(http=FakeHttp(200, text))

    assert exchange.post_signed(sign(exchange, "noop", [])) is None


def test_copies_of_an_action_are_those_made_one_by_one() -> None:
    exchange, items = make_signing(), [{"coin": "@107", "oid": 7}]
    nonces = [NOW_MS, NOW_MS + 1, NOW_MS + 2]

    copies = exchange.make_copies("bulk_cancel", items, nonces=nonces, expires_after=None)

    assert copies == [exchange.make_action("bulk_cancel", items, nonce=n, expires_after=None) for n in nonces]
    assert len({exchange.sign_action(copy).body for copy in copies}) == 3


@pytest.mark.parametrize("time", [None, NOW_MS + 60_000])
def test_a_scheduled_cancel_is_what_the_sdk_would_send(monkeypatch: pytest.MonkeyPatch, time: int | None) -> None:
    monkeypatch.setattr("hyperliquid.exchange.get_timestamp_ms", lambda: NOW_MS)
    theirs, ours = FakeHttp(), FakeHttp()
    make_sdk("sandbox", theirs).schedule_cancel(time)
    items: list[Any] = [{} if time is None else {"time": time}]
    exchange = make_signing(http=ours)

    made = exchange.make_action("schedule_cancel", items, nonce=NOW_MS, expires_after=None)
    exchange.post_signed(exchange.sign_action(made))

    assert json.loads(ours.sent[0]["data"]) == theirs.sent[0]["json"]


# --- For whom, and for what ---------------------------------------------------------------------------


def recover(body: dict[str, Any], source: str) -> str:
    """The address that signed, by eth_account and the venue's published message alone; none of our code."""
    packed = msgpack.packb(body["action"]) + body["nonce"].to_bytes(8, "big")
    vault = body["vaultAddress"]
    packed += b"\x00" if vault is None else b"\x01" + bytes.fromhex(vault[2:])
    packed += b"\x00" + body["expiresAfter"].to_bytes(8, "big")
    text = ("name", "version", "chainId", "verifyingContract")
    kinds = ("string", "string", "uint256", "address")
    message = {
        "domain": dict(zip(text, ("Exchange", "1", 1337, "0x" + "00" * 20), strict=True)),
        "types": {
            "EIP712Domain": [{"name": name, "type": kind} for name, kind in zip(text, kinds, strict=True)],
            "Agent": [{"name": "source", "type": "string"}, {"name": "connectionId", "type": "bytes32"}],
        },
        "primaryType": "Agent",
        "message": {"source": source, "connectionId": keccak(packed)},
    }
    signature = body["signature"]
    vrs = (signature["v"], signature["r"], signature["s"])
    return str(eth_account.Account.recover_message(encode_typed_data(full_message=message), vrs=vrs))


@pytest.mark.parametrize("is_vault", [False, True])
@pytest.mark.parametrize("network", NETWORKS)
def test_what_is_signed_for_one_source_is_nobodys_under_the_other(network: Network, is_vault: bool) -> None:
    signed = json.loads(sign(make_signing(network, is_vault=is_vault), "bulk_orders", [order()]).body)
    ours, other = ("a", "b") if network == "mainnet" else ("b", "a")

    assert recover(signed, ours) == make_wallet(KEY).address
    assert recover(signed, other) != make_wallet(KEY).address


@pytest.mark.parametrize(
    "network, base_url",
    [
        ("mainnet", "http://127.0.0.1:3001"),
        ("mainnet", VENUE_URLS["testnet"]),
        ("mainnet", VENUE_URLS["mainnet"] + "/"),
        ("mainnet", VENUE_URLS["mainnet"].replace("https", "http")),
        ("mainnet", "https://api.hyperliquid.xyz.example.invalid"),
        ("testnet", VENUE_URLS["mainnet"]),
        ("testnet", "http://127.0.0.1:3001"),
        ("sandbox", VENUE_URLS["mainnet"]),
        ("sandbox", VENUE_URLS["testnet"]),
        ("sandbox", "https://example.invalid"),
    ],
)
def test_a_key_signs_for_no_other_host_than_its_networks(network: Network, base_url: str) -> None:
    with pytest.raises(NotSigned, match=f"a key for {network} signs for .* alone, not for {re.escape(base_url)}"):
        SigningExchange(make_wallet(KEY), base_url, network=network, assets={10_107})


def test_an_action_for_another_pair_is_not_signed() -> None:
    other = order() | {"coin": "@108"}

    with pytest.raises(NotSigned, match="it is for the asset 10108; this maker signs for its own pairs alone, 10107"):
        sign(make_signing(), "bulk_orders", [order(), other])


def test_several_pairs_are_signed_for_in_one_action_and_no_other() -> None:
    exchange = make_signing(coins=("@107", "@108"))

    sign(exchange, "bulk_orders", [order(), order() | {"coin": "@108"}])
    with pytest.raises(NotSigned, match="the asset 10109; this maker signs for its own pairs alone, 10107, 10108"):
        sign(exchange, "bulk_orders", [order(), order() | {"coin": "@109"}])


def test_an_action_made_elsewhere_is_not_signed() -> None:
    """Whatever made it: what is looked at is what would be signed."""
    exchange = make_signing()
    made = exchange.make_action("noop", [], nonce=NOW_MS, expires_after=EXPIRES_MS)
    strange = UnsignedAction({"type": "withdraw3", "amount": "1000"}, NOW_MS, EXPIRES_MS, made.digest)

    with pytest.raises(NotSigned, match="its kind is 'withdraw3'"):
        exchange.sign_action(strange)


@pytest.mark.parametrize("method", ["bulk_orders", "bulk_cancel", "noop", "usd_transfer"])
def test_the_sdks_own_methods_do_not_sign(method: str) -> None:
    http = FakeHttp()
    exchange = make_signing(http=http)
    words: dict[str, list[Any]] = {
        "bulk_orders": [[order(exact=False)]],
        "bulk_cancel": [[{"coin": "@107", "oid": 7}]],
        "noop": [NOW_MS],
        "usd_transfer": [1.0, ACCOUNT],
    }

    with pytest.raises(AttributeError):
        getattr(exchange, method)(*words[method])
    assert http.sent == []


# --- The wallet ---------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(key=st.integers(1, CURVE_ORDER - 1))
def test_the_address_of_a_key_is_the_one_that_eth_account_finds(key: int) -> None:
    assert make_wallet(f"0x{key:064x}").address == eth_account.Account.from_key(key.to_bytes(32, "big")).address


@pytest.mark.parametrize("key", ["0x" + "00" * 32, "ff" * 32, "0xzz"])
def test_what_is_not_a_key_makes_no_wallet(key: str) -> None:
    with pytest.raises(ValueError, match=r"hexadecimal|scalar"):
        make_wallet(key)


def test_a_wallet_shows_its_address_and_not_its_key() -> None:
    wallet = Wallet(KEY)

    assert wallet.address in repr(wallet)
    assert "11" * 32 not in repr(wallet) + repr(vars(wallet))
