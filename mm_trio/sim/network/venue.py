"""Simulated venue: an exchange with observers, and its sockets.

The sockets are those of the in-process stand-in, with more of what the maker's own socket does: they answer pings,
count frames, and know which subscriptions were acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mm_trio.sandbox import Command, Effect, Exchange, Feed, Gateway, InProcessInfo, InProcessVenue

__all__ = ["ObservedGateway", "SimInfo", "SimSocket", "SimVenue"]

Json = dict[str, Any]
Observer = Callable[[int, Command, tuple[Effect, ...]], None]


class ObservedGateway(Gateway):
    """Gateway that shows each command to its `observers`.

    They get the time in milliseconds, the command and its effects.
    """

    def __init__(self, exchange: Exchange, *, now_ms: Callable[[], int]) -> None:
        super().__init__(exchange, now_ms=now_ms)
        self.observers: list[Observer] = []

    def apply(self, command: Command) -> tuple[Effect, ...]:
        """Run the command, inform each connection, then the observers."""
        effects = super().apply(command)
        for observe in self.observers:
            observe(self.now_ms(), command, effects)
        return effects


class SimSocket(Feed):
    """One connection.

    `last_frame_s` is when a frame last reached a callback. With `pong_only` no other frame arrives any more.
    """

    def __init__(self, venue: SimVenue, *, opened_s: float) -> None:
        self.pong_only = False
        self._acknowledged: set[str] = set()
        self.n_frames = 0
        self.opened_s = self.last_frame_s = opened_s
        self._venue = venue
        super().__init__(venue.gateway, venue.deliver)

    def ping(self) -> None:
        """Ask for a pong, which arrives like any other frame.

        Errors: ConnectionError once the socket is closed.
        """
        if not self.is_alive():
            raise ConnectionError("the socket is closed")
        if not self.silent:
            self._venue.deliver(self, {"channel": "pong"})

    def dispatch(self, frame: Json) -> None:
        """Handle acknowledgements and pongs; give other frames to the callbacks."""
        if not self.is_alive() or self.silent:
            return
        channel = frame.get("channel")
        if self.pong_only and channel != "pong":
            return
        self.n_frames += 1
        if channel == "subscriptionResponse":
            self._note_acknowledged(frame.get("data"))
        elif channel not in ("pong", "error"):
            self.last_frame_s = self._venue.now_s()
            super().dispatch(frame)

    @property
    def acknowledged(self) -> frozenset[str]:
        """Return the subscriptions that the venue acknowledged."""
        return frozenset(self._acknowledged)

    def _note_acknowledged(self, data: object) -> None:
        subscription = data.get("subscription") if isinstance(data, dict) else None
        if isinstance(subscription, dict):
            self._acknowledged.add(str(subscription.get("type")))


class SimVenue(InProcessVenue):
    """Venue in this process, with the clients made for it.

    `now_s` is the clock of the loop. `carry` takes each frame to its socket, by default at once. `on_stale` is called
    for each read that was answered from the past although the answer has changed since. `on_balances_read` is called
    when the answer to a question for balances is on its way.
    """

    def __init__(self, gateway: ObservedGateway, *, now_s: Callable[[], float]) -> None:
        super().__init__(gateway)
        self.now_s = now_s
        self.carry: Callable[[Feed, Json], None] = lambda feed, frame: feed.dispatch(frame)
        self.on_stale: Callable[[], None] = lambda: None
        self.on_balances_read: Callable[[], None] = lambda: None
        self._stale: tuple[str, ...] = ()

    def deliver(self, feed: Feed, frame: Json) -> None:
        """Hand a frame of the venue to the network."""
        self.carry(feed, frame)

    def freeze(self, *methods: str) -> None:
        """Answer these reads from this moment until `thaw`."""
        self._stale = methods
        self.freeze_reads(*methods)

    def thaw(self) -> None:
        """Answer every read from the present again."""
        self._stale = ()
        self.thaw_reads()

    def ask(self, method: str, request: Mapping[str, object]) -> Any:
        """Answer an `/info` request, from the past where frozen."""
        answer = super().ask(method, request)
        if method in self._stale and answer != self.gateway.info(request):
            self.on_stale()
        if method == "spot_user_state":
            self.on_balances_read()
        return answer


class SimInfo(InProcessInfo):
    """Reading client of one maker with its own socket."""

    ws_manager: SimSocket

    def __init__(self, venue: SimVenue) -> None:
        super().__init__(venue)
        self._sim_venue = venue
        self.ws_manager.stop()
        self.ws_manager = SimSocket(venue, opened_s=venue.now_s())

    def reopen_feed(self) -> None:
        """Open a new connection and drop the old one's callbacks."""
        self.ws_manager.stop()
        self.ws_manager = SimSocket(self._sim_venue, opened_s=self._sim_venue.now_s())
