"""Gateway for all actions of an account, with rising nonces, deadlines and typed answers.

Orders and their cancels leave one action at a time (`sending.action_lane`). The venue's dead man's switch is moved on
beside them.

An action never raises because of the network or the venue: without an answer its outcome is `Unknown`. Two kinds
of exchange object are served. One signs apart from sending (`make_action`, `sign_action`, `post_signed`): it gets
its nonce and deadline from here, is written ahead with the hash that it signs, and may be sent again as it is. A
plain one of the SDK's shape chooses its nonce itself, and is never asked twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from typing import Any, Protocol

import trio

from mm_trio.concurrency.blocking_calls import QUICK_S, TOO_LATE, NoFreeThread, RunSync
from mm_trio.concurrency.commit_then_post import commit_then_post, go_on
from mm_trio.concurrency.side_thread import SideThread
from mm_trio.limits.terms import Breach
from mm_trio.model.errors import JournalBusy, JournalError, NotMade
from mm_trio.model.journal_entries import Entry, Requested
from mm_trio.model.orders import Intent
from mm_trio.model.replies import Answer, Cancelled, Refusal, Refused, Unknown, find_refused
from mm_trio.venue.action_answers import parse_answers, parse_noop
from mm_trio.venue.http_session import VENUE_FAILURES, describe_failure, may_be_sent_again
from mm_trio.venue.ip_weight import IpWeight, find_weight_of_action
from mm_trio.witness.nonces import Nonces
from mm_trio.witness.signer_row import SignerRow
from mm_trio.witness.venue_clock import VenueClock

__all__ = [
    "AlwaysOpen",
    "Burnt",
    "CoversOrders",
    "JudgesOrders",
    "NoCover",
    "NoLimits",
    "OpensForPlaces",
    "OrderGateway",
    "PostsSigned",
    "Share",
    "WritesAhead",
    "making",
]

_log = logging.getLogger(__name__)

# Longer than what bounds a whole answer, after which its thread ends. Later answers count as lost.
WRITE_TIMEOUT_S = 6.0
# Where a connection broke, nothing says whether the bytes arrived. The venue takes a nonce once, so the same bytes
# may be sent again.
RESEND_AFTER_S = 1.0
MOST_SENDS = 3
# Share of the time to shut down that an action on its way at that moment gets for its answer.
LAST_ANSWER_SHARE = 0.3
# An order waits so long for the file with its cancels. A slow disk may still write it; a disk that hangs must not hold
# the threads that cancels need.
COVER_WITHIN_S = 1.0
SCHEDULE = "schedule_cancel"
_NOT_SENT = Refused(Refusal.NOT_SENT, "not sent: shutting down, paused, or no request weight", untouched=True)
_NEVER_LEFT = Refused(Refusal.NOT_SENT, "not sent: out of time before it left this machine", untouched=True)
_KEY_LOST = Refused(Refusal.NOT_SENT, "not sent: the venue does not know our key any more", untouched=True)
# Of an action with as many items as one may have.
MOST_WEIGHT = find_weight_of_action(100)


class Burnt(Enum):
    """Fate of an action, as a noop with its nonce found it."""

    WAS_UNUSED = "the action never ran, and never will"
    WAS_USED = "the action ran or was refused, or an earlier noop used it: it will not run any more"
    UNKNOWN = "no answer"


class WritesAhead(Protocol):
    """Ledger that makes entries durable.

    `covers`: what is recorded need not be waited for.
    """

    @property
    def covers(self) -> bool: ...
    def record(self, entry: Entry) -> None: ...
    async def flush_unless_covered(self) -> None: ...
    async def flush_then(self, is_wanted: Callable[[], bool], send: Callable[..., Any], *args: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class _Action:
    """One action, ready to be sent. `always`: send it whatever else may not be sent.

    `weight` counts against this IP address each time. `post`: it leaves from the loop, and `call` is made before it.
    """

    call: Callable[..., Any]
    args: tuple[Any, ...]
    parse: Callable[[Any], tuple[Answer, ...]]
    always: bool
    weight: int
    may_still_send: Callable[[], bool]
    post: Callable[[], Awaitable[Any]] | None = None


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Result of sending an action once.

    Either `answers`; or `lost`, where it may have arrived; or neither, where it was not sent.
    """

    answers: tuple[Answer, ...] = ()
    lost: Unknown | None = None
    may_repeat: bool = True


