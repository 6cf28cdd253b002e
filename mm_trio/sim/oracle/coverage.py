"""Count the hard cases a long run has to meet.

They are also known as "sometimes assertions": a rule that is never checked in a hard case proves little.
Each of `HARD_CASES` is counted where it happens, seen from outside: from what was sent, received, asked and written
to the journal, and what the maker believed just before.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mm_trio.engine.grid_face import GridFace
from mm_trio.model.journal_entries import Adopted, Arrived, Checkpoint, Entry, NeverPlaced
from mm_trio.sandbox import SignedInProcess
from mm_trio.sim.base.crash_points import Crash
from mm_trio.sim.oracle.venue_view import is_own

__all__ = ["CASES_OF_SEVERAL", "HARD_CASES", "CaseRecorder", "find_never_seen", "find_orders", "shorten"]

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
# Answered by the venue, whether or not the answer reached the maker.
_REFUSALS = ("Too many cumulative requests sent", "Action already expired")
_REFUSALS_RECEIVED = ("Too many cumulative requests sent", "Invalid nonce: duplicate nonce", "User or API Wallet")
_ERRORS = (
    "Order was never placed",
    "Post only order would have immediately matched",
    "Insufficient spot balance",
    "Cannot modify canceled or filled order",
    "Trading is halted",
)
_VARIABLE_PART = re.compile(r"[(,.\d]| asset=| 0x")


def find_orders(action: Any) -> list[Any]:
    """Find the new orders of an action, those of its modifies last."""
    return [*action.get("orders", ()), *(modify["order"] for modify in action.get("modifies", ()))]


def shorten(text: str) -> str:
    """Cut a venue's text to its constant beginning, for counting."""
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
    "halted",
    "start of a halted maker refused",
    "journal locked",
    "cancel without the journal",
    *(f"crash {crash.value}" for crash in Crash),
    "crash in a start",
    "checkpoint",
    "checkpoint with orders in doubt",
    "restart from a checkpoint",
    "allocation changed over a restart",
    "deposit right after a balance was read",
    "own fill with a rebate",
    "own fill with a gap",
    "bid left while the remainder moved",
    *(f"status {status}" for status in _STATUSES),
    *(f"refused: {text}" for text in _REFUSALS),
    *(f"told: {text}" for text in _REFUSALS_RECEIVED),
    *(f"error: {text}" for text in _ERRORS),
)


# A run with several grids has to meet these too.
CASES_OF_SEVERAL: tuple[str, ...] = (
    "action for several coins",
    "grids without request budget",
    "quoting beside a halted grid",
    "apply followed",
    "apply refused",
    "apply among faults",
    "apply crossed by a crash",
    "apply judged",
    "apply judged in calm",
    "apply: added",
    "apply: removed",
    "apply: changed",
    "apply: start refused",
)


def find_never_seen(coverage: dict[str, int], *, has_several: bool = False) -> list[str]:
    """Return the hard cases that a run did not meet. `has_several`: accounts had several grids."""
    cases = (*HARD_CASES, *CASES_OF_SEVERAL) if has_several else HARD_CASES
    return [name for name in cases if not coverage.get(name)]


