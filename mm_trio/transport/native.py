"""What a maker gets for `[tuning] transport = "trio"`."""

from __future__ import annotations

from mm_trio.transport.action_poster import ActionPoster
from mm_trio.transport.stream_feed import StreamFeed
from mm_trio.transport.wire import Route, find_route

__all__ = ["NativeTransport", "make_transport"]


class NativeTransport:
    """Sockets of one maker that its event loop reads and writes.

    Questions stay with the SDK. `close` ends all connections, once the maker is through.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self.poster = ActionPoster(route)
        self._feeds: list[StreamFeed] = []

    def make_feed(self, address: str) -> StreamFeed:
        """Make the feeds of an account; nothing is opened yet."""
        feed = StreamFeed(self._route, address=address)
        self._feeds.append(feed)
        return feed

    def close(self) -> None:
        """End all connections at once."""
        self.poster.close()
        while self._feeds:
            self._feeds.pop().discard()


def make_transport(base_url: str) -> NativeTransport:
    """Make the transport to a venue, without a call.

    Errors: ConfigError for a proxy or certificates of the environment that cannot be used.
    """
    return NativeTransport(find_route(base_url))
