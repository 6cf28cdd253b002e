"""A network's troubles, on demand and without chance: calls that fail, reads that lag, frames that go astray.

Knows methods and channels by name only. What an answer or a frame means is not known here, and no clock is read.
"""

from __future__ import annotations

import copy
import random
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any, Literal

from mm_trio.sandbox.feed import Feed
from mm_trio.sandbox.front import Front

__all__ = ["CallTroubles", "FrameTroubles"]

Json = dict[str, Any]
_Run = Callable[[], Any]


class CallTroubles:
    """Every call of every client goes through here, and may be disturbed.

    `calls` has (method, items) of each call; reads count 0 items. Interferences are per method name, used
    up one per call, in the order they were asked for.
    """

    def __init__(self, front: Front) -> None:
        self.front = front
        self.calls: list[tuple[str, int]] = []
        self._interferences: defaultdict[str, deque[Callable[[_Run], Any]]] = defaultdict(deque)
        self._late: deque[_Run] = deque()
        self._frozen: dict[str, Front] = {}
        self._frozen_rest: Front | None = None

    def fail_next(self, method: str, exception: BaseException, *, applied: bool) -> None:
        """The next call of that method raises; if `applied`, after it had its effect: the answer is lost."""

        def fail(run: _Run) -> Any:
            if applied:
                run()
            raise exception

        self._interferences[method].append(fail)

    def answer_next(self, method: str, raw: object) -> None:
        """The next call of that method does nothing and returns this."""
        self._interferences[method].append(lambda run: raw)

    def garble_next(self, method: str, change: Callable[[Any], Any]) -> None:
        """The next call of that method has its effect; `change` makes what comes back of its answer."""
        self._interferences[method].append(lambda run: change(run()))

    def truncate_next(self, method: str, n: int) -> None:
        """The next call of that method has its effect, but only its first `n` statuses come back."""

        def truncate(answer: Any) -> Any:
            data = answer["response"]["data"]
            data["statuses"] = data["statuses"][:n]
            return answer

        self.garble_next(method, truncate)

    def execute_late(self, method: str) -> None:
        """The next call of that method raises TimeoutError and has no effect before `run_late`."""

        def postpone(run: _Run) -> Any:
            self._late.append(run)
            raise TimeoutError("no answer in time")

        self._interferences[method].append(postpone)

    def run_late(self) -> list[Any]:
        """Carry out what is late, in order, at the venue's time of now: expiry and nonce are looked at now.

        Gives: the answers that nobody was waiting for any more.
        """
        return [self._late.popleft()() for _ in range(len(self._late))]

    def freeze_reads(self, *methods: str) -> None:
        """Those reads (all, if none is named) tell of this moment from now on; what froze before freezes anew."""
        frozen_ms = self.front.now_ms()
        frozen = Front(self.front.exchange.copy(), now_ms=lambda: frozen_ms)
        if methods:
            self._frozen |= dict.fromkeys(methods, frozen)
        else:
            self._frozen, self._frozen_rest = {}, frozen

    def thaw_reads(self) -> None:
        """Every read tells of now again."""
        self._frozen, self._frozen_rest = {}, None

    def call(self, method: str, n_items: int, run: _Run) -> Any:
        """Run a client's call, or what was asked for in its place."""
        self.calls.append((method, n_items))
        interferences = self._interferences[method]
        return interferences.popleft()(run) if interferences else run()

    def ask(self, method: str, request: Mapping[str, object]) -> Any:
        """`call` for a question of `/info`, which may be answered from the past."""
        front = self._frozen.get(method) or self._frozen_rest or self.front
        return self.call(method, 0, lambda: front.info(request))


class _Channels:
    """Some channels, or all of them."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._all = False

    def add(self, names: tuple[str, ...]) -> None:
        """Without a name: all. The name of a subscription stands for the channel of its frames."""
        self._all |= not names
        self._names |= {"user" if name == "userEvents" else name for name in names}

    def clear(self) -> None:
        self._names.clear()
        self._all = False

    def __contains__(self, channel: object) -> bool:
        return self._all or channel in self._names


class FrameTroubles:
    """Every frame of every connection goes through here: lost, or else repeated, and then held or delivered."""

    def __init__(self) -> None:
        self._holding = _Channels()
        self._losing = _Channels()
        self._held: list[tuple[Feed, Json]] = []
        self._copies = 1

    def hold_frames(self, *channels: str) -> None:
        """From now on the frames of these channels queue up; without a name, those of all."""
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
        """From now on the frames of these channels never arrive; without a name, those of all.

        What is held already is not lost.
        """
        self._losing.add(channels)

    def stop_losing_frames(self) -> None:
        """Frames arrive again; the lost ones stay lost."""
        self._losing.clear()

    def repeat_frames(self, n: int) -> None:
        """From now on every frame comes `n` times, each time as an object of its own; 1 ends it."""
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
