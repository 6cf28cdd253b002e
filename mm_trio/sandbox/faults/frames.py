"""Faults of frames: each socket's frames pass a tap, where they may be lost, doubled, overtaken, late or garbled.

A layer between a connection and its socket. Frames are written down when they come, so a late one tells of then.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from mm_trio.sandbox.clock import Clock
from mm_trio.sandbox.faults.dice import FaultDice, Strike
from mm_trio.sandbox.faults.kinds import FaultKind

__all__ = ["FrameFaults", "Tap", "garble_frame"]

_log = logging.getLogger(__name__)

KEPT_FRAMES = 10  # of fills, for each user and channel: what a replay tells again

Json = dict[str, Any]
Post = Callable[[str], None]


class FrameFaults:
    """The taps of all sockets, and the fills they have told."""

    def __init__(self, dice: FaultDice, clock: Clock) -> None:
        self.dice = dice
        self.clock = clock
        self._recent_fills: dict[tuple[str, str], deque[str]] = {}

    def open_tap(self, post: Post) -> Tap:
        """A tap in front of `post`, which sends a text."""
        return Tap(self, post)

    def remember(self, channel: str, user: str, text: str) -> None:
        """A frame of fills was told."""
        self._recent_fills.setdefault((channel, user), deque(maxlen=KEPT_FRAMES)).append(text)

    def recent_fills(self, channel: str, user: str) -> tuple[str, ...]:
        return tuple(self._recent_fills.get((channel, user), ()))

    def draw(self, kind: FaultKind) -> Strike | None:
        return self.dice.draw(kind, now_s=self.clock.now_s())

    def count(self, kind: FaultKind, channel: str) -> None:
        self.dice.count(kind)
        _log.info("fault %s: channel %s", kind.value, channel)


class Tap:
    """The frames of one socket, in order but for what befalls them."""

    def __init__(self, faults: FrameFaults, post: Post) -> None:
        self.pong_only = False
        self.n_sent = 0  # frames that were to pass
        self._faults = faults
        self._post = post
        self._is_open = True
        self._held: tuple[str, str] | None = None  # channel and text of the one that may be overtaken
        self._events_user = ""
        self._snapshots: set[str] = set()  # users whose next snapshot of fills is followed by a replay

    def close(self) -> None:
        """Nothing passes any more, not even what is late."""
        self._is_open = False

    def send(self, frame: Json) -> None:
        """Pass a frame on, or whatever is to happen to it."""
        channel, text = str(frame["channel"]), json.dumps(frame, separators=(",", ":"))
        self.n_sent += 1
        if self.pong_only and channel != "pong":
            return
        self._remember(channel, frame, text)
        self._disturb(channel, text)
        self._replay(channel, frame)

    def _disturb(self, channel: str, text: str) -> None:
        faults = self._faults
        if faults.draw(FaultKind.FRAME_DROPPED):
            faults.count(FaultKind.FRAME_DROPPED, channel)
            return
        if faults.draw(FaultKind.FRAME_GARBLED):
            faults.count(FaultKind.FRAME_GARBLED, channel)
            text = garble_frame(text, faults.dice.rng)
        if strike := faults.draw(FaultKind.FRAME_DELAYED):
            faults.count(FaultKind.FRAME_DELAYED, channel)
            faults.clock.call_in(strike.delay_s, lambda: self._pass(text))
        elif self._held is None and (strike := faults.draw(FaultKind.FRAME_REORDERED)):
            self._held = channel, text
            faults.clock.call_in(strike.delay_s, self._release)
        else:
            self._pass(text)
            if faults.draw(FaultKind.FRAME_DUPLICATED):
                faults.count(FaultKind.FRAME_DUPLICATED, channel)
                self._pass(text)
            if self._held is not None:
                faults.count(FaultKind.FRAME_REORDERED, self._held[0])
                self._release()

    def _release(self) -> None:
        """Let go what was held; too late to be overtaken if nothing came, and then it is no fault."""
        if self._held is not None:
            (_, text), self._held = self._held, None
            self._pass(text)

    def _pass(self, text: str) -> None:
        if self._is_open:
            self._post(text)

    def _remember(self, channel: str, frame: Json, text: str) -> None:
        """Fills are kept, to be told again on another socket."""
        data = frame.get("data")
        if not isinstance(data, dict) or not data.get("fills") or data.get("isSnapshot"):
            return
        user = self._events_user if channel == "user" else str(data.get("user"))
        if channel in ("user", "userFills"):
            self._faults.remember(channel, user, text)

    def _replay(self, channel: str, frame: Json) -> None:
        """After a subscription to fills: tell again, as if they were new, fills that were told."""
        data = frame.get("data")
        if not isinstance(data, dict):
            return
        if channel == "subscriptionResponse" and data.get("method") == "subscribe":
            subscription = data["subscription"]
            kind, user = subscription["type"], str(subscription.get("user"))
            if kind == "userEvents":
                self._events_user = user
                self._replay_fills("user", user)
            elif kind == "userFills":
                self._snapshots.add(user)
        elif channel == "userFills" and data.get("isSnapshot") and data.get("user") in self._snapshots:
            self._snapshots.discard(data["user"])
            self._replay_fills(channel, data["user"])

    def _replay_fills(self, channel: str, user: str) -> None:
        recent_fills = self._faults.recent_fills(channel, user)
        if recent_fills and self._faults.draw(FaultKind.FEED_REPLAYED):
            self._faults.count(FaultKind.FEED_REPLAYED, channel)
            for text in recent_fills:
                self._pass(text)


def garble_frame(text: str, rng: Random) -> str:
    """A frame that is none: cut off, of an unknown channel, or with data of another type. Never what it was."""
    frame = json.loads(text)
    strange: tuple[object, ...] = (None, 7, "7", [], [{}], {"user": 7, "fills": [{"px": 1}]})
    choices = [
        text[: len(text) // 2],
        "\u0000" + text,
        json.dumps({"data": frame.get("data")}),
        json.dumps(frame | {"channel": "unheardOf"}),
        json.dumps([frame]),
        *(json.dumps(frame | {"data": data}) for data in strange),
    ]
    return rng.choice([choice for choice in choices if choice != text])
