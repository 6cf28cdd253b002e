"""Carry the maker's blocking calls in virtual time, among faults.

It stands in for the maker's `run_sync`. A request whose caller gave up still arrives; only its answer is lost.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

import trio

from mm_trio.concurrency.blocking_calls import CommitThenSend
from mm_trio.sandbox import LISTED_LATE_S, MAY_BE_LATE_MS, WRITE_KINDS, FaultKind, SignedInProcess
from mm_trio.sim.base.crash_points import Crash, CrashSwitch, ProcessKilled
from mm_trio.sim.base.fault_counter import FaultCounter
from mm_trio.sim.base.random_streams import split
from mm_trio.sim.base.scenario import Scenario

__all__ = ["RequestTransport", "Witness"]

Call = Callable[[], Any]

# Calls that stay on the maker's own machine.
LOCAL = frozenset(
    {
        *("append", "_replay", "_replay_grids", "mark_end", "tighten", "resume", "read_files", "remove"),
        *("read_wanted", "note_settings", "give_answer"),
    }
)
# A draw for these would shift every later draw of a recorded seed, or come every second.
AT_ONCE = frozenset({"mark_end", "read_wanted"})
SOCKET = frozenset({"reopen_feed", "subscribe", "ping"})
LISTS = frozenset({"open_orders", "user_fills_by_time"})
STATUSES = frozenset({"query_order_by_oid", "query_order_by_cloid"})

# An order that trades in its own block has a random stream of its own.
WRITES = tuple(kind for kind in WRITE_KINDS if kind is not FaultKind.FILLED_AT_ONCE)
READS = (FaultKind.READ_FAILED, FaultKind.RATE_LIMITED, FaultKind.BAD_GATEWAY)

LOST_KEY_TEXTS = {
    FaultKind.AGENT_REVOKED: "User or API Wallet {address} does not exist.",
    FaultKind.AGENT_EXPIRED: "Must deposit before performing actions. User: {address}",
}
# Timeout of the maker's HTTP client.
HTTP_TIMEOUT_S = 5.0
# Longer than any caller waits.
HANGS_S = 600.0
# Greatest delay of an action that is executed late.
LATEST_S = 60.0
# Delay of a request that a killed maker had sent. The next maker may already be running when it arrives.
ORPHAN_S = (0.5, 12.0)
GARBAGE: tuple[Any, ...] = (
    None,
    {},
    "x",
    [],
    {"status": "ok"},
    {"status": "err", "response": "internal error"},
    {"status": "ok", "response": {"type": "order", "data": {"statuses": []}}},
    {"status": "ok", "response": {"type": "order", "data": {"statuses": [{"mystery": 1}]}}},
)


class Witness(Protocol):
    """Observer of the transport; the oracle is one."""

    def on_leaving(self, method: str, args: tuple[Any, ...]) -> None:
        """Note that a call leaves the maker."""

    def on_arriving(self, signed: SignedInProcess) -> None:
        """Note that a signed action reaches the venue."""

    def on_arrived(self) -> None:
        """Note that the venue has carried out the action."""

    def on_answered(self, method: str, answer: Any) -> None:
        """Note that a call returned an answer."""

    def on_unanswered(self, signed: SignedInProcess) -> None:
        """Note that a signed action will get no answer."""

    def on_read(self, method: str) -> None:
        """Note that the venue answers a read now."""


class RequestTransport:
    """Path of one maker's calls to the venue.

    Its latencies and faults are drawn from its own random stream.
    """

    def __init__(
        self,
        scenario: Scenario,
        fault_counter: FaultCounter,
        witness: Witness,
        *,
        rng: Random,
        nursery: trio.Nursery,
        crash: CrashSwitch,
    ) -> None:
        self._scenario = scenario
        self._fault_counter = fault_counter
        self._witness = witness
        self._rng = rng
        self._nursery = nursery
        self._crash = crash
        # If true, no further call is answered; used for a shutdown without answers.
        self.hangs = False
        # Why the venue does not know the signer, for a while or for good.
        self.lost_key: FaultKind | None = None
        # Actions that wait for their answer.
        self.n_posting = 0
        # Actions whose caller gave up and that have not arrived.
        self.n_underway = 0
        # Called with the answer to an action, before it leaves the venue.
        self.on_ran: Callable[[Any], None] = lambda answer: None
        # The venue's calendar, in ms.
        self.now_ms: Callable[[], int] = lambda: 0

    async def __call__(self, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Make a blocking call: `run_sync(fn, *args)`."""
        if isinstance(fn, CommitThenSend):
            return await fn.take_steps(self)
        name: str = getattr(fn, "__name__", type(fn).__name__)
        self._crash.raise_if_dead()
        if name in LOCAL:
            return await self._run_locally(name, lambda: fn(*args))
        method = args[0].method if name == "post_signed" else name
        if name == "post_signed":
            self._crash.raise_if_due(Crash.BEFORE_SEND)
        self._witness.on_leaving(method, args)
        if self.hangs:
            await trio.sleep(HANGS_S)
            raise TimeoutError("no answer")
        if name == "post_signed":
            answer = await self._send_action(fn, args[0])
        else:
            answer = await self._read(name, lambda: fn(*args))
        self._crash.raise_if_dead()
        self._witness.on_answered(method, answer)
        return answer

    async def _run_locally(self, name: str, work: Call) -> Any:
        """Run a call locally; a write may crash the process."""
        await trio.sleep(0 if name in AT_ONCE else self._rng.uniform(0, self._scenario.disk_s))
        if name == "append":
            self._crash.on_write(work)
        elif name == "tighten":
            self._crash.on_standing(work)
        self._crash.raise_if_dead()
        return work()

    # --- Actions ---

    async def _send_action(self, post: Callable[[Any], Any], signed: SignedInProcess) -> Any:
        # The nonce that a noop burns is an earlier action's: it takes no turn.
        n = int(signed.method != "noop")
        self.n_posting += n
        try:
            answer = await self._post(post, signed)
        except BaseException:
            self._witness.on_unanswered(signed)
            raise
        finally:
            self.n_posting -= n
        self._crash.note_answer()
        return answer

    async def _post(self, post: Callable[[Any], Any], signed: SignedInProcess) -> Any:
        there_s, back_s = self._draw_latency()
        kind = self._fault_counter.pick(self._rng, WRITES)
        if self.lost_key is not None:
            self._fault_counter.count(self.lost_key)
            await trio.sleep(there_s + back_s)
            return {"status": "err", "response": LOST_KEY_TEXTS[self.lost_key].format(address=signed.address)}

        def arrive() -> Any:
            self._witness.on_arriving(signed)
            try:
                answer = post(signed)
            finally:
                self._witness.on_arrived()
            self.on_ran(answer)
            return answer

        if self._crash.is_due(Crash.ON_THE_WAY):
            self._arrive_later(arrive, self._rng.choice((there_s, self._rng.uniform(*ORPHAN_S))))
            raise ProcessKilled
        if kind is None:
            return await self._travel(arrive, there_s, back_s)
        if kind is not FaultKind.ANSWER_TRUNCATED:
            self._fault_counter.count(kind)
        return await self._post_with_fault(kind, arrive, there_s, back_s)

    async def _post_with_fault(self, kind: FaultKind, arrive: Call, there_s: float, back_s: float) -> Any:
        rng = self._rng
        match kind:
            case FaultKind.REQUEST_LOST | FaultKind.BAD_GATEWAY:
                await trio.sleep(there_s + back_s)
                raise ConnectionResetError("lost on the way" if kind is FaultKind.REQUEST_LOST else "HTTP 502")
            case FaultKind.RATE_LIMITED:
                await trio.sleep(there_s + back_s)
                raise AttributeError("HTTP 429, null")  # The SDK fails with this on such a body.
            case FaultKind.LATE_EXECUTION:
                self._arrive_later(arrive, rng.uniform(0.5, LATEST_S))
                await trio.sleep(rng.choice((there_s + back_s, HTTP_TIMEOUT_S)))
                raise TimeoutError("no answer")
            case FaultKind.ANSWER_LOST | FaultKind.ERROR_BUT_APPLIED:
                await self._travel(arrive, there_s, back_s)
                raise ConnectionResetError("answer lost" if kind is FaultKind.ANSWER_LOST else "HTTP 502")
            case FaultKind.ANSWER_HUNG:
                await self._travel(arrive, there_s, rng.choice((HTTP_TIMEOUT_S, 30.0)))
                raise TimeoutError("no answer in time")
            case FaultKind.ANSWER_DELAYED:
                return await self._travel(arrive, there_s, rng.uniform(1, HTTP_TIMEOUT_S + 2))
            case FaultKind.ANSWER_GARBLED:
                await self._travel(arrive, there_s, back_s)
                return copy.deepcopy(rng.choice(GARBAGE))
            case _:
                return self._truncate(await self._travel(arrive, there_s, back_s))

    def _truncate(self, answer: Any) -> Any:
        response = answer["response"]
        if isinstance(response, dict) and "data" in response:
            statuses = response["data"]["statuses"]
            del statuses[self._rng.randrange(len(statuses)) :]
            self._fault_counter.count(FaultKind.ANSWER_TRUNCATED)
        return answer

    # --- Reads ---

    async def _read(self, name: str, ask: Call) -> Any:
        there_s, back_s = self._draw_latency()
        kind = self._fault_counter.pick(self._rng, READS)
        if name in SOCKET:
            kind = None
        if kind is None:
            await trio.sleep(there_s)
            self._witness.on_read(name)
            answer = ask()
            await trio.sleep(back_s)
            return self._change_answer(name, answer)
        self._fault_counter.count(kind)
        await trio.sleep(there_s + back_s)
        raise AttributeError("HTTP 429, null") if kind is FaultKind.RATE_LIMITED else OSError(f"HTTP 50x: {kind.value}")

    def _change_answer(self, name: str, answer: Any) -> Any:
        if name in LISTS and answer and self._fault_counter.pick(self._rng, (FaultKind.READ_EMPTY,)):
            self._fault_counter.count(FaultKind.READ_EMPTY)
            return []
        if name == "user_fills_by_time" and self._fault_counter.rate(FaultKind.HISTORY_LATE):
            answer = self._list_late(answer)
        if name == "user_fills_by_time" and not self._scenario.fills_have_cloids:
            return [{key: row[key] for key in row if key != "cloid"} for row in answer]
        if name in STATUSES and self._fault_counter.pick(self._rng, (FaultKind.STATUS_FORGOTTEN,)):
            is_over = answer.get("status") == "order" and answer["order"]["status"] != "open"
            self._fault_counter.count(FaultKind.STATUS_FORGOTTEN, n=int(is_over))
            return {"status": "unknownOid"} if is_over else answer
        return answer

    def _list_late(self, rows: list[Any]) -> list[Any]:
        """Leave out the rows of fills that are not listed yet.

        What is drawn for a fill depends on the fill alone, so that all reads agree.
        """
        listed = [row for row in rows if self._is_listed(row)]
        self._fault_counter.count(FaultKind.HISTORY_LATE, n=len(rows) - len(listed))
        return listed

    def _is_listed(self, row: Any) -> bool:
        age_ms = self.now_ms() - row["time"]
        if age_ms > MAY_BE_LATE_MS or not self._fault_counter.is_on:
            return True
        rng = split(self._scenario.seed, f"listed late {row['tid']} {row['oid']}")
        is_late = rng.random() < self._fault_counter.rate(FaultKind.HISTORY_LATE)
        return not is_late or age_ms >= 1000 * rng.uniform(*LISTED_LATE_S)

    # --- Latency ---

    def _draw_latency(self) -> tuple[float, float]:
        return self._rng.uniform(0.001, self._scenario.there_s), self._rng.uniform(0.001, self._scenario.back_s)

    async def _travel(self, arrive: Call, there_s: float, back_s: float) -> Any:
        """Wait, call `arrive`, wait again, and return its result.

        A request that is given up before it arrives still arrives.
        """
        due_s = trio.current_time() + there_s
        try:
            await trio.sleep(there_s)
        except trio.Cancelled:
            self._arrive_later(arrive, due_s - trio.current_time())
            raise
        answer = arrive()
        self._crash.raise_if_due(Crash.BEFORE_ANSWER)
        await trio.sleep(back_s)
        return answer

    def _arrive_later(self, arrive: Call, after_s: float) -> None:
        """Let a request arrive later without anybody waiting for it."""
        self.n_underway += 1

        async def travel() -> None:
            await trio.sleep(after_s)
            self.n_underway -= 1
            arrive()

        self._nursery.start_soon(travel)
