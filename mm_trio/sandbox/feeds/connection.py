"""One client connection: its subscriptions and the frames it gets.

It passes JSON objects to the given `send` and does not know about sockets.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from mm_trio.sandbox.feeds.channels import Channels
from mm_trio.sandbox.feeds.news import News
from mm_trio.sandbox.feeds.socket_limits import Share
from mm_trio.sandbox.feeds.subscriptions import InvalidSubscription, Subscription, UnknownCoin, UnreadableSubscription
from mm_trio.sandbox.info.rows import Json

__all__ = ["NOT_A_REQUEST", "CloseConnection", "Connection", "News"]

NOT_A_REQUEST = "Error parsing JSON into valid websocket request: "


class CloseConnection(Exception):
    """Raised when the venue disconnects without a frame (unknown coin)."""


class Connection:
    """Client connection; frames go out in the order of subscribing."""

    def __init__(
        self, channels: Channels, send: Callable[[Json], None], *, on_close: Callable[[Connection], None]
    ) -> None:
        self._channels = channels
        self._send = send
        self._on_close = on_close
        # Keyed by the subscription's text.
        self._subscriptions: dict[str, Subscription] = {}
        self._share: Share | None = None
        self._flush: Callable[[], None] | None = None
        self._is_open = True

    def limit_by(self, share: Share) -> None:
        """Count subscriptions against `share` from now on.

        A request beyond the limits is answered with an error frame.
        """
        self._share = share

    def flush_by(self, flush: Callable[[], None]) -> None:
        """Call `flush` after each block's news went to `send`."""
        self._flush = flush

    def close(self) -> None:
        """Stop sending. Closing twice is allowed."""
        self._is_open = False
        self._subscriptions.clear()
        self._on_close(self)

    def handle(self, message: object, *, text: str | None = None) -> None:
        """Handle one control frame from the client.

        `text` is the frame as it was received; error frames quote it.
        Errors: CloseConnection for an unknown coin.
        """
        body = message if isinstance(message, dict) else {}
        method = body.get("method")
        if method == "ping":
            self._emit({"channel": "pong"})
            return
        try:
            if method not in ("subscribe", "unsubscribe"):
                raise UnreadableSubscription
            self._switch(str(method), self._channels.read(body.get("subscription")))
        except UnreadableSubscription:
            self.refuse(NOT_A_REQUEST + (json.dumps(message) if text is None else text))
        except InvalidSubscription:
            self.refuse(f"Invalid subscription {json.dumps(body['subscription'], separators=(',', ':'))}")
        except UnknownCoin as unknown:
            raise CloseConnection(f"unknown coin {unknown.args[0]!r}") from None

    def refuse(self, text: str) -> None:
        """Send an error frame and keep the connection open."""
        self._emit({"channel": "error", "data": text})

    def on_news(self, news: News) -> None:
        """Send the frames that these news cause, subscription by subscription."""
        for subscription in tuple(self._subscriptions.values()):
            self._emit_all(self._channels.on_news(subscription, news))
        if self._flush and self._subscriptions:
            self._flush()

    def on_clock(self) -> None:
        """Send the periodic frames (books, mids) that are due."""
        for subscription in tuple(self._subscriptions.values()):
            self._emit_all(self._channels.on_clock(subscription))

    def _switch(self, method: str, wanted: Subscription) -> None:
        key = wanted.text
        if (key in self._subscriptions) == (method == "subscribe"):
            self.refuse(f"Already {method}d: {key}")
        elif method == "unsubscribe":
            del self._subscriptions[key]
            if self._share:
                self._share.unsubscribe(wanted.user)
            self._acknowledge(method, wanted)
        elif self._share and (refusal := self._share.subscribe(wanted.user)):
            self.refuse(refusal)
        else:
            self._subscriptions[key] = wanted
            self._acknowledge(method, wanted)
            self._emit_all(self._channels.snapshot(wanted))

    def _acknowledge(self, method: str, subscription: Subscription) -> None:
        echo = {"method": method, "subscription": subscription.echo}
        self._emit({"channel": "subscriptionResponse", "data": echo})

    def _emit_all(self, frames: Iterable[Json]) -> None:
        for frame in frames:
            self._emit(frame)

    def _emit(self, frame: Json) -> None:
        if self._is_open:
            self._send(frame)