@dataclass(slots=True)
class _CoveredCall:
    """Send of orders, with the writing of their cancels right before it on the same thread.

    Used by the thread of an attempt, and by the loop once it waits no longer. Each sets its own flag before it reads
    the other's, so at least one of the two sees what the other did.
    """

    cover: Callable[[], None] | None
    send: Callable[..., Any]
    may_still_send: Callable[[], bool]
    beside: SideThread
    has_left: bool = field(default=False, init=False)
    is_given_up: bool = field(default=False, init=False)

    def __call__(self, *args: Any) -> Any:
        """Cover and send, or return `TOO_LATE` where the orders may have to wait by then.

        The cover is tried once: a second attempt must not wait for it again, whatever became of it.
        """
        if self.cover is not None:
            cover, self.cover = self.cover, None
            began_s = time.monotonic()
            self.beside.call(cover)
            if time.monotonic() - began_s > QUICK_S or not self.may_still_send():
                return TOO_LATE
        self.has_left = True
        return TOO_LATE if self.is_given_up else self.send(*args)

    def give_up(self) -> bool:
        """Let nothing leave from now on; return whether nothing has left."""
        self.is_given_up = True
        return not self.has_left


class PostsSigned(Protocol):
    """Sender of signed bytes that needs no thread."""

    async def post_signed(self, signed: Any) -> Any:
        """Send signed bytes; raises and returns what the exchange object's own method does."""


class OpensForPlaces(Protocol):
    """Gate in front of everything that is not a cancel."""

    @property
    def is_shutting_down(self) -> bool: ...
    def may_place(self) -> bool: ...
    def may_still_place(self) -> bool: ...


class AlwaysOpen:
    """Gate for a sender without a session around it."""

    is_shutting_down = False

    def may_place(self) -> bool:
        """Say yes."""
        return True

    def may_still_place(self) -> bool:
        """Say yes."""
        return True


class JudgesOrders(Protocol):
    """Limits of the operator, asked about every order before it is signed."""

    def judge(self, intents: Sequence[Intent]) -> Sequence[Breach | None]: ...
    def on_signed(self, n_items: int) -> None: ...


class NoLimits:
    """Limits of a sender that has none."""

    def judge(self, intents: Sequence[Intent]) -> Sequence[Breach | None]:
        """Allow every order."""
        return (None,) * len(intents)

    def on_signed(self, n_items: int) -> None:
        """Count nothing."""


class CoversOrders(Protocol):
    """Cancels that are signed before the orders that they cancel are sent."""

    def make_cover(self) -> Callable[[], None] | None:
        """Return the blocking call to be made before orders are sent, if any; it raises nothing."""


class NoCover:
    """Cover of a sender without a guard."""

    def make_cover(self) -> Callable[[], None] | None:
        """Cover nothing."""
        return None


