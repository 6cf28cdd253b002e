"""The maker's actions to the venue: one lane with rising nonces, deadlines, typed answers, and unknown outcomes.

An action never raises for the world's sake: what was not answered is `Unknown`. Two kinds of exchange object
are served. One that signs apart from sending (`make_action`, `sign_action`, `post_signed`) gets its nonce and
deadline from here, is written ahead with the hash that it signs, and may be sent again as it is; a plain one of
the SDK's shape chooses its nonce itself, and is never asked twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from functools import partial
from typing import Any, Protocol

import trio

from mm_trio.concurrency.blocking_calls import TOO_LATE, RunSync
from mm_trio.model.errors import JournalError
from mm_trio.model.journal_entries import Entry, Requested
from mm_trio.model.orders import DesiredOrder, Intent
from mm_trio.model.replies import Answer, Cancelled, Refusal, Refused, Unknown
from mm_trio.venue import wire
from mm_trio.venue.action_answers import parse_answers, parse_noop
from mm_trio.venue.http_session import VENUE_FAILURES, describe_failure, may_be_sent_again
from mm_trio.venue.sdk import make_cloid

__all__ = ["AlwaysOpen", "Burnt", "Nonces", "OpensForPlaces", "OrderGateway", "WritesAhead"]

# Longer than the SDK's own HTTP timeout (which bounds one read, not the answer): what takes longer is lost.
WRITE_TIMEOUT_S = 6.0
# The same bytes again, where a connection broke and nothing says whether they arrived: the venue takes a nonce once.
RESEND_AFTER_S = 1.0
MOST_SENDS = 3
LAST_ANSWER_SHARE = 0.3  # of the time to leave, for the answer to what was on its way then


class Burnt(Enum):
    """What a noop with an action's nonce told of that nonce."""

    WAS_UNUSED = "the action never ran, and never will"
    WAS_USED = "the action ran or was refused, or an earlier noop used it: it will not run any more"
    UNKNOWN = "no answer"


class WritesAhead(Protocol):
    """Who makes entries durable."""

    def record(self, entry: Entry) -> None: ...
    async def flush(self) -> None: ...
    async def flush_then(self, is_wanted: Callable[[], bool], send: Callable[..., Any], *args: Any) -> Any: ...


class OpensForPlaces(Protocol):
    """The gate in front of everything that is not a cancel."""

    @property
    def is_shutting_down(self) -> bool: ...
    def may_place(self) -> bool: ...
    def may_still_place(self) -> bool: ...


class AlwaysOpen:
    """A gate for whoever sends without a session around it."""

    is_shutting_down = False

    def may_place(self) -> bool:
        """Say yes."""
        return True

    def may_still_place(self) -> bool:
        """Say yes."""
        return True


class Nonces:
    """Rising nonces of one signer: the clock, and always above the last one."""

    def __init__(self, wall_ms: Callable[[], int], *, last: int = 0) -> None:
        self._wall_ms = wall_ms
        self.last = last

    def take(self) -> int:
        """Return the nonce of the next action."""
        self.last = max(self.last + 1, self._wall_ms())
        return self.last


