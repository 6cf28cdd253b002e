"""Rules of what is sent: looked at when a call leaves the maker, reaches the venue, and is answered. One life each."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from mm_trio.sandbox import (
    TOO_MANY_REQUESTS,
    Answered,
    Effect,
    Exchange,
    ItemError,
    Refused,
    SignedInProcess,
)
from mm_trio.sim.base.judge import Judge
from mm_trio.sim.network.venue import SimSocket
from mm_trio.sim.network.watched_journal import Written
from mm_trio.sim.oracle.coverage import CaseRecorder, shorten
from mm_trio.sim.oracle.venue_view import is_own, read_epoch

__all__ = ["FEEDS", "NEW_RISK", "STALE_S", "UNSETTLED_S", "RequestRules", "SlidingSum"]

NEW_RISK = frozenset({"bulk_orders", "bulk_modify_orders_new"})
CANCELLING = frozenset({"bulk_cancel", "bulk_cancel_by_cloid"})
ENDING = frozenset({"bulk_cancel", "bulk_modify_orders_new"})
FEEDS = frozenset({"orderUpdates", "userFills"})  # whose acknowledgement quoting needs
RECONCILED = ("open_orders", "user_fills_by_time", "spot_user_state", "user_rate_limit")  # one round of it, in order
MOST_ITEMS = 100
STALE_S = 30.0  # the maker's `feed_stale_after_s`
POLL_S = 0.6  # it looks twice a second
SLOT_S = 9.5  # the venue's ten seconds, less half of one for latencies that differ
NO_BUDGET = TOO_MANY_REQUESTS[:24]
# refusals that a correct order cannot get
MALFORMED = (
    "minimum value",
    "tick size",
    "invalid size",
    "invalid price",
    "zero size",
    "zero price",
    "Duplicate cloid",
)

# Request weights of one IP, and the limits of a minute. Source: docs, Rate limits.
WEIGHTS = {"spot_user_state": 2, "query_order_by_oid": 2, "query_order_by_cloid": 2, "reopen_feed": 0, "subscribe": 0}
WEIGHTS |= {"ping": 0}
READ_WEIGHT = 20
ROWS_PER_WEIGHT = 20
MINUTE_S = 60.0
WEIGHED_S = 62.0  # so long the maker has to remember what it asked
UNSETTLED_S = 300.0  # in which the end of an order is told, or the fill history read
MOST_WEIGHT, MOST_CONNECTIONS, MOST_MESSAGES = 1200, 30, 2000


class SlidingSum:
    """A sum over the last minute, or another time."""

    def __init__(self, lasts_s: float = MINUTE_S) -> None:
        self._lasts_s = lasts_s
        self._parts: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, now_s: float, amount: int) -> int:
        """Gives the sum with this one in it."""
        self._parts.append((now_s, amount))
        self._sum += amount
        while self._parts[0][0] <= now_s - self._lasts_s:
            self._sum -= self._parts.popleft()[1]
        return self._sum


class RequestRules:
    """S6, S7, S9, S10, S11, S12, S13, S14 and S16 of one maker's requests. It is the witness of its line.

    `used_cloids` (cloid -> hash of the action that carried it) is shared by all lives.
    """

    def __init__(
        self,
        judge: Judge,
        exchange: Exchange,
        *,
        address: str,
        keep_foreign: bool,
        written: Written,
        socket: Callable[[], SimSocket],
        used_cloids: dict[str, str],
        now_s: Callable[[], float],
        ends: SlidingSum,
    ) -> None:
        self._judge = judge
        self._exchange = exchange
        self._address = address
        self._keep_foreign = keep_foreign
        self._written = written
        self._socket = socket
        self._used_cloids = used_cloids
        self._now_s = now_s
        self.stop_s: float | None = None
        self.first_risk_s: float | None = None  # when this life first quoted
        self.underway: SignedInProcess | None = None  # the action that the venue runs just now
        self.unanswered: set[str] = set()  # cloids that arrived and whose maker was not told so yet
        self.epochs: set[str] = set()  # of the cloids that this life sent
        self.last_refusal_s = 0.0
        self.n_weighed_lately = 0  # that the maker may have to remember
        self.cases = CaseRecorder(judge.coverage, unanswered=self.unanswered)
        self._weighed, self._ends = SlidingSum(WEIGHED_S), ends
        self._gate: list[str] = []  # what has to be answered before anything new leaves
        self._was_subscribed = False
        self._weight, self._connections, self._messages = SlidingSum(), SlidingSum(), SlidingSum()
        self._refused_s = 0.0  # when the venue last refused something new for want of budget
        self._n_refusals_received = 0  # so often in a row the maker was told of that

    # --- leaving ------------------------------------------------------------------------------

    def on_leaving(self, method: str, args: tuple[Any, ...]) -> None:
        """A call leaves the maker."""
        now_s = self._now_s()
        n_items = args[0].n_items if args and isinstance(args[0], SignedInProcess) else 0
        self._check_limits(method, n_items, now_s)
        if not n_items:
            self.n_weighed_lately = self._weighed.add(now_s, 2)  # the question, and what its rows weigh
        if method in ENDING:
            self._ends.add(now_s, n_items)
        if method == "reopen_feed" and self._was_subscribed:  # a start reads everything before it subscribes
            self._gate = list(RECONCILED)
        if method in NEW_RISK:
            if self.first_risk_s is None:
                self.first_risk_s = now_s
            self._judge.check(
                "S14",
                self.stop_s is None or now_s <= self.stop_s,
                lambda: f"{method} left {now_s - (self.stop_s or 0):.3f} s after the stop",
            )
            self._check_feed(method, now_s)

    def _check_limits(self, method: str, n_items: int, now_s: float) -> None:
        """S11, S6 (items)."""
        if method == "reopen_feed":
            n = self._connections.add(now_s, 1)
            self._judge.check("S11", n <= MOST_CONNECTIONS, lambda: f"{n} connections in a minute")
        elif method in ("subscribe", "ping"):
            n = self._messages.add(now_s, 1)
            self._judge.check("S11", n <= MOST_MESSAGES, lambda: f"{n} messages in a minute")
        self._judge.check("S6", n_items <= MOST_ITEMS, lambda: f"{method} of {n_items} items")
        own_weight = 1 + n_items // 40 if n_items else WEIGHTS.get(method, READ_WEIGHT)
        weight = self._weight.add(now_s, own_weight)
        self._judge.check("S11", weight <= MOST_WEIGHT, lambda: f"request weight {weight} in a minute, with {method}")

    def _check_feed(self, method: str, now_s: float) -> None:
        """S16: the socket lives, spoke lately, took the subscriptions, and all was read since it was opened."""
        socket = self._socket()
        silent_s = now_s - socket.last_frame_s
        missing = FEEDS - socket.acknowledged
        wrong = (
            "the socket is closed"
            if not socket.is_alive()
            else f"nothing was heard for {silent_s:.1f} s"
            if silent_s > STALE_S + POLL_S
            else f"not acknowledged: {sorted(missing)}"
            if missing
            else f"not read since the feed was opened: {self._gate}"
            if self._gate
            else None
        )
        self._judge.check("S16", wrong is None, lambda: f"{method} left while {wrong}")

    # --- answers ------------------------------------------------------------------------------

    def on_answered(self, method: str, answer: Any) -> None:
        """A call came back well."""
        self.cases.on_answered(method, answer)
        if method == "user_fills_by_time":
            self._weight.add(self._now_s(), len(answer) // ROWS_PER_WEIGHT)
        if method in NEW_RISK:
            self.unanswered.clear()
            self._n_refusals_received += _says_no_budget(answer)
        self._was_subscribed |= method == "subscribe"
        if self._gate and method == self._gate[0] and self._socket().acknowledged >= FEEDS:
            del self._gate[0]

    def on_unanswered(self, signed: SignedInProcess) -> None:
        """Nobody will say what became of it."""
        self.cases.on_unanswered(signed)

    def on_read(self, method: str) -> None:
        """The venue answers a question just now."""
        self.cases.on_read(method)

    @property
    def n_ends_lately(self) -> int:
        """Orders that the maker asked the venue to end, in this life or another, and may not have heard of yet."""
        return self._ends.add(self._now_s(), 0)

    # --- arriving -----------------------------------------------------------------------------

    def on_arriving(self, signed: SignedInProcess) -> None:
        """A signed action reaches the venue, for the first time or again."""
        self.underway = signed
        written, action = self._written, json.loads(signed.action)
        self.cases.on_arriving(action)
        orders = [*action.get("orders", ()), *(modify["order"] for modify in action.get("modifies", ()))]
        self._judge.check(
            "S13",
            (signed.nonce, signed.digest) in written.requests,
            lambda: f"{signed.method}, nonce {signed.nonce}, is not in the journal",
        )
        for order in orders:
            cloid = order.get("c")
            self.epochs.add(read_epoch(cloid))
            self.unanswered.add(cloid)
            self._judge.check("S13", cloid in written.cloids, lambda c=cloid: f"order {c} is not in the journal")  # type: ignore[misc]
            is_fresh = is_own(cloid) and self._used_cloids.setdefault(cloid, signed.digest) == signed.digest
            self._judge.check("S7", is_fresh, lambda c=cloid: f"cloid {c} is not ours, or was used before")  # type: ignore[misc]
        targets = [*(modify["oid"] for modify in action.get("modifies", ()))]
        targets += [row["o"] if "o" in row else row["cloid"] for row in action.get("cancels", ())]
        self._check_targets(signed.method, targets)
        self._check_nonces()

    def _check_targets(self, method: str, targets: Iterable[int | str]) -> None:
        """S7: only what is ours is touched, or what the maker was told to clear away."""
        for target in targets:
            record = self._exchange.find_record(self._address, target)
            is_allowed = record is None or is_own(record.cloid) or not self._keep_foreign
            self._judge.check("S7", is_allowed, lambda r=record: f"{method} of somebody else's: {r}")  # type: ignore[misc]

    def _check_nonces(self) -> None:
        """S12, over all lives of the journal."""
        nonces = self._written.nonces
        for i in range(self._written.n_rising, len(nonces)):
            self._judge.check("S12", nonces[i] > nonces[i - 1], lambda i=i: f"{nonces[i]} after {nonces[i - 1]}")  # type: ignore[misc]
        self._written.n_rising = max(1, len(nonces))

    def on_arrived(self) -> None:
        """The venue is done with it."""
        self.underway = None

    def on_run(self, effects: tuple[Effect, ...]) -> None:
        """The venue ran the action that arrived: S6, S10 by its answer."""
        signed = self.underway
        assert signed is not None
        answer = effects[0] if effects else None
        if isinstance(answer, Refused):
            self.last_refusal_s = self._now_s()
            self._judge.coverage[f"refused: {shorten(answer.text)}"] += 1
            if answer.text.startswith(NO_BUDGET) and signed.method in NEW_RISK:
                self._on_no_budget()
        elif isinstance(answer, Answered):
            if signed.method in NEW_RISK:
                self._n_refusals_received = 0  # there was budget again, or the slot
            for status in answer.statuses:
                if isinstance(status, ItemError):
                    self.last_refusal_s = self._now_s()
                    self._judge.coverage["refused while cancelling"] += signed.method in CANCELLING
                    self._judge.coverage[f"error: {shorten(status.text)}"] += 1
                    is_malformed = any(text in status.text for text in MALFORMED)
                    self._judge.check(
                        "S6",
                        not is_malformed,
                        lambda s=status: f"{signed.method}: {s.text} {signed.action[:300]}",  # type: ignore[misc]
                    )

    def _on_no_budget(self) -> None:
        """S10: who was told twice in a row that nothing is left tries once in ten seconds."""
        last_s, self._refused_s = self._refused_s, self._now_s()
        self._judge.check(
            "S10",
            self._n_refusals_received < 2 or self._refused_s - last_s >= SLOT_S,
            lambda: (
                f"the maker received {self._n_refusals_received} refusals for lack of request budget in a row, "
                f"the last was sent at {last_s:.3f} s, and it sent again within {SLOT_S:g} s"
            ),
        )


def _says_no_budget(answer: Any) -> bool:
    return isinstance(answer, dict) and str(answer.get("response", "")).startswith(NO_BUDGET)