def _may() -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Part of an action that one sender has in it: how many items, and who is told of them.

    `may_place` and `may_still_send` are asked before what is not a cancel leaves, the latter by any thread.
    """

    n_items: int
    record: Callable[[Entry], None]
    on_signed: Callable[[int], None] = lambda n_items: None
    may_place: Callable[[], bool] = _may
    may_still_send: Callable[[], bool] = _may


class OrderGateway:
    """The only sender of actions.

    `gate` says whether something new may be placed on the account; it is asked before an action is written down, and
    again between that and the sending, by either thread. `weight` is used by every action; what is not a cancel waits
    for it. `cover` signs cancels for orders before these are sent. `poster` sends in place of an exchange object that
    signs apart. Once `signer` is lost nothing is signed any more, cancels included.
    """

    def __init__(
        self,
        exchange: Any,
        *,
        run_sync: RunSync,
        ledger: WritesAhead,
        clock: VenueClock,
        gate: OpensForPlaces | None = None,
        limits: JudgesOrders | None = None,
        cover: CoversOrders | None = None,
        nonces: Nonces | None = None,
        weight: IpWeight | None = None,
        poster: PostsSigned | None = None,
        write_timeout_s: float = WRITE_TIMEOUT_S,
    ) -> None:
        self._exchange = exchange
        self._poster = poster
        self._run_sync = run_sync
        self._ledger = ledger
        self._clock = clock
        self._write_timeout_s = write_timeout_s
        # Looked up on the class: an object that answers to every name is a plain one.
        self._signs = hasattr(type(exchange), "post_signed")
        self._signs_by_pair = hasattr(type(exchange), "sign_for")
        self._gate = gate or AlwaysOpen()
        self._limits = limits or NoLimits()
        self._cover = cover or NoCover()
        self._beside = SideThread(COVER_WITHIN_S)
        self._nonces = nonces or Nonces(clock)
        self._weight = weight or IpWeight()
        self.signer = SignerRow()
        self._has_weight = True
        # Of the actions on their way: the dead man's switch is moved on beside the tick's action.
        self._scopes: set[trio.CancelScope] = set()
        self._done_by_s = float("inf")

    @property
    def done_by_s(self) -> float:
        """Moment of the loop's clock that no action outlasts; infinite until the shutdown."""
        return self._done_by_s

    @property
    def last_nonce(self) -> int:
        """Return the highest nonce that the venue may have taken."""
        return self._nonces.last

    @property
    def signs(self) -> bool:
        """Check if the exchange object signs apart from sending, with exact numbers."""
        return self._signs

    def sign_for(self, coin: str) -> bool:
        """Let another pair's actions be signed from here on; return whether the venue has it."""
        return not self._signs_by_pair or bool(self._exchange.sign_for(coin))

    def judge(self, intents: Sequence[Intent]) -> Sequence[Breach | None]:
        """Find for each order of an action the limit of the account that it would break."""
        return self._limits.judge(intents)

    def take_nonce(self) -> int | None:
        """Return the nonce of the next action; None where the exchange chooses."""
        return self._nonces.take() if self._signs else None

    def compute_expiry_ms(self, after_s: float) -> int:
        """Compute the venue's time `after_s` from now at the earliest."""
        return self._clock.earliest_ms() + int(1000 * after_s)

    def compute_cancel_expiry_ms(self, after_s: float) -> int:
        """Compute the venue's time `after_s` from now at the latest.

        A cancel may arrive late; it must not count as expired while our clock is in doubt.
        """
        return self._clock.latest_ms() + int(1000 * after_s)

    async def burn_nonce(self, nonce: int, *, expires_ms: int) -> Burnt:
        """Use up the nonce of an unanswered action.

        If the action did not run yet, it cannot run any more.
        """
        if not self._signs:
            return Burnt.UNKNOWN
        (answer,) = await self.carry_out("noop", [], nonce=nonce, expires_ms=expires_ms, always=True)
        if isinstance(answer, Cancelled):
            return Burnt.WAS_UNUSED
        reason = find_refused(answer)
        is_used = reason is not None and reason.refusal is Refusal.NONCE
        return Burnt.WAS_USED if is_used else Burnt.UNKNOWN

    async def schedule_cancel(self, moment_ms: int | None, *, expires_ms: int) -> Answer:
        """Let the venue cancel all orders of the account at a moment; None takes it back.

        `Cancelled` where the venue has it.
        """
        if not self._signs:
            return Refused(Refusal.NOT_SENT, "not sent: this exchange object does not sign apart", untouched=True)
        items: list[dict[str, object]] = [{} if moment_ms is None else {"time": moment_ms}]
        nonce = self.take_nonce()
        (answer,) = await self.carry_out(SCHEDULE, items, nonce=nonce, expires_ms=expires_ms, always=True)
        return answer

    def on_shutdown(self, within_s: float) -> None:
        """Shut down within a time that no action outlasts.

        Each action on its way gets `LAST_ANSWER_SHARE` of that for its answer.
        """
        now_s = trio.current_time()
        self._done_by_s = min(self._done_by_s, now_s + within_s)
        for scope in self._scopes:
            scope.deadline = min(scope.deadline, now_s + within_s * LAST_ANSWER_SHARE)

    async def carry_out(
        self,
        method: str,
        items: Sequence[dict[str, object]],
        *,
        nonce: int | None,
        expires_ms: int,
        always: bool = False,
        shares: Sequence[Share] = (),
    ) -> tuple[Answer, ...]:
        """Send one action until it is answered, refused or out of time.

        Returns one answer for each item, and one for a noop. Our shutdown does not cut it off, only its deadline.
        While the journal is locked, only what has `always` is sent. `shares` tell whose items these are, in order; of
        nobody's in particular without. Errors: JournalError or NotMade, and then nothing was sent.
        """
        shares = shares or (Share(n_items=len(items), record=self._ledger.record),)
        # Taken when these orders are in flight already, so it has them.
        cover = None if always else self._cover.make_cover()
        n_answers = max(1, len(items))
        if self.signer.is_lost:
            return (_KEY_LOST,) * n_answers
        lost: Unknown | None = None
        with self._open_scope(min(trio.current_time() + self._write_timeout_s, self._done_by_s)):
            with making():
                action = self._prepare(method, items, shares, nonce=nonce, expires_ms=expires_ms, always=always)
            covered = None
            if cover is not None:
                covered = _CoveredCall(cover, action.call, action.may_still_send, self._beside)
                action = replace(action, call=covered)
            n_lost = 0
            while always or (self.may_place() and all(share.may_place() for share in shares)):
                try:
                    attempt = await self._send_once(action, earlier=lost)
                except (JournalBusy, NoFreeThread) as error:
                    return (Refused(Refusal.NOT_SENT, f"not sent: {error}", untouched=True),) * n_answers
                self._note_times(nonce, attempt)
                if attempt.answers:
                    return attempt.answers
                if attempt.lost is None:
                    # Nothing was sent, and by now it may be forbidden.
                    continue
                lost = attempt.lost
                n_lost += 1
                if n_lost == MOST_SENDS or not attempt.may_repeat:
                    break
                await trio.sleep(RESEND_AFTER_S)
            else:
                return (lost or _NOT_SENT,) * n_answers
        if covered is not None and covered.give_up():
            return (_NEVER_LEFT,) * n_answers
        return (lost or Unknown(f"no answer in {self._write_timeout_s:g} s"),) * n_answers

    def _note_times(self, nonce: int | None, attempt: _Attempt) -> None:
        """Learn from an answer whether the venue took signer, nonce and deadline."""
        answer = attempt.answers[0] if attempt.answers else None
        if answer is not None:
            self.signer.on_answer(answer)
        reason = find_refused(answer)
        refusal = None if reason is None else reason.refusal
        if reason is not None and refusal is Refusal.NONCE:
            # The bytes of a lost attempt, or of an action that is burnt, may have used it before.
            if nonce is not None:
                self._nonces.on_refused(nonce, reason.text)
            if "duplicate" not in reason.text.lower():
                self._clock.on_nonce_refused()
            return
        if nonce is not None and (attempt.answers or attempt.lost is not None):
            self._nonces.on_used(nonce)
        if refusal is Refusal.EXPIRED:
            self._clock.on_expired()
        elif attempt.answers and not isinstance(answer, Unknown) and refusal is not Refusal.NOT_SENT:
            self._clock.on_accepted()

    async def _send_once(self, action: _Action, *, earlier: Unknown | None) -> _Attempt:
        """Write an action ahead and send it, for the first time or again.

        `earlier`: how the last attempt was lost. Errors: JournalError or NoFreeThread, if there was none: nothing was
        sent.
        """
        began_s, may_have_left = trio.current_time(), True
        try:
            answer = await (self._send_anyway(action) if action.always else self._send_if_it_may(action))
            may_have_left = answer is not TOO_LATE
            if not may_have_left:
                return _Attempt()
            answers = action.parse(answer)
            _log.debug("action answered: answers=%d took_s=%.3f", len(answers), trio.current_time() - began_s)
        except VENUE_FAILURES as error:
            may_repeat = self._signs and may_be_sent_again(error)
            return _Attempt(lost=Unknown(describe_failure(error)), may_repeat=may_repeat)
        except (JournalError, NoFreeThread):
            may_have_left = False
            if earlier is None:
                raise
            # The bytes sent earlier may have arrived.
            return _Attempt(lost=earlier, may_repeat=False)
        finally:
            if may_have_left:
                self._weight.on_request(action.weight, now_s=began_s)
        return _Attempt(answers if earlier is None else _read_again(answers))

    @property
    def _is_shutting_down(self) -> bool:
        return self._done_by_s < float("inf") or self._gate.is_shutting_down

    def may_place(self) -> bool:
        """Check if something new may be recorded and sent.

        Only to be called on the loop's thread.
        """
        wait_s = self._weight.compute_wait_s(MOST_WEIGHT, now_s=trio.current_time())
        if wait_s and self._has_weight:
            _log.warning("new orders delayed: wait_s=%.1f; IP request weight exhausted", wait_s)
        self._has_weight = not wait_s
        return self._has_weight and not self._is_shutting_down and self._gate.may_place()

    async def _send_if_it_may(self, action: _Action) -> Any:
        """Write ahead, and send if that is still right by then.

        Returns `TOO_LATE` where it is not. Errors: JournalError, and then nothing was sent.
        """
        if action.post is not None:
            return await commit_then_post(self._ledger, action.may_still_send, action.call, action.post)
        return await self._ledger.flush_then(action.may_still_send, action.call, *action.args)

    def _may_still_send(self) -> bool:
        """Check if something new may leave at this moment. Called on either thread."""
        return not self._is_shutting_down and self._gate.may_still_place()

    async def _send_anyway(self, action: _Action) -> Any:
        """Write ahead where that is possible, and send."""
        with suppress(JournalError):
            await self._ledger.flush_unless_covered()
        if action.post is not None:
            return await action.post()
        return await self._run_sync(action.call, *action.args, abandon_on_cancel=True)

    @contextmanager
    def _open_scope(self, deadline_s: float) -> Iterator[None]:
        """Shield an action from our shutdown, which only brings its deadline forward."""
        with trio.CancelScope(shield=True, deadline=deadline_s) as scope:
            self._scopes.add(scope)
            try:
                yield
            finally:
                self._scopes.remove(scope)

    def _prepare(
        self,
        method: str,
        items: Sequence[dict[str, object]],
        shares: Sequence[Share],
        *,
        nonce: int | None,
        expires_ms: int,
        always: bool,
    ) -> _Action:
        """Sign an action, and record what is to be sent."""
        self._limits.on_signed(len(items))
        for share in shares:
            share.on_signed(share.n_items)

        def may_still_send() -> bool:
            return self._may_still_send() and all(share.may_still_send() for share in shares)

        has_statuses = items and method != SCHEDULE
        parse = partial(parse_answers, n=len(items)) if has_statuses else parse_noop
        weight = find_weight_of_action(len(items))
        if nonce is None:
            call = getattr(self._exchange, method)
            return _Action(self._act, (call, items, expires_ms), parse, always, weight, may_still_send)
        unsigned = self._exchange.make_action(method, items, nonce=nonce, expires_after=expires_ms)
        # Signed first: what is recorded is what can be sent.
        signed = self._exchange.sign_action(unsigned)
        for share in shares:
            share.record(Requested(nonce, method, share.n_items, unsigned.digest, expires_ms))
        if self._poster is not None:
            post = partial(self._poster.post_signed, signed)
            return _Action(go_on, (), parse, always, weight, may_still_send, post)
        return _Action(self._exchange.post_signed, (signed,), parse, always, weight, may_still_send)

    def _act(self, call: Callable[..., Any], items: Sequence[dict[str, object]], expires_ms: int) -> Any:
        # One attribute of the SDK's object serves all later actions, so it is set before each one.
        self._exchange.set_expires_after(expires_ms)
        return call(items)


@contextmanager
def making() -> Iterator[None]:
    """Tell an error before the sending from one after it. Errors: NotMade."""
    try:
        yield
    except Exception as error:
        raise NotMade(str(error)) from error


def _read_again(answers: tuple[Answer, ...]) -> tuple[Answer, ...]:
    """Read the answer to bytes that were sent before.

    A refusal of the whole says nothing of what became of the first bytes. Their nonce is used if they arrived; no
    document says whether the venue checks another reason before the nonce.
    """
    return tuple(
        Unknown(f"sent twice, the first answer was lost, the second: {answer.text}", second=answer)
        if isinstance(answer, Refused) and answer.untouched
        else answer
        for answer in answers
    )
