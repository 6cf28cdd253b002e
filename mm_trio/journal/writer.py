"""Writing of recorded entries to the journal, in groups and off the loop.

Recording an entry never waits. One commit at a time writes everything recorded until then, in order. A caller that
must not go on before an entry is durable calls `flush`. A request that waits only for its entry is sent by the thread
that wrote the entry (`flush_then`). Where a durable reservation covers everything that is not written yet, the request
leaves at once and the commit runs beside it, for as long as that takes less than a second. Without a journal the ledger
lives in memory and nothing waits.

While another process has the journal locked, nothing is written and nothing that waits for an entry is sent; entries
stay in order until the lock is gone. After any other error nothing is ever written behind the hole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Never, Protocol, TypeVar

import trio

from mm_trio.concurrency.blocking_calls import QUICK_S, TOO_LATE, CommitThenSend, NoFreeThread, RunSync, TooLate
from mm_trio.concurrency.fair_lock import UncontendedLock
from mm_trio.concurrency.lock_state import LockState
from mm_trio.model.errors import JournalBusy, JournalError
from mm_trio.model.journal_entries import Checkpoint, Entry
from mm_trio.witness.reservation import Reservation

__all__ = ["CHECKPOINT_EVERY", "COMMIT_WITHIN_S", "AppendsEntries", "JournalWriter"]

_T = TypeVar("_T")

# The order that answers a fill must be durable before it is sent. Waiting a moment puts both into one commit, so that
# the order need not wait for the fill's commit. A fill that was not written yet is not lost: the next start asks the
# venue for it.
COMMIT_AFTER_S = 0.02
# A disk that takes longer is not fit for a ledger.
COMMIT_WITHIN_S = 5.0
# A lock of another process is tried again so often. SQLite itself has waited a moment before it refuses.
TRY_LOCKED_AGAIN_S = 0.25
# Nothing leaves beside an older entry that is not written: a disk that hangs has to stop the maker.
BESIDE_WITHIN_S = 1.0
# A reservation is made anew when so much of it is used up: beside other entries, for which the disk is written anyway,
# and by itself.
SPENT_BESIDE, SPENT = 0.25, 0.4
RENEW_WITHIN_S = 5.0
# Entries. A start replays at most so many and the checkpoint before them: 0.3 s for a ladder of 100 levels, 0.5 s for
# one of 4,000. To sum up the state for a checkpoint takes the loop 11 ms for the one and 24 ms for the other.
CHECKPOINT_EVERY = 8_000


class AppendsEntries(Protocol):
    """Journal to which entries can be appended."""

    def mark_end(self) -> None:
        """Write down durably how far the journal reaches. Errors: JournalError."""

    def append(self, entries: Sequence[Entry], *, at_ms: int) -> None:
        """Block until the entries are durable.

        Errors: JournalError; JournalBusy, if none was written and a later attempt may succeed.
        """


class _Writing:
    """Group of entries that is being written."""

    def __init__(self, journal: AppendsEntries, entries: Sequence[Entry], at_ms: int) -> None:
        self._journal = journal
        self._entries = entries
        self._at_ms = at_ms
        self._began_s = trio.current_time()
        # The writing thread sets the first flag, the loop the second.
        self.is_done = self.is_abandoned = False

    def append(self) -> None:
        """Block until the group is durable. Errors: JournalError."""
        self._journal.append(self._entries, at_ms=self._at_ms)
        self.is_done = True

    def abandon(self) -> None:
        """Let nothing be sent behind this group any more."""
        self.is_abandoned = True

    def describe_hang(self) -> str:
        """Describe a write that has not come back."""
        took_s = trio.current_time() - self._began_s
        return (
            f"the ledger could not be written within {took_s:.1f} s: the disk hangs; check it and its mount, then "
            "start again"
        )


class JournalWriter:
    """Buffer of recorded entries, and the only writer of the journal.

    Entries are recorded on the loop's thread. `summarise` returns the entries of a checkpoint, or None while there can
    be no checkpoint yet; it is called once every `checkpoint_every` entries. `reservation` None: every request waits
    for its entry.
    """

    def __init__(
        self,
        journal: AppendsEntries | None,
        *,
        run_sync: RunSync,
        wall_ms: Callable[[], int],
        summarise: Callable[[], Sequence[Entry] | None],
        n_since_checkpoint: int = 0,
        send_sync: RunSync | None = None,
        checkpoint_every: int = CHECKPOINT_EVERY,
        reservation: Reservation | None = None,
    ) -> None:
        self._journal = journal
        self._reservation = reservation
        self._run_sync = run_sync
        self._send_sync = send_sync or run_sync
        self._wall_ms = wall_ms
        self._summarise = summarise
        self._n_since_checkpoint = n_since_checkpoint
        self._checkpoint_every = checkpoint_every
        self._pending: list[Entry] = []
        self._n_recorded = self._n_durable = 0
        # No entry that is not durable was recorded before this.
        self._unwritten_since_s = -math.inf
        self._mark_is_due = False
        # Time of the last good commit, None before the first.
        self.committed_s: float | None = None
        self._recorded = trio.Event()
        self._turn = UncontendedLock()
        self._fault: JournalError | None = None
        self.lock = LockState()

    @property
    def n_unwritten(self) -> int:
        """Count the entries that wait to be written."""
        return len(self._pending)

    @property
    def waits_since_s(self) -> float | None:
        """Return since when entries wait to be durable; None where none does."""
        return None if self._n_recorded == self._n_durable else self._unwritten_since_s

    @property
    def fault(self) -> JournalError | None:
        """Error after which nothing more is written, or None."""
        return self._fault

    @property
    def obstacle(self) -> str | None:
        """Return why nothing that needs an entry may be sent, or None."""
        return self.lock.reason if self._fault is None else str(self._fault)

    def record(self, entry: Entry) -> None:
        """Record an entry, to be written soon.

        Entries are dropped once the journal has failed; the next start learns of these events from the venue.
        """
        if self._journal is None or self._fault is not None:
            return
        if self._n_recorded == self._n_durable:
            self._unwritten_since_s = trio.current_time()
        self._pending.append(entry)
        self._n_recorded += 1
        if self._reservation is not None:
            self._reservation.note(entry)
        self._recorded.set()

    def reserve(self) -> None:
        """Let requests leave beside their entries, once a first reservation is durable."""
        if self._reservation is not None:
            self._reservation.begin()

    def release(self) -> None:
        """Record that whatever was sent is recorded.

        It holds once it is written. Nothing may be sent any more.
        """
        if self._reservation is not None and (entry := self._reservation.release()) is not None:
            self.record(entry)

    @property
    def covers(self) -> bool:
        """Return whether a request whose entries are recorded may leave at once.

        Nothing waits to be written, or a durable reservation covers what does.
        """
        if self._fault is not None or self.lock.reason is not None:
            return False
        return self._n_recorded == self._n_durable or (
            self._reservation is not None and self._reservation.covers() and self._compute_lag_s() <= BESIDE_WITHIN_S
        )

    def _compute_lag_s(self) -> float:
        return trio.current_time() - self._unwritten_since_s

    async def flush(self) -> None:
        """Return once everything recorded until now is durable.

        Errors: JournalError; JournalBusy while another process has the journal locked, and then the entries stay.
        """
        goal = self._n_recorded
        async with self._turn:
            # A caller that had to wait here may find that the one before it wrote its entries too.
            if self._fault is not None:
                raise self._fault
            if self._n_durable < goal:
                await self._commit()

    async def flush_unless_covered(self) -> None:
        """Return once everything recorded until now is durable, or a reservation covers it. Errors: as `flush`."""
        if not self.covers:
            await self.flush()

    async def flush_within(self, patience_s: float) -> None:
        """Flush as soon as no other process has the journal locked.

        Errors: JournalError; JournalBusy if it is still locked after `patience_s`.
        """
        until_s = trio.current_time() + patience_s
        while True:
            try:
                return await self.flush()
            except JournalBusy:
                if trio.current_time() + TRY_LOCKED_AGAIN_S > until_s:
                    raise
            await trio.sleep(TRY_LOCKED_AGAIN_S)

    async def flush_then(self, is_wanted: Callable[[], bool], send: Callable[..., _T], *args: object) -> _T | TooLate:
        """Make everything recorded durable, then make this blocking call; at once where a reservation covers it.

        `is_wanted` is called between the two, possibly on a worker thread. Return the result of `send`, or `TOO_LATE`
        if it was not called; then the caller has to check whether it may still send. The caller sets the deadline: a
        write that is not done when it is cancelled is a fault.
        Errors: JournalError or NoFreeThread, and then nothing was or will be sent; any error of `send`.
        """
        if self.covers:
            return await self._send_sync(send, *args, abandon_on_cancel=True) if is_wanted() else TOO_LATE
        began_s = trio.current_time()
        async with self._turn:
            if self._fault is not None:
                raise self._fault
            # A slow write of another caller went before, so the caller has to decide anew.
            if trio.current_time() - began_s > QUICK_S:
                return TOO_LATE
            if not self._pending:
                # Another caller wrote our entries while we waited for our turn, and the feed may be gone since.
                return await self._send_sync(send, *args, abandon_on_cancel=True) if is_wanted() else TOO_LATE
            with self._writing() as writing:
                call = CommitThenSend(writing.append, lambda: not writing.is_abandoned and is_wanted(), send, *args)
                return await self._send_sync(call, abandon_on_cancel=True)

    async def mark_end(self) -> None:
        """Write down durably how far the journal reaches now.

        No action waits for it: it is called at the start and the end of a session, and some time after a checkpoint.
        Errors: JournalError.
        """
        if self._journal is None or self._fault is not None:
            return
        self._mark_is_due = False
        await self._run_sync(self._journal.mark_end, abandon_on_cancel=True)

    async def keep_forever(self) -> Never:
        """Write recorded entries soon after they come in.

        They wait for as long as another process has the journal locked.
        Errors: JournalError, which ends the maker.
        """
        while True:
            await self._wait_until_due()
            self._recorded = trio.Event()
            await self.flush_within(math.inf)
            if self._mark_is_due:
                await self.mark_end()

    async def _wait_until_due(self) -> None:
        """Wait for entries, or until the reservation has to be made anew."""
        with trio.move_on_after(math.inf if self._reservation is None else RENEW_WITHIN_S) as quiet:
            await self._recorded.wait()
        if quiet.cancelled_caught:
            self._renew(spent=SPENT)
        else:
            await trio.sleep(COMMIT_AFTER_S)

    def _renew(self, *, spent: float) -> None:
        """Record a new reservation where that is due."""
        if self._reservation is not None and (entry := self._reservation.find_wanted(spent=spent)) is not None:
            self.record(entry)

    async def _commit(self) -> None:
        with self._writing() as writing:
            # A commit cut short by a shutdown would leave it unknown whether the entries were written.
            with trio.move_on_after(COMMIT_WITHIN_S, shield=True):
                await self._run_sync(writing.append, abandon_on_cancel=True)
            if not writing.is_done:
                raise JournalError(writing.describe_hang())

    @contextmanager
    def _writing(self) -> Iterator[_Writing]:
        """Hand out everything recorded, to be written within the context.

        If it is not written by the end of the context, the journal is closed to further entries: they must not follow
        a hole. Only where it is sure that none was written and all may be later, they are kept. Errors: JournalError.
        """
        assert self._journal is not None
        self._renew(spent=SPENT_BESIDE)
        taken, self._pending = self._pending, []
        taken_s = trio.current_time()
        batch = [*taken, *self._make_checkpoint(len(taken))]
        writing = _Writing(self._journal, batch, self._wall_ms())
        try:
            yield writing
        except (JournalBusy, NoFreeThread) as error:
            # A checkpoint sums up all entries before it, so a later batch gets one of its own.
            self._pending = [*taken, *self._pending]
            if isinstance(error, JournalBusy):
                self.lock.on_refused(error)
            raise
        except BaseException as error:
            # Set the flag before reading the other one. The thread does it the other way round, so that at least one of
            # the two sees what the other did.
            writing.abandon()
            if writing.is_done:
                raise
            self._fault = _make_fault(error, writing)
            raise self._fault from error
        finally:
            if writing.is_done:
                self._n_durable += len(taken)
                self.committed_s = trio.current_time()
                # Those that are left were recorded after these were taken.
                self._unwritten_since_s = taken_s
                self._on_durable(taken)
                self._n_since_checkpoint += len(batch)
                if len(batch) > len(taken):
                    self._n_since_checkpoint = 0
                    self._mark_is_due = True
                self.lock.on_written()

    def _make_checkpoint(self, n_taken: int) -> list[Entry]:
        """Make the checkpoint that is due after so many entries, if any.

        Nothing may have been awaited since the entries were taken: then the present state is the sum of all entries.
        """
        if self._n_since_checkpoint + n_taken < self._checkpoint_every:
            return []
        summary = self._summarise()
        if summary is None:
            return []
        reserved = () if self._reservation is None else self._reservation.summarise()
        return [Checkpoint((*summary, *reserved))]

    def _on_durable(self, entries: Sequence[Entry]) -> None:
        if self._reservation is not None:
            for entry in entries:
                self._reservation.on_durable(entry)


def _make_fault(error: BaseException, writing: _Writing) -> JournalError:
    if isinstance(error, JournalError):
        return type(error)(str(error))
    if isinstance(error, trio.Cancelled):
        return JournalError(writing.describe_hang())
    # Any other class is a bug of ours.
    return JournalError(f"the ledger was not written: {type(error).__name__}: {error}")
