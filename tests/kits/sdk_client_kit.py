"""A funded exchange behind its HTTP door, and the official SDK that talks to it without a socket."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from hyperliquid.exchange import Exchange as SdkExchange
from hyperliquid.info import Info as SdkInfo
from hyperliquid.utils.signing import sign_l1_action

from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.api.http_handler import Answer, HttpHandler
from mm_trio.sandbox.api.ip_weights import IpWeights
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Deposit

NOW_MS = 1_795_000_000_000
JSON = "application/json"
WALLET: LocalAccount = Account.from_key("0x" + "01" * 32)
OTHER: LocalAccount = Account.from_key("0x" + "02" * 32)
STRANGER: LocalAccount = Account.from_key("0x" + "03" * 32)
UNREADABLE = Answer(422, b"Failed to deserialize the JSON body into the target type", b"text/plain; charset=utf-8")
NULL_500 = Answer(500, b"null")


def address_of(wallet: LocalAccount) -> str:
    return str(wallet.address).lower()


class World:
    """An exchange with two funded wallets, its door, and a clock that the test moves."""

    def __init__(self, *, ip_weight: int | None = None, **options: Any) -> None:
        self.now_ms = NOW_MS
        self.exchange = Exchange(**options)
        self.gateway = Gateway(self.exchange, now_ms=lambda: self.now_ms)
        self.auth = Auth(lambda address: address in self.exchange.addresses())
        weights = None if ip_weight is None else IpWeights(ip_weight)
        self.door = HttpHandler(self.gateway, self.auth, now_ms=lambda: self.now_ms, ip_weights=weights)
        for wallet in (WALLET, OTHER):
            for token, amount in ((0, 100_000), (1, 1000), (150, 1000)):
                self.gateway.apply(Deposit(address_of(wallet), token, Decimal(amount)))

    def post(self, path: str, body: object) -> Answer:
        return self.door.answer("POST", path, JSON, json.dumps(body).encode())

    def ask(self, kind: str, **parameters: object) -> Any:
        answer = self.post("/info", {"type": kind, **parameters})
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def act(
        self,
        action: dict[str, Any],
        *,
        wallet: LocalAccount = WALLET,
        nonce: int | None = None,
        expires_after: int | None = None,
        sent: dict[str, Any] | None = None,
    ) -> Any:
        """Sign an L1 action as the SDK does and post it, or `sent` in its place; gives the JSON of a 200."""
        self.now_ms += 1
        nonce = self.now_ms if nonce is None else nonce
        signature = sign_l1_action(wallet, action, None, nonce, expires_after, False)
        envelope = {"action": sent or action, "nonce": nonce, "signature": signature}
        answer = self.post("/exchange", envelope | {"vaultAddress": None, "expiresAfter": expires_after})
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def sdk(self, wallet: LocalAccount = WALLET) -> SdkExchange:
        """The official acting client; its nonces are the real clock's, so the world is set to it."""
        client = SdkExchange(wallet, "http://loopback", meta={"universe": []}, spot_meta=self.spot_meta())
        client.session = client.info.session = _DoorSession(self)
        return client

    def sdk_info(self) -> SdkInfo:
        info = SdkInfo("http://loopback", skip_ws=True, meta={"universe": []}, spot_meta=self.spot_meta())
        info.session = _DoorSession(self)
        return info

    def spot_meta(self) -> Any:
        return self.exchange.markets.spot_meta()


class _Response:
    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.text = answer.body.decode()
        self.headers: dict[str, str] = {}

    def json(self) -> Any:
        return json.loads(self.text)


class _DoorSession:
    """What the SDK takes for a `requests.Session`. The world's clock follows the nonces of the SDK."""

    def __init__(self, world: World) -> None:
        self._world = world

    def post(self, url: str, *, json: Any, timeout: float | None) -> _Response:
        if "nonce" in json:
            self._world.now_ms = max(self._world.now_ms, int(json["nonce"]))
        return _Response(self._world.post(url.removeprefix("http://loopback"), json))


def order(
    price: str = "20", size: str = "1.5", *, is_buy: bool = True, tif: str = "Alo", **more: Any
) -> dict[str, Any]:
    """One order of HYPE as it is on the wire."""
    return {"a": 10107, "b": is_buy, "p": price, "s": size, "r": False, "t": {"limit": {"tif": tif}}} | more


def place(*orders: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "order", "orders": list(orders), "grouping": "na"} | more


def statuses(answer: Any) -> Any:
    return answer["response"]["data"]["statuses"]
