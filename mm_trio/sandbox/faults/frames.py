"""Faults of frames, injected by a tap on each socket.

A frame may be dropped, duplicated, reordered, delayed or garbled. The tap lies between a connection and its socket.
Frames are encoded when they arrive, so a delayed one shows the state of that earlier moment.
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
from mm_trio.sandbox.faults.untruths import lie_about_fills

__all__ = ["FrameFaults", "Tap", "garble_frame"]

_log = logging.getLogger(__name__)

# Frames of fills kept for each user and channel; a replay repeats them.
KEPT_FRAMES = 10
# Rows of fills kept for each user; a lie names the order of one of them.
KEPT_ROWS = 20

Json = dict[str, Any]
Post = Callable[[str], None]


class FrameFaults:
    """Opens the taps of all sockets and remembers recent fills."""

    def __init__(self, dice: FaultDice, clock: Clock) -> None:
        self.dice = dice
        self.clock = clock
        self._recent_fills: dict[tuple[str, str], deque[str]] = {}
        self._recent_rows: dict[str, deque[Json]] = {}

    def open_tap(self, post: Post) -> Tap:
        """Open a tap in front of `post`, which sends text."""
        return Tap(self, post)

    def remember(self, channel: str, user: str, text: str) -> None:
        """Remember a frame of fills for a later replay."""
        self._recent_fills.setdefault((channel, user), deque(maxlen=KEPT_FRAMES)).append(text)

    def recent_fills(self, channel: str, user: str) -> tuple[str, ...]:
        """Return the remembered frames of fills, oldest first."""
        return tuple(self._recent_fills.get((channel, user), ()))

    def lie(self, channel: str, user: str, frame: Json) -> Json:
        """Return a frame of new fills, with a lie if that strikes."""
        if not self.dice.may_strike(FaultKind.FRAME_LIES):
            return frame
        data = frame["data"]
        others = self._recent_rows.setdefault(user, deque(maxlen=KEPT_ROWS))
        strike = self.draw(FaultKind.FRAME_LIES)
        rows = lie_about_fills(data["fills"], others, self.dice.rng) if strike else None
        others.extend(data["fills"])
        if rows is None:
            return frame
        self.count(FaultKind.FRAME_LIES, channel)
        return {**frame, "data": {**data, "fills": rows}}

    def draw(self, kind: FaultKind) -> Strike | None:
        """Throw the dice for one frame at the current time."""
        return self.dice.draw(kind, now_s=self.clock.now_s())

    def count(self, kind: FaultKind, channel: str) -> None:
        """Count and log a strike on a frame of `channel`."""
        self.dice.count(kind)
        _log.info("fault struck: kind=%s channel=%s", kind.value, channel)


class Tap:
    """Passes one socket's frames on, in order except for faults."""

    def __init__(self, faults: FrameFaults, post: Post) -> None:
        self.pong_only = False
        # Frames that should have passed, faults aside.
        self.n_sent = 0
        self._faults = faults
        self._post = post
        self._is_open = True
        # Channel and text of the frame that waits to be overtaken.
        self._held: tuple[str, str] | None = None
        self._events_user = ""
        # Users whose next snapshot of fills may be followed by a replay.
        self._snapshots: set[str] = set()

    def close(self) -> None:
        """Stop passing frames, delayed ones included."""
        self._is_open = False

    def send(self, frame: Json) -> None:
        """Pass a frame on, subject to faults."""
        channel, text = str(frame["channel"]), json.dumps(frame, separators=(",", ":"))
        self.n_sent += 1
        if self.pong_only and channel != "pong":
            return
        told = self._remember(channel, frame, text)
        self._disturb(channel, text if told is frame else json.dumps(told, separators=(",", ":")))
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
        """Pass the held frame on.

        If no other frame came in the meantime, it was not overtaken and no fault is counted.
        """
        if self._held is not None:
            (_, text), self._held = self._held, None
            self._pass(text)

    def _pass(self, text: str) -> None:
        if self._is_open:
            self._post(text)

    def _remember(self, channel: str, frame: Json, text: str) -> Json:
        """Remember new fills, for a replay on another socket.

        Returns: the frame to be told, which may lie about them.
        """
        data = frame.get("data")
        if not isinstance(data, dict) or not data.get("fills") or data.get("isSnapshot"):
            return frame
        user = self._events_user if channel == "user" else str(data.get("user"))
        if channel not in ("user", "userFills"):
            return frame
        self._faults.remember(channel, user, text)
        return self._faults.lie(channel, user, frame)

    def _replay(self, channel: str, frame: Json) -> None:
        """Repeat earlier fills as new ones after a subscription."""
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
    """Return an invalid variant of a frame.

    It always differs: cut off, not JSON, on an unknown channel, or with data of another type.
    """
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
