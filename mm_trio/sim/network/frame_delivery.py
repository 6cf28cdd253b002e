"""Carry frames to the maker in virtual time, among faults.

Without a fault they arrive soon and in order. Faults lose, duplicate, delay, reorder or garble them.
"""

from __future__ import annotations

import copy
import heapq
from collections.abc import Callable
from random import Random
from typing import Any, Never

import trio

from mm_trio.sandbox import FaultKind, Feed, lie_about_fills
from mm_trio.sim.base.fault_counter import FaultCounter

__all__ = ["FrameDelivery"]

Json = dict[str, Any]

KINDS = (
    FaultKind.FRAME_DROPPED,
    FaultKind.FRAME_DUPLICATED,
    FaultKind.FRAME_REORDERED,
    FaultKind.FRAME_DELAYED,
    FaultKind.FRAME_GARBLED,
)
# Other channels show the maker that the feed is alive, so faults spare them.
ACCOUNT_CHANNELS = ("orderUpdates", "userFills", "subscriptionResponse")
# No two frames arrive at the same instant, because their order would not depend on the seed.
STEP_S = 1e-6
LATE_S = (0.3, 1.0, 1.9, 5.0, 20.0)
# Fills that are sent again after a subscription.
REPLAYED = 20


class FrameDelivery:
    """Delivery of every socket's frames at their due times.

    `latest_s` is the longest latency without a fault. `fills_have_cloids`: whether fills keep the cloid of their
    order. `lies` is the random stream of frames that lie, `spoils` that of rows that cannot be read.
    """

    def __init__(
        self,
        fault_counter: FaultCounter,
        *,
        latest_s: float,
        fills_have_cloids: bool,
        rng: Random,
        lies: Random | None = None,
        spoils: Random | None = None,
    ) -> None:
        self._fault_counter = fault_counter
        self._latest_s = latest_s
        self._fills_have_cloids = fills_have_cloids
        self._rng = rng
        self._lies = lies or rng
        self._spoils = spoils or rng
        # Coin of which no row can be read now.
        self.spoiled_coin: str | None = None
        self._due: list[tuple[float, int, Feed, Json]] = []
        self._n_frames = 0
        # By socket.
        self._last_s: dict[int, float] = {}
        self._more = trio.Event()
        # Arrival time of the last delayed frame.
        self.late_until_s = 0.0
        # Called just before a frame is handed over.
        self.on_frame: Callable[[Feed, Json], None] = lambda feed, frame: None
        # Rows of fills sent before.
        self._recent_fills: list[Json] = []

    def deliver(self, feed: Feed, frame: Json) -> None:
        """Schedule a frame that the venue sent on this socket."""
        channel = frame["channel"]
        if channel == "userFills":
            if not self._fills_have_cloids:
                rows = [{key: row[key] for key in row if key != "cloid"} for row in frame["data"]["fills"]]
                frame = {**frame, "data": {**frame["data"], "fills": rows}}
            self._replay(feed, frame)
            frame = self._lie(frame)
        if self.spoiled_coin is not None and channel in ("orderUpdates", "userFills"):
            frame = self._spoil(frame, self.spoiled_coin)
        kind = self._fault_counter.pick(self._rng, KINDS) if channel in ACCOUNT_CHANNELS else None
        if kind is not None:
            self._fault_counter.count(kind)
        match kind:
            case FaultKind.FRAME_DROPPED:
                return
            case FaultKind.FRAME_DUPLICATED:
                self._send(feed, copy.deepcopy(frame), after_s=self._rng.choice((0.0, 0.0, 2.0)))
            case FaultKind.FRAME_REORDERED:
                self._put(trio.current_time() + self._rng.uniform(0, 2 * self._latest_s) + 0.05, feed, frame)
                return
            case FaultKind.FRAME_DELAYED:
                due_s = trio.current_time() + self._rng.choice(LATE_S)
                self.late_until_s = max(self.late_until_s, due_s)
                self._put(due_s, feed, frame)
                return
            case FaultKind.FRAME_GARBLED:
                frame = self._garble(frame)
            case _:
                pass
        self._send(feed, frame)

    async def carry_forever(self) -> Never:
        """Hand over each frame when it is due."""
        while True:
            if not self._due:
                self._more = trio.Event()
                await self._more.wait()
            elif self._due[0][0] > trio.current_time():
                self._more = trio.Event()
                with trio.move_on_at(self._due[0][0]):
                    await self._more.wait()
            else:
                _, _, feed, frame = heapq.heappop(self._due)
                self.on_frame(feed, frame)
                feed.dispatch(frame)

    # --- In order ---

    def _send(self, feed: Feed, frame: Json, *, after_s: float = 0.0) -> None:
        """Schedule a frame after all earlier ones of this socket."""
        now_s = trio.current_time()
        due_s = max(now_s + after_s + self._rng.uniform(0, self._latest_s), self._last_s.get(id(feed), 0.0) + STEP_S)
        if not after_s:
            # Earlier sockets are closed, so their times are dropped.
            self._last_s = {id(feed): due_s}
        self._put(due_s, feed, frame)

    def _put(self, due_s: float, feed: Feed, frame: Json) -> None:
        self._n_frames += 1
        heapq.heappush(self._due, (due_s, self._n_frames, feed, frame))
        self._more.set()

    # --- Changes to a frame ---

    def _replay(self, feed: Feed, frame: Json) -> None:
        """Send earlier fills again as news after a subscription."""
        data = frame["data"]
        if not data.get("isSnapshot"):
            self._recent_fills = [*self._recent_fills, *data["fills"]][-REPLAYED:]
        elif self._recent_fills and self._fault_counter.pick(self._rng, (FaultKind.FEED_REPLAYED,)):
            self._fault_counter.count(FaultKind.FEED_REPLAYED)
            again = {"channel": "userFills", "data": {"user": data["user"], "fills": copy.deepcopy(self._recent_fills)}}
            self._put(trio.current_time() + self._rng.uniform(0, 3), feed, again)

    def _lie(self, frame: Json) -> Json:
        """Tell one fill that contradicts its order."""
        data, kind = frame["data"], FaultKind.FRAME_LIES
        if data.get("isSnapshot") or not self._fault_counter.rate(kind):
            return frame
        if not self._fault_counter.pick(self._lies, (kind,)):
            return frame
        rows = lie_about_fills(data["fills"], self._recent_fills, self._lies)
        self._fault_counter.count(kind, n=int(rows is not None))
        return frame if rows is None else {**frame, "data": {**data, "fills": rows}}

    def _spoil(self, frame: Json, coin: str) -> Json:
        """Make the rows of one coin unreadable; whose they are can still be read."""
        frame = copy.deepcopy(frame)
        rows = frame["data"]["fills"] if isinstance(frame["data"], dict) else frame["data"]
        spoiled = [inner for inner in (row.get("order", row) for row in rows) if inner["coin"] == coin]
        for inner in spoiled:
            key = self._spoils.choice(sorted(inner.keys() - {"coin"}))
            inner[key] = self._spoils.choice((None, [], {"a": 1}))
        self._fault_counter.count(FaultKind.COIN_GARBLED, n=len(spoiled))
        return frame

    def _garble(self, frame: Json) -> Json:
        """Make a frame unreadable, wholly or in one row.

        It never becomes another readable value: the maker could not tell that from the truth.
        """
        frame, rng = copy.deepcopy(frame), self._rng
        rows = frame["data"].get("fills") if isinstance(frame["data"], dict) else frame["data"]
        if not isinstance(rows, list) or not rows or rng.random() < 0.2:
            keep = {"user": frame["data"]["user"]} if frame["channel"] == "userFills" else None
            return {**frame, "data": keep or rng.choice((None, "x", 7, []))}
        row = rng.choice(rows)
        inner = row.get("order", row)
        key = rng.choice(sorted(inner))
        if rng.random() < 0.5:
            del inner[key]
        else:
            inner[key] = rng.choice((None, [], {"a": 1}))
        return frame
