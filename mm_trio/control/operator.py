"""What an operator may tell a running maker: pause, cancel only, resume.

It goes the way of every request: the maker takes it, writes the standing down, and acts on it. Whoever asks waits until
it is on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import trio

from mm_trio.halts.requests import Asked, Request, Requests
from mm_trio.halts.standing import Standing, State
from mm_trio.views.maker import Maker, find_faces

__all__ = ["FOLLOWED_WITHIN_S", "NotFollowed", "Operator", "Refused"]

# A maker looks for requests twice a second, and gives its disk up to five seconds to write one down.
FOLLOWED_WITHIN_S = 8.0
LOOK_EVERY_S = 0.05


class Refused(Exception):
    """Request that this maker cannot follow now."""


class NotFollowed(Exception):
    """Request that was not written down in time."""


@dataclass(frozen=True, slots=True)
class _Way:
    """Way to one grid or to the whole account."""

    name: str
    requests: Requests
    read: Callable[[], Standing]


class Operator:
    """Operator of a running maker. `way` says how a request came, in what is written down of it.

    `coin` is None for all that the maker quotes, or names one of its markets.
    """

    def __init__(self, maker: Maker, *, way: str) -> None:
        self._maker = maker
        self._way = way

    def read_standing(self, coin: str | None = None) -> Standing:
        """Return what holds, as it is written down. Errors: UnknownMarket, Refused."""
        return self._find(coin).read()

    async def pause(self, coin: str | None = None, *, reason: str = "") -> Standing:
        """Let nothing new be placed; what rests stays. Return what holds then.

        One that asks for less than what holds changes nothing. Errors: UnknownMarket, Refused, NotFollowed; the request
        holds then all the same, and is not on disk.
        """
        return await self._tighten(Request.PAUSE, coin, reason)

    async def cancel_only(self, coin: str | None = None, *, reason: str = "") -> Standing:
        """Cancel what rests, and let nothing new be placed. Return what holds then. Errors: as `pause`."""
        return await self._tighten(Request.CANCEL_ONLY, coin, reason)

    def describe_resumption(self, coin: str | None = None) -> str:
        """Say what a resumption does, and what it does not. Errors: UnknownMarket, Refused."""
        way = self._find(coin)
        standing = way.read()
        if standing.state is State.ACTIVE:
            return f"{way.name} is active: nothing to resume"
        if standing.state is State.HALTED:
            raise Refused(
                f"{way.name} is {standing.describe()}; a halt is lifted by `mm-trio resume` once this maker has ended"
            )
        return (
            f"{way.name} is {standing.describe()}; resuming lets it place orders at once. It will not change [limits] "
            "or the ledger, send or cancel an order itself"
        )

    async def resume(self, coin: str | None = None, *, reason: str = "") -> Standing:
        """Let it place orders again. Return what holds then.

        A request that is not followed is withdrawn, also where whoever asked goes away. Errors: UnknownMarket; Refused
        where it is halted; NotFollowed.
        """
        self.describe_resumption(coin)
        way = self._find(coin)
        if way.read().state is State.ACTIVE:
            return way.read()
        return await self._ask(way, Request.RESUME, reason, lambda standing: standing.state is State.ACTIVE)

    async def _tighten(self, request: Request, coin: str | None, reason: str) -> Standing:
        way = self._find(coin)

        def holds(standing: Standing) -> bool:
            return standing.state.strictness >= request.state.strictness

        return way.read() if holds(way.read()) else await self._ask(way, request, reason, holds)

    async def _ask(self, way: _Way, request: Request, reason: str, is_followed: Callable[[Standing], bool]) -> Standing:
        asked = Asked(request, self._way, reason)
        if not way.requests.tell(asked):
            raise Refused("too many requests wait to be followed; ask again in a second")
        try:
            with trio.move_on_after(FOLLOWED_WITHIN_S):
                while not is_followed(way.read()):  # noqa: ASYNC110 - standings are files of several owners
                    await trio.sleep(LOOK_EVERY_S)
                return way.read()
        finally:
            # Nobody may be surprised by a resumption hours later. What is stricter may come late.
            if request is Request.RESUME:
                way.requests.withdraw(asked)
        left = "it was withdrawn" if request is Request.RESUME else "the maker follows it as soon as it can"
        raise NotFollowed(f"{request} was not written down within {FOLLOWED_WITHIN_S:g} s; {left}")

    def _find(self, coin: str | None) -> _Way:
        maker = self._maker
        ((name, face), *others) = find_faces(maker, coin).items()
        if coin is not None or (not others and face.requests is maker.requests):
            return _make_way(name, face.requests, lambda: face.standing)
        return _make_way("the account", maker.requests, lambda: maker.standing)


def _make_way(name: str, requests: Requests | None, read: Callable[[], Standing]) -> _Way:
    if requests is None:
        raise Refused(f"{name}: this maker keeps no standing, so there is nobody to ask")
    return _Way(name, requests, read)
