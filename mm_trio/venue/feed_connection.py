"""Connection that the feeds come on: its socket, its subscriptions, and signs of its life."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, Protocol, TypeVar

import trio

from mm_trio.model.errors import Unreachable
from mm_trio.venue import wire
from mm_trio.venue.socket import discard_socket, replace_socket

__all__ = ["ACK_POLL_S", "Feed", "FeedConnection", "Pulse"]

_T = TypeVar("_T")

ACK_POLL_S = 0.02


class _Ask(Protocol):
    """Makes a blocking call with a deadline. Errors: Unreachable."""

    def __call__(self, call: Callable[..., _T], /, *args: object) -> Awaitable[_T]: ...


class Feed(Protocol):
    """Connection that the feeds come on, over whatever transport. Errors: Unreachable."""

    def is_alive(self) -> bool: ...
    def count_frames(self) -> int | None: ...
    async def reopen(self) -> None: ...
    async def ping(self) -> None: ...
    async def subscribe(self, feed: str, callback: Callable[[object], None]) -> None: ...
    async def subscribe_market(self, feed: str, coin: str, callback: Callable[[object], None]) -> None: ...
    async def wait_acknowledged(self, feeds: Collection[str], *, within_s: float) -> None: ...


class Pulse:
    """Callback of the heartbeat feed.

    It keeps the time of the last message.
    It has no other news, so it does not wake the loop.
    """

    def __init__(self) -> None:
        # Any thread may read the loop's clock.
        self._clock = trio.lowlevel.current_clock()
        self.heard_s = float("-inf")

    def __call__(self, _body: object) -> None:
        self.heard_s = self._clock.current_time()


class FeedConnection:
    """Socket of `info`, for the feeds of one account.

    `info` is the SDK's object or one of its shape, `address` the account, `ask` the `VenueClient`'s. `reopen` is a
    blocking callable that gives `info` a fresh, connected socket in place of the old one.
    """

    def __init__(self, info: Any, *, address: str, ask: _Ask, reopen: Callable[[], object] | None = None) -> None:
        self._info = info
        self._address = address
        self._ask = ask
        self._reopen = reopen or partial(replace_socket, info)

    def is_alive(self) -> bool:
        """Check whether the SDK's socket thread runs.

        That says nothing of a connection gone silent.
        """
        manager = self._find_manager()
        return manager is not None and bool(manager.is_alive())

    def count_frames(self) -> int | None:
        """Count the frames of this connection, pongs included.

        None where the socket cannot tell.
        """
        manager = self._find_manager()
        return manager.n_frames if manager is not None and hasattr(type(manager), "ping") else None

    async def reopen(self) -> None:
        """Replace the socket by a fresh, connected one. Errors: Unreachable."""
        await self._ask(self._reopen)

    async def ping(self) -> None:
        """Ask the venue for a sign of life. Errors: Unreachable."""
        await self._ask(self._info.ws_manager.ping)

    async def subscribe(self, feed: str, callback: Callable[[object], None]) -> None:
        """Subscribe to one feed on the present connection. Errors: Unreachable."""
        await self._subscribe(
            {"type": feed} | ({} if feed == wire.HEARTBEAT_FEED else {"user": self._address}), callback
        )

    async def subscribe_market(self, feed: str, coin: str, callback: Callable[[object], None]) -> None:
        """Subscribe to a feed of a market. Errors: Unreachable."""
        await self._subscribe({"type": feed, "coin": coin}, callback)

    async def _subscribe(self, subscription: dict[str, str], callback: Callable[[object], None]) -> None:
        try:
            await self._ask(self._info.subscribe, subscription, callback)
        # The SDK raises this for a connection that has the feed already.
        except NotImplementedError as error:
            raise Unreachable(f"subscribe {subscription['type']}: {error}") from error

    async def wait_acknowledged(self, feeds: Collection[str], *, within_s: float) -> None:
        """Return when the venue acknowledged these subscriptions.

        Returns at once where the socket cannot tell. Errors: Unreachable.
        """
        manager = self._find_manager()
        if manager is None or not hasattr(type(manager), "acknowledged"):
            return
        with trio.move_on_after(within_s):
            while not manager.acknowledged.issuperset(feeds):  # noqa: ASYNC110 - filled by a thread of the SDK's
                await trio.sleep(ACK_POLL_S)
            return
        missing = sorted(set(feeds) - manager.acknowledged)
        raise Unreachable(f"subscriptions not acknowledged in {within_s:g} s: {', '.join(missing)}")

    def discard(self) -> None:
        """Let go of the socket, if it is one of the SDK's kind."""
        discard_socket(self._info)

    def _find_manager(self) -> Any:
        """Find the SDK's socket manager; None where `info` has none."""
        return getattr(self._info, "ws_manager", None)
