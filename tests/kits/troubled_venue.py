"""A venue in process with a network's troubles, on demand and without chance: the stand-in of the maker's tests.

Calls fail, answers come late or garbled, frames go astray. Knows methods and channels by name only.
"""

from __future__ import annotations

import copy
import random
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, Literal

from mm_trio.sandbox.api.gateway import Gateway
from mm_trio.sandbox.inprocess.info import InProcessInfo, InProcessVenue
from mm_trio.sandbox.inprocess.socket import Feed

Json = dict[str, Any]
Run = Callable[[], Any]


class _Channels:
    """Name some channels, or all of them."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._all = False

    def add(self, names: tuple[str, ...]) -> None:
        """Add these, or all if none is named.

        The name of a subscription stands for the channel of its frames.
        """
        self._all |= not names
        self._names |= {"user" if name == "userEvents" else name for name in names}

    def clear(self) -> None:
        self._names.clear()
        self._all = False

    def __contains__(self, channel: object) -> bool:
        return self._all or channel in self._names


class FrameTroubles:
    """Lose frames, or else repeat them, and then hold or deliver them."""

    def __init__(self) -> None:
        self._holding = _Channels()
        self._losing = _Channels()
        self._held: list[tuple[Feed, Json]] = []
        self._copies = 1

    def hold_frames(self, *channels: str) -> None:
        """Queue up the frames of these channels; without a name, those of all."""
        self._holding.add(channels)

    def release_frames(self, order: Literal["reversed"] | random.Random | None = None) -> None:
        """Deliver what queued up, in order, reversed or shuffled; later frames come at once again."""
        held, self._held = self._held, []
        self._holding.clear()
        if order == "reversed":
            held.reverse()
        elif order is not None:
            order.shuffle(held)
        for feed, frame in held:
            feed.dispatch(frame)

    def lose_frames(self, *channels: str) -> None:
        """Lose the frames of these channels; without a name, those of all.

        What is held already is not lost.
        """
        self._losing.add(channels)

    def stop_losing_frames(self) -> None:
        """Let frames arrive again; the lost ones stay lost."""
        self._losing.clear()

    def repeat_frames(self, n: int) -> None:
        """Deliver every frame `n` times, each an object of its own; 1 ends it."""
        assert n >= 1
        self._copies = n

    def deliver(self, feed: Feed, frame: Json) -> None:
        """Take a frame of the venue on its way to the callbacks of that connection."""
        channel = frame["channel"]
        if channel in self._losing:
            return
        for each in (frame, *(copy.deepcopy(frame) for _ in range(self._copies - 1))):
            if channel in self._holding:
                self._held.append((feed, each))
            else:
                feed.dispatch(each)


def _without_cloids(rows: list[Json]) -> list[Json]:
    return [{key: row[key] for key in row if key != "cloid"} for row in rows]


class TroubledVenue(FrameTroubles, InProcessVenue):
    """Disturb the calls, the frames and the connections of every client.

    `calls` has (method, items) of each call; reads count 0 items. Interferences are per method name, used
    up one per call, in the order they were asked for.
    """

    def __init__(self, gateway: Gateway) -> None:
        FrameTroubles.__init__(self)
        InProcessVenue.__init__(self, gateway)
        self.calls: list[tuple[str, int]] = []
        self._interferences: defaultdict[str, deque[Callable[[Run], Any]]] = defaultdict(deque)
        self._late: deque[Run] = deque()
        self._infos: list[InProcessInfo] = []
        # The venue does not promise that a fill carries the cloid of its order.
        self.fills_have_cloids = True

    def deliver(self, feed: Feed, frame: Json) -> None:
        if frame["channel"] == "userFills" and not self.fills_have_cloids:
            data = frame["data"]
            frame = frame | {"data": data | {"fills": _without_cloids(data["fills"])}}
        super().deliver(feed, frame)

    def fail_next(self, method: str, exception: BaseException, *, applied: bool) -> None:
        """Let the next call of that method raise.

        If `applied`, it has its effect before: the answer is lost.
        """

        def fail(run: Run) -> Any:
            if applied:
                run()
            raise exception

        self._interferences[method].append(fail)

    def answer_next(self, method: str, raw: object) -> None:
        """Let the next call of that method do nothing and return this."""
        self._interferences[method].append(lambda run: raw)

    def garble_next(self, method: str, change: Callable[[Any], Any]) -> None:
        """Let `change` make what comes back of the next answer.

        The call has its effect.
        """
        self._interferences[method].append(lambda run: change(run()))

    def truncate_next(self, method: str, n: int) -> None:
        """Let only the first `n` statuses of the next answer come back.

        The call has its effect.
        """

        def truncate(answer: Any) -> Any:
            data = answer["response"]["data"]
            data["statuses"] = data["statuses"][:n]
            return answer

        self.garble_next(method, truncate)

    def execute_late(self, method: str) -> None:
        """Let the next call raise TimeoutError, without effect before `run_late`."""

        def postpone(run: Run) -> Any:
            self._late.append(run)
            raise TimeoutError("no answer in time")

        self._interferences[method].append(postpone)

    def run_late(self) -> list[Any]:
        """Carry out what is late, in order, at the venue's time of now: expiry and nonce are looked at now.

        Gives: the answers that nobody was waiting for any more.
        """
        return [self._late.popleft()() for _ in range(len(self._late))]

    def call(self, method: str, n_items: int, run: Run) -> Any:
        """Run a client's call, or what was asked for in its place."""
        self.calls.append((method, n_items))
        interferences = self._interferences[method]
        answer = interferences.popleft()(run) if interferences else run()
        if method == "user_fills_by_time" and not self.fills_have_cloids:
            return _without_cloids(answer)
        return answer

    def info(self, address: str | None = None) -> InProcessInfo:
        """Make a client that `drop_feed`, `silence` and `reopen_feed` know."""
        info = super().info(address)
        self._infos.append(info)
        return info

    def drop_feed(self) -> None:
        """End every connection, as the SDK shows it: no callback is told."""
        for info in self._infos:
            info.ws_manager.stop()

    def silence(self) -> None:
        """Leave every connection half open: alive, and nothing arrives."""
        for info in self._infos:
            info.ws_manager.silent = True

    def reopen_feed(self) -> None:
        """Open a fresh connection for every client, without the old callbacks."""
        for info in self._infos:
            info.reopen_feed()
