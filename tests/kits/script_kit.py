"""What a stranger's script begins with: the official SDK pointed at a sandbox, and short ways to say what it wants.

Nothing of the program is imported here: all that a script knows is the line that `sandbox --json` printed.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid

ALO = {"limit": {"tif": "Alo"}}
IOC = {"limit": {"tif": "Ioc"}}
GTC = {"limit": {"tif": "Gtc"}}
DEADLINE_S = 20.0
HTTP_TIMEOUT_S = 10.0

Frame = dict[str, Any]


@dataclass(frozen=True)
class Script:
    """One trader: his account, his signing client and his reading client."""

    url: str
    account: str
    coin: str
    exchange: Any
    info: Any

    @property
    def asset(self) -> int:
        asset: int = self.info.name_to_asset(self.coin)
        return asset

    def buy(self, price: float, size: float = 1.0, **more: Any) -> Any:
        """The whole answer to a post-only bid."""
        return self.exchange.order(self.coin, True, size, price, ALO, **more)

    def sell(self, price: float, size: float = 1.0, **more: Any) -> Any:
        """The whole answer to a post-only ask."""
        return self.exchange.order(self.coin, False, size, price, ALO, **more)

    def take(self, price: float, size: float, *, is_buy: bool) -> Any:
        """The whole answer to an order that trades at once or not at all."""
        return self.exchange.order(self.coin, is_buy, size, price, IOC)

    def rest(self, price: float, size: float = 1.0, *, is_buy: bool = True, **more: Any) -> int:
        """The oid of an order that rests now."""
        answer = self.exchange.order(self.coin, is_buy, size, price, ALO, **more)
        (status,) = statuses(answer)
        oid: int = status["resting"]["oid"]
        return oid

    def request(self, price: float, size: float = 1.0, *, is_buy: bool = True, **more: Any) -> dict[str, Any]:
        """One row of a bulk order."""
        row = {"coin": self.coin, "is_buy": is_buy, "sz": size, "limit_px": price}
        return row | {"order_type": ALO, "reduce_only": False} | more

    def status_of(self, key: int | Cloid) -> str:
        """What became of an order: its status, or `unknownOid`."""
        ask = self.info.query_order_by_cloid if isinstance(key, Cloid) else self.info.query_order_by_oid
        answer = ask(self.account, key)
        found: str = answer["order"]["status"] if answer["status"] == "order" else answer["status"]
        return found

    def open_oids(self) -> list[int]:
        return sorted(row["oid"] for row in self.info.open_orders(self.account))

    def used(self) -> int:
        """Requests that the address has spent."""
        n: int = self.info.user_rate_limit(self.account)["nRequestsUsed"]
        return n

    def cancel_all(self) -> None:
        oids = self.open_oids()
        if oids:
            self.exchange.bulk_cancel([{"coin": self.coin, "oid": oid} for oid in oids])


@dataclass
class Listener:
    """What a socket of the SDK has heard, feed by feed."""

    info: Any
    heard: dict[str, queue.Queue[Frame]] = field(default_factory=dict)

    def listen(self, kind: str, **what: str) -> None:
        feed: queue.Queue[Frame] = queue.Queue()
        self.heard[kind] = feed
        self.info.subscribe({"type": kind, **what}, feed.put)

    def next(self, kind: str) -> Frame:
        """The next message of a feed; fails with `queue.Empty` when none comes."""
        return self.heard[kind].get(timeout=DEADLINE_S)


def open_script(access: dict[str, Any], *, number: int = 0) -> Script:
    """The SDK's two clients for an account that the sandbox printed, as its documentation builds them."""
    who, url = access["accounts"][number], access["url"]
    wallet = Account.from_key(who["private_key"])
    exchange = Exchange(wallet, url, account_address=who["account"], timeout=HTTP_TIMEOUT_S)
    info = Info(url, skip_ws=True, timeout=HTTP_TIMEOUT_S)
    return Script(url, who["account"], access["coin"], exchange, info)


@contextmanager
def open_listener(url: str) -> Iterator[Listener]:
    """A connected socket of the SDK; its threads are over on leaving."""
    info = Info(url, timeout=HTTP_TIMEOUT_S)
    end_s = time.monotonic() + DEADLINE_S
    while not info.ws_manager.ws_ready:
        assert time.monotonic() < end_s, "the socket never opened"
        time.sleep(0.01)
    try:
        yield Listener(info)
    finally:
        info.disconnect_websocket()


def statuses(answer: Any) -> list[Any]:
    """The status of every item. Fails if the action was refused as a whole."""
    assert answer["status"] == "ok", answer
    found: list[Any] = answer["response"]["data"]["statuses"]
    return found


def error_of(answer: Any) -> str:
    """The one error of an answer that has one status."""
    (status,) = statuses(answer)
    text: str = status["error"]
    return text


def refusal_of(answer: Any) -> str:
    """Why the action was refused as a whole."""
    assert answer["status"] == "err", answer
    text: str = answer["response"]
    return text
