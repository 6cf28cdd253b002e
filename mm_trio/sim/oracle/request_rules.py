"""Rules of the requests of one maker process.

They are checked when a call leaves the maker, when it reaches the venue, and when it is answered.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
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
from mm_trio.sim.base.machine_clock import MachineClock
from mm_trio.sim.network.venue import SimSocket
from mm_trio.sim.network.watched_journal import Written
from mm_trio.sim.oracle.coverage import CaseRecorder, find_orders, shorten
from mm_trio.sim.oracle.filled_answers import FilledAnswers
from mm_trio.sim.oracle.halts import LeavesOfOne
from mm_trio.sim.oracle.lost_key import LostKey
from mm_trio.sim.oracle.operator_limits import Bounds, OperatorLimits
from mm_trio.sim.oracle.repeated_refusals import RepeatedRefusals
from mm_trio.sim.oracle.request_limits import RequestLimits, SlidingSum
from mm_trio.sim.oracle.venue_view import is_own, read_epoch

__all__ = ["FEEDS", "NEW_RISK", "STALE_S", "UNSETTLED_S", "RequestRules"]

NEW_RISK = frozenset({"bulk_orders", "bulk_modify_orders_new"})
CANCELLING = frozenset({"bulk_cancel", "bulk_cancel_by_cloid"})
SIGNED = NEW_RISK | CANCELLING | {"noop"}
ENDING = frozenset({"bulk_cancel", "bulk_modify_orders_new"})
# Feeds whose acknowledgement quoting needs.
FEEDS = frozenset({"orderUpdates", "userFills"})
# Reads of one reconciliation, in order.
RECONCILED = ("open_orders", "user_fills_by_time", "spot_user_state", "user_rate_limit")
STALE_S = 30.0  # The maker's `feed_stale_after_s` in every seed.
# The watchdog polls twice a second.
POLL_S = 0.6
# A tick that had begun before the pause may still send.
TICK_S = 2.0
# Ten seconds of the venue, less half a second because latencies differ.
SLOT_S = 9.5
NO_BUDGET = TOO_MANY_REQUESTS[:24]
# Refusals that a correct order cannot get.
MALFORMED = (
    "minimum value",
    "tick size",
    "invalid size",
    "invalid price",
    "zero size",
    "zero price",
    "Duplicate cloid",
)
# A clock that is this far off must be known: what is allowed, as much again between two comparisons, and a round trip.
KNOWN_SKEW_S = 5.5
# An order that was written down before a step of the clock may still leave.
NOTICED_S = 1.5
# Most that a nonce may be ahead of the venue's time, in ms.
NONCE_AHEAD_MS = 5_000
# Hex digits at the end of a cloid that number an order within its session.
NUMBER_DIGITS = 12
# Time for which the maker has to remember the weight of a request: a minute from its answer, which may take so long.
WEIGHED_S = 68.0
# Time in which the end of an order is reported or the fill history read.
UNSETTLED_S = 300.0


class RequestRules:
    """Rules of one process: S6, S7, S9 to S14, S16.

    It observes the request transport. `used_cloids` (cloid -> hash of the action that carried it) is shared by all
    processes.
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
        machine: MachineClock,
        bounds: Mapping[int, Bounds | None],
    ) -> None:
        self._judge = judge
        self._operator_limits = OperatorLimits(judge, bounds)
        self._exchange = exchange
        self._address = address
        self._keep_foreign = keep_foreign
        self._written = written
        self._socket = socket
        self._used_cloids = used_cloids
        self._now_s = now_s
        self._machine = machine
        # Silence of the socket after which nothing new may leave.
        self.stale_s = STALE_S
        self.stop_s: float | None = None
        # Time of this process's first new order.
        self.first_risk_s: float | None = None
        # Action that the venue is carrying out now.
        self.underway: SignedInProcess | None = None
        # Cloids of orders that arrived and whose answer has not reached the maker.
        self.unanswered: set[str] = set()
        # Epochs in the cloids that this process sent.
        self.epochs: set[str] = set()
        self.last_refusal_s = 0.0
        # Items of actions that left this process.
        self.n_items_sent = 0
        # The same by asset.
        self.n_items_of: Counter[int] = Counter()
        # The same of new orders alone.
        self.n_new_of: Counter[int] = Counter()
        # Returns how many actions of this process wait for their answer.
        self.count_posting: Callable[[], int] = lambda: 0
        # Recent requests that the maker may have to remember.
        self.n_weighed_lately = 0
        self.cases = CaseRecorder(judge.coverage, unanswered=self.unanswered)
        self._weighed, self._ends = SlidingSum(WEIGHED_S), ends
        # Says whether the maker tracks an order. Only a tick cancels such an order before a stop.
        self.is_tracked: Callable[[int], bool] = lambda oid: False
        # Says whether all orders have to be cancelled: the journal is locked, or the operator or a limit wants it.
        self.must_rest_nothing: Callable[[], bool] = lambda: False
        # Says whether the journal takes nothing any more: then cancels are sent without it.
        self.is_journal_broken: Callable[[], bool] = lambda: False
        self.halts: LeavesOfOne | None = None
        # Called before an action leaves.
        self.on_action: Callable[[], None] = _look_at_nothing
        # Reads that have to be answered before any new order leaves, and when the feed was last opened anew.
        self._gate: list[str] = []
        self._reopened_s = 0.0
        # Nonce of the last cancel that a tick could send: the same bytes may leave once more, however late.
        self._last_cancel: int | None = None
        self._was_subscribed = False
        self._limits = RequestLimits(judge)
        # Time of the venue's last refusal of a new order for lack of request budget.
        self._refused_s = 0.0
        # Refusals of that kind that reached the maker in a row.
        self._n_refusals_received = 0
        self.repeated = RepeatedRefusals(judge, now_s=now_s)
        self.lost_key = LostKey(judge, now_s=now_s)
        self.filled_answers = FilledAnswers(judge, exchange, address=address)

    # --- Leaving the maker ---

    def on_leaving(self, method: str, args: tuple[Any, ...]) -> None:
        """Check a call that leaves the maker."""
        now_s = self._now_s()
        self.filled_answers.check()
        self.repeated.on_leaving(args)
        self._operator_limits.on_leaving(args)
        n_items = 0
        if args and isinstance(args[0], SignedInProcess):
            n_items = args[0].n_items
            self._on_items(method, args[0])
            self.lost_key.on_leaving(method)
        self._limits.check(method, n_items, now_s=now_s)
        # One for the request and one for the weight of its rows.
        self.n_weighed_lately = self._weighed.add(now_s, 2)
        self.n_items_sent += n_items
        if method in ENDING:
            self._ends.add(now_s, n_items)
        # A start reads everything before it subscribes, so only a later connection closes the gate.
        if method == "reopen_feed" and self._was_subscribed:
            self._gate, self._reopened_s = list(RECONCILED), now_s
        if method in NEW_RISK:
            if self.first_risk_s is None:
                self.first_risk_s = now_s
            self._judge.check(
                "S14",
                self.stop_s is None or now_s <= self.stop_s,
                lambda: f"{method} was sent {now_s - (self.stop_s or 0):.3f} s after the stop",
            )
            self._check_feed(method, now_s)
        elif method == "bulk_cancel":
            self._check_cancel(args[0], now_s)

    def _on_items(self, method: str, signed: SignedInProcess) -> None:
        """Count the items of each coin, and check S26, S27 and S31 for the action that has them."""
        self.on_action()
        n_posting = self.count_posting()
        self._judge.check(
            "S31",
            not n_posting or method == "noop",
            lambda: f"{method} leaves while {n_posting} other actions are on their way",
        )
        assets = [row.get("a", row.get("asset")) for row in _find_items(json.loads(signed.action))]
        self.n_items_of.update(assets)
        if method in NEW_RISK:
            self.n_new_of.update(assets)
        if self.halts is not None:
            self.halts.on_leaving(method, assets, is_new_risk=method in NEW_RISK, is_cancel=method in CANCELLING)
        self._judge.coverage["action for several coins"] += len(set(assets)) > 1

    def _check_cancel(self, signed: SignedInProcess, now_s: float) -> None:
        """Check S16 for a cancel: only a tick that had begun before the pause may still send one."""
        is_repeated = signed.nonce == self._last_cancel
        is_paused = bool(self._gate) and self.stop_s is None and now_s > self._reopened_s + TICK_S
        if is_paused and not is_repeated:
            oids = [row["o"] for row in json.loads(signed.action)["cancels"] if self.is_tracked(row["o"])]
            may_cancel = not oids or self.must_rest_nothing()
            self._judge.check("S16", may_cancel, lambda: f"a tick cancels {oids} while the maker is paused")
        self._last_cancel = signed.nonce

    def _check_feed(self, method: str, now_s: float) -> None:
        """Check S16 for a new order.

        The socket must be open and recently heard, its subscriptions acknowledged, and everything read since it was
        opened.
        """
        socket = self._socket()
        silent_s = now_s - socket.last_frame_s
        missing = FEEDS - socket.acknowledged
        wrong = (
            "the socket is closed"
            if not socket.is_alive()
            else f"no message was received for {silent_s:.1f} s"
            if silent_s > self.stale_s + POLL_S
            else f"subscriptions are not acknowledged: {sorted(missing)}"
            if missing
            else f"these were not read since the feed was opened: {self._gate}"
            if self._gate
            else f"the machine's clock was {self._machine.read_skew_s():+.1f} s off"
            if self._is_clock_wrong(now_s)
            else None
        )
        self._judge.check("S16", wrong is None, lambda: f"{method} was sent while {wrong}")

    def _is_clock_wrong(self, now_s: float) -> bool:
        """Return whether the clock is so wrong that the maker must know.

        A step is noticed before the next order is written down.
        """
        return abs(self._machine.read_skew_s()) > KNOWN_SKEW_S and now_s > self._machine.stepped_s + NOTICED_S

    # --- Answers ---

    def on_answered(self, method: str, answer: Any) -> None:
        """Take in an answer that reached the maker."""
        self.cases.on_answered(method, answer)
        if method == "user_fills_by_time":
            self._limits.add_rows(len(answer), now_s=self._now_s())
        if method in SIGNED:
            self.lost_key.on_answered(answer)
        if method in NEW_RISK:
            self.unanswered.clear()
            self._n_refusals_received += _says_no_budget(answer)
            self.filled_answers.on_answered(answer)
            self.repeated.on_answered(answer)
        self._was_subscribed |= method == "subscribe"
        if self._gate and method == self._gate[0] and self._socket().acknowledged >= FEEDS:
            del self._gate[0]

    def on_unanswered(self, signed: SignedInProcess) -> None:
        """Note that an action will get no answer."""
        self.cases.on_unanswered(signed)

    def on_read(self, method: str) -> None:
        """Note that the venue answers a read now."""
        self.cases.on_read(method)

    @property
    def n_ends_lately(self) -> int:
        """Return how many orders the maker lately asked to end.

        It counts all processes; the maker may not have received the outcome yet.
        """
        return self._ends.add(self._now_s(), 0)

    @property
    def used_weight(self) -> int:
        """Return the request weight that the process used within a minute."""
        return self._limits.find_used_weight(self._now_s())

    # --- Arriving at the venue ---

    def on_arriving(self, signed: SignedInProcess) -> None:
        """Check a signed action that reaches the venue, perhaps again."""
        self.underway = signed
        written, action = self._written, json.loads(signed.action)
        self.cases.on_arriving(action)
        orders = find_orders(action)
        request = signed.nonce, signed.digest
        # While the journal is locked, cancels are sent without it, after an attempt to write them.
        is_excused = signed.method not in NEW_RISK and (request in written.refused or self.is_journal_broken())
        self._judge.coverage["cancel without the journal"] += is_excused and request not in written.requests
        is_covered = self._is_covered(signed, [order.get("c") for order in orders])
        self._judge.coverage["sent beside the journal"] += is_covered and request not in written.requests
        self._judge.check(
            "S13",
            is_excused or request in written.requests or is_covered,
            lambda: f"{signed.method} with nonce {signed.nonce} arrived and is not in the journal",
        )
        for order in orders:
            cloid = order.get("c")
            self.epochs.add(read_epoch(cloid))
            self.unanswered.add(cloid)
            is_known = is_covered or cloid in written.cloids
            self._judge.check("S13", is_known, lambda c=cloid: f"order {c} is not in the journal")  # type: ignore[misc]
            is_fresh = is_own(cloid) and self._used_cloids.setdefault(cloid, signed.digest) == signed.digest
            self._judge.check("S7", is_fresh, lambda c=cloid: f"cloid {c} is not ours, or was used before")  # type: ignore[misc]
        targets = [*(modify["oid"] for modify in action.get("modifies", ()))]
        targets += [row["o"] if "o" in row else row["cloid"] for row in action.get("cancels", ())]
        self._check_targets(signed.method, targets)
        self._check_nonces()
        ahead_ms = signed.nonce - self._machine.venue_ms()
        # A restart goes on above what the session before had reserved.
        is_near = min(ahead_ms, signed.nonce - written.reserved_nonce) <= NONCE_AHEAD_MS
        self._judge.check("S12", is_near, lambda: f"a nonce {ahead_ms} ms ahead of the venue")

    def _is_covered(self, signed: SignedInProcess, cloids: list[str]) -> bool:
        """Return whether a durable reservation has an action, or the venue refuses it as expired."""
        reserved = self._written.reserved
        if not reserved and not self._written.reserved_nonce:
            return False
        if signed.expires_after < self._machine.venue_ms():
            return True
        by_epoch = {f"{epoch:08x}": entry for epoch, entry in reserved.items()}
        # An order's session is named by its cloid; a cancel may be of any.
        held = [by_epoch.get(read_epoch(cloid)) for cloid in cloids] or list(by_epoch.values())
        numbers = [int(cloid[-NUMBER_DIGITS:], 16) for cloid in cloids] or [0] * len(held)
        fits = [
            entry is not None
            and signed.nonce < entry.nonce
            and number <= entry.number
            and (not cloids or signed.expires_after <= entry.until_ms)
            for entry, number in zip(held, numbers, strict=True)
        ]
        return all(fits) if cloids else any(fits)

    def _check_targets(self, method: str, targets: Iterable[int | str]) -> None:
        """Check S7: only our own orders are touched.

        Foreign orders are allowed too if the maker was configured to cancel them.
        """
        for target in targets:
            record = self._exchange.find_record(self._address, target)
            is_allowed = record is None or is_own(record.cloid) or not self._keep_foreign
            self._judge.check("S7", is_allowed, lambda r=record: f"{method} touches a foreign order: {r}")  # type: ignore[misc]

    def _check_nonces(self) -> None:
        """Check S12 over all processes of the journal."""
        nonces = self._written.nonces
        for i in range(self._written.n_rising, len(nonces)):
            self._judge.check("S12", nonces[i] > nonces[i - 1], lambda i=i: f"nonce {nonces[i]} after {nonces[i - 1]}")  # type: ignore[misc]
        self._written.n_rising = max(1, len(nonces))

    def on_arrived(self) -> None:
        """Note that the venue has carried out the action."""
        self.underway = None

    def on_run(self, effects: tuple[Effect, ...]) -> None:
        """Check S6 and S10 by the venue's answer."""
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
                # There was budget again, or the one action per ten seconds was granted.
                self._n_refusals_received = 0
            for status in answer.statuses:
                if isinstance(status, ItemError):
                    self.last_refusal_s = self._now_s()
                    self._judge.coverage["refused while cancelling"] += signed.method in CANCELLING
                    self._judge.coverage[f"error: {shorten(status.text)}"] += 1
                    is_malformed = any(text in status.text for text in MALFORMED) and not self.repeated.is_lasting()
                    self._judge.check(
                        "S6",
                        not is_malformed,
                        lambda s=status: f"{signed.method} was refused as malformed: {s.text} {signed.action[:300]}",  # type: ignore[misc]
                    )

    def _on_no_budget(self) -> None:
        """Check S10 after a refusal for lack of request budget.

        After two such answers in a row the maker may try once in ten seconds.
        """
        last_s, self._refused_s = self._refused_s, self._now_s()
        self._judge.check(
            "S10",
            self._n_refusals_received < 2 or self._refused_s - last_s >= SLOT_S,
            lambda: (
                f"the maker received {self._n_refusals_received} refusals for lack of request budget in a row, "
                f"the last at {last_s:.3f} s, and it tried again within {SLOT_S:g} s"
            ),
        )


def _look_at_nothing() -> None:
    pass


def _find_items(action: Any) -> list[Any]:
    """Find what an action places and cancels."""
    return [*find_orders(action), *action.get("cancels", ())]


def _says_no_budget(answer: Any) -> bool:
    return isinstance(answer, dict) and str(answer.get("response", "")).startswith(NO_BUDGET)
