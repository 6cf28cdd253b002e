"""Stand-in for the SDK's `WebsocketManager`, without a socket.

It finds a frame's callbacks as the SDK does, by an identifier of channel, coin and user. Two channels carry no user,
so each of them may be subscribed to once. Frames of unknown channels are dropped silently. It never reconnects.
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
    """Connection to the gateway, which cannot be reopened.

    A fresh one has no callbacks. `deliver` gets each frame and passes it to `dispatch`, now or later.
    """

    ws_ready = True  # It stays True after a close, as in the SDK.

    def __init__(self, gateway: Gateway, deliver: Callable[[Feed, Json], None]) -> None:
        self.silent = False
        self._alive = True
        self._n_subscriptions = 0
        self._callbacks: dict[str | None, list[tuple[int, Callback]]] = {}
        self._connection = gateway.connect(lambda frame: deliver(self, frame))

    def is_alive(self) -> bool:
        """Check if the connection is open."""
        return self._alive

    def stop(self) -> None:
        """Close the connection; no more frames arrive.

        Either side may have ended it.
        """
        self._alive = False
        self._connection.close()

    def subscribe(self, subscription: Json, callback: Callback) -> int:
        """Subscribe a callback to a channel.

        Return the id to unsubscribe with.
        Errors: NotImplementedError for a channel that cannot be shared; ConnectionError once closed.
        """
        identifier = _identify_subscription(subscription)
        callbacks = self._callbacks.setdefault(identifier, [])
        if identifier in _ONLY_ONCE and callbacks:
            raise NotImplementedError(f"Cannot subscribe to {identifier} multiple times")
        self._n_subscriptions += 1
        # The callback is recorded even if sending fails, as in the SDK.
        callbacks.append((self._n_subscriptions, callback))
        self._request("subscribe", subscription)
        return self._n_subscriptions

    def unsubscribe(self, subscription: Json, subscription_id: int) -> bool:
        """Remove one callback; return whether it was subscribed.

        The venue is asked to unsubscribe once the last callback is gone.
        """
        identifier = _identify_subscription(subscription)
        callbacks = self._callbacks.get(identifier, [])
        kept = [entry for entry in callbacks if entry[0] != subscription_id]
        self._callbacks[identifier] = kept
        if not kept:
            self._request("unsubscribe", subscription)
        return len(kept) != len(callbacks)

    def dispatch(self, frame: Json) -> None:
        """Call a frame's callbacks.

        A closed or silent connection drops the frame.
        """
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
            # These are pong, error, subscriptionResponse and channels that the SDK does not know.
            return "nothing"