class CaseRecorder:
    """Recorder of the hard cases that one process meets.

    It counts them in `coverage`. `unanswered` holds cloids of orders that arrived and whose answer has not.
    """

    def __init__(self, coverage: Counter[str], *, unanswered: set[str]) -> None:
        self._coverage = coverage
        self._unanswered = unanswered
        # Oid -> cloid of the order that replaces it.
        self._successors: dict[int, str] = {}
        # Cloids of orders already reported open.
        self._reported_open: set[str] = set()
        self._n_frames = 0
        # By read, as of when the venue answered it.
        self._n_frames_at_read: dict[str, int] = {}
        # Cloid of unknown outcome -> what first reported the order since then.
        self._unknown: dict[str, str | None] = {}

    # --- Sent ---

    def on_arriving(self, action: Json) -> None:
        """Note which orders an arriving modify replaces."""
        for modify in action.get("modifies", ()):
            self._successors[modify["oid"]] = modify["order"]["c"]

    def on_unanswered(self, signed: SignedInProcess) -> None:
        """Note orders whose outcome is now unknown."""
        if '"c":' in signed.action:
            orders = find_orders(json.loads(signed.action))
            self._unknown.update(dict.fromkeys((order["c"] for order in orders), None))

    # --- Received ---

    def on_frame(self, frame: Json, faces: Mapping[str, GridFace]) -> None:
        """Note a frame just before the maker gets it; `faces` are its grids.

        It may be garbled.
        """
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
                        self._on_fill(row, faces)
            case _:
                pass

    def _on_order(self, oid: int, cloid: object, status: object) -> None:
        if isinstance(cloid, str) and is_own(cloid):
            self._note_first_report(cloid, "a frame")
            if status == "open" and cloid not in self._reported_open:
                self._reported_open.add(cloid)
                self._coverage[f"open told {'before' if cloid in self._unanswered else 'after'} the answer"] += 1
        successor = self._successors.get(oid)
        if status == "canceled" and successor is not None and successor not in self._reported_open:
            self._coverage["cancel told before its successor"] += 1

    def _on_fill(self, row: Json, faces: Mapping[str, GridFace]) -> None:
        oid, tid, maker = row.get("oid"), row.get("tid"), _find_face(row, faces)
        if not isinstance(oid, int) or not isinstance(tid, int) or maker is None:
            return
        orders = maker.order_state
        # The order has ended, and the maker knows that this fill is missing.
        is_awaited = any(order.oid == oid for order in orders.get_fills_due())
        if orders.find(oid) is None and orders.find_left(oid) is not None and not is_awaited:
            time_ms, coin = row.get("time"), row.get("coin")
            is_readable = isinstance(time_ms, int) and isinstance(coin, str)
            if is_readable and not orders.was_counted(tid, oid, time_ms=time_ms, coin=coin):
                self._coverage["fill of an order that had left"] += 1
        self._note_first_report(row.get("cloid"), "a fill")

    # --- Asked ---

    def on_read(self, method: str) -> None:
        """Note how many frames the venue's answer is based on."""
        self._n_frames_at_read[method] = self._n_frames

    def on_answered(self, method: str, answer: Any) -> None:
        """Note an answer that the maker received."""
        if isinstance(answer, dict) and answer.get("status") == "err":
            self._coverage[f"told: {shorten(str(answer.get('response')))}"] += 1
        if method == "open_orders":
            self._coverage["snapshot older than three frames"] += (
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

    # --- Written to the journal ---

    def on_entry(self, entry: Entry) -> None:
        """Note a durable entry, which may settle an unknown outcome."""
        if isinstance(entry, Arrived | Adopted) and entry.cloid in self._unknown:
            how = self._unknown.pop(entry.cloid)
            if how is not None:
                self._coverage[f"unknown resolved by {how}"] += 1
        elif isinstance(entry, Checkpoint):
            self._coverage["checkpoint"] += 1
            self._coverage["checkpoint with orders in doubt"] += bool(self._unknown)
        elif isinstance(entry, NeverPlaced) and entry.cloid in self._unknown:
            del self._unknown[entry.cloid]
            self._coverage["unknown resolved by expiry"] += entry.why.startswith("the venue knows no such order")

    def _note_first_report(self, cloid: object, how: str) -> None:
        if isinstance(cloid, str) and self._unknown.get(cloid, "") is None:
            self._unknown[cloid] = how


def _find_face(row: Json, faces: Mapping[str, GridFace]) -> GridFace | None:
    """Find the grid that a row is about; a single grid gets every row."""
    if len(faces) == 1:
        return next(iter(faces.values()))
    coin = row.get("coin")
    return faces.get(coin) if isinstance(coin, str) else None


def _dicts(rows: object) -> Iterator[Json]:
    """Yield the dicts of a value that may be anything."""
    if isinstance(rows, Iterable):
        yield from (row for row in rows if isinstance(row, dict))
