"""The hard cases that a long run has to meet: which there are, and who notices them.

A rule that is never asked in the hard case proves little. Each of `SOMETIMES` is counted where it happens, seen from
outside: what was sent, heard, asked and written down, and what the maker believed just before.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from mm_trio.engine.ws_state import WsState
from mm_trio.model.journal_entries import Adopted, Arrived, Entry, NeverPlaced
from mm_trio.sandbox import SignedInProcess
from mm_trio.sim.base.crash_points import Crash
from mm_trio.sim.oracle.venue_view import is_own

__all__ = ["HARD_CASES", "CaseRecorder", "find_never_seen", "shorten"]

Json = dict[str, Any]

MANY_FRAMES = 3

_STATUSES = (
    "filled",
    "canceled",
    "selfTradeCanceled",
    "delistedCanceled",
    "rejected",
    "badAloPxRejected",
    "insufficientSpotBalanceRejected",
)
_REFUSALS = ("Too many cumulative requests sent", "Action already expired")  # by the venue, heard or not
_TOLD = ("Too many cumulative requests sent", "Invalid nonce: duplicate nonce", "User or API Wallet")
_ERRORS = (
    "Order was never placed",
    "Post only order would have immediately matched",
    "Insufficient spot balance",
    "Cannot modify canceled or filled order",
    "Trading is halted",
)
_VARIABLE_PART = re.compile(r"[(,.\d]| asset=| 0x")


def shorten(text: str) -> str:
    """A text of the venue without what differs from one time to the next, as it is counted."""
    return _VARIABLE_PART.split(text)[0].strip()


HARD_CASES: tuple[str, ...] = (
    "fill before its order was answered",
    "fill of an order that had left",
    "open told before the answer",
    "open told after the answer",
    "cancel told before its successor",
    "snapshot older than three frames",
    *(f"unknown resolved by {how}" for how in ("a frame", "a status", "a fill", "a snapshot", "expiry")),
    "refused while cancelling",
    "every bid gone",
    "every ask gone",
    "fill at the lowest level",
    "fill at the highest level",
    "stop with a request under way",
    "start failed",
    "left clean",
    "left something",
    "second maker refused",
    "stop without budget",
    *(f"crash {crash.value}" for crash in Crash),
    "crash in a start",
    *(f"status {status}" for status in _STATUSES),
    *(f"refused: {text}" for text in _REFUSALS),
    *(f"told: {text}" for text in _TOLD),
    *(f"error: {text}" for text in _ERRORS),
)


def find_never_seen(seen: dict[str, int]) -> list[str]:
    """Those of `SOMETIMES` that a run did not meet."""
    return [name for name in HARD_CASES if not seen.get(name)]


class CaseRecorder:
    """Notes the hard cases of one life in `seen`. `unanswered`: cloids that arrived and were not answered yet."""

    def __init__(self, seen: Counter[str], *, unanswered: set[str]) -> None:
        self._seen = seen
        self._unanswered = unanswered
        self._successors: dict[int, str] = {}  # oid -> cloid of the order that replaces it
        self._reported_open: set[str] = set()  # cloids of orders told open
        self._n_frames = 0
        self._n_frames_at_read: dict[str, int] = {}  # by question, when the venue answered it
        self._unknown: dict[str, str | None] = {}  # cloid -> what first told of it since

    # --- what is sent ---------------------------------------------------------------------------

    def on_arriving(self, action: Json) -> None:
        """An action reaches the venue."""
        for modify in action.get("modifies", ()):
            self._successors[modify["oid"]] = modify["order"]["c"]

    def on_unanswered(self, signed: SignedInProcess) -> None:
        """Its outcome is unknown."""
        if '"c":' in signed.action:
            action = json.loads(signed.action)
            orders = [*action.get("orders", ()), *(modify["order"] for modify in action.get("modifies", ()))]
            self._unknown.update(dict.fromkeys((order["c"] for order in orders), None))

    # --- what is heard ----------------------------------------------------------------------------

    def on_frame(self, frame: Json, maker: WsState) -> None:
        """A frame is about to be handed to the maker; it may be garbled."""
        match frame.get("channel"):
            case "orderUpdates":
                self._n_frames += 1
                for row in _dicts(frame.get("data")):
                    order = row.get("order")
                    if isinstance(order, dict) and isinstance(order.get("oid"), int):
                        self._on_order(order["oid"], order.get("cloid"), row.get("status"))
            case "userFills":
                data = frame.get("data")
                self._n_frames += 1
                if isinstance(data, dict) and not data.get("isSnapshot"):
                    for row in _dicts(data.get("fills")):
                        self._on_fill(row, maker)
            case _:
                pass

    def _on_order(self, oid: int, cloid: object, status: object) -> None:
        if isinstance(cloid, str) and is_own(cloid):
            self._note_first_report(cloid, "a frame")
            if status == "open" and cloid not in self._reported_open:
                self._reported_open.add(cloid)
                self._seen[f"open told {'before' if cloid in self._unanswered else 'after'} the answer"] += 1
        successor = self._successors.get(oid)
        if status == "canceled" and successor is not None and successor not in self._reported_open:
            self._seen["cancel told before its successor"] += 1

    def _on_fill(self, row: Json, maker: WsState) -> None:
        oid, tid = row.get("oid"), row.get("tid")
        if not isinstance(oid, int) or not isinstance(tid, int):
            return
        orders = maker.order_state
        is_awaited = any(order.oid == oid for order in orders.get_fills_due())  # its end told of this fill
        if orders.find(oid) is None and orders.find_left(oid) is not None and not is_awaited:
            time_ms, coin = row.get("time"), row.get("coin")
            is_readable = isinstance(time_ms, int) and isinstance(coin, str)
            if is_readable and not orders.was_counted(tid, oid, time_ms=time_ms, coin=coin):
                self._seen["fill of an order that had left"] += 1
        self._note_first_report(row.get("cloid"), "a fill")

    # --- what is asked ----------------------------------------------------------------------------

    def on_read(self, method: str) -> None:
        """The venue answers a question just now."""
        self._n_frames_at_read[method] = self._n_frames

    def on_answered(self, method: str, answer: Any) -> None:
        """An answer has come."""
        if isinstance(answer, dict) and answer.get("status") == "err":
            self._seen[f"told: {shorten(str(answer.get('response')))}"] += 1
        if method == "open_orders":
            self._seen["snapshot older than three frames"] += (
                self._n_frames - self._n_frames_at_read.get(method, self._n_frames) > MANY_FRAMES
            )
        if not self._unknown:
            return
        if method == "open_orders":
            for row in _dicts(answer):
                self._note_first_report(row.get("cloid"), "a snapshot")
        elif method == "user_fills_by_time":
            for row in _dicts(answer):
                self._note_first_report(row.get("cloid"), "a fill")
        elif method == "query_order_by_cloid" and isinstance(answer, dict) and isinstance(answer.get("order"), dict):
            self._note_first_report(answer["order"].get("order", {}).get("cloid"), "a status")

    # --- what is written down ---------------------------------------------------------------------

    def on_entry(self, entry: Entry) -> None:
        """An entry is on the disk: an unknown outcome may be known by it."""
        if isinstance(entry, Arrived | Adopted) and entry.cloid in self._unknown:
            how = self._unknown.pop(entry.cloid)
            if how is not None:
                self._seen[f"unknown resolved by {how}"] += 1
        elif isinstance(entry, NeverPlaced) and entry.cloid in self._unknown:
            del self._unknown[entry.cloid]
            self._seen["unknown resolved by expiry"] += entry.why.startswith("the venue knows no such order")

    def _note_first_report(self, cloid: object, how: str) -> None:
        if isinstance(cloid, str) and self._unknown.get(cloid, "") is None:
            self._unknown[cloid] = how


def _dicts(rows: object) -> Iterator[Json]:
    """What is readable of rows that may be anything."""
    if isinstance(rows, Iterable):
        yield from (row for row in rows if isinstance(row, dict))