class OrderGateway:
    """Send signed actions of one coin, one at a time: the only way to the venue's books.

    `coin` is the venue's name of the pair. `gate` says whether something new may be placed; it is asked before an
    action is written down, and again between that and the sending, on whatever thread.
    """

    def __init__(
        self,
        exchange: Any,
        *,
        coin: str,
        run_sync: RunSync,
        ledger: WritesAhead,
        wall_ms: Callable[[], int],
        gate: OpensForPlaces | None = None,
        nonces: Nonces | None = None,
        write_timeout_s: float = WRITE_TIMEOUT_S,
    ) -> None:
        self._exchange = exchange
        self._coin = coin
        self._gate = gate or AlwaysOpen()
        self._nonces = nonces or Nonces(wall_ms)
        self._run_sync = run_sync
        self._ledger = ledger
        self._wall_ms = wall_ms
        self._write_timeout_s = write_timeout_s
        # on the class: an object that answers to every name is a plain one
        self._signs = hasattr(type(exchange), "post_signed")
        self._scope: trio.CancelScope | None = None  # Of the action on its way
        self._done_by_s = float("inf")

    @property
    def done_by_s(self) -> float:
        """Moment of the loop's clock that no action outlasts; infinite until the shutdown."""
        return self._done_by_s

    def take_nonce(self) -> int | None:
        """Return the nonce of the next action; None where the exchange chooses."""
        return self._nonces.take() if self._signs else None

    def compute_expiry_ms(self, after_s: float) -> int:
        """The moment of the venue's calendar `after_s` from now."""
        return self._wall_ms() + int(1000 * after_s)

    # --- orders -------------------------------------------------------------------------------

    async def send_places(self, intents: Sequence[Intent]) -> tuple[Answer, ...]:
        """Place orders of one nonce and expiry, post-only. Errors: JournalError, and then nothing was sent."""
        items = [self._encode(intent) for intent in intents]
        return await self._carry_out("bulk_orders", items, nonce=intents[0].nonce, expires_ms=intents[0].expires_ms)

    async def send_modifies(self, intents: Sequence[Intent]) -> tuple[Answer, ...]:
        """Replace orders, each by a new one with its own cloid. Errors: JournalError, and then nothing was sent."""
        items = [{"oid": intent.replaces, "order": self._encode(intent)} for intent in intents]
        return await self._carry_out(
            "bulk_modify_orders_new", items, nonce=intents[0].nonce, expires_ms=intents[0].expires_ms
        )

    def _encode(self, intent: Intent) -> dict[str, Any]:
        order = DesiredOrder(intent.side, intent.level_index, intent.price, intent.size)
        return wire.encode_order(order, coin=self._coin, cloid=make_cloid(intent.cloid))

    # --- cancels: they always may, also where nothing can be written down any more -------------------

    async def send_cancels(self, oids: Sequence[int], *, expires_ms: int) -> tuple[Answer, ...]:
        """Cancel orders by oid."""
        items = [wire.encode_cancel(oid, coin=self._coin) for oid in oids]
        return await self._carry_out("bulk_cancel", items, nonce=self.take_nonce(), expires_ms=expires_ms, always=True)

    async def send_cancels_by_cloid(self, intents: Sequence[Intent], *, expires_ms: int) -> tuple[Answer, ...]:
        """Cancel orders whose oid we never learnt."""
        items = [{"coin": self._coin, "cloid": make_cloid(intent.cloid)} for intent in intents]
        nonce = self.take_nonce()
        return await self._carry_out("bulk_cancel_by_cloid", items, nonce=nonce, expires_ms=expires_ms, always=True)

    async def burn_nonce(self, nonce: int, *, expires_ms: int) -> Burnt:
        """Use up the nonce of an unanswered action, so that it cannot run any more if it did not yet."""
        if not self._signs:
            return Burnt.UNKNOWN
        (answer,) = await self._carry_out("noop", [], nonce=nonce, expires_ms=expires_ms, always=True)
        if isinstance(answer, Cancelled):
            return Burnt.WAS_UNUSED
        told = answer.second if isinstance(answer, Unknown) else answer
        is_used = isinstance(told, Refused) and told.refusal is Refusal.NONCE
        return Burnt.WAS_USED if is_used else Burnt.UNKNOWN

    def on_shutdown(self, within_s: float) -> None:
        """Let no action outlast `within_s` from now; the one on its way gets a part of that."""
        now_s = trio.current_time()
        self._done_by_s = min(self._done_by_s, now_s + within_s)
        if self._scope is not None:
            self._scope.deadline = min(self._scope.deadline, now_s + within_s * LAST_ANSWER_SHARE)

    # --- one action ---------------------------------------------------------------------------

    async def _carry_out(
        self, method: str, items: list[dict[str, Any]], *, nonce: int | None, expires_ms: int, always: bool = False
    ) -> tuple[Answer, ...]:
        """One action, whole: a request on its way is not cut off by our leaving, only by its deadline."""
        parse = partial(parse_answers, n=len(items)) if items else parse_noop
        unanswered = (Unknown(f"no answer in {self._write_timeout_s:g} s"),) * max(1, len(items))
        deadline_s = min(trio.current_time() + self._write_timeout_s, self._done_by_s)
        with self._open_scope(deadline_s):
            call = self._prepare(method, items, nonce=nonce, expires_ms=expires_ms)
            n_sent = 0
            while n_sent < MOST_SENDS:
                if not always and (self._is_leaving or not self._gate.may_place()):
                    refusal = Refused(Refusal.NOT_SENT, "not sent: leaving, or paused", untouched=True)
                    return unanswered if n_sent else (refusal,) * len(unanswered)
                try:
                    answer = await (self._send_anyway(*call) if always else self._send_if_it_may(*call))
                    if answer is TOO_LATE:
                        continue
                    answers = parse(answer)
                except VENUE_FAILURES as error:
                    n_sent += 1
                    unanswered = (Unknown(describe_failure(error)),) * len(unanswered)
                    if n_sent == MOST_SENDS or not self._signs or not may_be_sent_again(error):
                        return unanswered
                    await trio.sleep(RESEND_AFTER_S)
                    continue
                except JournalError:
                    if not n_sent:
                        raise
                    return unanswered  # the first may have arrived
                return _read_again(answers) if n_sent else answers
        return unanswered

    @property
    def _is_leaving(self) -> bool:
        return self._done_by_s < float("inf") or self._gate.is_shutting_down

    async def _send_if_it_may(self, call: Callable[..., Any], *args: Any) -> Any:
        """Write ahead, and send if that is still right by then, else `TOO_LATE`. Errors: JournalError: nothing sent."""
        return await self._ledger.flush_then(lambda: not self._is_leaving and self._gate.may_still_place(), call, *args)

    async def _send_anyway(self, call: Callable[..., Any], *args: Any) -> Any:
        """Write ahead if that can be, and send."""
        with suppress(JournalError):
            await self._ledger.flush()
        return await self._run_sync(call, *args, abandon_on_cancel=True)

    @contextmanager
    def _open_scope(self, deadline_s: float) -> Iterator[None]:
        """Our leaving does not cut an action off, it only hurries it."""
        with trio.CancelScope(shield=True, deadline=deadline_s) as self._scope:
            try:
                yield
            finally:
                self._scope = None

    def _prepare(
        self, method: str, items: list[dict[str, Any]], *, nonce: int | None, expires_ms: int
    ) -> tuple[Any, ...]:
        """Sign, and record what is to be sent; gives the call that sends, and its arguments."""
        if nonce is None:
            return (self._act, getattr(self._exchange, method), items, expires_ms)
        unsigned = self._exchange.make_action(method, items, nonce=nonce, expires_after=expires_ms)
        self._ledger.record(Requested(nonce, method, len(items), unsigned.digest, expires_ms))
        return (self._exchange.post_signed, self._exchange.sign_action(unsigned))

    def _act(self, call: Callable[..., Any], items: list[dict[str, Any]], expires_ms: int) -> Any:
        # one attribute of the SDK's object for all later actions: set before each one, on the one lane
        self._exchange.set_expires_after(expires_ms)
        return call(items)


def _read_again(answers: tuple[Answer, ...]) -> tuple[Answer, ...]:
    """An answer to bytes that were sent before: a refusal of the whole says nothing of what became of the first.

    The nonce is used, where the first ones arrived; whether another reason is looked at before it nobody says.
    """
    return tuple(
        Unknown(f"sent twice, the first answer was lost, the second: {answer.text}", second=answer)
        if isinstance(answer, Refused) and answer.untouched
        else answer
        for answer in answers
    )
