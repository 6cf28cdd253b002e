"""A WebSocket manager without a socket: pairs frames with callbacks as the SDK's `WebsocketManager` does.

The SDK finds a frame's callbacks by an identifier of channel, coin and user; two channels carry no user,
so they may be subscribed to once. Channels it does not know are dropped in silence; it never reconnects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mm_trio.sandbox.api.gateway import CloseConnection, Gateway

__all__ = ["Feed"]

Json = dict[str, Any]
Callback = Callable[[Any], None]

_ONLY_ONCE = ("userEvents", "orderUpdates")
_BY_USER = ("userFills", "webData2", "userFundings", "userNonFundingLedgerUpdates")
_BY_COIN = ("l2Book", "trades", "bbo", "activeAssetCtx")


class Feed:
    """One connection: a fresh one has no callbacks, a dead one stays dead.

    `deliver` gets each frame and hands it to `dispatch`, now or later.
    """

    ws_ready = True  # stays so after a close, as in the SDK

    def __init__(self, gateway: Gateway, deliver: Callable[[Feed, Json], None]) -> None:
        self.silent = False
        self._alive = True
        self._n_subscriptions = 0
        self._callbacks: dict[str | None, list[tuple[int, Callback]]] = {}
        self._connection = gateway.connect(lambda frame: deliver(self, frame))

    def is_alive(self) -> bool:
        return self._alive

    def stop(self) -> None:
        """The connection is over, whoever ended it; nothing more arrives."""
        self._alive = False
        self._connection.close()

    def subscribe(self, subscription: Json, callback: Callback) -> int:
        """Ask the venue for a channel and remember who wants it; gives the id to unsubscribe by.

        Errors: NotImplementedError for a channel that cannot be shared; ConnectionError once dead.
        """
        identifier = _identify_subscription(subscription)
        callbacks = self._callbacks.setdefault(identifier, [])
        if identifier in _ONLY_ONCE and callbacks:
            raise NotImplementedError(f"Cannot subscribe to {identifier} multiple times")
        self._n_subscriptions += 1
        callbacks.append((self._n_subscriptions, callback))  # recorded even if sending fails, as in the SDK
        self._request("subscribe", subscription)
        return self._n_subscriptions

    def unsubscribe(self, subscription: Json, subscription_id: int) -> bool:
        """Forget one callback; the venue is told with the last one. Gives: whether there was such a one."""
        identifier = _identify_subscription(subscription)
        callbacks = self._callbacks.get(identifier, [])
        kept = [entry for entry in callbacks if entry[0] != subscription_id]
        self._callbacks[identifier] = kept
        if not kept:
            self._request("unsubscribe", subscription)
        return len(kept) != len(callbacks)

    def dispatch(self, frame: Json) -> None:
        """Give a frame to its callbacks, unless the connection is dead or half open."""
        if not self._alive or self.silent:
            return
        for _, callback in tuple(self._callbacks.get(_identify_frame(frame), ())):
            callback(frame)

    def _request(self, method: str, subscription: Json) -> None:
        if not self._alive:
            raise ConnectionError("the socket is closed")
        if self.silent:
            return
        try:
            self._connection.handle({"method": method, "subscription": subscription})
        except CloseConnection:
            self.stop()


def _identify_subscription(subscription: Json) -> str | None:
    kind: str = subscription["type"]
    if kind == "allMids" or kind in _ONLY_ONCE:
        return kind
    if kind in _BY_USER:
        return f"{kind}:{subscription['user'].lower()}"
    if kind in _BY_COIN:
        return f"{kind}:{subscription['coin'].lower()}"
    if kind == "candle":
        return f"candle:{subscription['coin'].lower()},{subscription['interval']}"
    if kind == "activeAssetData":
        return f"activeAssetData:{subscription['coin'].lower()},{subscription['user'].lower()}"
    return None


def _identify_frame(frame: Json) -> str:
    channel, data = frame["channel"], frame.get("data")
    match channel:
        case "user":
            return "userEvents"
        case "trades":
            return f"trades:{data[0]['coin'].lower()}" if data else "nothing"
        case "candle":
            return f"candle:{data['s'].lower()},{data['i']}"  # type: ignore[index]
        case "activeSpotAssetCtx":
            return f"activeAssetCtx:{data['coin'].lower()}"  # type: ignore[index]
        case "allMids" | "orderUpdates":
            return str(channel)
        case _ if channel in _BY_USER:
            return f"{channel}:{data['user'].lower()}"  # type: ignore[index]
        case _ if channel in _BY_COIN:
            return f"{channel}:{data['coin'].lower()}"  # type: ignore[index]
        case _:
            return "nothing"  # pong, error, subscriptionResponse and what the SDK does not know
