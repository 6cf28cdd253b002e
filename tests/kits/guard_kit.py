"""An exchange with its real rules for signatures and nonces, and what maker and guard do there, without sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from mm_trio.config.settings import MarketSettings
from mm_trio.guard import signed_file
from mm_trio.guard.cover import CancelCover, GuardTerms
from mm_trio.guard.signed_file import SignedAction, SignedCancels
from mm_trio.model.cloid import CloidParts, encode_cloid
from mm_trio.model.orders import Intent, Quote, TrackedOrder
from mm_trio.sandbox.api.auth import Auth
from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.api.http_handler import HttpHandler
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import Deposit
from mm_trio.state.order_state import OrderState
from mm_trio.venue import wire
from mm_trio.venue.sdk import make_cloid, make_exchange, make_wallet
from mm_trio.venue.signer import SigningExchange

COIN = "@107"
COINS = (COIN, "@142", "@151")
START_MS = 1_790_000_000_000
WALLET = make_wallet("0x" + "11" * 32)
ACCOUNT: str = WALLET.address.lower()
HOUR_MS = 3_600_000


@dataclass
class Orders:
    """What a maker thinks may rest, of the shape of an `OrderState`."""

    resting: list[TrackedOrder] = field(default_factory=list)
    in_flight: list[Intent] = field(default_factory=list)

    def get_current_orders(self) -> tuple[TrackedOrder, ...]:
        return tuple(self.resting)

    def get_intents(self) -> tuple[Intent, ...]:
        return tuple(self.in_flight)


class Answer:
    """An HTTP answer, as far as the SDK reads it."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status_code = status
        self.text = body.decode()
        self.headers: dict[str, str] = {}

    def json(self) -> Any:
        return json.loads(self.text)


class Door:
    """In place of HTTP: every post reaches the exchange at once, unless `spoil` raises before."""

    def __init__(self, handler: HttpHandler) -> None:
        self._handler = handler
        self.spoil: Callable[[bytes], object] | None = None

    def post(self, url: str, data: bytes = b"", **options: Any) -> Answer:
        path = "/info" if url.endswith("/info") else "/exchange"
        body = data or json.dumps(options["json"]).encode()
        if self.spoil is not None:
            self.spoil(body)
        found = self._handler.answer("POST", path, "application/json", body)
        return Answer(found.status, found.body)


class GuardedVenue:
    """One exchange with a funded account, whose own key is the maker's. `now_ms` is its time."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.exchange = Exchange()
        gateway = Gateway(self.exchange, now_ms=lambda: self.now_ms)
        for token, amount in ((0, "10000000"), (150, "100000")):
            gateway.apply(Deposit(ACCOUNT, token, Decimal(amount)))
        self.auth = Auth(lambda address: address in self.exchange.addresses())
        self.door = Door(HttpHandler(gateway, self.auth, now_ms=lambda: self.now_ms))
        meta = wire.parse_spot_meta(self.ask({"type": "spotMeta"}))
        self.market = wire.find_market(meta, COIN)
        self.signing: SigningExchange = make_exchange(
            MarketSettings(coin=COIN, api_url="http://127.0.0.1:9", account=ACCOUNT), WALLET, meta
        )
        self.signing.session = self.door
        for coin in COINS:
            self.signing.sign_for(coin)
        self._n_orders = self._nonce = 0

    def ask(self, question: dict[str, Any]) -> Any:
        return self.door.post("/info", json.dumps(question).encode()).json()

    def post(self, action: SignedAction) -> Any:
        """What a guard does: the same bytes, and no key."""
        return self.door.post("/exchange", action.body).json()

    def act(self, method: str, items: list[Any]) -> Any:
        """What a maker does, with a nonce near the venue's time."""
        self._nonce = max(self._nonce + 1, self.now_ms)
        made = self.signing.make_action(method, items, nonce=self._nonce, expires_after=None)
        return self.signing.post_signed(self.signing.sign_action(made))

    def make_intent(self) -> Intent:
        """An order of ours that no other was before; far from the market."""
        self._n_orders += 1
        cloid = encode_cloid(CloidParts(7, "buy", self._n_orders % 1000, self._n_orders))
        return Intent(cloid, Quote("buy", self._n_orders % 1000, Decimal("10"), Decimal(2)))

    def place(self, *intents: Intent, coin: str = COIN) -> list[int]:
        """Place orders; the oids."""
        items = [wire.encode_order(i.quote, coin=coin, cloid=make_cloid(i.cloid), exact=True) for i in intents]
        answer = self.act("bulk_orders", items)
        return [status["resting"]["oid"] for status in answer["response"]["data"]["statuses"]]

    def list_resting(self) -> set[str]:
        """The cloids, or oids where there is none, of what rests."""
        return {str(row.get("cloid") or row["oid"]) for row in self.ask({"type": "openOrders", "user": ACCOUNT})}


def make_account_cover(
    venue: GuardedVenue, folder: Path, states: Mapping[str, OrderState], *, account: str = ACCOUNT
) -> CancelCover:
    """The cover of a maker of several markets; `states` may change."""
    terms = GuardTerms(
        folder=folder, network="sandbox", account=account, coin="account", signer=ACCOUNT, of_account=True
    )
    return CancelCover(terms, venue.signing, clock_ms=lambda: venue.now_ms, list_orders=lambda: list(states.items()))


def make_cover(venue: GuardedVenue, folder: Path, orders: Orders, **changed: Any) -> CancelCover:
    values: dict[str, Any] = {
        "folder": folder,
        "network": "sandbox",
        "account": ACCOUNT,
        "coin": COIN,
        "signer": ACCOUNT,
    }
    stand_in: Any = orders
    terms = GuardTerms(**(values | changed))
    return CancelCover(
        terms, venue.signing, clock_ms=lambda: venue.now_ms, list_orders=lambda: [(terms.coin, stand_in)]
    )


def read_cancels(folder: Path) -> SignedCancels:
    found = signed_file.read_cancels(folder)
    assert found is not None
    return found
