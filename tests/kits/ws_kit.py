"""A connection without a socket, and what it was sent, for the tests of the sandbox's WebSocket side."""

from __future__ import annotations

import json
from typing import Any

from sandbox_kit import HYPE, MAKER, TAKER, Clock, buy, make_exchange, sell

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.feeds.channel_view import DOCUMENTED, PushSchedule
from mm_trio.sandbox.feeds.connection import Connection
from mm_trio.sandbox.matching.exchange import Exchange
from mm_trio.sandbox.model.commands import NewOrder, PlaceOrders

Wire = dict[str, Any]


class Line:
    """One client's connection to a front; `frames` is all it was sent, through JSON and back."""

    def __init__(self, gateway: Gateway) -> None:
        self.frames: list[Wire] = []
        self.connection: Connection = gateway.connect(lambda frame: self.frames.append(json.loads(json.dumps(frame))))

    def subscribe(self, **subscription: object) -> list[Wire]:
        """Gives the frames that came of it."""
        return self.say({"method": "subscribe", "subscription": subscription})

    def unsubscribe(self, **subscription: object) -> list[Wire]:
        return self.say({"method": "unsubscribe", "subscription": subscription})

    def say(self, message: object) -> list[Wire]:
        n_before = len(self.frames)
        self.connection.handle(message)
        return self.frames[n_before:]

    def take(self) -> list[Wire]:
        """What came since the last time."""
        frames, self.frames[:] = list(self.frames), []
        return frames

    def error(self) -> str:
        """The text of the only frame, an error."""
        (frame,) = self.take()
        assert frame["channel"] == "error", frame
        text: str = frame["data"]
        return text


class Venue:
    """A front whose time the test moves."""

    def __init__(
        self, exchange: Exchange | None = None, *, web_data2: bool = False, cadence: PushSchedule = DOCUMENTED
    ) -> None:
        self.clock = Clock()
        self.exchange = exchange or make_exchange()
        self.gateway = Gateway(self.exchange, now_ms=self.clock, web_data2=web_data2, cadence=cadence)

    def line(self) -> Line:
        return Line(self.gateway)

    def listen(self, **subscription: object) -> Line:
        """A new line with one subscription, its acknowledgement and snapshot taken already."""
        line = self.line()
        line.subscribe(**subscription)
        line.take()
        return line

    def snapshot(self, **subscription: object) -> Any:
        """The data of the one frame that follows the acknowledgement."""
        acknowledgement, frame = self.line().subscribe(**subscription)
        assert acknowledgement["channel"] == "subscriptionResponse"
        return frame["data"]

    def on_clock(self, *, after_ms: int = 0) -> None:
        self.clock.now_ms += after_ms
        self.gateway.on_clock()

    def place(self, address: str, *orders: NewOrder) -> None:
        self.gateway.apply(PlaceOrders(address, orders))

    def trade(self, price: str = "20", size: str = "1") -> None:
        """The maker sells to the taker, who crosses."""
        self.place(MAKER, sell(price, size))
        self.place(TAKER, buy(price, size, "Ioc"))


def only(line: Line) -> Any:
    """The data of the one frame that came."""
    (frame,) = line.take()
    return frame["data"]


__all__ = ["HYPE", "MAKER", "TAKER", "Line", "Venue", "Wire", "only"]
